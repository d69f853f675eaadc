"""The three products of a convolution: each the derivative of the other two.

A convolution layer correlates: it lays its window W over the image X and sums what it covers,

    Y[n, o, p] = sum over c, k of  X[n, c, s p + d k - before] W[o, c, k]

With a cotangent of Y for weights, sum(Y dY) is linear in each of X, W and dY. So its derivative by one is a product of
the other two, over the same pairs of indices, and there are three such products in all:

    Y = correlation(X, W)      X = transposed_correlation(Y, W)      W = kernel_correlation(X, Y)

Every rule below is one of them, which is why convolutions have derivatives of every order. Each takes the grid of
windows (columns.Grid) and, in `shape`, the last axes of its result: X (N, C, *image), W (O, C / groups, *window),
Y (N, O, *count). What lies outside of X is 0, so padding is nothing but windows that start `before` the image or end
beyond it.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from ..core.dtypes import equal
from ..core.primitive import Array, primitive
from . import by_hand
from .columns import Columns, Grid, Ints, Shifted, scatter_windows
from .reduction import sum_over
from .threads import shared_out, shares

MANY = 16  # remainders by the stride, each of which takes a correlation
FEW = 3  # channels of a group; with fewer, products of shifted images are mere products with vectors


@primitive(
    name="convolution",
    types=equal,
    opaque=True,
    dX=lambda dY, Y, X, W, b=None, *, grid, shape: transposed_correlation(dY, W, grid=grid, shape=X.shape[2:]),  # type: ignore[has-type]
    dW=lambda dY, Y, X, W, b=None, *, grid, shape: kernel_correlation(X, dY, grid=grid, shape=W.shape[2:]),  # type: ignore[has-type]
    db=lambda dY, Y, X, W, b, *, grid, shape: sum_over(dY, axis=(0, *range(2, dY.ndim)), keepdims=False),
)
def correlation(X: Array, W: Array, b: Array = None, *, grid: Grid, shape: Ints) -> Array:
    """Y[n, o, p] = sum over c, k of X[n, c, s p + d k - before] W[o, c, k], + b[o]."""
    Y = np.empty((X.shape[0], W.shape[0], *shape), X.dtype)
    _correlate(X, W, b, Grid(*grid), Y)
    return Y


correlation.composition = by_hand.correlation


@primitive(
    name="convolution",
    types=equal,
    opaque=True,
    dY=lambda dX, X, Y, W, b=None, *, grid, shape: correlation(dX, W, grid=grid, shape=Y.shape[2:]),
    dW=lambda dX, X, Y, W, b=None, *, grid, shape: kernel_correlation(dX, Y, grid=grid, shape=W.shape[2:]),  # type: ignore[has-type]
    db=lambda dX, X, Y, W, b, *, grid, shape: sum_over(dX, axis=(0, *range(2, dX.ndim)), keepdims=False),
)
def transposed_correlation(Y: Array, W: Array, b: Array = None, *, grid: Grid, shape: Ints) -> Array:
    """X[n, c, q] = sum over o, and k, p with s p + d k - before = q, of Y[n, o, p] W[o, c, k], + b[c].

    The q that leave the same remainder r by the stride see the same part of the window, so each such part of
    X is an ordinary correlation, of stride 1, with that part of W mirrored: s of them along an axis. For 32 samples
    of 64 channels, 16 x 16, stride 2, a 3 x 3 window takes 10 ms so, and 21 by adding W.T @ Y back one element of the
    window at a time; a 4 x 4 one 24 and 27. For patches of 16 x 16 with stride 16 it is 46 and 8.
    """
    stride, before, dilation, groups = grid
    O, C, *window = W.shape
    V = W.reshape(groups, O // groups, C, *window)
    if math.prod(stride) > MANY and V.size:
        count = Y.shape[2:]
        windows = V.reshape(groups, O // groups, -1).mT @ Y.reshape(-1, groups, O // groups, math.prod(count))
        X = scatter_windows.forward(windows.reshape(-1, groups * C, *window, *count), shape=shape, grid=grid)
        return X if b is None else X + np.reshape(b, (-1,) + (1,) * len(window))
    X = np.empty((Y.shape[0], C * groups, *shape), Y.dtype)
    V = np.reshape(np.swapaxes(V, 1, 2), (groups * C, O // groups, *window))  # seen from X: (C, O / groups, *window)
    axes = [_residues(*axis) for axis in zip(stride, before, dilation, window, shape, strict=True)]
    for parts in itertools.product(*axes):
        places, taken, starts, steps = zip(*parts, strict=True)
        part = Grid((1,) * len(shape), starts, steps, groups)
        _correlate(Y, V[(..., *taken)], b, part, X[(..., *places)])
    return X


transposed_correlation.composition = by_hand.transposed_correlation


def _residues(s: int, before: int, d: int, k: int, n: int) -> list[tuple[slice, slice, int, int]]:
    """Per remainder r of positions by s: those positions, their part of the window mirrored, where it starts, its step.

    Elements j of the window with d j = r + before (mod s) are s / gcd apart, and reach d / gcd positions of Y.
    """
    gcd = math.gcd(s, d)
    parts = []
    for r in range(min(s, n)):
        own = [j for j in range(k) if (d * j - r - before) % s == 0]
        if not own:
            parts.append((slice(r, None, s), slice(0, 0), 0, 1))
            continue
        ahead = d // gcd * (len(own) - 1) - (r + before - d * own[0]) // s
        mirrored = slice(own[-1], own[0] - 1 if own[0] else None, -(s // gcd))
        parts.append((slice(r, None, s), mirrored, ahead, d // gcd))
    return parts


@primitive(
    name="convolution",
    types=equal,
    opaque=True,
    dX=lambda dW, W, X, Y, *, grid, shape: transposed_correlation(Y, dW, grid=grid, shape=X.shape[2:]),
    dY=lambda dW, W, X, Y, *, grid, shape: correlation(X, dW, grid=grid, shape=Y.shape[2:]),
)
def kernel_correlation(X: Array, Y: Array, *, grid: Grid, shape: Ints) -> Array:
    """W[o, c, k] = sum over n, p of X[n, c, s p + d k - before] Y[n, o, p]."""
    grid = Grid(*grid)
    N, C, O = X.shape[0], X.shape[1] // grid.groups, Y.shape[1] // grid.groups
    if not (X.size and Y.size and math.prod(shape)):
        return np.zeros((Y.shape[1], C, *shape), X.dtype)
    own = shares(N, Y.size * C * math.prod(shape))
    sums = np.zeros((len(own), grid.groups, O, C, *shape), X.dtype)
    shared_out(lambda k: _sum_kernels(X[own[k]], Y[own[k]], grid, sums[k]), len(own))
    return np.reshape(np.add.reduce(sums, axis=0), (Y.shape[1], C, *shape))


def _sum_kernels(X: Array, Y: Array, grid: Grid, W: Array) -> None:
    """Store the correlation of X and Y in W, (groups, O, C, *window)."""
    window, count, N, (groups, O, C) = W.shape[3:], Y.shape[2:], X.shape[0], W.shape[:3]
    if C >= FEW and Shifted.serves(window, count, grid):
        # Nothing is copied: 7.3 ms for 32 to 32 channels, 3 x 3, 32 x 32, 32 samples, by columns 13.
        images = Shifted(X, window, count, grid, O * C)
        spread = np.zeros((images.samples, groups * O, images.tiles * images.tile), X.dtype)
        kept = spread[:, :, : images.positions].reshape(*spread.shape[:2], *images.lay)
        kept = kept[(slice(None), slice(None), *map(slice, count))]
        left = spread.reshape(images.samples, groups, O, images.tiles, *(1,) * len(window), images.tile)
        left = np.moveaxis(left, 2, -2)  # (samples, groups, tiles, 1, ..., O, tile)
        total = np.zeros((groups, *window, O, C), X.dtype)
        for n in range(0, N, images.samples):
            m = min(images.samples, N - n)
            images.load(X[n : n + m])
            kept[:m] = Y[n : n + m]
            total += np.add.reduce(left[:m] @ images.views[:m], axis=(0, 2))
        W[...] = np.moveaxis(total, (-2, -1), (1, 2))
        return
    columns = Columns(X, window, count, grid, by_rows=False)
    sums = np.zeros((groups, O, math.prod(window) * C), X.dtype)
    for n in range(0, N, columns.samples):
        left = Y[n : n + columns.samples].reshape(-1, groups, O, math.prod(count))
        right = columns.matrices(X[n : n + columns.samples])[:, :, 0]  # (m, groups, K, positions)
        sums += np.add.reduce(left @ right.mT, axis=0)
    W[...] = np.moveaxis(sums.reshape(groups, O, *window, C), -1, 2)


kernel_correlation.composition = by_hand.kernel_correlation


def _correlate(X: Array, W: Array, b: Array | None, grid: Grid, Y: Array) -> None:
    """Store the correlation of X and W, + b, in Y, whose memory may have any strides."""
    window, groups = W.shape[2:], grid.groups
    O, C = W.shape[0] // groups, W.shape[1]
    bias = None if b is None else np.reshape(b, (-1,) + (1,) * len(window))
    if not (math.prod(W.shape[1:]) and Y.size):
        Y[...] = 0 if bias is None else bias
        return
    left = np.moveaxis(W.reshape(groups, O, C, *window), 2, -1)  # as columns have it: channels last
    left = np.ascontiguousarray(left.reshape(groups, 1, O, -1))  # BLAS takes no mirrored ones
    own = shares(len(X), Y.size * math.prod(W.shape[1:]))
    shared_out(lambda k: _multiply(left, X[own[k]], bias, window, grid, Y[own[k]]), len(own))


def _multiply(left: Array, X: Array, bias: Array | None, window: Ints, grid: Grid, Y: Array) -> None:
    """Store the products of the kernels `left` (groups, 1, O, elements) and X's windows, + bias, in Y."""
    groups, count, O = grid.groups, Y.shape[2:], left.shape[2]
    columns = Columns(X, window, count, grid, Columns.rows_pay(count, grid, O * left.shape[-1]))
    direct = Y.flags.c_contiguous  # BLAS can store it there
    room = Y if direct else np.empty((columns.samples, *Y.shape[1:]), Y.dtype)
    for n in range(0, len(X), columns.samples):
        right = columns.matrices(X[n : n + columns.samples])  # (m, groups, rows, K, positions)
        m, _, rows, _, positions = right.shape
        result = room[n : n + m] if direct else room[:m]
        np.matmul(left, right, out=np.swapaxes(result.reshape(m, groups, O, rows, positions), 2, 3))
        if bias is not None:
            result += bias
        if not direct:
            Y[n : n + m] = result
