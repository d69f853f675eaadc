"""Modules as boxes, and equal boxes in a row as one with a count."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn
from tinygrad_edu.viz import draw, graph

from .graphs import leaf


class Block(nn.Module):
    """A transformer's, with dropout and a mask that it makes itself."""

    def __init__(self, width=8):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        h = self.norm(x)
        later = te.triu(te.ones(x.shape[1], x.shape[1]), diagonal=1).bool()
        x = x + self.drop(self.attn(h, h, h, attn_mask=later)[0])
        return x + self.mlp(x)


class Model(nn.Module):
    def __init__(self, count, words=7, width=8):
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.blocks = nn.ModuleList([Block(width) for _ in range(count)])
        self.head = nn.Linear(width, words)

    def forward(self, words):
        x = self.embed(words)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def transformer(count=12):
    """The loss; the model is nobody's variable when it is drawn."""
    te.manual_seed(0)
    words = te.tensor([[1, 2, 3, 4, 5]])
    return F.cross_entropy(Model(count)(words)[0], words[0])


def boxes(drawing):
    """Id of each box with its words, in the order of the text."""
    found = {}
    for line in drawing.source.splitlines():
        if match := re.match(r"\t(\w+) \[label=<(.*)> fillcolor", line):
            found[match[1]] = re.sub(r"\s+", " ", re.sub(r"<[^<>]*>|&#160;", " ", match[2])).strip()
    return found


def titles(drawing):
    """What stands large in the boxes that are modules or repetitions."""
    return list(re.findall(r'POINT-SIZE="14"><B>(.*?)</B>', drawing.source))


# --- the data


def test_values_know_the_call_that_computed_them():
    """Calls lie in one another as they were made, paths are PyTorch's, parameters have theirs."""
    g = graph(transformer(2))
    calls = {call.path: call for call in g.calls}
    assert calls[""].kind == "Model"
    assert calls["blocks.1.mlp.2"].kind == "Linear"
    parents = {call.id: call.path for call in g.calls}
    assert parents[calls["blocks.1.mlp.2"].parent] == "blocks.1.mlp"
    assert [calls[path].level for path in ("", "blocks.0", "blocks.0.mlp", "blocks.0.mlp.0")] == [0, 1, 2, 3]
    added = [v for v in g.values if v.operation == "add" and v.call == calls["blocks.1"].id]
    assert len(added) == 2
    assert g["blocks.0.mlp.0.weight"].path == "blocks.0.mlp.0.weight"
    assert g.root.call is None


def test_results_in_a_tuple_or_dict_belong_to_one_call():
    """A module may return several tensors in any nesting."""

    class Two(nn.Module):
        def forward(self, x):
            return {"a": (x * 2, [x * 3])}

    module = Two()
    out = module(leaf([1.0, 2.0], "x"))["a"]
    g = graph((out[0] * out[1][0]).sum())
    assert [call.kind for call in g.calls] == ["Two"]
    assert [v.call for v in g.values if v.operation == "mul"] == ["c0", "c0", None]


def test_a_module_that_only_passes_its_input_on_makes_no_call():
    """Identity, dropout in evaluation: nothing was computed, and nothing is claimed."""
    layer = nn.Linear(2, 2)
    model = nn.Sequential(layer, nn.Identity(), nn.Dropout().eval())
    assert [call.path for call in graph(model(te.ones(1, 2)).sum()).calls] == ["", "0"]


def test_several_models_go_by_their_class():
    """Two models with parameters have no path in common, so their classes tell them apart; a loss's module too."""
    first, second, loss = nn.Linear(2, 2), nn.Linear(2, 1), nn.MSELoss()
    g = graph(loss(second(first(te.ones(3, 2))), te.zeros(3, 1)))
    assert [call.path for call in g.calls] == ["Linear", "Linear2", "MSELoss"]
    assert "Linear2.bias" in {v.path for v in g.values}
    g = graph(loss(first(te.ones(3, 2)), te.zeros(3, 2)))
    assert [call.path for call in g.calls] == ["", "MSELoss"]


def test_calls_under_no_grad_and_of_frozen_models_leave_nothing():
    """There are no records to note anything on."""
    model = nn.Linear(2, 2)
    with te.no_grad():
        assert graph(model(te.ones(1, 2))).calls == ()


# --- boxes


def test_twelve_equal_blocks_are_one_box():
    """With their masks and parameters, from the first path to the last."""
    drawing = draw(transformer(), depth=1)
    assert titles(drawing) == ["embed", "Block × 12", "head"]
    (words,) = [w for w in boxes(drawing).values() if "× 12" in w]
    assert "blocks.0 … blocks.11" in words
    block = sum(p.numel() for p in Block().parameters())
    assert f"{12 * block:,} parameters in all" in words
    assert "grad not computed" in words
    assert "modules at depth 1 are closed, equal ones counted; draw(..., depth=2) opens them" in drawing.hint


def test_depth_opens_one_level_after_the_other():
    """0 is the model; two blocks are no repetition, so depth 2 shows what each of them calls."""
    loss = transformer(2)
    assert titles(draw(loss, depth=0)) == ["Model"]
    assert titles(draw(loss, depth=1)) == ["embed", "blocks.0", "blocks.1", "head"]
    inner = titles(draw(loss, depth=2))
    assert [t for t in inner if t.startswith("blocks.1")] == [
        f"blocks.1.{part}" for part in ("norm", "attn", "drop", "mlp")
    ]
    opened = draw(loss, depth=99, limit=1000)
    assert {t.partition(" × ")[1:] for t in titles(opened) if "weight" not in t and "bias" not in t} == {(" × ", "3")}
    assert len(boxes(opened)) == len(graph(loss)) - 2 * 5  # of each attention, queries, keys and values count as one


