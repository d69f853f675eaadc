"""The multi-layer perceptrons: n_0-...-n_L, ReLU or tanh between, cross-entropy.

Not a workload: mlp.py, mlp_large.py, mlp_tanh.py and adam.py ask the questions.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any

from benchmarks import contenders, floor
from benchmarks.contenders import Task
from benchmarks.harness import REASSOCIATED, Step, Workload

from .data import images, weights

RATES = {"SGD": 0.01, "Adam": 0.001}


def enter(workload: Workload, widths: tuple[int, ...], m: int, activation: str = "relu", rule: str = "SGD") -> None:
    """Give the workload its contenders, for these widths and m samples per batch."""
    asked = task(widths, m, activation, rule)
    workload.contender("numpy")(functools.partial(numpy, asked, activation))
    parameters = sum((k + 1) * n for k, n in itertools.pairwise(widths))
    moved = 7 * 4 * parameters if rule == "Adam" else 0  # W, V1, V2 are read and written, G is read
    floor.enter(workload, floor.perceptron(widths, m), moved)
    contenders.enter(workload, asked)
    if rule == "SGD":  # whose step is a multiple of the gradient
        reassociated = functools.partial(contenders.tinygrad_edu_compiled, asked, reassociate=True)
        workload.contender(REASSOCIATED)(reassociated)


def task(widths: tuple[int, ...], m: int, activation: str = "relu", rule: str = "SGD") -> Task:
    def script(torch: Any, nn: Any) -> tuple[Any, Any]:
        between = {"relu": nn.ReLU, "tanh": nn.Tanh}[activation]
        layers = []
        for n_in, n_out in itertools.pairwise(widths):
            layers += [nn.Linear(n_in, n_out), between()]
        model, criterion = nn.Sequential(*layers[:-1]), nn.CrossEntropyLoss()
        return model.parameters(), lambda X, labels: criterion(model(X), labels)

    def cost(xp: Any, parameters: Any, X: Any, labels: Any) -> Any:
        between = getattr(xp, activation)
        for W, b in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
            X = between(xp.linear(X, W, b))
        return xp.cross_entropy(xp.linear(X, *parameters[-2:]), labels)

    batch = functools.partial(images, m, widths[0], widths[-1])
    return Task(batch, functools.partial(weights, *widths), script, cost, rule, RATES[rule])


def numpy(task: Task, activation: str) -> Step:
    """By hand, with temporaries overwritten as one does who cares."""
    import numpy as np

    from .by_hand import adam, cross_entropy

    X, labels = task.batch()
    parameters = task.parameters()
    Ws, bs = parameters[0::2], parameters[1::2]
    rows = np.arange(len(X))
    np.ones((8, 8), np.float32) @ np.ones((8, 8), np.float32)  # as every contender whose memory is measured
    update = adam(parameters, task.rate) if task.rule == "Adam" else None

    def step() -> Any:
        A = [X]
        for W, b in zip(Ws[:-1], bs[:-1], strict=True):
            Z = A[-1] @ W.T
            Z += b
            A.append(np.tanh(Z, out=Z) if activation == "tanh" else np.maximum(Z, 0, out=Z))  # (m, n_out)
        Z = A[-1] @ Ws[-1].T
        Z += bs[-1]
        L, dZ = cross_entropy(Z, labels, rows)
        gradients: list[Any] = []
        for i in range(len(Ws) - 1, -1, -1):
            dW = dZ.T @ A[i]
            db = dZ.sum(axis=0)
            if i:
                dZ = dZ @ Ws[i]
                dZ *= 1 - A[i] * A[i] if activation == "tanh" else A[i] > 0
            if update is None:
                dW *= task.rate
                Ws[i] -= dW
                bs[i] -= task.rate * db
            else:
                gradients = [dW, db, *gradients]
        if update is not None:
            update(gradients)
        return L

    return step
