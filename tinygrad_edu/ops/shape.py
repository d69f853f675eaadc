"""Shape operations: the same elements along other axes. Their rules lay the cotangent along the old ones.

Three primitives, `reshape_to`, `permute_axes` and `broadcast_to`, and fronts that say which axes go where.
The result is a view wherever memory allows: it shares memory with its input, as in NumPy and PyTorch.

Not here: other dtypes and copies (conversion.py), several tensors made one (joining.py), slices (slicing.py).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.dtypes import as_dtype
from ..core.errors import ShapeError, describe
from ..core.mode import mode
from ..core.primitive import Array, Operand, answers, primitive
from ..core.tensor import Tensor
from .conversion import contiguous
from .dims import axes, fill_in, one_axis, one_list, sizes
from .public import public


@primitive(
    np.reshape,
    name="reshape",
    types=None,
    view=True,
    dX=lambda dY, Y, X, *, shape: np.reshape(dY, X.shape),
)
def reshape_to(X: Array, *, shape: tuple[int, ...]) -> Array:
    """The elements of X, in order, in another shape."""
    return np.reshape(X, shape)


def _inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(range(len(order)), key=order.__getitem__))


@primitive(
    np.transpose,
    name="transpose",
    types=None,
    view=True,
    dX=lambda dY, Y, X, *, axes: np.transpose(dY, _inverse(axes)),
)
def permute_axes(X: Array, *, axes: tuple[int, ...]) -> Array:
    """Axis i of the result is axis `axes[i]` of X."""
    return np.transpose(X, axes)


@primitive(
    np.broadcast_to,
    types=None,
    view=True,
    dX=lambda dY, Y, X, *, shape: dY,  # the engine sums over what was stretched
)
def broadcast_to(X: Array, *, shape: tuple[int, ...]) -> Array:
    """X repeated along new axes and axes of length 1, without a copy."""
    return np.broadcast_to(X, shape)


# --- the public functions


@public("reshape")
def reshape(input: Any, *sizes: Any, shape: Any = None) -> Any:
    """The same elements in another shape; one length may be -1. A view where memory allows."""
    return reshape_to(input, shape=fill_in(sizes if shape is None else shape, input.shape, "reshape"))


Operand.reshape = reshape


@public("reshape_as", function=False)
def reshape_as(input: Any, other: Any) -> Any:
    """In the shape of `other`."""
    return reshape(input, tuple(other.shape))


@public("view_as", function=False)
def view_as(input: Any, other: Any) -> Any:
    """A view in the shape of `other`."""
    return view(input, tuple(other.shape))


@public("ravel")
def ravel(input: Any) -> Any:
    """One axis; a view where the memory is in order."""
    return reshape(contiguous(input), -1)


@public("unflatten")
def unflatten(input: Any, dim: int, sizes: Any) -> Any:
    """Axis `dim` made several, of lengths `sizes`, one of which may be -1."""
    axis = one_axis(dim, input.ndim, "unflatten")
    wanted = tuple(sizes)
    if not wanted:
        raise RuntimeError("unflatten: sizes must be non-empty.")
    have = tuple(input.shape)
    if math.prod(n for n in wanted if n != -1) != have[axis] and -1 not in wanted:
        raise RuntimeError(
            f"unflatten: Provided sizes {wanted} don't multiply up to the size of dim {dim} ({have[axis]}) in the "
            f"input tensor {have}."
        )
    return reshape_to(input, shape=(*have[:axis], *fill_in(wanted, (have[axis],), "unflatten"), *have[axis + 1 :]))


def _reread(input: Tensor, dtype: Any) -> Any:
    """The same memory as numbers of another dtype."""
    array = input._values()
    n, wide = array.itemsize, dtype.itemsize
    if n != wide and (not array.ndim or array.strides[-1] != n or array.shape[-1] * n % wide):
        raise RuntimeError(
            f"view: self.size(-1) must be divisible by {wide / n:g} and its memory contiguous to view {array.dtype} as "
            f"{dtype} (different element sizes), but the shape is {array.shape}."
        )
    result = input.detach()
    result._array = array.view(dtype)
    return result


@public("view", function=False)
def view(input: Any, *sizes: Any, size: Any = None) -> Any:
    """`reshape` that never copies: a RuntimeError where the memory does not allow a view.

    With a dtype the same bytes are read as other numbers, which no gradient survives: the result is a constant.
    """
    shape = sizes if size is None else size
    if len(shape) == 1 and not isinstance(shape[0], (int, tuple, list)) and not hasattr(shape[0], "__index__"):
        return _reread(input, as_dtype(shape[0]))
    result = reshape_to(input, shape=fill_in(shape, input.shape, "view"))
    known = mode.trace is not None or isinstance(input._array, np.ndarray)  # how it lies in memory
    if result._view is None and known and math.prod(input.shape):
        raise RuntimeError(
            f"view: the memory of shape {tuple(input.shape)} is not laid out for {tuple(result.shape)}; "
            "use .reshape(...), which copies, or .contiguous().view(...)."
        )
    return result


@public("flatten")
def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Axes start_dim to end_dim, inclusive, made one."""
    first = one_axis(start_dim, input.ndim, "flatten")
    last = one_axis(end_dim, input.ndim, "flatten")
    if first > last:
        raise RuntimeError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}.")
    shape = tuple(input.shape)
    middle = math.prod(shape[first : last + 1])
    return reshape_to(input, shape=(*shape[:first], middle, *shape[last + 1 :]))


