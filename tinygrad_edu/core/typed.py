"""Older names for tensors of one dtype, FloatTensor and its like, and Variable: older scripts are full of them.

`FloatTensor(2, 3)` is memory to be filled, `FloatTensor([1, 2])` holds numbers; either makes an ordinary Tensor, and
`isinstance(t, FloatTensor)` asks for its dtype.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .convert import to_array
from .dtypes import bool_, float32, float64, int8, int16, int32, int64, uint8
from .tensor import Tensor, wrap
from .value import Size


class Typed(type):
    """What makes a class stand for the tensors of one dtype."""

    of: np.dtype[Any]

    def __call__(cls, *data: Any) -> Tensor:
        first = data[0] if data else ()
        if len(data) > 1 or isinstance(first, (int, Size)):
            return wrap(np.empty(first if isinstance(first, Size) else data, cls.of))
        if isinstance(first, Tensor):
            if first.dtype != cls.of:
                raise TypeError(f"{cls.__name__}: a tensor of {cls.of} is expected, got {first.dtype}; convert it.")
            return first.detach()
        return wrap(to_array(first, cls.of))

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.dtype == cls.of


def _typed(name: str, dtype: np.dtype[Any]) -> Any:
    doc = f"Tensors of {dtype}: from lengths of axes (memory as it was found), or from numbers."
    return Typed(name, (), {"of": dtype, "__doc__": doc, "__module__": __name__})


FloatTensor = _typed("FloatTensor", float32)
DoubleTensor = _typed("DoubleTensor", float64)
LongTensor = _typed("LongTensor", int64)
IntTensor = _typed("IntTensor", int32)
ShortTensor = _typed("ShortTensor", int16)
CharTensor = _typed("CharTensor", int8)
ByteTensor = _typed("ByteTensor", uint8)
BoolTensor = _typed("BoolTensor", bool_)


class _AnyTensor(type):
    def __call__(cls, data: Any = None, requires_grad: bool = False, volatile: Any = None) -> Tensor:
        if data is None:
            return Tensor(requires_grad=requires_grad)
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        return data.detach().requires_grad_(requires_grad)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_AnyTensor):
    """What tensors with gradients were called before PyTorch 0.4: a tensor on the same memory, outside of the graph."""
