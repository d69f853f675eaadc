"""The same data and initial weights for every contender, as float32 arrays: rows are samples."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def petals(m: int = 400) -> tuple[Array, Array]:
    """The article's planar data: X (m, 2) in two interleaved petals, Y (m, 1) of 0 and 1."""
    rng = np.random.default_rng(1)
    label = np.repeat([0, 1], m // 2)
    angle = np.tile(np.linspace(0, 3.12, m // 2), 2) + 3.12 * label + rng.normal(0, 0.2, m)
    radius = 4 * np.sin(4 * angle) + rng.normal(0, 0.2, m)
    X = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
    return X.astype(np.float32), label[:, None].astype(np.float32)


def images(m: int, n_in: int, n_classes: int) -> tuple[Array, Array]:
    """Noise in the shape of a batch of images of mean 0, X (m, n_in), with labels (m,).

    Time depends on the picture in one respect: with positive numbers alone units die, and Adam's averages of their
    gradients shrink to denormal numbers, with which a processor may take a hundred times as long.
    """
    rng = np.random.default_rng(2)
    return rng.random((m, n_in), np.float32) - np.float32(0.5), rng.integers(0, n_classes, m)


def weights(*widths: int) -> list[Array]:
    """W1 (n_1, n_0), b1 (n_1,), W2, b2, ...: uniform within 1/sqrt(n_in), as PyTorch's Linear starts."""
    rng = np.random.default_rng(3)
    parameters = []
    for n_in, n_out in itertools.pairwise(widths):
        bound = n_in**-0.5
        parameters.append(rng.uniform(-bound, bound, (n_out, n_in)).astype(np.float32))
        parameters.append(rng.uniform(-bound, bound, n_out).astype(np.float32))
    return parameters


def sequences(length: int, m: int, n_in: int) -> Array:
    """Noise in the shape of a batch of sequences, (length, m, n_in)."""
    return np.random.default_rng(4).standard_normal((length, m, n_in), np.float32)


def uniform(bound: float, *shapes: tuple[int, ...]) -> list[Array]:
    """An array per shape, uniform within the bound."""
    rng = np.random.default_rng(5)
    return [rng.uniform(-bound, bound, shape).astype(np.float32) for shape in shapes]
