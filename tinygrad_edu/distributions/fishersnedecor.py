"""Fisher's and Snedecor's F distribution: a ratio of variances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..ops.choices import where
from ..ops.exponential import log, log1p
from ..ops.special import lgamma
from . import constraints
from .distribution import Distribution
from .gamma import Gamma
from .utils import broadcast_all


class FisherSnedecor(Distribution):
    """(x / df1) / (y / df2), x and y chi-squared with df1 and df2 degrees of freedom."""

    arg_constraints: ClassVar = {"df1": constraints.positive, "df2": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, df1: Any, df2: Any, validate_args: bool | None = None) -> None:
        self.df1, self.df2 = broadcast_all(df1, df2)
        self._gammas = [Gamma(df * 0.5, df) for df in (self.df1, self.df2)]
        super().__init__(self.df1.shape, validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> FisherSnedecor:
        """The same along new or stretched batch axes."""
        new = super().expand(batch_shape, _instance)
        new._gammas = [gamma.expand(batch_shape) for gamma in self._gammas]
        return new

    @property
    def mean(self) -> Any:
        """df2 / (df2 - 2); NaN up to df2 = 2."""
        df2 = where(self.df2 <= 2, math.nan, self.df2)
        return df2 / (df2 - 2)

    @property
    def mode(self) -> Any:
        """(df1 - 2) / df1 * df2 / (df2 + 2); NaN up to df1 = 2."""
        mode = (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2)
        return where(self.df1 <= 2, math.nan, mode)

    @property
    def variance(self) -> Any:
        """NaN up to df2 = 4."""
        df1, df2 = self.df1, where(self.df2 <= 4, math.nan, self.df2)
        return 2 * df2**2 * (df1 + df2 - 2) / (df1 * (df2 - 2) ** 2 * (df2 - 4))

    def rsample(self, sample_shape: Any = ()) -> Any:
        """A ratio of gamma draws: PyTorch's from the seed."""
        tiny = float(np.finfo(self.df1.dtype).tiny)
        X1, X2 = (gamma.rsample(sample_shape) for gamma in self._gammas)
        return (X1 / X2.clamp(min=tiny)).clamp(min=tiny)

    def log_prob(self, value: Any) -> Any:
        """By the beta function of half the degrees of freedom."""
        self._validate_sample(value)
        half1, half2, ratio = self.df1 * 0.5, self.df2 * 0.5, self.df1 / self.df2
        norm = lgamma(half1 + half2) - lgamma(half1) - lgamma(half2)
        return norm + half1 * log(ratio) + (half1 - 1) * log(value) - (half1 + half2) * log1p(ratio * value)
