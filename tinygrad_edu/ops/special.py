"""Special functions that NumPy lacks: erf and its relatives, the gamma function's logarithm.

Each is evaluated piecewise for all elements at once, by approximations good to a few units in the
last place of float64. float32 is computed in float64 too, which needs no second set of coefficients;
erf alone has one, for the sake of gelu.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.primitive import Array, primitive
from .creation import finish
from .domains import positive, within
from .public import public
from .reduction import sum_over

TWO_OVER_SQRT_PI = 2 / math.sqrt(math.pi)


def in_double(function: Callable[..., Array], Z: Array, **params: Any) -> Array:
    """function(Z) computed in float64, in the dtype that came in, an array also of 0-d.

    A call and no decorator: compiled source writes out the functions that a forward names.
    """
    with np.errstate(all="ignore"):  # pieces are evaluated outside of their range, and not used there
        return np.asarray(function(np.asarray(Z, np.float64), **params), Z.dtype)


def _polynomial(coefficients: Sequence[float], x: Array) -> Array:
    """c0 + c1 x + c2 x**2 + ..., by Horner's rule.

    Not in one array, which would save a fifth: a compiled step then keeps erf whole, and does not open it.
    """
    total = coefficients[-1] * x + coefficients[-2]
    for c in coefficients[-3::-1]:
        total = total * x + c
    return total


# Rational approximations of erf and erfc: Sun Microsystems, fdlibm 5.3, s_erf.c (1993); below 1 ulp.
ERF_SMALL = (
    (1.28379167095512558561e-01, -3.25042107247001499370e-01, -2.84817495755985104766e-02,
     -5.77027029648944159157e-03, -2.37630166566501626084e-05),
    (1.0, 3.97917223959155352819e-01, 6.50222499887672944485e-02, 5.08130628187576562776e-03,
     1.32494738004321644526e-04, -3.96022827877536812320e-06),
)  # fmt: skip
ERF_AT_ONE = 8.45062911510467529297e-01
ERF_MIDDLE = (
    (-2.36211856075265944077e-03, 4.14856118683748331666e-01, -3.72207876035701323847e-01,
     3.18346619901161753674e-01, -1.10894694282396677476e-01, 3.54783043256182359371e-02,
     -2.16637559486879084300e-03),
    (1.0, 1.06420880400844228286e-01, 5.40397917702171048937e-01, 7.18286544141962662868e-02,
     1.26171219808761642112e-01, 1.36370839120290507362e-02, 1.19844998467991074170e-02),
)  # fmt: skip
ERFC_LARGE = (
    (-9.86494403484714822705e-03, -6.93858572707181764372e-01, -1.05586262253232909814e01,
     -6.23753324503260060396e01, -1.62396669462573470355e02, -1.84605092906711035994e02,
     -8.12874355063065934246e01, -9.81432934416914548592e00),
    (1.0, 1.96512716674392571292e01, 1.37657754143519042600e02, 4.34565877475229228821e02,
     6.45387271733267880336e02, 4.29008140027567833386e02, 1.08635005541779435134e02,
     6.57024977031928170135e00, -6.04244152148580987438e-02),
)  # fmt: skip
ERFC_LARGER = (
    (-9.86494292470009928597e-03, -7.99283237680523006574e-01, -1.77579549177547519889e01,
     -1.60636384855821916062e02, -6.37566443368389627722e02, -1.02509513161107724954e03,
     -4.83519191608651397019e02),
    (1.0, 3.03380607434824582924e01, 3.25792512996573918826e02, 1.53672958608443695994e03,
     3.19985821950859553908e03, 2.55305040643316442583e03, 4.74528541206955367215e02,
     -2.24409524465858183362e01),
)  # fmt: skip


def _ratio(tables: tuple[Sequence[float], Sequence[float]], x: Array) -> Array:
    return _polynomial(tables[0], x) / _polynomial(tables[1], x)


def _erfc_tail(x: Array) -> Array:
    """erfc for x >= 1.25."""
    s = 1 / (x * x)
    exponent = np.where(x < 1 / 0.35, _ratio(ERFC_LARGE, s), _ratio(ERFC_LARGER, s))
    # exp(-x**2) loses digits for large x: take the square of a shortened x out of the rounding
    short = x.astype(np.float32).astype(np.float64)
    return np.exp(-short * short - 0.5625) * np.exp((short - x) * (short + x) + exponent) / x


def _erf(Z: Array) -> Array:
    x = np.abs(Z)
    small = x + x * _ratio(ERF_SMALL, x * x)
    middle = ERF_AT_ONE + _ratio(ERF_MIDDLE, x - 1)
    large = 1 - _erfc_tail(np.clip(x, 1.25, 6))
    value = np.where(x < 0.84375, small, np.where(x < 1.25, middle, large))
    return np.where(np.isnan(Z), Z, np.copysign(value, Z))


def _erfc(Z: Array) -> Array:
    x = np.abs(Z)
    small = 1 - (Z + Z * _ratio(ERF_SMALL, x * x))
    middle = 1 - ERF_AT_ONE - _ratio(ERF_MIDDLE, x - 1)
    tail = np.where(x < 0.84375, 1 - x, np.where(x < 1.25, middle, _erfc_tail(np.clip(x, 1.25, 28))))
    value = np.where(x < 0.84375, small, np.where(Z < 0, 2 - tail, tail))
    return np.where(np.isnan(Z), Z, value)


# atanh(erf(x)) / x in x**2, for float32: fitted on [0, 4.6] by reweighted least squares, erf to 8e-8. In float32
# arithmetic erf's error is below 1.6e-7, relative 3e-7. As a ratio of polynomials it took 434 us for 131,072 numbers.
ERF_SINGLE = (
    1.128379226, 0.1027684092, -0.0001895609973, -0.000621985352, 8.84889127e-05, -5.806688248e-06, 1.495959342e-07,
)  # fmt: skip


def _erf_single(Z: Array) -> Array:
    return np.tanh(Z * _polynomial(ERF_SINGLE, Z * Z))


@public("erf", inplace=True)
@primitive(opaque=True, dZ=lambda dA, A, Z: dA * (TWO_OVER_SQRT_PI * np.exp(-(Z**2))))
def erf(Z: Array) -> Array:
    """A = 2 / sqrt(pi) times the integral of exp(-t**2) from 0 to Z."""
    return _erf_single(Z) if Z.dtype.itemsize == 4 else in_double(_erf, Z)


def erf_of_each(Z: Array) -> Array:
    """Python's erf of every element."""
    return np.vectorize(math.erf, otypes=[Z.dtype])(Z)


