"""Max pooling: the largest element of each window, and where it lies.

Of several largest the first counts, row by row, and a NaN is larger than all numbers (of several
the last), as in PyTorch. The gradient of a window goes to the element that counts.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.errors import DtypeError, ShapeError
from ..core.primitive import Array, primitive
from . import by_hand
from .creation import zeros
from .gathering import valid_index
from .indexing import put_along, take_along
from .pooling_windows import (
    Plane,
    adaptive_plane,
    are_disjoint,
    are_tiles,
    check_input,
    each_position,
    flat_shape,
    is_regular,
    lengths_of,
    one_by_one,
    plane_of,
    reduce_windows,
    shifts,
    sizes_of,
    starts,
)
from .public import public
from .room import room, zeroed
from .scattering import place_along
from .shape import reshape_to


@primitive(
    types=None,
    opaque=True,
    dX=lambda dY, Y, X, *, plane: onto_largest(dY, X, plane=plane),  # type: ignore[has-type]
)
def max_pool(X: Array, *, plane: Plane) -> Array:
    """The largest element of each window of the last axes."""
    return reduce_windows(np.maximum, X, plane, _lowest(X.dtype))


max_pool.composition = by_hand.max_pool


def _lowest(dtype: Any) -> float:
    """What no number is below: what lies in the padding."""
    return -math.inf if dtype.kind == "f" else int(np.iinfo(dtype).min)


def _pick(dX: Array, X: Array, plane: Plane) -> Array:
    """The elements of dX where X is largest in its window."""
    places = largest_places(X, plane=plane)
    flat = take_along(np.reshape(dX, flat_shape(X, plane)), _flat(places, plane), axis=X.ndim - len(plane))
    return np.reshape(flat, places.shape)


def _flat(X: Array, plane: Plane) -> Array:
    return np.reshape(X, flat_shape(X, plane))


@primitive(
    types=None,
    opaque=True,
    dV=lambda dZ, Z, V, X, *, plane: _pick(dZ, X, plane),
    dX=lambda dZ, Z, V, X, *, plane: np.zeros_like(X),  # it only says where
)
def onto_largest(V: Array, X: Array, *, plane: Plane, out: Array = None) -> Array:
    """Zeros in the shape of X, with V added where X is largest in its window.

    It finds the maxima again rather than keep them, so that `relu_()` may overwrite them.
    """
    first, lengths = X.ndim - len(plane), lengths_of(X, plane)
    stages = [plane] if are_disjoint(plane) else one_by_one(lengths, plane)
    maxima = [X]
    for stage in stages if is_regular(plane) else ():
        maxima.append(max_pool.forward(maxima[-1], plane=stage))
    if not is_regular(plane) or np.isnan(maxima[-1]).any():
        places = _flat(largest_places.forward(X, plane=plane), plane)
        Z = room(X.shape, V.dtype, out)
        put_along.forward(_flat(V, plane), places, axis=first, shape=flat_shape(X, plane), out=_flat(Z, plane))
        return Z
    for stage, whole, largest in zip(stages[::-1], maxima[-2::-1], maxima[:0:-1], strict=True):
        V = _onto_first(V, whole, largest, stage, out if whole is X else None)
    return V


onto_largest.composition = by_hand.onto_largest


def _onto_first(V: Array, X: Array, Y: Array, plane: Plane, out: Array = None) -> Array:
    """Zeros in the shape of X, with V added at the first element of each window that equals Y.

    One multiplication per position. Of 64x6x28x28 floats in windows of 2x2 the whole rule takes 0.5 ms, by
    largest_places and np.add.at 1.6; windows that overlap are cheaper one axis after the other (3x3: 1.6 and 2.1 ms).
    """
    lengths, disjoint = lengths_of(X, plane), are_disjoint(plane)
    Z = (room if are_tiles(lengths, plane) else zeroed)(X.shape, V.dtype, out)
    # As integers times 0 or 1: inf * 0 would be NaN, and np.copyto(where=) takes 4 times as long
    bits = np.dtype(f"u{V.dtype.itemsize}")
    sent, left = V.view(bits), np.ones(Y.shape, np.bool_)  # left: the maximum has not been met yet
    steps = list(each_position(lengths, plane))
    for k, (outs, at) in enumerate(steps):
        hits = left[outs]
        if k < len(steps) - 1:  # what is left then is met at the last position
            hits = hits & (X[at] == Y[outs])
            left[outs] ^= hits
        if disjoint:
            np.multiply(sent[outs], hits, out=Z.view(bits)[at])
        else:
            Z[at] += np.multiply(sent[outs], hits).view(V.dtype)
    return Z


@primitive(types=None, opaque=True)
def largest_places(X: Array, *, plane: Plane) -> Array:
    """Where the largest element of each window lies, in the order of memory within the axes that are pooled."""
    Y = max_pool.forward(X, plane=plane)
    lengths = lengths_of(X, plane)
    steps = [math.prod(lengths[i + 1 :]) for i in range(len(lengths))]
    passed = shifts(lengths, plane)
    places = np.zeros(Y.shape, np.int64)
    left = np.ones(Y.shape, np.bool_)
    for k, (outs, at) in enumerate(each_position(lengths, plane)):
        if k:
            places += np.multiply(left, passed[k] - passed[k - 1])  # not met yet: one position further
        left[outs] &= X[at] != Y[outs]
    if X.dtype.kind == "f" and np.isnan(Y).any():
        for k, (outs, at) in enumerate(each_position(lengths, plane)):
            places[outs] = np.where(np.isnan(X[at]), passed[k], places[outs])
    for axis, (n, step, windows) in enumerate(zip(lengths, steps, plane, strict=True)):
        places += (starts(n, windows) * step).reshape((-1,) + (1,) * (len(plane) - 1 - axis))
    # Between two elements far apart a whole input can vanish: such a window has no place, any will do
    return places.clip(0, math.prod(lengths) - 1) if any(w[4] > 1 for w in plane) else places


def _max_pool(input: Any, dims: int, windows: tuple[Any, Any, Any, Any, bool], return_indices: bool) -> Any:
    operation = f"max_pool{dims}d"
    plane = plane_of(input, dims, windows, operation)
    return _largest(input, plane, return_indices, operation)


def _largest(input: Any, plane: Plane, return_indices: bool, operation: str) -> Any:
    if input.dtype.kind == "b":
        raise NotImplementedError(f"{operation}: not implemented for booleans; convert with .float() first.")
    Y = max_pool(input, plane=plane)
    return (Y, largest_places(input, plane=plane)) if return_indices else Y


# --- the public functions: torch.nn.functional's signatures; torch's own are without return_indices


@public("max_pool1d", as_method=False)
def _max_pool1d(
    input: Any, kernel_size: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Any:
    """The largest element of each window of the last axis; see nn.functional.max_pool1d."""
    return _max_pool(input, 1, (kernel_size, stride, padding, dilation, ceil_mode), False)


@public("max_pool1d_with_indices", as_method=False)
def max_pool1d_with_indices(
    input: Any, kernel_size: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Any:
    """The largest element of each window of the last axis, and where it lies."""
    return _max_pool(input, 1, (kernel_size, stride, padding, dilation, ceil_mode), True)


@public("max_pool2d", as_method=False)
def _max_pool2d(
    input: Any, kernel_size: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Any:
    """The largest element of each window of the last two axes; see nn.functional.max_pool2d."""
    return _max_pool(input, 2, (kernel_size, stride, padding, dilation, ceil_mode), False)


@public("max_pool3d", as_method=False)
def _max_pool3d(
    input: Any, kernel_size: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Any:
    """The largest element of each window of the last three axes; see nn.functional.max_pool3d."""
    return _max_pool(input, 3, (kernel_size, stride, padding, dilation, ceil_mode), False)


def max_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of the last axis: input (N, C, n) or (C, n).

    Args:
        stride: from one window to the next; default: kernel_size, so that they lie side by side.
        padding: elements added at both ends, which are never the largest.
        dilation: steps between neighbours in a window.
        ceil_mode: with a last window that reaches beyond the end, if elements are left over.
        return_indices: return also where the largest elements lie, as `max_unpool1d` takes it.
    """
    return _max_pool(input, 1, (kernel_size, stride, padding, dilation, ceil_mode), return_indices)


