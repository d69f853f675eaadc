"""What a mistake is, and what its rewrites (rewrites) are made with: the parts of a line, and values of its graph."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..core.record import Record
from ..core.symbol import Symbol
from .explanation import Explanation
from .expressions import atoms, substituted
from .formulas import formula
from .notations import ASCII, TEXT

LESS = 1e-3  # the weight of what is believed if nothing else gives the same numbers


class Mistake(NamedTuple):
    """What was done in place of what is right.

    `kind` is one of: "missing 1/m", "doubled 1/m", "sum against mean", "missing sum", "wrong axis",
    "lost keepdims", "transposed", "order of a product", "wrong order", "sign", "constant factor", "missing g'",
    "g' twice", "g for g'", "g' of the wrong quantity", "g' of another activation", "* for @", "@ for *",
    "wrong value", "missing factor", "factor twice", "missing brackets", "missing upstream gradient", "missing term",
    "forgotten regularisation", "extra penalty", "forgotten bias", "stale value", "comparison reversed", "kink",
    "not finite", "wrong shape", "does not run", "unknown".
    """

    kind: str
    says: str
    symbol: Any = None  # the formula with the mistake in it
    weight: float = 0  # what it takes to believe it: the least is the likeliest

    def text(self, name: str, ascii: bool = False) -> str:
        """The mistaken formula, or nothing where there is none."""
        style = ASCII if ascii else TEXT
        return "" if self.symbol is None else style.equation(style.name(name), formula(self.symbol, style))


class Sources:
    """What a rewrite may put in a place: the named values of a graph, and its gradients."""

    def __init__(self, e: Explanation) -> None:
        self.e = e
        self.m = e.m_atom
        self.values = [s for r, s in e.reading.symbols.items() if s.name and r in e.names and s.shape]
        self.softmaxes = {line.name: line.raw for line in e.forward if key_of(line.raw) == "softmax_over"}
        self.users: dict[Record, list[Record]] = {}
        for record in e.order:
            for x in record.inputs:
                if isinstance(x, Record):
                    self.users.setdefault(x, []).append(record)

    def is_gradient(self, atom: Symbol) -> bool:
        """Whether an atom is a cotangent, and not a value of the forward pass."""
        return isinstance(self.e.stands_for(atom), Record)

    def has_gradient(self, x: Any) -> bool:
        return any(self.is_gradient(atom) for atom in atoms(x))

    def only_m(self, x: Any) -> bool:
        found = atoms(x)
        return bool(found) and all(atom is self.m for atom in found)


def key_of(x: Any) -> str:
    return x.key if isinstance(x, Symbol) else ""


def tried(x: Any, old: Symbol | list[Symbol], make: Any) -> Any:
    """x with a part exchanged, or several, each by `make(part)`; None where the shapes don't allow it."""
    try:
        with np.errstate(all="ignore"):
            new = {id(n): make(n) for n in old} if isinstance(old, list) else {id(old): make()}
            return None if any(part is None for part in new.values()) else substituted(x, new)
    except (ValueError, TypeError, IndexError, RuntimeError, AttributeError):
        return None
