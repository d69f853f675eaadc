"""The multivariate normal distribution, by its covariance, its inverse, or the covariance's triangular root."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..ops.arranging import flip
from ..ops.creation import empty, eye
from ..ops.exponential import log
from ..ops.matrices import cholesky, cholesky_inverse, solve_triangular
from . import constraints
from .distribution import Located
from .utils import lazy_property


def mahalanobis(L: Any, x: Any) -> Any:
    """|L**-1 x|**2 of vectors x (..., n), for L (n, n) by one solution, for stacks of L by broadcasting."""
    n = x.shape[-1]
    if L.ndim == 2:
        solved = solve_triangular(L, x.reshape(math.prod(x.shape[:-1]), n).mT, upper=False)
        return (solved**2).sum(-2).reshape(x.shape[:-1])
    shape = np.broadcast_shapes(L.shape[:-2], x.shape[:-1])
    solved = solve_triangular(L.expand(*shape, n, n), x.expand(*shape, n).unsqueeze(-1), upper=False)
    return (solved**2).sum((-2, -1))


def root_of_inverse(P: Any) -> Any:
    """L with L L.mT the inverse of P, without forming it: P turned over has an upper triangular root."""
    turned = cholesky(flip(P, (-2, -1)))
    root = flip(turned, (-2, -1)).mT
    unit = eye(P.shape[-1], dtype=P.dtype).expand(*P.shape)
    return solve_triangular(root, unit, upper=False)


class MultivariateNormal(Located):
    """Normal vectors.

    Args:
        loc: the mean, (..., n).
        covariance_matrix, precision_matrix, scale_tril: one of them, (..., n, n): the covariance, its
            inverse, or the lower triangular L with L L.mT = the covariance.
    """

    arg_constraints: ClassVar = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Any,
        covariance_matrix: Any = None,
        precision_matrix: Any = None,
        scale_tril: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        given = {
            name: matrix
            for name, matrix in (
                ("covariance_matrix", covariance_matrix),
                ("precision_matrix", precision_matrix),
                ("scale_tril", scale_tril),
            )
            if matrix is not None
        }
        if len(given) != 1:
            raise ValueError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
        ((name, matrix),) = given.items()
        if matrix.ndim < 2:
            what = f"{name} matrix" if name == "scale_tril" else name
            raise ValueError(f"{what} must be at least two-dimensional, with optional leading batch dimensions")
        batch_shape = np.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        setattr(self, name, matrix.expand(*batch_shape, -1, -1))
        self.loc = loc.expand(*batch_shape, -1)
        super().__init__(batch_shape, self.loc.shape[-1:], validate_args=validate_args)
        root = {"scale_tril": lambda L: L, "covariance_matrix": cholesky, "precision_matrix": root_of_inverse}
        self._unbroadcasted_scale_tril = root[name](matrix)

    def _matrix_shape(self) -> Sequence[int]:
        return (*self._batch_shape, *self._event_shape, *self._event_shape)

    @lazy_property
    def scale_tril(self) -> Any:
        """L, lower triangular, with L L.mT the covariance."""
        return self._unbroadcasted_scale_tril.expand(self._matrix_shape())

    @lazy_property
    def covariance_matrix(self) -> Any:
        """The covariance."""
        L = self._unbroadcasted_scale_tril
        return (L @ L.mT).expand(self._matrix_shape())

    @lazy_property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance."""
        return cholesky_inverse(self._unbroadcasted_scale_tril).expand(self._matrix_shape())

    @property
    def variance(self) -> Any:
        """The covariance's diagonal."""
        return (self._unbroadcasted_scale_tril**2).sum(-1).expand((*self._batch_shape, *self._event_shape))

    def rsample(self, sample_shape: Any = ()) -> Any:
        """loc + L times standard normals: PyTorch's from the seed."""
        draws = empty(self._extended_shape(sample_shape), dtype=self.loc.dtype).normal_()
        return self.loc + (self._unbroadcasted_scale_tril @ draws.unsqueeze(-1)).squeeze(-1)

    def _half_log_det(self) -> Any:
        return log(self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1)).sum(-1)

    def log_prob(self, value: Any) -> Any:
        """-(n log(2 pi) + |L**-1 (x - loc)|**2) / 2 - log det L."""
        self._validate_sample(value)
        M = mahalanobis(self._unbroadcasted_scale_tril, value - self.loc)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + M) - self._half_log_det()

    def entropy(self) -> Any:
        """n (1 + log(2 pi)) / 2 + log det L."""
        H = 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + self._half_log_det()
        return H.expand(self._batch_shape) if self._batch_shape else H
