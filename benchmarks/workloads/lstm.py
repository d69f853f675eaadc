"""What does a step of an LSTM cost? 128 features in, 128 hidden, 32 steps, batch 32, SGD.

The mean of the squared outputs is the loss, so that all steps send gradients. Products of matrices
take 60% of the time by hand; the rest is many calls on arrays that fit into the cache.
"""

from __future__ import annotations

from typing import Any

from benchmarks import contenders, floor
from benchmarks.contenders import Task
from benchmarks.harness import OURS, Bar, Step, Workload, speed

from .data import sequences, uniform

LENGTH, BATCH, N_IN, HIDDEN = 32, 32, 128, 128
LEARNING_RATE = 0.1

WORKLOAD = Workload(
    "lstm",
    "what does a step of an LSTM cost, hidden 128, length 32, batch 32?",
    bars=(Bar(OURS, "numpy", 1.20), *speed(0.9, 0.6)),
    steps=20,
    rounds=(40, 5),
    check=20,
    rtol=1e-4,  # float32 losses that sum in different orders, over 20 updates
)


def parameters() -> list[Any]:
    """weight_ih, weight_hh, bias_ih, bias_hh, uniform within 1/sqrt(hidden), as PyTorch starts."""
    rows = 4 * HIDDEN
    return uniform(HIDDEN**-0.5, (rows, N_IN), (rows, HIDDEN), (rows,), (rows,))


def batch() -> tuple[Any]:
    return (sequences(LENGTH, BATCH, N_IN),)


@WORKLOAD.contender("numpy")
def numpy() -> Step:
    import numpy as np

    X = sequences(LENGTH, BATCH, N_IN)
    W_ih, W_hh, b_ih, b_hh = parameters()
    n = HIDDEN

    def sigmoid(Z: Any) -> Any:
        return 1 / (1 + np.exp(-Z))

    def step() -> Any:
        G = X @ W_ih.T
        G += b_ih + b_hh
        h = c = np.zeros((BATCH, n), np.float32)
        H, C, A = [h], [c], []
        for t in range(LENGTH):
            Z = G[t] + h @ W_hh.T  # (m, 4n)
            i, f, g, o = (
                sigmoid(Z[:, :n]),
                sigmoid(Z[:, n : 2 * n]),
                np.tanh(Z[:, 2 * n : 3 * n]),
                sigmoid(Z[:, 3 * n :]),
            )
            c = f * c + i * g
            h = o * np.tanh(c)
            A.append((i, f, g, o))
            H.append(h)
            C.append(c)
        outputs = np.stack(H[1:])
        L = np.mean(np.square(outputs))
        dH = outputs * np.float32(2 / outputs.size)
        dh = dc = np.zeros((BATCH, n), np.float32)
        dZ = np.empty_like(G)
        for t in range(LENGTH - 1, -1, -1):
            i, f, g, o = A[t]
            tanh_c = np.tanh(C[t + 1])
            dh = dH[t] + dh
            dc = dc + dh * o * (1 - tanh_c**2)
            dZ[t, :, :n] = dc * g * i * (1 - i)
            dZ[t, :, n : 2 * n] = dc * C[t] * f * (1 - f)
            dZ[t, :, 2 * n : 3 * n] = dc * i * (1 - g**2)
            dZ[t, :, 3 * n :] = dh * tanh_c * o * (1 - o)
            dh = dZ[t] @ W_hh
            dc = dc * f
        rows = dZ.reshape(-1, 4 * n)
        db = rows.sum(axis=0)
        for p, gradient in (
            (W_ih, rows.T @ X.reshape(-1, N_IN)),
            (W_hh, rows.T @ np.stack(H[:-1]).reshape(-1, n)),
            (b_ih, db),
            (b_hh, db),
        ):
            p -= np.float32(LEARNING_RATE) * gradient
        return L

    return step


def script(torch: Any, nn: Any) -> tuple[Any, Any]:
    model = nn.LSTM(N_IN, HIDDEN)
    return model.parameters(), lambda X: (model(X)[0] ** 2).mean()


def cost(xp: Any, parameters: Any, X: Any) -> Any:
    W_ih, W_hh, b_ih, b_hh = parameters
    n = HIDDEN
    G = xp.linear(X, W_ih, b_ih + b_hh)
    c, H = None, []
    for t in range(LENGTH):
        Z = G[t] + H[-1] @ W_hh.T if H else G[t]
        i, g, o = xp.sigmoid(Z[:, :n]), xp.tanh(Z[:, 2 * n : 3 * n]), xp.sigmoid(Z[:, 3 * n :])
        c = i * g if c is None else xp.sigmoid(Z[:, n : 2 * n]) * c + i * g
        H.append(o * xp.tanh(c))
    return xp.mean(xp.stack(H) ** 2)


contenders.enter(WORKLOAD, Task(batch, parameters, script, cost, rate=LEARNING_RATE))
floor.enter(
    WORKLOAD,
    [
        floor.Linear(LENGTH * BATCH, N_IN, 4 * HIDDEN, first=True),
        floor.Linear(BATCH, HIDDEN, 4 * HIDDEN, times=LENGTH),
    ],
)
