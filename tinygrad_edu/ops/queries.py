"""Questions about tensors and dtypes, whose answers are plain Python or dtypes."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..core.backward import unbroadcast
from ..core.dtypes import as_dtype, float32, float64, get_default_dtype, promote
from ..core.errors import ShapeError
from ..core.tensor import Tensor
from ..core.value import Size
from .creation import constructor
from .dims import sizes
from .elementwise import floor_divide, remainder
from .public import public


@constructor
def promote_types(type1: Any, type2: Any) -> np.dtype[Any]:
    """The dtype of what is computed from tensors of two dtypes."""
    return promote([np.empty(1, as_dtype(type1)), np.empty(1, as_dtype(type2))])


@constructor
def result_type(tensor1: Any, tensor2: Any) -> np.dtype[Any]:
    """The dtype of what is computed from two operands, tensors or Python numbers."""
    return promote([x._array if isinstance(x, Tensor) else x for x in (tensor1, tensor2)])


@constructor
def can_cast(from_: Any, to: Any) -> bool:
    """Whether promotion allows the cast: never from float to int or from a number to bool."""
    rank = {"b": 0, "u": 1, "i": 1, "f": 2}
    return rank[as_dtype(from_).kind] <= rank[as_dtype(to).kind]


class Floats(NamedTuple):
    """Limits of a floating dtype, as torch.finfo gives them."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    resolution: float
    dtype: str

    @property
    def tiny(self) -> float:
        """Another name for the smallest normal number."""
        return self.smallest_normal

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        return f"finfo({', '.join(f'{name}={getattr(self, name):g}' for name in names)}, dtype={self.dtype})"


class Integers(NamedTuple):
    """Limits of an integer dtype, as torch.iinfo gives them."""

    bits: int
    max: int
    min: int
    dtype: str

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


@constructor
def finfo(type: Any = None) -> Floats:
    """The limits of float32 or float64; of the default dtype without an argument.

    >>> finfo("float32").eps
    1.1920928955078125e-07
    """
    dtype = get_default_dtype() if type is None else as_dtype(type)
    if dtype not in (float32, float64):
        raise TypeError(f"finfo: requires a floating point dtype, got {dtype}; use iinfo.")
    f = np.finfo(dtype)
    eps, most, least, tiny, resolution = map(float, (f.eps, f.max, f.min, f.smallest_normal, f.resolution))
    return Floats(int(f.bits), eps, most, least, tiny, resolution, str(dtype))


@constructor
def iinfo(type: Any) -> Integers:
    """The limits of an integer dtype."""
    dtype = as_dtype(type)
    if dtype.kind not in "iu":
        raise TypeError(f"iinfo: requires an integer dtype, got {dtype}; use finfo.")
    i = np.iinfo(dtype)
    return Integers(int(i.bits), int(i.max), int(i.min), str(dtype))


@constructor
def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that operands of these shapes, tuples or lengths, broadcast to."""
    try:
        return Size(np.broadcast_shapes(*(s if isinstance(s, int) else tuple(s) for s in shapes)))
    except ValueError:
        listed = ", ".join(map(str, shapes))
        raise ShapeError(
            f"broadcast_shapes: Shape mismatch: objects cannot be broadcast to a single shape: {listed}."
        ) from None


@public("is_nonzero")
def is_nonzero(input: Any) -> bool:
    """Whether the one element is not zero."""
    if input.numel() != 1:
        raise RuntimeError(f"is_nonzero: Boolean value of Tensor with shape {tuple(input.shape)} is ambiguous.")
    return bool(input)


@public("is_same_size")
def is_same_size(input: Any, other: Any) -> bool:
    """Whether both shapes are equal."""
    return tuple(input.shape) == tuple(other.shape)


@public("is_signed")
def is_signed(input: Any) -> bool:
    """Whether the dtype has negative numbers."""
    return input.dtype.kind in "if"


@public("is_complex", "is_conj", "is_neg")
def is_complex(input: Any) -> bool:
    """False: all numbers here are real."""
    return False


@public("conj_physical", inplace=True)
def conj_physical(input: Any) -> Any:
    """A copy: all numbers here are real."""
    return input.clone()


@public("real", "conj", "resolve_conj", "resolve_neg")
def real(input: Any) -> Any:
    """The tensor itself: all numbers here are real."""
    return input


@public("sum_to_size", function=False)
def sum_to_size(self: Tensor, *size: Any) -> Any:
    """Summed down to a shape that broadcasts to this one: what undoes broadcasting on a gradient."""
    shape = sizes(size, "sum_to_size")
    have = tuple(self.shape)
    if len(shape) > len(have) or any(n not in (1, m) for n, m in zip(shape[::-1], have[::-1], strict=False)):
        raise RuntimeError(f"sum_to_size: size {shape} is not expandable to size {have}.")
    return unbroadcast(self, shape) if shape else self.sum()  # which makes int64 of booleans, of one too


@constructor
def unravel_index(indices: Any, shape: Any) -> tuple[Any, ...]:
    """Places counted in memory order as one index per axis of a shape."""
    if indices.dtype.kind not in "iu":
        raise ValueError(f"unravel_index: expected 'indices' to be integer dtype, but got {indices.dtype}.")
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if any(n < 0 for n in shape):
        raise ValueError(f"unravel_index: 'shape' cannot have negative values, but got {shape}.")
    strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
    return tuple(
        remainder(floor_divide(indices, max(step, 1)), max(n, 1)) for step, n in zip(strides, shape, strict=True)
    )


@constructor
def is_tensor(obj: Any) -> bool:
    """Whether the object is a Tensor."""
    return isinstance(obj, Tensor)


@constructor
def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is float32 or float64."""
    return input.is_floating_point()


@constructor
def numel(input: Tensor) -> int:
    """The number of elements."""
    return input.numel()
