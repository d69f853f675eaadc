"""The parametrization of an orthogonal weight: by the matrix exponential, Cayley's map or Householder's reflections.

Source: Lezcano-Casado, "Trivializations for gradient-based optimization on manifolds" (2019).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.tensor import Tensor, wrap
from ...ops.creation import eye, zeros_like
from ...ops.diagonals import diagonal, tril
from ...ops.factorizations import householder_product
from ...ops.joining import cat
from ...ops.matrices import matrix_exp, qr, solve
from ...ops.random import randn
from ..module import Module
from . import parametrize

MAPS = ("matrix_exp", "cayley", "householder")


class _Orthogonal(Module):
    """A matrix with orthonormal columns, or rows where those are fewer, from one without constraints.

    With `use_trivialization` what the map gives is multiplied by `base`, an orthogonal matrix that assignment sets.
    """

    base: Any

    def __init__(self, weight: Tensor, orthogonal_map: str, *, use_trivialization: bool = True) -> None:
        super().__init__()
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        self.trivialized = use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Any) -> Any:
        """The orthogonal matrix."""
        wide = X.shape[-2] < X.shape[-1]
        Z = X.mT if wide else X
        n, k = Z.shape[-2:]
        if self.orthogonal_map == "householder":
            V = tril(Z, -1)  # the reflections' vectors below a diagonal of ones
            scale = 2 / (1 + (V * V).sum(-2))
            signs = diagonal(Z, dim1=-2, dim2=-1).int().unsqueeze(-2)
            Q = householder_product(V, scale) * signs
        else:
            L = tril(Z)
            if n != k:
                L = cat([L, L.new_zeros(*L.shape[:-2], n, n - k)], dim=-1)
            A = L - L.mT
            if self.orthogonal_map == "matrix_exp":
                Q = matrix_exp(A)
            else:
                one = eye(n, dtype=A.dtype)
                Q = solve(one - 0.5 * A, one + 0.5 * A)
            Q = Q[..., :k] if n != k else Q
        if self.trivialized:
            Q = self.base @ Q
        return Q.mT if wide else Q

    def right_inverse(self, Q: Any) -> Any:
        """What the map takes to Q, or to the orthogonal matrix of Q's QR factorisation where Q is not orthogonal."""
        if Q.shape != self.shape:
            raise ValueError(
                f"orthogonal: Expected a matrix or batch of matrices of shape {tuple(self.shape)}. Got a tensor of "
                f"shape {tuple(Q.shape)}."
            )
        wide = Q.shape[-2] < Q.shape[-1]
        Z = Q.mT if wide else Q
        n, k = Z.shape[-2:]
        if not self.trivialized:
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    "orthogonal: It is not possible to assign to the matrix exponential or the Cayley parametrizations "
                    "when use_trivialization=False."
                )
            A = _reflections(Z)
            return A.mT if wide else A
        if n == k:
            self.base = Z.clone() if _is_orthogonal(Z) else _made_orthogonal(Z)
        else:
            rest = randn(*Z.shape[:-2], n, n - k, dtype=Z.dtype)
            self.base = _made_orthogonal(cat([Z, rest], dim=-1))
        start = zeros_like(Q)
        diagonal(start, dim1=-2, dim2=-1).fill_(-1.0)  # which every map takes to the identity
        return start


def _is_orthogonal(Q: Any) -> bool:
    n, k = Q.shape[-2:]
    tolerance = 10 * n * float(np.finfo(Q.dtype).eps)
    return bool(np.allclose((Q.mT @ Q).detach().numpy(), np.eye(k), atol=tolerance))


def _made_orthogonal(A: Any) -> Any:
    """Q of A = QR, with the diagonal of R positive, which makes it the one."""
    Q, R = qr(A)
    return Q * diagonal(R, dim1=-2, dim2=-1).sgn().unsqueeze(-2)


def _reflections(Z: Any) -> Any:
    """The reflections' vectors below the diagonal, on it the signs of the columns that they give."""
    packed, scale = np.linalg.qr(Z.detach().numpy(), mode="raw")
    A = np.ascontiguousarray(packed.swapaxes(-2, -1))
    k = A.shape[-1]
    signs = np.sign(np.diagonal(A, axis1=-2, axis2=-1)) * np.where(scale == 0, -1, 1)
    A[..., np.arange(k), np.arange(k)] = signs
    return wrap(A)


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Module:
    """Keep a weight's columns orthonormal, or its rows where those are fewer. Returns the module.

    Args:
        name: the parameter, a matrix or a stack of matrices.
        orthogonal_map: "matrix_exp", "cayley" or "householder"; None: matrix_exp of square ones, else householder.
        use_trivialization: begin at the weight's own orthogonal part, and let orthogonal values be assigned.
    Raises:
        ValueError: there is no such parameter, or it is no matrix.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.ndim < 2:
        raise ValueError(
            f"orthogonal: Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimension(s)."
        )
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.shape[-2] == weight.shape[-1] else "householder"
    if orthogonal_map not in MAPS:
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    chart = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return parametrize.register_parametrization(module, name, chart, unsafe=True)
