"""LU, and what torch.linalg has around it: systems by a stored factorisation, `_ex` forms, tensor equations.

NumPy has no LU, so it is eliminated here column by column, over a whole stack at once. As in PyTorch
the pivots count from 1, and the i-th says which row was exchanged with row i.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..core.dtypes import floating, only_first
from ..core.errors import LinAlgError, ShapeError
from ..core.primitive import Array, answers, primitive
from ..core.tensor import Tensor, wrap
from . import matrices as m
from .creation import finish
from .decomposition import solve_triangle
from .indexing import Slot, getitem
from .linalg import matmul
from .reduction import prints_as
from .shape import reshape_to


@prints_as("linalg_lu")
class LU(NamedTuple):
    """What lu returns: A = P @ L @ U."""

    P: Any
    L: Any
    U: Any


@prints_as("linalg_lu_factor")
class PackedLU(NamedTuple):
    """What lu_factor returns: L below the diagonal (its own diagonal is 1), U on and above it, and the pivots."""

    LU: Any
    pivots: Any


@prints_as("linalg_inv_ex")
class Inverse(NamedTuple):
    """What inv_ex returns; info is 0 where it worked."""

    inverse: Any
    info: Any


@prints_as("linalg_cholesky_ex")
class Factor(NamedTuple):
    """What cholesky_ex returns; info is 0 where it worked."""

    L: Any
    info: Any


@prints_as("linalg_solve_ex")
class Solution(NamedTuple):
    """What solve_ex returns; info is 0 where it worked."""

    result: Any
    info: Any


def _packed_rule(dF: Array, F: Array, A: Array, order: Array) -> Array:
    """From A[order] = L U: dA[order] = L^-T (tril(L^T dL, -1) + triu(dU U^T)) U^-T, for the square part.

    What lies beside the square (wide: U2 = L^-1 A2) or below it (tall: L2 = A2 U^-1) is a triangular system.
    Source: S. F. Walter and L. Lehmann, "Algorithmic differentiation of linear algebra functions" (2010).
    """
    n, k = A.shape[-2], min(A.shape[-2], A.shape[-1])
    S, dS = F[..., :k, :k], dF[..., :k, :k]
    L, U = np.tril(S, -1), np.triu(S)  # the ones on L's diagonal are added where they count
    dL, dU = np.tril(dS, -1), np.triu(dS)
    beside = below = None
    if A.shape[-1] > k:
        beside = solve_triangle(L.mT, dF[..., k:], upper=True, unit=True)
        dL = dL - beside @ F[..., k:].mT
    if n > k:
        below = solve_triangle(U, dF[..., k:, :].mT, upper=True, unit=False).mT
        dU = dU - F[..., k:, :].mT @ below
    inner = np.tril(L.mT @ dL + dL, -1) + np.triu(dU @ U.mT)
    left = solve_triangle(L.mT, inner, upper=True, unit=True)
    square = solve_triangle(U, left.mT, upper=True, unit=False).mT
    whole = square
    if beside is not None:
        whole = np.concatenate([square, beside], axis=-1)
    if below is not None:
        whole = np.concatenate([square, below], axis=-2)
    return np.take_along_axis(whole, np.argsort(order, axis=-1)[..., None], axis=-2)


@primitive(
    name="linalg_lu", types=only_first(floating), opaque=True, dA=lambda dF, F, A, order: _packed_rule(dF, F, A, order)
)
def packed_factors(A: Array, order: Array) -> Array:
    """L and U in one matrix, for A[order] = L @ U."""
    F = np.take_along_axis(A, order[..., None], axis=-2).copy()
    for i in range(min(F.shape[-2:])):
        _eliminate(F, i)
    return F


def _eliminate(F: np.ndarray[Any, Any], i: int) -> None:
    """Column i below the diagonal becomes L's, and its multiples of row i are taken off the rest."""
    with np.errstate(divide="ignore", invalid="ignore"):
        column = F[..., i + 1 :, i] / F[..., i, i, None]
    column = np.where(F[..., i, i, None] == 0, F[..., i + 1 :, i], column)
    F[..., i + 1 :, i] = column
    F[..., i + 1 :, i + 1 :] = F[..., i + 1 :, i + 1 :] - column[..., None] * F[..., i, None, i + 1 :]


