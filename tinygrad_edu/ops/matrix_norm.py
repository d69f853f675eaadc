"""Norms and condition numbers of matrices, and what np.linalg asks of Tensors and Symbols."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.errors import DtypeError, ShapeError
from ..core.primitive import answers
from . import matrices as m
from .decomposition import qr_triangle
from .matrices import inv, svdvals
from .norm import vector_norm
from .reduction import amax, amin, sum_over


def matrix_norm(A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The norm of matrices: "fro", "nuc" (the sum of singular values), 1, -1, 2, -2, inf, -inf."""
    if A.ndim < 2 and dtype is None:
        raise ShapeError(f"linalg.matrix_norm: The input tensor A must have at least 2 dimensions, got {A.ndim}.")
    if not isinstance(dim, (tuple, list)) or len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple, got {dim!r}.")
    if A.dtype.kind != "f":
        raise DtypeError(f"linalg.matrix_norm: Expected a floating point tensor as input. Got {A.dtype}; use .float().")
    if dtype is not None:
        A = A.astype(np.dtype(dtype))
    rows, columns = (_place(d, A.ndim) for d in dim)
    if rows == columns:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different, got {tuple(dim)}.")
    if ord in ("fro", "nuc", 2, -2):
        if ord == "fro":
            return vector_norm(A, 2, (rows, columns), keepdim)
        others = [i for i in range(A.ndim) if i not in (rows, columns)]
        S = svdvals(np.transpose(A, (*others, rows, columns)))
        if ord == "nuc" or (ord == 2 and S.shape[-1] == 0):  # of none the largest is 0, as in PyTorch
            N = sum_over(S, axis=(S.ndim - 1,), keepdims=False)
        else:
            N = (amax if ord == 2 else amin)(S, -1)
        return N.reshape(tuple(1 if i in (rows, columns) else n for i, n in enumerate(A.shape))) if keepdim else N
    if ord not in (1, -1, math.inf, -math.inf):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord!r} not supported; 'fro', 'nuc', 1, -1, 2, -2, inf or -inf.")
    first, second = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = sum_over(np.absolute(A), axis=(first,), keepdims=True)
    if ord > 0 and A.shape[second] == 0:
        N = sum_over(sums, axis=(second,), keepdims=True)
    else:
        N = (amax if ord > 0 else amin)(sums, second, keepdim=True)
    return N if keepdim else np.squeeze(N, (rows, columns))


def _place(dim: int, ndim: int) -> int:
    if not -ndim <= dim < ndim:
        raise IndexError(f"linalg.matrix_norm: Dimension out of range (got {dim}); the tensor has {ndim} axes.")
    return dim % ndim


def norm(A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The norm of vectors (one dim, or all elements without ord) or matrices (two dims, or a matrix and ord)."""
    if isinstance(ord, str) or (ord is not None and ((dim is None and A.ndim == 2) or _two(dim))):
        if isinstance(ord, str) and dim is not None and not _two(dim):
            raise RuntimeError(f"linalg.norm: order {ord!r} is of matrices, which need two dims, not {dim!r}.")
        if dim is None and A.ndim != 2:
            raise RuntimeError(f"linalg.norm: the input must be 1D or 2D when dim is None, got {A.ndim}D.")
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    if ord is not None and dim is None and A.ndim > 2:
        raise RuntimeError(
            f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D."
        )
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


def _two(dim: Any) -> bool:
    return isinstance(dim, (tuple, list)) and len(dim) == 2


def cond(A: Any, p: Any = None) -> Any:
    """The condition number: the norm of A times that of its inverse; default and 2: largest over smallest S."""
    m.as_matrix(A, "linalg.cond", square=p not in (None, 2, -2))
    if p in (None, 2, -2):
        S = svdvals(A)
        return S[..., 0] / S[..., -1] if p != -2 else S[..., -1] / S[..., 0]
    return matrix_norm(A, p) * matrix_norm(inv(A), p)


# --- NumPy's side


_fronts: dict[Any, Any] = {
    np.linalg.inv: m.inv,
    np.linalg.det: m.det,
    np.linalg.slogdet: m.slogdet,
    np.linalg.matrix_power: m.matrix_power,
    np.linalg.svdvals: m.svdvals,
}
for _function, _front in _fronts.items():
    answers(_function)(_front)


@answers(np.linalg.solve)
def _np_solve(a: Any, b: Any) -> Any:
    if b.ndim == 1:
        return m.solve(a, b)
    wide = (*np.broadcast_shapes(tuple(a.shape[:-2]), tuple(b.shape[:-2])), *b.shape[-2:])
    return m.solve(a, np.broadcast_to(b, wide))  # in NumPy only one axis means a vector


@answers(np.linalg.cholesky)
def _np_cholesky(a: Any, /, *, upper: bool = False) -> Any:
    return m.cholesky(a, upper)


@answers(np.linalg.qr)
def _np_qr(a: Any, mode: str = "reduced") -> Any:
    return qr_triangle(a) if mode == "r" else m.qr(a, mode)


@answers(np.linalg.eigh)
def _np_eigh(a: Any, UPLO: str = "L") -> Any:
    return m.eigh(a, UPLO)


@answers(np.linalg.eigvalsh)
def _np_eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return m.eigvalsh(a, UPLO)


@answers(np.linalg.svd)
def _np_svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    return m.svd(a, full_matrices) if compute_uv else m.svdvals(a)


@answers(np.linalg.pinv)
def _np_pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    if rcond is None and rtol is None:
        rcond = 1e-15
    return m.pinv(a, rcond, hermitian, rtol=rtol)


@answers(np.linalg.matrix_rank)
def _np_matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    return m.matrix_rank(A, tol, hermitian, rtol=rtol)


@answers(np.linalg.lstsq)
def _np_lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    found = m.lstsq(a, b.reshape(-1, 1) if b.ndim == 1 else b, rcond, driver="gelsd")
    x = found.solution[:, 0] if b.ndim == 1 else found.solution
    return x, found.residuals, int(found.rank), found.singular_values


@answers(np.linalg.norm)
def _np_norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    return norm(x, ord, axis, keepdims)


@answers(np.linalg.vector_norm)
def _np_vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    return vector_norm(x, ord, axis, keepdims)


@answers(np.linalg.matrix_norm)
def _np_matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    return matrix_norm(x, ord, keepdim=keepdims)


@answers(np.linalg.cond)
def _np_cond(x: Any, p: Any = None) -> Any:
    return cond(x, p)


@answers(np.vander)
def _np_vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    return m.vander_falling(x, N, increasing)
