"""The normal distribution."""

from __future__ import annotations

import math
from typing import Any

from ..autograd import no_grad
from ..ops.creation import empty
from ..ops.exponential import log
from ..ops.random import normal
from ..ops.special import erfc, erfinv
from .parameters import LocScale


class Normal(LocScale):
    """Of density exp(-(x - loc)**2 / (2 scale**2)) / (scale sqrt(2 pi)).

    >>> from tinygrad_edu import tensor
    >>> Normal(0.0, 2.0).log_prob(tensor(0.0))
    tensor(-1.6121)
    """

    @property
    def stddev(self) -> Any:
        """scale."""
        return self.scale

    @property
    def variance(self) -> Any:
        """scale squared."""
        return self.scale**2

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draws: PyTorch's from the seed."""
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return normal(self.loc.expand(shape), self.scale.expand(shape))

    def rsample(self, sample_shape: Any = ()) -> Any:
        """loc + scale times standard normals."""
        return self.loc + empty(self._extended_shape(sample_shape), dtype=self.loc.dtype).normal_() * self.scale

    def log_prob(self, value: Any) -> Any:
        """-((x - loc) / scale)**2 / 2 - log(scale) - log(2 pi) / 2."""
        self._validate_sample(value)
        return -0.5 * ((value - self.loc) / self.scale) ** 2 - log(self.scale) - 0.5 * math.log(2 * math.pi)

    def cdf(self, value: Any) -> Any:
        """By erfc, which is exact also far below loc."""
        self._validate_sample(value)
        return 0.5 * erfc((self.loc - value) / self.scale * math.sqrt(0.5))

    def icdf(self, value: Any) -> Any:
        """By erfinv."""
        return self.loc + self.scale * erfinv(2 * value - 1) * math.sqrt(2)

    def entropy(self) -> Any:
        """log(scale) + (1 + log(2 pi)) / 2."""
        return 0.5 + 0.5 * math.log(2 * math.pi) + log(self.scale)
