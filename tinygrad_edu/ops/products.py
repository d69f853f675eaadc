"""PyTorch's further names for products: of vectors (outer, cross), of matrices (mv, bmm), added to something (addmm).

Each checks the shapes that it promises and calls a product of linalg.py or einsum.py; `cross` alone has a
primitive of its own.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..core.dtypes import arithmetic, equal, promote
from ..core.errors import ShapeError, describe
from ..core.primitive import Array, answers, primitive
from .conversion import astype
from .dims import one_axis
from .einsum import contract, tensordot
from .linalg import dot, matmul, matrix_product, matrix_vector, mm
from .public import public
from .reduction import as_asked, sum_over


def expect(condition: bool, operation: str, what: str, *tensors: Any) -> None:
    """Refuse operands whose shapes don't fit, and say which they are."""
    if not condition:
        raise ShapeError(f"{operation}: {what}, got shapes {_shapes(tensors)}." + describe(tensors))


def _shapes(tensors: Any) -> str:
    return " and ".join(str(tuple(x.shape)) for x in tensors)


def same_dtype(operation: str, *tensors: Any) -> None:
    """Refuse operands of several dtypes, which PyTorch multiplies by numbers but not by matrices."""
    equal(operation, tensors)


# --- of vectors


@public("mv")
def mv(input: Any, vec: Any) -> Any:
    """The product of a matrix and a vector."""
    expect(input.ndim == 2 and vec.ndim == 1, "mv", "a matrix and a vector are expected", input, vec)
    return matrix_vector(input, vec)


@public("outer", "ger")
def outer(input: Any, vec2: Any) -> Any:
    """Every element of one vector times every element of another, a row per element of input."""
    expect(input.ndim == 1 and vec2.ndim == 1, "outer", "two vectors are expected", input, vec2)
    if input.dtype != vec2.dtype:
        return input[:, None] * vec2
    return contract(input, vec2, spec="i,j->ij")


@public("inner")
def inner(input: Any, other: Any) -> Any:
    """The sum of products over the last axis of both: the dot product of vectors; of a 0-d tensor the product."""
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    expect(input.shape[-1] == other.shape[-1], "inner", "the last axes must be of one length", input, other)
    if input.ndim == 1 and other.ndim == 1:
        return dot(input, other)
    return tensordot(input, other, ([-1], [-1]))


@public("vdot")
def vdot(input: Any, other: Any) -> Any:
    """The sum of products of two vectors."""
    return dot(input, other)


def vecdot(x: Any, y: Any, *, dim: int = -1) -> Any:
    """The sum of products along one axis; the others broadcast."""
    same_dtype("linalg.vecdot", x, y)
    products = x * y
    return sum_over(products, axis=(one_axis(dim, products.ndim, "linalg.vecdot"),), keepdims=False)


@primitive(
    name="cross",
    types=arithmetic,
    opaque=True,
    dX=lambda dZ, Z, X, Y, *, axis: cross_along(Y, dZ, axis=axis),  # type: ignore[has-type]
    dY=lambda dZ, Z, X, Y, *, axis: cross_along(dZ, X, axis=axis),  # type: ignore[has-type]
)
def cross_along(X: Array, Y: Array, *, axis: int) -> Array:
    """The vector product of vectors that run along an axis, which is counted from the end."""
    X, Y = np.broadcast_arrays(X, Y)
    Z = np.empty(X.shape, X.dtype)
    x, y, z = (np.moveaxis(a, axis, 0) for a in (X, Y, Z))
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        np.multiply(x[j], y[k], out=z[i, ...])  # `...`: of two vectors z[i] would be a number
        np.subtract(z[i], x[k] * y[j], out=z[i, ...])
    return Z


@public("cross")
def cross(input: Any, other: Any, dim: int | None = None) -> Any:
    """The vector product of vectors of 3 elements along `dim`; default: the first axis of length 3."""
    if dim is None:
        threes = [i for i, n in enumerate(input.shape) if n == 3]
        if not threes:
            raise RuntimeError(f"cross: no dimension of size 3 in input, got shape {tuple(input.shape)}.")
        dim = threes[0]
    return linalg_cross(input, other, dim=dim)


