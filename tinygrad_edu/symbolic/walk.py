"""Walks over expressions, without recursion: an expression may be deep."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from typing import Any

from ..core.symbol import Symbol


def is_atom(x: Any) -> bool:
    """Whether it is a Symbol that has a name, or was computed by nothing: what a formula prints as a letter."""
    return isinstance(x, Symbol) and (x.primitive is None or bool(x.name))


def downwards(x: Any, ends: Callable[[Symbol], bool] = lambda symbol: False) -> Iterator[Symbol]:
    """The Symbols that x is computed from, the whole first, in the order of reading. What `ends` is not looked into."""
    found: set[int] = set()
    stack = [x]
    while stack:
        top = stack.pop()
        if isinstance(top, Symbol) and id(top) not in found:
            found.add(id(top))
            yield top
            if not ends(top):
                stack.extend(reversed(top.inputs))


def upwards(x: Any, done: Container[int], ends: Callable[[Symbol], bool] = lambda symbol: False) -> Iterator[Symbol]:
    """The Symbols that x is computed from, and x, each after its inputs, except those whose id is in `done`.

    The caller enters each one's id in `done` before it asks for the next. What `ends` is not looked into.
    """
    stack = [x] if isinstance(x, Symbol) else []
    while stack:
        top = stack[-1]
        if id(top) in done:
            stack.pop()
            continue
        missing = [i for i in top.inputs if isinstance(i, Symbol) and id(i) not in done]
        if missing and not ends(top):
            stack.extend(missing)
        else:
            stack.pop()
            yield top
