"""Embeddings: rows of a table picked by index, and sums, means and maxima over bags of them.

The table is weight (n_rows, n_features); its gradient is `scatter`'s (ops/indexing.py), which adds up
what the same row was sent.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.errors import DtypeError
from ..core.mode import mode
from ..core.primitive import Array, primitive
from ..core.symbol import Symbol
from ..core.tensor import Tensor
from ..core.write import read
from .checks import check
from .choices import choose
from .conversion import astype
from .creation import arange
from .gathering import along, valid_index
from .indexing import getitem, scatter, take_along
from .norm import vector_norm
from .ordering import bucketize
from .reduction import mean_over, sum_over
from .shape import reshape_to

NORM_FLOOR = 1e-7  # added to a norm before it divides, as PyTorch does


@primitive(
    name="embedding",
    types=None,
    opaque=True,
    dW=lambda dY, Y, W, indices: scatter(dY, indices, key=along(0), shape=W.shape),
)
def embed(W: Array, indices: Array, *, out: Array = None) -> Array:
    """Rows of W (n, d) by a vector of indices, which have been checked: the check says which one is wrong."""
    return W.take(indices, 0, out, "clip")


embed.composition = lambda W, indices: W[indices]


@primitive(name="embedding", types=None, dX=lambda dY, Y, X, counts: dY / counts[:, None])
def divided_back(X: Array, counts: Array) -> Array:
    """X itself; the cotangent of a row is divided by its count. Not a derivative: what scale_grad_by_freq asks for."""
    return np.copy(X)


@primitive(types=None, opaque=True)
def frequency(indices: Array, *, n: int) -> Array:
    """How often each of the indices, all below n, occurs among them; float32."""
    return np.bincount(indices, minlength=n)[indices].astype(np.float32)


@primitive(types=None, opaque=True)
def largest_of_bag(E: Array, bags: Array, *, count: int) -> Array:
    """Per bag and feature, which row of E (N, d) holds the bag's largest number, the first of equals.

    bags (N,) says to which of `count` bags each row belongs, in ascending order; an empty bag gets row 0.
    """
    places = np.zeros((count, E.shape[1]), np.int64)
    if not E.size:
        return places
    starts = np.flatnonzero(np.concatenate([[True], bags[1:] != bags[:-1]]))
    lengths = np.diff(np.append(starts, len(bags)))
    most = np.maximum.reduceat(E, starts, axis=0)
    number = np.arange(len(E))[:, None]
    hits = (np.repeat(most, lengths, axis=0) == E) | (E != E)  # a NaN is the largest
    hits = np.where(hits, number, len(E) - 1)
    places[bags[starts]] = np.minimum.reduceat(hits, starts, axis=0)
    return places


# --- the public functions: torch.nn.functional's signatures


def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """The rows of weight (n_rows, d) that input names, of any shape: (..., d).

    Args:
        padding_idx: a row that gets no gradient.
        max_norm: rows among those named whose norm is larger are first scaled down to it, in place.
        norm_type: the p of that norm.
        scale_grad_by_freq: what a row is sent is divided by how often input names it.
    Raises:
        IndexError: an index is not a row of weight.
        NotImplementedError: sparse=True, for which there are no tensors.
    """
    _check_sparse(sparse, "embedding")
    if weight.ndim != 2:
        raise RuntimeError(f"embedding: 'weight' must be 2-D, got shape {tuple(weight.shape)}.")
    n = weight.shape[0]
    valid_index(input, n, "embedding", IndexError)
    padding = _padding(padding_idx, n, "embedding", AssertionError)
    flat = input if input.ndim == 1 else reshape_to(input, shape=(math.prod(input.shape),))
    rows = _rows(weight, flat, max_norm, norm_type, scale_grad_by_freq)
    if padding >= 0:
        rows = choose((flat != padding)[:, None], rows, rows.detach())  # there a constant
    return rows if input.ndim == 1 else reshape_to(rows, shape=(*input.shape, weight.shape[1]))


def _check_sparse(sparse: bool, operation: str) -> None:
    if sparse:
        raise NotImplementedError(
            f"{operation}: sparse=True asks for a sparse gradient, and there are no sparse tensors here; "
            "leave it out: the gradient is the same, in an array of the weight's shape."
        )


def _padding(padding_idx: int | None, n: int, operation: str, error: type[Exception]) -> int:
    """The row counted from the front; -1 if there is none."""
    if padding_idx is None:
        return -1
    if not -n <= padding_idx < n:
        raise error(f"{operation}: Padding_idx must be within num_embeddings, {-n} to {n - 1}, but got {padding_idx}.")
    return padding_idx % n


def _rows(weight: Any, indices: Any, max_norm: float | None, norm_type: float, scale_grad_by_freq: bool) -> Any:
    if max_norm is not None:
        _renormalise(weight, indices, max_norm, norm_type)
    rows = embed(weight, indices)
    return divided_back(rows, frequency(indices, n=weight.shape[0])) if scale_grad_by_freq else rows


def _renormalise(weight: Any, indices: Any, max_norm: float, norm_type: float) -> None:
    """Scale down, in place, those of the named rows whose norm exceeds max_norm."""
    grad, mode.grad = mode.grad, False
    try:
        rows = getitem(weight, indices, key=along(0))
        norms = vector_norm(rows, norm_type, dim=1, keepdim=True)
        weight[indices] = rows * choose(norms > max_norm, max_norm / (norms + NORM_FLOOR), 1.0)
    finally:
        mode.grad = grad


def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    """The sum, mean or maximum of the rows of weight that each bag names, (n_bags, d); 0 of an empty bag.

    Args:
        input: (n_bags, length), a bag per row; or (N,), all bags one after the other.
        offsets: (n_bags,), with (N,): where each bag begins. With include_last_offset also where the last ends.
        mode: "sum", "mean" or "max".
        per_sample_weights: of input's shape, what each row is multiplied by; for "sum" alone.
        padding_idx: an index that counts as if it were not there.
    The others are `embedding`'s. With scale_grad_by_freq PyTorch divides by the counts of other rows.
    """
    _check_sparse(sparse, "embedding_bag")
    if weight.dtype.kind != "f" and input.dtype.kind == "f":  # PyTorch's old order
        input, weight = weight, input
    if per_sample_weights is not None and per_sample_weights.shape != input.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({tuple(per_sample_weights.shape)}) is not None, then it must have "
            f"the same shape as the input ({tuple(input.shape)})."
        )
    if weight.ndim != 2:
        raise ValueError(f"embedding_bag: weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}.")
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"embedding_bag: mode has to be one of sum, mean or max, got {mode!r}.")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("embedding_bag: max mode does not support scaling the gradient by the frequency.")
    if per_sample_weights is not None:
        if mode != "sum":
            raise NotImplementedError(
                f"embedding_bag: per_sample_weights is only supported for mode='sum' (got mode={mode!r})."
            )
        if per_sample_weights.dtype != weight.dtype:
            raise DtypeError(
                f"embedding_bag: per_sample_weights is {per_sample_weights.dtype}, weight {weight.dtype}; they must "
                "have one dtype."
            )
    bags, count = _bags(input, offsets, include_last_offset)
    valid_index(input, weight.shape[0], "embedding_bag", RuntimeError)
    padding = _padding(padding_idx, weight.shape[0], "embedding_bag", RuntimeError)
    flat = reshape_to(input, shape=(math.prod(input.shape),))
    rows = _rows(weight, flat, max_norm, norm_type, scale_grad_by_freq)
    if per_sample_weights is not None:
        rows = rows * reshape_to(per_sample_weights, shape=(-1, 1))
    if padding >= 0:
        rows = choose((flat != padding)[:, None], rows, -math.inf if mode == "max" else 0.0)
    if input.ndim == 2 and mode != "max" and padding < 0 and input.shape[1]:
        in_bags = reshape_to(rows, shape=(*input.shape, weight.shape[1]))
        return (sum_over if mode == "sum" else mean_over)(in_bags, axis=(1,), keepdims=False)
    present: Any = None
    if mode != "sum":
        kept = astype(flat != padding, dtype=weight.dtype)
        present = scatter(kept, bags, key=along(0), shape=(count + 1,))[:count, None]
    if mode == "max" and math.prod(rows.shape):
        places = largest_of_bag(rows, bags, count=count + 1)[:count]
        return choose(present > 0, take_along(rows, places, axis=0), 0.0)
    total = scatter(rows, bags, key=along(0), shape=(count + 1, weight.shape[1]))[:count]
    return total if present is None else total / present.clamp(min=1)


def _bags(input: Any, offsets: Any, include_last_offset: bool) -> tuple[Any, int]:
    """To which bag each index belongs, and how many bags there are; what lies behind the last belongs to none."""
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "embedding_bag: if input is 2D, then offsets has to be None, as input is treated as a mini-batch of "
                f"fixed length sequences. However, found offsets of type {type(offsets).__name__}."
            )
        m, length = input.shape
        return Tensor(np.repeat(np.arange(m), length)), m
    if input.ndim != 1:
        raise ValueError(f"embedding_bag: input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}.")
    if offsets is None or offsets.ndim != 1:
        found = "None" if offsets is None else f"shape {tuple(offsets.shape)}"
        raise ValueError(f"embedding_bag: offsets has to be a 1D Tensor but got {found}.")
    if offsets.dtype.kind not in "iu":
        raise DtypeError(f"embedding_bag: offsets must be integers, not {offsets.dtype}; use .long().")
    if include_last_offset and not offsets.shape[0]:
        raise RuntimeError("embedding_bag: with include_last_offset, the number of offsets must be at least 1.")
    N, count = input.shape[0], offsets.shape[0] - bool(include_last_offset)
    if offsets.shape[0]:
        places = read(offsets) if isinstance(offsets, Tensor) else offsets
        check(
            places[:1] == 0,
            "embedding_bag: offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from "
            "position 0",
            RuntimeError,
            places[:1],
        )
        check(
            places <= N,
            f"embedding_bag: offsets can not be greater than input's length {N}",
            RuntimeError,
            None if isinstance(places, Symbol) else places,
        )
    elif N:
        raise RuntimeError(f"embedding_bag: offsets is empty, but the input has {N} indices that belong to some bag.")
    return bucketize(arange(N), offsets, right=True) - 1, count
