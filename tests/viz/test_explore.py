"""The explorer's file: one page that asks for nothing, bounded in size, whose data are explain's."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim
from tinygrad_edu.symbolic import explain
from tinygrad_edu.viz import explore
from tinygrad_edu.viz.cards import Card, picture
from tinygrad_edu.viz.trees import positions, table, tree

from .graphs import article, evil_names


def loss_of(rng, m=6):
    v = article(rng, m)
    v["L"].backward()
    return v["L"]


def classifier(rng, m=40):
    te.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    x = te.tensor(rng.standard_normal((m, 64)).astype("f4"))
    return F.cross_entropy(model(x), te.tensor(np.arange(m) % 10))


def test_page_is_one_file_that_loads_nothing(rng):
    """The policy forbids all but the page's own style and program, named by their hashes; no address is in it."""
    page = explore(loss_of(rng)).html
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src 'none';")
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"https?://[^\s\"'<]+", page) == ["http://www.w3.org/2000/svg"]  # the name of a namespace
    assert not re.search(r"\b(src|href|style|on\w+)=", page.split("<script>")[0])


def test_article_takes_less_than_100_KB(rng):
    """The whole page, for the article's network."""
    assert len(explore(loss_of(rng)).html.encode()) < 100_000


def test_any_graph_takes_less_than_2_MB(rng):
    """Of many values fewer entries are shown, and beyond the limit only the last ones; the page says so."""
    h = te.tensor(rng.standard_normal((30, 40)), requires_grad=True)
    for _ in range(160):
        h = te.tanh(h)
    page = explore(h.mean())
    assert len(page.html.encode()) < 2_000_000
    assert "The first 11 steps of the forward pass are left out." in page.html
    assert "Of larger arrays, marked *, at most" in page.html


def test_steps_are_the_lines_of_explain(rng):
    """Forward and backward, in the order in which they run; each has explain's formula in both scales."""
    loss = loss_of(rng)
    page = explore(loss)
    names = [line.name for line in explain(loss)]
    assert [step["id"] for step in page.data["steps"]] == ["start", *names]
    for scale in ("exact", "textbook"):
        formulas = [
            line.mathml().replace(' xmlns="http://www.w3.org/1998/Math/MathML"', "") for line in explain(loss, scale)
        ]
        assert re.findall(rf'<td class="{scale}">(.*?)</td>', page.html) == formulas


def test_numbers_are_those_of_explain(rng):
    """Values and exact gradients to the five digits that the page holds."""
    loss = loss_of(rng)
    e = explain(loss)
    expected = {line.name: line.value for line in e} | {g.name: g.value for g in e.given}
    for value in explore(loss).data["values"]:
        assert_allclose(value["v"], np.atleast_2d(expected[value["name"]]), rtol=1e-4)
        if value["g"] is not None:
            assert_allclose(value["g"], np.atleast_2d(expected[f"d{value['name']}"]), rtol=1e-4)


def test_data_in_the_page_are_the_data(rng):
    """What the page's program reads is .data, and no byte of it can end the script element."""
    page = explore(loss_of(rng))
    raw = page.html.split('id="data">')[1].split("</script>")[0]
    assert json.loads(raw) == json.loads(json.dumps(page.data))
    assert "<" not in raw


def test_names_are_text_wherever_they_stand():
    """Names with markup, quotes and control characters appear escaped, in the graph, the table and the data."""
    x = te.tensor([1.0, 2.0], requires_grad=True, name="</script><img src=x onerror=alert(1)>")
    y = x * x
    y.name = "javascript:alert('\x00\ud800')"
    page = explore(y.sum()).html
    assert "<img" not in page
    assert "\x00" not in page
    assert "&lt;/script&gt;" in page
    assert "<lambda>" not in explore(evil_names()).html


def test_large_arrays_are_sampled_evenly(rng):
    """At most 12 x 12 entries, first and last among them, and the same places for equal lengths."""
    page = explore(classifier(rng))
    shown = {v["name"]: v for v in page.data["values"]}
    W1 = shown["W1"]
    assert W1["sampled"]
    assert W1["shape"] == [32, 64]
    assert np.shape(W1["v"]) == (12, 12)
    assert positions(64, 12)[0] == 0
    assert positions(64, 12)[-1] == 63
    assert "at most 12 rows and 12 columns are shown" in page.html


@pytest.mark.parametrize(
    ("array", "shown"),
    [
        (np.float32(2.5), [[2.5]]),
        (np.array([np.nan, np.inf, -np.inf]), [["NaN", "∞", "−∞"]]),
        (np.ones((2, 1, 2)), [[1, 1]] * 2),
    ],
    ids=["scalar", "not finite", "three axes"],
)
def test_table_of_an_array(array, shown):
    """Scalars are 1 x 1, vectors rows, of more axes all but the last are rows; NaN and infinities are words."""
    assert table(array, 12) == shown