def linalg_cross(input: Any, other: Any, *, dim: int = -1) -> Any:
    """The vector product of vectors of 3 elements along `dim`; the other axes broadcast."""
    expect(input.ndim == other.ndim, "linalg.cross", "inputs must have the same number of dimensions", input, other)
    axis = one_axis(dim, input.ndim, "linalg.cross")
    expect(input.shape[axis] == 3 == other.shape[axis], "linalg.cross", f"axis {axis} must have length 3", input, other)
    return cross_along(input, other, axis=axis - input.ndim)


# --- of matrices


@public("bmm")
def bmm(input: Any, mat2: Any) -> Any:
    """The products of two stacks of matrices, pair by pair, without broadcasting."""
    three = input.ndim == 3 and mat2.ndim == 3
    expect(three, "bmm", "batch1 and batch2 must be 3D tensors", input, mat2)
    expect(input.shape[0] == mat2.shape[0], "bmm", "both must have as many matrices", input, mat2)
    return matrix_product(input, mat2)


def _combined(operation: str, input: Any, product: Any, beta: float, alpha: float) -> Any:
    """beta * input + alpha * product, in the product's shape; with beta 0 nothing of input is read, NaN neither."""
    same_dtype(operation, input, product)
    if input.dtype.kind != "f":  # PyTorch cuts the factors to the tensors' type
        beta, alpha = int(beta), int(alpha)
    try:
        fits = np.broadcast_shapes(tuple(input.shape), tuple(product.shape)) == tuple(product.shape)
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(
            f"{operation}: input {tuple(input.shape)} does not broadcast to the product's shape "
            f"{tuple(product.shape)}." + describe([input])
        )
    product = product if alpha == 1 else product * alpha
    if beta == 0:
        return product
    return product + input if beta == 1 else product + input * beta


