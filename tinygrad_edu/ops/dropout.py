"""Dropout, of single elements and of whole channels, and the kind that keeps mean 0 and variance 1.

PyTorch's stream of draws: one double per element, or per channel of each sample, in order.
Sources: Tompson et al., "Efficient object localization using convolutional networks" (2015), for
channels; Klambauer et al., "Self-normalizing neural networks" (2017), section 3, for alpha dropout.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..core.primitive import Array
from ..core.symbol import named
from .activation import SELU_ALPHA, SELU_SCALE, in_place
from .creation import finish
from .generator import default_generator
from .public import public

ALPHA = SELU_ALPHA * SELU_SCALE  # selu(-infinity) = -ALPHA: what a dropped element becomes


@public("dropout", as_method=False)
def dropout(input: Any, p: float = 0.5, train: bool = True) -> Any:
    """In training each element is zeroed with probability p, the others are divided by 1 - p."""
    return input if _is_idle(input, p, train) else _thinned(input, input.shape, p)


@public("feature_dropout", as_method=False)
def feature_dropout(input: Any, p: float, train: bool) -> Any:
    """In training each channel of each sample (N, C, ...) is zeroed with probability p, the others divided by 1 - p."""
    return input if _is_idle(input, p, train) else _thinned(input, _channels(input), p)


@public("alpha_dropout", as_method=False)
def _torch_alpha_dropout(input: Any, p: float, train: bool) -> Any:
    """nn.functional.alpha_dropout under torch's own name, whose third argument is called train."""
    return alpha_dropout(input, p, train)


@public("feature_alpha_dropout", as_method=False)
def _torch_feature_alpha_dropout(input: Any, p: float, train: bool) -> Any:
    """nn.functional.feature_alpha_dropout under torch's own name, whose third argument is called train."""
    return feature_alpha_dropout(input, p, train)


def alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """In training each element becomes what selu makes of -infinity, with probability p.

    All are then scaled and shifted so that mean 0 and variance 1 stay mean 0 and variance 1.
    """
    return in_place(_alpha(input, p, training, tuple(input.shape)), input, "alpha_dropout_", inplace)


def feature_alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """alpha_dropout of whole channels of samples (N, C, ...)."""
    shape = None if _is_idle(input, p, training) else _channels(input)
    return in_place(_alpha(input, p, training, shape), input, "feature_alpha_dropout_", inplace)


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """In training each channel of (N, C, L) or (C, L) is zeroed with probability p, the others divided by 1 - p."""
    _is_idle(input, p, training)
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input: (N, C, L), or (C, L) for one "
            "sample."
        )
    return _by_channels(input, p, training, inplace, input.ndim == 2)


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """In training each channel of (N, C, H, W) is zeroed with probability p, the others divided by 1 - p."""
    _is_idle(input, p, training)
    if input.ndim == 3:
        warnings.warn(
            "dropout2d: a 3D input is taken as (N, C, L), as in dropout1d, and not as one sample (C, H, W); say which "
            "by calling dropout1d, or by .unsqueeze(0)",
            stacklevel=2,
        )
    elif input.ndim != 4:
        warnings.warn(
            f"dropout2d: (N, C, H, W) is expected, this is a {input.ndim}-D input; use dropout for single elements",
            stacklevel=2,
        )
    return _by_channels(input, p, training, inplace, False)


def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """In training each channel of (N, C, D, H, W) or (C, D, H, W) is zeroed with probability p; see dropout2d."""
    _is_idle(input, p, training)
    if input.ndim not in (4, 5):
        warnings.warn(
            f"dropout3d: (N, C, D, H, W) is expected, this is a {input.ndim}-D input; use dropout for single elements",
            stacklevel=2,
        )
    return _by_channels(input, p, training, inplace, input.ndim == 4)


def _by_channels(input: Any, p: float, training: bool, inplace: bool, single: bool) -> Any:
    result = feature_dropout(input.unsqueeze(0), p, training).squeeze(0) if single else None
    result = feature_dropout(input, p, training) if result is None else result
    return in_place(result, input, "feature_dropout_", inplace)


def _alpha(input: Any, p: float, training: bool, shape: tuple[int, ...] | None) -> Any:
    if _is_idle(input, p, training) or shape is None:
        return input
    if p == 1:
        return input * 0
    scale = 1 / math.sqrt((ALPHA**2 * p + 1) * (1 - p))
    kept = _kept(shape, p, input.dtype)
    return input * finish(kept * scale) + finish((kept - 1) * (ALPHA * scale) + ALPHA * scale * p)


def _is_idle(input: Any, p: float, training: bool) -> bool:
    """Whether nothing is dropped, so that the input is the result; p is checked in any case."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}.")
    return p == 0 or not training or 0 in input.shape


def _channels(input: Any) -> tuple[int, ...]:
    if input.ndim < 2:
        raise RuntimeError(
            f"Feature dropout requires at least 2 dimensions in the input, (N, C, ...), got shape {tuple(input.shape)}."
        )
    return (*input.shape[:2], *(1 for _ in input.shape[2:]))


def _thinned(input: Any, shape: tuple[int, ...], p: float) -> Any:
    """The input times a mask of this shape: 0 with probability p, else 1 / (1 - p), so that the mean stays."""
    return input * (0 if p == 1 else dropout_mask(shape, p, input.dtype))  # nothing is drawn then, in PyTorch either


def dropout_mask(shape: tuple[int, ...], p: float, dtype: Any) -> Any:
    """The mask of `dropout`, for p < 1."""
    return finish(named(_kept(shape, p, dtype) / np.asarray(1 - p, dtype), "mask"))


def _kept(shape: tuple[int, ...], p: float, dtype: Any) -> Array:
    """1 with probability 1 - p, else 0."""
    draws = named(default_generator.uniform(math.prod(shape), np.dtype("float64")), "draws")
    return (draws.reshape(shape) < 1 - p).astype(dtype)
