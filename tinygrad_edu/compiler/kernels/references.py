"""Values as views of others, as far as the index of a loop can express them: kernels look through slices and turns."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..calls import Call, Reduce, Subscript, Value, values_of
from .formulas import PLACING


class Ref(NamedTuple):
    """A value as a view of another: of each of its axes the value's axis, and where along it the view begins and steps.

    Of an axis that has one place alone, that is where it begins and the axis is None.
    """

    base: Value
    axes: tuple[int | None, ...]
    starts: tuple[int, ...]
    steps: tuple[int, ...]


def straight(ref: Ref, shape: tuple[int, ...]) -> bool:
    """Whether a loop reads a value just where it is."""
    whole = not any(ref.starts) and all(step == 1 for step in ref.steps)
    return whole and np.shape(ref.base.data) == shape and ref.axes == tuple(range(len(shape)))


def reference(value: Value) -> Ref:
    """What a value is a view of, as far as a loop's index can express it."""
    call = value.call
    rank = np.ndim(value.data)
    same = Ref(value, tuple(range(rank)), (0,) * rank, (1,) * rank)
    if call is None or isinstance(call.function, (np.ufunc, Reduce)) or not call.args:
        return same
    name, source = getattr(call.function, "__name__", ""), call.args[0]
    if not isinstance(source, Value) or not isinstance(source.data, np.ndarray) or not rank:
        return same
    axes: tuple[int | None, ...]
    starts, steps = (0,) * source.data.ndim, (1,) * source.data.ndim
    if name == "T":
        axes = tuple(reversed(range(rank)))
    elif name == "view" and is_bits(value):
        axes = tuple(range(rank))
    elif name == "reshape" and value.source is source:
        places = [k for k, n in enumerate(value.data.shape) if n != 1]
        if [n for n in source.data.shape if n != 1] != [value.data.shape[k] for k in places]:
            return same
        axes = tuple(None if n == 1 else places.pop(0) for n in source.data.shape)
    elif name == "transpose" and len(call.args) == 2 and call.args[1].__class__ is tuple:
        axes = tuple(call.args[1].index(k) for k in range(rank))
    elif isinstance(call.function, Subscript) and value.source is source:
        found = _sliced(call.args[1], source.data.shape)
        if found is None:
            return same
        axes, starts, steps = found
    elif call.function is np.broadcast_to:
        extra = rank - source.data.ndim
        axes = tuple(None if n == 1 else k + extra for k, n in enumerate(source.data.shape))
    else:
        return same
    base = reference(source)
    inner = [(None, 0, 1) if k is None else (axes[k], starts[k], steps[k]) for k in base.axes]
    return Ref(
        base.base,
        tuple(k for k, *_ in inner),
        tuple(a + n * b for a, n, (_, b, _) in zip(base.starts, base.steps, inner, strict=True)),
        tuple(n * m for n, (*_, m) in zip(base.steps, inner, strict=True)),
    )


def placed(line: Call) -> tuple[list[int | None], int] | None:
    """Where a call puts an array: its place along each axis of the result, None for a whole one; how many are said.

    None if its key is more than integers and whole axes.
    """
    key, shape = line.kwargs["key"], line.results[0].data.shape
    rank = len(shape)
    if len(line.args) != PLACING[line.function] or not all(isinstance(x, Value) for x in line.args):
        return None
    if any(k is not ... and k.__class__ is not int and k != slice(None) for k in key):
        return None
    left = [None] * (rank - sum(k is not ... for k in key))
    parts: list[Any] = []
    for k in key if ... in key else (*key, ...):
        parts += left if k is ... else [None if k.__class__ is slice else k]
    places = [k % n if k is not None else None for k, n in zip(parts, shape, strict=True)]
    said = sum(k is not None for k in places)
    return (places, said) if np.ndim(line.args[-1].data) == rank - said > 0 else None


def read_by(line: Call, rank: int) -> list[Ref]:
    """What a call reads, by the axes of a loop over so many: an array with fewer axes has the last of them.

    What is put at integers has those of the loop that they are not for.
    """
    found = []
    for v in line.operands:
        ref = reference(v)
        axes = [*range(rank - np.ndim(v.data), rank)]
        places = placed(line) if line.function in PLACING else None
        if places is not None and v is line.args[-1]:
            axes = [i for i, k in enumerate(places[0]) if k is None]
        found.append(ref._replace(axes=tuple(None if k is None else axes[k] for k in ref.axes)))
    return found


def _sliced(key: Any, shape: tuple[int, ...]) -> tuple[Any, Any, Any] | None:
    """What an index of integers, slices, None and `...` makes of each axis: its axis in the result, start and step."""
    keys = key if key.__class__ is tuple else (key,)
    if not all(k is None or k is ... or k.__class__ in (int, slice) for k in keys) or values_of(keys):
        return None
    rest = [slice(None)] * (len(shape) - sum(k is not None and k is not ... for k in keys))
    whole = [part for k in (keys if ... in keys else (*keys, ...)) for part in (rest if k is ... else [k])]
    found: list[tuple[int | None, int, int]] = []
    place = 0
    for k in whole:
        if k is None:
            place += 1
            continue
        n = shape[len(found)]
        if k.__class__ is int:
            found.append((None, k % n, 1))
            continue
        start, stop, step = k.indices(n)
        one = len(range(start, stop, step)) == 1  # broadcast, x[:1] is not x
        found.append((None if one and n > 1 else place, start, 1 if one else step))
        place += 1
    axes, starts, steps = zip(*found, strict=True) if found else ((), (), ())  # `x[None]` of a number
    return axes, starts, steps


def is_bits(value: Value) -> bool:
    """A float array seen as integers of its width, or the reverse."""
    assert value.call is not None
    source = value.call.args[0]
    kinds = {source.data.dtype.kind, value.data.dtype.kind}
    if kinds != {"f", "i"} or source.data.dtype.itemsize != value.data.dtype.itemsize:
        return False
    masked = source if source.data.dtype.kind == "i" else None
    return masked is None or (masked.call is not None and masks(masked.call))


def masks(line: Call) -> bool:
    """`x.view(int) * condition`, which is x where the condition holds and 0 elsewhere."""
    if line.function is not np.multiply or line.kwargs or len(line.operands) != 2:
        return False
    x, condition = line.args
    return (
        x.call is not None
        and getattr(x.call.function, "__name__", "") == "view"
        and x.data.dtype.kind == "i"
        and is_bits(x)
        and np.asarray(condition.data).dtype.kind == "b"
    )
