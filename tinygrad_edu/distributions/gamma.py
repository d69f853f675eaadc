"""The gamma distribution, with draws that are differentiable by both of its parameters."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..autograd import Function
from ..core.write import read
from ..ops.creation import finish
from ..ops.exponential import log, xlogy
from ..ops.implicit import gamma_below, gamma_slope
from ..ops.random_gamma import standard_gamma
from ..ops.special import digamma, lgamma
from . import constraints
from .distribution import Distribution
from .utils import broadcast_all


class _StandardGamma(Function):
    """Draws of rate 1; how they move with the concentration is in ops/implicit.py, to every order."""

    @staticmethod
    def forward(ctx: Any, concentration: Any) -> Any:
        """One draw per element."""
        x = finish(standard_gamma(read(concentration)))
        ctx.save_for_backward(concentration, x)
        return x

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        """grad times dx / d concentration."""
        concentration, x = ctx.saved_tensors
        return grad * gamma_slope(concentration, x)


class Gamma(Distribution):
    """Of density rate**a x**(a - 1) exp(-rate x) / Gamma(a), a the concentration."""

    arg_constraints: ClassVar = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.concentration.shape, validate_args=validate_args)

    @property
    def mean(self) -> Any:
        """a / rate."""
        return self.concentration / self.rate

    @property
    def mode(self) -> Any:
        """(a - 1) / rate, at least 0."""
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Any:
        """a / rate**2."""
        return self.concentration / self.rate**2

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draws of rate 1, PyTorch's from the seed, over the rate; never 0."""
        shape = self._extended_shape(sample_shape)
        value = _StandardGamma.apply(self.concentration.expand(shape)) / self.rate.expand(shape)
        value.detach().clamp_(min=float(np.finfo(value.dtype).tiny))  # a tiny draw over a large rate can be 0
        return value

    def log_prob(self, value: Any) -> Any:
        """a log(rate) + (a - 1) log(x) - rate x - log Gamma(a)."""
        if not hasattr(value, "dtype"):
            value = self.rate.new_tensor(value)
        self._validate_sample(value)
        a = self.concentration
        return xlogy(a, self.rate) + xlogy(a - 1, value) - self.rate * value - lgamma(a)

    def cdf(self, value: Any) -> Any:
        """The regularised lower incomplete gamma function of concentration and rate x."""
        self._validate_sample(value)
        return gamma_below(self.concentration, self.rate * value)

    def entropy(self) -> Any:
        """a - log(rate) + log Gamma(a) + (1 - a) digamma(a)."""
        a = self.concentration
        return a - log(self.rate) + lgamma(a) + (1.0 - a) * digamma(a)
