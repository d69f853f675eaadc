"""Average pooling: the mean of each window, and what is built on it.

The mean is linear, so it and its transpose are each other's rule.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.primitive import Array, primitive
from . import by_hand
from .activation import relu
from .elementwise import multiply, pow
from .pooling import max_pool1d, max_pool2d, max_pool3d
from .pooling_windows import (
    Plane,
    adaptive_plane,
    lengths_of,
    plane_of,
    reduce_windows,
    sizes_of,
    spread_windows,
    starts,
    stops,
)
from .public import public
from .rounding import sign


@primitive(
    name="avg_pool",
    types=None,
    opaque=True,
    dX=lambda dY, Y, X, *, plane, padded, divisor: spread_means(  # type: ignore[has-type]
        dY, plane=plane, padded=padded, divisor=divisor, lengths=lengths_of(X, plane)
    ),
)
def mean_pool(X: Array, *, plane: Plane, padded: bool, divisor: int | None) -> Array:
    """The sum of each window of the last axes, divided by its number of elements, or by `divisor`.

    The elements of the padding, which are 0, count if `padded`.
    """
    total = reduce_windows(np.add, X, plane, 0)
    count = _count(lengths_of(X, plane), plane, padded) if divisor is None else divisor
    if X.dtype.kind != "f":  # rounded towards zero, as PyTorch does
        return np.sign(total) * np.sign(count) * (np.absolute(total) // np.absolute(count))
    return total / (count if isinstance(count, int) else count.astype(X.dtype))


mean_pool.composition = by_hand.mean_pool


@primitive(
    name="avg_pool_backward",
    types=None,
    opaque=True,
    dV=lambda dX, X, V, *, plane, padded, divisor, lengths: mean_pool(dX, plane=plane, padded=padded, divisor=divisor),
)
def spread_means(V: Array, *, plane: Plane, padded: bool, divisor: int | None, lengths: tuple[int, ...]) -> Array:
    """Each element of V, divided as in `mean_pool`, added to all elements of its window."""
    count = _count(lengths, plane, padded) if divisor is None else divisor
    return spread_windows(V / (count if isinstance(count, int) else count.astype(V.dtype)), plane, lengths)


spread_means.composition = by_hand.spread_means


@functools.lru_cache(maxsize=64)
def _count(lengths: tuple[int, ...], plane: Plane, padded: bool) -> int | np.ndarray[Any, Any]:
    """How many elements each window has: one number, if all have as many."""
    counts = []
    for n, windows in zip(lengths, plane, strict=True):
        first, last = starts(n, windows), stops(n, windows)
        counts.append(last - first if padded else np.minimum(last, n) - np.maximum(first, 0))
    if all(c.size and c.min() == c.max() for c in counts):
        return math.prod(int(c[0]) for c in counts)
    table: np.ndarray[Any, Any] = functools.reduce(np.multiply, np.ix_(*counts))
    return table


def _avg_pool(input: Any, dims: int, windows: tuple[Any, ...], padded: bool, divisor: Any) -> Any:
    operation = f"avg_pool{dims}d"
    kernel_size, stride, padding, ceil_mode = windows
    if divisor is not None and divisor == 0:
        raise RuntimeError(f"{operation}: divisor must be not zero; None divides by the size of the window.")
    plane = plane_of(input, dims, (kernel_size, stride, padding, 1, ceil_mode), operation)
    if dims == 3 and any(n < w.size for n, w in zip(input.shape[-3:], plane, strict=True)):  # PyTorch's rule, 3d only
        raise ShapeError(
            f"{operation}: input image {tuple(input.shape[-3:])} smaller than kernel size "
            f"{tuple(w.size for w in plane)}; the padding does not count here."
        )
    if input.dtype.kind != "f" and input.dtype != np.int64:
        raise NotImplementedError(f"{operation}: not implemented for {input.dtype}; convert with .float() first.")
    return mean_pool(input, plane=plane, padded=bool(padded), divisor=divisor)


@public("avg_pool1d", as_method=False)
def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of each window of the last axis: input (N, C, n) or (C, n).

    Args:
        stride: from one window to the next; default: kernel_size, so that they lie side by side.
        padding: zeros added at both ends.
        ceil_mode: with a last window that reaches beyond the end, if elements are left over.
        count_include_pad: whether the padding counts in the number that the sum is divided by.
    """
    return _avg_pool(input, 1, (kernel_size, stride, padding, ceil_mode), count_include_pad, None)


def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of each window of the last two axes: input (N, C, h, w) or (C, h, w); see avg_pool1d.

    With divisor_override every sum is divided by that.
    """
    return _avg_pool(input, 2, (kernel_size, stride, padding, ceil_mode), count_include_pad, divisor_override)


def avg_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of each window of the last three axes: input (N, C, d, h, w) or (C, d, h, w); see avg_pool2d."""
    return _avg_pool(input, 3, (kernel_size, stride, padding, ceil_mode), count_include_pad, divisor_override)


def _adaptive_avg_pool(input: Any, dims: int, output_size: Any) -> Any:
    operation = f"adaptive_avg_pool{dims}d"
    plane = adaptive_plane(input, dims, output_size, operation)
    if input.dtype.kind != "f":
        raise NotImplementedError(f"{operation}: not implemented for {input.dtype}; convert with .float() first.")
    return mean_pool(input, plane=plane, padded=False, divisor=None)


@public("adaptive_avg_pool1d", as_method=False)
def adaptive_avg_pool1d(input: Any, output_size: Any) -> Any:
    """The means of `output_size` windows that cover the last axis evenly: input (N, C, n) or (C, n)."""
    return _adaptive_avg_pool(input, 1, output_size)


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """The means of windows that cover the last two axes evenly, output_size of them (None: the input's length)."""
    return _adaptive_avg_pool(input, 2, output_size)


def adaptive_avg_pool3d(input: Any, output_size: Any) -> Any:
    """The means of windows that cover the last three axes evenly, output_size of them (None: the input's length)."""
    return _adaptive_avg_pool(input, 3, output_size)


# --- powers


_AVG_POOL = {1: avg_pool1d, 2: avg_pool2d, 3: avg_pool3d}
_MAX_POOL = {1: max_pool1d, 2: max_pool2d, 3: max_pool3d}


def _lp_pool(input: Any, dims: int, norm_type: Any, kernel_size: Any, stride: Any, ceil_mode: bool) -> Any:
    """By PyTorch's formula: the mean times the size of a whole window, also where a window is cut off."""
    if norm_type in (math.inf, -math.inf):
        sizes = abs(input) if norm_type > 0 else -abs(input)
        extreme = _MAX_POOL[dims](sizes, kernel_size, stride, 0, 1, ceil_mode)
        return extreme if norm_type > 0 else -extreme
    mean = _AVG_POOL[dims](pow(input, norm_type), kernel_size, stride, 0, ceil_mode)
    size = math.prod(sizes_of(kernel_size, dims, "kernel_size", f"lp_pool{dims}d"))
    return pow(multiply(multiply(sign(mean), relu(abs(mean))), size), 1.0 / norm_type)


def lp_pool1d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """(sum of x**norm_type) ** (1 / norm_type) over each window of the last axis; at a sum of 0 the gradient is 0."""
    return _lp_pool(input, 1, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """(sum of x**norm_type) ** (1 / norm_type) over each window of the last two axes; see lp_pool1d."""
    return _lp_pool(input, 2, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """(sum of x**norm_type) ** (1 / norm_type) over each window of the last three axes; see lp_pool1d."""
    return _lp_pool(input, 3, norm_type, kernel_size, stride, ceil_mode)