erf.composition = erf_of_each


# log(erfc(x) / t) + x**2 in t = 1 / (1 + x / 2), x >= 0: Press et al., "Numerical Recipes" (1992), section 6.2, erfcc;
# erfc's relative error is below 1.2e-7.
ERFC_SINGLE = (
    -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806,
    0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277,
)  # fmt: skip


def _erfc_single(Z: Array) -> Array:
    """float32 in float32: 64x512 take a tenth of the time of the above."""
    x = np.minimum(np.absolute(Z), 12)  # where it is 0 to the last digit
    t = 1 / (1 + 0.5 * x)
    short = np.floor(x * 64) * 0.015625  # its square is exact: exp(-x**2) would lose digits for large x
    rest = _polynomial(ERFC_SINGLE, t)
    value = t * (np.exp(-short * short) * np.exp((short - x) * (short + x) + rest))
    return np.where(Z < 0, 2 - value, value)


@public("erfc", inplace=True)
@primitive(opaque=True, dZ=lambda dA, A, Z: -dA * (TWO_OVER_SQRT_PI * np.exp(-(Z**2))))
def erfc(Z: Array) -> Array:
    """A = 1 - erf(Z), exact where erf is nearly 1."""
    return _erfc_single(Z) if Z.dtype.itemsize == 4 else in_double(_erfc, Z)


# In w = -log(1 - x**2): Giles, "Approximating the erfinv function" (2012), table 5; good to float32.
ERFINV_CENTRAL = (
    1.50140941, 0.246640727, -0.00417768164, -0.00125372503, 0.00021858087, -4.39150654e-06, -3.5233877e-06,
    3.43273939e-07, 2.81022636e-08,
)  # fmt: skip
ERFINV_TAIL = (
    2.83297682, 1.00167406, 0.00943887047, -0.0076224613, 0.00573950773, -0.00367342844, 0.00134934322,
    0.000100950558, -0.000200214257,
)  # fmt: skip


