"""The part that hooks have in a backward pass: those of a value see its cotangent, those of a node what it sends, too.

Used by core.backward where a record has hooks. What a hook is, and what it may return: hooks.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .hooks import replaced
from .record import Record, edges_of
from .tensor import Tensor, as_tensor

if TYPE_CHECKING:
    from .backward import Walk


def run_hooks(record: Record, dY: Any) -> Any:
    """The cotangent of a value after its hooks, each of which may replace it."""
    assert record.hooks is not None
    if dY.__class__ is tuple:  # of several outputs: only hooks of the node
        parts = tuple(None if part is None else as_tensor(part) for part in dY)
        for hook in list(record.hooks.values()):
            parts = replaced(hook, hook(parts), parts)
        return tuple(
            part if part is None or isinstance(old, Tensor) else part._array
            for part, old in zip(parts, dY, strict=True)
        )
    for hook in list(record.hooks.values()):
        result = hook(as_tensor(dY))
        if result is not None:
            if not isinstance(result, Tensor) or result.shape != record.shape:
                raise RuntimeError(
                    f"hook of {record.label}: it must return None or a Tensor of shape {tuple(record.shape)}."
                )
            if result.dtype != record.dtype:
                result = result.astype(record.dtype)
            dY = result if isinstance(dY, Tensor) else result._array
    return dY


def visit_hooked(visit: Any, record: Record, dY: Any, walk: Walk) -> None:
    """Visit a record, and let the hooks of its node see and replace what it sends before that is sent."""
    primitive, inputs = record.primitive, record.inputs
    assert primitive is not None
    assert record.node_hooks is not None
    edges = record.edges or edges_of(record)
    twice = len({inputs[i] for i in edges}) < len(edges)  # x * x: one visit for each, or they would come summed
    sent: dict[int, Any] = {}
    try:
        for group in [(i,) for i in edges] if twice else [edges]:
            record.edges = group
            aside = walk.aside()
            visit(record, dY, aside)
            sent.update({i: aside.cotangents.get(inputs[i]) for i in group})
    finally:
        record.edges = edges
    places = [i for i, x in enumerate(inputs) if x.__class__ is Record and primitive.has_rule(i)]
    given = tuple(None if sent.get(i) is None else as_tensor(sent[i]) for i in places)
    received = tuple(None if part is None else as_tensor(part) for part in (dY if dY.__class__ is tuple else (dY,)))
    for hook in list(record.node_hooks.values()):
        given = replaced(hook, hook(given, received), given)
    for i, dX in zip(places, given, strict=True):
        if dX is not None:
            x = inputs[i]
            if x not in walk.cotangents:
                walk.borrowed.add(x)  # the hooks may have kept it
            walk.send(x, dX if walk.create_graph else dX._array)
