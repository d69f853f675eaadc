"""Several tensors made one: end to end (`cat`), along a new axis (`stack`), as blocks, as grids.

Both primitives take any number of inputs, and the cotangent of input k is a slice of the result's.
All other functions here are these two and views.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtypes import arithmetic
from ..core.errors import ShapeError, kind_of
from ..core.primitive import Array, Operand, answers, primitive
from ..core.tensor import Tensor
from .dims import one_axis, one_list
from .public import public
from .shape import expand, reshape, reshape_to


def _part(dY: Array, parts: tuple[Array, ...], k: int, axis: int) -> Array:
    """The slice of a joined cotangent that belongs to part k."""
    start = sum(X.shape[axis] for X in parts[:k])
    return dY[(slice(None),) * axis + (slice(start, start + parts[k].shape[axis]),)]


@primitive(name="cat", types=arithmetic, dX=lambda dY, Y, *X, k, axis: _part(dY, X, k, axis))
def join(*X: Array, axis: int) -> Array:
    """The X laid end to end along an axis."""
    return np.concatenate(X, axis)


@primitive(name="stack", types=arithmetic, dX=lambda dY, Y, *X, k, axis: dY[(slice(None),) * axis + (k,)])
def pile(*X: Array, axis: int) -> Array:
    """The X, all of one shape, along a new axis."""
    return np.stack(X, axis)


@public("cat", "concat", "concatenate", as_method=False)
def cat(tensors: Any, dim: int = 0) -> Any:
    """Tensors laid end to end along an axis; their other axes must agree."""
    parts = _several(tensors, "cat")
    parts = [x for x in parts if tuple(x.shape) != (0,)] or parts[:1]  # PyTorch skips empty vectors
    axis = one_axis(dim, parts[0].ndim, "cat")
    for x in parts:
        if x.ndim != parts[0].ndim or any(
            i != axis and n != m for i, (n, m) in enumerate(zip(x.shape, parts[0].shape, strict=False))
        ):
            raise ShapeError(
                f"cat: shapes {', '.join(str(tuple(p.shape)) for p in parts)} must agree but for axis {axis}."
            )
    if parts[0].ndim == 0:
        raise RuntimeError("cat: zero-dimensional tensors cannot be concatenated; use stack.")
    return join(*parts, axis=axis)


@public("stack", as_method=False)
def stack(tensors: Any, dim: int = 0) -> Any:
    """Tensors of one shape along a new axis."""
    parts = _several(tensors, "stack")
    if any(x.shape != parts[0].shape for x in parts):
        shapes = ", ".join(str(tuple(p.shape)) for p in parts)
        raise ShapeError(f"stack: expects each tensor to be equal size, got shapes {shapes}.")
    return pile(*parts, axis=one_axis(dim, parts[0].ndim + 1, "stack"))


def _several(tensors: Any, operation: str) -> list[Any]:
    if isinstance(tensors, Operand) or not hasattr(tensors, "__iter__"):
        raise TypeError(f"{operation}: a list or tuple of tensors is expected, as in {operation}([x, y], dim=0).")
    parts = list(tensors)
    for x in parts:
        if not hasattr(x, "shape"):
            raise TypeError(f"{operation}: {kind_of(x)} is not a tensor; make one with tensor(...).")
    if not parts:
        raise ShapeError(f"{operation}: expected a non-empty list of tensors.")
    return parts


@public("atleast_1d", as_method=False)
def atleast_1d(*tensors: Any) -> Any:
    """Each tensor with at least one axis; a list or several give a tuple."""
    return _each(tensors, lambda x: x if x.ndim else reshape(x, 1))


@public("atleast_2d", as_method=False)
def atleast_2d(*tensors: Any) -> Any:
    """Each tensor with at least two axes: a vector becomes a row."""
    return _each(tensors, _as_rows)


@public("atleast_3d", as_method=False)
def atleast_3d(*tensors: Any) -> Any:
    """Each tensor with at least three axes: a vector (n,) becomes (1, n, 1), a matrix (n, m) (n, m, 1)."""
    return _each(tensors, _as_stack)


def _each(tensors: Any, change: Any) -> Any:
    if len(tensors) == 1 and not isinstance(tensors[0], (tuple, list)):
        return change(tensors[0])
    return tuple(change(x) for x in one_list(tensors))


def _as_rows(x: Any) -> Any:
    return x if x.ndim >= 2 else reshape(x, 1, -1)


def _as_stack(x: Any) -> Any:
    return x if x.ndim >= 3 else reshape(x, *x.shape, 1) if x.ndim == 2 else reshape(x, 1, -1, 1)


@public("hstack", as_method=False)
def hstack(tensors: Any) -> Any:
    """Side by side: along axis 1, vectors along axis 0."""
    parts = atleast_1d(_some(tensors, "hstack"))
    return cat(parts, 0 if parts[0].ndim == 1 else 1)


@public("vstack", "row_stack", as_method=False)
def vstack(tensors: Any) -> Any:
    """One under the other: along axis 0, vectors as rows."""
    return cat(atleast_2d(_some(tensors, "vstack")), 0)


@public("dstack", as_method=False)
def dstack(tensors: Any) -> Any:
    """One behind the other: along axis 2."""
    return cat(atleast_3d(_some(tensors, "dstack")), 2)


@public("column_stack", as_method=False)
def column_stack(tensors: Any) -> Any:
    """Side by side, vectors as columns."""
    return cat([x if x.ndim > 1 else reshape(x, -1, 1) for x in _some(tensors, "column_stack")], 1)


def _some(tensors: Any, operation: str) -> list[Any]:
    parts = list(tensors)
    if not parts:
        raise RuntimeError(f"{operation}: expects a non-empty list of tensors.")
    return parts


@public("block_diag", as_method=False)
def block_diag(*tensors: Any) -> Any:
    """Matrices along the diagonal of a matrix of zeros; vectors and scalars are rows."""
    for x in tensors:
        if x.ndim > 2:
            raise RuntimeError(f"block_diag: input tensors must have at most 2 dimensions, got shape {tuple(x.shape)}.")
    blocks = [_as_rows(x) for x in tensors] or [Tensor([[]])]
    width = sum(x.shape[1] for x in blocks)
    rows, before = [], 0
    for x in blocks:
        n, m = x.shape
        rows.append(cat([_zeros(x, n, before), x, _zeros(x, n, width - before - m)], 1))
        before += m
    return cat(rows, 0)


def _zeros(x: Any, n: int, m: int) -> Any:
    return Tensor(np.zeros((n, m), x.dtype))


@public("meshgrid", as_method=False)
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Any, ...]:
    """The coordinates of a grid: result k holds vector k's value at every point.

    Args:
        indexing: "ij" (default): axis k belongs to vector k. "xy": the first two axes swapped.
    """
    vectors = one_list(tensors)
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f'meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}.')
    if not vectors:
        raise RuntimeError("meshgrid: expects a non-empty list of tensors.")
    if any(x.ndim > 1 for x in vectors):
        raise RuntimeError(
            f"meshgrid: expected scalars and vectors, got shapes {', '.join(str(tuple(x.shape)) for x in vectors)}."
        )
    if any(x.dtype != vectors[0].dtype for x in vectors):
        raise RuntimeError("meshgrid: expects all tensors to have the same dtype.")
    vectors = atleast_1d(list(vectors))
    swap = indexing == "xy" and len(vectors) >= 2
    places = [1, 0, *range(2, len(vectors))] if swap else list(range(len(vectors)))
    lengths = [vectors[places.index(axis)].shape[0] for axis in range(len(vectors))]
    return tuple(
        expand(reshape_to(x, shape=tuple(-1 if i == place else 1 for i in range(len(lengths)))), lengths)
        for x, place in zip(vectors, places, strict=True)
    )


@public("cartesian_prod", as_method=False)
def cartesian_prod(*tensors: Any) -> Any:
    """All combinations of one element of each vector, as rows; of one vector itself."""
    vectors = one_list(tensors)
    if any(x.ndim != 1 for x in vectors):
        raise RuntimeError("cartesian_prod: expects 1-dimensional tensors.")
    if len(vectors) == 1:
        return vectors[0]
    return stack([reshape(x, -1) for x in meshgrid(*vectors)], 1)


# --- NumPy's side


@answers(np.concatenate)
def _np_concatenate(arrays: Any, axis: int | None = 0) -> Any:
    arrays = list(arrays)
    if axis is None:
        return join(*(np.ravel(a) for a in arrays), axis=0)
    return join(*arrays, axis=one_axis(axis, arrays[0].ndim, "concatenate"))


@answers(np.stack)
def _np_stack(arrays: Any, axis: int = 0) -> Any:
    arrays = list(arrays)
    return pile(*arrays, axis=one_axis(axis, arrays[0].ndim + 1, "stack"))


@answers(np.atleast_1d)
def _np_atleast_1d(*arys: Any) -> Any:
    return atleast_1d(*arys)


@answers(np.atleast_2d)
def _np_atleast_2d(*arys: Any) -> Any:
    return atleast_2d(*arys)


@answers(np.atleast_3d)
def _np_atleast_3d(*arys: Any) -> Any:
    return atleast_3d(*arys)


@answers(np.hstack)
def _np_hstack(tup: Any) -> Any:
    return hstack(tup)


@answers(np.vstack)
def _np_vstack(tup: Any) -> Any:
    return vstack(tup)


@answers(np.dstack)
def _np_dstack(tup: Any) -> Any:
    return dstack(tup)


@answers(np.column_stack)
def _np_column_stack(tup: Any) -> Any:
    return column_stack(tup)


@answers(np.meshgrid)
def _np_meshgrid(*xi: Any, indexing: str = "xy") -> Any:
    return meshgrid(*xi, indexing=indexing)
