"""The elements in another order or several times: flips, rolls, repeats. All are copies."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..core.primitive import Array, answers, primitive
from ..core.tensor import wrap
from .checks import numbers_of
from .dims import axes, one_axis, one_list, sizes
from .indexing import Slot, getitem
from .public import public
from .reduction import sum_over
from .shape import reshape_to, transpose


@primitive(np.flip, name="flip", types=None, dX=lambda dY, Y, X, *, axis: np.flip(dY, axis))
def flip_over(X: Array, *, axis: tuple[int, ...]) -> Array:
    """X with the order along some axes reversed."""
    return np.copy(np.flip(X, axis))


@public("flip")
def flip(input: Any, *sizes_: Any, dims: Any = None) -> Any:
    """The order along `dims` reversed. A copy, where NumPy gives a view."""
    chosen = one_list(sizes_) if dims is None else one_list((dims,))
    return flip_over(input, axis=axes(chosen, input.ndim, "flip") if chosen else ())


@public("fliplr")
def fliplr(input: Any) -> Any:
    """Columns in reverse order."""
    if input.ndim < 2:
        raise RuntimeError(f"fliplr: input must have at least 2 axes, got shape {tuple(input.shape)}.")
    return flip_over(input, axis=(1,))


@public("flipud")
def flipud(input: Any) -> Any:
    """Rows in reverse order."""
    if input.ndim < 1:
        raise RuntimeError("flipud: input must have at least 1 axis.")
    return flip_over(input, axis=(0,))


@public("rot90")
def rot90(input: Any, k: int = 1, dims: Any = (0, 1)) -> Any:
    """Turned by 90 degrees k times, from the first of the two axes towards the second."""
    if len(dims) != 2:
        raise RuntimeError(f"rot90: expected total rotation dims == 2, but got dims = {len(dims)}.")
    if input.ndim < 2:
        raise RuntimeError(f"rot90: expected total dims >= 2, but got total dims = {input.ndim}.")
    a, b = (one_axis(d, input.ndim, "rot90") for d in dims)
    if a == b:
        raise RuntimeError(f"rot90: expected rotation dims to be different, but got dim0 = {a} and dim1 = {b}.")
    turns = k % 4
    if turns == 1:
        return transpose(flip_over(input, axis=(b,)), a, b)
    if turns == 3:
        return transpose(flip_over(input, axis=(a,)), a, b)
    return flip_over(input, axis=(a, b) if turns == 2 else ())


@primitive(
    np.roll,
    name="roll",
    types=None,
    opaque=True,
    dX=lambda dY, Y, X, *, shift, axis: roll_by(dY, shift=-shift, axis=axis),  # type: ignore[has-type]
)
def roll_by(X: Array, *, shift: int, axis: int) -> Array:
    """X moved along an axis; what leaves at one end comes in at the other."""
    return np.roll(X, shift, axis)


@public("roll")
def roll(input: Any, shifts: Any, dims: Any = None) -> Any:
    """Moved along `dims` by `shifts`, cyclically; without dims as if it had one axis."""
    steps = tuple(shifts) if isinstance(shifts, (tuple, list)) else (shifts,)
    along = () if dims is None else tuple(dims) if isinstance(dims, (tuple, list)) else (dims,)
    if not steps:
        raise RuntimeError("roll: `shifts` required.")
    if not along and len(steps) == 1:
        flat = roll_by(reshape_to(input, shape=(-1,)), shift=steps[0], axis=0)
        return reshape_to(flat, shape=tuple(input.shape))
    if len(along) != len(steps):
        raise RuntimeError(f"roll: shifts and dimensions must align. shifts: {len(steps)}, dims: {len(along)}.")
    result = input
    for step, dim in zip(steps, along, strict=True):
        result = roll_by(result, shift=step, axis=one_axis(dim, input.ndim, "roll"))
    return result


def _untile(dY: Array, shape: tuple[int, ...], reps: tuple[int, ...]) -> Array:
    """The sum of the copies of X that lie in dY."""
    inner = (1,) * (len(reps) - len(shape)) + shape
    apart = np.reshape(dY, tuple(n for pair in zip(reps, inner, strict=True) for n in pair))
    return np.reshape(sum_over(apart, axis=tuple(range(0, 2 * len(reps), 2)), keepdims=False), shape)


@primitive(np.tile, name="repeat", types=None, opaque=True, dX=lambda dY, Y, X, *, reps: _untile(dY, X.shape, reps))
def tile_by(X: Array, *, reps: tuple[int, ...]) -> Array:
    """X laid out side by side, reps[i] times along axis i."""
    return np.tile(X, reps)


@public("repeat", function=False)
def repeat(input: Any, *repeats_: Any, repeats: Any = None) -> Any:
    """Laid out side by side: a number of times per axis, new axes in front. A copy; NumPy calls it tile."""
    reps = sizes(repeats_ if repeats is None else repeats, "repeat")
    if len(reps) < input.ndim:
        raise RuntimeError(
            "repeat: Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor: "
            f"{reps} for shape {tuple(input.shape)}."
        )
    return tile_by(input, reps=reps)


@public("tile")
def tile(input: Any, *reps: Any, dims: Any = None) -> Any:
    """As `repeat`, but fewer numbers than axes are filled up with 1 in front."""
    times = sizes(reps if dims is None else dims, "tile")
    return tile_by(input, reps=(1,) * (input.ndim - len(times)) + times)


@primitive(
    np.repeat,
    name="repeat_interleave",
    types=None,
    opaque=True,
    dX=lambda dY, Y, X, *, repeats, axis: sum_each(dY, repeats=repeats, axis=axis, shape=X.shape),  # type: ignore[has-type]
)
def repeat_each(X: Array, *, repeats: int, axis: int) -> Array:
    """Every element `repeats` times in a row along an axis."""
    # Stretched and copied: 4 times as fast as np.repeat along the last axis
    apart = X[(slice(None),) * (axis + 1) + (None,)]
    apart = np.broadcast_to(apart, (*X.shape[: axis + 1], repeats, *X.shape[axis + 1 :]))
    return apart.copy().reshape((*X.shape[:axis], X.shape[axis] * repeats, *X.shape[axis + 1 :]))


@primitive(
    types=None,
    opaque=True,
    dV=lambda dX, X, V, *, repeats, axis, shape: repeat_each(dX, repeats=repeats, axis=axis),
)
def sum_each(V: Array, *, repeats: int, axis: int, shape: tuple[int, ...]) -> Array:
    """The sums of every `repeats` neighbours along an axis."""
    apart = V.reshape((*shape[: axis + 1], repeats, *shape[axis + 1 :]))
    if not 0 < repeats <= 16:
        return np.sum(apart, axis + 1)
    before = (slice(None),) * (axis + 1)  # a few long sums are 10 times as fast as many short ones
    return functools.reduce(np.add, [apart[(*before, k)] for k in range(repeats)])


@public("repeat_interleave")
def repeat_interleave(
    input: Any, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Any:
    """Every element repeated in a row, as often as `repeats` says: a number, or one per element of the axis.

    Of one tensor alone: the numbers 0, 1, ... each as often as the tensor says.
    """
    if repeats is None:
        counts = _counts(input)
        return wrap(np.repeat(np.arange(counts.size, dtype=input.dtype), counts))
    if dim is None:
        input, dim = reshape_to(input, shape=(-1,)), 0
    axis = one_axis(dim, input.ndim, "repeat_interleave")
    if input.ndim == 0:
        input = reshape_to(input, shape=(1,))
    if not hasattr(repeats, "shape"):
        if repeats < 0:
            raise RuntimeError(f"repeat_interleave: repeats can not be negative, got {repeats}.")
        result = repeat_each(input, repeats=int(repeats), axis=axis)
    else:
        counts = _counts(repeats)
        n = input.shape[axis]
        if counts.size not in (1, n):
            raise RuntimeError(
                f"repeat_interleave: repeats must have the same size as input along dim {axis}, or one element, but "
                f"got {counts.size} for a length of {n}."
            )
        places = np.repeat(np.arange(n), counts)
        result = getitem(input, wrap(places), key=((slice(None),) * axis + (Slot(0),)))
    if output_size is not None and result.shape[axis] != output_size:
        raise RuntimeError(f"repeat_interleave: output_size is {output_size}, the result has {result.shape[axis]}.")
    return result


def _counts(repeats: Any) -> np.ndarray[Any, Any]:
    if repeats.dtype.kind != "i":
        raise RuntimeError(f"repeat_interleave: repeats has to be Long or Int tensor, not {repeats.dtype}.")
    if repeats.ndim > 1:
        raise RuntimeError(f"repeat_interleave: repeats must be 0-dim or 1-dim, got shape {tuple(repeats.shape)}.")
    advice = "Of repeats in a tensor the result is as long as these say: pass a number, or repeat outside of the step."
    counts: np.ndarray[Any, Any] = numbers_of(repeats, advice).reshape(-1)
    if (counts < 0).any():
        raise RuntimeError("repeat_interleave: repeats can not be negative.")
    return counts


# --- NumPy's side


@answers(np.flip)
def _np_flip(m: Any, axis: Any = None) -> Any:
    return flip_over(m, axis=() if axis == () else axes(axis, m.ndim, "flip"))


answers(np.fliplr)(fliplr)
answers(np.flipud)(flipud)


@answers(np.rot90)
def _np_rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    return rot90(m, k, axes)


@answers(np.roll)
def _np_roll(a: Any, shift: Any, axis: Any = None) -> Any:
    return roll(a, shift, axis)


@answers(np.tile)
def _np_tile(A: Any, reps: Any) -> Any:
    return tile(A, reps)


@answers(np.repeat)
def _np_repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    return repeat_interleave(a, repeats, axis)
