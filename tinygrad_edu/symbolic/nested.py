"""Nested arguments and results: Tensors and numbers in tuples, lists and dicts, found and exchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.symbol import Symbol
from ..core.tensor import Tensor


def arguments_of(x: Any) -> list[Any]:
    """The Tensors and Python floats in nested arguments, in order."""
    found: list[Any] = []
    exchanged(x, found.append)
    return found


def exchanged(x: Any, change: Callable[[Any], Any]) -> Any:
    """Nested arguments with something in the place of each Tensor and float."""
    if isinstance(x, Tensor) or x.__class__ is float:
        return change(x)
    if x.__class__ is tuple or x.__class__ is list:
        return x.__class__(exchanged(part, change) for part in x)
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*(exchanged(part, change) for part in x))
    if x.__class__ is dict:
        return {name: exchanged(part, change) for name, part in x.items()}
    return x


def tensors_of(result: Any) -> list[Tensor]:
    found: list[Tensor] = []
    replaced(result, found.append)
    return found


def replaced(result: Any, change: Callable[[Tensor], Any]) -> Any:
    """Nested results with every Tensor exchanged."""
    if isinstance(result, Tensor):
        return change(result)
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return type(result)(*(replaced(r, change) for r in result))
    if isinstance(result, (list, tuple)):
        return type(result)(replaced(r, change) for r in result)
    if isinstance(result, dict):
        return {k: replaced(v, change) for k, v in result.items()}
    return result


def numbers_replaced(result: Any, change: Callable[[Symbol], Any]) -> Any:
    """Nested results with every Python number that was traced exchanged."""
    if isinstance(result, Symbol):
        return change(result)
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return type(result)(*(numbers_replaced(r, change) for r in result))
    if isinstance(result, (list, tuple)):
        return type(result)(numbers_replaced(r, change) for r in result)
    if isinstance(result, dict):
        return {k: numbers_replaced(v, change) for k, v in result.items()}
    return result
