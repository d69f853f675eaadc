"""Short training runs that the tests of the training view share."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim
from tinygrad_edu.viz import Training, record


def quadrants(rng: np.random.Generator, m: int = 60) -> tuple[te.Tensor, te.Tensor]:
    """Points of the plane, (m, 2), and whether both coordinates have one sign, (m, 1)."""
    X = rng.uniform(-1, 1, (m, 2)).astype("f4")
    return te.tensor(X), te.tensor((X[:, :1] * X[:, 1:] > 0).astype("f4"))


def binary(rng: np.random.Generator, steps: int = 50, every: int = 10, **options: Any) -> Training:
    """A network 2-5-4-1 of tanh and ReLU."""
    te.manual_seed(0)
    X, Y = quadrants(rng)
    model = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 1))
    optimizer = optim.SGD(model.parameters(), lr=0.5)
    run = record(model, every=every, **{"inputs": X, "labels": Y, **options})
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(model(X), Y)
        loss.backward()
        optimizer.step()
        run.step(loss)
    return run


def three_columns(rng: np.random.Generator, steps: int = 12) -> tuple[Training, Any, te.Tensor, te.Tensor]:
    """Three classes in the article's notation; the run, the function from columns to scores, X and the classes."""
    te.manual_seed(1)
    Y = te.tensor(np.arange(30) % 3)
    X = te.tensor(rng.standard_normal((2, 30)) + 2 * np.array([[0, 2, -2], [2, -1, -1]])[:, np.arange(30) % 3])
    shapes = {"W1": (2, 5), "b1": (5, 1), "W2": (5, 3), "b2": (3, 1)}
    p = {name: te.tensor(rng.standard_normal(shape), requires_grad=True) for name, shape in shapes.items()}

    def scores(X: te.Tensor) -> te.Tensor:
        return p["W2"].T @ te.sigmoid(p["W1"].T @ X + p["b1"]) + p["b2"]

    run = record(p, every=5, inputs=X, labels=Y, predict=scores)
    for _ in range(steps):
        loss = F.cross_entropy(scores(X).T, Y)
        loss.backward()
        run.step(loss)
        with te.no_grad():
            for W in p.values():
                W -= 0.3 * W.grad
                W.grad = None
    return run, scores, X, Y
