"""Gathering and scattering against PyTorch: values, types, two orders of gradients, ties, in place, errors."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from .side_by_side import OURS, THEIRS, assert_equal, assert_near, assert_refused_alike, compare, tensors  # noqa: E402

FULL, STACK = (4, 5), (2, 3, 4)
COLUMNS = [[2, 0, 1], [4, 4, 0], [1, 3, 0], [0, 0, 0]]  # along axis 1 of FULL
ROWS = [[3, 0, 1, 2, 0], [2, 2, 0, 1, 3]]  # along axis 0 of FULL
ONCE = [[2, 0, 1], [4, 3, 0], [1, 3, 0], [0, 1, 2]]  # no place twice
FEWER = [[1, 4]]
MASK = [[True, False, True, True, False]] * 2 + [[False] * 5, [True] * 5]

SAME = {
    "gather": [
        (lambda L, x, i: [L.m.gather(x, 1, i), x.gather(dim=-1, index=i)], FULL, COLUMNS),
        (lambda L, x, i: x.gather(0, i), FULL, ROWS),
        (lambda L, x, i: x.gather(1, i), FULL, FEWER),
        (lambda L, x, i: L.m.gather(input=x, dim=1, index=i, sparse_grad=False), STACK, [[[2, 0], [1, 1]]]),
        (lambda L, x, i: x.gather(0, i), (4,), [3, 3, 0]),
        (lambda L, x, i: x.gather(0, i), (), 0),
        (lambda L, x, i: x.gather(0, i), (), [0, 0]),
        (lambda L, x, i: x.gather(1, i), FULL, np.zeros((0, 2), np.int64)),
        (lambda L, x, i: x.gather(0, i), (4,), np.zeros(0, np.int64)),
    ],
    "take_along_dim": [
        (lambda L, x, i: [L.m.take_along_dim(x, i, 1), x.take_along_dim(i, dim=1)], FULL, COLUMNS),
        (lambda L, x, i: x.take_along_dim(i), FULL, [3, 19, 0]),
        (lambda L, x, i: x.take_along_dim(i, 0), FULL, [[1], [3]]),
    ],
    "index_select": [
        (
            lambda L, x, i: [L.m.index_select(x, 0, i), x.index_select(dim=1, index=i), x.index_select(-1, i[1])],
            FULL,
            [3, 0, 3],
        ),
        (lambda L, x, i: x.index_select(1, i), STACK, [2, 2, 2, 0]),
        (lambda L, x, i: x.index_select(0, i), (), [0]),
        (lambda L, x, i: x.index_select(0, i), FULL, np.zeros(0, np.int64)),
        (lambda L, x, i: x.index_select(0, i.to(L.m.int32)), FULL, [3, 0, 3]),
        (lambda L, x, i: x.index_select(0, i) ** 2, (3, 300), [2, 0, 2]),  # rows that are added one by one
        (lambda L, x, i: x[i - 3] ** 2, (3, 300), [2, 0, 2, 2]),  # more of them than there are places
        (lambda L, x, i: x[i] ** 2, (3, 2, 150), [2, 0, 2]),
    ],
    "getitem": [
        (lambda L, x, i: [x[i], x[:, i], x[i, i], x[i, 1:], x[1, i], x[i - 4]], FULL, [3, 0, 3]),
        (lambda L, x, i: [x[:, i], x[..., i], x[i[:, None], :, i], x[:, :, i[:, None]]], (2, 3, 2), [1, 0, 1]),
        (lambda L, x, m: [x[m], x[m] * x[m], x[~m]], FULL, MASK),
    ],
    "take": [
        (lambda L, x, i: [L.m.take(x, i), x.take(i)], FULL, [[3, 19], [-1, 3]]),
        (lambda L, x, i: x.take(i), (), [0, -1]),
        (lambda L, x, i: x.take(i), FULL, 7),
    ],
    "masked_select": [
        (lambda L, x, m: [L.m.masked_select(x, m), x.masked_select(mask=m)], FULL, MASK),
        (lambda L, x, m: x.masked_select(m), FULL, [True, False, True, True, False]),
        (lambda L, x, m: x.masked_select(m), (5,), MASK),
        (lambda L, x, m: x.masked_select(m), FULL, False),
    ],
    "scatter": [
        (lambda L, x, v, i: [L.m.scatter(x, 1, i, v), x.scatter(dim=1, index=i, src=v)], FULL, (4, 3), ONCE),
        (lambda L, x, v, i: x.scatter(0, i, v), FULL, (2, 5), [[1, 0, 3, 2, 0], [0, 1, 2, 3, 3]]),
        (lambda L, x, v, i: x.scatter(0, i, v.detach()), FULL, (3, 5), [[1, 0, 3, 2, 0], [0, 1, 2, 3, 3]]),
        (lambda L, x, i: [x.scatter(1, i, 2.5), x.scatter(1, i, value=-1), L.m.scatter(x, 1, i, 0.0)], FULL, COLUMNS),
        (lambda L, x, v, i: x.scatter(0, i, v), (), (), 0),
        (lambda L, x, v, i: x.scatter(0, i, v.detach()), (3,), (2,), np.zeros(0, np.int64)),
        (lambda L, x, v, i: [(x * 1).scatter_(1, i, v), (x * 1).scatter_(1, i, 3.0)], FULL, (4, 3), ONCE),
        (
            lambda L, x, i: [x.scatter(1, i, 2.0, reduce="add"), x.scatter(1, i, 2.0, reduce="multiply")][0].detach(),
            FULL,
            ONCE,
        ),
    ],
    "scatter_add": [
        (lambda L, x, v, i: [L.m.scatter_add(x, 1, i, v), x.scatter_add(dim=1, index=i, src=v)], FULL, (4, 3), COLUMNS),
        (lambda L, x, v, i: x.scatter_add(0, i, v), FULL, (2, 5), ROWS),
        (lambda L, x, v, i: x.scatter_add(0, i, v.detach()), FULL, (3, 6), ROWS),
        (lambda L, x, v, i: (x * 1).scatter_add_(1, i, v), FULL, (1, 2), FEWER),
        (lambda L, x, v, i: x.scatter_add(0, i, v), (), (), 0),
        (lambda L, x, v, i: x.scatter_add(1, i, v), STACK, (1, 2, 2), [[[2, 2], [1, 1]]]),
    ],
    "index_add": [
        (
            lambda L, x, v, i: [L.m.index_add(x, 0, i, v), x.index_add(dim=0, index=i, source=v, alpha=-2)],
            FULL,
            (3, 5),
            [3, 0, 3],
        ),
        (lambda L, x, v, i: [x.index_add(1, i, v), (x * 1).index_add_(1, i, v, alpha=0.5)], FULL, (4, 2), [1, 1]),
        (lambda L, x, v, i: x.index_add(0, i, v), (), (), 0),
    ],
    "index_reduce": [
        (
            lambda L, x, v, i: [
                x.index_reduce(0, i, v, r, include_self=s)
                for r in ("prod", "mean", "amax", "amin")
                for s in (True, False)
            ],
            FULL,
            (3, 5),
            [3, 0, 3],
        ),
        (
            lambda L, x, v, i: [L.m.index_reduce(x, 1, i, v, "amax"), (x * 1).index_reduce_(1, i, v, "mean")],
            FULL,
            (4, 2),
            [1, 1],
        ),
    ],
    "exchanged-views": [
        (lambda L, x, v: [L.m.select_scatter(x, v, 0, 1), x.select_scatter(v, dim=0, index=-1)], FULL, (5,)),
        (lambda L, x, v: [L.m.slice_scatter(x, v, start=1, end=3), x.slice_scatter(v, 0, 0, 4, 2)], FULL, (2, 5)),
        (lambda L, x, v: [L.m.diagonal_scatter(x, v), x.diagonal_scatter(v, offset=1)], FULL, (4,)),
        (lambda L, x: [L.m.narrow_copy(x, 1, 1, 2), x.narrow_copy(0, 3, 1)], FULL),
    ],
    "index_copy": [
        (lambda L, x, v, i: [L.m.index_copy(x, 0, i, v), (x * 1).index_copy_(0, i, v)], FULL, (3, 5), [3, 0, 2]),
        (lambda L, x, v, i: x.index_copy(dim=1, index=i, source=v), FULL, (4, 2), [1, 4]),
        (lambda L, x, v, i: x.index_copy(0, i, v), (), (), 0),
    ],
    "index_fill": [
        (
            lambda L, x, i: [
                L.m.index_fill(x, 0, i, 2.5),
                x.index_fill(dim=1, index=i, value=-1),
                (x * 1).index_fill_(1, i, 0),
            ],
            FULL,
            [3, 0, 3],
        ),
        (lambda L, x, v, i: x.index_fill(1, i, v), FULL, (), [1, 4]),
        (lambda L, x, i: x.index_fill(0, i, 1.0), (), 0),
        (lambda L, x, i: x.index_fill(0, i, 1.0), FULL, -1),
    ],
    "index_put": [
        (
            lambda L, x, v, i: [L.m.index_put(x, (i,), v), x.index_put([i], values=v, accumulate=True)],
            FULL,
            (3, 5),
            [3, 0, 2],
        ),
        (lambda L, x, v, i: [x.index_put((i, i), v), (x * 1).index_put_((i, i), v)], FULL, (3,), [3, 0, 2]),
        (
            lambda L, x, v, i: [x.index_put((i, i), v, True), (x * 1).index_put_((i, i), v, accumulate=True)],
            FULL,
            (),
            [3, 0, 3],
        ),
        (lambda L, x, v, m: [x.index_put((m,), v), x.index_put((m,), v, True)], FULL, (), MASK),
    ],
    "put": [
        (
            lambda L, x, v, i: [L.m.put(x, i, v), x.put(i, v, accumulate=False), (x * 1).put_(i, v)],
            FULL,
            (2, 2),
            [[3, 19], [-2, 0]],
        ),
        (lambda L, x, v, i: [x.put(i, v, True), (x * 1).put_(i, v, accumulate=True)], FULL, (4,), [[3, 19], [-1, 3]]),
    ],
    "masked_fill": [
        (
            lambda L, x, m: [
                L.m.masked_fill(x, m, 2.5),
                x.masked_fill(mask=m, value=float("inf")),
                (x * 1).masked_fill_(m, -1),
            ][0::2],
            FULL,
            MASK,
        ),
        (lambda L, x, v, m: x.masked_fill(m, v), FULL, (), MASK),
        (lambda L, x, m: x.masked_fill(m, 0.0), FULL, [True, False, True, True, False]),
        (lambda L, x, m: x.masked_fill(m, 0.0), (5,), MASK),
        (lambda L, x, m: (x * 1).masked_fill_(m[0], 0), FULL, MASK),
    ],
    "masked_scatter": [
        (lambda L, x, v, m: [L.m.masked_scatter(x, m, v), (x * 1).masked_scatter_(m, v)], FULL, (20,), MASK),
        (lambda L, x, v, m: x.masked_scatter(m, v), FULL, (4, 3), [True, False, True, False, False]),
    ],
    "scatter_reduce": [
        (
            lambda L, x, v, i: [
                x.scatter_reduce(1, i, v, reduce=r, include_self=s)
                for r in ("sum", "prod", "mean", "amax", "amin")
                for s in (True, False)
            ],
            FULL,
            (4, 3),
            COLUMNS,
        ),
        (lambda L, x, v, i: L.m.scatter_reduce(x, 0, i, v, "amax"), FULL, (2, 5), ROWS),
        (lambda L, x, v, i: (x * 1).scatter_reduce_(dim=0, index=i, src=v, reduce="mean"), FULL, (2, 5), ROWS),
        (lambda L, x, v, i: [x.scatter_reduce(0, i, v, r) for r in ("sum", "prod", "amin")], (), (), 0),
    ],
}


@pytest.mark.parametrize("name", SAME)
def test_agrees_with_pytorch(name, rng):
    """Results, dtypes, requires_grad, gradients and second gradients are PyTorch's, sums to rounding."""
    for function, *inputs in SAME[name]:
        compare(function, *inputs, rng=rng, exact=name not in SUMS)


