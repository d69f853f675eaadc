"""explain's text of large models: no line wider than a page, modules as headings or as one line."""

from __future__ import annotations

import re

import pytest

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn
from tinygrad_edu.symbolic import explain
from tinygrad_edu.symbolic.folding import broken


class Block(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.norm, self.attn = nn.LayerNorm(width), nn.MultiheadAttention(width, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x):
        h = self.norm(x)
        x = x + self.attn(h, h, h)[0]
        return x + self.mlp(x)


def transformer(count):
    te.manual_seed(0)
    model = nn.Sequential(nn.Embedding(7, 8), *(Block() for _ in range(count)), nn.Linear(8, 7))
    words = te.tensor([[1, 2, 3, 4, 5]])
    return F.cross_entropy(model(words)[0], words[0])


def lstm():
    te.manual_seed(0)
    out, _ = nn.LSTM(3, 4, num_layers=2, batch_first=True)(te.randn(2, 5, 3))
    return out.square().mean()


def long_formula():
    x = te.tensor([1.0, 2.0], requires_grad=True, name="a_rather_long_name_of_a_value")
    y = te.tensor([0.5, 3.0], requires_grad=True, name="another_such_name")
    total = x * y
    for k in range(2, 9):
        total = total + te.exp(x * y / k) * (x - k * y)
    return (total**2).sum()


def penalised():
    """A module's path that alone is as wide as half a page."""
    te.manual_seed(0)
    inner: nn.Module = nn.Linear(2, 2)
    for _ in range(9):
        holder = nn.Module()
        holder.inner_module = inner
        holder.forward = inner.__call__
        inner = holder
    return inner(te.ones(3, 2)).square().mean()


LOSSES = {
    "one block": lambda: transformer(1),
    "twelve blocks": lambda: transformer(12),
    "lstm": lstm,
    "long formula": long_formula,
    "long path": penalised,
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("ascii", [False, True], ids=["unicode", "ascii"])
def test_no_line_is_wider_than_a_page(name, ascii):
    """In every depth, in both notations; and ASCII is ASCII."""
    e = explain(LOSSES[name]())
    for depth in (None, 0, 1, 2, 99):
        text = e.text(ascii, depth)
        assert max(map(len, text.splitlines())) <= 100
        assert not ascii or text.isascii()


@pytest.mark.parametrize("name", ["one block", "lstm"])
def test_what_is_folded_still_checks(name):
    """Folding is about the text: every line is there, and right to 1e-10."""
    e = explain(LOSSES[name]())
    assert e.check() < 1e-10
    whole = " ".join(e.text(depth=99).split())
    for line in e:
        assert " ".join(line.text().split()) in whole or len(line.text()) > 40  # broken lines have the shape between


def test_lines_stand_under_their_modules_path():
    """Of a block with parts; what the block itself adds stands under the block's own path again."""
    text = explain(transformer(1)).text()
    forward, backward = text.split("backward\n")
    assert re.findall(r"^  (\S+)   (\w+)$", forward, re.M)[:4] == [
        ("0", "Embedding"),
        ("1.norm", "LayerNorm"),
        ("1.attn", "MultiheadAttention"),
        ("1", "Block"),
    ]
    assert re.search(r"^    dW\d = .* in_proj_weight$", backward, re.M)  # the rest of the path is in the heading


def test_a_small_network_has_no_headings(rng):
    """The article's network in modules reads as it does without."""
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1), nn.Sigmoid())
    text = explain(nn.BCELoss()(model(te.ones(3, 2)), te.ones(3, 1))).text()
    assert "Linear" not in text
    assert re.search(r"^  dW1 = dZ1ᵀ X +4 × 2 +0\.weight$", text, re.M)


def test_depth_folds_modules_to_a_line():
    """It says what comes out and what goes in, forward and backward, and how much is folded."""
    text = explain(transformer(2)).text(depth=1)
    assert re.search(r"^  H\d+ = Block\(H\d+\) +1 × 5 × 8 +1: \d+ lines folded$", text, re.M)
    assert re.search(r"^  dN = Block′\(dx, dN2\) +1 × 5 × 8 +1: \d+ lines folded$", text, re.M)
    assert "Modules are folded: .text(depth=2) opens them" in text
    assert text.count("Block(") == 2
    assert "Linear′(dZ" not in text
    assert "Linear′(dL)" in text
    assert explain(transformer(2)).text(True, 1).isascii()


