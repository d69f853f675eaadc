"""Corners that PyTorch's own sample inputs ask for: empty shapes, booleans and integers, dtypes asked for, zeros."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from .side_by_side import OURS, THEIRS, assert_refused_alike, compare, tensors  # noqa: E402

WHOLE = np.arange(6).reshape(2, 3)
TRUTH = np.array([True, False])
BEYOND = [  # Python integers that a small integer dtype can't hold
    lambda u, L: u * -3,
    lambda u, L: 300 - u,
    lambda u, L: u // -2,
    lambda u, L: u % -3,
    lambda u, L: u | 257,
    lambda u, L: u.add(u, alpha=-3),
    lambda u, L: L.m.where(u > 5, u, -1),
    lambda u, L: u.masked_fill(u > 5, -1),
    lambda u, L: L.m.full_like(u, -1),
    lambda u, L: u.clone().fill_(-1),
    lambda u, L: [x := u.clone(), x.__setitem__(0, -3)][0],
]
SAMPLES = {
    "matrix-norm-1-empty": lambda L: [L.m.linalg.norm(L.m.zeros(n), 1) for n in ((0, 0), (0, 3), (3, 0))],
    "matrix-norm-inf-empty": lambda L: [L.m.linalg.norm(L.m.zeros(n), math.inf) for n in ((0, 0), (0, 3), (3, 0))],
    "matrix-norm-2-empty": lambda L: [L.m.linalg.norm(L.m.zeros(n), 2) for n in ((0, 0), (0, 3), (3, 0))],
    "matrix-norm-stack": lambda L: L.m.linalg.matrix_norm(L.m.zeros(2, 3, 0), 1, keepdim=True),
    "matrix-norm-least": lambda L: L.m.linalg.matrix_norm(L.m.zeros(0, 3), -1),
    "lu_solve-no-columns": lambda L: L.m.linalg.lu_solve(*L.m.linalg.lu_factor(L.m.eye(3)), L.m.zeros(2, 3, 0)),
    "rank-rtol-empty": lambda L: L.m.linalg.matrix_rank(L.m.ones(0, 5, 5), rtol=L.m.zeros(0)),
    "rank-rtol-each": lambda L: L.m.linalg.matrix_rank(L.m.ones(2, 5, 5), rtol=L.m.tensor([0.1, 2.0])),
    "rank-atol-each": lambda L: L.m.linalg.matrix_rank(L.m.ones(2, 5, 5), atol=L.m.tensor([0.1, 9.0])),
    "rank-tol-each": lambda L: L.m.linalg.matrix_rank(L.m.ones(2, 5, 5), tol=L.m.tensor([0.1, 9.0])),
    "rank-atol-0": lambda L: L.m.linalg.matrix_rank(L.m.ones(2, 5, 5), atol=L.m.tensor([0.0, 9.0])),
    "rank-lower": lambda L: L.m.linalg.matrix_rank(L.m.tensor([[0.0, 5.0], [0.0, 1.0]]), hermitian=True),
    "searchsorted-empty": lambda L: [
        L.m.searchsorted(L.m.zeros(a), L.m.zeros(b)) for a, b in (((2, 0), (2, 0)), ((0, 3), (0, 2)), ((3, 0), (3, 4)))
    ],
    "vander-0-d": lambda L: L.m.linalg.vander(L.m.tensor(2.0), N=3),
    "prod-dtype": lambda L: [L.make(WHOLE + 1).prod(dtype=d) for d in (L.m.bool, L.m.int8, L.m.int32, L.m.float32)],
    "prod-dtype-dim": lambda L: [L.make(WHOLE).prod(1, dtype=L.m.bool), L.make(WHOLE)[1, 1].prod(dtype=L.m.bool)],
    "sum-dtype": lambda L: [L.make(WHOLE * 99).sum(*d, dtype=L.m.int8) for d in ((), (0,))],
    "sum-dtype-bool": lambda L: [L.make(WHOLE).sum(0, dtype=L.m.bool), L.m.nansum(L.make(WHOLE), dtype=L.m.bool)],
    "cumsum-dtype": lambda L: [L.make(WHOLE * 99).cumsum(1, dtype=L.m.int8), L.make(WHOLE).cumprod(1, dtype=L.m.int16)],
    "sum_to_size-0-d": lambda L: [L.m.tensor(True).sum_to_size(()), L.m.tensor([True]).sum_to_size(1)],
    "sum_to_size-int8": lambda L: L.m.tensor([3, 2], dtype=L.m.int8).sum_to_size(()),
    "addr-bool": lambda L: [L.m.addr(L.m.zeros(2, 2).bool(), *[L.make(TRUTH)] * 2, **k) for k in ({}, {"beta": 3})],
    "addr-bool-factors": lambda L: L.m.addr(L.m.ones(2, 2).bool(), *[L.make(TRUTH)] * 2, beta=False, alpha=True),
    "addr-promotes": lambda L: L.m.addr(L.m.ones(2, 2).long(), L.make(TRUTH), L.m.tensor([1.5, 2])),
    "sign-bool": lambda L: [L.make(TRUTH).sign(), L.m.sgn(L.make(TRUTH)), L.make(TRUTH).sign_()],
    "square-bool": lambda L: L.m.square(L.make(TRUTH)),
    "unfold-bool": lambda L: L.F.unfold(L.m.ones(1, 1, 4, 4).bool(), 2),
    "fold-bool": lambda L: L.F.fold(L.m.ones(1, 4, 4).bool(), (5, 5), 2, stride=3),
    "pinv-rtol-each": lambda L: L.m.linalg.pinv(L.m.ones(2, 5, 5), rtol=L.m.tensor([0.1, 2.0])),
    "pinv-rtol-empty": lambda L: L.m.linalg.pinv(L.m.ones(0, 5, 5), rtol=L.m.zeros(0)),
    "local-response": lambda L: [L.F.local_response_norm(L.make(WHOLE[None] + 1), n, alpha=7, k=2) for n in (2, 3)],
    "number-to-negative": lambda L: [b ** L.m.tensor([-1, 0, 1, -3, -2]) for b in (2, 1, -1, 0, -2, True)],
    "whole-to-negative": lambda L: L.m.tensor([1, -1, 2, 0, -1]) ** L.m.tensor([-1, -1, -2, -3, -2]),
    "int8-to-negative": lambda L: L.m.tensor([2, 1]).to(L.m.int8) ** L.m.tensor([-1, -1]).to(L.m.int8),
    "batch_norm-nothing": lambda L: [
        L.F.batch_norm(L.m.zeros(0), *[L.m.zeros(0)] * 2, training=t) for t in (True, False)
    ],
    "addmm-cut": lambda L: L.m.addmm(L.m.tensor([[10, 20]]), L.make(WHOLE), L.make(WHOLE).T, beta=2.7, alpha=0.5),
    "addmv-cut": lambda L: L.m.addmv(L.m.tensor([10, 20]), L.make(WHOLE), L.m.tensor([1, 2, 3]), beta=0.6, alpha=3.2),
    "baddbmm-cut": lambda L: L.m.baddbmm(
        L.m.ones(1, 2, 2).long(), *[L.m.ones(1, 2, 2).long()] * 2, beta=1.5, alpha=2.5
    ),
    "addbmm-cut": lambda L: L.m.addbmm(L.m.ones(2, 2).long(), *[L.m.ones(3, 2, 2).long()] * 2, beta=2.7, alpha=True),
    "gather-nothing": lambda L: L.m.gather(L.m.ones(5), 0, L.m.zeros(2, 0, dtype=L.m.uint8)),
    "gather-nothing-float": lambda L: L.m.gather(L.m.ones(2, 5), 0, L.m.zeros(2, 3, 0)),
    "int8-limits": lambda L: L.m.tensor([-128, 127, -1]).to(L.m.int8) ** L.m.tensor([-128, -128, -127]).to(L.m.int8),
    "polygamma": lambda L: [L.m.polygamma(1, L.m.ones(2)), L.m.ones(2).polygamma(2), L.m.ones(2).polygamma_(1)],
    "rdiv": lambda L: L.m.tensor([2.0, 4.0]).__rdiv__(8),
    "pinv-lower": lambda L: L.m.linalg.pinv(L.m.tensor([[2.0, 7.0], [0.0, 4.0]]), hermitian=True),
    "addbmm-int8": lambda L: L.m.addbmm(*[L.m.ones(n, dtype=L.m.int8) for n in ((2, 2), (3, 2, 2), (3, 2, 2))]),
    "numbers": lambda L: [L.m.add(2, 3), L.m.add(2, 3, alpha=2), L.m.mul(2.5, 3), L.m.sub(2, 3), L.m.div(3, 2)],
    "numbers-rounded": lambda L: [L.m.div(-3, 2, rounding_mode=r) for r in ("floor", "trunc")],
    "beyond-uint8": lambda L: [f(L.m.tensor([5, 250], dtype=L.m.uint8), L) for f in BEYOND],
    "beyond-int8": lambda L: [L.m.tensor([5, -100], dtype=L.m.int8) * 300],
    "arange-cut-later": lambda L: [L.m.arange(2.1, -2.9, -1, dtype=d) for d in (L.m.int32, L.m.int64, L.m.uint8)],
    "arange-half": lambda L: L.m.arange(0, 2, 0.5, dtype=L.m.int32),
    "margin-of-integers": lambda L: L.F.margin_ranking_loss(
        L.make(WHOLE), L.make(WHOLE[::-1].copy()), L.make(WHOLE - 2)
    ),
    "conj_physical": lambda L: [L.m.conj_physical(L.m.ones(1), out=L.m.empty(1)), L.m.ones(1).conj_physical_()],
    "out": lambda L: [
        *[f(L.m.ones(3), 0, out=L.m.empty(3)) for f in (L.m.softmax, L.m.log_softmax, L.m.clamp_max, L.m.clamp_min)],
        L.m.true_divide(L.m.ones(3), 2, out=L.m.empty(3)),
        L.m.diff(L.m.ones(3), out=L.m.empty(2)),
        L.m.isin(L.m.ones(3), L.m.ones(2), out=L.m.empty(3, dtype=L.m.bool)),
        L.m.zeros(2, out=L.m.ones(2, dtype=L.m.int64)),
        L.m.ones(2, out=L.m.empty(0)),
        L.m.eye(2, out=L.m.ones(2, 2)),
        L.m.full((2,), 3, out=L.m.ones(2)),
        L.m.arange(3, out=L.m.ones(3)),
        L.m.linspace(0, 1, 3, out=L.m.empty(3)),
        L.m.randperm(1, out=L.m.ones(1)),
        L.m.randint(0, 1, (3,), out=L.m.ones(3)),
        L.m.zeros(2, layout=L.m.strided, pin_memory=False),
        L.m.bernoulli(L.m.ones(2), out=L.m.zeros(2)),
    ],
}


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_is_pytorchs(name):
    """Shape, dtype and numbers."""
    ours, theirs = (tensors(SAMPLES[name](L)) for L in (OURS, THEIRS))
    for y, expected in zip(ours, theirs, strict=True):
        assert tuple(y.shape) == tuple(expected.shape)
        assert str(y.dtype) == str(expected.dtype).removeprefix("torch.")
        # exact, but for powers and inverses in float32
        np.testing.assert_allclose(y.numpy(), expected.numpy(), rtol=1e-6, atol=1e-6)


SLOPES = {
    "div-floor": (lambda L, x, y: L.m.div(x, y, rounding_mode="floor") + x, (2, 3), (3,)),
    "div-trunc": (lambda L, x, y: L.m.div(x, y, rounding_mode="trunc") * y, (2, 3), (3,)),
    "power-0": (lambda L, a: L.m.matrix_power(a, 0) + a, (2, 3, 3)),
    "lstsq-residuals": (lambda L, a, b: list(L.m.linalg.lstsq(a, b, driver="gels"))[:2], (2, 3), (2, 2)),
    "lstsq-gelsy": (lambda L, a, b: list(L.m.linalg.lstsq(a, b))[:2], (4, 2), (4, 1)),
    "index_fill-twice": (lambda L, x, v: x.index_fill(1, L.m.tensor([2, 0, 2]), v), (2, 3), ()),
    "take_along_dim": (lambda L, x, i: L.m.take_along_dim(x, i, 1), (1, 5), [[0, 4], [1, 1], [2, 0]]),
    "take_along_dim-both": (lambda L, x, i: L.m.take_along_dim(x, i, 2), (1, 4, 5), [[[0, 4]], [[1, 1]], [[2, 0]]]),
    "gather-nothing": (lambda L, x, i: L.m.gather(x, 0, i), (2, 5), [[]]),
    "lu_solve-no-columns": (lambda L, a, b: L.m.linalg.lu_solve(*L.m.linalg.lu_factor(a), b), (3, 3), (3, 0)),
    "matrix-norm-empty": (lambda L, a: L.m.linalg.matrix_norm(a, 1), (2, 0, 3)),
}


@pytest.mark.parametrize("name", SLOPES)
def test_what_needs_a_gradient_has_one(name, rng):
    """Results that require grad where PyTorch's do, with its gradients and second ones."""
    function, *shapes = SLOPES[name]
    with np.errstate(all="ignore"):
        compare(function, *[np.array(s, int) if isinstance(s, list) else s for s in shapes], rng=rng, exact=False)


