"""Views: Tensors that look into another's memory, and follow what is written there.

A view notes which of its base's records its own was derived from. When the base has been written
since, by whatever name, the base has a new record, and the view derives its own from that one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .mode import mode
from .primitive import Primitive
from .record import Record
from .write import storage_of

if TYPE_CHECKING:
    from .tensor import Tensor

_ndarray = np.ndarray


class View(NamedTuple):
    """How a Tensor looks into another's memory, so that a write through it reaches the other's record."""

    base: Tensor
    path: Any  # (the path of the view that this one was taken of, or None, and the step from there)
    seen: Record | None  # the base's record when this view's own was made
    recorded: bool  # made while operations were recorded

    @property
    def steps(self) -> tuple[tuple[Primitive, dict[str, Any]], ...]:
        """The view primitives from base to here; put together when asked for, a chain of views may be long."""
        found, path = [], self.path
        while path is not None:
            path, step = path
            found.append(step)
        return tuple(reversed(found))


def link_view(result: Tensor, source: Tensor, primitive: Primitive, params: dict[str, Any]) -> None:
    """Note that result looks into source's memory, unless NumPy had to copy (a reshape may)."""
    array, out = source._array, result._array
    if out.__class__ is _ndarray and not (out.base is not None and (out.base is array or out.base is array.base)):
        return
    view = source._view
    step = (primitive, params)
    if out.__class__ is not _ndarray and mode.trace is not None and primitive.key == "reshape_to":
        base, path = (source, None) if view is None else (view.base, view.path)
        if not mode.trace.shows(base, path, step):
            return
    result._storage = storage_of(source)
    if view is None:
        result._view = View(source, (None, step), source._record, mode.grad)
    else:
        result._view = View(view.base, (view.path, step), view.base._record, mode.grad)


def refresh(view: Tensor) -> None:
    """If the base was written since, derive the view's record from the base's new one."""
    own = view._view
    assert own is not None  # callers have checked
    base, path, seen, recorded = own
    if base._storage is not view._storage:  # the base has been given other memory: `base.data = ...`
        if mode.trace is None:
            view._view = None
        return
    now = base._record
    if now is seen:
        return
    if base._view is not None:  # see ops/reshaping.py
        raise RuntimeError(
            "a view was taken of a tensor whose shape has been changed in place since (squeeze_, transpose_ ...), and "
            "which was written or recorded anew; take the view again."
        )
    if now is None or now.primitive is None:  # a leaf's or constant's record: nothing was written
        view._view = View(base, path, now, recorded)
        return
    if not recorded:
        if not mode.grad:
            return
        raise RuntimeError(
            "a view was created in no_grad mode and its base has been modified inplace with grad mode enabled, so "
            "whether a gradient should flow through the view is unclear; make the view outside of no_grad(), or "
            "use .detach() for one without a gradient."
        )
    grad, mode.grad = mode.grad, True
    try:
        fresh = follow(base, own.steps)
    finally:
        mode.grad = grad
    old, view._record = view._record, fresh._record
    if old is not None and fresh._record is not None:
        hand_over(old, fresh._record)
    view._view = View(base, path, now, recorded)


def hand_over(old: Record, new: Record) -> None:
    """A written tensor has a new record: its name and its wish to keep a gradient go with it."""
    if old.name and not new.name:
        new.name = old.name
    if old.retains_grad:
        old.retains_grad, new.retains_grad, new.grad = False, True, old.grad


def follow(value: Any, steps: tuple[tuple[Primitive, dict[str, Any]], ...]) -> Any:
    """Take the same view of another value: an array, a Tensor or a Symbol."""
    for primitive, params in steps:
        value = primitive(value, **params)
    return value
