"""How much memory does a training step need beyond what is there before it?

20 layers of 512 with ReLU, batch 256, mean squared error, SGD. Measured: the peak resident size of the
process less its resident size after import, set-up and one small matrix product. `.grad` is None at
the start of each step. By hand, what the backward pass has used is let go and each gradient lives until
its update alone, which is the least that a step needs without recomputing. Where a step is compiled, the
compiler runs within the measured steps and its memory counts, as it does for a user.
"""

from __future__ import annotations

from typing import Any

from benchmarks import contenders
from benchmarks.contenders import Task
from benchmarks.harness import Step, Workload, speed

from .data import Array, weights

WIDTH, DEPTH, BATCH = 512, 20, 256
LEARNING_RATE = 0.01

WORKLOAD = Workload(
    "memory",
    "how much memory does a step of 20 layers of 512 need, batch 256?",
    bars=speed(0.8, 0.6),
    steps=5,
    rounds=(5, 1),
    rtol=1e-4,  # as in article
    unit="bytes",
)


def data() -> tuple[Array, Array]:
    import numpy as np

    rng = np.random.default_rng(4)
    return tuple(rng.standard_normal((2, BATCH, WIDTH), np.float32))  # type: ignore[return-value]


@WORKLOAD.contender("numpy")
def numpy() -> Step:
    import numpy as np

    X, Y = data()
    parameters = weights(*[WIDTH] * (DEPTH + 1))
    Ws, bs = parameters[0::2], parameters[1::2]
    np.ones((8, 8), np.float32) @ np.ones((8, 8), np.float32)

    def step() -> Any:
        A = [X]
        for W, b in zip(Ws, bs, strict=True):
            Z = A[-1] @ W.T
            Z += b
            A.append(np.maximum(Z, 0, out=Z))
        dA = A[-1] - Y
        L = np.mean(dA * dA)
        dA *= 2 / dA.size
        for i in range(DEPTH - 1, -1, -1):
            dA *= A.pop() > 0
            dW = dA.T @ A[i]
            db = dA.sum(axis=0)
            if i:
                dA = dA @ Ws[i]
            dW *= LEARNING_RATE
            Ws[i] -= dW
            bs[i] -= LEARNING_RATE * db
        return L

    return step


def script(torch: Any, nn: Any) -> tuple[Any, Any]:
    layers = []
    for _ in range(DEPTH):
        layers += [nn.Linear(WIDTH, WIDTH), nn.ReLU()]
    model, criterion = nn.Sequential(*layers), nn.MSELoss()
    return model.parameters(), lambda X, Y: criterion(model(X), Y)


def cost(xp: Any, parameters: Any, X: Any, Y: Any) -> Any:
    for W, b in zip(parameters[::2], parameters[1::2], strict=True):
        X = xp.relu(xp.linear(X, W, b))
    return xp.mean((X - Y) ** 2)


contenders.enter(WORKLOAD, Task(data, lambda: weights(*[WIDTH] * (DEPTH + 1)), script, cost, rate=LEARNING_RATE))
