"""Losses: how far predictions are from targets, as one number to minimise. Here those of numbers by numbers.

`reduction` is "mean" (default), "sum" or "none"; `size_average` and `reduce` are its old spellings.
Primitives fuse a loss with its reduction, so that the first rule of the backward pass is already the
formula people know: 2 (A - Y) over m.

The others by kind: losses_binary, losses_classes, losses_likelihood, losses_ranking.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..core.apply import apply
from ..core.dtypes import difference, floating_only
from ..core.errors import DtypeError, ShapeError, nearest
from ..core.primitive import Array, primitive
from ..core.tensor import Tensor
from .reduction import mean_over, sum_over
from .shape import broadcast_to


def reduced(losses: Array, reduction: str) -> Array:
    """In a forward: one number per element made into the loss."""
    if reduction == "none":
        return losses
    total = np.add.reduce(losses, axis=None)
    if reduction == "sum":
        return total
    m = math.prod(losses.shape)
    return total / m if m else total * math.nan  # of nothing: NaN, as 0 / 0, but without a warning


def per_element(dL: Array, shape: tuple[int, ...], reduction: str) -> Array:
    """In a rule: the cotangent of each element's loss; the mean's is a share of 1/m."""
    return dL / max(math.prod(shape), 1) if reduction == "mean" else dL


def _twice(D: Array, dL: Array, reduction: str) -> Array:
    """The derivative of D**2; D has the broadcast shape, whose elements the mean counts."""
    return per_element(dL, D.shape, reduction) * (2 * D)


@primitive(
    name="mse_loss",
    types=floating_only,
    dA=lambda dL, L, A, Y, *, reduction: _twice(A - Y, dL, reduction),
    dY=lambda dL, L, A, Y, *, reduction: _twice(Y - A, dL, reduction),
)
def squared_error(A: Array, Y: Array, *, reduction: str) -> Array:
    """L = mean (or sum) of (A - Y)**2."""
    E = A - Y
    return reduced(np.square(E), reduction)


squared_error.composition = squared_error.forward  # in which the error has a name


def _sign(D: Array, dL: Array, reduction: str) -> Array:
    """The derivative of |D|, 0 where the two are equal."""
    return per_element(dL, D.shape, reduction) * np.sign(D)


@primitive(
    name="l1_loss",
    types=difference,
    dA=lambda dL, L, A, Y, *, reduction: _sign(A - Y, dL, reduction),
    dY=lambda dL, L, A, Y, *, reduction: _sign(Y - A, dL, reduction),
)
def absolute_error(A: Array, Y: Array, *, reduction: str) -> Array:
    """L = mean (or sum) of |A - Y|."""
    E = A - Y
    return reduced(np.absolute(E), reduction)


absolute_error.composition = absolute_error.forward


def _within(D: Array, dL: Array, delta: float, scale: float, reduction: str) -> Array:
    """The derivative of Huber's loss is the difference itself, limited to [-delta, delta]."""
    return per_element(dL, D.shape, reduction) * (scale * np.clip(D, -delta, delta))


@primitive(
    name="huber_loss",
    types=floating_only,
    dA=lambda dL, L, A, Y, *, delta, scale, reduction: _within(A - Y, dL, delta, scale, reduction),
    dY=lambda dL, L, A, Y, *, delta, scale, reduction: _within(Y - A, dL, delta, scale, reduction),
)
def limited_error(A: Array, Y: Array, *, delta: float, scale: float, reduction: str) -> Array:
    """L = scale times the mean of E**2 / 2 where |E| <= delta, of delta (|E| - delta / 2) beyond; E = A - Y.

    Source: Huber, "Robust Estimation of a Location Parameter" (1964), section 5.
    """
    E = A - Y
    C = np.clip(E, -delta, delta)
    return reduced(scale * (C * (E - 0.5 * C)), reduction)


limited_error.composition = limited_error.forward


# --- what all losses share


