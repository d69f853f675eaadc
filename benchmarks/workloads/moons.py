"""What does a step of micrograd's demo cost? 2-16-16-1, ReLU, 100 points on two moons, hinge loss, SGD.

The demo's penalty on the weights is left out. Arrays are small: calls are what costs, and for micrograd scalars.
"""

from __future__ import annotations

from typing import Any

from benchmarks import contenders, floor
from benchmarks.contenders import Task
from benchmarks.harness import Step, Workload, speed

from .data import Array, weights

LEARNING_RATE = 0.1
WIDTHS = 2, 16, 16, 1
M = 100

WORKLOAD = Workload(
    "moons",
    "what does a step of micrograd's demo cost, 2-16-16-1 on 100 points?",
    bars=speed(0.28, 0.15, 0.07, 0.55, hand=0.90),
    steps=300,
    rounds=(40, 6),
    check=20,
    rtol=1e-4,  # as in article
)


def moons() -> tuple[Array, Array]:
    """X (m, 2), two half circles that hold each other, and Y (m, 1) of -1 and 1."""
    import numpy as np

    rng = np.random.default_rng(7)
    angle = np.linspace(0, np.pi, M // 2)
    outer = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    inner = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)
    X = np.concatenate([outer, inner]) + rng.normal(0, 0.1, (M, 2))
    return X.astype(np.float32), np.repeat(np.float32([-1, 1]), M // 2)[:, None]


def script(torch: Any, nn: Any) -> tuple[Any, Any]:
    model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))
    return model.parameters(), lambda X, Y: (1 - Y * model(X)).relu().mean()


def cost(xp: Any, parameters: Any, X: Any, Y: Any) -> Any:
    W1, b1, W2, b2, W3, b3 = parameters
    A2 = xp.relu(xp.linear(xp.relu(xp.linear(X, W1, b1)), W2, b2))
    return xp.mean(xp.relu(1 - Y * xp.linear(A2, W3, b3)))


contenders.enter(WORKLOAD, Task(moons, lambda: weights(*WIDTHS), script, cost, rate=LEARNING_RATE))
floor.enter(WORKLOAD, floor.perceptron(WIDTHS, M))


@WORKLOAD.contender("numpy")
def numpy() -> Step:
    import numpy as np

    (X, Y), parameters = moons(), weights(*WIDTHS)
    W1, b1, W2, b2, W3, b3 = parameters

    def step() -> Any:
        A1 = np.maximum(X @ W1.T + b1, 0)  # (m, 16)
        A2 = np.maximum(A1 @ W2.T + b2, 0)  # (m, 16)
        H = np.maximum(1 - Y * (A2 @ W3.T + b3), 0)  # (m, 1)
        L = np.mean(H)
        dZ3 = (H > 0) * Y * np.float32(-1 / M)
        dW3 = dZ3.T @ A2
        db3 = dZ3.sum(axis=0)
        dZ2 = dZ3 @ W3 * (A2 > 0)
        dW2 = dZ2.T @ A1
        db2 = dZ2.sum(axis=0)
        dZ1 = dZ2 @ W2 * (A1 > 0)
        dW1 = dZ1.T @ X
        db1 = dZ1.sum(axis=0)
        for W, dW in zip(parameters, (dW1, db1, dW2, db2, dW3, db3), strict=True):
            W -= LEARNING_RATE * dW
        return L

    return step


@WORKLOAD.contender("micrograd")
def micrograd() -> Step:
    from micrograd.nn import MLP

    X, Y = (a.tolist() for a in moons())
    parameters = weights(*WIDTHS)
    model = MLP(WIDTHS[0], list(WIDTHS[1:]))
    for layer, W, b in zip(model.layers, parameters[::2], parameters[1::2], strict=True):
        for neuron, row, start in zip(layer.neurons, W.tolist(), b.tolist(), strict=True):
            neuron.b.data = start
            for w, value in zip(neuron.w, row, strict=True):
                w.data = value

    def step() -> Any:
        L = sum((1 - y[0] * model(x)).relu() for x, y in zip(X, Y, strict=True)) * (1 / M)
        model.zero_grad()
        L.backward()
        for p in model.parameters():
            p.data -= LEARNING_RATE * p.grad
        return L.data

    return step
