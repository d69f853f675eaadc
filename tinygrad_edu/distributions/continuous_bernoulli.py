"""The continuous Bernoulli distribution: numbers in [0, 1] of density proportional to p**x (1 - p)**(1 - x).

Source: Loaiza-Ganem and Cunningham, "The continuous Bernoulli: fixing a pervasive error in variational autoencoders"
(2019).
"""

from __future__ import annotations

import math
from typing import Any

from ..ops.choices import where
from ..ops.creation import ones_like, zeros_like
from ..ops.exponential import log, log1p
from ..ops.losses_binary import binary_cross_entropy_with_logits
from ..ops.random import rand
from . import constraints
from .parameters import Binary
from .utils import broadcast_all, clamp_probs, lazy_property, logits_to_probs


class ContinuousBernoulli(Binary):
    """Given by probs, or by logits; neither is a probability here.

    Args:
        lims: between these p formulas with 0 / 0 at p = 1/2 are replaced by their series.
    """

    support = constraints.unit_interval
    has_rsample = True

    def __init__(
        self,
        probs: Any = None,
        logits: Any = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:
        self._take(probs, logits)
        self._lims = lims
        super().__init__(self._param.shape, validate_args=validate_args)
        if probs is not None:  # after they were checked
            self.probs = clamp_probs(self.probs)

    @lazy_property
    def probs(self) -> Any:
        """p, kept off 0 and 1."""
        return clamp_probs(logits_to_probs(self.logits, is_binary=True))

    def _stable(self) -> Any:
        return (self.probs <= self._lims[0]) | (self.probs > self._lims[1])

    def _cut_probs(self) -> Any:
        """p, off the middle."""
        return where(self._stable(), self.probs, self._lims[0])

    def _cont_bern_log_norm(self) -> Any:
        """The logarithm of 2 artanh(1 - 2p) / (1 - 2p), by which the density integrates to 1."""
        p = self._cut_probs()
        below, above = where(p <= 0.5, p, 0.0), where(p >= 0.5, p, 1.0)
        norm = log((log1p(-p) - log(p)).abs()) - where(p <= 0.5, log1p(-2.0 * below), log(2.0 * above - 1.0))
        x = (self.probs - 0.5) ** 2
        return where(self._stable(), norm, math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x)

    @property
    def mean(self) -> Any:
        """p / (2p - 1) + 1 / (2 artanh(1 - 2p)); 1/2 in the middle."""
        p = self._cut_probs()
        mean = p / (2.0 * p - 1.0) + 1.0 / (log1p(-p) - log(p))
        x = self.probs - 0.5
        return where(self._stable(), mean, 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x**2) * x)

    @property
    def variance(self) -> Any:
        """1/12 in the middle."""
        p = self._cut_probs()
        variance = p * (p - 1.0) / (1.0 - 2.0 * p) ** 2 + 1.0 / (log1p(-p) - log(p)) ** 2
        x = (self.probs - 0.5) ** 2
        return where(self._stable(), variance, 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """By the inverse of the distribution function: PyTorch's from the seed."""
        return self.icdf(rand(self._extended_shape(sample_shape), dtype=self.probs.dtype))

    def log_prob(self, value: Any) -> Any:
        """x log(p) + (1 - x) log(1 - p), and the logarithm of the norm."""
        self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value, reduction="none") + self._cont_bern_log_norm()

    def cdf(self, value: Any) -> Any:
        """(p**x (1 - p)**(1 - x) + p - 1) / (2p - 1)."""
        self._validate_sample(value)
        p = self._cut_probs()
        cdf = (p**value * (1.0 - p) ** (1.0 - value) + p - 1.0) / (2.0 * p - 1.0)
        within = where(self._stable(), cdf, value)
        return where(value <= 0.0, zeros_like(value), where(value >= 1.0, ones_like(value), within))

    def icdf(self, value: Any) -> Any:
        """The inverse of cdf."""
        p = self._cut_probs()
        inverse = (log1p(-p + value * (2.0 * p - 1.0)) - log1p(-p)) / (log(p) - log1p(-p))
        return where(self._stable(), inverse, value)

    def entropy(self) -> Any:
        """-log_prob at the mean, in which it is linear."""
        low, high = log1p(-self.probs), log(self.probs)
        return self.mean * (low - high) - self._cont_bern_log_norm() - low
