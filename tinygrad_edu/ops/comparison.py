"""Comparisons, logic, bits and whole numbers: results that do not change continuously, so no gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.dtypes import arithmetic, comparing, discrete
from ..core.errors import DtypeError
from ..core.primitive import Array, primitive
from ..core.tensor import Tensor, wrap
from .checks import numbers_of
from .public import operator, public


def integers(name: str, operands: Sequence[Any]) -> list[Any]:
    """As `discrete`, without booleans: shifts, divisors."""
    found = arithmetic(name, operands)
    for x in found:
        if hasattr(x, "dtype") and x.dtype.kind not in "iu":
            raise DtypeError(f"{name} needs integers, not {x.dtype}; convert with .long() first.")
    return found


@public("eq", inplace=True)
@operator("eq", reflected=False, inplace=False)
@primitive(np.equal, types=comparing)
def eq(A: Array, B: Array) -> Array:
    """A == B, elementwise."""
    return np.equal(A, B)


@public("ne", "not_equal", inplace=True)
@operator("ne", reflected=False, inplace=False)
@primitive(np.not_equal, types=comparing)
def ne(A: Array, B: Array) -> Array:
    """A != B, elementwise."""
    return np.not_equal(A, B)


@public("lt", "less", inplace=True)
@operator("lt", reflected=False, inplace=False)
@primitive(np.less, types=comparing)
def lt(A: Array, B: Array) -> Array:
    """A < B, elementwise."""
    return np.less(A, B)


@public("le", "less_equal", inplace=True)
@operator("le", reflected=False, inplace=False)
@primitive(np.less_equal, types=comparing)
def le(A: Array, B: Array) -> Array:
    """A <= B, elementwise."""
    return np.less_equal(A, B)


@public("gt", "greater", inplace=True)
@operator("gt", reflected=False, inplace=False)
@primitive(np.greater, types=comparing)
def gt(A: Array, B: Array) -> Array:
    """A > B, elementwise."""
    return np.greater(A, B)


@public("ge", "greater_equal", inplace=True)
@operator("ge", reflected=False, inplace=False)
@primitive(np.greater_equal, types=comparing)
def ge(A: Array, B: Array) -> Array:
    """A >= B, elementwise."""
    return np.greater_equal(A, B)


@public("logical_and", inplace=True)
@primitive(np.logical_and, types=arithmetic)
def logical_and(A: Array, B: Array) -> Array:
    """Whether both are nonzero."""
    return np.logical_and(A, B)


@public("logical_or", inplace=True)
@primitive(np.logical_or, types=arithmetic)
def logical_or(A: Array, B: Array) -> Array:
    """Whether one is nonzero."""
    return np.logical_or(A, B)


@public("logical_xor", inplace=True)
@primitive(np.logical_xor, types=arithmetic)
def logical_xor(A: Array, B: Array) -> Array:
    """Whether exactly one is nonzero."""
    return np.logical_xor(A, B)


@public("logical_not", inplace=True)
@primitive(np.logical_not, types=arithmetic)
def logical_not(A: Array) -> Array:
    """Whether A is zero."""
    return np.logical_not(A)


@public("bitwise_and", inplace=True)
@operator("and")
@primitive(np.bitwise_and, types=discrete)
def bitwise_and(A: Array, B: Array) -> Array:
    """A & B of integers or booleans."""
    return np.bitwise_and(A, B)


@public("bitwise_or", inplace=True)
@operator("or")
@primitive(np.bitwise_or, types=discrete)
def bitwise_or(A: Array, B: Array) -> Array:
    """A | B of integers or booleans."""
    return np.bitwise_or(A, B)


@public("bitwise_xor", inplace=True)
@operator("xor")
@primitive(np.bitwise_xor, types=discrete)
def bitwise_xor(A: Array, B: Array) -> Array:
    """A ^ B of integers or booleans."""
    return np.bitwise_xor(A, B)


@public("bitwise_not", inplace=True)
@primitive(np.invert, name="bitwise_not", types=discrete)
def invert(A: Array) -> Array:
    """~A of integers or booleans."""
    return np.invert(A)


Tensor.__invert__ = lambda self: invert(self)  # type: ignore[method-assign]


@public("bitwise_left_shift", inplace=True)
@operator("lshift")
@primitive(np.left_shift, name="bitwise_left_shift", types=integers)
def left_shift(A: Array, B: Array) -> Array:
    """A * 2**B of integers, 0 once all bits have been moved out."""
    return np.left_shift(A, B)


@public("bitwise_right_shift", inplace=True)
@operator("rshift")
@primitive(np.right_shift, name="bitwise_right_shift", types=integers)
def right_shift(A: Array, B: Array) -> Array:
    """floor(A / 2**B) of integers."""
    return np.right_shift(A, B)


@public("gcd", inplace=True)
@primitive(np.gcd, types=integers)
def gcd(A: Array, B: Array) -> Array:
    """The greatest common divisor of integers; of 0 and 0 it is 0."""
    return np.gcd(A, B)


@public("lcm", inplace=True)
@primitive(np.lcm, types=integers)
def lcm(A: Array, B: Array) -> Array:
    """The least common multiple of integers, not negative."""
    return np.lcm(A, B)


@public("isnan")
@primitive(np.isnan, types=arithmetic)
def isnan(A: Array) -> Array:
    """Whether A is not a number."""
    return np.isnan(A)


@public("isinf")
@primitive(np.isinf, types=arithmetic)
def isinf(A: Array) -> Array:
    """Whether A is infinite."""
    return np.isinf(A)


@public("isfinite")
@primitive(np.isfinite, types=arithmetic)
def isfinite(A: Array) -> Array:
    """Whether A is a finite number."""
    return np.isfinite(A)


@public("isposinf")
@primitive(np.isposinf, types=arithmetic)
def isposinf(A: Array) -> Array:
    """Whether A is infinite and positive."""
    return A == math.inf


@public("isneginf")
@primitive(np.isneginf, types=arithmetic)
def isneginf(A: Array) -> Array:
    """Whether A is infinite and negative."""
    return A == -math.inf


@public("isreal")
@primitive(np.isreal, types=arithmetic)
def isreal(A: Array) -> Array:
    """True everywhere: there are no complex numbers here."""
    return np.logical_or(A == A, True)


@public("isclose")
def isclose(input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Any:
    """|input - other| <= atol + rtol |other|, elementwise."""
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        if tolerance < 0:
            raise RuntimeError(f"isclose: {name} must be greater than or equal to zero, but got {tolerance}")
    if not isinstance(input, Tensor) or not isinstance(other, Tensor):
        advice = "isclose(x, y) of two tensors can be traced."
        given = numbers_of(input, advice), numbers_of(other, advice)
        return wrap(np.asarray(np.isclose(*given, rtol, atol, equal_nan)))
    x, y = input.detach(), other.detach()
    near: Any = x == y
    if equal_nan:
        near = near | ((x != x) & (y != y))
    if x.dtype.kind == y.dtype.kind == "b":
        return near
    if y.dtype.kind != "f":  # whose differences would be those of the remainders
        x, y = x.double(), y.double()
    gap = np.absolute(x - y)
    return near | ((gap <= atol + rtol * np.absolute(y)) & np.isfinite(gap))


@public("allclose")
def allclose(input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether all elements are close: |input - other| <= atol + rtol |other|."""
    advice = "isclose(x, y).all() is a tensor."
    return bool(np.allclose(numbers_of(input, advice), numbers_of(other, advice), rtol, atol, equal_nan))


@public("equal")
def equal(input: Any, other: Any) -> bool:
    """Whether two tensors have the same shape and the same elements."""
    advice = "(x == y).all() is a tensor."
    return bool(np.array_equal(numbers_of(input, advice), numbers_of(other, advice)))
