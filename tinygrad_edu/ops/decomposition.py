"""Inverses, determinants, linear systems, factorisations and functions of matrices.

The last two axes are the matrix, those before them a stack. Forwards give NaN for a matrix that
has no result, as LAPACK does; the functions in front (ops/matrices.py) raise LinAlgError for it.

Derivatives: Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation" (2008); Seeger et al., "Auto-differentiating linear algebra" (2017); for pinv Golub
& Pereyra, SIAM J. Numer. Anal. 10 (1973).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.dtypes import equal
from ..core.primitive import Array, primitive
from .reduction import sum_over


def _stacked(function: Callable[..., Any], *arrays: Any) -> Any:
    """function(*arrays) on a stack; of a matrix for which NumPy raises, the result is NaN."""
    try:
        return function(*arrays)
    except np.linalg.LinAlgError:
        pass
    batch = np.broadcast_shapes(*(a.shape[:-2] for a in arrays))
    wide = [np.broadcast_to(a, (*batch, *a.shape[-2:])).reshape(-1, *a.shape[-2:]) for a in arrays]
    parts = []
    for matrices in zip(*wide, strict=True):
        try:
            part = function(*matrices)
        except np.linalg.LinAlgError:  # its result has the shapes that one of a good matrix has
            good = np.eye(*matrices[0].shape[-2:], dtype=matrices[0].dtype)
            part = function(good, *matrices[1:])
            part = tuple(np.full_like(p, np.nan) for p in part) if isinstance(part, tuple) else part * np.nan
        parts.append(part)
    if isinstance(parts[0], tuple):
        return tuple(np.stack(p).reshape(*batch, *p[0].shape) for p in zip(*parts, strict=True))
    return np.stack(parts).reshape(*batch, *parts[0].shape)


def _finite(A: Array) -> Array:
    """A itself, unless LAPACK's search for its singular values might never end, which infinite entries can cause."""
    if not np.all(np.isfinite(A)):
        raise np.linalg.LinAlgError("the matrix is not finite")
    return A


def unit(A: Array) -> Array:
    """Unit matrices of A's shape."""
    return np.triu(np.tril(np.ones_like(A)))


@primitive(name="linalg_matrix_power", dA=lambda dY, Y, A: np.zeros_like(dY))
def power_of_none(A: Array) -> Array:
    """A ** 0: unit matrices, in an array of their own. Gradient 0."""
    return unit(A)


# --- inverse, systems, determinant


@primitive(np.linalg.inv, name="linalg_inv", opaque=True, dA=lambda dB, B, A: -(B.mT @ dB @ B.mT))
def inverse_of(A: Array) -> Array:
    """B = A^-1; NaN if A is singular."""
    return _stacked(np.linalg.inv, A)


@primitive(
    np.linalg.solve,
    name="linalg_solve",
    types=equal,
    opaque=True,
    dA=lambda dX, X, A, B: -(solve_system(A.mT, dX) @ X.mT),  # type: ignore[has-type]
    dB=lambda dX, X, A, B: solve_system(A.mT, dX),  # type: ignore[has-type]
)
def solve_system(A: Array, B: Array) -> Array:
    """X with A @ X = B, (..., n, n) and (..., n, k); NaN if A is singular."""
    return _stacked(np.linalg.solve, A, B)


def _triangle(A: Array, upper: bool, unit: bool) -> Array:
    """The triangle of A, without its diagonal if that is taken for ones."""
    return np.triu(A, int(unit)) if upper else np.tril(A, -int(unit))


@primitive(
    name="linalg_solve_triangular",
    types=equal,
    opaque=True,
    dA=lambda dX, X, A, B, *, upper, unit: _triangle(
        -(solve_triangle(A.mT, dX, upper=not upper, unit=unit) @ X.mT), upper, unit  # type: ignore[has-type]
    ),
    dB=lambda dX, X, A, B, *, upper, unit: solve_triangle(A.mT, dX, upper=not upper, unit=unit),  # type: ignore[has-type]
)  # fmt: skip
def solve_triangle(A: Array, B: Array, *, upper: bool, unit: bool) -> Array:
    """X with A @ X = B, of A only a triangle read; `unit`: its diagonal is taken for ones.

    By halves, so that nearly all work is matrix products; what is left is solved as a full system.
    """
    if not upper:  # both axes turned round a lower triangle is an upper one, which LAPACK need not pivot
        return solve_triangle.forward(A[..., ::-1, ::-1], B[..., ::-1, :], upper=True, unit=unit)[..., ::-1, :].copy()
    n = A.shape[-1]
    if n <= 32:
        T = np.triu(A, 1) + np.eye(n, dtype=A.dtype) if unit else np.triu(A)
        if B.shape[-1] > n:  # 7 times as fast for 512 columns
            return _stacked(np.linalg.inv, T) @ B
        return _stacked(np.linalg.solve, T, B)
    h = n // 2
    low = solve_triangle.forward(A[..., h:, h:], B[..., h:, :], upper=True, unit=unit)
    top = B[..., :h, :] - A[..., :h, h:] @ low
    top = solve_triangle.forward(A[..., :h, :h], top, upper=True, unit=unit)
    return np.concatenate([top, low], axis=-2)


