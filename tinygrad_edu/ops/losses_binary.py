"""Losses of yes and no: cross-entropies of probabilities and of scores, and margins for targets of 1 and -1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.apply import apply
from ..core.dtypes import floating_only
from ..core.primitive import Array, primitive
from .activation import log_sigmoid, sigmoid, softplus
from .checks import check
from .choices import choose, clamp_below
from .domains import everywhere, unit
from .loss import check_reduction, per_element, reduce_loss, reduced, reduction_of, same_shape
from .reduction import mean_over

# PyTorch limits each logarithm to -100 and, in the gradient, A(1 - A) from below too, so that a
# probability of exactly 0 or 1 gives a large loss and gradient instead of infinity.
LOG_FLOOR = -100.0
DENOMINATOR_FLOOR = 1e-12


@primitive(
    name="binary_cross_entropy",
    types=floating_only,
    domain=(unit, unit),
    dA=lambda dL, L, A, Y, *, reduction: (
        per_element(dL, A.shape, reduction) * ((A - Y) / np.maximum(A * (1 - A), DENOMINATOR_FLOOR))
    ),
    dY=lambda dL, L, A, Y, *, reduction: (
        per_element(dL, A.shape, reduction) * (np.maximum(np.log(1 - A), LOG_FLOOR) - np.maximum(np.log(A), LOG_FLOOR))
    ),
)
def cross_entropy_of_probabilities(A: Array, Y: Array, *, reduction: str) -> Array:
    """L = -mean(Y log A + (1 - Y) log(1 - A)), in nats: the article's cost."""
    log_A, log_not_A = np.log(A), np.log(1 - A)  # the floor answers log(0), the check log(-1)
    losses = (Y - 1) * np.maximum(log_not_A, LOG_FLOOR) - Y * np.maximum(log_A, LOG_FLOOR)
    L = reduced(losses, reduction)
    check(
        L == L,  # a logarithm of what lies outside of [0, 1] is NaN, and so is any sum with it
        "all elements of input should be between 0 and 1; apply sigmoid, or use "
        "binary_cross_entropy_with_logits on the scores",
    )
    return L


cross_entropy_of_probabilities.composition = lambda A, Y, *, reduction: (
    -reduced(Y * np.maximum(np.log(A), LOG_FLOOR) + (1 - Y) * np.maximum(np.log(1 - A), LOG_FLOOR), reduction)
)


@primitive(
    name="binary_cross_entropy_with_logits",
    types=floating_only,
    domain=(everywhere, unit),
    dZ=lambda dL, L, Z, Y, *, reduction: per_element(dL, Z.shape, reduction) * (sigmoid(Z) - Y),
    dY=lambda dL, L, Z, Y, *, reduction: per_element(dL, Z.shape, reduction) * -Z,
)
def cross_entropy_of_scores(Z: Array, Y: Array, *, reduction: str) -> Array:
    """L = mean(max(Z, 0) - Z Y + log(1 + exp(-|Z|))): of sigmoid(Z), but exact for any Z."""
    return reduced(np.maximum(Z, 0) - Z * Y + np.log1p(np.exp(-np.absolute(Z))), reduction)


# --- the public functions: torch.nn.functional's signatures


def binary_cross_entropy(
    input: Any, target: Any, weight: Any = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Any:
    """-(target log(input) + (1 - target) log(1 - input)), input being probabilities; mean in nats.

    Each logarithm is limited to -100 from below.

    Raises:
        ShapeError: input and target differ in shape.
        RuntimeError: an input lies outside of [0, 1]; give scores to the with_logits form.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction, "binary_cross_entropy")
    same_shape(input, target, "binary_cross_entropy")
    if weight is None:
        return apply(cross_entropy_of_probabilities, (input, target), {"reduction": reduction})
    losses = cross_entropy_of_probabilities(input, target, reduction="none")
    return reduce_loss(losses * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:
    """The cross-entropy of sigmoid(input) and target, computed from the scores without overflow.

    Args:
        weight: multiplies each element's loss; broadcasts to input.
        pos_weight: multiplies the part of the positive examples; broadcasts to input.
    Raises:
        ShapeError: input and target differ in shape.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction, "binary_cross_entropy_with_logits")
    same_shape(input, target, "binary_cross_entropy_with_logits")
    if weight is None and pos_weight is None:
        return apply(cross_entropy_of_scores, (input, target), {"reduction": reduction})
    # softplus(-Z) = -log sigmoid(Z); pos_weight multiplies the positive examples' part.
    positive = 1 + (pos_weight - 1) * target if pos_weight is not None else 1
    losses = (1 - target) * input + positive * softplus(-input, threshold=math.inf)
    return reduce_loss(losses if weight is None else losses * weight, reduction)


def multilabel_soft_margin_loss(
    input: Any, target: Any, weight: Any = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Any:
    """binary_cross_entropy_with_logits, averaged over the last axis, the classes, of which several can be true.

    Args:
        weight: per class; multiplies that class's loss.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction, "multilabel_soft_margin_loss")
    losses = -(target * log_sigmoid(input) + (1 - target) * log_sigmoid(-input))
    if weight is not None:
        losses = losses * weight
    return reduce_loss(mean_over(losses, axis=(losses.ndim - 1,), keepdims=False), reduction)


def soft_margin_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Any:
    """log(1 + exp(-target * input)) for targets of 1 and -1, without overflow."""
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction, "soft_margin_loss")
    return reduce_loss(softplus(-target * input, threshold=math.inf), reduction)


def hinge_embedding_loss(
    input: Any,
    target: Any,
    margin: float = 1.0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """Of distances: input itself where target is 1, max(0, margin - input) where it is -1."""
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction, "hinge_embedding_loss")
    apart = choose(target != 1, clamp_below(margin - input, 0), 0)
    return reduce_loss(apart + choose(target != -1, input, 0), reduction)