@public("permute")
def permute(input: Any, *order: Any, dims: Any = None) -> Any:
    """The axes in another order: axis i of the result is axis dims[i]."""
    order = one_list(order if dims is None else dims)
    found = tuple(one_axis(d, input.ndim, "permute") for d in order)
    if sorted(found) != list(range(input.ndim)):
        raise RuntimeError(f"permute: dims {order} must name each of the {input.ndim} axes once.")
    return permute_axes(input, axes=found)


@public("transpose", "swapdims")
def transpose(input: Any, dim0: int, dim1: int) -> Any:
    """Two axes swapped."""
    order = list(range(input.ndim))
    a, b = one_axis(dim0, input.ndim, "transpose"), one_axis(dim1, input.ndim, "transpose")
    if order:
        order[a], order[b] = order[b], order[a]
    return permute_axes(input, axes=tuple(order))


@public("swapaxes")
def swapaxes(input: Any, axis0: int, axis1: int) -> Any:
    """Two axes swapped."""
    return transpose(input, axis0, axis1)


@public("movedim")
def movedim(input: Any, source: Any, destination: Any) -> Any:
    """Axes `source` moved to the places `destination`; the others keep their order."""
    return _moved(input, source, destination, "movedim")


@public("moveaxis")
def moveaxis(input: Any, source: Any, destination: Any) -> Any:
    """Axes `source` moved to the places `destination`; the others keep their order."""
    return _moved(input, source, destination, "moveaxis")


