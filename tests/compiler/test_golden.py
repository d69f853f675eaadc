"""What is written, word for word, for three steps that people know. `pytest --update-golden` writes it anew."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim

GOLDEN = Path(__file__).parent / "golden"


def article():
    """The article's network in its own notation, by gradient descent."""
    W1, b1 = te.randn(2, 4, requires_grad=True), te.zeros(4, 1, requires_grad=True)
    W2, b2 = te.randn(4, 1, requires_grad=True), te.zeros(1, 1, requires_grad=True)
    optimizer = optim.SGD([W1, b1, W2, b2], lr=1.2)

    def step(X, Y):
        optimizer.zero_grad()
        Z1 = W1.T @ X + b1
        A1 = te.tanh(Z1)
        Z2 = W2.T @ A1 + b2
        A2 = te.sigmoid(Z2)
        L = -(Y * te.log(A2) + (1 - Y) * te.log(1 - A2)).mean()
        L.backward()
        optimizer.step()
        return L

    return step, (te.randn(2, 400), (te.rand(1, 400) > 0.5).float())


def adam():
    """A classifier as PyTorch users write it, by Adam."""
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    optimizer = optim.Adam(model.parameters())

    def step(X, labels):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(X), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step, (te.randn(32, 8), te.randint(0, 4, (32,)))


def noisy():
    """Dropout's draws, running statistics and clipping, with momentum."""
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Dropout(0.25), nn.Linear(16, 1))
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step(X, Y):
        optimizer.zero_grad()
        loss = F.mse_loss(model(X), Y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    return step, (te.randn(32, 8), te.randn(32, 1))


@pytest.mark.parametrize("build", [article, adam, noisy], ids=lambda build: build.__name__)
@pytest.mark.parametrize("kind", ["program", "formulas"])
def test_source_is_as_stored(build, kind, request):
    """The program of the second call, which all later calls run, and the same as formulas."""
    text = written(build, kind)
    stored = GOLDEN / f"{build.__name__}_{kind}.txt"
    if request.config.getoption("--update-golden"):
        stored.parent.mkdir(exist_ok=True)
        stored.write_text(text, encoding="utf-8")
    assert text == stored.read_text(encoding="utf-8")


def written(build, kind):
    """The source of the second call's program."""
    te.manual_seed(0)
    step, batch = build()
    step = te.compile(step, grads=False)
    for _ in range(2):
        step(*batch)
    return step.source if kind == "program" else step.source(readable=True)


def test_source_is_the_same_in_another_process():
    """Byte by byte, whatever the order of sets and dicts by hash is there."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_golden import noisy, written\n"
        "sys.stdout.buffer.write((written(noisy, 'program') + written(noisy, 'formulas')).encode())"
    )
    here = written(noisy, "program") + written(noisy, "formulas")
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment)
        assert run.stdout.decode() == here
