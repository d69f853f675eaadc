"""How much memory does a training step need beyond what is there before it?

20 layers of 512 with ReLU, batch 256, mean squared error, SGD. Measured: the peak resident size of the
process less its resident size after import, set-up and one small matrix product. `.grad` is None at
the start of each step. By hand, what the backward pass has used is let go and each gradient lives until
its update alone, which is the least that a step needs without recomputing.
"""

from __future__ import annotations

from typing import Any

from benchmarks.harness import Bar, Step, Workload

from .data import Array, weights

WIDTH, DEPTH, BATCH = 512, 20, 256
LEARNING_RATE = 0.01

WORKLOAD = Workload(
    "memory",
    "how much memory does a step of 20 layers of 512 need, batch 256?",
    bars=(Bar("tinygrad_edu", "torch", 0.9),),
    steps=5,
    rounds=(5, 1),
    rtol=1e-4,  # as in article
    unit="bytes",
)


def data() -> tuple[Array, Array]:
    import numpy as np

    rng = np.random.default_rng(4)
    X, Y = rng.standard_normal((2, BATCH, WIDTH), np.float32)
    return X, Y


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


@WORKLOAD.contender("tinygrad_edu")
def tinygrad_edu() -> Step:
    import tinygrad_edu as torch
    from tinygrad_edu import nn, optim

    return script(torch, nn, optim)


@WORKLOAD.contender("torch")
def pytorch() -> Step:
    import torch
    from torch import nn, optim

    return script(torch, nn, optim)


def script(torch: Any, nn: Any, optim: Any) -> Step:
    X, Y = map(torch.tensor, data())
    layers = []
    for _ in range(DEPTH):
        layers += [nn.Linear(WIDTH, WIDTH), nn.ReLU()]
    model = nn.Sequential(*layers)
    with torch.no_grad():
        for p, value in zip(model.parameters(), weights(*[WIDTH] * (DEPTH + 1)), strict=True):
            p.copy_(torch.from_numpy(value))
    criterion = nn.MSELoss()
    optimizer = optim.SGD(model.parameters(), lr=LEARNING_RATE)
    torch.ones(8, 8) @ torch.ones(8, 8)

    def step() -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(model(X), Y)
        loss.backward()
        optimizer.step()
        return loss

    return step


@WORKLOAD.contender("mygrad")
def mygrad() -> Step:
    import mygrad as mg
    import numpy as np
    from mygrad.nnet.activations import relu

    X, Y = data()
    parameters = [mg.tensor(p) for p in weights(*[WIDTH] * (DEPTH + 1))]
    np.ones((8, 8), np.float32) @ np.ones((8, 8), np.float32)

    def step() -> Any:
        for p in parameters:
            p.null_grad()
        A: Any = X
        for W, b in zip(parameters[::2], parameters[1::2], strict=True):
            A = relu(A @ W.T + b)
        L = mg.mean((A - Y) ** 2)
        L.backward()
        for p in parameters:
            p.data -= LEARNING_RATE * p.grad
        return L

    return step


@WORKLOAD.contender("autograd")
def autograd() -> Step:
    import autograd.numpy as np
    from autograd import value_and_grad

    X, Y = data()
    parameters = weights(*[WIDTH] * (DEPTH + 1))
    np.ones((8, 8), np.float32) @ np.ones((8, 8), np.float32)

    def cost(parameters: Any) -> Any:
        A = X
        for W, b in zip(parameters[::2], parameters[1::2], strict=True):
            A = np.maximum(np.dot(A, W.T) + b, 0)
        return np.mean((A - Y) ** 2)

    slope = value_and_grad(cost)

    def step() -> Any:
        L, gradients = slope(parameters)
        for W, dW in zip(parameters, gradients, strict=True):
            W -= LEARNING_RATE * dW
        return L

    return step
