"""SGD against PyTorch: 200 steps with every setting."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

SETTINGS = [
    {},
    {"maximize": True, "weight_decay": 0.3},
    {"weight_decay": 0.1},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.3},
    {"momentum": 0.9, "nesterov": True},
    {"momentum": 0.9, "nesterov": True, "weight_decay": 0.05},
    {"momentum": 0.5, "dampening": 0.5, "weight_decay": 0.05, "maximize": True},
]


def run(lib, settings, X, Y, dtype, steps):
    """Train 3-8-2 by lib, the layers in groups of their own, and give all parameters and the losses."""
    lib.manual_seed(0)
    model = lib.nn.Sequential(lib.nn.Linear(3, 8), lib.nn.Tanh(), lib.nn.Linear(8, 2)).to(getattr(lib, dtype))
    groups = [{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": 0.02}]
    optimizer = lib.optim.SGD(groups, lr=0.05, **settings)
    X, Y = lib.tensor(X.astype(dtype)), lib.tensor(Y)
    losses = []
    for step in range(steps):
        if step == steps // 2:
            optimizer.param_groups[0]["lr"] = 0.01
        optimizer.zero_grad()
        loss = lib.nn.CrossEntropyLoss()(model(X), Y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return [p.detach().numpy() for p in model.parameters()], losses, optimizer


# float64: rounding alone, which 200 steps amplify; float32: the same, 2**29 times as coarse
TOLERANCES = {"float64": {"rtol": 1e-11, "atol": 1e-13}, "float32": {"rtol": 2e-4, "atol": 2e-5}}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_two_hundred_steps_agree(settings, dtype, rng):
    """Parameters and losses after 200 steps, with groups and a changed learning rate, are PyTorch's."""
    X, Y = rng.standard_normal((30, 3)), rng.integers(0, 2, 30)
    ours, our_losses, _ = run(tg, settings, X, Y, dtype, 200)
    theirs, their_losses, _ = run(torch, settings, X, Y, dtype, 200)
    np.testing.assert_allclose(our_losses, their_losses, **TOLERANCES[dtype])
    for mine, expected in zip(ours, theirs, strict=True):
        assert mine.dtype == expected.dtype
        np.testing.assert_allclose(mine, expected, **TOLERANCES[dtype])


def test_the_state_dict_is_pytorch_s(rng):
    """The same keys and settings everywhere, and buffers equal to rounding."""
    X, Y = rng.standard_normal((30, 3)), rng.integers(0, 2, 30)
    settings = {"momentum": 0.9, "nesterov": True}
    ours, theirs = (run(lib, settings, X, Y, "float64", 3)[2].state_dict() for lib in (tg, torch))
    assert ours["param_groups"] == theirs["param_groups"]
    assert list(ours["state"]) == list(theirs["state"])
    for number, entry in theirs["state"].items():
        assert list(entry) == list(ours["state"][number])
        mine = ours["state"][number]["momentum_buffer"].numpy()
        np.testing.assert_allclose(mine, entry["momentum_buffer"].numpy(), rtol=1e-12, atol=1e-15)
