"""Losses: how far predictions are from targets, as one number to minimise.

`reduction` is "mean" (default), "sum" or "none". The primitives fuse the loss with its reduction,
so that the first rule of the backward pass is already the formula people know: A - Y over m.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.dtypes import floating_only, only_first
from ..core.errors import DtypeError, ShapeError
from ..core.primitive import Array, primitive
from ..core.tensor import Tensor, apply
from .activation import log_softmax_over, sigmoid
from .checks import check
from .dims import one_axis
from .domains import everywhere, unit
from .elementwise import choose, zero_where
from .indexing import put_along, take_along
from .reduction import mean_over, sum_over
from .shape import astype, reshape_to


def _reduce(losses: Array, reduction: str) -> Array:
    """One number per element made into the loss."""
    if reduction == "none":
        return losses
    total = np.add.reduce(losses, axis=None)
    return total / math.prod(losses.shape) if reduction == "mean" else total


def _per_element(dL: Array, shape: tuple[int, ...], reduction: str) -> Array:
    """The cotangent of each element's loss: the mean's is a share of 1/m."""
    return dL / math.prod(shape) if reduction == "mean" else dL


def _twice(D: Array, dL: Array, reduction: str) -> Array:
    """The derivative of D**2; D has the broadcast shape, whose elements the mean counts."""
    return _per_element(dL, D.shape, reduction) * (2 * D)


@primitive(
    name="mse_loss",
    types=floating_only,
    dA=lambda dL, L, A, Y, *, reduction: _twice(A - Y, dL, reduction),
    dY=lambda dL, L, A, Y, *, reduction: _twice(Y - A, dL, reduction),
)
def squared_error(A: Array, Y: Array, *, reduction: str) -> Array:
    """L = mean (or sum) of (A - Y)**2."""
    return _reduce(np.square(A - Y), reduction)


# PyTorch limits each logarithm to -100 and, in the gradient, A(1 - A) from below too, so that a
# probability of exactly 0 or 1 gives a large loss and gradient instead of infinity.
LOG_FLOOR = -100.0
DENOMINATOR_FLOOR = 1e-12


@primitive(
    name="binary_cross_entropy",
    types=floating_only,
    domain=(unit, unit),
    dA=lambda dL, L, A, Y, *, reduction: (
        _per_element(dL, A.shape, reduction) * ((A - Y) / np.maximum(A * (1 - A), DENOMINATOR_FLOOR))
    ),
    dY=lambda dL, L, A, Y, *, reduction: (
        _per_element(dL, A.shape, reduction) * (np.maximum(np.log(1 - A), LOG_FLOOR) - np.maximum(np.log(A), LOG_FLOOR))
    ),
)
def cross_entropy_of_probabilities(A: Array, Y: Array, *, reduction: str) -> Array:
    """L = -mean(Y log A + (1 - Y) log(1 - A)), in nats: the article's cost."""
    with np.errstate(divide="ignore", invalid="ignore"):  # the floor answers log(0), the check log(-1)
        log_A, log_not_A = np.log(A), np.log(1 - A)
    losses = (Y - 1) * np.maximum(log_not_A, LOG_FLOOR) - Y * np.maximum(log_A, LOG_FLOOR)
    L = _reduce(losses, reduction)
    check(
        L == L,  # a logarithm of what lies outside of [0, 1] is NaN, and so is any sum with it
        "all elements of input should be between 0 and 1; apply sigmoid, or use "
        "binary_cross_entropy_with_logits on the scores",
    )
    return L


@primitive(
    name="binary_cross_entropy_with_logits",
    types=floating_only,
    domain=(everywhere, unit),
    dZ=lambda dL, L, Z, Y, *, reduction: _per_element(dL, Z.shape, reduction) * (sigmoid(Z) - Y),
    dY=lambda dL, L, Z, Y, *, reduction: _per_element(dL, Z.shape, reduction) * -Z,
)
def cross_entropy_of_scores(Z: Array, Y: Array, *, reduction: str) -> Array:
    """L = mean(max(Z, 0) - Z Y + log(1 + exp(-|Z|))): of sigmoid(Z), but exact for any Z."""
    return _reduce(np.maximum(Z, 0) - Z * Y + np.log1p(np.exp(-np.absolute(Z))), reduction)


