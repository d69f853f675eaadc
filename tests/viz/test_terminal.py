"""Tensor.tree and Tensor.steps: how a loss was computed and how backward runs, for a terminal."""

from __future__ import annotations

import io
import re
import sys

import numpy as np
import pytest

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu import no_grad
from tinygrad_edu.viz.console import WIDTH, Console, columns

from .graphs import GRAPHS, article, constant, evil_names, leaf

PLAIN, ASCII, DEEP, CUBE = Console(), Console(ascii=True), Console("24bit"), Console("256")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Screen(io.StringIO):
    """A stand-in for standard output."""

    def __init__(self, encoding: str, terminal: bool) -> None:
        super().__init__()
        self._encoding, self._terminal = encoding, terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._terminal


def printed(monkeypatch, what, encoding="utf-8", terminal=True, **environment):
    """What print writes to such a standard output."""
    for name in ("NO_COLOR", "COLORTERM", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    screen = Screen(encoding, terminal)
    monkeypatch.setattr(sys, "stdout", screen)
    print(what)
    return screen.getvalue()


def test_tree_of_the_article():
    """Names, formulas, shapes, the loss's value, gradients of leaves, data; X and Y where they are used first."""
    L = article(np.random.default_rng(0), m=6)["L"]
    L.backward()
    found = re.sub(r"\d\.\d+(e-\d+)?", "N", L.tree().text(PLAIN))
    assert found == "\n".join(
        [
            "L = -mean(Y ∘ log(A2) + (1 - Y) ∘ log(1 - A2))   scalar   N",
            "├── Y   1×6   data",
            "└── A2 = σ(Z2)   1×6",
            "    └── Z2 = W2ᵀ A1 + b2   1×6",
            "        ├── W2   3×1   |grad| ≤ N",
            "        ├── A1 = tanh(Z1)   3×6",
            "        │   └── Z1 = W1ᵀ X + b1   3×6",
            "        │       ├── W1   2×3   |grad| ≤ N",
            "        │       ├── X   2×6   data",
            "        │       └── b1   3×1   |grad| ≤ N",
            "        └── b2   1×1   |grad| ≤ N",
        ]
    )


def test_numbers_in_the_tree_are_the_tensors():
    """The loss's value and the largest entry of each gradient."""
    v = article(np.random.default_rng(0))
    assert "W1   2×3   grad not computed" in v["L"].tree().text(PLAIN)
    v["L"].backward()
    text = v["L"].tree().text(PLAIN)
    assert f"scalar   {v['L'].item():.4g}\n" in text
    assert f"W1   2×3   |grad| ≤ {v['W1'].grad.abs().max().item():.3g}" in text


def test_shared_values_are_printed_once():
    """The second place refers to the first: below a residual connection H stands in full once."""
    v = leaf([[1.0, 2.0]], "x")
    h = te.tanh(v)
    h.name = "H"
    z = te.sigmoid(h)
    z.name = "Z"
    text = (z + h).sum().tree().text(PLAIN)
    assert text.count("tanh(x)") == 1
    assert "└── H   as above" in text


def test_a_deep_tree_goes_on_at_the_margin():
    """A chain of 3,000 values is read without recursion, each value once, no line wider than the page."""
    y = leaf([0.5], "x")
    for _ in range(3000):
        y = te.tanh(y)
    text = y.sum().tree(limit=10_000).text(PLAIN)
    lines = text.splitlines()
    assert max(map(columns, lines)) <= WIDTH
    assert sum(" = tanh(" in line and "continued" not in line for line in lines) == 3000
    assert y.sum().tree(limit=20).text(PLAIN).endswith("cut after 20 lines; tree(limit=...) prints more")


def test_a_tree_of_any_tensor():
    """Of a matrix under its variable's name, and of data alone."""
    scores = leaf([[1.0, 2.0]], "x") * 2
    assert scores.tree().text(PLAIN).startswith("scores = 2 x   1×2\n└── x")
    data = te.ones(3)
    assert data.tree().text(PLAIN) == "data   3   data"


def test_steps_of_the_article(rng):
    """The rules are explain's lines, in its order, with the ranges of value and gradient, and are checked."""
    v = article(rng, m=6)
    text = v["L"].steps("textbook").text(PLAIN)
    rows = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()[1:10]]
    assert [row[:4] for row in rows] == [
        ["1", "dL", "1", "scalar"],
        ["2", "dA2", "(1 - Y) / (1 - A2) - Y / A2", "1×6"],
        ["3", "dZ2", "A2 - Y", "1×6"],
        ["4", "dW2", "1/m A1 dZ2ᵀ", "3×1"],
        ["5", "db2", "1/m Σ dZ2", "1×1"],
        ["6", "dA1", "W2 dZ2", "3×6"],
        ["7", "dZ1", "dA1 ∘ (1 - A1²)", "3×6"],
        ["8", "dW1", "1/m X dZ1ᵀ", "2×3"],
        ["9", "db1", "1/m Σ dZ1", "3×1"],
    ]
    v["L"].backward()
    assert rows[7][4] == f"{v['W1'].numpy(force=True).min():.3g} … {v['W1'].numpy(force=True).max():.3g}"
    assert rows[7][5] == f"{v['W1'].grad.numpy().min():.3g} … {v['W1'].grad.numpy().max():.3g}"
    assert "textbook scale" in text
    assert re.search(r"each rule gives the gradient's numbers: worst error \d\.\de-1[5-9]", text)


