"""Mixed precision: switched off as PyTorch without a GPU does, or refused; the CPU's GradScaler does its work."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
LIBRARIES = (torch, tg)


def losses(m, scaler, clip, bad=None):
    """The losses of a few steps under a scaler; at step `bad` a gradient is infinite."""
    m.manual_seed(0)
    net = m.nn.Linear(3, 1)
    optimizer = m.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    x = m.arange(12.0).reshape(4, 3) / 10
    seen = []
    for step in range(6):
        optimizer.zero_grad()
        with m.autocast("cpu", enabled=False):
            loss = ((net(x) - 1) ** 2).mean()
        scaler.scale(loss).backward()
        if step == bad:
            net.weight.grad[0, 0] = float("inf")
        if clip:
            scaler.unscale_(optimizer)
            m.nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        scaler.step(optimizer)
        scaler.update()
        seen.append([loss.item(), scaler.get_scale()])
    return np.array(seen), scaler.state_dict()


@pytest.mark.parametrize(("enabled", "clip", "bad"), [(False, True, None), (True, False, 2), (True, True, None)])
def test_training_under_a_scaler(enabled, clip, bad):
    """Losses and factors are PyTorch's, a step with an infinite gradient is skipped, and the state goes over."""
    found, states = [], []
    for m in LIBRARIES:
        curve, state = losses(m, m.amp.GradScaler("cpu", init_scale=8.0, growth_interval=3, enabled=enabled), clip, bad)
        found.append(curve)
        states.append(state)
        again = m.amp.GradScaler("cpu", enabled=enabled)
        again.load_state_dict(state)
        assert again.state_dict() == state
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)  # float32
    assert states[0] == states[1]


def test_without_a_gpu_both_switch_themselves_off():
    """With a warning, at either path; then losses and steps are left alone."""
    for m in LIBRARIES:
        older = importlib.import_module(f"{m.__name__}.cuda.amp")
        with pytest.warns(UserWarning, match="Disabling"):
            scaler = m.amp.GradScaler("cuda")
        assert not scaler.is_enabled()
        assert scaler.get_scale() == 1.0
        loss = m.ones(1)
        assert scaler.scale(loss) is loss
        with pytest.warns(UserWarning, match="Disabling"), m.autocast("cuda", dtype=m.float16):
            assert (m.ones(2, 2) @ m.ones(2, 2)).dtype == m.float32
        assert hasattr(older, "autocast")
        assert hasattr(older, "GradScaler")
    assert not tg.cuda.amp.GradScaler(enabled=False).is_enabled()


def test_half_precision_on_the_cpu_is_refused():
    """PyTorch would compute in bfloat16, and give other numbers."""
    with pytest.raises(RuntimeError, match="no half precision here"):
        tg.autocast("cpu", dtype=tg.bfloat16)
    with pytest.raises(RuntimeError, match="no half precision here"):
        tg.amp.autocast("cpu")


def test_decorated_functions_run():
    """autocast as a decorator, switched off."""
    for m in LIBRARIES:

        @m.autocast("cpu", enabled=False)
        def double(x):
            """Twice."""
            return x * 2

        assert double(m.ones(1)).item() == 2
        assert double.__name__ == "double"


def test_unscaling_twice_is_an_error():
    """As in PyTorch."""
    for m in LIBRARIES:
        p = m.nn.Parameter(m.ones(1))
        optimizer, scaler = m.optim.SGD([p], lr=1.0), m.amp.GradScaler("cpu")
        scaler.scale(p.sum()).backward()
        scaler.unscale_(optimizer)
        assert p.grad.item() == 1.0
        with pytest.raises(RuntimeError, match="already been called"):
            scaler.unscale_(optimizer)
