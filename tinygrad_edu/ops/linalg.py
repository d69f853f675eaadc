"""Products of matrices and vectors, and the linear map of a layer.

    C = A B      dA = dC B^T      dB = A^T dC

Each pair of kinds, matrices or stacks of them and vectors, is a primitive of its own; `matmul` in front chooses
by the number of axes. `affine` is nn.functional.linear, Z = X W^T + b in one primitive.

Not here: PyTorch's further names for products (products.py), einsum (einsum.py), inverses (decomposition.py).
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..core.dtypes import equal
from ..core.errors import ShapeError
from ..core.primitive import Array, answers, primitive
from ..core.tensor import Tensor
from .public import public


def product(A: Array, B: Array) -> Array:
    """A @ B. Of two matrices np.dot hands to BLAS also those that @ loops over: 1.6 us for 4.0, (400, 1) @ (1, 4)."""
    return np.dot(A, B) if A.ndim == B.ndim == 2 else A @ B


def _check_inner(A: Array, B: Array) -> None:
    if A.shape[-1] != B.shape[-2]:
        raise ShapeError(
            f"{{0}} has {A.shape[-1]} columns, {{1}} has {B.shape[-2]} rows; they must be equal "
            "(mat1 and mat2 shapes cannot be multiplied)."
        )


@primitive(
    np.matmul,
    name="matmul",
    types=equal,
    dA=lambda dC, C, A, B: matrix_product(dC, B.mT) if A.ndim > 2 else product(dC, B.mT),  # type: ignore[has-type]
    dB=lambda dC, C, A, B: product(A.mT, dC),
)
def matrix_product(A: Array, B: Array) -> Array:
    """C = A @ B, (..., n, k) @ (..., k, p) -> (..., n, p)."""
    _check_inner(A, B)
    if A.ndim > 2 and B.ndim == 2:  # one product: 16 of (64, 64) @ (64, 192) take 341 us, (1024, 64) @ (64, 192) 263
        return np.reshape(product(_rows(A), B), (*A.shape[:-1], B.shape[-1]))
    return product(A, B)


matrix_product.composition = operator.matmul


@primitive(
    name="matmul",
    types=equal,
    dA=lambda dy, y, A, x: dy[..., None] * x,
    dx=lambda dy, y, A, x: (A.mT @ dy[..., None])[..., 0],
)
def matrix_vector(A: Array, x: Array) -> Array:
    """y = A @ x, (..., n, k) @ (k,) -> (..., n)."""
    if A.shape[-1] != x.shape[0]:
        raise ShapeError(f"{{0}} has {A.shape[-1]} columns, {{1}} has {x.shape[0]} elements; they must be equal.")
    return A @ x


@primitive(
    name="matmul",
    types=equal,
    dx=lambda dy, y, x, B: (B @ dy[..., None])[..., 0],
    dB=lambda dy, y, x, B: x[:, None] * dy[..., None, :],
)
def vector_matrix(x: Array, B: Array) -> Array:
    """y = x @ B, (k,) @ (..., k, p) -> (..., p)."""
    if x.shape[0] != B.shape[-2]:
        raise ShapeError(f"{{0}} has {x.shape[0]} elements, {{1}} has {B.shape[-2]} rows; they must be equal.")
    return x @ B


@public("dot")
@primitive(
    np.dot,
    types=equal,
    dx=lambda ds, s, x, y: ds * y,
    dy=lambda ds, s, x, y: ds * x,
)
def dot(x: Array, y: Array) -> Array:
    """s = sum(x * y), (k,) @ (k,) -> ()."""
    if x.ndim != 1 or y.ndim != 1 or x.shape != y.shape:
        raise ShapeError(f"two vectors of one length are expected, got shapes {x.shape} and {y.shape}.")
    return np.dot(x, y)


@primitive(
    name="linear",
    types=equal,
    dX=lambda dZ, Z, X, W, b=None: matrix_product(dZ, W) if X.ndim > 2 else product(dZ, W),
    dW=lambda dZ, Z, X, W, b=None: product(_rows(dZ).mT, _rows(X)),
    db=lambda dZ, Z, X, W, b: dZ,  # summed over the rows by the engine
)
def affine(X: Array, W: Array, b: Array = None) -> Array:
    """Z = X @ W.T + b, rows as samples: X (..., n_in), W (n_out, n_in), b (n_out,), Z (..., n_out)."""
    try:
        Z = matrix_product(X, W.T) if X.ndim > 2 else product(X, W.T)
        return Z if b is None else np.add(Z, b, out=Z)
    except ValueError:
        raise ShapeError(
            f"input {X.shape}, weight {W.shape} and bias {None if b is None else b.shape} do not fit: the input's "
            "last axis must be the weight's second, the bias one number per row of the weight. Samples are rows "
            "here: input (m, n_in), weight (n_out, n_in)."
        ) from None


affine.composition = lambda X, W, b=None: X @ W.T if b is None else X @ W.T + b


def _rows(X: Array) -> Array:
    """A stack of samples as one matrix, a sample per row."""
    return X if X.ndim == 2 else np.reshape(X, (math.prod(X.shape[:-1]), X.shape[-1]))


@public("matmul")
def matmul(input: Any, other: Any) -> Any:
    """The matrix product input @ other, of vectors, matrices and stacks of matrices that broadcast."""
    ndims = _ndim(input), _ndim(other)
    if 0 in ndims:
        raise RuntimeError("matmul: both arguments need at least 1 axis; multiply by a number with *.")
    if ndims == (1, 1):
        return dot(input, other)
    if ndims[1] == 1:
        return matrix_vector(input, other)
    return vector_matrix(input, other) if ndims[0] == 1 else matrix_product(input, other)


def _ndim(x: Any) -> int:
    return int(getattr(x, "ndim", 0))


Tensor.__matmul__ = lambda self, other: matmul(self, other)  # type: ignore[method-assign]
Tensor.__rmatmul__ = lambda self, other: matmul(other, self)  # type: ignore[method-assign]
answers(np.matmul)(matmul)


@public("mm")
def mm(input: Any, mat2: Any) -> Any:
    """The product of two matrices, without broadcasting."""
    if input.ndim != 2 or mat2.ndim != 2:
        raise ShapeError(f"mm: two matrices are expected, got shapes {tuple(input.shape)} and {tuple(mat2.shape)}.")
    return matrix_product(input, mat2)


@answers(np.dot)
def _np_dot(a: Any, b: Any) -> Any:
    if _ndim(a) == 0 or _ndim(b) == 0:
        return a * b
    if _ndim(a) > 2 or _ndim(b) > 2:
        raise TypeError("np.dot of more than 2 axes is not a stack of products; use np.matmul.")
    return matmul(a, b)
