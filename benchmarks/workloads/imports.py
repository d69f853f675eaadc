"""How long does `import tinygrad_edu` take, beside `import numpy`, in a fresh interpreter?"""

from __future__ import annotations

from benchmarks.harness import Bar, Step, Workload

WORKLOAD = Workload(
    "imports",
    "how long does the import take, in a fresh interpreter?",
    bars=(Bar("tinygrad_edu", "numpy", 2.0),),
    rounds=(30, 5),
    unit="import",
)


def no_step() -> Step:
    """Nothing is built: the harness imports the contender's module by its name."""
    raise NotImplementedError


WORKLOAD.contenders = {"numpy": no_step, "tinygrad_edu": no_step}
