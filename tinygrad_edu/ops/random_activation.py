"""Activation functions that draw random numbers: PyTorch's own from the same seed."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..core.primitive import Array
from ..core.write import read
from .activation import in_place, leaky_relu, softmax_over
from .choices import choose
from .creation import finish
from .dims import one_axis
from .generator import Generator, draw_by
from .public import public
from .reduction import argmax


@public("rrelu", as_method=False)
def rrelu_of(
    input: Any,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    generator: Generator | None = None,
) -> Any:
    """input where positive, elsewhere input times a slope drawn from [lower, upper]; else their mean.

    Only elements that are not positive draw, in their order, as in PyTorch.

    Raises:
        RuntimeError: lower exceeds upper.
    """
    if lower > upper:
        raise RuntimeError(
            f"rrelu: Lower bound should be less than or equal to the upper bound, got {lower} and {upper}."
        )
    if not training:
        return leaky_relu(input, (lower + upper) / 2)
    return input * finish(draw_by(_slopes, generator, read(input), lower=lower, upper=upper))


def _slopes(generator: Generator, Z: Array, *, lower: float, upper: float) -> Array:
    """1 where Z is positive, elsewhere drawn."""
    drawn = Z <= 0
    count = int(np.count_nonzero(drawn))
    draws = generator.uniform(count, np.dtype("float64")) * (upper - lower) + lower
    places = np.cumsum(drawn).reshape(drawn.shape) * drawn  # 0 where nothing is drawn, else which draw
    return np.concatenate([[1.0], draws])[places].astype(Z.dtype)


def rrelu(
    input: Any, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Any:
    """In training input times a random slope from [lower, upper] where it is not positive; else their mean."""
    return in_place(rrelu_of(input, lower, upper, training), input, "rrelu_", inplace)


@public("rrelu_", as_method=False)
def rrelu_(input: Any, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Any:
    """rrelu, stored in the input."""
    return rrelu(input, lower, upper, training, True)


def gumbel_softmax(logits: Any, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Any:
    """A softmax of logits with Gumbel noise, over the temperature tau: a differentiable draw of a class.

    Args:
        hard: give the drawn class as one-hot; the gradient is the soft draw's.
    Source: Jang, Gu & Poole, "Categorical Reparameterization with Gumbel-Softmax" (2017).
    """
    if eps != 1e-10:
        warnings.warn("gumbel_softmax: `eps` parameter is deprecated and has no effect.", stacklevel=2)
    axis = one_axis(dim, logits.ndim, "gumbel_softmax")
    clocks = finish(np.empty(logits.shape, logits.dtype)).exponential_()
    soft = softmax_over((logits - clocks.log()) / tau, axis=axis)
    if not hard:
        return soft
    index = argmax(soft.detach(), axis, True)
    places = finish(np.arange(logits.shape[axis]).reshape([-1 if i == axis else 1 for i in range(logits.ndim)]))
    chosen = choose(places == index, soft.new_ones(()), 0)
    return chosen - soft.detach() + soft
