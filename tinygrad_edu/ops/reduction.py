"""Reductions: sums, means, extremes and truths over some axes.

The primitives take `axis` as a sorted tuple of axes counted from the front, and `keepdims`.
Their rules put the reduced axes back with length 1 (`kept`) and let broadcasting do the rest.

Not here: variance and standard deviation (spread.py), products (prod.py), norms (norm.py).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..core.dtypes import arithmetic, as_dtype, floating_only, int64, uint8
from ..core.errors import DtypeError
from ..core.primitive import Array, answers, primitive
from ..core.sums import sum_axes
from .dims import axes, one_axis
from .filling import fill_like
from .indexing import take_along
from .public import public

Axes = tuple[int, ...]
Kind = TypeVar("Kind", bound=type)
_add_reduce: Any = np.add.reduce  # what np.sum calls, 1 us sooner; its stub knows literal keepdims only


def kept(dY: Array, X: Array, axis: Axes, keepdims: bool) -> Array:
    """A reduced array with the reduced axes of X back, as axes of length 1."""
    return dY if keepdims else np.reshape(dY, tuple(1 if i in axis else n for i, n in enumerate(X.shape)))


def count_over(X: Array, axis: Axes) -> int:
    """How many elements of X go into one of the result."""
    return math.prod(X.shape[i] for i in axis)


@primitive(
    np.sum,
    name="sum",
    types=None,
    dX=lambda dY, Y, X, *, axis, keepdims: np.broadcast_to(kept(dY, X, axis, keepdims), X.shape),
)
def sum_over(X: Array, *, axis: Axes, keepdims: bool) -> Array:
    """The sum over some axes; of integers and booleans an int64."""
    if X.ndim > 1 and X.dtype.kind == "f":
        return sum_axes(X, axis, keepdims)
    return _add_reduce(X, axis=axis, keepdims=keepdims, dtype=None if X.dtype.kind == "f" else np.int64)


sum_over.composition = np.sum


@primitive(
    np.nansum,
    name="nansum",
    types=None,
    dX=lambda dY, Y, X, *, axis, keepdims: kept(dY, X, axis, keepdims) * (X == X),
)
def nansum_over(X: Array, *, axis: Axes, keepdims: bool) -> Array:
    """The sum over some axes of what is a number: only NaN differs from itself."""
    return np.sum(np.where(X == X, X, 0), axis=axis, keepdims=keepdims)


@primitive(
    np.mean,
    name="mean",
    types=floating_only,
    dX=lambda dY, Y, X, *, axis, keepdims: np.broadcast_to(kept(dY, X, axis, keepdims) / count_over(X, axis), X.shape),
)
def mean_over(X: Array, *, axis: Axes, keepdims: bool) -> Array:
    """The mean over some axes."""
    return sum_axes(X, axis, keepdims) / count_over(X, axis)


mean_over.composition = np.mean


def _share(dY: Array, Y: Array, X: Array, axis: Axes, keepdims: bool) -> Array:
    """The cotangent of an extreme: in equal parts to all elements that attain it."""
    hit = X == kept(Y, X, axis, keepdims)
    return kept(dY, X, axis, keepdims) * hit / np.sum(hit, axis=axis, keepdims=True, dtype=dY.dtype)


@primitive(
    np.amax, name="amax", types=arithmetic, dX=lambda dY, Y, X, *, axis, keepdims: _share(dY, Y, X, axis, keepdims)
)
def max_over(X: Array, *, axis: Axes, keepdims: bool) -> Array:
    """The largest element over some axes; ties share the gradient equally."""
    return np.amax(X, axis=axis, keepdims=keepdims)


@primitive(
    np.amin, name="amin", types=arithmetic, dX=lambda dY, Y, X, *, axis, keepdims: _share(dY, Y, X, axis, keepdims)
)
def min_over(X: Array, *, axis: Axes, keepdims: bool) -> Array:
    """The smallest element over some axes; ties share the gradient equally."""
    return np.amin(X, axis=axis, keepdims=keepdims)


@primitive(
    name="logsumexp",
    dX=lambda dY, Y, X, *, axis, keepdims: kept(dY, X, axis, keepdims) * np.exp(X - kept(Y, X, axis, keepdims)),
)
def logsumexp_over(X: Array, *, axis: Axes, keepdims: bool) -> Array:
    """log(sum(exp(X))), shifted by the largest element so that no exponent exceeds 0."""
    return _log_of_sum(X, axis, keepdims, sum_axes)


def _log_of_sum(X: Array, axis: Axes, keepdims: bool, add: Any) -> Array:
    top = np.amax(X, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)  # -inf - -inf would be NaN
    Y = np.log(add(np.exp(X - top), axis=axis, keepdims=True)) + top
    return Y if keepdims else np.reshape(Y, tuple(n for i, n in enumerate(X.shape) if i not in axis))


logsumexp_over.composition = lambda X, *, axis, keepdims: _log_of_sum(X, axis, keepdims, np.sum)


# --- the public functions


@public("sum")
def sum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The sum over all axes, or over `dim`."""
    return as_asked(sum_over(in_dtype(input, dtype), axis=axes(dim, input.ndim, "sum"), keepdims=keepdim), dtype)


