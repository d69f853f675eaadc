"""Values put, or added, where index tensors and masks point to; each also in place.

Of the values that one place is given several times the last stays, and it alone has a gradient
(PyTorch gives one to all of them, which differences contradict). Sums, products and extremes take
all of them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.errors import DtypeError, ShapeError
from ..core.primitive import Array, primitive
from ..core.tensor import Tensor, wrap
from ..core.views import follow
from ..core.write import read
from .checks import check
from .choices import choose
from .conversion import astype, clone
from .diagonals import diagonal_of
from .dims import one_axis
from .filling import fill_like
from .gathering import along, bool_mask, in_turn, no_larger, same_axes, valid_index
from .indexing import Slot, covered, getitem, places_along, put_along, scatter, take_along, within
from .public import public
from .shape import broadcast_to, reshape_to
from .writes import assign, last_written


@primitive(
    name="scatter",
    types=None,
    opaque=True,
    dX=lambda dY, Y, X, V, indices, *, axis: place_along(dY, 0.0, indices, axis=axis),  # type: ignore[has-type]
    dV=lambda dY, Y, X, V, indices, *, axis: np.where(
        stays_along(indices, axis=axis, shape=X.shape),  # type: ignore[has-type]
        take_along(covered(dY, indices.shape, axis), indices, axis=axis),
        0,
    ),
)
def place_along(X: Array, V: Array, indices: Array, *, axis: int) -> Array:
    """X, with V where `indices` point along the axis; of several values for one place the last stays."""
    Y = np.array(X, order="C")
    np.reshape(Y, -1)[_places(indices, axis, X.shape)] = V
    return Y


def _places(indices: Array, axis: int, shape: tuple[int, ...]) -> Array:
    """Where the index points to, counted in memory order."""
    n = shape[axis]
    return places_along(indices if within(indices, n) else indices % n, axis, shape, indices.shape)


@primitive(types=None, opaque=True)
def stays_along(indices: Array, *, axis: int, shape: tuple[int, ...]) -> Array:
    """Whether the value put by each index is the one that stays: the last that its place is given."""
    number = np.arange(indices.size).reshape(indices.shape)
    places = _places(indices, axis, shape)
    last = np.zeros(math.prod(shape), np.int64)
    last[places] = number
    return last.take(places) == number


def _share(dY: Array, Y: Array, X: Array, V: Array, indices: Array, axis: int) -> Array:
    """What each of those that attain an extreme gets of its cotangent."""
    hits = put_along(_attain(Y, V, indices, axis) * np.ones_like(V), indices, axis=axis, shape=X.shape)
    return dY / np.maximum(hits + (X == Y), 1)


def _attain(Y: Array, V: Array, indices: Array, axis: int) -> Array:
    return take_along(covered(Y, indices.shape, axis), indices, axis=axis) == V


def _spread(dY: Array, Y: Array, X: Array, V: Array, indices: Array, axis: int) -> Array:
    share = covered(_share(dY, Y, X, V, indices, axis), indices.shape, axis)
    return np.where(_attain(Y, V, indices, axis), take_along(share, indices, axis=axis), 0)


@primitive(
    name="scatter_reduce",
    types=None,
    opaque=True,
    dX=lambda dY, Y, X, V, indices, *, axis, largest: np.where(X == Y, _share(dY, Y, X, V, indices, axis), 0),
    dV=lambda dY, Y, X, V, indices, *, axis, largest: _spread(dY, Y, X, V, indices, axis),
)
def extreme_along(X: Array, V: Array, indices: Array, *, axis: int, largest: bool) -> Array:
    """X, enlarged (or lowered) to the V that `indices` point to along the axis; ties share the gradient equally."""
    Y = np.array(X, order="C")
    (np.maximum if largest else np.minimum).at(np.reshape(Y, -1), _places(indices, axis, X.shape).ravel(), V.ravel())
    return Y


def _other_factors(dY: Array, X: Array, V: Array, indices: Array, axis: int) -> Array:
    """dY times the product of all factors but V itself: of those that aren't 0, times the other zeros.

    The zeros of a place enter by their sum, so that the slope's own derivative by a zero holds. With three it is 0.
    """
    zero = V == 0
    one = zero * np.ones_like(V)
    zeros = put_along(one, indices, axis=axis, shape=X.shape)
    added = put_along(np.where(zero, V, 0), indices, axis=axis, shape=X.shape)
    product = product_along(X, np.where(zero, 1, V), indices, axis=axis)  # of those not 0
    slope = take_along(covered(dY * product, indices.shape, axis), indices, axis=axis)
    count = take_along(covered(zeros, indices.shape, axis), indices, axis=axis) - one
    others = take_along(covered(added, indices.shape, axis), indices, axis=axis) - np.where(zero, V, 0)
    slope = slope / np.where(zero, 1, V)
    return np.where(count == 0, slope, np.where(count == 1, slope * others, 0))


@primitive(
    name="scatter_reduce",
    types=None,
    opaque=True,
    dX=lambda dY, Y, X, V, indices, *, axis: dY * product_along(np.ones_like(X), V, indices, axis=axis),  # type: ignore[has-type]
    dV=lambda dY, Y, X, V, indices, *, axis: _other_factors(dY, X, V, indices, axis),
)
def product_along(X: Array, V: Array, indices: Array, *, axis: int) -> Array:
    """X, multiplied by the V that `indices` point to along the axis."""
    Y = np.array(X, order="C")
    np.multiply.at(np.reshape(Y, -1), _places(indices, axis, X.shape).ravel(), V.ravel())
    return Y


# --- scatter and its like: an index tensor with as many axes as the input


def _prepared(input: Any, dim: int, index: Any, src: Any, operation: str) -> tuple[int, Any, Any]:
    """The axis, and the index and the values that it covers, checked against the input."""
    axis = one_axis(dim, input.ndim, operation)
    same_axes(input, index, operation)
    index = valid_index(index, input.shape[axis] if input.ndim else 1, operation)
    if input.ndim and index.ndim and math.prod(index.shape):
        no_larger(input, index, axis, operation)
    if isinstance(src, Tensor):
        same_axes(src, index, operation)
        if src.dtype != input.dtype:
            raise DtypeError(
                f"{operation}: Expected self.dtype to be equal to src.dtype, {input.dtype} != {src.dtype}."
            )
        if src.ndim and index.ndim:
            if any(m > n for n, m in zip(src.shape, index.shape, strict=True)):
                raise ShapeError(
                    f"{operation}: Expected index {tuple(index.shape)} to be no larger than src {tuple(src.shape)}."
                )
            if src.shape != index.shape:
                src = getitem(src, key=tuple(slice(m) for m in index.shape))
        src = reshape_to(src, shape=(-1,)) if not src.ndim else src
    return axis, reshape_to(index, shape=(-1,)) if not index.ndim else index, src


def _as_vector(input: Any) -> Any:
    return reshape_to(input, shape=(1,)) if not input.ndim else input


def _shaped(result: Any, input: Any) -> Any:
    return reshape_to(result, shape=()) if not input.ndim else result


@public("scatter", inplace=True)
def scatter_into(
    input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Any:
    """The input, with `src` (a tensor or a number) where `index` points along `dim`.

    Args:
        reduce: None; or "add" or "multiply", which join the values with what is there.
    """
    src = value if src is None else src
    if src is None:
        raise TypeError("scatter: what is to be written? Pass src=, a tensor, or value=, a number.")
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError(f"scatter: reduce argument must be either add or multiply, got {reduce!r}.")
    axis, places_, values = _prepared(input, dim, index, src, "scatter")
    if not math.prod(places_.shape):
        return clone(input)
    whole = _as_vector(input)
    if reduce is None:
        return _shaped(place_along(whole, values, places_, axis=axis), input)
    if not isinstance(values, Tensor):
        values = wrap(np.full(tuple(places_.shape), values, input.dtype))
    if reduce == "add":
        return _shaped(whole + put_along(values, places_, axis=axis, shape=tuple(whole.shape)), input)
    return _shaped(product_along(whole, values, places_, axis=axis), input)


@public("scatter_add", inplace=True)
def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """The input, with `src` added where `index` points along `dim`; sums where it points several times."""
    axis, places_, values = _prepared(input, dim, index, src, "scatter_add")
    if not math.prod(places_.shape):
        return clone(input)
    whole = _as_vector(input)
    return _shaped(whole + put_along(values, places_, axis=axis, shape=tuple(whole.shape)), input)


@public("scatter_reduce", inplace=True)
def scatter_reduce(input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True) -> Any:
    """The input, with the values of `src` that `index` points to along `dim` reduced into it.

    Args:
        reduce: "sum", "prod", "mean", "amax" or "amin"; ties of the last two share the gradient.
        include_self: False: what is there before does not take part where something is put.
    """
    reduce = {"max": "amax", "min": "amin"}.get(reduce, reduce)
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(f"scatter_reduce: reduce argument must be sum, prod, mean, amax or amin, got {reduce!r}.")
    axis, places_, values = _prepared(input, dim, index, src, "scatter_reduce")
    if not math.prod(places_.shape):
        return clone(input)
    result = _reduced(_as_vector(input), axis, places_, values, reduce, include_self)
    return _shaped(result, input)


def _reduced(X: Any, axis: int, index: Any, V: Any, reduce: str, include_self: bool) -> Any:
    if reduce in ("amax", "amin"):
        start = X if include_self else place_along(X, _least(X.dtype, reduce == "amax"), index, axis=axis)
        return extreme_along(start, V, index, axis=axis, largest=reduce == "amax")
    start = X if include_self else place_along(X, float(reduce == "prod"), index, axis=axis)
    if reduce == "prod":
        return product_along(start, V, index, axis=axis)
    total = start + put_along(V, index, axis=axis, shape=tuple(X.shape))
    if reduce == "sum":
        return total
    counts = put_along(fill_like(V, 1), index, axis=axis, shape=tuple(X.shape))
    counts = counts + 1 if include_self else choose(counts == 0, 1, counts)
    return total / counts if X.dtype.kind == "f" else total // counts


def _least(dtype: Any, largest: bool) -> float:
    """The number that no other is below (or above)."""
    if dtype.kind == "f":
        return -math.inf if largest else math.inf
    if dtype.kind == "b":
        return not largest
    return int(np.iinfo(dtype).min if largest else np.iinfo(dtype).max)


# --- whole slices: an index tensor of one axis


def _slices(input: Any, dim: int, index: Any, source: Any, operation: str) -> tuple[int, Any, Any, Any]:
    """The axis, and input, index and source with the axes that scalars lack, checked against one another."""
    axis = one_axis(dim, input.ndim, operation)
    if index.ndim > 1:
        raise IndexError(f"{operation}: Index should have dimension 1 or 0, got shape {tuple(index.shape)}.")
    input, index = _as_vector(input), _as_vector(index)
    error = RuntimeError if operation == "index_add" else IndexError
    valid_index(index, input.shape[axis], operation, error, negative=operation == "index_fill")
    if source is None:
        return axis, input, index, None
    if source.dtype != input.dtype:
        raise DtypeError(f"{operation}: self is {input.dtype}, source is {source.dtype}; they must have one dtype.")
    source = _as_vector(source)
    wanted = (*input.shape[:axis], index.shape[0], *input.shape[axis + 1 :])
    if tuple(source.shape) != wanted:
        kind: type[Exception] = ShapeError
        if operation == "index_copy" and (source.ndim != input.ndim or source.shape[axis] != index.shape[0]):
            kind = IndexError
        raise kind(
            f"{operation}: source has shape {tuple(source.shape)}; for this input and index it must be {wanted}."
        )
    return axis, input, index, source


@public("index_add", inplace=True)
def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
    """The input, with alpha times the slices of `source` added to those that `index` names along `dim`."""
    axis, whole, places_, values = _slices(input, dim, index, source, "index_add")
    values = values if alpha == 1 else values * alpha
    return _shaped(whole + scatter(values, places_, key=along(axis), shape=tuple(whole.shape)), input)


@public("index_reduce", inplace=True)
def index_reduce(input: Any, dim: int, index: Any, source: Any, reduce: str, *, include_self: bool = True) -> Any:
    """The input, with the slices of `source` reduced into those that `index` names: "prod", "mean", "amax", "amin"."""
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce: reduce argument must be prod, mean, amax or amin, got {reduce!r}.")
    axis, whole, places_, values = _slices(input, dim, index, source, "index_reduce")
    if not math.prod(values.shape):
        return clone(input)
    places_ = reshape_to(places_, shape=tuple(-1 if i == axis else 1 for i in range(values.ndim)))
    places_ = clone(broadcast_to(places_, shape=tuple(values.shape)))
    return _shaped(_reduced(whole, axis, places_, values, reduce, include_self), input)


@public("index_copy", inplace=True)
def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """The input, with the slices of `source` in the place of those that `index` names along `dim`."""
    axis, whole, places_, values = _slices(input, dim, index, source, "index_copy")
    shape = tuple(whole.shape)
    stays = stays_along(places_, axis=0, shape=(shape[axis],))
    stays = reshape_to(stays, shape=tuple(-1 if i == axis else 1 for i in range(len(shape))))
    kept = choose(stays, values, 0.0) if values.requires_grad else values
    return _shaped(assign(whole, kept, places_, steps=(), key=along(axis)), input)


@public("index_fill", inplace=True)
def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """The input, with one number in the slices that `index` names along `dim`."""
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(f"index_fill: value is one number or a 0-d tensor, not of shape {tuple(value.shape)}.")
    axis, whole, places_, _ = _slices(input, dim, index, None, "index_fill")
    value, key = _fitting(value, input), along(axis)
    if isinstance(value, Tensor) and value.requires_grad:  # a slice named twice is filled once
        shape = tuple(whole.shape)
        wanted = (*shape[:axis], *places_.shape, *shape[axis + 1 :])
        value = choose(last_written(places_, key=key, shape=shape, wanted=wanted), value, 0.0)
    return _shaped(assign(whole, value, places_, steps=(), key=key), input)


def _fitting(value: Any, input: Any) -> Any:
    return astype(value, dtype=input.dtype) if isinstance(value, Tensor) and value.dtype != input.dtype else value


@public("index_put", inplace=True)
def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """The input, with `values` at input[indices], or added there; None stands for a whole axis."""
    key = tuple(slice(None) if i is None else i for i in indices)
    if values.dtype != input.dtype:
        raise DtypeError(
            f"index_put: Index put requires the source and destination dtypes match, got {input.dtype} for the "
            f"destination and {values.dtype} for the source."
        )
    result = clone(input)
    if not accumulate:
        result[key] = values
        return result
    number = wrap(np.arange(math.prod(input.shape)).reshape(tuple(input.shape)))[key]
    added = broadcast_to(values, shape=tuple(number.shape))
    flat = scatter(
        reshape_to(added, shape=(-1,)), reshape_to(number, shape=(-1,)), key=(Slot(0),), shape=(math.prod(input.shape),)
    )
    return input + reshape_to(flat, shape=tuple(input.shape))


@public("put", inplace=True)
def put(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """The input, with `source` at (or added to) the places that `index` names in the flattened input."""
    if math.prod(index.shape) != math.prod(source.shape):
        raise IndexError(
            f"put: Expected source and index to have the same number of elements, but got "
            f"{math.prod(source.shape)} and {math.prod(index.shape)}."
        )
    n = math.prod(input.shape)
    if source.dtype != input.dtype:
        raise DtypeError(f"put: self is {input.dtype}, source is {source.dtype}; they must have one dtype.")
    places_ = reshape_to(valid_index(index, n, "put", IndexError, negative=True), shape=(-1,))
    values = reshape_to(source, shape=(-1,))
    if accumulate:
        return input + reshape_to(scatter(values, places_, key=(Slot(0),), shape=(n,)), shape=tuple(input.shape))
    return reshape_to(index_put(reshape_to(input, shape=(-1,)), (places_,), values), shape=tuple(input.shape))


# --- masks


@public("masked_fill", inplace=True)
def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """The input, with one number where the mask holds; input and mask broadcast."""
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(
            f"masked_fill: only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
        )
    if isinstance(value, float) and input.dtype.kind != "f":
        raise DtypeError(f"masked_fill: value {value} cannot be converted to {input.dtype} without loss.")
    return choose(bool_mask(mask, "masked_fill"), _fitting(value, input), input).astype(input.dtype)


@public("masked_scatter", inplace=True)
def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """The input, with the first elements of `source`, in order, where the mask holds; input and mask broadcast."""
    shape = np.broadcast_shapes(tuple(input.shape), tuple(bool_mask(mask, "masked_scatter").shape))
    if source.dtype != input.dtype:
        raise DtypeError(
            f"masked_scatter: expected self and source to have same dtypes but got {input.dtype} and {source.dtype}."
        )
    whole, mask = broadcast_to(input, shape=shape), broadcast_to(mask, shape=shape)
    values = reshape_to(source, shape=(-1,))
    n = values.shape[0]
    check(np.sum(read(mask)) <= n, f"masked_scatter: Number of elements of source < number of ones in mask; it has {n}")
    if not n or not math.prod(shape):
        return clone(whole)
    return choose(mask, reshape_to(in_turn(values, mask), shape=shape), whole)


# --- views exchanged: the result is a copy in which the view is `src`


@public("select_scatter")
def select_scatter(input: Any, src: Any, dim: int, index: int) -> Any:
    """A copy of the input with `src` in the place of input.select(dim, index)."""
    axis = one_axis(dim, input.ndim, "select_scatter")
    n = input.shape[axis]
    if not -n <= index < n:
        raise IndexError(f"select_scatter: index {index} is out of range for an axis of length {n}.")
    return _exchanged(input, src, (), ((slice(None),) * axis + (index % n, ...)), "select_scatter")


@public("slice_scatter")
def slice_scatter(
    input: Any, src: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Any:
    """A copy of the input with `src` in the place of the slice start:end:step of axis `dim`."""
    axis = one_axis(dim, input.ndim, "slice_scatter")
    if step <= 0:
        raise RuntimeError(f"slice_scatter: step must be positive, got {step}.")
    return _exchanged(input, src, (), ((slice(None),) * axis + (slice(start, end, step), ...)), "slice_scatter")


@public("diagonal_scatter")
def diagonal_scatter(input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """A copy of the input with `src` in the place of input.diagonal(offset, dim1, dim2)."""
    axes = {
        "axis1": one_axis(dim1, input.ndim, "diagonal_scatter"),
        "axis2": one_axis(dim2, input.ndim, "diagonal_scatter"),
    }
    return _exchanged(input, src, ((diagonal_of, {"offset": offset, **axes}),), (...,), "diagonal_scatter")


def _exchanged(input: Any, src: Any, steps: Any, key: tuple[Any, ...], operation: str) -> Any:
    """The input with `src`, of exactly the view's shape, where a view and then an index lead to."""
    place = getitem(follow(input, steps), key=key)
    if tuple(src.shape) != tuple(place.shape):
        raise ShapeError(
            f"{operation}: expected src to have a size equal to the slice of self, {tuple(place.shape)}, got "
            f"{tuple(src.shape)}."
        )
    return assign(input, _fitting(src, input), steps=steps, key=key)
