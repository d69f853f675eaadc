"""The upper halves of two distributions about 0: HalfNormal and HalfCauchy."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ..core.tensor import Tensor
from ..ops.choices import where
from ..ops.creation import full_like, zeros_like
from . import constraints
from .cauchy import Cauchy
from .normal import Normal
from .transformed_distribution import TransformedDistribution
from .transforms import AbsTransform


class _Half(TransformedDistribution):
    """|x| of a distribution that is even."""

    arg_constraints: ClassVar = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    @property
    def scale(self) -> Any:
        """The base's."""
        return self.base_dist.scale  # type: ignore[attr-defined]  # both bases have one

    @property
    def mode(self) -> Any:
        """0."""
        return zeros_like(self.scale)

    def log_prob(self, value: Any) -> Any:
        """The base's and log(2); -inf below 0."""
        self._validate_sample(value)
        return where(value >= 0, self.base_dist.log_prob(value) + math.log(2), -math.inf)

    def cdf(self, value: Any) -> Any:
        """Twice what the base has above 1/2."""
        self._validate_sample(value)
        return 2 * self.base_dist.cdf(value) - 1

    def icdf(self, value: Any) -> Any:
        """The inverse of cdf."""
        return self.base_dist.icdf((value + 1) / 2)

    def entropy(self) -> Any:
        """The base's, less log(2)."""
        return self.base_dist.entropy() - math.log(2)


class HalfNormal(_Half):
    """|x|, x normal with mean 0 and standard deviation scale."""

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(Normal(0, scale, validate_args=False), AbsTransform(), validate_args=validate_args)

    @property
    def mean(self) -> Any:
        """scale sqrt(2 / pi)."""
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self) -> Any:
        """scale**2 (1 - 2 / pi)."""
        return self.scale**2 * (1 - 2 / math.pi)


class HalfCauchy(_Half):
    """|x|, x Cauchy about 0."""

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(Cauchy(0, scale, validate_args=False), AbsTransform(), validate_args=validate_args)

    @property
    def mean(self) -> Any:
        """Infinite."""
        return full_like(self.scale, math.inf)

    @property
    def variance(self) -> Any:
        """Infinite."""
        return full_like(self.scale, math.inf)

    def log_prob(self, value: Any) -> Any:
        """The base's and log(2), also of a number."""
        return super().log_prob(value if isinstance(value, Tensor) else self.scale.new_tensor(value))
