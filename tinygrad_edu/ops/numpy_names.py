"""NumPy's functions that PyTorch has not, or has under another name: compositions of the rule book.

They have NumPy's meaning, and are written in NumPy's own words, which are answered on Tensors and
Symbols: so each is differentiated as often as what it is made of.

Not here: fronts of functions that both libraries have (they stand beside their primitive), and
functions whose results have no gradient (numpy_values.py).
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.primitive import answers, primitive
from .choices import choose
from .conversion import astype
from .dims import one_axis
from .elementwise import absolute, floor_divide, power, remainder
from .joining import cat
from .rounding import round, trunc
from .shape import movedim
from .slicing import dsplit, hsplit, part, vsplit
from .trigonometry import deg2rad, rad2deg
from .windows import pad

# --- elementwise


@primitive(np.cbrt, dZ=lambda dA, A, Z: dA / (3 * A**2))
def cbrt(Z: Any) -> Any:
    """A = Z**(1/3), of negative numbers too; the derivative at 0 is infinite."""
    return np.cbrt(Z)


answers(np.degrees)(rad2deg)
answers(np.radians)(deg2rad)
answers(np.fabs)(absolute)
answers(np.float_power)(power)
answers(np.fix)(trunc)


@answers(np.around)
def _np_around(a: Any, decimals: int = 0) -> Any:
    return round(a, decimals=decimals)


@answers(np.divmod)
def _np_divmod(x1: Any, x2: Any) -> Any:
    return floor_divide(x1, x2), remainder(x1, x2)


@answers(np.modf)
def _np_modf(x: Any) -> Any:
    return x - trunc(x), trunc(x)


@answers(np.real, np.conjugate, np.real_if_close)  # all numbers here are real
def _np_real(val: Any) -> Any:
    return val


@answers(np.imag)
def _np_imag(val: Any) -> Any:
    return np.zeros_like(val)


@answers("astype")
def _np_astype(x: Any, dtype: Any, /, *, copy: bool = True) -> Any:
    return astype(x, dtype=np.dtype(dtype))


@answers(np.unwrap)
def _np_unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: float = 2 * math.pi) -> Any:
    return p + (np.unwrap(p.detach().numpy(), discont, axis, period=period) - p.detach().numpy())  # whole periods


# --- statistics


@answers(np.ptp)
def _np_ptp(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    return np.max(a, axis, keepdims=keepdims) - np.min(a, axis, keepdims=keepdims)


@answers(np.average)
def _np_average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    if weights is None:
        mean = np.mean(a, axis, keepdims=keepdims)
        return (mean, np.ones_like(mean) * (math.prod(a.shape) / max(math.prod(mean.shape), 1))) if returned else mean
    if tuple(np.shape(weights)) != tuple(a.shape):
        if not isinstance(axis, int) or np.shape(weights) != (a.shape[axis],):
            raise ShapeError(
                f"np.average: weights of shape {tuple(np.shape(weights))} for shape {tuple(a.shape)}; they need the "
                "same shape, or one number per place of the one axis."
            )
        weights = np.reshape(weights, (-1,) + (1,) * (a.ndim - 1 - one_axis(axis, a.ndim, "average")))
    total = np.sum(weights * np.ones_like(a), axis, keepdims=keepdims)
    mean = np.sum(a * weights, axis, keepdims=keepdims) / total
    return (mean, total) if returned else mean


def _without(a: Any, value: float) -> Any:
    """NaN replaced by what makes no difference."""
    return choose(np.isnan(a), value, a)


def _none_left(a: Any, axis: Any, keepdims: bool) -> Any:
    return np.all(np.isnan(a), axis, keepdims=keepdims)


@answers(np.nanmax)
def _np_nanmax(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    return choose(_none_left(a, axis, keepdims), math.nan, np.max(_without(a, -math.inf), axis, keepdims=keepdims))


@answers(np.nanmin)
def _np_nanmin(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    return choose(_none_left(a, axis, keepdims), math.nan, np.min(_without(a, math.inf), axis, keepdims=keepdims))


@answers(np.nanvar)
def _np_nanvar(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: bool = False
) -> Any:
    squares = np.square(_without(a - np.nanmean(a, axis, keepdims=True), 0.0))
    left = np.sum(~np.isnan(a), axis, keepdims=keepdims) - ddof
    return np.sum(squares, axis, keepdims=keepdims) / choose(left > 0, left, math.nan)


@answers(np.nanstd)
def _np_nanstd(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: bool = False
) -> Any:
    return np.sqrt(_np_nanvar(a, axis, dtype, out, ddof, keepdims))


@answers(np.nanprod)
def _np_nanprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    return np.prod(_without(a, 1.0), axis, dtype, keepdims=keepdims)


@answers(np.nancumsum)
def _np_nancumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    return np.cumsum(_without(a, 0.0), axis, dtype)


@answers(np.nancumprod)
def _np_nancumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    return np.cumprod(_without(a, 1.0), axis, dtype)


@answers(np.percentile)
def _np_percentile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, method: str = "linear",
    keepdims: bool = False,
) -> Any:  # fmt: skip
    return np.quantile(  # type: ignore[call-overload]  # the method's names are literals there
        a, np.true_divide(q, 100), axis, method=method, keepdims=keepdims
    )


@answers(np.nanpercentile)
def _np_nanpercentile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, method: str = "linear",
    keepdims: bool = False,
) -> Any:  # fmt: skip
    return np.nanquantile(  # type: ignore[call-overload]  # as above
        a, np.true_divide(q, 100), axis, method=method, keepdims=keepdims
    )


def _accumulated(scan: Any, x: Any, axis: int | None, dtype: Any, first: float | None) -> Any:
    """The Array API's cumulative functions: of one axis, on request with the neutral element in front."""
    if axis is None and x.ndim > 1:
        raise ValueError("np.cumulative_sum, np.cumulative_prod: of several axes say which one, axis=.")
    axis = one_axis(0 if axis is None else axis, x.ndim, "axis")
    result = scan(x, axis, dtype)
    if first is None:
        return result
    return cat([np.ones_like(part(result, axis, 0, 1)) * first, result], axis)


