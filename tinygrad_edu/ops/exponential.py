"""Exponentials, logarithms and roots: A = f(Z)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.dtypes import promote
from ..core.primitive import Array, primitive
from ..core.tensor import Tensor, wrap
from .domains import nonzero, positive
from .public import public

LN2, LN10 = math.log(2), math.log(10)


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


@public("exp2", inplace=True)
@primitive(np.exp2, dZ=lambda dA, A, Z: dA * (A * LN2))
def exp2(Z: Array) -> Array:
    """A = 2 ** Z."""
    return np.exp2(Z)


@public("log2", inplace=True)
@primitive(np.log2, domain=positive, dZ=lambda dA, A, Z: dA / (Z * LN2))
def log2(Z: Array) -> Array:
    """A = the logarithm of Z to base 2."""
    return np.log2(Z)


@public("log10", inplace=True)
@primitive(np.log10, domain=positive, dZ=lambda dA, A, Z: dA / (Z * LN10))
def log10(Z: Array) -> Array:
    """A = the logarithm of Z to base 10."""
    return np.log10(Z)


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


@public("rsqrt", inplace=True)
@primitive(domain=positive, dZ=lambda dA, A, Z: -0.5 * dA * A * A**2)  # A**3 takes NumPy nine times as long
def rsqrt(Z: Array) -> Array:
    """A = Z ** -0.5; infinite at 0."""
    return 1 / np.sqrt(Z)


@primitive(
    name="xlogy",
    domain=(nonzero, positive),
    dA=lambda dC, C, A, B: np.where((A == 0) & (B <= 0), 0, times_log(dC, B)),  # type: ignore[has-type]
    dB=lambda dC, C, A, B: dC * (A / B),
)
def times_log(A: Array, B: Array) -> Array:
    """C = A log(B), 0 where A is 0, unless B is NaN."""
    return A * np.log(np.where((A == 0) & (B == B), 1, B))


@public("xlogy", inplace=True)
def xlogy(input: Any, other: Any) -> Any:
    """input * log(other), 0 where input is 0; one of the two may be a number."""
    if isinstance(other, (int, float)) and isinstance(input, Tensor):  # of log(number) NumPy would make a float64
        other = wrap(np.asarray(other, promote([input._array, other])))
    return times_log(input, other)