def test_tree_of_a_formula(rng):
    """dW1 = X dZ1ᵀ as lists: value and gradient by number."""
    line = explain(loss_of(rng), "textbook")["dW1"]
    assert tree(line.symbol, {"X": 0}, {"dZ1": 3}) == [
        "*",
        ["/", ["n", "1"], ["n", "m"]],
        ["@", ["v", 0], ["T", ["g", 3]], "mm"],
    ]


def test_current_line_is_the_users_own(rng):
    """Forward the line that computed the value, backward the line that used it."""
    x = te.tensor(rng.standard_normal(3), requires_grad=True)
    y = te.tanh(x)
    loss = y.square().mean()
    data = explore(loss).data
    code = {step["id"]: data["code"][step["code"]][1] for step in data["steps"][1:]}
    assert code == {
        "y": "y = te.tanh(x)",
        "L": "loss = y.square().mean()",
        "dL": "loss = y.square().mean()",
        "dy": "loss = y.square().mean()",
        "dx": "y = te.tanh(x)",
    }


def test_without_a_source_the_formulas_stand_as_NumPy():
    """What was typed into a prompt has no file: then the rows are NumPy."""
    scope = {"te": te}
    exec("x = te.tensor([1.0, 2.0], requires_grad=True, name='x')\nloss = te.exp(x).sum()", scope)
    assert explore(scope["loss"]).data["code"] == [["", "L = np.sum(np.exp(x))"]]


def test_written_leaves_leave_formulas_without_numbers(rng):
    """After optimizer.step() the page names what has been written."""
    model = nn.Linear(2, 1)
    loss = F.mse_loss(model(te.tensor(rng.standard_normal((6, 2)).astype("f4"))), te.zeros(6, 1))
    loss.backward()
    optim.SGD(model.parameters(), lr=0.1).step()
    page = explore(loss)
    assert "W1, b1 has been written since the loss was computed" in page.html
    assert all(v["v"] is None and v["g"] is None for v in page.data["values"])


def test_cards_do_not_overlap(rng):
    """In the article's graph, a classifier's and one of random links."""
    for n in (5, 30, 80):
        cards = [
            Card(f"V{k}", "note" * (k % 4), "3 × 4", False, [[0.5] * (1 + k % 12)] * (1 + k % 7), None, k % 2 == 0,
                 sorted({int(i) for i in rng.integers(0, k, 2)}) if k else [])
            for k in range(n)
        ]  # fmt: skip
        found = re.findall(r"translate\((-?\d+),(-?\d+)\)", picture(cards).svg)
        boxes = [(int(x), int(y), *card.box) for (x, y), card in zip(found, cards, strict=True)]
        for i, (x, y, w, h) in enumerate(boxes):
            assert x >= 0
            assert y >= 0
            for a, b, c, d in boxes[:i]:
                assert x + w <= a + 1 or a + c <= x + 1 or y + h <= b + 1 or b + d <= y + 1


def test_a_repeated_operand_has_two_arrows():
    """a * a reads a twice; a value that is read very often has three."""
    a = te.tensor([1.0, 2.0], requires_grad=True)
    page = explore((a * a).sum())
    assert page.data["edges"] == [(0, 1), (0, 1)]
    ways = re.findall(r'class="edge" id="e\d+" d="([^"]*)"', page.html)
    assert len(set(ways)) == 2
    b = te.exp(a)
    assert explore((b * b * b * b * b).sum()).data["edges"].count((1, 2)) == 3


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.inner, self.drop = nn.LayerNorm(4), nn.Linear(4, 4), nn.Dropout(0.5)

    def forward(self, x):
        return x + self.drop(self.inner(self.norm(x)))


def test_modules_hold_their_cards(rng):
    """A call holds what it computed, its parameters and its mask; data and loss stand outside."""
    te.manual_seed(0)
    x = te.tensor(rng.standard_normal((6, 4)).astype("f4"), requires_grad=True)
    loss = nn.Sequential(*(Block() for _ in range(12)), nn.Linear(4, 2))(x).mean()
    data = explore(loss).data
    modules = {m["name"]: m for m in data["modules"]}
    inside = {data["values"][k]["path"] for k in modules["3"]["cards"] if data["values"][k]["path"]}
    assert inside == {"3.norm.weight", "3.norm.bias", "3.inner.weight", "3.inner.bias"}
    outside = set(range(len(data["values"]))) - set(modules["Sequential"]["cards"])
    assert {data["values"][k]["name"] for k in outside} == {"x", "L"}
    assert {s["title"] for s in data["steps"] if s["id"] in ("N", "V")} == {"N: normalisation", "V: variance"}
    names = [m["name"] for m in data["modules"]]
    assert modules["3.norm"]["parent"] == names.index("3")
    assert modules["3"]["parent"] == names.index("12 × Block")
    assert modules["12 × Block"]["kind"] == "0 … 11"
    assert [names[i] for i in data["folded"]] == ["12 × Block", *(str(i) for i in range(12))]


