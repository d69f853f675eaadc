"""torch.nn.functional's names and signatures, in front of the functions of ops/.

nn follows PyTorch: rows are samples, X (m, n_in), and a weight is (n_out, n_in).
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.tensor import apply
from ..ops import activation, linalg, loss
from ..ops import random as draws
from ..ops.activation import (
    celu,
    elu,
    gelu,
    glu,
    leaky_relu,
    logsigmoid,
    mish,
    selu,
    silu,
    softmin,
    softplus,
    softsign,
    tanhshrink,
)
from ..ops.gathering import one_hot
from ..ops.piecewise import hardshrink, hardsigmoid, hardswish, hardtanh, prelu, relu6, softshrink, threshold
from ..ops.shape import expand
from ..ops.windows import pad

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "cross_entropy",
    "dropout",
    "elu",
    "gelu",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "mish",
    "mse_loss",
    "nll_loss",
    "one_hot",
    "pad",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
]


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """In training each element is zeroed with probability p, the others are divided by 1 - p."""
    result = draws.dropout(input, p, training)
    return input.replace(result, "dropout_") if inplace else result


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """input @ weight.T + bias: input (..., n_in), weight (n_out, n_in), bias (n_out,)."""
    # apply, not a call of the primitive: which reading is meant needs no looking up here
    return apply(linalg.affine, (input, weight) if bias is None else (input, weight, bias), {})


def tanh(input: Any) -> Any:
    """tanh, elementwise."""
    return apply(activation.tanh, (input,), {})


def sigmoid(input: Any) -> Any:
    """1 / (1 + exp(-input)), elementwise."""
    return apply(activation.sigmoid, (input,), {})


def relu(input: Any, inplace: bool = False) -> Any:
    """max(input, 0), elementwise; inplace=True overwrites the input."""
    return input.relu_() if inplace else apply(activation.relu, (input,), {})


def softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """Probabilities along `dim`, proportional to exp(input)."""
    return activation.softmax(input, dim, dtype)


def log_softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """The logarithms of the softmax along `dim`."""
    return activation.log_softmax(input, dim, dtype)


def mse_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean", weight: Any = None
) -> Any:
    """The mean squared difference; with a weight of input's shape, the weighted mean.

    Shapes that differ are broadcast, with PyTorch's warning: (m, 1) and (m,) give m * m differences.
    """
    if size_average is not None or reduce is not None:
        reduction = reduction_of(size_average, reduce, reduction)
    if input.shape != target.shape:
        warnings.warn(
            f"mse_loss: Using a target size ({tuple(target.shape)}) that is different to the input size "
            f"({tuple(input.shape)}). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=2,
        )
        shape = np.broadcast_shapes(input.shape, target.shape)
        input, target = expand(input, shape), expand(target, shape)
    if weight is None:
        return loss.mse_loss(input, target, reduction)
    if weight.shape != input.shape:
        raise ShapeError(
            f"mse_loss: weight has shape {tuple(weight.shape)}, input {tuple(input.shape)}; they must be equal."
        )
    loss.check_reduction(reduction, "mse_loss")
    total = loss.reduce_loss(weight * loss.mse_loss(input, target, "none"), "none" if reduction == "none" else "sum")
    return total / weight.sum() if reduction == "mean" else total


def binary_cross_entropy(
    input: Any, target: Any, weight: Any = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Any:
    """-(target log(input) + (1 - target) log(1 - input)) of probabilities; see ops.loss."""
    if size_average is not None or reduce is not None:
        reduction = reduction_of(size_average, reduce, reduction)
    return loss.binary_cross_entropy(input, target, weight, reduction)


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:
    """binary_cross_entropy of sigmoid(input), computed from the scores; see ops.loss."""
    if size_average is not None or reduce is not None:
        reduction = reduction_of(size_average, reduce, reduction)
    return loss.binary_cross_entropy_with_logits(input, target, weight, reduction, pos_weight)


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
    """The cross-entropy of softmax(input) with labels or probabilities; see ops.loss."""
    if size_average is not None or reduce is not None:
        reduction = reduction_of(size_average, reduce, reduction)
    return loss.cross_entropy(
        input, target, weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
    )


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """Minus the log-probability of each sample's label; see ops.loss."""
    if size_average is not None or reduce is not None:
        reduction = reduction_of(size_average, reduce, reduction)
    return loss.nll_loss(input, target, weight, ignore_index=ignore_index, reduction=reduction)


def reduction_of(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction that the two old arguments stand for, where one of them is given."""
    if size_average is None and reduce is None:
        return reduction
    found = "none" if reduce is False else "sum" if size_average is False else "mean"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{found}' instead.", stacklevel=3
    )
    return found
