"""What differs from thread to thread: whether operations are recorded, and the trace that runs."""

from __future__ import annotations

import threading
from typing import Any


class Mode(threading.local):
    """One per thread, so that an evaluation thread under `no_grad` never stops a training thread."""

    grad: bool = True
    keep: bool = False  # graphs keep their numbers (viz.keep, core.kept)
    anomaly: bool = False  # look for the first nan or infinity (core.anomaly)
    dry: bool = False  # operations run on zeros for their layouts alone: no check of values
    trace: Any = None  # symbolic.trace.Trace while a step is being traced, else None


mode = Mode()
