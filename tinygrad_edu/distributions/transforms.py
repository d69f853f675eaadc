"""Transforms of numbers, vectors and matrices; see transform.py for what a transform is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.value import Size
from ..ops.activation import logsigmoid, sigmoid, softmax, softplus, tanh
from ..ops.exponential import exp, expm1, log, log1p
from ..ops.windows import pad
from . import constraints
from .correlation import CorrCholeskyTransform
from .transform import (
    Alike,
    ComposeTransform,
    IndependentTransform,
    ReshapeTransform,
    Transform,
    identity_transform,
)

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "ComposeTransform",
    "CorrCholeskyTransform",
    "CumulativeDistributionTransform",
    "ExpTransform",
    "IndependentTransform",
    "LowerCholeskyTransform",
    "PowerTransform",
    "ReshapeTransform",
    "SigmoidTransform",
    "SoftmaxTransform",
    "SoftplusTransform",
    "StickBreakingTransform",
    "TanhTransform",
    "Transform",
    "identity_transform",
]


class _Growing(Alike):
    """Bijective, growing."""

    bijective = True
    sign = 1


class ExpTransform(_Growing):
    """y = exp(x)."""

    domain = constraints.real
    codomain = constraints.positive

    def _call(self, x: Any) -> Any:
        return exp(x)

    def _inverse(self, y: Any) -> Any:
        return log(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """x."""
        return x


class PowerTransform(Transform):
    """y = x**exponent, of positive numbers."""

    domain = constraints.positive
    codomain = constraints.positive
    bijective = True

    def __init__(self, exponent: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.exponent = exponent

    @property
    def sign(self) -> Any:
        """That of the exponent."""
        return self.exponent.sign() if hasattr(self.exponent, "sign") else int(math.copysign(1, self.exponent))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PowerTransform) and _equal(self.exponent, other.exponent)

    __hash__ = None  # type: ignore[assignment]

    def _call(self, x: Any) -> Any:
        return x**self.exponent

    def _inverse(self, y: Any) -> Any:
        return y ** (1 / self.exponent)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """log |exponent y / x|."""
        return log((self.exponent * y / x).abs())


class SigmoidTransform(_Growing):
    """y = sigmoid(x), kept off 0 and 1."""

    domain = constraints.real
    codomain = constraints.unit_interval

    def _call(self, x: Any) -> Any:
        return _inside(sigmoid(x))

    def _inverse(self, y: Any) -> Any:
        y = _inside(y)
        return log(y) - log1p(-y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """log(y (1 - y))."""
        return -softplus(-x) - softplus(x)


class SoftplusTransform(_Growing):
    """y = log(1 + exp(x))."""

    domain = constraints.real
    codomain = constraints.positive

    def _call(self, x: Any) -> Any:
        return softplus(x)

    def _inverse(self, y: Any) -> Any:
        return log(-expm1(-y)) + y

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """log sigmoid(x)."""
        return -softplus(-x)


class TanhTransform(_Growing):
    """y = tanh(x). Its inverse loses all digits near 1: take cache_size=1 to get x back."""

    domain = constraints.real
    codomain = constraints.interval(-1.0, 1.0)

    def _call(self, x: Any) -> Any:
        return tanh(x)

    def _inverse(self, y: Any) -> Any:
        return y.atanh()

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """log(1 - tanh(x)**2), without a difference."""
        return 2 * (math.log(2) - x - softplus(-2 * x))


class AbsTransform(Alike):
    """y = |x|; the inverse gives y."""

    domain = constraints.real
    codomain = constraints.positive

    def _call(self, x: Any) -> Any:
        return x.abs()

    def _inverse(self, y: Any) -> Any:
        return y


class AffineTransform(Transform):
    """y = loc + scale x.

    Args:
        event_dim: how many of the last axes are mapped together.
    """

    bijective = True

    def __init__(self, loc: Any, scale: Any, event_dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.loc, self.scale, self._event_dim = loc, scale, event_dim

    @property
    def event_dim(self) -> int:
        """How many of the last axes are mapped together."""
        return self._event_dim

    @property
    def domain(self) -> Any:
        """Real."""
        return constraints.independent(constraints.real, self._event_dim) if self._event_dim else constraints.real

    @property
    def codomain(self) -> Any:
        """Real."""
        return self.domain

    @property
    def sign(self) -> Any:
        """That of the scale."""
        if isinstance(self.scale, (int, float)):
            return (self.scale > 0) - (self.scale < 0)
        return self.scale.sign()

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, AffineTransform)
        return same and _equal(self.loc, other.loc) and _equal(self.scale, other.scale)  # type: ignore[attr-defined]

    __hash__ = None  # type: ignore[assignment]

    def _call(self, x: Any) -> Any:
        return self.loc + self.scale * x

    def _inverse(self, y: Any) -> Any:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """log |scale|."""
        shape = tuple(x.shape)
        if isinstance(self.scale, (int, float)):
            result = x.new_full(shape, math.log(abs(self.scale)))
        else:
            result = log(self.scale.abs())
        if self._event_dim:
            result = result.expand(np.broadcast_shapes(result.shape, shape)).sum(tuple(range(-self._event_dim, 0)))
            shape = shape[: -self._event_dim]
        return result.expand(np.broadcast_shapes(result.shape, shape))

    def forward_shape(self, shape: Sequence[int]) -> Size:
        """Stretched to loc's and scale's."""
        parts = (getattr(self.loc, "shape", ()), getattr(self.scale, "shape", ()))
        return Size(np.broadcast_shapes(tuple(shape), *map(tuple, parts)))

    inverse_shape = forward_shape


class CumulativeDistributionTransform(Transform):
    """y = the cdf of a distribution."""

    bijective = True
    codomain = constraints.unit_interval
    sign = 1

    def __init__(self, distribution: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.distribution = distribution

    @property
    def domain(self) -> Any:
        """What it can draw."""
        return self.distribution.support

    def _call(self, x: Any) -> Any:
        return self.distribution.cdf(x)

    def _inverse(self, y: Any) -> Any:
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """Its log_prob."""
        return self.distribution.log_prob(x)


# --- of vectors and matrices


class SoftmaxTransform(Alike):
    """Vectors to probabilities; not bijective, the inverse gives their logarithms."""

    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x: Any) -> Any:
        return softmax(x, dim=-1)

    def _inverse(self, y: Any) -> Any:
        return log(y)


class StickBreakingTransform(Alike):
    """n numbers to n + 1 probabilities: each says which part of what is left is broken off."""

    domain = constraints.real_vector
    codomain = constraints.simplex
    bijective = True

    @staticmethod
    def _offset(x: Any, n: int) -> Any:
        return log(n + 1 - x.new_ones(n).cumsum(-1))  # so that zeros give equal probabilities

    def _call(self, x: Any) -> Any:
        part = _inside(sigmoid(x - self._offset(x, x.shape[-1])))
        left = (1 - part).cumprod(-1)
        return pad(part, (0, 1), value=1) * pad(left, (1, 0), value=1)

    def _inverse(self, y: Any) -> Any:
        broken = y[..., :-1]
        left = (1 - broken.cumsum(-1)).clamp(min=float(np.finfo(y.dtype).tiny))
        return log(broken) - log(left) + self._offset(y, broken.shape[-1])

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """That of a triangular matrix: the sum of its diagonal's logarithms."""
        z = x - self._offset(x, x.shape[-1])
        return (-z + logsigmoid(z) + log(y[..., :-1])).sum(-1)

    def forward_shape(self, shape: Sequence[int]) -> Size:
        """One more."""
        return Size((*shape[:-1], shape[-1] + 1))

    def inverse_shape(self, shape: Sequence[int]) -> Size:
        """One less."""
        return Size((*shape[:-1], shape[-1] - 1))


class LowerCholeskyTransform(Alike):
    """Matrices to lower triangular ones with a positive diagonal, by exp on the diagonal."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def _call(self, x: Any) -> Any:
        return x.tril(-1) + exp(x.diagonal(dim1=-2, dim2=-1)).diag_embed()

    def _inverse(self, y: Any) -> Any:
        return y.tril(-1) + log(y.diagonal(dim1=-2, dim2=-1)).diag_embed()


def _inside(y: Any) -> Any:
    """Probabilities kept off 0 and 1."""
    info = np.finfo(y.dtype)
    return y.clamp(min=float(info.tiny), max=1 - float(info.eps))


def _equal(a: Any, b: Any) -> bool:
    return a is b or bool(np.all(np.equal(_values(a), _values(b))))


def _values(x: Any) -> Any:
    return x.detach().numpy() if hasattr(x, "detach") else x
