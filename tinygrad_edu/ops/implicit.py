"""Derivatives of random numbers by the parameters of their distribution, where no formula draws them.

A draw x of a distribution with cumulative probability F(x; a) moves with the parameter a so that F
stays what it was: dx/da = -(dF/da) / p(x), p the density. For the gamma and the beta distribution
that is an integral over the part of the distribution on either side of x, divided by p. Here are
those integrals, as primitives that are closed under differentiation, so that every order exists.

Source: Figurnov, Mohamed & Mnih, "Implicit Reparameterization Gradients" (2018).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.dtypes import floating_only
from ..core.primitive import Array, primitive
from .choices import choose
from .domains import positive, unit
from .special import lgamma, polygamma_of

# Quadrature on a half line, w = W exp(s - exp(-s)) with equal steps of s: Takahasi & Mori, "Double
# exponential formulas for numerical integration" (1974). Compared with 30 digits for parameters from
# 0.01 to 1,000 and draws from the middle 99.8%, the derivatives below have an error under 1e-11.
_S = np.arange(-4.5, 5.4, 0.06)
_NODES = np.exp(_S - np.exp(-_S))
_WEIGHTS = 0.06 * _NODES * (1 + np.exp(-_S))


def _integral(integrand: Callable[[Array], Array], width: Array, sign: Array) -> Array:
    """The integral of integrand(w) over w from 0 to infinity; from -infinity to 0, negated, where sign is -1."""
    step = width * sign
    return sum(weight * integrand(step * node) for node, weight in zip(_NODES, _WEIGHTS, strict=True)) * step


def _rate(slope: Array, curvature: Array, tail: Array) -> Array:
    """How fast exp(-slope w - curvature w**2 / 2) falls, but not faster than the tail that it has."""
    return np.minimum(0.5 * (slope + np.sqrt(slope * slope + 2 * curvature)), tail)


def _doubled(compute: Callable[..., Array], *arrays: Array, **params: Any) -> Array:
    """Compute in float64, and give back the dtype that came in."""
    with np.errstate(all="ignore"):  # at the far nodes exponents overflow, to a weight of 0
        result = compute(*(np.asarray(x, np.float64) for x in arrays), **params)
    return np.asarray(result, np.result_type(*arrays))


def _gamma_moment(A: Array, X: Array, *, order: int) -> Array:
    # On the side where w + log X - digamma(A) keeps its sign, so that nothing cancels; but for tiny X
    # on the lower one, whose integrand has no late edge there.
    upper = (np.log(X) > polygamma_of.forward(A, n=0)) & (X > 1)
    slope = np.where(upper, X - A, A - X)
    rate = _rate(slope, X, np.where(upper, math.inf, A))

    def integrand(w: Array) -> Array:
        return w**order * np.exp(A * w - X * np.expm1(w))

    return _integral(integrand, 1 / rate, np.where(upper, 1.0, -1.0))


@primitive(
    name="gamma_moment",
    types=floating_only,
    opaque=True,
    domain=(positive, positive),
    dA=lambda dJ, J, A, X, *, order: dJ * gamma_moment(A, X, order=order + 1),  # type: ignore[has-type]
    dX=lambda dJ, J, A, X, *, order: dJ * _gamma_moment_by_x(J, A, X, order),
)
def gamma_moment(A: Array, X: Array, *, order: int) -> Array:
    """J = the integral of w**order exp(A w - X (exp(w) - 1)) over w > 0, or its negative over w < 0.

    With t = X exp(w) it is that of t**(A - 1) exp(-t) log(t / X)**order, over its value at X times X.
    """
    return _doubled(_gamma_moment, A, X, order=order)


def _gamma_moment_by_x(J: Array, A: Array, X: Array, order: int) -> Array:
    """By parts: the integral of w**order exp(w) E is that of A J, order w**(order - 1) E, and the edge at 0."""
    if order == 0:
        return J - (A * J + 1) / X
    return J - (A * J + order * gamma_moment(A, X, order=order - 1)) / X


def gamma_slope(concentration: Any, x: Any) -> Any:
    """dx/da of a draw x of the gamma distribution with concentration a and rate 1."""
    shift = np.log(x) - polygamma_of(concentration, n=0)
    return x * (gamma_moment(concentration, x, order=1) + shift * gamma_moment(concentration, x, order=0))


def _gamma_exponent(A: Array, X: Array) -> Array:
    return A * np.log(X) - X - lgamma.forward(A)


@primitive(
    name="gamma_exponent",
    types=floating_only,
    opaque=True,
    domain=(positive, positive),
    dA=lambda dE, E, A, X: dE * (np.log(X * np.ones_like(A)) - polygamma_of(A, n=0)),  # X may be a number
    dX=lambda dE, E, A, X: dE * (A / X - 1),
)
def gamma_exponent(A: Array, X: Array) -> Array:
    """E = A log(X) - X - log Gamma(A), in float64: of a large A so much cancels that float32 would have no digits."""
    return _doubled(_gamma_exponent, A, X)


def gamma_below(concentration: Any, x: Any) -> Any:
    """The probability that a gamma number of rate 1 is at most x."""
    safe = choose(x > 0, x, 1.0)
    J = gamma_moment(concentration, safe, order=0)  # positive where it is the integral above x
    share = J * np.exp(gamma_exponent(concentration, safe))
    return choose(x > 0, choose(J > 0, 1 - share, -share), 0.0)


def _beta_moment(A: Array, B: Array, X: Array, *, j: int, k: int) -> Array:
    log_x, log_1_x = np.log(X), np.log1p(-X)
    larger = log_x > polygamma_of.forward(A, n=0) - polygamma_of.forward(A + B, n=0)
    upper = larger & (np.maximum(B, 1) * X > 0.5)  # as for gamma
    y = log_x - log_1_x
    slope = B * X - A * (1 - X)
    slope = np.where(upper, slope, -slope)
    rate = _rate(slope, (A + B) * X * (1 - X), np.where(upper, B, A))

    def integrand(w: Array) -> Array:
        r = -np.logaddexp(0, -y - w) - log_x  # log(t / X), t the sigmoid of y + w
        q = -np.logaddexp(0, y + w) - log_1_x  # log((1 - t) / (1 - X))
        return r**j * q**k * np.exp(A * r + B * q)

    return _integral(integrand, 1 / rate, np.where(upper, 1.0, -1.0))


@primitive(
    name="beta_moment",
    types=floating_only,
    opaque=True,
    domain=(positive, positive, unit),
    dA=lambda dJ, J, A, B, X, *, j, k: dJ * beta_moment(A, B, X, j=j + 1, k=k),  # type: ignore[has-type]
    dB=lambda dJ, J, A, B, X, *, j, k: dJ * beta_moment(A, B, X, j=j, k=k + 1),  # type: ignore[has-type]
    dX=lambda dJ, J, A, B, X, *, j, k: dJ * _beta_moment_by_x(J, A, B, X, j, k),
)
def beta_moment(A: Array, B: Array, X: Array, *, j: int, k: int) -> Array:
    """J = the integral of t**(A-1) (1-t)**(B-1) r**j q**k over t > X, or its negative over t < X.

    In units of X**A (1 - X)**B; r = log(t / X), q = log((1 - t) / (1 - X)).
    """
    return _doubled(_beta_moment, A, B, X, j=j, k=k)


def _beta_moment_by_x(J: Array, A: Array, B: Array, X: Array, j: int, k: int) -> Array:
    """By parts, as for gamma; r and q both fall by 1 - t, and rise by t, as the logit of X rises."""
    by_logit = X * ((A + B) * J) - A * J
    if j:
        by_logit = by_logit - (1 - X) * j * beta_moment(A, B, X, j=j - 1, k=k)
    if k:
        by_logit = by_logit + X * k * beta_moment(A, B, X, j=j, k=k - 1)
    if j == k == 0:
        by_logit = by_logit - 1
    return by_logit / (X * (1 - X))


def beta_slope(a: Any, b: Any, x: Any) -> Any:
    """dx/da of a draw x of the beta distribution with concentrations a and b, divided by 1 - x."""
    shift = np.log(x) - polygamma_of(a, n=0) + polygamma_of(a + b, n=0)
    return x * (beta_moment(a, b, x, j=1, k=0) + shift * beta_moment(a, b, x, j=0, k=0))