@public("addmm", inplace=True)
def addmm(input: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """beta * input + alpha * (mat1 @ mat2), of matrices."""
    return _combined("addmm", input, mm(mat1, mat2), beta, alpha)


@public("addmv", inplace=True)
def addmv(input: Any, mat: Any, vec: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """beta * input + alpha * (mat @ vec), of a matrix and a vector."""
    return _combined("addmv", input, mv(mat, vec), beta, alpha)


@public("addr", inplace=True)
def addr(input: Any, vec1: Any, vec2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """beta * input + alpha * outer(vec1, vec2), in the dtype that the three lead to; of booleans by or and and."""
    product = outer(vec1, vec2)
    dtype = promote([input, product])
    kind: str = dtype.kind
    for name, factor in (("beta", beta), ("alpha", alpha)):
        if kind != "f" and isinstance(factor, float):
            raise RuntimeError(
                f"addr: For integral input tensors, argument {name} must not be a floating point number, got {factor}."
            )
        if kind != "b" and isinstance(factor, bool):
            raise RuntimeError(f"addr: Boolean {name} only supported for Boolean results, not for {dtype}.")
    input, product = (x if x.dtype == dtype else astype(x, dtype=dtype) for x in (input, product))
    if kind == "b":
        input, product = input & bool(beta), product & bool(alpha)
        return product | input
    return _combined("addr", input, product, beta, alpha)


@public("baddbmm", inplace=True)
def baddbmm(input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """beta * input + alpha * (batch1 @ batch2), of stacks of matrices."""
    return _combined("baddbmm", input, bmm(batch1, batch2), beta, alpha)


@public("addbmm", inplace=True)
def addbmm(input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """beta * input + alpha * the sum of the products of two stacks of matrices, pair by pair."""
    products = bmm(batch1, batch2)  # checks the shapes
    total = as_asked(sum_over(products, axis=(0,), keepdims=False), products.dtype)
    return _combined("addbmm", input, total, beta, alpha)


@public("trace")
def trace(input: Any) -> Any:
    """The sum of a matrix's diagonal."""
    expect(input.ndim == 2, "trace", "expected a matrix", input)
    return np.diagonal(input, 0, 0, 1).sum()


def multi_dot(tensors: Any) -> Any:
    """The product of two and more matrices, in the order that costs least; the ends may be vectors."""
    matrices = list(tensors)
    if len(matrices) < 2:
        raise RuntimeError(f"multi_dot: expected at least 2 tensors but got {len(matrices)}.")
    first, last = matrices[0], matrices[-1]
    for i, x in enumerate(matrices):
        end = i in (0, len(matrices) - 1)
        if x.ndim != 2 and not (end and x.ndim == 1):
            raise RuntimeError(
                f"multi_dot: tensor {i} must be 2D{' or 1D' if end else ''} but got {x.ndim}D, shape {tuple(x.shape)}."
            )
    if first.ndim == 1:
        matrices[0] = first.reshape(1, -1)
    if last.ndim == 1:
        matrices[-1] = last.reshape(-1, 1)
    result = _in_best_order(matrices)
    shape = tuple(result.shape)
    if first.ndim == 1 or last.ndim == 1:
        result = result.reshape(shape[first.ndim == 1 : 2 - (last.ndim == 1)])
    return result


def _in_best_order(matrices: list[Any]) -> Any:
    """The product with the fewest multiplications. Source: Cormen et al., "Introduction to Algorithms", 15.2."""
    n = [matrices[0].shape[0], *(x.shape[1] for x in matrices)]

    @functools.cache
    def plan(i: int, j: int) -> tuple[int, int]:
        """Of matrices i to j: the cost, and behind which matrix to split."""
        if i == j:
            return 0, i
        return min((plan(i, k)[0] + plan(k + 1, j)[0] + n[i] * n[k + 1] * n[j + 1], k) for k in range(i, j))

    def product(i: int, j: int) -> Any:
        k = plan(i, j)[1]
        return matrices[i] if i == j else matrix_product(product(i, k), product(k + 1, j))

    return product(0, len(matrices) - 1)


@public("chain_matmul", as_method=False)
def chain_matmul(*matrices: Any) -> Any:
    """The product of matrices, in the order that costs least."""
    for x in matrices:
        expect(x.ndim == 2, "chain_matmul", "matrices are expected", x)
    if len(matrices) == 1:
        return matrices[0]
    return multi_dot(matrices)


# --- NumPy's side

answers(np.vdot)(vdot)
answers(np.inner)(inner)
answers(np.linalg.matmul)(matmul)  # type: ignore[has-type]


@answers(np.outer)
def _np_outer(a: Any, b: Any, out: Any = None) -> Any:
    return outer(a.reshape(-1), b.reshape(-1))


answers(np.linalg.outer)(outer)


@answers(np.trace)
def _np_trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return np.diagonal(a, offset, axis1, axis2).sum(-1)


@answers(np.linalg.trace)
def _np_linalg_trace(x: Any, /, *, offset: int = 0) -> Any:
    return _np_trace(x, offset, x.ndim - 2, x.ndim - 1)


@answers(np.linalg.diagonal)
def _np_linalg_diagonal(x: Any, /, *, offset: int = 0) -> Any:
    return np.diagonal(x, offset, x.ndim - 2, x.ndim - 1)


@answers(np.cross)
def _np_cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    if axis is None and not axisa == axisb == axisc:
        raise TypeError("np.cross: on tensors the vectors of both operands and of the result run along one axis.")
    return linalg_cross(a, b, dim=axisa if axis is None else axis)


@answers(np.linalg.cross)
def _np_linalg_cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return linalg_cross(x1, x2, dim=axis)


@answers(np.linalg.vecdot)
def _np_vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return vecdot(x1, x2, dim=axis)


@answers(np.linalg.tensordot)
def _np_linalg_tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    return tensordot(x1, x2, axes)


@answers(np.linalg.multi_dot)
def _np_multi_dot(arrays: Any, *, out: Any = None) -> Any:
    return multi_dot(arrays)
