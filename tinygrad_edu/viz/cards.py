"""The explorer's graph as SVG: a card per named value, with its numbers and its gradient's as colours.

The picture is complete, so that a page without JavaScript shows the finished graph; the page's
program only hides what has not been computed yet. Colours are classes (k0 the most negative, k5
zero, k10 the most positive), so that the style sheet decides what they look like.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .notation import visible

COLOURS = 11
PAD, GAP = 11, 14  # px, inside a card, between its two tables
COLUMN, ROW = 72, 20  # px, between columns of cards, between cards of a column
LETTER = 6.7  # px, widest average of an 11 px sans-serif letter
NOTE = 26  # letters of the line that says how a value was computed

Table = list[list[Any]]


@dataclass
class Card:
    """A value as it is drawn; tables are None where there are no numbers."""

    name: str
    note: str  # how it was computed, or the path of a parameter
    shape: str
    leaf: bool
    value: Table | None
    grad: Table | None
    has_grad: bool
    inputs: list[int]  # cards that it was computed from

    @property
    def spelled(self) -> tuple[str, str]:
        """The name's letters and its number."""
        found = re.fullmatch(r"(.*?\D)(\d+)", self.name)
        return (found[1], found[2]) if found else (self.name, "")

    @property
    def cells(self) -> tuple[int, int]:
        """Columns and rows of its tables."""
        shown = self.value or self.grad
        return (len(shown[0]) if shown else 0, len(shown)) if shown else (0, 0)

    @property
    def cell(self) -> int:
        """Side of an entry's square in px: a large table is drawn small, a number alone as text."""
        columns, rows = self.cells
        return 12 if columns <= 8 and rows <= 4 else 9 if columns <= 8 and rows <= 8 else 6

    @property
    def alone(self) -> bool:
        return self.cells == (1, 1)

    @property
    def beside(self) -> bool:
        """The gradient stands to the right of the value, not below it."""
        columns, rows = self.cells
        return self.alone or columns <= 4 or (rows > 4 and columns * self.cell <= 72)

    @property
    def top(self) -> int:
        return 44 if self.note else 32

    @property
    def box(self) -> tuple[float, float]:
        """Width and height."""
        w, h = ((132, 32) if self.has_grad else (60, 16)) if self.alone else (n * self.cell for n in self.cells)
        width = 2 * w + GAP if self.has_grad and self.beside and not self.alone else w
        letters, number = self.spelled
        head = 11.5 * min(len(letters), 14) + 8 * len(number) + 16 + LETTER * len(self.shape)
        wide = max(width, head, LETTER * min(len(self.note), NOTE), 64)
        height = 2 * h + 10 if self.has_grad and not self.beside and not self.alone else h
        return wide + 2 * PAD, self.top + height + (12 if h else 0)


@dataclass
class Picture:
    """The drawn graph: its SVG elements, its size, and its arrows as pairs of cards."""

    svg: str
    width: float
    height: float
    edges: list[tuple[int, int]]


def picture(cards: Sequence[Card]) -> Picture:
    """Cards in columns, each to the right of what it was computed from."""
    edges = [(x, k) for k, card in enumerate(cards) for x in dict.fromkeys(card.inputs)]
    places, bends, width, height = _arranged([card.box for card in cards], edges)
    parts = ['<g class="edges">']
    for number, (a, b) in enumerate(edges):
        parts.append(f'<path class="edge" id="e{number}" d="{_arrow(a, b, cards, places, bends[number])}"/>')
    parts.append("</g>")
    parts += [_drawn(k, card, *places[k]) for k, card in enumerate(cards)]
    return Picture("".join(parts), width, height, edges)


