"""How a value was computed, as a tree of text: below each named value those that its formula reads.

    L = mse_loss(Ŷ, Y)   scalar   0.8356
    ├── Ŷ = X W1ᵀ + b1   6×1
    │   ├── X   6×2   data
    │   ├── W1   1×2   |grad| ≤ 0.169
    │   └── b1   1   |grad| ≤ 0.008
    └── Y   6×1   data

Names and formulas are those of `symbolic.explain`. A value that is used twice is printed once.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from ..core.record import Record
from ..core.tensor import Tensor, record_of
from ..core.views import refresh
from ..symbolic.derive import Reading, topological
from ..symbolic.explain import callers_variables
from ..symbolic.expressions import atoms
from ..symbolic.formulas import formula
from ..symbolic.naming import Names, paths_of
from ..symbolic.notations import ASCII, TEXT
from ..symbolic.sources import evaluated
from .console import WIDTH, Console, Span, columns, fitted, size
from .notation import visible

DEEPEST = 9  # levels of indentation; what lies deeper begins at the margin again
LIMIT = 200  # lines

_BRANCHES = "├── ", "└── ", "│   "
_PLAIN = "|-- ", "`-- ", "|   "


class Tree:
    """What `print` shows of how a tensor was computed; made by `Tensor.tree`.

    Gradients and the result's value are those of the time at which it was made.
    """

    def __init__(self, root: Record, names: Names, paths: dict[Record, str], value: str, limit: int) -> None:
        reading = Reading(root, names.of, lambda known: {r: evaluated(n, known) for r, n in names.constants.items()})
        self._root, self._names, self._paths, self._value, self._limit = root, names.of, paths, value, limit
        self._formulas = {r: reading.formulas[r] for r in names.of if r.primitive is not None}
        records = {id(symbol): record for record, symbol in reading.symbols.items() if record in names.of}
        self._inputs = {r: [records[id(a)] for a in atoms(f) if id(a) in records] for r, f in self._formulas.items()}
        self._gradients = {r: _gradient(r) for r in names.of if r.grad is not None or _is_leaf(r)}

    def text(self, console: Console | None = None) -> str:
        """The lines, for standard output unless another console is given."""
        console = Console.here() if console is None else console
        lines: list[str] = []
        for prefix, record, note in self._walk():
            if len(lines) == self._limit:
                lines.append(f"cut after {self._limit:,} lines; tree(limit=...) prints more")
                break
            lines.append("" if record is None else console.paint(self._line(prefix, record, note, console)))
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def _walk(self) -> Any:
        """What stands in each line: branches (0: the last of its siblings), value, and where else to look."""
        printed: set[Record] = set()
        waiting = deque([self._root])  # roots of blocks
        below = {self._root}
        while waiting:
            top = waiting.popleft()
            below.discard(top)
            if printed:
                yield (), None, ""
            stack: list[tuple[tuple[bool, ...], Record]] = [((), top)]
            while stack:
                prefix, record = stack.pop()
                inputs = self._inputs.get(record, ())
                note = "as above" if record in printed else "continued below" if record in below else ""
                if not note and inputs and len(prefix) == DEEPEST:
                    waiting.append(record)
                    below.add(record)
                    note = "continued below"
                yield prefix, record, note
                if note:
                    continue
                printed.add(record)
                for index, x in reversed(list(enumerate(inputs))):
                    stack.append(((*prefix, index == len(inputs) - 1), x))

    def _line(self, prefix: tuple[bool, ...], record: Record, note: str, console: Console) -> list[Span]:
        plain = console.ascii
        branch, last, bar = _PLAIN if plain else _BRANCHES
        indent = "".join("    " if done else bar for done in prefix[:-1])
        if prefix:
            indent += last if prefix[-1] else branch
        style = ASCII if plain else TEXT
        leaf = _is_leaf(record)
        tail: list[Span] = []
        if note:
            tail = [(f"   {note}", "quiet")]
        else:
            tail.append((f"   {size(tuple(record.shape), plain)}", "quiet"))
            if record is self._root and self._value:
                tail.append((f"   {self._value}", "result"))
            if record in self._gradients:
                tail.append((f"   {self._gradients[record].replace('≤', '<=' if plain else '≤')}", "gradient"))
            elif record.primitive is None:
                tail.append(("   data", "quiet"))
            if record in self._paths:
                tail.append((f"   {fitted(visible(self._paths[record]), 24, plain)}", "quiet"))
        name = fitted(visible(style.name(self._names[record])), 24, plain)
        spans = [(indent, "text"), (name, "result" if record in self._formulas else "leaf" if leaf else "text")]
        if record in self._formulas and note != "as above":
            room = WIDTH - sum(columns(text) for text, _ in spans + tail) - 3
            spans.append((f" = {fitted(visible(formula(self._formulas[record], style)), room, plain)}", "text"))
        return spans + tail


def tree(t: Tensor, *, model: Any = None, limit: int = LIMIT) -> Tree:
    """How a tensor was computed, to be printed: names, formulas, shapes, gradients of leaves, data marked.

    Args:
        t: any tensor; usually a loss.
        model: gives its parameters' paths; default: the modules among the caller's variables.
        limit: lines.

    >>> w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> x = Tensor([3.0, 0.5], name="x")
    >>> print(tree((w * x).sum()))
    L = Σ (w ∘ x)   scalar   4
    ├── w   2   grad not computed
    └── x   2   data
    """
    if not isinstance(t, Tensor):
        raise TypeError(f"tree: expected a Tensor, got {type(t).__name__}.")
    array = t._values()  # during a trace there are no numbers: refused here, with the line
    if t._view is not None:
        refresh(t)
    root = record_of(t)
    variables = callers_variables()
    names = Names(topological(root), root)
    if root.shape != () and not root.name:  # no loss: the variable's own name
        names.of[root] = next((k for k, v in variables.items() if v is t and not k.startswith("_")), "Y")
        names.taken = set(names.of.values())
    names.from_variables(variables)
    names.from_source()
    names.by_order()
    paths = paths_of([model] if model is not None else variables.values())
    return Tree(root, names, paths, f"{array.item():.4g}" if array.size == 1 else "", limit)


def _is_leaf(record: Record) -> bool:
    return record.primitive is None and record.needs_grad


def _gradient(record: Record) -> str:
    """The largest entry of a gradient, in words."""
    if record.grad is None:
        return "grad not computed"
    grad = np.abs(record.grad._array)
    if not grad.size:
        return "grad empty"
    return f"|grad| ≤ {grad.max():.3g}" if np.isfinite(grad).all() else "grad not finite"
