"""What does a step of a small transformer cost? Two blocks of width 64, 4 heads, 64 positions, batch 16, causal.

The layers are nn.TransformerEncoderLayer with 256 numbers between its linear maps, ReLU, norms first and no dropout;
mean squared error, SGD. Of PyTorch's 12 ms half are matrix products of the linear maps.
"""

from __future__ import annotations

from typing import Any

from benchmarks.harness import Bar, Step, Workload

WIDTH, HEADS, LENGTH, BATCH, INNER, BLOCKS = 64, 4, 64, 16, 256, 2
LEARNING_RATE = 0.1

WORKLOAD = Workload(
    "transformer",
    "what does a step of two transformer blocks cost, width 64, 4 heads, length 64, batch 16?",
    bars=(Bar("tinygrad_edu", "torch", 1.5),),
    steps=20,
    rounds=(20, 3),
    check=10,
    rtol=1e-4,  # as in article
)


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
    """One script for both libraries, which start with the same weights from the seed."""
    torch.manual_seed(0)
    X, Y = torch.randn(2, BATCH, LENGTH, WIDTH)
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, INNER, dropout=0.0, batch_first=True, norm_first=True)
    model = nn.TransformerEncoder(layer, BLOCKS, enable_nested_tensor=False)
    mask = nn.Transformer.generate_square_subsequent_mask(LENGTH)
    criterion = nn.MSELoss()
    optimizer = optim.SGD(model.parameters(), lr=LEARNING_RATE)

    def step() -> Any:
        optimizer.zero_grad()
        loss = criterion(model(X, mask=mask, is_causal=True), Y)
        loss.backward()
        optimizer.step()
        return loss

    return step