def test_steps_after_a_write_have_no_numbers():
    """What was written is named, and the rules stand."""
    v = article()
    with no_grad():
        v["W1"] += 1
    text = v["L"].steps().text(PLAIN)
    assert "W1: written since the loss was computed, so there are no numbers" in text
    assert re.search(r"dW1 +X dZ1ᵀ +2×3 +not available +not available", text)


def test_a_heatmap_has_a_pixel_for_each_number():
    """Half blocks: the letter's colour is the upper row, the one behind it the lower; red above 0, blue below."""
    (line, used), (last, _) = DEEP.heatmap(np.array([[1.0, -1.0], [0.0, 0.5], [np.nan, np.inf]]))
    assert used == 4
    assert line == ("\x1b[38;2;178;24;43;48;2;247;247;247m▀▀\x1b[0m\x1b[38;2;33;102;172;48;2;244;165;130m▀▀\x1b[0m")
    assert last == "\x1b[38;2;200;0;200m▀▀\x1b[0m\x1b[38;2;178;24;43m▀▀\x1b[0m"


@pytest.mark.parametrize("shape", [(), (1,), (40,), (3, 100), (100, 3), (2, 3, 4), (1, 17, 1)])
def test_heatmaps_are_small(shape, rng):
    """At most 8 lines of 16 columns, whatever the array; all lines equally wide."""
    lines = CUBE.heatmap(rng.standard_normal(shape))
    assert 1 <= len(lines) <= 8
    assert len({used for _, used in lines}) == 1
    assert all(columns(ANSI.sub("", text)) == used <= 16 for text, used in lines)


def test_256_colours_are_those_of_the_cube():
    """Codes 16 to 231; white is 231."""
    codes = re.findall(r"38;5;(\d+)", CUBE.heatmap(np.linspace(-1, 1, 16))[0][0])
    assert len(codes) == 16
    assert all(16 <= int(c) <= 231 for c in codes)
    assert CUBE._code((255, 255, 255), 38) == "38;5;231"


def test_colours_go_to_a_terminal_only(monkeypatch):
    """24 bits where the terminal says so, else 256; none in a pipe, under NO_COLOR, or where TERM is dumb."""
    L = article()["L"]
    for what in (L.tree(), L.steps()):
        assert "\x1b[38;5;" in printed(monkeypatch, what)
        assert "\x1b[38;2;" in printed(monkeypatch, what, COLORTERM="truecolor")
        for quiet in ({"terminal": False}, {"NO_COLOR": "1"}, {"TERM": "dumb"}):
            assert "\x1b" not in printed(monkeypatch, what, **quiet)


def test_ascii_where_standard_output_is_ascii(monkeypatch):
    """Branches, formulas, shapes and signs; also where colours are allowed, which need no half blocks then."""
    L = article(np.random.default_rng(0))["L"]
    L.backward()
    for what in (L.tree(), L.steps(), L.steps("textbook")):
        text = printed(monkeypatch, what, encoding="ascii")
        assert text.isascii()
    assert "`-- A2 = sigmoid(Z2)   1x2" in L.tree().text(ASCII)
    assert "dW2  A1 dZ2.T" in L.steps().text(ASCII)


@pytest.mark.parametrize("name", [n for n in GRAPHS if n not in ("used_twice", "doubled")])
@pytest.mark.parametrize("console", [PLAIN, ASCII, DEEP])
def test_no_line_is_wider_than_the_page(name, console):
    """100 columns at most, and nothing but the console's own codes that a terminal would obey."""
    t = GRAPHS[name]()
    for what in (t.tree(), t.steps() if t.shape == () else t.sum().steps()):
        for line in ANSI.sub("", what.text(console)).splitlines():
            assert columns(line) <= WIDTH
            assert line == line.rstrip()
            assert not re.search(r"[\x00-\x1f\x7f\u202e\ud800-\udfff]", line)


def test_long_rules_are_folded():
    """A rule takes several lines rather than being cut."""
    x = leaf([1.0, 2.0], "x")
    y = sum((te.exp(x * k) / (1 + te.exp(x * k)) for k in range(2, 6)), start=x)
    text = y.sum().steps().text(PLAIN)
    assert all(columns(line) <= WIDTH for line in text.splitlines())
    assert len(text.splitlines()) > 4


def test_wide_letters_take_two_columns():
    """A name of 40 faces is cut at the page's edge, in the tree and in the rules."""
    w = leaf([1.0], "🙂" * 40)
    loss = (w * w).sum()
    for what in (loss.tree(), loss.steps()):
        assert max(map(columns, what.text(PLAIN).splitlines())) <= WIDTH


def test_float32_is_explained_in_float64():
    """Classes in float32: the rule's cast is none in the check."""
    scores = leaf(np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32), "S")
    text = F.cross_entropy(scores, constant([0, 1, 2, 1])).steps().text(PLAIN)
    assert re.search(r"worst error \d\.\de-1[5-9]|worst error 0\.0e\+00", text)


def test_names_are_just_names():
    """Control characters and escape sequences in a name don't reach the terminal."""
    w = leaf([1.0], "\x1b[31mred\n")
    text = (w * 2).sum().tree().text(PLAIN)
    assert "\x1b" not in text
    assert len(text.splitlines()) == 2
    assert "<lambda>" in evil_names().tree().text(PLAIN)


def test_steps_of_what_has_none():
    """The same errors as explain's, and a tensor is asked for."""
    with pytest.raises(RuntimeError, match="does not require one"):
        te.ones(()).steps()
    with pytest.raises(TypeError, match="tree: expected a Tensor, got float"):
        te.viz.tree(1.0)