@primitive(
    np.linalg.det,
    name="linalg_det",
    opaque=True,
    dA=lambda dD, D, A: dD[..., None, None] * cofactors(A),  # type: ignore[has-type]
)
def determinant(A: Array) -> Array:
    """D = det(A)."""
    return np.asarray(np.linalg.det(A))


def _dot(A: Array, B: Array) -> Array:
    """The sum of A * B over the last two axes, which are kept."""
    return sum_over(A * B, axis=(A.ndim - 2, A.ndim - 1), keepdims=True)


@primitive(
    name="cofactors",
    opaque=True,
    dA=lambda dC, C, A: (_dot(dC, C) * C - C @ dC.mT @ C) / determinant(A)[..., None, None],
)
def cofactors(A: Array) -> Array:
    """C = det(A) A^-T, the derivative of the determinant; of singular matrices too, where its own rule gives NaN.

    Where half of the digits would be lost, by the singular values: A = U S Vh has C = det(U) det(Vh) U P Vh,
    P the products of the other ones.
    """
    with np.errstate(all="ignore"):
        D = np.asarray(np.linalg.det(A))[..., None, None]
        B = _stacked(np.linalg.inv, A)
        C = D * B.swapaxes(-1, -2)
        condition = np.linalg.norm(A, axis=(-2, -1)) * np.linalg.norm(B, axis=(-2, -1))
    if A.size and np.all(np.isfinite(A)) and not np.all(condition < np.finfo(A.dtype).eps ** -0.5):
        U, S, Vh = np.linalg.svd(A)
        n = S.shape[-1]
        others = np.where(np.eye(n, dtype=bool), 1, S[..., None, :])  # row i: all but S[i]
        P = np.prod(others, axis=-1)[..., None, :]
        sign = (np.linalg.det(U) * np.linalg.det(Vh))[..., None, None]
        C = (sign * ((U * P) @ Vh)).astype(A.dtype)
    return C


@primitive(
    np.linalg.slogdet,
    name="linalg_slogdet",
    opaque=True,
    dA=lambda dY, Y, A: dY[1][..., None, None] * inverse_of(A).mT,
)
def sign_and_log(A: Array) -> tuple[Array, ...]:
    """The sign of det(A), and log |det(A)|."""
    sign, log = np.linalg.slogdet(A)
    return np.asarray(sign), np.asarray(log)


# --- factorisations


def _gram_rule(dX: Array, X: Array, L: Array, upper: bool) -> Array:
    G = cholesky_system(dX, L, upper=upper) @ X.mT
    return -(L @ (G + G.mT) if upper else (G + G.mT) @ L)


@primitive(
    name="cholesky_solve",
    types=equal,
    opaque=True,
    dB=lambda dX, X, B, L, *, upper: cholesky_system(dX, L, upper=upper),  # type: ignore[has-type]
    dL=lambda dX, X, B, L, *, upper: _gram_rule(dX, X, L, upper),
)
def cholesky_system(B: Array, L: Array, *, upper: bool) -> Array:
    """X with L @ L.mT @ X = B, or with `upper` L.mT @ L @ X = B, of L one triangle read.

    The rule is that of the whole matrix L, as PyTorch's.
    """
    half = solve_triangle.forward(L.swapaxes(-1, -2) if upper else L, B, upper=False, unit=False)
    return solve_triangle.forward(L if upper else L.swapaxes(-1, -2), half, upper=True, unit=False)


def _cholesky_rule(dL: Array, L: Array, A: Array) -> Array:
    S = L.mT @ dL
    P = np.tril(S) - 0.5 * unit(S) * S
    half = solve_triangle(L.mT, solve_triangle(L.mT, P, upper=True, unit=False).mT, upper=True, unit=False)
    return 0.5 * (half + half.mT)


@primitive(np.linalg.cholesky, name="linalg_cholesky", opaque=True, dA=_cholesky_rule)
def cholesky_factor(A: Array) -> Array:
    """L, lower, with L @ L.mT = A, of A the lower triangle read; NaN if A is not positive-definite.

    The rule takes A for symmetric: both triangles get half.
    """
    return _stacked(np.linalg.cholesky, A)


