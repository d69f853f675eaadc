"""The exponential distribution."""

from __future__ import annotations

from typing import Any, ClassVar

from ..ops.creation import empty, zeros_like
from ..ops.exponential import expm1, log, log1p
from . import constraints
from .distribution import Distribution
from .utils import broadcast_all


class Exponential(Distribution):
    """Of density rate exp(-rate x)."""

    arg_constraints: ClassVar = {"rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self) -> Any:
        """1 / rate."""
        return 1 / self.rate

    @property
    def mode(self) -> Any:
        """0."""
        return zeros_like(self.rate)

    @property
    def stddev(self) -> Any:
        """1 / rate."""
        return 1 / self.rate

    @property
    def variance(self) -> Any:
        """1 / rate**2."""
        return self.rate**-2

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Standard exponentials over the rate: PyTorch's from the seed."""
        return empty(self._extended_shape(sample_shape), dtype=self.rate.dtype).exponential_() / self.rate

    def log_prob(self, value: Any) -> Any:
        """log(rate) - rate x."""
        self._validate_sample(value)
        return log(self.rate) - self.rate * value

    def cdf(self, value: Any) -> Any:
        """1 - exp(-rate x), exact near 0."""
        self._validate_sample(value)
        return -expm1(-self.rate * value)

    def icdf(self, value: Any) -> Any:
        """-log(1 - p) / rate."""
        return -log1p(-value) / self.rate

    def entropy(self) -> Any:
        """1 - log(rate)."""
        return 1.0 - log(self.rate)