def _erfinv_guess(Z: Array) -> tuple[Array, Array]:
    """The inverse over Z, where |Z| is not within 1e-7 of 1, infinite where it is 1; and w."""
    w = -np.log((1 - Z) * (1 + Z))
    central = _polynomial(ERFINV_CENTRAL, w - 2.5)
    if not np.any(w >= 5):  # |Z| below 0.9966: 64x512 float32 take 100 us so, 250 with the tail
        return central, w
    tail = _polynomial(ERFINV_TAIL, np.sqrt(w) - 3)
    return np.where(w < 5, central, np.where(np.isinf(w), w, tail)), w


def _erfinv_single(Z: Array) -> Array:
    return _erfinv_guess(Z)[0] * Z


def _erfinv(Z: Array, *, steps: int) -> Array:
    """A first guess, then steps of Halley by erf, which triple its digits: 7, or 2 where |Z| is within 1e-7 of 1."""
    guess, w = _erfinv_guess(Z)
    far = w + math.log(2)  # -log(erfc(x)), which is about x**2 + log(x sqrt(pi))
    far = np.sqrt(far - 0.5 * np.log(math.pi * far))
    x = np.where(w < 16, guess, far) * Z
    for _ in range(steps):
        # for |Z| near 1 through erfc, whose digits are not lost there
        miss = np.where(np.abs(Z) < 0.5, _erf(x) - Z, np.sign(Z) * ((1 - np.abs(Z)) - _erfc(np.abs(x))))
        step = miss / (TWO_OVER_SQRT_PI * np.exp(-x * x))
        x = x - step / (1 + x * step)
    return np.where(np.isinf(w), np.copysign(w, Z), x)


@public("erfinv", inplace=True)
@primitive(
    opaque=True,
    domain=within(-0.9, 0.9),
    dZ=lambda dA, A, Z: dA * (np.exp(A**2) / TWO_OVER_SQRT_PI),
)
def erfinv(Z: Array) -> Array:
    """A = the inverse of erf; infinite at -1 and 1, NaN beyond."""
    return _erfinv_single(Z) if Z.dtype.itemsize == 4 else in_double(_erfinv, Z, steps=3)


# Bernoulli numbers B2, B4, ... of the asymptotic series: NIST, Digital Library of Mathematical
# Functions, 5.11.1-2 and 24.2
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)
SHIFT = 10  # from here on seven terms of the series are exact to float64


def _shifted(x: Array) -> tuple[Array, Array]:
    """x moved beyond SHIFT by whole steps, and how many steps each element took."""
    steps = np.where(x < SHIFT, np.ceil(SHIFT - x), 0)
    return x + steps, steps


STEPS = 4  # so many steps further on, five terms of the series are exact to float32


def _further(x: Array) -> tuple[Array, Array]:
    """For float32: x + 4, and u = x (x + 3), by which x (x + 1) (x + 2) (x + 3) is u (u + 2), and the sum of their
    reciprocals (2 x + 3) (2 u + 2) / (u (u + 2)); in float64 none of it overflows."""
    return x + STEPS, x * (x + 3)


def _log_gamma_single(x: Array) -> Array:
    """log Gamma(x), x > 0, to float32's digits, by two logarithms, in a quarter of the next one's time."""
    far, u = _further(x)
    r = 1 / far
    series = _polynomial([b / (2 * i * (2 * i - 1)) for i, b in enumerate(BERNOULLI[:5], 1)], r * r) * r
    value = (far - 0.5) * np.log(far) - far + 0.5 * math.log(2 * math.pi) + series - np.log(u * (u + 2))
    value = np.where(np.absolute(value) < 1e-9, 0, value)  # at 1 and at 2; at their neighbours it is 3e-8
    return np.where(np.isposinf(x), x, value)


def _digamma_single(x: Array) -> Array:
    """The derivative of log Gamma(x), x > 0, to float32's digits."""
    far, u = _further(x)
    r = 1 / far
    series = _polynomial([0.0, *(b / (2 * i) for i, b in enumerate(BERNOULLI[:4], 1))], r * r)
    return np.log(far) - 0.5 * r - series - (2 * x + 3) * (2 * u + 2) / (u * (u + 2))


def _trigamma_single(x: Array) -> Array:
    """The second derivative of log Gamma(x), x > 0, to float32's digits."""
    r = 1 / (x + STEPS)
    series = _polynomial([1.0, 0.5, 1 / 6, 0.0, -1 / 30, 0.0, 1 / 42, 0.0, -1 / 30], r) * r
    return series + sum(1 / (x + k) ** 2 for k in range(STEPS))


