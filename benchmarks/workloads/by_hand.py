"""The parts that several steps written by hand in NumPy share: cross-entropy, updates, convolution, pooling.

Convolution copies windows into columns and multiplies, as most people write it. Not a workload.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def cross_entropy(Z: Any, labels: Any, rows: Any) -> tuple[Any, Any]:
    """L and dZ, from scores Z (m, n), which are overwritten, and labels; rows is arange(m)."""
    Z -= Z.max(axis=1, keepdims=True)
    E = np.exp(Z)
    total = E.sum(axis=1, keepdims=True)
    L = np.mean(np.log(total[:, 0]) - Z[rows, labels])
    dZ = E / total
    dZ[rows, labels] -= 1
    dZ /= len(Z)
    return L, dZ


def updates(rule: str, parameters: list[Any], rate: float) -> Callable[[Sequence[Any]], None]:
    """What writes the optimizer's step into the parameters, given their gradients."""
    if rule == "Adam":
        return adam(parameters, rate)

    def update(gradients: Sequence[Any]) -> None:
        if rule:
            for W, dW in zip(parameters, gradients, strict=True):
                W -= rate * dW

    return update


def adam(parameters: list[Any], rate: float) -> Callable[[Sequence[Any]], None]:
    """With the usual decays and epsilon. Kingma & Ba 2015, Alg. 1, in the order that section 2 ends with."""
    averages = [(np.zeros_like(W), np.zeros_like(W)) for W in parameters]
    t = 0

    def update(gradients: Sequence[Any]) -> None:
        nonlocal t
        t += 1
        alpha = rate * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t)
        eps = 1e-8 * (1 - 0.999**t) ** 0.5
        for W, G, (V1, V2) in zip(parameters, gradients, averages, strict=True):
            V1 *= 0.9
            V1 += 0.1 * G
            V2 *= 0.999
            V2 += 0.001 * G * G
            W -= alpha * V1 / (np.sqrt(V2) + eps)

    return update


def columns(X: Any, k: int, padding: int) -> Any:
    """(N, C * k * k, H' * W'): the windows of X (N, C, H, W)."""
    X = np.pad(X, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    V = np.lib.stride_tricks.sliding_window_view(X, (k, k), axis=(2, 3))  # (N, C, H', W', k, k)
    N, C, H, W = V.shape[:4]
    return np.ascontiguousarray(V.transpose(0, 1, 4, 5, 2, 3)).reshape(N, C * k * k, H * W)


def convolve(X: Any, W: Any, b: Any, padding: int) -> tuple[Any, Any]:
    """Y (N, O, H', W') and the columns, which the gradient of W needs again."""
    O, _, k, _ = W.shape
    V = columns(X, k, padding)
    Y = W.reshape(O, -1) @ V
    Y += b[:, None]
    return Y.reshape(len(X), O, X.shape[2] + 2 * padding - k + 1, -1), V


def of_filters(dY: Any, V: Any, W: Any) -> tuple[Any, Any]:
    """dW and db."""
    D = dY.reshape(*dY.shape[:2], -1)
    return np.matmul(D, V.mT).sum(axis=0).reshape(W.shape), dY.sum(axis=(0, 2, 3))


def of_image(dY: Any, W: Any, padding: int) -> Any:
    """dX: the convolution of dY with the filters mirrored, from output to input channels."""
    k = W.shape[2]
    mirrored = np.ascontiguousarray(W[:, :, ::-1, ::-1].transpose(1, 0, 2, 3))
    Y, _ = convolve(dY, mirrored, np.zeros(W.shape[1], W.dtype), k - 1 - padding)
    return Y


def halve(X: Any) -> tuple[Any, Any]:
    """The largest of each 2 x 2 block, and where it stands; H and W are even."""
    N, C, H, W = X.shape
    blocks = X.reshape(N, C, H // 2, 2, W // 2, 2)
    A = blocks.max(axis=(3, 5))
    return A, blocks == A[:, :, :, None, :, None]


def of_halved(dA: Any, largest: Any, shape: tuple[int, ...]) -> Any:
    """dX: to the largest of each block (where several are equal, all are 0 here, and ReLU sends nothing on)."""
    return (dA[:, :, :, None, :, None] * largest).reshape(shape)


def filters(*shapes: tuple[int, ...]) -> list[Any]:
    """W1, b1, W2, b2, ... of these shapes of W: uniform within 1/sqrt(fan_in), as PyTorch's layers start."""
    rng = np.random.default_rng(3)
    parameters = []
    for shape in shapes:
        bound = np.prod(shape[1:]) ** -0.5
        parameters.append(rng.uniform(-bound, bound, shape).astype(np.float32))
        parameters.append(rng.uniform(-bound, bound, shape[0]).astype(np.float32))
    return parameters
