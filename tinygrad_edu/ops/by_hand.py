"""Convolution and pooling as a textbook writes them: what their forwards, which are written for speed, are equal to.

A window is an axis behind the axis that it slides along, so that a convolution is one einsum and pooling a mean or
maximum over those axes. On the way back each window's cotangent is added where the window lay.

Used as the primitives' compositions (core/primitive.py), by `compile(step).source(readable=True)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.primitive import Array, Primitive, everywhere
from .columns import Grid, Ints
from .pooling_windows import Plane

LETTERS = "hwd", "ijk"  # of the axes along which windows slide, and of those within a window


def windows_of(X: Array, size: Ints, count: Ints, step: Ints, before: Ints, spread: Ints, fill: float = 0.0) -> Array:
    """The windows of the last axes, as axes behind them: (..., *count, *size); `fill` is what lies outside of X."""
    n = len(size)
    reach = tuple(d * (k - 1) + 1 for d, k in zip(spread, size, strict=True))
    lengths = [b + m for b, m in zip(before, X.shape[-n:], strict=True)]
    after = [max(s * (c - 1) + r - m, 0) for s, c, r, m in zip(step, count, reach, lengths, strict=True)]
    framed = X
    if any(before) or any(after):
        frame = [*((0, 0),) * (X.ndim - n), *zip(before, after, strict=True)]
        framed = np.pad(X, frame) if fill == 0 else np.pad(X, frame, constant_values=fill)
    windows = np.lib.stride_tricks.sliding_window_view(framed, reach, axis=tuple(range(X.ndim - n, X.ndim)))
    if windows.shape[-2 * n :] == (*count, *size):
        return windows
    taken = []
    for s, c, m in zip(step, count, windows.shape[-2 * n : -n], strict=True):
        taken.append(slice(None, None if (m - 1) // s + 1 == c else s * (c - 1) + 1, s))
    within = [slice(None, None, d if d > 1 else None) for d in spread]
    return windows[(..., *taken, *within)]


def _whole(function: Callable[..., Array]) -> Primitive:
    """One line of what calls it: no part of the rule book, which has its own."""
    return Primitive(function, {}, name=None, numpy=None, types=None, domain=everywhere, view=False, opaque=True)


@_whole
def add_windows(windows: Array, *, shape: Ints, step: Ints, before: Ints, spread: Ints) -> Array:
    """Zeros of a shape, with windows (..., *count, *size) added where they lie in its last axes."""
    n = len(step)
    count, size = windows.shape[-2 * n : -n], windows.shape[-n:]
    reach = [s * (c - 1) + d * (k - 1) + 1 for s, c, d, k in zip(step, count, spread, size, strict=True)]
    lengths = [max(r, b + m) for r, b, m in zip(reach, before, shape[-n:], strict=True)]
    X: Any = np.zeros((*shape[:-n], *lengths), windows.dtype)
    for k in np.ndindex(*size):
        place = [slice(d * i, d * i + s * (c - 1) + 1, s) for d, i, s, c in zip(spread, k, step, count, strict=True)]
        X[(..., *place)] += windows[(..., *k)]
    return X[(..., *(slice(b, b + m) for b, m in zip(before, shape[-n:], strict=True)))]


def _letters(n: int) -> tuple[str, str]:
    return LETTERS[0][:n], LETTERS[1][:n]


def _product(subscripts: str, A: Array, B: Array) -> Array:
    return np.einsum(subscripts, A, B, optimize=True)  # by BLAS


def _plus_bias(Y: Array, b: Array, n: int) -> Array:
    return Y if b is None else Y + np.reshape(b, (-1,) + (1,) * n)


def _inside(before: Ints) -> None:
    if min(before) < 0:
        raise NotImplementedError("windows that begin inside of the image")


def _grouped(X: Array, axis: int, groups: int) -> Array:
    """An axis of channels as two, groups and what is in each; as it is if there is one group."""
    if groups == 1:
        return X
    return np.reshape(X, (*X.shape[:axis], groups, X.shape[axis] // groups, *X.shape[axis + 1 :]))


def _together(X: Array, axis: int, groups: int) -> Array:
    if groups == 1:
        return X
    return np.reshape(X, (*X.shape[:axis], X.shape[axis] * X.shape[axis + 1], *X.shape[axis + 2 :]))


def correlation(X: Array, W: Array, b: Array = None, *, grid: Grid, shape: Ints) -> Array:
    """Y[n, o, p] = sum over c, k of X[n, c, s p + d k - before] W[o, c, k], + b[o]."""
    step, before, spread, groups = grid
    _inside(before)
    (p, k), g = _letters(len(shape)), "g" if groups > 1 else ""
    windows = _grouped(windows_of(X, tuple(W.shape[2:]), shape, step, before, spread), 1, groups)
    products = _product(f"n{g}c{p}{k},{g}oc{k}->n{g}o{p}", windows, _grouped(W, 0, groups))
    return _plus_bias(_together(products, 1, groups), b, len(shape))


def kernel_correlation(X: Array, Y: Array, *, grid: Grid, shape: Ints) -> Array:
    """W[o, c, k] = sum over n, p of X[n, c, s p + d k - before] Y[n, o, p]."""
    step, before, spread, groups = grid
    _inside(before)
    (p, k), g = _letters(len(shape)), "g" if groups > 1 else ""
    windows = _grouped(windows_of(X, shape, tuple(Y.shape[2:]), step, before, spread), 1, groups)
    return _together(_product(f"n{g}c{p}{k},n{g}o{p}->{g}oc{k}", windows, _grouped(Y, 1, groups)), 0, groups)


def transposed_correlation(Y: Array, W: Array, b: Array = None, *, grid: Grid, shape: Ints) -> Array:
    """X[n, c, q]: the sum of all Y[n, o, p] W[o, c, k] with s p + d k - before = q, + b[c]."""
    step, before, spread, groups = grid
    _inside(before)
    (p, k), g = _letters(len(shape)), "g" if groups > 1 else ""
    windows = _product(f"n{g}o{p},{g}oc{k}->n{g}c{p}{k}", _grouped(Y, 1, groups), _grouped(W, 0, groups))
    whole = (len(Y), groups * W.shape[1], *shape)
    X = add_windows(_together(windows, 1, groups), shape=whole, step=step, before=before, spread=spread)
    return _plus_bias(X, b, len(shape))


def _regular(plane: Plane) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    count, size, step, before, spread = zip(*plane, strict=True)
    if not all(size):
        raise NotImplementedError("windows of different sizes")
    return size, count, step, before, spread


def max_pool(X: Array, *, plane: Plane) -> Array:
    """The largest element of each window of the last axes."""
    if X.dtype.kind != "f":
        raise NotImplementedError("integers have no lowest number to fill with")
    windows = windows_of(X, *_regular(plane), fill=-math.inf)
    return np.max(windows, axis=tuple(range(-len(plane), 0)))


def onto_largest(V: Array, X: Array, *, plane: Plane) -> Array:
    """Zeros in the shape of X, with V added where X is largest in its window, at the first of equals."""
    size, count, step, before, spread = _regular(plane)
    windows = windows_of(X, size, count, step, before, spread, fill=-math.inf)
    flat = np.reshape(windows, (*windows.shape[: -len(size)], math.prod(size)))
    first = np.argmax(flat, axis=-1)[..., None] == np.arange(math.prod(size))
    sent = np.reshape(V[..., None] * first, windows.shape)
    return add_windows(sent, shape=X.shape, step=step, before=before, spread=spread)


def mean_pool(X: Array, *, plane: Plane, padded: bool, divisor: int | None) -> Array:
    """The mean of each window of the last axes, the zeros around X included."""
    size, count, step, before, spread = _regular(plane)
    _check_mean(X, plane, padded, divisor, X.shape[-len(size) :])
    axes = tuple(range(-len(plane), 0))
    if size == tuple(X.shape[-len(size) :]) and not any(before):
        return np.mean(X, axis=axes, keepdims=True)
    return np.mean(windows_of(X, size, count, step, before, spread), axis=axes)


def spread_means(V: Array, *, plane: Plane, padded: bool, divisor: int | None, lengths: Ints) -> Array:
    """Each element of V, divided by the size of a window, added to all elements of its window."""
    size, _, step, before, spread = _regular(plane)
    shape = (*V.shape[: -len(size)], *lengths)
    _check_mean(V, plane, padded, divisor, lengths)
    if size == tuple(lengths) and not any(before):
        return np.broadcast_to(V / math.prod(size), shape)
    windows = np.broadcast_to((V / math.prod(size))[(..., *(None,) * len(size))], (*V.shape, *size))
    return add_windows(windows, shape=shape, step=step, before=before, spread=spread)


def _check_mean(X: Array, plane: Plane, padded: bool, divisor: int | None, lengths: Ints) -> None:
    """Whether every window has as many elements, those of the padding included."""
    framed = padded or not any(before for _, _, _, before, _ in plane)
    whole = all(s * (c - 1) + d * (k - 1) + 1 <= n + 2 * b for n, (c, k, s, b, d) in zip(lengths, plane, strict=True))
    if divisor is not None or not framed or not whole or X.dtype.kind != "f":
        raise NotImplementedError("windows that are divided by something else than their size")
