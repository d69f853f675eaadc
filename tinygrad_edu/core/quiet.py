"""Floating-point events are answers here, as in PyTorch: log(0) is -inf, 0 / 0 is NaN, and nobody is warned.

    before = hush()
    try: ...
    finally: restore(before)

NumPy keeps what it does about them in a context variable. To set and reset that takes 0.1 us, `with np.errstate` 1,
as long as a small operation. The variable has no public name, so it is looked for in a context where it was set;
if a NumPy keeps it elsewhere, np.errstate itself serves.
"""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np


def _pair() -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    """What begins the silence, and what ends it with the result of the first."""
    unset = object()
    before = contextvars.copy_context()
    with np.errstate(all="ignore"):
        within = contextvars.copy_context()
    for variable, value in within.items():
        if before.get(variable, unset) is not value:
            return functools.partial(variable.set, value), variable.reset
    return _enter, _leave


F = TypeVar("F", bound=Callable[..., Any])


def quietly(function: F) -> F:
    """The function, hushed as a whole: for what computes on arrays without being an operation."""

    @functools.wraps(function)
    def hushed(*args: Any, **kwargs: Any) -> Any:
        before = hush()
        try:
            return function(*args, **kwargs)
        finally:
            restore(before)

    return hushed  # type: ignore[return-value]  # same signature


def _enter() -> np.errstate:
    state = np.errstate(all="ignore")
    state.__enter__()
    return state


def _leave(state: np.errstate) -> None:
    state.__exit__(None, None, None)


hush, restore = _pair()
