"""`profile`: put a clock around every primitive, module and optimizer step, for the length of a `with`.

Forwards are wrapped where they are kept (Primitive.forward), and so are Module.__call__, each optimizer's step,
backward's visit of a record and the run of a compiled step; at the end all is as before. So the engine has no line
about profiles, and pays nothing.

A record's index tells in which module it was made: indices come from one clock, which is read whenever a module's
forward begins or ends.
"""

from __future__ import annotations

import bisect
import contextlib
import enum
import functools
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from time import perf_counter_ns
from typing import Any, TypeVar

from ..core import backward as engine
from ..core import symbol
from ..core.primitive import PRIMITIVES
from ..core.record import Record, stamp
from ..nn.module import Module
from ..optim.optimizer import Optimizer
from .events import BACKWARD, FORWARD, MODULE, PROGRAM, UPDATE, USER, Event, Recorder
from .products import Products
from .table import Averages, report

_Function = TypeVar("_Function", bound=Callable[..., Any])

_running: profile | None = None


class ProfilerActivity(enum.Enum):
    """What is watched; there is the CPU only."""

    CPU = 0
    CUDA = 2


class profile:
    """A block whose operations are timed. Operations of other threads are not.

    Args:
        activities, profile_memory, with_stack, with_flops, with_modules: PyTorch's; modules are always told, the
            others have no effect.
        on_trace_ready: called with the profile when the block has ended.
        record_shapes: write the inputs' shapes into the trace.
    Raises:
        RuntimeError: another profile is running.
        NotImplementedError: a schedule is asked for.

    >>> import tinygrad_edu as te
    >>> with profile() as p:
    ...     loss = (te.ones(2, 3, requires_grad=True) @ te.ones(3, 4)).sum()
    ...     loss.backward()
    >>> sorted(row.name for row in p.key_averages())
    ['matmul', 'sum']
    """

    def __init__(
        self,
        activities: Iterable[Any] | None = None,
        *,
        schedule: Any = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
    ) -> None:
        if schedule is not None:
            raise NotImplementedError(
                "profile: schedule= is not supported; put the `with` around the steps that are to be timed."
            )
        self.on_trace_ready = on_trace_ready
        self.recorder = Recorder(record_shapes)
        self.began = self.ended = 0
        self.steps = 0
        self.modules: dict[str, str] = {}  # path: what its repr says, in the order of the first calls
        self._since = 0  # when the present step began
        self._inside: list[str] = []  # paths of the modules whose forward is running
        self._names: dict[int, str] = {}  # id of a module: its path
        self._roots: list[Module] = []  # kept, so that no id is given anew
        self._stamps: list[int] = [0]  # when the innermost module changed ...
        self._paths: list[str] = [""]  # ... and to which
        self._products = Products(self.recorder)
        self._undo = contextlib.ExitStack()

    @property
    def events(self) -> list[Event]:
        return self.recorder.events

    def __enter__(self) -> profile:
        global _running
        if _running is not None:
            raise RuntimeError("profile: another profile is running; only one can be.")
        self.recorder = Recorder(self.recorder.shapes)
        self._products = Products(self.recorder)
        self._undo.callback(self._products.stop)
        try:
            self._products.start()
            self._watch()
        except BaseException:
            self._undo.close()
            raise
        _running = self
        self.began = self._since = perf_counter_ns()
        return self

    def __exit__(self, *error: object) -> None:
        global _running
        self.ended = perf_counter_ns()
        while self.recorder.open:  # labels that were not closed
            self.recorder.finish(self.recorder.open[-1])
        self._undo.close()
        _running = None
        if self.on_trace_ready is not None and error[0] is None:
            self.on_trace_ready(self)

    def step(self) -> None:
        """Say that a training step has ended: the trace shows each, the table divides by their number."""
        now = perf_counter_ns()
        step = Event(f"ProfilerStep#{self.steps}", USER, "", False)
        step.start, step.end, self._since = self._since, now, now
        self.events.append(step)
        self.steps += 1

    def key_averages(self) -> Averages:
        """A row per primitive, and per optimizer's step."""
        return Averages(self.events, self.ended - self.began)

    def table(self, sort_by: str = "total", row_limit: int = 20) -> str:
        """Time per primitive and per module, forward and backward, with the share of matrix products.

        Args:
            sort_by: "total", "forward", "backward", "products" or "calls".
            row_limit: how many primitives at most; the others are added up in one row.
        """
        if not self.ended:
            raise RuntimeError("profile.table: nothing has been measured; call it after the `with` block.")
        return report(self.events, self.ended - self.began, self.modules, self.steps, sort_by, row_limit)

    def export_chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """Write the events as JSON that Perfetto (ui.perfetto.dev) and chrome://tracing open."""
        process: list[dict[str, Any]] = [
            {"ph": "M", "name": "process_name", "pid": 1, "tid": 1, "args": {"name": "tinygrad_edu"}},
            {"ph": "M", "name": "thread_name", "pid": 1, "tid": 1, "args": {"name": "main"}},
        ]
        spans = []
        for event in self.events:
            known = {"module": event.module, "shapes": event.shapes}
            spans.append(
                {
                    "ph": "X",
                    "name": event.name if event.kind != BACKWARD else f"{event.name} backward",
                    "cat": event.kind,
                    "ts": (event.start - self.began) / 1e3,  # us
                    "dur": event.time / 1e3,
                    "pid": 1,
                    "tid": 1,
                    "args": {key: value for key, value in known.items() if value},
                }
            )
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"traceEvents": process + spans, "displayTimeUnit": "ms"}, file)

    # --- what is watched

    def _watch(self) -> None:
        record = self.recorder
        for primitive in PRIMITIVES.values():
            self._replace(primitive, "forward", record.timed(primitive.name, FORWARD, primitive.forward, self._here))
        for kind in _subclasses(Optimizer):
            if "step" in vars(kind):
                self._replace(kind, "step", self._updating(kind.step))
        self._replace(Module, "__call__", self._calling(Module.__call__))
        self._replace(engine, "_visit", self._visiting(engine._visit))
        written = sys.modules.get("tinygrad_edu.compiler.written")
        if written is not None:  # else nothing has been compiled
            self._replace(written.Written, "run", self._running(written.Written.run))
        self._replace(symbol, "infer", record.silent(symbol.infer))  # it runs forwards for their shapes alone

    def _replace(self, holder: Any, name: str, value: Any) -> None:
        self._undo.callback(setattr, holder, name, vars(holder)[name])
        setattr(holder, name, value)

    def _here(self) -> str:
        return self._inside[-1] if self._inside else ""

    def _visiting(self, visit: Callable[..., Any]) -> Callable[..., Any]:
        def visited(record: Record, *rest: Any) -> None:
            recorder = self.recorder
            if not recorder.here():
                visit(record, *rest)
                return
            assert record.primitive is not None
            path = self._paths[bisect.bisect_right(self._stamps, record.index) - 1]
            event = recorder.begin(record.primitive.name, BACKWARD, path)
            if recorder.shapes:
                event.shapes = [list(getattr(x, "shape", ())) for x in record.inputs]
            try:
                visit(record, *rest)
            finally:
                recorder.finish(event)

        return visited

    def _calling(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def called(module: Module, *args: Any, **kwargs: Any) -> Any:
            if not self.recorder.here():
                return call(module, *args, **kwargs)
            path = self._path(module)
            self._inside.append(path)
            self._stamps.append(stamp())
            self._paths.append(path)
            event = self.recorder.begin(path, MODULE, path)
            try:
                return call(module, *args, **kwargs)
            finally:
                self.recorder.finish(event)
                self._inside.pop()
                self._stamps.append(stamp())
                self._paths.append(self._here())

        return called

    def _path(self, module: Module) -> str:
        """`Sequential.0`: the class of the model that was called, then the names of its parts."""
        path = self._names.get(id(module))
        if path is None:
            above, kind = self._here(), type(module).__name__
            path = root = f"{above}.{kind}" if above else kind  # not a part of what calls it
            count = 1
            while path in self.modules:
                count += 1
                path = f"{root} ({count})"
            self._roots.append(module)
            for name, part in module.named_modules(prefix=path):
                self._names.setdefault(id(part), name)
                own = repr(part) if not any(True for _ in part.children()) else type(part).__name__
                self.modules.setdefault(self._names[id(part)], own)
            path = self._names[id(module)]
        return path

    def _updating(self, step: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(step)
        def updated(optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
            recorder = self.recorder
            if not recorder.here():
                return step(optimizer, *args, **kwargs)
            event = recorder.begin(f"{type(optimizer).__name__}.step", UPDATE, "")
            try:
                return step(optimizer, *args, **kwargs)
            finally:
                recorder.finish(event)

        return updated

    def _running(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """A compiled step is one event; the products of its program are seen as those of rules are."""
        watched = set()

        @functools.wraps(run)
        def ran(written: Any, given: Any) -> Any:
            recorder = self.recorder
            if not recorder.here():
                return run(written, given)
            if written not in watched:
                watched.add(written)
                self._products.watch(written._function, written.source)
            event = recorder.begin(f"compiled {written.name}", PROGRAM, self._here())
            try:
                return run(written, given)
            finally:
                recorder.finish(event)

        return ran


class record_function(contextlib.ContextDecorator):
    """A name for a part of the program, in the trace: `with record_function("loss"): ...`, or a decorator."""

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name
        self._open: list[tuple[Recorder, Event]] = []

    def __enter__(self) -> record_function:
        if _running is not None and _running.recorder.here():
            recorder = _running.recorder
            self._open.append((recorder, recorder.begin(self.name, USER, _running._here())))
        return self

    def __exit__(self, *_: object) -> None:
        if self._open:
            recorder, event = self._open.pop()
            if event in recorder.open:  # else the profile has ended before, and it with it
                recorder.finish(event)


def _subclasses(kind: Any) -> Iterator[Any]:
    yield kind
    for below in kind.__subclasses__():
        yield from _subclasses(below)
