"""PyTorch's dtypes and type promotion, on NumPy's dtype objects.

PyTorch ranks operands before it promotes: tensors with axes come before 0-d tensors, and those
before Python numbers; a lower rank changes the result only by a higher category (bool < int <
float). So `float32_tensor * 2.5` and `int_tensor * 2.5` are both float32, where NumPy gives the
second float64. Source: PyTorch documentation, "Tensor Attributes", type promotion.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .errors import DtypeError

float32 = np.dtype("float32")
float64 = np.dtype("float64")
int8 = np.dtype("int8")
int16 = np.dtype("int16")
int32 = np.dtype("int32")
int64 = np.dtype("int64")
uint8 = np.dtype("uint8")
bool_ = np.dtype("bool")

dtype = np.dtype  # for annotations, and isinstance(t.dtype, dtype)


class Refused:
    """A dtype that there is no arithmetic for: scripts list it in tables, and using it is an error."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


REFUSED: dict[str, Any] = {
    "float16": np.dtype("float16"),
    "half": np.dtype("float16"),
    "bfloat16": Refused("bfloat16"),
    "complex64": np.dtype("complex64"),
    "cfloat": np.dtype("complex64"),
    "complex128": np.dtype("complex128"),
    "cdouble": np.dtype("complex128"),
}  # refused by as_dtype

SUPPORTED = (float32, float64, int8, int16, int32, int64, uint8, bool_)
NUMBERS = frozenset((bool, int, float))  # Python's, which stand for themselves among operands
_CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2}
_WAY_OUT = (
    f"use one of {', '.join(d.name for d in SUPPORTED)}. Half precision (float16, bfloat16) and complex numbers "
    "have no fast NumPy arithmetic, so nothing here computes in them."
)
_default = float32

Promotion = Callable[[str, Sequence[Any]], list[Any]]


def get_default_dtype() -> np.dtype[Any]:
    """The dtype of tensors made from Python floats: float32 unless set otherwise."""
    return _default


def set_default_dtype(d: Any) -> None:
    """Make `d`, float32 or float64, the dtype of tensors made from Python floats."""
    global _default
    d = as_dtype(d)
    if d.kind != "f":
        raise TypeError(f"set_default_dtype: {d} is not a floating dtype; use float32 or float64.")
    _default = d


def as_dtype(dtype: Any) -> np.dtype[Any]:
    """A supported NumPy dtype from what PyTorch and NumPy users write, Python's types included."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        raise DtypeError(f"{dtype!r} is not a dtype here; {_WAY_OUT}") from None
    if found not in SUPPORTED:
        raise DtypeError(f"{found} is not supported; {_WAY_OUT}")
    return SUPPORTED[SUPPORTED.index(found)]  # the one object, so that `is` can compare


def dtype_of_number(number: bool | int | float) -> np.dtype[Any]:
    """The dtype that a Python number brings into an operation."""
    return bool_ if isinstance(number, bool) else int64 if isinstance(number, int) else _default


def is_number(x: Any) -> bool:
    """A Python number, or the Symbol of one: it takes on the dtype of the arrays that it meets."""
    return x.__class__ in NUMBERS or getattr(x, "number", False)


def promote(operands: Sequence[Any]) -> np.dtype[Any]:
    """The dtype PyTorch computes in; operands are arrays (or Symbols) and Python numbers."""
    best: list[np.dtype[Any] | None] = [None, None, None]  # with axes, 0-d, Python numbers
    for x in operands:
        if is_number(x):
            rank, dtype = 2, dtype_of_number(x)
        else:
            rank, dtype = (0 if x.ndim else 1), x.dtype
        known = best[rank]
        best[rank] = dtype if known is None else _join(known, dtype)
    result: np.dtype[Any] | None = None
    for found in best:
        if found is not None and (result is None or _CATEGORY[found.kind] > _CATEGORY[result.kind]):
            result = found
    assert result is not None
    return result


def _join(a: np.dtype[Any], b: np.dtype[Any]) -> np.dtype[Any]:
    if a.kind == "f" and b.kind != "f":
        return a  # float32 with int64 stays float32, where NumPy widens to float64
    if b.kind == "f" and a.kind != "f":
        return b
    return as_dtype(np.promote_types(a, b))


def _cast(operands: Sequence[Any], dtype: np.dtype[Any]) -> list[Any]:
    if dtype.kind in "iu" and dtype.itemsize < 8:
        operands = [wrapped(x, dtype) for x in operands]
    return [x if is_number(x) or x.dtype == dtype else x.astype(dtype) for x in operands]


def wrapped(x: Any, dtype: np.dtype[Any]) -> Any:
    """A Python integer that a small integer dtype can't hold: its low bits, as in PyTorch, where NumPy refuses."""
    if x.__class__ is not int or np.iinfo(dtype).min <= x <= np.iinfo(dtype).max:
        return x
    return np.asarray(x, int64).astype(dtype)


