"""Roundings, signs and repairs: constant, or the identity, between their steps.

Where the value is constant almost everywhere the gradient is 0, as in PyTorch, rather than none.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtypes import arithmetic, equal, floating, floating_only, numeric
from ..core.primitive import Array, answers, primitive
from .domains import nonzero
from .public import public


@public("floor", inplace=True)
@primitive(np.floor, types=arithmetic, dZ=lambda dA, A, Z: np.zeros_like(dA))
def floor(Z: Array) -> Array:
    """The largest integer not above Z. Gradient 0."""
    return np.floor(Z)


@public("ceil", inplace=True)
@primitive(np.ceil, types=numeric, dZ=lambda dA, A, Z: np.zeros_like(dA))
def ceil(Z: Array) -> Array:
    """The smallest integer not below Z. Gradient 0."""
    return np.ceil(Z)


@public("trunc", "fix", inplace=True)
@primitive(np.trunc, types=numeric, dZ=lambda dA, A, Z: np.zeros_like(dA))
def trunc(Z: Array) -> Array:
    """Z without its fraction. Gradient 0."""
    return np.trunc(Z)


@public("frac", inplace=True)
@primitive(types=floating_only, dZ=lambda dA, A, Z: dA)
def frac(Z: Array) -> Array:
    """The fraction of Z, with its sign."""
    return Z - np.trunc(Z)


@primitive(np.rint, name="round", types=numeric, dZ=lambda dA, A, Z: np.zeros_like(dA))
def rint(Z: Array) -> Array:
    """The nearest integer, of two the even one. Gradient 0."""
    return np.rint(Z)


@primitive(np.round, name="round", types=floating_only, dZ=lambda dA, A, Z, *, decimals: np.zeros_like(dA))
def round_to(Z: Array, *, decimals: int) -> Array:
    """Z to so many decimal places; negative: to tens, hundreds. Gradient 0."""
    return np.round(Z, decimals=decimals)


@public("round", inplace=True)
def round(input: Any, *, decimals: int = 0) -> Any:
    """The nearest integer, or multiple of 10**-decimals; of two equally near the even one."""
    if decimals:
        return round_to(input, decimals=decimals)
    return trunc(input) if input.dtype.kind in "iu" else rint(input)  # np.rint makes floats of integers


@answers(np.round)
def _np_round(a: Any, decimals: int = 0) -> Any:
    return round(a, decimals=decimals)


@primitive(np.sign, name="sign", types=arithmetic, dZ=lambda dA, A, Z: np.zeros_like(dA))
def numpy_sign(Z: Array) -> Array:
    """-1, 0 or 1, NaN of NaN, as NumPy has it; of booleans themselves. Gradient 0."""
    return np.sign(Z) if Z.dtype.kind != "b" else Z != 0


@public("sign", "sgn", inplace=True)
@primitive(types=arithmetic, dZ=lambda dA, A, Z: np.zeros_like(dA))
def sign(Z: Array) -> Array:
    """-1, 0 or 1; as PyTorch 0 of NaN, which is neither above 0 nor below. Of booleans themselves. Gradient 0."""
    return (Z > 0).astype(Z.dtype) - (Z < 0).astype(Z.dtype) if Z.dtype.kind == "f" else numpy_sign(Z)


@public("signbit")
@primitive(np.signbit, types=arithmetic)
def signbit(Z: Array) -> Array:
    """Whether the sign is a minus: of -0 too."""
    return np.signbit(Z)


@public("copysign", inplace=True)
@primitive(
    np.copysign,
    types=floating,
    domain=(nonzero, nonzero),
    dA=lambda dC, C, A, B: dC * (np.sign(A) * np.sign(C)),
    dB=lambda dC, C, A, B: np.zeros_like(dC),
)
def copysign(A: Array, B: Array) -> Array:
    """|A| with the sign of B. The derivative at A = 0 is taken as 0."""
    return np.copysign(A, B)


@primitive(name="heaviside", types=equal, domain=(nonzero, nonzero))
def step(A: Array, B: Array) -> Array:
    """0 where A < 0, B where A = 0, 1 where A > 0. NaN gives 0, as in PyTorch; np.heaviside gives NaN."""
    return np.where(A == 0, B, A > 0)


@public("heaviside", inplace=True)
def heaviside(input: Any, values: Any) -> Any:
    """The step from 0 to 1 at 0, where it is `values`, a tensor of the same dtype. No gradient."""
    return step(input, values)


@primitive(
    np.nan_to_num,
    name="nan_to_num",
    types=arithmetic,
    dZ=lambda dA, A, Z, *, nan, posinf, neginf: np.where(np.isfinite(Z), dA, 0),
)
def nan_to_number(Z: Array, *, nan: float, posinf: float | None, neginf: float | None) -> Array:
    """Z with NaN and the infinities replaced, by default by 0 and the largest and smallest numbers."""
    return np.nan_to_num(Z, nan=nan, posinf=posinf, neginf=neginf)


@public("nan_to_num", inplace=True)
def nan_to_num(input: Any, nan: float | None = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    """input with NaN replaced by `nan`, and the infinities by `posinf` and `neginf` (default: the dtype's limits)."""
    return nan_to_number(input, nan=0.0 if nan is None else nan, posinf=posinf, neginf=neginf)


@answers(np.nan_to_num)
def _np_nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    return nan_to_number(x, nan=nan, posinf=posinf, neginf=neginf)
