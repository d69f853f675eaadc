"""Hooks of grad_fn nodes against PyTorch: what they are handed, when, and what becomes of what they return."""

from __future__ import annotations

import pytest

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


class Log:
    """What hooks saw, in order."""

    def __init__(self):
        self.seen = []

    def hook(self, name):
        def see(*tuples):
            self.seen.append((name, [[None if g is None else g.tolist() for g in t] for t in tuples]))

        return see


def leaves(m):
    return m.tensor([1.0, 2.0], requires_grad=True), m.tensor([3.0, 4.0], requires_grad=True)


def chain(m, log):
    x, w = leaves(m)
    y = x * w
    z = y * y + x  # y * y: two gradients, handed over one by one
    y.grad_fn.register_hook(log.hook("after y"))
    y.grad_fn.register_prehook(log.hook("before y"))
    (square, _), (_, _) = z.grad_fn.next_functions
    square.register_hook(log.hook("after the square"))
    z.grad_fn.register_hook(log.hook("after z"))
    z.sum().backward()
    return x.grad, w.grad


def replacing(m, log):
    x, w = leaves(m)
    y = x * w
    y.grad_fn.register_prehook(lambda outputs: (outputs[0] + 1,))
    y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] * 10, inputs[1] * 100))
    y.grad_fn.register_hook(log.hook("then"))
    (y.sum() + x.sum()).backward()
    return x.grad, w.grad


def leaf(m, log):
    x, _ = leaves(m)
    (node, _) = (x * x).grad_fn.next_functions[0]
    node.register_hook(log.hook("after the leaf"))
    node.register_prehook(log.hook("before the leaf"))
    (x * 3).sum().backward()
    (x * 5).sum().backward()
    return (x.grad,)


def joint(m, log):
    x = m.tensor([[2.0, 0.0], [1.0, 3.0]], dtype=m.float64, requires_grad=True)
    _, log_size = m.linalg.slogdet(x)
    log_size.grad_fn.register_prehook(log.hook("before"))
    log_size.grad_fn.register_prehook(lambda outputs: (outputs[0], outputs[1] * 2))
    log_size.backward()
    return ((x.grad * 3).round(),)  # thirds, computed in different orders


def removed(m, log):
    x, w = leaves(m)
    y = x * w
    handles = [y.grad_fn.register_hook(log.hook("after")), y.grad_fn.register_prehook(log.hook("before"))]
    (node, _) = y.grad_fn.next_functions[0]
    handles.append(node.register_hook(log.hook("leaf")))
    for handle in handles:
        handle.remove()
    y.sum().backward()
    return x.grad, w.grad


def function(m, log):
    class Both(m.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            return a * b, a + b

        @staticmethod
        def backward(ctx, g, h):
            return g * 2, h * 3

    x, w = leaves(m)
    product, _ = Both.apply(x, w)
    product.grad_fn.register_hook(log.hook("after"))
    product.sum().backward()
    return x.grad, w.grad


def second_order(m, log):
    x, w = leaves(m)
    y = x * x * w
    y.grad_fn.register_hook(lambda inputs, outputs: tuple(g * w.detach() for g in inputs))
    first, _ = m.autograd.grad(y.sum(), [x, w], create_graph=True)
    return m.autograd.grad(first.sum(), x)


PROGRAMS = [chain, replacing, leaf, joint, removed, function, second_order]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_hooks_of_nodes_are_pytorchs(program):
    """The same tuples in the same order, and the same gradients."""
    logs = Log(), Log()
    ours, theirs = (program(m, log) for m, log in zip((tg, torch), logs, strict=True))
    assert logs[0].seen == logs[1].seen
    assert [g.tolist() for g in ours] == [g.tolist() for g in theirs]


@pytest.mark.parametrize(
    "hook", [lambda inputs, outputs: 5, lambda inputs, outputs: inputs[0], lambda inputs, outputs: inputs[:1]]
)
def test_a_wrong_answer_of_a_hook_is_refused(hook):
    """Not a tuple: TypeError; of another length: RuntimeError."""
    kinds = []
    for m in (tg, torch):
        x, w = leaves(m)
        y = x * w
        y.grad_fn.register_hook(hook)
        with pytest.raises((TypeError, RuntimeError), match="hook") as caught:
            y.sum().backward()
        kinds.append(caught.type)
    assert kinds[0] is kinds[1]


def test_what_a_hook_keeps_is_not_changed_by_the_walk():
    """The cotangent handed over is not the memory into which later ones are added."""
    x = tg.ones(2, requires_grad=True)
    kept = []
    y = x.exp()
    y.grad_fn.register_hook(lambda inputs, outputs: kept.extend(inputs))
    (y.sum() + (x * 2).sum() + (x * 3).sum()).backward()
    assert kept[0].tolist() == y.tolist()
    assert x.grad.tolist() == (y + 5).tolist()


def test_hooks_of_saved_tensors_say_what_to_use():
    """They would contradict the records; being on the CPU already is no contradiction."""
    with pytest.raises(NotImplementedError, match="checkpoint"):
        tg.autograd.graph.saved_tensors_hooks(lambda x: x, lambda x: x)
    for m in (tg, torch):
        x, w = leaves(m)
        with m.autograd.graph.save_on_cpu():
            (x * w).sum().backward()
        with m.autograd.graph.disable_saved_tensors_hooks("not here"):
            (x * w).sum().backward()
        assert x.grad.tolist() == [6, 8]


def test_a_function_may_define_jvp_and_vmap():
    """They are not called: jvp differentiates backward twice, vmap goes example by example."""

    class Cube(tg.autograd.Function):
        generate_vmap_rule = False

        @staticmethod
        def forward(x):
            return x**3

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx, dY):
            (x,) = ctx.saved_tensors
            return 3 * x**2 * dY

        @staticmethod
        def jvp(ctx, t):
            raise AssertionError

        @staticmethod
        def vmap(info, in_dims, x):
            raise AssertionError

    x = tg.tensor([1.0, 2.0])
    assert tg.func.jvp(Cube.apply, (x,), (tg.ones(2),))[1].tolist() == [3, 12]
    assert tg.func.vmap(Cube.apply)(x).tolist() == [1, 8]
    for m in (tg, torch):
        assert m.autograd.Function.generate_vmap_rule is False
        for name in ("jvp", "vmap"):
            with pytest.raises(NotImplementedError):
                getattr(m.autograd.Function, name)(None, None)


