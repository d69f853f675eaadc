"""Nested results: tuples, lists, dicts and named tuples with Tensors for leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def leaves(tree: Any) -> Iterator[Any]:
    """Everything in a tree that is not a container, in order."""
    if isinstance(tree, (tuple, list)):
        for branch in tree:
            yield from leaves(branch)
    elif isinstance(tree, dict):
        for branch in tree.values():
            yield from leaves(branch)
    else:
        yield tree


def rebuild(tree: Any, values: Iterator[Any]) -> Any:
    """A tree of the same form with other leaves, taken in order."""
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*[rebuild(branch, values) for branch in tree])
    if isinstance(tree, (tuple, list)):
        return type(tree)([rebuild(branch, values) for branch in tree])
    if isinstance(tree, dict):
        return type(tree)((key, rebuild(branch, values)) for key, branch in tree.items())
    return next(values)


def mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    """The tree with every leaf replaced by function(leaf)."""
    return rebuild(tree, iter([function(leaf) for leaf in leaves(tree)]))
