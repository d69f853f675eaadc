"""Norms: the length of the vectors that some axes span, for every order p.

At 0, where a norm has no derivative, the gradient is taken as 0, as in PyTorch.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.dtypes import arithmetic, as_dtype, floating_only
from ..core.primitive import Array, primitive
from .dims import axes, one_axis
from .public import public
from .reduction import Axes, kept, max_over, min_over, sum_over


def _unless_zero(dN: Array, N: Array) -> Array:
    return np.where(N == 0, 0, dN)


def _or_one(N: Array) -> Array:
    """N, fit to divide by: with np.where around the quotient, its own derivative would be 0 / 0."""
    return np.where(N == 0, 1, N)


@primitive(
    name="norm",
    types=floating_only,
    dX=lambda dN, N, X, *, axis, keepdims: X * kept(_unless_zero(dN, N) / _or_one(N), X, axis, keepdims),
)
def euclidean_over(X: Array, *, axis: Axes, keepdims: bool) -> Array:
    """N = sqrt(sum(X**2))."""
    return np.sqrt(np.sum(np.square(X), axis=axis, keepdims=keepdims))


def _norm_rule(dN: Array, N: Array, X: Array, *, axis: Axes, keepdims: bool, p: float) -> Array:
    """sign(X) |X|**(p - 1) / N**(p - 1), and 0 wherever X or N is 0."""
    scale = _unless_zero(dN, N) * _or_one(N) ** (1 - p)
    return np.where(X == 0, 0, np.sign(X) * np.absolute(X) ** (p - 1)) * kept(scale, X, axis, keepdims)


@primitive(name="norm", types=floating_only, dX=_norm_rule)
def norm_over(X: Array, *, axis: Axes, keepdims: bool, p: float) -> Array:
    """N = sum(|X|**p) ** (1 / p), p finite and not 0."""
    return np.sum(np.absolute(X) ** p, axis=axis, keepdims=keepdims) ** (1 / p)


def _no_slope(dN: Array, X: Array, axis: Axes, keepdims: bool) -> Array:
    return np.broadcast_to(np.zeros_like(kept(dN, X, axis, keepdims)), X.shape)


@primitive(
    name="norm",
    types=arithmetic,
    opaque=True,
    dX=lambda dN, N, X, *, axis, keepdims: _no_slope(dN, X, axis, keepdims),
)
def nonzero_over(X: Array, *, axis: Axes, keepdims: bool) -> Array:
    """The number of elements that aren't 0, in the dtype of X: the norm of order 0. Gradient 0."""
    return np.sum(X != 0, axis=axis, keepdims=keepdims, dtype=X.dtype)


def vector_norm(x: Any, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """sum(|x|**ord) ** (1 / ord) over all axes or `dim`; ord 0 counts nonzeros, inf and -inf take the extremes.

    The gradient is 0 where the norm is 0; for inf and -inf elements of equal size share it.
    """
    if isinstance(ord, str) or not isinstance(ord, (int, float)):
        raise TypeError(f"vector_norm: ord must be a number, not {ord!r}.")
    if x.dtype.kind != "f":
        raise RuntimeError(
            f"vector_norm: Expected a floating point or complex tensor as input. Got {x.dtype}; use .float()."
        )
    if dtype is not None:
        if as_dtype(dtype).kind != "f":
            raise RuntimeError(f"vector_norm: dtype must be floating, not {as_dtype(dtype)}.")
        x = x.astype(as_dtype(dtype))
    axis = axes(dim, x.ndim, "vector_norm")
    if (ord < 0 or ord == math.inf) and any(x.shape[i] == 0 for i in axis):
        raise RuntimeError(
            f"vector_norm: cannot compute the {ord} norm over an empty axis, shape {tuple(x.shape)}, "
            "because the operation does not have an identity."
        )
    if ord == 2:
        return euclidean_over(x, axis=axis, keepdims=keepdim)
    if ord == 0:
        return nonzero_over(x, axis=axis, keepdims=keepdim)
    if ord == 1:
        return sum_over(np.absolute(x), axis=axis, keepdims=keepdim)
    if math.isinf(ord):
        return (max_over if ord > 0 else min_over)(np.absolute(x), axis=axis, keepdims=keepdim)
    return norm_over(x, axis=axis, keepdims=keepdim, p=ord)


@public("norm")
def norm(input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The norm of order p of all elements or over `dim`; "fro" and None are order 2, "nuc" sums singular values."""
    if p == "nuc":
        from .matrix_norm import matrix_norm

        return matrix_norm(input, "nuc", (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f"norm: Order {p} not supported; p is a number, 'fro' or 'nuc'.")
    return vector_norm(input, 2 if p in ("fro", None) else p, dim, keepdim, dtype=dtype)


@public("dist")
def dist(input: Any, other: Any, p: float = 2) -> Any:
    """The norm of order p of input - other."""
    return vector_norm(input - other, p)


@public("renorm", inplace=True)
def renorm(input: Any, p: float, dim: int, maxnorm: float) -> Any:
    """The slices along `dim` whose norm of order p exceeds `maxnorm`, scaled down to it; the others as they are."""
    if input.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions.")
    if p <= 0 or maxnorm < 0:
        raise RuntimeError(f"renorm: p must be positive and maxnorm not negative, got p = {p}, maxnorm = {maxnorm}.")
    axis = one_axis(dim, input.ndim, "renorm")
    N = vector_norm(input, p, tuple(i for i in range(input.ndim) if i != axis), keepdim=True)
    return input * np.where(N > maxnorm, maxnorm / (N + 1e-7), 1.0)  # 1e-7: PyTorch's guard against division by 0