def _moved(input: Any, source: Any, destination: Any, operation: str) -> Any:
    sources, places = (
        [one_axis(d, input.ndim, operation) for d in (dims if isinstance(dims, (tuple, list)) else (dims,))]
        for dims in (source, destination)
    )
    if len(sources) != len(places):
        raise RuntimeError(
            f"{operation}: Invalid source or destination dims: {source} and {destination} must have as many elements."
        )
    for dims in (sources, places):
        if len(set(dims)) < len(dims):
            raise RuntimeError(f"{operation}: repeated dim in {source} to {destination}.")
    if not input.ndim:
        return permute_axes(input, axes=())
    order = [i for i in range(input.ndim) if i not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return permute_axes(input, axes=tuple(order))


@public("t")
def t(input: Any) -> Any:
    """The transpose of a matrix; vectors and scalars as they are."""
    if input.ndim > 2:
        raise RuntimeError(f"t: expects at most 2 axes, got shape {tuple(input.shape)}; use .mT.")
    return permute_axes(input, axes=tuple(reversed(range(input.ndim))))


def _matrix_transpose(input: Any) -> Any:
    """The last two axes swapped."""
    n = input.ndim
    if n < 2:
        raise ShapeError(f"mT: needs at least 2 axes, got shape {tuple(input.shape)}.")
    return permute_axes(input, axes=(*range(n - 2), n - 1, n - 2))


def _reverse_axes(input: Any) -> Any:
    """All axes in reverse order: the transpose of a matrix."""
    return permute_axes(input, axes=tuple(reversed(range(input.ndim))))


@public("adjoint")
def adjoint(input: Any) -> Any:
    """The last two axes swapped: numbers are real here, there is nothing to conjugate."""
    return _matrix_transpose(input)


def _matrix_only(input: Any) -> Any:
    """The transpose of a matrix; a 0-d tensor as it is."""
    if input.ndim not in (0, 2):
        raise ShapeError(f"H: only matrices (2 axes) are supported, got shape {tuple(input.shape)}; use .mH.")
    return permute_axes(input, axes=tuple(reversed(range(input.ndim))))


Operand.T = property(_reverse_axes)
Operand.mT = property(_matrix_transpose)
Operand.H = property(_matrix_only)  # type: ignore[attr-defined]  # not in the language of rules
Operand.mH = property(_matrix_transpose)  # type: ignore[attr-defined]  # as H


@public("squeeze")
def squeeze(input: Any, dim: Any = None) -> Any:
    """Axes of length 1 removed: all of them, or those in `dim`."""
    chosen = axes(dim, input.ndim, "squeeze") if dim != () else ()
    shape = tuple(n for i, n in enumerate(input.shape) if n != 1 or i not in chosen)
    return reshape_to(input, shape=shape)


@public("unsqueeze")
def unsqueeze(input: Any, dim: int) -> Any:
    """A new axis of length 1 at position `dim`."""
    axis = one_axis(dim, input.ndim + 1, "unsqueeze")
    shape = tuple(input.shape)
    return reshape_to(input, shape=(*shape[:axis], 1, *shape[axis:]))


@public("expand", function=False)
def expand(input: Any, *sizes_: Any, size: Any = None) -> Any:
    """Axes of length 1 stretched without a copy; -1 keeps a length, new axes go in front."""
    wanted = list(one_list(sizes_ if size is None else size))
    have = tuple(input.shape)
    offset = len(wanted) - len(have)
    for i, n in enumerate(wanted):
        if n == -1 and i >= offset >= 0:
            wanted[i] = have[i - offset]
    target = sizes(wanted, "expand")
    if offset < 0 or any(h not in (1, n) for h, n in zip(have, target[offset:], strict=True)):
        raise ShapeError(f"expand: shape {have} can't be stretched to {target}: only axes of length 1 stretch.")
    if math.prod(target) == math.prod(have):
        return reshape_to(input, shape=target)  # nothing is repeated, so the view can be written to
    return broadcast_to(input, shape=target)


@public("broadcast_to")
def stretch(input: Any, *sizes_: Any, size: Any = None) -> Any:
    """Axes of length 1 stretched without a copy; -1 keeps a length, new axes go in front."""
    return expand(input, *sizes_, size=size)


@public("broadcast_tensors", as_method=False)
def broadcast_tensors(*tensors: Any) -> tuple[Any, ...]:
    """All tensors stretched to the one shape that they broadcast to, without copies."""
    parts = one_list(tensors)
    try:
        shape = np.broadcast_shapes(*(tuple(x.shape) for x in parts))
    except ValueError as error:
        raise ShapeError(f"broadcast_tensors: {error}.{describe(parts)}") from None
    return tuple(expand(x, shape) for x in parts)


@public("expand_as", function=False)
def expand_as(input: Any, other: Any) -> Any:
    """Stretched to the shape of `other`."""
    return expand(input, *other.shape)


# --- NumPy's side


@answers(np.reshape)
def _np_reshape(a: Any, shape: Any, order: str = "C") -> Any:
    if order != "C":
        raise TypeError("np.reshape: order 'C' only, on tensors.")
    return reshape(a, *(shape if isinstance(shape, (tuple, list)) else (shape,)))


@answers(np.transpose)
def _np_transpose(a: Any, axes: Any = None) -> Any:
    return permute(a, *(reversed(range(a.ndim)) if axes is None else axes))


answers(np.matrix_transpose, np.linalg.matrix_transpose)(_matrix_transpose)


@answers(np.swapaxes)
def _np_swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    return transpose(a, axis1, axis2)


@answers(np.broadcast_to)
def _np_broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    shape = sizes(shape if isinstance(shape, (tuple, list)) else (shape,), "broadcast_to")
    return broadcast_to(array, shape=shape)


@answers(np.moveaxis)
def _np_moveaxis(a: Any, source: Any, destination: Any) -> Any:
    return movedim(a, source, destination)


@answers(np.broadcast_arrays)
def _np_broadcast_arrays(*args: Any) -> Any:
    return broadcast_tensors(*args)


@answers(np.squeeze)
def _np_squeeze(a: Any, axis: Any = None) -> Any:
    return squeeze(a, axis)


@answers(np.expand_dims)
def _np_expand_dims(a: Any, axis: Any) -> Any:
    n = a.ndim + (len(axis) if isinstance(axis, (tuple, list)) else 1)
    for at in axes(axis, n, "expand_dims"):
        a = unsqueeze(a, at)
    return a


@answers(np.ravel)
def _np_ravel(a: Any, order: str = "C") -> Any:
    return reshape(a, -1)


@answers(np.shape)
def _np_shape(a: Any) -> Any:
    return tuple(a.shape)


@answers(np.ndim)
def _np_ndim(a: Any) -> int:
    return int(a.ndim)


@answers(np.size)
def _np_size(a: Any, axis: int | None = None) -> int:
    return math.prod(a.shape) if axis is None else int(a.shape[axis])
