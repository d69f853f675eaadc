"""How does the cost of a step grow with the batch, the width, the depth, and the number of operations?

`python -m benchmarks growth` runs it. A contender has a process for each size, one running at a time, and is left
out of larger sizes once a step or its compiling takes too long; the floor of what is measured is one step.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import contenders
from .harness import PAUSE, Worker, Workload, in_order, is_present
from .workloads import chain, perceptron

QUESTIONS = {
    "batch": ("batch of a 784-128-10 MLP", (1, 4, 16, 64, 256, 1024, 4096)),
    "width": ("width of three layers, batch 64", (16, 64, 256, 1024, 2048)),
    "depth": ("layers of width 32, batch 32", (1, 10, 100, 1000)),
    "operations": ("operations on ten elements, in a chain", (10, 100, 1_000, 10_000, 100_000, 1_000_000)),
}
SKIPPED = ("tinygrad_edu numba", "torch compiled", "tinygrad")  # minutes of compiling at every size
TOO_LONG = 60.0  # seconds of a first call, after which a contender has had its last size
ENOUGH = 0.6  # seconds of steps per size


def _workload(question: str, size: int) -> Workload:
    found = Workload(f"growth:{question} {size}", QUESTIONS[question][0])
    if question == "operations":
        contenders.enter(found, chain.task(size // 2), SKIPPED)
        found.contender("numpy")(functools.partial(chain.numpy, size // 2))
        return found
    widths, m = {
        "batch": ((784, 128, 10), size),
        "width": ((size, size, size, 10), 64),
        "depth": ((*[32] * (size + 1), 10), 32),
    }[question]
    task = perceptron.task(widths, m)
    contenders.enter(found, task, SKIPPED)
    found.contender("numpy")(functools.partial(perceptron.numpy, task, "relu"))
    return found


WORKLOADS = {
    f"{question} {size}": _workload(question, size) for question, (_, sizes) in QUESTIONS.items() for size in sizes
}


def run(question: str, quick: bool = False, without: Sequence[str] = ()) -> dict[str, Any]:
    """Medians of one question: `points` of each contender, and why its last size was its last."""
    text, sizes = QUESTIONS[question]
    sizes = sizes[:-1:2] if quick else sizes
    result: dict[str, Any] = {"question": text, "points": {}, "first": {}, "ended": {}}
    for size in sizes:
        workload = WORKLOADS[f"{question} {size}"]
        for name in in_order(workload.contenders):
            if name in result["ended"] or name in without:
                continue
            if not is_present(name):
                result["ended"][name] = "not installed"
                continue
            time.sleep(PAUSE)
            with Worker(workload.name, name, 3 * TOO_LONG) as worker:
                try:
                    known = worker.ask("start", collector=True)
                    if "absent" not in known:
                        known |= worker.ask("losses", steps=1)
                    if "absent" not in known:
                        known |= worker.ask("run", steps=200, warm=1, longest=ENOUGH / 4 if quick else ENOUGH)
                except RuntimeError as error:  # a peer that recurses ends its process at some depth
                    known = {"absent": str(error).split(";")[0]}
            if "absent" in known:
                result["ended"][name] = f"at {size:,}: {known['absent']}"
                continue
            result["points"].setdefault(name, []).append([size, float(np.median(known["samples"]))])
            result["first"].setdefault(name, []).append([size, known["first_call_s"]])
            if known["first_call_s"] > TOO_LONG:
                result["ended"][name] = f"at {size:,} the first call took {known['first_call_s']:.0f} s"
    return result
