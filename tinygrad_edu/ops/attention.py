"""Attention: for every query a mean of the values, weighted by how well their keys fit (Vaswani et al. 2017).

    S = Q K^T / sqrt(d)      dQ = dS K / sqrt(d)              dK = dS^T Q / sqrt(d)
    P = softmax(S)           dS = P * (dP - sum(dP * P))
    O = P V                  dP = dO V^T                      dV = P^T dO

The first line is one primitive, the other two are another: in one of Q, K and V the rules of Q and K would both
compute dS, which makes the backward pass a third slower. By O = P V, sum(dP * P) is sum(dO * O): rows of d
numbers in the place of rows as long as there are keys.

Q is (..., L, d), K (..., n, d), V (..., n, d_v), O (..., L, d_v): L queries, n keys; in front batch and heads.

Not here: heads and projections (multi_head.py).
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ..core.apply import apply
from ..core.dtypes import equal
from ..core.errors import DtypeError, ShapeError, describe
from ..core.primitive import Array, primitive
from .arranging import repeat_interleave
from .choices import choose
from .conversion import astype
from .creation import full
from .dropout import dropout_mask
from .shape import expand


@functools.lru_cache(maxsize=16)
def _future(n: int, m: int, dtype: Any) -> Array:
    """-inf where a key comes after its query, 0 elsewhere."""
    mask = np.triu(np.full((n, m), -math.inf, dtype), 1)
    mask.flags.writeable = False
    return mask


@primitive(
    name="scaled_dot_product_attention",
    types=equal,
    opaque=True,
    dQ=lambda dS, S, Q, K, M=None, *, scale, causal: dS @ K * scale,
    dK=lambda dS, S, Q, K, M=None, *, scale, causal: dS.mT @ Q * scale,
    dM=lambda dS, S, Q, K, M, *, scale, causal: dS,
)
def scaled_scores(Q: Array, K: Array, M: Array = None, *, scale: float, causal: bool) -> Array:
    """S = scale Q K^T + M, the mask M broadcast; causal: -inf where a key comes after its query."""
    S = (Q * scale) @ K.mT  # BLAS takes heads as they lie in a projection: copies made first gain nothing
    if M is not None:
        np.add(S, M, out=S)
    return np.add(S, _future(*S.shape[-2:], S.dtype), out=S) if causal else S


def _scores_by_hand(Q: Array, K: Array, M: Array = None, *, scale: float, causal: bool) -> Array:
    S = Q @ K.mT * scale
    S = S if M is None else S + M
    return S + np.triu(np.full(S.shape[-2:], -math.inf, S.dtype), 1) if causal else S


scaled_scores.composition = _scores_by_hand


@primitive(
    np.vecdot,
    types=equal,
    opaque=True,
    dX=lambda ds, s, X, Y: ds[..., None] * Y,
    dY=lambda ds, s, X, Y: ds[..., None] * X,
)
def row_dots(X: Array, Y: Array) -> Array:
    """s = sum(X * Y) over the last axis."""
    # of 4096 rows of 16: 24 us, np.vecdot 51, np.sum(X * Y) 88
    return np.einsum("...i,...i->...", X, Y)


row_dots.composition = lambda X, Y: np.sum(X * Y, axis=-1)


UNDERFLOW = 1e-7  # exp(-16): below it, rounding of the exponents, 16 * 2**-25 in float32, is the larger error


def _softmax(S: Array, out: Array = None) -> Array:
    """The softmax over the last axis; rows of -inf alone give zeros, as in PyTorch's attention.

    Shifted by the largest score of a whole matrix, whose maximum NumPy finds in 14 us where those of its rows
    take 239 (64 matrices of 64 x 64): forward 0.53 ms instead of 0.76. Rows far below it are done again.
    """
    ones = np.ones((S.shape[-1], 1), S.dtype)
    lowest = np.finfo(S.dtype).min  # in the place of -inf, since -inf - -inf is NaN
    top = np.maximum.reduce(S.reshape(*S.shape[:-2], math.prod(S.shape[-2:])), axis=-1, initial=lowest)
    with np.errstate(invalid="ignore"):  # inf - inf
        E = np.subtract(S, top[..., None, None], out=out)
        total = np.exp(E, out=E) @ ones  # np.sum takes 109 us, the product 20
        if not total.min(initial=1) > UNDERFLOW:  # NaN ends here too, and stays in its row
            np.subtract(S, np.maximum.reduce(S, axis=-1, keepdims=True, initial=lowest), out=E)
            total = np.exp(E, out=E) @ ones
            np.add(total, total == 0, out=total)
        return np.multiply(E, 1 / total, out=E)


def _dropped(A: Array, keep: Array) -> Array:
    return A if keep is None else A * keep


def _scores_cotangent(dY: tuple[Array, ...], Y: tuple[Array, ...], S: Array, V: Array, keep: Array = None) -> Array:
    """P * (dP - sum(dP * P)), of the cotangents of both outputs, either of which may be None."""
    dO, dP, O, P = dY[0], dY[1], Y[0], Y[1]
    if dO is None:
        return P * (dP - row_dots(dP, P)[..., None])
    dS = P * (_dropped(dO @ V.mT, keep) - row_dots(dO, O)[..., None])
    return dS if dP is None else dS + P * (dP - row_dots(dP, P)[..., None])


def _values_cotangent(dY: tuple[Array, ...], Y: tuple[Array, ...], S: Array, V: Array, keep: Array = None) -> Array:
    """P^T dO."""
    return np.zeros_like(V) if dY[0] is None else _dropped(Y[1], keep).mT @ dY[0]


@primitive(name="scaled_dot_product_attention", types=equal, opaque=True, dS=_scores_cotangent, dV=_values_cotangent)
def attend(S: Array, V: Array, keep: Array = None, *, out: Any = None) -> tuple[Array, ...]:
    """O = P V and P = softmax(S), rows of -inf giving zeros; with `keep`, the mask of dropout, O = (P keep) V."""
    # O in V's order: merging heads then copies nothing
    O, P = (np.empty_like(V, shape=(*S.shape[:-1], V.shape[-1])), None) if out is None else out
    P = _softmax(S, P)
    return np.matmul(_dropped(P, keep), V, out=O), P


def _softmax_and_product(S: Array, V: Array, keep: Array = None) -> tuple[Array, ...]:
    E = np.exp(S - np.max(S, axis=-1, keepdims=True))
    P = E / np.sum(E, axis=-1, keepdims=True)
    return _dropped(P, keep) @ V, P


attend.composition = _softmax_and_product
attend.needs_zeros = False  # P's cotangent is seldom there, and zeros would take a megabyte


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """softmax(query key^T scale + mask) value, with dropout on the softmax.

    Args:
        query, key, value: (..., L, d), (..., n, d), (..., n, d_v), the axes in front broadcast.
        attn_mask: broadcast to (..., L, n): True where a key takes part, or numbers added to the scores.
        dropout_p: the probability with which a weight is zeroed; applied whenever it isn't 0.
        is_causal: query i sees the keys 0 to i alone.
        scale: default 1 / sqrt(d).
        enable_gqa: neighbouring heads of query share a head of key and value, (..., heads, L, d).
    Returns:
        (..., L, d_v); zeros for a query that no key may answer.
    Raises:
        RuntimeError: shapes or dtypes do not fit, or both attn_mask and is_causal are given.
    """
    _check(query, key, value, attn_mask, dropout_p, is_causal)
    if enable_gqa and query.ndim > 2:
        key, value = _shared(query, key, "key"), _shared(query, value, "value")
    scale = _scale(query) if scale is None else scale
    batch = _broadcast(query.shape[:-2], key.shape[:-2], query, key, value)
    if attn_mask is not None:
        _check_mask(attn_mask, (*batch, query.shape[-2], key.shape[-2]))
    S = scores(query, key, additive(attn_mask, query.dtype, keeps=True), scale, is_causal)
    batch = _broadcast(S.shape[:-2], value.shape[:-2], query, key, value)
    if batch != S.shape[:-2]:
        S = expand(S, (*batch, *S.shape[-2:]))
    if batch != value.shape[:-2]:
        value = expand(value, (*batch, *value.shape[-2:]))
    if dropout_p <= 0:
        return apply(attend, (S, value), {}, shown=1)[0]
    keep = dropout_mask(S.shape, dropout_p, S.dtype) if dropout_p < 1 else full(S.shape, 0.0, dtype=S.dtype)
    return apply(attend, (S, value, keep), {}, shown=1)[0]


def scores(Q: Any, K: Any, M: Any, scale: float | None = None, causal: bool = False) -> Any:
    """What the softmax is taken of; M is None or numbers to add."""
    params = {"scale": float(_scale(Q) if scale is None else scale), "causal": bool(causal)}
    return apply(scaled_scores, (Q, K) if M is None else (Q, K, M), params)


def additive(mask: Any, dtype: Any, keeps: bool) -> Any:
    """A mask as numbers to add to the scores; `keeps`: True stands for a key that takes part."""
    if mask is None or mask.dtype.kind == "f":
        return mask
    return astype(choose(mask, *((0.0, -math.inf) if keeps else (-math.inf, 0.0))), dtype=dtype)


def _scale(Q: Any) -> float:
    return 1 / math.sqrt(Q.shape[-1]) if Q.shape[-1] else 1.0


def _shared(query: Any, x: Any, word: str) -> Any:
    """Every head of key or value once for each head of query that it serves."""
    n, heads = x.shape[-3] if x.ndim > 2 else 1, query.shape[-3]
    if n == 0 or heads % n:
        raise ShapeError(
            f"scaled_dot_product_attention: Number of heads in key and value must divide the number of heads in "
            f"query: {word} has {n}, query {heads}."
        )
    return x if n == heads or n == 1 else repeat_interleave(x, heads // n, -3)


def _broadcast(one: Any, other: Any, *tensors: Any) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(tuple(one), tuple(other))
    except ValueError:
        raise ShapeError(
            f"scaled_dot_product_attention: the axes before the last two are {tuple(one)} and {tuple(other)}, which do "
            "not broadcast; they are batch and heads, (..., heads, length, d). Fewer heads of key and value than of "
            f"query are allowed with enable_gqa=True.{describe(tensors, ('query', 'key', 'value'))}"
        ) from None


def _check_mask(mask: Any, shape: tuple[int, ...]) -> None:
    have = tuple(mask.shape)
    if len(have) > len(shape) or any(n not in (1, m) for n, m in zip(have[::-1], shape[::-1], strict=False)):
        raise ShapeError(
            f"scaled_dot_product_attention: attn_mask {have} does not broadcast to the scores, {shape}: a row per "
            "query, a column per key, in front batch and heads."
        )


def _check(query: Any, key: Any, value: Any, mask: Any, dropout_p: float, is_causal: bool) -> None:
    name, tensors = "scaled_dot_product_attention", (query, key, value)
    for word, x in zip(("query", "key", "value"), tensors, strict=True):
        if not hasattr(x, "dtype"):
            raise TypeError(f"{name}(): argument '{word}' must be Tensor, not {type(x).__name__}")
    if min(x.ndim for x in tensors) < 2:
        found = ", ".join(f"{w}.dim: {x.ndim}" for w, x in zip(("query", "key", "value"), tensors, strict=True))
        raise ShapeError(f"{name}: Expected query, key, and value to all be at least 2 dimensional, but got {found}.")
    if not query.dtype == key.dtype == value.dtype:
        raise DtypeError(
            f"{name}: Expected query, key, and value to have the same dtype, but got query.dtype: {query.dtype} "
            f"key.dtype: {key.dtype} and value.dtype: {value.dtype}."
        )
    if query.dtype.kind != "f":
        raise DtypeError(f"{name}: floating numbers are needed, not {query.dtype}; convert with .float() first.")
    if query.shape[-1] != key.shape[-1]:
        raise ShapeError(
            f"{name}: query has vectors of {query.shape[-1]} numbers, key of {key.shape[-1]}; they must be equal."
            + describe(tensors, ("query", "key", "value"))
        )
    if key.shape[-2] != value.shape[-2]:
        raise ShapeError(
            f"{name}: there are {key.shape[-2]} keys and {value.shape[-2]} values; a value belongs to each key."
            + describe(tensors, ("query", "key", "value"))
        )
    if dropout_p > 1:  # a negative one is none, as in PyTorch
        raise RuntimeError(f"{name}: dropout probability has to be between 0 and 1, but got {dropout_p}")
    if mask is None:
        return
    if is_causal:
        raise RuntimeError(
            f"{name}: Explicit attn_mask should not be set when is_causal=True; add the causal mask to attn_mask."
        )
    if mask.dtype.kind != "b" and mask.dtype != query.dtype:
        raise DtypeError(
            f"{name}: Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
            f"{mask.dtype} and query.dtype: {query.dtype}."
        )
    if mask.ndim < 2:
        raise IndexError(f"{name}: attn_mask is (..., L, n), got shape {tuple(mask.shape)}; give it both axes.")
