"""What a step must not ask while it is traced: the clock, files and what else the operating system knows, dice that no
generator of ours throws, a text of Python that its code does not show.

A program would go on with the answer of that one time. Python tells a profiler of every C function that
it calls, however the step has come by it, so that is where such a call is seen.
"""

from __future__ import annotations

import builtins
import datetime
import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...core.errors import TraceError
from ...core.record import is_internal
from ...symbolic.blame import of_library

CLOCKS = {getattr(time, name) for name in dir(time) if name.endswith(("time", "time_ns", "counter", "counter_ns",
          "monotonic", "monotonic_ns")) and callable(getattr(time, name))}  # fmt: skip
# What these read has no part in what is computed
QUIET = ("importlib", "inspect", "linecache", "logging", "tokenize", "traceback", "warnings")


@contextmanager
def refused(trace: Any) -> Iterator[None]:
    """Refuse such calls, naming the line. Not under a profiler: Python has room for one only."""

    def look(frame: Any, event: str, function: Any) -> None:
        if event != "c_call":
            return
        what = _asked(function, frame)
        if not what:
            return
        while frame is not None and of_library(frame.f_globals.get("__name__")):
            if is_internal(frame.f_code.co_filename) or frame.f_globals["__name__"].partition(".")[0] in QUIET:
                return
            frame = frame.f_back
        if frame is not None:
            line = f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
            trace.refused = TraceError(
                f"{line}: the step {what} while it is traced; a program would go on with that one answer. "
                "Ask outside of the step, and pass what comes of it as an argument."
            )
            raise trace.refused

    if sys.getprofile() is not None:
        yield
        return
    sys.setprofile(look)
    try:
        yield
    finally:
        sys.setprofile(None)


def _asked(function: Any, frame: Any) -> str:
    """What a C function asks of the world outside, in words."""
    owner = getattr(function, "__self__", None)
    if function in CLOCKS or (isinstance(owner, type) and issubclass(owner, datetime.date)):
        asks = function in CLOCKS or function.__name__ in ("now", "today", "utcnow")
        return "reads the clock" if asks and not of_library(frame.f_globals.get("__name__")) else ""
    if function is builtins.eval or function is builtins.exec:
        return "" if of_library(frame.f_globals.get("__name__")) else f"calls {function.__name__}()"
    if function is builtins.open:
        return "opens a file"
    if function is os.urandom or isinstance(owner, random.Random):
        return "throws Python's dice"
    system = getattr(function, "__module__", None) == os.name and function is not os.fspath  # it is posix's, or nt's
    return f"asks the operating system ({function.__name__})" if system else ""