def several(m):
    """What hooks of several tensors are handed, over three walks."""
    a, b, u = (m.tensor(v, requires_grad=True) for v in (2.0, 3.0, 1.0))
    d = a * b
    e = d * 5
    seen = []
    hook = m.autograd.graph.register_multi_grad_hook(
        (a, d, u), lambda gs: seen.append([None if g is None else g.item() for g in gs])
    )
    first = m.autograd.graph.register_multi_grad_hook((a, d), lambda g: seen.append(g.item()), mode="any")
    e.backward(retain_graph=True)
    first.remove()
    e.backward(retain_graph=True)
    with hook:
        pass
    e.backward()
    return seen


def test_hooks_of_several_tensors():
    """register_multi_grad_hook calls once per backward, with all gradients or with the first."""
    assert several(tg) == several(torch) == [5.0, [15.0, 5.0, None], [15.0, 5.0, None]]
    with pytest.raises(ValueError, match="mode"):
        tg.autograd.graph.register_multi_grad_hook((), print, mode="some")


def test_a_nodes_class_is_called_as_pytorchs():
    """type(t.grad_fn).__name__ is what programs that draw graphs print."""
    for m in (tg, torch):
        x = m.tensor(2.0, requires_grad=True)
        y = x * 3
        assert type(y.grad_fn).__name__ == "MulBackward0"
        assert type(y.grad_fn.next_functions[0][0]).__name__ == "AccumulateGrad"
        assert isinstance(y.grad_fn, m.autograd.graph.Node)


# as programs print them; what another operation does here, and keeps another name, is left out
PRINTED = """
    x + 1 | 1 - x | x * x | 2 / x | x ** 2 | -x | x @ w | x @ v | m.mm(x, w) | x.view(12) | x.reshape(2, 6)
    x.flatten() | x.unsqueeze(0) | x.unsqueeze(0).squeeze(0) | x[0] | x[1:] | x[[0, 1]] | x[x > 1] | x.sum()
    x.sum(0) | x.mean() | x.mean(1) | x.max() | x.min() | x.amax(1) | x.norm() | x.exp() | x.log() | x.tanh()
    x.relu() | F.gelu(x) | F.silu(x) | x.softmax(1) | x.log_softmax(1) | x.clamp(0, 1) | x.clone()
    x.expand(2, 3, 4) | x.transpose(0, 1) | m.cat([x, x]) | m.stack([x, x]) | m.where(x > 1, x, x)
    x.gather(1, i) | x.cumsum(0) | F.linear(x, w) | F.linear(x, w, v) | F.mse_loss(x, x) | F.l1_loss(x, x)
    F.cross_entropy(x, t) | F.huber_loss(x, x, delta=2.0) | F.smooth_l1_loss(x, x) | F.max_pool2d(a, 2)
    F.avg_pool2d(a, 2) | F.conv2d(a, a) | F.layer_norm(x, (4,)) | F.embedding(t, x) | F.pad(x, (1, 1))
    m.linalg.inv(s) | m.linalg.det(s) | m.linalg.cholesky(s) | x.double() | x.tril() | x.square() | x.log1p()
    F.prelu(x, v)
"""


@pytest.mark.parametrize("text", [t.strip() for line in PRINTED.strip().splitlines() for t in line.split("|")])
def test_nodes_are_called_as_pytorchs(text):
    """grad_fn prints PyTorch's name."""
    names = []
    for m in (tg, torch):
        m.manual_seed(0)
        x, w, v = (m.rand(*n, requires_grad=True) for n in ((3, 4), (4, 4), (4,)))
        scope = {"m": m, "F": m.nn.functional, "x": x + 0.5, "w": w, "v": v, "s": w @ w.T + m.eye(4)}
        scope |= {"a": m.ones(2, 2, 4, 4, requires_grad=True), "t": m.tensor([0, 1, 2]), "i": m.zeros(3, 1).long()}
        names.append(eval(text, scope).grad_fn.name())
    assert names[0] == names[1]