def max_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of the last two axes: input (N, C, h, w) or (C, h, w); see max_pool1d."""
    return _max_pool(input, 2, (kernel_size, stride, padding, dilation, ceil_mode), return_indices)


def max_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of the last three axes: input (N, C, d, h, w) or (C, d, h, w)."""
    return _max_pool(input, 3, (kernel_size, stride, padding, dilation, ceil_mode), return_indices)


def _adaptive_max_pool(input: Any, dims: int, output_size: Any, return_indices: bool) -> Any:
    operation = f"adaptive_max_pool{dims}d"
    if input.dtype.kind != "f":
        raise NotImplementedError(f"{operation}: not implemented for {input.dtype}; convert with .float() first.")
    return _largest(input, adaptive_plane(input, dims, output_size, operation), return_indices, operation)


@public("adaptive_max_pool1d", as_method=False)
def _adaptive_max_pool1d(input: Any, output_size: Any) -> Any:
    """The largest elements of windows that cover the last axis evenly, and where they lie."""
    return _adaptive_max_pool(input, 1, output_size, True)


def adaptive_max_pool1d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest elements of `output_size` windows that cover the last axis evenly: input (N, C, n) or (C, n)."""
    return _adaptive_max_pool(input, 1, output_size, return_indices)


def adaptive_max_pool2d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest elements of windows that cover the last two axes evenly, output_size (None: as the input) of them."""
    return _adaptive_max_pool(input, 2, output_size, return_indices)