def _softmax_minus_labels(dL: Array, L: Array, Z: Array, labels: Array, *, ignore_index: int) -> Array:
    """The article's A - Y for several classes: softmax(Z), less 1 at each sample's label, over m."""
    P = np.exp(log_softmax_over(Z, axis=1))
    m = count_kept(labels, ignore_index=ignore_index, dtype=Z.dtype)
    return minus_one_hot(P, labels, ignore_index=ignore_index) * (dL / np.maximum(m, 1))  # none kept: 0


@primitive(
    name="one_hot",
    types=None,
    opaque=True,
    dP=lambda dD, D, P, labels, *, ignore_index: zero_where((labels == ignore_index)[:, None], dD),
)
def minus_one_hot(P: Array, labels: Array, *, ignore_index: int) -> Array:
    """P - Y with Y[i, labels[i]] = 1 and zeros elsewhere; a row whose label is ignore_index becomes 0."""
    kept = labels != ignore_index
    if kept.all():
        Y = np.zeros_like(P)
        Y[np.arange(len(P)), labels] = 1
        return P - Y
    Y = P.copy()
    rows = np.flatnonzero(kept)
    Y[rows] = 0
    Y[rows, labels[rows]] = 1
    return P - Y


@primitive(name="count_nonzero", types=None, opaque=True)
def count_kept(labels: Array, *, ignore_index: int, dtype: np.dtype[Any]) -> Array:
    """How many labels there are besides ignore_index, as a number to divide by."""
    return np.asarray(np.count_nonzero(labels != ignore_index), dtype)


def _back_at_labels(dp: Array, p: Array, A: Array, labels: Array, *, ignore_index: int) -> Array:
    """dp where it came from, zeros elsewhere and in the rows that are ignored."""
    ignored = labels == ignore_index
    safe = np.where(ignored, 0, labels)
    return put_along(zero_where(ignored, dp)[:, None], safe[:, None], axis=1, shape=A.shape)


@primitive(name="nll_loss", types=None, opaque=True, dA=_back_at_labels)
def at_labels(A: Array, labels: Array, *, ignore_index: int) -> Array:
    """p[i] = A[i, labels[i]], and 0 where the label is ignore_index."""
    kept = labels != ignore_index
    every = bool(kept.all())
    safe = valid_labels(labels if every else np.where(kept, labels, 0), n_classes=A.shape[1])
    picked = A[np.arange(len(A)), safe]
    return picked if every else np.where(kept, picked, 0)


@primitive(name="cross_entropy", types=only_first(floating_only), dZ=_softmax_minus_labels)
def cross_entropy_of_classes(Z: Array, labels: Array, *, ignore_index: int) -> Array:
    """L = -mean(log softmax(Z)[i, labels[i]]), Z (m, n_classes), labels (m,), in nats per sample.

    Samples labelled ignore_index are left out of the mean.
    """
    p = at_labels(log_softmax_over(Z, axis=1), labels, ignore_index=ignore_index)
    return -np.add.reduce(p, axis=None) / count_kept(labels, ignore_index=ignore_index, dtype=Z.dtype)


@primitive(name="nll_loss", types=None)
def valid_labels(labels: Array, *, n_classes: int) -> Array:
    """The labels themselves, once each is known to be one of 0 .. n_classes - 1."""
    check(
        (labels >= 0) & (labels < n_classes),
        f"Target out of bounds: labels must lie in 0..{n_classes - 1} (or be ignore_index)",
        IndexError,
        labels,
    )
    return labels


# --- the public functions: torch.nn.functional's signatures


