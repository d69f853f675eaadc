"""The parts of an explorer's page that fold: modules, and what repeats, with its count; and which are folded at first.

What a call computed, and what stands beside it, is a row in the order of time. A period of that row (one call, or
several calls and values) that comes at least three times in a row, of the same operations on the same shapes, is a
part of its own: "12 × Block". Such a row has no gaps, so no arrow leads out of it and back.
"""

from __future__ import annotations

import bisect
from collections.abc import Collection, Hashable, Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from ..core.record import Record
from ..symbolic.calls import Call
from ..symbolic.repeats import repeats

OPEN, FEW, MANY = 40, 8, 100  # boxes that are seen at first: at most 40, but rather up to 100 than fewer than 8


class Made(NamedTuple):
    """How a card's value was made: when, and by what; of what the computation starts from `what` is empty."""

    name: str
    when: int
    what: str
    shape: tuple[int, ...]


class _Part:
    """Cards that fold into one."""

    def __init__(self, name: str, kind: str, inner: Sequence[_Part], loose: Sequence[int], count: int = 1) -> None:
        self.name, self.kind, self.inner, self.count = name, kind, list(inner), count
        self.cards: list[int] = sorted({*loose, *(k for part in inner for k in part.cards)})


def modules(
    calls: Sequence[Call],
    homes: Sequence[Call | None],
    inputs: Sequence[Sequence[int]],
    owned: Collection[int],
    made: Sequence[Made],
    order: Iterable[Record],
) -> tuple[list[dict[str, Any]], list[int]]:
    """Parts as plain data, those that hold at least two cards; and the numbers of those folded at first.

    Args:
        calls: of modules, in the order in which they began.
        homes: of each card the call that computed it.
        inputs: of each card the cards that it is computed from.
        owned: cards of parameters, which go with what reads them.
        made: of each card what, and when.
        order: every record, those without a card too.
    """
    places = list(homes)
    readers: dict[int, list[int]] = {}
    for user, read in enumerate(inputs):
        for k in dict.fromkeys(read):
            readers.setdefault(k, []).append(user)
    for k in owned:
        places[k] = _common([homes[user] for user in readers.get(k, ())])
    tops = _Rows(places, inputs, readers, made, order).parts([c for c in calls if c.parent is None], None)
    shown: list[_Part] = []
    parents: list[int] = []
    stack = [(part, -1) for part in reversed(tops)]
    while stack:
        part, parent = stack.pop()
        if len(part.cards) > 1:
            shown.append(part)
            parents.append(parent)
            parent = len(shown) - 1
        stack += [(inner, parent) for inner in reversed(part.inner)]
    times: dict[str, int] = {}
    found = []
    for part, parent in zip(shown, parents, strict=True):
        times[part.name] = times.get(part.name, 0) + 1
        name = part.name if times[part.name] == 1 else f"{part.name} #{times[part.name]}"
        found.append({"name": name, "kind": part.kind, "parent": parent, "cards": part.cards})
    return found, _folded(shown, parents, len(places))


