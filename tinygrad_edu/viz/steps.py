"""The backward pass as a table: in the order in which it runs, each gradient's rule, shape, value and gradient.

The rules are the lines of `symbolic.explain`; the numbers are had by replaying the graph in float64.
A terminal with colours shows value and gradient as small heatmaps, red above 0 and blue below, each
on a scale of its own; elsewhere their ranges are written.
"""

from __future__ import annotations

import textwrap
from itertools import zip_longest
from typing import Any

from ..core.tensor import Tensor
from ..symbolic.explain import explain
from ..symbolic.explanation import Explanation, Scale
from ..symbolic.lines import FormulaError, Line
from ..symbolic.notations import ASCII, TEXT
from .console import PIXELS, WIDTH, Console, Span, columns, fitted, size
from .notation import summary, visible

LIMIT = 60  # steps
NAME, SHAPE, RANGE = 14, 14, 22  # columns at most
RULE = 5  # lines of a rule at most; the whole of it is in explain(loss)

_HEADS = "step", "", "rule", "shape", "value", "gradient"
_LOOKS = "text", "gradient", "text", "quiet"

Cell = list[tuple[str, int]]  # lines, each with the columns that it takes


class Steps:
    """What `print` shows of a backward pass; made by `Tensor.steps`. `.explanation` is where it comes from."""

    def __init__(self, explanation: Explanation, limit: int) -> None:
        self.explanation, self._limit = explanation, limit

    def text(self, console: Console | None = None) -> str:
        """The table, for standard output unless another console is given."""
        console = Console.here() if console is None else console
        shown = self.explanation.backward[: self._limit]
        rows = [self._row(number, line, console) for number, line in enumerate(shown, 1)]
        widths = [max(len(head), *(used for row in rows for _, used in row[k])) for k, head in enumerate(_HEADS)]
        widths[2] = min(widths[2], WIDTH - sum(widths[:2] + widths[3:]) - 2 * (len(widths) - 1))
        head = "  ".join(f"{text:<{width}}" for text, width in zip(_HEADS, widths, strict=True))
        lines = [console.paint([(head, "quiet")])]
        for row in rows:
            row[2] = _folded(row[2][0][0], widths[2], console.ascii)
            for cells in zip_longest(*row, fillvalue=("", 0)):
                spans = [(text + " " * (w - used + 2), "text") for (text, used), w in zip(cells, widths, strict=True)]
                looks = [(text, look) for (text, _), look in zip(spans, _LOOKS, strict=False)]
                lines.append(console.paint([*looks, *spans[len(looks) :]]))
        return "\n".join(lines + [console.paint([note]) for note in self._notes(len(shown), console.ascii)])

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def _row(self, number: int, line: Line, console: Console) -> list[Cell]:
        plain = console.ascii
        rule = visible(line.text(plain).removeprefix(f"{(ASCII if plain else TEXT).name(line.name)} = "))
        texts = [
            str(number),
            fitted(visible((ASCII if plain else TEXT).name(line.name)), NAME, plain),
            rule,
            fitted(size(line.shape, plain), SHAPE, plain),
        ]
        return [[(t, columns(t))] for t in texts] + [_picture(a, console) for a in (line.primal, line.value)]

    def _notes(self, shown: int, plain: bool) -> list[Span]:
        """What the reader should know about the table."""
        e = self.explanation
        notes: list[Span] = []
        if shown < len(e.backward):
            notes.append((f"the first {shown:,} of {len(e.backward):,} steps; steps(limit=...) prints more", "quiet"))
        notes += [(line, "quiet") for line in textwrap.wrap(e.heading, WIDTH)]
        if any(n > PIXELS for line in e.backward[:shown] for n in line.shape):
            notes.append((f"pictures of larger arrays show {PIXELS} evenly spaced rows and columns", "quiet"))
        if e.stale:
            written = visible(", ".join((ASCII if plain else TEXT).name(name) for name in e.stale))
            notes.append(
                (fitted(f"{written}: written since the loss was computed, so there are no numbers", WIDTH), "bad")
            )
            return notes
        try:
            notes.append((f"each rule gives the gradient's numbers: worst error {e.check():.1e}", "good"))
        except FormulaError as error:
            text = visible(str(error))
            text = text.encode("ascii", "replace").decode() if plain else text
            notes.append((fitted(text, WIDTH, plain), "bad"))
        return notes


def _picture(array: Any, console: Console) -> Cell:
    """The numbers as a heatmap, or in words."""
    if array is not None and array.size and console.color and not console.ascii:
        return console.heatmap(array)
    words = summary(array, mean=False)
    text = fitted(words.replace("…", "..") if console.ascii else words, RANGE, console.ascii)
    return [(text, columns(text))]


def _folded(rule: str, width: int, plain: bool) -> Cell:
    """The rule in lines of that many columns; a word that is longer is cut."""
    lines: list[str] = []
    for word in rule.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and columns(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(fitted(word, width, plain))
    if len(lines) > RULE:
        lines = [*lines[: RULE - 1], fitted(" ".join(lines[RULE - 1 :]), width, plain)]
    return [(line, columns(line)) for line in lines]


def steps(loss: Tensor, scale: Scale = "exact", *, model: Any = None, limit: int = LIMIT) -> Steps:
    """The backward pass, to be printed: in the order in which it runs, each gradient's rule, shape and numbers.

    Args:
        loss, scale, model: as in `symbolic.explain`, whose lines these are.
        limit: steps.

    >>> W = Tensor([[1.0], [2.0]], requires_grad=True, name="W")
    >>> X = Tensor([[1.0, 0.5, -1.0], [0.0, 2.0, 1.0]], name="X")
    >>> Z = W.T @ X
    >>> print(steps(Z.square().sum()))
    step      rule   shape   value    gradient
    1     dL  1      scalar  22.25    1
    2     dZ  2 Z    1×3     1 … 4.5  2 … 9
    3     dW  X dZᵀ  2×1     1 … 2    4.5 … 20
    exact scale: dV is the derivative of the loss by V.
    each rule gives the gradient's numbers: worst error 0.0e+00
    """
    return Steps(explain(loss, scale, model=model), limit)