def check_reduction(reduction: str, operation: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        import difflib

        near = difflib.get_close_matches(str(reduction), ["mean", "sum", "none"], n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{operation}: {reduction} is not a valid value for reduction: 'mean', 'sum' or 'none'.{hint}")


def _same_shape(input: Tensor, target: Tensor, operation: str) -> None:
    if input._array.shape != target._array.shape:
        raise ShapeError(
            f"{operation}: Using a target size ({tuple(target.shape)}) that is different to the input "
            f"size ({tuple(input.shape)}) is refused; reshape one of them, for example with .unsqueeze(1)."
        )


def mse_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """The mean squared difference."""
    check_reduction(reduction, "mse_loss")
    return squared_error(input, target, reduction=reduction)


def binary_cross_entropy(input: Any, target: Any, weight: Any = None, reduction: str = "mean") -> Any:
    """-(target log(input) + (1 - target) log(1 - input)), input being probabilities; mean in nats.

    Each logarithm is limited to -100 from below.

    Raises:
        ShapeError: input and target differ in shape.
        RuntimeError: an input lies outside of [0, 1]; give scores to the with_logits form.
    """
    check_reduction(reduction, "binary_cross_entropy")
    _same_shape(input, target, "binary_cross_entropy")
    if weight is None:
        return apply(cross_entropy_of_probabilities, (input, target), {"reduction": reduction})
    losses = cross_entropy_of_probabilities(input, target, reduction="none")
    return reduce_loss(losses * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, reduction: str = "mean", pos_weight: Any = None
) -> Any:
    """The cross-entropy of sigmoid(input) and target, computed from the scores without overflow."""
    check_reduction(reduction, "binary_cross_entropy_with_logits")
    _same_shape(input, target, "binary_cross_entropy_with_logits")
    if weight is None and pos_weight is None:
        return apply(cross_entropy_of_scores, (input, target), {"reduction": reduction})
    from .activation import softplus

    # softplus(-Z) = -log sigmoid(Z); pos_weight multiplies the positive examples' part.
    positive = 1 + (pos_weight - 1) * target if pos_weight is not None else 1
    losses = (1 - target) * input + positive * softplus(-input, threshold=math.inf)
    return reduce_loss(losses if weight is None else losses * weight, reduction)


def reduce_loss(losses: Any, reduction: str) -> Any:
    """Elementwise losses made into the mean, the sum, or left as they are."""
    if reduction == "none":
        return losses
    every = tuple(range(losses.ndim))
    return (mean_over if reduction == "mean" else sum_over)(losses, axis=every, keepdims=False)


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
    check_reduction(reduction, "nll_loss")
    axis = 0 if input.ndim == 1 else 1
    _check_scores(input, weight, axis, "nll_loss")
    _check_labels(input, target, ignore_index, "nll_loss")
    ignored = target == ignore_index
    labels = valid_labels(choose(ignored, 0, target), n_classes=input.shape[axis])
    picked = take_along(input, labels.unsqueeze(axis), axis=axis).squeeze(axis)
    scale = choose(ignored, 0, 1).astype(input.dtype) if weight is None else choose(ignored, 0, weight[labels])
    losses = choose(ignored, 0, -picked * scale)
    if reduction != "mean":
        return reduce_loss(losses, reduction)
    return reduce_loss(losses, "sum") / reduce_loss(scale, "sum")


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
        n = input.shape[axis]
        target = target * (1 - label_smoothing) + label_smoothing / n if label_smoothing else target
        weighted = target if weight is None else target * _along(weight, input.ndim, axis)
        losses = -sum_over(weighted * log_softmax_over(input, axis=axis), axis=(axis,), keepdims=False)
        total = reduce_loss(losses, "none" if reduction == "none" else "sum")
        return total / max(math.prod(losses.shape), 1) if reduction == "mean" else total
    _check_labels(input, target, ignore_index, "cross_entropy")
    if weight is None and reduction == "mean" and not label_smoothing and input.ndim == 2:
        return apply(cross_entropy_of_classes, (input, target), {"ignore_index": ignore_index})
    log_P = log_softmax_over(input, axis=axis)
    hard = nll_loss(log_P, target, weight, ignore_index=ignore_index, reduction=reduction)
    if not label_smoothing:
        return hard
    return (1 - label_smoothing) * hard + label_smoothing * _spread(
        log_P, target, weight, ignore_index, reduction, axis
    )


def _spread(log_P: Any, target: Any, weight: Any, ignore_index: int, reduction: str, axis: int) -> Any:
    """The loss against all classes evenly: what label smoothing mixes in."""
    ignored = target == ignore_index
    weighted = log_P if weight is None else log_P * _along(weight, log_P.ndim, axis)
    losses = choose(ignored, 0, -mean_over(weighted, axis=(axis,), keepdims=False))
    if reduction != "mean":
        return reduce_loss(losses, reduction)
    one = choose(ignored, 0, 1 if weight is None else weight[choose(ignored, 0, target)])
    return reduce_loss(losses, "sum") / reduce_loss(astype(one, dtype=log_P.dtype), "sum")


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
