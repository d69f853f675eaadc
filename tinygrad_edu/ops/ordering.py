"""Sorting and searching. An order has no derivative; what it picks is `take_along` an index.

Equal elements keep their order, so a sort is always stable, and NaN counts as the largest number.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..core.dtypes import arithmetic, dtype_of_number
from ..core.errors import ShapeError, describe
from ..core.primitive import Array, answers, primitive
from ..core.tensor import Tensor, wrap
from .checks import numbers_of
from .conversion import astype
from .dims import one_axis
from .indexing import take_along
from .public import public
from .reduction import ValuesAndIndices, returned
from .shape import reshape_to

_AS_MANY = "How many elements differ, only their values say; sort(x) keeps the shape."


@primitive(name="argsort", types=None, opaque=True)
def argsort_along(X: Array, *, axis: int, descending: bool) -> Array:
    """The index that sorts X along an axis; equal elements keep their order."""
    if not descending:
        return np.argsort(X, axis, kind="stable")
    # Backwards twice: the largest come first, and equal elements in their order all the same
    return X.shape[axis] - 1 - np.flip(np.argsort(np.flip(X, axis), axis, kind="stable"), axis)


@primitive(name="topk", types=None, opaque=True)
def extreme_places(X: Array, *, axis: int, count: int, largest: bool) -> Array:
    """Where the `count` largest (or smallest) elements along an axis lie, the most extreme first."""
    n = X.shape[axis]
    part: Any = [slice(None)] * X.ndim
    if count * 4 > n or not count:
        part[axis] = slice(count)
        return argsort_along.forward(X, axis=axis, descending=largest)[tuple(part)]
    part[axis] = slice(n - count, n) if largest else slice(count)
    chosen = np.sort(np.argpartition(X, n - count if largest else count - 1, axis)[tuple(part)], axis)
    order = argsort_along.forward(np.take_along_axis(X, chosen, axis), axis=axis, descending=largest)
    return np.take_along_axis(chosen, order, axis)


@primitive(name="kthvalue", types=None, opaque=True)
def kth_place(X: Array, *, axis: int, k: int) -> Array:
    """Where an element lies that is the k-th smallest along an axis, counted from 0; kept with length 1."""
    return np.argpartition(X, k, axis)[(slice(None),) * axis + (slice(k, k + 1),)]


@public("sort")
def sort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> ValuesAndIndices:
    """Sorted along `dim`: (values, indices). Equal elements keep their order, stable or not."""
    if isinstance(dim, bool):
        raise TypeError("sort: dim must be an integer; write descending=True by name.")
    return _sorted(input, dim, descending, "sort")


def _sorted(input: Any, dim: int, descending: bool, operation: str) -> ValuesAndIndices:
    axis = one_axis(dim, input.ndim, operation)
    if input.ndim == 0:
        return _alone(input, operation)
    index = argsort_along(input, axis=axis, descending=bool(descending))
    return returned(operation)(take_along(input, index, axis=axis), index)


def _alone(input: Any, operation: str) -> ValuesAndIndices:
    """A 0-d tensor is its own smallest, largest and sorted."""
    index = argsort_along(reshape_to(input, shape=(1,)), axis=0, descending=False)
    values = take_along(reshape_to(input, shape=(1,)), index, axis=0)
    return returned(operation)(reshape_to(values, shape=()), reshape_to(index, shape=()))


@public("argsort")
def argsort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """The index that sorts along `dim`; equal elements keep their order. No gradient."""
    axis = one_axis(dim, input.ndim, "argsort")
    return argsort_along(input, axis=axis, descending=bool(descending)) if input.ndim else _alone(input, "sort").indices


@public("msort")
def msort(input: Any) -> Any:
    """The values sorted along the first axis."""
    return _sorted(input, 0, False, "msort").values


@public("topk")
def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> ValuesAndIndices:
    """The k largest (or smallest) elements along `dim`: (values, indices), always in order; of equals any."""
    axis = one_axis(dim, input.ndim, "topk")
    n = input.shape[axis] if input.ndim else 1
    if not 0 <= k <= n:
        raise RuntimeError(f"topk: selected index k out of range: k is {k}, the axis has {n} elements.")
    if input.ndim == 0:
        return _alone(input, "topk")
    index = extreme_places(input, axis=axis, count=int(k), largest=bool(largest))
    return returned("topk")(take_along(input, index, axis=axis), index)


@public("kthvalue")
def kthvalue(input: Any, k: int, dim: int = -1, keepdim: bool = False) -> ValuesAndIndices:
    """The k-th smallest element along `dim`, counted from 1: (values, indices); of equals any."""
    axis = one_axis(dim, input.ndim, "kthvalue")
    n = input.shape[axis] if input.ndim else 1
    if not 1 <= k <= n:
        raise RuntimeError(f"kthvalue: selected number k out of range for dimension {axis}: k is {k}, of {n} elements.")
    if input.ndim == 0:
        return _alone(input, "kthvalue")
    index = kth_place(input, axis=axis, k=int(k) - 1)
    values = take_along(input, index, axis=axis)
    if not keepdim:
        values, index = (reshape_to(x, shape=x.shape[:axis] + x.shape[axis + 1 :]) for x in (values, index))
    return returned("kthvalue")(values, index)


# --- searching


@primitive(name="searchsorted", types=None, opaque=True)
def insertion_places(S: Array, V: Array, *, right: bool) -> Array:
    """Where each element of V belongs in sorted S; of stacks (..., n), row by row."""
    side: Any = "right" if right else "left"
    if S.ndim == 1:
        return np.asarray(np.searchsorted(S, V, side))
    if not V.size:
        return np.zeros(V.shape, np.int64)
    wanted = V.reshape(-1, V.shape[-1])
    rows = S.reshape(len(wanted), S.shape[-1])
    return np.stack([np.searchsorted(s, v, side) for s, v in zip(rows, wanted, strict=True)]).reshape(V.shape)


@public("searchsorted", as_method=False)
def searchsorted(
    sorted_sequence: Any,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Any = None,
) -> Any:
    """Where each element belongs in a sorted sequence, so that it stays sorted. No gradient.

    Args:
        sorted_sequence: (n,), or (..., n) with the axes of `input` before the last.
        right: of equal elements after the last, not before the first; side="right" says the same.
        sorter: the index that sorts the sequence, if it isn't sorted.
    """
    if side not in (None, "left", "right"):
        raise RuntimeError(f"searchsorted: side can only be 'left' or 'right' but got {side}.")
    if side == "left" and right:
        raise RuntimeError(
            "searchsorted: side and right can't be set to opposites, got side of left while right is True."
        )
    if sorter is not None:
        if sorter.shape != sorted_sequence.shape:
            raise RuntimeError(
                f"searchsorted: sorter and sorted_sequence must have the same size, got {tuple(sorter.shape)} and "
                f"{tuple(sorted_sequence.shape)}."
            )
        sorted_sequence = take_along(sorted_sequence, sorter, axis=sorted_sequence.ndim - 1)
    return _search(sorted_sequence, input, right or side == "right", out_int32, "searchsorted")


@public("bucketize", as_method=False)
def bucketize(input: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False) -> Any:
    """The number of the interval between sorted boundaries in which each element lies. No gradient.

    An element equal to a boundary belongs to the interval that ends there; with right=True to the next.
    """
    if boundaries.ndim != 1:
        raise RuntimeError(f"bucketize: boundaries tensor must be 1 dimension, got shape {tuple(boundaries.shape)}.")
    return _search(boundaries, input, right, out_int32, "bucketize")


def _search(sequence: Any, input: Any, right: bool, out_int32: bool, operation: str) -> Any:
    if not hasattr(input, "shape"):
        input = wrap(np.asarray(input, dtype_of_number(input)))
    if sequence.ndim == 0:
        raise RuntimeError(f"{operation}: the sequence should have positive dimension, got a 0-d tensor.")
    if sequence.ndim > 1 and tuple(sequence.shape[:-1]) != tuple(input.shape[:-1]):
        raise ShapeError(
            f"{operation}: the sequence should be 1-dimensional, or its axes but the last those of the values."
            f"{describe((sequence, input))}"
        )
    found = insertion_places(sequence, input, right=bool(right))
    return astype(found, dtype=np.dtype("int32")) if out_int32 else found


@primitive(name="isin", types=arithmetic, opaque=True)
def membership(A: Array, B: Array) -> Array:
    """Whether each element of A is among those of B."""
    return np.isin(A, B)


@public("isin", as_method=False)
def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Any:
    """Whether each element is among the test elements; invert=True: whether it is not."""
    if not hasattr(elements, "shape"):
        elements = wrap(np.asarray(elements, dtype_of_number(elements)))
    found = membership(elements, test_elements)
    return ~found if invert else found


# --- unique


class Unique(NamedTuple):
    """What unique finds: the elements, where each came from, how often there is one."""

    values: Array
    inverse: Array
    counts: Array


def _unique(array: np.ndarray[Any, Any], axis: int | None) -> Unique:
    """The elements (or slices) that differ, sorted; every NaN differs from the others, as in PyTorch."""
    if axis is None:
        found = np.unique(array, return_inverse=True, return_counts=True, equal_nan=False)
        return Unique(found[0], found[1].reshape(array.shape), found[2])
    if array.shape[axis] == 0:
        none = np.zeros(0, np.int64)
        return Unique(array, none, none)
    found = np.unique(array, return_inverse=True, return_counts=True, axis=axis, equal_nan=False)
    return Unique(found[0], found[1].reshape(-1), found[2])


def _consecutive(array: np.ndarray[Any, Any], axis: int | None) -> Unique:
    """The first element (or slice) of every run of equal ones."""
    rows = array.reshape(-1) if axis is None else np.moveaxis(array, axis, 0)
    n = len(rows)
    differ = (rows[1:] != rows[:-1]).reshape(max(n - 1, 0), math.prod(rows.shape[1:])).any(1)
    first = np.concatenate([np.ones(min(n, 1), bool), differ])
    starts = first.nonzero()[0]
    inverse = np.cumsum(first) - 1
    values = rows[starts]
    return Unique(
        values if axis is None else np.ascontiguousarray(np.moveaxis(values, 0, axis)),
        inverse.reshape(array.shape) if axis is None else inverse,
        np.diff(np.append(starts, n)),
    )


def _asked(found: Unique, return_inverse: bool, return_counts: bool) -> Any:
    results = [found.values] + [found.inverse] * bool(return_inverse) + [found.counts] * bool(return_counts)
    tensors = tuple(wrap(np.asarray(x)) for x in results)
    return tensors if len(tensors) > 1 else tensors[0]


@public("unique")
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The elements (along `dim`: the slices) that differ, always sorted. No gradient.

    Returns:
        The elements; with return_inverse also, per element of the input, which of them it is; with
        return_counts also how often there is each.
    """
    axis = None if dim is None else one_axis(dim, input.ndim, "unique")
    found = _unique(numbers_of(input, _AS_MANY), None if input.ndim == 0 else axis)
    return _asked(found, return_inverse, return_counts)


@public("unique_consecutive")
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The first of every run of equal elements (along `dim`: slices). No gradient. Returns as `unique`."""
    axis = None if dim is None else one_axis(dim, input.ndim, "unique_consecutive")
    found = _consecutive(numbers_of(input, _AS_MANY), None if input.ndim == 0 else axis)
    return _asked(found, return_inverse, return_counts)


# --- NumPy's side: sort gives the values alone


@answers(np.sort)
def _np_sort(a: Any, axis: int | None = -1, kind: Any = None) -> Any:
    return sort(np.ravel(a) if axis is None else a, -1 if axis is None else axis).values


@answers(np.argsort)
def _np_argsort(a: Any, axis: int | None = -1, kind: Any = None) -> Any:
    return argsort(np.ravel(a) if axis is None else a, -1 if axis is None else axis)


@answers(np.searchsorted)
def _np_searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    return searchsorted(a, v, side=side, sorter=sorter)


@answers(np.isin)
def _np_isin(element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False) -> Any:
    return isin(element, test_elements, assume_unique=assume_unique, invert=invert)
