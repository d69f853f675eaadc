"""prod: the product over an axis, with a gradient that also holds where factors are 0.

The derivative by one factor is the product of the others. Dividing the whole product by the factor
gives it where nothing is 0; with a zero among them it is what stands before times what comes after.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtypes import int64
from ..core.primitive import Array, answers, primitive
from .dims import one_axis
from .public import public
from .reduction import as_asked, in_dtype, kept
from .scan import cumprod_along, recurrence, reversed_along, shifted


@primitive(
    np.prod,
    name="prod",
    types=None,
    dX=lambda dY, Y, X, *, axis, keepdims: kept(dY, X, (axis,), keepdims) * product_of_others(X, axis=axis),  # type: ignore[has-type]
)
def prod_over(X: Array, *, axis: int, keepdims: bool) -> Array:
    """The product over an axis; of integers and booleans an int64."""
    return np.prod(X, axis=axis, keepdims=keepdims, dtype=None if X.dtype.kind == "f" else np.int64)


def _before(X: Array, axis: int) -> Array:
    """The product of the elements ahead of each one."""
    return shifted(cumprod_along(X, axis=axis), axis, 1, 1)


def _before_rule(dL: Array, L: Array, X: Array, axis: int) -> Array:
    """The cotangent of X from that of L = _before(X): L[k] times what the later ones send back to it."""
    later = recurrence(shifted(dL, axis, -1, 0), shifted(X, axis, -1, 0), axis=axis, step=-1)
    return L * later


def _others_rule(dY: Array, Y: Array, X: Array, *, axis: int) -> Array:
    back = reversed_along(X, axis)
    L = _before(X, axis)
    R = _before(back, axis)  # Y = L * R, with R counted from the end
    through_left = _before_rule(dY * reversed_along(R, axis), L, X, axis)
    through_right = _before_rule(reversed_along(dY * L, axis), R, back, axis)
    return through_left + reversed_along(through_right, axis)


@primitive(name="prod", types=None, opaque=True, dX=_others_rule)
def product_of_others(X: Array, *, axis: int) -> Array:
    """Per element, the product of all others along an axis."""
    if np.all(X):
        return np.prod(X, axis=axis, keepdims=True) / X
    return _before(X, axis) * reversed_along(_before(reversed_along(X, axis), axis), axis)


@public("prod")
def prod(input: Any, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The product of all elements, or over `dim`. The gradient holds at zeros too, to every order."""
    X = in_dtype(input, dtype)
    if input.ndim == 0:
        one_axis(0 if dim is None else dim, 0, "prod")
        return X.clone() if X.dtype.kind == "f" or dtype is not None else X.astype(int64)
    if dim is None:
        whole = prod_over(X.reshape(-1), axis=0, keepdims=False)
        Y = whole.reshape((1,) * input.ndim) if keepdim else whole
    else:
        Y = prod_over(X, axis=one_axis(dim, input.ndim, "prod"), keepdims=keepdim)
    return as_asked(Y, dtype)


@answers(np.prod)
def _np_prod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    if isinstance(axis, tuple):
        for one in sorted(one_axis(x, a.ndim, "prod") for x in axis)[::-1]:
            a = prod(a, one, keepdims, dtype=dtype)
        return a
    return prod(a, axis, keepdims, dtype=dtype)


@answers((np.multiply, "reduce"))
def _np_multiply_reduce(a: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    return _np_prod(a, axis, dtype, out, keepdims)
