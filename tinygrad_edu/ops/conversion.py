"""The same elements in other memory: copied, in another dtype, in the order of their indices.

Two primitives, `astype` and `clone`; all forms of `.to` come down to them. The CPU is the only device:
asking for it returns the tensor itself, asking for another is refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.device import names_device, require_cpu
from ..core.dtypes import REFUSED, as_dtype, set_default_dtype
from ..core.layout import memory_format
from ..core.mode import mode
from ..core.primitive import Array, Operand, answers, primitive
from ..core.tensor import Tensor
from ..core.typed import Typed
from .public import public


@primitive(np.copy, types=None, dX=lambda dY, Y, X: dY)
def clone(X: Array) -> Array:
    """A copy that the gradient flows through, its memory in the order of its indices."""
    return np.copy(X, order="C")


@primitive(types=None, dX=lambda dY, Y, X, *, dtype: dY)  # the engine casts the cotangent back
def astype(X: Array, *, dtype: np.dtype[Any]) -> Array:
    """X in another dtype."""
    return X.astype(dtype)


@public("clone")
def copy_of(input: Any, *, memory_format: Any = None) -> Any:
    """A copy that the gradient flows through, its memory in the order of its indices."""
    return clone(input)


@public("contiguous", function=False)
def contiguous(input: Tensor, memory_format: Any = None) -> Tensor:
    """This tensor if its memory is in the order of its indices, else a copy that is."""
    known = mode.trace is not None or isinstance(input._array, np.ndarray)
    return clone(input) if known and not input.is_contiguous() else input


def _cast(input: Any, dtype: Any) -> Any:
    """The tensor in another dtype; itself where it is in that dtype already."""
    dtype = as_dtype(dtype)
    return input if input.dtype == dtype else astype(input, dtype=dtype)


Operand.astype = _cast


@public("to", function=False)
def to(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """In another dtype, or another tensor's: to(dtype), to(device, dtype), to(other), and by keywords.

    Raises:
        RuntimeError: another device than "cpu".
    """
    dtype, copy = conversion(args, kwargs)
    result = input if dtype is None else _cast(input, dtype)
    return clone(result) if copy and result is input else result


def conversion(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, bool]:
    """What the arguments of `.to` ask for: a dtype or None, and whether to copy in any case."""
    known = {"dtype", "device", "other", "non_blocking", "copy", "memory_format"}
    if unknown := kwargs.keys() - known:
        raise TypeError(f"to: got an unexpected keyword argument {sorted(unknown)[0]!r}; it takes {sorted(known)}.")
    require_cpu(kwargs.get("device"), "to")
    dtype, copy, flags = kwargs.get("dtype"), bool(kwargs.get("copy", False)), []
    if "other" in kwargs:
        args = (kwargs["other"], *args)
    for value in args:
        if isinstance(value, bool):
            flags.append(value)
        elif isinstance(value, Tensor):
            dtype = value.dtype
        elif names_device(value):
            require_cpu(value, "to")
        elif value is not None and not isinstance(value, memory_format):
            dtype = value
    if len(flags) > 1:  # non_blocking and copy, in this order
        copy = flags[1]
    return (None if dtype is None else as_dtype(dtype)), copy


@public("cpu", function=False)
def cpu(input: Tensor) -> Tensor:
    """The tensor itself: it lives in main memory."""
    return input


@public("cuda", function=False)
def cuda(input: Tensor, device: Any = None, non_blocking: bool = False) -> Tensor:
    """Refused: tensors live in main memory."""
    require_cpu("cuda" if device is None or isinstance(device, int) else device, "cuda")
    return input


@public("pin_memory", function=False)
def pin_memory(input: Tensor, device: Any = None) -> Tensor:
    """The tensor itself: there is no other device to copy to."""
    return input


@public("is_pinned", function=False)
def is_pinned(input: Tensor, device: Any = None) -> Any:
    """Whether a GPU could read the memory directly: never."""
    return False


def _caster(name: str, dtype: Any) -> None:
    def cast(input: Tensor, memory_format: Any = None) -> Tensor:
        return _cast(input, dtype)  # type: ignore[no-any-return]

    cast.__name__ = name
    cast.__doc__ = f"The tensor in {as_dtype(dtype)}."
    public(name, function=False)(cast)


for _name, _dtype in {
    "float": np.float32,
    "double": np.float64,
    "long": np.int64,
    "int": np.int32,
    "short": np.int16,
    "char": np.int8,
    "byte": np.uint8,
    "bool": np.bool_,
}.items():
    _caster(_name, _dtype)


@public("half", function=False)
def half(input: Tensor, memory_format: Any = None) -> Tensor:
    """Refused: NumPy has no fast float16 arithmetic."""
    return to(input, np.float16)


@public("bfloat16", function=False)
def bfloat16(input: Tensor, memory_format: Any = None) -> Tensor:
    """Refused: NumPy has no bfloat16."""
    return to(input, REFUSED["bfloat16"])


@public("cfloat", function=False)
def cfloat(input: Tensor, memory_format: Any = None) -> Tensor:
    """Refused: there are no complex numbers here."""
    return to(input, np.complex64)


@public("cdouble", function=False)
def cdouble(input: Tensor, memory_format: Any = None) -> Tensor:
    """Refused, as cfloat."""
    return to(input, np.complex128)


@public("type_as", function=False)
def type_as(input: Tensor, other: Tensor) -> Tensor:
    """In the dtype of `other`."""
    return _cast(input, other.dtype)  # type: ignore[no-any-return]


@public("type", function=False)
def type_(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The name of the tensor's type, "torch.FloatTensor" and so on; with a dtype, or such a name, a conversion."""
    if dtype is None:
        return next(name for name, known in _TYPES.items() if known == self.dtype)
    if isinstance(dtype, Typed):  # FloatTensor and its like
        return self.to(dtype.of)
    return self.to(_TYPES.get(dtype, dtype))


_TYPES = {
    f"torch.{name}Tensor": np.dtype(kind)
    for name, kind in {
        "Float": "float32", "Double": "float64", "Long": "int64", "Int": "int32", "Short": "int16", "Char": "int8",
        "Byte": "uint8", "Bool": "bool",
    }.items()
}  # fmt: skip


def set_default_tensor_type(t: Any) -> None:
    """PyTorch's older set_default_dtype, which takes the type of such tensors or its name, "torch.DoubleTensor"."""
    set_default_dtype(t.of if isinstance(t, Typed) else _TYPES.get(t, t))


@answers(np.copy)
def _np_copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    return clone(a)


answers(np.positive)(clone)
