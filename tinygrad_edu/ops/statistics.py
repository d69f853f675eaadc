"""Statistics of samples: median, mode, quantiles, counts and covariance.

Order statistics are picked, so their gradient goes to the element that was: a primitive without a
rule finds the place, take_along takes what lies there.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..core.dtypes import arithmetic, get_default_dtype, int64
from ..core.errors import DtypeError
from ..core.primitive import Array, answers, primitive
from ..core.tensor import Tensor, wrap
from ..core.write import read
from .checks import check, numbers_of
from .dims import one_axis
from .filling import filled
from .indexing import take_along
from .public import public
from .reduction import ValuesAndIndices, any_over, prints_as, returned, sum_over

# --- order statistics


def _middle(X: Array, axis: int, skip_nan: bool) -> Array:
    """The place of the lower median along an axis, kept with length 1; of equal elements the first."""
    count = X.shape[axis]
    missing = np.sum(X != X, axis=axis, keepdims=True)  # only NaN differs from itself, and is sorted last
    middle = (count - 1) // 2
    if not missing.any():  # partition and a search take a sixth of argsort's time
        found = np.partition(X, middle, axis=axis)[(slice(None),) * axis + (slice(middle, middle + 1),)]
        return np.argmax(X == found, axis=axis, keepdims=True)
    order = np.argsort(X, axis=axis, kind="stable")
    first_nan = np.where(missing > 0, count - missing, middle)
    places = np.maximum(count - 1 - missing, 0) // 2 if skip_nan else first_nan
    return np.take_along_axis(order, places, axis)


@primitive(name="median", types=None, opaque=True)
def median_index(X: Array, *, axis: int, skip_nan: bool) -> Array:
    """Where the lower median lies along an axis, kept with length 1."""
    return _middle(X, axis, skip_nan)


def _equal_share(dY: Array, Y: Array, X: Array) -> Array:
    hit = (X == Y) | ((X != X) & (Y != Y))
    return dY * hit / np.sum(hit, dtype=dY.dtype)


@primitive(name="median", types=arithmetic, opaque=True, dX=lambda dY, Y, X, *, skip_nan: _equal_share(dY, Y, X))
def median_of(X: Array, *, skip_nan: bool) -> Array:
    """The lower median of all elements; equal ones share the gradient."""
    flat = X.reshape(-1)
    return flat[_middle(flat, 0, skip_nan)].reshape(())


@public("median")
def median(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower median of all elements; along `dim`: (values, indices). NaN if there is one."""
    return _median(input, dim, keepdim, False, "median")


