"""Events: what began and ended when, inside of what. One Recorder holds those of a profile.

Not here: where events come from (profile.py, products.py) and what is made of them (table.py).
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

FORWARD, BACKWARD, UPDATE, PROGRAM = "forward", "backward", "update", "program"  # of a compiled step
MODULE, PRODUCT, USER = "module", "product", "user"
COUNTED = (FORWARD, BACKWARD, UPDATE, PROGRAM)  # the kinds that make the rows of the table


class Event:
    """One span of time, in ns of time.perf_counter.

    module: the path of the module in which it happened; for backward, in which the forward had happened.
    outermost: it lies in no other event of the table's rows, so their times may be added.
    products: ns of matrix products inside, however deep.
    """

    __slots__ = ("end", "kind", "module", "name", "outermost", "products", "shapes", "start")

    def __init__(self, name: str, kind: str, module: str, outermost: bool) -> None:
        self.name = name
        self.kind = kind
        self.module = module
        self.outermost = outermost
        self.products = 0
        self.shapes: list[Any] | None = None
        self.end = 0
        self.start = perf_counter_ns()

    @property
    def time(self) -> int:
        return self.end - self.start

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name} {self.time / 1e3:.1f} us>"


class Recorder:
    """Opens and closes events of one thread; what runs in others is left out."""

    def __init__(self, shapes: bool) -> None:
        self.events: list[Event] = []
        self.shapes = shapes
        self.open: list[Event] = []
        self.counted = 0  # how many of the open events make rows
        self.paused = False
        self.thread = threading.get_ident()

    def here(self) -> bool:
        return not self.paused and threading.get_ident() == self.thread

    def begin(self, name: str, kind: str, module: str = "") -> Event:
        event = Event(name, kind, module, kind in COUNTED and not self.counted)
        self.counted += kind in COUNTED
        self.events.append(event)
        self.open.append(event)
        return event

    def finish(self, event: Event) -> None:
        event.end = perf_counter_ns()
        if self.open[-1] is event:
            self.open.pop()
        else:  # a user's label, closed out of turn
            self.open.remove(event)
        self.counted -= event.kind in COUNTED

    def timed(self, name: str, kind: str, function: Callable[..., Any], module: Callable[[], str]) -> Any:
        """The function, each call an event."""

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if not self.here():
                return function(*args, **kwargs)
            event = self.begin(name, kind, module())
            if self.shapes:
                event.shapes = [list(getattr(a, "shape", ())) for a in args]
            try:
                return function(*args, **kwargs)
            finally:
                self.finish(event)

        return wrapper

    def silent(self, function: Callable[..., Any]) -> Any:
        """The function, during which nothing is recorded."""

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            before, self.paused = self.paused, True
            try:
                return function(*args, **kwargs)
            finally:
                self.paused = before

        return wrapper

    def product(self, start: int, name: str) -> None:
        """A matrix product ended now."""
        end = perf_counter_ns()
        event = Event(name, PRODUCT, self.open[-1].module if self.open else "", False)
        event.start, event.end = start, end
        self.events.append(event)
        for outer in self.open:
            outer.products += end - start
