"""Numbers in rows: evenly spaced, spaced by ratios, windows for signals; and choices of r out of n."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.dtypes import as_dtype
from ..core.number import concrete
from ..core.primitive import Array, primitive
from ..core.quiet import quietly
from ..core.tensor import Tensor, wrap
from ..core.write import read
from .creation import constructor, finish, float_or_default
from .gathering import along
from .indexing import getitem
from .public import public


def _between(start: Any, end: Any, primitive: Any, **how: Any) -> Array:
    """Numbers from start to end, which may be tensors of one number."""
    if isinstance(start, Tensor) or isinstance(end, Tensor):
        given = (read(x.detach().reshape(())) if isinstance(x, Tensor) else x for x in (start, end))
        return primitive(*given, **how)
    return primitive.forward(concrete(start), concrete(end), **concrete(how))


def _cut(start: Any, end: Any, whole: bool) -> tuple[Any, Any]:
    """The two numbers, cut to integers where these are wanted."""
    start, end = (x.item() if hasattr(x, "item") else x for x in (start, end))
    return (int(start), int(end)) if whole else (start, end)


@primitive(name="linspace", types=None, opaque=True)
def evenly_spaced(start: Array, end: Array, *, steps: int, whole: bool, dtype: Any) -> Array:
    """`steps` numbers from start to end; `whole`: from and to integers."""
    first, last = _cut(start, end, whole)
    exact = np.dtype(dtype).kind == "f" and steps > 1
    values = _evenly(first, last, steps, np.dtype(dtype)) if exact else np.linspace(first, last, steps)
    return values.astype(dtype)


@primitive(name="logspace", types=None, opaque=True)
def spaced_by_ratios(start: Array, end: Array, *, steps: int, base: float, whole: bool, dtype: Any) -> Array:
    """`steps` numbers from base**start to base**end; `whole`: of integers as exponents."""
    values: Array = base ** np.linspace(*_cut(start, end, whole), steps)
    return values.astype(dtype)


def _is_whole(dtype: Any) -> bool:
    return dtype is not None and as_dtype(dtype).kind in "iu"


@constructor
@quietly
def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    name: str | None = None,
) -> Tensor:
    """`steps` numbers, evenly spaced, from start to end inclusive."""
    if steps < 0:
        raise RuntimeError(f"linspace: number of steps must be non-negative, got {steps}.")
    how = {"steps": steps, "whole": _is_whole(dtype), "dtype": float_or_default(dtype)}
    return finish(_between(start, end, evenly_spaced, **how), requires_grad, name, device)


def _evenly(start: Any, end: Any, steps: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """PyTorch's numbers to the last bit: from both ends to the middle, by a step that is rounded to the dtype.

    Its loop multiplies and adds with one rounding, as the wider dtype here does.
    """
    wide: Any = np.float64 if dtype == np.float32 else np.longdouble
    first, last = dtype.type(start), dtype.type(end)
    step = wide((last - first) / dtype.type(steps - 1))
    k = np.arange(steps, dtype=wide)
    values: np.ndarray[Any, Any] = np.where(k < steps // 2, wide(first) + step * k, wide(last) - step * (steps - 1 - k))
    return values


@constructor
@quietly
def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """`steps` numbers from base**start to base**end, each the same multiple of the one before."""
    if steps < 0:
        raise RuntimeError(f"logspace: number of steps must be non-negative, got {steps}.")
    how = {"steps": steps, "base": base, "whole": _is_whole(dtype), "dtype": float_or_default(dtype)}
    return finish(_between(start, end, spaced_by_ratios, **how), requires_grad, device=device)


def _window(shape: Callable[..., Any]) -> Any:
    """A window over a number of samples, from its shape over the angles 2 pi k / n.

    periodic: n samples are one period; else the last sample repeats the first.
    """
    name = shape.__name__

    @functools.wraps(shape)
    def window(
        window_length: int, periodic: bool = True, *args: Any, dtype: Any = None, device: Any = None,
        requires_grad: bool = False, **named: Any,
    ) -> Tensor:  # fmt: skip
        if window_length < 0:
            raise RuntimeError(f"{name}: requires non-negative window_length, got window_length={window_length}.")
        n = max(window_length if periodic else window_length - 1, 1)
        angles = 2 * math.pi * np.arange(window_length) / n
        values = shape(angles, *args, **named) if window_length > 1 else np.ones(window_length)
        return finish(values.astype(float_or_default(dtype)), requires_grad, device=device)

    return constructor(window)


@_window
def bartlett_window(angles: Any) -> Any:
    """A triangle."""
    return 1 - np.abs(angles / math.pi - 1)


@_window
def hann_window(angles: Any) -> Any:
    """One period of (1 - cos) / 2."""
    return 0.5 - 0.5 * np.cos(angles)


@_window
def hamming_window(angles: Any, alpha: float = 0.54, beta: float = 0.46) -> Any:
    """One period of alpha - beta cos."""
    return alpha - beta * np.cos(angles)


@_window
def blackman_window(angles: Any) -> Any:
    """0.42 - 0.5 cos + 0.08 cos of twice the angle."""
    return 0.42 - 0.5 * np.cos(angles) + 0.08 * np.cos(2 * angles)


@_window
def kaiser_window(angles: Any, beta: float = 12.0) -> Any:
    """The Bessel function I0 of beta times a half circle, over I0(beta)."""
    return np.i0(beta * np.sqrt(1 - (angles / math.pi - 1) ** 2)) / np.i0(beta)


@public("combinations", as_method=False)
def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """Every choice of r elements of a vector, as rows, in the order of itertools.combinations."""
    if input.ndim != 1:
        raise RuntimeError(f"combinations: Expect a 1D vector, but got shape {tuple(input.shape)}.")
    if r < 0:
        raise RuntimeError(f"combinations: Expect a non-negative number, but got {r}.")
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = np.array(list(choose(range(input.shape[0]), r)), np.int64).reshape(-1, r)
    return getitem(input, wrap(rows), key=along(0)) if r else input[:0]
