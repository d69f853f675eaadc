"""The engine side by side with PyTorch: each program, given the module, returns what both must agree on."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_edu

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


def leaf(m, *numbers):
    return m.tensor(list(numbers), dtype=m.float64, requires_grad=True)


def grads(*tensors):
    return [t.grad for t in tensors]


def accumulation(m):
    x = leaf(m, 1.0, 2.0)
    (x * x).sum().backward()
    (x * 3).sum().backward()
    return grads(x)


def shared_and_unequally_deep(m):
    x, w = leaf(m, 0.3, -0.7), leaf(m, 1.1, 0.4)
    y = (x * w).tanh()
    z = y.exp() + y
    (z * y + (z.sin() * x).cos() / w).sum().backward()
    return grads(x, w)


def gradient_of_a_vector(m):
    x = leaf(m, 1.0, 2.0)
    (x * x).backward(m.tensor([1.0, 10.0]))
    (x * x).backward(m.tensor([1, 10]))
    return grads(x)


def inputs_only(m):
    x, w = leaf(m, 1.0, 2.0), leaf(m, 3.0, 4.0)
    y = x * w
    y.retain_grad()
    (y * y).sum().backward(inputs=[w])
    return grads(x, y, w)


def inputs_inner(m):
    x, w = leaf(m, 1.0, 2.0), leaf(m, 3.0, 4.0)
    y = x * w
    (y * y).sum().backward(inputs=[y, x])
    return grads(x, y, w)


def unused_input(m):
    x, w = leaf(m, 1.0), leaf(m, 3.0)
    (x * x).sum().backward(inputs=[w])
    return grads(x, w)


def several_roots(m):
    x = leaf(m, 1.0, 2.0)
    y = x * x
    m.autograd.backward([y, y.sum(), x.sum()], [m.tensor([1.0, 5.0], dtype=m.float64), None, None])
    return grads(x)


def hooks_in_order(m):
    x = leaf(m, 1.0, 2.0)
    seen = []
    y = x * 2
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.register_hook(lambda g: g * 10)
    y.retain_grad()
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.sum().backward()
    return [seen, *grads(x, y)]


def hook_on_a_leaf(m):
    x = leaf(m, 1.0, 2.0)
    seen = []
    handle = x.register_hook(lambda g: seen.append(g.tolist()) or g * 2)
    (x * x + x).sum().backward()
    handle.remove()
    (x * x).sum().backward()
    return [seen, *grads(x)]


def hook_on_a_leaf_and_grad(m):
    x = leaf(m, 1.0, 2.0)
    x.register_hook(lambda g: g * 2)
    return m.autograd.grad((x * x).sum(), x)


def hook_on_the_root(m):
    x = leaf(m, 1.0, 2.0)
    y = (x * 2).sum()
    y.register_hook(lambda g: g * 3)
    y.backward()
    return grads(x)


def hook_removed_by_a_hook(m):
    y = leaf(m, 1.0, 2.0) * 2
    seen, handles = [], []
    y.register_hook(lambda g: handles[0].remove())
    handles.append(y.register_hook(lambda g: seen.append(1)))
    y.sum().backward()
    return seen


def hook_that_does_not_lie_on_the_way(m):
    x, w = leaf(m, 1.0), leaf(m, 3.0)
    seen = []
    w.register_hook(lambda g: seen.append(1))
    m.autograd.grad((x * w).sum(), x)
    return seen


def mode_inside_of_hooks(m):
    x = leaf(m, 1.0)
    seen = []
    x.register_hook(lambda g: seen.append(m.is_grad_enabled()))
    (x * x).sum().backward()
    (x * x).sum().backward(create_graph=True)
    return seen


def retained_twice(m):
    x = leaf(m, 1.0)
    y = x * 2
    y.retain_grad()
    (y * y).sum().backward(retain_graph=True)
    (y * y).sum().backward()
    return [*grads(x, y), y.retains_grad, x.retains_grad]


def grad_of_inner_values(m):
    x = leaf(m, 1.0, 2.0)
    y = x * x
    z = y.sum()
    return m.autograd.grad([z, y.sum() * 2], [x, y])


def grad_twice_of_one_output(m):
    x = leaf(m, 1.0, 2.0)
    y = (x * x).sum()
    return m.autograd.grad([y, y], [x, x])


def grad_unused(m):
    x, w = leaf(m, 1.0), leaf(m, 3.0)
    first = m.autograd.grad((x * x).sum(), [x, w], allow_unused=True)
    return [*first, *m.autograd.grad((x * x).sum(), [x, w], materialize_grads=True)]


def grad_then_backward_below(m):
    x = leaf(m, 1.0, 2.0)
    h = x.exp()
    (dh,) = m.autograd.grad((h * h).sum(), h)
    h.backward(dh)
    return [dh, *grads(x)]


def third_order(m):
    x = leaf(m, 0.5, -0.3)
    found = [x.tanh() * x.exp()]
    for _ in range(3):
        found += m.autograd.grad(found[-1].sum(), x, create_graph=True)
    return found


def create_graph_through_backward(m):
    x = leaf(m, 0.5)
    (x**3).sum().backward(create_graph=True)
    g, x.grad = x.grad, None
    (g * g).sum().backward()
    return [g, g.requires_grad, *grads(x)]


def create_graph_and_accumulate(m):
    x = leaf(m, 0.5)
    (x**3).sum().backward(create_graph=True)
    (x**2).sum().backward(create_graph=True)
    return [x.grad, x.grad.requires_grad, *m.autograd.grad(x.grad.sum(), x)]


def create_graph_under_no_grad(m):
    x = leaf(m, 0.5)
    y = (x**3).sum()
    x.sum().backward()
    with m.no_grad():
        y.backward(create_graph=True)
    return [x.grad, x.grad.requires_grad]


def frozen_and_thawed(m):
    x = leaf(m, 1.0, 2.0)
    y = x * x
    x.requires_grad_(False)
    y.sum().backward(retain_graph=True)
    first = x.grad
    x.requires_grad_(True)
    y.sum().backward()
    return [first, *grads(x)]


def mixed_dtypes(m):
    x, w = m.tensor([1.0, 2.0], requires_grad=True), leaf(m, 3.0, 4.0)
    y = (x * w).sum() + x.sum()
    y.backward()
    return [str(t.dtype).removeprefix("torch.") for t in (x.grad, w.grad, y)] + grads(x, w)


def walked_again(m):
    x = leaf(m, 1.0)
    y = (x + x).sum()
    y.backward()
    y.backward()
    return grads(x)


def flags(m):
    x, c = leaf(m, 1.0), m.tensor([1.0])
    y = x * 2
    with m.no_grad():
        n = x * 2
        made = m.zeros(2, requires_grad=True)
    tensors = [x, c, y, c * 2, n, made, x.detach(), x.data, y.detach(), made * 2]
    return [(t.requires_grad, t.is_leaf, t.grad_fn is None) for t in tensors]


def modes(m):
    seen = [m.is_grad_enabled()]
    with m.no_grad():
        seen.append(m.is_grad_enabled())
        with m.enable_grad():
            seen.append(m.is_grad_enabled())
        with m.set_grad_enabled(True):
            seen.append(m.is_grad_enabled())
        with m.inference_mode(False):
            seen.append(m.is_grad_enabled())
    for decorate in (
        m.no_grad(),
        m.no_grad,
        m.enable_grad(),
        m.set_grad_enabled(False),
        m.inference_mode(),
        m.inference_mode,
    ):
        seen.append(decorate(m.is_grad_enabled)())
    m.set_grad_enabled(False)
    seen.append(m.is_grad_enabled())
    m.set_grad_enabled(True)

    @m.no_grad()
    def steps():
        yield m.is_grad_enabled()
        yield m.is_grad_enabled()

    for inside in steps():
        seen += [inside, m.is_grad_enabled()]
    return seen


PROGRAMS = [
    *(accumulation, shared_and_unequally_deep, gradient_of_a_vector, inputs_only, inputs_inner, unused_input),
    *(several_roots, hooks_in_order, hook_on_a_leaf, hook_on_a_leaf_and_grad, hook_on_the_root),
    *(hook_removed_by_a_hook, hook_that_does_not_lie_on_the_way, mode_inside_of_hooks, retained_twice),
    *(grad_of_inner_values, grad_twice_of_one_output, grad_unused, grad_then_backward_below, third_order),
    *(create_graph_through_backward, create_graph_and_accumulate, create_graph_under_no_grad, frozen_and_thawed),
    *(mixed_dtypes, walked_again, flags, modes),
]


def plain(value):
    """Tensors as arrays, everything else as it is."""
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value.detach().numpy() if hasattr(value, "detach") else value


def assert_agree(ours, theirs):
    if isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            assert_agree(a, b)
    elif isinstance(theirs, np.ndarray):
        assert ours.shape == theirs.shape
        assert_allclose(ours, theirs, rtol=1e-12)  # float64; tanh and exp differ in the last bits
    else:
        assert ours == theirs


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_engine_does_what_pytorchs_does(program):
    """Gradients, flags, what hooks see and in which order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # PyTorch's, that .grad with a graph makes a cycle
        theirs = plain(program(torch))
    assert_agree(plain(program(tinygrad_edu)), theirs)


