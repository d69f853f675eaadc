"""Singular values of large matrices, the greatest alone: a random basis, improved by multiplying. torch.pca_lowrank.

Source: Halko, Martinsson and Tropp, "Finding structure with randomness" (2011), Algorithms 4.4 and 5.1.
"""

from __future__ import annotations

from typing import Any

from .matrices import as_matrix, qr, svd
from .public import public
from .random import randn


@public("svd_lowrank", as_method=False)
def svd_lowrank(A: Any, q: int | None = 6, niter: int | None = 2, M: Any = None) -> tuple[Any, Any, Any]:
    """(U, S, V), U (m, q), S (q,), V (n, q): the q greatest singular values of A - M, nearly, and their vectors.

    Args:
        q: how many; somewhat more than the matrix's rank.
        niter: how often the basis is improved.
        M: subtracted from A, such as the mean of its rows.
    """
    A = as_matrix(A, "svd_lowrank", square=False)
    A = A if M is None else A - M
    wide = A.shape[-2] < A.shape[-1]
    A = A.mT if wide else A
    Q = qr(A @ randn(A.shape[-1], 6 if q is None else q, dtype=A.dtype)).Q
    for _ in range(2 if niter is None else niter):
        Q = qr(A @ qr(A.mT @ Q).Q).Q
    U, S, Vh = svd(Q.mT @ A, full_matrices=False)
    return (Vh.mT, S, Q @ U) if wide else (Q @ U, S, Vh.mT)


@public("pca_lowrank", as_method=False)
def pca_lowrank(A: Any, q: int | None = None, center: bool = True, niter: int = 2) -> tuple[Any, Any, Any]:
    """(U, S, V) of the rows of A less their mean: V's columns are the q principal directions, A @ V the coordinates.

    The variance along column k is S[k]**2 / (m - 1).
    """
    least = min(as_matrix(A, "pca_lowrank", square=False).shape[-2:])
    q = min(6, least) if q is None else q
    if not 0 <= q <= least:
        raise ValueError(f"pca_lowrank: q (={q}) must be from 0 to the smaller length of A, {least}.")
    if niter < 0:
        raise ValueError(f"pca_lowrank: niter (={niter}) must be non-negative.")
    return svd_lowrank(A - A.mean(-2, True) if center else A, q, niter)
