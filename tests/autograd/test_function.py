"""Function: operations with a gradient of the user's own."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tinygrad_edu import enable_grad, float64, from_numpy, no_grad, tensor
from tinygrad_edu.autograd import Function, grad, gradcheck, gradgradcheck, once_differentiable
from tinygrad_edu.symbolic import explain, trace


class Exp(Function):
    """Saves its output."""

    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dY):
        (y,) = ctx.saved_tensors
        return dY * y


class Twins(Function):
    """Two outputs, an argument that is no tensor, and inputs, output, intermediate and None saved."""

    calls = 0

    @staticmethod
    def forward(ctx, a, b, n):
        ctx.n = n
        ab, square = a * b, a * a
        ctx.save_for_backward(a, b, ab, square, None)
        return n * ab, a + b

    @staticmethod
    def backward(ctx, dY, dZ):
        Twins.calls += 1
        a, b, ab, square, none = ctx.saved_tensors
        assert none is None
        assert_array_equal(ab.detach().numpy(), (a * b).detach().numpy())
        assert_array_equal(square.detach().numpy(), (a * a).detach().numpy())
        return ctx.n * dY * b + dZ, ctx.n * dY * a + dZ, None


def leaf(*values, **words):
    return tensor(list(values), dtype=float64, requires_grad=True, **words)


def function(forward, backward):
    """A Function of two static methods."""
    return type("Own", (Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)})


def test_two_outputs_agree_with_the_closed_form():
    """d/da of sum((2ab)^2 + a + b) is 8ab^2 + 1, exactly in small integers."""
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y, z = Twins.apply(a, b, 2)
    (y * y + z).sum().backward()
    assert a.grad.tolist() == [73.0, 257.0]
    assert b.grad.tolist() == [25.0, 129.0]


def test_backward_is_called_once_for_all_inputs():
    """One call per visit serves both inputs; a second visit with the same cotangent object calls it again."""
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y, _ = Twins.apply(a, b, 2)
    Twins.calls = 0
    dY = tensor([1.0, 1.0], dtype=float64)
    grad(y, (a, b), dY, retain_graph=True)
    assert Twins.calls == 1
    grad(y, a, dY, retain_graph=True)
    with no_grad():
        dY.mul_(10)
    assert grad(y, b, dY)[0].tolist() == [20.0, 40.0]
    assert Twins.calls == 3


def test_first_and_second_order_agree_with_differences(rng):
    """A backward of Tensor operations is differentiated like any other code, through inputs and outputs saved."""
    a, b = (from_numpy(rng.standard_normal(3)).requires_grad_() for _ in range(2))
    for f, inputs in ((lambda a, b: Twins.apply(a, b, 2), (a, b)), (Exp.apply, (a,))):
        assert gradcheck(f, inputs)
        assert gradgradcheck(f, inputs)


def test_setup_context_takes_defaults_and_keywords():
    """forward without ctx: setup_context sees all arguments, defaults filled in, and the output."""

    class Scale(Function):
        @staticmethod
        def forward(x, factor=3.0):
            return x * factor

        @staticmethod
        def setup_context(ctx, inputs, output):
            _, ctx.factor = inputs
            assert output.shape == inputs[0].shape

        @staticmethod
        def backward(ctx, dY):
            return dY * ctx.factor, None

    x = leaf(1.0)
    assert grad(Scale.apply(x), x)[0].tolist() == [3.0]
    assert grad(Scale.apply(x, factor=5.0), x)[0].tolist() == [5.0]


def test_needs_input_grad_tells_each_argument():
    """True for tensors that require a gradient, False for other tensors and for what is no tensor."""
    seen = []

    def forward(ctx, *args):
        seen.append(ctx.needs_input_grad)
        return args[0] * 1

    function(forward, None).apply(leaf(1.0), tensor([1.0]), 2.0)
    assert seen == [(True, False, False)]


def test_none_leaves_grad_alone():
    """A gradient of None: .grad stays None, and grad() says that the input is unused."""
    Own = function(lambda ctx, a, b: a * b, lambda ctx, dY: (dY, None))
    a, b = leaf(1.0), leaf(2.0)
    Own.apply(a, b).backward()
    assert a.grad.tolist() == [1.0]
    assert b.grad is None
    with pytest.raises(RuntimeError, match="allow_unused"):
        grad(Own.apply(a, b), b)


def test_output_not_differentiable():
    """A marked output and an integer one need no gradient; backward gets zeros for them."""
    seen = []

    def forward(ctx, x):
        y, mask, place = x * 2, (x > 0).double(), x.argmax()
        ctx.mark_non_differentiable(mask)
        return y, mask, place

    def backward(ctx, dY, dmask, dplace):
        seen.append((dmask.tolist(), dplace.tolist()))
        return dY * 2

    x = leaf(-1.0, 3.0)
    y, mask, place = function(forward, backward).apply(x)
    assert (y.requires_grad, mask.requires_grad, place.requires_grad) == (True, False, False)
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    assert seen == [([0.0, 0.0], 0)]


@pytest.mark.parametrize("materialize", [True, False])
def test_unused_outputs_get_zeros_or_none(materialize):
    """Zeros for an output that did not reach the loss; None after set_materialize_grads(False)."""
    seen = []

    def forward(ctx, x):
        ctx.set_materialize_grads(materialize)
        return x + 1, x + 2

    def backward(ctx, dY, dZ):
        seen.append(None if dY is None else dY.tolist())
        return dZ

    x = leaf(1.0)
    function(forward, backward).apply(x)[1].backward()
    assert seen == ([[0.0]] if materialize else [None])


def test_once_differentiable_refuses_a_second_order():
    """The first gradient is right, also under create_graph; differentiating it is an error that names the mark."""
    Own = function(
        lambda ctx, x: (ctx.save_for_backward(x), from_numpy(np.sin(x.detach().numpy())))[1],
        once_differentiable(lambda ctx, dY: dY * from_numpy(np.cos(ctx.saved_tensors[0].detach().numpy()))),
    )
    x = leaf(0.3)
    (dX,) = grad(Own.apply(x), x, create_graph=True)
    assert_allclose(dX.detach().numpy(), np.cos([0.3]), rtol=1e-15)  # the same NumPy function
    with pytest.raises(RuntimeError, match="once_differentiable"):
        dX.backward()


def test_gradients_returned_are_never_aliased():
    """What backward returns may be kept by the user: .grad is a copy of it, with create_graph too."""
    kept = tensor([5.0], dtype=float64)
    Own = function(lambda ctx, x: x * 5, lambda ctx, dY: kept)
    for create_graph in (False, True):
        x = leaf(1.0)
        (Own.apply(x) + Own.apply(x)).backward(create_graph=create_graph)
        with no_grad():
            x.grad.mul_(7)
        assert kept.tolist() == [5.0]
        x.grad = None
        Own.apply(x).backward(create_graph=create_graph)
        with no_grad():
            x.grad.zero_()
        assert kept.tolist() == [5.0]


def test_input_returned_is_a_new_tensor():
    """A forward that gives back its argument, or a view of it: writing into the result leaves the argument alone."""
    Own = function(lambda ctx, x: (x, x[:1]), lambda ctx, dY, dZ: dY * 3)
    x = leaf(1.0, 2.0)
    y, z = Own.apply(x)
    with no_grad():
        y.zero_()
        z.zero_()
    assert x.tolist() == [1.0, 2.0]
    y, _ = Own.apply(x)
    assert grad(y.sum(), x)[0].tolist() == [3.0, 3.0]


def test_saved_values_are_guarded_and_freed():
    """An input overwritten before backward is refused, naming the Function; so is a second backward."""
    x = leaf(1.0, 2.0)
    h = x * 1
    y = Twins.apply(h, h, 2)[0].sum()
    with no_grad():
        h.add_(1)
    with pytest.raises(RuntimeError, match=r"Twins at .*add_ at .*overwritten"):
        y.backward()
    z = Exp.apply(x).sum()
    z.backward()
    with pytest.raises(RuntimeError, match=r"Exp saved were freed .* retain_graph=True"):
        z.backward()


def test_nothing_stays_alive_without_the_collector():
    """No cycle between context, records and results: `del` frees all, also when outputs were saved."""
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        before = len(gc.get_objects())
        y, z = Twins.apply(x, Exp.apply(x), 2)
        loss = (y + z).sum()
        loss.backward()
        del y, z, loss
        x.grad = None
        assert len(gc.get_objects()) - before <= 2  # the loop's own leftovers, not a graph
    finally:
        gc.enable()


def test_without_grad_mode_nothing_is_recorded():
    """Under no_grad the values are the same and require no gradient; forward itself runs unrecorded."""
    x = leaf(0.0)
    with no_grad():
        assert not Exp.apply(x).requires_grad
        with enable_grad():
            assert Exp.apply(x).requires_grad
    assert not Exp.apply(x.detach()).requires_grad


def test_trace_runs_forward_and_backward_as_tensor_code():
    """A traced step with a Function in it, run on other numbers, equals the eager step."""
    w = leaf(0.5, 1.5)

    def step(x):
        loss = (Exp.apply(w * x) * x).sum()
        return loss, grad(loss, w)[0]

    program = trace(step, tensor([1.0, 2.0], dtype=float64))
    x = tensor([3.0, -1.0], dtype=float64)
    for traced, eager in zip(program(x), step(x), strict=True):
        assert_array_equal(traced.detach().numpy(), eager.detach().numpy())


def test_formula_opens_backward_and_names_the_function():
    """The printed gradient is backward's own Tensor code, with the Function itself as one word."""
    x = leaf(1.0, name="x")
    e = explain((Exp.apply(x) * 2).sum())
    assert [e["H1"].text(), e["dx"].text()] == ["H1 = Exp(x)", "dx = 2 H1"]


