"""What does one small operation cost, recorded and differentiated? 1,000 of them in a chain.

Ten elements each: nothing but the engine's own work, per operation, is in these figures.
"""

from __future__ import annotations

from typing import Any

from benchmarks.harness import Bar, Step, Workload

PAIRS = 500  # of a multiplication and an addition

WORKLOAD = Workload(
    "chain",
    "what do 1,000 operations on ten elements cost, forward and backward?",
    bars=(Bar("tinygrad_edu", "torch", 0.75),),
    steps=10,
    rounds=(40, 5),
    check=1,
    rtol=1e-5,  # 1,000 float32 operations in one order; the last sum's order differs
)


@WORKLOAD.contender("numpy")
def numpy() -> Step:
    import numpy as np

    x = np.ones(10, np.float32)

    def step() -> Any:
        y = x
        for _ in range(PAIRS):
            y = y * 0.999
            y = y + 0.001
        L = y.sum()
        dy = np.ones_like(y)
        for _ in range(PAIRS):
            dy = dy * 0.999
        return L

    return step


@WORKLOAD.contender("tinygrad_edu")
def tinygrad_edu() -> Step:
    import tinygrad_edu as torch

    return script(torch)


@WORKLOAD.contender("torch")
def pytorch() -> Step:
    import torch

    return script(torch)


def script(torch: Any) -> Step:
    x = torch.ones(10, requires_grad=True)

    def step() -> Any:
        x.grad = None
        y = x
        for _ in range(PAIRS):
            y = y * 0.999
            y = y + 0.001
        L = y.sum()
        L.backward()
        return L

    return step


@WORKLOAD.contender("jax")
def jax() -> Step:
    import jax
    import jax.numpy as jnp

    x = jnp.ones(10)

    def cost(y: Any) -> Any:
        for _ in range(PAIRS):
            y = y * 0.999
            y = y + 0.001
        return y.sum()

    slope = jax.jit(jax.value_and_grad(cost))
    return lambda: jax.block_until_ready(slope(x))[0]


@WORKLOAD.contender("mygrad")
def mygrad() -> Step:
    import mygrad as mg
    import numpy as np

    x = mg.tensor(np.ones(10, np.float32))

    def step() -> Any:
        y = x
        for _ in range(PAIRS):
            y = y * 0.999
            y = y + 0.001
        L = y.sum()
        L.backward()
        return L

    return step


@WORKLOAD.contender("autograd")
def autograd() -> Step:
    import autograd.numpy as np
    from autograd import value_and_grad

    def cost(y: Any) -> Any:
        for _ in range(PAIRS):
            y = y * 0.999
            y = y + 0.001
        return np.sum(y)

    slope = value_and_grad(cost)
    x = np.ones(10, np.float32)
    return lambda: slope(x)[0]
