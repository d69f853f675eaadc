"""Nested arguments and results: Tensors and numbers in lists, dicts, dataclasses ..., found and exchanged."""

from __future__ import annotations

import copy
import dataclasses
import gc
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.number import Item, Number
from ..core.symbol import Symbol
from ..core.tensor import Tensor
from .blame import of_library


def arguments_of(x: Any) -> list[Any]:
    """The Tensors and Python numbers in nested arguments, in order."""
    found: list[Any] = []
    exchanged(x, lambda part: found.append(float(part) if part.__class__ is np.float64 else part), {})
    return found


def exchanged(x: Any, change: Callable[[Any], Any], made: dict[int, Any]) -> Any:
    """Nested arguments with something in the place of each Tensor and number.

    Args:
        made: takes, by the ids of those in x, the containers that hold them from now on; one that is met twice stays
            one.
    """
    kind = x.__class__
    if isinstance(x, Tensor) or kind is float or kind is int or kind is np.float64:
        return change(x)
    if kind is tuple:
        new: Any = tuple([exchanged(part, change, made) for part in x])
    elif isinstance(x, tuple) and hasattr(x, "_fields"):
        new = kind(*(exchanged(part, change, made) for part in x))
    elif kind is list:
        new = [exchanged(part, change, made) for part in x]
    elif isinstance(x, dict):
        new = copy.copy(x)  # of its class
        for name, part in x.items():
            dict.__setitem__(new, name, exchanged(part, change, made))  # a Counter's update() adds
    elif is_record(x):
        new = _with_fields(x, lambda part: exchanged(part, change, made))
    else:
        return x
    return made.setdefault(id(x), new)


def is_record(x: Any) -> bool:
    """Whether something is a dataclass's, so that what it holds are its fields."""
    kind: Any = type(x)
    bases: Any = kind.__mro__
    return dataclasses.is_dataclass(kind) and not any(b.__module__.startswith("tinygrad_edu.") for b in bases)


def names_of(x: Any) -> list[str]:
    """The fields of a dataclass's object that are there, and what it has been given besides, as by __post_init__."""
    names = [field.name for field in dataclasses.fields(x) if hasattr(x, field.name)]
    return names + [name for name in getattr(x, "__dict__", ()) if name not in names]


def fields_of(x: Any) -> list[Any]:
    """What a dataclass's object holds."""
    return [getattr(x, name) for name in names_of(x)]


def _with_fields(x: Any, change: Callable[[Any], Any]) -> Any:
    new = copy.copy(x)
    for name in names_of(x):
        object.__setattr__(new, name, change(getattr(x, name)))
    return new


def contents(x: Any) -> list[Any]:
    """What a list, dict or dataclass holds, and by which names."""
    if isinstance(x, list):
        return [*x]
    named = x if isinstance(x, dict) else getattr(x, "__dict__", None)
    return fields_of(x) if named is None else [*named, *named.values()]


def put_back(x: Any, were: list[Any]) -> None:
    """Give a list, dict or dataclass the contents that it had."""
    if isinstance(x, list):
        x[:] = were
        return
    named = x if isinstance(x, dict) else getattr(x, "__dict__", None)
    if named is not None:
        half = len(were) // 2
        named.clear()
        named.update(zip(were[:half], were[half:], strict=True))
    else:
        for name, value in zip(names_of(x), were, strict=True):
            object.__setattr__(x, name, value)


def tensors_of(result: Any) -> list[Tensor]:
    found: list[Tensor] = []
    replaced(result, found.append)
    return found


def replaced(result: Any, change: Callable[[Tensor], Any]) -> Any:
    """Nested results with every Tensor exchanged."""
    return _mapped(result, Tensor, change)


def only_tensors(x: Any) -> list[Tensor] | None:
    """The tensors that a tensor is, or a list, tuple or dict of nothing else; None if it is something else."""
    if x.__class__ is Tensor:
        return [x]
    if x.__class__ is dict and all(name.__class__ is str for name in x):
        x = [*x.values()]
    parts = [only_tensors(part) for part in x] if x.__class__ in (list, tuple) and x else [None]
    return None if None in parts else [t for part in parts for t in part or ()]


def numbers_replaced(result: Any, change: Callable[[Symbol], Any]) -> Any:
    """Nested results with every Python number that was traced exchanged."""
    return _mapped(result, Number, lambda x: change(x.symbol))


def items_replaced(result: Any, change: Callable[[Item], Any]) -> Any:
    """Nested results with what .item() has given in a trace exchanged."""
    return _mapped(result, Item, change)


def hides(result: Any, is_new: Callable[[Tensor], bool]) -> Any:
    """An object among nested results that leads to such a tensor where `replaced` does not find it, or to itself.

    None if there is none. Python's collector knows what an object holds, whatever its class.
    """
    seen: set[int] = set()

    def leads(x: Any) -> bool:
        queue = [x]
        while queue:
            held = queue.pop()
            if isinstance(held, Tensor):
                if is_new(held):
                    return True
            elif id(held) not in seen and not isinstance(held, (types.ModuleType, type)) and not _is_ours(type(held)):
                seen.add(id(held))
                if isinstance(held, types.FunctionType):  # and not all of its module
                    queue += [held.__closure__, held.__defaults__, vars(held)]
                else:
                    queue += gc.get_referents(held)
        return False

    def search(x: Any, around: tuple[int, ...]) -> Any:
        if isinstance(x, Tensor):
            return None
        if id(x) in around:
            return x
        if isinstance(x, (list, tuple)):
            parts = [*x]
        elif isinstance(x, dict):
            if leads([*x]):
                return x
            parts = [*x.values()]
        elif is_record(x):
            parts = fields_of(x)
        elif hasattr(x, "__dict__") and _is_plain(type(x)):
            parts = [*vars(x).values()]
        else:
            return x if leads(x) else None
        found = (search(part, (*around, id(x))) for part in parts)
        return next((part for part in found if part is not None), None)

    return search(result, ())


def _is_ours(kind: Any) -> bool:
    """Whether a class is of the compiler's, which knows tensors that have no numbers, or of a graph's."""
    return str(kind.__module__).startswith(("tinygrad_edu.compiler", "tinygrad_edu.symbolic", "tinygrad_edu.core"))


def _mapped(x: Any, kind: type, change: Callable[[Any], Any]) -> Any:
    if isinstance(x, kind):
        return change(x)
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*(_mapped(part, kind, change) for part in x))
    if isinstance(x, (list, tuple)):
        return type(x)(_mapped(part, kind, change) for part in x)
    if isinstance(x, dict):
        new = copy.copy(x)  # of its class
        for name, part in x.items():
            dict.__setitem__(new, name, _mapped(part, kind, change))
        return new
    if is_record(x):
        return _with_fields(x, lambda part: _mapped(part, kind, change))
    if hasattr(x, "__dict__") and _is_plain(type(x)):
        held = {name: _mapped(part, kind, change) for name, part in vars(x).items()}
        if any(held[name] is not part for name, part in vars(x).items()):
            x = copy.copy(x)
            vars(x).update(held)
    return x


def _is_plain(kind: Any) -> bool:
    """Whether objects of a class are the user's results, rather than modules, functions, classes."""
    return kind is types.SimpleNamespace or not any(of_library(base.__module__) for base in kind.__mro__[:-1])
