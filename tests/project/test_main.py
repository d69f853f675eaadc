"""`python -m tinygrad_edu`: what the main job prints is what it claims."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from tinygrad_edu import __main__ as program


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """One run of the main job in a folder of its own."""
    folder = tmp_path_factory.mktemp("main")
    run = subprocess.run([sys.executable, "-m", "tinygrad_edu"], cwd=folder, capture_output=True, text=True, check=True)
    return run.stdout, folder


def test_both_notations_reach_the_same_cost(output):
    """Columns and rows, trained from the same weights, never differ by more than rounding."""
    (gap,) = re.findall(r"largest difference in \d+ steps: +(\S+),", output[0])
    assert float(gap) < 1e-10  # 5,000 steps of float64, rounded in another order


def test_non_linearity_pays(output):
    """At least 88% with tanh, about half without."""
    (with_tanh,) = re.findall(r"with tanh +([\d.]+)%", output[0])
    (without,) = re.findall(r"without a non-linearity +([\d.]+)%", output[0])
    assert float(with_tanh) >= 88
    assert 35 <= float(without) <= 65


def test_gradients_agree_three_ways(output):
    """Autograd equals the article's formulas to rounding, and central differences to their error."""
    rows = re.findall(r"^(d\w\d) .* (\S+e-\d+) +\S+ +(\S+e-\d+)$", output[0], re.MULTILINE)
    assert [name for name, _, _ in rows] == ["dZ2", "dW2", "db2", "dA1", "dZ1", "dW1", "db1"]
    for _, hand, differences in rows:
        assert float(hand) < 1e-14
        assert float(differences) < 1e-7


def test_equations_stand_beside_the_articles(output):
    """The derived lines are printed with the article's to their right."""
    assert re.search(r"dZ2 = A2 - Y +\| A2 - Y", output[0])
    assert re.search(r"dW2 = 1/m A1 dZ2(ᵀ|\.T) +\| 1/m  A1 dZ2\.T", output[0])
    assert re.search(r"dZ1 = dA1 [∘*] \(1 - A1(²|\^2)\) +\| dA1 \* g'\(Z1\)", output[0])
    assert re.search(r"Largest error of a formula.*: \d\.\de-1[0-9]", output[0])


def test_boundary_and_graph(output):
    """The plane is drawn with both answers and both kinds of points; the graph is a file of DOT."""
    text, folder = output
    picture = text.split("some of the points (x, o)")[1]
    assert all(mark in picture for mark in "#.xo")
    source = (folder / "backprop.dot").read_text(encoding="utf-8")
    assert source.startswith("digraph")
    assert all(name in source for name in ("W1", "b1", "Z1", "A1", "A2"))


def test_explorer_is_written_beside_the_graph(output):
    """One page of under 100 KB, with six points, both scales and the main job's own source lines."""
    page = (output[1] / "backprop.html").read_text(encoding="utf-8")
    assert len(page.encode()) < 100_000
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert data["m"] == 6
    assert data["scales"] == ["exact", "textbook"]
    assert "Z1 = W1.T @ X + b1" in [text for _, text in data["code"]]


def test_training_can_be_scrubbed_over(output):
    """51 kept steps of 5,000; the last says about nine points in ten right, and its boundary parts the petals."""
    page = (output[1] / "backprop_training.html").read_text(encoding="utf-8")
    assert len(page.encode()) < 200_000
    frames = json.loads(page.split('id="training-data">')[1].split("</script>")[0])["frames"]
    assert [frame["n"] for frame in frames] == [*range(0, 5000, 100), 4999]
    (right,) = re.findall(r", ([\d.]+)% of the inputs right", frames[-1]["said"])
    assert float(right) >= 88
    assert {frames[-1]["plane"][i] for i in range(0, len(frames[-1]["plane"]), 3)} >= {"0", "7"}


def test_mnist_needs_a_folder(capsys):
    """Without --root the program says what is missing."""
    with pytest.raises(SystemExit):
        program.main(["--data", "mnist"])
    assert "--root DIR" in capsys.readouterr().err


def test_a_missing_file_ends_the_program_with_its_name(tmp_path, capsys):
    """No traceback: the file, the folder, and exit status 2."""
    assert program.main(["--data", "mnist", "--root", str(tmp_path)]) == 2
    assert "t10k-images-idx3-ubyte" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--graph", "g.jpg"], r"--graph: save: 'g.jpg' ends in '.jpg'; what works is .dot, .gv, .svg, .html"),
        (["--graph", "none/g.svg"], "--graph: save: there is no folder 'none'"),
        (["--graph", "g.pdf"], r"--graph: save: the (Python package graphviz|program dot)"),
        (["train.py"], "there is no command 'train.py'; for a program of yours: explain train.py"),
        (["explian", "train.py"], "there is no command 'explian'; for a program of yours: explain FILE.py"),
    ],
)
def test_arguments_that_can_not_work_are_refused_at_once(arguments, message, capsys, monkeypatch):
    """In one line, before anything is trained."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(program, "run_petals", lambda file: pytest.fail("it has begun"))
    with pytest.raises(SystemExit):
        program.main(arguments)
    assert re.search(f"error: {message}", capsys.readouterr().err)


def test_no_page_is_written_over_another(tmp_path, monkeypatch, capsys):
    """The graph as .html, the steps and the training are three files."""
    X, Y = program.te.ones(2, 3).double(), program.te.ones(1, 3).double()
    loss = program.article_loss(program.leaves(program.initial_weights(2, 4, 1)), X, Y)
    monkeypatch.chdir(tmp_path)
    program.write_graph(loss, "g.html")
    program.write_page(loss, "g.html")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["g.html", "g_steps.html"]
    assert "backprop.svg" not in capsys.readouterr().out


def test_mnist_run_on_stand_in_images(tmp_path, capsys, rng, monkeypatch):
    """The same job on idx files: ten kinds of simple images are learnt, and all parts are printed."""
    import struct

    monkeypatch.chdir(tmp_path)
    y = rng.integers(0, 10, 400).astype(np.uint8)
    x = np.zeros((400, 28, 28), np.uint8)
    for image, label in zip(x, y, strict=True):
        image[2 * label + 3 : 2 * label + 6, 5:20] = 200
    header = struct.pack(">4I", 0x803, 400, 28, 28)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(header + x.tobytes())
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, 400) + y.tobytes())
    assert program.main(["--data", "mnist", "--root", str(tmp_path), "--graph", "digits.dot"]) == 0
    text = capsys.readouterr().out
    (accuracy,) = re.findall(r"with ReLU +([\d.]+)%", text)
    assert float(accuracy) > 90
    assert re.search(r"dW1 = 1/m X dZ1(ᵀ|\.T)", text)
    assert (tmp_path / "digits.dot").exists()
    assert (tmp_path / "digits.html").exists()