@public("mean")
def mean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The mean over all axes, or over `dim`."""
    return mean_over(in_dtype(input, dtype), axis=axes(dim, input.ndim, "mean"), keepdims=keepdim)


def in_dtype(input: Any, dtype: Any) -> Any:
    """The input in the dtype that was asked for, if one was."""
    return input if dtype is None else input.astype(as_dtype(dtype))


def as_asked(Y: Any, dtype: Any) -> Any:
    """A sum or product in the dtype that was asked for: of small integers and booleans it is an int64."""
    return Y if dtype is None or Y.dtype == as_dtype(dtype) else Y.astype(as_dtype(dtype))


@public("amax")
def amax(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """The largest element over all axes, or over `dim`; ties share the gradient."""
    return max_over(input, axis=_nonempty(input, dim, "amax"), keepdims=keepdim)


@public("amin")
def amin(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """The smallest element over all axes, or over `dim`; ties share the gradient."""
    return min_over(input, axis=_nonempty(input, dim, "amin"), keepdims=keepdim)


class ValuesAndIndices(NamedTuple):
    """What max, min, sort and the like return along one axis."""

    values: Any
    indices: Any

    def __repr__(self) -> str:
        return shown(self)


def shown(result: Any, operation: str | None = None) -> str:
    """Several results as PyTorch prints them: a line each, and the operation's name, or else the class's."""
    lines = ",\n".join(f"{name}={value!r}" for name, value in zip(result._fields, result, strict=True))
    return f"return_types.{operation or type(result).__name__}(\n{lines})"


def prints_as(operation: str) -> Callable[[Kind], Kind]:
    """A NamedTuple of results that print as those of an operation of PyTorch's."""

    def named(kind: Kind) -> Kind:
        kind.__repr__ = functools.partialmethod(shown, operation)  # type: ignore[assignment,method-assign]
        return kind

    return named


@functools.cache
def returned(operation: str) -> type[ValuesAndIndices]:
    """The ValuesAndIndices that print as this operation's."""
    return type(
        operation, (ValuesAndIndices,), {"__slots__": (), "__reduce__": lambda self: (_again, (operation, *self))}
    )


def _again(operation: str, values: Any, indices: Any) -> ValuesAndIndices:
    return returned(operation)(values, indices)


