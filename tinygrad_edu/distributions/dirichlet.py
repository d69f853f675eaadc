"""The Dirichlet distribution: shares that sum to 1, with draws differentiable by the concentrations."""

from __future__ import annotations

from typing import Any, ClassVar

from ..autograd import Function
from ..core.write import read
from ..ops.choices import where
from ..ops.creation import finish
from ..ops.exponential import xlogy
from ..ops.gathering import one_hot
from ..ops.implicit import beta_slope
from ..ops.random_gamma import dirichlet
from ..ops.special import digamma, lgamma
from . import constraints
from .distribution import Distribution


class _Shares(Function):
    """Draws; each share is a beta number, the others keep their proportions as it moves."""

    @staticmethod
    def forward(ctx: Any, concentration: Any) -> Any:
        """One draw along the last axis."""
        x = finish(dirichlet(read(concentration)))
        ctx.save_for_backward(concentration, x)
        return x

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        """As share i grows by dx[i], each other one falls by its part x[j] / (1 - x[i]) of that."""
        a, x = ctx.saved_tensors
        rest = a.sum(-1, keepdim=True) - a
        return beta_slope(a, rest, x) * (grad - (x * grad).sum(-1, keepdim=True))


class Dirichlet(Distribution):
    """Shares x along the last axis, of density proportional to prod x**(concentration - 1)."""

    arg_constraints: ClassVar = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, concentration: Any, validate_args: bool | None = None) -> None:
        if concentration.ndim < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args=validate_args)

    @property
    def mean(self) -> Any:
        """The concentrations' shares."""
        return self.concentration / self.concentration.sum(-1, keepdim=True)

    @property
    def mode(self) -> Any:
        """The shares of concentration - 1; where all are below 1 each corner is one, and the first is given."""
        above = (self.concentration - 1).clamp(min=0.0)
        total = above.sum(-1, keepdim=True)
        shares = above / where(total == 0, 1.0, total)
        corner = one_hot(shares.argmax(-1), shares.shape[-1]).to(shares.dtype)
        return where((self.concentration < 1).all(-1, keepdim=True), corner, shares)

    @property
    def variance(self) -> Any:
        """a (s - a) / (s**2 (s + 1)), s the sum."""
        total = self.concentration.sum(-1, keepdim=True)
        return self.concentration * (total - self.concentration) / (total**2 * (total + 1))

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draws: PyTorch's from the seed."""
        return _Shares.apply(self.concentration.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Any) -> Any:
        """sum (a - 1) log(x), less the logarithm of the multivariate beta function."""
        self._validate_sample(value)
        a = self.concentration
        return xlogy(a - 1.0, value).sum(-1) + lgamma(a.sum(-1)) - lgamma(a).sum(-1)

    def entropy(self) -> Any:
        """In nats; see `log_prob`."""
        a, k = self.concentration, self.concentration.shape[-1]
        total = a.sum(-1)
        return lgamma(a).sum(-1) - lgamma(total) - (k - total) * digamma(total) - ((a - 1.0) * digamma(a)).sum(-1)