REFUSED = {
    "backward of a vector": lambda m, x: (x * x).backward(),
    "backward without a leaf": lambda m, x: m.tensor([1.0]).sum().backward(),
    "gradient of another shape": lambda m, x: (x * x).backward(m.tensor(1.0)),
    "backward twice": lambda m, x: [loss.backward() for loss in [(x * x).sum()] * 2],
    "no inputs": lambda m, x: x.sum().backward(inputs=[]),
    "grad of an unused input": lambda m, x: m.autograd.grad(x.sum(), [x, leaf(m, 1.0)]),
    "grad by a constant": lambda m, x: m.autograd.grad(x.sum(), m.tensor([1.0])),
    "grad twice": lambda m, x: [m.autograd.grad(loss, x) for loss in [(x * x).sum()] * 2],
    "requires_grad of integers": lambda m, x: m.tensor([1, 2]).requires_grad_(),
    "requires_grad of a result switched off": lambda m, x: (x * 2).requires_grad_(False),
    "hook on a constant": lambda m, x: m.tensor([1.0]).register_hook(print),
    "hook that returns another shape": lambda m, x: _hooked(x, lambda g: g.sum()).sum().backward(),
    "retain_grad of a constant": lambda m, x: m.tensor([1.0]).retain_grad(),
    "numpy of what requires grad": lambda m, x: x.numpy(),
    "deepcopy of a result": lambda m, x: __import__("copy").deepcopy(x * 2),
    "another shape as grad": lambda m, x: setattr(x, "grad", m.tensor([1.0], dtype=m.float64)),
    "another dtype as grad": lambda m, x: setattr(x, "grad", m.tensor([1.0, 2.0])),
}


def _hooked(x, hook):
    x.register_hook(hook)
    return x


@pytest.mark.parametrize("mistake", REFUSED)
def test_mistake_raises_runtime_error_in_both(mistake):
    """A script that catches PyTorch's RuntimeError catches ours."""
    for m in (torch, tinygrad_edu):
        with pytest.raises(RuntimeError):
            REFUSED[mistake](m, leaf(m, 1.0, 2.0))
