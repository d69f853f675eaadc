"""A graph's numbers in float64: every value from the leaves again, and every cotangent by the rules on arrays.

What formulas are held against, and what they show as values. Backward frees arrays, never the
structure, so this works after it too, unless a leaf has been written since; under `viz.keep()` also then.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..core.backward import unbroadcast
from ..core.joint import add_parts, complete, pick
from ..core.kept import kept_values
from ..core.record import Record, stamp


def unkept(order: list[Record]) -> list[tuple[Record, int]]:
    """Leaves and constants of which there is no copy, with the index of their first use: a later write is a loss."""
    kept = kept_values(order)
    first: dict[Record, int] = {}
    for user in order:
        for x in user.inputs:
            if isinstance(x, Record) and x.primitive is None and kept.get(x) is None:
                first[x] = min(first.get(x, user.index), user.index)
    return list(first.items())


def wide(array: Any) -> Any:
    """An array in float64, if it is floating."""
    array = np.asarray(array)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


class Numbers:
    """The numbers of a graph, replayed when they are first asked for, and which leaves they can't be had without."""

    def __init__(self, order: list[Record], unkept: list[tuple[Record, int]]) -> None:
        self._order, self._unkept = order, unkept
        self._looked, self._stale = 0, list[Record]()  # what was stale, and when that was looked up

    @property
    def stale(self) -> list[Record]:
        """Leaves that have been written since they were used, and of which there is no copy."""
        now = stamp()
        if now != self._looked + 1:  # since then something has been recorded or written
            self._stale = [r for r, used in self._unkept if r.written > used]
        self._looked = now
        return self._stale

    @functools.cached_property
    def all(self) -> tuple[dict[Record, Any], dict[Record, Any]]:
        """Every value, and every cotangent."""
        values = forward(self._order)
        return values, backward(self._order, values)


def forward(
    order: list[Record], given: Mapping[Record, Any] | None = None, touch: Callable[[Any], Any] = wide
) -> dict[Record, Any]:
    """Every value; of a computation with several outputs a tuple.

    `given` values stand in the place of those that would be computed; what is kept of the others is what `touch`
    makes of them.
    """
    given = given or {}
    kept = kept_values(order)
    values: dict[Record, Any] = {}
    with np.errstate(all="ignore"):
        for record in order:
            if record in given:
                values[record] = given[record]
                continue
            if record.primitive is None and record in kept:
                values[record] = touch(kept[record])
            else:
                computed(record, values, touch)
    return values


def leaves(order: list[Record]) -> dict[Record, Any]:
    """The values of leaves and constants, kept ones as they were."""
    kept = kept_values(order)
    return {r: wide(kept.get(r, r.array)) for r in order if r.primitive is None}


def computed(record: Record, values: dict[Record, Any], touch: Callable[[Any], Any] = wide) -> Any:
    """One value from those of its inputs; of a leaf what it holds now. It is put among them."""
    if record in values:
        return values[record]
    if record.primitive is None:
        values[record] = touch(record.array)
        return values[record]
    operands = [values[x] if isinstance(x, Record) else x for x in record.inputs]
    if record.primitive.types is not None:
        operands = record.primitive.types(record.primitive.name, operands)
    with np.errstate(all="ignore"):
        result = record.primitive.forward(*operands, **record.params)
    values[record] = tuple(map(touch, result)) if isinstance(result, tuple) else touch(result)
    return values[record]


def backward(order: list[Record], values: dict[Record, Any], touch: Callable[[Any], Any] = wide) -> dict[Record, Any]:
    """The cotangent of every value that needs one."""
    root = order[-1]
    found: dict[Record, Any] = {root: np.ones(root.shape)}
    with np.errstate(all="ignore"):
        for record in sorted(order, key=lambda r: r.index, reverse=True):
            dY = found.get(record)
            if dY is None or record.primitive is None:
                continue
            Y = values[record]
            if isinstance(dY, tuple) and record.primitive.needs_zeros:
                dY = complete(dY, record, np.asarray)
            inputs = [values[x] if isinstance(x, Record) else x for x in record.inputs]
            if record.primitive is pick:
                inputs = list(record.inputs)  # its rule asks for how many there are
            record.primitive.begin()
            for index, x in enumerate(record.inputs):
                if not isinstance(x, Record) or not x.needs_grad or not record.primitive.has_rule(index):
                    continue
                dX = record.primitive.call_rule(index, dY, Y, inputs, record.params)
                if dX is None:
                    continue
                if isinstance(dX, tuple):
                    found[x] = add_parts(found.get(x), dX)
                    continue
                dX = touch(dX)
                dX = dX if dX.shape == x.shape else unbroadcast(dX, x.shape)
                found[x] = dX if x not in found else found[x] + dX
    return found
