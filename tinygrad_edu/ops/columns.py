"""Windows of images laid out as the columns of matrices, so that BLAS does the work of a convolution.

A window of k elements, d apart, starts every s elements; the first one starts `before` elements ahead of the
image, and what a window sees beyond the image is 0:

    windows[k, p] = image[s p + d k - before]          per axis

`gather_windows` takes them out and `scatter_windows` adds them back: each is the other's rule.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any, NamedTuple

import numpy as np

from ..core.primitive import Array, primitive

Ints = tuple[int, ...]

# OpenBLAS computes a product of up to 100**3 multiplications in the calling thread, without packing. Two threads
# would have to fetch columns that the other's core has just written: 16 to 32 channels, 3 x 3, 32 x 32, 32 samples
# take 4.2 ms in tiles of that size and 9.0 in one product per sample, in one thread 4.1 and 4.5.
TILE = 1_000_000
NARROW = 48  # positions; in tiles narrower than this the product itself gets slow
BUFFER = 3 << 19  # bytes of columns at a time: what stays in a core's own cache
WASTE = 1.6  # laying rows out end to end (see Columns) multiplies the positions by this at most


class Grid(NamedTuple):
    """Where windows lie, per axis of the image."""

    stride: Ints  # s, from one window to the next
    before: Ints  # how far ahead of the image the first one starts
    dilation: Ints  # d, from one element of a window to the next
    groups: int = 1  # channels (and filters) are split into this many independent parts

    def reach(self, window: Ints, count: Ints) -> Ints:
        """How many elements along each axis `count` windows see."""
        return tuple(
            s * (n - 1) + d * (k - 1) + 1 for s, d, k, n in zip(self.stride, self.dilation, window, count, strict=True)
        )

    def fitting(self, image: Ints, window: Ints, after: Ints) -> Ints:
        """How many windows fit into an image with so many zeros after it."""
        return tuple(
            (n + b + a - d * (k - 1) - 1) // s + 1
            for n, b, a, d, k, s in zip(image, self.before, after, self.dilation, window, self.stride, strict=True)
        )


def overlap(before: Ints, reach: Ints, image: Ints) -> tuple[Any, Any]:
    """Indices of what the windows see of the image: in an array of length `reach`, and in the image."""
    framed, inside = [], []
    for b, r, n in zip(before, reach, image, strict=True):
        first, last = max(-b, 0), max(min(n, r - b), 0)
        framed.append(slice(min(first + b, r), max(last + b, first + b)))
        inside.append(slice(first, max(last, first)))
    return (..., *framed), (..., *inside)


def strides_of(shape: Ints) -> Ints:
    """Steps between neighbours, in elements, of an array laid out in the order of its indices."""
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


class Columns:
    """The windows of a few samples at a time, (samples, tiles, groups, elements of a window, positions).

    With stride 1 rows of the framed image are laid end to end, and a column's row is then the whole image
    shifted: one long copy instead of one per row of the image. Positions that lie between two rows come out as
    well, and are cut off (`cut`). Tiles split the positions so that BLAS takes a product per tile.

    Args:
        channels, image, dtype: of one sample, (channels, *image).
        window, count: the shape of a window, and how many there are along each axis.
        work: multiplications per position and group of the products to be made.
        N: how many samples there are.
        shifts: the products will be of shifted images, if that can be, and not of copied columns.
    """

    def __init__(
        self,
        channels: int,
        image: Ints,
        dtype: Any,
        window: Ints,
        count: Ints,
        grid: Grid,
        work: int,
        N: int,
        shifts: bool = False,
    ) -> None:
        stride, before, dilation, groups = grid
        self.channels, self.groups, self.window, self.count = channels, groups, window, count
        self.reach = reach = Grid(*grid).reach(window, count)
        steps = strides_of(reach)
        end_to_end = (count[0], *reach[1:])  # positions as they lie in the framed image
        self.flat = all(s == 1 for s in stride) and math.prod(end_to_end) <= WASTE * math.prod(count)
        self.lay = end_to_end if self.flat else count
        self.positions = math.prod(self.lay)
        self.tile, self.tiles = self.positions, 1
        if self.flat and self.positions * work > TILE and TILE // work >= NARROW:
            self.tiles = -(-self.positions * work // TILE)
            self.tile = -(-self.positions // self.tiles)
        # the last tile, and positions between rows, look a little beyond the end of the image
        beyond = sum(d * (k - 1) * s for d, k, s in zip(dilation, window, steps, strict=True))
        self.length = max(self.tile * self.tiles + beyond if self.flat else 0, math.prod(reach))
        self.window_steps = tuple(d * s for d, s in zip(dilation, steps, strict=True))
        self.position_steps = tuple(s * step for s, step in zip(stride, steps, strict=True))
        self.shifts = self.flat and shifts
        size = channels * (1 if self.shifts else math.prod(window)) * self.tile * dtype.itemsize  # bytes of a tile
        self.samples = max(1, min(N, BUFFER // (size * self.tiles)))
        self.together = max(1, min(self.tiles, BUFFER // size))  # tiles at a time
        self.framed, self.inside = overlap(before, reach, image)
        self.image = np.zeros((self.samples, channels, self.length), dtype)

    def load(self, X: Array) -> None:
        """Frame the next few samples with zeros."""
        whole = self.image[: len(X), :, : math.prod(self.reach)].reshape(len(X), self.channels, *self.reach)
        whole[self.framed] = X[self.inside]

    def view(self, shape: Ints, steps: Ints) -> Array:
        """Into the framed images, axes (samples, *shape); steps are in elements."""
        size = self.image.itemsize
        strides = (self.image.strides[0], *(s * size for s in steps))
        return np.lib.stride_tricks.as_strided(self.image, (self.samples, *shape), strides)

    @functools.cached_property
    def windows(self) -> Array:
        """A view: (samples, tiles, channels, *window, positions of a tile)."""
        if self.flat:
            shape: Ints = (self.tiles, self.channels, *self.window, self.tile)
            return self.view(shape, (self.tile, self.length, *self.window_steps, 1))
        shape = (1, self.channels, *self.window, *self.count)
        return self.view(shape, (0, self.length, *self.window_steps, *self.position_steps))

    @functools.cached_property
    def buffer(self) -> Array:
        """Where the windows are laid out."""
        return np.empty((self.samples, self.together, *self.windows.shape[2:]), self.image.dtype)

    def matrices(self, m: int, first: int, last: int) -> Array:
        """The columns of tiles first .. last - 1 of the m samples loaded, in a buffer that the next call reuses."""
        columns = windows = self.windows[:m, first:last]
        if not self.flat or math.prod(self.window) > 1:  # else the image itself is the matrix
            columns = self.buffer[:m, : last - first]
            columns[...] = windows
        return columns.reshape(m, last - first, self.groups, -1, self.tile)

    @functools.cached_property
    def shifted(self) -> Array:
        """Images as each element of the window sees them, a view: (samples, tiles, groups, *window, tile, channels)."""
        C = self.channels // self.groups
        shape = (self.tiles, self.groups, *self.window, self.tile, C)
        return self.view(shape, (self.tile, C * self.length, *self.window_steps, 1, self.length))

    def room(self, channels: int, dtype: Any) -> Array:
        """Zeros for values at all positions of the samples: (samples, channels, tiles * tile)."""
        return np.zeros((self.samples, channels, self.tiles * self.tile), dtype)

    def tiled(self, values: Array) -> Array:
        """Those values as matrices: (samples, tiles, groups, channels of a group, tile)."""
        m, channels, _ = values.shape
        shape = (m, self.groups, channels // self.groups, self.tiles, self.tile)
        return np.transpose(values.reshape(shape), (0, 3, 1, 2, 4))

    def cut(self, values: Array) -> Array:
        """A view of those values without the positions that lie between rows: (samples, channels, *count)."""
        kept = values[:, :, : self.positions].reshape(*values.shape[:2], *self.lay)
        return kept[(..., *(slice(n) for n in self.count))]


@primitive(
    name="im2col",
    types=None,
    opaque=True,
    dX=lambda dV, V, X, *, window, count, grid: scatter_windows(dV, shape=X.shape[2:], grid=grid),  # type: ignore[has-type]
)
def gather_windows(X: Array, *, window: Ints, count: Ints, grid: Grid) -> Array:
    """V (N, C, *window, *count): the windows of X (N, C, *image), zeros where they leave it."""
    stride, before, dilation, _ = grid
    reach = Grid(*grid).reach(window, count)
    framed, inside = overlap(before, reach, X.shape[2:])
    image = np.zeros((*X.shape[:2], *reach), X.dtype)
    image[framed] = X[inside]
    steps = image.strides[2:]
    strides = (
        *image.strides[:2],
        *(d * s for d, s in zip(dilation, steps, strict=True)),
        *(n * s for n, s in zip(stride, steps, strict=True)),
    )
    return np.lib.stride_tricks.as_strided(image, (*X.shape[:2], *window, *count), strides).copy()


@primitive(
    name="col2im",
    types=None,
    opaque=True,
    dV=lambda dX, X, V, *, shape, grid: gather_windows(
        dX, window=V.shape[2 : 2 + len(shape)], count=V.shape[2 + len(shape) :], grid=grid
    ),
)
def scatter_windows(V: Array, *, shape: Ints, grid: Grid) -> Array:
    """X (N, C, *shape): windows V (N, C, *window, *count) added where they lie; what leaves X is dropped."""
    stride, before, dilation, _ = grid
    n = len(shape)
    window, count = V.shape[2 : 2 + n], V.shape[2 + n :]
    reach = Grid(*grid).reach(window, count)
    image = np.zeros((*V.shape[:2], *reach), V.dtype)
    for k in itertools.product(*map(range, window)):
        place = tuple(
            slice(d * i, d * i + s * (m - 1) + 1, s) for d, i, s, m in zip(dilation, k, stride, count, strict=True)
        )
        image[(..., *place)] += V[(slice(None), slice(None), *k)]  # type: ignore[arg-type]  # an Ellipsis is an index
    framed, inside = overlap(before, reach, shape)
    X = np.zeros((*V.shape[:2], *shape), V.dtype)
    X[inside] = image[framed]
    return X
