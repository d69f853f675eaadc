"""What does a step of MNIST's usual first network cost? 784-128-10, batch 64.

Calls and matrix products cost about the same here.
"""

from benchmarks.harness import OURS, Bar, Workload, speed

from .perceptron import enter

WORKLOAD = Workload(
    "mlp",
    "what does a step of an MLP cost, 784-128-10, batch 64?",
    bars=(Bar(OURS, "numpy", 1.20), *speed(0.70, 0.58, jax=0.78, hand=0.95, floor=1.3)),
    steps=100,
    rounds=(40, 5),
    check=20,
    rtol=1e-4,  # as in article
)
enter(WORKLOAD, widths=(784, 128, 10), m=64)
