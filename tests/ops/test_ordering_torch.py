"""Sorts and searches against PyTorch: values, indices, gradients, ties, NaN, types, errors."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from .side_by_side import OURS, THEIRS, assert_equal, assert_refused_alike, compare, tensors  # noqa: E402

FULL, STACK = (4, 5), (2, 3, 4)
nan, inf = float("nan"), float("inf")

SAME = {
    "sort": [
        (lambda L, x: [*L.m.sort(x), *x.sort(0), *x.sort(dim=1, descending=True), *x.sort(1, True)], FULL),
        (lambda L, x: [*x.sort(1), *x.sort(0, descending=True), *L.m.sort(x, stable=True, dim=-2)], STACK),
        (lambda L, x: [*x.sort(), *x.sort(0, True)], ()),
        (lambda L, x: [*x.sort(), *x.sort(0), *x.sort(0, True)], (0, 3)),
    ],
    "argsort": [
        (lambda L, x: [L.m.argsort(x), x.argsort(0), x.argsort(dim=-1, descending=True)], FULL),
        (lambda L, x: x.argsort(), ()),
    ],
    "msort": [(lambda L, x: [L.m.msort(x), x.msort()], FULL), (lambda L, x: x.msort(), (5,))],
    "topk": [
        (lambda L, x: [*L.m.topk(x, 2), *x.topk(3, 0), *x.topk(k=1, dim=1, largest=False), *x.topk(5)], FULL),
        (lambda L, x: [*x.topk(2), *x.topk(3, largest=False), *x.topk(2, -1), *x.topk(0)], (3, 40)),
        (lambda L, x: x.topk(2, 1), STACK),
        (lambda L, x: x.topk(1), ()),
    ],
    "kthvalue": [
        (lambda L, x: [*L.m.kthvalue(x, 2), *x.kthvalue(4, 0), *x.kthvalue(k=1, dim=1, keepdim=True)], FULL),
        (lambda L, x: [*x.kthvalue(2, 1, True), *x.kthvalue(3)], STACK),
        (lambda L, x: [*x.kthvalue(1), *x.kthvalue(1, keepdim=True)], ()),
    ],
}


@pytest.mark.parametrize("name", SAME)
def test_agrees_with_pytorch(name, rng):
    """Values, indices, dtypes, requires_grad, gradients and second gradients are PyTorch's."""
    for function, *shapes in SAME[name]:
        for dtype in ("float64", "float32"):
            if dtype == "float64":
                compare(function, *shapes, rng=rng)
            x = rng.standard_normal(shapes[0]).astype(dtype)
            ours, theirs = (tensors(function(L, L.make(x))) for L in (OURS, THEIRS))
            for y, expected in zip(ours, theirs, strict=True):
                assert_equal(y, expected, dtype)


def test_results_have_names():
    """.values and .indices, as PyTorch's."""
    x = tg.tensor([3.0, 1.0, 2.0])
    for found in (x.sort(), x.topk(3), x.kthvalue(2)):
        assert found.values is found[0]
        assert found.indices is found[1]


TIED = np.array([[1, 3, 3, 1, 2, 3], [2, 2, 2, 2, 2, 2], [0, -1, 0, -1, 0, -1]])


@pytest.mark.parametrize("dtype", ["float64", "int64", "int32", "uint8", "bool"])
@pytest.mark.parametrize("descending", [False, True])
def test_stable_sort_of_ties_agrees_with_pytorch(dtype, descending):
    """Equal elements keep their order, in both directions, of every type."""
    x = (TIED % 4).astype(dtype)
    for dim in (0, 1):
        ours, theirs = (L.m.sort(L.make(x), dim=dim, descending=descending, stable=True) for L in (OURS, THEIRS))
        assert_equal(ours[0], theirs[0], "values")
        assert_equal(ours[1], theirs[1], "indices")


