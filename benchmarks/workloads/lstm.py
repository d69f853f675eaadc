"""What does a step of an LSTM cost? 128 features in, 128 hidden, 32 steps, batch 32, SGD.

The mean of the squared outputs is the loss, so that all steps send gradients. Products of matrices
take 60% of the time by hand; the rest is many calls on arrays that fit into the cache.
"""

from __future__ import annotations

from typing import Any

from benchmarks.harness import Bar, Step, Workload

from .data import sequences, uniform

LENGTH, BATCH, N_IN, HIDDEN = 32, 32, 128, 128
LEARNING_RATE = 0.1

WORKLOAD = Workload(
    "lstm",
    "what does a step of an LSTM cost, hidden 128, length 32, batch 32?",
    bars=(Bar("tinygrad_edu", "torch", 1.10), Bar("tinygrad_edu", "numpy", 1.20)),
    steps=20,
    rounds=(40, 5),
    check=20,
    rtol=1e-4,  # float32 losses that sum in different orders, over 20 updates
)


def parameters() -> list[Any]:
    """weight_ih, weight_hh, bias_ih, bias_hh, uniform within 1/sqrt(hidden), as PyTorch starts."""
    rows = 4 * HIDDEN
    return uniform(HIDDEN**-0.5, (rows, N_IN), (rows, HIDDEN), (rows,), (rows,))


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


@WORKLOAD.contender("tinygrad_edu")
def tinygrad_edu() -> Step:
    import tinygrad_edu as torch
    from tinygrad_edu import nn, optim

    return script(torch, nn, optim)


@WORKLOAD.contender("torch")
def pytorch() -> Step:
    import torch
    from torch import nn, optim

    return script(torch, nn, optim)


def script(torch: Any, nn: Any, optim: Any) -> Step:
    """One script for both libraries."""
    X = torch.tensor(sequences(LENGTH, BATCH, N_IN))
    model = nn.LSTM(N_IN, HIDDEN)
    with torch.no_grad():
        for p, value in zip(model.parameters(), parameters(), strict=True):
            p.copy_(torch.from_numpy(value))
    optimizer = optim.SGD(model.parameters(), lr=LEARNING_RATE)

    def step() -> Any:
        optimizer.zero_grad()
        outputs, _ = model(X)
        loss = (outputs**2).mean()
        loss.backward()
        optimizer.step()
        return loss

    return step
