"""Linear algebra by PyTorch's names: what is checked and returned around the primitives of decomposition.py.

Functions that stand in torch alone, or in both, are made public here; those of torch.linalg are
gathered in tinygrad_edu.linalg.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import DtypeError, LinAlgError, ShapeError
from ..core.primitive import Operand
from ..core.tensor import Tensor
from ..core.write import read
from .checks import check
from .decomposition import (
    cholesky_factor,
    cholesky_system,
    determinant,
    eigenvalues_only,
    eigh_factors,
    inverse_of,
    matrix_exponential,
    mirrored,
    power_of_none,
    pseudo_inverse,
    qr_complete,
    qr_factors,
    qr_triangle,
    sign_and_log,
    singular_values_only,
    solve_system,
    solve_triangle,
    svd_factors,
    unit,
)
from .products import same_dtype
from .public import public
from .reduction import max_over, prints_as
from .shape import reshape_to


@prints_as("linalg_qr")
class QR(NamedTuple):
    """What qr returns."""

    Q: Any
    R: Any


@prints_as("linalg_eigh")
class Eigh(NamedTuple):
    """What eigh returns."""

    eigenvalues: Any
    eigenvectors: Any


@prints_as("linalg_svd")
class SVD(NamedTuple):
    """What linalg.svd returns."""

    U: Any
    S: Any
    Vh: Any


@prints_as("svd")
class USV(NamedTuple):
    """What torch.svd, and svd here, returns: V, not its transpose."""

    U: Any
    S: Any
    V: Any


@prints_as("linalg_slogdet")
class SignAndLog(NamedTuple):
    """What slogdet returns."""

    sign: Any
    logabsdet: Any


@prints_as("linalg_lstsq")
class LeastSquares(NamedTuple):
    """What lstsq returns."""

    solution: Any
    residuals: Any
    rank: Any
    singular_values: Any


def as_matrix(A: Any, name: str, square: bool = True) -> Any:
    """A, if it is a floating matrix or a stack of such."""
    if not isinstance(A, Operand):
        raise TypeError(f"{name}: expected a Tensor, got {type(A).__name__}.")
    shape = tuple(A.shape)  # type: ignore[attr-defined]
    if len(shape) < 2:
        raise ShapeError(f"{name}: The input tensor A must have at least 2 dimensions, got shape {shape}.")
    if square and shape[-1] != shape[-2]:
        raise ShapeError(
            f"{name}: A must be batches of square matrices, but they are {shape[-2]} by {shape[-1]} matrices."
        )
    if A.dtype.kind != "f":  # type: ignore[attr-defined]
        raise DtypeError(
            f"{name}: Expected a floating point tensor as input. Got {A.dtype}; use .float()."  # type: ignore[attr-defined]
        )
    return A


def _refuse_nan(result: Any, A: Any, message: str) -> None:
    """Raise LinAlgError where a matrix without NaN has given NaN: LAPACK could not go on."""
    result, A = (read(x) if isinstance(x, Tensor) else x for x in (result, A))
    if result.__class__ is np.ndarray and np.isfinite(result).all():
        return
    bad = np.any(result != result, axis=(-2, -1)) & ~np.any(A != A, axis=(-2, -1))
    check(~bad if bad.__class__ is np.ndarray else np.logical_not(bad), message, LinAlgError)


@public("inverse")
def inv(A: Any) -> Any:
    """The inverse of a matrix, or of each of a stack."""
    result = inverse_of(as_matrix(A, "linalg.inv"))
    _refuse_nan(result, A, "linalg.inv: the inversion could not be completed because the input matrix is singular")
    return result


@public("det")
def det(A: Any) -> Any:
    """The determinant. Its gradient exists for singular matrices too; its second derivative here does not."""
    return determinant(as_matrix(A, "linalg.det"))


@public("slogdet")
def slogdet(A: Any) -> SignAndLog:
    """(sign, logabsdet) of the determinant; the gradient of the sign is 0; of a singular matrix (0, -inf)."""
    sign, log = sign_and_log(as_matrix(A, "linalg.slogdet"))
    return SignAndLog(sign, log)


@public("logdet")
def logdet(input: Any) -> Any:
    """The logarithm of the determinant: NaN of a negative one, -inf of 0."""
    sign, log = slogdet(as_matrix(input, "logdet"))
    return np.where(sign < 0, math.nan, log)


def solve(A: Any, B: Any, *, left: bool = True) -> Any:
    """X with A @ X = B, or X @ A = B with left=False; B is a stack of matrices, or of vectors of A's batch shape."""
    as_matrix(A, "linalg.solve")
    same_dtype("linalg.solve", A, B)
    vector = B.ndim == 1 or (B.ndim == A.ndim - 1 and tuple(B.shape) == tuple(A.shape[:-1]))
    if vector and not left:
        raise ShapeError("linalg.solve: Vector broadcasting of the left hand side is not supported for left=False.")
    right = B[..., None] if vector else B if left else B.mT
    if right.shape[-2] != A.shape[-1]:
        raise ShapeError(
            f"linalg.solve: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'}: "
            f"{tuple(A.shape)} and {tuple(B.shape)}."
        )
    X = solve_system(A if left else A.mT, right)
    message = "linalg.solve: The solver failed because the input matrix is singular"
    if right.shape[-1]:
        _refuse_nan(X, np.sum(A, axis=(-2, -1), keepdims=True) * np.sum(right, axis=(-2, -1), keepdims=True), message)
    return X[..., 0] if vector else X if left else X.mT


