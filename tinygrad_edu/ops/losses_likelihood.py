"""Losses that are divergences and likelihoods of distributions: KL divergence, Poisson, Gaussian."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..core.dtypes import floating_only
from ..core.errors import ShapeError
from ..core.primitive import Array, primitive
from ..core.write import read
from .checks import check
from .choices import choose
from .domains import positive
from .exponential import exp, log, times_log
from .loss import check_reduction, reduce_loss, reduction_of
from .shape import reshape_to


@primitive(name="clamp", types=floating_only, domain=positive, dZ=lambda dA, A, Z, *, least: dA)
def raised(Z: Array, *, least: float) -> Array:
    """A = max(Z, least), differentiated as if nothing had been raised: a guard against division by 0."""
    return np.maximum(Z, least)


def kl_div(
    input: Any,
    target: Any,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Any:
    """target (log(target) - input): the divergence of target from what `input` holds the logarithms of, in nats.

    Args:
        input: log-probabilities.
        target: probabilities, or with log_target their logarithms.
        reduction: "batchmean" is the sum over the number of samples; "mean", by all elements, warns as in PyTorch.
    """
    if size_average is not None or reduce is not None:
        reduction = reduction_of(size_average, reduce, reduction)
    else:
        check_reduction(reduction, "kl_div", also=("batchmean",))
        if reduction == "mean":
            warnings.warn(
                "kl_div: reduction: 'mean' divides the total loss by both the batch size and the support size. "
                "'batchmean' divides only by the batch size, and aligns with the KL div math definition.",
                stacklevel=2,
            )
    losses = exp(target) * (target - input) if log_target else times_log(target, target) - target * input
    if reduction == "batchmean":
        total = reduce_loss(losses, "sum")
        return total / input.shape[0] if input.ndim else total
    return reduce_loss(losses, reduction)


def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    size_average: Any = None,
    eps: float = 1e-8,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """rate - target log(rate): minus the log-likelihood of counts, less what the rate does not change.

    Args:
        input: the logarithm of the rate, or with log_input=False the rate.
        full: add Stirling's approximation of log(target!) for targets above 1.
        eps: added to the rate before its logarithm is taken.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction, "poisson_nll_loss")
    losses = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        safe = choose(target > 1, target, 1.0)
        stirling = safe * log(safe) - safe + 0.5 * log(2 * math.pi * safe)
        losses = losses + choose(target > 1, stirling, 0.0)
    return reduce_loss(losses, reduction)


def gaussian_nll_loss(
    input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Any:
    """(log(var) + (input - target)**2 / var) / 2: minus the log-likelihood of normal numbers of mean `input`.

    Args:
        var: the variance: a number, or a tensor of input's shape, or with its last axis left out or of length 1.
        full: add the constant log(2 pi) / 2.
        eps: smaller variances are raised to it; the gradient passes all the same.
    Raises:
        ValueError: a variance is negative, or var's shape does not fit.
    """
    if isinstance(var, (int, float)):
        var = input.new_full(tuple(input.shape), float(var))
    below = var < 0
    check((~below)._array, "gaussian_nll_loss: var has negative entry/entries", ValueError, read(var))
    if var.shape != input.shape:
        differ = [v for x, v in zip(input.shape, var.shape, strict=False) if x != v]
        if input.shape[:-1] == var.shape:
            var = reshape_to(var, shape=(*var.shape, 1))
        elif input.ndim != var.ndim or sum(differ) != 1:
            raise ShapeError(
                f"gaussian_nll_loss: var is of incorrect size {tuple(var.shape)} for input {tuple(input.shape)}."
            )
    check_reduction(reduction, "gaussian_nll_loss")
    var = raised(var, least=eps)
    losses = 0.5 * (log(var) + (input - target) ** 2 / var)
    return reduce_loss(losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)
