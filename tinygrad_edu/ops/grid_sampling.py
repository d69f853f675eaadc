"""Images read at places of one's own: grid_sample, and the places of an affine map, affine_grid.

A place is (x, y), or (x, y, z) in volumes, from -1 to 1 over width, height and depth. Its value is the
weighted sum of the elements around it, so it is differentiable by the image and by the place: all is
arithmetic on the places, and rows picked from a table of the image's elements (embedding.embed).
"""

from __future__ import annotations

import itertools
import math
import operator
import warnings
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

from ..core.dtypes import int64
from ..core.errors import DtypeError, ShapeError
from .choices import choose, clamp_between, zero_where
from .conversion import astype
from .creation import arange
from .elementwise import absolute, fmod
from .embedding import embed
from .grids import linspace
from .joining import stack
from .resizing import far, near
from .rounding import floor, rint
from .shape import broadcast_to, permute_axes, reshape_to
from .slicing import unbind

LARGEST = 2**31 - 2  # beyond it, and where a place is NaN, PyTorch reads at -100, outside of every image
OUTSIDE = -100.0
Place = Callable[[Any, int], Any]  # a coordinate, and the number of elements along its axis


# In ms, one thread, affine_grid and this, forward and backward, beside PyTorch 2.13 eager: images (16, 3, 32, 32)
# 6.1 and 0.8, (8, 32, 28, 28) 6.2 and 1.6. Its loop visits a place once, here each corner is a pass of rows.
def grid_sample(
    input: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Any:
    """The input (N, C, H, W) at the places of grid (N, h, w, 2): (N, C, h, w). Volumes have one axis more.

    Args:
        grid: (x, y) of each place, (x, y, z) in volumes; -1 and 1 are the ends of an axis.
        mode: "bilinear" (of volumes: trilinear), "nearest", which has gradient 0 by the places, or "bicubic", of
            images only.
        padding_mode: what lies outside: "zeros", "border" (the nearest element), "reflection" (mirrored at the ends).
        align_corners: whether -1 and 1 are the centres of the outer elements (True) or their outer edges.
    Raises:
        ShapeError: grid does not fit input.
        ValueError: mode or padding_mode is none of these.
    """
    align = _asked_for(align_corners, "grid_sample")
    _check_images(input, grid, mode, padding_mode)
    batch, channels, *lengths = input.shape
    dims = len(lengths)
    count = math.prod(grid.shape[1:-1])
    # one row of all channels per element: (N H W, C)
    size = math.prod(lengths)
    rows = reshape_to(permute_axes(input, axes=(0, *range(2, dims + 2), 1)), shape=(batch * size, channels))
    first = arange(batch)[:, None] * size  # each image's first row
    parts = unbind(reshape_to(grid, shape=(batch, count, dims)), -1)[::-1]  # along the image's axes: y before x
    places = [_scaled(p, n, align) for p, n in zip(parts, lengths, strict=True)]
    into: Place = {"zeros": _anywhere, "border": _bordered, "reflection": _mirrored(align)}[padding_mode]

    def at(coordinates: Sequence[Any]) -> Any:
        """The rows (N count, C) at whole coordinates, zeros where those lie outside."""
        inside, index = [], first
        for p, n in zip(coordinates, lengths, strict=True):
            inside.append((p >= 0) & (p <= n - 1))
            index = index + _row(p, n) * math.prod(lengths[len(inside) :])
        outside = ~reduce(operator.and_, inside)
        picked = embed(rows, reshape_to(index, shape=(-1,)))
        return zero_where(reshape_to(outside, shape=(-1, 1)), picked)

    if mode == "nearest":
        places = [rint(into(p, n)) for p, n in zip(places, lengths, strict=True)]
        result: Any = at([_known(p) for p in places])
        for p in places:  # in sum 0, with the gradient 0 that the places have
            result = result + reshape_to(zero_where(True, p), shape=(-1, 1))
    else:
        taps = _four if mode == "bicubic" else _two
        if taps is _two:
            places = [_known(into(p, n)) for p, n in zip(places, lengths, strict=True)]
        result = None
        for corner in itertools.product(*(taps(p) for p in places)):
            whole, weights = zip(*corner, strict=True)
            if taps is _four:
                whole = tuple(_known(into(p, n)) for p, n in zip(whole, lengths, strict=True))
            part = at(whole) * reshape_to(reduce(operator.mul, weights), shape=(-1, 1))
            result = part if result is None else result + part
    shaped = reshape_to(result, shape=(batch, *grid.shape[1:-1], channels))
    return permute_axes(shaped, axes=(0, dims + 1, *range(1, dims + 1))).contiguous()


# --- coordinates: where a place lies among the elements 0 to n - 1 of an axis


def _scaled(place: Any, n: int, align: bool) -> Any:
    return (place + 1) * ((n - 1) / 2) if align else (place + 1) * (n / 2) - 0.5


def _anywhere(p: Any, n: int) -> Any:
    return p


def _bordered(p: Any, n: int) -> Any:
    """Within the axis; beyond it, and at its ends too, the gradient is 0 as in PyTorch."""
    return choose((p > 0) & (p < n - 1), p, clamp_between(p.detach(), 0, n - 1))


def _mirrored(align: bool) -> Place:
    low, margin = (0.0, 1) if align else (-0.5, 0)  # mirrors stand at the outer centres, or at the outer edges

    def mirrored(p: Any, n: int) -> Any:
        span = n - margin
        if span == 0:
            return zero_where(True, p)
        distance = choose(p < low, low - p, p - low)
        rest = fmod(distance, span)
        turned = fmod(floor(distance / span), 2) == 1  # after an odd number of mirrors the axis runs backwards
        return _bordered(choose(turned, span - rest, rest) + low, n)

    return mirrored


def _known(p: Any) -> Any:
    return choose(absolute(p) <= LARGEST, p, OUTSIDE)


def _row(p: Any, n: int) -> Any:
    return astype(clamp_between(p.detach(), 0, n - 1), dtype=int64)


def _two(p: Any) -> list[tuple[Any, Any]]:
    """The elements on both sides of p, with their weights."""
    low = floor(p)
    return [(low, low + 1 - p), (low + 1, p - low)]


def _four(p: Any) -> list[tuple[Any, Any]]:
    """Two elements on both sides of p, with their weights."""
    low = floor(p)
    part = p - low
    weights = far(part + 1), near(part), near(1 - part), far(2 - part)
    return [(low + k, w) for k, w in zip(range(-1, 3), weights, strict=True)]


# --- the places of an affine map


def affine_grid(theta: Any, size: Any, align_corners: bool | None = None) -> Any:
    """The places that affine maps theta (N, 2, 3) give the elements of images of a size: a grid for grid_sample.

    Args:
        theta: per image a matrix that (x, y, 1) is multiplied by; (N, 3, 4) for volumes.
        size: (N, C, H, W) or (N, C, D, H, W) of what grid_sample shall return.
        align_corners: as grid_sample will be called.
    Returns:
        (N, H, W, 2) or (N, D, H, W, 3).
    Raises:
        ValueError: theta does not fit size.
    """
    align = _asked_for(align_corners, "affine_grid")
    size = tuple(int(n) for n in size)
    if theta.dtype.kind != "f":
        raise DtypeError(f"affine_grid: Expected theta to have floating point type, but got {theta.dtype}.")
    if len(size) not in (4, 5):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size "
            f"{size}."
        )
    batch, _, *lengths = size
    dims = len(lengths)
    if theta.ndim != 3 or tuple(theta.shape[1:]) != (dims, dims + 1):
        raise ValueError(
            f"affine_grid: Expected a batch of {dims}D affine matrices of shape Nx{dims}x{dims + 1} for size {size}. "
            f"Got {tuple(theta.shape)}."
        )
    if min(size) <= 0:
        raise ValueError(f"affine_grid: Expected non-zero, positive output size. Got {size}.")
    if theta.shape[0] != batch:
        raise ShapeError(f"affine_grid: theta {tuple(theta.shape)} has {theta.shape[0]} maps for {batch} images.")
    axes = []
    for k, n in enumerate(lengths):
        along = linspace(-1, 1, n, dtype=theta.dtype) if n > 1 else theta.new_zeros(1)
        if not align:
            along = along * (n - 1) / n  # the centres of the outer elements lie within
        axes.append(along.reshape((1,) * k + (n,) + (1,) * (dims - 1 - k)))
    ends = [broadcast_to(a, shape=tuple(lengths)) for a in axes[::-1]]  # x, which lies along the last axis, first
    base = stack([*ends, theta.new_ones(*lengths)], dim=-1)
    grid = reshape_to(base, shape=(1, -1, dims + 1)) @ theta.mT  # (N, H W, 2)
    return reshape_to(grid, shape=(batch, *lengths, dims))