@pytest.mark.parametrize("name", SAME)
def test_other_types_agree_with_pytorch(name, rng):
    """Of float32 and of integers too; of sums and products of small integers every digit."""
    for dtype in ("float32", "int64", "int32"):
        for function, *inputs in SAME[name]:
            if dtype != "float32" and name in ("masked_fill", "scatter", "index_reduce", "index_fill", "index_add"):
                continue  # they put 2.5 or inf somewhere, or multiply by 0.5
            if dtype != "float32" and name == "scatter_reduce" and inputs[0] == FULL:
                continue  # PyTorch's mean of integers is tested below
            arrays = [rng.integers(1, 4, s).astype(dtype) if isinstance(s, tuple) else np.array(s) for s in inputs]
            ours, theirs = (tensors(function(L, *[L.make(a) for a in arrays])) for L in (OURS, THEIRS))
            for i, (y, expected) in enumerate(zip(ours, theirs, strict=True)):
                assert_near(y, expected, f"output {i}", 1e-6 if dtype == "float32" else 0)  # some ulp of a mean


@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
@pytest.mark.parametrize("include_self", [True, False])
def test_scatter_reduce_of_ties_zeros_and_integers(reduce, include_self, rng):
    """Ties share the gradient, products with zeros have the other factors' slope, integers are floored, as there."""
    x, v = np.array([[0.0, 2.0, 1.0]]), np.array([[1.0, 2.0, 0.0, 2.0, 0.0]])
    if not include_self and reduce in ("amax", "amin"):
        x += 0.5  # PyTorch counts self among the ties even where it takes no part, so that shares don't sum to 1
    for index in ([[1, 1, 0, 1, 0]], [[0, 1, 0, 1, 2]], [[2, 2, 1, 2, 2]]):
        found = []
        for L in (OURS, THEIRS):
            a, b, i = L.leaf(x), L.leaf(v), L.make(np.array(index))
            y = a.scatter_reduce(1, i, b, reduce, include_self=include_self)
            whole = [L.make(t.astype(np.int64) * 3 - 4) for t in (x, v)]
            integers = whole[0].scatter_reduce(1, i, whole[1], reduce, include_self=include_self)
            weights = L.make(np.array([[1.0, -2.0, 3.0]]))
            found.append((y, integers, *L.m.autograd.grad((y * weights).sum(), [a, b])))
        for ours, theirs in zip(*found, strict=True):
            assert_equal(ours, theirs, f"{index}")


