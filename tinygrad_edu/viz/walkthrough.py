"""What the explorer shows, as plain data: values with their tables, steps with their formulas, the user's program.

Everything is read off `explain`. Formulas become trees and arrays tables (trees.py); explore.py makes a page of it.
"""

from __future__ import annotations

import linecache
from typing import Any

import numpy as np

from ..symbolic.explanation import Explanation, Scale
from ..symbolic.expressions import words as used_in
from ..symbolic.lines import Line
from . import words
from .cards import Card, Picture, picture
from .modules import Made, modules
from .trees import PRODUCTS, Tree, plane, reads, table, tree

CODE = 40  # lines of a program that are shown whole


class Walkthrough:
    """The steps of one loss, forward and backward.

    Args:
        textbook: the same in the other scale; None: the loss has none.
        limit: of a larger graph only so many values, those nearest to the loss.
        most: rows and columns shown of an array.
    """

    def __init__(self, exact: Explanation, textbook: Explanation | None, limit: int, most: int) -> None:
        self.exact, self.most = exact, most
        self.lines: dict[Scale, dict[str, Line]] = {"exact": {line.name: line for line in exact}}
        if textbook is not None:
            self.lines["textbook"] = {line.name: line for line in textbook}
        self.forward = exact.forward[-limit:]
        self.left_out = len(exact.forward) - len(self.forward)
        used = dict.fromkeys(name for line in self.forward for name in used_in(line.symbol))
        self.given = [g for g in exact.given if g.name in used]
        self.before = [x for x in exact.forward[: self.left_out] if x.name in used]  # their values count as given
        self.starts = [*(g.name for g in self.given), *(line.name for line in self.before)]
        self.number: dict[str, int] = {}
        for name in (*self.starts, *(line.name for line in self.forward)):
            self.number.setdefault(name, len(self.number))
        self.backward = [line for line in exact.backward if line.name[1:] in self.number]
        self.gradients = {line.name: self.number[line.name[1:]] for line in self.backward}
        self.users: dict[str, list[Line]] = {}
        for line in self.forward:
            if f"d{line.name}" in self.gradients:  # else nothing comes back through it: a softmax that is only shown
                for name in used_in(line.symbol):
                    self.users.setdefault(name, []).append(line)
        self.values = [
            *(self._value(g.name, g.path, g.shape, g.value, given=True) for g in self.given),
            *(self._value(x.name, "", x.shape, x.value, given=True) for x in self.before),
            *(self._value(x.name, x.path, x.shape, x.value, given=False) for x in self.forward),
        ]
        one_hot = [(name, Y) for name, Y in exact.rows.items() if name in self.number][:1]  # what formulas call Y
        self.rows = [
            {**self._value("Y", "", Y.shape, Y, given=True, grad=False), "labels": self.number[name]}
            for name, Y in one_hot
        ]
        self.code, self._row = _code(self.forward)
        self.steps = [
            self._start(),
            *(self._step(line, "f", self.number[line.name], self._row[line.name]) for line in self.forward),
            *(self._step(line, "b", self.number[line.name[1:]], self._row_behind(line)) for line in self.backward),
        ]
        self.picture, self.modules, self.folded = self._drawn()

    @property
    def data(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {
            "m": self.exact.m,
            "scales": list(self.lines),
            "values": self.values,
            "rows": self.rows,
            "edges": self.picture.edges,
            "modules": self.modules,
            "folded": self.folded,
            "steps": self.steps,
            "code": self.code,
            "notes": self._notes(),
            "size": [round(self.picture.width), round(self.picture.height)],
        }

    def _notes(self) -> list[str]:
        notes = []
        if self.exact.stale:
            stale = ", ".join(self.exact.stale)
            notes.append(f"{stale} has been written since the loss was computed: formulas without values.")
        if any(v["sampled"] for v in self.values):
            most = f"at most {self.most} rows and {self.most} columns"
            notes.append(f"Of larger arrays, marked *, {most} are shown, evenly spaced.")
        if self.left_out:
            notes.append(f"The first {self.left_out} steps of the forward pass are left out.")
        return notes

    # --- values

    def _value(
        self, name: str, path: str, shape: tuple[int, ...], value: Any, *, given: bool, grad: bool = True
    ) -> dict[str, Any]:
        rows, columns = plane(shape)
        empty = value is None or not rows * columns
        gradient = self.lines["exact"].get(f"d{name}") if grad else None
        return {
            "name": name,
            "path": path,
            "shape": list(shape),
            "plane": [rows, columns],
            "given": given,
            "leaf": gradient is not None and not gradient.operation,
            "v": None if empty else table(value, self.most),
            "g": None if empty or gradient is None else table(gradient.value, self.most),
            "sampled": rows > self.most or columns > self.most,
        }

    def _drawn(self) -> tuple[Picture, Any, Any]:
        """The graph of cards; the modules that it folds into, and which of them are folded at first."""
        computed = {line.name: line for line in self.forward}
        cards = []
        for name, v in zip(self.number, self.values, strict=True):
            line = computed.get(name)
            inputs = [self.number[x] for x in reads(line.symbol) if x in self.number] if line is not None else []
            note = line.text().split(" = ", 1)[1] if line is not None else v["path"]
            dims = (" × ".join(map(str, v["shape"])) or "scalar") + ("*" if v["sampled"] else "")
            cards.append(Card(name, note, dims, line is None, v["v"], v["g"], f"d{name}" in self.gradients, inputs))
        calls = self.exact.calls
        homes = [calls.innermost.get(computed[name].record) if name in computed else None for name in self.number]
        first = {card.inputs[0] for card in cards if card.inputs}
        owned = {
            k for g in self.given for k in [self.number[g.name]] if g.path or (_is_mask(g.value) and k not in first)
        }
        made = [Made(v["name"], 0, "", tuple(v["shape"])) for v in self.values]
        for name, line in computed.items():
            made[self.number[name]] = Made(name, line.record.index, _called(_operation(line)), line.shape)
        parts = modules(calls.all, homes, [card.inputs for card in cards], owned, made, self.exact.order)
        return picture(cards), *parts

    # --- steps

    def _start(self) -> dict[str, Any]:
        return {
            "id": "start",
            "phase": "s",
            "k": -1,
            "code": -1,
            "title": "Before anything runs",
            "words": f"Given: {', '.join(self.starts)}. Dashed boxes are what the computation starts from, grey ones "
            "have not been computed yet. Press the right arrow key for the first step.",
            "uses": [[self.number[name], 0] for name in self.starts],
            "trees": {},
        }

    def _row_behind(self, line: Line) -> int:
        """The row of the program that a gradient comes back through."""
        near = self.users.get(line.name[1:], [])
        return self._row[near[-1].name if near else line.name[1:]]

    def _step(self, line: Line, phase: str, k: int, row: int) -> dict[str, Any]:
        trees, uses = self._formulas(line, phase)
        kinds = _kinds(trees[list(trees)[-1]])
        title, text = self._forward_words(line, kinds) if phase == "f" else self._backward_words(line, kinds)
        return {
            "id": line.name,
            "phase": phase,
            "k": k,
            "code": row,
            "title": title,
            "words": text,
            "uses": uses,
            "trees": trees,
        }

    def _formulas(self, line: Line, phase: str) -> tuple[dict[str, Tree | None], list[list[int]]]:
        """A line's formula in each scale, and what it reads: values (k, 0) and gradients (k, 1)."""
        values, gradients, labels = self.number, dict[str, int](), dict[str, int]()
        if phase == "b":
            gradients = self.gradients
            labels = {x["name"]: x["labels"] for x in self.rows}  # they light up where their rows are read
            values = {name: k for name, k in values.items() if name not in gradients}
            values |= {x["name"]: len(self.number) + k for k, x in enumerate(self.rows)}
        trees: dict[str, Tree | None] = {}
        uses: dict[tuple[int, int], None] = {}
        for scale, found in self.lines.items():
            symbol = found[line.name].symbol
            trees[scale] = tree(symbol, values, gradients)
            for name in used_in(symbol):
                if name in gradients:
                    uses[gradients[name], 1] = None
                elif name in values:
                    uses[labels.get(name, values[name]), 0] = None
        return trees, [list(pair) for pair in uses]

    def _forward_words(self, line: Line, kinds: set[str]) -> tuple[str, str]:
        root = self._is_loss(line)
        title = f"{line.name}: {'the loss' if root else _called(_operation(line))}"
        return title, words.forward(_operation(line), kinds, root)

    def _backward_words(self, line: Line, kinds: set[str]) -> tuple[str, str]:
        name = line.name[1:]
        after = self.users.get(name, [])
        title = f"{line.name}: the gradient of {name}" + (f", {line.path}" if line.path else "")
        if not after:
            return title, words.ROOT
        if line.operation:
            last = after[-1]
            title = f"{line.name}: back through {'the loss' if self._is_loss(last) else _called(_operation(last))}"
        operations = ["" if self._is_loss(x) else _operation(x) for x in after]
        return title, words.backward(operations, kinds, not line.operation, "g" in kinds)

    def _is_loss(self, line: Line) -> bool:
        return not line.shape and line.name not in self.users


def _is_mask(value: Any) -> bool:
    """It says yes or no to each entry: a module makes such constants for itself."""
    if value is None or np.size(value) < 3:
        return False
    return bool(((value == np.min(value)) | (value == np.max(value))).all())


_CALLED = {
    "plus": "sum",
    "choose": "a choice",
    "affine": "linear layer",
    "matrix_product": "matrix product",
    "softmax_over": "softmax",
    "sum_over": "sum",
    "mean_over": "mean",
    "minus": "difference",
    "multiply": "product",
    "over": "quotient",
    "scaled": "scale and shift",
    "standardized": "normalisation",
    "correlation": "convolution",
    "attend": "attention",
}


def _called(operation: str) -> str:
    return _CALLED.get(operation, operation.replace("_over", "").replace("_", " "))


def _operation(line: Line) -> str:
    """The key of what computed a forward line; a product to which a bias is added is a linear layer."""
    if line.operation == "pick":  # one output of several: what computed them
        return str(line.record.inputs[0].key)
    if line.operation == "standardized" and line.output:
        return ("", "mean", "variance")[line.output]
    keys = {getattr(x, "key", "") for x in line.symbol.inputs}
    return "affine" if line.operation == "plus" and keys & set(PRODUCTS) else line.operation


def _kinds(x: Any) -> set[str]:
    if not isinstance(x, list) or not x:
        return set()
    return {x[0]}.union(*(_kinds(part) for part in x[1:]))


# --- the user's program


def _code(forward: list[Line]) -> tuple[list[list[Any]], dict[str, int]]:
    """Rows [number or empty, text] of the user's program, and per line the row that computed it.

    Where no source is to be had, the rows are the formulas as NumPy.
    """
    places = {line.name: line.place for line in forward}
    wanted: dict[str, set[int]] = {}
    for place in places.values():
        if place is not None and place[1]:
            wanted.setdefault(place[0], set()).add(place[1])
    rows: list[list[Any]] = []
    where: dict[tuple[str, int], int] = {}
    for file, numbers in wanted.items():
        source = linecache.getlines(file)
        if not source:
            continue
        shown: list[int] = sorted(numbers)
        if shown[-1] - shown[0] < CODE:
            shown = list(range(shown[0], shown[-1] + 1))
        texts = {n: source[n - 1].rstrip().expandtabs(4) for n in shown if n <= len(source)}
        indent = min((len(t) - len(t.lstrip()) for t in texts.values() if t), default=0)
        last = None
        for n, text in texts.items():
            if rows and (last is None or n > last + 1):
                rows.append(["", "⋯"])
            where[file, n] = len(rows)
            rows.append([n, text[indent:]])
            last = n
    if not all(p in where for p in places.values()):
        return [["", line.source()[:200]] for line in forward], {line.name: i for i, line in enumerate(forward)}
    return rows, {name: where[p] for name, p in places.items() if p is not None}
