"""An explanation as text for people: lines no wider than a page, those of a module under its path, or folded.

A large model has hundreds of equations, and twelve equal blocks repeat theirs twelve times. So the lines stand under
the path of the module that computed the value, and of modules at some depth only one row says what goes in and what
comes out:

    H9 = Block(H3)   2 × 6 × 16   blocks.0: 31 lines folded

A long program without modules has lines that repeat one form; of those the first and the last ones are shown:

    H1 = sin(x)                   3
    H2 = sin(H1)                  3
    … 1,997 lines of this form
    H2000 = sin(H1999)            3

A line that is too long goes on below, broken at an operator, as far out of the parentheses as can be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..core.record import Record
from .calls import Call
from .expressions import words
from .notations import ASCII, TEXT
from .repeats import repeats

if TYPE_CHECKING:
    from .explanation import Explanation
    from .lines import Line

WIDTH = 100  # columns
FORMULA = 70  # columns that a formula has at most, if others are shorter
SHAPE = 30  # columns of a shape
LEAST = 40  # columns that a formula has at least: longer paths lose their beginning
ROWS = 60  # lines of a pass beyond which modules are folded by themselves,
FEW, MANY = 8, 200  # unless that leaves fewer than 8 of at most 200
HEADED = 16  # lines of a pass beyond which modules have headings
INDENT = 16  # columns at most by which a line goes on
NAMES = 4  # of values in a folded row
PARTS = 8  # of a broken line at most, where lines are folded by themselves

_WORD = r"[^\W⁰¹²³⁴⁵⁶⁷⁸⁹ᵀ]+"  # powers and transposes are no part of a name
_BREAKS = {"+", "-", "∘", "*", "/", "=", "if", "else"}  # a line goes on with one of these


class _Row(NamedTuple):
    """A line of the text; a heading has no shape."""

    text: str
    shape: str
    note: str  # a path, or how much is folded
    indent: int


def text(e: Explanation, ascii: bool, depth: int | None) -> str:
    """Both passes with shapes and paths; modules at `depth` folded, None: those of a large model."""
    if depth is not None and (isinstance(depth, bool) or not isinstance(depth, int) or depth < 0):
        raise ValueError(f"text: depth is how many modules deep the lines go, 0 or more, not {depth!r}.")
    deepest = max((call.level for call in e.calls.all), default=-1)
    by_itself = depth is None
    found, depth = _chosen(e, ascii, deepest, depth)
    folded = any(row.note.endswith("folded") for rows in found for row in rows)
    head = list(_wrapped(e.heading))
    repeated = by_itself and any(len(rows) > ROWS for rows in found)
    if repeated:
        found = [_without_repeats(rows, ascii) for rows in found]
        head.append(f"Lines that repeat are folded: .text(depth={deepest + 1}) shows every line.")
    elif folded:
        every = f".text(depth={deepest + 1}) shows every line."
        head.append(
            "Modules are folded: " + (f".text(depth={depth + 1}) opens them, " if depth < deepest else "") + every
        )
    if e.stale:
        head += _wrapped(f"{', '.join(e.stale)} has been written since: formulas without values.", ", ")
    both = [row for rows in found for row in rows]
    shapes = min(max((len(row.shape) for row in both), default=0), SHAPE)
    notes = max((len(row.note) for row in both), default=0)
    shapes = max(shapes, 10) if notes else shapes
    longest = max((row.indent + len(row.text) for row in both if row.shape), default=0)
    width = min(longest, FORMULA, max(LEAST, WIDTH - 2 - 3 - shapes - 1 - notes))
    blocks = ["\n".join(head)]
    for title, rows in zip(("forward", "backward"), found, strict=True):
        most = PARTS if repeated else None
        blocks.append("\n".join([title, *(line for row in rows for line in _spelled(row, width, shapes, ascii, most))]))
    return "\n\n".join(blocks)


def _chosen(e: Explanation, ascii: bool, deepest: int, depth: int | None) -> tuple[list[list[_Row]], int]:
    """The rows, and the depth at which modules are folded: the deepest that makes few enough, yet not next to none."""
    if depth is not None:
        return _rows(e, ascii, depth), depth
    found, depth = _rows(e, ascii, deepest + 1), deepest + 1
    while max(map(len, found)) > ROWS and depth > 0:
        coarser = _rows(e, ascii, depth - 1)
        if max(map(len, coarser)) < FEW and max(map(len, found)) <= MANY:
            break
        found, depth = coarser, depth - 1
    return found, depth


def _without_repeats(rows: list[_Row], ascii: bool) -> list[_Row]:
    """The rows with those in the middle of a long repetition left out."""
    place: dict[str, int] = {}
    forms = []
    for i, row in enumerate(rows):
        name = row.text.partition(" = ")[0]

        def known(word: re.Match[str], i: int = i) -> str:
            return f"@{i - place[word[0]]}" if word[0] in place else word[0].rstrip("0123456789") or word[0]

        forms.append((re.sub(_WORD, known, row.text.partition(" = ")[2] or row.text), row.shape))
        place[name] = i
    found: list[_Row] = []
    for start, period, times in repeats(forms):
        members = rows[start : start + period * times]
        left_out = len(members) - 3 * period
        if left_out < period + 1:
            found += members
            continue
        form = "this form" if period == 1 else "these forms"
        found += members[: 2 * period]
        found.append(_Row(f"{'..' if ascii else '…'} {left_out:,} lines of {form}", "", "", members[0].indent))
        found += members[-period:]
    return found


def _spelled(row: _Row, width: int, shapes: int, ascii: bool, most: int | None = None) -> Iterator[str]:
    """The lines of a row: its formula, broken if need be, at most that many; its shape and its note."""
    start = " " * (2 + row.indent)
    if not row.shape:
        yield f"{start}{row.text}"[:WIDTH].rstrip()
        return
    first, *others = broken(row.text, width - row.indent)
    room = WIDTH - 2 - width - 3 - shapes - 1
    note = row.note if len(row.note) <= room else (".." if ascii else "…") + row.note[2 - room if ascii else 1 - room :]
    shape = row.shape if len(row.shape) <= shapes else row.shape[: shapes - 2] + ".."
    yield f"{start}{first:<{width - row.indent}}   {shape:<{shapes}} {note}".rstrip()
    if most is not None and len(others) > most:
        dots = ".." if ascii else "…"
        others[most // 2 : 1 - most // 2] = [
            f"{others[0][: -len(others[0].lstrip())]}{dots} {len(others) - most + 1:,} lines"
        ]
    for line in others:
        yield start + line


def broken(line: str, width: int) -> list[str]:
    """An equation in lines of at most that many columns; all but the first are indented."""
    indent = " " * min(line.find(" = ") + 3 if " = " in line else 2, INDENT, width // 3)
    lines: list[str] = []
    while len(line) > width:
        at = _break(line, width, len(indent) + 1)
        lines.append(line[:at].rstrip())
        line = indent + line[at:].lstrip()
    return [*lines, line]


def _break(line: str, width: int, least: int) -> int:
    """Where the next line begins: before an operator, outside of as many parentheses as can be, a sum's before a
    product's, as late as can be."""
    best: tuple[int, ...] = (-1,)
    found = width
    depth = 0
    for i, c in enumerate(line[: width + 1]):
        depth += (c in "([") - (c in ")]")
        if c != " " or i < max(least, width // 3):
            continue
        word = line[i + 1 :].split(" ", 1)[0]
        sign = word in _BREAKS or line[i - 1] == ","  # not between the factors of a product
        rank = sign, -depth, word in ("+", "-"), i
        if rank > best:
            best, found = rank, i
    return found


def _wrapped(sentence: str, mark: str = "; ") -> Iterator[str]:
    """A sentence in lines of at most WIDTH columns, broken at its marks."""
    line = ""
    for part in re.split(f"(?<={re.escape(mark)})", sentence):
        if line and len(line) + len(part.rstrip()) > WIDTH:
            yield line.rstrip()
            line = "  "
        line += part
    yield line.rstrip()


# --- modules


def _rows(e: Explanation, ascii: bool, depth: int) -> list[list[_Row]]:
    """The rows of the forward and of the backward pass with modules at that depth folded."""
    homes = _homes(e)
    passes: list[list[_Row]] = []
    for lines in (e.forward, e.backward):
        nested = any(call.level for call in e.calls.all)
        headed = nested and len(lines) > HEADED
        rows: list[_Row] = []
        heading: Call | None = None
        for call, group in _grouped(lines, homes, depth):
            if len(group) > 1 and call is not None and call.level == depth:
                rows.append(_folded(e, call, group, ascii))
                heading = None
                continue
            for line in group:
                home = homes.get(line.record) if headed else None
                if home is not heading:
                    heading = home
                    if home is not None:
                        name = home.path or home.kind
                        rows.append(_Row(name if name == home.kind else f"{name}   {home.kind}", "", "", 0))
                path = line.path
                if home is not None and home.path and path.startswith(f"{home.path}."):
                    path = path[len(home.path) + 1 :]
                shape = _size(line.shape, ascii)
                rows.append(_Row(line.text(ascii), shape, path, 2 if home is not None else 0))
        passes.append(rows)
    return passes


def _homes(e: Explanation) -> dict[Record, Call]:
    """The call that computed each value; of a parameter the one that reads it first."""
    homes = dict(e.calls.innermost)
    for record in e.order:
        if record in e.calls.innermost:
            for x in record.inputs:
                if isinstance(x, Record) and x.primitive is None and x.needs_grad:
                    homes.setdefault(x, e.calls.innermost[record])
    return homes


def _grouped(lines: Sequence[Line], homes: dict[Record, Call], depth: int) -> Iterator[tuple[Call | None, list[Line]]]:
    """Lines that follow one another in the same call of that depth, or in none."""
    group: list[Line] = []
    current: Call | None = None
    for line in lines:
        call = homes.get(line.record)
        while call is not None and call.level > depth:
            call = call.parent
        if call is not None and call.level < depth:
            call = None
        if group and call is not current:
            yield current, group
            group = []
        current = call
        group.append(line)
    if group:
        yield current, group


def _folded(e: Explanation, call: Call, group: list[Line], ascii: bool) -> _Row:
    """One row for the lines of a module: what comes out of it, and what goes in; backwards with a dash."""
    style = ASCII if ascii else TEXT
    own = {line.name for line in group}
    read = dict.fromkeys(name for line in group for name in words(line.symbol) if name not in own)
    if group[0].forward:
        own = {name for record, name in e.names.items() if record in e.paths}
        told = [name for name in read if name not in own]
        dash, out = "", group[-1]
    else:
        gradients = {line.name for line in e.backward}
        told = [name for name in read if name in gradients] or [
            e.backward[0].name
        ]  # the loss's own is 1 and not written
        dash = "'" if ascii else "′"
        out = next((line for line in reversed(group) if line.record.primitive is not None), group[-1])
    names = [style.name(name) for name in told[:NAMES]] + ([".." if ascii else "…"] if len(told) > NAMES else [])
    line = f"{style.name(out.name)} = {call.kind}{dash}({', '.join(names)})"
    path = f"{call.path}: " if call.path else ""
    return _Row(line, _size(out.shape, ascii), f"{path}{len(group)} lines folded", 0)


def _size(shape: tuple[int, ...], ascii: bool) -> str:
    return (" x " if ascii else " × ").join(map(str, shape)) or "scalar"
