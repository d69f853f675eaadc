"""Sums of rows and choices, in whatever way NumPy takes them fastest, as plain ones.

Products with ones and einsum save NumPy a pass over memory, which a kernel that has the row in its hands does not make
in the first place; bits times a condition save it branches, which a kernel's loop does without.

Tried without gain: attention's softmax of 64 matrices of 64 x 64, its rows' largest numbers, exponentials, sums and
quotients in one nest: 290 to 330 us, and 317 as NumPy's calls, since a row's largest number takes as long to find as
its exponentials.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..calls import Call, Method, Value, reduction
from ..listing import Listing, alive
from .references import masks

LEAST = 8  # numbers of a row, so that a loop over it computes several at a time


def opened(listing: Listing) -> list[Any]:
    """A listing's lines with sums along the last axis, and np.where, in the place of what NumPy does instead."""
    roots = set(listing.roots)
    readers: dict[Value, list[Any]] = {}
    lines: list[Any] = listing.lines
    for line in lines:
        for v in dict.fromkeys(line.operands):
            readers.setdefault(v, []).append(line)
    instead: dict[Value, Value] = {}
    found: list[Any] = []
    for line in lines:
        new = (_dots(line) or _chosen(line) or _sums(line, readers, roots, instead)) if isinstance(line, Call) else None
        if new is not None:
            found += new
        elif not any(v in instead for v in line.operands):
            found.append(line)
        elif not any(v in instead for v in line.results):  # else: the shape that the sum has now by itself
            args = tuple(instead.get(x, x) if isinstance(x, Value) else x for x in line.args)
            found.append(Call(line.function, args, line.kwargs))
            found[-1].results, found[-1].section = line.results, line.section
    return alive(found, roots)  # without the shapes that the sums were taken in


def _dots(line: Call) -> list[Call] | None:
    """sum(X * Y) over the last axis."""
    if line.function is not np.einsum or line.kwargs or line.args[0] != "...i,...i->..." or len(line.args) != 3:
        return None
    X, Y = line.args[1:]
    if not all(isinstance(v, Value) for v in (X, Y)) or X.data.shape != Y.data.shape or X.data.shape[-1] < LEAST:
        return None
    if X.data.dtype != Y.data.dtype or X.data.dtype.kind != "f":
        return None
    products = Call(np.multiply, (X, Y), {})
    products.results = (Value(np.empty(X.data.shape, X.data.dtype), products),)
    total = Call(reduction(np.add, "reduce"), products.results, {"axis": -1})
    total.results = line.results
    products.section = total.section = line.section
    return [products, total]


def _chosen(line: Call) -> list[Call] | None:
    """The bits of A times a condition or those of B times its opposite: np.where (see ops.choices.choose)."""
    bits = line.args[0] if getattr(line.function, "__name__", "") == "view" else None
    both = bits.call if isinstance(bits, Value) else None
    if both is None or both.function is not np.bitwise_or:
        return None
    sides = [x.call for x in both.operands if x.call is not None and masks(x.call)]
    if len(sides) != 2:
        return None
    (a, condition), (b, opposite) = (side.args for side in sides)
    if opposite.call is None or opposite.call.function is not np.logical_not or opposite.call.args[0] is not condition:
        return None
    (value,) = line.results
    call = Call(np.where, (condition, a.call.args[0], b.call.args[0]), {})
    call.results, call.section = line.results, line.section
    value.call, value.source = call, None
    return [call]


def _sums(
    line: Call, readers: dict[Value, list[Any]], roots: set[Value], instead: dict[Value, Value]
) -> list[Call] | None:
    """Rows times ones, and then a column: the sums of the rows of what the rows have been taken from."""
    if line.function is not np.dot or line.kwargs or len(line.args) != 2 or len(line.results) != 1:
        return None
    x, ones = line.args
    if not isinstance(x, Value) or not isinstance(ones, np.ndarray) or ones.ndim != 1 or not (ones == 1).all():
        return None
    (total,) = line.results
    X = x.source if x.call is not None and _reshapes(x.call) else x
    if X is None or x.data.ndim != 2 or X.data.shape[-1] != len(ones) or len(ones) < LEAST or total in roots:
        return None
    if X.data.dtype != ones.dtype or X.data.dtype != np.float32:
        return None
    columns = readers.get(total, [])
    shape = (*X.data.shape[:-1], 1)
    for column in columns:
        if not (isinstance(column, Call) and _reshapes(column) and column.results[0].data.shape == shape):
            return None
        value = column.results[0]
        plain = all(
            isinstance(r, Call) and isinstance(r.function, np.ufunc) and not r.kwargs for r in readers.get(value, [])
        )
        if value in roots or not plain:
            return None
    call = Call(reduction(np.add, "reduce"), (X,), {"axis": -1, "keepdims": True})
    call.results, call.section = (Value(np.empty(shape, X.data.dtype), call),), line.section
    instead[total] = call.results[0]
    for column in columns:
        instead[column.results[0]] = call.results[0]
    return [call]


def _reshapes(line: Call) -> bool:
    return line.function is np.reshape or (isinstance(line.function, Method) and line.function.__name__ == "reshape")
