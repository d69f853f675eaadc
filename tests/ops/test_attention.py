"""Attention's primitives against the operations that they stand for, and what no other test sees of them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_edu as te
from tinygrad_edu import autograd, symbolic, tensor
from tinygrad_edu.nn import functional as F
from tinygrad_edu.ops.attention import attend
from tinygrad_edu.symbolic.trace import trace

NEAR = {"rtol": 1e-12, "atol": 1e-12}  # float64, sums of a few dozen terms in another order


def leaves(rng, *shapes):
    return [tensor(rng.standard_normal(s), requires_grad=True) for s in shapes]


def composed(Q, K, V, mask=None, causal=False):
    """The same by public operations."""
    S = Q @ K.mT / Q.shape[-1] ** 0.5
    if causal:
        S = S + te.triu(te.full(S.shape[-2:], -float("inf"), dtype=S.dtype), 1)
    if mask is not None:
        S = S + mask
    return te.softmax(S, dim=-1) @ V


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("spread", [1, 30])
def test_attention_is_its_composition(causal, spread, rng):
    """Value, gradients and the gradients of those are the composition's, with scores near and far apart."""
    Q, K, V = leaves(rng, (2, 3, 5, 4), (2, 3, 5, 4), (2, 3, 5, 6))
    found = []
    for function in (F.scaled_dot_product_attention, composed):
        extra = {"is_causal": causal} if function is not composed else {"causal": causal}
        O = function(Q * spread, K, V, **extra)
        first = autograd.grad((O**3).sum(), (Q, K, V), create_graph=True)
        second = autograd.grad(sum((d * d).sum() for d in first), (Q, K, V))
        found.append([O, *first, *second])
    for ours, expected in zip(*found, strict=True):
        scale = max(1.0, float(expected.detach().abs().max()))
        assert_allclose(ours.detach().numpy() / scale, expected.detach().numpy() / scale, **NEAR)


def test_mask_has_a_gradient(rng):
    """A mask of numbers that is broadcast over batch and heads gets the sum of what they send."""
    Q, K, V, M = leaves(rng, (2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6), (5, 7))
    ours = autograd.grad((F.scaled_dot_product_attention(Q, K, V, M) ** 3).sum(), (Q, M))
    expected = autograd.grad((composed(Q, K, V, M) ** 3).sum(), (Q, M))
    for mine, theirs in zip(ours, expected, strict=True):
        assert_allclose(mine.numpy(), theirs.numpy(), **NEAR)


@pytest.mark.parametrize("used", ["values", "weights", "both"])
def test_gradient_by_any_of_the_outputs(used, rng):
    """No zeros stand for the output that did not reach the loss: the rules do without its cotangent."""
    S, V = leaves(rng, (2, 4, 6), (2, 6, 5))

    def loss(O, P):
        return sum((x**3).sum() for x in {"values": (O,), "weights": (P,), "both": (O, P)}[used])

    P = te.softmax(S, dim=-1)
    ours = autograd.grad(loss(*attend(S, V)), (S, V), create_graph=True)
    expected = autograd.grad(loss(P @ V, P), (S, V), allow_unused=True, create_graph=True)
    for mine, theirs in zip(ours, expected, strict=True):
        assert_allclose(mine.detach().numpy(), 0 if theirs is None else theirs.detach().numpy(), **NEAR)
    (second,) = autograd.grad((ours[0] ** 2).sum(), S)
    (theirs,) = autograd.grad((expected[0] ** 2).sum(), S)
    assert_allclose(second.numpy(), theirs.numpy(), **NEAR)


def test_rows_far_below_their_matrix_keep_their_digits(rng):
    """A row whose scores are 1000 below the largest of its matrix has the softmax that it has alone."""
    S = rng.standard_normal((4, 6)).astype(np.float32)
    V = np.eye(6, dtype=np.float32)
    alone, _ = attend.forward(S, V)
    apart, _ = attend.forward(S - np.array([[0], [1000], [50], [0]], np.float32), V)
    assert_allclose(apart, alone, rtol=1e-4)  # S - 1000 is rounded to 6e-5
    assert_allclose(apart[[0, 3]], alone[[0, 3]], rtol=1e-6)  # shifted otherwise, whose exp is rounded otherwise


def test_nan_stays_in_its_row(rng):
    """A score that is NaN or inf spoils its query, and no other."""
    S = rng.standard_normal((4, 6))
    V = rng.standard_normal((6, 5))
    expected, _ = attend.forward(S, V)
    S[1, 2], S[3, 0] = np.nan, np.inf
    found, _ = attend.forward(S, V)
    assert np.isnan(found[[1, 3]]).all()
    assert_allclose(found[[0, 2]], expected[[0, 2]], **NEAR)


@pytest.mark.parametrize("whole", [False, True])
def test_a_query_that_sees_no_key_receives_zeros(whole, rng):
    """Its output, its weights and its gradient are 0, also where no query of a head sees any."""
    Q, K, V = leaves(rng, (2, 3, 4), (2, 5, 4), (2, 5, 6))
    mask = np.ones((2, 3, 5), bool)
    mask[0, 1] = False
    mask[1] = mask[1] & (not whole)
    O = F.scaled_dot_product_attention(Q, K, V, tensor(mask))
    (O**2).sum().backward()
    blind = ~mask.any(-1)
    assert_array_equal(O.detach().numpy()[blind], 0)
    assert_array_equal(Q.grad.numpy()[blind], 0)
    assert np.isfinite(O.detach().numpy()).all()
    assert np.isfinite(K.grad.numpy()).all()


