"""Under `viz.keep()` a graph keeps its numbers: of each value, of the leaves as they were, and of cotangents.

A record holds what its rules read, backward frees that, and a leaf's own record shows what the leaf
holds now. So the copies that are to outlive all this lie with the record that used them: two graphs
of one parameter see it as it was for each.

Written by core.apply, core.backward and ops.writes; read by viz.graph and symbolic.replay.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import numpy as np

from .record import Record

_ndarray = np.ndarray


class Kept:
    """The numbers of one recorded value."""

    __slots__ = ("cotangents", "leaves", "output")

    def __init__(self, output: Any, leaves: dict[int, Any]) -> None:
        self.output = output  # of a computation with several a tuple
        self.leaves = leaves  # by position among the inputs
        # After a backward from this value: all cotangents that it led to, by the index of their record (the record
        # itself would close a cycle).
        self.cotangents: dict[int, Any] = {}


def remember(record: Record, output: Any, results: Iterable[Any] = ()) -> None:
    """Copy a new value, and the leaves that it was computed from; during a trace there are no numbers.

    Args:
        output: its array; a tuple of a computation with several, whose Tensors are the `results`.
    """
    copies: Any = copied(output)
    if output.__class__ is tuple:
        copies = tuple(map(copied, output))
        for result, copy in zip(results, copies, strict=False):  # not all need be Tensors
            if result._record is not None and copy is not None:
                result._record.kept = Kept(copy, {})
    if copies is None:
        return
    view = getattr(record.primitive, "view", False)
    leaves = {}
    for position, x in enumerate(record.inputs):
        if x.__class__ is not Record or x.primitive is not None or x.array.__class__ is not _ndarray:
            continue
        if view or x.storage is None or x.storage is not record.storage:  # else the result was written over it
            leaves[position] = _leaf(x)
    record.kept = Kept(copies, leaves)


def _leaf(leaf: Record) -> Any:
    """A copy of a leaf, the same for all who use it between two writes."""
    if leaf.storage is None or leaf.storage.shared:  # whose writes nobody counts
        return leaf.array.copy()
    copy = leaf.kept[1]() if leaf.kept is not None and leaf.kept[0] == leaf.written else None
    if copy is None:
        copy = leaf.array.copy()
        leaf.kept = leaf.written, weakref.ref(copy)  # which lives as long as a graph that has used it
    return copy


def copied(value: Any) -> Any:
    """The numbers of an array or a Tensor in memory of their own; None for what has none."""
    array = getattr(value, "_array", value)
    return array.copy() if array.__class__ is _ndarray else None


def copies_wanted(roots: list[tuple[Record, Any]]) -> dict[int, Any] | None:
    """Where a backward is to put copies of the cotangents; None if nobody asked for them."""
    root = roots[0][0]
    return root.kept.cotangents if len(roots) == 1 and root.kept.__class__ is Kept else None


def kept_cotangents(root: Record) -> dict[int, Any]:
    """The cotangents that the last backward from a value has left, by index of record."""
    return root.kept.cotangents if root.kept.__class__ is Kept else {}


def kept_input(user: Record, position: int) -> Any:
    """The array of a leaf as one of its users has seen it, else what it holds now."""
    kept = user.kept.leaves if user.kept.__class__ is Kept else {}
    return kept.get(position, user.inputs[position].array)


def kept_values(order: Iterable[Record]) -> dict[Record, Any]:
    """What is kept of these records' values; None for a leaf that was written between two of its uses."""
    found: dict[Record, Any] = {}
    for record in order:
        if record.kept.__class__ is not Kept:
            continue
        found[record] = record.kept.output
        for position, array in record.kept.leaves.items():
            leaf = record.inputs[position]
            seen = found.setdefault(leaf, array)
            if seen is not array and not (seen is not None and np.array_equal(seen, array, equal_nan=True)):
                found[leaf] = None
    return found
