"""What does a training step of the article's network cost?

2-4-1, tanh then sigmoid, binary cross-entropy on 400 points, full batch, SGD. The arrays are so small
that calls are what costs. Rows are samples, as in nn; by hand there are both layouts, since NumPy
adds a bias to a column faster. Each contender computes the loss as well, like a loop that prints it.
"""

from __future__ import annotations

from typing import Any

from benchmarks.harness import Bar, Step, Workload

from .data import petals, weights

LEARNING_RATE = 1.2  # the article's
WIDTHS = 2, 4, 1

WORKLOAD = Workload(
    "article",
    "what does a step of the article's network cost, 2-4-1, m = 400?",
    bars=(Bar("tinygrad_edu", "numpy", 1.8), Bar("tinygrad_edu", "torch", 0.33)),
    steps=300,
    rounds=(40, 6),
    check=20,
    rtol=1e-4,  # float32 has 6e-8, and 20 steps of sums in different orders follow one another
)


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
    """One script for both libraries: that it runs unchanged is the point."""
    X, Y = map(torch.tensor, petals())
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1), nn.Sigmoid())
    with torch.no_grad():
        for p, value in zip(model.parameters(), weights(*WIDTHS), strict=True):
            p.copy_(torch.from_numpy(value))
    criterion = nn.BCELoss()
    optimizer = optim.SGD(model.parameters(), lr=LEARNING_RATE)

    def step() -> Any:
        optimizer.zero_grad()
        loss = criterion(model(X), Y)
        loss.backward()
        optimizer.step()
        return loss

    return step


@WORKLOAD.contender("jax")
def jax() -> Step:
    import jax
    import jax.numpy as jnp

    X, Y = map(jnp.asarray, petals())
    parameters = [jnp.asarray(p) for p in weights(*WIDTHS)]

    def cost(parameters: Any) -> Any:
        W1, b1, W2, b2 = parameters
        A2 = jax.nn.sigmoid(jnp.tanh(X @ W1.T + b1) @ W2.T + b2)
        return -jnp.mean(Y * jnp.log(A2) + (1 - Y) * jnp.log(1 - A2))

    @jax.jit
    def update(parameters: Any) -> Any:
        L, gradients = jax.value_and_grad(cost)(parameters)
        return L, [W - LEARNING_RATE * dW for W, dW in zip(parameters, gradients, strict=True)]

    def step() -> Any:
        nonlocal parameters
        L, parameters = jax.block_until_ready(update(parameters))
        return L

    return step


@WORKLOAD.contender("mygrad")
def mygrad() -> Step:
    import mygrad as mg
    from mygrad.nnet.activations import sigmoid

    X, Y = petals()
    W1, b1, W2, b2 = parameters = [mg.tensor(p) for p in weights(*WIDTHS)]

    def step() -> Any:
        A2 = sigmoid(mg.tanh(X @ W1.T + b1) @ W2.T + b2)
        L = -mg.mean(Y * mg.log(A2) + (1 - Y) * mg.log(1 - A2))
        L.backward()
        for p in parameters:
            p.data -= LEARNING_RATE * p.grad
        return L

    return step


@WORKLOAD.contender("autograd")
def autograd() -> Step:
    import autograd.numpy as np
    from autograd import value_and_grad

    X, Y = petals()
    parameters = weights(*WIDTHS)

    def cost(parameters: Any) -> Any:
        W1, b1, W2, b2 = parameters
        A2 = 1 / (1 + np.exp(-(np.dot(np.tanh(np.dot(X, W1.T) + b1), W2.T) + b2)))
        return -np.mean(Y * np.log(A2) + (1 - Y) * np.log(1 - A2))

    slope = value_and_grad(cost)

    def step() -> Any:
        L, gradients = slope(parameters)
        for W, dW in zip(parameters, gradients, strict=True):
            W -= LEARNING_RATE * dW
        return L

    return step
