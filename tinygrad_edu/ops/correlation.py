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
from . import by_hand
from .columns import Columns, Grid, Ints, Shifted, narrow, overlap, samples_last, scatter_windows
from .reduction import sum_over
from .room import room, zeroed
from .threads import shared_out, shares

SHORT_TILES = 2048  # pairs of channels, from which tiles (see Shifted) are so short that Y's had better be last
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
def correlation(X: Array, W: Array, b: Array = None, *, grid: Grid, shape: Ints, out: Array = None) -> Array:
    """Y[n, o, p] = sum over c, k of X[n, c, s p + d k - before] W[o, c, k], + b[o]."""
    Y = room((X.shape[0], W.shape[0], *shape), X.dtype, out)
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
def transposed_correlation(Y: Array, W: Array, b: Array = None, *, grid: Grid, shape: Ints, out: Array = None) -> Array:
    """X[n, c, q] = sum over o, and k, p with s p + d k - before = q, of Y[n, o, p] W[o, c, k], + b[c].

    The q that leave the same remainder r by the stride see the same part of the window, so each such part of
    X is an ordinary correlation, of stride 1, with that part of W mirrored: s of them along an axis. For 32 samples
    of 64 channels, 16 x 16, stride 2, a 3 x 3 window takes 10 ms so, and 21 by adding W.T @ Y back one element of the
    window at a time; a 4 x 4 one 24 and 27. For patches of 16 x 16 with stride 16 it is 46 and 8.
    """
    stride, before, dilation, groups = grid
    O, C, *window = W.shape
    V, whole = W.reshape(groups, O // groups, C, *window), (Y.shape[0], C * groups, *shape)
    if (many := math.prod(stride) > MANY and V.size) or _spreads(Y, W, Grid(*grid), shape):
        X = zeroed(whole, Y.dtype, out)
        if many:
            count = Y.shape[2:]
            windows = V.reshape(groups, O // groups, -1).mT @ Y.reshape(-1, groups, O // groups, math.prod(count))
            scatter_windows.forward(windows.reshape(-1, groups * C, *window, *count), shape=shape, grid=grid, out=X)
        else:
            own = shares(len(X), Y.size * math.prod(W.shape[1:]))
            shared_out(lambda k: _spread(Y[own[k]], W, Grid(*grid), X[own[k]]), len(own))
        return X if b is None else np.add(X, np.reshape(b, (-1,) + (1,) * len(window)), out=X)
    X = room(whole, Y.dtype, out)
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
def kernel_correlation(X: Array, Y: Array, *, grid: Grid, shape: Ints, out: Array = None) -> Array:
    """W[o, c, k] = sum over n, p of X[n, c, s p + d k - before] Y[n, o, p]."""
    grid = Grid(*grid)
    N, C, O = X.shape[0], X.shape[1] // grid.groups, Y.shape[1] // grid.groups
    W = zeroed((Y.shape[1], C, *shape), X.dtype, out)
    if not (X.size and Y.size and math.prod(shape)):
        return W
    own = shares(N, Y.size * C * math.prod(shape))
    sums = np.zeros((len(own), grid.groups, O, C, *shape), X.dtype)
    shared_out(lambda k: _add_kernels(X[own[k]], Y[own[k]], grid, sums[k]), len(own))
    np.add.reduce(sums, axis=0, out=W.reshape(sums.shape[1:]))
    return W


def _add_kernels(X: Array, Y: Array, grid: Grid, W: Array) -> None:
    """Add the correlation of X and Y to W, (groups, O, C, *window)."""
    window, count, C = W.shape[3:], Y.shape[2:], W.shape[2]
    if max(grid.stride) == 1 and narrow(len(X), window, count, grid):
        for x, y in samples_last(X, Y, window):
            _add_by_columns(x[None], y[None], grid.with_samples(), W[..., None], by_rows=True)
    elif C >= FEW and Shifted.serves(window, count, grid):
        _add_by_shifts(X, Y, grid, W)
    else:
        _add_by_columns(X, Y, grid, W, by_rows=False)


def _add_by_columns(X: Array, Y: Array, grid: Grid, W: Array, by_rows: bool) -> None:
    """Channels of Y last: of 16 by 150, over 320 positions, BLAS has (K x P) (P x O) in a third of the time of
    (O x P) (K x P).T, which is more than Y takes to be copied."""
    (groups, O, C, *window), count = W.shape, Y.shape[2:]
    columns = Columns(X, tuple(window), count, grid, by_rows)
    sums = np.zeros((groups, math.prod(window) * C, O), X.dtype)
    for n in range(0, len(X), columns.samples):
        left = columns.matrices(X[n : n + columns.samples])  # (m, groups, rows, K, positions)
        m, _, rows, _, _ = left.shape
        right = np.moveaxis(Y[n : n + m].reshape(m, groups, O, *count), 2, -1)
        sums += np.add.reduce(left @ right.reshape(m, groups, rows, -1, O), axis=(0, 2))
    W += np.moveaxis(sums.reshape(groups, *window, C, O), (-1, -2), (1, 2))


def _add_by_shifts(X: Array, Y: Array, grid: Grid, W: Array) -> None:
    """Of X nothing is copied: 7.3 ms for 32 to 32 channels, 3 x 3, 32 x 32, 32 samples, by columns 13."""
    window, count, (groups, O, C) = W.shape[3:], Y.shape[2:], W.shape[:3]
    images = Shifted(X, window, count, grid, O * C)
    length = images.tiles * images.tile
    if O * C >= SHORT_TILES:
        right = np.zeros((images.samples, groups, length, O), X.dtype)
    else:
        right = np.swapaxes(np.zeros((images.samples, groups, O, length), X.dtype), 2, 3)
    kept = right[:, :, : images.positions].reshape(*right.shape[:2], *images.lay, O)
    kept = kept[(slice(None), slice(None), *map(slice, count))]
    right = right.reshape(images.samples, groups, images.tiles, *(1,) * len(window), images.tile, O)
    total = np.zeros((groups, *window, C, O), X.dtype)
    for n in range(0, len(X), images.samples):
        m = min(images.samples, len(X) - n)
        images.load(X[n : n + m])
        kept[:m] = np.moveaxis(Y[n : n + m].reshape(m, groups, O, *count), 2, -1)
        total += np.add.reduce(images.views[:m] @ right[:m], axis=(0, 2))
    W += np.moveaxis(total, (-1, -2), (1, 2))


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
    if max(grid.stride) == 1 and narrow(len(X), window, Y.shape[2:], grid):
        for x, y in samples_last(X, Y, window):
            b = None if bias is None else bias[..., None]
            _multiply_columns(left, x[None], b, (*window, 1), grid.with_samples(), y[None])
    else:
        _multiply_columns(left, X, bias, window, grid, Y)


def _multiply_columns(left: Array, X: Array, bias: Array | None, window: Ints, grid: Grid, Y: Array) -> None:
    groups, count, O = grid.groups, Y.shape[2:], left.shape[2]
    columns = Columns(X, window, count, grid, Columns.rows_pay(count, grid, O * left.shape[-1]))
    direct = Y.flags.c_contiguous  # BLAS can store it there
    space = Y if direct else np.empty((columns.samples, *Y.shape[1:]), Y.dtype)
    for n in range(0, len(X), columns.samples):
        right = columns.matrices(X[n : n + columns.samples])  # (m, groups, rows, K, positions)
        m, _, rows, _, positions = right.shape
        result = space[n : n + m] if direct else space[:m]
        np.matmul(left, right, out=np.swapaxes(result.reshape(m, groups, O, rows, positions), 2, 3))
        if bias is not None:
            result += bias
        if not direct:
            Y[n : n + m] = result


def _spreads(Y: Array, W: Array, grid: Grid, shape: Ints) -> bool:
    """Whether rows of Y had better be spread over X than gathered: with few channels, or an X much larger than Y."""
    far = max(grid.stride) > 1 or 2 * W.shape[1] * grid.groups * Y.shape[-1] <= W.shape[0] * shape[-1]
    return far and narrow(len(Y), W.shape[2:], Y.shape[2:], grid)


def _spread(Y: Array, W: Array, grid: Grid, X: Array) -> None:
    """Store the transposed correlation of Y and W in X, which holds zeros: products along the first axis, then sums.

    Rows of Y lie below one another as a row of X sees them, so nothing is copied, and no zero beyond Y is multiplied:
    0.6 of the time of correlations where X has half the channels of Y, or 64 to 32 channels, 4 x 4, are spread over
    twice as many rows; where X has as many channels and rows, a correlation is faster.
    """
    groups, (first, *rest), (h, *count), H = grid.groups, W.shape[2:], Y.shape[2:], X.shape[2]
    O, C, step = W.shape[0] // groups, W.shape[1], grid.stride[0]
    size = math.prod(rest) * C
    kernels = np.moveaxis(W.reshape(groups, O, C, first, *rest), (2, 3, 1), (-3, -2, -1))
    # of the window's elements every row of X sees those that leave the same remainder by the stride, the last first
    lefts = [np.ascontiguousarray(kernels[..., k::step, :][..., ::-1, :]) for k in range(min(step, first))]
    others = Grid(grid.stride[1:], grid.before[1:], grid.dilation[1:])
    reach = others.reach(tuple(rest), tuple(count))
    framed, inside = overlap(others.before, reach, X.shape[3:])
    for x, y in samples_last(X, Y, W.shape[2:]):
        m = y.shape[-1]
        rows = np.swapaxes(y.reshape(groups, O, h, -1), 1, 2).reshape(groups, h * O, -1)
        products = np.zeros((groups, H, size, rows.shape[-1]), X.dtype)
        for r in range(H):
            last, remainder = divmod(r + grid.before[0], step)
            if remainder < first:
                left = lefts[remainder]
                start = last + 1 - left.shape[-2]  # of the rows of Y that it sees
                i, j = (min(max(end, 0), h) for end in (start, last + 1))
                left = left[..., i - start : j - start, :].reshape(groups, size, (j - i) * O)
                np.matmul(left, rows[:, i * O : j * O], out=products[:, r])
        parts = products.reshape(groups, H, -1, C, *count, m)
        sums = np.zeros((groups, H, C, *reach, m), X.dtype)
        for n, k in enumerate(itertools.product(*map(range, rest))):
            seen: Any = (..., *others.places(k, tuple(count)), slice(None))
            sums[seen] += parts[:, :, n]
        image = x.reshape(groups, C, *x.shape[1:])
        image[(*inside, slice(None))] = np.swapaxes(sums, 1, 2)[(*framed, slice(None))]