def _arrow(
    a: int, b: int, cards: Sequence[Card], places: list[tuple[float, float]], bends: list[tuple[float, float, float]]
) -> str:
    """A curve from the right side of a to the left side of b, level across the columns that it passes."""
    (xa, ya), (xb, yb) = places[a], places[b]
    x, y = xa + cards[a].box[0], ya + cards[a].box[1] / 2
    path = f"M{x:.0f} {y:.0f}"
    for left, right, level in [*bends, (xb, xb, yb + cards[b].box[1] / 2)]:
        half = (x + left) / 2
        path += f"C{half:.0f} {y:.0f} {half:.0f} {level:.0f} {left:.0f} {level:.0f}"
        if right > left:
            path += f"H{right:.0f}"
        x, y = right, level
    return path


def _drawn(k: int, card: Card, x: float, y: float) -> str:
    width, height = card.box
    letters, number = card.spelled
    letters = letters if len(letters) <= 14 else letters[:13] + "…"
    below = f'<tspan class="sub" dy="4">{number}</tspan>' if number else ""
    kinds = "card" + (" leaf" if card.leaf else "")
    about = f"{card.name}, {card.shape}" + (f", {card.note}" if card.note else "")
    out = [
        f'<g class="{kinds}" id="c{k}" data-k="{k}" transform="translate({x:.0f},{y:.0f})">',
        f"<title>{escaped(about)}</title>",
        f'<rect class="bg" width="{width:.0f}" height="{height:.0f}" rx="10"/>',
        f'<text class="sym" x="{PAD}" y="21">{escaped(letters)}{below}</text>',
        f'<text class="dim" x="{width - PAD + 1:.0f}" y="19" text-anchor="end">{escaped(card.shape)}</text>',
    ]
    if card.note:
        note = card.note if len(card.note) <= NOTE else card.note[: NOTE - 1] + "…"
        out.append(f'<text class="op" x="{PAD}" y="37">{escaped(note)}</text>')
    columns, rows = card.cells
    if card.alone:
        out += [
            f'<text class="one{kind}" x="{PAD}" y="{card.top + down}">{prefix}{_digits(shown[0][0])}</text>'
            for shown, kind, down, prefix in ((card.value, " val", 12, ""), (card.grad, " gr", 29, "gradient "))
            if shown
        ]
        return "".join(out) + "</g>"
    w, h = columns * card.cell, rows * card.cell
    if card.value is not None:
        out.append(_heat(card.value, PAD, card.top, "val", card.cell))
    if card.has_grad and columns:
        gx, gy = (PAD + w + GAP, card.top) if card.beside else (PAD, card.top + h + 10)
        out.append(f'<rect class="slot" x="{gx}" y="{gy}" width="{w}" height="{h}" rx="2"/>')
        if card.grad is not None:
            frame = f'<rect class="frame" x="{gx - 2.5}" y="{gy - 2.5}" width="{w + 5}" height="{h + 5}" rx="2"/>'
            out.append(f'<g class="gr">{_heat(card.grad, gx, gy, "heat", card.cell)}{frame}</g>')
    return "".join(out) + "</g>"


def _digits(x: Any) -> str:
    """A number in at most seven letters."""
    return x if isinstance(x, str) else f"{x:.3g}".replace("e-0", "e-").replace("e+0", "e").replace("-", "−")


def _heat(table: Table, x: float, y: float, kind: str, cell: int) -> str:
    """One path per colour: a square for each entry."""
    squares: dict[str, list[str]] = {}
    largest = max((abs(v) for row in table for v in row if not isinstance(v, str)), default=0) or 1
    for i, row in enumerate(table):
        for j, v in enumerate(row):
            colour = "kx" if isinstance(v, str) else f"k{round((v / largest + 1) / 2 * (COLOURS - 1))}"
            squares.setdefault(colour, []).append(f"M{x + j * cell:g} {y + i * cell:g}h{cell}v{cell}h-{cell}z")
    paths = "".join(f'<path class="{colour}" d="{"".join(d)}"/>' for colour, d in sorted(squares.items()))
    return f'<g class="{kind}">{paths}</g>'


def escaped(text: str) -> str:
    """Text for HTML: no markup, and no character that HTML has no place for."""
    return html.escape(visible(text))


# --- where the cards stand


