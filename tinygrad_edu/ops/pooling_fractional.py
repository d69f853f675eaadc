"""Fractional max pooling: windows whose steps are drawn, so that the output has any size.

Source: Graham, "Fractional max-pooling" (2014), arXiv 1412.6071.
"""

from __future__ import annotations

import math
from typing import Any

from ..core.errors import ShapeError
from .creation import arange, full
from .indexing import take_along_dim
from .joining import cat
from .random import rand
from .reduction import argmax
from .rounding import trunc


def _each(value: Any, axes: int, name: str, operation: str) -> tuple[Any, ...]:
    each = tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes
    if len(each) != axes:
        raise ValueError(f"{operation}: {name} must be one number or {axes}, got {value}.")
    return each


def _starts(sample: Any, n: int, n_out: int, window: int) -> Any:
    """Where the windows of an axis begin, (..., n_out): nearly even steps that a number in [0, 1) shifts."""
    last = full((*sample.shape, 1), n - window, dtype="int64")
    if n_out == 1:
        return last
    alpha = (n - window) / (n_out - 1)
    steps = arange(n_out - 1, dtype=sample.dtype)
    sample = sample.unsqueeze(-1)
    return cat([(trunc((steps + sample) * alpha) - trunc(sample * alpha)).long(), last], -1)


def _pool(
    input: Any, axes: int, kernel_size: Any, output_size: Any, output_ratio: Any, samples: Any, operation: str
) -> tuple[Any, Any]:
    """The maxima, and their places in the flattened last axes."""
    if output_size is None and output_ratio is None:
        raise ValueError(f"{operation} requires specifying either an output_size or an output_ratio")
    if input.ndim not in (axes + 1, axes + 2):
        raise ShapeError(f"{operation}: Expected {axes + 1}D or {axes + 2}D tensor, but got: {tuple(input.shape)}.")
    lengths = tuple(input.shape[-axes:])
    if output_size is None:
        ratios = _each(output_ratio, axes, "output_ratio", operation)
        output_size = tuple(int(n * ratio) for n, ratio in zip(lengths, ratios, strict=True))
    window = _each(kernel_size, axes, "kernel_size", operation)
    out = _each(output_size, axes, "output_size", operation)
    for n, n_out, k in zip(lengths, out, window, strict=True):
        needed = k + n_out - 1 + (axes == 3)  # of volumes PyTorch asks for one more
        if needed > n or n_out < 1:
            raise RuntimeError(
                f"{operation}: pool size {k} too large relative to input {n}: for {n_out} outputs at least {needed} "
                "are needed."
            )
    X = input if input.ndim == axes + 2 else input.unsqueeze(0)
    N, C = X.shape[:2]
    if samples is None:
        samples = rand((N, C, axes), dtype=X.dtype)
    elif samples.ndim != 3 or samples.shape[0] < N or tuple(samples.shape[1:]) != (C, axes):
        raise RuntimeError(
            f"{operation}: Expect _random_samples to be of shape ({N}, {C}, {axes}), got {tuple(samples.shape)}."
        )
    samples = samples[:N]  # PyTorch takes more, too
    places: Any = 0  # (N, C, *out, *window) in the end
    for i, (n, n_out, k) in enumerate(zip(lengths, out, window, strict=True)):
        # of images PyTorch shifts the columns by the first number, of volumes the slices
        starts = _starts(samples[..., 1 - i if axes == 2 else i], n, n_out, k)
        along = starts.reshape((N, C, *(n_out if j == i else 1 for j in range(axes)), *(1,) * axes))
        within = arange(k).reshape((1, 1, *(1,) * axes, *(k if j == i else 1 for j in range(axes))))
        places = places * n + along + within
    flat = X.flatten(2)
    places = places.reshape((N, C, math.prod(out), math.prod(window)))
    seen = take_along_dim(flat.detach(), places.flatten(2), -1).reshape(tuple(places.shape))
    best = take_along_dim(places, argmax(seen, -1, keepdim=True), -1).squeeze(-1)
    shape = (*input.shape[:-axes], *out)
    return take_along_dim(flat, best, -1).reshape(shape), best.reshape(shape)


def fractional_max_pool2d_with_indices(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """The largest element of each window, and its place in the flattened image."""
    return _pool(input, 2, kernel_size, output_size, output_ratio, _random_samples, "fractional_max_pool2d")


def fractional_max_pool2d(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """The largest element of each window of the last two axes; windows are drawn so that `output_size` results.

    Args:
        output_ratio: the output's size as a part of the input's, in place of output_size.
        _random_samples: (N, C, 2) numbers in [0, 1) by which the windows of columns and rows are shifted.
    """
    found = _pool(input, 2, kernel_size, output_size, output_ratio, _random_samples, "fractional_max_pool2d")
    return found if return_indices else found[0]


def fractional_max_pool3d_with_indices(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """The largest element of each window, and its place in the flattened volume."""
    return _pool(input, 3, kernel_size, output_size, output_ratio, _random_samples, "fractional_max_pool3d")


def fractional_max_pool3d(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """The largest element of each window of the last three axes; see fractional_max_pool2d."""
    found = _pool(input, 3, kernel_size, output_size, output_ratio, _random_samples, "fractional_max_pool3d")
    return found if return_indices else found[0]