# log Gamma(2 + y) / y in y: 1 less Euler's constant, then (-1)**k (zeta(k) - 1) / k, k = 2, 3, ...; ibid., 5.7.3
AT_TWO = (
    0.42278433509846713, 0.3224670334241132, -0.0673523010531981, 0.020580808427784546, -0.007385551028673986,
    0.0028905103307415234, -0.001192753911703261, 0.0005096695247430425, -0.00022315475845357939,
    9.945751278180853e-05, -4.492623673813314e-05, 2.050721277567069e-05, -9.439488275268397e-06,
    4.374866789907488e-06, -2.039215753801366e-06, 9.55141213040742e-07, -4.492469198764566e-07,
    2.1207184805554665e-07, -1.0043224823968099e-07, 4.7698101693639804e-08, -2.2711094608943164e-08,
    1.0838659214896955e-08, -5.183475041970047e-09, 2.4836745438024785e-09, -1.1921401405860912e-09,
    5.731367241678862e-10,
)  # fmt: skip


def _log_gamma_positive(x: Array) -> Array:
    """log Gamma(x), x > 0: from SHIFT on Stirling's series, below it the series about 2, which has as many digits at
    its zeros, 1 and 2, as elsewhere; brought there by Gamma(x + 1) = x Gamma(x)."""
    r = 1 / x
    series = _polynomial([b / (2 * i * (2 * i - 1)) for i, b in enumerate(BERNOULLI, 1)], r * r) * r
    far = (x - 0.5) * np.log(x) - x + 0.5 * math.log(2 * math.pi) + series
    near = np.where(x < SHIFT, x, 2.0)
    whole = np.rint(near)
    y = near - whole  # exact
    product = np.ones_like(x)
    for k in range(1, SHIFT - 1):
        product = np.where(k <= whole - 2, product * (near - k), product)
    below = np.where(whole < 2, np.log(near), 0) + np.where(whole < 1, np.log1p(near), 0)
    value = np.where(x < SHIFT, y * _polynomial(AT_TWO, y) + np.log(product) - below, far)
    return np.where(np.isposinf(x), x, value)


def _lgamma(Z: Array, *, single: bool) -> Array:
    positive = _log_gamma_single if single else _log_gamma_positive
    if np.all(Z > 0):
        return positive(Z)
    reflected = Z <= 0  # Gamma(x) Gamma(1 - x) = pi / sin(pi x)
    x = np.where(reflected, 1 - Z, Z)
    value = positive(np.where(np.isfinite(x) & (x > 0), x, 1.0))
    fraction = Z - np.rint(Z)  # exact, also next to an integer
    mirror = math.log(math.pi) - np.log(np.abs(np.sin(math.pi * fraction))) - value
    result = np.where(reflected, mirror, value)
    result = np.where((Z <= 0) & (fraction == 0), np.inf, result)  # poles at 0, -1, -2, ...
    return np.where(np.isnan(Z), Z, np.where(np.isinf(Z), np.inf, result))


@public("lgamma", inplace=True)
@primitive(opaque=True, domain=positive, dZ=lambda dA, A, Z: dA * polygamma_of(Z, n=0))  # type: ignore[has-type]
def lgamma(Z: Array) -> Array:
    """A = log |Gamma(Z)|; infinite at 0, -1, -2, ..."""
    return in_double(_lgamma, Z, single=Z.dtype.itemsize == 4)


def _digamma_positive(x: Array) -> Array:
    """The derivative of log Gamma(x), x > 0: the series beyond SHIFT, brought back by psi(x + 1) = psi(x) + 1 / x."""
    far, steps = _shifted(x)
    back = np.zeros_like(x)
    for k in range(int(steps.max(initial=0))):
        back = np.where(k < steps, back + 1 / (x + k), back)
    return np.log(far) - 0.5 / far - sum(b / (2 * i * far ** (2 * i)) for i, b in enumerate(BERNOULLI, 1)) - back


