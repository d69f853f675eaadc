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
    "close": (lambda x: te.isclose(x, x.round()), lambda seed: [te.tensor([0.0, 1 + 1e-7, 2.5, float("inf")]) + seed]),
    "mvlgamma": (lambda x: te.mvlgamma(x.abs() + 2, 3), sloped(4)),
    "cov, weighted": (lambda x, w: te.cov(x, aweights=w), lambda seed: [numbers(seed, 2, 3), numbers(seed, 3).abs()]),
    "linspace": (lambda a, b: te.linspace(a, b, 5), lambda seed: [te.tensor(0.5 + seed), te.tensor(3)]),
    "logspace": (lambda a: te.logspace(a, 2, 3, 2.0), lambda seed: [te.tensor(0.5 + seed)]),
    "LU": (te.linalg.lu, sloped(2, 3, 3)),
    "LU of more rows": (te.linalg.lu, sloped(4, 2)),
    "a system by LU": (
        lambda A, B: te.linalg.lu_solve(*te.linalg.lu_factor(A), B),
        lambda seed: [numbers(seed, 3, 3).requires_grad_(), numbers(seed, 3, 2).requires_grad_()],
    ),
    "uniform in place": (lambda x: te.zeros(3, dtype=te.float64).uniform_(-1, 2) + x, sloped(3)),
    "masked_scatter": (
        lambda x, v: te.masked_scatter(x, x > 0, v),
        lambda seed: [numbers(seed, 3, 4).requires_grad_(), numbers(seed + 9, 12).requires_grad_()],
    ),
    "written twice": (
        lambda x, i, v: put(x, i, v),
        lambda seed: [numbers(0, 4), te.tensor([0, 1, 1 - seed, 3]), numbers(seed, 4).requires_grad_()],
    ),
    "rows written twice": (
        lambda x, i, v: put(x, (slice(None), i), v),
        lambda seed: [numbers(0, 2, 3), te.tensor([2, 2 * seed]), numbers(seed, 2).requires_grad_()],
    ),
    "filled twice": (
        lambda x, i, v: x.index_fill(1, i, v),
        lambda seed: [numbers(0, 2, 3).requires_grad_(), te.tensor([2, 2 * seed]), numbers(seed).requires_grad_()],
    ),
    "a double, rounded": (lambda x, y: x.double().pow(y).float(), lambda seed: [numbers(seed).abs(), numbers(seed)]),
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


def test_counts_of_draws_among_the_arguments():
    """As above: the second step, of the same count, does not ask the first one's arguments."""
    weights = te.tensor([0.2, 0.3, 0.5])
    for _ in range(2):
        step = te.compile(lambda p, n: te.multinomial(p, n, replacement=True))
        for n in (3, 2, 3):
            te.manual_seed(n)
            expected = te.multinomial(weights, n, replacement=True).tolist()
            te.manual_seed(n)
            assert step(weights, n).tolist() == expected


def put(x, mask, values):
    y = x.clone()
    y[mask] = values
    return y


MASK = te.tensor([[True, False, True], [False, False, True]])


@pytest.mark.parametrize("values", [(3,), (1,), (), (4,)])
@pytest.mark.parametrize("mask", [MASK, ~MASK])
def test_writing_where_a_mask_holds(mask, values):
    """Each place takes the next value; where they are not as many as places, the error is the eager one."""
    step = te.compile(put)
    for given in (MASK, mask):
        x, v = numbers(0, 2, 3), numbers(1, *values)
        try:
            expected = put(x, given, v)
        except te.ShapeError:
            with pytest.raises(te.ShapeError, match="cannot be broadcast to the indexed part"):
                step(x, given, v)
        else:
            assert step(x, given, v).tolist() == expected.tolist()


def test_writing_rows_where_a_mask_holds():
    """The mask picks rows: of the value a row each, one row for all, or one number per row."""
    step, mask = te.compile(put), MASK[0]
    for shape in ((2, 4), (1, 4), (4,), (2, 1), ()):
        x, v = numbers(0, 3, 4), numbers(1, *shape)
        assert step(x, mask, v).tolist() == put(x, mask, v).tolist()


SHAPED = {
    "masked_select": (lambda x: te.masked_select(x, x > 0), "where(mask, x, 0) keeps the shape"),
    "nonzero": (te.nonzero, "where(mask, x, 0) keeps the shape"),
    "unique": (te.unique, "sort(x) keeps the shape"),
    "repeats": (lambda x: te.repeat_interleave(x, x.long()), "pass a number"),
    "bincount": (lambda x: te.bincount(x.long()), "one_hot"),
    "one_hot": (lambda x: F.one_hot(x.long()), "is told how many classes"),
    "allclose": (lambda x: x + te.allclose(x, x), "isclose(x, y).all() is a tensor"),
    "equal": (lambda x: x + te.equal(x, x), "(x == y).all() is a tensor"),
}


@pytest.mark.parametrize("name", SHAPED)
def test_what_only_values_say_is_refused_with_what_to_write(name):
    """The line, and the way that keeps the shape."""
    function, advice = SHAPED[name]
    with pytest.raises(te.TraceError, match=r"test_operations\.py:\d+: a value is read") as error:
        te.compile(lambda x: function(x))(te.ones(3))
    assert advice in str(error.value)


def test_memory_in_another_order_is_not_taken_for_the_tensors_own():
    """as_strided reads memory, of which a trace knows that of tensors from outside that fill it in their own order."""
    step = te.compile(lambda x: te.as_strided(x, (3,), (2,)))
    assert step(te.arange(6)).tolist() == [0, 2, 4]
    for x in (te.arange(6).reshape(2, 3).T.detach(), te.arange(9)[3:].detach()):
        with pytest.raises(te.TraceError, match=r"test_operations\.py:\d+: as_strided: .*contiguous"):
            te.compile(lambda x: te.as_strided(x, (3,), (2,)))(x)
    outside = te.arange(6.0)
    step = te.compile(lambda: te.as_strided(outside, (3,), (2,)))
    for _ in range(2):
        outside.add_(1)
        assert step().tolist() == te.as_strided(outside, (3,), (2,)).tolist()