def solve_triangular(
    A: Any, B: Any, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Any:  # fmt: skip
    """X with A @ X = B, or X @ A = B with left=False, of A only a triangle read. Of a singular A the result is NaN."""
    as_matrix(A, "linalg.solve_triangular")
    as_matrix(B, "linalg.solve_triangular", square=False)
    same_dtype("linalg.solve_triangular", A, B)
    if B.shape[-2 if left else -1] != A.shape[-1]:
        raise ShapeError(
            f"linalg.solve_triangular: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'}"
            f": {tuple(A.shape)} and {tuple(B.shape)}."
        )
    if left:
        return solve_triangle(A, B, upper=upper, unit=unitriangular)
    return solve_triangle(A.mT, B.mT, upper=not upper, unit=unitriangular).mT


@public("cholesky")
def cholesky(A: Any, upper: bool = False) -> Any:
    """L, lower triangular, with L @ L.mT = A; its transpose with upper=True. Of A one triangle is read."""
    as_matrix(A, "linalg.cholesky")
    L = cholesky_factor(A.mT if upper else A)
    message = (
        "linalg.cholesky: The factorization could not be completed because the input is not positive-definite "
        "(the leading minor of some order is not positive-definite)"
    )
    _refuse_nan(L, _nothing(A), message)
    return L.mT if upper else L


def _nothing(A: Any) -> Any:
    """Zeros of the shape of A: of it NaN is refused as well."""
    return np.zeros_like(A)


@public("cholesky_solve")
def cholesky_solve(B: Any, L: Any, upper: bool = False) -> Any:
    """X with A @ X = B, where L is the Cholesky factor of A."""
    as_matrix(L, "cholesky_solve")
    as_matrix(B, "cholesky_solve", square=False)
    same_dtype("cholesky_solve", B, L)
    if B.shape[-2] != L.shape[-1]:
        raise ShapeError(f"cholesky_solve: Incompatible matrix sizes: B {tuple(B.shape)} and L {tuple(L.shape)}.")
    return cholesky_system(B, L, upper=upper)


@public("cholesky_inverse")
def cholesky_inverse(L: Any, upper: bool = False) -> Any:
    """The inverse of A, where L is its Cholesky factor."""
    return cholesky_solve(unit(as_matrix(L, "cholesky_inverse")), L, upper)


def qr(A: Any, mode: str = "reduced") -> QR:
    """(Q, R) with Q @ R = A, Q's columns orthonormal, R upper triangular. Signs are LAPACK's.

    Without gradient where PyTorch has none: mode "r", and "complete" of more rows than columns.
    """
    as_matrix(A, "linalg.qr", square=False)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(f"linalg.qr: mode is 'reduced', 'complete' or 'r', not {mode!r}.")
    if mode == "r":
        return QR(A.detach()[..., :0].reshape(-1)[:0], qr_triangle(A))
    if mode == "complete" and A.shape[-2] > A.shape[-1]:
        return QR(*qr_complete(A))
    return QR(*qr_factors(A, mode=mode))


@public("qr")
def qr_some(input: Any, some: bool = True) -> QR:
    """(Q, R) of linalg.qr: reduced, or complete with some=False."""
    return qr(input, "reduced" if some else "complete")


def _uplo(UPLO: str, name: str) -> str:
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"{name}: Expected UPLO argument to be 'L' or 'U', but got {UPLO}.")
    return UPLO.upper()


