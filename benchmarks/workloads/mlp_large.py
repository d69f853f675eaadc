"""What does a step cost where matrix products are nearly all of it? 784-1024-1024-10, batch 256.

The first call of a compiled step says how long tracing and emitting take, one step included.
"""

from benchmarks.harness import COMPILED, OURS, Bar, Workload, speed

from .perceptron import enter

WORKLOAD = Workload(
    "mlp_large",
    "what does a step of a larger MLP cost, 784-1024-1024-10, batch 256?",
    bars=(
        Bar(OURS, "numpy", 1.06),
        *speed(1.03, 0.88, jax=1.2, floor=1.12),
        Bar(COMPILED, "", 0.2, "first_call_s"),
    ),
    steps=8,
    rounds=(25, 2),
    check=5,
    rtol=1e-4,  # as in article
)
enter(WORKLOAD, widths=(784, 1024, 1024, 10), m=256)
