"""What a terminal can show: colours, Unicode, columns, and an array as a small picture.

Colours go to a terminal only, never into a pipe or a file, and not under NO_COLOR
(no-color.org); Unicode goes where standard output can encode it.
"""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ..symbolic.lines import plain_terminal
from .graph import Array

WIDTH = 100  # columns

Span = tuple[str, str]  # a text and its role, a key of ROLES
Color = tuple[int, int, int]

ROLES: dict[str, Color | None] = {  # mid-tones, which read on dark and on light
    "text": None,
    "result": (72, 150, 190),
    "leaf": (190, 145, 20),
    "quiet": (128, 128, 128),
    "gradient": (160, 95, 175),
    "good": (110, 150, 40),
    "bad": (205, 60, 60),
}
# Brewer's red and blue: negative numbers, 0, positive ones
_MAP = np.array(
    [(33, 102, 172), (67, 147, 195), (146, 197, 222), (209, 229, 240), (247, 247, 247),
     (253, 219, 199), (244, 165, 130), (214, 96, 77), (178, 24, 43)]
)  # fmt: skip
_NAN: Color = (200, 0, 200)  # no colour of the map
PIXELS = 16  # rows and columns of a heatmap; of a larger array that many are picked


class Console(NamedTuple):
    """What the lines are for."""

    color: str = ""  # "", "256" or "24bit"
    ascii: bool = False

    @staticmethod
    def here() -> Console:
        """Standard output."""
        env = os.environ
        if not sys.stdout.isatty() or env.get("NO_COLOR") or env.get("TERM") == "dumb":
            return Console("", plain_terminal())
        deep = env.get("COLORTERM", "").lower() in ("truecolor", "24bit")
        return Console("24bit" if deep else "256", plain_terminal())

    def paint(self, spans: Iterable[Span]) -> str:
        """The texts one after the other, in their colours, without spaces at the end."""
        return "".join(self._colored(text, ROLES[role]) for text, role in _trimmed(list(spans)))

    def _colored(self, text: str, color: Color | None) -> str:
        if not self.color or color is None or not text:
            return text
        return f"\x1b[{self._code(color, 38)}m{text}\x1b[0m"

    def _code(self, color: Color, plane: int) -> str:
        """`plane` is 38 for the letters, 48 for what lies behind them."""
        if self.color == "24bit":
            return f"{plane};2;{color[0]};{color[1]};{color[2]}"
        red, green, blue = (max(0, (c - 35) // 40) for c in color)  # the cube's levels: 0, 95, 135, ... 255
        return f"{plane};5;{16 + 36 * red + 6 * green + blue}"

    def heatmap(self, array: Array) -> list[tuple[str, int]]:
        """The array in half blocks, two rows to a line: each line with its number of columns."""
        colors = _colors(array)
        wide = "▀▀" if len(colors) and len(colors[0]) <= PIXELS // 2 else "▀"
        lines = []
        for top in range(0, len(colors), 2):
            cells = []
            for column, upper in enumerate(colors[top]):
                code = self._code(upper, 38)
                if top + 1 < len(colors):
                    code += ";" + self._code(colors[top + 1][column], 48)
                cells.append(f"\x1b[{code}m{wide}\x1b[0m")
            lines.append(("".join(cells), len(cells) * len(wide)))
        return lines


def _trimmed(spans: list[Span]) -> list[Span]:
    while spans and not spans[-1][0].strip(" "):
        spans.pop()
    if spans:
        spans[-1] = spans[-1][0].rstrip(" "), spans[-1][1]
    return spans


def _colors(array: Array) -> list[list[Color]]:
    """A colour for each pixel: white is 0, the deepest red and blue are the largest magnitude."""
    matrix = np.asarray(array, np.float64)
    matrix = matrix.reshape(-1, matrix.shape[-1]) if matrix.ndim else matrix.reshape(1, 1)
    finite = np.abs(matrix[np.isfinite(matrix)])
    largest = finite.max(initial=0.0) or 1.0
    rows, columns = (_picked(n) for n in matrix.shape)
    sample = matrix[np.ix_(rows, columns)] / largest
    place = (np.clip(np.nan_to_num(sample, nan=0.0), -1, 1) + 1) / 2 * (len(_MAP) - 1)
    channels = [np.interp(place, range(len(_MAP)), _MAP[:, c]).round().astype(int) for c in range(3)]
    return [
        [_NAN if np.isnan(sample[i, j]) else tuple(int(c[i, j]) for c in channels) for j in range(len(columns))]  # type: ignore[misc]
        for i in range(len(rows))
    ]


def _picked(n: int) -> Any:
    """All of n indices if they fit, else evenly spaced ones, the first and the last among them."""
    return np.arange(n) if n <= PIXELS else np.linspace(0, n - 1, PIXELS).round().astype(int)


def columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def fitted(text: str, width: int, ascii: bool = False) -> str:
    """The text, cut so that it takes at most that many columns."""
    if columns(text) <= width:
        return text
    dots = ".." if ascii else "…"
    while text and columns(text) + len(dots) > width:
        text = text[:-1]
    return text + dots


def padded(text: str, width: int) -> str:
    return text + " " * (width - columns(text))


def size(shape: tuple[int, ...], ascii: bool) -> str:
    """`4×6`; of a number nothing."""
    return ("x" if ascii else "×").join(map(str, shape)) if shape else "scalar"
