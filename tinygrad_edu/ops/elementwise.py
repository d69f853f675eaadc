"""Elementwise operations: arithmetic, exponentials, comparisons, choices.

Capitals as in the article: A = f(Z) for one input, C = f(A, B) for two. Rules are given for equal
shapes; the engine sums a cotangent back over the axes that NumPy's broadcasting stretched.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtypes import arithmetic, but_first, difference, numeric, promote
from ..core.primitive import Array, answers, primitive
from ..core.tensor import Tensor, wrap
from .domains import apart, nonzero, positive, within
from .public import operator, public

# --- arithmetic


@operator("add")
@primitive(
    np.add,
    name="add",
    types=arithmetic,
    dA=lambda dC, C, A, B: dC,
    dB=lambda dC, C, A, B: dC,
)
def plus(A: Array, B: Array) -> Array:
    """C = A + B."""
    return np.add(A, B)


@operator("sub")
@primitive(
    np.subtract,
    name="sub",
    types=difference,
    dA=lambda dC, C, A, B: dC,
    dB=lambda dC, C, A, B: -dC,
)
def minus(A: Array, B: Array) -> Array:
    """C = A - B."""
    return np.subtract(A, B)


@public("mul", "multiply", inplace=True)
@operator("mul")
@primitive(
    np.multiply,
    name="mul",
    types=arithmetic,
    dA=lambda dC, C, A, B: dC * B,
    dB=lambda dC, C, A, B: dC * A,
)
def multiply(A: Array, B: Array) -> Array:
    """C = A * B, elementwise."""
    return np.multiply(A, B)


@operator("truediv")
@primitive(
    np.divide,
    name="div",
    domain=(nonzero, nonzero),
    dA=lambda dC, C, A, B: dC / B,
    dB=lambda dC, C, A, B: -dC * (A / B) / B,  # not C / B: C may be written afterwards, as in PyTorch
)
def over(A: Array, B: Array) -> Array:
    """C = A / B; of two integers a floating number."""
    return np.divide(A, B)


@public("neg", "negative", inplace=True)
@primitive(np.negative, name="neg", types=numeric, dZ=lambda dA, A, Z: -dA)
def negative(Z: Array) -> Array:
    """A = -Z."""
    return np.negative(Z)


@primitive(
    np.power,
    name="pow",
    types=numeric,
    domain=(positive, nonzero),
    # B == 0 lifts the exponent to 0, so that 0 * 0**-1 is 0 and not NaN.
    dA=lambda dC, C, A, B: dC * B * A ** (B - 1 + (B == 0)),
    dB=lambda dC, C, A, B: dC * C * np.log(np.where((A == 0) & (B >= 0), 1, A)),
)
def power(A: Array, B: Array) -> Array:
    """C = A ** B. The derivative by B is log(A) C, 0 at A = 0, NaN for negative A, as in PyTorch."""
    return A**B  # not np.power: the operator knows squares and square roots


@public("add", inplace=True)
def add(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """input + alpha * other."""
    return plus(input, other if alpha == 1 else multiply(other, alpha))


@public("sub", "subtract", inplace=True)
def sub(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """input - alpha * other."""
    return minus(input, other if alpha == 1 else multiply(other, alpha))


@public("div", "divide", inplace=True)
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """input / other; rounding_mode "trunc" or "floor" rounds the quotient, and its gradient is 0."""
    if rounding_mode is None:
        return over(input, other)
    if rounding_mode not in ("trunc", "floor"):
        raise RuntimeError(f"div: rounding_mode is None, 'trunc' or 'floor', not {rounding_mode!r}.")
    return floor_divide(input, other) if rounding_mode == "floor" else trunc_divide(input, other)


@public("pow", inplace=True)
def pow(input: Any, exponent: Any) -> Any:
    """input ** exponent, elementwise."""
    return _raise(input, exponent)


def _raise(base: Any, exponent: Any) -> Any:
    if base.__class__ in (int, float) and isinstance(exponent, Tensor):
        # The rule takes log(base): of a Python number NumPy would make a float64 of it.
        base = wrap(np.asarray(base, promote([base, exponent._array])))
    if exponent.__class__ is int and exponent < 0 and isinstance(base, Tensor) and base.dtype.kind in "iu":
        raise RuntimeError("pow: integers to negative integer powers are not allowed; use .float().")
    return power(base, exponent)


answers(np.power)(_raise)
Tensor.__pow__ = lambda self, other: _raise(self, other)  # type: ignore[method-assign]
Tensor.__rpow__ = lambda self, other: _raise(other, self)  # type: ignore[method-assign]
Tensor.__ipow__ = lambda self, other: self.pow_(other)  # type: ignore[method-assign]
Tensor.__neg__ = lambda self: negative(self)  # type: ignore[method-assign]
Tensor.__pos__ = lambda self: self  # type: ignore[method-assign]


@public("square", inplace=True)
@primitive(np.square, types=numeric, dZ=lambda dA, A, Z: dA * (2 * Z))
def square(Z: Array) -> Array:
    """A = Z * Z."""
    return np.square(Z)


@operator("floordiv")
@primitive(np.floor_divide, types=numeric, domain=(nonzero, nonzero))
def floor_divide(A: Array, B: Array) -> Array:
    """C = floor(A / B); constant almost everywhere, so no gradient."""
    return np.floor_divide(A, B)


@primitive(name="div", types=numeric, domain=(nonzero, nonzero), opaque=True)
def trunc_divide(A: Array, B: Array) -> Array:
    """C = A / B rounded towards 0; constant almost everywhere, so no gradient."""
    if np.result_type(A, B).kind == "f":
        return np.trunc(np.divide(A, B))
    C = np.floor_divide(A, B)  # of integers: exact, where a quotient in float64 has 53 bits
    return C + ((C * B != A) & ((A < 0) != (B < 0)))


@public("remainder", inplace=True)
@operator("mod")
@primitive(
    np.remainder,
    types=numeric,
    domain=(nonzero, apart),
    dA=lambda dC, C, A, B: dC,
    dB=lambda dC, C, A, B: -dC * np.floor_divide(A, B),
)
def remainder(A: Array, B: Array) -> Array:
    """C = A - B floor(A / B), with the sign of B."""
    return np.remainder(A, B)


# --- roundings: constant almost everywhere, so their gradient is 0


@public("floor", inplace=True)
@primitive(np.floor, types=arithmetic, dZ=lambda dA, A, Z: np.zeros_like(dA))
def floor(Z: Array) -> Array:
    """The largest integer not above Z. Gradient 0."""
    return np.floor(Z)


@public("sign", inplace=True)
@primitive(np.sign, types=numeric, dZ=lambda dA, A, Z: np.zeros_like(dA))
def sign(Z: Array) -> Array:
    """-1, 0 or 1. Gradient 0."""
    return np.sign(Z)


# --- exponentials and roots


@public("exp", inplace=True)
@primitive(np.exp, dZ=lambda dA, A, Z: dA * A)
def exp(Z: Array) -> Array:
    """A = e ** Z."""
    return np.exp(Z)


@public("expm1", inplace=True)
@primitive(np.expm1, dZ=lambda dA, A, Z: dA * (A + 1))
def expm1(Z: Array) -> Array:
    """A = e ** Z - 1, exact near 0."""
    return np.expm1(Z)


@public("log", inplace=True)
@primitive(np.log, domain=positive, dZ=lambda dA, A, Z: dA / Z)
def log(Z: Array) -> Array:
    """A = ln(Z)."""
    return np.log(Z)


@public("log1p", inplace=True)
@primitive(np.log1p, domain=positive, dZ=lambda dA, A, Z: dA / (1 + Z))
def log1p(Z: Array) -> Array:
    """A = ln(1 + Z), exact near 0."""
    return np.log1p(Z)


@public("sqrt", inplace=True)
@primitive(np.sqrt, domain=positive, dZ=lambda dA, A, Z: dA / (2 * A))
def sqrt(Z: Array) -> Array:
    """A = Z ** 0.5; the derivative at 0 is infinite."""
    return np.sqrt(Z)


@public("abs", "absolute", inplace=True)
@primitive(np.absolute, name="abs", types=arithmetic, domain=nonzero, dZ=lambda dA, A, Z: dA * np.sign(Z))
def absolute(Z: Array) -> Array:
    """A = |Z|; the derivative at 0 is taken as 0."""
    return np.absolute(Z)


Tensor.__abs__ = lambda self: absolute(self)  # type: ignore[method-assign]


# --- choices


@public("maximum")
@primitive(
    np.maximum,
    types=arithmetic,
    dA=lambda dC, C, A, B: np.where(A == B, dC / 2, np.where(A < B, 0, dC)),
    dB=lambda dC, C, A, B: np.where(A == B, dC / 2, np.where(A > B, 0, dC)),
)
def maximum(A: Array, B: Array) -> Array:
    """The larger of A and B; where they are equal each gets half of the gradient. NaN wins."""
    return np.maximum(A, B)


@public("minimum")
@primitive(
    np.minimum,
    types=arithmetic,
    dA=lambda dC, C, A, B: np.where(A == B, dC / 2, np.where(A > B, 0, dC)),
    dB=lambda dC, C, A, B: np.where(A == B, dC / 2, np.where(A < B, 0, dC)),
)
def minimum(A: Array, B: Array) -> Array:
    """The smaller of A and B; where they are equal each gets half of the gradient. NaN wins."""
    return np.minimum(A, B)


@primitive(
    name="clamp",
    types=arithmetic,
    dZ=lambda dA, A, Z, lo: np.where(Z >= lo, dA, 0),
    dlo=lambda dA, A, Z, lo: np.where(Z < lo, dA, 0),
)
def clamp_below(Z: Array, lo: Array) -> Array:
    """Z, or lo where Z is smaller; where they are equal the gradient is Z's."""
    return np.maximum(Z, lo)