def test_data_stay_outside_and_masks_inside():
    """A closed model has three arrows: the words, the targets of the loss, and its result."""
    drawing = draw(transformer(2), depth=0)
    assert sorted(w.split(" ")[0] for w in boxes(drawing).values() if "int64" in w) == ["constant", "constant"]
    assert len(boxes(drawing)) == 5  # those, the model, its first row, the loss


def test_a_large_graph_is_folded_by_itself_and_a_small_one_is_not():
    """At most 60 boxes unless the limit is raised; the hint says what was done."""
    loss = transformer()
    drawing = draw(loss)
    assert "Block × 12" in titles(drawing)
    assert len(boxes(drawing)) <= 60
    assert f"{len(graph(loss)):,} values in {len(boxes(drawing))} boxes" in drawing.hint
    assert drawing.hint in drawing.source
    whole = draw(loss, limit=1000)
    assert len(boxes(whole)) == len(graph(loss))
    assert whole.hint == ""
    assert draw(loss, limit=6, depth=0).source == draw(loss, limit=6).source


def test_a_period_of_several_modules_is_counted():
    """Linear, ReLU, Linear, ReLU ... of one width is one box; the first layer's width differs."""
    layers = [nn.Linear(3, 5), nn.ReLU(), *(m for _ in range(6) for m in (nn.Linear(5, 5), nn.ReLU())), nn.Linear(5, 1)]
    drawing = draw(nn.Sequential(*layers)(te.ones(2, 3)).sum(), depth=1)
    assert titles(drawing) == ["0", "1", "Linear, ReLU × 6", "14"]
    assert "2 … 13" in drawing.source


def test_a_cell_in_a_loop_is_counted():
    """Its parameters, shared by all steps, are counted once, and the data of each step go in with it."""
    te.manual_seed(0)
    cell, X, h = nn.GRUCell(2, 3), te.randn(4, 9, 2), te.zeros(4, 3)
    for t in range(9):
        h = cell(X[:, t], h)
    drawing = draw(h.sum(), depth=0)
    assert titles(drawing) == ["GRUCell × 9"]
    assert f"{sum(p.numel() for p in cell.parameters())} parameters in all" in drawing.source


def test_layers_without_modules_are_counted():
    """Three operations, twenty times, with weights of their own."""
    te.manual_seed(0)
    x = te.randn(2, 4)
    for _ in range(20):
        x = te.tanh(x @ leaf(te.randn(4, 4).numpy()) + leaf([0.0] * 4))
    drawing = draw(x.sum())
    assert titles(drawing) == ["matmul, add, tanh × 20"]
    assert "400 parameters in all" in drawing.source


def test_what_differs_is_not_counted():
    """A block of another shape, activation or wiring ends the repetition."""
    x = leaf([1.0, 2.0], "x")
    y = te.tanh(te.tanh(te.tanh(x)))
    z = te.sin(te.sin(te.sin(y)))
    assert titles(draw(z.sum(), depth=0)) == ["x", "tanh × 3", "sin × 3"]
    y = te.tanh(x)
    for _ in range(4):
        x, y = y, x * y  # like the Fibonacci numbers: from the last two
    assert "mul × 3" in titles(draw(y.sum(), depth=0))
    a = te.tanh(te.tanh(y))
    assert not any("tanh ×" in t for t in titles(draw((te.tanh(a) * te.tanh(a)).sum(), depth=0)))


def test_named_values_are_never_counted():
    """The user looks for them."""
    x = leaf([1.0], "x")
    for i in range(6):
        x = te.tanh(x)
        if i == 2:
            x.name = "middle"
    assert "middle" in titles(draw(x.sum(), depth=0))


def test_a_chain_of_20000_operations_folds(calls):
    """In one box, at once: ten times as many take ten times as many calls."""

    def drawn(length):
        y = leaf([1.0, 2.0])
        for _ in range(length):
            y = te.tanh(y)
        made.append(draw(y.sum()))
        made[-1].svg()

    made = []
    assert calls(lambda: drawn(20_000)) < 11 * calls(lambda: drawn(2_000))
    assert titles(made[0]) == ["tanh × 20,000"]


def test_the_gradients_graph_is_drawn():
    """Of create_graph=True: the operations of the rules, with the model's folded beside them."""
    te.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    dW, *_ = te.autograd.grad(model(te.ones(4, 2)).square().mean(), list(model.parameters()), create_graph=True)
    assert "1 - ·" in draw(dW).source
    assert titles(draw(dW, depth=1))[:2] == ["0", "1"]


@pytest.mark.skipif(shutil.which("dot") is None, reason="the program dot is not installed")
@pytest.mark.parametrize("view", ["forward", "backward", "both"])
@pytest.mark.parametrize("depth", [0, 1, 2, None])
def test_dot_takes_folded_graphs(view, depth):
    """In every view, with formulas and counts, one node per box and nothing on standard error."""
    loss = transformer(4)
    loss.backward()
    drawing = draw(loss, view=view, depth=depth, formulas=True, counts=True, constants=False)
    run = subprocess.run(["dot", "-Tsvg"], input=drawing.source.encode(), capture_output=True, check=True)
    assert run.stderr == b""
    assert run.stdout.count(b'class="node"') == len(boxes(drawing))
    assert drawing.svg().count('class="value"') == len(boxes(drawing))


@pytest.mark.parametrize("depth", [-1, 1.5, True, "1"])
def test_depth_is_a_whole_number(depth):
    """Refused with what is meant by it."""
    with pytest.raises(ValueError, match="draw: depth is how many modules deep the picture goes, 0 or more, not"):
        draw(leaf([1.0]), depth=depth)
