"""The benchmark harness: that it measures what it says, tells who is absent, and judges by the bars."""

from __future__ import annotations

import importlib
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks import floor, growth, harness, plot, report
from benchmarks.harness import Bar, Worker, Workload
from benchmarks.workloads import NAMES

TRAINING = ["article", "moons", "mlp", "mlp_tanh", "adam", "residual", "gru", "lstm", "chain"]


def workload(name: str) -> Workload:
    return importlib.import_module(f"benchmarks.workloads.{name}").WORKLOAD


@pytest.mark.parametrize("name", TRAINING)
def test_contenders_compute_the_same_losses(name):
    """NumPy by hand and the library go through the same losses, so their times can be compared."""
    asked = workload(name)
    hand, ours = (asked.contenders[who]() for who in ("numpy", "tinygrad_edu"))
    for _ in range(min(asked.check, 5)):
        np.testing.assert_allclose(float(ours()), float(hand()), rtol=asked.rtol)


def test_columns_compute_the_same_losses_as_rows():
    """The article's layout is the same network: its samples as columns change no loss."""
    article = workload("article")
    rows, columns = article.contenders["numpy"](), article.contenders["numpy columns"]()
    for _ in range(article.check):
        np.testing.assert_allclose(columns(), rows(), rtol=article.rtol)


@pytest.mark.parametrize("name", NAMES)
def test_bars_name_contenders(name):
    """Whatever a bar compares is measured."""
    asked = workload(name)
    assert asked.name == name
    assert asked.bars
    assert all(side in asked.contenders for bar in asked.bars for side in (bar.above, bar.below) if side)


def test_worker_runs_only_when_asked():
    """A worker answers every command with what was asked for, and ends when its input does."""
    with Worker("chain", "numpy") as worker:
        started = worker.ask("start", collector=True)
        losses = worker.ask("losses", steps=2)
        times = worker.ask("run", steps=3, warm=1, longest=60)["samples"]
    assert started["version"] == np.__version__
    assert losses["losses"] == pytest.approx([10.0, 10.0], rel=1e-5)  # ones stay near 1: 0.999 * 1 + 0.001
    assert len(times) == 3
    assert all(0 < t < 1 for t in times)
    assert worker.process.returncode == 0


def test_worker_that_fails_is_an_error():
    """A contender that raises stops the run; it doesn't drop out of the table."""
    with Worker("imports", "numpy") as worker, pytest.raises(RuntimeError, match="numpy ended with code 1"):
        worker.ask("start", collector=True)


@pytest.mark.skipif(sys.platform != "linux", reason="a peak can be set back only where there is /proc")
def test_memory_is_what_the_step_needs():
    """The peak counts what a step held at once, and not what set-up had let go before."""
    with Worker("memory", "numpy") as worker:
        worker.ask("start", collector=True)
        (peak,) = worker.ask("memory", steps=1)["samples"]
    activations = 20 * 256 * 512 * 4  # bytes: each layer's output must live until its backward pass
    weight = 512 * 512 * 4
    assert activations < peak < activations + 12 * weight  # a gradient and buffers of BLAS, not 20 gradients


def test_run_gives_medians_and_names_the_absent():
    """A result holds every contender that is here, says who is not, and judges its bars."""
    chain = workload("chain")
    asked = Workload(
        "chain",
        "?",
        bars=(Bar("numpy", "numpy", 1.0), Bar("numpy", "no_such_library", 1.0)),
        steps=2,
        rounds=(2, 1),
        contenders=dict.fromkeys(("numpy", "no_such_library"), chain.contenders["numpy"]),
    )
    result = harness.run(asked)
    assert list(result["contenders"]) == ["numpy"]
    assert result["absent"] == {"no_such_library": "not installed"}
    hand = result["contenders"]["numpy"]
    assert hand["samples"] == 4  # 2 steps in each of 2 rounds
    assert hand["quartiles"][0] <= hand["median"] <= hand["quartiles"][1]
    assert [bar["met"] for bar in result["bars"]] == [True, None]