SUMS = ("scatter_add", "index_reduce", "index_add", "put", "scatter_reduce", "index_put")
WHICH = {
    "nonzero": lambda L, x: [L.m.nonzero(x), x.nonzero(), *x.nonzero(as_tuple=True), *L.m.nonzero(x, as_tuple=True)],
    "argwhere": lambda L, x: [L.m.argwhere(x), x.argwhere()],
    "where": lambda L, x: list(L.m.where(x > 0)),
}


@pytest.mark.parametrize("name", WHICH)
def test_places_agree_with_pytorch(name):
    """Shapes too, of matrices, vectors, scalars, nothing, and of NaN, which is not 0."""
    for values in (
        [[0.0, 2.0], [float("nan"), -0.0]],
        [0, 3, 0],
        [True, False],
        0.0,
        4.0,
        np.zeros((0, 3)),
        np.zeros((2, 3)),
    ):
        ours, theirs = (tensors(WHICH[name](L, L.make(np.array(values)))) for L in (OURS, THEIRS))
        assert len(ours) == len(theirs)
        for y, expected in zip(ours, theirs, strict=True):
            assert_equal(y, expected, f"{values}")


def test_one_hot_agrees_with_pytorch():
    """With and without the number of classes, of any shape."""
    for labels, n in (([0, 2, 1], -1), ([[0], [3]], 5), (2, -1), (np.zeros((0, 2), np.int64), 3)):
        assert_equal(*(L.F.one_hot(L.make(np.array(labels)), n) for L in (OURS, THEIRS)), f"{labels}")


