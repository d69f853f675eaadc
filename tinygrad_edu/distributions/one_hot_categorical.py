"""The categorical distribution with classes as one-hot vectors."""

from __future__ import annotations

from typing import Any

from ..ops.creation import eye
from ..ops.gathering import one_hot
from . import constraints
from .categorical import OfClasses


class OneHotCategorical(OfClasses):
    """A vector with a 1 for the class that was drawn.

    Args:
        probs: along the last axis, proportional to the probabilities.
        logits: their logarithms, up to a constant.
    """

    support = constraints.one_hot
    has_enumerate_support = True

    @property
    def mean(self) -> Any:
        """probs."""
        return self.probs

    @property
    def mode(self) -> Any:
        """The most probable class."""
        return self._hot(self.probs.argmax(-1))

    @property
    def variance(self) -> Any:
        """p (1 - p)."""
        return self.probs * (1 - self.probs)

    def _hot(self, classes: Any) -> Any:
        return one_hot(classes, self.event_shape[0]).to(self.probs.dtype)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draws: PyTorch's from the seed."""
        return self._hot(self._categorical.sample(sample_shape))

    def log_prob(self, value: Any) -> Any:
        """The class's logit."""
        self._validate_sample(value)
        return self._categorical.log_prob(value.argmax(-1))

    def entropy(self) -> Any:
        """That of the classes."""
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True) -> Any:
        """All classes."""
        n = self.event_shape[0]
        values = eye(n, dtype=self.probs.dtype).reshape(n, *[1] * len(self._batch_shape), n)
        return values.expand(n, *self._batch_shape, n) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """The same; rsample's draws have the gradient that the probabilities would have in their place."""

    has_rsample = True

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draws, with the gradient of probs."""
        return self.sample(sample_shape) + (self.probs - self.probs.detach())
