"""Counts of what happened in so many trials: Binomial and Multinomial."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ..autograd import no_grad
from ..ops.choices import where
from ..ops.creation import arange
from ..ops.exponential import exp, log1p
from ..ops.random_binomial import binomial
from ..ops.rounding import floor
from ..ops.special import lgamma
from . import constraints
from .categorical import OfClasses
from .parameters import Binary
from .utils import broadcast_all, is_number


class Binomial(Binary):
    """How often something of probability probs = sigmoid(logits) happens in total_count trials."""

    arg_constraints: ClassVar = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True

    def __init__(
        self, total_count: Any = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self._number = int(total_count) if is_number(total_count) else None  # of a tensor it is a value
        (self.total_count,) = self._take(probs, logits, total_count)
        super().__init__(self._param.shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        """0 to total_count."""
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Any:
        """n p."""
        return self.total_count * self.probs

    @property
    def mode(self) -> Any:
        """(n + 1) p, rounded down, at most n."""
        return floor((self.total_count + 1) * self.probs).clamp(max=self.total_count)

    @property
    def variance(self) -> Any:
        """n p (1 - p)."""
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draws: PyTorch's from the seed."""
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value: Any) -> Any:
        """k log(p) + (n - k) log(1 - p) by the logit, and the logarithm of the number of ways."""
        self._validate_sample(value)
        n = self.total_count
        ways = lgamma(n + 1) - lgamma(value + 1) - lgamma(n - value + 1)
        z = self.logits
        positive = (z.clamp(min=0) + z - z.clamp(max=0)) / 2  # max(z, 0), whose gradient at 0 is 1/2
        return value * z + ways - n * positive - n * log1p(exp(-z.abs()))

    def entropy(self) -> Any:
        """The sum over all counts."""
        log_p = self.log_prob(self.enumerate_support(False))
        return -(exp(log_p) * log_p).sum(0)

    def enumerate_support(self, expand: bool = True) -> Any:
        """0 to total_count, which must be the same for all."""
        most = self._number
        if most is None:
            most = int(self.total_count.max().item())
            if int(self.total_count.min().item()) != most:
                raise NotImplementedError("Inhomogeneous total count not supported by `enumerate_support`.")
        values = arange(1 + most, dtype=self._param.dtype).reshape(-1, *[1] * len(self._batch_shape))
        return values.expand(-1, *self._batch_shape) if expand else values


class Multinomial(OfClasses):
    """How often each of several classes is drawn in total_count draws.

    Args:
        total_count: a number, the same for all.
        probs: along the last axis, proportional to the probabilities.
        logits: their logarithms, up to a constant.
    """

    def __init__(
        self, total_count: int = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        super().__init__(probs, logits, validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Any:
        """Counts that add up to total_count at most."""
        return constraints.multinomial(self.total_count)

    @property
    def mean(self) -> Any:
        """n p."""
        return self.probs * self.total_count

    @property
    def variance(self) -> Any:
        """n p (1 - p)."""
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draws, counted: PyTorch's from the seed."""
        draws = self._categorical.sample((self.total_count, *sample_shape))
        n_classes = self.event_shape[0]
        return (draws.unsqueeze(-1) == arange(n_classes)).sum(0).to(self.probs.dtype)

    def log_prob(self, value: Any) -> Any:
        """sum k log(p), and the logarithm of the number of ways."""
        self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        ways = lgamma(value.sum(-1) + 1) - lgamma(value + 1).sum(-1)
        logits = where((value == 0) & (logits == -math.inf), 0.0, logits)
        return ways + (logits * value).sum(-1)

    def entropy(self) -> Any:
        """By the entropy of one draw and the binomial counts of each class."""
        n = self.total_count
        each = Binomial(n, probs=self.probs)
        counts = each.enumerate_support(expand=False)[1:]
        expected = (exp(each.log_prob(counts)) * lgamma(counts + 1)).sum((0, -1))
        return n * self._categorical.entropy() - math.lgamma(n + 1) + expected