def test_a_glance_keeps_its_workers():
    """The process that has imported a library does the next workload too, and ends when it is told."""
    kept: dict[str, Worker] = {}
    losses, processes = [], set()
    for name in ("chain", "article"):
        hand = workload(name).contenders["numpy"]
        asked = Workload(name, "?", bars=(Bar("numpy", "numpy", 1.0),), check=2, contenders={"numpy": hand})
        result = harness.run(asked, quick=True, kept=kept)
        losses.append(result["contenders"]["numpy"]["losses"])
        processes.add(kept["numpy"].process.pid)
    assert len(processes) == 1
    assert losses[0] != losses[1]
    kept["numpy"].__exit__()
    assert kept["numpy"].process.returncode == 0


def test_different_losses_are_told():
    """Contenders whose losses part are said not to compute the same thing, in the table too."""
    asked = Workload("chain", "?", rtol=1e-4)
    contenders = {"numpy": {"losses": [1.0, 0.5]}, "torch": {"losses": [1.0, 0.51]}}
    found = harness.agreement(asked, contenders)
    assert not found["equal"]
    assert found["difference"] == pytest.approx(0.02)
    shown = {"median": 1e-3, "quartiles": [1e-3, 1e-3]}
    result = {"question": "?", "unit": "step", "absent": {}, "others": 0.0, "agreement": found, "bars": []}
    table = report.workload_table("chain", {**result, "contenders": {"numpy": shown, "torch": shown}})
    assert "NOT THE SAME" in table


def test_bars_are_judged_by_the_ratio_of_medians():
    """A bar is met when its ratio is at most the limit; the table says both."""
    ours, theirs = {"median": 3.0, "rounds": [3.0, 6.0, 3.0]}, {"median": 4.0, "rounds": [4.0, 8.0, 4.0]}
    contenders = {"tinygrad_edu": ours, "torch": theirs}
    tight, wide = (harness.judged(Bar("tinygrad_edu", "torch", limit), contenders) for limit in (0.7, 0.75))
    assert (tight["ratio"], tight["met"], wide["met"]) == (0.75, False, True)
    table = report.bars_table({"chain": {"unit": "step", "bars": [tight, wide]}})
    assert "| chain | tinygrad_edu / PyTorch eager | 0.75 | 0.75 - 0.75 | 0.70 | **no** |" in table
    assert "| chain | tinygrad_edu / PyTorch eager | 0.75 | 0.75 - 0.75 | 0.75 | yes |" in table


def test_disturbed_measurement_says_so():
    """Where other processes had the machine, the table warns."""
    shown = {"numpy": {"median": 1e-3, "quartiles": [1e-3, 1e-3]}}
    result = {"question": "?", "unit": "step", "absent": {}, "agreement": None, "bars": [], "contenders": shown}
    assert "DISTURBED" in report.workload_table("mlp", {**result, "others": 0.8})
    assert "DISTURBED" not in report.workload_table("mlp", {**result, "others": 0.01})


def test_absence_has_a_reason():
    """A contender that can't take part says why, and the table repeats it; the others are measured."""
    with Worker("article", "tinygrad_edu numba") as worker:
        answer = worker.ask("start", collector=True)
    if "absent" in answer:  # numba or the engine may be here
        assert "numba" in answer["absent"] or "engine" in answer["absent"]
    shown = {"numpy": {"median": 1e-3, "quartiles": [1e-3, 1e-3]}}
    result = {"question": "?", "unit": "step", "agreement": None, "bars": [], "contenders": shown, "others": 0.0}
    table = report.workload_table("chain", {**result, "absent": {"tinygrad": "needs clang", "jax": "not installed"}})
    assert "absent here: tinygrad (needs clang); JAX jit (not installed)" in table


def test_silent_worker_is_given_up():
    """A contender whose compiler never ends is absent after a while, and its process is gone."""
    with Worker("growth:operations 1000000", "numpy", patience=0.05) as worker:
        answer = worker.ask("start", collector=True)
    assert answer == {"absent": "no answer in 0.05 s"}
    assert worker.process.returncode != 0


