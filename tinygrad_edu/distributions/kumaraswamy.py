"""The Kumaraswamy distribution: on (0, 1) like Beta, with a distribution function that is a formula."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from ..ops.choices import where
from ..ops.creation import ones_like, zeros_like
from ..ops.elementwise import reciprocal
from ..ops.exponential import exp, log
from ..ops.special import digamma, lgamma
from . import constraints
from .transformed_distribution import TransformedDistribution
from .transforms import AffineTransform, PowerTransform
from .uniform import Uniform
from .utils import EULER, broadcast_all


class Kumaraswamy(TransformedDistribution):
    """(1 - u**(1 / b))**(1 / a), u uniform, a and b the concentrations 1 and 0."""

    arg_constraints: ClassVar = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        self.concentration1, self.concentration0 = a, b = broadcast_all(concentration1, concentration0)
        transforms = [PowerTransform(reciprocal(b)), AffineTransform(1.0, -1.0), PowerTransform(reciprocal(a))]
        super().__init__(
            Uniform(zeros_like(b), ones_like(b), validate_args=validate_args), transforms, validate_args=validate_args
        )

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Kumaraswamy:
        """The same along new or stretched batch axes."""
        a, b = self.concentration1.expand(batch_shape), self.concentration0.expand(batch_shape)
        return Kumaraswamy(a, b, validate_args=False)

    def _moment(self, n: int) -> Any:
        """The mean of x**n."""
        b, k = self.concentration0, 1 + n / self.concentration1
        return b * exp(lgamma(k) + lgamma(b) - lgamma(k + b))

    @property
    def mean(self) -> Any:
        """b B(1 + 1/a, b), B the beta function."""
        return self._moment(1)

    @property
    def mode(self) -> Any:
        """((a - 1) / (a b - 1))**(1/a), where PyTorch gives NaN; NaN where an end is most probable, or all are."""
        a, b = self.concentration1, self.concentration0
        inner = (a >= 1) & (b >= 1) & (a * b > 1)
        return where(inner, ((a - 1) / where(inner, a * b - 1, 1.0)) ** reciprocal(a), math.nan)

    @property
    def variance(self) -> Any:
        """The mean of x**2 less the squared mean."""
        return self._moment(2) - self.mean**2

    def entropy(self) -> Any:
        """1 - 1/b + (1 - 1/a) H(b) - log(a b), H the harmonic numbers."""
        a, b = self.concentration1, self.concentration0
        return (1 - reciprocal(b)) + (1 - reciprocal(a)) * (digamma(b + 1) + EULER) - log(a) - log(b)
