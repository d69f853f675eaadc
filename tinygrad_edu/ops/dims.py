"""Axes as users write them (None, one, several, negative) made into what primitives take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..core.errors import ShapeError


def one_axis(dim: int, ndim: int, operation: str) -> int:
    """`dim` counted from the front. A 0-d tensor is taken to have one axis, as in PyTorch."""
    count = max(ndim, 1)
    try:
        axis = dim.__index__()
    except AttributeError:
        raise TypeError(f"{operation}: dim must be an integer, not {type(dim).__name__}.") from None
    if not -count <= axis < count:
        raise IndexError(
            f"{operation}: Dimension out of range (expected to be in range of [{-count}, {count - 1}], "
            f"but got {axis}); the tensor has {ndim} axes."
        )
    return axis % count


def axes(dim: Any, ndim: int, operation: str) -> tuple[int, ...]:
    """The axes to reduce, sorted; None and () mean all of them."""
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return tuple(range(ndim))
    dims = dim if isinstance(dim, (tuple, list)) else (dim,)
    found = tuple(sorted(one_axis(d, ndim, operation) for d in dims))
    if len(set(found)) < len(found):
        raise RuntimeError(f"{operation}: dim {tuple(dims)} names an axis twice.")
    return found if ndim else ()


def one_list(values: Sequence[Any]) -> tuple[Any, ...]:
    """The values of `f(2, 3)`, `f((2, 3))` or `f([2, 3])`."""
    if len(values) == 1 and isinstance(values[0], (tuple, list)):
        return tuple(values[0])
    return tuple(values)


def sizes(shape: Sequence[Any], operation: str) -> tuple[int, ...]:
    """A shape from `f(2, 3)`, `f((2, 3))` or `f([2, 3])`, without negative lengths."""
    result = _integers(shape, operation)
    if any(n < 0 for n in result):
        raise RuntimeError(f"{operation}: negative dimension in shape {result}.")
    return result


def _integers(shape: Sequence[Any], operation: str) -> tuple[int, ...]:
    shape = one_list(shape)
    try:
        return tuple([int(n.__index__()) for n in shape])
    except AttributeError:
        raise TypeError(f"{operation}: a shape is made of integers, got {tuple(shape)}.") from None


def fill_in(shape: Sequence[Any], have: tuple[int, ...], operation: str) -> tuple[int, ...]:
    """A shape with one -1 replaced by the length that makes the number of elements right."""
    wanted = [*_integers(shape, operation)]
    total = math.prod(have)
    if wanted.count(-1) == 1:
        rest = math.prod(n for n in wanted if n != -1)
        if rest and total % rest == 0:
            wanted[wanted.index(-1)] = total // rest
    if any(n < 0 for n in wanted) or math.prod(wanted) != total:
        if wanted.count(-1) > 1:
            raise ShapeError(f"{operation}: only one dimension can be inferred, {tuple(wanted)} has several -1.")
        raise ShapeError(
            f"{operation}: shape {tuple(wanted)} is invalid for input of size {total}, whose shape is {tuple(have)}."
        )
    return tuple(wanted)