@primitive(
    name="clamp",
    types=arithmetic,
    dZ=lambda dA, A, Z, hi: np.where(Z <= hi, dA, 0),
    dhi=lambda dA, A, Z, hi: np.where(Z > hi, dA, 0),
)
def clamp_above(Z: Array, hi: Array) -> Array:
    """Z, or hi where Z is larger; where they are equal the gradient is Z's."""
    return np.minimum(Z, hi)


@primitive(
    name="clamp",
    types=arithmetic,
    domain=(within(-2, 2), within(-1.0, -0.5), within(0.5, 1.0)),
    dZ=lambda dA, A, Z, lo, hi: np.where((Z >= lo) & (Z <= hi), dA, 0),
    dlo=lambda dA, A, Z, lo, hi: np.where((Z < lo) & (lo < hi), dA, 0),
    dhi=lambda dA, A, Z, lo, hi: np.where((Z > hi) | (hi < lo), dA, 0),
)
def clamp_between(Z: Array, lo: Array, hi: Array) -> Array:
    """min(max(Z, lo), hi); on the borders the gradient is Z's."""
    return np.minimum(np.maximum(Z, lo), hi)


@public("clamp", "clip", inplace=True)
def clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    """input limited to [min, max]; either may be None, a number or a tensor."""
    if min is None and max is None:
        raise RuntimeError("clamp: at least one of min and max is needed.")
    if max is None:
        return clamp_below(input, min)
    return clamp_above(input, max) if min is None else clamp_between(input, min, max)


