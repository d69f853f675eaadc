"""The logistic normal distribution: probabilities made of normal numbers."""

from __future__ import annotations

from typing import Any, ClassVar

from . import constraints
from .normal import Normal
from .transformed_distribution import TransformedDistribution
from .transforms import StickBreakingTransform


class LogisticNormal(TransformedDistribution):
    """n + 1 probabilities from n normal numbers, by breaking a stick."""

    arg_constraints: ClassVar = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        base = Normal(loc, scale, validate_args=validate_args)
        if not base.batch_shape:
            base = base.expand((1,))
        super().__init__(base, StickBreakingTransform(), validate_args=validate_args)

    @property
    def loc(self) -> Any:
        """The normal numbers' means."""
        return self.base_dist.base_dist.loc  # type: ignore[attr-defined]  # an Independent of the Normal

    @property
    def scale(self) -> Any:
        """The normal numbers' standard deviations."""
        return self.base_dist.base_dist.scale  # type: ignore[attr-defined]