def test_a_large_model_is_folded_by_itself():
    """At most 60 lines for a pass, and the way to see all."""
    e = explain(transformer(12))
    forward, backward = e.text().split("\n\n")[1:]
    assert len(forward.splitlines()) <= 61
    assert len(backward.splitlines()) <= 61
    assert "Modules are folded: .text(depth=2) opens them, .text(depth=4) shows every line." in e.text()
    assert len(e.text(depth=99).splitlines()) > len(list(e))


@pytest.mark.parametrize(
    ("line", "width", "lines"),
    [
        ("dZ = A - Y", 20, ["dZ = A - Y"]),
        ("dZ = (alpha + beta) ∘ (gamma - delta)", 24, ["dZ = (alpha + beta)", "     ∘ (gamma - delta)"]),
        ("L = mean(a + b) + sum(c + d)", 20, ["L = mean(a + b)", "    + sum(c + d)"]),
        ("y = f(first, second, third)", 18, ["y = f(first,", "    second, third)"]),
        ("n = abcdefghijklmnopqrstuvwxyz", 20, ["n = abcdefghijklmnop", "    qrstuvwxyz"]),
    ],
)
def test_long_lines_go_on_at_an_operator(line, width, lines):
    """Before it, as far out of the parentheses as can be; at a comma; and a word that is too long is cut."""
    assert broken(line, width) == lines
    assert all(len(part) <= width for part in lines)


@pytest.mark.parametrize("depth", [-1, 1.5, True])
def test_depth_is_a_whole_number(depth):
    """Refused with what is meant by it."""
    with pytest.raises(ValueError, match="text: depth is how many modules deep the lines go, 0 or more, not"):
        explain(lstm()).text(depth=depth)


def recurrence(steps):
    """A loop in a notebook: no modules, and parameters that every step uses."""
    te.manual_seed(0)
    U, W, b = te.randn(2, 3, requires_grad=True), te.randn(3, 3, requires_grad=True), te.zeros(3, requires_grad=True)
    state = te.zeros(4, 3)
    for _ in range(steps):
        state = te.tanh(te.randn(4, 2) @ U + state @ W + b)
    return (state**2).mean()


def test_a_long_loop_shows_its_first_and_last_lines():
    """Both passes on one screen; how many lines are left out is said, and how to see them."""
    e = explain(recurrence(200))
    text = e.text()
    assert len(text.splitlines()) < 60
    assert "Lines that repeat are folded: .text(depth=0) shows every line." in text
    assert re.search(r"^  Z3 = C\d+ U \+ A2 W \+ b +4 × 3$", text, re.M)
    assert re.search(r"^  A2 = tanh\(Z2\) +4 × 3$", text, re.M)
    assert "… 392 lines of these forms" in text
    assert re.search(r"^  Z200 = C\d+ U \+ A199 W \+ b", text, re.M)
    assert "  dZ1 = dA1 ∘ (1 - A1²)" in text
    assert re.search(r"^ +… \d+ lines$", text, re.M)  # of the 200 terms of dW
    assert e.text(ascii=True).isascii()
    whole = e.text(depth=0)
    assert len(whole.splitlines()) > 400
    assert "lines of" not in whole


def test_layers_of_a_functional_program_are_one_form():
    """W2, W3 ... are different leaves; what they do repeats."""
    te.manual_seed(0)
    h = te.randn(4, 3)
    for weight in [te.randn(3, 3, requires_grad=True) for _ in range(40)]:
        h = te.relu(h @ weight)
    text = explain(h.mean()).text()
    assert text.count("lines of these forms") == 2
    assert "  dW1 = Xᵀ dZ1" in text


def test_a_short_program_is_printed_whole():
    """Ten equal steps are no reason to fold."""
    assert "lines of" not in explain(recurrence(10)).text()


def test_a_long_chain_of_small_operations_has_lines_of_its_own():
    """Additions and products are spelled out where they are used, but not hundreds of them in one formula."""
    x = te.tensor([1.0, -2.0, 0.5], requires_grad=True, name="x")
    value = x
    for _ in range(300):
        value = 0.5 * value + x
    e = explain(value.sum())
    assert e.check() < 1e-10
    assert max(len(line.text()) for line in e.forward) < 700
    assert len(e.text().splitlines()) < 200