def _square_qr_rule(dQ: Array, dR: Array, Q: Array, R: Array) -> Array:
    """(dQ + Q copy(M)) R^-T with M = R dR.mT - dQ.mT Q, copy: the lower triangle onto the upper one."""
    M = dR @ R.mT - Q.mT @ dQ
    U = np.triu(M)
    G = dQ + Q @ (U + U.mT - unit(M) * M)
    return solve_triangle(R, G.mT, upper=True, unit=False).mT


def _qr_rule(dY: tuple[Array, ...], Y: tuple[Array, ...], A: Array, *, mode: str) -> Array:
    Q, R, dQ, dR = Y[0], Y[1], dY[0], dY[1]
    m, n = A.shape[-2], A.shape[-1]
    if m >= n:
        return _square_qr_rule(dQ, dR, Q, R)
    # A = [A1 A2] with A1 = Q R1 square, and R2 = Q.T A2
    R1, R2, dR1, dR2 = R[..., :m], R[..., m:], dR[..., :m], dR[..., m:]
    dA1 = _square_qr_rule(dQ + Q @ R2 @ dR2.mT, dR1, Q, R1)
    return np.concatenate((dA1, Q @ dR2), axis=-1)


@primitive(np.linalg.qr, name="linalg_qr", opaque=True, dA=_qr_rule)
def qr_factors(A: Array, *, mode: str) -> tuple[Array, ...]:
    """Q with orthonormal columns and R, upper triangular, Q @ R = A; mode "reduced", or "complete" of no more rows
    than columns."""
    linalg: Any = np.linalg  # its stubs know literal modes only
    return tuple(linalg.qr(A, mode))


@primitive(name="linalg_qr", opaque=True)
def qr_complete(A: Array) -> tuple[Array, ...]:
    """Q square, R of A's shape. Columns of Q beyond A's are not determined by A: no derivative."""
    return tuple(np.linalg.qr(A, "complete"))


@primitive(name="linalg_qr", opaque=True)
def qr_triangle(A: Array) -> Array:
    """R alone."""
    return np.linalg.qr(A, "r")


def _quotient(X: Array, E: Array) -> Array:
    """X / E, and 0 where X is 0: values whose vectors nobody asked for may be equal."""
    return np.where(X == 0, 0, X / np.where(X == 0, 1, E))


def _eigh_rule(dY: tuple[Array, ...], Y: tuple[Array, ...], A: Array, *, UPLO: str) -> Array:
    w, V, dw, dV = Y[0], Y[1], dY[0], dY[1]
    one = unit(V)
    E = w[..., None, :] - w[..., :, None] + one
    M = V.mT @ dV
    S = 0.5 * _quotient(M - M.mT, E)  # A is taken for symmetric: both triangles get half
    return V @ (S + one * dw[..., None, :]) @ V.mT


@primitive(np.linalg.eigh, name="linalg_eigh", opaque=True, dA=_eigh_rule)
def eigh_factors(A: Array, *, UPLO: str) -> tuple[Array, ...]:
    """Eigenvalues w, ascending, and eigenvectors, the columns of V, of a symmetric A, of which a triangle is read;
    the rule takes A for symmetric, and V for distinct w."""
    linalg: Any = np.linalg
    w, V = _stacked(lambda X: tuple(linalg.eigh(X, UPLO)), A)
    return w, V


@primitive(np.linalg.eigvalsh, name="linalg_eigvalsh", opaque=True)
def eigenvalues_only(A: Array, *, UPLO: str) -> Array:
    """The eigenvalues alone, for when no gradient is wanted, which takes the vectors."""
    linalg: Any = np.linalg
    return _stacked(lambda X: linalg.eigvalsh(X, UPLO), A)


def _svd_rule(dY: tuple[Array, ...], Y: tuple[Array, ...], A: Array, *, full_matrices: bool) -> Array:
    k = min(A.shape[-2], A.shape[-1])
    U, S, V = Y[0][..., :k], Y[1], Y[2][..., :k, :].mT
    dU, dS, dV = dY[0][..., :k], dY[1], dY[2][..., :k, :].mT
    M = U.mT @ dU
    N = V.mT @ dV
    one = unit(M)
    row, column = S[..., None, :], S[..., :, None]
    E = (row - column) * (row + column) + one
    core = one * dS[..., None, :] + _quotient(M - M.mT, E) * row + column * _quotient(N - N.mT, E)
    dA = U @ core @ V.mT
    if A.shape[-2] > k:
        dA = dA + _quotient(dU - U @ M, row) @ V.mT
    if A.shape[-1] > k:
        dA = dA + U @ _quotient(dV - V @ N, row).mT
    return dA


