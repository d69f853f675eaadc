"""The Cauchy distribution, which has no mean."""

from __future__ import annotations

import math
from typing import Any

from ..ops.creation import empty, full_like
from ..ops.exponential import log, log1p
from ..ops.trigonometry import arctan2, tan
from .parameters import LocScale


class Cauchy(LocScale):
    """Of density 1 / (pi scale (1 + ((x - loc) / scale)**2)): a ratio of two normal numbers."""

    @property
    def mean(self) -> Any:
        """NaN: there is none."""
        return full_like(self.loc, math.nan)

    @property
    def variance(self) -> Any:
        """Infinite."""
        return full_like(self.loc, math.inf)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Standard draws, scaled: PyTorch's from the seed."""
        return self.loc + empty(self._extended_shape(sample_shape), dtype=self.loc.dtype).cauchy_() * self.scale

    def log_prob(self, value: Any) -> Any:
        """-log(pi scale) - log(1 + ((x - loc) / scale)**2)."""
        self._validate_sample(value)
        return -math.log(math.pi) - log(self.scale) - log1p(((value - self.loc) / self.scale) ** 2)

    def cdf(self, value: Any) -> Any:
        """The angle of the point (loc - x, scale) over pi, which is exact also far below loc."""
        self._validate_sample(value)
        return arctan2(self.scale, self.loc - value) / math.pi

    def icdf(self, value: Any) -> Any:
        """The inverse of cdf."""
        return tan(math.pi * (value - 0.5)) * self.scale + self.loc

    def entropy(self) -> Any:
        """log(4 pi scale)."""
        return math.log(4 * math.pi) + log(self.scale)