@public("clamp_min", inplace=True)
def clamp_min(input: Any, min: Any) -> Any:
    """input, or min where input is smaller."""
    return clamp_below(input, min)


@public("clamp_max", inplace=True)
def clamp_max(input: Any, max: Any) -> Any:
    """input, or max where input is larger."""
    return clamp_above(input, max)


@answers(np.clip)
def _np_clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    return clamp(a, a_min if min is None else min, a_max if max is None else max)


@primitive(
    np.where,
    name="where",
    types=but_first(arithmetic),
    dA=lambda dY, Y, condition, A, B: np.where(condition, dY, 0),
    dB=lambda dY, Y, condition, A, B: np.where(condition, 0, dY),
)
def choose(condition: Array, A: Array, B: Array) -> Array:
    """A where the condition holds, B elsewhere; the other one's gradient is 0 there, never NaN."""
    return np.where(condition, A, B)


@public("where", as_method=False)
def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """`input` where `condition` holds, `other` elsewhere; `x.where(condition, other)` as a method."""
    if input is None or other is None:
        raise TypeError("where: both values are needed: where(condition, input, other).")
    return choose(condition, input, other)


@public("where", function=False)
def _where_method(self: Tensor, condition: Any, other: Any) -> Any:
    """This tensor where `condition` holds, `other` elsewhere."""
    return choose(condition, self, other)


