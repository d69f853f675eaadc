"""Activation functions made of straight pieces, next to relu and leaky_relu in ops/activation.py.

At a kink the derivative is PyTorch's, and each function says which: most often 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtypes import equal_floating, floating_only, numeric
from ..core.errors import DtypeError, ShapeError
from ..core.primitive import Array, primitive
from .activation import in_place
from .choices import choose, zero_where
from .public import public


@primitive(
    name="hardtanh",
    types=numeric,
    dZ=lambda dA, A, Z, *, lo, hi: zero_where((Z <= lo) | (Z >= hi), dA),
)
def hard_tanh(Z: Array, *, lo: float, hi: float) -> Array:
    """A = Z limited to [lo, hi]; the derivative at both borders is 0."""
    return np.clip(Z, lo, hi)


@primitive(name="hardsigmoid", types=floating_only, dZ=lambda dA, A, Z: zero_where(~((Z > -3) & (Z < 3)), dA / 6))
def hard_sigmoid(Z: Array) -> Array:
    """A = (Z + 3) / 6 limited to [0, 1]; the derivative at -3 and 3 is 0."""
    return np.clip(Z + 3, 0, 6) / 6


@primitive(
    name="hardswish",
    types=floating_only,
    dZ=lambda dA, A, Z: zero_where(Z <= -3, choose(Z < 3, dA * (Z / 3 + 0.5), dA)),
)
def hard_swish(Z: Array) -> Array:
    """A = Z times hardsigmoid(Z); the derivative at -3 is 0, at 3 it is 1."""
    return Z * np.clip(Z + 3, 0, 6) / 6


@primitive(
    name="hardshrink",
    types=floating_only,
    dZ=lambda dA, A, Z, *, width: zero_where(np.absolute(Z) <= width, dA),
)
def hard_shrink(Z: Array, *, width: float) -> Array:
    """A = Z outside of [-width, width], 0 within, where the derivative is 0, borders included."""
    return zero_where(np.absolute(Z) <= width, Z)


@primitive(
    name="softshrink",
    types=floating_only,
    dZ=lambda dA, A, Z, *, width: zero_where(np.absolute(Z) <= width, dA),
)
def soft_shrink(Z: Array, *, width: float) -> Array:
    """A = Z moved towards 0 by width, and no further; the derivative at the borders is 0."""
    return Z - np.clip(Z, -width, width)


@primitive(
    name="threshold",
    types=numeric,
    dZ=lambda dA, A, Z, *, threshold, value: zero_where(Z <= threshold, dA),
)
def above(Z: Array, *, threshold: float, value: float) -> Array:
    """A = Z where it exceeds the threshold, `value` elsewhere; the derivative at the threshold is 0."""
    return np.where(Z <= threshold, value, Z) if value else zero_where(Z <= threshold, Z)


@primitive(
    name="prelu",
    types=equal_floating,
    dZ=lambda dA, A, Z, W: choose(Z > 0, dA, W * dA),
    dW=lambda dA, A, Z, W: zero_where(Z > 0, Z * dA),
)
def learned_leaky(Z: Array, W: Array) -> Array:
    """A = Z where it is positive, W Z elsewhere; the derivative at 0 is W."""
    return choose(Z > 0, Z, W * Z)


# --- the public functions: torch.nn.functional's signatures


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """input limited to [min_val, max_val]."""
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val cannot be greater than max_val: {min_val} > {max_val}.")
    return in_place(_limited(input, min_val, max_val), input, "hardtanh_", inplace)


def relu6(input: Any, inplace: bool = False) -> Any:
    """input limited to [0, 6]."""
    return in_place(_limited(input, 0.0, 6.0), input, "relu6_", inplace)


def _limited(input: Any, lo: float, hi: float) -> Any:
    if input.dtype.kind != "f":  # integers stay integers, whatever the limits
        lo, hi = int(lo), int(hi)
    return hard_tanh(input, lo=lo, hi=hi)


def hardsigmoid(input: Any, inplace: bool = False) -> Any:
    """(input + 3) / 6 limited to [0, 1]."""
    return in_place(hard_sigmoid(input), input, "hardsigmoid_", inplace)


def hardswish(input: Any, inplace: bool = False) -> Any:
    """input * hardsigmoid(input)."""
    return in_place(hard_swish(input), input, "hardswish_", inplace)


@public("hardshrink")
def hardshrink(input: Any, lambd: float = 0.5) -> Any:
    """input outside of [-lambd, lambd], 0 within."""
    return hard_shrink(input, width=lambd)


def softshrink(input: Any, lambd: float = 0.5) -> Any:
    """input moved towards 0 by lambd; 0 within [-lambd, lambd]."""
    if lambd < 0:
        raise RuntimeError(f"softshrink: lambda must not be negative, but found to be {lambd}.")
    return soft_shrink(input, width=lambd)


@public("threshold", as_method=False)
def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    """input where it exceeds the threshold, `value` elsewhere."""
    return in_place(_above(input, threshold, value), input, "threshold_", inplace)


def _above(input: Any, threshold: float, value: float) -> Any:
    if input.dtype.kind != "f":  # integers stay integers
        threshold, value = int(threshold), int(value)
    return above(input, threshold=threshold, value=value)


def hardtanh_(input: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """hardtanh, stored in the input."""
    return hardtanh(input, min_val, max_val, True)


@public("threshold_", as_method=False)
def threshold_(input: Any, threshold: float, value: float) -> Any:
    """threshold, stored in the input."""
    return in_place(_above(input, threshold, value), input, "threshold_", True)


@public("prelu")
def prelu(input: Any, weight: Any) -> Any:
    """input where positive, weight * input elsewhere; one weight, or one per channel (axis 1)."""
    if weight.ndim > 1:
        raise ShapeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}.")
    if weight.dtype != input.dtype:
        raise DtypeError(f"prelu: Type promoting not supported. Got {input.dtype} and {weight.dtype}.")
    count = weight.shape[0] if weight.ndim else 1
    if count != 1:
        if input.ndim == 0:
            raise ShapeError("prelu: Not allow zero-dim input tensor with several weights.")
        channels = input.shape[1] if input.ndim > 1 else 1
        if count != channels:
            raise ShapeError(
                "prelu: Mismatch of parameter numbers and input channel size. "
                f"Found parameter numbers = {count} and channel size = {channels}."
            )
    shape = (1, count) + (1,) * (input.ndim - 2) if input.ndim > 1 else (1,) * input.ndim
    return learned_leaky(input, weight.reshape(shape))