def _arranged(
    boxes: list[tuple[float, float]], edges: list[tuple[int, int]]
) -> tuple[list[tuple[float, float]], list[list[tuple[float, float, float]]], float, float]:
    """Corners of boxes, in columns; per edge the places (left, right, level) where it passes between others."""
    n = len(boxes)
    after: list[list[int]] = [[] for _ in range(n)]
    before: list[list[int]] = [[] for _ in range(n)]
    for a, b in edges:
        after[a].append(b)
        before[b].append(a)
    column = [0] * n
    for k in range(n):  # inputs come first
        column[k] = max((column[x] + 1 for x in before[k]), default=0)
    for k in reversed(range(n)):  # what nothing was needed for stands beside what needs it first
        if not before[k] and after[k]:
            column[k] = min(column[x] for x in after[k]) - 1
    low = min(column, default=0)
    column = [c - low for c in column]
    heights = [h for _, h in boxes]
    links: list[tuple[int, int]] = []
    passing: list[list[int]] = []
    for a, b in edges:  # an edge over several columns passes them at a place of its own
        chain = []
        for c in range(column[a] + 1, column[b]):
            chain.append(len(heights))
            heights.append(4.0)
            column.append(c)
        links += list(zip([a, *chain], [*chain, b], strict=True))
        passing.append(chain)
    columns: list[list[int]] = [[] for _ in range(max(column, default=0) + 1)]
    for k, c in enumerate(column):
        columns[c].append(k)
    levels = _levels(columns, links, heights)
    left, x = [], 0.0
    widths = [max((boxes[k][0] for k in members if k < n), default=0.0) for members in columns]
    for w in widths:
        left.append(x)
        x += w + COLUMN
    corner = [
        (left[column[k]] + (widths[column[k]] - boxes[k][0]) / 2 + 14, levels[k] - boxes[k][1] / 2) for k in range(n)
    ]
    top = min((y for _, y in corner), default=0.0) - 14
    corner = [(a, b - top) for a, b in corner]
    bends = [
        [(left[column[p]] + 14, left[column[p]] + widths[column[p]] + 14, levels[p] - top) for p in chain]
        for chain in passing
    ]
    height = max([b + boxes[k][1] for k, (_, b) in enumerate(corner)] + [c[2] for d in bends for c in d], default=0.0)
    return corner, bends, max(x - COLUMN, 0) + 28, height + 14


def _levels(columns: list[list[int]], links: list[tuple[int, int]], heights: list[float]) -> list[float]:
    """The middle of each box, near those that it is linked to, in an order with few crossings."""
    near: list[list[int]] = [[] for _ in heights]
    for a, b in links:
        near[a].append(b)
        near[b].append(a)
    level = [0.0] * len(heights)
    for members in columns:
        _stack(members, [float(i) for i in range(len(members))], level, heights)
    for sweep in range(12):
        for members in columns if sweep % 2 == 0 else reversed(columns):
            wish = [sum(level[x] for x in near[k]) / len(near[k]) if near[k] else level[k] for k in members]
            if sweep < 8:  # the order is settled first, then only the distances
                order = sorted(range(len(members)), key=lambda i: (wish[i], level[members[i]]))
                members[:] = [members[i] for i in order]
                wish = [wish[i] for i in order]
            _stack(members, wish, level, heights)
    return level


def _stack(members: list[int], wish: list[float], level: list[float], heights: list[float]) -> None:
    """Members below each other in this order without overlap, together as near to their wishes as can be."""
    y = 0.0
    offsets = []
    for k in members:
        offsets.append(y + heights[k] / 2)
        y += heights[k] + ROW
    # Runs of boxes that touch move as one to the mean of their wishes (pool adjacent violators).
    runs: list[tuple[float, int]] = []
    for want, offset in zip(wish, offsets, strict=True):
        mean, count = want - offset, 1
        while runs and runs[-1][0] > mean:
            other, size = runs.pop()
            mean, count = (mean * count + other * size) / (count + size), count + size
        runs.append((mean, count))
    place = 0
    for mean, count in runs:
        for i in range(place, place + count):
            level[members[i]] = offsets[i] + mean
        place += count
