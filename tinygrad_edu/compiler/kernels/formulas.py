"""What a call does to numbers, as text: the expressions that loops are made of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ops.indexing import add_at, scatter
from ..calls import Call, Value

LONG = 512  # terms that one running sum of float32 may have; of more it loses digits, and float64 keeps it
STRIPE = 8  # terms of a product that are added before their sum is stored
ONE = "1"  # a number of an array of ones
PLACING = {scatter.forward: 1, add_at.forward: 2}  # what puts its last operand into a part of the result: operands

ARITHMETIC = {
    np.add: "{} + {}",
    np.subtract: "{} - {}",
    np.multiply: "{} * {}",
    np.divide: "{} / {}",
    np.negative: "-{}",
    np.positive: "{}",
    np.absolute: "abs({})",
    np.square: "{0} * {0}",
    np.sqrt: "np.sqrt({})",
    np.maximum: "{0} if {0} > {1} or {0} != {0} else {1}",  # NaN goes on, and the second of two zeros, as in NumPy
    np.minimum: "{0} if {0} < {1} or {0} != {0} else {1}",
}
COMPARED = {
    np.less: "{} < {}",
    np.less_equal: "{} <= {}",
    np.greater: "{} > {}",
    np.greater_equal: "{} >= {}",
    np.equal: "{} == {}",
    np.not_equal: "{} != {}",
}
LOGICAL = {np.logical_not: "not {}", np.logical_and: "{} and {}", np.logical_or: "{} or {}"}
# NumPy's are vectorised: 1,600 tanh take it 0.9 us, a loop of the C library's 17 (but see quick.py)
SLOW = {
    np.exp: "np.exp({})",
    np.log: "np.log({})",
    np.log1p: "np.log1p({})",
    np.expm1: "np.expm1({})",
    np.tanh: "np.tanh({})",
    np.power: "{} ** {}",
}
FORMULAS: dict[Any, str] = {**ARITHMETIC, **COMPARED, **LOGICAL, **SLOW}


def element_type(value: Any) -> str:
    """How a kernel's number of a value is called; a masked one is seen as integers by NumPy."""
    dtype = np.asarray(value.data if isinstance(value, Value) else value).dtype
    if dtype.kind == "i":
        dtype = np.dtype(f"f{dtype.itemsize}")
    return "bool" if dtype.kind == "b" else f"np.{dtype.name}"


def times(x: str, y: str) -> str:
    """A product; sums are products with ones."""
    return y if x == ONE else x if y == ONE else f"{x} * {y}"


def stepping(i: str, first: int, step: int) -> str:
    """Where an index of a slice points to."""
    scaled = i if step == 1 else f"{step} * {i}"
    return f"{scaled} + {first}" if first else scaled


def subscript(shape: tuple[int, ...], index: list[str]) -> str:
    """Where a constant array has its number for an index of the loop."""
    start = len(index) - len(shape)
    return ", ".join("0" if n == 1 else index[start + k] for k, n in enumerate(shape))


def literal(x: Any) -> str:
    """A number in a kernel's text."""
    if isinstance(x, int) and abs(x) >= 1 << 63:  # which Numba has no integer for
        x = float(x)
    return (
        repr(x)
        if not isinstance(x, float) or math.isfinite(x)
        else {"inf": "np.inf", "-inf": "-np.inf"}.get(str(x), "np.nan")
    )


def formula(line: Call, operands: list[str]) -> str:
    """A call as an expression of its operands' numbers."""
    value, function = line.results[0], line.function
    if value.data.dtype.kind == "i":  # x.view(int) * condition
        return f"{operands[0]} if {operands[1]} else {element_type(value)}(0)"
    if function is scatter.forward:
        return f"{operands[0]} if {operands[1]} else {element_type(value)}(0)"
    if function is add_at.forward:
        return f"{operands[2]} + {operands[0]} if {operands[1]} else {operands[2]}"
    if function is np.where:
        return f"{operands[1]} if {operands[0]} else {operands[2]}"
    if function in FORMULAS:
        return str(FORMULAS[function].format(*operands))
    return operands[0]  # astype


def stripe(inner: int) -> int:
    """How many terms of a product's sums are added at a time."""
    return max(c for c in range(1, STRIPE + 1) if inner % c == 0)


def running(value: Value, terms: int) -> str:
    """What a sum of so many terms is kept in."""
    return "np.float64" if terms > LONG else element_type(value)


def gathered(place: str, ufunc: np.ufunc, element: str) -> str:
    """A line that takes one more number into a reduction, in NumPy's order."""
    if ufunc is np.add:
        return f"{place} += {element}"
    sign = ">" if ufunc is np.maximum else "<"
    return f"{place} = {element} if {element} {sign} {place} or {element} != {element} else {place}"
