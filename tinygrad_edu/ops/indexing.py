"""Indexing and its transpose: getitem picks elements, scatter adds them back where they came from.

Each is the other's rule, so every order of derivative exists. Index arrays are inputs of the
primitives (a trace must see them change); the rest of an index, slices and integers, is the
parameter `key`, in which `Slot(i)` stands for index array i.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import DtypeError
from ..core.mode import mode
from ..core.primitive import Array, Operand, answers, primitive
from ..core.symbol import Symbol
from ..core.tensor import Tensor, wrap
from ..core.write import read
from .dims import one_axis
from .public import public
from .room import zeroed


class Slot(NamedTuple):
    """Stands in a key for the index array of that number."""

    number: int


Spec = tuple[Any, ...]


def _index(key: tuple[Any, ...], arrays: tuple[Array, ...]) -> tuple[Any, ...]:
    return tuple(arrays[k.number] if isinstance(k, Slot) else k for k in key)


@primitive(
    types=None,
    opaque=True,
    dX=lambda dY, Y, X, V, *indices, key: dY,
    dV=lambda dY, Y, X, V, *indices, key: getitem(dY, *indices, key=key),  # type: ignore[has-type]
)
def add_at(X: Array, V: Array, *indices: Array, key: tuple[Any, ...], out: Array = None) -> Array:
    """X with V added at `key`. Cotangents of parts are added so: of n parts each costs a part, not a whole X."""
    Y = X if out is X else np.asarray(np.positive(X, out=out))
    if indices:
        np.add(Y, scatter.forward(V, *indices, key=key, shape=Y.shape), out=Y)
    else:
        part = Y[key if any(k is ... for k in key) else (*key, ...)]  # an array also where one element is meant
        np.add(part, V, out=part)
    return Y


@primitive(
    types=None,
    view=True,
    opaque=True,
    add=add_at,
    dX=lambda dY, Y, X, *indices, key: scatter(dY, *indices, key=key, shape=X.shape),  # type: ignore[has-type]
)
def getitem(X: Array, *indices: Array, key: tuple[Any, ...]) -> Array:
    """X[key]: a view for slices and integers, a copy for index arrays."""
    axis = _only_axis(key)
    if axis is not None:
        return X.take(indices[0], axis)  # 3 times as fast, on rows 1.6 times
    Y = X[_index(key, indices)]
    # NumPy leaves a result picked by arrays in the order of its own loops; .view() counts on rows
    return Y.copy() if indices and not Y.flags.c_contiguous else Y


getitem.composition = lambda X, *indices, key: X[_index(key, indices)]


LONG = 256  # elements of a row, from which rows are added one by one, 2 to 3 times as fast as by np.add.at


@primitive(
    types=None,
    opaque=True,
    dV=lambda dY, Y, V, *indices, key, shape: getitem(dY, *indices, key=key),
)
def scatter(V: Array, *indices: Array, key: tuple[Any, ...], shape: tuple[int, ...], out: Array = None) -> Array:
    """Zeros of a shape, with V added at `key`; an element named several times gets the sum."""
    Y = zeroed(shape, V.dtype, out)
    axis = _only_axis(key)
    rows = indices[0].size if axis == 0 and indices[0].ndim == 1 else 0
    if not indices or (axis is not None and len(shape) > 1 and _are_distinct(indices[0], shape[axis])):
        Y[_index(key, indices)] = V  # slices and integers name no element twice
    elif rows and len(shape) == 2 and (shape[1] >= LONG or rows <= shape[0]):
        _add_rows(Y, np.where(indices[0] < 0, indices[0] + shape[0], indices[0]), V)
    elif rows and V.size >= LONG * rows:
        for place, row in zip(indices[0].tolist(), V, strict=True):
            np.add(Y[place], row, out=Y[place])
    elif axis is not None and indices[0].ndim == 1:
        places = np.where(indices[0] < 0, indices[0] + shape[axis], indices[0])
        _add_at(Y, places_along(places.reshape((-1,) + (1,) * (len(shape) - 1 - axis)), axis, shape, V.shape), V)
    elif V.size * 16 > Y.size:
        _add_at(Y, np.arange(Y.size).reshape(shape)[_index(key, indices)], V)
    else:
        np.add.at(Y, _index(key, indices), V)
    return Y


add_at.composition = lambda X, V, *indices, key: X + scatter(V, *indices, key=key, shape=X.shape)


def _add_rows(Y: Array, places: Array, V: Array) -> None:
    """Add rows to the zeros Y, of which few are for the same place: the last of each is stored, the rest added.

    In microseconds, of all at once by np.add.at and so: 1,024 rows of 128 into 10,000, 291 and 100; 8,192, 2,140 and
    996; 1,024 rows of 512 into 1,000, 900 and 500. Where places are few and rows short it gains nothing.
    """
    V = np.broadcast_to(V, (len(places), Y.shape[1]))
    number = np.arange(len(places))
    last = np.zeros(len(Y), np.int64)
    last[places] = number
    Y[places] = V
    rest = np.flatnonzero(last[places] != number)
    if Y.shape[1] >= LONG:
        for k, place in zip(rest.tolist(), places[rest].tolist(), strict=True):
            np.add(Y[place], V[k], out=Y[place])
    elif len(rest) and Y.size:
        at = places_along(places[rest, None], 0, Y.shape, (len(rest), Y.shape[1]))
        np.add.at(Y.reshape(-1), at.ravel(), V[rest].ravel())


def _only_axis(key: tuple[Any, ...]) -> int | None:
    """The axis that an index of whole slices and one index array picks from."""
    for axis, k in enumerate(key):
        if isinstance(k, Slot):
            return axis if all(rest == slice(None) or rest is ... for rest in key[axis + 1 :]) else None
        if k != slice(None):
            return None
    return None


def _are_distinct(index: np.ndarray[Any, Any], n: int) -> bool:
    """Whether no place of an axis of length n is named twice."""
    if index.size <= 1:
        return True
    return index.size <= n and bool(np.bincount(np.where(index < 0, index + n, index).ravel()).max() <= 1)


def places_along(index: Array, axis: int, shape: tuple[int, ...], cover: tuple[int, ...]) -> Array:
    """The places in memory order that `index` along the axis points to, for a value of shape `cover`.

    By one number per element np.take is 4 times and np.add.at 6 times as fast as by one per axis.
    """
    steps = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
    rest = [(np.arange(n) * step).reshape((n,) + (1,) * (len(shape) - 1 - i))
            for i, (n, step) in enumerate(zip(cover, steps, strict=True)) if i != axis and n > 1]  # fmt: skip
    along = index * steps[axis] if steps[axis] != 1 else index
    return along + functools.reduce(np.add, rest) if rest else along


def _add_at(Y: Array, places: Array, V: Array) -> None:
    """Add V to Y at places that are counted in memory order."""
    np.add.at(Y.reshape(-1), np.broadcast_to(places, V.shape).ravel(), V.ravel())


def within(index: Array, n: int) -> bool:
    """Whether all are places of an axis of length n, counted from the front. One pass: as unsigned, -1 is large."""
    return index.dtype == np.int64 and index.size > 0 and bool(index.view(np.uint64).max() < n)


@primitive(
    np.take_along_axis,
    name="take_along_dim",
    types=None,
    opaque=True,
    dX=lambda dY, Y, X, indices, *, axis: put_along(dY, indices, axis=axis, shape=X.shape),  # type: ignore[has-type]
)
def take_along(X: Array, indices: Array, *, axis: int) -> Array:
    """Per position of `indices`, the element of X that lies there along the axis."""
    if X.ndim == indices.ndim and within(indices, X.shape[axis]):
        cover = (*X.shape[:axis], indices.shape[axis], *X.shape[axis + 1 :])
        if all(m in (1, n) for m, n in zip(indices.shape, cover, strict=True)):
            return X.ravel().take(places_along(indices, axis, X.shape, cover))
    return np.take_along_axis(X, indices, axis)


take_along.composition = np.take_along_axis


@primitive(
    types=None,
    opaque=True,
    dV=lambda dY, Y, V, indices, *, axis, shape: take_along(covered(dY, V.shape, axis), indices, axis=axis),
)
def put_along(V: Array, indices: Array, *, axis: int, shape: tuple[int, ...], out: Array = None) -> Array:
    """Zeros of a shape, with V added where `indices` point along the axis."""
    Y = zeroed(shape, V.dtype, out)
    if within(indices, shape[axis]):
        _add_at(Y, places_along(indices, axis, shape, V.shape), V)
    else:
        np.add.at(Y, grid_along(indices, axis, V.shape), V)
    return Y


def add_along(V: Array, indices: Array, *, axis: int, shape: tuple[int, ...]) -> Array:
    """Zeros of a shape, with V added where `indices` point along an axis."""
    Y = np.zeros(shape, V.dtype)
    places = [*np.ogrid[tuple(slice(n) for n in V.shape)]]
    places[axis] = indices
    np.add.at(Y, tuple(places), V)
    return Y


put_along.composition = add_along


def grid_along(indices: Array, axis: int, shape: tuple[int, ...]) -> tuple[Array, ...]:
    """The index that picks by `indices` along an axis and by its own place along the others."""
    grid = list(np.ogrid[tuple(slice(n) for n in shape)])
    grid[axis] = indices  # the others broadcast with it
    return tuple(grid)


def covered(X: Array, shape: tuple[int, ...], axis: int) -> Array:
    """The corner of X that an index of this shape covers: all of the axis, its own length elsewhere."""
    return X[tuple(slice(None) if i == axis else slice(n) for i, n in enumerate(shape))]


def split_key(X: Any, key: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """A user's index as the parameter `key` and the index arrays, checked against X's shape.

    A boolean index becomes the integer arrays of its true places, so that no place is named twice.
    """
    parts = key if isinstance(key, tuple) else (key,)
    arrays: list[Any] = []
    spec: list[Any] = []
    for i, part in enumerate(parts):
        if isinstance(part, (slice, type(None), type(...))):
            spec.append(slice(*map(_bound, (part.start, part.stop, part.step))) if isinstance(part, slice) else part)
        elif isinstance(part, (int, np.integer)) and not isinstance(part, (bool, np.bool_)):
            spec.append(int(part))
        else:
            found = _index_arrays(part)
            if isinstance(found, int):  # a 0-d tensor: a view of one element, as by a number
                spec.append(found)
                continue
            if len(found) > 1 or _dtype(part).kind == "b" or isinstance(part, list):
                _check_mask(X, part, parts[i + 1 :], spec)
            for array in found:
                spec.append(Slot(len(arrays)))
                arrays.append(_constant(array))
    if not arrays and not any(p is ... for p in spec):
        spec.append(...)  # NumPy makes a scalar of x[0] but a 0-d view of x[0, ...]
    _check_count(X, parts, spec)
    return tuple(spec), tuple(arrays)


def _bound(value: Any) -> int | None:
    return None if value is None else value.__index__()


def _constant(array: Any) -> Any:
    """Places that the step's Python names are the same at every run of a program, as those in tensor([...])."""
    if mode.trace is None or not isinstance(array, np.ndarray):
        return array
    result = wrap(array)
    mode.trace.made.add(result)
    return result


