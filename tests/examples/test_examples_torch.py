"""Examples are PyTorch scripts: with the import exchanged they run on PyTorch, and their losses are the same."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"^\| `examples/(\w+)\.py` \| \* ", README, re.MULTILINE)  # those that the README says this of
STEPS, EPOCHS, ROUNDS = 40, 1, 2  # instead of a program's own: the first losses tell, the later ones take time
START = 25  # losses that are compared more closely
RUN_ALL = """
import contextlib, io, json, runpy, sys
losses = {}
for program in sys.argv[1:]:
    with contextlib.redirect_stdout(io.StringIO()):
        losses[program] = runpy.run_path(program)["losses"]
json.dump(losses, sys.stdout)
"""


def shortened(text: str) -> str:
    """The program with fewer steps; a constant's number is the one that stands where its name does."""
    for name, count in (("STEPS", STEPS), ("EPOCHS", EPOCHS), ("ROUNDS", ROUNDS)):
        for line in re.findall(rf"^[A-Z, ]*\b{name}\b[A-Z, ]*=.*$", text, re.MULTILINE):
            names, values = (side.strip().split(", ") for side in line.split("#")[0].split("="))
            values[names.index(name)] = str(count)
            text = text.replace(line, f"{', '.join(names)} = {', '.join(values)}")
    return text


def exchanged(text: str) -> str:
    """The program on PyTorch; the toy data sets are ours in both."""
    text = text.replace("import tinygrad_edu as torch", "import torch")
    return re.sub(r"^from tinygrad_edu(?!\.datasets)", "from torch", text, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def curves(tmp_path_factory):
    """The losses of every script by name, ours and PyTorch's, each side in one process; -O leaves assertions out."""
    environment = {name: value for name, value in os.environ.items() if name != "MNIST"}
    environment |= {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-O", "-W", "error", "-c", RUN_ALL, *(f"{name}.py" for name in SCRIPTS)]
    losses = []
    for side, change in (("ours", lambda text: text), ("theirs", exchanged)):
        folder = tmp_path_factory.mktemp(side)
        for name in SCRIPTS:
            program = (ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8")
            (folder / f"{name}.py").write_text(change(shortened(program)), encoding="utf-8")
        run = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert run.returncode == 0, run.stderr
        losses.append(json.loads(run.stdout))
    ours, theirs = losses
    return {name: (ours[f"{name}.py"], theirs[f"{name}.py"]) for name in SCRIPTS}


@pytest.mark.parametrize("name", SCRIPTS)
def test_losses_equal_pytorchs(name, curves):
    """From the seed on, step by step: the same data, weights, noise and updates, in float32."""
    ours, theirs = curves[name]
    assert len(ours) >= 10
    assert np.ptp(ours) > 0
    # Rounding differs by 1e-7 in a step and hardly grows, until it moves a number to the other side of a ReLU's corner
    # or of a maximum: then by 1e-5 at once, measured, and by 1e-3 some 20 steps later (digits, its second network).
    assert_allclose(ours[:START], theirs[:START], rtol=1e-4)
    assert_allclose(ours, theirs, rtol=2e-2)


def test_most_examples_are_compared():
    """The README marks them, so the test above is not empty."""
    assert len(SCRIPTS) >= 9
