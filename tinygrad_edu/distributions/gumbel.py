"""Distributions made of a simpler one by transforms: Gumbel, Weibull, Pareto, InverseGamma."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..ops.choices import where
from ..ops.creation import full_like, ones_like
from ..ops.exponential import exp, log
from ..ops.special import digamma, lgamma
from . import constraints
from .exponential import Exponential
from .gamma import Gamma
from .transformed_distribution import TransformedDistribution
from .transforms import AffineTransform, ExpTransform, PowerTransform
from .uniform import Uniform
from .utils import EULER, broadcast_all


class Gumbel(TransformedDistribution):
    """loc - scale log(-log(u)), u uniform: the largest of many numbers."""

    arg_constraints: ClassVar = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        info = np.finfo(self.loc.dtype)
        base = Uniform(
            full_like(self.loc, float(info.tiny)), full_like(self.loc, 1 - float(info.eps)), validate_args=validate_args
        )
        log_of = ExpTransform().inv
        transforms = [
            log_of,
            AffineTransform(0, -ones_like(self.scale)),
            log_of,
            AffineTransform(self.loc, -self.scale),
        ]
        super().__init__(base, transforms, validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Gumbel:
        """The same along new or stretched batch axes."""
        return Gumbel(self.loc.expand(batch_shape), self.scale.expand(batch_shape), validate_args=False)

    @property
    def mean(self) -> Any:
        """loc + 0.5772 scale."""
        return self.loc + self.scale * EULER

    @property
    def mode(self) -> Any:
        """loc."""
        return self.loc

    @property
    def stddev(self) -> Any:
        """pi scale / sqrt(6)."""
        return math.pi / math.sqrt(6) * self.scale

    @property
    def variance(self) -> Any:
        """The square of it."""
        return self.stddev**2

    def log_prob(self, value: Any) -> Any:
        """y - exp(y) - log(scale), y = (loc - x) / scale."""
        self._validate_sample(value)
        y = (self.loc - value) / self.scale
        return (y - exp(y)) - log(self.scale)

    def cdf(self, value: Any) -> Any:
        """exp(-exp((loc - x) / scale)), of any x: the transforms end where u does, which is kept off 0 and 1."""
        self._validate_sample(value)
        return exp(-exp((self.loc - value) / self.scale))

    def entropy(self) -> Any:
        """log(scale) + 1.5772."""
        return log(self.scale) + (1 + EULER)


class Weibull(TransformedDistribution):
    """scale x**(1 / concentration), x exponential: the smallest of many numbers."""

    arg_constraints: ClassVar = {"scale": constraints.positive, "concentration": constraints.positive}
    support = constraints.positive

    def __init__(self, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.scale, self.concentration = broadcast_all(scale, concentration)
        transforms = [PowerTransform(1 / self.concentration), AffineTransform(0, self.scale)]
        super().__init__(Exponential(ones_like(self.scale)), transforms, validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Weibull:
        """The same along new or stretched batch axes."""
        return Weibull(self.scale.expand(batch_shape), self.concentration.expand(batch_shape), validate_args=False)

    @property
    def mean(self) -> Any:
        """scale Gamma(1 + 1/k), k the concentration."""
        return self.scale * exp(lgamma(1 + 1 / self.concentration))

    @property
    def mode(self) -> Any:
        """scale ((k - 1) / k)**(1/k)."""
        k = self.concentration
        return self.scale * ((k - 1) / k) ** (1 / k)

    @property
    def variance(self) -> Any:
        """scale**2 (Gamma(1 + 2/k) - Gamma(1 + 1/k)**2)."""
        k = 1 / self.concentration
        return self.scale**2 * (exp(lgamma(1 + 2 * k)) - exp(2 * lgamma(1 + k)))

    def entropy(self) -> Any:
        """0.5772 (1 - 1/k) + log(scale / k) + 1."""
        k = 1 / self.concentration
        return EULER * (1 - k) + log(self.scale * k) + 1


class Pareto(TransformedDistribution):
    """scale exp(x), x exponential with rate alpha."""

    arg_constraints: ClassVar = {"alpha": constraints.positive, "scale": constraints.positive}

    def __init__(self, scale: Any, alpha: Any, validate_args: bool | None = None) -> None:
        self.scale, self.alpha = broadcast_all(scale, alpha)
        base = Exponential(self.alpha, validate_args=validate_args)
        super().__init__(base, [ExpTransform(), AffineTransform(0, self.scale)], validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Pareto:
        """The same along new or stretched batch axes."""
        return Pareto(self.scale.expand(batch_shape), self.alpha.expand(batch_shape), validate_args=False)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        """From scale on."""
        return constraints.greater_than_eq(self.scale)

    @property
    def mean(self) -> Any:
        """alpha scale / (alpha - 1), infinite up to 1."""
        a = where(self.alpha > 1, self.alpha, 2.0)
        return where(self.alpha > 1, a * self.scale / (a - 1), math.inf)

    @property
    def mode(self) -> Any:
        """scale."""
        return self.scale

    @property
    def variance(self) -> Any:
        """scale**2 alpha / ((alpha - 1)**2 (alpha - 2)), infinite up to 2."""
        a = where(self.alpha > 2, self.alpha, 3.0)
        return where(self.alpha > 2, self.scale**2 * a / ((a - 1) ** 2 * (a - 2)), math.inf)

    def entropy(self) -> Any:
        """log(scale / alpha) + 1 + 1/alpha."""
        return log(self.scale / self.alpha) + (1 + 1 / self.alpha)


class InverseGamma(TransformedDistribution):
    """1 / x, x of a gamma distribution."""

    arg_constraints: ClassVar = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        base = Gamma(concentration, rate, validate_args=validate_args)
        super().__init__(base, PowerTransform(base.rate.new_full((), -1.0)), validate_args=validate_args)

    @property
    def concentration(self) -> Any:
        """The gamma distribution's."""
        return self.base_dist.concentration  # type: ignore[attr-defined]  # a Gamma

    @property
    def rate(self) -> Any:
        """The gamma distribution's."""
        return self.base_dist.rate  # type: ignore[attr-defined]  # a Gamma

    @property
    def mean(self) -> Any:
        """rate / (a - 1), a the concentration; infinite up to 1."""
        a = self.concentration
        return where(a > 1, self.rate / where(a > 1, a - 1, 1.0), math.inf)

    @property
    def mode(self) -> Any:
        """rate / (a + 1)."""
        return self.rate / (self.concentration + 1)

    @property
    def variance(self) -> Any:
        """rate**2 / ((a - 1)**2 (a - 2)); infinite up to 2."""
        a = where(self.concentration > 2, self.concentration, 3.0)
        return where(self.concentration > 2, self.rate**2 / ((a - 1) ** 2 * (a - 2)), math.inf)

    def entropy(self) -> Any:
        """a + log(rate) + log Gamma(a) - (1 + a) digamma(a)."""
        a = self.concentration
        return a + log(self.rate) + lgamma(a) - (1 + a) * digamma(a)