def _index_arrays(part: Any) -> tuple[Any, ...] | int:
    if isinstance(part, Tensor):
        array = read(part)
        if isinstance(array, Symbol) and part.dtype.kind == "b":
            array = mode.trace.reads(part)
        if isinstance(array, Symbol):
            if part.dtype.kind == "b":
                array.refuse("x[mask] has as many elements as the mask says: where(mask, x, 0) keeps the shape.")
            return (part,)
        part = part._values()
    if isinstance(part, Symbol):
        return (part,)
    array = np.asarray(part)
    if array.dtype.kind == "b":
        if array.ndim == 0:
            raise IndexError("index: a single boolean can stand alone only, as in x[True], not beside other indices.")
        return array.nonzero()
    if array.size == 0:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise IndexError(
            f"index: tensors used as indices must be long, int or bool, not {array.dtype}; convert with .long()."
        )
    if array.ndim == 0:
        return int(array)
    return (array.copy(),)  # the user may write to hers before backward


def _check_mask(X: Any, part: Any, after: tuple[Any, ...], spec: list[Any]) -> None:
    """A boolean index must have the lengths of the axes that it stands for."""
    mask = part._values() if isinstance(part, Tensor) else np.asarray(part)
    if mask.dtype.kind != "b":
        return
    if ... in spec:
        start = X.ndim - mask.ndim - sum(1 if _dtype(p).kind != "b" else p.ndim for p in after if p is not None)
    else:
        start = sum(p is not None for p in spec)
    have = tuple(X.shape[start : start + mask.ndim])
    if mask.shape != have:
        raise IndexError(
            f"index: the mask has shape {mask.shape}, the axes that it picks from {have}, of a tensor of "
            f"shape {tuple(X.shape)}; they must be equal."
        )


