"""The modules of an explorer's page: which cards each of them holds, and which are folded at first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from ..symbolic.calls import Call

OPEN, FEW, MANY = 40, 8, 100  # boxes that are seen at first: at most 40, but rather up to 100 than fewer than 8


def modules(
    calls: Sequence[Call], homes: Sequence[Call | None], inputs: Sequence[Sequence[int]], owned: Collection[int]
) -> tuple[list[dict[str, Any]], list[int]]:
    """Calls of modules as plain data, those that hold at least two cards; and the numbers of those folded at first.

    Args:
        calls: in the order in which they began.
        homes: of each card the call that computed it.
        inputs: of each card the cards that it is computed from.
        owned: cards of parameters, which go with what reads them.
    """
    places = list(homes)
    for k in owned:
        places[k] = _common([homes[user] for user, read in enumerate(inputs) if k in read])
    held: dict[Call, list[int]] = {call: [] for call in calls}
    for k, place in enumerate(places):
        while place is not None:
            held[place].append(k)
            place = place.parent
    shown = [call for call in calls if len(held[call]) > 1]
    number = {call: i for i, call in enumerate(shown)}
    times: dict[str, int] = {}
    found = []
    for call in shown:
        name = call.path or call.kind
        times[name] = times.get(name, 0) + 1
        found.append(
            {
                "name": name if times[name] == 1 else f"{name} #{times[name]}",
                "kind": call.kind,
                "parent": -1 if call.parent is None else number[call.parent],
                "cards": held[call],
            }
        )
    return found, _folded(shown, held, len(places))


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


def _folded(shown: list[Call], held: dict[Call, list[int]], cards: int) -> list[int]:
    """The calls to fold at first: those of the deepest level that leaves few enough boxes, else of the next best."""
    if cards <= OPEN or not shown:
        return []
    views: list[tuple[int, list[int]]] = [(cards, [])]
    for level in range(max(call.level for call in shown), -1, -1):
        folded = [i for i, call in enumerate(shown) if call.level == level]
        left = cards - sum(len(held[shown[i]]) - 1 for i in folded)
        if left <= OPEN:
            deeper = min(views, key=lambda view: view[0])
            return deeper[1] if left < FEW and deeper[0] <= MANY else folded
        views.append((left, folded))
    return min(views, key=lambda view: view[0])[1]
