"""What there is to know of a class, or of what wraps something, as far as a step's Python may depend on it."""

from __future__ import annotations

import functools
import os
import types
import weakref
from typing import Any

from ...nn.module import Module
from ...symbolic.blame import of_library

UNCALLED = {"extra_repr"}  # methods that may be the user's and that no step needs


def of_python(kind: type) -> bool:
    """Whether a class of containers is of Python itself, so that its methods are not followed. A range is a number."""
    return of_library(kind.__module__) and kind.__module__.partition(".")[0] != "tinygrad_edu" and kind is not range


def is_only_a_module(kind: type) -> bool:
    """Whether a class of the user's has nothing of the library's but Module: of others the library reads settings."""
    ours = [k for k in kind.__mro__ if k.__module__.partition(".")[0] == "tinygrad_edu"]
    return ours[0] is Module and kind is not Module


def called_by_library(kind: type) -> set[str]:
    """What a class of the user's may have in the place of the library's own: of a Function forward and backward."""
    ours = (k for k in kind.__mro__[:-1] if of_library(k.__module__))
    return {name for k in ours for name in vars(k) if not name.startswith("__")} - UNCALLED


def content_of(cell: types.CellType, default: Any = None) -> Any:
    """What a variable of an enclosing function holds; the default where it is not set yet, or deleted."""
    try:
        return cell.cell_contents
    except ValueError:
        return default


def inside(x: Any) -> list[Any] | None:
    """What something wraps, which is all that matters of it: of a method its function and its object; else None."""
    if isinstance(x, types.MethodType):
        return [x.__func__, x.__self__]
    if isinstance(x, types.FunctionType) and of_library(x.__module__):  # put around the user's by a decorator, a hook
        held = map(content_of, x.__closure__ or ())
        return [v for v in held if not isinstance(v, weakref.WeakKeyDictionary)]  # a dispatcher's cache
    if isinstance(x, (functools.partial, functools.partialmethod)):
        return [x.func, x.args, x.keywords]
    if isinstance(x, types.BuiltinMethodType):
        return [x.__self__]
    if isinstance(x, (staticmethod, classmethod)):
        return [x.__func__]
    if isinstance(x, property):
        return [x.fget]
    if isinstance(x, weakref.ReferenceType):
        return [x()]
    return [os.environ] if x is os else None


def unnamed(kind: type) -> list[tuple[str, Any]]:
    """The methods of a class that are called without being named: of x[k], x(...), len(x). None forbids such a call."""
    named = [(name, value) for name, value in [*vars(kind).items()] if name.startswith("__") and name != "__doc__"]
    return [(name, value) for name, value in named if value is None or _runs(value)]


def _runs(method: Any) -> bool:
    return callable(method) or isinstance(method, (classmethod, property))
