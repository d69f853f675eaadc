"""The log-normal distribution: exp of a normal number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ..ops.exponential import exp, expm1, log
from . import constraints
from .distribution import Distribution
from .normal import Normal


class LogNormal(Distribution):
    """exp(x), x normal with mean loc and standard deviation scale."""

    arg_constraints: ClassVar = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.base_dist = Normal(loc, scale, validate_args=validate_args)
        super().__init__(self.base_dist.batch_shape, validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> LogNormal:
        """The same along new or stretched batch axes."""
        new = super().expand(batch_shape, _instance)
        new.base_dist = self.base_dist.expand(batch_shape)
        return new

    @property
    def loc(self) -> Any:
        """The mean of the logarithm."""
        return self.base_dist.loc

    @property
    def scale(self) -> Any:
        """The standard deviation of the logarithm."""
        return self.base_dist.scale

    @property
    def mean(self) -> Any:
        """exp(loc + scale**2 / 2)."""
        return exp(self.loc + self.scale**2 / 2)

    @property
    def mode(self) -> Any:
        """exp(loc - scale**2)."""
        return exp(self.loc - self.scale**2)

    @property
    def variance(self) -> Any:
        """(exp(scale**2) - 1) exp(2 loc + scale**2)."""
        return expm1(self.scale**2) * exp(2 * self.loc + self.scale**2)

    def sample(self, sample_shape: Any = ()) -> Any:
        """exp of the normal's draws."""
        return exp(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Any = ()) -> Any:
        """exp of the normal's differentiable draws."""
        return exp(self.base_dist.rsample(sample_shape))

    def log_prob(self, value: Any) -> Any:
        """The normal's at log(x), less log(x)."""
        self._validate_sample(value)
        return self.base_dist.log_prob(log(value)) - log(value)

    def cdf(self, value: Any) -> Any:
        """The normal's at log(x)."""
        return self.base_dist.cdf(log(value))

    def icdf(self, value: Any) -> Any:
        """exp of the normal's."""
        return exp(self.base_dist.icdf(value))

    def entropy(self) -> Any:
        """The normal's, plus loc."""
        return self.base_dist.entropy() + self.loc
