"""Anomaly mode as users switch it: as a block, as a decorator, or from here on; one state per thread."""

from __future__ import annotations

import contextlib
from typing import Any

from ..core.mode import mode

__all__ = ["detect_anomaly", "is_anomaly_enabled", "set_detect_anomaly"]


class set_detect_anomaly(contextlib.ContextDecorator):
    """Stop where the first nan or infinity arises in recorded operations or their gradients, naming the line.

    Forward, the operation that makes it raises at once; backward, the error names the operation
    whose rule made it and the line where that operation was called. As `with` or decorator it
    lasts until the end of the block.

    Args:
        mode: on or off.
        check_nan: False looks at no numbers, which is all that this mode does here.

    >>> from tinygrad_edu import tensor
    >>> x = tensor([1.0, 0.0], requires_grad=True)
    >>> with set_detect_anomaly(True):
    ...     x.sqrt().sum().backward()
    Traceback (most recent call last):
    RuntimeError: sqrt at <doctest tinygrad_edu.autograd.anomaly.set_detect_anomaly[2]>:2 gave the first infinity ...
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.previous = is_anomaly_enabled()
        self.wanted = bool(mode) and bool(check_nan)
        _set(self.wanted)

    def __call__(self, function: Any) -> Any:
        _set(self.previous)  # as a decorator nothing is switched until the function is called
        return super().__call__(function)

    def _recreate_cm(self) -> Any:
        return type(self)(self.wanted)

    def __enter__(self) -> None:
        _set(self.wanted)

    def __exit__(self, *_: object) -> None:
        _set(self.previous)


class detect_anomaly(contextlib.ContextDecorator):
    """Anomaly detection for a block: `with detect_anomaly():`. See set_detect_anomaly."""

    def __init__(self, check_nan: bool = True) -> None:
        self.wanted = bool(check_nan)
        self.previous: list[bool] = []

    def __enter__(self) -> None:
        self.previous.append(mode.anomaly)
        mode.anomaly = self.wanted

    def __exit__(self, *_: object) -> None:
        mode.anomaly = self.previous.pop()


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on in this thread."""
    return mode.anomaly


def _set(value: bool) -> None:
    mode.anomaly = value
