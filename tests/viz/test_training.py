"""viz.record and its page: what is kept is what was there, and keeping it changes nothing."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim
from tinygrad_edu.viz import explore, record
from tinygrad_edu.viz.charts import Axis, Plane, bundled, runs, scale_of, short
from tinygrad_edu.viz.record import CELLS, CONFIDENCE
from tinygrad_edu.viz.training import section

from .runs import binary, quadrants, three_columns


def data_of(html):
    return json.loads(html.split('id="training-data">')[1].split("</script>")[0])


# --- what is kept


def test_first_every_nth_and_last_step_are_kept(rng):
    """The loss of every step; looks at 0, 10, ... and at the last, once the page is made."""
    run = binary(rng, steps=26)
    assert len(run) == len(run.losses) == 26
    assert [look.step for look in run.looks] == [0, 10, 20]
    assert run.html
    assert [look.step for look in run.looks] == [0, 10, 20, 25]
    assert repr(run) == '<Training of 26 steps, 4 of them kept: .save("training.html")>'
    assert [look.loss for look in run.looks] == [run.losses[k] for k in (0, 10, 20, 25)]


def test_training_is_not_disturbed(rng):
    """With dropout and batch normalisation: the same parameters and buffers, to the last bit, as without a record."""

    def trained(recorded):
        te.manual_seed(0)
        X, Y = quadrants(np.random.default_rng(0))
        model = nn.Sequential(nn.Linear(2, 6), nn.BatchNorm1d(6), nn.RReLU(), nn.Dropout(0.3), nn.Linear(6, 1))
        frozen = model[1]
        optimizer = optim.Adam(model.parameters())
        run = record(model, every=2, inputs=X, labels=Y)
        for step in range(8):
            if step == 4:
                frozen.eval()
            optimizer.zero_grad()
            loss = F.binary_cross_entropy_with_logits(model(X), Y)
            loss.backward()
            if recorded:
                run.step(loss)
            optimizer.step()
        assert model.training
        assert not frozen.training
        return {name: t.numpy() for name, t in model.state_dict().items()}

    plain = trained(False)
    for name, array in trained(True).items():
        assert_array_equal(array, plain[name])


def test_norms_are_the_lengths_of_the_layers_gradients():
    """Weight and bias together; None where there is no gradient; kept even if it is gone when the page is made."""
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    run = record(model, every=5)
    for _ in range(2):
        loss = model(te.ones(4, 2)).square().mean()
        loss.backward()
        expected = [np.sqrt(sum(float((p.grad**2).sum()) for p in model[k].parameters())) for k in (0, 2)]
        run.step(loss)
        model.zero_grad()
    run.finish()
    assert list(run.looks[-1].norms) == ["0 Linear", "2 Linear"]
    assert_allclose(list(run.looks[-1].norms.values()), expected, rtol=1e-5)  # float32
    run.step(1.0)
    assert list(run._norms.values()) == [None, None]


def test_huge_gradients_have_a_length():
    """Whose square is no float32."""
    w = te.tensor([3e30, 4e30], requires_grad=True, name="w")
    run = record([w])
    w.grad = te.tensor([3e30, 4e30])
    run.step(0.0)
    assert_allclose(run.looks[0].norms["w"], 5e30, rtol=1e-6)


def test_parameters_of_one_number_are_one_layer(rng):
    """W1 and b1 belong together, in the article's notation."""
    run, *_ = three_columns(rng)
    assert list(run.looks[0].norms) == ["W1, b1", "W2, b2"]


def test_share_of_right_answers_and_the_plane(rng):
    """Binary scores in rows: right as counted by hand, and every cell what the model says in its middle."""
    te.manual_seed(0)
    X, Y = quadrants(rng)
    model = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1))
    run = record(model, inputs=X, labels=Y)
    run.step(0.0)
    look = run.looks[0]
    scores = model(X).detach().numpy()
    assert look.right == np.mean((scores > 0) == (Y.numpy() > 0.5))
    (left, low), (right, high) = run.bounds()
    i, j = 7, 40
    cell = [left + (j + 0.5) / CELLS * (right - left), high - (i + 0.5) / CELLS * (high - low)]
    chance = 1 / (1 + np.exp(-float(model(te.tensor([cell], dtype=te.float32)))))
    assert look.plane[i, j] == int(chance * CONFIDENCE)