class _Rows:
    """What each call has computed, by calls and by itself, in the order of time."""

    def __init__(
        self,
        places: Sequence[Call | None],
        inputs: Sequence[Sequence[int]],
        readers: dict[int, list[int]],
        made: Sequence[Made],
        order: Iterable[Record],
    ) -> None:
        self.inputs, self.readers, self.made = inputs, readers, made
        computed = sorted((r for r in order if r.primitive is not None), key=lambda r: r.index)
        self.times = [r.index for r in computed]
        self.steps = [(r.primitive.key, r.shape) for r in computed if r.primitive is not None]
        self.held: dict[Call | None, list[int]] = {}
        for k, place in enumerate(places):
            self.held.setdefault(place, []).append(k)

    def parts(self, inner: Sequence[Call], call: Call | None) -> list[_Part]:
        """The parts that a call directly consists of; None: what is in no call."""
        own = [k for k in self.held.get(call, ()) if self.made[k].what]
        row: list[tuple[int, Hashable, _Part | int]] = [(self.made[k].when, self._make(k), k) for k in own]
        row += [(c.ended, self._make(c), self._of(c)) for c in inner]
        row.sort(key=lambda found: found[0])
        items = [item for _, _, item in row]
        found: list[_Part] = []
        for start, period, times in repeats([make for _, make, _ in row]):
            members = items[start : start + period * times]
            if times == 1 or not self._chained(members, period):
                found += [item for item in members if isinstance(item, _Part)]
            else:
                found.append(self._repeated(members, period, times))
        return found

    def _chained(self, members: list[_Part | int], period: int) -> bool:
        """Modules repeat by being equal; values outside of modules only if each step goes on from the one before."""
        if any(isinstance(item, _Part) for item in members):
            return True
        steps = [set(members[i : i + period]) for i in range(0, len(members), period)]
        return all(any(x in before for k in step for x in self.inputs[k]) for before, step in pairwise(steps))  # type: ignore[index]

    def _of(self, call: Call) -> _Part:
        inner = self.parts(call.children, call)
        return _Part(call.path or call.kind, call.kind, inner, self.held.get(call, ()))

    def _repeated(self, members: list[_Part | int], period: int, times: int) -> _Part:
        """A repetition, with the data and parameters that nobody else reads."""
        parts = [item for item in members if isinstance(item, _Part)]
        loose = [item for item in members if isinstance(item, int)]
        inside = {*loose, *(k for part in parts for k in part.cards)}
        for k in {x for user in loose for x in self.inputs[user]} - inside:
            if not self.made[k].what and all(user in inside for user in self.readers[k]):
                loose.append(k)
        words = [item.kind if isinstance(item, _Part) else self.made[item].what for item in members[:period]]
        kind = ", ".join(words) if period <= 2 else f"{period} steps"
        names = [item.name if isinstance(item, _Part) else self.made[item].name for item in (members[0], members[-1])]
        return _Part(f"{times} × {kind}", " … ".join(names), parts, loose, times)

    def _make(self, item: Call | int) -> Hashable:
        """What equal items have in common: a module's class, operations, and shapes."""
        if isinstance(item, int):
            found = self.made[item]
            return found.what, found.shape, tuple(self.made[x].shape for x in self.inputs[item])
        first, last = bisect.bisect_right(self.times, item.began), bisect.bisect_right(self.times, item.ended)
        return item.kind, tuple(self.steps[first:last])


def _common(calls: list[Call | None]) -> Call | None:
    """The innermost call that all of some lie in."""
    if not calls or None in calls:
        return None
    first, *rest = calls
    while first is not None and not all(_within(call, first) for call in rest):
        first = first.parent
    return first


def _within(call: Call | None, outer: Call) -> bool:
    while call is not None and call is not outer:
        call = call.parent
    return call is outer


def _folded(shown: Sequence[_Part], parents: Sequence[int], cards: int) -> list[int]:
    """Repetitions, and the parts of the deepest level that leaves few enough boxes, else of the next best."""
    if cards <= OPEN or not shown:
        return []
    levels = [0] * len(shown)
    for i, parent in enumerate(parents):  # which comes before its parts
        levels[i] = 0 if parent < 0 else levels[parent] + 1
    always = [i for i, part in enumerate(shown) if part.count > 1]
    always += [i for i, p in enumerate(parents) if p in set(always) and len(shown[p].cards) > OPEN]  # when it opens
    views = [(_boxes(shown, always, cards), always)]
    for level in range(max(levels), -1, -1):
        if views[-1][0] <= OPEN:
            break
        folded = sorted({*always, *(i for i in range(len(shown)) if levels[i] == level)})
        views.append((_boxes(shown, folded, cards), folded))
    left, folded = views[-1]
    if left > OPEN:
        return min(views, key=lambda view: view[0])[1]
    enough = [view for view in views if FEW <= view[0] <= MANY]
    return folded if left >= FEW or not enough else min(enough, key=lambda view: view[0])[1]


def _boxes(shown: Sequence[_Part], folded: Sequence[int], cards: int) -> int:
    """How many boxes are seen."""
    hidden: set[int] = set()
    boxes = 0
    for i in sorted(folded, key=lambda i: -len(shown[i].cards)):  # outer ones first
        if shown[i].cards[0] not in hidden:
            hidden.update(shown[i].cards)
            boxes += 1
    return cards - len(hidden) + boxes
