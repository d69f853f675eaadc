"""In a notebook: what a cell's last line shows, in a real kernel, and that showing never fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.symbolic import explain
from tinygrad_edu.viz import draw, explore, graph
from tinygrad_edu.viz.draw import Drawing
from tinygrad_edu.viz.explore import Page
from tinygrad_edu.viz.record import Training

from .graphs import GRAPHS, leaf
from .runs import binary

CELLS = [
    """import tinygrad_edu as te
from tinygrad_edu import nn, viz
te.manual_seed(0)
X, Y = te.randn(6, 2), te.tensor([[0.0], [1], [1], [0], [1], [0]])
model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
run = viz.record(model, every=2, inputs=X, labels=Y)
for _ in range(5):
    model.zero_grad()
    loss = nn.functional.binary_cross_entropy_with_logits(model(X), Y)
    loss.backward()
    run.step(loss)""",
    "viz.graph(loss)",
    "viz.draw(loss, formulas=True)",
    "te.explain(loss)",
    'te.explain(loss)["dW1"]',
    "viz.explore(loss)",
    "run",
    "loss.steps()",
    "viz.explore(loss, training=run)",
]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """What each cell shows, by MIME type, after `jupyter nbconvert --execute`."""
    nbformat = pytest.importorskip("nbformat", reason="jupyter is not installed: nbformat is missing")
    pytest.importorskip("nbconvert", reason="jupyter is not installed: nbconvert is missing")
    pytest.importorskip("ipykernel", reason="jupyter is not installed: ipykernel is missing")
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / "shown.ipynb")
    root = str(Path(te.__file__).parents[1])
    own = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    own |= {"IPYTHONDIR": str(folder / "ipython"), "PYTHONWARNINGS": "default"}
    paths = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH")) if p)
    run = subprocess.run(
        [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--output", "done", "shown.ipynb"],
        cwd=folder, env=os.environ | own | {"PYTHONPATH": paths}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    done = json.loads((folder / "done.ipynb").read_text(encoding="utf-8"))
    assert all(output["output_type"] == "execute_result" for cell in done["cells"] for output in cell["outputs"])
    return {
        cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"]): {
            kind: data if isinstance(data, str) else "".join(data)
            for output in cell["outputs"]
            for kind, data in output["data"].items()
        }
        for cell in done["cells"]
    }


def test_graphs_and_drawings_are_pictures(outputs):
    """SVG, and a line of text for what shows none."""
    for cell, kind in (("viz.graph(loss)", "Graph"), ("viz.draw(loss, formulas=True)", "Drawing")):
        assert outputs[cell]["image/svg+xml"].lstrip().startswith(("<?xml", "<svg"))
        assert outputs[cell]["text/plain"].startswith(f"<{kind} of ")


def test_formulas_are_typeset(outputs):
    """All lines aligned, and one alone."""
    assert "\\begin{aligned}" in outputs["te.explain(loss)"]["text/latex"]
    assert outputs['te.explain(loss)["dW1"]']["text/latex"].startswith("$\\displaystyle \\mathrm{d}W_{1} = ")


@pytest.mark.parametrize("cell", ["viz.explore(loss)", "run", "viz.explore(loss, training=run)"])
def test_pages_are_sandboxed_frames(cell, outputs):
    """Their programs may run, and nothing else: no same origin, no forms, no pop-ups."""
    shown = outputs[cell]["text/html"]
    assert shown.startswith("<iframe srcdoc=")
    assert 'sandbox="allow-scripts"' in shown
    assert outputs[cell]["text/plain"].startswith("<")


def test_tables_are_text(outputs):
    """steps() without colours."""
    assert "dW1" in outputs["loss.steps()"]["text/plain"]
    assert "\x1b" not in outputs["loss.steps()"]["text/plain"]


# --- without a kernel


@pytest.mark.parametrize("name", GRAPHS)
def test_every_graph_can_be_shown(name):
    """Graph and drawing of each, also as a notebook asks: with what it wants included and excluded."""
    t = GRAPHS[name]()
    for shown in (graph(t), draw(t)):
        assert set(shown._repr_mimebundle_(include=None, exclude=None)) == {"image/svg+xml", "text/plain"}


def test_a_lone_tensor_can_be_shown():
    """A constant, an empty one, one without axes."""
    for t in (te.tensor([1.0]), te.zeros(0, 3), leaf(2.0)):
        assert "image/svg+xml" in graph(t)._repr_mimebundle_()


@pytest.mark.parametrize("scheme", ["graph", "drawing", "page", "training"])
def test_showing_never_raises(scheme, monkeypatch, rng):
    """Whatever goes wrong stands in the text."""

    def broken(self):
        raise ValueError("as expected")

    loss = (leaf([1.0, 2.0], "w") ** 2).sum()
    shown = {"graph": lambda: graph(loss), "drawing": lambda: draw(loss), "page": lambda: explore(loss),
             "training": lambda: binary(rng, steps=1)}[scheme]()  # fmt: skip
    monkeypatch.setattr(Drawing, "svg", broken)
    monkeypatch.setattr(Page, "html", property(broken))
    monkeypatch.setattr(Training, "html", property(broken))
    (text,) = shown._repr_mimebundle_().values()
    assert text.startswith("<")
    assert "ValueError: as expected" in text


def test_a_run_without_steps_can_be_shown():
    """There is nothing to draw yet; the text says so."""
    run = te.viz.record([leaf([1.0], "w")])
    (text,) = run._repr_mimebundle_().values()
    assert "no step was recorded" in text


def test_formulas_of_written_leaves_can_be_shown():
    """LaTeX needs no numbers."""
    w = leaf(np.ones(2), "w")
    loss = (w * w).sum()
    w.data = te.zeros(2, dtype=te.float64)
    assert "= 2\\, w$" in explain(loss)["dw"]._repr_latex_()
