"""viz.keep: the numbers that a graph saw, after everything it was computed from has been written."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim
from tinygrad_edu.symbolic import check_by_hand, explain
from tinygrad_edu.viz import draw, explore, graph, keep

from .graphs import article, leaf


def descend(v):
    v["L"].backward()
    with te.no_grad():
        for name in ("W1", "b1", "W2", "b2"):
            v[name] -= 0.1 * v[name].grad
            v[name].grad = None


def all_of(record):
    """What a record keeps."""
    return [record.kept.output, *record.kept.leaves.values()]


def numbers(loss):
    return {line.name: line.value for line in explain(loss)}


@pytest.fixture
def descended(rng):
    """The article's network after a step of gradient descent; what explain said before it; the loss."""
    with keep():
        v = article(rng, 5)
    before = numbers(v["L"])
    descend(v)
    return v, before


def test_formulas_have_their_numbers_after_the_step(descended):
    """Every line of explain has the value that it had before the parameters were written, and is checked."""
    v, before = descended
    e = explain(v["L"])
    assert e.stale == []
    assert e.check() < 1e-12  # float64
    for line in e:
        assert_array_equal(line.value, before[line.name])
    assert "written" not in str(v["L"].steps())
    assert all(value["v"] is not None for value in explore(v["L"]).data["values"])
    assert check_by_hand(v["L"], {"dW1": before["dW1"]}).ok


def test_graph_has_values_and_all_gradients(descended, rng):
    """The values before the step to the last bit, and of each value the cotangent, though .grad is gone."""
    v, _ = descended
    again = article(np.random.default_rng(0), 5)
    for name in ("Z1", "A1", "Z2", "A2"):
        again[name].retain_grad()
    again["L"].backward()
    expected = {x.name: x for x in graph(again["L"]).values if x.name}
    for value in graph(v["L"]).values:
        assert value.array is not None
        if value.name in expected:
            assert_array_equal(value.array, expected[value.name].array)
            if expected[value.name].grad is not None:
                assert_array_equal(value.grad, expected[value.name].grad)
    assert "not available" not in draw(v["L"]).svg()


def test_two_steps_of_one_parameter_each_have_their_own():
    """The parameter's value and gradient as each graph saw them."""
    w = leaf([1.0], "w")
    losses = []
    for _ in range(3):
        with keep():
            loss = (w * w).sum()
        loss.backward()
        losses.append(loss)
        with te.no_grad():
            w -= 0.25 * w.grad
            w.grad = None
    assert [graph(loss)["w"].array.item() for loss in losses] == [1.0, 0.5, 0.25]
    assert [graph(loss)["w"].grad.item() for loss in losses] == [2.0, 1.0, 0.5]
    assert [float(explain(loss)["dw"].value[0]) for loss in losses] == [2.0, 1.0, 0.5]


def test_random_masks_are_those_that_were_drawn():
    """Dropout's mask, after other draws and a step, with normalisation and a loss of two outputs."""
    te.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.BatchNorm1d(8), nn.RReLU(), nn.Linear(8, 2))
    optimizer = optim.Adam(model.parameters())
    with keep():
        x = te.randn(6, 3)
        hidden = model[1](model[0](x))
        loss = F.cross_entropy(model[2:](hidden), te.tensor([0, 1, 0, 1, 1, 0]))
    seen, before = hidden.detach().numpy().copy(), numbers(loss)
    loss.backward()
    optimizer.step()
    te.rand(100)
    model(te.randn(6, 3))
    x.zero_()
    found = next(v for v in graph(loss).values if v.operation == "mul" and v.shape == seen.shape)
    assert_array_equal(found.array, seen)
    assert found.grad is not None
    for line in explain(loss):
        assert_array_equal(line.value, before[line.name])


def test_writes_in_place_keep_the_old_value():
    """Of `c += w` the constant that was, of `buffer[0] = w` the buffer after."""
    w = leaf([2.0, 3.0], "w")
    with keep():
        c = te.tensor([1.0, 1.0], name="c")
        c += w
        h = c * 2
        h += 1
        loss = (h * c).sum()
    w.data = te.tensor([0.0, 0.0])
    assert [v.array.tolist() for v in graph(loss).values][-5:] == [[3, 4], [6, 8], [7, 9], [21, 36], 57]
    assert graph(loss).values[1].array.tolist() == [1.0, 1.0]
    assert explain(loss)["dw"].value.tolist() == [13.0, 17.0]  # 4 c + 1


def test_leaf_written_between_two_uses_is_named():
    """It has no one value; all that was computed keeps its own."""
    w, x = leaf([1.0], "w"), leaf([3.0], "x")
    with keep():
        first = x + w
        with te.no_grad():
            w += 1
        loss = (first * 2 + w).sum()
    assert explain(loss).stale == ["w"]
    values = {v.name: v.array for v in graph(loss).values if v.name}
    assert values["w"] is None
    assert values["x"] == 3.0


def test_outputs_of_functions_and_several_outputs_are_kept():
    """A Function of one's own, and qr."""

    class Cube(te.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, dy):
            return 3 * ctx.saved_tensors[0] ** 2 * dy

    x = leaf([[2.0, 0.0], [0.0, 1.0]], "x")
    with keep():
        q, r = te.linalg.qr(Cube.apply(x))
        loss = (q + r).sum()
    expected = r.detach().numpy().copy()
    loss.backward()
    x.data = te.zeros(2, 2)
    values = graph(loss).values
    assert all(v.array is not None for v in values)
    assert any(np.array_equal(v.array, expected) for v in values)
    assert_array_equal(graph(loss)["x"].grad, x.grad.numpy())


def test_without_keep_a_graph_holds_nothing_more(rng):
    """No copies, before and after the block; a block inside of one leaves it on."""
    with keep():
        with keep():
            pass
        inner = article(rng)["L"]
    outer = article(rng)["L"]
    assert inner._record.kept is not None
    assert outer._record.kept is None


def test_the_loss_takes_its_copies_along(rng):
    """Nothing is kept alive by a cycle: without the loss and its values the copies are gone at once."""
    with keep():
        v = article(rng)
    v["L"].backward()
    W1 = v["W1"]  # a parameter outlives its graphs
    assert W1._record.kept is not None
    copies = [weakref.ref(x) for x in all_of(v["Z1"]._record.inputs[0].inputs[0])]  # of W1.T
    gc.disable()
    try:
        v.clear()
        assert [copy() for copy in copies] == [None] * len(copies)
    finally:
        gc.enable()


def test_written_before_the_loss_was_whole_is_noticed():
    """Without keep: a write after a leaf's first use is a write, also by .data, though the loss came later."""
    b, w = te.tensor([1.0], name="b"), leaf([1.0], "w")
    h = w + b
    b += 1
    assert explain(h.sum()).stale == ["b"]
    w.data = te.tensor([5.0])
    assert set(explain(h.sum()).stale) == {"b", "w"}
