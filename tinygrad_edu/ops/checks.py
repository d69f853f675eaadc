"""Checks of values, in one place, so that a compiled step can make them too.

Eagerly a check raises at once. Under a trace there are no values yet: the check becomes one more
equation of the program, which raises when the program runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.mode import mode
from ..core.tensor import Tensor


def check(condition: Tensor, message: str, error: type[Exception] = RuntimeError, values: Any = None) -> None:
    """Raise `error(message)` unless every element of `condition` holds.

    `values`, of condition's shape, is where to look up the first offender for the message.
    """
    if mode.trace is not None:
        mode.trace.check(condition, message, error, values)
    else:
        verify(condition._array, message, error, None if values is None else values._array)


def verify(condition: Any, message: str, error: type[Exception], values: Any) -> None:
    """The check itself, on arrays."""
    if condition.all():
        return
    place = tuple(int(i) for i in np.argwhere(~condition)[0])
    found = f", found {values[place]}" if values is not None else ""
    where = f" at index {place[0] if len(place) == 1 else place}" if place else ""
    raise error(f"{message}{found}{where}.")