def truth(key: Any) -> bool | None:
    """The value of an index that is one boolean, `x[True]` or `x[x > 0]` of a 0-d x; else None."""
    part = key[0] if isinstance(key, tuple) and len(key) == 1 else key
    if isinstance(part, (bool, np.bool_)):
        return bool(part)
    if isinstance(part, (Tensor, np.ndarray)) and part.ndim == 0 and part.dtype.kind == "b":
        return bool(part)
    return None


def _check_count(X: Any, parts: tuple[Any, ...], spec: list[Any]) -> None:
    used = sum(1 for p in spec if p is not None and p is not ...)
    if used > X.ndim:
        raise IndexError(f"index: too many indices ({used}) for a tensor of shape {tuple(X.shape)}.")


def _getitem(input: Any, key: Any) -> Any:
    """Elements by slices, integers, index arrays, boolean arrays, None and `...`, as in PyTorch."""
    picked = truth(key)
    if picked is not None:
        return _getitem(input[None], [0] if picked else [])
    spec, arrays = split_key(input, key)
    if any(isinstance(p, slice) and p.step is not None and p.step < 0 for p in spec) and isinstance(input, Tensor):
        raise ValueError("index: a slice's step must be greater than zero, as in PyTorch; use .flip().")
    if not isinstance(input, Operand):
        return input[key]
    first, spec = numbers_first(spec)
    return getitem(input if first is None else getitem(input, key=first), *arrays, key=spec)


