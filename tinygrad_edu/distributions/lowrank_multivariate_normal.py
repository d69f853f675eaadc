"""Normal vectors whose covariance is a diagonal and a few directions: W W.T + D.

By the matrix determinant lemma and Woodbury's identity all goes through the small matrix C = I + W.T D**-1 W.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from ..ops.creation import empty, eye
from ..ops.diagonals import diag_embed
from ..ops.elementwise import reciprocal
from ..ops.exponential import log, sqrt
from ..ops.matrices import cholesky, solve_triangular
from ..ops.shape import broadcast_tensors
from . import constraints
from .distribution import Located
from .multivariate_normal import mahalanobis
from .utils import lazy_property


class LowRankMultivariateNormal(Located):
    """Normal vectors with covariance cov_factor @ cov_factor.mT + diag(cov_diag).

    Args:
        loc: the mean, (..., n).
        cov_factor: W, (..., n, rank).
        cov_diag: D's diagonal, (..., n).
    """

    arg_constraints: ClassVar = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc: Any, cov_factor: Any, cov_diag: Any, validate_args: bool | None = None) -> None:
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        n = loc.shape[-1]
        if cov_factor.ndim < 2:
            raise ValueError("cov_factor must be at least two-dimensional, with optional leading batch dimensions")
        if cov_factor.shape[-2] != n:
            raise ValueError(f"cov_factor must be a batch of matrices with shape {n} x m")
        if cov_diag.shape[-1] != n:
            raise ValueError(f"cov_diag must be a batch of vectors with shape ({n},)")
        try:
            columns = broadcast_tensors(loc.unsqueeze(-1), cov_factor, cov_diag.unsqueeze(-1))
        except RuntimeError:
            raise ValueError(
                f"Incompatible batch shapes: loc {tuple(loc.shape)}, cov_factor {tuple(cov_factor.shape)}, "
                f"cov_diag {tuple(cov_diag.shape)}"
            ) from None
        self.loc, self.cov_factor, self.cov_diag = columns[0][..., 0], columns[1], columns[2][..., 0]
        self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag = cov_factor, cov_diag
        C = (cov_factor.mT / cov_diag.unsqueeze(-2)) @ cov_factor
        self._capacitance_tril = cholesky(C + eye(C.shape[-1], dtype=C.dtype))
        super().__init__(self.loc.shape[:-1], self.loc.shape[-1:], validate_args=validate_args)

    def _matrix_shape(self) -> Sequence[int]:
        return (*self._batch_shape, *self._event_shape, *self._event_shape)

    @lazy_property
    def variance(self) -> Any:
        """The covariance's diagonal."""
        variance = (self._unbroadcasted_cov_factor**2).sum(-1) + self._unbroadcasted_cov_diag
        return variance.expand((*self._batch_shape, *self._event_shape))

    @lazy_property
    def scale_tril(self) -> Any:
        """L, lower triangular, with L L.mT the covariance."""
        root = sqrt(self._unbroadcasted_cov_diag).unsqueeze(-1)
        scaled = self._unbroadcasted_cov_factor / root
        K = scaled @ scaled.mT + eye(self._event_shape[0], dtype=scaled.dtype)
        return (root * cholesky(K)).expand(self._matrix_shape())

    @lazy_property
    def covariance_matrix(self) -> Any:
        """The covariance."""
        W = self._unbroadcasted_cov_factor
        return (W @ W.mT + diag_embed(self._unbroadcasted_cov_diag)).expand(self._matrix_shape())

    @lazy_property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance: D**-1 - A.mT A."""
        A = self._whitened_factor()
        return (diag_embed(reciprocal(self._unbroadcasted_cov_diag)) - A.mT @ A).expand(self._matrix_shape())

    def _whitened_factor(self) -> Any:
        """A = root(C)**-1 W.mT D**-1, (..., rank, n)."""
        scaled = self._unbroadcasted_cov_factor.mT / self._unbroadcasted_cov_diag.unsqueeze(-2)
        return solve_triangular(self._capacitance_tril, scaled, upper=False)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """loc + W times few standard normals + sqrt(D) times many: PyTorch's from the seed."""
        shape = self._extended_shape(sample_shape)
        few = empty((*shape[:-1], self.cov_factor.shape[-1]), dtype=self.loc.dtype).normal_()
        many = empty(shape, dtype=self.loc.dtype).normal_()
        turned = (self._unbroadcasted_cov_factor @ few.unsqueeze(-1)).squeeze(-1)
        return self.loc + turned + sqrt(self._unbroadcasted_cov_diag) * many

    def _log_det(self) -> Any:
        """log det of the covariance: log det C + log det D."""
        return 2 * log(self._capacitance_tril.diagonal(dim1=-2, dim2=-1)).sum(-1) + log(
            self._unbroadcasted_cov_diag
        ).sum(-1)

    def _mahalanobis(self, x: Any) -> Any:
        """x.T covariance**-1 x."""
        D = self._unbroadcasted_cov_diag
        inner = ((self._unbroadcasted_cov_factor.mT / D.unsqueeze(-2)) @ x.unsqueeze(-1)).squeeze(-1)
        return (x**2 / D).sum(-1) - mahalanobis(self._capacitance_tril, inner)

    def log_prob(self, value: Any) -> Any:
        """-(n log(2 pi) + log det + (x - loc).T covariance**-1 (x - loc)) / 2."""
        self._validate_sample(value)
        M = self._mahalanobis(value - self.loc)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + self._log_det() + M)

    def entropy(self) -> Any:
        """(n (1 + log(2 pi)) + log det) / 2."""
        H = 0.5 * (self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + self._log_det())
        return H.expand(self._batch_shape) if self._batch_shape else H
