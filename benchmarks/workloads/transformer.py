"""What does a step of a small transformer cost? Two blocks of width 64, 4 heads, 64 positions, batch 16, causal.

The layers are nn.TransformerEncoderLayer with 256 numbers between its linear maps, ReLU, norms first and no dropout;
mean squared error, SGD. Of PyTorch's 12 ms half are matrix products of the linear maps.
"""

from __future__ import annotations

from typing import Any

from benchmarks import contenders, floor
from benchmarks.contenders import Task
from benchmarks.harness import Workload, speed

from .data import Array, uniform

WIDTH, HEADS, LENGTH, BATCH, INNER, BLOCKS = 64, 4, 64, 16, 256, 2
LEARNING_RATE = 0.1
EPS = 1e-5  # of the norms, PyTorch's

WORKLOAD = Workload(
    "transformer",
    "what does a step of two transformer blocks cost, width 64, 4 heads, length 64, batch 16?",
    bars=speed(1.2, 1.0, 0.7),
    steps=20,
    rounds=(20, 3),
    check=10,
    rtol=1e-4,  # as in article
)


def batch() -> tuple[Array, Array]:
    """X and Y (batch, position, width)."""
    import numpy as np

    return tuple(np.random.default_rng(4).standard_normal((2, BATCH, LENGTH, WIDTH), np.float32))  # type: ignore[return-value]


def parameters() -> list[Array]:
    """Per block: maps to queries, keys and values, out of the heads, into and out of the inner layer; two norms."""
    import numpy as np

    w, n = WIDTH, INNER
    shapes = [(3 * w, w), (3 * w,), (w, w), (w,), (n, w), (n,), (w, n), (w,)]
    values = uniform(WIDTH**-0.5, *shapes * BLOCKS)
    norms = [f(WIDTH, dtype=np.float32) for f in (np.ones, np.zeros)] * 2
    return [p for k in range(BLOCKS) for p in values[8 * k : 8 * k + 8] + [np.copy(p) for p in norms]]


def script(torch: Any, nn: Any) -> tuple[Any, Any]:
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, INNER, dropout=0.0, batch_first=True, norm_first=True)
    model = nn.TransformerEncoder(layer, BLOCKS, enable_nested_tensor=False)
    mask = nn.Transformer.generate_square_subsequent_mask(LENGTH)
    criterion = nn.MSELoss()
    return model.parameters(), lambda X, Y: criterion(model(X, mask=mask, is_causal=True), Y)


def cost(xp: Any, parameters: Any, X: Any, Y: Any) -> Any:
    import numpy as np

    hidden = np.triu(np.full((LENGTH, LENGTH), -1e9, np.float32), 1)  # later positions
    if xp.constant is not None:
        hidden = xp.constant(hidden)
    n = WIDTH // HEADS

    def norm(X: Any, g: Any, b: Any) -> Any:
        centred = X - xp.mean(X, axis=2, keepdims=True)
        return centred / xp.sqrt(xp.mean(centred * centred, axis=2, keepdims=True) + EPS) * g + b

    def heads(Z: Any) -> Any:
        return xp.swap(Z.reshape(BATCH, LENGTH, HEADS, n), 1, 2)  # (m, head, position, n)

    for k in range(0, len(parameters), 12):
        W, b, V, c, W1, b1, W2, b2, g1, h1, g2, h2 = parameters[k : k + 12]
        Z = xp.linear(norm(X, g1, h1), W, b)
        Q, K, U = (heads(Z[:, :, i * WIDTH : (i + 1) * WIDTH]) for i in range(3))
        A = xp.softmax(Q @ xp.swap(K, 2, 3) * n**-0.5 + hidden, axis=3) @ U
        X = X + xp.linear(xp.swap(A, 1, 2).reshape(BATCH, LENGTH, WIDTH), V, c)
        X = X + xp.linear(xp.relu(xp.linear(norm(X, g2, h2), W1, b1)), W2, b2)
    return xp.mean((X - Y) ** 2)


contenders.enter(WORKLOAD, Task(batch, parameters, script, cost, rate=LEARNING_RATE))
rows, n = BATCH * LENGTH, WIDTH // HEADS
floor.enter(
    WORKLOAD,
    BLOCKS
    * [
        floor.Linear(rows, WIDTH, 3 * WIDTH),
        floor.Linear(LENGTH, n, LENGTH, batch=BATCH * HEADS),
        floor.Linear(LENGTH, LENGTH, n, batch=BATCH * HEADS),
        floor.Linear(rows, WIDTH, WIDTH),
        floor.Linear(rows, WIDTH, INNER),
        floor.Linear(rows, INNER, WIDTH),
    ],
)
