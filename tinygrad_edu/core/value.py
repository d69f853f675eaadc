"""What can be asked of an array alone: its shape, its dtype, where it lies, and its numbers.

`Value` is the half of Tensor that knows of no graph. During a trace the array is a Symbol, which has a
shape and a dtype and no numbers yet: whoever wants numbers goes through `_values`, which says so.

Not here: what is recorded (tensor.py), what is computed (ops/).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .device import CPU
from .device import device as Device
from .errors import ShapeError
from .layout import layout as Layout
from .layout import strided
from .mode import mode
from .primitive import Array, Operand

_ndarray = np.ndarray


class Size(tuple[int, ...]):
    """A shape. A tuple, with PyTorch's `numel`; its parts and sums are shapes too."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        found = tuple.__getitem__(self, index)
        return Size(found) if index.__class__ is slice else found

    def __add__(self, other: Any) -> Any:
        return Size(tuple.__add__(self, other))

    def numel(self) -> int:
        return math.prod(self)

    def __repr__(self) -> str:
        return f"Size({list(self)})"


class Value(Operand):
    """An array, and what is known of it."""

    __slots__ = ()
    _array: Array

    # --- its axes and elements

    @property
    def shape(self) -> Size:
        return Size(self._array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._array.dtype  # type: ignore[no-any-return]  # a Symbol's is annotated too

    @property
    def ndim(self) -> int:
        return self._array.ndim  # type: ignore[no-any-return]

    def dim(self) -> int:
        """The number of axes."""
        return self.ndim

    ndimension = dim

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the length of axis `dim`."""
        return self.shape if dim is None else self._array.shape[dim]

    def numel(self) -> int:
        """The number of elements."""
        return math.prod(self._array.shape)

    nelement = numel

    def element_size(self) -> int:
        """Bytes per element."""
        return int(self.dtype.itemsize)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.numel() * self.element_size()

    def stride(self, dim: int | None = None) -> Any:
        """Steps between neighbours, in elements, of all axes or of `dim`."""
        strides = tuple(s // self.dtype.itemsize for s in self._memory().strides)
        return strides if dim is None else strides[dim]

    def storage_offset(self) -> int:
        """How many elements of its memory lie before the first of a view."""
        array = self._values()
        base = array
        while isinstance(base.base, _ndarray):
            base = base.base
        return (self.data_ptr() - int(base.__array_interface__["data"][0])) // array.itemsize

    def data_ptr(self) -> int:
        """The address of the first element."""
        return int(self._values().__array_interface__["data"][0])

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return self.element_size()

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the elements lie in memory in the order of their indices."""
        return bool(self._memory().flags.c_contiguous)

    def is_floating_point(self) -> bool:
        """Whether the dtype is float32 or float64."""
        return self.dtype.kind == "f"

    # --- where it lies, and where it does not

    @property
    def device(self) -> Device:
        """Where the numbers lie: main memory, device("cpu")."""
        return CPU

    @property
    def layout(self) -> Layout:
        """How the elements are stored: one by one, always."""
        return strided

    @property
    def is_sparse(self) -> bool:
        """Whether only the elements that aren't 0 are stored: never."""
        return False

    @property
    def is_meta(self) -> bool:
        """Whether there is a shape and no numbers: never."""
        return False

    def is_shared(self) -> bool:
        """Whether other processes see the memory: no."""
        return False

    @property
    def is_cuda(self) -> bool:
        """Whether the numbers lie on a GPU: never."""
        return False

    @property
    def is_cpu(self) -> bool:
        """Whether the numbers lie in main memory: always."""
        return True

    def get_device(self) -> int:
        """The number of the GPU; -1: it is none."""
        return -1

    # --- its numbers

    def _values(self) -> np.ndarray[Any, Any]:
        """The array; during a trace this is refused, with the line that wanted numbers."""
        array = self._array if mode.trace is None else mode.trace.reads(self)
        if array.__class__ is _ndarray:
            return array
        return array._refuse()  # type: ignore[no-any-return]

    def _memory(self) -> np.ndarray[Any, Any]:
        """The array for what is known without its numbers: how it lies in memory."""
        return self._values() if mode.trace is None else mode.trace.memory_of(self)

    def item(self) -> Any:
        """The one element, as a Python number."""
        if self.numel() != 1:
            raise ShapeError(
                f"item: only a tensor with one element is a Python number, this one has shape "
                f"{tuple(self.shape)}; use .tolist(), or index it first."
            )
        return self._values().item() if mode.trace is None else mode.trace.item_of(self)

    def tolist(self) -> Any:
        """The elements as nested Python lists."""
        return self._values().tolist()

    def __bool__(self) -> bool:
        if self.numel() != 1:
            raise RuntimeError(
                f"bool: a tensor of shape {tuple(self.shape)} is neither true nor false; use .any() or .all()."
            )
        return bool(self._values())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iub" or self.numel() != 1:
            raise TypeError(
                f"a {self.dtype} tensor of shape {tuple(self.shape)} is not an index; a single integer is (.long())."
            )
        return int(self.item())

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len: a 0-d tensor has no length; use .item() for its value.")
        return int(self._array.shape[0])

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.ndim == 0 else format(str(self), spec)
