"""NumPy's statistics that PyTorch has not: ranges, weighted means, percentiles, and all without NaN.

NaN is replaced by what makes no difference to the function (`_without`), so that one line each is left.
See numpy_names.py on how they are written.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.primitive import answers
from .choices import choose
from .dims import one_axis
from .joining import cat
from .slicing import part


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