@public("max")
def max_(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The largest element; along `dim`: (values, indices); with a tensor as `dim`: the larger of both.

    Over all elements ties share the gradient; along a dim it goes to the element at the index.
    """
    return _extreme(input, dim if other is None else other, keepdim, "max")


@public("min")
def min_(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The smallest element; along `dim`: (values, indices); with a tensor as `dim`: the smaller of both.

    Over all elements ties share the gradient; along a dim it goes to the element at the index.
    """
    return _extreme(input, dim if other is None else other, keepdim, "min")


def _extreme(input: Any, dim: Any, keepdim: bool, name: str) -> Any:
    from .choices import maximum, minimum

    if not hasattr(input, "shape"):
        raise TypeError(f"{name}: input must be a Tensor, not {type(input).__name__}.")
    if hasattr(dim, "shape"):
        return (maximum if name == "max" else minimum)(input, dim)
    reduce = max_over if name == "max" else min_over
    if dim is None:
        return reduce(input, axis=_nonempty(input, (), name), keepdims=False)
    if input.ndim == 0:
        one_axis(dim, 0, name)
        return returned(name)(input.clone(), fill_like(input, 0, int64))
    (axis,) = _nonempty(input, dim, name)
    index = (argmax_along if name == "max" else argmin_along)(input, axis=axis)
    values = take_along(input, index, axis=axis)
    if not keepdim:
        values, index = values.squeeze(axis), index.squeeze(axis)
    return returned(name)(values, index)


def _nonempty(input: Any, dim: Any, name: str) -> Axes:
    found = axes(dim, input.ndim, name)
    if any(input.shape[i] == 0 for i in found):
        kind = RuntimeError if dim is None or dim == () else IndexError
        raise kind(f"{name}: an axis of length 0 has no {name}: shape {tuple(input.shape)}, over axes {found}.")
    return found


@primitive(name="argmax", types=None)
def argmax_along(X: Array, *, axis: int) -> Array:
    """Where the first largest element lies along an axis, kept with length 1."""
    return np.argmax(X, axis=axis, keepdims=True)


@primitive(name="argmin", types=None)
def argmin_along(X: Array, *, axis: int) -> Array:
    """Where the first smallest element lies along an axis, kept with length 1."""
    return np.argmin(X, axis=axis, keepdims=True)


@public("argmax")
def argmax(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The index of the largest element, of the flattened tensor or along `dim`. No gradient."""
    return _argument(argmax_along, input, dim, keepdim, "argmax")


@public("argmin")
def argmin(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The index of the smallest element, of the flattened tensor or along `dim`. No gradient."""
    return _argument(argmin_along, input, dim, keepdim, "argmin")


def _argument(along: Any, input: Any, dim: int | None, keepdim: bool, name: str) -> Any:
    if input.dtype.kind == "b":
        raise DtypeError(f"{name}: not of booleans; convert with .long() first.")
    flat = input.reshape(-1) if dim is None or input.ndim == 0 else input
    axis = 0 if flat is not input or dim is None else one_axis(dim, input.ndim, name)
    _nonempty(flat, axis, name)
    index = along(flat, axis=axis)
    if dim is None:
        return index.reshape((1,) * input.ndim if keepdim else ())
    return index.reshape(()) if input.ndim == 0 else index if keepdim else index.squeeze(axis)


@public("nansum")
def nansum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The sum over all axes, or over `dim`, of the elements that are numbers."""
    input = in_dtype(input, dtype)
    over = nansum_over if input.dtype.kind == "f" else sum_over
    return as_asked(over(input, axis=axes(dim, input.ndim, "nansum"), keepdims=keepdim), dtype)


@public("nanmean")
def nanmean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The mean over all axes, or over `dim`, of the elements that are numbers; NaN where there is none."""
    if input.dtype.kind != "f":
        raise DtypeError(f"nanmean: expected input to have floating point dtype but got {input.dtype}; use .float().")
    input = in_dtype(input, dtype)
    return nansum(input, dim, keepdim) / sum((input == input).astype(input.dtype), dim, keepdim)


@prints_as("aminmax")
class MinAndMax(NamedTuple):
    """What aminmax returns."""

    min: Any
    max: Any


@public("aminmax")
def aminmax(input: Any, *, dim: int | None = None, keepdim: bool = False) -> MinAndMax:
    """(min, max) over all axes, or over `dim`; ties share the gradient."""
    return MinAndMax(amin(input, dim, keepdim), amax(input, dim, keepdim))


@public("count_nonzero")
def count_nonzero(input: Any, dim: Any = None) -> Any:
    """The number of elements that aren't 0, over all axes or `dim`. No gradient."""
    return sum(input != 0, dim)


@public("logsumexp")
def logsumexp(input: Any, dim: Any, keepdim: bool = False) -> Any:
    """log(sum(exp(input))) over `dim`, without overflow."""
    found = axes(dim, input.ndim, "logsumexp")
    if any(input.shape[i] == 0 for i in found):
        return sum_over(input, axis=found, keepdims=keepdim) - math.inf  # log(0), without a largest element
    return logsumexp_over(input, axis=found, keepdims=keepdim)


@primitive(np.any, name="any", types=None)
def any_over(X: Array, *, axis: Axes, keepdims: bool) -> Array:
    """Whether some element is nonzero."""
    return np.any(X, axis=axis, keepdims=keepdims)


@primitive(np.all, name="all", types=None)
def all_over(X: Array, *, axis: Axes, keepdims: bool) -> Array:
    """Whether every element is nonzero."""
    return np.all(X, axis=axis, keepdims=keepdims)


@public("any")
def any_(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Whether some element is nonzero, over all axes or `dim`."""
    return _truth(input, any_over(input, axis=() if dim == () else axes(dim, input.ndim, "any"), keepdims=keepdim))


@public("all")
def all_(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Whether every element is nonzero, over all axes or `dim`."""
    return _truth(input, all_over(input, axis=() if dim == () else axes(dim, input.ndim, "all"), keepdims=keepdim))


def _truth(input: Any, result: Any) -> Any:
    """Of uint8, PyTorch's former type of truths, it makes uint8."""
    return result.astype(input.dtype) if input.dtype == uint8 else result


# --- NumPy's side: axis=None means all


@answers(np.sum)
def _np_sum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    return as_asked(sum_over(in_dtype(a, dtype), axis=np_axis(a, axis), keepdims=keepdims), dtype)


@answers((np.add, "reduce"))
def _np_add_reduce(a: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    return _np_sum(a, axis, dtype, out, keepdims)


@answers((np.maximum, "reduce"))
def _np_maximum_reduce(a: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    return max_over(a, axis=np_axis(a, axis), keepdims=keepdims)


@answers((np.minimum, "reduce"))
def _np_minimum_reduce(a: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    return min_over(a, axis=np_axis(a, axis), keepdims=keepdims)


@answers(np.mean)
def _np_mean(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    return mean_over(in_dtype(a, dtype), axis=np_axis(a, axis), keepdims=keepdims)


@answers(np.nansum)
def _np_nansum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    return nansum_over(in_dtype(a, dtype), axis=np_axis(a, axis), keepdims=keepdims)


@answers(np.nanmean)
def _np_nanmean(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    return nanmean(a, axis, keepdims, dtype=dtype)


@answers(np.count_nonzero)
def _np_count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return _np_sum(a != 0, axis, keepdims=keepdims)


@answers(np.amax, np.max)
def _np_max(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    return max_over(a, axis=np_axis(a, axis), keepdims=keepdims)


@answers(np.amin, np.min)
def _np_min(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    return min_over(a, axis=np_axis(a, axis), keepdims=keepdims)


@answers(np.any)
def _np_any(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    return any_over(a, axis=np_axis(a, axis), keepdims=keepdims)


@answers(np.all)
def _np_all(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    return all_over(a, axis=np_axis(a, axis), keepdims=keepdims)


@answers(np.argmax)
def _np_argmax(a: Any, axis: int | None = None, out: Any = None, *, keepdims: bool = False) -> Any:
    return argmax(a, axis, keepdims)


@answers(np.argmin)
def _np_argmin(a: Any, axis: int | None = None, out: Any = None, *, keepdims: bool = False) -> Any:
    return argmin(a, axis, keepdims)


def np_axis(a: Any, axis: Any) -> Axes:
    return () if axis == () else axes(axis, a.ndim, "axis")