WRONG = {
    "gather": [
        (lambda L, x, i: x.gather(1, i), FULL, [[5]]),
        (lambda L, x, i: x.gather(1, i), FULL, [[-1]]),
        (lambda L, x, i: x.gather(1, i), FULL, [0]),
        (lambda L, x, i: x.gather(0, i), FULL, [[0] * 6]),
        (lambda L, x, i: x.gather(1, i.float()), FULL, [[0]]),
        (lambda L, x, i: x.gather(2, i), FULL, [[0]]),
    ],
    "index_select": [
        (lambda L, x, i: x.index_select(0, i), FULL, [4]),
        (lambda L, x, i: x.index_select(0, i), FULL, [-1]),
        (lambda L, x, i: x.index_select(0, i), FULL, [[0]]),
        (lambda L, x, i: x.index_select(0, i.float()), FULL, [0]),
    ],
    "take": [(lambda L, x, i: x.take(i), FULL, [20]), (lambda L, x, i: x.take(i), FULL, [-21])],
    "masked": [
        (lambda L, x, m: x.masked_select(m), FULL, [0, 1, 0, 1, 1]),
        (lambda L, x, m: x.masked_fill(m, 0), FULL, [0, 1, 0, 1, 1]),
        (lambda L, x, m: x.masked_select(m), FULL, [True, False]),
        (lambda L, x, v, m: x.masked_fill(m, v), FULL, (1,), MASK),
        (lambda L, x, v, m: x.masked_scatter(m, v), FULL, (3,), MASK),
    ],
    "scatter": [
        (lambda L, x, v, i: x.scatter(1, i, v), FULL, (4, 3), [[5]]),
        (lambda L, x, v, i: x.scatter(1, i, v), FULL, (1, 1), [[0, 1]]),
        (lambda L, x, v, i: x.scatter(0, i, v), FULL, (1, 6), [[0] * 6]),
        (lambda L, x, v, i: x.scatter(0, i, v), FULL, (1,), [0]),
        (lambda L, x, v, i: x.scatter(0, i, v.float()), FULL, (1, 1), [[0]]),
        (lambda L, x, v, i: x.scatter_add(1, i, v), FULL, (4, 3), [[-1]]),
        (lambda L, x, v, i: x.scatter_reduce(1, i, v, "largest"), FULL, (1, 1), [[0]]),
        (lambda L, x, i: x.scatter(1, i, 1.0, reduce="x"), FULL, [[0]]),
    ],
    "slices": [
        (lambda L, x, v, i: x.index_add(0, i, v), FULL, (1, 5), [4]),
        (lambda L, x, v, i: x.index_add(0, i, v), FULL, (2, 5), [0]),
        (lambda L, x, v, i: x.index_copy(0, i, v), FULL, (1, 5), [4]),
        (lambda L, x, v, i: x.index_copy(0, i, v), FULL, (2, 5), [0]),
        (lambda L, x, v, i: x.index_copy(0, i, v), FULL, (1, 4), [0]),
        (lambda L, x, v, i: x.index_fill(0, i, v), FULL, (1,), [0]),
        (lambda L, x, i: x.index_fill(0, i, 1.0), FULL, [4]),
    ],
    "put": [(lambda L, x, v, i: x.put(i, v), FULL, (1,), [20]), (lambda L, x, v, i: x.put(i, v), FULL, (2,), [0])],
    "one_hot": [
        (lambda L, i: L.F.one_hot(i), [-1]),
        (lambda L, i: L.F.one_hot(i, 2), [2]),
        (lambda L, i: L.F.one_hot(i), np.zeros(0, np.int64)),
        (lambda L, i: L.F.one_hot(i.float()), [1]),
    ],
}


