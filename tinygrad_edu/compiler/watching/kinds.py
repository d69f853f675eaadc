"""What there is to know of a class, as far as a step's Python may depend on it."""

from __future__ import annotations

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


def unnamed(kind: type) -> list[tuple[str, Any]]:
    """The methods of a class that are called without being named: of x[k], x(...), len(x). None forbids such a call."""
    named = [(name, value) for name, value in [*vars(kind).items()] if name.startswith("__") and name != "__doc__"]
    return [(name, value) for name, value in named if value is None or _runs(value)]


def _runs(method: Any) -> bool:
    return callable(method) or isinstance(method, (classmethod, property))