def eigh(A: Any, UPLO: str = "L") -> Eigh:
    """(eigenvalues, eigenvectors) of a symmetric matrix, ascending; the eigenvectors are columns.

    Of A one triangle is read, yet its gradient is that of the whole matrix, as PyTorch's. A gradient
    through eigenvectors is infinite or NaN where eigenvalues are equal; through eigenvalues it isn't.
    """
    return Eigh(*eigh_factors(as_matrix(A, "linalg.eigh"), UPLO=_uplo(UPLO, "linalg.eigh")))


def eigvalsh(A: Any, UPLO: str = "L") -> Any:
    """The eigenvalues of a symmetric matrix, ascending."""
    as_matrix(A, "linalg.eigvalsh")
    uplo = _uplo(UPLO, "linalg.eigvalsh")
    if isinstance(A, Tensor) and not A.requires_grad:
        return eigenvalues_only(A, UPLO=uplo)
    return eigh_factors(A, UPLO=uplo)[0]


_NOT_FINITE = "linalg.svd: The algorithm failed to converge because the input matrix contained non-finite values"


def svd(A: Any, full_matrices: bool = True, *, driver: str | None = None) -> SVD:
    """(U, S, Vh) with A = U @ diag(S) @ Vh, S descending; `full_matrices=False`: only the first min(m, n) columns.

    A gradient through U and Vh exists where singular values are distinct (and not 0, unless A is
    square); where they are equal it is infinite or NaN, as PyTorch's. Only what does not depend on
    the signs of the columns is well defined: a loss must not. `driver` is for GPUs and ignored.
    """
    U, S, Vh = svd_factors(as_matrix(A, "linalg.svd", square=False), full_matrices=full_matrices)
    _refuse_nan(S[..., None], _nothing(S[..., None]), _NOT_FINITE)
    return SVD(U, S, Vh)


@public("svd")
def svd_some(input: Any, some: bool = True, compute_uv: bool = True) -> USV:
    """(U, S, V) with input = U @ diag(S) @ V.mT; see linalg.svd. Without compute_uv U and V are zeros."""
    if not compute_uv:
        S = svdvals(input)
        m, n = input.shape[-2:]
        U, V = (input.new_zeros((*input.shape[:-2], rows, rows)) for rows in (m, n))
        return USV(U, S, V)
    U, S, Vh = svd(input, not some)
    return USV(U, S, Vh.mT)


def svdvals(A: Any, *, driver: str | None = None) -> Any:
    """The singular values, descending."""
    as_matrix(A, "linalg.svdvals", square=False)
    if isinstance(A, Tensor) and not A.requires_grad:
        S = singular_values_only(A)
        _refuse_nan(S[..., None], _nothing(S[..., None]), _NOT_FINITE)
        return S
    return svd(A, False).S


def _tolerances(A: Any, atol: Any, rtol: Any) -> tuple[Any, Any]:
    """Up to max(atol, rtol * the largest) a singular value is taken for 0; default: what rounding makes of 0.

    Each is a number, or an array (..., 1) with one per matrix.
    """
    absolute = 0.0 if atol is None else _tolerance(atol)
    if rtol is not None:
        return absolute, _tolerance(rtol)
    rounding = float(np.finfo(A.dtype).eps) * max(A.shape[-2:])
    return absolute, np.where(np.greater(absolute, 0), 0.0, rounding) if np.ndim(absolute) else (
        0.0 if absolute > 0 else rounding
    )


def _tolerance(tol: Any) -> Any:
    """A number as it is, of a tensor its numbers; a lone one counts for all matrices."""
    array = tol._values() if isinstance(tol, Tensor) else np.asarray(tol)
    return array[..., None] if array.ndim else float(array)


