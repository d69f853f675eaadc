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
from .room import room, zeroed

Ints = tuple[int, ...]

# OpenBLAS computes a product of up to 100**3 multiplications in the calling thread, without packing. Two threads
# would have to fetch what the other's core has just written: 16 samples of 64 to 64 channels, 3 x 3, 16 x 16, take
# 3.3 ms in products of that size and 18.7 in larger ones, in one thread 3.2 and 4.1.
TILE = 1_000_000
SHORT = 4000  # multiplications; smaller products cost more to call than to compute
BUFFER = 1 << 20  # bytes of columns at a time: what stays in a core's own cache
NARROW = 10  # positions of a row; at 12 and 14 there is nothing to gain
SEVERAL = 8  # samples
TOGETHER = 24  # samples at least; 64 to 64 channels, 8 x 8, take 4.3 ms so, 4.9 with 8 and 5.6 with 64 of them
FAST_BUFFER = 3 << 17  # bytes of their columns, from which they are not more than those
WASTE = 1.6  # what laying rows end to end (see Shifted) may multiply the positions by; at 1.4 it still halves the time


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

    def places(self, k: Ints, count: Ints) -> tuple[slice, ...]:
        """Where element k of each of `count` windows lies, in the elements that all of them reach."""
        return tuple(
            slice(d * i, d * i + s * (m - 1) + 1, s)
            for d, i, s, m in zip(self.dilation, k, self.stride, count, strict=True)
        )

    def with_samples(self) -> Grid:
        """The same where samples are one more axis of the image, the last, along which a window is 1 long."""
        return Grid((*self.stride, 1), (*self.before, 0), (*self.dilation, 1), self.groups)


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


def narrow(N: int, window: Ints, count: Ints, grid: Grid) -> bool:
    """Whether rows are too short to be copied and multiplied one by one, but not those of several samples together."""
    return (
        N >= SEVERAL
        and count[-1] <= NARROW
        and grid.dilation[0] == 1
        and math.prod(window[1:]) > 1  # else nothing would be copied
    )


