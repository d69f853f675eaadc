"""Differences and integrals of a function that is known at the points of a grid."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import DtypeError, ShapeError
from ..core.primitive import answers
from .dims import one_axis
from .joining import cat
from .public import public
from .reduction import sum_over
from .scan import cumsum_along


def _between(X: Any, axis: int, start: int | None, stop: int | None) -> Any:
    return X[(slice(None),) * axis + (slice(start, stop),)]


@public("diff")
def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """The n-th difference of neighbours along `dim`, of the input with `prepend` and `append` at its ends."""
    if input.ndim == 0:
        raise RuntimeError("diff: expects input to be at least one-dimensional, got a 0-d tensor.")
    if n < 0:
        raise RuntimeError(f"diff: order must be non-negative but got {n}.")
    axis = one_axis(dim, input.ndim, "diff")
    parts = [x for x in (prepend, input, append) if x is not None]
    if any(x.ndim != input.ndim for x in parts):
        raise ShapeError(
            "diff: expects prepend or append to be the same dimension as input, got "
            f"{', '.join(str(tuple(x.shape)) for x in parts)}."
        )
    X = input.clone() if n == 0 else cat(parts, axis) if len(parts) > 1 else input  # as PyTorch: n = 0 joins nothing
    for _ in range(min(n, X.shape[axis])):
        right, left = _between(X, axis, 1, None), _between(X, axis, None, max(X.shape[axis] - 1, 0))
        X = right != left if X.dtype.kind == "b" else right - left
    return X


@public("trapezoid", "trapz", as_method=False)
def trapezoid(y: Any, x: Any = None, *, dx: float | None = None, dim: int = -1) -> Any:
    """The integral of y along `dim` by the trapezoidal rule, over the points x or points `dx` apart (1)."""
    axis, steps = _steps(y, x, dx, dim, "trapezoid")
    if y.shape[axis] == 0:
        return np.zeros_like(sum_over(y, axis=(axis,), keepdims=False))
    if x is None:  # all heights count once, the outer two half
        ends = _between(y, axis, 0, 1) + _between(y, axis, y.shape[axis] - 1, None)
        return (sum_over(y, axis=(axis,), keepdims=False) - 0.5 * ends.squeeze(axis)) * steps
    return sum_over(_heights(y, axis) * steps, axis=(axis,), keepdims=False) / 2


@public("cumulative_trapezoid", as_method=False)
def cumulative_trapezoid(y: Any, x: Any = None, *, dx: float | None = None, dim: int = -1) -> Any:
    """The integral of y from the first point up to each later one, by the trapezoidal rule."""
    axis, steps = _steps(y, x, dx, dim, "cumulative_trapezoid")
    return cumsum_along(steps / 2 * _heights(y, axis), axis=axis)


@public("gradient", as_method=False)
def gradient(input: Any, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1) -> tuple[Any, ...]:
    """The slopes of a function along each of the axes `dim` (all), by central differences of second order.

    Args:
        spacing: the distance of neighbours; one per axis; or per axis the coordinates, which need not be even.
        edge_order: 1 or 2, the order of the one-sided differences at both ends.
    """
    axes = range(input.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    axes = [one_axis(axis, input.ndim, "gradient") for axis in axes]
    if len(set(axes)) < len(axes):
        raise RuntimeError(f"gradient: an axis appears multiple times in the list of dims {dim}.")
    spacing = 1 if spacing is None else spacing
    several = isinstance(spacing, (tuple, list))
    spacings = list(spacing) if several else [spacing] * len(axes)
    if edge_order not in (1, 2):
        raise RuntimeError(f"gradient: only supports edge_order=1 and edge_order=2, got {edge_order}.")
    if len(spacings) != len(axes):
        raise RuntimeError(f"gradient: expected spacing to be unspecified, a scalar, or one per axis ({len(axes)}), "
                           f"got {len(spacings)}.")  # fmt: skip
    return tuple(_slope(input, h, axis, edge_order) for h, axis in zip(spacings, axes, strict=True))


def _slope(Y: Any, h: Any, axis: int, edge_order: int) -> Any:
    """dY/dx along one axis. Source: the parabola through three neighbours, its slope at each of them."""
    n = Y.shape[axis]
    if n < edge_order + 1:
        raise RuntimeError(f"gradient: expected each dimension size to be at least edge_order+1, got {n}.")
    if n == 2:
        edge_order = 1
    steps: Any = h
    if getattr(h, "ndim", 0):
        if h.shape[0] != n:
            raise RuntimeError(f"gradient: expected {n} coordinates along axis {axis}, got {h.shape[0]}.")
        x = h.reshape(-1, *(1,) * (Y.ndim - 1 - axis))
        at = x.ndim - Y.ndim + axis
        steps = _between(x, at, 1, None) - _between(x, at, None, n - 1)

    def step(start: int, stop: int) -> Any:  # the widths of the intervals start .. stop - 1
        return _between(steps, at, start, stop) if getattr(h, "ndim", 0) else h

    rise = _between(Y, axis, 1, None) - _between(Y, axis, None, n - 1)
    slopes = rise / steps  # of the chords
    left, right = _between(slopes, axis, None, n - 2), _between(slopes, axis, 1, None)
    a, b = step(0, n - 2), step(1, n - 1)
    inner = (right * a + left * b) / (a + b)
    first, last = _between(slopes, axis, 0, 1), _between(slopes, axis, n - 2, n - 1)
    if edge_order == 2:
        a, b = step(0, 1), step(1, 2)
        first = first - (_between(slopes, axis, 1, 2) - first) * (a / (a + b))
        a, b = step(n - 3, n - 2), step(n - 2, n - 1)
        last = last + (last - _between(slopes, axis, n - 3, n - 2)) * (b / (a + b))
    return cat([first, inner, last], axis)


def _heights(y: Any, axis: int) -> Any:
    """The sum of each two neighbours."""
    return _between(y, axis, None, max(y.shape[axis] - 1, 0)) + _between(y, axis, 1, None)


def _steps(y: Any, x: Any, dx: float | None, dim: int, name: str) -> tuple[int, Any]:
    """The axis, and the widths of the intervals, shaped to multiply `_heights`."""
    if y.ndim == 0:
        raise IndexError(f"{name}: Dimension specified as {dim} but tensor has no dimensions.")
    axis = one_axis(dim, y.ndim, name)
    if x is not None and dx is not None:
        raise TypeError(f"{name}: give the points x or their distance dx, not both.")
    if any(t is not None and t.dtype.kind == "b" for t in (y, x)):
        raise DtypeError(f"{name}: received a bool input, but bool is not supported; convert with .float() first.")
    if x is None:
        return axis, 1 if dx is None else dx
    if x.ndim == 1:
        if x.shape[0] != y.shape[axis]:
            raise ShapeError(
                f"{name}: There must be one `x` value for each sample point, got {x.shape[0]} for {y.shape[axis]}."
            )
        x = x.reshape(-1, *(1,) * (y.ndim - 1 - axis))
    at = axis - (y.ndim - x.ndim)
    return axis, _between(x, at, 1, None) - _between(x, at, None, max(x.shape[at] - 1, 0))


# --- NumPy's side


@answers(np.diff)
def _np_diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    return diff(a, n, axis, prepend, append)


@answers(np.gradient)
def _np_gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    spacing: Any = list(varargs) if len(varargs) > 1 else varargs[0] if varargs else 1
    if np.ndim(spacing) == 1 and not isinstance(spacing, list):
        spacing = [spacing]
    found = gradient(f, spacing=spacing, dim=axis, edge_order=edge_order)
    return found[0] if len(found) == 1 else found


@answers(np.trapezoid)
def _np_trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    return trapezoid(y, dx=dx, dim=axis) if x is None else trapezoid(y, x, dim=axis)