def test_columns_and_three_classes(rng):
    """Samples as columns, scores (3, m): the class is the largest score's."""
    run, scores, X, Y = three_columns(rng)
    run.finish()
    look = run.looks[-1]
    assert run.columns
    assert look.right == np.mean(scores(X).detach().numpy().argmax(0) == Y.numpy())
    (left, low), (right, high) = run.bounds()
    middle = te.tensor([[left + 0.5 / CELLS * (right - left)], [high - 0.5 / CELLS * (high - low)]])
    assert look.plane[0, 0] == scores(middle).detach().numpy().argmax()
    assert set(np.unique(look.plane)) == {0, 1, 2}


def test_a_probability_is_parted_at_a_half():
    """A sigmoid's result is not squashed again."""
    X = te.tensor([[1.0, 0.0], [-1.0, 0.0]])
    model = nn.Sequential(nn.Linear(2, 1, bias=False), nn.Sigmoid())
    model[0].weight.data = te.tensor([[1.0, 0.0]])
    run = record(model, inputs=X, labels=[1, 0])
    run.step(0.0)
    assert run.looks[0].right == 1.0


@pytest.mark.parametrize("labels", [[1, -1], te.tensor([[1.0], [-1.0]]), np.array([True, False])], ids=str)
def test_labels_of_two_classes(labels):
    """-1 and 1, in a column, truth values."""
    model = nn.Linear(2, 1, bias=False)
    model.weight.data = te.tensor([[1.0, 0.0]])
    run = record(model, inputs=[[2.0, 0.0], [-2.0, 0.0]], labels=labels)
    run.step(0.0)
    assert run.looks[0].right == 1.0


def test_one_hot_labels_in_rows_and_columns():
    """Three classes; of rows of three targets that are none nothing is compared."""
    X, classes = np.eye(4, 5), np.array([0, 1, 2, 0])
    model = nn.Linear(5, 3, bias=False)
    model.weight.data = te.eye(3, 5)
    for labels in (np.eye(3)[classes], classes):
        run = record(model, inputs=X, labels=labels)
        run.step(0.0)
        assert run.looks[0].right == 1.0
    columns = record(model, inputs=X.T, labels=np.eye(3)[classes].T, predict=lambda X: model(X.T).T)
    columns.step(0.0)
    assert (columns.columns, columns.looks[0].right) == (True, 1.0)
    two = record([model.weight], inputs=np.ones((2, 4)), labels=np.eye(2)[[0, 1, 1, 0]].T, predict=lambda X: X)
    assert two.columns
    targets = record(model, inputs=X, labels=np.full((4, 3), 0.5))
    targets.step(0.0)
    assert targets.looks[0].right is None


def test_targets_that_are_no_classes_are_not_compared(rng):
    """Regression: loss, gradients and units, no plane and no share of right answers."""
    X, _ = quadrants(rng)
    run = record(nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)), inputs=X, labels=X[:, 0] * 2)
    run.step(1.0)
    assert run.looks[0].right is None
    assert run.looks[0].plane is None
    assert "Decision boundary" not in run.html
    assert "Saturated units" in run.html


def test_saturated_units_are_where_the_slope_is_almost_zero():
    """Per unit the share of the inputs, by closed forms of the slopes; functions count as modules do."""
    X = te.tensor([[4.0, 0.0, -5.0], [0.1, 0.0, -1.0], [-4.0, 0.2, -2.0], [0.0, -0.1, -3.0]])
    W = te.eye(3).requires_grad_()
    run = record([W], inputs=X, predict=lambda X: F.silu(te.relu(X @ W) + te.tanh(X @ W) + te.sigmoid(X @ W)))
    run.step(0.0)
    Z = X.numpy()
    s = 1 / (1 + np.exp(-Z))
    expected = {
        "relu": (Z <= 0).mean(0),
        "tanh": (1 - np.tanh(Z) ** 2 < 0.05).mean(0),
        "sigmoid": (s * (1 - s) < 0.05 / 4).mean(0),
    }
    found = {name.split()[1]: shares for name, shares in run.looks[0].units.items()}
    for name, shares in expected.items():
        assert_allclose(found[name], shares)
    assert set(found) == {*expected, "silu"}


def test_units_have_the_names_of_the_formulas(rng):
    """A1 and A2, in the order of the affine maps; of images channels are the units."""
    assert list(binary(rng, steps=1).looks[0].units) == ["A1 tanh", "A2 relu"]
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 2))
    run = record(model, inputs=te.randn(6, 1, 5, 5), labels=[0, 1, 0, 1, 0, 1])
    run.step(0.0)
    (shares,) = run.looks[0].units.values()
    assert shares.shape == (4,)


