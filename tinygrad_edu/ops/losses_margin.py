"""Losses of classes by margins: a right class should score higher than each wrong one, by a margin."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import DtypeError, ShapeError
from ..core.primitive import Array, primitive
from .checks import check
from .choices import choose, clamp_below
from .creation import finish
from .indexing import take_along
from .loss import check_reduction, reduce_loss, reduction_of
from .reduction import any_over, sum_over
from .scan import cumsum


@primitive(name="margin_loss", types=None)
def labels_within(labels: Array, *, first: int, n_classes: int) -> Array:
    """The labels themselves, once each is known to be one of first .. n_classes - 1."""
    check(
        (labels >= first) & (labels < n_classes),
        f"target out of range: labels must lie in {first}..{n_classes - 1}",
        RuntimeError,
        labels,
    )
    return labels


def multi_margin_loss(
    input: Any,
    target: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """sum over wrong classes i of max(0, margin - input[target] + input[i])**p, over the number of classes.

    Args:
        input: scores, (m, n_classes) or (n_classes,).
        target: labels, int64, (m,) or ().
        weight: per class; multiplies the loss of the samples of that class.
    Raises:
        RuntimeError: a label is no class.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction, "multi_margin_loss")
    if p not in (1, 2):
        raise ValueError("multi_margin_loss: only p == 1 and p == 2 supported.")
    if weight is not None and weight.ndim != 1:
        raise ValueError("multi_margin_loss: weight must be one-dimensional.")
    single = input.ndim < 2
    if not (0 <= input.ndim <= 2) or (input.numel() == 0 and (input.ndim < 2 or input.shape[1] == 0)):
        raise ShapeError(
            "multi_margin_loss: Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"shape {tuple(input.shape)}."
        )
    m, n = (1, input.numel()) if single else input.shape
    X = input.reshape(m, n)
    if target.ndim > 1 or target.numel() != m:
        raise ShapeError(
            f"multi_margin_loss: inconsistent target size, expected {m} but got {list(target.shape)}: "
            "one label per sample is needed."
        )
    if weight is not None and weight.numel() != n:
        raise ShapeError(f"multi_margin_loss: inconsistent weight size, expected {n} but got {list(weight.shape)}.")
    y = _labels(target, 0, n, "multi_margin_loss").reshape(m, 1)
    losses = clamp_below(margin - take_along(X, y, axis=1) + X, 0)
    losses = losses if p == 1 else losses * losses
    if weight is not None:
        losses = losses * weight[y]
    losses = sum_over(choose(y == _numbers(n), 0, losses), axis=(1,), keepdims=False) / n  # (m,)
    return reduce_loss(losses.reshape(()) if single and target.ndim == 0 else losses, reduction)


def multilabel_margin_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Any:
    """sum over right classes j and wrong classes i of max(0, 1 - input[j] + input[i]), over the number of classes.

    Args:
        input: scores, (m, n_classes) or (n_classes,).
        target: in the same shape, int64: the right classes, and -1 behind the last of them.
    Raises:
        RuntimeError: a number is neither a class nor -1.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction, "multilabel_margin_loss")
    if input.ndim > 2 or (input.ndim and input.shape[-1] == 0) or tuple(target.shape) != tuple(input.shape):
        raise ShapeError(
            f"multilabel_margin_loss: inconsistent target size: {list(target.shape)} for input of size: "
            f"{list(input.shape)}; both are (m, n_classes) or (n_classes,)."
        )
    single, (m, n) = input.ndim < 2, (1, input.numel()) if input.ndim < 2 else input.shape
    X = input.reshape(m, n)
    y = _labels(target, -1, n, "multilabel_margin_loss").reshape(m, n)
    listed = cumsum((y < 0).long(), 1) == 0  # (m, n): before the first -1
    y = choose(listed, y, 0)
    right = any_over((y[:, :, None] == _numbers(n)) & listed[:, :, None], axis=(1,), keepdims=False)  # (m, n)
    losses = clamp_below(1 - take_along(X, y, axis=1)[:, :, None] + X[:, None, :], 0)  # (m, right ones, all)
    counted = listed[:, :, None] & ~right[:, None, :]
    losses = sum_over(choose(counted, losses, 0), axis=(1, 2), keepdims=False) / n
    return reduce_loss(losses.reshape(()) if single else losses, reduction)


def _numbers(n: int) -> Any:
    return finish(np.arange(n))


def _labels(target: Any, first: int, n: int, operation: str) -> Any:
    if target.dtype != np.int64:
        raise DtypeError(f"{operation}: labels must be int64, not {target.dtype}; convert with .long().")
    return labels_within(target, first=first, n_classes=n)
