"""Products of vectors and matrices, cross products and distances against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from .test_ops_torch import compare  # noqa: E402

PRODUCTS = {
    "mv": (lambda L, a, x: [L.m.mv(a, x), a.mv(x)], (2, 3), (3,)),
    "outer": (lambda L, x, y: [L.m.outer(x, y), x.outer(y), L.m.ger(x, y)], (2,), (3,)),
    "inner-vectors": (lambda L, x, y: L.m.inner(x, y), (3,), (3,)),
    "inner-matrices": (lambda L, x, y: x.inner(y), (2, 3), (4, 3)),
    "inner-stack": (lambda L, x, y: x.inner(y), (2, 2, 3), (3,)),
    "inner-0-d": (lambda L, x, y: L.m.inner(x, y), (), (2, 3)),
    "vdot": (lambda L, x, y: [L.m.vdot(x, y), x.vdot(y)], (3,), (3,)),
    "vecdot": (lambda L, x, y: [L.m.linalg.vecdot(x, y), L.m.linalg.vecdot(x, y, dim=0)], (2, 3), (2, 3)),
    "vecdot-broadcast": (lambda L, x, y: L.m.linalg.vecdot(x, y), (2, 1, 3), (4, 3)),
    "bmm": (lambda L, a, b: [L.m.bmm(a, b), a.bmm(b)], (2, 3, 4), (2, 4, 1)),
    "bmm-empty": (lambda L, a, b: L.m.bmm(a, b), (0, 3, 4), (0, 4, 1)),
    "trace": (lambda L, a: [L.m.trace(a), a.trace()], (3, 4)),
    "trace-empty": (lambda L, a: a.trace(), (0, 4)),
    "chain": (lambda L, a, b, c: L.m.linalg.multi_dot([a, b, c]), (2, 5), (5, 3), (3, 4)),
    "chain-of-two": (lambda L, a, b: L.m.linalg.multi_dot([a, b]), (2, 5), (5, 3)),
    "chain-of-four": (lambda L, a, b, c, d: L.m.linalg.multi_dot((a, b, c, d)), (3,), (3, 4), (4, 2), (2,)),
    "chain-from-a-vector": (lambda L, a, b, c: L.m.linalg.multi_dot([a, b, c]), (3,), (3, 4), (4, 2)),
    "chain-to-a-vector": (lambda L, a, b, c: L.m.linalg.multi_dot([a, b, c]), (2, 3), (3, 4), (4,)),
    "cross": (lambda L, x, y: [L.m.cross(x, y, dim=1), x.cross(y, dim=-1)], (2, 3), (2, 3)),
    "cross-columns": (lambda L, x, y: L.m.linalg.cross(x, y, dim=0), (3, 4), (3, 4)),
    "cross-broadcast": (lambda L, x, y: L.m.linalg.cross(x, y), (2, 1, 3), (1, 4, 3)),
    "cross-none": (lambda L, x, y: L.m.linalg.cross(x, y), (0, 3), (0, 3)),
}
SUMS = {
    "addmm": ((2, 3), (2, 4), (4, 3)),
    "addmm-row": ((3,), (2, 4), (4, 3)),
    "addmm-0-d": ((), (2, 4), (4, 3)),
    "addmm-empty": ((3,), (2, 0), (0, 3)),
    "addmv": ((2,), (2, 3), (3,)),
    "addmv-0-d": ((), (2, 3), (3,)),
    "addr": ((2, 3), (2,), (3,)),
    "addr-row": ((3,), (2,), (3,)),
    "baddbmm": ((4, 2, 3), (4, 2, 5), (4, 5, 3)),
    "baddbmm-one": ((1, 2, 1), (4, 2, 5), (4, 5, 3)),
    "addbmm": ((2, 3), (4, 2, 5), (4, 5, 3)),
    "addbmm-row": ((3,), (4, 2, 5), (4, 5, 3)),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_product_is_pytorchs(name, rng):
    """Values, gradients and second gradients in both precisions."""
    function, *shapes = PRODUCTS[name]
    inputs = [np.asarray(rng.standard_normal(s)) for s in shapes]
    for dtype in ("float64", "float32"):
        compare(function, inputs, dtype, seed=1)  # the inputs are drawn with seed 0: y x y would be 0


@pytest.mark.parametrize("name", SUMS)
def test_sum_with_a_product_is_pytorchs(name, rng):
    """Of functions and methods, with factors and without, in place, of integers."""
    key = name.partition("-")[0]
    inputs = [np.asarray(rng.standard_normal(s)) for s in SUMS[name]]
    for dtype in ("float64", "float32"):
        compare(lambda L, *xs: getattr(L.m, key)(*xs), inputs, dtype)
        compare(lambda L, x, *xs: getattr(x, key)(*xs, beta=0.5, alpha=-2), inputs, dtype)
    compare(lambda L, *xs: getattr(L.m, key)(*xs, beta=0), inputs, "float64")
    whole = [np.array(np.round(x), int) for x in inputs]
    compare(lambda L, *xs: getattr(L.m, key)(*xs, beta=2, alpha=3), whole, "float64")
    if "-" not in name:
        compare(lambda L, x, *xs: getattr(x.clone(), f"{key}_")(*xs, alpha=2), inputs, "float64")


def test_with_beta_0_nothing_is_read_of_input():
    """Not even NaN."""
    x, a = tg.full((2, 2), float("nan")), tg.ones(2, 2)
    assert_array_equal(tg.addmm(x, a, a, beta=0).numpy(), 2)


@pytest.mark.parametrize(
    "call",
    [
        lambda m, x, v: m.mv(x, x),
        lambda m, x, v: m.mv(x, m.ones(2)),
        lambda m, x, v: m.outer(x, v),
        lambda m, x, v: m.inner(x, m.ones(2)),
        lambda m, x, v: m.vdot(v, m.ones(2)),
        lambda m, x, v: m.bmm(x, x),
        lambda m, x, v: m.bmm(m.ones(2, 3, 4), m.ones(3, 4, 2)),
        lambda m, x, v: m.addmm(m.ones(4), x, x.T),
        lambda m, x, v: m.addmm(m.ones(2, 2).double(), x, x.T),
        lambda m, x, v: m.addmv(m.ones(3), x, v),
        lambda m, x, v: m.addr(m.ones(2), v, v),
        lambda m, x, v: m.trace(v),
        lambda m, x, v: m.cross(x, x, dim=0),
        lambda m, x, v: m.linalg.cross(x, v),
        lambda m, x, v: m.linalg.multi_dot([x]),
        lambda m, x, v: m.linalg.multi_dot([x, v, x]),
        lambda m, x, v: m.linalg.multi_dot([x, x]),
        lambda m, x, v: m.cdist(v, v),
        lambda m, x, v: m.cdist(x, m.ones(2, 4)),
        lambda m, x, v: m.cdist(x, x, p=-1),
        lambda m, x, v: m.vander(x),
    ],
)
def test_what_pytorch_refuses(call):
    """Wrong numbers of axes, lengths and types: RuntimeError, as in PyTorch."""
    for m in (tg, torch):
        with pytest.raises(RuntimeError):
            call(m, m.ones(2, 3), m.ones(3))


@pytest.mark.parametrize("p", [2.0, 1.0, 3.0, 1.5, 0.0, float("inf")])
def test_cdist_is_pytorchs(p, rng):
    """Of stacks that broadcast; where points coincide the gradient is 0. PyTorch has no second derivative."""
    x, y = rng.standard_normal((2, 4, 3)), rng.standard_normal((5, 3))
    y[0] = x[0, 0]
    for dtype in ("float64", "float32"):
        compare(lambda L, a, b: L.m.cdist(a, b, p), [x, y], dtype, orders=1)
    compare(lambda L, a, b: L.m.cdist(a, b, p), [x[:, :0], y], "float64", orders=0)


def test_cdist_of_many_points(rng):
    """PyTorch switches to another formula, from 25 points on."""
    x, y = rng.standard_normal((40, 3)), rng.standard_normal((30, 3))
    compare(lambda L, a, b: L.m.cdist(a, b), [x, y], "float64", orders=1)


@pytest.mark.parametrize("x", [[1.5, -2.0, 3.0], [0.0, 1.0, -2.0, 3.0], [2.0]])
def test_vander_is_pytorchs(x):
    """Rising and falling, of fewer and more columns, at 0; torch.vander itself has no gradient that works."""
    values = np.array(x)
    compare(
        lambda L, x: [L.m.vander(x, 2), L.m.vander(x), L.m.vander(x, 5, True), L.m.vander(x, 0)],
        [values],
        "float64",
        orders=0,
    )
    compare(lambda L, x: L.m.linalg.vander(x, N=5), [values], "float64")
    compare(lambda L, x: L.m.linalg.vander(x, N=2), [np.stack([values, values + 1])], "float64")
    compare(lambda L, x: L.m.vander(x, 3), [values.astype(int)], "float64")


def test_numpys_products_answer(rng):
    """np.f of Tensors is np.f of their arrays."""
    a, b, v = rng.standard_normal((3, 3)), rng.standard_normal((3, 3)), rng.standard_normal(3)
    A, B, V = tg.tensor(a), tg.tensor(b), tg.tensor(v)
    for ours, theirs in (
        (np.outer(A, B), np.outer(a, b)),
        (np.inner(A, B), np.inner(a, b)),
        (np.vdot(V, V), np.vdot(v, v)),
        (np.trace(A), np.trace(a)),
        (np.trace(A, 1), np.trace(a, 1)),
        (np.cross(A, B), np.cross(a, b)),
        (np.kron(A, B), np.kron(a, b)),
        (np.vander(V), np.vander(v)),
        (np.linalg.outer(V, V), np.linalg.outer(v, v)),
        (np.linalg.trace(A), np.linalg.trace(a)),
        (np.linalg.diagonal(A), np.linalg.diagonal(a)),
        (np.linalg.cross(A, B), np.linalg.cross(a, b)),
        (np.linalg.vecdot(A, B), np.linalg.vecdot(a, b)),
        (np.linalg.tensordot(A, B, axes=1), np.linalg.tensordot(a, b, axes=1)),
        (np.linalg.multi_dot([A, B, V]), np.linalg.multi_dot([a, b, v])),
        (np.linalg.matmul(A, B), np.linalg.matmul(a, b)),
    ):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-12, atol=1e-12)  # sums in another order