def adaptive_max_pool3d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest elements of windows that cover the last three axes evenly, output_size of them."""
    return _adaptive_max_pool(input, 3, output_size, return_indices)


# --- the way back


def _max_unpool(
    input: Any, indices: Any, dims: int, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> Any:
    operation = f"max_unpool{dims}d"
    size = sizes_of(kernel_size, dims, "kernel_size", operation)
    step = size if stride is None else sizes_of(stride, dims, "stride", operation)
    before = sizes_of(padding, dims, "padding", operation)
    check_input(input, dims, operation)
    if tuple(indices.shape) != tuple(input.shape):
        raise ShapeError(
            f"{operation}: Expected shape of indices to be same as that of the input tensor ({tuple(input.shape)}) "
            f"but got indices tensor with shape: {tuple(indices.shape)}."
        )
    if indices.dtype != np.int64:
        raise DtypeError(f"{operation}: elements in indices should be type int64 but got: {indices.dtype}.")
    lengths = tuple((n - 1) * s + k - 2 * p for n, s, k, p in zip(input.shape[-dims:], step, size, before, strict=True))
    if output_size is not None:
        lengths = _chosen(tuple(output_size), lengths, step, operation)
    if min(lengths) < 0:
        raise ValueError(f"{operation}: output_size must contain non-negative spatial dimensions, but got {lengths}.")
    lead, count = tuple(input.shape[:-dims]), math.prod(lengths)
    flat, places = (reshape_to(x, shape=(*lead, math.prod(x.shape[-dims:]))) for x in (input, indices))
    valid_index(places, count, operation)
    empty = zeros(*lead, count, dtype=input.dtype)
    return reshape_to(place_along(empty, flat, places, axis=len(lead)), shape=(*lead, *lengths))


def _chosen(wanted: tuple[Any, ...], usual: tuple[int, ...], step: tuple[int, ...], operation: str) -> tuple[int, ...]:
    """The lengths that the user asks for, of which each is pooled to the input's."""
    dims = len(usual)
    if len(wanted) == dims + 2:
        wanted = wanted[2:]
    if len(wanted) != dims:
        raise ValueError(
            f"{operation}: output_size should be a sequence containing {dims} or {dims + 2} elements, but it has a "
            f"length of {len(wanted)}."
        )
    for axis, (n, m, s) in enumerate(zip(wanted, usual, step, strict=True)):
        if not m - s < n < m + s:
            raise ValueError(
                f"{operation}: invalid output_size {wanted} (dim {axis} must be between {m - s} and {m + s})."
            )
    return tuple(int(n) for n in wanted)


def max_unpool1d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """Zeros, with the input where `indices` of max_pool1d(..., return_indices=True) point to.

    Args:
        kernel_size, stride, padding: those of the pooling, from which the result's length follows.
        output_size: the length itself, where several are pooled to the input's.
    """
    return _max_unpool(input, indices, 1, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """Zeros, with the input where `indices` of max_pool2d(..., return_indices=True) point to; see max_unpool1d."""
    return _max_unpool(input, indices, 2, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """Zeros, with the input where `indices` of max_pool3d(..., return_indices=True) point to; see max_unpool1d."""
    return _max_unpool(input, indices, 3, kernel_size, stride, padding, output_size)
