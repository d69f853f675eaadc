"""What does a step of a GRU cost? 128 features in, 128 hidden, 32 steps, batch 32, SGD.

As in lstm: the mean of the squared outputs is the loss.
"""

from __future__ import annotations

from typing import Any

from benchmarks import contenders, floor
from benchmarks.contenders import Task
from benchmarks.harness import Step, Workload, speed

from .data import sequences, uniform

LENGTH, BATCH, N_IN, HIDDEN = 32, 32, 128, 128
LEARNING_RATE = 0.1

WORKLOAD = Workload(
    "gru",
    "what does a step of a GRU cost, hidden 128, length 32, batch 32?",
    bars=speed(0.9, 0.6),  # lstm's
    steps=20,
    rounds=(40, 4),
    check=20,
    rtol=1e-4,  # as in lstm
)


def parameters() -> list[Any]:
    """weight_ih, weight_hh, bias_ih, bias_hh, uniform within 1/sqrt(hidden), as PyTorch starts."""
    rows = 3 * HIDDEN
    return uniform(HIDDEN**-0.5, (rows, N_IN), (rows, HIDDEN), (rows,), (rows,))


def batch() -> tuple[Any]:
    return (sequences(LENGTH, BATCH, N_IN),)


def script(torch: Any, nn: Any) -> tuple[Any, Any]:
    model = nn.GRU(N_IN, HIDDEN)
    return model.parameters(), lambda X: (model(X)[0] ** 2).mean()


def cost(xp: Any, parameters: Any, X: Any) -> Any:
    W_ih, W_hh, b_ih, b_hh = parameters
    n = HIDDEN
    G = xp.linear(X, W_ih, b_ih)
    h = X[0] * 0  # (m, n): hidden and features are as many
    H = []
    for t in range(LENGTH):
        R = xp.linear(h, W_hh, b_hh)
        reset, keep = xp.sigmoid(G[t][:, :n] + R[:, :n]), xp.sigmoid(G[t][:, n : 2 * n] + R[:, n : 2 * n])
        new = xp.tanh(G[t][:, 2 * n :] + reset * R[:, 2 * n :])
        h = (1 - keep) * new + keep * h
        H.append(h)
    return xp.mean(xp.stack(H) ** 2)


contenders.enter(WORKLOAD, Task(batch, parameters, script, cost, rate=LEARNING_RATE))
floor.enter(
    WORKLOAD,
    [
        floor.Linear(LENGTH * BATCH, N_IN, 3 * HIDDEN, first=True),
        floor.Linear(BATCH, HIDDEN, 3 * HIDDEN, times=LENGTH),
    ],
)


@WORKLOAD.contender("numpy")
def numpy() -> Step:
    import numpy as np

    (X,) = batch()
    values = parameters()
    W_ih, W_hh, b_ih, b_hh = values
    n = HIDDEN

    def step() -> Any:
        G = X @ W_ih.T
        G += b_ih
        h = np.zeros((BATCH, n), np.float32)
        H, kept = [h], []
        for t in range(LENGTH):
            R = h @ W_hh.T
            R += b_hh
            gates = 1 / (1 + np.exp(-(G[t, :, : 2 * n] + R[:, : 2 * n])))  # (m, 2n): reset, keep
            reset, keep = gates[:, :n], gates[:, n:]
            new = np.tanh(G[t, :, 2 * n :] + reset * R[:, 2 * n :])
            h = new + keep * (h - new)
            H.append(h)
            kept.append((gates, new, R[:, 2 * n :]))
        outputs = np.stack(H[1:])
        L = np.mean(np.square(outputs))
        dH = outputs * np.float32(2 / outputs.size)
        dh = np.zeros((BATCH, n), np.float32)
        dG, dR = np.empty_like(G), np.empty_like(G)
        for t in range(LENGTH - 1, -1, -1):
            gates, new, r = kept[t]
            reset, keep = gates[:, :n], gates[:, n:]
            dh = dH[t] + dh
            d_new = dh * (1 - keep) * (1 - new * new)
            dG[t, :, :n] = d_new * r
            dG[t, :, n : 2 * n] = dh * (H[t] - new)
            dG[t, :, : 2 * n] *= gates * (1 - gates)
            dG[t, :, 2 * n :] = d_new
            dR[t] = dG[t]
            dR[t, :, 2 * n :] *= reset
            dh = dR[t] @ W_hh + dh * keep
        before = np.stack(H[:-1]).reshape(-1, n)
        rows_g, rows_r = dG.reshape(-1, 3 * n), dR.reshape(-1, 3 * n)
        gradients = rows_g.T @ X.reshape(-1, N_IN), rows_r.T @ before, rows_g.sum(axis=0), rows_r.sum(axis=0)
        for p, gradient in zip(values, gradients, strict=True):
            p -= np.float32(LEARNING_RATE) * gradient
        return L

    return step
