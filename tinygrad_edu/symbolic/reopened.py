"""A graph with what its checkpoints have forgotten: each is run again, recorded, and stands there as if never dropped.

Records are numbered as they are made, and calls of modules are intervals of those numbers. So every computed record is
made anew, in the order of the first time; leaves stay what they are.
"""

from __future__ import annotations

import bisect
from typing import Any, NamedTuple

import numpy as np

from ..core.joint import pick
from ..core.record import Record, stamp, user_site
from ..core.tensor import record_of, wrap
from . import replay
from .derive import topological


class Reopened(NamedTuple):
    """The graph to explain."""

    root: Record
    copies: dict[Record, Record]  # of the user's records those in their place; empty without a checkpoint
    unkept: list[tuple[Record, int]]  # see replay.unkept: by the numbers of the first time


def reopened(root: Record) -> Reopened:
    """The graph of a loss with its checkpoints run again; the very same without one."""
    order = topological(root)
    unkept = replay.unkept(order)
    if not any(map(_runs_again, order)):
        return Reopened(root, {}, unkept)
    copying = _Copying(order)
    copying.run(order)
    return Reopened(copying.copies[root], copying.copies, unkept + copying.unkept)


def _runs_again(record: Record) -> bool:
    return hasattr(getattr(record.primitive, "function", None), "run_again")


class _Copying:
    """Computed records made anew, with the values that checkpoints are run again on."""

    def __init__(self, order: list[Record]) -> None:
        self.copies: dict[Record, Record] = {}
        self.values = replay.leaves(order)
        self.unkept: list[tuple[Record, int]] = []
        self._results: dict[Record, list[Record]] = {}  # of a checkpoint what its second run has computed

    def run(self, records: list[Record]) -> None:
        """Copy the computed ones among these, what lies in checkpoints before what comes after."""
        computed = sorted((r for r in records if r.primitive is not None), key=lambda r: r.index)
        began: list[int] = []  # per record the stamp before its copy was made
        for record in computed:
            began.append(stamp())
            if _runs_again(record):
                self._results[record] = self._run_again(record)
            elif record.primitive is pick and record.inputs[0] in self._results:
                copy = self._results[record.inputs[0]][record.params["output"]]
                copy.name = copy.name or record.name
                self._note(record, copy)
            else:
                self._note(record, _copy(record, self._inputs(record)))
        numbers = [r.index for r in computed]
        for record in computed:
            copy = self.copies.get(record)
            if copy is not None and copy.calls is None:
                copy.calls = _renumbered(record.calls, numbers, began)

    def _note(self, record: Record, copy: Record) -> None:
        self.copies[record] = copy
        self.values[record] = replay.computed(copy, self.values)

    def _inputs(self, record: Record) -> tuple[Any, ...]:
        return tuple(self.copies.get(x, x) if isinstance(x, Record) else x for x in record.inputs)

    def _run_again(self, record: Record) -> list[Record]:
        """The results of a checkpoint, recorded below copies of its inputs."""
        tensors = []
        for x in record.inputs:
            tensor = wrap(np.asarray(self.values[x], x.dtype))
            tensor._record = self.copies.get(x, x)
            tensors.append(tensor)
        start, here = stamp(), user_site()
        applied: Any = record.primitive
        found = [record_of(y) for y in applied.function.run_again(applied.ctx, tensors)]
        inside = list(dict.fromkeys(r for result in found for r in topological(result) if r.index > start))
        for x in dict.fromkeys(x for r in (*inside, *found) for x in (r, *r.inputs) if isinstance(x, Record)):
            if x.primitive is None:
                replay.computed(x, self.values)
                if x.written > record.index:
                    self.unkept.append((x, record.index))
        for made in inside:
            made.site = record.site if made.site == here else made.site  # a module of the library's own
        self.run(inside)  # a checkpoint may lie in another one; a closure may reach what has been copied
        return [self.copies.get(r, r) for r in found]


def _copy(record: Record, inputs: tuple[Any, ...]) -> Record:
    copy = Record(
        record.primitive,
        inputs,
        record.params,
        record.shape,
        record.dtype,
        record.needs_grad,
        record.site,
        record.edges,
    )
    copy.name, copy.kept, copy.array, copy.storage = record.name, record.kept, record.array, record.storage
    return copy


def _renumbered(calls: Any, numbers: list[int], began: list[int]) -> Any:
    """Notes of modules' calls with the stamps of the copies."""
    if calls is None:
        return None
    module, start, inner = calls
    return module, began[bisect.bisect_right(numbers, start)], _renumbered(inner, numbers, began)
