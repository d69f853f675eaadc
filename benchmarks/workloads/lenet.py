"""What does a step of the classic first convolutional network cost? LeNet-5-like, 28 x 28, batch 64.

Two convolutions, 5 x 5, with ReLU and max-pooling, then 400-120-84-10; cross-entropy, SGD. By hand in NumPy
the windows are copied into columns, which the gradient of W uses again.
Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition", section II, with ReLU and
max-pooling for its sigmoids and averages.
"""

from __future__ import annotations

from typing import Any

from benchmarks import contenders, floor
from benchmarks.contenders import Task
from benchmarks.harness import Step, Workload, speed

from .by_hand import convolve, cross_entropy, filters, halve, of_filters, of_halved, of_image
from .data import images

LEARNING_RATE = 0.01
BATCH = 64
SHAPES = (6, 1, 5, 5), (16, 6, 5, 5), (120, 400), (84, 120), (10, 84)

WORKLOAD = Workload(
    "lenet",
    "what does a step of a LeNet-5-like network cost, 28 x 28, batch 64?",
    bars=speed(1.2, 1.0, 0.8),
    steps=20,
    rounds=(40, 5),
    check=20,
    rtol=1e-4,  # as in article
)


def data() -> tuple[Any, Any]:
    X, labels = images(BATCH, 28 * 28, 10)
    return X.reshape(BATCH, 1, 28, 28), labels


@WORKLOAD.contender("numpy")
def numpy() -> Step:
    import numpy as np

    X, labels = data()
    parameters = filters(*SHAPES)
    W1, b1, W2, b2, W3, b3, W4, b4, W5, b5 = parameters
    rows = np.arange(BATCH)

    def step() -> Any:
        Z1, V1 = convolve(X, W1, b1, 2)  # (N, 6, 28, 28)
        A1 = np.maximum(Z1, 0, out=Z1)
        P1, largest1 = halve(A1)  # (N, 6, 14, 14)
        Z2, V2 = convolve(P1, W2, b2, 0)  # (N, 16, 10, 10)
        A2 = np.maximum(Z2, 0, out=Z2)
        P2, largest2 = halve(A2)  # (N, 16, 5, 5)
        F = P2.reshape(BATCH, 400)
        A3 = np.maximum(F @ W3.T + b3, 0)
        A4 = np.maximum(A3 @ W4.T + b4, 0)
        Z = A4 @ W5.T + b5
        L, dZ = cross_entropy(Z, labels, rows)
        gradients = [dZ.T @ A4, dZ.sum(axis=0)]
        dZ = (dZ @ W5) * (A4 > 0)
        gradients = [dZ.T @ A3, dZ.sum(axis=0), *gradients]
        dZ = (dZ @ W4) * (A3 > 0)
        gradients = [dZ.T @ F, dZ.sum(axis=0), *gradients]
        dZ2 = of_halved((dZ @ W3).reshape(P2.shape), largest2, A2.shape) * (A2 > 0)
        gradients = [*of_filters(dZ2, V2, W2), *gradients]
        dZ1 = of_halved(of_image(dZ2, W2, 0), largest1, A1.shape) * (A1 > 0)
        gradients = [*of_filters(dZ1, V1, W1), *gradients]
        for W, dW in zip(parameters, gradients, strict=True):
            W -= LEARNING_RATE * dW
        return L

    return step


def script(torch: Any, nn: Any) -> tuple[Any, Any]:
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    criterion = nn.CrossEntropyLoss()
    return model.parameters(), lambda X, labels: criterion(model(X), labels)


def cost(xp: Any, parameters: Any, X: Any, labels: Any) -> Any:
    W1, b1, W2, b2, W3, b3, W4, b4, W5, b5 = parameters
    A = xp.halve(xp.relu(xp.convolve(X, W1, b1, 2)))
    A = xp.halve(xp.relu(xp.convolve(A, W2, b2, 0))).reshape(BATCH, -1)
    A = xp.relu(xp.linear(xp.relu(xp.linear(A, W3, b3)), W4, b4))
    return xp.cross_entropy(xp.linear(A, W5, b5), labels)


# autograd's convolution, from its scipy module, takes seconds a step
contenders.enter(WORKLOAD, Task(data, lambda: filters(*SHAPES), script, cost, rate=LEARNING_RATE), ("autograd",))
floor.enter(
    WORKLOAD,
    [
        floor.Linear(BATCH * 28 * 28, 25, 6, first=True),
        floor.Linear(BATCH * 10 * 10, 150, 16),
        *(floor.Linear(BATCH, k, n) for n, k in SHAPES[2:]),  # type: ignore[misc]
    ],
)
