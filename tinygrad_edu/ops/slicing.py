"""Parts of a tensor along one axis: slices, so every part is a view that can be written through."""

from __future__ import annotations

import itertools
import operator
from typing import Any

import numpy as np

from ..core.primitive import answers
from ..core.tensor import Tensor
from .conversion import clone
from .dims import one_axis
from .indexing import getitem
from .public import public


def part(input: Any, axis: int, start: int, stop: int) -> Any:
    """The slice start:stop of one axis."""
    return getitem(input, key=((slice(None),) * axis + (slice(start, stop), ...)))


@public("narrow")
def narrow(input: Any, dim: int, start: Any, length: int) -> Any:
    """The slice of `length` elements from `start` on; a negative start counts from the end."""
    if input.ndim == 0:
        raise RuntimeError("narrow: narrow() cannot be applied to a 0-dim tensor.")
    axis = one_axis(dim, input.ndim, "narrow")
    if isinstance(start, Tensor) and (start.ndim or start.dtype.kind not in "iu"):
        raise RuntimeError(f"narrow: start must be an 0-dim integral Tensor, not {start.dtype} {tuple(start.shape)}.")
    n, first, length = input.shape[axis], operator.index(start), operator.index(length)
    if length < 0:
        raise RuntimeError(f"narrow: length must be non-negative, got {length}.")
    if not -n <= first <= n:
        raise IndexError(f"narrow: start out of range (expected to be in range of [{-n}, {n}], but got {first}).")
    first = first + n if first < 0 else first
    if first + length > n:
        raise RuntimeError(f"narrow: start ({first}) + length ({length}) exceeds dimension size ({n}).")
    return part(input, axis, first, first + length)


@public("narrow_copy")
def narrow_copy(input: Any, dim: int, start: Any, length: int) -> Any:
    """As `narrow`, but a copy."""
    return clone(narrow(input, dim, start, length))


@public("select")
def select(input: Any, dim: int, index: Any) -> Any:
    """The slice at `index` of axis `dim`, which goes away."""
    if input.ndim == 0:
        raise IndexError("select: select() cannot be applied to a 0-dim tensor.")
    axis = one_axis(dim, input.ndim, "select")
    n, place = input.shape[axis], operator.index(index)
    if not -n <= place < n:
        raise IndexError(f"select: index {place} out of range for tensor of size {tuple(input.shape)} at axis {axis}.")
    return getitem(input, key=((slice(None),) * axis + (place % n, ...)))


@public("unbind")
def unbind(input: Any, dim: int = 0) -> tuple[Any, ...]:
    """Every slice along `dim`, which goes away."""
    if input.ndim == 0:
        raise IndexError("unbind: Dimension specified as 0 but tensor has no dimensions.")
    axis = one_axis(dim, input.ndim, "unbind")
    return tuple(getitem(input, key=((slice(None),) * axis + (i, ...))) for i in range(input.shape[axis]))


def _parts(input: Any, axis: int, lengths: Any) -> tuple[Any, ...]:
    ends = list(itertools.accumulate(lengths))
    return tuple(part(input, axis, end - n, end) for end, n in zip(ends, lengths, strict=True))


@public("split")
def split(tensor: Any, split_size_or_sections: Any = None, dim: int = 0, *, split_size: Any = None) -> tuple[Any, ...]:
    """Slices of one length, the last may be shorter; or of the lengths in a list. The method's word is split_size."""
    if (split_size is None) == (split_size_or_sections is None):
        raise TypeError("split: a length is needed, or a list of them: split(2) or split([1, 3]).")
    return _split(tensor, split_size_or_sections if split_size is None else split_size, dim)


def _split(input: Any, size: Any, dim: int) -> tuple[Any, ...]:
    if isinstance(size, (tuple, list)):
        return split_with_sizes(input, size, dim)
    if input.ndim == 0:
        raise RuntimeError("split: expects at least a 1-dimensional tensor.")
    axis = one_axis(dim, input.ndim, "split")
    n, size = input.shape[axis], operator.index(size)
    if size < 0:
        raise RuntimeError(f"split: split_size must be non-negative, got {size}.")
    if size == 0 and n:
        raise RuntimeError(f"split: split_size 0 can't divide an axis of length {n}.")
    return _parts(input, axis, [min(size, n - start) for start in range(0, n, size)] if n else [0])


