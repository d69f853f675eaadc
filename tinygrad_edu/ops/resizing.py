"""Resizing: elements between those of the input, along one axis after the other; and channels laid out as pixels.

A new element is a weighted sum of a few old ones (1 nearest, 2 linear, 4 cubic), its taps. That is
linear, so `resample` and its transpose are each other's rule.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import ShapeError
from ..core.primitive import Array, primitive
from .averaging import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from .conversion import clone
from .public import public
from .shape import permute_axes, reshape_to

CUBIC = -0.75  # slope of the kernel at 1: Keys 1981, "Cubic convolution interpolation"; the value that PyTorch takes
MODES = {
    "nearest": (3, 4, 5),
    "nearest-exact": (3, 4, 5),
    "area": (3, 4, 5),
    "linear": (3,),
    "bilinear": (4,),
    "bicubic": (4,),
    "trilinear": (5,),
}
KERNEL = {"bilinear": "linear", "trilinear": "linear", "bicubic": "cubic"}


class Tap(NamedTuple):
    """Per new element: where one of the old that it is made of lies, and its weight (None: 1)."""

    places: np.ndarray[Any, Any]
    weights: np.ndarray[Any, Any] | None


@functools.lru_cache(maxsize=64)
def _taps(n: int, count: int, kernel: str, scale: float | None, align: bool, dtype: str) -> tuple[Tap, ...]:
    """How `count` elements are made of n, in PyTorch's own arithmetic, so that ties fall alike.

    Args:
        kernel: "nearest", "nearest-exact", "linear" or "cubic".
        scale: new elements per old one; None: count / n.
        align: whether the first and the last element keep their places; else the outer edges do.
    """
    new = np.arange(count)
    if kernel.startswith("nearest"):
        step = np.float32(1 / scale) if scale else np.float32(n) / np.float32(count)
        where = (new + np.float32(0.5 if kernel == "nearest-exact" else 0)).astype(np.float32) * step
        return (Tap(np.minimum(where.astype(np.int64), n - 1), None),)
    number = np.dtype(dtype).type
    if align:
        step = number(n - 1) / number(count - 1) if count > 1 else number(0)
        where = new.astype(dtype) * step
    else:
        step = number(1 / scale) if scale else number(n) / number(count)
        where = (new + number(0.5)).astype(dtype) * step - number(0.5)
    if kernel == "linear":
        if count == n:
            return (Tap(new, None),)
        where = np.maximum(where, number(0))
        low = np.minimum(where.astype(np.int64), n - 1)
        part = np.clip(where - low.astype(dtype), number(0), number(1))
        return Tap(low, 1 - part), Tap(np.minimum(low + 1, n - 1), part)
    low = np.floor(where).astype(np.int64)
    part = where - low.astype(dtype)
    weights = far(part + 1), near(part), near(1 - part), far(2 - part)
    return tuple(Tap(np.clip(low + k, 0, n - 1), w.astype(dtype)) for k, w in zip(range(-1, 3), weights, strict=True))


def near(x: Array) -> Array:
    """The cubic kernel at distances up to 1."""
    return ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1


def far(x: Array) -> Array:
    """The cubic kernel at distances from 1 to 2."""
    return ((CUBIC * x - 5 * CUBIC) * x + 8 * CUBIC) * x - 4 * CUBIC


def _lying(weights: np.ndarray[Any, Any], axis: int, ndim: int) -> np.ndarray[Any, Any]:
    return weights.reshape((-1,) + (1,) * (ndim - 1 - axis))


@primitive(
    name="interpolate",
    types=None,
    opaque=True,
    dX=lambda dY, Y, X, *, axis, count, kernel, scale, align: collect(  # type: ignore[has-type]
        dY, axis=axis, count=X.shape[axis], kernel=kernel, scale=scale, align=align
    ),
)
def resample(X: Array, *, axis: int, count: int, kernel: str, scale: float | None, align: bool) -> Array:
    """X with `count` elements along an axis, each of them the weighted sum of its taps."""
    Y = None
    for places, weights in _taps(X.shape[axis], count, kernel, scale, align, X.dtype.str):
        part = X.take(places, axis)
        if weights is not None:
            part = np.multiply(part, _lying(weights, axis, X.ndim), out=part)
        Y = part if Y is None else np.add(Y, part, out=Y)
    return Y


def _by_taps(X: Array, *, axis: int, count: int, kernel: str, scale: float | None, align: bool) -> Array:
    """The same as a sum: where the taps lie, and their weights, are constants."""
    taps = _taps(X.shape[axis], count, kernel, scale, align, X.dtype.str)
    parts = [np.take(X, places, axis=axis) if w is None else np.take(X, places, axis=axis) * _lying(w, axis, X.ndim)
             for places, w in taps]  # fmt: skip
    return functools.reduce(operator.add, parts)


resample.composition = _by_taps


@primitive(
    name="interpolate_backward",
    types=None,
    opaque=True,
    dV=lambda dX, X, V, *, axis, count, kernel, scale, align: resample(
        dX, axis=axis, count=V.shape[axis], kernel=kernel, scale=scale, align=align
    ),
)
def collect(V: Array, *, axis: int, count: int, kernel: str, scale: float | None, align: bool) -> Array:
    """The transpose of `resample`: each element of V, times its weights, added where its taps lie."""
    X = np.zeros((*V.shape[:axis], count, *V.shape[axis + 1 :]), V.dtype)
    front = (slice(None),) * axis
    for places, weights in _taps(count, V.shape[axis], kernel, scale, align, V.dtype.str):
        part = V if weights is None else V * _lying(weights, axis, V.ndim)
        for at, of in _lanes(places):
            X[(*front, at)] += part[(*front, of)] if isinstance(of, slice) else part.take(of, axis)
    return X


def _lanes(places: np.ndarray[Any, Any]) -> Iterator[tuple[Any, Any]]:
    """Places in order, apart so that none is met twice: pairs of places and of where in the list those are.

    Doubling a side makes two lanes, or three, and slices of most: a fifth of the time of np.add.reduceat.
    """
    first = np.flatnonzero(np.diff(places, prepend=-1))  # of each run of equal places
    lengths = np.diff(first, append=places.size)
    for k in range(int(lengths.max(initial=0))):
        having = first[lengths > k]
        yield _spaced(places[having]), _spaced(having + k)


def _spaced(index: np.ndarray[Any, Any]) -> Any:
    """The index as a slice, if it is one."""
    steps = np.diff(index)
    step = int(steps[0]) if steps.size else 1
    return slice(int(index[0]), int(index[-1]) + 1, step) if (steps == step).all() else index


def interpolate(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """The input (N, C, ...) with its last axes in other lengths, by `size` or by `scale_factor` (one of the two).

    Args:
        size, scale_factor: for all axes, or one per axis; a length is rounded down.
        mode: "nearest" (PyTorch's, which rounds places down), "nearest-exact", "area" (means of windows),
            "linear", "bilinear", "trilinear" (for 1, 2 and 3 axes), "bicubic".
        align_corners: True keeps the centres of the corner elements in place, False their outer edges.
        recompute_scale_factor: True takes places by the lengths as they were rounded, not by scale_factor.
        antialias: not available.
    """
    dims = input.ndim - 2
    _check_mode(input, mode, align_corners, antialias)
    lengths, scales = _lengths(input, dims, size, scale_factor)
    if recompute_scale_factor is not None and recompute_scale_factor and size is not None:
        raise ValueError("interpolate: recompute_scale_factor is not meaningful with an explicit size.")
    if recompute_scale_factor or scales is None:
        scales = (None,) * dims
    if mode == "area":
        return (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[dims - 1](input, lengths)
    if min(lengths) < 1 or 0 in input.shape[1:]:
        raise RuntimeError(
            f"interpolate: Input and output sizes should be greater than 0, but got input {tuple(input.shape[2:])} and "
            f"output {lengths}."
        )
    if not mode.startswith("nearest") and input.dtype.kind != "f":
        raise NotImplementedError(f"interpolate: {mode} is not implemented for {input.dtype}; convert with .float().")
    result = input
    align = bool(align_corners)
    kernel = KERNEL.get(mode, mode)
    for axis in range(input.ndim - 1, 1, -1):  # the last first: then the longer array is only made of whole rows
        n, count, scale = input.shape[axis], lengths[axis - 2], scales[axis - 2]
        if mode == "nearest" and dims == 2 and count in (n, 2 * n):
            scale = None  # PyTorch does so for images, not for sequences and volumes
        if count != n or (scale not in (None, 1.0) and not (align or kernel == "linear")):
            result = resample(result, axis=axis, count=count, kernel=kernel, scale=scale, align=align)
    return clone(result) if result is input else result


def _check_mode(input: Any, mode: str, align_corners: Any, antialias: bool) -> None:
    if (mode.startswith("nearest") or mode == "area") and align_corners is not None:
        raise ValueError(
            "interpolate: align_corners option can only be set with the interpolating modes: linear | bilinear | "
            "bicubic | trilinear."
        )
    if antialias:
        raise ValueError("interpolate: the anti-alias option is not available; smooth with avg_pool2d before.")
    if input.ndim not in MODES.get(mode, ()):
        wanted = f"needs {' or '.join(f'{n}D' for n in MODES[mode])} input" if mode in MODES else "is not a mode"
        raise NotImplementedError(
            f"interpolate: got {input.ndim}D input, but mode {mode!r} {wanted}; modes are {', '.join(MODES)}, and the "
            "input is (batch, channels, ...) with 1 to 3 axes more."
        )


def _lengths(input: Any, dims: int, size: Any, scale_factor: Any) -> tuple[tuple[int, ...], tuple[Any, ...] | None]:
    """The new lengths, and the scales if those were given."""
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: only one of size or scale_factor should be defined, and one must be.")
    given = size if size is not None else scale_factor
    each = tuple(given) if isinstance(given, (tuple, list)) else (given,) * dims
    if len(each) != dims:
        raise ValueError(
            f"interpolate: Input and {'size' if size is not None else 'scale_factor'} must have the same number of "
            f"spatial dimensions, but got input with {dims} and {each}. Please provide one number, or one per axis "
            "after (batch, channels)."
        )
    if size is not None:
        if not all(hasattr(n, "__index__") for n in each):
            raise TypeError(f"interpolate: expected size to be one of int or a tuple of int, got {size!r}.")
        return tuple(operator.index(n) for n in each), None
    return tuple(int(n * s) for n, s in zip(input.shape[2:], each, strict=True)), tuple(float(s) for s in each)


# --- channels as pixels, and among themselves


@public("pixel_shuffle", as_method=False)
def pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """(..., C r^2, h, w) -> (..., C, h r, w r): r^2 channels laid out as the r x r pixels of each place."""
    r = upscale_factor
    _check_image(input, "pixel_shuffle")
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}.")
    *lead, channels, height, width = input.shape
    if channels % (r * r):
        raise ShapeError(
            f"pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            f"but input.size(-3)={channels} is not divisible by {r * r}."
        )
    n = len(lead)
    parts = reshape_to(input, shape=(*lead, channels // (r * r), r, r, height, width))
    laid = permute_axes(parts, axes=(*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return clone(reshape_to(laid, shape=(*lead, channels // (r * r), height * r, width * r)))


@public("pixel_unshuffle", as_method=False)
def pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """(..., C, h r, w r) -> (..., C r^2, h, w): the inverse of pixel_shuffle."""
    r = downscale_factor
    _check_image(input, "pixel_unshuffle")
    if r <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}.")
    *lead, channels, height, width = input.shape
    for word, n in (("height", height), ("width", width)):
        if n % r:
            raise ShapeError(
                f"pixel_unshuffle expects {word} to be divisible by downscale_factor, but {n} is not by {r}."
            )
    n = len(lead)
    parts = reshape_to(input, shape=(*lead, channels, height // r, r, width // r, r))
    laid = permute_axes(parts, axes=(*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return clone(reshape_to(laid, shape=(*lead, channels * r * r, height // r, width // r)))


def _check_image(input: Any, operation: str) -> None:
    if input.ndim < 3:
        raise ShapeError(
            f"{operation} expects input to have at least 3 dimensions, (channels, height, width), but got input with "
            f"{input.ndim} dimension(s)."
        )


@public("channel_shuffle", "native_channel_shuffle", as_method=False)
def channel_shuffle(input: Any, groups: int) -> Any:
    """(N, C, ...) with the channels of `groups` groups dealt out in turn: the first of each, then the second ..."""
    if input.ndim <= 2:
        raise ShapeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}.")
    if groups <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups: {groups}.")
    batch, channels, *rest = input.shape
    if channels % groups:
        raise ShapeError(
            f"channel_shuffle: Number of channels must be divisible by groups. Got {channels} channels and {groups} "
            "groups."
        )
    parts = reshape_to(input, shape=(batch, groups, channels // groups, *rest))
    dealt = permute_axes(parts, axes=(0, 2, 1, *range(3, len(rest) + 3)))
    return clone(reshape_to(dealt, shape=tuple(input.shape)))
