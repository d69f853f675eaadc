"""TransformedDistribution: what comes of another distribution's draws by transforms."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any, ClassVar

from ..autograd import no_grad
from . import constraints
from .distribution import Distribution
from .independent import Independent
from .transforms import ComposeTransform, Transform
from .utils import sum_rightmost


class TransformedDistribution(Distribution):
    """y = t(x), x drawn from a base: its density is the base's at x over how much t stretches there.

    Args:
        base_distribution: what x is drawn from.
        transforms: one Transform, or a list of them, the first one first.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(self, base_distribution: Distribution, transforms: Any, validate_args: bool | None = None) -> None:
        self.transforms = [transforms] if isinstance(transforms, Transform) else transforms
        if not isinstance(self.transforms, list) or not all(isinstance(t, Transform) for t in self.transforms):
            raise ValueError(f"transforms must be a Transform or a list of Transforms, but was {transforms}")
        whole = ComposeTransform(self.transforms)
        shape = base_distribution.batch_shape + base_distribution.event_shape
        own_dim = len(base_distribution.event_shape)
        taken, given = whole.domain.event_dim, whole.codomain.event_dim
        if len(shape) < taken:
            raise ValueError(
                f"base_distribution needs to have shape with size at least {taken}, but got {tuple(shape)}."
            )
        result = whole.forward_shape(shape)
        stretched = whole.inverse_shape(result)
        if stretched != shape:
            base_distribution = base_distribution.expand(stretched[: len(stretched) - own_dim])
        if taken > own_dim:
            base_distribution = Independent(base_distribution, taken - own_dim)
        self.base_dist = base_distribution
        cut = len(result) - max(given, own_dim + given - taken)
        super().__init__(result[:cut], result[cut:], validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> TransformedDistribution:
        """The same along new or stretched batch axes."""
        new = super().expand(batch_shape, _instance)
        shape = (*batch_shape, *self.event_shape)
        for transform in reversed(self.transforms):
            shape = tuple(transform.inverse_shape(shape))
        new.base_dist = self.base_dist.expand(shape[: len(shape) - len(self.base_dist.event_shape)])
        return new

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]  # as the base has
        """Whether draws are differentiable."""
        return self.base_dist.has_rsample

    @constraints.dependent_property(is_discrete=False)
    def support(self) -> Any:
        """What the last transform gives."""
        if not self.transforms:
            return self.base_dist.support
        last = self.transforms[-1].codomain
        more = len(self.event_shape) - last.event_dim
        return constraints.independent(last, more) if more > 0 else last

    def sample(self, sample_shape: Any = ()) -> Any:
        """The base's, transformed."""
        with no_grad():
            return self._through(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Any = ()) -> Any:
        """The base's, transformed."""
        return self._through(self.base_dist.rsample(sample_shape))

    def _through(self, x: Any) -> Any:
        for transform in self.transforms:
            x = transform(x)
        return x

    def _back(self, y: Any) -> Any:
        for transform in reversed(self.transforms):
            y = transform.inv(y)
        return y

    def log_prob(self, value: Any) -> Any:
        """The base's at x, less the logarithm of how much the transforms stretch."""
        self._validate_sample(value)
        dim, y = len(self.event_shape), value
        total: Any = 0.0
        for transform in reversed(self.transforms):
            x = transform.inv(y)
            dim += transform.domain.event_dim - transform.codomain.event_dim
            stretch = transform.log_abs_det_jacobian(x, y)
            total = total - sum_rightmost(stretch, dim - transform.domain.event_dim)
            y = x
        return total + sum_rightmost(self.base_dist.log_prob(y), dim - len(self.base_dist.event_shape))

    def _turned(self, probability: Any) -> Any:
        """p where the transforms grow, 1 - p where they fall."""
        sign = functools.reduce(operator.mul, (t.sign for t in self.transforms), 1)
        return probability if isinstance(sign, int) and sign == 1 else sign * (probability - 0.5) + 0.5

    def cdf(self, value: Any) -> Any:
        """The base's at x."""
        self._validate_sample(value)
        return self._turned(self.base_dist.cdf(self._back(value)))

    def icdf(self, value: Any) -> Any:
        """The base's, transformed."""
        return self._through(self.base_dist.icdf(self._turned(value)))