@public("split_with_sizes")
def split_with_sizes(input: Any, split_sizes: Any, dim: int = 0) -> tuple[Any, ...]:
    """Slices of the given lengths, which must sum to the axis's."""
    if input.ndim == 0:
        raise RuntimeError("split_with_sizes: expects at least a 1-dimensional tensor.")
    axis = one_axis(dim, input.ndim, "split_with_sizes")
    lengths = [operator.index(n) for n in split_sizes]
    if min(lengths, default=0) < 0 or sum(lengths) != input.shape[axis]:
        raise RuntimeError(
            f"split_with_sizes: expects split_sizes to be non-negative and to sum exactly to {input.shape[axis]} "
            f"(input tensor's size at dimension {axis}), but got split_sizes={lengths}."
        )
    return _parts(input, axis, lengths)


@public("chunk")
def chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """At most `chunks` slices of one length, rounded up; the last may be shorter, some may be missing."""
    if input.ndim == 0:
        raise RuntimeError("chunk: expects at least a 1-dimensional tensor.")
    if chunks <= 0:
        raise RuntimeError(f"chunk: expects `chunks` to be greater than 0, got: {chunks}.")
    axis = one_axis(dim, input.ndim, "chunk")
    n = input.shape[axis]
    return _split(input, -(-n // chunks), axis) if n else _parts(input, axis, [0] * chunks)


@public("tensor_split")
def tensor_split(input: Any, indices_or_sections: Any, dim: int = 0) -> tuple[Any, ...]:
    """A number of slices whose lengths differ by 1 at most, or slices between the given places."""
    return _tensor_split(input, indices_or_sections, dim, "tensor_split")


def _tensor_split(input: Any, sections: Any, dim: int, operation: str) -> tuple[Any, ...]:
    if input.ndim == 0:
        raise RuntimeError(f"{operation}: expected at least a 1-dimensional tensor.")
    axis = one_axis(dim, input.ndim, operation)
    if isinstance(sections, Tensor):
        sections = sections.tolist()
    n = input.shape[axis]
    if isinstance(sections, (tuple, list)):
        edges = [0, *(slice(None, operator.index(i)).indices(n)[1] for i in sections), n]
        return tuple(part(input, axis, a, max(a, b)) for a, b in itertools.pairwise(edges))
    count = operator.index(sections)
    if count <= 0:
        raise RuntimeError(f"{operation}: number of sections must be larger than 0, got {count}.")
    return _parts(input, axis, [n // count + (i < n % count) for i in range(count)])


def _equal_split(input: Any, sections: Any, axis: int, operation: str) -> tuple[Any, ...]:
    """hsplit and its like: a number must divide the axis."""
    if not isinstance(sections, (tuple, list)) and (sections <= 0 or input.shape[axis] % sections):
        raise RuntimeError(
            f"{operation}: attempting to split along axis {axis}, of length {input.shape[axis]}, into {sections} equal "
            "parts; use tensor_split for parts of unequal lengths."
        )
    return _tensor_split(input, sections, axis, operation)


@public("hsplit")
def hsplit(input: Any, indices_or_sections: Any) -> tuple[Any, ...]:
    """Equal parts, or parts between the given places, along axis 1 (of a vector: 0)."""
    if input.ndim < 1:
        raise RuntimeError("hsplit: requires a tensor with at least 1 dimension.")
    return _equal_split(input, indices_or_sections, min(1, input.ndim - 1), "hsplit")


@public("vsplit")
def vsplit(input: Any, indices_or_sections: Any) -> tuple[Any, ...]:
    """Equal parts, or parts between the given places, along axis 0."""
    if input.ndim < 2:
        raise RuntimeError(f"vsplit: requires a tensor with at least 2 dimensions, got {input.ndim}.")
    return _equal_split(input, indices_or_sections, 0, "vsplit")


@public("dsplit")
def dsplit(input: Any, indices_or_sections: Any) -> tuple[Any, ...]:
    """Equal parts, or parts between the given places, along axis 2."""
    if input.ndim < 3:
        raise RuntimeError(f"dsplit: requires a tensor with at least 3 dimensions, got {input.ndim}.")
    return _equal_split(input, indices_or_sections, 2, "dsplit")


# --- NumPy's side: split takes the number of parts, or the places between them


@answers(np.array_split)
def _np_array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    return list(_tensor_split(ary, indices_or_sections, axis, "array_split"))


@answers(np.split)
def _np_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    return list(_equal_split(ary, indices_or_sections, one_axis(axis, ary.ndim, "split"), "split"))


@answers("unstack")
def _np_unstack(x: Any, /, *, axis: int = 0) -> Any:
    return unbind(x, axis)