# --- comparisons and logic: no gradient


@public("eq")
@operator("eq", reflected=False, inplace=False)
@primitive(np.equal, types=arithmetic)
def eq(A: Array, B: Array) -> Array:
    """A == B, elementwise."""
    return np.equal(A, B)


@public("ne", "not_equal")
@operator("ne", reflected=False, inplace=False)
@primitive(np.not_equal, types=arithmetic)
def ne(A: Array, B: Array) -> Array:
    """A != B, elementwise."""
    return np.not_equal(A, B)


@public("lt", "less")
@operator("lt", reflected=False, inplace=False)
@primitive(np.less, types=arithmetic)
def lt(A: Array, B: Array) -> Array:
    """A < B, elementwise."""
    return np.less(A, B)


@public("le", "less_equal")
@operator("le", reflected=False, inplace=False)
@primitive(np.less_equal, types=arithmetic)
def le(A: Array, B: Array) -> Array:
    """A <= B, elementwise."""
    return np.less_equal(A, B)


@public("gt", "greater")
@operator("gt", reflected=False, inplace=False)
@primitive(np.greater, types=arithmetic)
def gt(A: Array, B: Array) -> Array:
    """A > B, elementwise."""
    return np.greater(A, B)


@public("ge", "greater_equal")
@operator("ge", reflected=False, inplace=False)
@primitive(np.greater_equal, types=arithmetic)
def ge(A: Array, B: Array) -> Array:
    """A >= B, elementwise."""
    return np.greater_equal(A, B)


@public("logical_and")
@primitive(np.logical_and, types=arithmetic)
def logical_and(A: Array, B: Array) -> Array:
    """Whether both are nonzero."""
    return np.logical_and(A, B)


@public("logical_or")
@primitive(np.logical_or, types=arithmetic)
def logical_or(A: Array, B: Array) -> Array:
    """Whether one is nonzero."""
    return np.logical_or(A, B)


@public("logical_xor")
@primitive(np.logical_xor, types=arithmetic)
def logical_xor(A: Array, B: Array) -> Array:
    """Whether exactly one is nonzero."""
    return np.logical_xor(A, B)


@public("logical_not")
@primitive(np.logical_not, types=arithmetic)
def logical_not(A: Array) -> Array:
    """Whether A is zero."""
    return np.logical_not(A)


@public("bitwise_and")
@operator("and")
@primitive(np.bitwise_and, types=arithmetic)
def bitwise_and(A: Array, B: Array) -> Array:
    """A & B of integers or booleans."""
    return np.bitwise_and(A, B)


@public("bitwise_or")
@operator("or")
@primitive(np.bitwise_or, types=arithmetic)
def bitwise_or(A: Array, B: Array) -> Array:
    """A | B of integers or booleans."""
    return np.bitwise_or(A, B)


@public("bitwise_xor")
@operator("xor")
@primitive(np.bitwise_xor, types=arithmetic)
def bitwise_xor(A: Array, B: Array) -> Array:
    """A ^ B of integers or booleans."""
    return np.bitwise_xor(A, B)


@public("bitwise_not")
@primitive(np.invert, name="bitwise_not", types=arithmetic)
def invert(A: Array) -> Array:
    """~A of integers or booleans."""
    return np.invert(A)


Tensor.__invert__ = lambda self: invert(self)  # type: ignore[method-assign]


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


@public("isclose")
def isclose(input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Any:
    """|input - other| <= atol + rtol |other|, elementwise."""
    a, b = _numbers(input), _numbers(other)
    return wrap(np.isclose(a, b, rtol, atol, equal_nan))


@public("allclose")
def allclose(input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether all elements are close: |input - other| <= atol + rtol |other|."""
    return bool(np.allclose(_numbers(input), _numbers(other), rtol, atol, equal_nan))


@public("equal")
def equal(input: Any, other: Any) -> bool:
    """Whether two tensors have the same shape and the same elements."""
    return bool(np.array_equal(_numbers(input), _numbers(other)))


def _numbers(x: Any) -> Any:
    return x._values() if isinstance(x, Tensor) else x
