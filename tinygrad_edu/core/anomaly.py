"""Anomaly mode: stop where the first nan or infinity arises, and say on which line of the user's.

Arises: nan in a result none of whose inputs has nan; an infinity where all inputs, numbers and
parameters are finite. So a mask filled with -inf passes, and a logarithm of 0 does not.

Used by core.apply and core.backward when `mode.anomaly` is on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .mode import mode
from .primitive import PRIMITIVES
from .record import Record


def check_forward(record: Record, arrays: Any, outs: Any) -> None:
    """Refuse a new value in which nan or an infinity arose."""
    given = [*arrays, *(v for v in record.params.values() if isinstance(v, float))]
    found = _arisen(given, outs)
    if found:
        assert record.primitive is not None
        raise RuntimeError(
            f"{record.primitive.name}{_at(record)} gave the first {found[0]} of this computation, at index "
            f"{found[1]} of a result of shape {found[2]}; its inputs have none. Anomaly detection is on."
        )


def visit_checked(visit: Callable[..., None], record: Record, dY: Any, walk: Any) -> None:
    """Visit one value in backward, and refuse a gradient in which nan or an infinity arose."""
    mode.anomaly = False  # what a rule computes has no line of the user's; its result is looked at here
    try:
        visit(record, dY, walk)
    finally:
        mode.anomaly = True
    before = list(_arrays(dY))
    for i, x in enumerate(record.inputs):
        found = _arisen(before, list(_arrays(walk.cotangents.get(x)))) if isinstance(x, Record) else None
        if found:
            assert record.primitive is not None
            raise RuntimeError(
                f"{record.primitive.name}{_at(record)} gave the first {found[0]} of the backward pass, at index "
                f"{found[1]} of the gradient of its input {x.name or i} {tuple(x.shape)}: Function "
                f"'{node_name(record)}' returned {found[0]} values in its {i}th output. Anomaly detection is on."
            )


# By the primitive's key: PyTorch's name for the step where it isn't the operation's, see ops/node_names.py.
NODE_NAMES: dict[str, str | Callable[[Record], str]] = {}


def node_name(record: Record) -> str:
    """PyTorch's way to call a step of the backward pass: MulBackward0; MyExpBackward for a Function MyExp."""
    if record.primitive is None:
        return "AccumulateGrad"
    name = record.primitive.name
    if record.primitive.key not in PRIMITIVES:
        return f"{name}Backward"
    known = NODE_NAMES.get(record.primitive.key)
    if known is not None:
        return known if isinstance(known, str) else known(record)
    return "".join(word.capitalize() for word in name.split("_")) + "Backward0"


def _arisen(before: Any, after: Any) -> tuple[str, tuple[int, ...], tuple[int, ...]] | None:
    """What kind of number has arisen, where, in which shape."""
    for array in after:
        if array.__class__ is not np.ndarray or array.dtype.kind != "f" or np.isfinite(array).all():
            continue
        for word, test in (("nan", np.isnan), ("infinity", _not_finite)):
            if test(array).any() and not any(_has(test, x) for x in before):
                place = np.unravel_index(int(test(array).argmax()), array.shape)
                return word, tuple(int(i) for i in place), tuple(array.shape)
    return None


def _not_finite(x: Any) -> Any:
    return ~np.isfinite(x)


def _has(test: Any, x: Any) -> bool:
    floating = x.__class__ is float or getattr(getattr(x, "dtype", None), "kind", "") == "f"
    return floating and bool(np.any(test(x)))


def _arrays(value: Any) -> Iterator[Any]:
    for part in value if isinstance(value, tuple) else (value,):
        if part is not None:
            yield getattr(part, "_array", part)


def _at(record: Record) -> str:
    return f" at {record.line}" if record.line else ""
