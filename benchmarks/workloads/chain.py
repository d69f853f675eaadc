"""What does one small operation cost, recorded and differentiated? 1,000 of them in a chain.

Ten elements each: nothing but the engine's own work, per operation, is in these figures.
"""

from __future__ import annotations

from typing import Any

from benchmarks import contenders
from benchmarks.contenders import Task
from benchmarks.harness import Step, Workload, speed

PAIRS = 500  # of a multiplication and an addition

WORKLOAD = Workload(
    "chain",
    "what do 1,000 operations on ten elements cost, forward and backward?",
    bars=speed(0.60, 0.20),
    steps=10,
    rounds=(40, 5),
    check=1,
    rtol=1e-5,  # 1,000 float32 operations in one order; the last sum's order differs
)


def task(pairs: int) -> Task:
    """So many multiplications and additions."""

    def of(x: Any) -> Any:
        for _ in range(pairs):
            x = x * 0.999
            x = x + 0.001
        return x.sum()

    def script(torch: Any, nn: Any) -> tuple[Any, Any]:
        x = torch.ones(10, requires_grad=True)
        return [x], lambda: of(x)

    def ones() -> list[Any]:
        import numpy as np

        return [np.ones(10, np.float32)]

    return Task(tuple, ones, script, lambda xp, parameters: of(parameters[0]), rule="")


contenders.enter(WORKLOAD, task(PAIRS), ("tinygrad",))  # its scheduler does not come to an end in 9 minutes


@WORKLOAD.contender("numpy")
def numpy(pairs: int = PAIRS) -> Step:
    import numpy as np

    x = np.ones(10, np.float32)

    def step() -> Any:
        y = x
        for _ in range(pairs):
            y = y * 0.999
            y = y + 0.001
        L = y.sum()
        dy = np.ones_like(y)
        for _ in range(pairs):
            dy = dy * 0.999
        return L

    return step


@WORKLOAD.contender("micrograd")
def micrograd() -> Step:
    """Ten chains of scalars, since it knows no arrays; its search of the graph recurses."""
    import sys

    from micrograd.engine import Value

    sys.setrecursionlimit(20 * PAIRS)

    def step() -> Any:
        L = Value(0)
        for x in [Value(1.0) for _ in range(10)]:
            for _ in range(PAIRS):
                x = x * 0.999
                x = x + 0.001
            L = L + x
        L.backward()
        return L.data

    return step
