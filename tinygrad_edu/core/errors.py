"""The exceptions users meet: PyTorch's class wherever a PyTorch script would catch one, refined.

A message says which operation failed, what each tensor is, and what to do. `describe` writes the
middle part; it runs only once something has gone wrong, so it may be slow.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from .record import Record, is_internal


class ShapeError(RuntimeError, ValueError):
    """Shapes that do not fit together. PyTorch raises RuntimeError here, NumPy ValueError."""


class DtypeError(RuntimeError, TypeError):
    """A dtype that an operation, or the library, does not take."""


class TraceError(RuntimeError, TypeError):
    """A value was asked of a Symbol, which has a shape and a dtype but no numbers."""


def describe(args: Sequence[Any], words: Sequence[str] = ()) -> str:
    """One line per tensor: the name, the shape, and where it comes from.

    A tensor that has no name is called by its place in `words`, the operation's own parameters.
    """
    rows = []
    for i, a in enumerate(args):
        if hasattr(a, "shape"):
            name = name_of(a)
            if name == "_" and words:
                name = words[min(i, len(words) - 1)]
            rows.append((name, _shape(a), _origin(a)))
    width = max((len(name) for name, _, _ in rows), default=0)
    depth = max((len(shape) for _, shape, _ in rows), default=0)
    return "".join(f"\n  {name:<{width}}  {shape:<{depth}}  {origin}" for name, shape, origin in rows)


def name_of(tensor: Any) -> str:
    """The user's `name=`, else the variable that holds the tensor in the caller's frame, else `_`."""
    record = getattr(tensor, "_record", None)
    if record is not None and record.name:
        return str(record.name)
    frame = sys._getframe(1)
    while frame is not None and is_internal(frame.f_code.co_filename):
        frame = frame.f_back  # type: ignore[assignment]  # None ends the loop
    while frame is not None:
        for variable, value in frame.f_locals.items():
            if value is tensor:
                return variable
        if record is not None and record.primitive is not None:
            return _expression(record, frame.f_locals)
        frame = None  # type: ignore[assignment]  # only the caller's own names mean something to her
    return "_"


def _expression(record: Record, variables: dict[str, Any]) -> str:
    """`W.T` for a transpose of the variable W; nothing longer, since this is a label."""
    parent = record.inputs[0]
    if record.primitive is None or record.primitive.key != "permute_axes":
        return "_"
    for variable, value in variables.items():
        if getattr(value, "_record", None) is parent:
            return f"{variable}.T"
    return f"{parent.name}.T" if getattr(parent, "name", None) else "_"


def _shape(value: Any) -> str:
    return str(tuple(value.shape))


def _origin(value: Any) -> str:
    dtype = str(value.dtype)
    record = getattr(value, "_record", None)
    if record is None or record.primitive is None:
        grad = " that requires grad" if record is not None and record.needs_grad else ""
        return f"{dtype}, leaf{grad}"
    parents = ", ".join(f"{p.name or '_'} {tuple(p.shape)}" for p in record.inputs if isinstance(p, Record))
    where = f", line {record.line}" if record.line else ""
    return f"{dtype}, {record.primitive.name} of {parents}{where}"