def samples_last(X: Array, Y: Array, window: Ints) -> list[tuple[Array, Array]]:
    """A few samples at a time of X and Y, as views (channels, *image, samples).

    Laid out so, a row of all samples is one run of memory. 64 samples of 6 to 16 channels, 5 x 5, 14 x 14: the three
    products take 0.61, 0.47 and 0.70 of the time sample by sample; 64 to 64 channels, 3 x 3, 7 x 7: 0.77, 0.78, 0.59.
    """
    size = math.prod(X.shape[1:3]) * math.prod(window[1:]) * math.prod(Y.shape[3:])  # of a sample's columns
    parts = -(-len(X) // max(TOGETHER, FAST_BUFFER // (size * X.itemsize or 1)))
    cuts = [len(X) * k // parts for k in range(parts + 1)]
    return [(np.moveaxis(X[i:j], 0, -1), np.moveaxis(Y[i:j], 0, -1)) for i, j in itertools.pairwise(cuts)]


class Framed:
    """A few samples at a time, framed with zeros as far as windows reach; below are two ways of reading them.

    Args:
        X: (N, channels, *image).
        window, count: the shape of a window, and how many there are along each axis.
        size: elements per sample of what will be made of them, which BUFFER limits.
        beyond: elements after the last one of a sample that will be looked at, but not used.
    """

    def __init__(self, X: Array, window: Ints, count: Ints, grid: Grid, size: int, beyond: int = 0) -> None:
        self.groups, self.channels = grid.groups, X.shape[1] // grid.groups  # channels of a group
        self.reach = grid.reach(window, count)
        steps = strides_of(self.reach)
        self.window_steps = tuple(d * s for d, s in zip(grid.dilation, steps, strict=True))
        self.position_steps = tuple(n * s for n, s in zip(grid.stride, steps, strict=True))
        self.samples = max(1, min(X.shape[0], BUFFER // (size * X.itemsize)))
        self.length = math.prod(self.reach) + beyond
        self.image = np.zeros((self.samples, X.shape[1], self.length), X.dtype)
        self.framed, self.inside = overlap(grid.before, self.reach, X.shape[2:])

    def load(self, X: Array) -> None:
        """Take the next few samples, at most `samples`."""
        whole = self.image[: len(X), :, : math.prod(self.reach)].reshape(*X.shape[:2], *self.reach)
        whole[self.framed] = X[self.inside]

    def view(self, shape: Ints, steps: Ints) -> Array:
        """Into the framed images, axes (samples, groups, *shape); steps are in elements."""
        size = self.image.itemsize
        strides = (self.image.strides[0], self.channels * self.length * size, *(s * size for s in steps))
        return np.lib.stride_tricks.as_strided(self.image, (self.samples, self.groups, *shape), strides)


class Columns(Framed):
    """Windows copied into the columns of matrices (samples, groups, rows of the image, elements, positions).

    With `by_rows` there is a matrix per position along the first axis, and along that axis nothing is copied: windows
    are laid out as (first axis, rest of the window, channel, rest of the position), so that the elements of the
    next few rows of the image, which is what a window of so many rows sees, stand below one another already. A
    3 x 3 window then costs 3 copies of the image instead of 9: 32 samples of 32 to 32 channels, 32 x 32, take 6.7 ms
    instead of 11, of which 5.5 are the products. Without, there is one matrix per sample.
    """

    def __init__(self, X: Array, window: Ints, count: Ints, grid: Grid, by_rows: bool) -> None:
        rows = grid.reach(window, count)[0] if by_rows else window[0] * count[0]
        super().__init__(X, window, count, grid, X.shape[1] * rows * math.prod(window[1:]) * math.prod(count[1:]))
        self.window, self.count, self.step, self.by_rows = window, count, grid.stride[0], by_rows

    @staticmethod
    def rows_pay(count: Ints, grid: Grid, work: int) -> bool:
        """Whether rows stand below one another as windows see them, with enough work (per position) for each."""
        return len(count) > 1 and grid.dilation[0] == 1 and work * math.prod(count[1:]) >= SHORT

    @functools.cached_property
    def source(self) -> Array:
        """A view: (samples, groups, [first axis,] *window, channels, *positions)."""
        if not self.by_rows:
            shape = (*self.window, self.channels, *self.count)
            return self.view(shape, (*self.window_steps, self.length, *self.position_steps))
        first = math.prod(self.reach[1:])
        shape = (self.reach[0], *self.window[1:], self.channels, *self.count[1:])
        return self.view(shape, (first, *self.window_steps[1:], self.length, *self.position_steps[1:]))

    @functools.cached_property
    def buffer(self) -> Array:
        """Where they are copied."""
        return np.empty(self.source.shape, self.image.dtype)

    @functools.cached_property
    def stacked(self) -> Array:
        """The buffer as matrices, a view."""
        K = math.prod(self.window) * self.channels
        if not self.by_rows:
            return self.buffer.reshape(self.samples, self.groups, 1, K, -1)
        n, size = math.prod(self.count[1:]), self.image.itemsize
        row = K // self.window[0] * n  # elements per step along the first axis
        shape = (self.samples, self.groups, self.count[0], K, n)
        strides = (*self.buffer.strides[:2], self.step * row * size, n * size, size)
        return np.lib.stride_tricks.as_strided(self.buffer, shape, strides)

    def matrices(self, X: Array) -> Array:
        """Of the next few samples, in a buffer that the next call reuses."""
        self.load(X)
        self.buffer[: len(X)] = self.source[: len(X)]
        return self.stacked[: len(X)]


class Shifted(Framed):
    """Images as each element of the window sees them, without a copy, for stride 1.

    Rows of the framed image lie end to end, and what an element of the window sees is then the whole image shifted.
    Positions between two rows are there as well; the other factor of the product has zeros in their place. Tiles
    split the positions so that BLAS takes a product per tile.
    """

    def __init__(self, X: Array, window: Ints, count: Ints, grid: Grid, work: int) -> None:
        """`work`: multiplications per position and element of the window."""
        reach = grid.reach(window, count)
        self.lay = (count[0], *reach[1:])
        self.positions = math.prod(self.lay)
        self.tiles = -(-self.positions * work // TILE)
        self.tile = -(-self.positions // self.tiles)
        # the last tile, and positions between rows, look a little beyond the end of the image
        steps = strides_of(reach)
        within = sum(d * (k - 1) * s for d, k, s in zip(grid.dilation[1:], window[1:], steps[1:], strict=True))
        beyond = self.tile * self.tiles - self.positions + within
        super().__init__(X, window, count, grid, X.shape[1] * self.positions, beyond)
        shape = (self.tiles, *window, self.channels, self.tile)
        self.views = self.view(shape, (self.tile, *self.window_steps, self.length, 1))

    @staticmethod
    def serves(window: Ints, count: Ints, grid: Grid) -> bool:
        """Whether rows lie end to end, with few positions between them."""
        end_to_end = count[0] * math.prod(grid.reach(window, count)[1:])
        return all(s == 1 for s in grid.stride) and end_to_end <= WASTE * math.prod(count)


@primitive(
    name="im2col",
    types=None,
    opaque=True,
    dX=lambda dV, V, X, *, window, count, grid: scatter_windows(dV, shape=X.shape[2:], grid=grid),  # type: ignore[has-type]
)
def gather_windows(X: Array, *, window: Ints, count: Ints, grid: Grid, out: Array = None) -> Array:
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
    windows = np.lib.stride_tricks.as_strided(image, (*X.shape[:2], *window, *count), strides)
    V = room(windows.shape, X.dtype, out)
    np.copyto(V, windows)
    return V


@primitive(
    name="col2im",
    types=None,
    opaque=True,
    dV=lambda dX, X, V, *, shape, grid: gather_windows(
        dX, window=V.shape[2 : 2 + len(shape)], count=V.shape[2 + len(shape) :], grid=grid
    ),
)
def scatter_windows(V: Array, *, shape: Ints, grid: Grid, out: Array = None) -> Array:
    """X (N, C, *shape): windows V (N, C, *window, *count) added where they lie; what leaves X is dropped."""
    grid, n = Grid(*grid), len(shape)
    window, count = V.shape[2 : 2 + n], V.shape[2 + n :]
    reach = grid.reach(window, count)
    image = np.zeros((*V.shape[:2], *reach), V.dtype)
    for k in itertools.product(*map(range, window)):
        image[(..., *grid.places(k, count))] += V[(slice(None), slice(None), *k)]  # type: ignore[arg-type]  # an Ellipsis is an index
    framed, inside = overlap(grid.before, reach, shape)
    X = zeroed((*V.shape[:2], *shape), V.dtype, out)
    X[inside] = image[framed]
    return X
