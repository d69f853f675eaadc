"""Student's t and the chi-squared distribution that it is made of."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ..ops.choices import where
from ..ops.exponential import log, log1p, sqrt
from ..ops.random import randn
from ..ops.special import digamma, lgamma
from . import constraints
from .distribution import Distribution
from .gamma import Gamma
from .utils import broadcast_all


class Chi2(Gamma):
    """The sum of the squares of df normal numbers: Gamma(df / 2, 1 / 2)."""

    arg_constraints: ClassVar = {"df": constraints.positive}

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Chi2:
        """The same along new or stretched batch axes."""
        new = super().expand(batch_shape, _instance)
        new.concentration, new.rate = (x.expand(batch_shape) for x in (self.concentration, self.rate))
        return new

    @property
    def df(self) -> Any:
        """The degrees of freedom."""
        return self.concentration * 2


class StudentT(Distribution):
    """loc + scale x / sqrt(z / df), x normal and z chi-squared with df degrees of freedom."""

    arg_constraints: ClassVar = {"df": constraints.positive, "loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None) -> None:
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        super().__init__(self.df.shape, validate_args=validate_args)

    @property
    def mean(self) -> Any:
        """loc; NaN up to 1 degree of freedom."""
        return where(self.df <= 1, math.nan, self.loc)

    @property
    def mode(self) -> Any:
        """loc."""
        return self.loc

    @property
    def variance(self) -> Any:
        """scale**2 df / (df - 2); infinite up to 2 degrees of freedom, NaN up to 1."""
        known = self.df > 2
        value = self.scale**2 * self.df / where(known, self.df - 2, 1.0)
        return where(known, value, where(self.df > 1, math.inf, math.nan))

    def rsample(self, sample_shape: Any = ()) -> Any:
        """PyTorch's from the seed: first the normal numbers, then the chi-squared ones."""
        X = randn(self._extended_shape(sample_shape), dtype=self.df.dtype)
        Z = Chi2(self.df, validate_args=False).rsample(sample_shape)
        return self.loc + self.scale * (X / sqrt(Z / self.df))

    def log_prob(self, value: Any) -> Any:
        """-(df + 1)/2 log(1 + y**2 / df), y = (x - loc) / scale, less the norm's logarithm."""
        self._validate_sample(value)
        y = (value - self.loc) / self.scale
        half = 0.5 * (self.df + 1)
        norm = log(self.scale) + 0.5 * log(self.df) + 0.5 * math.log(math.pi) + lgamma(0.5 * self.df) - lgamma(half)
        return -half * log1p(y**2 / self.df) - norm

    def entropy(self) -> Any:
        """By digamma and the logarithm of the beta function B(df / 2, 1 / 2)."""
        half = 0.5 * (self.df + 1)
        log_beta = lgamma(0.5 * self.df) + math.lgamma(0.5) - lgamma(half)
        return log(self.scale) + half * (digamma(half) - digamma(0.5 * self.df)) + 0.5 * log(self.df) + log_beta