@pytest.mark.parametrize("question", growth.QUESTIONS)
def test_growth_contenders_compute_the_same_losses(question):
    """The smallest size of each question is one network for NumPy by hand and for the library."""
    asked = growth.WORKLOADS[f"{question} {growth.QUESTIONS[question][1][0]}"]
    hand, ours = (asked.contenders[who]() for who in ("numpy", "tinygrad_edu"))
    for _ in range(3):
        np.testing.assert_allclose(float(ours()), float(hand()), rtol=1e-5)  # float32, sums in other orders


def test_growth_has_a_point_per_size():
    """A contender has a median and a first call for every size, and the table a column."""
    everyone = growth.WORKLOADS["operations 10"].contenders
    result = growth.run("operations", quick=True, without=[name for name in everyone if name != "numpy"])
    sizes = [10, 1_000, 100_000]
    assert [size for size, _ in result["points"]["numpy"]] == sizes
    assert [size for size, _ in result["first"]["numpy"]] == sizes
    assert result["ended"] == {}
    assert "1,000  100,000" in report.growth_table("operations", result)


def test_floor_has_three_products_per_layer():
    """A layer multiplies for its output and both gradients; the first one needs no gradient of its input."""
    first, second = floor.perceptron((784, 128, 10), 64)
    assert (len(first.products()), len(second.products())) == (2, 3)
    assert len(floor.Linear(32, 128, 512, times=5).products()) == 11  # dW of all times is one product


def figures() -> dict[str, object]:
    seconds = {"numpy": 1e-3, "tinygrad_edu": 2e-3, "torch": 4e-3, "micrograd": 2.0}
    contenders = {k: {"median": t, "quartiles": [t / 2, t * 2]} for k, t in seconds.items()}
    return {"article": {"unit": "step", "contenders": contenders}, "imports": {"unit": "import", "contenders": {}}}


def test_overview_marks_every_contender():
    """The plot is well-formed, names the workload, and places each median by its ratio to PyTorch's."""
    root = ElementTree.fromstring(plot.overview(figures()))
    texts = ["".join(t.itertext()) for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"article", "PyTorch eager", "micrograd", "NumPy by hand", "tinygrad_edu"} <= set(texts)
    assert "imports" not in texts
    assert "500" in texts  # micrograd's ratio, beyond the edge of the scale
    scale = plot.Scale([0.25, 500.0], 0, 400)
    assert scale.ticks == [0.1, 1, 10, 100, 1000]
    assert (scale(0.1), scale(1), scale(1000)) == (0, 100, 400)


def test_numbers_beyond_an_edge_lie_outside_of_the_plane():
    """No mark is written over: what is faster than the scale stands left of it, each number in its mark's colour."""
    found = figures()
    found["article"]["contenders"]["torch compiled"] = {"median": 4e-6, "quartiles": [4e-6, 4e-6]}
    root = ElementTree.fromstring(plot.overview(found))
    (number,) = (t for t in root.iter("{http://www.w3.org/2000/svg}text") if "".join(t.itertext()) == "0.001")
    edge = min(float(c.get("cx", "nan")) for c in root.iter("{http://www.w3.org/2000/svg}circle"))
    assert number.get("text-anchor") == "end"
    assert float(number.get("x", "nan")) < edge
    assert [part.get("fill") for part in number] == [plot.COLOURS["torch compiled"]]


def test_growth_plot_has_a_line_per_contender():
    """Each contender is one line of as many points as it has sizes."""
    result = {"question": "size?", "points": {"numpy": [[1, 1e-3], [10, 1e-2]], "torch": [[1, 2e-3]]}}
    root = ElementTree.fromstring(plot.growth({"batch": result}))
    lines = [line.get("points", "").split() for line in root.iter("{http://www.w3.org/2000/svg}polyline")]
    assert sorted(map(len, lines)) == [1, 2]
