"""What check_by_hand says: an Entry for each gradient, and the table of all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .explanation import Scale
from .lines import Line, plain_terminal
from .mistakes import Mistake
from .printer import expression


class Entry:
    """What is said about one gradient.

    `status` is "right", "wrong" or "follows" (right but for an earlier mistake). `mistakes` holds what explains a
    wrong one, the likeliest first; more than one where the numbers can't tell them apart.
    """

    def __init__(self, line: Line, given: Any) -> None:
        self.line, self.name, self.given = line, line.name, given
        self.status = "right"
        self.scale: Scale | None = None  # None where both are the same
        self.mistakes: list[Mistake] = []
        self.where = line.name  # the equation with the mistake in it
        self.note = ""
        self.right_line = line  # the equation in the scale that the student uses
        self.at: tuple[int, ...] = ()  # the entry that the table shows
        # by hand, where the shape is right; autograd; central differences
        self.shown: tuple[float | None, float, float] = (None, np.nan, np.nan)

    @property
    def mistake(self) -> Mistake | None:
        """The likeliest explanation."""
        return self.mistakes[0] if self.mistakes else None

    @property
    def sure(self) -> bool:
        """Whether there is one explanation only, and it is known."""
        return len(self.mistakes) == 1 and self.mistakes[0].kind != "unknown"

    @property
    def verdict(self) -> str:
        """One line of words."""
        scale = f" ({self.scale} scale)" if self.scale and self.status == "right" else ""
        note = f"; {self.note}" if self.note else ""
        if self.status == "right":
            return f"right{scale}{note}"
        if self.status == "follows":
            return f"follows from {self.where}{note}"
        inside = "" if self.where == self.name else f"in {self.where}, which was not given: "
        several = ", or: ".join(m.says for m in self.mistakes)
        return f"WRONG: {inside}{several}{note}"

    def __repr__(self) -> str:
        return f"<{self.name}: {self.verdict}>"


class Report:
    """What check_by_hand found; `str(report)` is the table, `report["dW1"]` one gradient's Entry."""

    def __init__(self, entries: list[Entry], findings: list[str], missing: list[str], ignored: list[str]) -> None:
        self.entries, self.findings, self.missing, self.ignored = entries, findings, missing, ignored

    @property
    def ok(self) -> bool:
        """Every gradient is right, all in one scale."""
        return not self.findings and all(entry.status == "right" for entry in self.entries)

    @property
    def first(self) -> str | None:
        """The first equation, in the order of backprop, that has a mistake of its own."""
        return next((entry.where for entry in self.entries if entry.status == "wrong"), None)

    def __getitem__(self, name: str) -> Entry:
        for entry in self.entries:
            if name in (entry.name, entry.name[1:], entry.line.path):
                return entry
        raise KeyError(f"no gradient of this name was checked: {name!r}; there are {[e.name for e in self.entries]}.")

    def __iter__(self) -> Iterator[Entry]:
        yield from self.entries

    def __bool__(self) -> bool:
        return self.ok

    def text(self, ascii: bool = False) -> str:
        """The table: one entry of each gradient in three columns, and what is wrong with it."""
        wrong = [entry for entry in self.entries if entry.status == "wrong"]
        right = sum(entry.status == "right" for entry in self.entries)
        head = f"{right} of {len(self.entries)} gradients are right"
        if wrong:
            head += f"; the first mistake is in {wrong[0].where}"
        rows: list[tuple[str, ...]] = [("", "entry", "by hand", "autograd", "central diff.", "")]
        for entry in self.entries:
            place = f"[{', '.join(map(str, entry.at))}]" if entry.at else ""
            numbers = ["-" if x is None else f"{x:.6g}" for x in entry.shown]  # of another shape there is none
            rows.append((entry.name, place, *numbers, entry.verdict))
        widths = [max(len(row[k]) for row in rows) for k in range(5)]
        out = [head + ".", ""]
        for i, row in enumerate(rows):
            cells = [f"{row[0]:<{widths[0]}}", f"{row[1]:<{widths[1]}}", *(f"{row[k]:>{widths[k]}}" for k in (2, 3, 4))]
            out.append(("  " + "  ".join(cells) + f"  {row[5]}").rstrip())
            entry = self.entries[i - 1]
            if i and entry.status == "wrong":
                mistake = entry.mistake
                assert mistake is not None
                indent = " " * (4 + widths[0])
                mine, theirs = mistake.text(entry.where, ascii), entry.right_line.text(ascii)
                if mine == theirs:  # they differ in what a formula leaves to the shapes
                    mine, theirs = f"{entry.where} = {expression(mistake.symbol)}", entry.right_line.source()
                out += [f"{indent}by hand: {mine}"] if mine else []
                out.append(f"{indent}right:   {theirs}")
        out += ["", *self.findings] if self.findings else []
        if self.missing:
            out += ["", f"not given: {', '.join(self.missing)}."]
        if self.ignored:
            out += ["", f"not looked at, since the graph has no values of these names: {', '.join(self.ignored)}."]
        text = "\n".join(out)
        return _ascii(text, ascii)

    def __str__(self) -> str:
        return self.text(ascii=plain_terminal())

    __repr__ = __str__


def _ascii(text: str, wanted: bool) -> str:
    if not wanted:
        return text
    signs = {
        "Ŷ": "y_hat",
        "λ": "lambda",
        "×": "x",
        "ᵀ": ".T",
        "∘": "*",
        "Σ": "sum",
        "²": "^2",
        "·": "*",
        "≥": ">=",
        "≤": "<=",
        "σ": "sigmoid",
        "√": "sqrt",
    }
    for sign, plain in signs.items():
        text = text.replace(sign, plain)
    return text.encode("ascii", "replace").decode()
