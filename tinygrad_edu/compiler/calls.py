"""What a compiled program is made of: calls of NumPy, the values that they read and compute, and checks.

A listing (listing.py) is a list of them. Passes leave some out, join and reorder them; the emitter writes each as
a line.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.primitive import Array, Primitive
from ..symbolic.layouts import outline, zeros_like

NUMBERS = tuple(dtypes.NUMBERS)
SMALL = 1 << 14  # bytes; of larger arrays the layout is kept and not the numbers
# Between Python numbers; a ufunc would make float64 of them, and float64 of the float32 arrays that they meet
PYTHON: dict[np.ufunc, Callable[..., Any]] = {
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.divide: operator.truediv,
    np.negative: operator.neg,
}


class Method:
    """A method of an array, as a function: `reshape(X, shape)` for `X.reshape(shape)`."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, x: Array, *args: Any, **kwargs: Any) -> Any:
        return getattr(x, self.__name__)(*args, **kwargs)


class Attribute(Method):
    """A property that is a view: `X.T`."""

    def __call__(self, x: Array, *args: Any, **kwargs: Any) -> Any:
        return getattr(x, self.__name__)


class Reduce(Method):
    """A ufunc's method: `np.add.reduce`."""

    def __init__(self, ufunc: np.ufunc, name: str) -> None:
        self.ufunc, self.method = ufunc, getattr(ufunc, name)
        self.__name__ = f"{ufunc.__name__}.{name}"

    def __call__(self, x: Array, *args: Any, **kwargs: Any) -> Any:
        return self.method(x, *args, **kwargs)


class Draw(Method):
    """A draw from a generator: it must happen in its turn, whether it is used or not."""


class Kernel(Method):
    """Several calls in one, with several results (fuse.py)."""

    def may_overwrite(self, old: Value, new: Value) -> bool:
        """Whether a result can go where an operand lies: nothing reads the operand there any more."""
        raise NotImplementedError


class Subscript(Method):
    """`X[key]` with the key among the arguments."""

    def __init__(self) -> None:
        super().__init__("__getitem__")


SUBSCRIPT = Subscript()
_methods: dict[Any, Method] = {}


def method(name: str, kind: type[Method] = Method) -> Method:
    """The one object that stands for a method, so that equal calls are seen to be equal."""
    return _methods.setdefault((name, kind), kind(name))


def reduction(ufunc: np.ufunc, name: str) -> Method:
    """The one object that stands for a ufunc's method."""
    found = _methods.get((ufunc, name))
    if found is None:
        found = _methods[ufunc, name] = Reduce(ufunc, name)
    return found


class Value:
    """What one call computed, or an input of the program."""

    __slots__ = ("call", "data", "hollow", "index", "name", "number", "origin", "source")

    def __init__(self, data: Any, call: Call | None = None, index: int = 0) -> None:
        self.hollow = isinstance(data, np.ndarray) and data.nbytes > SMALL
        self.data = outline(data) if self.hollow else data  # of the run that is noted; if hollow, its layout alone
        self.source: Value | None = None  # the operand that it is a view of
        self.call = call
        self.index = index  # among several results of one call
        self.number = data.__class__ in NUMBERS
        self.name: str | None = None
        self.origin: Any = None  # the Symbol of the trace whose value it is

    @property
    def root(self) -> Value:
        """The value whose memory this one shows: its own, unless it is a view."""
        value = self
        while value.source is not None:
            value = value.source
        return value

    @property
    def filled(self) -> Any:
        """Something to compute with: the data, or zeros of their layout."""
        return zeros_like(self.data) if self.hollow else self.data


class Call:
    """One NumPy call: `results = function(*args, **kwargs)`, where Values stand for arrays."""

    __slots__ = ("args", "by", "function", "kwargs", "operands", "results", "section")

    def __init__(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.function, self.kwargs = function, kwargs
        self.take(args)
        self.results: tuple[Value, ...] = ()
        self.section = ""
        self.by: Primitive | None = None  # the operation whose forward makes it

    def take(self, args: tuple[Any, ...]) -> None:
        """Read these arguments."""
        self.args = args
        self.operands = values_of((args, self.kwargs))  # the Values that it reads


class Check:
    """A line without a result: raise unless the condition holds everywhere."""

    def __init__(self, condition: Value, message: str, error: type[Exception], values: Value | None) -> None:
        self.condition, self.message, self.error, self.values = condition, message, error, values
        self.section = ""
        self.by: Primitive | None = None

    results = ()

    @property
    def operands(self) -> list[Value]:
        """The Values that it reads."""
        return [self.condition] if self.values is None else [self.condition, self.values]


def values_of(x: Any) -> list[Value]:
    """The Values in nested arguments, in order."""
    found: list[Value] = []
    _gather((x,), found)
    return found


def _gather(several: Any, found: list[Value]) -> None:
    for x in several:
        kind = x.__class__
        if kind is Value:
            found.append(x)
        elif kind is tuple or kind is list:
            _gather(x, found)
        elif kind is dict:
            _gather(x.values(), found)
        elif kind is slice:
            _gather((x.start, x.stop, x.step), found)