def test_of_many_inputs_some_are_asked(rng):
    """1,000 evenly spaced ones, and the page says so."""
    run = binary(rng, steps=1, inputs=rng.standard_normal((5000, 2)), labels=np.zeros(5000))
    assert run.inputs.shape == (1000, 2)
    assert run.inputs.dtype == np.float32  # the model's
    assert "asked about 1,000 of the inputs" in run.html
    assert "300 of 1,000 inputs are drawn" in run.html


def test_mistakes_are_named(rng):
    """What was passed, and what is expected."""
    model = nn.Linear(2, 1)
    with pytest.raises(ValueError, match="every is a number of steps, at least 1, not 0"):
        record(model, every=0)
    with pytest.raises(ValueError, match="labels need inputs="):
        record(model, labels=[1])
    with pytest.raises(ValueError, match=r"one label per input is expected; inputs \(3, 2\), labels \(4,\)"):
        record(model, inputs=np.zeros((3, 2)), labels=[0, 1, 0, 1])
    with pytest.raises(ValueError, match=r"inputs of shape \(0, 2\) hold no sample"):
        record(model, inputs=np.zeros((0, 2)))
    with pytest.raises(ValueError, match="inputs need predict="):
        record(list(model.parameters()), inputs=np.zeros((3, 2)))
    with pytest.raises(ValueError, match="the model has no parameters that require a gradient"):
        record(nn.Tanh())
    with pytest.raises(TypeError, match=r"training is what viz\.record returns, not list"):
        explore(model(te.ones(1, 2)).sum(), training=[])
    with pytest.raises(TypeError, match="a module or its parameters are expected, got int"):
        record([1])
    with pytest.raises(ValueError, match="no step was recorded"):
        record(model).save("nowhere.html")


# --- the page


def test_page_is_one_file_that_loads_nothing(rng):
    """The policy names its styles and its program by their hashes; no address, no handler, no inline style."""
    page = binary(rng).html
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        for text in re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL):
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy.split(directive)[1].split(";")[0]
    assert re.findall(r"https?://[^\s\"'<]+", page) == []
    assert not re.search(r"<[^>]*\s(src|href|style|on\w+)=", page.split("<script>")[0])


def test_page_takes_less_than_2_MB(rng):
    """Of 3,000 kept steps with noise for a plane few are shown; the page says how many."""
    run = record(nn.Linear(2, 1), every=1, inputs=rng.standard_normal((50, 2)), labels=np.arange(50) % 2)
    run.step(1.0)
    for step in range(1, 3000):
        plane = rng.integers(0, CONFIDENCE, (CELLS, CELLS)).astype(np.int8)
        run.losses.append(rng.uniform())
        run.looks.append(dataclasses.replace(run.looks[0], step=step, plane=plane))
    page = run.html
    assert len(page.encode()) < 2_000_000
    frames = data_of(page)["frames"]
    assert 100 <= len(frames) <= 200
    assert (frames[0]["n"], frames[-1]["n"]) == (0, 2999)
    assert f"Of 3,000 kept steps, {len(frames)} are shown, evenly spaced." in page
    assert "Mean of 10 steps at a time" in page


def test_page_is_the_same_from_process_to_process():
    """Byte for byte, whatever the hashes of strings are."""
    code = (
        "import sys, numpy as np; sys.path.insert(0, '.'); from tests.viz.runs import binary;"
        "sys.stdout.buffer.write(binary(np.random.default_rng(0)).html.encode())"
    )
    run = subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": "1"}, capture_output=True)
    assert run.stdout == binary(np.random.default_rng(0)).html.encode()


def test_losses_that_are_not_finite_are_shown_as_such():
    """NaN and infinity in the text, a gap in the curve, and where it began."""
    run = record(nn.Linear(1, 1), every=1)
    for loss in (1.0, 2.0, float("nan"), float("inf")):
        run.step(loss)
    page = run.html
    assert "2 losses are not finite, the first at step 2." in page
    assert [frame["said"] for frame in data_of(page)["frames"]][2:] == ["Step 2: loss NaN", "Step 3: loss ∞"]
    assert data_of(page)["frames"][2]["y"] is None


def test_without_gradients_the_page_says_what_to_do():
    """A step that was noted after the gradients were zeroed."""
    run = record(nn.Linear(1, 1))
    run.step(1.0)
    assert "call .step(loss) after backward()" in run.html


def test_names_are_text():
    """Markup in the name of a parameter ends nothing."""
    w = te.tensor([1.0], requires_grad=True, name="</script><img src=x onerror=alert(1)>")
    run = record([w], inputs=[[1.0]], predict=lambda X: te.tanh(X * w))
    (w * w).sum().backward()
    run.step(1.0)
    page = run.html
    assert "<img" not in page
    assert "&lt;/script&gt;" in page


