"""Diagonals and triangles of matrices, and of stacks of them.

A triangle's rule is the same triangle of the cotangent; `diagonal_of` and `onto_diagonal` are each other's.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..core.device import require_cpu
from ..core.dtypes import as_dtype
from ..core.primitive import Array, answers, primitive
from ..core.tensor import wrap
from .conversion import clone
from .dims import one_axis
from .public import public
from .shape import reshape_to


@functools.lru_cache(maxsize=32)
def _below(n: int, m: int, k: int) -> np.ndarray[Any, Any]:
    """Where a matrix has its lower triangle: np.tril finds it anew, which takes two thirds of its 47 us for 64x512."""
    return np.tri(n, m, k, dtype=bool)


def _cut(X: np.ndarray[Any, Any], k: int) -> int:
    """How many of the first columns a diagonal runs through or lies above: the others are all above it."""
    return max(0, min(int(X.shape[-1]), int(X.shape[-2]) + k))


@primitive(np.tril, name="tril", types=None, dX=lambda dY, Y, X, *, k: lower_part(dY, k=k))  # type: ignore[has-type]
def lower_part(X: Array, *, k: int) -> Array:
    """X on and below diagonal k, zeros above."""
    if X.__class__ is not np.ndarray:
        return np.tril(X, k)
    c = _cut(X, k)
    Y = np.zeros(X.shape, X.dtype)
    np.copyto(Y[..., :c], X[..., :c], where=_below(X.shape[-2], c, k))
    return Y


@primitive(np.triu, name="triu", types=None, dX=lambda dY, Y, X, *, k: upper_part(dY, k=k))  # type: ignore[has-type]
def upper_part(X: Array, *, k: int) -> Array:
    """X on and above diagonal k, zeros below."""
    if X.__class__ is not np.ndarray:
        return np.triu(X, k)
    c = _cut(X, k - 1)
    Y = np.array(X)
    np.copyto(Y[..., :c], False, where=_below(X.shape[-2], c, k - 1))
    return Y


@public("tril", inplace=True)
def tril(input: Any, diagonal: int = 0) -> Any:
    """The lower triangle of matrices, the rest 0; `diagonal` > 0 keeps diagonals above the main one."""
    return lower_part(_matrices(input, "tril"), k=diagonal)


@public("triu", inplace=True)
def triu(input: Any, diagonal: int = 0) -> Any:
    """The upper triangle of matrices, the rest 0; `diagonal` < 0 keeps diagonals below the main one."""
    return upper_part(_matrices(input, "triu"), k=diagonal)


def _matrices(input: Any, operation: str) -> Any:
    if input.ndim < 2:
        raise RuntimeError(f"{operation}: input tensor must have at least 2 dimensions, got {tuple(input.shape)}.")
    return input


@public("tril_indices", as_method=False)
def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = np.int64, device: Any = None, layout: Any = None
) -> Any:
    """The places of the lower triangle of a (row, col) matrix, (2, n): rows first, then columns."""
    require_cpu(device)
    return _triangle(np.tri(row, col, offset, dtype=bool), row, col, dtype, "tril_indices")


@public("triu_indices", as_method=False)
def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = np.int64, device: Any = None, layout: Any = None
) -> Any:
    """The places of the upper triangle of a (row, col) matrix, (2, n): rows first, then columns."""
    require_cpu(device)
    return _triangle(~np.tri(row, col, offset - 1, dtype=bool), row, col, dtype, "triu_indices")


def _triangle(mask: np.ndarray[Any, Any], row: int, col: int, dtype: Any, operation: str) -> Any:
    if row < 0 or col < 0:
        raise RuntimeError(f"{operation}: row and col must be non-negative, got {row} and {col}.")
    return wrap(np.stack(mask.nonzero()).astype(as_dtype(dtype), copy=False))


@primitive(
    np.diagonal,
    types=None,
    view=True,
    opaque=True,
    dX=lambda dY, Y, X, *, offset, axis1, axis2: onto_diagonal(  # type: ignore[has-type]
        dY, offset=offset, axis1=axis1, axis2=axis2, shape=X.shape
    ),
    name="diagonal",
)
def diagonal_of(X: Array, *, offset: int, axis1: int, axis2: int) -> Array:
    """The diagonal over two axes, as the last axis: a view."""
    Y = np.diagonal(X, offset, axis1, axis2)
    if X.flags.writeable:
        Y.flags.writeable = True  # NumPy gives a view and means it to be read only
    return Y


@primitive(
    name="diag_embed",
    types=None,
    opaque=True,
    dV=lambda dY, Y, V, *, offset, axis1, axis2, shape: diagonal_of(dY, offset=offset, axis1=axis1, axis2=axis2),
)
def onto_diagonal(V: Array, *, offset: int, axis1: int, axis2: int, shape: tuple[int, ...]) -> Array:
    """Zeros of a shape, with V, whose last axis runs along it, on the diagonal of two axes."""
    Y = np.zeros(shape, V.dtype)
    diagonal_of.forward(Y, offset=offset, axis1=axis1, axis2=axis2)[...] = V
    return Y


@public("diagonal")
def diagonal(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """The diagonal over axes dim1 and dim2, as the last axis: a view."""
    if input.ndim < 2:
        raise IndexError(f"diagonal: Dimension out of range: two axes are needed, got shape {tuple(input.shape)}.")
    a, b = _two_axes(dim1, dim2, input.ndim, "diagonal")
    return diagonal_of(input, offset=offset, axis1=a, axis2=b)


def _two_axes(dim1: int, dim2: int, ndim: int, operation: str) -> tuple[int, int]:
    a, b = one_axis(dim1, ndim, operation), one_axis(dim2, ndim, operation)
    if a == b:
        raise RuntimeError(f"{operation}: diagonal dimensions cannot be identical {dim1}, {dim2}.")
    return a, b


@public("diag_embed")
def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """The last axis laid on the diagonal of two new axes, zeros elsewhere."""
    a, b = _two_axes(dim1, dim2, input.ndim + 1, "diag_embed")
    if input.ndim == 0:
        raise IndexError("diag_embed: Dimension out of range: at least one axis is needed, got a 0-d tensor.")
    n = input.shape[-1] + abs(offset)
    others = iter(input.shape[:-1])
    shape = tuple(n if i in (a, b) else next(others) for i in range(input.ndim + 1))
    return onto_diagonal(input, offset=offset, axis1=a, axis2=b, shape=shape)


@public("diag")
def diag(input: Any, diagonal: int = 0) -> Any:
    """A vector on the diagonal of a matrix of zeros; of a matrix a copy of its diagonal."""
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim != 2:
        raise RuntimeError(f"diag: Supports 1D or 2D tensors, got shape {tuple(input.shape)}.")
    return clone(diagonal_of(input, offset=diagonal, axis1=0, axis2=1))


@public("diagflat")
def diagflat(input: Any, offset: int = 0) -> Any:
    """All elements on the diagonal of a matrix of zeros."""
    return diag_embed(reshape_to(input, shape=(-1,)), offset)


# --- NumPy's side


@answers(np.tril)
def _np_tril(m: Any, k: int = 0) -> Any:
    return tril(m, k)


@answers(np.triu)
def _np_triu(m: Any, k: int = 0) -> Any:
    return triu(m, k)


@answers(np.diagonal)
def _np_diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return diagonal(a, offset, axis1, axis2)


@answers(np.diag)
def _np_diag(v: Any, k: int = 0) -> Any:
    return diag(v, k)


@answers(np.diagflat)
def _np_diagflat(v: Any, k: int = 0) -> Any:
    return diagflat(v, k)
