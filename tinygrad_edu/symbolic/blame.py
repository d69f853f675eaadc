"""Which line of a step it was: found by running it once more, and looking after each line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from ..core.record import is_internal


class _Found(BaseException):
    """Ends the run."""


def line_that(run: Callable[[], Any], changed: Callable[[], bool]) -> str:
    """`train.py:12: ` for the line of the user's after which something has changed; empty if that can't be told."""
    last = ""

    def look(frame: Any, event: str, _: Any) -> Any:
        nonlocal last
        if is_internal(frame.f_code.co_filename) or frame.f_code.co_filename.startswith("<"):
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
