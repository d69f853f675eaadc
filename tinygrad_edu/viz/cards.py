"""The explorer's graph as SVG: a card per named value, with its numbers and its gradient's as colours.

The picture is complete, so that a page without JavaScript shows the finished graph; the page's
program only hides what has not been computed yet. Colours are classes (k0 the most negative, k5
zero, k10 the most positive), so that the style sheet decides what they look like.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .layout import Layout, layout
from .notation import visible

COLOURS = 11
PAD, GAP = 11, 14  # px, inside a card, between its two tables
MARGIN = 14  # px, around the graph
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
    inputs: list[int]  # cards that it was computed from, one that is read twice twice

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
    edges = [(x, k) for k, card in enumerate(cards) for x in card.inputs]
    boxes = {str(k): card.box for k, card in enumerate(cards)}
    # The layout runs downwards, the page to the right: width and height, x and y are exchanged.
    found = layout({k: (h, w) for k, (w, h) in boxes.items()}, [(str(a), str(b)) for a, b in edges])
    parts = ['<g class="edges">']
    drawn: Counter[tuple[int, int]] = Counter()
    for number, (a, b) in enumerate(edges):
        parts.append(f'<path class="edge" id="e{number}" d="{_arrow(found, str(a), str(b), drawn[a, b])}"/>')
        drawn[a, b] += 1
    parts.append("</g>")
    for k, card in enumerate(cards):
        y, x = found.places[str(k)]
        width, height = card.box
        parts.append(_drawn(k, card, x - width / 2 + MARGIN, y - height / 2 + MARGIN))
    width, height = found.height + 2 * MARGIN, found.width + 2 * MARGIN
    return Picture("".join(parts), width, height, edges)


def _arrow(found: Layout, a: str, b: str, rank: int) -> str:
    """The way of the arrow from a to b, of several the one of that rank: its own piece, after what it has in common
    with other arrows from a."""
    routes = [route for route in found.routes if route.source == a]
    last = [route for route in routes if route.target == b][rank]
    points = last.points
    if not last.begins:
        parting = points[1]
        for trunk in routes:
            if trunk.target is None and parting in trunk.points:
                points = trunk.points[: trunk.points.index(parting) + 1] + points[2:]
    turned = [(y + MARGIN, x + MARGIN) for x, y in points]
    path = f"M{_xy(turned[0])}L{_xy(turned[1])}"
    for before, after, end in zip(turned[1::2], turned[2::2], turned[3::2], strict=False):
        half = (before[0] + after[0]) / 2
        path += f"C{_xy((half, before[1]))} {_xy((half, after[1]))} {_xy(after)}L{_xy(end)}"
    return path


def _xy(point: tuple[float, float]) -> str:
    return f"{point[0]:.0f} {point[1]:.0f}"


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
