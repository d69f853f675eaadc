"""Elementwise operations: arithmetic and choices.

Capitals as in the article: A = f(Z) for one input, C = f(A, B) for two. Rules are given for equal
shapes; the engine sums a cotangent back over the axes that NumPy's broadcasting stretched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.dtypes import arithmetic, but_first, difference, equal, floating_only, numeric, promote
from ..core.errors import DtypeError
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


@public("positive")
def unchanged(input: Any) -> Any:
    """The tensor itself, as +x; not of booleans."""
    if input.dtype.kind == "b":
        raise DtypeError(
            "positive: The `+` operator, on a bool tensor is not supported; use .long() or .float() first."
        )
    return input


answers(np.positive)(unchanged)


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
Tensor.__pos__ = unchanged  # type: ignore[method-assign]


@public("square", inplace=True)
@primitive(np.square, types=numeric, dZ=lambda dA, A, Z: dA * (2 * Z))
def square(Z: Array) -> Array:
    """A = Z * Z."""
    return np.square(Z)


@public("reciprocal", inplace=True)
@primitive(np.reciprocal, domain=nonzero, dZ=lambda dA, A, Z: -dA * A**2)
def reciprocal(Z: Array) -> Array:
    """A = 1 / Z."""
    return 1 / Z


@public("floor_divide", inplace=True)
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


@public("fmod", inplace=True)
@primitive(
    np.fmod,
    types=numeric,
    domain=(nonzero, apart),
    dA=lambda dC, C, A, B: dC,
    dB=lambda dC, C, A, B: -dC * np.trunc(A / B),
)
def fmod(A: Array, B: Array) -> Array:
    """C = A - B trunc(A / B), with the sign of A."""
    return np.fmod(A, B)


@public("abs", "absolute", inplace=True)
@primitive(np.absolute, name="abs", types=arithmetic, domain=nonzero, dZ=lambda dA, A, Z: dA * np.sign(Z))
def absolute(Z: Array) -> Array:
    """A = |Z|; the derivative at 0 is taken as 0."""
    return np.absolute(Z)


Tensor.__abs__ = lambda self: absolute(self)  # type: ignore[method-assign]


# --- sums of products


def _alike(name: str, operands: Sequence[Any]) -> list[Any]:
    """Floating operands of one dtype: PyTorch does not promote here."""
    return floating_only(name, equal(name, operands))


@primitive(
    name="lerp",
    types=_alike,
    dA=lambda dC, C, A, B, *, weight: dC * (1 - weight),
    dB=lambda dC, C, A, B, *, weight: dC * weight,
)
def between(A: Array, B: Array, *, weight: float) -> Array:
    """C = (1 - weight) A + weight B, exact at both ends."""
    return A + weight * (B - A) if abs(weight) < 0.5 else B - (1 - weight) * (B - A)


@primitive(
    name="lerp",
    types=_alike,
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


@public("fmax")
@primitive(
    np.fmax,
    types=arithmetic,
    dA=lambda dC, C, A, B: np.where((A >= B) | (B != B), dC, 0),
    dB=lambda dC, C, A, B: np.where((A >= B) | (B != B), 0, dC),
)
def fmax(A: Array, B: Array) -> Array:
    """The larger of A and B, NaN only where both are; where they are equal the gradient is A's."""
    return np.fmax(A, B)


@public("fmin")
@primitive(
    np.fmin,
    types=arithmetic,
    dA=lambda dC, C, A, B: np.where((A <= B) | (B != B), dC, 0),
    dB=lambda dC, C, A, B: np.where((A <= B) | (B != B), 0, dC),
)
def fmin(A: Array, B: Array) -> Array:
    """The smaller of A and B, NaN only where both are; where they are equal the gradient is A's."""
    return np.fmin(A, B)


@primitive(
    name="clamp",
    types=arithmetic,
    dZ=lambda dA, A, Z, lo: zero_where(~(Z >= lo), dA),  # type: ignore[has-type]
    dlo=lambda dA, A, Z, lo: zero_where(~(Z < lo), dA),  # type: ignore[has-type]
)
def clamp_below(Z: Array, lo: Array) -> Array:
    """Z, or lo where Z is smaller; where they are equal the gradient is Z's."""
    return np.maximum(Z, lo)


@primitive(
    name="clamp",
    types=arithmetic,
    dZ=lambda dA, A, Z, hi: zero_where(~(Z <= hi), dA),  # type: ignore[has-type]
    dhi=lambda dA, A, Z, hi: zero_where(~(Z > hi), dA),  # type: ignore[has-type]
)
def clamp_above(Z: Array, hi: Array) -> Array:
    """Z, or hi where Z is larger; where they are equal the gradient is Z's."""
    return np.minimum(Z, hi)


@primitive(
    name="clamp",
    types=arithmetic,
    domain=(within(-2, 2), within(-1.0, -0.5), within(0.5, 1.0)),
    dZ=lambda dA, A, Z, lo, hi: zero_where(~((Z >= lo) & (Z <= hi)), dA),  # type: ignore[has-type]
    dlo=lambda dA, A, Z, lo, hi: zero_where(~((Z < lo) & (lo < hi)), dA),  # type: ignore[has-type]
    dhi=lambda dA, A, Z, lo, hi: zero_where(~((Z > hi) | (hi < lo)), dA),  # type: ignore[has-type]
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


_BITS = {4: np.int32, 8: np.int64}  # integers of the width of a float, per bytes


@primitive(
    name="where",
    types=None,
    opaque=True,
    dV=lambda dY, Y, condition, V: zero_where(condition, dY),  # type: ignore[has-type]
)
def zero_where(condition: Array, V: Array) -> Array:
    """V, but 0 where the condition holds, also in the place of an infinity or NaN: np.where(condition, 0, V).

    The bits of V times 0 or 1: 11 us for 64 x 512 float32 where np.where takes 36, as V * ~condition
    does; but that makes NaN of an infinite V.
    """
    if V.dtype.kind != "f":
        return np.where(condition, 0, V)
    bits = np.asarray(V).view(_BITS[V.dtype.itemsize]) * np.logical_not(condition)
    return np.asarray(bits).view(V.dtype)


@primitive(
    np.where,
    name="where",
    types=but_first(arithmetic),
    dA=lambda dY, Y, condition, A, B: zero_where(np.logical_not(condition), dY),
    dB=lambda dY, Y, condition, A, B: zero_where(condition, dY),
)
def choose(condition: Array, A: Array, B: Array) -> Array:
    """A where the condition holds, B elsewhere; the other one's gradient is 0 there, never NaN."""
    return np.where(condition, A, B)


@public("where", as_method=False)
def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """`input` where `condition` holds, `other` elsewhere; `x.where(condition, other)` as a method.

    With the condition alone: its places, one tensor per axis.
    """
    if input is None and other is None:
        from .gathering import nonzero

        return nonzero(condition, as_tuple=True)
    if input is None or other is None:
        raise TypeError("where: both values are needed: where(condition, input, other).")
    return choose(_condition(condition), input, other)


def _condition(condition: Any) -> Any:
    if getattr(condition, "dtype", np.dtype(bool)).kind not in "b":
        raise DtypeError(
            f"where: expected condition to be a boolean tensor, but got a tensor with dtype {condition.dtype}; "
            "write a comparison, such as x != 0."
        )
    return condition


@public("where", function=False)
def _where_method(self: Tensor, condition: Any, other: Any) -> Any:
    """This tensor where `condition` holds, `other` elsewhere."""
    return choose(_condition(condition), self, other)
