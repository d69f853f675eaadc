"""The parts of floating numbers, and what is made of them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..core.dtypes import floating_only
from ..core.primitive import Array, primitive
from .elementwise import multiply
from .exponential import exp2
from .public import public
from .reduction import sum_over
from .special import lgamma


class Significand(NamedTuple):
    """What frexp returns."""

    mantissa: Any
    exponent: Any


@primitive(name="frexp", types=floating_only, opaque=True)
def exponent_of(Z: Array) -> Array:
    """The whole number e for which |Z| lies in [2**(e - 1), 2**e); 0 for 0."""
    return np.frexp(Z)[1]


@public("frexp")
def frexp(input: Any) -> Significand:
    """input = mantissa * 2**exponent, with |mantissa| in [0.5, 1)."""
    exponent = exponent_of(input)
    return Significand(ldexp(input, -exponent), exponent)


@public("ldexp", inplace=True)
def ldexp(input: Any, other: Any) -> Any:
    """input * 2**other."""
    return multiply(input, exp2(other))


@public("nextafter", inplace=True)
@primitive(np.nextafter, types=floating_only)
def nextafter(A: Array, B: Array) -> Array:
    """The number next to A in the direction of B. No gradient, as in PyTorch."""
    return np.nextafter(A, B)


@public("mvlgamma", inplace=True)
def mvlgamma(input: Any, p: int) -> Any:
    """The logarithm of the p-dimensional gamma function, for input > (p - 1) / 2."""
    if p < 1:
        raise RuntimeError(f"mvlgamma: p has to be greater than or equal to 1, got {p}.")
    halves = np.arange(p, dtype=input.dtype if input.dtype.kind == "f" else np.float32) / 2
    return sum_over(lgamma(input[..., None] - halves), axis=(input.ndim,), keepdims=False) + (
        p * (p - 1) / 4 * math.log(math.pi)
    )
