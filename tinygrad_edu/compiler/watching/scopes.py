"""Where Python keeps what a step sees: whether two looks at it agree, and how it is put back."""

from __future__ import annotations

import contextvars
import functools
import gc
import threading
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...core.device import device
from ...core.number import Item, Number
from .kinds import content_of

VALUES = (slice, range, frozenset, device)  # as good as another one that is equal
SCALARS = (bool, int, float, complex, str, bytes, type(None), np.generic)


def by_scope(pairs: list[tuple[Any, str]]) -> list[tuple[Any, list[str]]]:
    """The names that are watched in each dict."""
    found: dict[int, tuple[Any, list[str]]] = {}
    for scope, name in pairs:
        found.setdefault(id(scope), (scope, []))[1].append(name)
    return list(found.values())


class Slots:
    """The attributes of an object that are not in its `__dict__`, looked up as in one."""

    def __init__(self, x: Any) -> None:
        self._x = x
        held = (item for kind in type(x).__mro__ if "__slots__" in vars(kind) for item in vars(kind).items())
        self._keys = {name for name, value in held if isinstance(value, types.MemberDescriptorType)}  # __x is _Kind__x

    def keys(self) -> set[str]:
        return self._keys

    def get(self, name: str, default: Any) -> Any:
        return getattr(self._x, name, default) if name in self._keys else default

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self._x, name)
        except AttributeError:
            raise KeyError(name) from None

    def __setitem__(self, name: str, value: Any) -> None:
        setattr(self._x, name, value)

    def pop(self, name: str, _: Any) -> None:
        delattr(self._x, name)


class Variable:
    """A variable of an enclosing function, looked up as in a dict."""

    def __init__(self, cell: types.CellType) -> None:
        self.cell = cell

    def get(self, name: str, default: Any) -> Any:
        return content_of(self.cell, default)

    def __getitem__(self, name: str) -> Any:
        return self.cell.cell_contents

    def __setitem__(self, name: str, value: Any) -> None:
        self.cell.cell_contents = value


class Local:
    """The attributes of a threading.local, which every thread has its own of, looked up as in a dict."""

    def __init__(self, x: Any) -> None:
        self._x = x

    def keys(self) -> set[str]:
        return {*vars(self._x)}

    def get(self, name: str, default: Any) -> Any:
        return vars(self._x).get(name, default)

    def __getitem__(self, name: str) -> Any:
        return vars(self._x)[name]

    def __setitem__(self, name: str, value: Any) -> None:
        vars(self._x)[name] = value

    def pop(self, name: str, default: Any) -> None:
        vars(self._x).pop(name, default)


class Cache:
    """What a function under functools.cache or lru_cache keeps. Python tells its collector alone.

    Once a program is written, what was kept by then has to stay the same, and more may come.
    """

    def __init__(self, function: Any) -> None:
        found = (x for x in gc.get_referents(function) if isinstance(x, dict) and x is not vars(function))
        self._held: dict[Any, Any] = next(found, {})
        self._keys: list[Any] | None = None
        self._clear, self._first = function.cache_clear, {*self._held}

    def put_back(self) -> None:
        """Forget what a trace has left there: no single result can be taken out."""
        if {*self._held} != self._first:
            self._clear()

    def settle(self) -> None:
        """What is kept now is what matters from here on."""
        self._keys = [*self._held]

    def results(self) -> list[Any]:
        """What calls have come to; a cache of limited size keeps them in a chain."""
        chained = [x for x in self._held.values() if type(x).__name__ == "_lru_list_elem"]
        return [*self._held.values(), *(x for link in chained for x in gc.get_referents(link))]

    def __iter__(self) -> Iterator[Any]:
        return iter([*self._held.values()] if self._keys is None else [self._held.get(k, self) for k in self._keys])


class Values:
    """What a mapping holds, at each look: the values() of weakref's can be looked through once."""

    def __init__(self, x: Any) -> None:
        self._x = x

    def __iter__(self) -> Iterator[Any]:
        return iter(self._x.values())


class Held:
    """What a dict holds, at each look, but for what the step leaves in it."""

    def __init__(self, x: dict[Any, Any]) -> None:
        self.x = x
        self.left: set[Any] = set()  # the names of that

    def __iter__(self) -> Iterator[Any]:
        return iter([v for name, v in self.x.items() if name not in self.left])


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


def is_scalar(x: Any) -> bool:
    """Whether something is no more than a number or a text: one of a class of the user's may have attributes."""
    return isinstance(x, SCALARS) and not hasattr(x, "__dict__")


def attributes(x: Any) -> Any:
    """An object's own attributes by their names, as they are at each look."""
    return Local(x) if isinstance(x, threading.local) else vars(x)


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
    cells = tuple(map(content_of, function.__closure__ or ()))
    return cells, function.__defaults__, tuple((function.__kwdefaults__ or {}).items()), *vars(function).values()


def equal(x: Any, y: Any) -> bool:
    """The same object, or equal Python values."""
    if x is y:
        return True
    if type(x) is not type(y) or type(x) in (Number, Item):  # what has been kept stands for something else tomorrow
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
    if not is_scalar(x):
        return False
    return bool(x != x and y != y) or (bool(x == y) and (x != 0 or repr(x) == repr(y)))  # 0.0 is not -0.0
