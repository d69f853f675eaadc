"""Losses that compare: which of two is larger, which of two is nearer, whether two belong together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.errors import ShapeError
from .choices import choose, clamp_below, minimum
from .distance import pairwise_distance
from .exponential import sqrt
from .loss import check_reduction, reduce_loss, reduction_of
from .reduction import sum_over

COSINE_EPS = 1e-12  # PyTorch's, added to each squared length


def margin_ranking_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """max(0, margin - target (input1 - input2)): input1 should be the larger where target is 1, input2 where -1."""
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction, "margin_ranking_loss")
    if not input1.ndim == input2.ndim == target.ndim:
        raise ShapeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: "
            f"{tuple(input1.shape)}, input2: {tuple(input2.shape)}, target: {tuple(target.shape)}."
        )
    return reduce_loss(clamp_below(-target * (input1 - input2) + float(margin), 0), reduction)


def cosine_embedding_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """1 - cos where target is 1, max(0, cos - margin) where it is -1; cos is that of the angle between the vectors.

    Args:
        input1, input2: vectors as rows, (m, n), with target (m,); or one each, (n,), with target ().
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction, "cosine_embedding_loss")
    if target.ndim > 1:
        raise ShapeError("cosine_embedding_loss: 0D or 1D target tensor expected, multi-target not supported.")
    if not input1.ndim == input2.ndim == target.ndim + 1:
        raise ShapeError(
            f"cosine_embedding_loss: {target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found "
            f"inputs with sizes {tuple(input1.shape)} and {tuple(input2.shape)}."
        )
    axis = (target.ndim,)
    product, first, second = (
        sum_over(a * b, axis=axis, keepdims=False) for a, b in ((input1, input2), (input1, input1), (input2, input2))
    )
    cos = product / sqrt((first + COSINE_EPS) * (second + COSINE_EPS))
    apart = choose(target == -1, clamp_below(cos - margin, 0), 0)
    return reduce_loss(choose(target == 1, 1 - cos, 0) + apart, reduction)


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """max(0, margin + |anchor - positive| - |anchor - negative|), distances of order p along the last axis.

    Args:
        swap: take |positive - negative| in the place of |anchor - negative| where that is smaller.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    return _triplet(
        anchor,
        positive,
        negative,
        lambda a, b: pairwise_distance(a, b, p, eps),
        margin,
        swap,
        reduction,
        "triplet_margin_loss",
    )


def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """triplet_margin_loss with any distance of two tensors; default: pairwise_distance."""
    distance = pairwise_distance if distance_function is None else distance_function
    return _triplet(anchor, positive, negative, distance, margin, swap, reduction, "triplet_margin_with_distance_loss")


def _triplet(
    anchor: Any,
    positive: Any,
    negative: Any,
    distance: Callable[[Any, Any], Any],
    margin: float,
    swap: bool,
    reduction: str,
    operation: str,
) -> Any:
    check_reduction(reduction, operation)
    if margin <= 0:
        raise ValueError(f"{operation}: margin must be greater than 0, got {margin}.")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ShapeError(
            f"{operation}: The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D "
            "inputs."
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return reduce_loss(clamp_below(margin + near - far, 0), reduction)
