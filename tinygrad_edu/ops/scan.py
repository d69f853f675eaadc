"""Scans: along one axis every element becomes the sum, product or extreme of all up to it.

The rules of sums and products run from the other end. What they have in common is a linear
recurrence, whose own rules are recurrences again: so cumprod is differentiable any number of
times, also where factors are 0, where the usual division of the product by a factor fails.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from ..core.dtypes import floating_only, int64
from ..core.primitive import Array, answers, primitive
from .dims import one_axis
from .indexing import getitem, take_along
from .public import public
from .reduction import as_asked, in_dtype, returned


def reversed_along(X: Array, axis: int) -> Array:
    """X read from the end of an axis to its start."""
    return getitem(X, key=(*(slice(None),) * axis, slice(None, None, -1), ...))


def shifted(X: Array, axis: int, by: int, fill: float) -> Array:
    """X moved along an axis by one place, to the right (by=1) or left (by=-1); `fill` in the free one."""
    ahead = (slice(None),) * axis
    free = np.full_like(X[(*ahead, slice(0, 1))], fill)
    if by > 0:
        return np.concatenate([free, X[(*ahead, slice(0, max(X.shape[axis] - 1, 0)))]], axis=axis)
    return np.concatenate([X[(*ahead, slice(1, None))], free], axis=axis)


def _accumulate(ufunc: np.ufunc, X: Array, axis: int) -> Array:
    """ufunc.accumulate; along an axis with larger slices behind it, slice by slice, in a fifth of the time."""
    if math.prod(X.shape[axis + 1 :]) < 64 or not X.size:
        return ufunc.accumulate(X, axis)
    return np.stack(list(itertools.accumulate(np.moveaxis(X, axis, 0), ufunc)), axis)


def _summable(X: Array) -> Array:
    return X if X.dtype.kind == "f" else X.astype(np.int64)


# --- the primitives: X (..., n, ...) and `axis`, the one of length n, counted from the front


@primitive(
    np.cumsum,
    name="cumsum",
    types=None,
    opaque=True,
    dX=lambda dY, Y, X, *, axis: reversed_along(
        cumsum_along(reversed_along(dY, axis), axis=axis),  # type: ignore[has-type]
        axis,
    ),
)
def cumsum_along(X: Array, *, axis: int) -> Array:
    """Y[k] = X[0] + ... + X[k]; of integers and booleans an int64."""
    return _accumulate(np.add, _summable(X), axis)


def _earlier_rule(dH: Array, A: Array, axis: int, step: int) -> Array:
    """How much the loss changes with each B: a recurrence from the other end."""
    return recurrence(dH, shifted(A, axis, -step, 0), axis=axis, step=-step)


def _blocks(X: Array, axis: int, length: int) -> Array:
    """An axis cut into blocks, (length, number of blocks, *others), with zeros behind the last one's end."""
    terms = np.moveaxis(X, axis, 0)
    count = -(-len(terms) // length)
    whole = np.zeros((count * length, *terms.shape[1:]), X.dtype)
    whole[: len(terms)] = terms
    return np.copy(whole.reshape(count, length, *terms.shape[1:]).swapaxes(0, 1), order="C")


@primitive(
    types=None,
    opaque=True,
    dB=lambda dH, H, B, A, *, axis, step: _earlier_rule(dH, A, axis, step),
    dA=lambda dH, H, B, A, *, axis, step: _earlier_rule(dH, A, axis, step) * shifted(H, axis, step, 0),
)
def recurrence(B: Array, A: Array, *, axis: int, step: int) -> Array:
    """H[k] = B[k] + A[k] H[k - step], H = 0 before the first; step is 1 or -1.

    In blocks of about sqrt(n) terms. First in all blocks side by side, term after term, with the products of A from
    a block's begin in P. Then each block's last term gets what the block before hands on, times P, and so do its
    others. 64 x 512 float32 take 190 us so; gathering 1, 2, 4, ... terms, n log(n) of them, took 450.
    """
    if step < 0:
        return reversed_along(recurrence(reversed_along(B, axis), reversed_along(A, axis), axis=axis, step=1), axis)
    n = B.shape[axis]
    length = math.isqrt(n) + 1
    H, P = (_blocks(X, axis, length) for X in (B, A))
    for k in range(1, length):
        np.add(H[k], P[k] * H[k - 1], out=H[k])
        np.multiply(P[k], P[k - 1], out=P[k])
    for k in range(1, H.shape[1]):
        np.add(H[-1, k], P[-1, k] * H[-1, k - 1], out=H[-1, k, ...])  # `...`: of vectors H[-1, k] is a number
    np.add(H[:-1, 1:], P[:-1, 1:] * H[-1, :-1], out=H[:-1, 1:])
    in_order = H.swapaxes(0, 1).reshape(H.shape[0] * H.shape[1], *H.shape[2:])[:n]
    return np.copy(np.moveaxis(in_order, 0, axis), order="C")


@primitive(
    np.cumprod,
    name="cumprod",
    types=None,
    opaque=True,
    # d Y[j] / d X[k] is the product before k times the product of what follows up to j
    dX=lambda dY, Y, X, *, axis: shifted(Y, axis, 1, 1) * recurrence(dY, shifted(X, axis, -1, 0), axis=axis, step=-1),
)
def cumprod_along(X: Array, *, axis: int) -> Array:
    """Y[k] = X[0] * ... * X[k]; of integers and booleans an int64."""
    return _accumulate(np.multiply, _summable(X), axis)


def _logcumsumexp_rule(dY: Array, Y: Array, X: Array, *, axis: int) -> Array:
    # The sum of dY[j] exp(Y[k] - Y[j]) over j >= k, by the ratios of neighbours: none exceeds 1.
    ratio = np.where(Y == -math.inf, 0, np.exp(Y - shifted(Y, axis, -1, math.inf)))
    return np.where(X == -math.inf, 0, np.exp(X - Y) * recurrence(dY, ratio, axis=axis, step=-1))


@primitive(name="logcumsumexp", types=floating_only, opaque=True, dX=_logcumsumexp_rule)
def logcumsumexp_along(X: Array, *, axis: int) -> Array:
    """Y[k] = log(exp(X[0]) + ... + exp(X[k])), without overflow."""
    return np.logaddexp.accumulate(X, axis)


def _last_hit(X: Array, Y: Array, axis: int) -> Array:
    """Where the running extreme Y was last attained: at a tie the later place, a NaN stays."""
    places = np.arange(X.shape[axis]).reshape((-1,) + (1,) * (X.ndim - 1 - axis))
    return _accumulate(np.maximum, np.where((X == Y) | (X != X), places, 0), axis)


@primitive(name="cummax", types=None, opaque=True)
def cummax_index(X: Array, *, axis: int) -> Array:
    """Where the largest of X[0] ... X[k] lies."""
    return _last_hit(X, _accumulate(np.maximum, X, axis), axis)


@primitive(name="cummin", types=None, opaque=True)
def cummin_index(X: Array, *, axis: int) -> Array:
    """Where the smallest of X[0] ... X[k] lies."""
    return _last_hit(X, _accumulate(np.minimum, X, axis), axis)


# --- the public functions


def _along(scan: Any, input: Any, dim: int, name: str) -> Any:
    """The scan over `dim`; a 0-d tensor is taken as one element."""
    axis = one_axis(dim, input.ndim, name)
    return scan(input, axis=axis) if input.ndim else scan(input.reshape(1), axis=0).reshape(())


@public("cumsum", inplace=True)
def cumsum(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """The sum of all elements up to each one along `dim`."""
    return as_asked(_along(cumsum_along, in_dtype(input, dtype), dim, "cumsum"), dtype)


@public("cumprod", inplace=True)
def cumprod(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """The product of all elements up to each one along `dim`. The gradient holds at zeros too."""
    return as_asked(_along(cumprod_along, in_dtype(input, dtype), dim, "cumprod"), dtype)


@public("logcumsumexp")
def logcumsumexp(input: Any, dim: int) -> Any:
    """log of the sum of the exponentials of all elements up to each one along `dim`."""
    return _along(logcumsumexp_along, input, dim, "logcumsumexp")


@public("cummax")
def cummax(input: Any, dim: int) -> Any:
    """(values, indices) of the largest element up to each one along `dim`; the later of equal ones."""
    return _cumulative_extreme(cummax_index, input, dim, "cummax")


@public("cummin")
def cummin(input: Any, dim: int) -> Any:
    """(values, indices) of the smallest element up to each one along `dim`; the later of equal ones."""
    return _cumulative_extreme(cummin_index, input, dim, "cummin")


def _cumulative_extreme(index_of: Any, input: Any, dim: int, name: str) -> Any:
    axis = one_axis(dim, input.ndim, name)
    flat = input if input.ndim else input.reshape(1)
    index = index_of(flat, axis=axis).astype(int64)
    values = take_along(flat, index, axis=axis)
    if input.ndim == 0:
        values, index = values.reshape(()), index.reshape(())
    return returned(name)(values, index)


# --- NumPy's side: axis=None means the flattened array


@answers(np.cumsum)
def _np_cumsum(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    return _flattened(cumsum, a, axis, dtype)


@answers(np.cumprod)
def _np_cumprod(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    return _flattened(cumprod, a, axis, dtype)


@answers((np.maximum, "accumulate"))
def _np_maximum_accumulate(a: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
    return cummax(a, axis).values


@answers((np.minimum, "accumulate"))
def _np_minimum_accumulate(a: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
    return cummin(a, axis).values


@answers((np.logaddexp, "accumulate"))
def _np_logaddexp_accumulate(a: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
    return logcumsumexp(a, axis)


def _flattened(scan: Any, a: Any, axis: int | None, dtype: Any) -> Any:
    return scan(a.reshape(-1), 0, dtype=dtype) if axis is None else scan(a, axis, dtype=dtype)
