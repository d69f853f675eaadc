"""What does a training step of the article's network cost?

2-4-1, tanh then sigmoid, binary cross-entropy on 400 points, full batch, SGD. The arrays are so small
that calls are what costs. Rows are samples, as in nn; by hand there are both layouts, since NumPy
adds a bias to a column faster. Each contender computes the loss as well, like a loop that prints it.
"""

from __future__ import annotations

from typing import Any

from benchmarks import contenders, floor
from benchmarks.contenders import Task
from benchmarks.harness import OURS, Bar, Step, Workload, speed

from .data import petals, weights

LEARNING_RATE = 1.2  # the article's
WIDTHS = 2, 4, 1

WORKLOAD = Workload(
    "article",
    "what does a step of the article's network cost, 2-4-1, m = 400?",
    bars=(Bar(OURS, "numpy", 1.8), *speed(0.26, 0.16, 0.08, 0.60, 0.28, hand=0.90)),
    steps=300,
    rounds=(40, 6),
    check=20,
    rtol=1e-4,  # float32 has 6e-8, and 20 steps of sums in different orders follow one another
)


def script(torch: Any, nn: Any) -> tuple[Any, Any]:
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1), nn.Sigmoid())
    criterion = nn.BCELoss()
    return model.parameters(), lambda X, Y: criterion(model(X), Y)


def cost(xp: Any, parameters: Any, X: Any, Y: Any) -> Any:
    W1, b1, W2, b2 = parameters
    A2 = xp.sigmoid(xp.linear(xp.tanh(xp.linear(X, W1, b1)), W2, b2))
    return -xp.mean(Y * xp.log(A2) + (1 - Y) * xp.log(1 - A2))


contenders.enter(WORKLOAD, Task(petals, lambda: weights(*WIDTHS), script, cost, rate=LEARNING_RATE))
floor.enter(WORKLOAD, floor.perceptron(WIDTHS, 400))


@WORKLOAD.contender("numpy")
def numpy() -> Step:
    import numpy as np

    (X, Y), (W1, b1, W2, b2) = petals(), weights(*WIDTHS)
    m = len(X)

    def step() -> Any:
        A1 = np.tanh(X @ W1.T + b1)  # (m, 4)
        A2 = 1 / (1 + np.exp(-(A1 @ W2.T + b2)))  # (m, 1)
        L = -np.mean(Y * np.log(A2) + (1 - Y) * np.log(1 - A2))
        dZ2 = (A2 - Y) / m
        dW2 = dZ2.T @ A1
        db2 = dZ2.sum(axis=0)
        dZ1 = dZ2 @ W2 * (1 - A1 * A1)
        dW1 = dZ1.T @ X
        db1 = dZ1.sum(axis=0)
        for W, dW in (W1, dW1), (b1, db1), (W2, dW2), (b2, db2):
            W -= LEARNING_RATE * dW
        return L

    return step


@WORKLOAD.contender("numpy columns")
def numpy_columns() -> Step:
    import numpy as np

    X, Y = (np.ascontiguousarray(a.T) for a in petals())
    W1, b1, W2, b2 = (np.ascontiguousarray(np.atleast_2d(p).T) for p in weights(*WIDTHS))
    m = X.shape[1]

    def step() -> Any:
        A1 = np.tanh(W1.T @ X + b1)  # (4, m)
        A2 = 1 / (1 + np.exp(-(W2.T @ A1 + b2)))  # (1, m)
        L = -np.mean(Y * np.log(A2) + (1 - Y) * np.log(1 - A2))
        dZ2 = (A2 - Y) / m
        dW2 = A1 @ dZ2.T
        db2 = dZ2.sum(axis=1, keepdims=True)
        dZ1 = W2 @ dZ2 * (1 - A1 * A1)
        dW1 = X @ dZ1.T
        db1 = dZ1.sum(axis=1, keepdims=True)
        for W, dW in (W1, dW1), (b1, db1), (W2, dW2), (b2, db2):
            W -= LEARNING_RATE * dW
        return L

    return step