@pytest.mark.parametrize("name", WRONG)
def test_is_refused_as_by_pytorch(name):
    """Bad arguments raise what a PyTorch script would catch."""
    for function, *inputs in WRONG[name]:
        assert_refused_alike(function, *inputs)


def test_index_error_tells_the_place():
    """The message has the offending index and where it stands."""
    with pytest.raises(RuntimeError, match=r"gather: .*4 elements.*found 7 at index \(1, 0\)"):
        tg.zeros(2, 4).gather(1, tg.tensor([[0], [7]]))


@pytest.mark.parametrize("operation", ["scatter", "index_copy", "index_put"])
def test_of_several_values_for_one_place_the_last_has_the_gradient(operation):
    """What was overwritten has no influence, so its gradient is 0 (PyTorch gives all of them the same)."""
    x, v = tg.zeros(3, requires_grad=True), tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    i = tg.tensor([1, 1, 0])
    y = x.index_put((i,), v) if operation == "index_put" else getattr(x, operation)(0, i, v)
    (y * tg.tensor([10.0, 20.0, 30.0])).sum().backward()
    assert y.tolist() == [3.0, 2.0, 0.0]
    assert_array_equal(v.grad, [0, 20, 10])
    assert_array_equal(x.grad, [0, 0, 30])


def test_index_overwritten_before_backward_is_noticed():
    """The rule would scatter to other places than the values came from: refused, not silently wrong."""
    x, i = tg.ones(3, requires_grad=True), tg.tensor([0, 2])
    y = x.index_select(0, i)
    i += -1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_sums_into_one_place_are_exact_for_large_integers():
    """Integers are added as integers, not by way of floats."""
    big = 2**60
    found = tg.zeros(1, dtype=tg.int64).scatter_add(0, tg.tensor([0, 0]), tg.tensor([big, 1]))
    assert found.item() == big + 1
