"""What does a step cost between overhead and products? 64-256-256-256-16, tanh, batch 128."""

from benchmarks.harness import Workload, speed

from .perceptron import enter

WORKLOAD = Workload(
    "mlp_tanh",
    "what does a step of an MLP with tanh cost, 64-256-256-256-16, batch 128?",
    bars=speed(0.95, 0.85, jax=0.98, hand=0.85),
    steps=40,
    rounds=(40, 4),
    check=20,
    rtol=1e-4,  # as in article
)
enter(WORKLOAD, widths=(64, 256, 256, 256, 16), m=128, activation="tanh")