def numbers_first(spec: Spec) -> tuple[Spec | None, Spec]:
    """An index with numbers and index arrays as two: PyTorch picks by the numbers before it looks at the arrays.

    NumPy takes a number beside arrays for one more array, so that x[0, :, [1, 2]] would begin with the 2.
    """
    if not any(isinstance(k, Slot) for k in spec) or not any(isinstance(k, int) for k in spec):
        return None, spec
    first = tuple(slice(None) if isinstance(k, Slot) else k for k in spec)
    rest = tuple(k if isinstance(k, Slot) or k is ... else slice(None) for k in spec if not isinstance(k, int))
    return (first if ... in first else (*first, ...)), rest


def _getitem_symbol(input: Symbol, key: Any) -> Any:
    spec, arrays = split_key(input, key)
    return getitem(input, *arrays, key=spec)


Tensor.__getitem__ = _getitem  # type: ignore[method-assign]
Symbol.__getitem__ = _getitem_symbol  # type: ignore[misc]  # not a generic class


@public("take_along_dim")
def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Any:
    """Per position of `indices`, the element that lies there along `dim`; shapes broadcast elsewhere."""
    if _dtype(indices).kind not in "iu":
        raise DtypeError(f"take_along_dim: indices must be integers, not {_dtype(indices)}; use .long().")
    if dim is None:
        input, indices, dim = input.reshape(-1), indices.reshape(-1), 0
    axis = one_axis(dim, input.ndim, "take_along_dim")
    if indices.ndim != input.ndim:
        raise RuntimeError(
            f"take_along_dim: input {tuple(input.shape)} and indices {tuple(indices.shape)} must have "
            "the same number of axes."
        )
    lengths = enumerate(zip(input.shape, indices.shape, strict=True))
    wide = tuple(m if n == 1 and i != axis else n for i, (n, m) in lengths)
    if wide != tuple(input.shape):
        input = np.broadcast_to(input, wide)
    return take_along(input, indices, axis=axis)


def _dtype(x: Any) -> Any:
    return getattr(x, "dtype", np.dtype(object))


@answers(np.take_along_axis)
def _np_take_along_axis(arr: Any, indices: Any, axis: int = -1) -> Any:
    return take_along_dim(arr, indices, axis)
