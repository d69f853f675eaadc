"""Activation functions g: A = g(Z), with the derivatives g'(Z) that the article lists.

Where g has a kink, the derivative from the left is taken, as PyTorch does: relu'(0) = 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtypes import as_dtype, floating_only, numeric
from ..core.primitive import Array, primitive
from .dims import one_axis
from .public import public

LARGEST_EXPONENT = {4: 88.0, 8: 709.0}  # per bytes of the dtype: log of the largest number, rounded down


@public("tanh", inplace=True)
@primitive(np.tanh, dZ=lambda dA, A, Z: dA * (1 - A**2))
def tanh(Z: Array) -> Array:
    """A = tanh(Z), elementwise. The rule reuses A; it loses relative digits as |A| nears 1."""
    return np.tanh(Z)


@public("sigmoid", inplace=True)
@primitive(dZ=lambda dA, A, Z: dA * A * (1 - A))
def sigmoid(Z: Array) -> Array:
    """A = 1 / (1 + exp(-Z)), with exact small values; -Z is limited to where exp does not overflow."""
    return 1 / (1 + np.exp(np.minimum(-Z, LARGEST_EXPONENT[Z.dtype.itemsize])))


@public("relu", inplace=True)
@primitive(types=numeric, dZ=lambda dA, A, Z: np.where(A <= 0, 0, dA))
def relu(Z: Array) -> Array:
    """A = max(Z, 0); the derivative at 0 is 0."""
    return np.maximum(Z, 0)


@primitive(name="leaky_relu", types=floating_only, dZ=lambda dA, A, Z, *, slope: np.where(Z > 0, dA, slope * dA))
def leaky(Z: Array, *, slope: float) -> Array:
    """A = Z where it is positive, slope * Z elsewhere; the derivative at 0 is slope."""
    return np.where(Z > 0, Z, slope * Z)


@primitive(
    name="softplus",
    types=floating_only,
    dZ=lambda dA, A, Z, *, beta, threshold: np.where(beta * Z > threshold, dA, dA * sigmoid(beta * Z)),
)
def soft_plus(Z: Array, *, beta: float, threshold: float) -> Array:
    """A = log(1 + exp(beta Z)) / beta; Z itself once beta Z exceeds the threshold."""
    return np.where(beta * Z > threshold, Z, np.logaddexp(0, beta * Z) / beta)


@public("logaddexp")
@primitive(
    np.logaddexp,
    dA=lambda dC, C, A, B: dC * sigmoid(A - B),
    dB=lambda dC, C, A, B: dC * sigmoid(B - A),
)
def logaddexp(A: Array, B: Array) -> Array:
    """C = log(exp(A) + exp(B)), without overflow."""
    return np.logaddexp(A, B)


@primitive(
    name="softmax",
    types=floating_only,
    dZ=lambda dP, P, Z, *, axis: P * (dP - np.sum(dP * P, axis=axis, keepdims=True)),
)
def softmax_over(Z: Array, *, axis: int) -> Array:
    """P = exp(Z) / sum(exp(Z)) along an axis, shifted so that no exponent exceeds 0."""
    E = np.exp(Z - np.amax(Z, axis=axis, keepdims=True))
    return E / np.sum(E, axis=axis, keepdims=True)


@primitive(
    name="log_softmax",
    types=floating_only,
    dZ=lambda dA, A, Z, *, axis: dA - np.exp(A) * np.sum(dA, axis=axis, keepdims=True),
)
def log_softmax_over(Z: Array, *, axis: int) -> Array:
    """A = log(softmax(Z)) along an axis, without forming the softmax."""
    S = Z - np.amax(Z, axis=axis, keepdims=True)
    return S - np.log(np.sum(np.exp(S), axis=axis, keepdims=True))


# --- the public functions: torch.nn.functional's signatures


@public("leaky_relu", function=False)
def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """input where positive, negative_slope * input elsewhere."""
    result = leaky(input, slope=negative_slope)
    return input.replace(result, "leaky_relu_") if inplace else result


@public("softplus", function=False)
def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """log(1 + exp(beta * input)) / beta, a smooth relu."""
    return soft_plus(input, beta=beta, threshold=threshold)


@public("softmax")
def softmax(input: Any, dim: int | None = None, dtype: Any = None, *, _stacklevel: int = 3) -> Any:
    """Probabilities along `dim` proportional to exp(input)."""
    return softmax_over(_in(input, dtype), axis=_class_axis(input, dim, "softmax"))


@public("log_softmax")
def log_softmax(input: Any, dim: int | None = None, dtype: Any = None, *, _stacklevel: int = 3) -> Any:
    """The logarithms of the softmax along `dim`, exact where the softmax underflows."""
    return log_softmax_over(_in(input, dtype), axis=_class_axis(input, dim, "log_softmax"))


def _in(input: Any, dtype: Any) -> Any:
    return input if dtype is None else input.astype(as_dtype(dtype))


def _class_axis(input: Any, dim: int | None, operation: str) -> int:
    if dim is None:
        raise TypeError(
            f"{operation}: say along which axis the classes lie: dim=1 for rows as samples, dim=0 for columns."
        )
    return one_axis(dim, input.ndim, operation)
