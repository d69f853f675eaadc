"""Where rounding is what a step computes: kernels that must keep NumPy's order of sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..calls import Value

MANY_TERMS = 32  # of a chain of sums; a longer one is not searched for what cancels


def must_be_exact(lines: list[Any]) -> set[Any]:
    """The calls behind a difference that is not zero by rounding alone, as in `C - (C - X)`.

    Sums that are reassociated, or multiplied and added without rounding between, would lose what it is for.
    """
    atoms: dict[Value, tuple[set[Any], set[Any]]] = {}  # what a chain of sums adds, and what it takes off
    found: list[Any] = []
    for line in lines:
        function = getattr(line, "function", None)
        if function not in (np.add, np.subtract, np.negative) or len(line.results) != 1 or line.kwargs:
            continue
        signs = {np.add: (1, 1), np.subtract: (1, -1), np.negative: (-1,)}[function]
        plus: set[Any] = set()
        minus: set[Any] = set()
        for x, sign in zip(line.args, signs, strict=True):
            own = atoms.get(x) if isinstance(x, Value) else None
            if own is None:
                constant = not isinstance(x, Value)
                below = constant and np.size(x) and np.max(x) < 0
                own = ({"number"} if constant else {x}, set())
                own = own[::-1] if below else own
            more, less = own[::sign]
            plus, minus = plus | more, minus | less
        if plus & minus:
            found.append(line)
        if len(plus) + len(minus) <= MANY_TERMS:
            atoms[line.results[0]] = plus, minus
    if not found:
        return set()
    sections, needed = {line.section for line in found}, {v for line in found for v in line.operands}
    strict = set(found)
    for line in reversed(lines):
        if line.section in sections and any(v in needed for v in line.results):
            strict.add(line)
            needed.update(line.operands)
    return strict
