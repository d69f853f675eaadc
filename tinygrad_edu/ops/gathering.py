"""Elements picked by index tensors and masks. All are `getitem` and `take_along`, whose rules scatter."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtypes import int64
from ..core.errors import DtypeError, ShapeError, TraceError, describe
from ..core.mode import mode
from ..core.primitive import answers
from ..core.symbol import Symbol
from ..core.tensor import Tensor, wrap
from ..core.write import read, storage_of
from .checks import check, numbers_of
from .dims import one_axis
from .indexing import Slot, covered, getitem, take_along, within
from .public import public
from .shape import broadcast_tensors, reshape_to

KEPT_SHAPE = "{} has as many elements as the values say: where(mask, x, 0) keeps the shape."


def valid_index(
    index: Any, n: int, operation: str, error: type[Exception] = RuntimeError, *, negative: bool = False
) -> Any:
    """The index itself, once each element of it is known to be a place of an axis of length n.

    Raises:
        DtypeError: it is not made of integers.
    """
    if not hasattr(index, "dtype"):
        raise TypeError(f"{operation}: index must be a tensor of integers, not {type(index).__name__}.")
    if index.dtype.kind not in "iu" or index.dtype == np.uint8:
        raise DtypeError(f"{operation}: expected index to be int64 (or int32), not {index.dtype}; use .long().")
    array = read(index) if isinstance(index, Tensor) else index
    low = -n if negative else 0
    if isinstance(array, Symbol) or (array.size and not within(array, n) and (array.min() < low or array.max() >= n)):
        message = f"{operation}: index out of range: the axis has {n} elements, so an index is {low} to {n - 1}"
        check((array >= low) & (array < n), message, error, array)
    return index


def along(axis: int) -> tuple[Any, ...]:
    """The key that picks by one index array along an axis."""
    return (slice(None),) * axis + (Slot(0),)


def no_larger(input: Any, index: Any, axis: int, operation: str) -> None:
    """Refuse an index of gather or scatter that reaches beyond the input along another axis than its own."""
    if any(i != axis and m > n for i, (n, m) in enumerate(zip(input.shape, index.shape, strict=True))):
        raise ShapeError(
            f"{operation}: Expected index {tuple(index.shape)} to be no larger than self {tuple(input.shape)} "
            f"apart from dimension {axis}."
        )


def same_axes(input: Any, index: Any, operation: str) -> None:
    """Scalars count as vectors of one element; else index and input have as many axes."""
    if max(input.ndim, 1) != max(index.ndim, 1):
        raise RuntimeError(
            f"{operation}: Index tensor must have the same number of dimensions as input tensor."
            f"{describe((input, index), ('input', 'index'))}"
        )


@public("gather")
def gather(input: Any, dim: int, index: Any, *, sparse_grad: bool = False) -> Any:
    """Per position of `index`, the element of input that lies there along `dim`; index may be smaller elsewhere."""
    axis = one_axis(dim, input.ndim, "gather")
    n = input.shape[axis] if input.ndim else 1
    if 0 in index.shape:  # of nothing PyTorch asks neither how many axes nor which type
        none = getitem(reshape_to(input, shape=(-1,)), wrap(np.zeros(0, np.int64)), key=(Slot(0),))
        return reshape_to(none, shape=tuple(index.shape))
    index = valid_index(index, n, "gather")
    same_axes(input, index, "gather")
    if input.ndim == 0 or index.ndim == 0:
        flat = getitem(reshape_to(input, shape=(-1,)), reshape_to(index, shape=(-1,)), key=(Slot(0),))
        return reshape_to(flat, shape=tuple(index.shape))
    no_larger(input, index, axis, "gather")
    same = all(i == axis or n == m for i, (n, m) in enumerate(zip(input.shape, index.shape, strict=True)))
    return take_along(input if same else covered(input, tuple(index.shape), axis), index, axis=axis)


@public("index_select")
def index_select(input: Any, dim: int, index: Any) -> Any:
    """The slices along `dim` that the index names, in its order."""
    axis = one_axis(dim, input.ndim, "index_select")
    if index.ndim > 1:
        raise IndexError(f"index_select: Index is supposed to be a vector, got shape {tuple(index.shape)}.")
    flat = reshape_to(index, shape=(-1,))
    if input.ndim == 0:
        if flat.shape != (1,):
            raise RuntimeError("index_select: Index to scalar can have only 1 value.")
        return reshape_to(
            getitem(reshape_to(input, shape=(1,)), valid_index(flat, 1, "index_select", IndexError), key=(Slot(0),)),
            shape=(),
        )
    return getitem(input, valid_index(flat, input.shape[axis], "index_select", IndexError), key=along(axis))


@public("take")
def take(input: Any, index: Any) -> Any:
    """The elements of the flattened input at the places of the index, in its shape; -1 is the last."""
    flat = reshape_to(input, shape=(-1,))
    places = valid_index(index, flat.shape[0], "take", IndexError, negative=True)
    return reshape_to(getitem(flat, reshape_to(places, shape=(-1,)), key=(Slot(0),)), shape=tuple(index.shape))


@public("as_strided")
def as_strided(input: Any, size: Any, stride: Any, storage_offset: int | None = None) -> Any:
    """The elements of the input's memory at storage_offset + i stride[0] + j stride[1] + ..., in the shape `size`.

    A copy that refuses to be written, where PyTorch has a view: its elements may stand in several places.

    Raises:
        NotImplementedError: the memory's order is not the tensor's own, as after a transposition was computed with.
    """
    size, stride = tuple(size), tuple(stride)
    if len(size) != len(stride):
        raise RuntimeError(f"as_strided: mismatch in length of strides and shape: {len(stride)} and {len(size)}.")
    if any(n < 0 for n in (*size, *stride)):
        raise RuntimeError(f"as_strided: sizes and strides must not be negative, got {size} and {stride}.")
    base = input if input._view is None else input._view.base
    if mode.trace is not None:
        array = mode.trace.memory_of(base)
        if not array.flags.c_contiguous or _whole(array).size != array.size:
            raise TraceError(
                "as_strided: of memory of which the tensor is a part, or which it reads in another order, a trace sees "
                "only the tensor; pass the step its .contiguous()."
            )
    elif not base.requires_grad and isinstance(base._array, np.ndarray):
        base = wrap(_whole(base._array))
    if isinstance(base._array, np.ndarray) and (not base.is_contiguous() or base.storage_offset()):
        raise NotImplementedError(
            "as_strided: of a tensor whose elements don't lie in memory in its own order; take its .contiguous(). For "
            "windows use .unfold(dim, size, step), for diagonals .diagonal(), for every n-th element x[::n]."
        )
    if storage_offset is None:  # of what is no view 0, also during a trace
        storage_offset = 0 if input is base else input.storage_offset()
    places = np.full(size, storage_offset, np.int64)
    for axis, (n, step) in enumerate(zip(size, stride, strict=True)):
        places = places + (np.arange(n) * step).reshape(n, *(1,) * (len(size) - axis - 1))
    if places.size and not (places.min() >= 0 and places.max() < base.numel()):
        raise RuntimeError(
            f"as_strided: size {size}, stride {stride} and storage offset {int(places.flat[0])} lead out of bounds for "
            f"storage of {base.numel()} elements."
        )
    result: Tensor = take(base, wrap(places))
    if isinstance(result._array, np.ndarray):
        result._array.flags.writeable = False
        storage_of(result).frozen = True
    return result


def _whole(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array that lies in all of the memory of which this one may be a part."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array if array.flags.c_contiguous else array.T


def bool_mask(mask: Any, operation: str) -> Any:
    """The mask itself, refused if it isn't boolean."""
    if getattr(mask, "dtype", None) is None or mask.dtype.kind != "b":
        raise DtypeError(
            f"{operation}: expected a boolean mask, not {getattr(mask, 'dtype', type(mask).__name__)}; write a "
            "comparison, such as x != 0."
        )
    return mask


