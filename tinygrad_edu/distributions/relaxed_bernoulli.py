"""Relaxed Bernoulli and categorical distributions: numbers between the classes, with gradients.

Sources: Maddison, Mnih and Teh, "The concrete distribution" (2017); Jang, Gu and Poole, "Categorical
reparameterization with Gumbel-softmax" (2017).
"""

from __future__ import annotations

from typing import Any, ClassVar

from ..ops.activation import softplus
from ..ops.creation import full_like
from ..ops.exponential import log, log1p
from ..ops.random import rand
from ..ops.reduction import logsumexp
from ..ops.special import lgamma
from . import constraints
from .categorical import OfClasses
from .parameters import Binary
from .transformed_distribution import TransformedDistribution
from .transforms import ExpTransform, SigmoidTransform
from .utils import broadcast_all, clamp_probs


class LogitRelaxedBernoulli(Binary):
    """The logit of a RelaxedBernoulli: (logits + log(u / (1 - u))) / temperature, u uniform."""

    support = constraints.real
    has_rsample = True

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self.temperature = temperature
        self._take(probs, logits)
        super().__init__(self._param.shape, validate_args=validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """PyTorch's from the seed."""
        shape = self._extended_shape(sample_shape)
        probs = clamp_probs(self.probs.expand(shape))
        u = clamp_probs(rand(shape, dtype=probs.dtype))
        return (log(u) - log1p(-u) + log(probs) - log1p(-probs)) / self.temperature

    def log_prob(self, value: Any) -> Any:
        """log(t) + d - 2 log(1 + exp(d)), d = logits - t x."""
        self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        difference = logits - value * self.temperature
        return log(self.temperature) + difference - 2 * softplus(difference)


class ExpRelaxedCategorical(OfClasses):
    """The logarithm of a RelaxedOneHotCategorical."""

    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self.temperature = temperature
        super().__init__(probs, logits, validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Logits with Gumbel noise over the temperature, normalized: PyTorch's from the seed."""
        u = clamp_probs(rand(self._extended_shape(sample_shape), dtype=self.logits.dtype))
        scores = (self.logits - log(-log(u))) / self.temperature
        return scores - logsumexp(scores, dim=-1, keepdim=True)

    def log_prob(self, value: Any) -> Any:
        """The sum of normalized scores logits - t x, and the logarithm of Gamma(n) t**(n - 1)."""
        self._validate_sample(value)
        n = self.event_shape[0]
        logits, value = broadcast_all(self.logits, value)
        t = self.temperature
        norm = lgamma(full_like(t, float(n))) + (n - 1) * log(t)
        scores = logits - value * t
        return (scores - logsumexp(scores, dim=-1, keepdim=True)).sum(-1) + norm


class _Relaxed(TransformedDistribution):
    """What a distribution with a temperature becomes by a transform; its parameters are the base's."""

    has_rsample = True

    @property
    def temperature(self) -> Any:
        """How soft the draws are."""
        return self.base_dist.temperature  # type: ignore[attr-defined]  # of the bases above

    @property
    def logits(self) -> Any:
        """The logits, as they were given or as the probabilities say."""
        return self.base_dist.logits  # type: ignore[attr-defined]

    @property
    def probs(self) -> Any:
        """The probabilities."""
        return self.base_dist.probs  # type: ignore[attr-defined]


class RelaxedBernoulli(_Relaxed):
    """Numbers in (0, 1), the nearer to its ends the lower the temperature."""

    arg_constraints: ClassVar = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        base = LogitRelaxedBernoulli(temperature, probs, logits)
        super().__init__(base, SigmoidTransform(), validate_args=validate_args)


class RelaxedOneHotCategorical(_Relaxed):
    """Probabilities, the nearer to one-hot the lower the temperature."""

    arg_constraints: ClassVar = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.simplex

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        base = ExpRelaxedCategorical(temperature, probs, logits, validate_args=validate_args)
        super().__init__(base, ExpTransform(), validate_args=validate_args)