@primitive(name="linalg_lu_pivots", types=only_first(floating), opaque=True)
def pivoting(A: Array, *, pivot: bool) -> Any:
    """The order of rows by partial pivoting, and LAPACK's exchanges, counted from 1."""
    F = A.astype(A.dtype, copy=True)
    n, k = F.shape[-2], min(F.shape[-2:])
    order = np.broadcast_to(np.arange(n), F.shape[:-1]).copy()
    exchanges = np.broadcast_to(np.arange(1, k + 1), (*F.shape[:-2], k)).astype(np.int32)
    for i in range(k if pivot else 0):
        best = i + np.argmax(np.absolute(F[..., i:, i]), axis=-1)
        exchanges[..., i] = best + 1
        swap = np.broadcast_to(np.arange(n), order.shape).copy()
        np.put_along_axis(swap, best[..., None], i, -1)
        swap[..., i] = best
        order = np.take_along_axis(order, swap, -1)
        F = np.take_along_axis(F, swap[..., None], -2)
        _eliminate(F, i)
    return order, exchanges


def lu_factor(A: Any, *, pivot: bool = True) -> PackedLU:
    """L and U of A = P @ L @ U in one matrix, and the pivots: what lu_solve takes.

    Args:
        A: a matrix or a stack of such, (..., n, k).
        pivot: exchange rows, so that each pivot is the largest of its column.
    """
    A = m.as_matrix(A, "linalg.lu_factor", square=False)
    order, exchanges = pivoting(A.detach(), pivot=pivot)
    return PackedLU(packed_factors(A, order), exchanges)


def lu(A: Any, *, pivot: bool = True) -> LU:
    """A = P @ L @ U: a permutation, a lower triangle with ones on its diagonal, an upper triangle."""
    A = m.as_matrix(A, "linalg.lu", square=False)
    order, _ = pivoting(A.detach(), pivot=pivot)
    F = packed_factors(A, order)
    n, p = A.shape[-2:]
    k = min(n, p)
    L = np.tril(F[..., :k], -1) + finish(np.eye(n, k, dtype=A.dtype))
    P: Any = finish(np.eye(n, dtype=A.dtype) if pivot else np.zeros(0, A.dtype))
    if pivot:
        P = getitem(P, np.argsort(order, axis=-1), key=(Slot(0),))
    return LU(P, L, np.triu(F[..., :k, :]))


def lu_solve(LU: Any, pivots: Any, B: Any, *, left: bool = True, adjoint: bool = False) -> Any:
    """X with A @ X = B (left=False: X @ A = B; adjoint: of A.mT), from what lu_factor(A) returned."""
    m.as_matrix(LU, "linalg.lu_solve")
    if not left:
        return lu_solve(LU, pivots, B.mT, adjoint=not adjoint).mT
    n = LU.shape[-1]
    if B.ndim < 2 or B.shape[-2] != n:
        raise ShapeError(
            f"linalg.lu_solve: Incompatible shapes of A {tuple(LU.shape)} and B {tuple(B.shape)}; B is (..., {n}, k)."
        )
    order = order_of(pivots, n=n)
    if adjoint:
        Y = solve_triangle(LU.mT, B, upper=False, unit=False)
        Z = solve_triangle(LU.mT, Y, upper=True, unit=True)
        return _rows(Z, np.argsort(order, axis=-1))
    Y = solve_triangle(LU, _rows(B, order), upper=False, unit=True)
    return solve_triangle(LU, Y, upper=True, unit=False)


def _rows(B: Any, order: Any) -> Any:
    shape = np.broadcast_shapes(tuple(B.shape[:-1]), tuple(order.shape))
    wide = np.broadcast_to(B, (*shape, B.shape[-1]))
    if 0 in wide.shape:  # NumPy takes nothing from rows without elements
        return wide
    return np.take_along_axis(wide, np.broadcast_to(order, shape)[..., None], axis=-2)


@primitive(name="linalg_lu_order", types=None, opaque=True)
def order_of(exchanges: Array, *, n: int) -> Array:
    """The order of rows that a sequence of exchanges leads to."""
    order = np.broadcast_to(np.arange(n), (*exchanges.shape[:-1], n)).copy()
    for i in range(exchanges.shape[-1]):
        other = exchanges[..., i, None].astype(np.int64) - 1
        there = np.take_along_axis(order, other, -1)
        np.put_along_axis(order, other, order[..., i, None].copy(), -1)
        order[..., i] = there[..., 0]
    return order


def householder_product(A: Any, tau: Any) -> Any:
    """The first k columns of H_1 H_2 ..., H_i = I - tau_i v_i v_i^T, v_i being 1 and what is below A's diagonal."""
    A = m.as_matrix(A, "linalg.householder_product", square=False)
    n, k = A.shape[-2:]
    count = tau.shape[-1]
    if n < k or count > k:
        raise RuntimeError(
            f"linalg.householder_product: input.shape[-2] must be greater than or equal to input.shape[-1], and that "
            f"to tau.shape[-1]; got {tuple(A.shape)} and {tuple(tau.shape)}."
        )
    V = np.tril(A, -1) + finish(np.eye(n, k, dtype=A.dtype))
    Q = finish(np.broadcast_to(np.eye(n, k, dtype=A.dtype), A.shape).copy())
    if not k:
        return V
    for i in reversed(range(count)):
        v = V[..., i : i + 1]
        Q = Q - tau[..., i, None, None] * matmul(v, matmul(v.mT, Q))
    return Q


