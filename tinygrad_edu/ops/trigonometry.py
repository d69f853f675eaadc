"""Trigonometric and hyperbolic functions, their inverses, and angles. Angles are in radians."""

from __future__ import annotations

import math

import numpy as np

from ..core.dtypes import floating
from ..core.primitive import Array, primitive
from .domains import nonzero, within
from .public import public


@public("sin", inplace=True)
@primitive(np.sin, dZ=lambda dA, A, Z: dA * np.cos(Z))
def sin(Z: Array) -> Array:
    """A = sin(Z)."""
    return np.sin(Z)


@public("cos", inplace=True)
@primitive(np.cos, dZ=lambda dA, A, Z: -dA * np.sin(Z))
def cos(Z: Array) -> Array:
    """A = cos(Z)."""
    return np.cos(Z)


@public("tan", inplace=True)
@primitive(np.tan, domain=within(-1.2, 1.2), dZ=lambda dA, A, Z: dA * (1 + A**2))
def tan(Z: Array) -> Array:
    """A = tan(Z)."""
    return np.tan(Z)


@public("asin", "arcsin", inplace=True)
@primitive(np.arcsin, name="asin", domain=within(-0.9, 0.9), dZ=lambda dA, A, Z: dA / np.sqrt(1 - Z**2))
def arcsin(Z: Array) -> Array:
    """A = the angle in [-pi/2, pi/2] with sine Z; NaN outside of [-1, 1]."""
    return np.arcsin(Z)


@public("acos", "arccos", inplace=True)
@primitive(np.arccos, name="acos", domain=within(-0.9, 0.9), dZ=lambda dA, A, Z: -dA / np.sqrt(1 - Z**2))
def arccos(Z: Array) -> Array:
    """A = the angle in [0, pi] with cosine Z; NaN outside of [-1, 1]."""
    return np.arccos(Z)


@public("atan", "arctan", inplace=True)
@primitive(np.arctan, name="atan", dZ=lambda dA, A, Z: dA / (1 + Z**2))
def arctan(Z: Array) -> Array:
    """A = the angle in (-pi/2, pi/2) with tangent Z."""
    return np.arctan(Z)


def _squares(X: Array, Y: Array) -> Array:
    """X**2 + Y**2, and 1 at the origin, where the angle has no derivative: the gradient becomes 0, as PyTorch's."""
    S = X**2 + Y**2
    return np.where(S == 0, 1, S)


@public("atan2", "arctan2", inplace=True)
@primitive(
    np.arctan2,
    name="atan2",
    types=floating,
    domain=(nonzero, nonzero),
    dY=lambda dA, A, Y, X: dA * X / _squares(X, Y),
    dX=lambda dA, A, Y, X: -dA * Y / _squares(X, Y),
)
def arctan2(Y: Array, X: Array) -> Array:
    """A = the angle of the point (X, Y), in (-pi, pi]; at the origin the gradient is taken as 0."""
    return np.arctan2(Y, X)


@public("sinh", inplace=True)
@primitive(np.sinh, dZ=lambda dA, A, Z: dA * np.cosh(Z))
def sinh(Z: Array) -> Array:
    """A = (exp(Z) - exp(-Z)) / 2."""
    return np.sinh(Z)


@public("cosh", inplace=True)
@primitive(np.cosh, dZ=lambda dA, A, Z: dA * np.sinh(Z))
def cosh(Z: Array) -> Array:
    """A = (exp(Z) + exp(-Z)) / 2."""
    return np.cosh(Z)


@public("asinh", "arcsinh", inplace=True)
@primitive(np.arcsinh, name="asinh", dZ=lambda dA, A, Z: dA / np.sqrt(Z**2 + 1))
def arcsinh(Z: Array) -> Array:
    """A = the inverse of sinh."""
    return np.arcsinh(Z)


@public("acosh", "arccosh", inplace=True)
@primitive(np.arccosh, name="acosh", domain=within(1.2, 4.0), dZ=lambda dA, A, Z: dA / np.sqrt(Z**2 - 1))
def arccosh(Z: Array) -> Array:
    """A = the inverse of cosh, not negative; NaN below 1."""
    return np.arccosh(Z)


@public("atanh", "arctanh", inplace=True)
@primitive(np.arctanh, name="atanh", domain=within(-0.9, 0.9), dZ=lambda dA, A, Z: dA / (1 - Z**2))
def arctanh(Z: Array) -> Array:
    """A = the inverse of tanh; NaN outside of [-1, 1]."""
    return np.arctanh(Z)


def _sinc_slope(Z: Array) -> Array:
    """cos(pi Z) / Z - sin(pi Z) / (pi Z**2), and 0 at 0, where the two infinities cancel."""
    safe = np.where(Z == 0, 1, Z)
    return np.where(Z == 0, 0, (np.cos(math.pi * safe) - np.sinc(safe)) / safe)


@public("sinc", inplace=True)
@primitive(np.sinc, domain=nonzero, dZ=lambda dA, A, Z: dA * _sinc_slope(Z))
def sinc(Z: Array) -> Array:
    """A = sin(pi Z) / (pi Z), 1 at 0."""
    return np.sinc(Z)


@public("hypot", inplace=True)
@primitive(
    np.hypot,
    domain=(nonzero, nonzero),
    dA=lambda dC, C, A, B: dC * (A / C),
    dB=lambda dC, C, A, B: dC * (B / C),
)
def hypot(A: Array, B: Array) -> Array:
    """C = sqrt(A**2 + B**2), without overflow."""
    return np.hypot(A, B)


@public("deg2rad", inplace=True)
@primitive(np.deg2rad, dZ=lambda dA, A, Z: dA * (math.pi / 180))
def deg2rad(Z: Array) -> Array:
    """Degrees as radians."""
    return np.deg2rad(Z)


@public("rad2deg", inplace=True)
@primitive(np.rad2deg, dZ=lambda dA, A, Z: dA * (180 / math.pi))
def rad2deg(Z: Array) -> Array:
    """Radians as degrees."""
    return np.rad2deg(Z)
