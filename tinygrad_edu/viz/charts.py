"""Curves, a plane and strips of units as SVG, complete as they stand: a page's program only moves what is current."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .cards import escaped

Array = np.ndarray[Any, Any]

WIDTH, HEIGHT = 460, 256  # px of a chart, at its natural size
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 12, 38  # px around what is drawn
POINTS = 300  # of a curve, more are taken together
RATIO = 20  # of the largest to the smallest from which on an axis is logarithmic


class Axis:
    """From numbers to pixels, and the numbers that are written beside it."""

    def __init__(
        self, low: float, high: float, begin: float, end: float, log: bool = False, whole: bool = False
    ) -> None:
        if low == high:
            low, high = (low / 2, high * 2) if log else (low - abs(low) / 2 - 0.5, high + abs(high) / 2 + 0.5)
        self.log, self.whole = log, whole
        self._low, self._high = (math.log10(low), math.log10(high)) if log else (low, high)
        self._begin, self._end = begin, end

    def at(self, value: float) -> float:
        """The pixel of a number; those outside are at the border."""
        if self.log:
            value = math.log10(value) if value > 0 else self._low
        part = (value - self._low) / (self._high - self._low)
        return round(self._begin + min(max(part, 0.0), 1.0) * (self._end - self._begin), 1)

    def ticks(self, most: int = 5) -> list[tuple[float, str]]:
        """Pixels and labels."""
        if self.log:
            numbers = [10.0**k for k in range(math.ceil(self._low - 1e-9), math.floor(self._high + 1e-9) + 1)]
            numbers = numbers[:: math.ceil(len(numbers) / most) or 1]
            if len(numbers) < 2:
                decades = range(math.floor(self._low), math.ceil(self._high) + 1)
                inside = [
                    d * 10.0**k for k in decades for d in (1, 2, 5) if self._low <= math.log10(d) + k <= self._high
                ]
                numbers = inside if len(inside) > 1 else [10**self._low, 10**self._high]
            return [(self.at(v), short(v)) for v in numbers]
        span = self._high - self._low
        step = 10.0 ** math.floor(math.log10(span / most))
        step = next(step * k for k in (1, 2, 5, 10) if span / (step * k) <= most)
        step = max(step, 1.0) if self.whole else step
        first = math.ceil(self._low / step - 1e-9)
        numbers = [k * step for k in range(first, math.floor(self._high / step + 1e-9) + 1)]
        return [(self.at(v), short(0.0 if abs(v) < step / 2 else v)) for v in numbers]


def scale_of(values: Sequence[float], begin: float, end: float) -> Axis:
    """An axis for non-negative or any numbers: logarithmic where they differ by more than a factor of 20."""
    known = [v for v in values if math.isfinite(v)]
    positive = [v for v in known if v > 0]
    low, high = min(known, default=0.0), max(known, default=1.0)
    if positive and low >= 0 and high / min(positive) >= RATIO:
        return Axis(max(min(positive), high * 1e-12), high, begin, end, log=True)
    return Axis(0.0 if 0 <= low < 0.5 * high else low, high, begin, end)


def short(v: float) -> str:
    """A number in a few letters."""
    if 1000 <= abs(v) < 1e5:
        return f"{v:,.0f}".replace("-", "−")
    digits, _, power = f"{v:.3g}".partition("e")
    return (f"{digits}e{int(power)}" if power else digits).replace("-", "−")


def frame(across: Axis, up: Axis, label: str) -> str:
    """Axes with their numbers."""
    out = [f'<path class="t-axis" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>']
    for x, text in across.ticks():
        out.append(f'<path class="t-axis" d="M{x:g} {HEIGHT - BOTTOM}v4"/>')
        out.append(f'<text x="{x:g}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{text}</text>')
    for y, text in up.ticks():
        out.append(f'<path class="t-grid" d="M{LEFT} {y:g}H{WIDTH - RIGHT}"/>')
        out.append(f'<text x="{LEFT - 6}" y="{y + 4:g}" text-anchor="end">{text}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2:g}" y="{HEIGHT - 5}" text-anchor="middle">{label}</text>')
    return "".join(out)


def path(points: Sequence[tuple[float, float | None]]) -> str:
    """A line through points, broken where there is none."""
    out, pen = [], False
    for x, y in points:
        if y is not None:
            out.append(f"{'L' if pen else 'M'}{x:g} {y:g}")
        pen = y is not None
    return "".join(out)


def bundled(values: Sequence[float]) -> list[tuple[float, float, float, float]]:
    """Of a long curve for each piece its place, mean, smallest and largest; numbers that are none are left out."""
    A = np.asarray(values, float)
    pieces = np.array_split(np.arange(len(A)), min(len(A), POINTS))
    found = []
    for piece in pieces:
        known = A[piece][np.isfinite(A[piece])]
        if known.size:
            found.append((float(piece.mean()), float(known.mean()), float(known.min()), float(known.max())))
    return found


def svg(content: str, label: str, height: float = HEIGHT) -> str:
    """A chart; the label says what there is to be seen."""
    return f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escaped(label)}">{content}</svg>'


# --- the plane


class Plane:
    """Where a point of the plane is drawn, and the cells by level."""

    def __init__(self, low: Array, high: Array, cells: int) -> None:
        tall = HEIGHT - TOP - BOTTOM
        wide = min(max(tall * float((high[0] - low[0]) / (high[1] - low[1])), 0.7 * tall), WIDTH - LEFT - RIGHT)
        left = round(LEFT + (WIDTH - LEFT - RIGHT - wide) / 2)
        self.left, self.width, self.height, self.cells = left, wide / cells, tall / cells, cells
        self.x = Axis(float(low[0]), float(high[0]), left, left + wide)
        self.y = Axis(float(low[1]), float(high[1]), TOP + tall, TOP)

    def axes(self) -> str:
        below, beside = TOP + self.cells * self.height, self.left
        out = [
            f'<text x="{x:g}" y="{below + 16:g}" text-anchor="middle">{text}</text>'
            f'<path class="t-axis" d="M{x:g} {below:g}v4"/>'
            for x, text in self.x.ticks()
        ]
        out += [
            f'<text x="{beside - 7:g}" y="{y + 4:g}" text-anchor="end">{text}</text>'
            f'<path class="t-axis" d="M{beside} {y:g}h-4"/>'
            for y, text in self.y.ticks()
        ]
        return "".join(out)

    def paths(self, levels: Array, count: int) -> list[str]:
        """Per level the cells that have it, by their edges, so that rows end alike; the page draws the same."""
        found: list[list[str]] = [[] for _ in range(count)]
        for i, row in enumerate(levels):
            begin = 0
            for j in range(1, self.cells + 1):
                if j == self.cells or row[j] != row[begin]:
                    left, right = (self.left + n * self.width for n in (begin, j))
                    top, bottom = (TOP + n * self.height for n in (i, i + 1))
                    path = f"M{left:.1f} {top:.1f}H{right:.1f}V{bottom:.1f}H{left:.1f}z"
                    found[int(row[begin]) % count].append(path)
                    begin = j
        return ["".join(parts) for parts in found]


def runs(levels: Array) -> str:
    """Levels row by row as runs: a digit and two of the length in base 36."""
    flat = levels.ravel()
    ends = [*(np.flatnonzero(np.diff(flat)) + 1).tolist(), len(flat)]
    out, begin = [], 0
    for end in ends:
        while begin < end:
            length = min(end - begin, 36 * 36 - 1)
            out.append(f"{flat[begin]}{_DIGITS[length // 36]}{_DIGITS[length % 36]}")
            begin += length
    return "".join(out)


_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

_SHAPES = (  # of the classes' points, so that colour alone doesn't tell them apart
    "m-3.2 0a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0-6.4 0z",
    "m-3-3h6v6h-6z",
    "m0-4l3.8 6.6h-7.6z",
    "m0-4.2l4.2 4.2l-4.2 4.2l-4.2-4.2z",
    "m0 4l3.8-6.6h-7.6z",
    "m-4-1.3h2.7v-2.7h2.6v2.7h2.7v2.6h-2.7v2.7h-2.6v-2.7h-2.7z",
)


def marker(kind: int, x: float, y: float) -> str:
    """The outline of a point of a class."""
    return f"M{x:g} {y:g}{_SHAPES[kind % len(_SHAPES)]}"
