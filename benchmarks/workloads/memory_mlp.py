"""How much memory does a step of a larger MLP need, 784-1024-1024-10, batch 256? Measured as in memory."""

from benchmarks.harness import Workload, speed

from .perceptron import enter

WORKLOAD = Workload(
    "memory_mlp",
    "how much memory does a step of a larger MLP need, 784-1024-1024-10, batch 256?",
    bars=speed(0.8, 0.6),
    steps=5,
    rounds=(5, 1),
    rtol=1e-4,  # as in article
    unit="bytes",
)
enter(WORKLOAD, widths=(784, 1024, 1024, 10), m=256)
del WORKLOAD.contenders["numpy floor"]  # it is a time
