"""Where Python keeps what a step sees: whether two looks at it agree, and how it is put back."""

from __future__ import annotations

import contextvars
import functools
import types
from typing import Any

import numpy as np

from ..core.device import device
from ..core.number import Number

VALUES = (slice, range, frozenset, device)  # as good as another one that is equal
SCALARS = (bool, int, float, complex, str, bytes, type(None), np.generic)


def by_scope(pairs: list[tuple[Any, str]]) -> list[tuple[Any, list[str]]]:
    """The names that are watched in each dict."""
    found: dict[int, tuple[Any, list[str]]] = {}
    for scope, name in pairs:
        found.setdefault(id(scope), (scope, []))[1].append(name)
    return list(found.values())


class Slots:
    """The attributes of an object that has no `__dict__`, looked up as in one."""

    def __init__(self, x: Any) -> None:
        self._x = x
        names = (getattr(kind, "__slots__", ()) for kind in type(x).__mro__)
        self._keys = {name for several in names for name in ((several,) if isinstance(several, str) else several)}

    def keys(self) -> set[str]:
        return self._keys

    def get(self, name: str, default: Any) -> Any:
        return getattr(self._x, name, default)

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self._x, name)
        except AttributeError:
            raise KeyError(name) from None

    def __setitem__(self, name: str, value: Any) -> None:
        setattr(self._x, name, value)

    def pop(self, name: str, _: Any) -> None:
        delattr(self._x, name)


class Context:
    """What holds in the present context: a ContextVar's value, or settings of decimal's, looked up as in a dict."""

    def __init__(self, x: Any) -> None:
        self._x = x  # a ContextVar, or the module decimal

    def get(self, name: str, default: Any) -> Any:
        if isinstance(self._x, contextvars.ContextVar):
            try:
                return self._x.get()  # with a default of its own, where it has one
            except LookupError:
                return default
        return getattr(self._x.getcontext(), name)

    def __getitem__(self, name: str) -> Any:
        value = self.get(name, self)
        if value is self:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str, value: Any) -> None:
        if isinstance(self._x, contextvars.ContextVar):
            self._x.set(value)
        else:
            setattr(self._x.getcontext(), name, value)

    def pop(self, name: str, _: Any) -> None:
        """A ContextVar that had no value keeps the one that the step has set: none can be taken from it."""


def put_back(container: Any, was: Any) -> None:
    """Give a container what it held."""
    if isinstance(container, dict):
        if list(container) != list(was) or any(container[key] is not value for key, value in was.items()):
            container.clear()
            container.update(was)
    elif len(container) != len(was) or any(x is not y for x, y in zip(container, was, strict=True)):
        container.clear()
        (container.update if isinstance(container, set) else container.extend)(was)


def _seen_by(function: Any) -> tuple[Any, ...]:
    """What a function has of its own besides its code."""
    cells = tuple(getattr(cell, "cell_contents", None) for cell in function.__closure__ or ())
    return cells, function.__defaults__, tuple((function.__kwdefaults__ or {}).items()), *vars(function).values()


def equal(x: Any, y: Any) -> bool:
    """The same object, or equal Python values."""
    if x is y:
        return True
    if type(x) is not type(y) or type(x) is Number:  # a Number that has been kept is another one's value tomorrow
        return False
    if isinstance(x, types.MethodType):
        return x.__func__ is y.__func__ and x.__self__ is y.__self__
    if isinstance(x, types.FunctionType):  # a lambda is a new one at each of its evaluations
        return x.__code__ is y.__code__ and x.__globals__ is y.__globals__ and equal(_seen_by(x), _seen_by(y))
    if isinstance(x, functools.partial):
        return equal((x.func, x.args, tuple(x.keywords.items())), (y.func, y.args, tuple(y.keywords.items())))
    if isinstance(x, VALUES):
        return bool(x == y) and repr(x) == repr(y)  # {1} == {1.0}
    if isinstance(x, tuple):
        return len(x) == len(y) and all(map(equal, x, y))
    if not isinstance(x, SCALARS):
        return False
    return bool(x != x and y != y) or (bool(x == y) and (x != 0 or repr(x) == repr(y)))  # 0.0 is not -0.0
