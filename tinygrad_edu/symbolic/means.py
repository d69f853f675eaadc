"""The means on the way from a loss, and the count m that they divide by.

"Textbook" scale multiplies intermediate gradients by m, and formulas show m where a mean has put its count: there
alone, for another number may be 1/m by chance.

Where a mean is written out, `-0.5 * s.sum() / 4`, all scalar factors above the sum are looked at together: the count
is the one that divides by the number of summed entries, rows or columns, and a half is a half, although there may be
two columns. What is decided by numbers alone could be chance, so the user's source is asked where it is to be had.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..core.joint import pick
from ..core.kept import kept_input
from ..core.record import Record
from ..core.symbol import Symbol
from .derive import Reading, topological
from .formulas import WITH_PROBABILITIES
from .sources import at, operands_of
from .walk import upwards

# Losses with labels as their second input
OF_LABELS = (*WITH_PROBABILITIES, "log_likelihood_of_classes", "log_likelihood_of_pixels")
PRODUCTS = "dot", "matrix_product", "matrix_vector", "vector_matrix"


def means(root: Record) -> dict[Record, int]:
    """What divides by a count, on the way from the loss, with that count."""
    counts: dict[Record, int] = {}
    penalties: dict[Record, int] = {}  # means of a parameter alone
    decided: set[Record] = set()  # factors that have been looked at together with one above them
    stack, seen = [root], {root}
    while stack:
        record = stack.pop()
        primitive = record.primitive
        if primitive is None:
            continue
        sources = [x for x in record.inputs if isinstance(x, Record)]
        if primitive.key == "mean_over":
            (counts if _of_data(record) else penalties)[record] = _size(sources[0].shape) // max(_size(record.shape), 1)
            continue
        if record.params.get("reduction") == "mean":
            counts[record] = _size(np.broadcast_shapes(*(x.shape for x in sources)))
            continue
        if primitive.key in OF_LABELS and record.params.get("mean", True):
            counts[record] = int(np.count_nonzero(kept_input(record, 1) != record.params["ignore_index"]))
            continue
        if record not in decided and _factor(record) is not None:
            found, looked_at = _written(record)
            counts |= found
            decided |= looked_at
        inner = [x for x in sources if x.needs_grad and (_size(x.shape) == 1 or primitive is pick) and x not in seen]
        seen.update(inner)
        stack.extend(inner)
    return counts or penalties


# --- means that are written out


class _Factor(NamedTuple):
    """A scalar that multiplies another by a number."""

    record: Record
    divisor: float  # what the number divides by; of a multiplication 1 / number
    divides: bool
    number: int  # which of the inputs it is


def _factor(record: Record) -> _Factor | None:
    if record.key not in ("over", "multiply") or _size(record.shape) != 1:
        return None
    divides = record.key == "over"
    at = [k for k, x in enumerate(record.inputs) if not _computed(x)]
    if len(at) != 1 or (divides and at != [1]):
        return None
    x = record.inputs[at[0]]
    value = abs(float(x.array if isinstance(x, Record) else x))
    return _Factor(record, value if divides else 1 / value, divides, at[0]) if value else None


def _written(top: Record) -> tuple[dict[Record, int], set[Record]]:
    """The count that each sum below a factor is divided by, and every factor on the way to one."""
    counts: dict[Record, int] = {}
    looked_at: set[Record] = set()
    for shape, path in _sums(top):
        looked_at.update(factor.record for factor in path)
        ranked = [
            (rank, -depth, factor.record, n)
            for depth, factor in enumerate(path)
            for rank, n in _counts(factor, shape)
        ]  # fmt: skip
        if ranked:
            *_, record, n = max(ranked, key=lambda found: found[:2])
            counts.setdefault(record, n)
    return counts, looked_at


def _sums(top: Record) -> Iterator[tuple[tuple[int, ...], list[_Factor]]]:
    """The shape of what each sum in a scalar adds up, and the factors above it, the outermost first.

    Not of a parameter alone: that is a penalty, whose own factor this is.
    """
    stack: list[tuple[Record, list[_Factor]]] = [(top, [])]
    seen: set[Record] = set()
    while stack:
        record, path = stack.pop()
        key = record.key
        factor = _factor(record)
        sources = [x for x in record.inputs if isinstance(x, Record)]
        if record in seen or _size(record.shape) != 1:
            continue
        seen.add(record)
        if key in ("sum_over", *PRODUCTS):  # a row times a column is a sum
            if _of_data(record):
                yield tuple(sources[0].shape), path
        elif factor is not None:
            stack.append((next(x for x in sources if _computed(x)), [*path, factor]))
        elif key in ("negative", "plus", "minus", "clone", "reshape_to", "astype"):
            stack.extend((x, path) for x in sources if _computed(x))


def _of_data(record: Record) -> bool:
    """It is no function of a parameter alone, whose mean or sum is a penalty."""
    return len({x for x in topological(record) if x.primitive is None and x.shape != ()}) > 1


def _counts(factor: _Factor, shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """The count of what has been summed that a factor divides by, or twice that, under how likely it is."""
    said = _said(factor)
    for k in (1, 2) if said != "twice" else (2, 1):
        for n in (_size(shape), *shape[::-1]):
            if n > 1 and abs(factor.divisor - k * n) < 1e-6 * factor.divisor:  # in float32 1/n is that exact
                if k * n == 2 and said != "expression":
                    continue  # / 2 and * 0.5 are a half, whatever the shape
                yield 2 * factor.divides + (said not in ("", "literal")), n
                return


def _said(factor: _Factor) -> str:
    """How the source writes the number: a "literal", "twice" something, another "expression", or "": not known."""
    node, _ = at(factor.record.site)
    if isinstance(node, ast.Call):
        return "expression"  # a loss of the library, which divides by counts
    operands = operands_of(node, 2)
    if not isinstance(node, ast.BinOp) or factor.number >= len(operands):
        return ""
    operand = operands[factor.number]
    if isinstance(operand, ast.Constant):
        return "literal"
    numbers = [part.value for part in ast.walk(operand) if isinstance(part, ast.Constant)]
    return "twice" if isinstance(operand, ast.BinOp) and (2 in numbers or 0.5 in numbers) else "expression"


def _computed(x: Any) -> bool:
    return isinstance(x, Record) and (x.primitive is not None or x.needs_grad or x.array is None or x.shape != ())


def _size(shape: Any) -> int:
    if shape and isinstance(shape[0], tuple):
        return 0  # of several outputs
    return int(np.prod(shape, dtype=np.int64))


# --- as formulas show them


def with_m(record: Record, dX: Symbol, given: list[Any], reading: Reading, m: Symbol, n: int) -> Symbol:
    """What a mean's rule makes of what it is `given`, with m in the place of the count n that it divides by."""
    known = {id(reading.value(x)): x.array for x in record.inputs if isinstance(x, Record) and x.shape == ()}

    def shown(x: Any, power: int) -> Any:
        number = known.get(id(x)) if isinstance(x, Symbol) else x
        if number is None or np.ndim(number) or not number:
            return x
        for k in (1, 2, -1, -2):
            if abs(float(number) ** power - k * n) < 1e-6 * n:  # in float32 1/n is that exact
                return (k * m if k != 1 else m) if power == 1 else (1 if k > 0 else -1) / (abs(k) * m)
        return x

    done: dict[int, Any] = {id(part): part for part in given}
    for part in upwards(dX, done):
        inputs = [done[id(i)] if isinstance(i, Symbol) else i for i in part.inputs]
        key = part.key
        if key == "over":
            inputs[1] = shown(inputs[1], 1)
        elif key == "multiply":
            inputs = [shown(i, -1) for i in inputs]
        if part.primitive is None or all(a is b for a, b in zip(inputs, part.inputs, strict=True)):
            done[id(part)] = part
        else:
            done[id(part)] = part.primitive(*inputs, **part.params)
    found: Symbol = done[id(dX)]
    return found
