"""Checkpointing: the same gradients from fewer kept arrays."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tinygrad_edu import float64, manual_seed, nn, no_grad, rand, randn, tensor
from tinygrad_edu.autograd import grad
from tinygrad_edu.symbolic.trace import trace
from tinygrad_edu.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential


def leaf(*values):
    return tensor(list(values), dtype=float64, requires_grad=True)


def model():
    manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2))


def test_parameters_and_input_get_the_same_gradients():
    """A Sequential in three checkpointed parts: every gradient is the plain one to the last bit."""
    found = []
    for run in (lambda m, x: m(x), lambda m, x: checkpoint_sequential(m, 3, x, use_reentrant=False)):
        m = model()
        x = randn(5, 3, requires_grad=True)
        (run(m, x) ** 2).sum().backward()
        found.append([t.grad.tolist() for t in (x, *m.parameters())])
    assert found[0] == found[1]


def test_captured_values_and_second_order():
    """Tensors that the function reaches by itself, leaves, results and the argument too, through two orders."""

    def gradients(wrap):
        x, w = leaf(0.5, 2.0), leaf(3.0, -1.0)
        h = x * w
        y = wrap(lambda a: ((a * h * w).tanh() + x * a).sum(), h)
        first = grad(y, (x, w), create_graph=True)
        return [*first, *grad(sum((d**2).sum() for d in first), (x, w))]

    for plain, kept in zip(gradients(lambda f, a: f(a)), gradients(checkpoint), strict=True):
        # the sums are taken in another order
        assert_allclose(kept.detach().numpy(), plain.detach().numpy(), rtol=1e-12)


def test_nothing_is_kept_but_the_arguments():
    """Between forward and backward the function's own values are gone; backward calls it once more."""
    calls = []

    def f(x):
        calls.append(1)
        return x.exp().exp().exp()

    x = leaf(0.1, 0.2)
    y = checkpoint(f, x)
    record = y.grad_fn.record
    assert [a.shape for a in record.saved if isinstance(a, np.ndarray)] == [(2,)]
    assert calls == [1]
    y.sum().backward()
    assert calls == [1, 1]
    expected = leaf(0.1, 0.2)
    expected.exp().exp().exp().sum().backward()
    assert x.grad.tolist() == expected.grad.tolist()


def test_hooks_of_captured_leaves_run_once():
    """A hook on a parameter sees one gradient, the sum over the checkpoint and the rest."""
    w, seen = leaf(2.0), []
    w.register_hook(lambda g: seen.append(g.tolist()))
    x = leaf(3.0)
    (checkpoint(lambda x: x * w, x) + w).backward()
    assert seen == [[4.0]]


def test_random_draws_are_repeated_and_the_stream_goes_on():
    """The second run draws the first one's numbers, and what is drawn afterwards is as without it."""
    manual_seed(0)
    x = leaf(1.0, 1.0)
    y = checkpoint(lambda x: x * rand(2, dtype=float64), x)
    y.sum().backward()
    assert x.grad.tolist() == y.tolist()
    after = rand(1).tolist()
    manual_seed(0)
    rand(2, dtype=float64)
    assert rand(1).tolist() == after


def test_nested_arguments_results_and_keywords():
    """Lists, dicts and numbers go in and come out in their form."""
    a, b = leaf(1.0), leaf(2.0)
    result = checkpoint(lambda pair, scale=1: {"y": pair[0] * pair[1], "z": [pair[0] * scale, 5]}, [a, b], scale=3)
    assert result["z"][1] == 5
    (result["y"] + result["z"][0]).backward()
    assert (a.grad.tolist(), b.grad.tolist()) == ([5.0], [1.0])


def test_written_arguments_and_other_results_are_refused():
    """An argument overwritten before backward, and a function that gives another shape the second time."""
    h = leaf(1.0, 2.0) * 1
    y = checkpoint(lambda h: h**2, h)
    with no_grad():
        h.add_(1)
    with pytest.raises(RuntimeError, match=r"Checkpoint at .*overwritten"):
        y.sum().backward()
    lengths = iter([2, 1])
    z = checkpoint(lambda x: x[: next(lengths)] * 2, leaf(1.0, 2.0))
    with pytest.raises(CheckpointError, match=r"different metadata"):
        z.sum().backward()
    with pytest.raises(ValueError, match="3 segments of 2 functions"):
        checkpoint_sequential([lambda x: x, lambda x: x], 3, z)


def test_where_nothing_is_recorded_the_function_is_just_called():
    """Under no_grad, without anything that requires a gradient, and in a trace."""
    x = tensor([1.0, 2.0])
    with no_grad():
        assert not checkpoint(lambda x: x * 2, leaf(1.0)).requires_grad
    assert not checkpoint(lambda x: x * 2, x).requires_grad
    program = trace(lambda x: checkpoint(lambda x: x * 2, x), x)
    assert program(tensor([3.0, 4.0])).tolist() == [6.0, 8.0]