# --- forms that report instead of raising


def _info(worked: Any) -> Tensor:
    return wrap(np.asarray(np.where(worked, 0, 1), np.int32))


def _tried(function: Any, A: Any, check_errors: bool) -> tuple[Any, Tensor]:
    """The result for each matrix of a stack; NaN and info 1 where the algorithm could not go on."""
    try:
        return function(A), _info(np.ones(tuple(A.shape[:-2]), bool))
    except LinAlgError:
        if check_errors:
            raise
    flat = reshape_to(A, shape=(-1, *A.shape[-2:]))
    results, worked = [], []
    for i in range(flat.shape[0]):
        try:
            results.append(function(flat[i]))
            worked.append(True)
        except LinAlgError:
            results.append(None)
            worked.append(False)
    shape = next((tuple(r.shape) for r in results if r is not None), tuple(A.shape[-2:]))
    missing = wrap(np.full(shape, np.nan, A.dtype))
    whole = np.stack([missing if r is None else r for r in results])
    return reshape_to(whole, shape=(*A.shape[:-2], *shape)), _info(np.reshape(worked, tuple(A.shape[:-2])))


def inv_ex(A: Any, *, check_errors: bool = False) -> Inverse:
    """The inverse, and info: 0 where it worked, 1 for a singular matrix, whose inverse is NaN."""
    return Inverse(*_tried(m.inv, m.as_matrix(A, "linalg.inv_ex"), check_errors))


def cholesky_ex(A: Any, *, upper: bool = False, check_errors: bool = False) -> Factor:
    """The Cholesky factor, and info: 0 where it worked, 1 for a matrix that is not positive definite."""
    return Factor(*_tried(lambda S: m.cholesky(S, upper), m.as_matrix(A, "linalg.cholesky_ex"), check_errors))


def solve_ex(A: Any, B: Any, *, left: bool = True, check_errors: bool = False) -> Solution:
    """The solution of A @ X = B, and info: 0 where it worked, 1 for a singular matrix."""
    m.as_matrix(A, "linalg.solve_ex")
    try:
        return Solution(m.solve(A, B, left=left), _info(np.ones(tuple(A.shape[:-2]), bool)))
    except LinAlgError:
        if check_errors:
            raise
        if A.ndim > 2:
            raise
        return Solution(np.full_like(B, np.nan), _info(False))


# --- equations between tensors


@answers(np.linalg.tensorinv)
def _np_tensorinv(a: Any, ind: int = 2) -> Any:
    return tensorinv(a, ind)


@answers(np.linalg.tensorsolve)
def _np_tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    return tensorsolve(a, b, axes)


def tensorinv(A: Any, ind: int = 2) -> Any:
    """The inverse of A as a map from its last axes to its first `ind` ones."""
    shape = tuple(A.shape)
    if ind <= 0:
        raise RuntimeError(f"linalg.tensorinv: Expected a strictly positive integer for 'ind', got {ind}.")
    rows, columns = math.prod(shape[:ind]), math.prod(shape[ind:])
    if rows != columns:
        raise RuntimeError(
            f"linalg.tensorinv: Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            f"prod(self.shape[:ind]), but got {columns} != {rows}."
        )
    return reshape_to(m.inv(reshape_to(A, shape=(rows, columns))), shape=(*shape[ind:], *shape[:ind]))


def tensorsolve(A: Any, B: Any, dims: Any = None) -> Any:
    """X with tensordot(A, X, X.ndim) = B; `dims` are axes of A to be moved to its end first."""
    if dims is not None:
        A = np.moveaxis(A, tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))
    shape = tuple(A.shape[B.ndim :])
    size = math.prod(shape)
    if size != math.prod(B.shape):
        raise RuntimeError(
            f"linalg.tensorsolve: Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {size} != {math.prod(B.shape)}."
        )
    return reshape_to(m.solve(reshape_to(A, shape=(size, size)), B.reshape(size)), shape=shape)


def eig(A: Any) -> Any:
    """Refused: the eigenvalues of a general matrix are complex numbers, which are not supported."""
    raise NotImplementedError(
        "linalg.eig: eigenvalues of a general matrix are complex, and complex numbers are not supported; for a "
        "symmetric matrix use linalg.eigh, else np.linalg.eig on .detach().numpy()."
    )


def eigvals(A: Any) -> Any:
    """Refused, as eig."""
    raise NotImplementedError(
        "linalg.eigvals: eigenvalues of a general matrix are complex, and complex numbers are not supported; for a "
        "symmetric matrix use linalg.eigvalsh, else np.linalg.eigvals on .detach().numpy()."
    )
