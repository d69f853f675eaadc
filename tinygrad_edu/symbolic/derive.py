"""Derive: the cotangents of a recorded graph as expressions, by reading its rules on Symbols.

Named values stand in them by their names; what lies between is spelled out. The rules are those that
`backward()` runs, so the formulas are what was computed, not a second table.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..core.backward import unbroadcast
from ..core.joint import add_parts, pick
from ..core.record import Record, reached
from ..core.symbol import Symbol


def cotangents(graph: Reading, dL: Any, atoms: dict[Record, Symbol]) -> Iterator[tuple[Record, Any]]:
    """The cotangent of each named value but the last, as its rules give it, in the order of backprop.

    From its line on a named value's cotangent is an atom, which the caller enters into `atoms` before it asks for
    the next.
    """
    root = graph.order[-1]
    place = {record: i for i, record in enumerate(graph.order)}
    users = dict.fromkeys(graph.order, 0)
    for record in graph.order:
        for x in record.inputs:
            if isinstance(x, Record):
                users[x] += 1
    found: dict[Record, Any] = {root: dL}
    ready = [(0, 0, root)]
    while ready:
        record = heapq.heappop(ready)[-1]
        dY = found.get(record)
        if dY is not None and record is not root and record in graph.names:
            yield record, dY
            dY = atoms[record]
        for index, x in enumerate(record.inputs):
            if not isinstance(x, Record):
                continue
            dX = graph.cotangent(record, index, dY) if dY is not None and x.needs_grad else None
            if isinstance(dX, tuple):  # of one output of several
                found[x] = add_parts(found.get(x), dX)
            elif dX is not None:  # a Function's backward may send nothing
                found[x] = found[x] + dX if x in found else dX
            users[x] -= 1
            if not users[x]:
                heapq.heappush(ready, (*graph.turn(x, place[x]), x))


class Reading:
    """The records below a loss in topological order, with names and their values as Symbols."""

    def __init__(
        self,
        root: Record,
        names: dict[Record, str],
        constants: Callable[[dict[str, Symbol]], dict[Record, Any]],
        counted: Callable[[Record, Any, list[Any]], Any] = lambda record, dX, given: dX,
    ) -> None:
        self.counted = counted  # how the count that a mean divides by is shown in what its rule gives
        self.order = topological(root)
        self.names = names
        self.symbols = {r: Symbol(r.shape, r.dtype, n) for r, n in self.names.items()}
        self.symbols.update(constants({s.name: s for s in self.symbols.values() if s.name}))
        self.named = {  # of computations with several outputs, those that have names
            (r.inputs[0], r.params["output"]): s for r, s in self.symbols.items() if r.primitive is pick
        }
        self.formulas: dict[Record, Any] = {}
        for record in self.order:
            if record.primitive is not None:
                inputs = [self.value(x) if isinstance(x, Record) else x for x in record.inputs]
                self.formulas[record] = record.primitive(*inputs, **record.params)
            elif record not in self.symbols:  # a number, or something that nobody has named
                self.symbols[record] = Symbol(record.shape, record.dtype, _constant(record))

    def value(self, record: Record) -> Any:
        """The value as equations show it: its name, or how it is computed."""
        return self.symbols[record] if record in self.symbols else self.formulas[record]

    def cotangent(self, record: Record, index: int, dY: Any) -> Any:
        """What a record's rule sends to one of its inputs, in that input's shape and dtype."""
        x = record.inputs[index]
        inputs = [self.value(v) if isinstance(v, Record) else v for v in record.inputs]
        assert record.primitive is not None
        Y = self.value(record)
        if record.primitive is pick:
            inputs = [x]  # whose shapes are all that its rule reads
        if isinstance(Y, tuple):
            Y = tuple(self.named.get((record, k), y) for k, y in enumerate(Y))
            if record.primitive.needs_zeros:
                dY = tuple(np.zeros_like(y) if part is None else part for y, part in zip(Y, dY, strict=True))
        dX = record.primitive.call_rule(index, dY, Y, inputs, record.params)
        if dX is None or isinstance(dX, tuple):
            return dX
        dX = self.counted(record, dX, [dY, Y, *inputs])
        dX = dX if dX.shape == x.shape else unbroadcast(dX, x.shape)
        return dX if dX.dtype == x.dtype else dX.astype(x.dtype)

    def turn(self, record: Record, place: int) -> tuple[int, int]:
        """When a complete cotangent is dealt with: what has no line at once, then leaves as the
        forward pass met them, and only then the next named value."""
        if record not in self.names:
            return 0, -place
        return (1, place) if record.primitive is None else (2, -place)


def _constant(record: Record) -> str:
    return repr(np.asarray(record.array).item()) if record.array is not None else "c"


def as_made(root: Record) -> list[Record]:
    """Every record below root, each after its inputs, in the order in which the program has run."""
    return sorted(reached([root]), key=lambda record: record.index)


def topological(root: Record) -> list[Record]:
    """Every record below root, each after its inputs, in an order fixed by the graph alone."""
    order: list[Record] = []
    done: set[Record] = set()
    stack: list[tuple[Record, bool]] = [(root, False)]
    while stack:
        record, inputs_done = stack.pop()
        if inputs_done:
            order.append(record)
        elif record not in done:
            done.add(record)
            stack.append((record, True))
            stack.extend((x, False) for x in reversed(record.inputs) if isinstance(x, Record) and x not in done)
    return order
