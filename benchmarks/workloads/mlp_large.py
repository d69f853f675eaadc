"""What does a step cost where matrix products are nearly all of it? 784-1024-1024-10, batch 256."""

from benchmarks.harness import Bar, Workload

from .perceptron import enter

WORKLOAD = Workload(
    "mlp_large",
    "what does a step of a larger MLP cost, 784-1024-1024-10, batch 256?",
    bars=(Bar("tinygrad_edu", "numpy", 1.06), Bar("tinygrad_edu", "torch", 1.10)),
    steps=8,
    rounds=(25, 2),
    check=5,
    rtol=1e-4,  # as in article
)
enter(WORKLOAD, widths=(784, 1024, 1024, 10), m=256)
