"""The Laplace distribution."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops.creation import empty
from ..ops.exponential import expm1, log, log1p
from .parameters import LocScale


class Laplace(LocScale):
    """Of density exp(-|x - loc| / scale) / (2 scale)."""

    @property
    def variance(self) -> Any:
        """2 scale**2."""
        return 2 * self.scale**2

    @property
    def stddev(self) -> Any:
        """sqrt(2) scale."""
        return 2**0.5 * self.scale

    def rsample(self, sample_shape: Any = ()) -> Any:
        """By the inverse of cdf: PyTorch's from the seed."""
        low = float(np.finfo(self.loc.dtype).eps) - 1
        u = empty(self._extended_shape(sample_shape), dtype=self.loc.dtype).uniform_(low, 1)
        return self.loc - self.scale * u.sign() * log1p(-u.abs())

    def log_prob(self, value: Any) -> Any:
        """-log(2 scale) - |x - loc| / scale."""
        self._validate_sample(value)
        return -log(2 * self.scale) - (value - self.loc).abs() / self.scale

    def cdf(self, value: Any) -> Any:
        """exp(-|x - loc| / scale) / 2 below loc, 1 minus that above."""
        self._validate_sample(value)
        D = value - self.loc
        return 0.5 - 0.5 * D.sign() * expm1(-D.abs() / self.scale)

    def icdf(self, value: Any) -> Any:
        """The inverse of cdf."""
        term = value - 0.5
        return self.loc - self.scale * term.sign() * log1p(-2 * term.abs())

    def entropy(self) -> Any:
        """1 + log(2 scale)."""
        return 1 + log(2 * self.scale)
