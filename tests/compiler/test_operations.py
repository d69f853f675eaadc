"""Operations one by one, with the odd arguments that they take: compiled they are what they are eagerly."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu.symbolic.nested import arguments_of, tensors_of


def numbers(k, *shape):
    te.manual_seed(k)
    return te.randn(*shape)


def assert_alike(function, make):
    """Compiled, on two sets of numbers, to the last bit; so is its source, run alone; and nearly so its formulas.

    Args:
        make: the arguments, from a seed.
    """

    def step(*args):
        result = tensors_of(function(*args))
        sloped = [t for t in result if t.requires_grad]
        for t in sloped:
            (t * t.detach().cos()).sum().backward(retain_graph=True)
        return result

    compiled = te.compile(step)
    for seed in (0, 1):
        ours, theirs = make(seed), make(seed)
        te.manual_seed(seed)
        expected = [*step(*theirs), *(t.grad for t in theirs if isinstance(t, te.Tensor) and t.grad is not None)]
        te.manual_seed(seed)
        found = [*compiled(*ours), *(t.grad for t in ours if isinstance(t, te.Tensor) and t.grad is not None)]
        for a, b in zip(expected, found, strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
    run, given = compiled._last, arguments_of(tuple(make(1)))
    arrays = [given[k] if number else given[k].detach().numpy() for k, number in run._arguments]
    arrays += [t._array for t in run._tensors]
    for text, tolerance in ((compiled.source, 0), (compiled.source(readable=True), 1e-6)):  # float32, in another order
        scope: dict = {}
        exec(text, scope)
        te.manual_seed(1)
        written = scope["program"]() if tolerance == 0 else scope["step"]
        with np.errstate(all="ignore"):
            results = written(*arrays, *run._generators)
        for a, b in zip(expected, results, strict=True):
            assert a.shape == np.shape(b)
            np.testing.assert_allclose(b, a.detach().numpy(), rtol=tolerance, atol=tolerance)


def sloped(*shape):
    return lambda seed: [numbers(seed, *shape).requires_grad_()]


OPERATIONS = {
    "cumsum": (lambda x: te.cumsum(x, 1), sloped(2, 3)),
    "cumsum of one": (lambda x: te.cumsum(x, 0), sloped()),
    "cumprod": (lambda x: te.cumprod(x, 0), sloped(3, 2)),
    "cummax": (lambda x: te.cummax(x, 0), sloped(3, 2)),
    "softmax of one": (lambda x: F.softmax(x, 0), sloped()),
    "places along a later axis": (lambda x: x[:, [0, 2, 0]], sloped(2, 3)),
    "and, of numbers": (lambda x: te.logical_and(x, x > 0), lambda seed: [numbers(seed, 4).relu()]),
    "or, of integers": (lambda x: te.logical_or(x, x - 1), lambda seed: [te.arange(4) + seed]),
    "zeros in the place of one": (lambda x: x.clone().zero_(), sloped()),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_is_what_it_is_eagerly(name):
    """Results and gradients on two calls, the source alone, the formulas alone."""
    assert_alike(*OPERATIONS[name])


LEFT = {
    "one value for both": lambda a, b, c: ((a + b) * c).sum(),
    "a tensor of the step": lambda a, b, c: (a * c).sum() + (b * b).sum(),
    "a view of one": lambda a, b, c: (a.reshape(-1) * c.reshape(-1)).sum() + (b.mT * c).sum(),
    "a number, broadcast": lambda a, b, c: (a + b).sum(),
    "a part of one": lambda a, b, c: (te.cat([a, b]) * te.cat([c, c])).sum(),
}


@pytest.mark.parametrize("name", LEFT)
@pytest.mark.parametrize("shape", [(2, 2), (1, 1)])
def test_gradients_that_are_left_have_memory_of_their_own(name, shape):
    """Writing into one of them changes neither the others nor what they were computed from."""

    def run(wrap):
        a, b, c = (numbers(k, *shape) for k in range(3))
        a.requires_grad_(), b.requires_grad_()

        @wrap
        def step():
            loss = LEFT[name](a, b, c)
            loss.backward()
            return loss

        seen = []
        for _ in range(3):
            step()
            a.grad.mul_(2)
            b.grad.data[0] += 1
            seen += [a.grad.tolist(), b.grad.tolist(), c.tolist()]
        return seen

    assert run(te.compile) == run(lambda step: step)


def test_gradients_of_single_numbers_are_added_to():
    """The second call adds to what the first has left, also where that was broadcast from a number."""
    x, w = te.ones((), requires_grad=True), te.ones(())

    @te.compile
    def step():
        (x.sum() * w).sum().backward()

    for k in range(3):
        step()
        assert x.grad.item() == k + 1


def test_groups_among_the_arguments():
    """Two steps one after the other; what the library remembers of the one says nothing to the other."""
    x, w = numbers(0, 1, 2, 6, 6), numbers(1, 2, 2, 2, 2)
    for _ in range(2):
        step = te.compile(lambda x, k: F.conv2d(x, w, **k))
        for stride in (2, 1, 2):
            given = {"stride": (stride,), "padding": 1, "groups": 1}
            assert step(x, given).tolist() == F.conv2d(x, w, **given).tolist()
