"""Whether operations are recorded: context managers that are decorators too, one state per thread."""

from __future__ import annotations

import contextlib
from typing import Any

from ..core.mode import mode


class set_grad_enabled(contextlib.ContextDecorator):
    """Record operations, or not, from here on; as `with` or decorator, until the end of the block."""

    def __init__(self, mode: bool) -> None:
        self.previous: list[bool] = [grad_mode()]
        self.wanted = bool(mode)
        _set(self.wanted)

    def __call__(self, function: Any) -> Any:
        _set(self.previous[0])  # as a decorator nothing is switched until the function is called
        return super().__call__(function)

    def _recreate_cm(self) -> Any:
        return type(self)(self.wanted)

    def __enter__(self) -> None:
        _set(self.wanted)

    def __exit__(self, *_: object) -> None:
        _set(self.previous[0])


class _Fixed(contextlib.ContextDecorator):
    """A grad mode for a block or a function; the same object can be entered again, also inside itself."""

    wanted: bool

    def __init__(self) -> None:
        self.previous: list[bool] = []

    def __call__(self, function: Any) -> Any:
        return super().__call__(function)

    def _recreate_cm(self) -> Any:
        return type(self)()

    def __enter__(self) -> None:
        self.previous.append(mode.grad)
        mode.grad = self.wanted

    def __exit__(self, *_: object) -> None:
        mode.grad = self.previous.pop()


class no_grad(_Fixed):
    """Do not record: for evaluation and for updating parameters. `with no_grad():` or `@no_grad()`."""

    wanted = False

    def __new__(cls, function: Any = None) -> Any:
        instance = super().__new__(cls)
        if function is None:
            return instance
        instance.__init__()  # type: ignore[misc]  # `@no_grad` without parentheses, as PyTorch allows
        return instance(function)

    def __init__(self, function: Any = None) -> None:
        super().__init__()


class enable_grad(_Fixed):
    """Record again, inside of no_grad."""

    wanted = True


class inference_mode(_Fixed):
    """no_grad under PyTorch's newer name; `inference_mode(False)` does record."""

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self.wanted = not mode

    def _recreate_cm(self) -> Any:
        return type(self)(not self.wanted)


def is_grad_enabled() -> bool:
    """Whether operations are being recorded in this thread."""
    return mode.grad


def grad_mode() -> bool:
    return mode.grad


def _set(value: bool) -> None:
    mode.grad = value