def test_results_without_a_slope_require_grad_as_pytorchs():
    """matrix_power(a, 0), and householder_product of no column: a gradient of zeros, or of nothing."""
    for L in (OURS, THEIRS):
        a, none = L.m.ones(2, 2, requires_grad=True), L.m.ones(3, 0, requires_grad=True)
        L.m.matrix_power(a, 0).sum().backward()
        assert a.grad.tolist() == [[0, 0], [0, 0]]
        assert L.m.linalg.householder_product(none, L.m.ones(0)).requires_grad


def test_nextafter_follows_its_input():
    """PyTorch has no derivative here, though its result requires grad; ours is that of the identity."""
    x = OURS.m.tensor([1.0, 2.0], requires_grad=True)
    y = OURS.m.nextafter(x, OURS.m.zeros(2))
    assert y.requires_grad
    assert OURS.m.autograd.grad(y.sum(), x)[0].tolist() == [1, 1]
    assert THEIRS.m.nextafter(THEIRS.m.ones(2, requires_grad=True), THEIRS.m.zeros(2)).requires_grad


@pytest.mark.parametrize("start", [[1.5, 2.0, 0.7], [0.0, 2.0, 0.7]])
@pytest.mark.parametrize("factors", [[1.3, 0.0, 0.3, 2.0], [0.0, 1.0, 2.0, 3.0], [1.3, 0.4, 0.2, 2.0]])
@pytest.mark.parametrize("include_self", [True, False])
def test_products_with_a_zero_have_right_second_gradients(start, factors, include_self, rng):
    """scatter_reduce: the product of the other factors depends on the one that is 0."""
    x, v = np.array(start), np.array(factors)
    compare(
        lambda L, x, v, i: x.scatter_reduce(0, i, v, "prod", include_self=include_self),
        x,
        v,
        [0, 1, 1, 0],
        rng=rng,
        exact=False,
    )


