"""Two pictures, as plain SVG: all workloads on one scale, and how cost grows.

`overview` has a line per workload and a mark per contender, at its median over PyTorch eager's, quartiles as a bar.
`growth` has a chart per question, size against time per step, both scales logarithmic.

python -m benchmarks.plot   draws the figures that are kept again, from their JSON
"""

from __future__ import annotations

import html
import json
import math
import os
from collections.abc import Iterable, Sequence
from typing import Any

from .harness import COMPILED, NUMBA, OURS, REASSOCIATED, TITLES, in_order

COLOURS = {  # told apart by their lightness too; ours are the warm ones
    "numpy": "#000000",
    "numpy floor": "#9a9a9a",
    OURS: "#d95f02",
    COMPILED: "#a50f15",
    REASSOCIATED: "#fdae6b",
    NUMBA: "#e7298a",
    "torch": "#3b6fb6",
    "torch compiled": "#7fb0e0",
    "jax": "#1b8a5a",
    "autograd": "#8c6bb1",
    "mygrad": "#c4a000",
    "tinygrad": "#17a2a2",
    "micrograd": "#7f5539",
}
WARM = (OURS, COMPILED, REASSOCIATED, NUMBA)
NEAR, FAR = 0.01, 30.0  # times PyTorch's time: what is faster or slower stands at the edge, with its number
FONT = 'font-family="Helvetica, Arial, sans-serif"'


class Scale:
    """A logarithmic scale onto pixels, from one tick to another: powers of ten, or these digits times one."""

    def __init__(self, values: Iterable[float], start: float, end: float, digits: Sequence[int] = (1,)) -> None:
        known = [v for v in values if v > 0] or [1.0]
        powers = range(math.floor(math.log10(min(known))) - 1, math.ceil(math.log10(max(known))) + 1)
        steps = [float(f"{digit}e{power}") for power in powers for digit in digits]
        first = max(k for k, step in enumerate(steps) if step <= min(known))
        last = min(k for k, step in enumerate(steps) if step >= max(known))
        self.ticks = steps[first : max(last, first + 1) + 1]
        self.low, self.high = math.log10(self.ticks[0]), math.log10(self.ticks[-1])
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return round(self.start + part * (self.end - self.start), 1)


def overview(results: dict[str, Any]) -> str:
    """The workloads in which PyTorch took part, lowest ratio left."""
    shown = {name: r for name, r in results.items() if "torch" in r["contenders"] and r["unit"] in ("step", "bytes")}
    ratios: dict[str, dict[str, list[float]]] = {}
    for name, result in shown.items():
        one = result["contenders"]["torch"]["median"]
        ratios[name] = {
            key: [x / one for x in (c["median"], *c["quartiles"])]
            for key, c in result["contenders"].items()
            if key in COLOURS
        }
    beyond = {name: {edge: _beyond(row, edge) for edge in (NEAR, FAR)} for name, row in ratios.items()}
    before, after = (max((_length(b[edge]) for b in beyond.values()), default=0) for edge in (NEAR, FAR))
    left, right, top, line = 128 + before, 740 + before, 92, 26
    bottom = top + line * len(shown)
    x = Scale((_within(v[0]) for row in ratios.values() for v in row.values()), left, right, (1, 3))
    body = [_text(left, 20, "A training step's time (memory: its peak), PyTorch eager = 1", size=15, weight="bold")]
    body += _legend(in_order({key for row in ratios.values() for key in row}), left, 40, right)
    for tick in x.ticks:
        strong = tick == 1
        body.append(_line(x(tick), top - 6, x(tick), bottom, "#3b6fb6" if strong else "#e0e0e0", 1.2 if strong else 1))
        body.append(_text(x(tick), bottom + 16, _number(tick), anchor="middle"))
    for i, (name, row) in enumerate(ratios.items()):
        y = top + line * (i + 0.5)
        body.append(_text(left - 10 - before, y + 4, name, anchor="end"))
        body.append(_line(left, y, right, y, "#f0f0f0"))
        for key in sorted(row, key=lambda k: k in WARM):  # ours above the others
            middle, low, high = map(_within, row[key])
            if x(high) - x(low) > 6:  # else the mark hides it
                body.append(_line(x(low), y, x(high), y, COLOURS[key], 2))
            body.append(_mark(x(middle), y, key))
        body.append(_numbers(x(NEAR) - 9, y + 4, beyond[name][NEAR], "end") if beyond[name][NEAR] else "")
        body.append(_numbers(x(FAR) + 9, y + 4, beyond[name][FAR], "start") if beyond[name][FAR] else "")
    return _svg(right + max(after, 20) + 20, bottom + 28, body)


