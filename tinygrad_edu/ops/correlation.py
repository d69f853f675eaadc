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
from typing import Any

import numpy as np

from ..core.dtypes import equal
from ..core.primitive import Array, primitive
from .columns import Columns, Grid, Ints
from .reduction import sum_over

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
    X is an ordinary correlation, of stride 1, with that part of W mirrored: s of them along an axis. (Adding the
    windows W.T @ Y back one element at a time instead takes 1.5 to 3 times as long.)
    """
    stride, before, dilation, groups = grid
    O, C, *window = W.shape
    X = np.empty((Y.shape[0], C * groups, *shape), Y.dtype)
    V = W.reshape(groups, O // groups, C, *window)
    V = np.reshape(np.swapaxes(V, 1, 2), (groups * C, O // groups, *window))  # seen from X: (C, O / groups, *window)
    axes = [_residues(*axis) for axis in zip(stride, before, dilation, window, shape, strict=True)]
    for parts in itertools.product(*axes):
        places, taken, starts, steps = zip(*parts, strict=True)
        part = Grid((1,) * len(shape), starts, steps, groups)
        _correlate(Y, V[(..., *taken)], b, part, X[(..., *places)])
    return X


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
    groups, window = grid.groups, shape
    N, C, O = X.shape[0], X.shape[1] // groups, Y.shape[1] // groups
    if not (X.size and Y.size and math.prod(window)):
        return np.zeros((groups * O, C, *window), X.dtype)
    # Of shifted images nothing is copied: 7.3 ms for 32 to 32 channels, 3 x 3, 32 x 32, 32 samples, by columns 13.
    shifts = C >= FEW
    work = O * C if shifts else O * C * math.prod(window)
    columns = Columns(X.shape[1], X.shape[2:], X.dtype, window, Y.shape[2:], grid, work, N, shifts)
    values = columns.room(groups * O, X.dtype)
    total: Any = 0
    for n in range(0, N, columns.samples):
        m = min(columns.samples, N - n)
        columns.load(X[n : n + m])
        columns.cut(values)[:m] = Y[n : n + m]
        right = columns.tiled(values[:m])  # (m, tiles, groups, O, tile)
        if columns.shifts:
            right = right.reshape(*right.shape[:3], *(1,) * len(window), *right.shape[3:])
            total = total + np.add.reduce(right @ columns.shifted[:m], axis=(0, 1))  # (groups, *window, O, C)
        else:
            for first in range(0, columns.tiles, columns.together):
                last = min(first + columns.together, columns.tiles)
                left = columns.matrices(m, first, last)  # (m, tiles, groups, C * prod(window), tile)
                total = total + np.add.reduce(right[:, first:last] @ left.mT, axis=(0, 1))  # (groups, O, C * ...)
    if columns.shifts:
        total = np.moveaxis(total, (-2, -1), (1, 2))
    return np.reshape(total, (groups * O, C, *window))


def _correlate(X: Array, W: Array, b: Array | None, grid: Grid, Y: Array) -> None:
    """Store the correlation of X and W, + b, in Y, whose memory may have any strides."""
    N, groups, window = X.shape[0], grid.groups, W.shape[2:]
    O, K = W.shape[0] // groups, math.prod(W.shape[1:])
    bias = 0 if b is None else np.reshape(b, (-1,) + (1,) * len(window))
    if not (K and Y.size):
        Y[...] = bias
        return
    columns = Columns(X.shape[1], X.shape[2:], X.dtype, window, Y.shape[2:], grid, O * K, N)
    left = np.reshape(W, (groups, O, K))
    values = columns.room(groups * O, X.dtype)
    for n in range(0, N, columns.samples):
        m = min(columns.samples, N - n)
        columns.load(X[n : n + m])
        tiled = columns.tiled(values[:m])
        for first in range(0, columns.tiles, columns.together):
            last = min(first + columns.together, columns.tiles)
            np.matmul(left, columns.matrices(m, first, last), out=tiled[:, first:last])
        if b is None:
            Y[n : n + m] = columns.cut(values[:m])
        else:
            np.add(columns.cut(values[:m]), bias, out=Y[n : n + m])
