"""What does a step of a residual MLP cost? 64, four blocks X + V relu(W X + b) + c of width 256, 10; batch 128.

Every block's input goes two ways, so its gradient is a sum of two. Cross-entropy, SGD.
"""

from __future__ import annotations

from typing import Any

from benchmarks import contenders, floor
from benchmarks.contenders import Task
from benchmarks.harness import Step, Workload, speed

from .by_hand import cross_entropy
from .data import images, weights

N_IN, WIDTH, N_OUT, BLOCKS, M = 64, 256, 10, 4, 128
WIDTHS = N_IN, *[WIDTH] * (2 * BLOCKS + 1), N_OUT
LEARNING_RATE = 0.01

WORKLOAD = Workload(
    "residual",
    "what does a step of a residual MLP cost, 64, 4 blocks of 256, 10, batch 128?",
    bars=speed(0.95, 0.85),  # mlp_tanh's, which is nearest
    steps=20,
    rounds=(30, 3),
    check=20,
    rtol=1e-4,  # as in article
)


def script(torch: Any, nn: Any) -> tuple[Any, Any]:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.outer = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

        def forward(self, X: Any) -> Any:
            return X + self.outer(torch.relu(self.inner(X)))

    model = nn.Sequential(nn.Linear(N_IN, WIDTH), *(Block() for _ in range(BLOCKS)), nn.Linear(WIDTH, N_OUT))
    criterion = nn.CrossEntropyLoss()
    return model.parameters(), lambda X, labels: criterion(model(X), labels)


def cost(xp: Any, parameters: Any, X: Any, labels: Any) -> Any:
    X = xp.linear(X, *parameters[:2])
    for i in range(2, len(parameters) - 2, 4):
        W, b, V, c = parameters[i : i + 4]
        X = X + xp.linear(xp.relu(xp.linear(X, W, b)), V, c)
    return xp.cross_entropy(xp.linear(X, *parameters[-2:]), labels)


def data() -> tuple[Any, ...]:
    return images(M, N_IN, N_OUT)


contenders.enter(WORKLOAD, Task(data, lambda: weights(*WIDTHS), script, cost, rate=LEARNING_RATE))
floor.enter(WORKLOAD, floor.perceptron(WIDTHS, M))


@WORKLOAD.contender("numpy")
def numpy() -> Step:
    import numpy as np

    X, labels = data()
    parameters = weights(*WIDTHS)
    Ws, bs = parameters[0::2], parameters[1::2]
    rows = np.arange(M)

    def step() -> Any:
        gradients: list[Any] = [None] * len(parameters)

        def layer(i: int, A: Any) -> Any:
            Z = A @ Ws[i].T
            Z += bs[i]
            return Z

        def back(i: int, dZ: Any, A: Any) -> None:
            gradients[2 * i], gradients[2 * i + 1] = dZ.T @ A, dZ.sum(axis=0)

        streams, inner = [layer(0, X)], []
        for i in range(1, 2 * BLOCKS, 2):
            Z = layer(i, streams[-1])
            inner.append(np.maximum(Z, 0, out=Z))
            Z = layer(i + 1, Z)
            Z += streams[-1]
            streams.append(Z)
        last = 2 * BLOCKS + 1
        L, dZ = cross_entropy(layer(last, streams[-1]), labels, rows)
        back(last, dZ, streams[-1])
        dX = dZ @ Ws[last]
        for k in range(BLOCKS - 1, -1, -1):
            i = 2 * k + 1
            back(i + 1, dX, inner[k])
            dA = dX @ Ws[i + 1]
            dA *= inner[k] > 0
            back(i, dA, streams[k])
            dX += dA @ Ws[i]
        back(0, dX, X)
        for W, dW in zip(parameters, gradients, strict=True):
            dW *= LEARNING_RATE
            W -= dW
        return L

    return step
