"""Whether operations are recorded: context managers that are decorators too, one state per thread."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from ..core.mode import mode


class _Mode:
    """A grad mode for a block, or for the calls of a function or the steps of a generator."""

    wanted: bool

    def __new__(cls, *args: Any, **_: Any) -> Any:
        if args and callable(args[0]):  # `@no_grad` without parentheses, as PyTorch allows
            return cls()(args[0])
        return super().__new__(cls)

    def __init__(self) -> None:
        self.previous: list[bool] = []  # a stack: the same object can be entered again, also inside itself

    def __enter__(self) -> None:
        self.previous.append(mode.grad)
        mode.grad = self.wanted

    def __exit__(self, *_: object) -> None:
        mode.grad = self.previous.pop()

    def again(self) -> _Mode:
        """A new context of the same kind: one decorated function may run in several threads."""
        return type(self)()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isgeneratorfunction(function):
            return self._steps(function)

        @functools.wraps(function)
        def decorated(*args: Any, **kwargs: Any) -> Any:
            with self.again():
                return function(*args, **kwargs)

        return decorated

    def _steps(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The mode holds while the generator runs, and not while its caller works with what it gave."""

        @functools.wraps(function)
        def decorated(*args: Any, **kwargs: Any) -> Any:
            generator = function(*args, **kwargs)
            step, given = generator.send, None
            try:
                while True:
                    with self.again():
                        value = step(given)
                    try:
                        step, given = generator.send, (yield value)
                    except GeneratorExit:
                        with self.again():
                            generator.close()
                        raise
                    except BaseException as error:
                        step, given = generator.throw, error
            except StopIteration as end:
                return end.value

        return decorated


class no_grad(_Mode):
    """Do not record: for evaluation and for updating parameters. `with no_grad():` or `@no_grad()`."""

    wanted = False


class enable_grad(_Mode):
    """Record again, inside of no_grad."""

    wanted = True


class inference_mode(_Mode):
    """no_grad under PyTorch's newer name; `inference_mode(False)` does record."""

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self.wanted = not mode

    def again(self) -> _Mode:
        return inference_mode(not self.wanted)


class set_grad_enabled(_Mode):
    """Record operations, or not, from here on; as `with` or decorator, until the end of the block."""

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self.wanted = bool(mode)
        self.before = _switch(self.wanted)

    def __enter__(self) -> None:
        self.previous.append(self.before)
        _switch(self.wanted)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        _switch(self.before)  # as a decorator nothing is switched until the function is called
        return super().__call__(function)

    def again(self) -> _Mode:
        return set_grad_enabled(self.wanted)


def is_grad_enabled() -> bool:
    """Whether operations are being recorded in this thread."""
    return mode.grad


def _switch(value: bool) -> bool:
    previous, mode.grad = mode.grad, value
    return previous
