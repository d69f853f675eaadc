"""Checks of values, in one place, so that a compiled step can make them too.

Forwards call `check` on whatever they compute with: on arrays it raises at once; on Symbols there
are no values yet, so the check becomes one more equation (`verify`), which raises when the program runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.mode import mode
from ..core.primitive import Array, Operand
from ..core.symbol import Symbol
from ..core.tensor import Tensor


def check(condition: Any, message: str, error: type[Exception] = RuntimeError, values: Any = None) -> None:
    """Raise `error(message)` unless every element of `condition` holds.

    `values`, of condition's shape, is where to look up the first offender for the message.
    """
    if isinstance(condition, Operand):
        condition.verify(message, error, values)
    elif not mode.dry and not (condition.all() if condition.ndim else condition):
        refuse(np.asarray(condition), message, error, values)


def refuse(condition: Any, message: str, error: type[Exception], values: Any = None) -> None:
    """Raise for the first element at which the condition does not hold. Programs are written with this function."""
    place = tuple(int(i) for i in np.argwhere(~condition)[0])
    found = f", found {values[place]}" if values is not None else ""
    where = f" at index {place[0] if len(place) == 1 else place}" if place else ""
    raise error(f"{message}{found}{where}.")


def numbers_of(x: Any, advice: str) -> Array:
    """The array of what is asked for its numbers now; a trace has none, and refuses with what to write instead."""
    if not isinstance(x, Tensor):
        return np.asarray(x)
    array = x._values() if mode.trace is None else mode.trace.reads(x)
    if isinstance(array, Symbol):
        array.refuse(advice)
    return array
