"""What do convolutions of several channels cost? Two of 3 x 3, 16-32-32 channels, 32 x 32, batch 32.

Nothing else of weight: ReLU between them, the mean squared difference from a target, SGD. Here the products
cost what they cost, and copying windows into columns costs as much again.
"""

from __future__ import annotations

from typing import Any

from benchmarks import contenders, floor
from benchmarks.contenders import Task
from benchmarks.harness import Step, Workload, speed

from .by_hand import convolve, filters, of_filters, of_image

LEARNING_RATE = 0.01
BATCH, SIDE = 32, 32
SHAPES = (32, 16, 3, 3), (32, 32, 3, 3)

WORKLOAD = Workload(
    "convolutions",
    "what does a step of two 3 x 3 convolutions cost, 16-32-32 channels, 32 x 32, batch 32?",
    bars=speed(1.8, 1.5, 1.2, floor=2.0),
    steps=4,
    rounds=(40, 4),
    check=10,
    rtol=1e-4,  # as in article
)


def data() -> tuple[Any, Any]:
    import numpy as np

    rng = np.random.default_rng(2)
    return tuple(rng.standard_normal((BATCH, C, SIDE, SIDE), np.float32) for C in (16, 32))  # type: ignore[return-value]


@WORKLOAD.contender("numpy")
def numpy() -> Step:
    import numpy as np

    X, Y = data()
    parameters = filters(*SHAPES)
    W1, b1, W2, b2 = parameters

    def step() -> Any:
        Z1, V1 = convolve(X, W1, b1, 1)
        A1 = np.maximum(Z1, 0, out=Z1)
        Z2, V2 = convolve(A1, W2, b2, 1)
        Z2 -= Y
        L = np.mean(np.square(Z2))
        Z2 *= 2 / Z2.size
        dZ1 = of_image(Z2, W2, 1)
        dZ1 *= A1 > 0
        gradients = [*of_filters(dZ1, V1, W1), *of_filters(Z2, V2, W2)]
        for W, dW in zip(parameters, gradients, strict=True):
            W -= LEARNING_RATE * dW
        return L

    return step


def script(torch: Any, nn: Any) -> tuple[Any, Any]:
    model = nn.Sequential(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1))
    criterion = nn.MSELoss()
    return model.parameters(), lambda X, Y: criterion(model(X), Y)


def cost(xp: Any, parameters: Any, X: Any, Y: Any) -> Any:
    W1, b1, W2, b2 = parameters
    return xp.mean((xp.convolve(xp.relu(xp.convolve(X, W1, b1, 1)), W2, b2, 1) - Y) ** 2)


# autograd: as in lenet
contenders.enter(WORKLOAD, Task(data, lambda: filters(*SHAPES), script, cost, rate=LEARNING_RATE), ("autograd",))
pixels = BATCH * SIDE * SIDE
floor.enter(WORKLOAD, [floor.Linear(pixels, 16 * 9, 32, first=True), floor.Linear(pixels, 32 * 9, 32)])