def test_values_among_ties_agree_with_pytorch():
    """topk and kthvalue may point to another of several equals, but the values are PyTorch's."""
    for function in (
        lambda x: x.topk(4),
        lambda x: x.topk(2, 0, False),
        lambda x: x.kthvalue(3),
        lambda x: x.kthvalue(2, 0),
    ):
        ours, theirs = (function(L.make(TIED)) for L in (OURS, THEIRS))
        assert_equal(ours[0], theirs[0], "values")


def test_gradient_of_ties_goes_where_the_index_points():
    """What is open is which of equals is picked, not that the gradient follows."""
    for function in (lambda x: x.topk(2), lambda x: x.kthvalue(3), lambda x: x.sort(descending=True)):
        x = tg.tensor([1.0, 2.0, 2.0, 0.0, 2.0], requires_grad=True)
        found = function(x)
        found.values.sum().backward()
        assert_array_equal(x.grad, np.bincount(np.atleast_1d(found.indices.numpy()), minlength=5))


def test_nan_is_the_largest_as_in_pytorch():
    """NaN comes last, and first when descending; among the largest k; infinities beside it."""
    x = np.array([[nan, 1.0, -inf, inf, nan], [0.0, nan, 2.0, -0.0, 1.0]])
    for function in (
        lambda L, t: [*L.m.sort(t, stable=True), *L.m.sort(t, descending=True, stable=True)],
        lambda L, t: [t.topk(3).values, t.topk(3, largest=False).values, t.kthvalue(4).values],
        lambda L, t: [t.sort(0).values, L.m.argsort(t, dim=0, stable=True)],
    ):
        ours, theirs = (function(L, L.make(x)) for L in (OURS, THEIRS))
        for y, expected in zip(ours, theirs, strict=True):
            assert_equal(y, expected, "NaN")


def test_many_elements_agree_with_pytorch(rng):
    """Long axes, on which the largest are found by partition."""
    x = rng.standard_normal((7, 300))
    for function in (
        lambda t: t.topk(9),
        lambda t: t.topk(9, largest=False),
        lambda t: t.T.topk(3, 0),
        lambda t: t.sort(),
    ):
        ours, theirs = (function(L.make(x)) for L in (OURS, THEIRS))
        for y, expected in zip(ours, theirs, strict=True):
            assert_equal(y, expected, "many")


EDGES = np.array([-1.0, 0.0, 0.0, 1.5, 3.0])


@pytest.mark.parametrize("right", [False, True])
def test_searches_agree_with_pytorch(right, rng):
    """Vectors, stacks, numbers, ties, infinities and NaN, both sides, both types of index."""
    values = np.array([[0.0, -2.0, 1.5], [inf, nan, -1.0]])
    rows = np.sort(rng.standard_normal((2, 4)), 1)
    shuffled = EDGES[[3, 0, 4, 1, 2]]
    found = []
    for L in (OURS, THEIRS):
        edges, v = L.make(EDGES), L.make(values)
        side = "right" if right else "left"
        found.append([
            L.m.searchsorted(edges, v, right=right),
            L.m.searchsorted(edges, v, side=side, out_int32=True),
            L.m.searchsorted(L.make(rows), v, right=right),
            L.m.searchsorted(L.make(shuffled), v, right=right, sorter=L.make(np.argsort(shuffled, kind="stable"))),
            L.m.bucketize(v, edges, right=right),
            L.m.bucketize(v[0, 0], edges, right=right, out_int32=True),
            L.m.bucketize(L.make(np.zeros((0, 2))), edges, right=right),
            L.m.searchsorted(edges, v.float(), right=right),
            L.m.searchsorted(L.make(np.array([1, 3, 5])), L.make(np.array([3, 4, 9])), right=right),
        ])  # fmt: skip
    for y, expected in zip(*found, strict=True):
        assert_equal(y, expected, "places")


