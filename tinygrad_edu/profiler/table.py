"""What a profile's events come to: rows of times, as text. Times are inclusive and rows never overlap, so they add up.

A primitive that another one calls counts for that one, and one within an optimizer's step for the step.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from .events import BACKWARD, COUNTED, MODULE, PRODUCT, PROGRAM, Event

SORTS = {
    "total": "total",
    "forward": "forward",
    "backward": "backward",
    "products": "products",
    "calls": "calls",
    "count": "calls",  # PyTorch's words
    "cpu_time_total": "total",
    "self_cpu_time_total": "total",
    "cpu_time": "total",
}


@dataclasses.dataclass
class Row:
    """ns of one name; `products` are within the others."""

    name: str
    forward: int = 0
    backward: int = 0
    update: int = 0
    program: int = 0
    products: int = 0
    calls: int = 0

    @property
    def total(self) -> int:
        return self.forward + self.backward + self.update + self.program

    # PyTorch's words, in microseconds
    @property
    def key(self) -> str:
        return self.name

    @property
    def count(self) -> int:
        return self.calls

    @property
    def cpu_time_total(self) -> float:
        return self.total / 1e3

    def add(self, event: Event) -> None:
        setattr(self, event.kind, getattr(self, event.kind) + event.time)
        self.products += event.products
        self.calls += event.kind != BACKWARD


class Averages(list[Row]):
    """A row per primitive, longest first."""

    def __init__(self, events: Iterable[Event], wall: int) -> None:
        self.wall = wall
        rows: dict[str, Row] = {}
        for event in events:
            if event.outermost:
                rows.setdefault(event.name, Row(event.name)).add(event)
        super().__init__(sorted(rows.values(), key=lambda row: -row.total))

    def total(self) -> Row:
        """All rows in one."""
        return _sum("in primitives", self)

    def table(self, sort_by: str | None = None, row_limit: int = 100, **_: Any) -> str:
        if sort_by is not None and sort_by not in SORTS:
            raise ValueError(f"profile: sort_by={sort_by!r} is none of {', '.join(SORTS)}.")
        field = SORTS[sort_by or "total"]
        rows = sorted(self, key=lambda row: -getattr(row, field))
        shown, rest = rows[:row_limit], rows[row_limit:]
        if rest:
            shown.append(_sum(f"{len(rest)} others", rest))
        everything = self.total()
        kinds = [kind for kind in COUNTED if kind != PROGRAM or everything.program]
        lines = [_line(row.name, row, self.wall, kinds) for row in [*shown, everything]]
        rest_ns = self.wall - everything.total
        between = ["between primitives", *[""] * len(kinds), _ms(rest_ns), _percent(rest_ns, self.wall), "", ""]
        return _aligned([["primitive", *(f"{kind} ms" for kind in kinds), *_HEAD], *lines, between])


_HEAD = ["total ms", "of all", "products", "calls"]


def report(events: list[Event], wall: int, modules: dict[str, str], steps: int, sort_by: str, row_limit: int) -> str:
    """The two tables, of primitives and of modules, and the line above them."""
    averages = Averages(events, wall)
    products = sum(event.time for event in events if event.kind == PRODUCT)
    per_step = f", {steps} steps of {_ms(wall // steps)} ms" if steps else ""
    head = f"{_ms(wall)} ms{per_step}; matrix products (BLAS) {_ms(products)} ms, {_percent(products, wall)} of all"
    parts = [head, averages.table(sort_by, row_limit)]
    rows = module_rows(events, modules)
    if rows:
        kinds = COUNTED[:2]
        lines = [["module", *(f"{kind} ms" for kind in kinds), *_HEAD]]
        for path, row in rows.items():
            above, _, own = path.rpartition(".")
            label = "  " * _depth(path, rows) + (f"{own}: " if above in rows else "") + modules.get(path, path)
            lines.append(_line(label, row, wall, kinds))
        parts.append(_aligned(lines))
    return "\n\n".join(parts)


def module_rows(events: list[Event], modules: dict[str, str]) -> dict[str, Row]:
    """By path: forward is the time of the module's call, backward that of what was recorded in it; parts included."""
    rows = {path: Row(path) for path in modules}
    running: list[Event] = []
    for event in events:  # in the order in which they began
        if event.kind == MODULE:
            while running and running[-1].end <= event.start:
                running.pop()
            if all(outer.name != event.name for outer in running):  # a module that calls itself counts once
                row = rows.setdefault(event.name, Row(event.name))
                row.forward += event.time
                row.products += event.products
                row.calls += 1
            running.append(event)
        elif event.kind == BACKWARD and event.outermost:
            path = event.module
            while path:
                if path in rows:
                    rows[path].backward += event.time
                    rows[path].products += event.products
                path = path.rpartition(".")[0]
    return {path: row for path, row in rows.items() if row.calls or row.backward}


def _depth(path: str, rows: dict[str, Row]) -> int:
    depth = 0
    while path := path.rpartition(".")[0]:
        depth += path in rows
    return depth


def _sum(name: str, rows: Iterable[Row]) -> Row:
    total = Row(name)
    for row in rows:
        for field in (*COUNTED, "products", "calls"):
            setattr(total, field, getattr(total, field) + getattr(row, field))
    return total


def _line(label: str, row: Row, wall: int, kinds: Iterable[str]) -> list[str]:
    return [
        label,
        *(_ms(getattr(row, kind)) if getattr(row, kind) else "-" for kind in kinds),
        _ms(row.total),
        _percent(row.total, wall),
        _percent(row.products, row.total),
        f"{row.calls:,}",
    ]


def _ms(ns: int) -> str:
    return f"{ns / 1e6:,.3f}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "-"


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    first = widths[0]
    return "\n".join(
        (f"{row[0]:<{first}}  " + "  ".join(f"{c:>{w}}" for c, w in zip(row[1:], widths[1:], strict=True))).rstrip()
        for row in rows
    )
