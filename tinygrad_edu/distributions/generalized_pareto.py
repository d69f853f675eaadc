"""The generalised Pareto distribution: what exceeds a high threshold."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ..ops.choices import where
from ..ops.comparison import isclose
from ..ops.creation import ones_like, zeros_like
from ..ops.exponential import exp, expm1, log, log1p
from ..ops.random import rand
from . import constraints
from .distribution import Distribution
from .utils import broadcast_all


class GeneralizedPareto(Distribution):
    """Of P(X > x) = (1 + c z)**(-1 / c), z = (x - loc) / scale, c the concentration; exp(-z) where c is 0.

    Source: Pickands, "Statistical inference using extreme order statistics" (1975).
    """

    arg_constraints: ClassVar = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        """From loc; up to loc - scale / c where c is negative."""
        c = self.concentration
        return constraints.interval(self.loc, where(c < 0, self.loc - self.scale / c, math.inf))

    @property
    def mean(self) -> Any:
        """loc + scale / (1 - c); NaN from c = 1 on."""
        c = self.concentration
        return where(c < 1, self.loc + self.scale / (1 - where(c < 1, c, 0.5)), math.nan)

    @property
    def mode(self) -> Any:
        """loc."""
        return self.loc

    @property
    def variance(self) -> Any:
        """scale**2 / ((1 - c)**2 (1 - 2 c)); NaN from c = 1/2 on."""
        finite = self.concentration < 0.5
        c = where(finite, self.concentration, 0.25)
        return where(finite, self.scale**2 / ((1 - c) ** 2 * (1 - 2 * c)), math.nan)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """By the inverse of the distribution function: PyTorch's from the seed."""
        return self.icdf(rand(self._extended_shape(sample_shape), dtype=self.loc.dtype))

    def _parts(self, value: Any) -> tuple[Any, Any, Any]:
        """z, where c is taken for 0, and c, 1 there."""
        self._validate_sample(value)
        return (value - self.loc) / self.scale, *self._split()

    def _split(self) -> tuple[Any, Any]:
        c = self.concentration
        none = isclose(c, zeros_like(c))
        return none, where(none, ones_like(c), c)

    def log_prob(self, value: Any) -> Any:
        """-(1 / c + 1) log(1 + c z) - log(scale)."""
        z, none, c = self._parts(value)
        power = 1 / c + ones_like(z)
        return -log(self.scale) - where(none, z, where(power == 0, power, power * log1p(c * z)))

    def log_survival_function(self, value: Any) -> Any:
        """log P(X > value)."""
        z, none, c = self._parts(value)
        return where(none, -z, -log1p(c * z) / c)

    def log_cdf(self, value: Any) -> Any:
        """log P(X <= value)."""
        return log1p(-exp(self.log_survival_function(value)))

    def cdf(self, value: Any) -> Any:
        """P(X <= value)."""
        return -expm1(self.log_survival_function(value))

    def icdf(self, value: Any) -> Any:
        """loc + scale ((1 - value)**-c - 1) / c."""
        none, c = self._split()
        left = log1p(-value)
        return where(none, self.loc - self.scale * left, self.loc + self.scale / c * expm1(-c * left))

    def entropy(self) -> Any:
        """log(scale) + c + 1."""
        return log(self.scale) + self.concentration + 1
