"""Where Python keeps what a step sees: whether two looks at it agree, and how it is put back."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np

SCALARS = (bool, int, float, complex, str, bytes, type(None), np.generic)
_LIBRARIES = sys.stdlib_module_names | {"builtins", "numpy", "tinygrad_edu"}


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


def of_library(module: Any) -> bool:
    """Whether a module is Python's, NumPy's or ours: what it holds does not change."""
    return str(module).partition(".")[0] in _LIBRARIES


def put_back(container: Any, was: Any) -> None:
    """Give a container what it held."""
    if isinstance(container, dict):
        if list(container) != list(was) or any(container[key] is not value for key, value in was.items()):
            container.clear()
            container.update(was)
    elif len(container) != len(was) or any(x is not y for x, y in zip(container, was, strict=True)):
        container.clear()
        (container.update if isinstance(container, set) else container.extend)(was)


def equal(x: Any, y: Any) -> bool:
    """The same object, or equal Python values."""
    if x is y:
        return True
    if type(x) is not type(y):
        return False
    if isinstance(x, types.MethodType):
        return x.__func__ is y.__func__ and x.__self__ is y.__self__
    if not isinstance(x, SCALARS):
        return False
    return bool(x != x and y != y) or (bool(x == y) and (x != 0 or repr(x) == repr(y)))  # 0.0 is not -0.0