def test_isin_agrees_with_pytorch():
    """Tensors, numbers, inverted, of two types."""
    a, b = np.array([[1, 2, 3], [3, 4, 5]]), np.array([3, 5, 7])
    found = [
        [
            L.m.isin(L.make(a), L.make(b)),
            L.m.isin(L.make(a), L.make(b), invert=True),
            L.m.isin(L.make(a), 3),
            L.m.isin(3, L.make(b)),
            L.m.isin(L.make(a * 1.0), L.make(b * 1.0), assume_unique=False),
        ]
        for L in (OURS, THEIRS)
    ]
    for y, expected in zip(*found, strict=True):
        assert_equal(y, expected, "membership")


SETS = [
    np.array([3, 1, 3, 2, 1, 1]),
    np.array([[1.0, 2.0], [1.0, 2.0], [0.0, 5.0], [1.0, 2.0]]),
    np.array([[1, 1, 0], [1, 1, 0]]),
    np.array(4.0),
    np.array([], np.float32),
    np.array([True, False, True, True]),
]


@pytest.mark.parametrize("which", ["unique", "unique_consecutive"])
@pytest.mark.parametrize("number", range(len(SETS)))
def test_unique_agrees_with_pytorch(which, number):
    """Elements, inverse and counts; along each axis too."""
    x = SETS[number]
    for dim in (None, *range(x.ndim)):
        for inverse, counts in ((True, True), (False, True), (True, False), (False, False)):
            ours, theirs = (
                tensors(getattr(L.m, which)(L.make(x), return_inverse=inverse, return_counts=counts, dim=dim))
                for L in (OURS, THEIRS)
            )
            assert len(ours) == len(theirs)
            for y, expected in zip(ours, theirs, strict=True):
                assert_equal(y, expected, f"{dim} {inverse} {counts}")


def test_every_nan_is_unique_as_in_pytorch():
    """NaN equals nothing, itself included."""
    x = np.array([nan, 1.0, nan, 1.0])
    for which in ("unique", "unique_consecutive"):
        assert_equal(*(getattr(L.make(x), which)() for L in (OURS, THEIRS)), which)


WRONG = {
    "sort": [(lambda L, x: x.sort(2), FULL), (lambda L, x: x.argsort(-3), FULL)],
    "topk": [(lambda L, x: x.topk(6), FULL), (lambda L, x: x.topk(-1), FULL), (lambda L, x: x.topk(1, 2), FULL)],
    "kthvalue": [
        (lambda L, x: x.kthvalue(0), FULL),
        (lambda L, x: x.kthvalue(6), FULL),
        (lambda L, x: x.kthvalue(1, 2), FULL),
    ],
    "searchsorted": [
        (lambda L, x: L.m.searchsorted(x, x[0]), FULL),
        (lambda L, x: L.m.searchsorted(x[0], x, side="middle"), FULL),
        (lambda L, x: L.m.searchsorted(x[0], x, side="left", right=True), FULL),
        (lambda L, x: L.m.bucketize(x, x), FULL),
    ],
    "unique": [(lambda L, x: x.unique(dim=2), FULL), (lambda L, x: x.unique_consecutive(dim=2), FULL)],
}


@pytest.mark.parametrize("name", WRONG)
def test_is_refused_as_by_pytorch(name):
    """Bad arguments raise what a PyTorch script would catch."""
    for function, *shapes in WRONG[name]:
        assert_refused_alike(function, *shapes)


def test_order_of_numpys_functions_on_tensors(rng):
    """np.sort gives values alone, with a gradient; np.argsort, np.searchsorted and np.take their arrays' results."""
    array = rng.standard_normal((3, 4))
    x = tg.tensor(array, requires_grad=True)
    assert_array_equal(np.sort(x, axis=0).detach(), np.sort(array, axis=0))
    assert_array_equal(np.sort(x, axis=None).detach(), np.sort(array, axis=None))
    assert_array_equal(np.argsort(x), np.argsort(array))
    assert_array_equal(np.take(x, np.array([0, 2, -1]), axis=1).detach(), np.take(array, [0, 2, -1], axis=1))
    np.sort(x).sum().backward()
    assert_array_equal(x.grad, np.ones((3, 4)))
