"""CorrCholeskyTransform: vectors to triangular roots of correlation matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.value import Size
from ..ops.activation import softplus, tanh
from ..ops.creation import eye
from ..ops.diagonals import tril_indices
from ..ops.exponential import log, log1p, sqrt
from ..ops.windows import pad
from . import constraints
from .transform import Alike


def _below(Y: Any, diagonal: int) -> Any:
    """What lies on and below a diagonal, row by row, as a vector."""
    i, j = tril_indices(Y.shape[-1], Y.shape[-1], diagonal)
    return Y[..., i, j]


def _size(n: int) -> int:
    """The rows of a square matrix with n elements below its diagonal."""
    size = round(math.sqrt(0.25 + 2 * n) + 0.5)
    if size * (size - 1) // 2 != n:
        raise ValueError("Input is not a flattened lower-diagonal number")
    return size


class CorrCholeskyTransform(Alike):
    """n (n - 1) / 2 numbers to a lower triangular matrix with a positive diagonal and rows of length 1.

    tanh(x) says which part of a row's length that is left an element takes. Source: Stan Reference Manual,
    "Cholesky factors of correlation matrices".
    """

    domain = constraints.real_vector
    codomain = constraints.corr_cholesky
    bijective = True

    def _call(self, x: Any) -> Any:
        eps = float(np.finfo(x.dtype).eps)
        size = _size(x.shape[-1])
        i, j = tril_indices(size, size, -1)
        R = x.new_zeros((*x.shape[:-1], size, size))
        R[..., i, j] = tanh(x).clamp(min=-1 + eps, max=1 - eps)
        left = sqrt(1 - R**2).cumprod(-1)
        return (R + eye(size, dtype=x.dtype)) * pad(left[..., :-1], (1, 0), value=1)

    def _inverse(self, y: Any) -> Any:
        left = pad((1 - (y * y).cumsum(-1))[..., :-1], (1, 0), value=1)
        t = _below(y, -1) / sqrt(_below(left, -1))
        return (log1p(t) - log1p(-t)) / 2

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """That of x and what lies below the diagonal of y."""
        left = _below(1 - (y * y).cumsum(-1), -2)
        return 0.5 * log(left).sum(-1) - 2 * (x + softplus(-2 * x) - math.log(2.0)).sum(-1)

    def forward_shape(self, shape: Sequence[int]) -> Size:
        """A square matrix."""
        if not shape:
            raise ValueError("Too few dimensions on input")
        size = _size(shape[-1])
        return Size((*shape[:-1], size, size))

    def inverse_shape(self, shape: Sequence[int]) -> Size:
        """A vector."""
        if len(shape) < 2:
            raise ValueError("Too few dimensions on input")
        if shape[-2] != shape[-1]:
            raise ValueError("Input is not square")
        return Size((*shape[:-2], shape[-1] * (shape[-1] - 1) // 2))