def reduction_of(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction that the two old arguments stand for, where one of them is given."""
    if size_average is None and reduce is None:
        return reduction
    found = "none" if reduce is False else "sum" if size_average is False else "mean"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{found}' instead.", stacklevel=3
    )
    return found


def check_reduction(reduction: str, operation: str, also: tuple[str, ...] = ()) -> None:
    """Refuse what is no reduction, naming the nearest that is."""
    known = ("mean", "sum", "none", *also)
    if reduction not in known:
        near = nearest(str(reduction), known)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        listed = f"{', '.join(map(repr, known[:-1]))} or {known[-1]!r}"
        raise ValueError(f"{operation}: {reduction} is not a valid value for reduction: {listed}.{hint}")


def reduce_loss(losses: Any, reduction: str) -> Any:
    """Elementwise losses made into the mean, the sum, or left as they are."""
    if reduction == "none":
        return losses
    every = tuple(range(losses.ndim))
    return (mean_over if reduction == "mean" else sum_over)(losses, axis=every, keepdims=False)


def same_shape(input: Tensor, target: Tensor, operation: str) -> None:
    """Refuse shapes that differ: (m, 1) and (m,) would broadcast to m * m losses."""
    if input._array.shape != target._array.shape:
        raise ShapeError(
            f"{operation}: Using a target size ({tuple(target.shape)}) that is different to the input "
            f"size ({tuple(input.shape)}) is refused; reshape one of them, for example with .unsqueeze(1)."
        )


def broadcast_pair(input: Any, target: Any, operation: str) -> tuple[Any, Any]:
    """Both in one shape, with PyTorch's warning where theirs differ; shapes that don't fit are left to the loss."""
    if input.shape == target.shape:
        return input, target
    try:
        shape = np.broadcast_shapes(input.shape, target.shape)
    except ValueError:
        return input, target
    warnings.warn(
        f"{operation}: Using a target size ({tuple(target.shape)}) that is different to the input size "
        f"({tuple(input.shape)}). This will likely lead to incorrect results due to broadcasting. "
        "Please ensure they have the same size.",
        stacklevel=3,
    )
    return broadcast_to(input, shape=shape), broadcast_to(target, shape=shape)


def _weighted(losses: Any, weight: Any, shape: tuple[int, ...], reduction: str, operation: str, by_weight: bool) -> Any:
    if weight.shape != shape:
        raise ShapeError(
            f"{operation}: Weights and input must have the same size; weight has shape {tuple(weight.shape)}, "
            f"input {tuple(shape)}."
        )
    losses = losses * weight
    if reduction == "mean" and by_weight:
        return reduce_loss(losses, "sum") / reduce_loss(weight, "sum")
    return reduce_loss(losses, reduction)


# --- the public functions: torch.nn.functional's signatures


def mse_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean", weight: Any = None
) -> Any:
    """The mean squared difference; with a weight of input's shape, the weighted mean.

    Shapes that differ are broadcast, with PyTorch's warning: (m, 1) and (m,) give m * m differences.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction, "mse_loss")
    shape = input.shape
    input, target = broadcast_pair(input, target, "mse_loss")
    if weight is None:
        return apply(squared_error, (input, target), {"reduction": reduction})
    return _weighted(squared_error(input, target, reduction="none"), weight, shape, reduction, "mse_loss", True)


def l1_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean", weight: Any = None
) -> Any:
    """The mean absolute difference; weight and shapes as for mse_loss. The derivative is 0 where both are equal."""
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction, "l1_loss")
    if reduction == "mean" and input.dtype.kind != "f" and target.dtype.kind != "f":
        raise DtypeError(f"l1_loss: the mean is floating, so {input.dtype} is refused; convert with .float() first.")
    shape = input.shape
    input, target = broadcast_pair(input, target, "l1_loss")
    if weight is None:
        return absolute_error(input, target, reduction=reduction)
    return _weighted(absolute_error(input, target, reduction="none"), weight, shape, reduction, "l1_loss", True)


def smooth_l1_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean", beta: float = 1.0
) -> Any:
    """l1_loss with its kink rounded off: squared where |input - target| < beta. huber_loss / beta."""
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction, "smooth_l1_loss")
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss does not support negative values for beta, got {beta}.")
    input, target = broadcast_pair(input, target, "smooth_l1_loss")
    if beta == 0:
        return absolute_error(input, target, reduction=reduction)
    return limited_error(input, target, delta=beta, scale=1 / beta, reduction=reduction)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Any:
    """Half the squared difference where it is at most delta, linear beyond; weight multiplies each element's loss."""
    check_reduction(reduction, "huber_loss")
    if delta <= 0:
        raise RuntimeError(f"huber_loss does not support non-positive values for delta, got {delta}.")
    shape = input.shape
    input, target = broadcast_pair(input, target, "huber_loss")
    losses = limited_error(input, target, delta=delta, scale=1.0, reduction=reduction if weight is None else "none")
    return losses if weight is None else _weighted(losses, weight, shape, reduction, "huber_loss", False)
