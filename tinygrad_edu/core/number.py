"""A Python number that may be another one at the next call of a traced step: an argument, a setting, or made of such.

It takes itself for the int or float that it is at the moment. Arithmetic with it is noted; what else Python
learns of it (an `if`, a format, `math.cos`) is noted as seen, and the trace holds for numbers that look the same.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from .dtypes import NUMBERS
from .mode import mode

_NUMBERS = tuple(NUMBERS)


class Number:
    """A value of the moment, and the Symbol that stands for it in the program."""

    __slots__ = ("symbol", "value")
    __class__: Any = property(lambda self: type(self.value))  # isinstance(x, float), as for the number itself

    def __init__(self, symbol: Any, value: Any) -> None:
        self.symbol, self.value = symbol, value

    def seen(self) -> Any:
        """The value, for eyes outside of the trace: another one will need another program."""
        if mode.trace is not None:
            mode.trace.saw(self)
        return self.value

    def __bool__(self) -> bool:
        if mode.trace is not None and self.symbol not in mode.trace.settled:  # whether a setting is 0 is watched anyway
            return bool(_looked_at(bool, (self,)))
        return bool(self.value)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs and all(isinstance(x, (*_NUMBERS, np.generic)) for x in inputs):
            return _computed(ufunc, inputs)
        if any(hasattr(type(x), "__array_ufunc__") and not isinstance(x, (Number, np.ndarray)) for x in inputs):
            return NotImplemented  # theirs: of a Tensor or Symbol
        return getattr(ufunc, method)(*map(concrete, inputs), **kwargs)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.value, name)
        self.seen()
        return found

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.asarray(self.seen(), dtype)

    def __copy__(self) -> Number:
        return self

    def __deepcopy__(self, memo: Any) -> Number:
        return self


def concrete(x: Any) -> Any:
    """Nested arguments with values in the place of Numbers."""
    kind = type(x)
    if kind is Number:
        return x.seen()
    if kind is tuple or kind is list:
        return kind([concrete(part) for part in x])
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return kind(*map(concrete, x))
    if kind is slice:
        return slice(concrete(x.start), concrete(x.stop), concrete(x.step))
    if kind is dict:
        return {key: concrete(part) for key, part in x.items()}
    return x


def operand(x: Any) -> Any:
    """A Number as what meets arrays: a float stays live, an int is taken as it is."""
    return x if type(x) is not Number else x.symbol if type(x.value) is float else x.seen()


def _computed(operation: Callable[..., Any], operands: tuple[Any, ...]) -> Any:
    if mode.trace is None:  # it has outlived its trace
        return operation(*map(concrete, operands))
    return mode.trace.computed(operation, operands)


def _method(operation: Callable[..., Any], turned: bool = False) -> Callable[..., Any]:
    def method(self: Number, *others: Any) -> Any:
        if not all(isinstance(x, _NUMBERS) for x in others):
            return NotImplemented
        return _computed(operation, (*others, self) if turned else (self, *others))

    return method


def _looked_at(operation: Callable[..., Any], operands: tuple[Any, ...]) -> Any:
    """What comes of numbers, for Python: the trace holds for all that give the same."""
    result = _computed(operation, operands)
    return result.seen() if type(result) is Number else result


def _comparison(operation: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Number, other: Any) -> Any:
        return _looked_at(operation, (self, other)) if isinstance(other, _NUMBERS) else NotImplemented

    return method


def _read(operation: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, *args: _looked_at(operation, (self, *args))


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and_", "or_", "xor"):
    setattr(Number, f"__{_name.strip('_')}__", _method(getattr(operator, _name)))
    setattr(Number, f"__r{_name.strip('_')}__", _method(getattr(operator, _name), turned=True))
for _name in ("neg", "pos", "abs"):
    setattr(Number, f"__{_name}__", _method(getattr(operator, _name)))
setattr(Number, "__round__", _method(round))  # noqa: B010  # as the others
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Number, f"__{_name}__", _comparison(getattr(operator, _name)))
_READS: dict[str, Callable[..., Any]] = {
    "float": float, "int": int, "index": operator.index, "complex": complex, "hash": hash,
    "trunc": math.trunc, "floor": math.floor, "ceil": math.ceil, "divmod": divmod, "rdivmod": lambda x, y: divmod(y, x),
    "repr": repr, "str": str, "format": format,
}  # fmt: skip
for _name, _function in _READS.items():
    setattr(Number, f"__{_name}__", _read(_function))


class Item:
    """What `.item()` gives of a traced tensor: a program's calls hand the number out. The trace has it for eyes only
    where it holds for that number: of a mask, a place, a flag."""

    __slots__ = ("tensor",)

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor

    def number(self) -> Any:
        """The number, since something looks at it."""
        array = self.tensor._array if mode.trace is None else mode.trace.reads(self.tensor)
        if isinstance(array, np.ndarray):
            return array.item()
        return array.refuse(
            "Return what .item() gives as it is, and compute with the tensor itself: where() makes a choice, and what "
            "the step returns can be printed and added up outside of it."
        )

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.asarray(self.number(), dtype)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.number(), name)


def _of_item(operation: Callable[..., Any], turned: bool = False) -> Callable[..., Any]:
    def method(self: Item, *others: Any) -> Any:
        given = self.number(), *(x.number() if type(x) is Item else x for x in others)
        return operation(*given[::-1]) if turned else operation(*given)

    return method


_BOTH = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow")
for _name in (*_BOTH, "eq", "ne", "lt", "le", "gt", "ge", "neg", "pos", "abs", "index"):
    setattr(Item, f"__{_name}__", _of_item(getattr(operator, _name)))
for _name in _BOTH:
    setattr(Item, f"__r{_name}__", _of_item(getattr(operator, _name), turned=True))
for _function in (bool, float, int, hash, repr, str, format, round, math.trunc, math.floor, math.ceil):
    setattr(Item, f"__{_function.__name__}__", _of_item(_function))
