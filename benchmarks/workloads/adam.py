"""What does a step of Adam add? MNIST's usual first network, 784-128-10, batch 64.

Adam reads and writes three arrays of 100,352 numbers besides the weights: here the passes over memory count.
"""

from __future__ import annotations

from typing import Any

from benchmarks.harness import Bar, Step, Workload

from .data import images, weights
from .perceptron import LEARNING_RATE, script

WIDTHS, M = (784, 128, 10), 64

WORKLOAD = Workload(
    "adam",
    "what does a step of an MLP cost with Adam, 784-128-10, batch 64?",
    bars=(Bar("tinygrad_edu", "torch", 0.7),),
    steps=100,
    rounds=(40, 5),
    check=20,
    rtol=1e-3,  # as in mlp, and Adam divides by the gradients' size, so small ones count as much as large
)


@WORKLOAD.contender("numpy")
def numpy() -> Step:
    import numpy as np

    X, labels = images(M, WIDTHS[0], WIDTHS[-1])
    parameters = weights(*WIDTHS)
    W1, b1, W2, b2 = parameters
    averages = [(np.zeros_like(W), np.zeros_like(W)) for W in parameters]
    rows = np.arange(M)
    t = 0

    def step() -> Any:
        nonlocal t
        Z1 = X @ W1.T + b1
        A1 = np.maximum(Z1, 0)  # (m, 128)
        Z2 = A1 @ W2.T + b2
        Z2 -= Z2.max(axis=1, keepdims=True)
        E = np.exp(Z2)
        total = E.sum(axis=1, keepdims=True)
        L = np.mean(np.log(total[:, 0]) - Z2[rows, labels])
        dZ2 = E / total
        dZ2[rows, labels] -= 1
        dZ2 /= M
        dZ1 = dZ2 @ W2 * (A1 > 0)
        gradients = dZ1.T @ X, dZ1.sum(axis=0), dZ2.T @ A1, dZ2.sum(axis=0)
        t += 1
        alpha = LEARNING_RATE * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t)
        eps = 1e-8 * (1 - 0.999**t) ** 0.5
        for W, G, (V1, V2) in zip(parameters, gradients, averages, strict=True):
            V1 *= 0.9
            V1 += 0.1 * G
            V2 *= 0.999
            V2 += 0.001 * G * G
            W -= alpha * V1 / (np.sqrt(V2) + eps)
        return L

    return step


@WORKLOAD.contender("tinygrad_edu")
def tinygrad_edu() -> Step:
    import tinygrad_edu as torch
    from tinygrad_edu import nn, optim

    return script(torch, nn, optim, WIDTHS, M, "Adam")


@WORKLOAD.contender("torch")
def pytorch() -> Step:
    import torch
    from torch import nn, optim

    return script(torch, nn, optim, WIDTHS, M, "Adam")
