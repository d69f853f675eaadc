"""Which line of a step it was: found by running it once more, and looking after each line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

_LIBRARIES = sys.stdlib_module_names | {"builtins", "numpy", "tinygrad_edu"}


def of_library(module: Any) -> bool:
    """Whether a module is Python's, NumPy's or ours: what it holds does not change."""
    return str(module).partition(".")[0] in _LIBRARIES


class _Found(BaseException):
    """Ends the run."""


def line_of_step(step: Any) -> str:
    """`train.py:12: ` for where a step is written; empty if it is not Python's."""
    step = getattr(step, "func", step)  # of functools.partial
    called = getattr(step, "forward", step)
    code = getattr(called, "__code__", None) or getattr(type(called).__call__, "__code__", None)
    return "" if code is None else f"{os.path.basename(code.co_filename)}:{code.co_firstlineno}: "


def line_that(run: Callable[[], Any], changed: Callable[[], bool]) -> str:
    """`train.py:12: ` for the line of the user's after which something has changed; empty if that can't be told."""
    last = ""

    def look(frame: Any, event: str, _: Any) -> Any:
        nonlocal last
        written = frame.f_code.co_filename == "<string>"  # by dataclasses, a namedtuple, a guard
        if written or of_library(frame.f_globals.get("__name__")):
            return None
        if last and changed():
            raise _Found
        if event != "return":
            last = f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}: "
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        run()
    except _Found:
        return last
    except Exception:
        return ""
    finally:
        sys.settrace(before)
    return last if changed() else ""
