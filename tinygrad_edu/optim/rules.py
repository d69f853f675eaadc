"""The formulas that several update rules share, in the letters of their papers.

W are the parameters, G the gradient, M an average of gradients, V of their squares, t the step.
"""

from __future__ import annotations

import numpy as np

from ..core.primitive import Array
from .formula import in_place


@in_place
def average(M: Array, beta: Array, G: Array) -> Array:
    """M = beta M + (1 - beta) G, an average over about 1 / (1 - beta) steps."""
    return beta * M + (1 - beta) * G


@in_place
def average_squares(V: Array, beta: Array, G: Array) -> Array:
    """V = beta V + (1 - beta) G**2."""
    return beta * V + (1 - beta) * G * G


@in_place
def accumulate(B: Array, mu: Array, G: Array) -> Array:
    """B = mu B + G: what momentum makes of gradients."""
    return mu * B + G


@in_place
def largest(U: Array, V: Array) -> Array:
    """U = max(U, V)."""
    return np.maximum(U, V)


@in_place
def store(X: Array, Y: Array) -> Array:
    """X = Y."""
    return Y


@in_place
def scale(W: Array, c: Array) -> Array:
    """W = c W."""
    return c * W


@in_place
def descend(W: Array, alpha: Array, G: Array) -> Array:
    """W = W - alpha G."""
    return W - alpha * G


@in_place
def descend_scaled(W: Array, alpha: Array, M: Array, V: Array, eps: Array) -> Array:
    """W = W - alpha M / (sqrt(V) + eps): steps of about alpha, however large the gradients are."""
    return W - alpha * (M / (np.sqrt(V) + eps))


@in_place
def descend_by(W: Array, alpha: Array, M: Array, D: Array) -> Array:
    """W = W - alpha M / D."""
    return W - alpha * (M / D)
