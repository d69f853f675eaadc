"""Sliding windows along an axis, and tensors continued beyond their edges.

`unfold` lays windows over X, `fold` adds them back where they came from: each is the other's rule.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.primitive import Array, primitive
from .arranging import flip_over
from .conversion import clone
from .dims import one_axis
from .joining import join
from .public import public
from .shape import broadcast_to
from .slicing import part


@primitive(
    name="unfold",
    types=None,
    view=True,
    opaque=True,
    dX=lambda dY, Y, X, *, axis, size, step: fold(dY, axis=axis, step=step, shape=X.shape),  # type: ignore[has-type]
)
def unfold(X: Array, *, axis: int, size: int, step: int) -> Array:
    """Windows of a size along an axis, a step apart, as a new last axis: a view, in which windows may overlap."""
    count = (X.shape[axis] - size) // step + 1
    shape = (*X.shape[:axis], count, *X.shape[axis + 1 :], size)
    strides = list(X.strides)
    strides[axis] *= step
    owner = X if X.base is None else X.base
    try:  # not as_strided, which hides whose memory it is: then a write would not be noticed
        offset = X.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
        return np.ndarray(shape, X.dtype, owner, offset, (*strides, X.strides[axis]))
    except (AttributeError, TypeError, ValueError):  # memory of another kind, or in no plain order
        windows = np.lib.stride_tricks.sliding_window_view(X, size, axis)
        return windows[(slice(None),) * axis + (slice(None, None, step),)].copy()


@primitive(
    name="fold",
    types=None,
    opaque=True,
    dV=lambda dX, X, V, *, axis, step, shape: unfold(dX, axis=axis, size=V.shape[-1], step=step),
)
def fold(V: Array, *, axis: int, step: int, shape: tuple[int, ...]) -> Array:
    """Zeros of a shape, with windows V, their last axis, added a step apart along an axis."""
    X = np.zeros(shape, V.dtype)
    count = V.shape[axis]
    for k in range(V.shape[-1]):
        if count:
            X[(slice(None),) * axis + (slice(k, k + step * (count - 1) + 1, step),)] += V[..., k]
    return X


@public("unfold", function=False)
def sliding(input: Any, dimension: int, size: int, step: int) -> Any:
    """Windows of `size` elements along an axis, `step` apart, as a new last axis: a view."""
    axis = one_axis(dimension, input.ndim, "unfold")
    n = input.shape[axis] if input.ndim else 1
    if size < 0:
        raise RuntimeError(f"unfold: size is {size} but must be >= 0.")
    if size > n:
        raise RuntimeError(f"unfold: maximum size for tensor at dimension {axis} is {n} but size is {size}.")
    if step <= 0:
        raise RuntimeError(f"unfold: step is {step} but must be > 0.")
    if input.ndim == 0:
        return part(input.reshape(1), 0, 0, size)
    return unfold(input, axis=axis, size=size, step=step)


def _inner(width: tuple[tuple[int, int], ...], shape: tuple[int, ...]) -> tuple[Any, ...]:
    return tuple(slice(before, before + n) for (before, _), n in zip(width, shape, strict=True))


@primitive(name="pad", types=None, opaque=True, dX=lambda dY, Y, X, *, width, value: dY[(*_inner(width, X.shape), ...)])
def pad_with(X: Array, *, width: tuple[tuple[int, int], ...], value: float) -> Array:
    """X within a frame of one value: width[i] elements before and after it along axis i."""
    Y = np.full(tuple(n + before + after for n, (before, after) in zip(X.shape, width, strict=True)), value, X.dtype)
    Y[_inner(width, X.shape)] = X
    return Y


def pad(input: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Any:
    """Continued beyond its edges; negative numbers cut off.

    Args:
        pad: numbers of elements (before, after) for the last axis, then for the one before it, and so on.
        mode: "constant" (filled with `value`), "reflect" (mirrored at the first and last element),
            "replicate" (the first and last element again), "circular" (from the other end).
    """
    if len(pad) % 2:
        raise RuntimeError(f"pad: Padding length must be divisible by 2, got {len(pad)} numbers.")
    if len(pad) // 2 > input.ndim:
        raise RuntimeError(
            f"pad: Padding length should be less than or equal to two times the input dimension, but got padding "
            f"length {len(pad)} and input of dimension {input.ndim}."
        )
    given = [(int(pad[i]), int(pad[i + 1])) for i in range(len(pad) - 2, -1, -2)]
    width = [(0, 0)] * (input.ndim - len(given)) + given
    if mode == "constant":
        return _framed(input, width, 0.0 if value is None else value)
    if value:
        raise RuntimeError(f"pad: Padding mode {mode!r} doesn't take in value argument.")
    extend = {"reflect": _reflected, "replicate": _replicated, "circular": _wrapped}.get(mode)
    if extend is None or input.ndim not in (len(pad) // 2 + 1, len(pad) // 2 + 2) or len(pad) > 6:
        raise NotImplementedError(
            f"pad: mode {mode!r} with {len(pad)} numbers for shape {tuple(input.shape)}; modes are constant, reflect, "
            "replicate and circular, of which the last three pad the last 1, 2 or 3 axes and leave 1 or 2."
        )
    result = input
    for axis, (before, after) in enumerate(width):
        if before or after:
            result = _continued(result, axis, before, after, extend, mode)
    return clone(result) if result is input else result


def _framed(input: Any, width: list[tuple[int, int]], value: float) -> Any:
    for axis, (before, after) in enumerate(width):
        n = input.shape[axis]
        if n + before + after < 0 or -before > n or -after > n:
            raise RuntimeError(
                f"pad: the input size {n}, plus negative padding {before} and {after}, resulted in a negative output "
                f"size, which is invalid, along axis {axis}."
            )
        input = _cut(input, axis, before, after)
    return pad_with(input, width=tuple((max(b, 0), max(a, 0)) for b, a in width), value=value)


def _continued(x: Any, axis: int, before: int, after: int, extend: Any, mode: str) -> Any:
    """One axis continued at both ends, or cut."""
    n = x.shape[axis]
    limit = {"reflect": n - 1, "circular": n}.get(mode, math.inf if n else -1)
    if max(before, after, 0) > limit or n + before + after <= 0:
        raise RuntimeError(
            f"pad: Padding size ({before}, {after}) is too large for mode {mode!r} along axis {axis} of input "
            f"{tuple(x.shape)}."
        )
    if mode == "circular":  # what is cut off is not seen again at the other end; mirrored it is
        x, before, after = _cut(x, axis, before, after), max(before, 0), max(after, 0)
    first, last = extend(x, axis, x.shape[axis], max(before, 0), max(after, 0))
    whole = join(*(p for p in (first, x, last) if p is not None), axis=axis)
    return clone(_cut(whole, axis, before, after)) if before < 0 or after < 0 else whole


def _cut(x: Any, axis: int, before: int, after: int) -> Any:
    """What negative numbers leave of an axis."""
    return part(x, axis, max(-before, 0), x.shape[axis] - max(-after, 0)) if before < 0 or after < 0 else x


def _reflected(x: Any, axis: int, n: int, before: int, after: int) -> tuple[Any, Any]:
    return (
        flip_over(part(x, axis, 1, before + 1), axis=(axis,)) if before else None,
        flip_over(part(x, axis, n - 1 - after, n - 1), axis=(axis,)) if after else None,
    )


def _replicated(x: Any, axis: int, n: int, before: int, after: int) -> tuple[Any, Any]:
    def times(edge: Any, count: int) -> Any:
        return broadcast_to(edge, shape=(*x.shape[:axis], count, *x.shape[axis + 1 :]))

    return (
        times(part(x, axis, 0, 1), before) if before else None,
        times(part(x, axis, n - 1, n), after) if after else None,
    )


def _wrapped(x: Any, axis: int, n: int, before: int, after: int) -> tuple[Any, Any]:
    return part(x, axis, n - before, n) if before else None, part(x, axis, 0, after) if after else None