# --- checks


def _asked_for(align_corners: bool | None, operation: str) -> bool:
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please "
            f"specify align_corners=True if the old behavior is desired. See the documentation of {operation} for "
            "details.",
            stacklevel=3,
        )
    return bool(align_corners)


def _check_images(input: Any, grid: Any, mode: str, padding_mode: str) -> None:
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(f"grid_sample: expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: {mode!r}")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            f"grid_sample: expected padding_mode to be 'zeros', 'border', or 'reflection', but got: {padding_mode!r}"
        )
    shapes = f"input has shape {tuple(input.shape)}, grid {tuple(grid.shape)}."
    if input.ndim not in (4, 5) or grid.ndim != input.ndim:
        raise ShapeError(
            f"grid_sample: expected 4D or 5D input and grid with same number of dimensions, but {shapes} The input is "
            "(N, C, H, W), the grid (N, h, w, 2)."
        )
    dims = input.ndim - 2
    if input.shape[0] != grid.shape[0]:
        raise ShapeError(f"grid_sample: expected grid and input to have same batch size, but {shapes}")
    if grid.shape[-1] != dims:
        raise ShapeError(f"grid_sample: expected grid to have size {dims} in last dimension, but {shapes}")
    if 0 in input.shape[2:]:
        raise ShapeError(f"grid_sample: expected input to have non-empty spatial dimensions, but {shapes}")
    if mode == "bicubic" and dims != 2:
        raise ShapeError(f"grid_sample: bicubic interpolation only supports 4D input, but {shapes}")
    if input.dtype.kind != "f":
        raise NotImplementedError(f"grid_sample is not implemented for {input.dtype}; convert with .float().")
    if input.dtype != grid.dtype:
        raise DtypeError(f"grid_sample: input is {input.dtype}, grid {grid.dtype}; convert one of them.")
