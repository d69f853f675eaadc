"""The process of one contender: waits for a command on stdin, obeys, answers with a line of JSON.

It computes only between a command and its answer, so the harness, which asks one worker at a time,
decides who has the machine. NumPy and the standard library alone are imported before the first command,
and then only what the contender itself imports.
"""

from __future__ import annotations

import ctypes
import gc
import glob
import importlib.metadata
import json
import os
import sys
from time import perf_counter
from typing import Any

from .harness import Absent, find

CLEAR_PEAK = "5"  # written to /proc/self/clear_refs, it sets the peak resident size back to the present one


class Contender:
    """One way of doing a workload: its step, and what is asked about it."""

    def __init__(self, workload: str, name: str) -> None:
        self.workload, self.name = workload, name
        self.module = name.split()[0]  # "numpy columns" needs numpy
        self.step: Any = None
        # what goes wrong inside of a library is told in the table; what goes wrong here stops the run
        self.excused = Absent if self.module == "numpy" else Exception

    def start(self, collector: bool, workload: str = "") -> dict[str, Any]:
        """Import, make data and weights, and say what is running; for another workload, if one is named."""
        self.workload = workload or self.workload
        self.step = None  # what it held is let go
        (gc.enable if collector else gc.disable)()
        build = find(self.workload).contenders[self.name]
        began = perf_counter()
        try:
            self.step = build()
        except self.excused as reason:
            return absence(reason)
        return {"setup_s": perf_counter() - began, "version": version(self.module), "threads": threads()}

    def losses(self, steps: int) -> dict[str, Any]:
        """The losses of the first steps: equal for all contenders, or they don't compute the same thing.

        The first call, which compiles where that is done, is timed; the floor has no loss.
        """
        began = perf_counter()
        try:
            loss = self.step()
        except self.excused as reason:
            return absence(reason)
        first = {"first_call_s": perf_counter() - began}
        if loss is None:
            return first
        # each is read at once: what a compiled step returns may be overwritten by the next
        return first | {"losses": [number(loss), *(number(self.step()) for _ in range(steps - 1))]}

    def run(self, steps: int, warm: int, longest: float) -> dict[str, Any]:
        """The time of each step, after some that wake threads and caches; fewer steps if `longest` s have passed."""
        loss = None  # kept until the next step replaces it, as in a training loop
        end = perf_counter() + longest
        for _ in range(warm):
            loss = self.step()
            if perf_counter() > end:
                break
        times = []
        for _ in range(steps):
            began = perf_counter()
            loss = self.step()
            now = perf_counter()
            times.append(now - began)
            if now > end:
                break
        del loss
        return {"samples": times}

    def memory(self, steps: int) -> dict[str, Any]:
        """Bytes by which the resident size exceeds what it was before the first step, at most."""
        gc.collect()
        give_back()
        if os.path.exists("/proc/self/clear_refs"):
            with open("/proc/self/clear_refs", "w") as file:
                file.write(CLEAR_PEAK)
        before = resident("VmRSS")
        loss = None
        try:
            for _ in range(steps):
                loss = self.step()
        except self.excused as reason:
            return absence(reason)
        return {"samples": [float(resident("VmHWM") - before)], "losses": [number(loss)]}


def absence(reason: Exception) -> dict[str, str]:
    first = (str(reason).strip() or type(reason).__name__).splitlines()[0]
    return {"absent": first if isinstance(reason, Absent) else f"failed with {type(reason).__name__}: {first[:80]}"}


def give_back() -> None:
    """Return freed memory to the system: what set-up let go would hide as much of the step's need."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)


def number(loss: Any) -> float:
    """A loss of any library as a Python number; PyTorch warns of float() on what requires a gradient."""
    return float(loss.item() if hasattr(loss, "item") else loss)


def resident(field: str) -> int:
    """VmRSS, the resident size now, or VmHWM, its peak, in bytes; without /proc the peak in either case."""
    if not os.path.exists("/proc/self/status"):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(field))


def version(module: str) -> str:
    try:
        return importlib.metadata.version(module)
    except importlib.metadata.PackageNotFoundError:
        return "?"


def threads() -> dict[str, int]:
    """How many threads each library that is loaded here will compute with."""
    found = {}
    if "torch" in sys.modules:
        found["torch"] = sys.modules["torch"].get_num_threads()
    if "jax" in sys.modules:
        found["XLA"] = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if "numpy" in sys.modules:
        folder = os.path.dirname(sys.modules["numpy"].__file__ or "")
        for path in glob.glob(os.path.join(folder, "..", "numpy.libs", "*openblas*")):
            count = getattr(ctypes.CDLL(path), "scipy_openblas_get_num_threads64_", None)
            if count is not None:
                found["OpenBLAS"] = count()
    return found


def main(workload: str, name: str) -> None:
    contender = Contender(workload, name)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not stand between the answers
    for line in sys.stdin:
        command = json.loads(line)
        answer = getattr(contender, command.pop("do"))(**command)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    os._exit(0)  # at once: some libraries take a second to end


if __name__ == "__main__":
    main(*sys.argv[1:])
