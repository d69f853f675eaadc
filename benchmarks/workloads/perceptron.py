"""Contenders of the multi-layer perceptrons: n_0-...-n_L, ReLU between, cross-entropy, SGD.

Not a workload: mlp.py and mlp_large.py ask the questions.
"""

from __future__ import annotations

import itertools
from typing import Any

from benchmarks.harness import Step, Workload

from .data import images, weights

LEARNING_RATE = 0.01


def enter(workload: Workload, widths: tuple[int, ...], m: int) -> None:
    """Give the workload its contenders, for these widths and m samples per batch."""
    for name, build in BUILDERS.items():
        workload.contender(name)(lambda build=build: build(widths, m))  # type: ignore[misc]


def numpy(widths: tuple[int, ...], m: int) -> Step:
    import numpy as np

    X, labels = images(m, widths[0], widths[-1])
    parameters = weights(*widths)
    Ws, bs = parameters[0::2], parameters[1::2]
    rows = np.arange(m)

    def step() -> Any:
        A = [X]
        for W, b in zip(Ws[:-1], bs[:-1], strict=True):
            Z = A[-1] @ W.T
            Z += b
            A.append(np.maximum(Z, 0, out=Z))  # (m, n_out)
        Z = A[-1] @ Ws[-1].T
        Z += bs[-1]
        Z -= Z.max(axis=1, keepdims=True)
        E = np.exp(Z)
        total = E.sum(axis=1, keepdims=True)
        L = np.mean(np.log(total[:, 0]) - Z[rows, labels])
        dZ = E / total
        dZ[rows, labels] -= 1
        dZ /= m
        for i in range(len(Ws) - 1, -1, -1):
            dW = dZ.T @ A[i]
            db = dZ.sum(axis=0)
            if i:
                dZ = dZ @ Ws[i]
                dZ *= A[i] > 0
            dW *= LEARNING_RATE
            Ws[i] -= dW
            bs[i] -= LEARNING_RATE * db
        return L

    return step


def tinygrad_edu(widths: tuple[int, ...], m: int) -> Step:
    import tinygrad_edu as torch
    from tinygrad_edu import nn, optim

    return script(torch, nn, optim, widths, m)


def pytorch(widths: tuple[int, ...], m: int) -> Step:
    import torch
    from torch import nn, optim

    return script(torch, nn, optim, widths, m)


def script(torch: Any, nn: Any, optim: Any, widths: tuple[int, ...], m: int, rule: str = "SGD") -> Step:
    """One script for both libraries, training by the optimizer of this name."""
    X, labels = map(torch.tensor, images(m, widths[0], widths[-1]))
    layers = []
    for n_in, n_out in itertools.pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for p, value in zip(model.parameters(), weights(*widths), strict=True):
            p.copy_(torch.from_numpy(value))
    criterion = nn.CrossEntropyLoss()
    optimizer = getattr(optim, rule)(model.parameters(), lr=LEARNING_RATE)

    def step() -> Any:
        optimizer.zero_grad()
        loss = criterion(model(X), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


def jax(widths: tuple[int, ...], m: int) -> Step:
    import jax
    import jax.numpy as jnp

    X, labels = map(jnp.asarray, images(m, widths[0], widths[-1]))
    parameters = [jnp.asarray(p) for p in weights(*widths)]
    rows = jnp.arange(m)

    def cost(parameters: Any) -> Any:
        A = X
        for W, b in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
            A = jax.nn.relu(A @ W.T + b)
        return -jnp.mean(jax.nn.log_softmax(A @ parameters[-2].T + parameters[-1])[rows, labels])

    def update(parameters: Any) -> Any:
        L, gradients = jax.value_and_grad(cost)(parameters)
        return L, [W - LEARNING_RATE * dW for W, dW in zip(parameters, gradients, strict=True)]

    update = jax.jit(update, donate_argnums=0)

    def step() -> Any:
        nonlocal parameters
        L, parameters = jax.block_until_ready(update(parameters))
        return L

    return step


def mygrad(widths: tuple[int, ...], m: int) -> Step:
    import mygrad as mg
    from mygrad.nnet.activations import relu
    from mygrad.nnet.losses import softmax_crossentropy

    X, labels = images(m, widths[0], widths[-1])
    parameters = [mg.tensor(p) for p in weights(*widths)]

    def step() -> Any:
        A: Any = X
        for W, b in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
            A = relu(A @ W.T + b)
        L = softmax_crossentropy(A @ parameters[-2].T + parameters[-1], labels)
        L.backward()
        for p in parameters:
            p.data -= LEARNING_RATE * p.grad
        return L

    return step


def autograd(widths: tuple[int, ...], m: int) -> Step:
    import autograd.numpy as np
    from autograd import value_and_grad
    from autograd.scipy.special import logsumexp

    X, labels = images(m, widths[0], widths[-1])
    Y = np.eye(widths[-1], dtype=np.float32)[labels]
    parameters = weights(*widths)

    def cost(parameters: Any) -> Any:
        A = X
        for W, b in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
            A = np.maximum(np.dot(A, W.T) + b, 0)
        Z = np.dot(A, parameters[-2].T) + parameters[-1]
        return np.mean(logsumexp(Z, axis=1) - np.sum(Z * Y, axis=1))

    slope = value_and_grad(cost)

    def step() -> Any:
        L, gradients = slope(parameters)
        for W, dW in zip(parameters, gradients, strict=True):
            W -= LEARNING_RATE * dW
        return L

    return step


BUILDERS = {
    "numpy": numpy,
    "tinygrad_edu": tinygrad_edu,
    "torch": pytorch,
    "jax": jax,
    "mygrad": mygrad,
    "autograd": autograd,
}
