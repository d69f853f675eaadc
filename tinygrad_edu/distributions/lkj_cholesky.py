"""The LKJ distribution of correlation matrices, by their triangular roots.

Source: Lewandowski, Kurowicka and Joe, "Generating random correlation matrices based on vines and extended onion
method", Journal of Multivariate Analysis 100 (2009), 1989.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..ops.creation import arange, tensor
from ..ops.diagonals import diag_embed
from ..ops.exponential import log, sqrt
from ..ops.matrix_norm import norm
from ..ops.random import randn
from ..ops.special import lgamma, mvlgamma
from . import constraints
from .beta import Beta
from .distribution import Distribution
from .utils import broadcast_all


class LKJCholesky(Distribution):
    """L, lower triangular with rows of length 1, so that L L.mT is a correlation matrix of density ~ det**(c - 1).

    Args:
        dim: the matrices' size.
        concentration: c; 1 makes all correlation matrices equally likely, more favours those near the unit matrix.
    """

    arg_constraints: ClassVar = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None) -> None:
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        rows = tensor(np.maximum(np.arange(dim) - 1, 0).astype(self.concentration.dtype))  # 0, 0, 1, 2 ...
        self._beta = Beta(rows + 0.5, (self.concentration + 0.5 * (dim - 2)).unsqueeze(-1) - 0.5 * rows)
        super().__init__(self.concentration.shape, (dim, dim), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> LKJCholesky:
        """The same along new or stretched batch axes."""
        new = super().expand(batch_shape, _instance)
        new._beta = self._beta.expand((*batch_shape, self.dim))
        return new

    def sample(self, sample_shape: Any = ()) -> Any:
        """Rows of random direction below the diagonal, their lengths from beta draws: PyTorch's from the seed."""
        y = self._beta.sample(sample_shape).unsqueeze(-1)
        u = randn(self._extended_shape(sample_shape), dtype=y.dtype).tril(-1)
        lengths = norm(u, dim=-1, keepdim=True)
        w = sqrt(y) * (u / lengths.masked_fill(lengths == 0, 1.0))
        left = (1 - (w**2).sum(-1)).clamp(min=float(np.finfo(w.dtype).tiny))
        return w + diag_embed(sqrt(left))

    def log_prob(self, value: Any) -> Any:
        """The powers 2 (c - 1) + dim - i of the diagonal, i = 2 to dim; the norm is on page 1999 of the source."""
        self._validate_sample(value)
        diagonal = value.diagonal(dim1=-2, dim2=-1)[..., 1:]
        order = 2 * (self.concentration - 1).unsqueeze(-1) + self.dim - arange(2, self.dim + 1)
        less = self.dim - 1
        alpha = self.concentration + 0.5 * less
        norm_term = 0.5 * less * math.log(math.pi) + mvlgamma(alpha - 0.5, less) - lgamma(alpha) * less
        return (order * log(diagonal)).sum(-1) - norm_term
