"""Counts until something happens: Geometric and NegativeBinomial."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..autograd import no_grad
from ..ops.activation import logsigmoid, sigmoid
from ..ops.choices import where
from ..ops.creation import empty, zeros_like
from ..ops.exponential import exp, log, log1p
from ..ops.losses_binary import binary_cross_entropy_with_logits
from ..ops.random import poisson
from ..ops.rounding import floor
from ..ops.special import lgamma
from . import constraints
from .gamma import Gamma
from .parameters import Binary
from .utils import broadcast_all, require


class Geometric(Binary):
    """How often something of probability probs = sigmoid(logits) fails before it happens: 0, 1, 2 ..."""

    support = constraints.nonnegative_integer

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._take(probs, logits)
        super().__init__(self._param.shape, validate_args=validate_args)
        if self._validate_args and probs is not None:
            require(
                constraints.greater_than(0.0).check(self.probs),
                "Geometric: parameter probs has invalid values: 0",
                lambda: (
                    f"Expected parameter probs (Tensor of shape {tuple(self.probs.shape)}) of distribution {self!r} to "
                    f"be positive but found invalid values:\n{self.probs}"
                ),
            )

    @property
    def mean(self) -> Any:
        """1/p - 1."""
        return 1 / self.probs - 1

    @property
    def mode(self) -> Any:
        """0."""
        return zeros_like(self.probs)

    @property
    def variance(self) -> Any:
        """(1/p - 1) / p."""
        return (1 / self.probs - 1) / self.probs

    def sample(self, sample_shape: Any = ()) -> Any:
        """By the inverse of the distribution function: PyTorch's from the seed."""
        with no_grad():
            u = empty(self._extended_shape(sample_shape), dtype=self.probs.dtype)
            u.uniform_(float(np.finfo(u.dtype).tiny), 1)
            return floor(log(u) / log1p(-self.probs))

    def log_prob(self, value: Any) -> Any:
        """k log(1 - p) + log(p)."""
        self._validate_sample(value)
        value, probs = broadcast_all(value, self.probs)
        failing = where((probs == 1) & (value == 0), 0.0, probs)
        return value * log1p(-failing) + log(self.probs)

    def entropy(self) -> Any:
        """That of one trial, over p."""
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs


class NegativeBinomial(Binary):
    """How often something of probability probs happens before it has failed total_count times."""

    arg_constraints: ClassVar = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(
        self, total_count: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        (self.total_count,) = self._take(probs, logits, total_count)
        super().__init__(self._param.shape, validate_args=validate_args)

    @property
    def mean(self) -> Any:
        """n exp(logits)."""
        return self.total_count * exp(self.logits)

    @property
    def mode(self) -> Any:
        """(n - 1) exp(logits), rounded down, at least 0."""
        return floor((self.total_count - 1) * exp(self.logits)).clamp(min=0.0)

    @property
    def variance(self) -> Any:
        """The mean over 1 - p."""
        return self.mean / sigmoid(-self.logits)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Poisson counts whose rates are gamma draws: PyTorch's from the seed."""
        with no_grad():
            rates = Gamma(self.total_count, exp(-self.logits), validate_args=False).sample(sample_shape)
            return poisson(rates)

    def log_prob(self, value: Any) -> Any:
        """n log(1 - p) + k log(p), and the logarithm of the number of ways."""
        self._validate_sample(value)
        n = self.total_count
        part = n * logsigmoid(-self.logits) + value * logsigmoid(self.logits)
        ways = -lgamma(n + value) + lgamma(1.0 + value) + lgamma(n)
        return part - where(n + value == 0, 0.0, ways)
