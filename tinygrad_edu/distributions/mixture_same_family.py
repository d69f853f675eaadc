"""Mixtures of distributions of one kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ..autograd import no_grad
from ..ops.activation import log_softmax
from ..ops.reduction import logsumexp
from . import constraints
from .categorical import Categorical
from .distribution import Distribution


class MixtureSameFamily(Distribution):
    """One of several distributions, chosen anew for each draw.

    Args:
        mixture_distribution: a Categorical that chooses.
        component_distribution: what it chooses from: its last batch axis.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(
        self, mixture_distribution: Categorical, component_distribution: Distribution, validate_args: bool | None = None
    ) -> None:
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(
                f"The mixture distribution must be a Categorical, not {type(mixture_distribution).__name__}"
            )
        if not isinstance(component_distribution, Distribution):
            raise ValueError(f"The component must be a Distribution, not {type(component_distribution).__name__}")
        mixed, parts = mixture_distribution.batch_shape, component_distribution.batch_shape[:-1]
        if any(a != b for a, b in zip(mixed[::-1], parts[::-1], strict=False) if a != 1 and b != 1):
            raise ValueError(
                f"`mixture_distribution.batch_shape` ({mixed}) is not compatible with "
                f"`component_distribution.batch_shape` ({parts})"
            )
        chosen, offered = mixture_distribution.logits.shape[-1], component_distribution.batch_shape[-1]
        if chosen != offered:
            raise ValueError(
                f"`mixture_distribution component` ({chosen}) does not equal `component_distribution.batch_shape[-1]` "
                f"({offered})"
            )
        self._mixture_distribution, self._component_distribution = mixture_distribution, component_distribution
        self._num_component = offered
        super().__init__(parts, component_distribution.event_shape, validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> MixtureSameFamily:
        """The same along new or stretched batch axes."""
        new = super().expand(batch_shape, _instance)
        new._component_distribution = self._component_distribution.expand((*batch_shape, self._num_component))
        new._mixture_distribution = self._mixture_distribution.expand(batch_shape)
        return new

    @constraints.dependent_property
    def support(self) -> Any:
        """The components'."""
        return self._component_distribution.support

    @property
    def mixture_distribution(self) -> Categorical:
        """What chooses."""
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Distribution:
        """What it chooses from."""
        return self._component_distribution

    @property
    def _axis(self) -> int:
        """The components' axis in values padded by one."""
        return -1 - len(self._event_shape)

    def _weights(self) -> Any:
        probs = self._mixture_distribution.probs
        return probs.reshape(*probs.shape, *[1] * len(self._event_shape))

    @property
    def mean(self) -> Any:
        """The components', weighted."""
        return (self._weights() * self._component_distribution.mean).sum(self._axis)

    @property
    def variance(self) -> Any:
        """The mean of the components' variances, and the variance of their means."""
        W, parts = self._weights(), self._component_distribution
        apart = (parts.mean - self.mean.unsqueeze(self._axis)) ** 2
        return (W * parts.variance).sum(self._axis) + (W * apart).sum(self._axis)

    def cdf(self, x: Any) -> Any:
        """The components', weighted."""
        below = self._component_distribution.cdf(x.unsqueeze(self._axis))
        return (below * self._mixture_distribution.probs).sum(-1)

    def log_prob(self, value: Any) -> Any:
        """The logarithm of the components' densities, weighted."""
        self._validate_sample(value)
        parts = self._component_distribution.log_prob(value.unsqueeze(self._axis))
        return logsumexp(parts + log_softmax(self._mixture_distribution.logits, dim=-1), dim=-1)

    def sample(self, sample_shape: Any = ()) -> Any:
        """PyTorch's from the seed: first the choices, then a draw of every component."""
        with no_grad():
            chosen = self._mixture_distribution.sample(sample_shape)
            draws = self._component_distribution.sample(sample_shape)
            event = [1] * len(self._event_shape)
            axis = draws.ndim + self._axis
            places = chosen.reshape(*chosen.shape, 1, *event).expand(*chosen.shape, 1, *self._event_shape)
            return draws.gather(axis, places).squeeze(axis)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(\n  {self._mixture_distribution!r},\n  {self._component_distribution!r})"
