"""What does a step of Adam add? MNIST's usual first network, 784-128-10, batch 64.

Adam reads and writes three arrays of 101,770 numbers besides the weights: here the passes over memory count.
"""

from benchmarks.harness import Workload, speed

from .perceptron import enter

WORKLOAD = Workload(
    "adam",
    "what does a step of an MLP cost with Adam, 784-128-10, batch 64?",
    bars=speed(0.55, 0.42, jax=0.95),
    steps=100,
    rounds=(40, 5),
    check=20,
    rtol=1e-3,  # as in mlp, and Adam divides by the gradients' size, so small ones count as much as large
)
enter(WORKLOAD, widths=(784, 128, 10), m=64, rule="Adam")