def test_output_lies_in_memory_as_the_values_do(rng):
    """Heads taken out of rows of a projection are merged again without a copy."""
    Q, K, V = (tensor(rng.standard_normal((2, 5, 3, 4))).transpose(1, 2) for _ in range(3))
    O = F.scaled_dot_product_attention(Q, K, V)
    assert O.transpose(1, 2).is_contiguous()
    Q, K, V = (tensor(rng.standard_normal((2, 3, 5, 4))) for _ in range(3))
    assert F.scaled_dot_product_attention(Q, K, V).is_contiguous()


def test_dropout_zeroes_weights_and_scales_the_others(rng):
    """With p = 0.5 every weight counts double or not at all, and the gradient follows the mask."""
    te.manual_seed(3)
    n = 50
    Q, K = leaves(rng, (n, 4), (n, 4))
    V = te.eye(n, dtype=te.float64).requires_grad_()  # so that O is the dropped P
    O = F.scaled_dot_product_attention(Q, K, V, dropout_p=0.5)
    P = composed(Q, K, V).detach().numpy()
    ratio = O.detach().numpy() / P
    assert_allclose(ratio[ratio > 0], 2, rtol=1e-12)  # as NEAR
    assert 0.4 < np.mean(ratio > 0) < 0.6  # of 2500: 10 standard deviations
    keep = tensor(np.where(ratio > 0, 2.0, 0.0))
    S = Q @ K.mT / 2
    expected = autograd.grad((((te.softmax(S, -1) * keep) @ V) ** 3).sum(), (Q, K, V))
    for mine, theirs in zip(autograd.grad((O**3).sum(), (Q, K, V)), expected, strict=True):
        assert_allclose(mine.numpy(), theirs.numpy(), **NEAR)


def test_attention_is_traced(rng):
    """A step with attention becomes a program that gives its numbers for other arguments."""
    V = tensor(rng.standard_normal((2, 7, 6)), requires_grad=True)

    def step(q, k):
        V.grad = None
        loss = (F.scaled_dot_product_attention(q, k, V, is_causal=True) ** 2).sum()
        loss.backward()
        return loss

    program = trace(step, *(tensor(rng.standard_normal((2, n, 4))) for n in (5, 7)))
    q, k = (tensor(rng.standard_normal((2, n, 4))) for n in (5, 7))
    found, slope = program(q, k).item(), V.grad.numpy().copy()
    assert_allclose(found, step(q, k).item(), **NEAR)
    assert_allclose(slope, V.grad.numpy(), **NEAR)


def test_gradient_reads_as_the_formula(rng):
    """What is printed are the rules: dS = P * (dO V^T - sum(dO * O)), dV = P^T dO."""
    S = tensor(rng.standard_normal((4, 6)), requires_grad=True, name="S")
    V = tensor(rng.standard_normal((6, 5)), requires_grad=True, name="V")
    O, _ = attend(S, V)
    O.name = "O"
    e = symbolic.explain((O**2).sum())
    assert e["dV"].source() == "dV = P.T @ dO"
    assert e["dS"].source() == "dS = P * (dO @ V.T - np.vecdot(dO, O)[..., None])"


@pytest.mark.parametrize(
    ("shapes", "options", "error", "message"),
    [
        (((3, 4), (5, 3), (5, 6)), {}, te.ShapeError, "query has vectors of 4 numbers, key of 3"),
        (((3, 4), (5, 4), (4, 6)), {}, te.ShapeError, "5 keys and 4 values"),
        (((4,), (5, 4), (5, 6)), {}, te.ShapeError, "at least 2 dimensional"),
        (((4, 3, 4), (2, 5, 4), (2, 5, 6)), {}, te.ShapeError, "enable_gqa=True"),
        (((3, 3, 4), (2, 5, 4), (2, 5, 6)), {"enable_gqa": True}, te.ShapeError, "must divide the number of heads"),
        (((3, 4), (5, 4), (5, 6)), {"dropout_p": 1.5}, RuntimeError, "between 0 and 1"),
        (((3, 4), (5, 4), (5, 6)), {"attn_mask": (3, 4)}, te.ShapeError, "attn_mask"),
        (((3, 4), (5, 4), (5, 6)), {"attn_mask": (5,)}, IndexError, "attn_mask"),
        (((3, 4), (5, 4), (5, 6)), {"attn_mask": (3, 5), "is_causal": True}, RuntimeError, "should not be set"),
    ],
)
def test_what_does_not_fit_is_refused(shapes, options, error, message):
    """Each with the shapes and what to do."""
    options = {k: te.zeros(v) if k == "attn_mask" else v for k, v in options.items()}
    with pytest.raises(error, match=message):
        F.scaled_dot_product_attention(*(te.zeros(s) for s in shapes), **options)


def test_dtypes_are_not_mixed():
    """As in PyTorch's products, nothing is converted silently; a mask is bool or of the query's dtype."""
    q = te.zeros(3, 4)
    with pytest.raises(te.DtypeError, match="to have the same dtype"):
        F.scaled_dot_product_attention(q, q.double(), q)
    with pytest.raises(te.DtypeError, match="attn_mask dtype"):
        F.scaled_dot_product_attention(q, q, q, te.ones(3, 3, dtype=te.int64))
    with pytest.raises(te.DtypeError, match="floating"):
        F.scaled_dot_product_attention(q.long(), q.long(), q.long())
    with pytest.raises(TypeError, match="must be Tensor, not list"):
        F.scaled_dot_product_attention(q, q, [1])