def test_graph_is_seen_as_pytorch_shows_it():
    """grad_fn.name(), and next_functions through both outputs to the leaves; no edge for what is no tensor."""
    a, b = leaf(1.0), tensor([2.0], dtype=float64)
    y, z = Twins.apply(a, b, 2)
    assert y.grad_fn == z.grad_fn
    assert y.grad_fn.name() == "TwinsBackward"
    assert [None if node is None else node.name() for node, _ in y.grad_fn.next_functions] == ["AccumulateGrad", None]
    product = z * 2
    assert product.grad_fn.name() == "MulBackward0"
    assert product.grad_fn.next_functions[0] == (y.grad_fn, 1)
    assert a.grad_fn is None


def wrong(gradients, forward=lambda ctx, x, n: x * n):
    return lambda: function(forward, lambda ctx, dY: gradients).apply(leaf(1.0, 2.0), 3).sum().backward()


def not_written():
    return type("Bare", (Function,), {"forward": staticmethod(lambda ctx, x: x * 1)}).apply(leaf(1.0)).backward()


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            wrong(tensor([1.0])),
            RuntimeError,
            r"OwnBackward returned an incorrect number of gradients \(expected 2, got 1",
        ),
        (wrong((None, None, 1.0)), RuntimeError, r"OwnBackward .*incorrect number .*expected 2, got 3"),
        (wrong((tensor([1.0]), None)), RuntimeError, r"OwnBackward .*invalid gradient at index 0 - got \[1\] .*\[2\]"),
        (wrong((np.ones(2), None)), TypeError, r"OwnBackward returned a ndarray .*Tensor or None"),
        (wrong((None, tensor(1.0))), RuntimeError, r"OwnBackward .*different from None at position 1"),
        (wrong(None, lambda ctx, x, n: np.ones(2)), TypeError, r"Own\.forward: expected Tensor .*got ndarray"),
        (wrong(None, lambda ctx, x, n: ctx.save_for_backward(x, n)), TypeError, r"can only save tensors.*argument 1"),
        (wrong(None, lambda ctx, x, n: ctx.mark_dirty(x)), RuntimeError, r"mark_dirty.*x\.copy_"),
        (not_written, NotImplementedError, "backward or vjp"),
        (lambda: Function.apply(leaf(1.0)), NotImplementedError, "implement the forward"),
        (Exp, TypeError, r"Exp should not be instantiated.*Exp\.apply"),
    ],
)
def test_mistakes_are_named(call, error, text):
    """What forward and backward may not do: the error names the Function and what was expected."""
    with pytest.raises(error, match=text):
        call()


def test_extra_nones_and_larger_gradients_are_taken():
    """Nones after the last argument are dropped; a gradient that broadcasting explains is summed, as in PyTorch."""
    Own = function(lambda ctx, x: x * 1, lambda ctx, dY: (tensor([[1.0, 2.0], [3.0, 4.0]]), None, None))
    x = leaf(1.0, 1.0)
    Own.apply(x).sum().backward()
    assert x.grad.tolist() == [4.0, 6.0]