def test_explorer_takes_the_run_as_a_section(rng):
    """One page, two programs, both named by its policy."""
    run = binary(rng)
    w = te.tensor([1.0, 2.0], requires_grad=True, name="w")
    page = explore((w * w).sum(), training=run).html
    assert section(run)[0] in page
    assert data_of(page)["frames"][-1]["n"] == 49
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy.count("sha256-") == 4
    assert len(re.findall(r"<script>", page)) == 2
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_save_and_the_notebook_frame(rng, tmp_path):
    """The file is the page; a notebook shows it in a frame that may run its program."""
    run = binary(rng, steps=3)
    run.save(tmp_path / "training.html")
    assert (tmp_path / "training.html").read_text(encoding="utf-8") == run.html
    assert 'sandbox="allow-scripts"' in run._repr_html_()
    assert set(run._repr_mimebundle_()) == {"text/html", "text/plain"}


# --- charts


@pytest.mark.parametrize(
    ("low", "high", "log", "labels"),
    [
        (0, 2000, False, ["0", "500", "1,000", "1,500", "2,000"]),
        (-0.3, 0.4, False, ["−0.2", "0", "0.2", "0.4"]),
        (1e-4, 1.0, True, ["0.0001", "0.001", "0.01", "0.1", "1"]),
        (0.3, 0.9, True, ["0.5"]),
        (0.012, 0.7, True, ["0.1"]),
        (1e-9, 1e9, True, ["1e−9", "1e−5", "0.1", "1,000", "1e7"]),
        (5.0, 5.0, False, ["2", "4", "6", "8"]),
    ],
)
def test_ticks_are_round_numbers_in_order(low, high, log, labels):
    """Few of them, inside of the axis."""
    found = Axis(low, high, 0, 100, log).ticks()
    if len(labels) > 1:
        assert [text for _, text in found] == labels
    assert 2 <= len(found) <= 7
    assert [x for x, _ in found] == sorted(x for x, _ in found)
    assert all(0 <= x <= 100 for x, _ in found)


def test_scale_is_logarithmic_from_a_factor_of_twenty():
    """And only for what is not negative; a zero is at the border."""
    assert not scale_of([1.0, 19.0], 0, 100).log
    assert scale_of([1.0, 21.0], 0, 100).log
    assert not scale_of([-1.0, 100.0], 0, 100).log
    axis = scale_of([0.0, 1e-3, 1.0], 0, 100)
    assert axis.log
    assert axis.at(0.0) == 0


def test_a_long_curve_is_bundled():
    """Means with extremes; NaN is left out."""
    (first, *_, last) = bundled(np.arange(3000.0))
    assert first == (4.5, 4.5, 0.0, 9.0)
    assert last == (2994.5, 2994.5, 2990.0, 2999.0)
    assert bundled([1.0, float("nan"), 3.0]) == [(0.0, 1.0, 1.0, 1.0), (2.0, 3.0, 3.0, 3.0)]


def test_runs_of_the_plane_hold_its_levels(rng):
    """Decoded, they are the plane; one level alone needs few letters."""
    levels = rng.integers(0, 10, (CELLS, CELLS)).astype(np.int8)
    text = runs(levels)
    decoded = [int(text[i]) for i in range(0, len(text), 3) for _ in range(int(text[i + 1 : i + 3], 36))]
    assert_array_equal(decoded, levels.ravel())
    assert runs(np.zeros((CELLS, CELLS), np.int8)) == "0zz0s1"  # 1295 + 1009
    plane = Plane(np.array([0.0, 0.0]), np.array([1.0, 1.0]), CELLS)
    assert sum(path.count("M") for path in plane.paths(np.zeros((CELLS, CELLS), np.int8), 3)) == CELLS


def test_all_rows_of_the_plane_end_alike():
    """However many cells a row's last run has: rounded lengths would leave gaps at the right edge."""
    plane = Plane(np.array([0.0, 0.0]), np.array([1.01, 1.0]), CELLS)
    paths = "".join(plane.paths(np.tril(np.ones((CELLS, CELLS), np.int8)), 2))
    ends = {}
    for row, right in re.findall(r"M[\d.]+ ([\d.]+)H([\d.]+)", paths):
        ends[row] = max(float(right), ends.get(row, 0.0))
    assert len(ends) == CELLS
    assert len({*ends.values()}) == 1


@pytest.mark.parametrize(
    ("value", "text"), [(0.12345, "0.123"), (1234.5, "1,234"), (99999.0, "99,999"), (1e6, "1e6"), (-2e-7, "−2e−7")]
)
def test_short_numbers(value, text):
    """At most three digits, thousands in whole."""
    assert short(value) == text
