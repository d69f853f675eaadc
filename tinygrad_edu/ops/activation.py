"""Activation functions g: A = g(Z), with the derivatives g'(Z) that the article lists.

Where g has a kink, the derivative from the left is taken, as PyTorch does: relu'(0) = 0.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..core.dtypes import floating_only, numeric
from ..core.errors import ShapeError
from ..core.primitive import Array, primitive
from ..core.sums import sum_axes
from .choices import choose, clamp_between, zero_where
from .dims import one_axis
from .domains import unit
from .public import public
from .reduction import in_dtype, sum_over
from .special import erf

# Up to so many classes are taken in columns: along a row NumPy finds extremes and sums one number at a time, of columns
# side by side. The maxima of 256 x 10 float32 take 12 us in rows, with the copy into columns 2.7; of 4096 x 32 216 us
# against 92; of 64 x 64 4.8 against 5.3.
FEW = 32
LN2 = math.log(2)
SQRT_HALF = math.sqrt(0.5)
SQRT_TWO_OVER_PI = math.sqrt(2 / math.pi)
ONE_OVER_SQRT_2PI = 1 / math.sqrt(2 * math.pi)
# Klambauer et al. 2017, "Self-Normalizing Neural Networks", section 2
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


@public("tanh", inplace=True)
@primitive(np.tanh, dZ=lambda dA, A, Z: dA * (1 - A**2))
def tanh(Z: Array) -> Array:
    """A = tanh(Z), elementwise. The rule reuses A; it loses relative digits as |A| nears 1."""
    return np.tanh(Z)


@public("sigmoid", inplace=True)
@primitive(dZ=lambda dA, A, Z: dA * A * (1 - A))
def sigmoid(Z: Array) -> Array:
    """A = 1 / (1 + exp(-Z)); where exp overflows it is 0."""
    return 1 / (1 + np.exp(-Z))


@public("relu", inplace=True)
@primitive(types=numeric, dZ=lambda dA, A, Z: zero_where(A <= 0, dA))
def relu(Z: Array) -> Array:
    """A = max(Z, 0); the derivative at 0 is 0."""
    return np.maximum(Z, 0)


@primitive(name="leaky_relu", types=floating_only, dZ=lambda dA, A, Z, *, slope: choose(Z > 0, dA, slope * dA))
def leaky(Z: Array, *, slope: float) -> Array:
    """A = Z where it is positive, slope * Z elsewhere; the derivative at 0 is slope."""
    if 0 < slope <= 1:  # the same, in half the time
        return np.maximum(Z, slope * Z)
    return np.where(Z > 0, Z, slope * Z)


@primitive(
    name="softplus",
    types=floating_only,
    dZ=lambda dA, A, Z, *, beta, threshold: np.where(beta * Z > threshold, dA, dA * sigmoid(beta * Z)),
)
def soft_plus(Z: Array, *, beta: float, threshold: float) -> Array:
    """A = log(1 + exp(beta Z)) / beta; Z itself once beta Z exceeds the threshold."""
    T = beta * Z
    log_sum = np.maximum(T, 0) + np.log1p(np.exp(-np.absolute(T)))  # np.logaddexp takes ten times as long
    return np.where(T > threshold, Z, log_sum / beta)


def _apart(A: Array, B: Array) -> Array:
    """|A - B|, and 0 for two equal infinities, whose difference would be NaN."""
    return np.absolute(zero_where(A == B, A - B))


@public("logaddexp")
@primitive(
    np.logaddexp,
    dA=lambda dC, C, A, B: dC * sigmoid(A - B),
    dB=lambda dC, C, A, B: dC * sigmoid(B - A),
)
def logaddexp(A: Array, B: Array) -> Array:
    """C = log(exp(A) + exp(B)), without overflow: np.logaddexp, which takes the numbers one by one.

    64 x 512 float32 take it 647 us, and 66 so.
    """
    return np.maximum(A, B) + np.log1p(np.exp(-_apart(A, B)))


logaddexp.composition = np.logaddexp


@public("logaddexp2")
@primitive(
    np.logaddexp2,
    dA=lambda dC, C, A, B: dC * sigmoid((A - B) * LN2),
    dB=lambda dC, C, A, B: dC * sigmoid((B - A) * LN2),
)
def logaddexp2(A: Array, B: Array) -> Array:
    """C = log2(2**A + 2**B), without overflow; as logaddexp."""
    return np.maximum(A, B) + np.log1p(np.exp2(-_apart(A, B))) / LN2


logaddexp2.composition = np.logaddexp2


def _logit_slope(Z: Array) -> Array:
    """1 / (Z (1 - Z)), infinite at 0 and 1, NaN beyond, where the logit is not defined."""
    return np.where((Z >= 0) & (Z <= 1), 1 / np.absolute(Z * (1 - Z)), math.nan)


@primitive(name="logit", domain=unit, dZ=lambda dA, A, Z: dA * _logit_slope(Z))
def log_odds(Z: Array) -> Array:
    """A = log(Z / (1 - Z)), the inverse of sigmoid."""
    return np.log(Z / (1 - Z))


@primitive(name="logsigmoid", types=floating_only, dZ=lambda dA, A, Z: dA * sigmoid(-Z))
def log_sigmoid(Z: Array) -> Array:
    """A = log(sigmoid(Z)), without forming the sigmoid, which underflows."""
    return np.minimum(Z, 0) - np.log1p(np.exp(-np.absolute(Z)))


def _elu_cotangent(dA: Array, Z: Array, alpha: float, scale: float, rate: float) -> Array:
    """By exp: A + alpha has no digits left where A nears -alpha. Its exponent ends at 0, above which it is not used."""
    left = (alpha * scale * rate) * np.exp(-rate * relu(-Z))
    return choose(Z <= 0, dA * left, scale * dA)


@primitive(
    name="elu",
    types=floating_only,
    dZ=lambda dA, A, Z, *, alpha, scale, rate: _elu_cotangent(dA, Z, alpha, scale, rate),
)
def exponential_unit(Z: Array, *, alpha: float, scale: float, rate: float) -> Array:
    """A = scale Z where Z > 0, scale alpha (exp(rate Z) - 1) elsewhere; elu, selu and celu."""
    A = np.maximum(Z, 0) + alpha * np.expm1(rate * np.minimum(Z, 0))
    return A if scale == 1 else scale * A


def _silu_slope(Z: Array) -> Array:
    """S + Z S (1 - S), S the sigmoid of Z; not by A, which may be written afterwards, as in PyTorch."""
    S = sigmoid(Z)
    return S * (1 + Z * (1 - S))


@primitive(name="silu", types=floating_only, dZ=lambda dA, A, Z: dA * _silu_slope(Z))
def silu_of(Z: Array) -> Array:
    """A = Z sigmoid(Z), as a quotient: also the largest -Z gives 0."""
    return Z / (1 + np.exp(-Z))


def _tanh_softplus(Z: Array) -> Array:
    """tanh(log(1 + exp(Z))) = N / (N + 2) with N = E (E + 2), E = exp(Z); 1 to all digits beyond Z = 20."""
    E = np.exp(np.minimum(Z, 20))
    N = E * (E + 2)
    return N / (N + 2)


def _mish_slope(Z: Array) -> Array:
    """T + Z (1 - T**2) sigmoid(Z), T the tanh of softplus(Z)."""
    T = _tanh_softplus(Z)
    return T + Z * (1 - T**2) * sigmoid(Z)


@primitive(name="mish", types=floating_only, dZ=lambda dA, A, Z: dA * _mish_slope(Z))
def mish_of(Z: Array) -> Array:
    """A = Z tanh(softplus(Z))."""
    return Z * _tanh_softplus(Z)


def _normal_cdf(Z: Array) -> Array:
    """The probability that a standard normal number is below Z."""
    return 0.5 * (1 + erf(Z * SQRT_HALF))


@primitive(
    name="gelu",
    types=floating_only,
    dZ=lambda dA, A, Z: dA * (_normal_cdf(Z) + Z * (ONE_OVER_SQRT_2PI * np.exp(-0.5 * Z**2))),
)
def gelu_exact(Z: Array) -> Array:
    """A = Z P(X <= Z), X standard normal."""
    return Z * _normal_cdf(Z)


def _gelu_tanh(Z: Array) -> Array:
    """tanh(sqrt(2 / pi) (Z + 0.044715 Z**3)): Hendrycks & Gimpel 2016, "Gaussian Error Linear Units", section 2."""
    return np.tanh(SQRT_TWO_OVER_PI * Z * (1 + 0.044715 * Z**2))


def _gelu_tanh_slope(Z: Array) -> Array:
    T = _gelu_tanh(Z)
    return 0.5 * (1 + T) + 0.5 * Z * (1 - T**2) * (SQRT_TWO_OVER_PI * (1 + 0.134145 * Z**2))


@primitive(name="gelu", types=floating_only, dZ=lambda dA, A, Z: dA * _gelu_tanh_slope(Z))
def gelu_by_tanh(Z: Array) -> Array:
    """A = Z (1 + tanh(sqrt(2 / pi) (Z + 0.044715 Z**3))) / 2, which is near gelu."""
    return 0.5 * Z * (1 + _gelu_tanh(Z))


@primitive(name="softsign", dZ=lambda dA, A, Z: dA / (1 + np.absolute(Z)) ** 2)
def softsign_of(Z: Array) -> Array:
    """A = Z / (1 + |Z|)."""
    return Z / (1 + np.absolute(Z))


@primitive(name="tanhshrink", dZ=lambda dA, A, Z: dA * np.tanh(Z) ** 2)
def tanh_shrink(Z: Array) -> Array:
    """A = Z - tanh(Z)."""
    return Z - np.tanh(Z)


def _half(Z: Array, axis: int, number: int) -> Array:
    n = Z.shape[axis] // 2
    return Z[(*(slice(None),) * axis, slice(number * n, number * n + n))]


def _glu_cotangent(dA: Array, Z: Array, axis: int) -> Array:
    """Of B it is dA S, of G dA B S (1 - S), S the sigmoid of G."""
    dB = dA * sigmoid(_half(Z, axis, 1))
    dG = dB * (_half(Z, axis, 0) * sigmoid(-_half(Z, axis, 1)))
    return np.concatenate([dB, dG], axis=axis)


@primitive(name="glu", types=floating_only, dZ=lambda dA, A, Z, *, axis: _glu_cotangent(dA, Z, axis))
def gated(Z: Array, *, axis: int) -> Array:
    """A = B sigmoid(G), B and G the two halves of Z along an axis."""
    return _half(Z, axis, 0) * sigmoid(_half(Z, axis, 1))


def highest(Z: Array, axis: int) -> Array:
    """The largest along an axis, which is kept with length 1; of short rows by a copy with these in columns."""
    if Z.__class__ is np.ndarray and Z.ndim == 2 and axis in (1, -1) and Z.shape[1] <= FEW:
        return np.maximum.reduce(Z.T.copy(), axis=0)[:, None]
    return np.maximum.reduce(Z, axis=axis, keepdims=True)


def _along(axis: int, X: Array) -> tuple[int, ...]:
    """The axis, counted from the front; a single number has none."""
    return (axis % X.ndim,) if X.ndim else ()


def softmax_rule(dP: Array, P: Array, axis: int) -> Array:
    """The cotangent of the scores: what raises one probability lowers the others."""
    return P * (dP - sum_over(dP * P, axis=_along(axis, P), keepdims=True))


@primitive(name="softmax", types=floating_only, dZ=lambda dP, P, Z, *, axis: softmax_rule(dP, P, axis))
def softmax_over(Z: Array, *, axis: int) -> Array:
    """P = exp(Z) / sum(exp(Z)) along an axis, shifted so that no exponent exceeds 0."""
    E = np.exp(Z - highest(Z, axis))
    return E / sum_axes(E, _along(axis, E), True)


def _softmax(Z: Array, *, axis: int) -> Array:
    E = np.exp(Z - np.max(Z, axis=axis, keepdims=True))
    return E / np.sum(E, axis=axis, keepdims=True)


softmax_over.composition = _softmax  # in which the exponentials have a name


@primitive(
    name="log_softmax",
    types=floating_only,
    dZ=lambda dA, A, Z, *, axis: dA - np.exp(A) * sum_over(dA, axis=_along(axis, A), keepdims=True),
)
def log_softmax_over(Z: Array, *, axis: int) -> Array:
    """A = log(softmax(Z)) along an axis, without forming the softmax."""
    S = Z - highest(Z, axis)
    return S - np.log(sum_axes(np.exp(S), _along(axis, S), True))


def _log_softmax(Z: Array, *, axis: int) -> Array:
    S = Z - np.max(Z, axis=axis, keepdims=True)
    return S - np.log(np.sum(np.exp(S), axis=axis, keepdims=True))


log_softmax_over.composition = _log_softmax  # in which the shifted scores have a name


# --- the public functions: torch.nn.functional's signatures


@public("leaky_relu", function=False)
def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """input where positive, negative_slope * input elsewhere."""
    return in_place(leaky(input, slope=negative_slope), input, "leaky_relu_", inplace)


@public("softplus", function=False)
def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """log(1 + exp(beta * input)) / beta, a smooth relu."""
    return soft_plus(input, beta=beta, threshold=threshold)


@public("softmax")
def softmax(input: Any, dim: int | None = None, dtype: Any = None, *, _stacklevel: int = 3) -> Any:
    """Probabilities along `dim` proportional to exp(input)."""
    axis = _class_axis(input, dim, "softmax")
    return softmax_over(in_dtype(input, dtype), axis=axis) if _has_classes(input, axis) else in_dtype(input, dtype) * 1


@public("log_softmax")
def log_softmax(input: Any, dim: int | None = None, dtype: Any = None, *, _stacklevel: int = 3) -> Any:
    """The logarithms of the softmax along `dim`, exact where the softmax underflows."""
    axis = _class_axis(input, dim, "log_softmax")
    return (
        log_softmax_over(in_dtype(input, dtype), axis=axis) if _has_classes(input, axis) else in_dtype(input, dtype) * 1
    )


@public("logit", inplace=True)
def logit(input: Any, eps: float | None = None) -> Any:
    """log(input / (1 - input)); with eps the input is limited to [eps, 1 - eps] first."""
    return log_odds(input if eps is None else clamp_between(input, eps, 1 - eps))


def logsigmoid(input: Any) -> Any:
    """log(sigmoid(input)), exact where the sigmoid underflows."""
    return log_sigmoid(input)


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """input where positive, alpha * (exp(input) - 1) elsewhere."""
    return in_place(exponential_unit(input, alpha=alpha, scale=1.0, rate=1.0), input, "elu_", inplace)


@public("selu", as_method=False)
def selu(input: Any, inplace: bool = False) -> Any:
    """scale * elu(input, alpha), with the constants that keep mean 0 and variance 1."""
    return in_place(exponential_unit(input, alpha=SELU_ALPHA, scale=SELU_SCALE, rate=1.0), input, "selu_", inplace)


@public("celu", as_method=False)
def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """input where positive, alpha * (exp(input / alpha) - 1) elsewhere: slope 1 on both sides of 0."""
    if alpha == 0:
        raise RuntimeError("celu: ZeroDivisionError: alpha cannot be 0 for CELU.")
    return in_place(exponential_unit(input, alpha=alpha, scale=1.0, rate=1 / alpha), input, "celu_", inplace)


def gelu(input: Any, approximate: str = "none") -> Any:
    """input times the probability that a standard normal number is below it; approximate="tanh" by tanh."""
    if approximate not in ("none", "tanh"):
        raise RuntimeError(f"gelu: approximate argument must be either none or tanh, not {approximate!r}.")
    return gelu_exact(input) if approximate == "none" else gelu_by_tanh(input)


def silu(input: Any, inplace: bool = False) -> Any:
    """input * sigmoid(input)."""
    return in_place(silu_of(input), input, "silu_", inplace)


def mish(input: Any, inplace: bool = False) -> Any:
    """input * tanh(softplus(input))."""
    return in_place(mish_of(input), input, "mish_", inplace)


def softsign(input: Any) -> Any:
    """input / (1 + |input|)."""
    return softsign_of(input)


def tanhshrink(input: Any) -> Any:
    """input - tanh(input)."""
    return tanh_shrink(input)


def glu(input: Any, dim: int = -1) -> Any:
    """The first half of input along `dim`, times the sigmoid of the second."""
    if input.ndim == 0:
        raise RuntimeError("glu: does not support scalars because halving size must be even.")
    axis = one_axis(dim, input.ndim, "glu")
    if input.shape[axis] % 2:
        raise ShapeError(f"glu: Halving dimension must be even, but dimension {axis} is size {input.shape[axis]}.")
    return gated(input, axis=axis)


@public("relu_", as_method=False)
def relu_(input: Any) -> Any:
    """max(input, 0), stored in the input."""
    return in_place(relu(input), input, "relu_", True)


def leaky_relu_(input: Any, negative_slope: float = 0.01) -> Any:
    """leaky_relu, stored in the input."""
    return leaky_relu(input, negative_slope, True)


def elu_(input: Any, alpha: float = 1.0) -> Any:
    """elu, stored in the input."""
    return elu(input, alpha, True)


@public("selu_", as_method=False)
def selu_(input: Any) -> Any:
    """selu, stored in the input."""
    return selu(input, True)


@public("celu_", as_method=False)
def celu_(input: Any, alpha: float = 1.0) -> Any:
    """celu, stored in the input."""
    return celu(input, alpha, True)


def in_place(result: Any, input: Any, name: str, inplace: bool) -> Any:
    """The result, stored in the input if that was asked for."""
    return input.replace(result, name) if inplace else result


def _has_classes(input: Any, axis: int) -> bool:
    """Whether there is anything to sum: without classes nothing is shared out, and the result is empty."""
    return bool(input.ndim == 0 or input.shape[axis] > 0)


def guessed_axis(input: Any, dim: int | None, operation: str, stacklevel: int) -> int:
    """The axis of the classes; where none is given, PyTorch's guess from before it asked: 0 or 1 by the number."""
    if dim is not None:
        return dim
    warnings.warn(
        f"Implicit dimension choice for {operation} has been deprecated. Change the call to include dim=X as an "
        "argument.",
        stacklevel=stacklevel,
    )
    return 0 if input.ndim in (0, 1, 3) else 1


def _class_axis(input: Any, dim: int | None, operation: str) -> int:
    if dim is None:
        raise TypeError(
            f"{operation}: say along which axis the classes lie: dim=1 for rows as samples, dim=0 for columns."
        )
    return one_axis(dim, input.ndim, operation)
