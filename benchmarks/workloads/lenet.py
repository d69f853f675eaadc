"""What does a step of the classic first convolutional network cost? LeNet-5-like, 28 x 28, batch 64.

Two convolutions, 5 x 5, with ReLU and max-pooling, then 400-120-84-10; cross-entropy, SGD. By hand in NumPy
the windows are copied into columns, which the gradient of W uses again.
Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition", section II, with ReLU and
max-pooling for its sigmoids and averages.
"""

from __future__ import annotations

from typing import Any

from benchmarks.harness import Bar, Step, Workload

from .data import images

LEARNING_RATE = 0.01
BATCH = 64
SHAPES = (6, 1, 5, 5), (16, 6, 5, 5), (120, 400), (84, 120), (10, 84)

WORKLOAD = Workload(
    "lenet",
    "what does a step of a LeNet-5-like network cost, 28 x 28, batch 64?",
    bars=(Bar("tinygrad_edu", "torch", 1.6),),
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

    from .by_hand import convolve, filters, halve, of_filters, of_halved, of_image

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
        Z -= Z.max(axis=1, keepdims=True)
        E = np.exp(Z)
        total = E.sum(axis=1, keepdims=True)
        L = np.mean(np.log(total[:, 0]) - Z[rows, labels])

        dZ = E / total
        dZ[rows, labels] -= 1
        dZ /= BATCH
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
    """One script for both libraries."""
    from .by_hand import filters

    X, labels = map(torch.tensor, data())
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    with torch.no_grad():
        for p, value in zip(model.parameters(), filters(*SHAPES), strict=True):
            p.copy_(torch.from_numpy(value))
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=LEARNING_RATE)

    def step() -> Any:
        optimizer.zero_grad()
        loss = criterion(model(X), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


@WORKLOAD.contender("jax")
def jax() -> Step:
    import jax
    import jax.numpy as jnp

    from .by_hand import filters

    X, labels = map(jnp.asarray, data())
    parameters = [jnp.asarray(p) for p in filters(*SHAPES)]
    rows = jnp.arange(BATCH)

    def convolve(X: Any, W: Any, b: Any, padding: str) -> Any:
        return jax.lax.conv(X, W, (1, 1), padding) + b[:, None, None]

    def halve(X: Any) -> Any:
        return jax.lax.reduce_window(X, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    def cost(parameters: Any) -> Any:
        W1, b1, W2, b2, W3, b3, W4, b4, W5, b5 = parameters
        A = halve(jax.nn.relu(convolve(X, W1, b1, "SAME")))
        A = halve(jax.nn.relu(convolve(A, W2, b2, "VALID"))).reshape(BATCH, -1)
        A = jax.nn.relu(jax.nn.relu(A @ W3.T + b3) @ W4.T + b4)
        return -jnp.mean(jax.nn.log_softmax(A @ W5.T + b5)[rows, labels])

    def update(parameters: Any) -> Any:
        L, gradients = jax.value_and_grad(cost)(parameters)
        return L, [W - LEARNING_RATE * dW for W, dW in zip(parameters, gradients, strict=True)]

    update = jax.jit(update, donate_argnums=0)

    def step() -> Any:
        nonlocal parameters
        L, parameters = jax.block_until_ready(update(parameters))
        return L

    return step
