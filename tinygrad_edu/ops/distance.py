"""Distances and angles between vectors, and products that are linear in each of two inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtypes import floating_only, promote
from ..core.errors import DtypeError, ShapeError
from ..core.primitive import Array, primitive
from .creation import finish
from .dims import one_axis
from .einsum import einsum
from .losses_likelihood import raised
from .norm import euclidean_over, vector_norm
from .products import expect, same_dtype
from .public import public
from .reduction import sum_over


@public("cosine_similarity", as_method=False)
def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """The cosine of the angle between the vectors along `dim`; lengths below eps count as eps."""
    if x1.dtype.kind != "f" and x2.dtype.kind != "f":
        raise DtypeError(
            f"cosine_similarity: expected common dtype to be floating point, got {x1.dtype} and {x2.dtype}."
        )
    dtype = promote([x1._array, x2._array])
    x1, x2 = (x if x.dtype == dtype else x.to(dtype) for x in (x1, x2))
    try:
        ndim = len(np.broadcast_shapes(x1.shape, x2.shape))
    except ValueError:
        raise ShapeError(
            f"cosine_similarity: shapes {tuple(x1.shape)} and {tuple(x2.shape)} do not broadcast."
        ) from None
    axis = one_axis(dim, ndim, "cosine_similarity")
    first, second = (x.reshape((1,) * (max(ndim, 1) - x.ndim) + tuple(x.shape)) for x in (x1, x2))
    if first.shape[axis] != second.shape[axis]:  # a length of 1 stands for that many equal ones
        length = max(first.shape[axis], second.shape[axis])
        first, second = (x.expand(*(length if i == axis else -1 for i in range(x.ndim))) for x in (first, second))
    units = [x / raised(euclidean_over(x, axis=(axis,), keepdims=True), least=eps) for x in (first, second)]
    return sum_over(units[0] * units[1], axis=(axis,), keepdims=False)


@public("pairwise_distance", as_method=False)
def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    """The norm of order p of x1 - x2 + eps along the last axis. eps keeps equal vectors differentiable."""
    difference = x1 - x2 + eps
    return vector_norm(difference, p, -1, keepdim) if difference.ndim else vector_norm(difference, p)


@public("pdist", as_method=False)
def pdist(input: Any, p: float = 2.0) -> Any:
    """The distances of order p between all pairs of rows i < j: (m, n) -> (m (m - 1) / 2,)."""
    if input.ndim != 2:
        raise ShapeError(f"pdist only supports 2D tensors, got: {input.ndim}D.")
    if input.dtype.kind != "f":
        raise DtypeError(f"pdist only supports floating-point dtypes, got {input.dtype}; convert with .float().")
    if p < 0:
        raise RuntimeError(f"pdist only supports non-negative p values, got {p}.")
    i, j = (finish(x) for x in np.triu_indices(input.shape[0], 1))
    difference = input.index_select(0, i) - input.index_select(0, j)
    if not difference.numel():  # a norm of nothing may be undefined; of no columns all distances are 0
        return sum_over(difference, axis=(1,), keepdims=False)
    return vector_norm(difference, p, -1)


@public("bilinear", as_method=False)
def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """y[k] = input1 @ weight[k] @ input2 + bias[k]: (..., n1), (..., n2), weight (n_out, n1, n2) -> (..., n_out)."""
    if weight.ndim != 3 or input1.ndim != input2.ndim or input1.shape[:-1] != input2.shape[:-1]:
        raise ShapeError(
            f"bilinear: input batch dimensions do not match: input1 {tuple(input1.shape)}, input2 "
            f"{tuple(input2.shape)}; they may differ in the last axis only, and weight is (n_out, n1, n2), here "
            f"{tuple(weight.shape)}."
        )
    for i, x in ((1, input1), (2, input2)):
        if x.shape[-1] != weight.shape[i]:
            raise ShapeError(
                f"bilinear: input{i} size does not match weight size: got {x.shape[-1]} but expected {weight.shape[i]}."
            )
    if bias is not None and tuple(bias.shape) != (weight.shape[0],):
        raise ShapeError(
            f"bilinear: bias size does not match weight size: got {tuple(bias.shape)} but expected {weight.shape[0]}."
        )
    rows = tuple(input1.shape[:-1])
    X1, X2 = (x.reshape(-1 if x.shape[-1] else int(np.prod(rows)), x.shape[-1]) for x in (input1, input2))
    n_out, n1, n2 = weight.shape
    half = (X1 @ weight.permute(1, 0, 2).reshape(n1, n_out * n2)).reshape(X1.shape[0], n_out, n2)
    Y = einsum("moj,mj->mo", half, X2).reshape((*rows, n_out))
    return Y if bias is None else Y + bias


def _steady(dD: Array, D: Array) -> Array:
    """dD / D, and 0 where a distance is 0 and has no derivative."""
    return np.where(D == 0, 0, dD / np.where(D == 0, 1, D))


def _first_rule(dD: Array, D: Array, X: Array, Y: Array) -> Array:
    G = _steady(dD, D)
    return X * sum_over(G, axis=(G.ndim - 1,), keepdims=True) - G @ Y


@primitive(
    name="cdist",
    types=floating_only,
    opaque=True,
    dX=lambda dD, D, X, Y: _first_rule(dD, D, X, Y),
    dY=lambda dD, D, X, Y: _first_rule(dD.mT, D.mT, Y, X),
)
def distances(X: Array, Y: Array) -> Array:
    """D[i, j] = |X[i] - Y[j]|, of rows (..., n, k) and (..., m, k); where a distance is 0 the gradient is 0."""
    D = np.empty((*np.broadcast_shapes(X.shape[:-2], Y.shape[:-2]), X.shape[-2], Y.shape[-2]), X.dtype)
    for i in range(X.shape[-2]):  # a row at a time: exact where points are near, and little memory
        gap = X[..., i : i + 1, :] - Y
        np.einsum("...k,...k->...", gap, gap, out=D[..., i, :])
    return np.sqrt(D)


@public("cdist", as_method=False)
def cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: str | None = "use_mm_for_euclid_dist_if_necessary") -> Any:
    """The distance of order p from every row of x1 to every row of x2: (..., n, k), (..., m, k) -> (..., n, m).

    Where a distance is 0 its gradient is taken as 0. Distances are computed from differences in
    every compute_mode.
    """
    expect(x1.ndim >= 2 and x2.ndim >= 2, "cdist", "both need at least two dimensions", x1, x2)
    expect(x1.shape[-1] == x2.shape[-1], "cdist", "X1 and X2 must have the same number of columns", x1, x2)
    if p < 0:
        raise RuntimeError(f"cdist: only supports non-negative p values, got {p}.")
    if p == 2:
        return distances(x1, x2)
    same_dtype("cdist", x1, x2)
    return vector_norm(x1[..., :, None, :] - x2[..., None, :, :], p, -1)