def test_two_zeros_have_right_second_gradients():
    """Which PyTorch refuses: of a b with a = b = 0 the mixed derivative is 1."""
    x = OURS.m.ones(1, dtype=OURS.m.float64)
    v = OURS.m.zeros(2, dtype=OURS.m.float64, requires_grad=True)
    index = OURS.m.tensor([0, 0])
    hessian = OURS.m.autograd.functional.hessian(lambda v: x.scatter_reduce(0, index, v, "prod").sum(), v)
    assert hessian.tolist() == [[0, 1], [1, 0]]


REFUSED = {
    "addr-float-factor": lambda L: L.m.addr(L.m.ones(2, 2).long(), *[L.m.ones(2).long()] * 2, beta=0.5),
    "addr-bool-factor": lambda L: L.m.addr(L.m.ones(2, 2).long(), *[L.m.ones(2).long()] * 2, beta=True),
    "norm-least-empty": lambda L: L.m.linalg.norm(L.m.zeros(0, 3), -math.inf),
    "vander-N": lambda L: L.m.linalg.vander(L.m.ones(2, 1)),
    "gather-uint8": lambda L: L.m.gather(L.m.ones(3), 0, L.m.zeros(2, dtype=L.m.uint8)),
    "full-beyond": lambda L: L.m.full((2,), 200, dtype=L.m.int8),
    "fill-beyond": lambda L: L.m.ones(2, dtype=L.m.uint8).fill_(300),
    "setitem-beyond": lambda L: L.m.ones(2, dtype=L.m.uint8).__setitem__(0, 300),
    "clamp-beyond": lambda L: L.m.ones(2, dtype=L.m.uint8).clamp(-1, 300),
    "two-numbers": lambda L: L.m.maximum(2, 3),
    "two-numbers-max": lambda L: L.m.max(2, 3),
    "two-numbers-xlogy": lambda L: L.m.xlogy(2, 3),
    "arange-inf": lambda L: L.m.arange(0, math.inf),
    "arange-no-step": lambda L: L.m.arange(0, 64, 0.5, dtype=L.m.int64),
    "narrow-start": lambda L: L.m.ones(3).narrow(0, L.m.tensor([1]), 1),
    "narrow-truth": lambda L: L.m.ones(3).narrow(0, L.m.tensor(True), 1),
    "out-dtype": lambda L: L.m.zeros(2, dtype=L.m.float64, out=L.m.ones(2)),
    "out-exactly": lambda L: L.m.gather(L.m.ones(3), 0, L.m.tensor([0]), out=L.m.ones(1).double()),
    "out-number": lambda L: L.m.ones(2, out=3),
    "out-expanded": lambda L: L.m.exp(L.m.ones(3), out=L.m.ones(1).expand(3)),
    "out-expanded-cat": lambda L: L.m.cat([L.m.ones(2), L.m.ones(2)], out=L.m.ones(1).expand(4)),
}


