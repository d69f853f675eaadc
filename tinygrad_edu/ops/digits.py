"""Floating numbers taken apart into mantissa and power of 2, and put together; and which number comes next."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..core.dtypes import floating_only
from ..core.primitive import Array, primitive
from .elementwise import multiply
from .exponential import exp2
from .public import public
from .reduction import prints_as


@prints_as("frexp")
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
@primitive(np.nextafter, types=floating_only, dA=lambda dC, C, A, B: dC, dB=lambda dC, C, A, B: np.zeros_like(dC))
def nextafter(A: Array, B: Array) -> Array:
    """The number next to A in the direction of B. It moves with A, so its gradient is A's (PyTorch has none)."""
    return np.nextafter(A, B)