@public("masked_select")
def masked_select(input: Any, mask: Any) -> Any:
    """The elements where the mask holds, as a vector; both broadcast."""
    values, chosen = broadcast_tensors(input, bool_mask(mask, "masked_select"))
    places = np.flatnonzero(numbers_of(chosen, KEPT_SHAPE.format("masked_select(x, mask)")))
    return getitem(reshape_to(values, shape=(-1,)), wrap(places), key=(Slot(0),))


def in_turn(rows: Any, mask: Any) -> Any:
    """For each place of a mask a row: the first where it holds for the first time, the next where it holds next ..."""
    number = np.cumsum(reshape_to(mask, shape=(-1,)), axis=0) - 1
    return getitem(rows, np.clip(number, 0, rows.shape[0] - 1), key=(Slot(0),))


@public("nonzero")
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The places of the elements that are not 0: one per row, or as_tuple one tensor per axis. No gradient."""
    array = numbers_of(input, KEPT_SHAPE.format("nonzero(x)"))
    found = array.reshape(-1).nonzero() if array.ndim == 0 else array.nonzero()
    if as_tuple:
        return tuple(wrap(x) for x in found)
    return wrap(np.stack(found, 1) if array.ndim else np.zeros((len(found[0]), 0), np.int64))


@public("argwhere")
def argwhere(input: Tensor) -> Any:
    """The places of the elements that are not 0, one per row. No gradient."""
    return nonzero(input)


def one_hot(input: Tensor, num_classes: int = -1) -> Any:
    """Per label a row of zeros with a 1 at the label; -1 classes: as many as the largest label asks for."""
    if input.dtype != int64:
        raise RuntimeError(f"one_hot is only applicable to index tensor of type LongTensor, not {input.dtype}.")
    empty = input.numel() == 0
    if empty and num_classes <= 0:
        raise RuntimeError("one_hot: Can not infer total number of classes from empty tensor.")
    n = num_classes
    if n == -1:  # how many there are is known from the values alone
        n = max(int(numbers_of(input, "one_hot(labels, n) is told how many classes there are.").max()) + 1, 1)
    elif n < 1:
        raise RuntimeError(f"one_hot: num_classes should be positive, got {num_classes}.")
    labels = read(input)
    check(labels >= 0, "one_hot: Class values must be non-negative", RuntimeError, labels)
    check(labels < n, f"one_hot: Class values must be smaller than num_classes {n}", RuntimeError, labels)
    return wrap((labels[..., None] == np.arange(n)).astype(np.int64))


# --- NumPy's side


@answers(np.take)
def _np_take(a: Any, indices: Any, axis: int | None = None) -> Any:
    if axis is None:
        return take(a, indices)
    axis = one_axis(axis, a.ndim, "take")
    return getitem(a, indices, key=along(axis))


@answers(np.nonzero)
def _np_nonzero(a: Any) -> Any:
    return nonzero(a, as_tuple=True)


@answers(np.flatnonzero)
def _np_flatnonzero(a: Any) -> Any:
    return wrap(np.flatnonzero(numbers_of(a, KEPT_SHAPE.format("flatnonzero(x)"))))


@answers(np.argwhere)
def _np_argwhere(a: Any) -> Any:
    return nonzero(a)
