"""How far numbers lie from their mean: variance and standard deviation.

Both cotangents are the distances from the mean, scaled. PyTorch lessens the count by `correction`, 1 unless
said otherwise; NumPy by `ddof`, 0 unless said otherwise.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.dtypes import floating_only
from ..core.primitive import Array, answers, primitive
from ..core.sums import sum_axes
from .dims import axes
from .public import public
from .reduction import Axes, count_over, kept, mean, mean_over, np_axis


def _centred(X: Array, axis: Axes) -> Array:
    return X - mean_over(X, axis=axis, keepdims=True)


def _variance_rule(dV: Array, V: Array, X: Array, *, axis: Axes, keepdims: bool, ddof: float) -> Array:
    scale = 2 / (count_over(X, axis) - ddof) if count_over(X, axis) != ddof else math.inf
    return kept(dV, X, axis, keepdims) * (scale * _centred(X, axis))


@primitive(np.var, name="var", types=floating_only, dX=_variance_rule)
def var_over(X: Array, *, axis: Axes, keepdims: bool, ddof: float) -> Array:
    """Mean squared distance from the mean, the count lessened by ddof."""
    n = count_over(X, axis)
    return sum_axes(np.square(_centred(X, axis)), axis, keepdims) / max(n - ddof, 0)


var_over.composition = np.var


def _deviation_rule(dS: Array, S: Array, X: Array, *, axis: Axes, keepdims: bool, ddof: float) -> Array:
    # d sqrt(V) = dV / (2 sqrt(V)); at S = 0, where that is infinite, PyTorch gives 0.
    dV = np.where(S == 0, 0, dS / (2 * S))
    return _variance_rule(dV, S, X, axis=axis, keepdims=keepdims, ddof=ddof)


@primitive(np.std, name="std", types=floating_only, dX=_deviation_rule)
def std_over(X: Array, *, axis: Axes, keepdims: bool, ddof: float) -> Array:
    """Square root of the variance; where it is 0 the gradient is taken as 0."""
    return np.sqrt(var_over(X, axis=axis, keepdims=keepdims, ddof=ddof))


@public("var")
def var(
    input: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> Any:
    """The variance over all axes or `dim`; the count is lessened by `correction` (default 1)."""
    dim, ddof = _spread(dim, unbiased, correction)
    return var_over(input, axis=axes(dim, input.ndim, "var"), keepdims=keepdim, ddof=ddof)


@public("std")
def std(
    input: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> Any:
    """The standard deviation over all axes or `dim`; the count is lessened by `correction` (1)."""
    dim, ddof = _spread(dim, unbiased, correction)
    return std_over(input, axis=axes(dim, input.ndim, "std"), keepdims=keepdim, ddof=ddof)


@public("var_mean", as_method=False)
def var_mean(
    input: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> tuple[Any, Any]:
    """(variance, mean) over all axes or `dim`."""
    dim, ddof = _spread(dim, unbiased, correction)
    return var(input, dim, keepdim=keepdim, correction=ddof), mean(input, dim, keepdim)


@public("std_mean", as_method=False)
def std_mean(
    input: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> tuple[Any, Any]:
    """(standard deviation, mean) over all axes or `dim`."""
    dim, ddof = _spread(dim, unbiased, correction)
    return std(input, dim, keepdim=keepdim, correction=ddof), mean(input, dim, keepdim)


def _spread(dim: Any, unbiased: bool, correction: float | None) -> tuple[Any, float]:
    if isinstance(dim, bool):  # var(unbiased), PyTorch's oldest signature
        dim, unbiased = None, dim
    return dim, correction if correction is not None else int(unbiased)


@answers(np.var)
def _np_var(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: bool = False
) -> Any:
    return var_over(a, axis=np_axis(a, axis), keepdims=keepdims, ddof=ddof)


@answers(np.std)
def _np_std(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: bool = False
) -> Any:
    return std_over(a, axis=np_axis(a, axis), keepdims=keepdims, ddof=ddof)