@answers("cumulative_sum")
def _np_cumulative_sum(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, out: Any = None, include_initial: bool = False
) -> Any:
    return _accumulated(np.cumsum, x, axis, dtype, 0.0 if include_initial else None)


@answers("cumulative_prod")
def _np_cumulative_prod(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, out: Any = None, include_initial: bool = False
) -> Any:
    return _accumulated(np.cumprod, x, axis, dtype, 1.0 if include_initial else None)


@answers((np.add, "accumulate"))
def _np_add_accumulate(array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
    return np.cumsum(array, axis, dtype)


@answers((np.multiply, "accumulate"))
def _np_multiply_accumulate(array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
    return np.cumprod(array, axis, dtype)


# --- parts and wholes


@answers(np.append)
def _np_append(arr: Any, values: Any, axis: int | None = None) -> Any:
    if axis is None:
        return np.concatenate([np.ravel(arr), np.ravel(values)])
    return np.concatenate([arr, values], axis)


@answers(np.delete)
def _np_delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    if axis is None:
        arr, axis = np.ravel(arr), 0
    return np.take(arr, np.delete(np.arange(arr.shape[axis]), obj), axis)


@answers(np.insert)
def _np_insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    if axis is None:
        arr, axis = np.ravel(arr), 0
    axis, n = one_axis(axis, arr.ndim, "insert"), arr.shape[axis]
    order = np.insert(np.arange(n), obj, -1)  # -1 where something new comes
    count = len(order) - n
    shape = (*arr.shape[:axis], count, *arr.shape[axis + 1 :])
    if np.ndim(obj) == 0 and not isinstance(obj, slice):  # then the values' first axis is the one inserted along
        values = np.moveaxis(np.reshape(values, (1,) * (arr.ndim - np.ndim(values)) + tuple(np.shape(values))), 0, axis)
    new = np.broadcast_to(values, shape)
    # The values are laid behind the array and taken from there; of several at one place the first comes first.
    source = np.where(order < 0, n + np.cumsum(order < 0) - 1, order)
    if np.ndim(obj) == 1:
        source[order < 0] = n + np.argsort(np.where(np.asarray(obj) < 0, np.asarray(obj) + n, obj), kind="stable")
    return np.take(np.concatenate([arr, new], axis), source, axis)


@answers(np.block)
def _np_block(arrays: Any) -> Any:
    depth = _depth(arrays)
    ndim = max(depth, max(map(np.ndim, _blocks(arrays))))

    def joined(given: Any, axis: int) -> Any:
        if not isinstance(given, list):
            return np.reshape(given, (1,) * (ndim - np.ndim(given)) + tuple(np.shape(given)))
        return np.concatenate([joined(g, axis + 1) for g in given], axis)

    return joined(arrays, -depth)


def _depth(arrays: Any) -> int:
    return 1 + _depth(arrays[0]) if isinstance(arrays, list) else 0


def _blocks(arrays: Any) -> list[Any]:
    return [x for a in arrays for x in _blocks(a)] if isinstance(arrays, list) else [arrays]


@answers(np.resize)
def _np_resize(a: Any, new_shape: Any) -> Any:
    shape = (new_shape,) if isinstance(new_shape, int) else tuple(new_shape)
    return np.take(np.ravel(a), np.resize(np.arange(math.prod(a.shape)), shape))


@answers(np.hsplit)
def _np_hsplit(ary: Any, indices_or_sections: Any) -> Any:
    return list(hsplit(ary, indices_or_sections))


@answers(np.vsplit)
def _np_vsplit(ary: Any, indices_or_sections: Any) -> Any:
    return list(vsplit(ary, indices_or_sections))


@answers(np.dsplit)
def _np_dsplit(ary: Any, indices_or_sections: Any) -> Any:
    return list(dsplit(ary, indices_or_sections))


@answers(np.rollaxis)
def _np_rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    axis, start = one_axis(axis, a.ndim, "rollaxis"), start + a.ndim if start < 0 else start
    return movedim(a, axis, start - 1 if axis < start else start)


@answers(np.trim_zeros)
def _np_trim_zeros(filt: Any, trim: str = "fb") -> Any:
    places = np.flatnonzero(filt.detach().numpy())
    first = places[0] if "f" in trim.lower() and len(places) else 0
    last = places[-1] + 1 if "b" in trim.lower() and len(places) else len(filt)
    return filt[int(first) : int(last)] if len(places) else filt[:0]


@answers(np.pad)
def _np_pad(array: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    width = np.broadcast_to(pad_width, (array.ndim, 2)).astype(int).tolist()
    if mode == "constant" and np.ndim(constant_values) == 0:
        flat = [int(n) for pair in reversed(width) for n in pair]
        return pad(array, flat, value=float(constant_values))
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        raise TypeError(f"np.pad: mode {mode!r} with {constant_values=} is not supported on tensors; of the modes "
                        "constant (one value), edge, reflect, symmetric and wrap are.")  # fmt: skip
    for axis, pair in enumerate(width):  # where each element comes from, NumPy says itself
        array = np.take(array, np.pad(np.arange(array.shape[axis]), pair, mode=mode), axis)  # type: ignore[call-overload]
    return array


@answers(np.partition)
def _np_partition(a: Any, kth: Any, axis: int | None = -1) -> Any:
    if axis is None:
        a, axis = np.ravel(a), 0
    return np.take_along_axis(a, np.argpartition(a.detach().numpy(), kth, axis), axis)


# --- choices


@answers(np.select)
def _np_select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    if len(condlist) != len(choicelist):
        raise ValueError(f"np.select: {len(condlist)} conditions for {len(choicelist)} choices; one each is needed.")
    result = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = np.where(condition, choice, result)
    return result


@answers(np.choose)
def _np_choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    index = a.detach().numpy() if hasattr(a, "detach") else np.asarray(a)
    n = len(choices)
    if mode == "raise" and ((index < 0) | (index >= n)).any():
        raise ValueError(f"np.choose: an index lies outside of the {n} choices.")
    index = np.clip(index, 0, n - 1) if mode == "clip" else index % n
    return _np_select([index == k for k in range(n)], list(choices))


@answers(np.compress)
def _np_compress(condition: Any, a: Any, axis: int | None = None, out: Any = None) -> Any:
    if axis is None:
        a, axis = np.ravel(a), 0
    return np.take(a, np.flatnonzero(np.asarray(condition)), axis)


@answers(np.extract)
def _np_extract(condition: Any, arr: Any) -> Any:
    return np.take(np.ravel(arr), np.flatnonzero(np.asarray(condition)))


@answers(np.interp)
def _np_interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    if period is not None:
        raise TypeError("np.interp: period= is not supported on tensors; continue xp and fp periodically.")
    at, knots = (v.detach().numpy() if hasattr(v, "detach") else np.asarray(v, float) for v in (x, xp))
    if len(knots) == 1:
        inside = fp[0] + 0 * at
    else:
        k = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
        x0, x1, f0, f1 = (np.take(v, i) for v, i in ((xp, k), (xp, k + 1), (fp, k), (fp, k + 1)))
        inside = f0 + (x - x0) * (f1 - f0) / (x1 - x0)
    below = np.where(at < knots[0], fp[0] if left is None else left, inside)
    return np.where(at > knots[-1], fp[-1] if right is None else right, below)


# --- products


@answers("vecdot")
def _np_vecdot(x1: Any, x2: Any, /) -> Any:
    return np.linalg.vecdot(x1, x2)


@answers("matvec")
def _np_matvec(x1: Any, x2: Any, /) -> Any:
    return np.matmul(x1, x2[..., None])[..., 0]


@answers("vecmat")
def _np_vecmat(x1: Any, x2: Any, /) -> Any:
    return np.matmul(x1[..., None, :], x2)[..., 0, :]


def _outer(ufunc: Any) -> None:
    """ufunc.outer(A, B): the ufunc of every element of A with every element of B."""

    @answers((ufunc, "outer"))
    def outer(A: Any, B: Any, /) -> Any:
        return ufunc(np.reshape(A, (*np.shape(A), *(1 for _ in np.shape(B)))), B)


for _ufunc in (
    np.add,
    np.subtract,
    np.multiply,
    np.true_divide,
    np.power,
    np.maximum,
    np.minimum,
    np.hypot,
    np.arctan2,
):
    _outer(_ufunc)


@answers(np.convolve)
def _np_convolve(a: Any, v: Any, mode: str = "full") -> Any:
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"np.convolve: mode {mode!r} is not one of 'full', 'same', 'valid'.")
    n, m = (np.shape(x)[0] if np.ndim(x) else 1 for x in (a, v))
    if not n or not m:
        raise ValueError("np.convolve: an operand is empty.")
    if n < m:
        a, v, n, m = v, a, m, n
    a, v = np.reshape(a, -1), np.reshape(v, -1)
    # Row k holds the part of a that v meets at place k, v being read backwards.
    padded = np.concatenate([np.zeros(m - 1), a, np.zeros(m - 1)]) if m > 1 else a
    meets = np.arange(n + m - 1)[:, None] + np.arange(m - 1, -1, -1)
    full = np.take(padded, meets) @ v
    start, length = {"full": (0, n + m - 1), "same": ((m - 1) // 2, n), "valid": (m - 1, n - m + 1)}[mode]
    return full[start : start + length]


@answers(np.correlate)
def _np_correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    if np.shape(a)[0] < np.shape(v)[0]:
        return np.flip(_np_correlate(v, a, mode))
    return _np_convolve(a, np.flip(v), mode)


@answers(np.linalg.matrix_transpose)
def _np_matrix_transpose(x: Any, /) -> Any:
    return x.mT


# --- calculus and polynomials


@answers(np.ediff1d)
def _np_ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    parts = [to_begin, np.diff(np.ravel(ary)), to_end]
    return np.concatenate([np.ravel(p) for p in parts if p is not None])


@answers(np.polyval)
def _np_polyval(p: Any, x: Any) -> Any:
    result = 0 * x + p[0]
    for k in range(1, np.shape(p)[0]):
        result = result * x + p[k]
    return result


@answers(np.polyadd)
def _np_polyadd(a1: Any, a2: Any) -> Any:
    n = max(np.shape(a1)[0], np.shape(a2)[0])
    return _filled(a1, n) + _filled(a2, n)


@answers(np.polysub)
def _np_polysub(a1: Any, a2: Any) -> Any:
    n = max(np.shape(a1)[0], np.shape(a2)[0])
    return _filled(a1, n) - _filled(a2, n)


def _filled(p: Any, n: int) -> Any:
    """Coefficients, of the highest power first, with zeros in front up to length n."""
    missing = n - np.shape(p)[0]
    return np.concatenate([np.zeros(missing), p]) if missing else p


@answers(np.polymul)
def _np_polymul(a1: Any, a2: Any) -> Any:
    return _np_convolve(a1, a2)


@answers(np.polyder)
def _np_polyder(p: Any, m: int = 1) -> Any:
    for _ in range(operator.index(m)):
        p = p[:-1] * np.arange(len(p) - 1.0, 0, -1)
    return p


@answers(np.polyint)
def _np_polyint(p: Any, m: int = 1, k: Any = 0) -> Any:
    for i in range(operator.index(m)):
        constant = np.reshape(k if np.ndim(k) == 0 else k[i], 1)
        p = np.concatenate([p / np.arange(len(p) + 0.0, 0, -1), constant])
    return p
