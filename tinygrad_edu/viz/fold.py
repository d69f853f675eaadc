"""Large graphs as few boxes: a module's call as one, and equal ones that follow one another as one with a count.

1. A call of a module at the depth that is asked for takes in all that it computed, the parameters and buffers that
   nobody else reads, and masks.
2. What is left stands in the order in which it ran. A period of it (a box, or several in a row) repeats if the next
   boxes are of the same make and are wired in the same way: to boxes as far back, or to the very same ones.
   At least three periods become one box.

Boxes stay in the order in which they ran, so no arrow can lead back.

Equal make means: the same operations on the same shapes, wired in the same way. Numbers don't count. What the
user has named himself is never folded into a count: its name is what a reader looks for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .graph import Call, Graph, Value

TIMES = 3  # equal ones before they are counted: two are as easily read as one
LONGEST = 48  # boxes in a period at most
WORK = 600_000  # comparisons: of a longer graph only shorter periods are looked for


@dataclass(eq=False)
class Unit:
    """What becomes a box: a value, a module's call, or some that repeat `count` times, one after the other."""

    id: str
    values: list[Value]  # in the order in which they were made
    call: Call | None = None
    inputs: list[tuple[str, str]] = field(default_factory=list)  # (id of a unit, id of its value that is read)
    all: tuple[Unit, ...] = ()  # of a repetition what it is made of
    count: int = 1

    @property
    def alone(self) -> bool:
        """It is a value, drawn as such."""
        return self.call is None and not self.all

    @property
    def parts(self) -> tuple[Unit, ...]:
        """What it is made of the first time."""
        return self.all[: len(self.all) // self.count] or (self,)

    @property
    def output(self) -> Value:
        return self.values[-1]


def folded(graph: Graph, values: Sequence[Value], depth: int, named: Collection[str] = ()) -> list[Unit]:
    """The boxes of a graph whose modules at `depth` are closed, each after its inputs.

    Modules that repeat stay closed at any greater depth: one box says what twelve would.

    Args:
        graph: for its calls.
        values: those to draw.
        depth: 0 closes the model itself, 1 what it calls, and so on.
        named: ids of values with a name that the user gave.
    """
    repeated: set[str] = set()
    for level in range(min(depth, 1 + max((call.level for call in graph.calls), default=-1))):
        for unit in _counted(_closed(graph, values, level, repeated), named):
            repeated.update(part.call.id for part in unit.all if part.call is not None)
    return _counted(_closed(graph, values, depth, repeated), named)


def _closed(graph: Graph, values: Iterable[Value], depth: int, repeated: Collection[str]) -> list[Unit]:
    """Calls of that level, and those that repeat, as units, other values as units of their own."""
    box: dict[str | None, Call | None] = {None: None}
    for call in graph.calls:  # a call comes after the one that it was made in
        box[call.id] = box[call.parent] or (call if call.level == depth or call.id in repeated else None)
    shown = sorted(values, key=_number)
    home = {v.id: box[v.call] for v in shown}
    _take_in(shown, home)
    units: dict[str, Unit] = {}
    unit_of: dict[str, Unit] = {}
    for v in shown:
        at = home[v.id]
        key = v.id if at is None else at.id
        unit_of[v.id] = units.setdefault(key, Unit(key, [], at))
        unit_of[v.id].values.append(v)
    computed = {v.id for v in shown if v.operation is not None}
    for unit in units.values():
        unit.values.sort(key=_leaves_first)
        sources = [
            (unit_of[x].id, x)
            for v in unit.values
            for x in v.inputs
            # What a module owns lies in its first call, and no arrow leads from there to the others.
            if isinstance(x, str) and x in home and unit_of[x] is not unit and (home[x] is None or x in computed)
        ]
        unit.inputs = sources if unit.alone else list(dict.fromkeys(sources))
    return sorted(units.values(), key=_when)


def _take_in(shown: Sequence[Value], home: dict[str, Call | None]) -> None:
    """Give leaves that belong into a closed call their home: a module's own, masks, and what it adds to its results.

    Data stay outside. Nothing tells an argument from a constant that the module made, so it is taken for one where an
    operation begins with it, or with what comes from outside.
    """
    kinds = {v.id: v for v in shown}
    readers: dict[str, list[Value]] = {}
    for v in shown:
        for x in dict.fromkeys(v.inputs):
            if isinstance(x, str) and x in home:
                readers.setdefault(x, []).append(v)
    for v in shown:
        if v.operation is not None or v.id not in readers:
            continue
        homes = [home[reader.id] for reader in readers[v.id]]
        paths = {at.path for at in homes if at is not None}
        if None in homes or len(paths) != 1:
            continue  # not one module's, however often that is called
        own = bool(v.path) or v.shape == () or v.dtype.kind == "b"
        if not own and not v.needs_grad and len(set(homes)) == 1:
            own = True
            for reader in readers[v.id]:
                first = kinds.get(str(reader.inputs[0]))
                inside = first is not None and first.operation is not None and home[first.id] is homes[0]
                own = own and first is not v and (inside or _two_valued(v))
        if own:
            home[v.id] = homes[0]


def _two_valued(v: Value) -> bool:
    """A mask: it says yes or no to each entry."""
    if v.array is None or v.dtype.kind != "f" or not v.array.size:
        return False
    low, high = v.array.min(), v.array.max()
    return bool(((v.array == low) | (v.array == high)).all())


def _number(v: Value) -> int:
    return int(v.id[1:])


def _leaves_first(v: Value) -> tuple[bool, int]:
    return v.operation is not None, _number(v)


def _when(unit: Unit) -> int:
    """When its first computed value was made; leaves when they were first met."""
    return next((_number(v) for v in unit.values if v.operation is not None), _number(unit.values[0]))


# --- repetitions


def _counted(units: list[Unit], named: Collection[str]) -> list[Unit]:
    """The same with periods that repeat as one unit each."""
    row = _Row(units, named)
    found: list[Unit] = []
    inside: dict[str, str] = {}  # by id of a unit the repetition that took it in
    i = 0
    while i < len(row.units):
        period, times = row.best(i)
        later = period > 1 and not row.trained(i) and row.trained(i + 1) and row.best(i + 1) == (period, times)
        if times < TIMES or later:  # "Linear, ReLU", not "ReLU, Linear"
            found.append(row.units[i])
            i += 1
            continue
        members = row.units[i : i + period * times]
        new = Unit(f"x{i}", [], all=tuple(members), count=times)
        for j, unit in enumerate(members, i):
            for taken in (unit, *row.own(j, later=j + period if j < i + period else j)):
                new.values += taken.values
                new.inputs += taken.inputs
                inside[taken.id] = new.id
        new.values.sort(key=_leaves_first)
        found.append(new)
        i += period * times
    result = [u for u in row.leaves.values() if u.id not in inside] + found
    for unit in result:
        inputs = [(inside.get(s, s), v) for s, v in unit.inputs if inside.get(s, s) != unit.id]
        unit.inputs = inputs if unit.alone else list(dict.fromkeys(inputs))
    return sorted(result, key=_when)


class _Row:
    """What was computed, in the order in which it ran, and for each period how far it goes on repeating."""

    def __init__(self, units: list[Unit], named: Collection[str]) -> None:
        self.units = [u for u in units if u.output.operation is not None]
        self.leaves = {u.id: u for u in units if u.output.operation is None}
        self.readers: dict[str, int] = {}
        for unit in self.units:
            for source in dict.fromkeys(source for source, _ in unit.inputs):
                self.readers[source] = self.readers.get(source, 0) + 1
        place = {u.id: i for i, u in enumerate(self.units)}
        self.latest = [-1] * len(self.units)  # the place of the last unit that reads it
        for i, unit in enumerate(self.units):
            for source, _ in unit.inputs:
                if source in place:
                    self.latest[place[source]] = i
        shapes = {v.id: v.shape for unit in units for v in unit.values}
        makes: dict[Any, int] = {}
        self.made: list[int] = []  # a number for each one's make; one of its own for what has a name
        # Of each input the place of its unit, the shape of an unnamed leaf that nobody else reads, or a leaf's id
        self.wired: list[tuple[Any, ...]] = []
        for i, unit in enumerate(self.units):
            free = not (unit.alone and unit.output.id in named)
            self.made.append(makes.setdefault(_make(unit, shapes), len(makes)) if free else -1 - i)
            sources = [(s, self.leaves.get(s)) for s, _ in unit.inputs]
            self.wired.append(
                tuple(
                    place[s] if x is None else x.output.shape if self.readers[s] == 1 and s not in named else s
                    for s, x in sources
                )
            )
        n = len(self.units)
        self.runs: list[list[int]] = [[]]  # by period: of how many units from each on the one a period before is equal
        for period in range(1, max(1, min(LONGEST, n // TIMES, WORK // max(n, 1))) + 1):
            run = [0] * (n + 1)
            for i in range(n - 1, period - 1, -1):
                if self.made[i] == self.made[i - period] and self._alike(i, period):
                    run[i] = run[i + 1] + 1
            self.runs.append(run)

    def own(self, i: int, later: int) -> list[Unit]:
        """The leaves that only unit i reads; where `later` reads something that was computed, the data of a first one
        are no part of what repeats."""
        found = []
        for k, (s, _) in enumerate(self.units[i].inputs):
            if isinstance(self.wired[i][k], tuple) and isinstance(self.wired[later][k], tuple):
                found.append(self.leaves[s])
        return found

    def trained(self, i: int) -> bool:
        """Unit i reads parameters."""
        inside = any(v.kind == "leaf" for v in self.units[i].values)
        return inside or any(s in self.leaves and self.leaves[s].output.needs_grad for s, _ in self.units[i].inputs)

    def _alike(self, i: int, period: int, start: int | None = None) -> bool:
        """Unit i is wired as the one a period before: to the same, or to one a period later.

        With `start`, where the first repetition begins: what comes into that from outside, the others get from it.
        """
        here, before = self.wired[i], self.wired[i - period]
        if here is before:
            return True
        if len(here) != len(before):
            return False
        for a, b in zip(here, before, strict=True):
            if a == b or (isinstance(a, int) and isinstance(b, int) and a - b == period):
                continue
            outside = (
                start is not None and isinstance(a, int) and a >= start and not (isinstance(b, int) and b >= start)
            )
            if not outside:
                return False
        return True

    def _undisturbed(self, i: int, period: int, n: int) -> int:
        """How many repetitions there are until one that is read from outside, unless all are: an arrow that leaves
        the box says that it comes from the last, or from each."""
        while n >= TIMES:
            end = i + period * n
            cut = n
            for j in range(i, i + period):
                outside = [self.latest[j + period * k] >= end for k in range(n - 1)]
                if any(outside) and not all(outside):
                    cut = min(cut, outside.index(True) + 1)
            if cut == n:
                break
            n = cut
        return n

    def best(self, i: int) -> tuple[int, int]:
        """The period from place i on whose repetitions take in most, and their number; the shortest of equals."""
        best, times = 0, 0
        for period in range(1, len(self.runs)):
            second = i + period
            if second + period >= len(self.units):
                break
            n = self.runs[period][second + period] // period + 2
            if n < TIMES or n * period <= best * times or self.made[i] != self.made[second]:
                continue
            if all(
                self.made[j] == self.made[j - period] and self._alike(j, period, i)
                for j in range(second, second + period)
            ):
                n = self._undisturbed(i, period, n)
                if n >= TIMES and n * period > best * times:
                    best, times = period, n
        return best, times


def _make(unit: Unit, shapes: Mapping[str, tuple[int, ...]]) -> Any:
    """What is equal of two units that do the same: operations, shapes and wiring inside."""
    number: dict[str, Any] = {}
    parts = []
    for v in unit.values:
        if v.operation is None:
            continue
        wires = []
        for x in v.inputs:
            wires.append(number.setdefault(x, (shapes.get(x), len(number))) if isinstance(x, str) else x)
        parts.append((v.primitive, v.shape, v.dtype.char, _words(v), tuple(wires)))
        number[v.id] = len(parts)
    return unit.call.kind if unit.call is not None else "", tuple(parts)


def _words(value: Value) -> Any:
    """The parameters that make an operation what it is: not which part of a sequence a step reads."""
    if value.primitive == "getitem":
        return ()
    return tuple(sorted((k, str(v)) for k, v in value.params.items() if isinstance(v, (bool, int, float, str, tuple))))