def _digamma(Z: Array, *, single: bool) -> Array:
    positive = _digamma_single if single else _digamma_positive
    if np.all(Z > 0):
        return np.where(np.isposinf(Z), Z, positive(Z))
    reflected = Z <= 0
    x = np.where(reflected, 1 - Z, Z)
    value = positive(np.where(np.isfinite(x) & (x > 0), x, 1.0))
    fraction = Z - np.rint(Z)  # exact, also next to an integer
    result = np.where(reflected, value - math.pi / np.tan(math.pi * fraction), value)
    result = np.where((Z < 0) & (fraction == 0), np.nan, result)
    result = np.where(Z == 0, np.copysign(np.inf, -Z), result)  # as PyTorch: -inf at 0, inf at -0
    return np.where(np.isnan(Z) | np.isposinf(Z), Z, np.where(np.isneginf(Z), np.nan, result))


def _zeta(q: Array, s: int) -> Array:
    """Hurwitz's sum over k >= 0 of 1 / (q + k)**s, q >= 0: terms until SHIFT, then Euler and Maclaurin."""
    far, steps = _shifted(q)
    total = np.zeros_like(q)
    for k in range(int(steps.max(initial=0))):
        total = np.where(k < steps, total + 1 / (q + k) ** s, total)
    tail = far ** (1 - s) / (s - 1) + 0.5 * far**-s
    rising = float(s)
    for i, b in enumerate(BERNOULLI, 1):
        tail = tail + b / math.factorial(2 * i) * rising * far ** (1 - s - 2 * i)
        rising *= (s + 2 * i - 1) * (s + 2 * i)
    return total + tail


def _polygamma(Z: Array, *, n: int, single: bool) -> Array:
    """(-1)**(n + 1) n! sum over k >= 0 of 1 / (Z + k)**(n + 1).

    Of negative Z it is the sum over all integers, which depends on the distance r to the nearest alone, without
    those below Z, which are the terms of 1 - Z: as many steps for -1e9 as for 1.
    """
    if n == 1 and single and np.all(Z > 0):
        return np.where(np.isposinf(Z), 0.0, _trigamma_single(Z))
    s = n + 1
    sign = (-1) ** s
    low = np.where(np.isfinite(Z), Z, 1.0)
    total = _zeta(np.where(low < 0, 1 - low, low), s)
    if np.any(low < 0):
        r = low - np.rint(low)  # exact
        everywhere = np.where(r < 0, sign, 1) * (_zeta(np.abs(r), s) + sign * _zeta(1 - np.abs(r), s))
        total = np.where(low < 0, everywhere - sign * total, total)
    value = sign * math.factorial(n) * total
    return np.where(np.isposinf(Z), 0.0, np.where(np.isfinite(Z), value, np.nan))


@primitive(
    name="polygamma",
    opaque=True,
    domain=positive,
    dZ=lambda dA, A, Z, *, n: dA * polygamma_of(Z, n=n + 1),  # type: ignore[has-type]
)
def polygamma_of(Z: Array, *, n: int) -> Array:
    """The n-th derivative of digamma; n = 0 is digamma, the derivative of log Gamma."""
    single = Z.dtype.itemsize == 4
    return in_double(_digamma, Z, single=single) if n == 0 else in_double(_polygamma, Z, n=n, single=single)


@public("digamma", inplace=True)
def digamma(input: Any) -> Any:
    """The derivative of lgamma."""
    return polygamma_of(input, n=0)


@public("polygamma", as_method=False)
def polygamma(n: int, input: Any) -> Any:
    """The n-th derivative of digamma, n >= 0."""
    if n < 0:
        raise RuntimeError(f"polygamma: n must not be negative, got {n}.")
    return polygamma_of(input, n=n)


@public("polygamma", function=False, inplace=True)
def _polygamma_method(input: Any, n: int) -> Any:
    """The n-th derivative of digamma, n >= 0."""
    return polygamma(n, input)


@public("mvlgamma", inplace=True)
def mvlgamma(input: Any, p: int) -> Any:
    """The logarithm of the p-dimensional gamma function, for input > (p - 1) / 2."""
    if p < 1:
        raise RuntimeError(f"mvlgamma: p has to be greater than or equal to 1, got {p}.")
    halves = np.arange(p, dtype=input.dtype if input.dtype.kind == "f" else np.float32) / 2
    return sum_over(lgamma(input[..., None] - finish(halves)), axis=(input.ndim,), keepdims=False) + (
        p * (p - 1) / 4 * math.log(math.pi)
    )