@public("nanmedian")
def nanmedian(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower median of the elements that are numbers; along `dim`: (values, indices)."""
    return _median(input, dim, keepdim, True, "nanmedian")


def _median(input: Any, dim: int | None, keepdim: bool, skip_nan: bool, name: str) -> Any:
    if input.dtype.kind == "b":
        raise DtypeError(f"{name}: not of booleans; convert with .long() or .float() first.")
    if dim is None:
        if math.prod(input.shape) == 0:
            if input.dtype.kind != "f":
                raise RuntimeError(f"{name}: no integer is the median of an empty tensor.")
            return sum_over(input, axis=tuple(range(input.ndim)), keepdims=False) * math.nan
        return median_of(input, skip_nan=skip_nan)
    return _picked(input, dim, keepdim, name, lambda X, axis: median_index(X, axis=axis, skip_nan=skip_nan))


def _picked(input: Any, dim: int, keepdim: bool, name: str, find: Any) -> ValuesAndIndices:
    """The elements along `dim` at the places that `find` gives, and those places."""
    axis = one_axis(dim, input.ndim, name)
    flat = input if input.ndim else input.reshape(1)
    if flat.shape[axis] == 0:
        raise IndexError(f"{name}: Expected reduction dim {axis} to have non-zero size, shape {tuple(input.shape)}.")
    index = find(flat, axis).astype(int64)
    values = take_along(flat, index, axis=axis)
    if not keepdim or input.ndim == 0:
        values, index = values.squeeze(axis), index.squeeze(axis)
    return returned(name)(values, index)


@primitive(name="mode", types=None, opaque=True)
def mode_index(X: Array, *, axis: int) -> Array:
    """Where the most frequent element lies last along an axis, kept with length 1; of several the smallest."""
    rows = np.moveaxis(X, axis, -1)
    order = np.argsort(rows, axis=-1, kind="stable")
    if X.dtype.kind == "f":  # PyTorch sorts NaN first, each one a value of its own
        order = np.take_along_axis(order, np.argsort(np.take_along_axis(~np.isnan(rows), order, -1), -1, "stable"), -1)
    ordered = np.take_along_axis(rows, order, -1)
    border = np.ones((*ordered.shape[:-1], 1), bool)
    change = ordered[..., 1:] != ordered[..., :-1]
    places = np.arange(ordered.shape[-1])
    start = np.maximum.accumulate(np.where(np.concatenate([border, change], -1), places, 0), -1)
    length = np.where(np.concatenate([change, border], -1), places - start, -1)  # of each run, at its end
    last = np.take_along_axis(order, np.argmax(length, -1, keepdims=True), -1)
    return np.moveaxis(last, -1, axis)


@public("mode")
def mode(input: Any, dim: int = -1, keepdim: bool = False) -> Any:
    """(values, indices) of the most frequent element along `dim`: the smallest of several, where it lies last."""
    return _picked(input, dim, keepdim, "mode", lambda X, axis: mode_index(X, axis=axis))


@primitive(name="argsort", types=None, opaque=True)
def rank_order(X: Array, *, axis: int) -> Array:
    """The places of the elements along an axis, the smallest first, NaN last."""
    return np.argsort(X, axis=axis, kind="stable")


@public("quantile")
def quantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Any:
    """The q-th quantiles of all elements or along `dim`; of several q they are the first axis. NaN if there is one.

    Args:
        q: in [0, 1]; a number, or a tensor with at most one axis.
        interpolation: where a quantile lies between two elements: "linear", "lower", "higher", "midpoint"
            or "nearest".
    """
    return _quantile(input, q, dim, keepdim, interpolation, False, "quantile")


@public("nanquantile")
def nanquantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Any:
    """As quantile, of the elements that are numbers."""
    return _quantile(input, q, dim, keepdim, interpolation, True, "nanquantile")


_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(input: Any, q: Any, dim: int | None, keepdim: bool, how: str, skip_nan: bool, name: str) -> Any:
    q = _checked_q(input, q, how, name)
    shape = tuple(input.shape)
    if dim is None:
        X, axis = input.reshape(-1), 0
        kept, reduced = (1,) * input.ndim, ()
    else:
        axis = one_axis(dim, input.ndim, name)
        X = input if input.ndim else input.reshape(1)
        kept = tuple(1 if i == axis else n for i, n in enumerate(shape))
        reduced = tuple(n for i, n in enumerate(shape) if i != axis)
    last = X.shape[axis] - 1
    place = q.reshape(-1, *(1,) * (X.ndim - 1 - axis))  # the several q along the axis that is reduced
    missing = X != X
    if skip_nan:
        count = sum_over(missing, axis=(axis,), keepdims=True).astype(X.dtype)
        ranks = place * (last - count)
        ranks = np.where(ranks < 0, 0, ranks)  # nothing but NaN
    else:
        ranks = np.where(any_over(missing, axis=(axis,), keepdims=True), last, place * last)  # NaN is sorted last
    order = rank_order(X, axis=axis)
    below, above = np.floor(ranks), np.ceil(ranks)
    if how in ("lower", "higher", "nearest"):
        chosen = {"lower": below, "higher": above, "nearest": np.rint(ranks)}
        Y = _at(X, order, chosen[how], axis)
    else:
        weight = 0.5 if how == "midpoint" else ranks - below
        Y = _between(_at(X, order, below, axis), _at(X, order, above, axis), weight)
    Y = np.transpose(Y, (axis, *(i for i in range(Y.ndim) if i != axis)))  # (number of q, what is left of the shape)
    rest = kept if keepdim else reduced
    return Y.reshape((q.shape[0], *rest) if q.ndim else rest)


def _at(X: Any, order: Any, ranks: Any, axis: int) -> Any:
    return take_along(X, take_along(order, ranks.astype(int64), axis=axis), axis=axis)


def _between(low: Any, high: Any, weight: Any) -> Any:
    """low + weight (high - low), counted from the nearer of the two as PyTorch does: infinities tell the difference."""
    gap = high - low
    if weight.__class__ is float:
        return high - gap * (1 - weight)
    return np.where(weight < 0.5, low + weight * gap, high - gap * (1 - weight))


def _checked_q(input: Any, q: Any, how: str, name: str) -> Any:
    if input.dtype.kind != "f":
        raise RuntimeError(f"{name}: input tensor must be either float or double dtype, not {input.dtype}.")
    if math.prod(input.shape) == 0:
        raise RuntimeError(f"{name}: input tensor must be non-empty, got shape {tuple(input.shape)}.")
    if how not in _INTERPOLATIONS:
        raise RuntimeError(
            f"{name}: interpolation must be one of linear, lower, higher, midpoint or nearest, but got {how}."
        )
    if q.__class__ in (int, float):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}: q must be in the range [0, 1] but got {q}.")
        return input.apply(filled, (), {"shape": (), "dtype": input.dtype, "value": q})
    if not hasattr(q, "dtype"):
        raise TypeError(f"{name}: q must be a number or a tensor, not {type(q).__name__}.")
    if q.ndim > 1:
        raise RuntimeError(f"{name}: q must be a scalar or 1D tensor, got shape {tuple(q.shape)}.")
    if q.dtype != input.dtype:
        raise RuntimeError(f"{name}: q tensor must be same dtype as the input tensor, {q.dtype} is not {input.dtype}.")
    values = read(q) if isinstance(q, Tensor) else q
    check((values >= 0) & (values <= 1), f"{name}: q values must be in the range [0, 1]", RuntimeError, values)
    return q


# --- counts


@primitive(name="histc", types=None, opaque=True)
def histogram_over(X: Array, *, bins: int, low: float, high: float) -> Array:
    """How many elements lie in each of `bins` equal intervals; low == high == 0: from the smallest to the largest."""
    if low == high == 0 and X.size:
        low, high = float(X.min()), float(X.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"histc: range of [{low}, {high}] is not finite.")
    if low == high:
        low, high = low - 1, high + 1
    X = X[(low <= X) & (high >= X)]
    places = ((X - X.dtype.type(low)) / X.dtype.type(high - low) * bins).astype(np.int64)
    return np.bincount(np.minimum(places, bins - 1), minlength=bins).astype(X.dtype)


@public("histc")
def histc(input: Any, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    """How many elements lie in each of `bins` equal intervals of [min, max]. No gradient.

    min == max == 0 stands for the smallest and the largest element. What lies outside isn't counted.
    """
    if input.dtype.kind != "f":
        raise DtypeError(f"histc: needs floating numbers, not {input.dtype}; use .float(), or bincount.")
    if bins <= 0:
        raise RuntimeError(f"histc: bins must be > 0, but got {bins}.")
    if max < min:
        raise RuntimeError(f"histc: max must be larger than min, got min = {min}, max = {max}.")
    return histogram_over(input, bins=bins, low=min, high=max)


@prints_as("histogram")
class Histogram(NamedTuple):
    """What histogram returns."""

    hist: Any
    bin_edges: Any


@public("histogram")
def histogram(input: Any, bins: Any, *, range: Any = None, weight: Any = None, density: bool = False) -> Histogram:
    """How many elements, or how much of the `weight`, lies in each interval, and the intervals' ends. No gradient.

    Args:
        bins: how many intervals of equal length, over `range` or all elements; or their ends, ascending.
        density: divide by the total and by the lengths, so that the integral is 1.
    """
    values = numbers_of(input, "Count outside of the step what this returns.")
    if values.dtype.kind != "f":
        raise DtypeError(f"histogram: needs floating numbers, not {values.dtype}; use .float(), or bincount.")
    edges = bins if isinstance(bins, int) else _plain(bins)
    by = None if weight is None else _plain(weight)
    hist, ends = np.histogram(values, edges, range, density=density, weights=by)
    return Histogram(wrap(hist.astype(values.dtype)), wrap(ends.astype(values.dtype)))


@public("bincount")
def bincount(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often each of 0, 1, ... occurs in a vector of integers, or the sum of the `weights` there. No gradient."""
    values = numbers_of(input, "one_hot(x, n).sum(0) counts the elements below a number n.")
    if values.dtype.kind not in "iu":
        raise DtypeError(f"bincount: counts integers, not {values.dtype}; use .long().")
    if values.ndim != 1 or (values < 0).any():
        raise RuntimeError(
            f"bincount only supports 1-d non-negative integral inputs, got shape {values.shape}"
            + (f" with {values.min()}." if values.size else ".")
        )
    if minlength < 0:
        raise RuntimeError(f"bincount: minlength should be >= 0, got {minlength}.")
    if weights is None:
        return wrap(np.bincount(values, minlength=minlength).astype(np.int64))
    by = _plain(weights)
    if by.shape != values.shape:
        raise RuntimeError(
            f"bincount: weights should be 1-d and have the same length as input, got {by.shape} for {values.shape}."
        )
    return wrap(np.bincount(values, by, minlength).astype(by.dtype if by.dtype == np.float32 else np.float64))


def _plain(x: Any) -> np.ndarray[Any, Any]:
    return x._values() if isinstance(x, Tensor) else np.asarray(x)


# --- covariance


@public("cov")
def cov(input: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """The covariance matrix of variables in rows, observations in columns.

    Args:
        correction: by how much the number of observations is lessened.
        fweights: how often each observation counts, integers.
        aweights: how much each observation weighs, floating numbers.
    """
    if input.ndim > 2:
        raise RuntimeError(f"cov: expected input to have two or fewer dimensions but got {tuple(input.shape)}.")
    if input.dtype.kind == "b":
        raise DtypeError("cov: bool dtype is not supported for input; convert with .float() first.")
    X = input if input.ndim == 2 else input.reshape(1, -1)  # (variables, observations)
    n = X.shape[1]
    for w, name, kinds in ((fweights, "fweights", "iu"), (aweights, "aweights", "f")):
        if w is not None:
            _check_weights(w, n, name, kinds)
    weights = fweights if aweights is None else aweights if fweights is None else fweights * aweights
    if weights is None:
        total: Any = n
        centred = X - np.sum(X, axis=1, keepdims=True) / total
        products = centred @ centred.T
        count: Any = max(total - correction, 0)
    else:
        total = np.sum(weights)
        known = read(total) if isinstance(total, Tensor) else total
        check(known != 0, "cov: weights sum to zero, can't be normalized")
        centred = X - np.sum(X * weights, axis=1, keepdims=True) / total
        products = centred @ (centred * weights).T
        lost = correction if aweights is None else correction * np.sum(weights * aweights) / total
        count = np.clip(total - lost, 0, None)
    return (products / count).squeeze()


def _check_weights(w: Any, n: int, name: str, kinds: str) -> None:
    kind = "integral" if kinds == "iu" else "floating point"
    if w.dtype.kind not in kinds:
        raise RuntimeError(f"cov: expected {name} to have {kind} dtype but got {w.dtype}.")
    if tuple(w.shape) != (n,):
        raise RuntimeError(
            f"cov: expected {name} to have the same numel as there are observations in the input "
            f"but got shape {tuple(w.shape)} for {n} observations."
        )
    check((read(w) if isinstance(w, Tensor) else w) >= 0, f"cov: {name} cannot be negative", RuntimeError)


@public("corrcoef")
def corrcoef(input: Any) -> Any:
    """The correlation matrix of variables in rows, observations in columns; limited to [-1, 1]."""
    if input.ndim > 2:
        raise RuntimeError(f"corrcoef: expected input to have two or fewer dimensions but got {tuple(input.shape)}.")
    C = cov(input)
    if C.ndim == 0:
        return C / C
    diagonal = np.arange(C.shape[0])
    S = np.sqrt(C[diagonal, diagonal])
    return np.clip(C / S.reshape(-1, 1) / S.reshape(1, -1), -1, 1)


# --- NumPy's side: the median of an even number of elements is the mean of the middle two


@answers(np.median)
def _np_median(
    a: Any, axis: int | None = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False
) -> Any:
    return quantile(_floating(a), 0.5, axis, keepdims, interpolation="midpoint")


@answers(np.nanmedian)
def _np_nanmedian(
    a: Any, axis: int | None = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False
) -> Any:
    return nanquantile(_floating(a), 0.5, axis, keepdims, interpolation="midpoint")


@answers(np.quantile)
def _np_quantile(
    a: Any, q: Any, axis: int | None = None, out: Any = None, *, method: str = "linear", keepdims: bool = False
) -> Any:
    return quantile(_floating(a), _probabilities(a, q), axis, keepdims, interpolation=method)


@answers(np.nanquantile)
def _np_nanquantile(
    a: Any, q: Any, axis: int | None = None, out: Any = None, *, method: str = "linear", keepdims: bool = False
) -> Any:
    return nanquantile(_floating(a), _probabilities(a, q), axis, keepdims, interpolation=method)


def _floating(a: Any) -> Any:
    return a if a.dtype.kind == "f" else a.astype(get_default_dtype())


def _probabilities(a: Any, q: Any) -> Any:
    return q if q.__class__ in (int, float, Tensor) else wrap(np.asarray(q, _floating(a).dtype))


@answers(np.bincount)
def _np_bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    return bincount(x, weights, minlength)


@answers(np.cov)
def _np_cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None,
    fweights: Any = None, aweights: Any = None,
) -> Any:  # fmt: skip
    if y is not None:
        raise TypeError("np.cov: y is not supported on tensors; stack the variables in one.")
    correction = int(not bias) if ddof is None else ddof
    return cov(m if rowvar or m.ndim < 2 else m.T, correction=correction, fweights=fweights, aweights=aweights)


@answers(np.corrcoef)
def _np_corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Any:
    if y is not None:
        raise TypeError("np.corrcoef: y is not supported on tensors; stack the variables in one.")
    return corrcoef(x if rowvar or x.ndim < 2 else x.T)