def _beyond(row: dict[str, list[float]], edge: float) -> list[tuple[float, str]]:
    """What lies beyond an edge: its number and whose it is."""
    return sorted((v[0], key) for key, v in row.items() if _within(v[0]) == edge != v[0])


def _length(numbers: list[tuple[float, str]]) -> int:
    """The pixels that numbers take, with what parts them from the mark at the edge."""
    return 6 * len(", ".join(_number(x) for x, _ in numbers)) + 4 if numbers else 0


def _numbers(x: float, y: float, numbers: list[tuple[float, str]], anchor: str) -> str:
    """Numbers in their contenders' colours: their marks lie on one another."""
    parts = [f'<tspan fill="{COLOURS[key]}">{_number(value)}</tspan>' for value, key in numbers]
    return f'<text x="{x}" y="{y}" {FONT} font-size="11" text-anchor="{anchor}">{", ".join(parts)}</text>'


def _within(ratio: float) -> float:
    return min(max(ratio, NEAR), FAR)


def growth(results: dict[str, Any]) -> str:
    """A chart per question, two to a row: `points` hold (size, median) of each contender."""
    width, height, gap = 330, 230, 70
    names = list(results)
    rows = math.ceil(len(names) / 2)
    used = in_order({key for r in results.values() for key in r["points"]})
    body = [_text(20, 20, "How cost grows: milliseconds per step", size=15, weight="bold")]
    body += _legend(used, 20, 40, 2 * (width + gap) - 20)
    for i, name in enumerate(names):
        result = results[name]
        left, top = 60 + (i % 2) * (width + gap), 110 + (i // 2) * (height + 80)
        points = result["points"]
        x = Scale((p[0] for row in points.values() for p in row), left, left + width)
        y = Scale((p[1] * 1e3 for row in points.values() for p in row), top + height, top)
        body.append(_text(left, top - 10, result["question"], size=12, weight="bold"))
        for tick in x.ticks:
            body.append(_line(x(tick), top, x(tick), top + height, "#ececec"))
            body.append(_text(x(tick), top + height + 16, _number(tick), anchor="middle"))
        for tick in y.ticks:
            body.append(_line(left, y(tick), left + width, y(tick), "#ececec"))
            body.append(_text(left - 6, y(tick) + 4, _number(tick), anchor="end"))
        for key in in_order(points):
            path = " ".join(f"{x(size)},{y(time * 1e3)}" for size, time in points[key])
            body.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[key]}" stroke-width="1.6"/>')
            body += [_mark(x(size), y(time * 1e3), key, small=True) for size, time in points[key]]
    return _svg(2 * (width + gap) + 30, 110 + rows * (height + 80) - 30, body)


def _legend(names: Sequence[str], left: float, y: float, right: float) -> list[str]:
    found, x = [], left
    for name in names:
        long = 26 + 5.6 * len(TITLES[name])
        if x + long > right:
            x, y = left, y + 18
        found += [_mark(x + 5, y, name), _text(x + 13, y + 4, TITLES[name])]
        x += long
    return found


def _mark(x: float, y: float, key: str, small: bool = False) -> str:
    """A disk; ours are diamonds."""
    r = 3 if small else 4.5
    if key in WARM:
        r *= 1.35
        return f'<path d="M{x} {y - r:.1f}l{r:.1f} {r:.1f}l-{r:.1f} {r:.1f}l-{r:.1f} -{r:.1f}z" fill="{COLOURS[key]}"/>'
    return f'<circle cx="{x}" cy="{y}" r="{r}" fill="{COLOURS[key]}"/>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" stroke-width="{width}"/>'


def _text(x: float, y: float, text: str, size: int = 11, anchor: str = "start", weight: str = "normal") -> str:
    style = f'{FONT} font-size="{size}" text-anchor="{anchor}" font-weight="{weight}"'
    return f'<text x="{x}" y="{y}" {style}>{html.escape(text)}</text>'


def _number(x: float) -> str:
    return f"{x:,.0f}" if x >= 1 else f"{x:.1g}"


def _svg(width: float, height: float, body: list[str]) -> str:
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    inside = "\n".join([f'<rect width="{width}" height="{height}" fill="#ffffff"/>', *body])
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n{inside}\n</svg>\n'


def _draw_again() -> None:
    for kind, picture in {"figures": overview, "growth": growth}.items():
        stem = os.path.join(os.path.dirname(__file__), "results", kind)
        with open(f"{stem}.json") as file:
            results = json.load(file)["results"]
        with open(f"{stem}.svg", "w") as file:
            file.write(picture(results))


if __name__ == "__main__":
    _draw_again()
