"""torch.linalg's names, for matrices and stacks of matrices: `tinygrad_edu.linalg.solve(A, B)`.

Complex results (eig, eigvals) are refused; ldl_factor and ldl_solve are not here.
"""

from typing import Any

from .core.errors import LinAlgError
from .core.missing import missing
from .ops.diagonals import diagonal as _diagonal
from .ops.factorizations import (
    cholesky_ex,
    eig,
    eigvals,
    householder_product,
    inv_ex,
    lu,
    lu_factor,
    lu_solve,
    solve_ex,
    tensorinv,
    tensorsolve,
)
from .ops.linalg import matmul
from .ops.matrices import (
    cholesky,
    det,
    eigh,
    eigvalsh,
    inv,
    lstsq,
    matrix_exp,
    matrix_power,
    matrix_rank,
    pinv,
    qr,
    slogdet,
    solve,
    solve_triangular,
    svd,
    svdvals,
    vander,
)
from .ops.matrix_norm import cond, matrix_norm, norm
from .ops.norm import vector_norm
from .ops.out import with_out as _with_out
from .ops.products import linalg_cross as cross
from .ops.products import multi_dot, vecdot


def diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """The diagonal of matrices, as the last axis: a view."""
    return _diagonal(A, offset, dim1, dim2)


_TAKING_OUT = (
    cholesky, cholesky_ex, cond, cross, det, eigh, eigvalsh, householder_product, inv_ex, lstsq, lu, lu_factor,
    lu_solve, matrix_norm, matrix_rank, multi_dot, norm, pinv, qr, slogdet, solve, solve_ex, solve_triangular, svd,
    svdvals, tensorinv, tensorsolve, vecdot, vector_norm,
)  # fmt: skip
globals().update({f.__name__.removeprefix("linalg_"): _with_out(f, f"linalg.{f.__name__}") for f in _TAKING_OUT})


__all__ = [
    "LinAlgError",
    "cholesky",
    "cholesky_ex",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "householder_product",
    "inv",
    "inv_ex",
    "lstsq",
    "lu",
    "lu_factor",
    "lu_solve",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_ex",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensorinv",
    "tensorsolve",
    "vander",
    "vecdot",
    "vector_norm",
]

__getattr__ = missing(__name__)