@primitive(np.linalg.svd, name="linalg_svd", opaque=True, dA=_svd_rule)
def svd_factors(A: Array, *, full_matrices: bool) -> tuple[Array, ...]:
    """U, S, Vh with (U * S) @ Vh = A, S descending; NaN of a matrix that isn't finite.

    Gradients of U and Vh exist for distinct S; of the columns and rows that `full_matrices` adds none is passed on.
    """
    U, S, Vh = _stacked(lambda X: tuple(np.linalg.svd(_finite(X), full_matrices=full_matrices)), A)
    return U, S, Vh


@primitive(name="linalg_svdvals", opaque=True)
def singular_values_only(A: Array) -> Array:
    """The singular values alone, for when no gradient is wanted, which takes the vectors."""
    return _stacked(lambda X: np.linalg.svd(_finite(X), compute_uv=False), A)


# --- functions of matrices


def mirrored(A: Array) -> Array:
    """The symmetric matrix whose lower triangle is A's."""
    return np.tril(A) + np.tril(A, -1).mT


def _pinv_rule(dP: Array, P: Array, A: Array, *, atol: Any, rtol: Any, hermitian: bool) -> Array:
    G = dP.mT
    left = G @ P @ P.mT
    right = P.mT @ P @ G
    return left - A @ (P @ left) + right - (right @ P) @ A - P.mT @ dP @ P.mT


@primitive(name="linalg_pinv", opaque=True, dA=_pinv_rule)
def pseudo_inverse(A: Array, *, atol: Any, rtol: Any, hermitian: bool) -> Array:
    """P, (..., n, m) of (..., m, n); singular values up to max(atol, rtol * the largest) are taken for 0."""
    U, S, Vh = svd_factors.forward(mirrored(A) if hermitian else A, full_matrices=False)
    if not S.shape[-1]:
        return np.zeros((*A.shape[:-2], A.shape[-1], A.shape[-2]), A.dtype)
    small = np.maximum(atol, rtol * S.max(-1, keepdims=True)).astype(A.dtype)
    keep = ~(small >= S)  # NaN is kept, so that it is seen
    inverse = np.where(keep, 1 / np.where(S == 0, 1, S), 0)
    return Vh.swapaxes(-1, -2) @ (inverse[..., None] * U.swapaxes(-1, -2))


def _exponential_rule(dE: Array, E: Array, A: Array) -> Array:
    """The corner of exp([[A.mT, dE], [0, A.mT]]). Source: Najfeld & Havel, Adv. Appl. Math. 16 (1995), 321."""
    T = A.mT
    top = np.concatenate((T, dE), axis=-1)
    low = np.concatenate((np.zeros_like(T), T), axis=-1)
    return matrix_exponential(np.concatenate((top, low), axis=-2))[..., : A.shape[-1], A.shape[-1] :]


# Coefficients of the numerator of the (13, 13) Pade approximant of exp, and the 1-norm up to which it is
# exact to double precision: Higham, SIAM J. Matrix Anal. Appl. 26 (2005), 1179.
_PADE = tuple(
    math.factorial(26 - j) * math.factorial(13) / (math.factorial(26) * math.factorial(13 - j) * math.factorial(j))
    for j in range(14)
)
_PADE_NORM = 5.371920351148152


@primitive(name="linalg_matrix_exp", opaque=True, dA=_exponential_rule)
def matrix_exponential(A: Array) -> Array:
    """E = 1 + A + A @ A / 2 + ..., by scaling and squaring of a Pade approximant."""
    if not A.size:
        return A.copy()
    norm = np.abs(A).sum(-2).max(-1)[..., None, None]
    if not np.isfinite(norm).all():
        bad = ~np.isfinite(norm)
        return np.where(bad, np.nan, matrix_exponential.forward(np.where(bad, 0, A))).astype(A.dtype)
    squarings = np.ceil(np.log2(np.maximum(norm / _PADE_NORM, 1))).astype(int)
    B = A / np.exp2(squarings).astype(A.dtype)
    c, eye = _PADE, np.eye(A.shape[-1], dtype=A.dtype)
    B2 = B @ B
    B4 = B2 @ B2
    B6 = B4 @ B2
    odd = B @ (B6 @ (c[13] * B6 + c[11] * B4 + c[9] * B2) + c[7] * B6 + c[5] * B4 + c[3] * B2 + c[1] * eye)
    even = B6 @ (c[12] * B6 + c[10] * B4 + c[8] * B2) + c[6] * B6 + c[4] * B4 + c[2] * B2 + c[0] * eye
    E = np.linalg.solve(even - odd, even + odd)
    for i in range(int(squarings.max())):
        E = np.where(i < squarings, E @ E, E)
    return E
