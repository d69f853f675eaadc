"""NumPy's functions that take arrays apart and put them together: insert, delete, block, pad and the like.

Most say by an array of places where each element of the result comes from, which NumPy itself computes on
`np.arange`; `np.take` by these places is differentiated. See numpy_names.py on how they are written.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.primitive import answers
from .dims import one_axis
from .shape import movedim
from .slicing import dsplit, hsplit, vsplit
from .windows import pad


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


@answers(np.ediff1d)
def _np_ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    parts = [to_begin, np.diff(np.ravel(ary)), to_end]
    return np.concatenate([np.ravel(p) for p in parts if p is not None])
