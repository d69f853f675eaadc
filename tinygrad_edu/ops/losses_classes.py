"""Losses of classes: labels, or probabilities, against one score or log-probability per class.

The classes lie along axis 1 of scores (m, n_classes) or (m, n_classes, d1, ...), along axis 0 of (n_classes,).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.apply import apply
from ..core.dtypes import int64
from ..core.errors import DtypeError, ShapeError
from ..core.primitive import Array, primitive
from ..core.sums import sum_axes
from .activation import FEW, log_softmax_over, softmax_rule
from .checks import check
from .choices import choose, zero_where
from .conversion import astype
from .dims import one_axis
from .indexing import take_along
from .linalg import affine
from .loss import check_reduction, reduce_loss, reduction_of
from .reduction import mean_over, sum_over
from .shape import reshape_to

IGNORED = -100  # the usual ignore_index, which is no class


@primitive(
    name="one_hot",
    types=None,
    opaque=True,
    dP=lambda dD, D, P, labels, *, ignore_index: zero_where((labels == ignore_index)[:, None], dD),
)
def minus_one_hot(P: Array, labels: Array, *, ignore_index: int) -> Array:
    """P - Y with Y[i, labels[i]] = 1 and zeros elsewhere; a row whose label is ignore_index becomes 0."""
    D = P.copy(order="K")  # in P's own order: 319 us against 36 for 1024 x 100 in columns
    kept = labels != ignore_index
    if labels.ndim > 1:
        whole = kept.all()
        D = np.ascontiguousarray(D)
        places = _pixels(labels if whole else np.where(kept, labels, 0), P.shape[1])
        in_a_row = D.reshape(-1)
        in_a_row[places] = in_a_row.take(places) - 1
        if not whole:
            np.copyto(D, 0, where=~kept[:, None])
        return D
    if np.count_nonzero(kept) == len(labels):
        rows = np.arange(len(labels))
    else:
        D[~kept] = 0
        rows = np.flatnonzero(kept)
        labels = labels[rows]
    D[rows, labels] = P[rows, labels] - 1
    return D


def _classes(n: int, ndim: int) -> Array:
    """0 .. n - 1 along the class axis, beside labels of so many axes."""
    return np.arange(n).reshape(-1, *(1,) * (ndim - 1))


def _pixels(labels: Array, n_classes: int) -> Array:
    """Where each pixel's label lies in scores in a row: 45 us for 8 x 2 x 64 x 64, where indices of axes take 235."""
    m, n = len(labels), math.prod(labels.shape[1:])
    first = np.arange(m)[:, None] * (n_classes * n)
    return (labels.reshape(m, n) * n + (first + np.arange(n))).reshape(-1)


def _one_hot(labels: Array, n_classes: int, ignore_index: int) -> Array:
    """Y[i, labels[i]] = 1; a row of zeros where the label is ignore_index."""
    Y = labels[:, None] == _classes(n_classes, labels.ndim)
    return np.logical_and(Y, (labels != ignore_index)[:, None]) if 0 <= ignore_index < n_classes else Y


def _probabilities_minus_labels(P: Array, labels: Array, *, ignore_index: int) -> Array:
    return P * (labels != ignore_index)[:, None] - _one_hot(labels, P.shape[1], ignore_index)


minus_one_hot.composition = _probabilities_minus_labels


@primitive(name="count_nonzero", types=None, opaque=True)
def count_kept(labels: Array, *, ignore_index: int, dtype: np.dtype[Any]) -> Array:
    """How many labels there are besides ignore_index, as a number to divide by."""
    return np.asarray(np.count_nonzero(labels != ignore_index), dtype)


count_kept.composition = lambda labels, *, ignore_index, dtype: np.sum(labels != ignore_index, dtype=dtype)


def _scores_rule(dO: Array, O: Array, Z: Array, labels: Array, *, ignore_index: int) -> Array:
    """The article's A - Y for several classes: the probabilities, less 1 at each sample's label, over m."""
    dL, dP, P = dO[0], dO[1], O[1]
    if dL is None:
        return softmax_rule(dP, P, axis=1)
    m = count_kept(labels, ignore_index=ignore_index, dtype=Z.dtype)
    dZ = minus_one_hot(P, labels, ignore_index=ignore_index) * (dL / np.maximum(m, 1))  # none kept: 0
    return dZ if dP is None else dZ + softmax_rule(dP, P, axis=1)


@primitive(name="cross_entropy", types=None, opaque=True, dZ=_scores_rule)
def cross_entropy_of_classes(Z: Array, labels: Array, *, ignore_index: int) -> tuple[Array, Array]:
    """L = -mean(log P[i, labels[i]]) of scores Z (m, n_classes), in nats per sample; and P = softmax(Z).

    Of pixels, Z (m, n_classes, d1, ...) and labels (m, d1, ...), each is a sample. Samples labelled ignore_index
    are left out of the mean. P is an output because the rule of Z reads it. Few classes are taken with samples in
    columns, where NumPy's loops are long: 64 x 10 take 12 us for 18.
    """
    if Z.ndim > 2:
        return _of_pixels(Z, labels, ignore_index)
    axis = 0 if Z.shape[1] <= FEW else 1
    S = Z.T.copy() if axis == 0 else Z
    S = S - np.maximum.reduce(S, axis=axis, keepdims=True)
    E = np.exp(S)
    T = np.add.reduce(E, axis=0, keepdims=True) if axis == 0 else sum_axes(E, (1,), True)
    np.divide(E, T, out=E)
    S, P = (S.T, E.T) if axis == 0 else (S, E)
    n_classes, rows = S.shape[1], np.arange(len(labels))
    if labels.min(initial=0) < 0 or labels.max(initial=0) >= n_classes or 0 <= ignore_index < n_classes:
        kept = labels != ignore_index
        rows = np.flatnonzero(kept)
        labels = valid_labels(np.where(kept, labels, 0), n_classes=n_classes)[rows]
    total = np.add.reduce(np.log(T.reshape(-1)[rows]) - S[rows, labels])
    return total / len(rows) if len(rows) else total * math.nan, P