def held(x: Any, dtype: np.dtype[Any]) -> Any:
    """A Python number that is to be stored in a dtype: negative integers are wrapped into uint8, others must fit.

    Raises:
        RuntimeError: it does not.
    """
    if x.__class__ is float:
        if dtype.kind == "f":
            fits = not math.isfinite(x) or dtype.itemsize == 8 or abs(x) <= float(np.finfo(dtype).max)
        else:
            fits = dtype.kind == "b" or (math.isfinite(x) and np.iinfo(dtype).min <= x <= np.iinfo(dtype).max)
        if not fits:
            raise RuntimeError(f"value {x} cannot be converted to type {dtype} without overflow.")
        return x
    if x.__class__ is not int or dtype.kind not in "iu" or np.iinfo(dtype).min <= x <= np.iinfo(dtype).max:
        return x
    if dtype.kind == "u" and x < 0:
        return wrapped(x, dtype)
    raise RuntimeError(f"value {x} cannot be converted to type {dtype} without overflow.")


# How a primitive treats the dtypes of its inputs. Each takes the operation's name and the operands
# and gives the operands to compute with. A primitive with `types=None` takes them as they come.


def arithmetic(name: str, operands: Sequence[Any]) -> list[Any]:
    """Promote all to one dtype: add, multiply, maximum, comparisons."""
    return _cast(operands, promote(operands))


def comparing(name: str, operands: Sequence[Any]) -> list[Any]:
    """As `arithmetic`, but a Python integer beyond the dtype keeps its value: comparisons, limits."""
    dtype = promote(operands)
    return [x if is_number(x) or x.dtype == dtype else x.astype(dtype) for x in operands]


def numeric(name: str, operands: Sequence[Any]) -> list[Any]:
    """As `arithmetic`, but not on booleans alone, of which NumPy would make int8: floor_divide, pow."""
    dtype = promote(operands)
    if dtype.kind == "b":
        raise DtypeError(f"{name}: not of booleans; convert with .long() or .float() first.")
    return _cast(operands, dtype)


def counting(name: str, operands: Sequence[Any]) -> list[Any]:
    """As `arithmetic`, with booleans counted as 0 and 1 in int64: square."""
    dtype = promote(operands)
    return _cast(operands, int64 if dtype.kind == "b" else dtype)


def difference(name: str, operands: Sequence[Any]) -> list[Any]:
    """As `arithmetic`, but with no boolean among the operands: PyTorch has no minus for them."""
    if any(x.dtype.kind == "b" for x in operands if hasattr(x, "dtype")):
        raise DtypeError(
            f"{name}: Subtraction, the `-` operator, with a bool tensor is not supported; convert with "
            ".long() or .float() first. To invert a mask write ~mask or mask.logical_not()."
        )
    return arithmetic(name, operands)


def discrete(name: str, operands: Sequence[Any]) -> list[Any]:
    """As `arithmetic`, of integers and booleans: the bitwise operations."""
    dtype = promote(operands)
    if dtype.kind == "f":
        raise DtypeError(f"{name}: of integers and booleans only, not {dtype}; compare first, or convert with .long().")
    return _cast(operands, dtype)


def floating(name: str, operands: Sequence[Any]) -> list[Any]:
    """Promote all to one floating dtype; integers become the default one: exp, divide, tanh."""
    dtype = promote(operands)
    return _cast(operands, dtype if dtype.kind == "f" else _default)


def floating_only(name: str, operands: Sequence[Any]) -> list[Any]:
    """As `arithmetic`, but integers are refused: mean, softmax and losses of counts are mistakes."""
    dtype = promote(operands)
    if dtype.kind != "f":
        raise DtypeError(f"{name}: floating numbers are needed, not {dtype}; convert with .float() first.")
    return _cast(operands, dtype)


def equal(name: str, operands: Sequence[Any]) -> list[Any]:
    """All dtypes must agree already, as in PyTorch's matrix products."""
    found = [x.dtype for x in operands if hasattr(x, "dtype")]
    if any(d != found[0] for d in found):
        kinds = " and ".join(str(d) for d in found)
        raise DtypeError(
            f"{name}: the operands are {kinds}; they must have one dtype. "
            "Convert with .float() or .double(); np.array makes float64 unless told dtype=np.float32."
        )
    return list(operands)


def equal_floating(name: str, operands: Sequence[Any]) -> list[Any]:
    """As `equal`, of floating numbers: where PyTorch does not promote elementwise either."""
    return floating_only(name, equal(name, operands))


def but_first(policy: Promotion) -> Promotion:
    """The policy for every operand after the first: where's condition, an index."""

    def rest(name: str, operands: Sequence[Any]) -> list[Any]:
        others = policy(name, operands[1:])
        if not any(hasattr(x, "dtype") for x in others):  # where(c, 1.0, 0.0): of numbers NumPy makes float64
            others = [np.asarray(x, promote(others)) for x in others]
        return [operands[0], *others]

    return rest


def only_first(policy: Promotion) -> Promotion:
    """The policy for the first operand alone; the others are indices."""

    def first(name: str, operands: Sequence[Any]) -> list[Any]:
        return [*policy(name, operands[:1]), *operands[1:]]

    return first