def pinv(A: Any, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Any:
    """The pseudo-inverse; singular values up to max(atol, rtol * the largest) are taken for 0.

    The gradient is that of matrices of the same rank. `hermitian` promises symmetry: only the lower triangle is read.
    """
    as_matrix(A, "linalg.pinv", square=hermitian)
    atol, rtol = _tolerances(A, atol, rcond if rtol is None else rtol)
    result = pseudo_inverse(A, atol=atol, rtol=rtol, hermitian=hermitian)
    _refuse_nan(result, _nothing(A), _NOT_FINITE)
    return result


@public("pinverse")
def pinverse(input: Any, rcond: float = 1e-15) -> Any:
    """The pseudo-inverse; singular values up to rcond * the largest are taken for 0."""
    return pinv(input, rcond)


def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Any:
    """The number of singular values above max(atol, rtol * the largest); with `tol` above tol. No gradient."""
    as_matrix(A, "linalg.matrix_rank", square=hermitian)
    A = A.detach() if isinstance(A, Tensor) else A
    absolute, relative = (_tolerance(tol), 0.0) if tol is not None else _tolerances(A, atol, rtol)
    S = svdvals(mirrored(A) if hermitian else A)
    if not S.shape[-1]:
        return np.sum(S != 0, axis=-1)
    least = np.maximum(max_over(S, axis=(S.ndim - 1,), keepdims=True) * relative, absolute)
    return np.sum(least < S, axis=-1)


def lstsq(A: Any, B: Any, rcond: float | None = None, *, driver: str | None = None) -> LeastSquares:
    """(solution, residuals, rank, singular_values): X for which |A @ X - B| is least, and X shortest.

    The gradient is the solution's. What PyTorch's driver ("gelsy", "gels", "gelsd", "gelss") would not
    give is empty; whatever its name, the solution is pinv(A) @ B.
    """
    as_matrix(A, "linalg.lstsq", square=False)
    same_dtype("linalg.lstsq", A, B)
    driver = "gelsy" if driver is None else driver
    if driver not in ("gelsy", "gels", "gelsd", "gelss"):
        raise RuntimeError(f"linalg.lstsq: driver is 'gels', 'gelsy', 'gelsd' or 'gelss', not {driver!r}.")
    vector = A.ndim == B.ndim + 1 and tuple(B.shape) == tuple(A.shape[:-1])
    right = B[..., None] if vector else B
    if right.ndim < 2 or right.shape[-2] != A.shape[-2]:
        raise ShapeError(f"linalg.lstsq: A and B must have as many rows, got {tuple(A.shape)} and {tuple(B.shape)}.")
    m, n = A.shape[-2:]
    X = pinv(A, rtol=rcond) @ right
    empty = A.new_zeros(0)
    residuals = reshape_to(right, shape=(-1,))[:0]  # of the graph, as PyTorch's are, whether or not there are any
    S = svdvals(A.detach())
    cut = float(np.finfo(A.dtype).eps) * max(m, n) if rcond is None else rcond
    rank = np.sum(S > cut * S[..., :1], axis=-1)
    if m > n and driver != "gelsy" and (driver == "gels" or bool((rank == n).all())):
        gap = A @ X - right
        residuals = np.sum(gap * gap, axis=-2)
    return LeastSquares(
        X[..., 0] if vector else X,
        residuals,
        empty.long() if driver == "gels" else rank,
        S if driver in ("gelsd", "gelss") else empty,
    )


@public("matrix_exp")
def matrix_exp(A: Any) -> Any:
    """The sum of A**k / k! over all k >= 0, powers by the matrix product."""
    return matrix_exponential(as_matrix(A, "linalg.matrix_exp"))


@public("matrix_power")
def matrix_power(A: Any, n: int) -> Any:
    """A @ A @ ..., n factors, by repeated squaring; of a negative n the inverse's."""
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise ShapeError(f"linalg.matrix_power: A must be batches of square matrices, got shape {tuple(A.shape)}.")
    if n == 0:
        return power_of_none(A)
    if n < 0:
        A, n = inv(A), -n
    result = None
    while n:
        if n & 1:
            result = A if result is None else result @ A
        n >>= 1
        if n:
            A = A @ A
    return result if result is not A or not isinstance(A, Tensor) else A.clone()


@public("vander", as_method=False)
def vander_falling(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The powers of a vector's elements, a row per element; from the highest down unless `increasing`."""
    if x.ndim != 1:
        raise ShapeError(f"vander: x must be a one-dimensional tensor, got shape {tuple(x.shape)}.")
    if N is not None and N < 0:
        raise RuntimeError(f"vander: N must be non-negative, got {N}.")
    powers = _powers(x, len(x) if N is None else N)
    return powers if increasing else np.flip(powers, -1)


def vander(x: Any, *, N: int | None = None) -> Any:
    """The powers x**0 to x**(N - 1) along a new last axis; default: as many as x is long."""
    x = reshape_to(x, shape=(1,)) if x.ndim == 0 else x
    N = x.shape[-1] if N is None else N
    if N <= 1:
        raise RuntimeError(f"linalg.vander: N must be greater than 1, got {N}.")
    return _powers(x, N)


def _powers(x: Any, count: int) -> Any:
    """By products, as PyTorch: the gradient at 0 needs no 0**-1."""
    powers = [np.ones_like(x), x]
    for k in range(2, count):
        powers.append(powers[k // 2] * powers[k - k // 2])
    if not count:
        return powers[0][..., None][..., :0]
    return np.stack(powers[:count], axis=-1)