def test_a_graph_of_thousands_of_operations_is_explored():
    """What is not shown is not derived: 4,000 operations, 150 of them on the page."""
    y = te.tensor([0.5, 1.0], requires_grad=True)
    for _ in range(2000):
        y = te.tanh(y * 1.01)
    data = explore(y.sum()).data
    assert len(data["steps"]) == 1 + 150 + 151  # with the leaf's, which is not reached, the loss's comes twice
    assert len(data["values"]) == 151


def test_page_is_the_same_from_run_to_run(rng):
    """Byte for byte."""
    loss = loss_of(rng)
    assert explore(loss).html == explore(loss).html


def test_save_and_the_notebook_frame(rng, tmp_path):
    """The file is the page; a notebook shows it in a frame that may run scripts and nothing else."""
    page = explore(loss_of(rng), tmp_path / "backprop.html")
    assert (tmp_path / "backprop.html").read_text(encoding="utf-8") == page.html
    assert 'sandbox="allow-scripts"' in page._repr_html_()
    assert repr(page) == '<Page of 15 steps: .save("backprop.html")>'


def test_mistakes_are_named():
    """No gradient, a limit that is none."""
    with pytest.raises(RuntimeError, match="does not require one"):
        explore(te.tensor(1.0))
    with pytest.raises(ValueError, match="at least 2, not 0"):
        explore(te.ones(2, requires_grad=True).sum(), limit=0)


def test_repeated_steps_are_counted(rng):
    """A loop without modules folds into one card with its parameters; layers in pairs too; no arrow leads back."""
    te.manual_seed(0)
    U, W = te.randn(2, 3, requires_grad=True), te.randn(3, 3, requires_grad=True)
    state = te.zeros(4, 3)
    for _ in range(20):
        state = te.tanh(te.randn(4, 2) @ U + state @ W)
    data = explore((state**2).mean()).data
    (part,) = data["modules"]
    assert part["name"] == "20 × linear layer, tanh"
    assert data["folded"] == [0]
    names = [v["name"] for v in data["values"]]
    assert {names[k] for k in set(range(len(names))) - set(part["cards"])} == {"L"}

    layers = [m for _ in range(12) for m in (nn.Linear(4, 4), nn.ReLU())]
    data = explore(nn.Sequential(*layers, nn.Linear(4, 1))(te.randn(5, 4)).square().mean()).data
    kinds = {m["name"]: m["kind"] for m in data["modules"]}
    assert kinds["12 × Linear, ReLU"] == "0 … 23"
    inside = set(data["modules"][list(kinds).index("12 × Linear, ReLU")]["cards"])
    reached, new = set(), {b for a, b in data["edges"] if a in inside and b not in inside}
    while new:
        reached |= new
        new = {b for a, b in data["edges"] if a in reached} - reached
    assert not reached & inside


def test_a_few_equal_layers_are_not_counted(rng):
    """Two are as easily read as one; and three of a small graph are all on the page at first."""
    model = nn.Sequential(*(m for _ in range(3) for m in (nn.Linear(4, 4), nn.Tanh())))
    assert explore(model(te.randn(5, 4)).mean()).data["folded"] == []
    two = nn.Sequential(*(m for _ in range(2) for m in (nn.Linear(4, 4), nn.Tanh())))
    assert not any("×" in m["name"] for m in explore(two(te.randn(5, 4)).mean()).data["modules"])


def test_values_side_by_side_are_no_repetition(rng):
    """Queries, keys and values are alike, yet none goes on from the one before."""
    X = te.tensor(rng.standard_normal((5, 4)))
    Q, K, V = (te.tensor(rng.standard_normal((4, 3)), requires_grad=True) for _ in range(3))
    q, k, v = X @ Q, X @ K, X @ V
    assert explore((te.softmax(q @ k.T, dim=1) @ v).mean()).data["modules"] == []


def test_constants_that_are_no_numbers(rng):
    """A causal mask's -inf, and NaN, stand in a formula's pictures as words."""
    scores = te.tensor(rng.standard_normal((4, 4)), requires_grad=True, name="S")
    later = te.triu(te.ones(4, 4), diagonal=1).bool()
    page = explore(scores.masked_fill(later, float("-inf")).softmax(-1).square().sum())
    assert "\u2212\u221e" in str(page.data["steps"])
    assert explore(te.where(scores > 9, scores, float("nan")).sum()).data["steps"]


@pytest.mark.parametrize("called", ["labels", "Y"])
def test_rows_of_labels_have_their_numbers(called):
    """The Y of P - Y is no card: its rows, a 1 at each label, stand beside P, and the labels' card lights up."""
    Z = te.zeros(3, 4, requires_grad=True)
    given = te.tensor([2, 0, 3], name=called)
    page = explore(F.cross_entropy(Z, given))
    (Y,) = page.data["rows"]
    assert (Y["name"], Y["v"]) == ("Y", np.eye(4, dtype=int)[[2, 0, 3]].tolist())
    names = [v["name"] for v in page.data["values"]]
    step = next(s for s in page.data["steps"] if s["id"] == "dZ")
    assert step["trees"]["exact"][2] == ["-", ["v", names.index("P")], ["v", len(names)]]
    assert [names.index(called), 0] in step["uses"]