def _of_pixels(Z: Array, labels: Array, ignore_index: int) -> tuple[Array, Array]:
    kept = labels != ignore_index
    whole = kept.all()
    labels = valid_labels(labels if whole else np.where(kept, labels, 0), n_classes=Z.shape[1])
    S = Z - np.maximum.reduce(Z, axis=1, keepdims=True)
    P = np.exp(S)
    T = np.add.reduce(P, axis=1, keepdims=True)
    np.divide(P, T, out=P)
    losses = np.log(T).reshape(-1) - S.reshape(-1).take(_pixels(labels, Z.shape[1]))
    losses = losses if whole else losses[kept.reshape(-1)]
    total = np.add.reduce(losses)
    return total / losses.size if losses.size else total * math.nan, P


def _cost_and_probabilities(Z: Array, labels: Array, *, ignore_index: int) -> tuple[Array, Array]:
    """The article's cost for several classes, -1/m sum(Y * log(P)), and P."""
    S = Z - np.max(Z, axis=1, keepdims=True)
    log_P = S - np.log(np.sum(np.exp(S), axis=1, keepdims=True))
    Y = _one_hot(labels, Z.shape[1], ignore_index)
    return -np.sum(Y * log_P) / np.sum(labels != ignore_index, dtype=Z.dtype), np.exp(log_P)


cross_entropy_of_classes.composition = _cost_and_probabilities
cross_entropy_of_classes.needs_zeros = False  # P is seldom used by anything but the rule


@primitive(name="one_hot", types=None, opaque=True)
def one_hot_rows(labels: Array, *, n_classes: int, ignore_index: int, dtype: np.dtype[Any]) -> Array:
    """Y (m, n_classes) with Y[i, labels[i]] = 1 and zeros elsewhere; a row of zeros for ignore_index."""
    Y = np.zeros((len(labels), n_classes, *labels.shape[1:]), dtype)
    if labels.ndim > 1:
        kept = labels != ignore_index
        Y.reshape(-1)[_pixels(np.where(kept, labels, 0), n_classes)] = kept.reshape(-1)
        return Y
    rows = np.flatnonzero(labels != ignore_index)
    Y[rows, labels[rows]] = 1
    return Y


def rows_of_labels(labels: Array, *, n_classes: int, ignore_index: int, dtype: np.dtype[Any]) -> Array:
    """As `_one_hot`, in numbers: truths have no minus. In a line of its own, which gives it its letter in sources."""
    Y = (labels[:, None] == _classes(n_classes, labels.ndim)).astype(dtype)
    return Y if ignore_index == IGNORED else Y * (labels != ignore_index)[:, None]


one_hot_rows.composition = rows_of_labels


def _log_probabilities_rule(dL: Array, L: Array, A: Array, labels: Array, *, ignore_index: int, mean: bool) -> Array:
    """-Y, over m for a mean: each sample's own label, and no other class."""
    Y = one_hot_rows(labels, n_classes=A.shape[1], ignore_index=ignore_index, dtype=A.dtype)
    if not mean:
        return Y * -dL
    return Y * (-dL / np.maximum(count_kept(labels, ignore_index=ignore_index, dtype=A.dtype), 1))


@primitive(name="nll_loss", types=None, opaque=True, dA=_log_probabilities_rule)
def log_likelihood_of_classes(A: Array, labels: Array, *, ignore_index: int, mean: bool) -> Array:
    """L = -sum(A[i, labels[i]]) of log-probabilities A (m, n_classes), in nats; or the mean, per sample.

    Of pixels, A (m, n_classes, d1, ...), each is a sample. Samples labelled ignore_index are left out.
    """
    kept = labels != ignore_index
    labels = valid_labels(np.where(kept, labels, 0), n_classes=A.shape[1])
    if labels.ndim > 1:
        picked = A.reshape(-1).take(_pixels(labels, A.shape[1]))[kept.reshape(-1)]
    else:
        rows = np.flatnonzero(kept)
        picked = A[rows, labels[rows]]
    total = -np.add.reduce(picked)
    if not mean:
        return total
    return total / picked.size if picked.size else total * math.nan


def _cost_of_log_probabilities(A: Array, labels: Array, *, ignore_index: int, mean: bool) -> Array:
    Y = rows_of_labels(labels, n_classes=A.shape[1], ignore_index=ignore_index, dtype=A.dtype)
    total = -np.sum(Y * A)
    return total / np.sum(labels != ignore_index, dtype=A.dtype) if mean else total


log_likelihood_of_classes.composition = _cost_of_log_probabilities


@primitive(name="nll_loss", types=None)
def valid_labels(labels: Array, *, n_classes: int) -> Array:
    """The labels themselves, once each is known to be one of 0 .. n_classes - 1."""
    check(
        np.logical_and(labels >= 0, labels < n_classes),
        f"Target out of bounds: labels must lie in 0..{n_classes - 1} (or be ignore_index)",
        IndexError,
        labels,
    )
    return labels


# --- the public functions: torch.nn.functional's signatures


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
    """One number for a sample per row; a mean by weights is over the sum of them."""
    params = {"ignore_index": ignore_index, "mean": mean and weight is None}
    total = apply(log_likelihood_of_classes, (A if weight is None else A * weight, labels), params)
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
    return apply(cross_entropy_of_classes, (Z, labels), {"ignore_index": ignore_index}, shown=1)[0]


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