def test_comparisons_with_numbers_beyond_the_dtype_are_right():
    """PyTorch compares with the low bits: that no uint8 is larger than -1."""
    assert (OURS.m.tensor([5], dtype=OURS.m.uint8) > -1).all()
    assert not (THEIRS.m.tensor([5], dtype=THEIRS.m.uint8) > -1).any()


OVERLAPPING = {
    "partial": lambda L, x: L.m.exp(x[:3], out=x[1:]),
    "partial-of-the-second": lambda L, x: L.m.add(L.m.ones(3), x[:3], out=x[1:]),
    "cat": lambda L, x: L.m.cat([x[:2], x[2:]], out=x),
    "gather": lambda L, x: L.m.gather(x, 0, L.m.tensor([0, 1, 2, 3]), out=x),
    "take": lambda L, x: L.m.take(x, L.m.tensor([0, 1]), out=x[1:3]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_pytorch_refuses(name):
    """By an exception of its class."""
    assert_refused_alike(REFUSED[name])


@pytest.mark.parametrize("name", OVERLAPPING)
def test_out_in_memory_that_is_read_is_refused(name):
    """As by PyTorch, and nothing is written."""
    for L in (OURS, THEIRS):
        x = L.m.arange(4.0)
        with pytest.raises(RuntimeError, match="single memory location"):
            OVERLAPPING[name](L, x)
        assert x.tolist() == [0, 1, 2, 3]


def test_out_may_be_an_argument_of_elementwise_functions():
    """Each element is read before it is written."""
    for L in (OURS, THEIRS):
        x = L.m.arange(4.0)
        assert L.m.add(x, 1, out=x) is x
        assert x.tolist() == [1, 2, 3, 4]
