"""Special functions in compiled steps: bit for bit eager's, although their float32 is computed in float64."""

from __future__ import annotations

import pytest

import tinygrad_edu as te
from tinygrad_edu import nn

FUNCTIONS = {
    "lgamma": lambda W, x: te.lgamma(W.abs() + 0.2),
    "digamma": lambda W, x: te.digamma(W.abs() + 0.2),
    "erf": lambda W, x: te.erf(W) + te.erf(x),
    "erfc": lambda W, x: te.erfc(W),
    "erfinv": lambda W, x: te.erfinv(W.tanh() * 0.9),
    "fmod": lambda W, x: te.fmod(W, x.abs() + 0.3) * W,
    "remainder": lambda W, x: te.remainder(W, 0.7) + te.remainder(x, W.abs() + 0.5),
    "triangles": lambda W, x: (W @ W.T).tril() + (W @ W.T).triu(1),
    "as_strided": lambda W, x: te.as_strided(W, (2, 2), (1, 2)) ** 2,
    "far sigmoids": lambda W, x: te.sigmoid(W * -500) * W + nn.functional.silu(W * 500),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_functions_are_eagers(name, dtype):
    """Three steps from the same start give the same losses and the same parameter, to the last bit."""
    te.manual_seed(0)
    start, x = (te.randn(3, 4, dtype=getattr(te, dtype)) for _ in range(2))
    found = []
    for compiled in (False, True):
        W = nn.Parameter(start.clone())
        optimizer = te.optim.SGD([W], lr=0.1)

        def step(x, W=W, optimizer=optimizer):
            optimizer.zero_grad()
            loss = FUNCTIONS[name](W, x).sum()
            loss.backward()
            optimizer.step()
            return loss

        run = te.compile(step) if compiled else step
        found.append(([run(x).item() for _ in range(3)], W.tolist()))
    assert found[0] == found[1]
