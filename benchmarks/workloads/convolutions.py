"""What do convolutions of several channels cost? Two of 3 x 3, 16-32-32 channels, 32 x 32, batch 32.

Nothing else of weight: ReLU between them, the mean squared difference from a target, SGD. Here the products
cost what they cost, and copying windows into columns costs as much again.
"""

from __future__ import annotations

from typing import Any

from benchmarks.harness import Bar, Step, Workload

LEARNING_RATE = 0.01
BATCH, SIDE = 32, 32
SHAPES = (32, 16, 3, 3), (32, 32, 3, 3)

WORKLOAD = Workload(
    "convolutions",
    "what does a step of two 3 x 3 convolutions cost, 16-32-32 channels, 32 x 32, batch 32?",
    bars=(Bar("tinygrad_edu", "torch", 2.2),),
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

    from .by_hand import convolve, filters, of_filters, of_image

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

    X, Y = map(torch.tensor, data())
    model = nn.Sequential(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1))
    with torch.no_grad():
        for p, value in zip(model.parameters(), filters(*SHAPES), strict=True):
            p.copy_(torch.from_numpy(value))
    criterion = nn.MSELoss()
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

    from .by_hand import filters

    X, Y = map(jnp.asarray, data())
    parameters = [jnp.asarray(p) for p in filters(*SHAPES)]

    def cost(parameters: Any) -> Any:
        W1, b1, W2, b2 = parameters
        A1 = jax.nn.relu(jax.lax.conv(X, W1, (1, 1), "SAME") + b1[:, None, None])
        return jnp.mean((jax.lax.conv(A1, W2, (1, 1), "SAME") + b2[:, None, None] - Y) ** 2)

    def update(parameters: Any) -> Any:
        L, gradients = jax.value_and_grad(cost)(parameters)
        return L, [W - LEARNING_RATE * dW for W, dW in zip(parameters, gradients, strict=True)]

    update = jax.jit(update, donate_argnums=0)

    def step() -> Any:
        nonlocal parameters
        L, parameters = jax.block_until_ready(update(parameters))
        return L

    return step
