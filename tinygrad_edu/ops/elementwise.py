"""Elementwise arithmetic. What chooses between elements is in choices.py.

Capitals as in the article: A = f(Z) for one input, C = f(A, B) for two. Rules are given for equal
shapes; the engine sums a cotangent back over the axes that NumPy's broadcasting stretched.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtypes import arithmetic, counting, difference, equal_floating, numeric, promote
from ..core.errors import DtypeError
from ..core.primitive import Array, answers, primitive
from ..core.tensor import Tensor, method, wrap
from .checks import check
from .domains import apart, nonzero, positive
from .public import operator, public


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
    dA=lambda dC, C, A, B: dC * B * power(A, B - 1 + (B == 0)),  # type: ignore[has-type]
    dB=lambda dC, C, A, B: dC * C * np.log(np.where((A == 0) & (B >= 0), 1, A)),
)
def power(A: Array, B: Array) -> Array:
    """C = A ** B. The derivative by B is log(A) C, 0 at A = 0, NaN for negative A, as in PyTorch."""
    whole = B.__class__ in (int, float) and abs(B) > 1 and B != 2 and B % 1 == 0
    if whole and getattr(A, "dtype", np.dtype(int)).kind == "f":
        return _whole_power(A, B)
    return A**B  # not np.power: the operator knows squares and square roots


power.composition = lambda A, B: A**B


def _whole_power(A: Array, n: float) -> Array:
    """A ** n of whole n: where A is negative NumPy takes the elements one by one.

    The fourth power of 64 x 512 float32 takes 1,560 us by A ** 4 and 38 so; the cube, a product as PyTorch's is, 15.
    """
    if n == 3:
        return A * A * A
    C = np.power(np.absolute(A), n)
    return np.copysign(C, A) if n % 2 else C


@primitive(name="pow", types=numeric)
def integer_power(A: Array, B: Array) -> Array:
    """C = A ** B of integers; where B is negative, 0, or 1 and -1 of these themselves, as in PyTorch."""
    return np.where(B >= 0, A ** np.maximum(B, 0), (np.absolute(A) == 1) * A ** (B & 1))


@public("positive")
def unchanged(input: Any) -> Any:
    """The tensor itself, as +x; not of booleans."""
    if input.dtype.kind == "b":
        raise DtypeError(
            "positive: The `+` operator, on a bool tensor is not supported; use .long() or .float() first."
        )
    return input


@public("add", inplace=True)
def add(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """input + alpha * other."""
    return plus(input, other if alpha == 1 else other * alpha)


@public("sub", "subtract", inplace=True)
def sub(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """input - alpha * other."""
    return minus(input, other if alpha == 1 else other * alpha)


@public("div", "divide", inplace=True)
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """input / other; rounding_mode "trunc" or "floor" rounds the quotient, and its gradient is 0."""
    if rounding_mode is None:
        return over(input, other)
    if rounding_mode not in ("trunc", "floor"):
        raise RuntimeError(f"div: rounding_mode is None, 'trunc' or 'floor', not {rounding_mode!r}.")
    return floor_divide(input, other) if rounding_mode == "floor" else trunc_divide(input, other)


@public("true_divide", inplace=True)
def true_divide(input: Any, other: Any) -> Any:
    """input / other; of two integers a floating number."""
    return over(input, other)


@public("pow", inplace=True)
def pow(input: Any, exponent: Any) -> Any:
    """input ** exponent, elementwise."""
    return _raise(input, exponent)


@public("float_power", inplace=True)
def float_power(input: Any, exponent: Any) -> Any:
    """input ** exponent, computed in float64, which the result is, whatever came in."""
    base, power_ = (x.double() if isinstance(x, Tensor) else float(x) for x in (input, exponent))
    return _raise(base, power_)


def _raise(base: Any, exponent: Any) -> Any:
    if base.__class__ in (int, float, bool) and isinstance(exponent, Tensor):
        # The rule takes log(base): of a Python number NumPy would make a float64 of it.
        base = wrap(np.asarray(base, promote([base, exponent._array])))
    if exponent.__class__ is int and exponent < 0 and isinstance(base, Tensor) and base.dtype.kind in "iu":
        raise RuntimeError("pow: integers to negative integer powers are not allowed; use .float().")
    if getattr(exponent, "ndim", None) is not None and exponent.dtype.kind in "iu" and base.dtype.kind in "iu":
        return integer_power(base, exponent)
    return power(base, exponent)


answers(np.power)(_raise)
Tensor.__pow__ = lambda self, other: _raise(self, other)  # type: ignore[method-assign]
Tensor.__rpow__ = lambda self, other: _raise(other, self)  # type: ignore[method-assign]
Tensor.__ipow__ = lambda self, other: self.pow_(other)  # type: ignore[method-assign]
method("__rdiv__", Tensor.__rtruediv__)  # the name in Python 2, which PyTorch still has
Tensor.__neg__ = lambda self: negative(self)  # type: ignore[method-assign]
Tensor.__pos__ = unchanged  # type: ignore[method-assign]


@public("square", inplace=True)
@primitive(np.square, types=counting, dZ=lambda dA, A, Z: dA * (2 * Z))
def square(Z: Array) -> Array:
    """A = Z * Z; of booleans an int64."""
    return np.square(Z)


@public("reciprocal", inplace=True)
@primitive(np.reciprocal, domain=nonzero, dZ=lambda dA, A, Z: -dA * A**2)
def reciprocal(Z: Array) -> Array:
    """A = 1 / Z."""
    return 1 / Z


def _check_divisor(A: Array, B: Array) -> None:
    """Integers have no infinity to give, and NumPy gives them 0."""
    if np.result_type(A, B).kind in "iu" and np.size(A):
        check(np.not_equal(B, 0), "ZeroDivisionError: an integer is divided by 0")


@public("floor_divide", inplace=True)
@operator("floordiv")
@primitive(
    np.floor_divide,
    types=numeric,
    domain=(nonzero, nonzero),
    opaque=True,
    dA=lambda dC, C, A, B: np.zeros_like(dC),
    dB=lambda dC, C, A, B: np.zeros_like(dC),
)
def floor_divide(A: Array, B: Array) -> Array:
    """C = floor(A / B), constant almost everywhere. Gradient 0."""
    _check_divisor(A, B)
    return np.floor_divide(A, B)


@primitive(
    name="div",
    types=numeric,
    domain=(nonzero, nonzero),
    opaque=True,
    dA=lambda dC, C, A, B: np.zeros_like(dC),
    dB=lambda dC, C, A, B: np.zeros_like(dC),
)
def trunc_divide(A: Array, B: Array) -> Array:
    """C = A / B rounded towards 0, constant almost everywhere. Gradient 0."""
    _check_divisor(A, B)
    if np.result_type(A, B).kind == "f":
        return np.trunc(np.divide(A, B))
    C = np.floor_divide(A, B)  # of integers: exact, where a quotient in float64 has 53 bits
    return C + ((C * B != A) & ((A < 0) != (B < 0)))


EXACT_QUOTIENT = 2.0**28  # up to here the product with a float32 is exact in float64


def _rest(A: Array, B: Array, rounded: Any) -> Array:
    """A - B rounded(A / B) of float32 by float64, in which it is exact; None where it is not sure to be.

    64x512 take 95 us, np.fmod 270, np.remainder 580.
    """
    wide_A, wide_B = A.astype(np.float64), np.asarray(np.asarray(B, A.dtype), np.float64)
    quotient = rounded(wide_A / wide_B)
    rest = wide_A - quotient * wide_B
    # an infinite B has quotient 0, whose product is NaN; so has a quotient of NaN or infinity
    sure = not np.isnan(np.add.reduce(rest, axis=None)) and np.max(np.absolute(quotient), initial=0) < EXACT_QUOTIENT
    return rest.astype(np.float32) if sure else None


def _is_single(A: Array, B: Array) -> bool:
    """Whether A is float32, and B too or a number."""
    return getattr(A, "dtype", None) == np.float32 and getattr(B, "dtype", A.dtype) == A.dtype


@public("remainder", inplace=True)
@operator("mod")
@primitive(
    np.remainder,
    types=numeric,
    domain=(nonzero, apart),
    opaque=True,
    dA=lambda dC, C, A, B: dC,
    # the quotient is exact but where B is 0 or infinite; of an infinite B of the other sign C is B
    dB=lambda dC, C, A, B: -dC * np.where(B == 0, A / B, np.where(C == B, -1.0, np.rint((A - C) / B))),
)
def remainder(A: Array, B: Array) -> Array:
    """C = A - B floor(A / B), with the sign of B."""
    _check_divisor(A, B)
    C = _rest(A, B, np.floor) if _is_single(A, B) else None
    return np.remainder(A, B) if C is None else C


remainder.composition = lambda A, B: np.remainder(A, B)


@public("fmod", inplace=True)
@primitive(
    np.fmod,
    types=numeric,
    domain=(nonzero, apart),
    opaque=True,
    dA=lambda dC, C, A, B: dC,
    dB=lambda dC, C, A, B: -dC * np.trunc(A / B),
)
def fmod(A: Array, B: Array) -> Array:
    """C = A - B trunc(A / B), with the sign of A."""
    _check_divisor(A, B)
    C = _rest(A, B, np.trunc) if _is_single(A, B) else None
    return np.fmod(A, B) if C is None else np.copysign(C, A)  # of 0 too


@public("abs", "absolute", inplace=True)
@primitive(np.absolute, name="abs", types=arithmetic, domain=nonzero, dZ=lambda dA, A, Z: dA * np.sign(Z))
def absolute(Z: Array) -> Array:
    """A = |Z|; the derivative at 0 is taken as 0."""
    return np.absolute(Z)


Tensor.__abs__ = lambda self: absolute(self)  # type: ignore[method-assign]


# --- sums of products


@primitive(
    name="lerp",
    types=equal_floating,
    dA=lambda dC, C, A, B, *, weight: dC * (1 - weight),
    dB=lambda dC, C, A, B, *, weight: dC * weight,
)
def between(A: Array, B: Array, *, weight: float) -> Array:
    """C = (1 - weight) A + weight B, exact at both ends."""
    return A + weight * (B - A) if abs(weight) < 0.5 else B - (1 - weight) * (B - A)


@primitive(
    name="lerp",
    types=equal_floating,
    dA=lambda dC, C, A, B, T: dC * (1 - T),
    dB=lambda dC, C, A, B, T: dC * T,
    dT=lambda dC, C, A, B, T: dC * (B - A),
)
def interpolate(A: Array, B: Array, T: Array) -> Array:
    """C = (1 - T) A + T B, exact at both ends."""
    return np.where(np.absolute(T) < 0.5, A + T * (B - A), B - (1 - T) * (B - A))


@public("lerp", inplace=True)
def lerp(input: Any, end: Any, weight: Any) -> Any:
    """The point between input and end that `weight`, a number or a tensor, says: 0 is input, 1 is end."""
    if isinstance(weight, (int, float)):
        return between(input, end, weight=float(weight))
    return interpolate(input, end, weight)


@public("addcmul", inplace=True)
def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Any:
    """input + value * tensor1 * tensor2."""
    return add(input, multiply(tensor1, tensor2), alpha=value)


@public("addcdiv", inplace=True)
def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Any:
    """input + value * tensor1 / tensor2; not of two tensors of integers."""
    if tensor1.dtype.kind != "f" and tensor2.dtype.kind != "f":
        raise DtypeError(
            "addcdiv: Integer division with addcdiv is no longer supported; convert tensor1 or tensor2 with .float()."
        )
    return add(input, over(tensor1, tensor2), alpha=value)
