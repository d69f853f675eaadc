"""The Wishart distribution: covariances of samples of normal vectors."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.symbol import Symbol
from ..core.tensor import Tensor
from ..ops.creation import arange, eye, tensor
from ..ops.diagonals import diag_embed, tril_indices
from ..ops.exponential import log, sqrt
from ..ops.matrices import cholesky, cholesky_solve, slogdet
from ..ops.random import randn
from ..ops.special import digamma, mvlgamma
from . import constraints
from .distribution import Distribution
from .multivariate_normal import root_of_inverse
from .studentT import Chi2
from .utils import is_number, known_to_hold, lazy_property, require


class Wishart(Distribution):
    """X.T X of df normal vectors, the rows of X, for real df above n - 1.

    Args:
        df: the degrees of freedom.
        covariance_matrix, precision_matrix, scale_tril: one of them, (..., n, n): the vectors' covariance, its
            inverse, or the lower triangular L with L L.mT = the covariance.
    """

    support = constraints.positive_definite
    has_rsample = True

    def __init__(
        self,
        df: Any,
        covariance_matrix: Any = None,
        precision_matrix: Any = None,
        scale_tril: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        named = {"covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix, "scale_tril": scale_tril}
        given = {name: matrix for name, matrix in named.items() if matrix is not None}
        if len(given) != 1:
            raise AssertionError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
        ((name, matrix),) = given.items()
        if matrix.ndim < 2:
            raise ValueError("scale_tril must be at least two-dimensional, with optional leading batch dimensions")
        if is_number(df):
            batch_shape = tuple(matrix.shape[:-2])
            self.df = tensor(df, dtype=matrix.dtype)
        else:
            batch_shape = np.broadcast_shapes(matrix.shape[:-2], df.shape)
            self.df = df.expand(batch_shape)
        n = matrix.shape[-1]
        bound = f"greater than ndim - 1 = {n - 1}"
        require(self.df > n - 1, f"Wishart: df must be {bound}", lambda: f"Value of df={df} expected to be {bound}.")
        setattr(self, name, matrix.expand(*batch_shape, -1, -1))
        if known_to_hold((self.df < n).any()):
            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for ndim - 1 < df < ndim.",
                stacklevel=2,
            )
        super().__init__(batch_shape, matrix.shape[-2:], validate_args=validate_args)
        root = {"scale_tril": lambda L: L, "covariance_matrix": cholesky, "precision_matrix": root_of_inverse}
        self._unbroadcasted_scale_tril = root[name](matrix)
        self._chi2 = self._of_diagonal()

    @property
    def arg_constraints(self) -> Any:  # type: ignore[override]  # as PyTorch: of the matrices' size
        """df is bounded by the matrices' size."""
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self.event_shape[-1] - 1),
        }

    def _of_diagonal(self) -> Chi2:
        """The squares on the diagonal of a draw's triangular root: of df, df - 1, ... degrees of freedom."""
        degrees = self.df.unsqueeze(-1) - arange(self._event_shape[-1], dtype=self.df.dtype)
        return Chi2(degrees.expand(*self._batch_shape, -1))

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Wishart:
        """The same along new or stretched batch axes."""
        new = super().expand(batch_shape, _instance)
        new.df = self.df.expand(batch_shape)
        new._chi2 = new._of_diagonal()
        return new

    def _whole(self, matrix: Any) -> Any:
        return matrix.expand((*self._batch_shape, *self._event_shape))

    @lazy_property
    def scale_tril(self) -> Any:
        """L, lower triangular, with L L.mT the covariance."""
        return self._whole(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Any:
        """The vectors' covariance V."""
        L = self._unbroadcasted_scale_tril
        return self._whole(L @ L.mT)

    @lazy_property
    def precision_matrix(self) -> Any:
        """The inverse of the vectors' covariance."""
        L = self._unbroadcasted_scale_tril
        return self._whole(cholesky_solve(eye(L.shape[-1], dtype=L.dtype).expand(*L.shape), L))

    def _each(self, number: Any) -> Any:
        """A number per distribution, as a factor of its matrix."""
        return number.expand(self._batch_shape)[..., None, None]

    @property
    def mean(self) -> Any:
        """df V."""
        return self._each(self.df) * self.covariance_matrix

    @property
    def mode(self) -> Any:
        """(df - n - 1) V; NaN up to df = n + 1."""
        factor = self.df - self._event_shape[-1] - 1
        return self._each(factor.masked_fill(factor <= 0, math.nan)) * self.covariance_matrix

    @property
    def variance(self) -> Any:
        """df (V_ij**2 + V_ii V_jj)."""
        V = self.covariance_matrix
        d = V.diagonal(dim1=-2, dim2=-1)
        return self._each(self.df) * (V**2 + d.unsqueeze(-1) * d.unsqueeze(-2))

    def _draw(self, sample_shape: Sequence[int]) -> Any:
        """L N N.mT L.mT, N with chi-distributed numbers on its diagonal and normal ones below (Bartlett)."""
        n = self._event_shape[-1]
        chi = sqrt(self._chi2.rsample(sample_shape))
        N = diag_embed(chi.clamp(min=float(np.finfo(chi.dtype).eps)))
        i, j = tril_indices(n, n, -1)
        N[..., i, j] = randn((*sample_shape, *self._batch_shape, n * (n - 1) // 2), dtype=N.dtype)
        root = self._unbroadcasted_scale_tril @ N
        return root @ root.mT

    def rsample(self, sample_shape: Any = (), max_try_correction: int | None = None) -> Any:
        """PyTorch's from the seed, which draws again what was good at first, and then what is singular.

        Args:
            max_try_correction: how often it is drawn again at most; default 10.
        """
        sample: Tensor = self._draw(tuple(sample_shape))
        axes = tuple(range(-len(self._batch_shape), 0))
        again = self.support.check(sample)
        again = again.any(axes) if axes else again
        for _ in range(10 if max_try_correction is None else max_try_correction):
            if isinstance(again._array, Symbol):
                again._array.refuse("Wishart draws again as often as its draws have it: draw outside of the step.")
            count = int(again.sum().item())
            if not count:
                break
            new = self._draw((count,))
            sample[again] = new
            singular = ~self.support.check(new)
            again = again.clone()
            again[again.clone()] = singular.any(axes) if axes else singular
        return sample

    def _log_root(self) -> Any:
        """n log(2) / 2 + log det L."""
        d = self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1)
        return self._event_shape[-1] * math.log(2) / 2 + log(d).sum(-1)

    def log_prob(self, value: Any) -> Any:
        """By the determinant of value and the trace of V**-1 value."""
        self._validate_sample(value)
        df, n = self.df, self._event_shape[-1]
        L = self._unbroadcasted_scale_tril
        shape = np.broadcast_shapes(L.shape, value.shape)
        trace = cholesky_solve(value.expand(shape), L.expand(shape)).diagonal(dim1=-2, dim2=-1).sum(-1)
        return -df * self._log_root() - mvlgamma(df / 2, n) + (df - n - 1) / 2 * slogdet(value)[1] - trace / 2

    def entropy(self) -> Any:
        """By the multivariate gamma function and its logarithmic derivative."""
        df, n = self.df, self._event_shape[-1]
        slope = digamma((df / 2).unsqueeze(-1) - arange(n, dtype=df.dtype) / 2).sum(-1)
        return (n + 1) * self._log_root() + mvlgamma(df / 2, n) - (df - n - 1) / 2 * slope + df * n / 2
