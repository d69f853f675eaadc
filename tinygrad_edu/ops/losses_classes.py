"""Losses of classes: labels, or probabilities, against one score or log-probability per class.

The classes lie along axis 1 of scores (m, n_classes) or (m, n_classes, d1, ...), along axis 0 of (n_classes,).
"""

from __future__ import annotations

import math
from typing import Any

from ..core.apply import apply
from ..core.dtypes import int64
from ..core.errors import DtypeError, ShapeError
from .activation import log_softmax_over
from .choices import choose
from .conversion import astype
from .dims import one_axis
from .indexing import take_along
from .linalg import affine
from .loss import check_reduction, reduce_loss, reduction_of
from .losses_labels import (
    cross_entropy_of_classes,
    cross_entropy_of_pixels,
    log_likelihood_of_classes,
    log_likelihood_of_pixels,
    valid_labels,
)
from .reduction import mean_over, sum_over
from .shape import reshape_to


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """Minus the log-probability that `input` gives to each label.

    Args:
        input: log-probabilities, (m, n_classes), (m, n_classes, d1, ...) or (n_classes,).
        target: labels, int64, without the class axis.
        weight: per class; the mean is weighted by it.
        ignore_index: samples with this label count for nothing.
    Raises:
        IndexError: a label is neither a class nor ignore_index.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction, "nll_loss")
    axis = 0 if input.ndim == 1 else 1
    _check_scores(input, weight, axis, "nll_loss")
    target = _without_batch(input, target)
    _check_labels(input, target, ignore_index, "nll_loss")
    if reduction != "none" and (input.ndim == 2 or (input.ndim > 2 and weight is None)):
        return _of_rows(input, target, weight, ignore_index, reduction == "mean")
    ignored = target == ignore_index
    labels = valid_labels(choose(ignored, 0, target), n_classes=input.shape[axis])
    picked = take_along(input, labels.unsqueeze(axis), axis=axis).squeeze(axis)
    scale = choose(ignored, 0, 1).astype(input.dtype) if weight is None else choose(ignored, 0, weight[labels])
    losses = choose(ignored, 0, -picked * scale)
    if reduction != "mean":
        return reduce_loss(losses, reduction)
    return reduce_loss(losses, "sum") / reduce_loss(scale, "sum")


def _of_rows(A: Any, labels: Any, weight: Any, ignore_index: int, mean: bool) -> Any:
    """One number for a sample per row, or for pixels; a mean by weights is over the sum of them."""
    params = {"ignore_index": ignore_index, "mean": mean and weight is None}
    cost = log_likelihood_of_classes if A.ndim == 2 else log_likelihood_of_pixels
    total = apply(cost, (A if weight is None else A * weight, labels), params)
    if weight is None or not mean:
        return total
    ignored = labels == ignore_index
    return total / reduce_loss(choose(ignored, 0, weight[choose(ignored, 0, labels)]), "sum")


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """The cross-entropy of softmax(input) and target, in nats per sample.

    Args:
        input: scores, (m, n_classes), (m, n_classes, d1, ...) or (n_classes,).
        target: labels (int64, without the class axis) or probabilities (the shape of input).
        weight: per class; with labels the mean is weighted by it.
        ignore_index: samples with this label count for nothing.
        label_smoothing: the part of each target that is spread evenly over all classes.
    Raises:
        IndexError: a label is neither a class nor ignore_index.
        ShapeError: target has neither input's shape nor that without the class axis.
    """
    if (
        weight is size_average is reduce is None
        and reduction == "mean"
        and not label_smoothing
        and input.ndim == 2
        and input.dtype.kind == "f"
        and target.dtype == int64
        and target.shape == input.shape[:1]
    ):  # first, since of 64 x 10 scores all that is asked below would take a quarter of the time
        return _mean_of_classes(input, target, ignore_index)
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction, "cross_entropy")
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"cross_entropy: label_smoothing must lie between 0 and 1, got {label_smoothing}.")
    axis = 0 if input.ndim == 1 else 1
    _check_scores(input, weight, axis, "cross_entropy")
    if target.dtype.kind == "f":
        if tuple(target.shape) != tuple(input.shape):
            raise ShapeError(
                f"cross_entropy: a {target.dtype} target holds probabilities, so it must have input's shape "
                f"{tuple(input.shape)}, not {tuple(target.shape)}; labels are int64: convert with .long()."
            )
        if ignore_index >= 0:
            raise RuntimeError("cross_entropy: ignore_index is not supported for floating point target.")
        n = input.shape[axis]
        target = target * (1 - label_smoothing) + label_smoothing / n if label_smoothing else target
        weighted = target if weight is None else target * _along(weight, input.ndim, axis)
        losses = -sum_over(weighted * log_softmax_over(input, axis=axis), axis=(axis,), keepdims=False)
        total = reduce_loss(losses, "none" if reduction == "none" else "sum")
        return total / max(math.prod(losses.shape), 1) if reduction == "mean" else total
    target = _without_batch(input, target)
    _check_labels(input, target, ignore_index, "cross_entropy")
    if weight is None and reduction == "mean" and not label_smoothing and input.ndim > 1:
        return _mean_of_classes(input, target, ignore_index)
    log_P = log_softmax_over(input, axis=axis)
    hard = nll_loss(log_P, target, weight, ignore_index=ignore_index, reduction=reduction)
    if not label_smoothing:
        return hard
    return (1 - label_smoothing) * hard + label_smoothing * _spread(
        log_P, target, weight, ignore_index, reduction, axis
    )


def _mean_of_classes(Z: Any, labels: Any, ignore_index: int) -> Any:
    cost = cross_entropy_of_classes if Z.ndim == 2 else cross_entropy_of_pixels
    return apply(cost, (Z, labels), {"ignore_index": ignore_index}, shown=1)[0]


def linear_cross_entropy(
    input: Any,
    linear_weight: Any,
    target: Any,
    *,
    linear_bias: Any = None,
    weight: Any = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Any:
    """cross_entropy of linear(input, linear_weight, linear_bias).

    Args:
        input: (m, n_in) or (n_in,).
        linear_weight: (n_classes, n_in), or (n_classes, d1, ..., n_in) for targets (m, d1, ...).
        linear_bias: the shape of linear_weight without its last axis.
        options: how PyTorch splits the computation into chunks. It changes no number, and has no effect here.
    """
    if not 1 <= input.ndim <= 2:
        raise ShapeError(f"linear_cross_entropy: expected input with dimensionality 1 or 2, got {input.ndim}.")
    if linear_weight.ndim < 2:
        raise ShapeError(
            f"linear_cross_entropy: expected linear_weight with dimensionality at least 2, got {linear_weight.ndim}."
        )
    *outer, n_in = linear_weight.shape
    if input.shape[-1] != n_in:
        raise ShapeError(
            "linear_cross_entropy: expected equal input and linear_weight last dimensions (in_features), got "
            f"{input.shape[-1]} and {n_in}, respectively."
        )
    if linear_bias is not None and tuple(linear_bias.shape) != tuple(outer):
        raise ShapeError(
            f"linear_cross_entropy: expected linear_bias shape {tuple(outer)}, got {tuple(linear_bias.shape)}."
        )
    if len(outer) > 1 and input.ndim == 1:
        raise ShapeError(
            f"linear_cross_entropy: K-dimensional loss defined by linear_weight shape {tuple(linear_weight.shape)} "
            f"requires batched input, (N, {n_in}), got unbatched input with shape {tuple(input.shape)}."
        )
    shape = (*input.shape[:-1], *outer)
    if ignore_index is not None and tuple(target.shape) == shape:
        raise RuntimeError("linear_cross_entropy: ignore_index cannot be specified when target contains probabilities.")
    W = reshape_to(linear_weight, shape=(math.prod(outer), n_in))
    flat = (input, W) if linear_bias is None else (input, W, reshape_to(linear_bias, shape=(math.prod(outer),)))
    scores = reshape_to(apply(affine, flat, {}), shape=shape)
    ignored = -100 if ignore_index is None else ignore_index
    return cross_entropy(scores, target, weight, None, ignored, None, reduction, label_smoothing)


def _spread(log_P: Any, target: Any, weight: Any, ignore_index: int, reduction: str, axis: int) -> Any:
    """The loss against all classes evenly: what label smoothing mixes in."""
    ignored = target == ignore_index
    weighted = log_P if weight is None else log_P * _along(weight, log_P.ndim, axis)
    losses = choose(ignored, 0, -mean_over(weighted, axis=(axis,), keepdims=False))
    if reduction != "mean":
        return reduce_loss(losses, reduction)
    one = choose(ignored, 0, 1 if weight is None else weight[choose(ignored, 0, target)])
    return reduce_loss(losses, "sum") / reduce_loss(astype(one, dtype=log_P.dtype), "sum")


def _without_batch(input: Any, target: Any) -> Any:
    """The label of one sample (n_classes,), which may come as a list of one."""
    return target.reshape(()) if input.ndim == 1 and tuple(target.shape) == (1,) else target


def _along(weight: Any, ndim: int, axis: int) -> Any:
    """Weights per class, shaped to broadcast along the class axis."""
    return reshape_to(weight, shape=tuple(-1 if i == axis else 1 for i in range(ndim)))


def _check_scores(input: Any, weight: Any, axis: int, operation: str) -> None:
    if input.dtype.kind != "f":
        raise DtypeError(f"{operation}: input must be floating, not {input.dtype}; convert with .float().")
    if input.ndim == 0:
        raise ShapeError(f"{operation}: input needs a class axis, got a 0-d tensor.")
    if weight is not None and tuple(weight.shape) != (input.shape[axis],):
        raise ShapeError(
            f"{operation}: weight has shape {tuple(weight.shape)}; one number for each of the {input.shape[axis]} "
            "classes is needed."
        )


def _check_labels(input: Any, target: Any, ignore_index: int, operation: str) -> None:
    if target.dtype.kind not in "iu":
        raise DtypeError(f"{operation}: labels must be int64, not {target.dtype}; convert with .long().")
    shape = tuple(input.shape)
    axis = one_axis(0 if input.ndim == 1 else 1, input.ndim, operation)
    expected = shape[:axis] + shape[axis + 1 :]
    if tuple(target.shape) != expected:
        raise ShapeError(
            f"{operation}: Expected input batch_size to match target batch_size: input {shape} calls for "
            f"labels of shape {expected}, got {tuple(target.shape)}."
        )
