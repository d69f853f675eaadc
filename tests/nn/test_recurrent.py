"""The LSTM's own rules, and recurrent layers under a trace."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_edu as te
from tinygrad_edu import nn, optim
from tinygrad_edu.ops import lstm, recurrent
from tinygrad_edu.symbolic.trace import trace


def leaf(rng, *shape):
    return te.tensor(rng.standard_normal(shape), requires_grad=True)


@pytest.mark.parametrize("reverse", [False, True])
def test_layer_equals_the_loop_over_cells(reverse, rng):
    """The primitive and the composition that it replaces agree in values and gradients."""
    X, h, c, w_ih, w_hh = (leaf(rng, *s) for s in ((5, 2, 3), (2, 4), (2, 4), (16, 3), (16, 4)))
    b_ih, b_hh = leaf(rng, 16), leaf(rng, 16)
    inputs = [X, h, c, w_ih, w_hh, b_ih, b_hh]
    found = []
    for layer in (recurrent._lstm_layer, recurrent._loop(recurrent._lstm_step)):
        output, (last_h, last_c) = layer(X, (h, c), inputs[3:], reverse)
        loss = (output**2).sum() + (last_h**3).sum() + last_c.exp().sum()
        found.append([output, last_h, last_c, *te.autograd.grad(loss, inputs)])
    for one, other in zip(*found, strict=True):
        assert_allclose(one.detach().numpy(), other.detach().numpy(), rtol=1e-10, atol=1e-12)  # rounding of 5 steps


@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("reverse", [False, True])
def test_gru_equals_the_loop_over_cells(reverse, biases, rng):
    """The primitive and the composition that it replaces agree in values and gradients, to the second order."""
    X, h, w_ih, w_hh = (leaf(rng, *s) for s in ((5, 2, 3), (2, 4), (12, 3), (12, 4)))
    weights = [w_ih, w_hh, *((leaf(rng, 12), leaf(rng, 12)) if biases else (None, None))]
    inputs = [X, h, *(w for w in weights if w is not None)]
    found = []
    for layer in (recurrent._gru_layer, recurrent._loop(recurrent._gru_step)):
        output, (last,) = layer(X, (h,), weights, reverse)
        loss = (output**2).sum() + (last**3).sum()
        first = te.autograd.grad(loss, inputs, create_graph=True)
        found.append([output, last, *first, *te.autograd.grad(sum((g**2).sum() for g in first), inputs)])
    for one, other in zip(*found, strict=True):
        assert_allclose(one.detach().numpy(), other.detach().numpy(), rtol=1e-9, atol=1e-11)  # rounding of 5 steps


def test_rules_of_one_visit_share_their_work(rng, monkeypatch):
    """All five cotangents come from one pass over the steps; the next backward makes its own."""
    count = []
    whole = lstm.lstm_pull.forward
    monkeypatch.setattr(lstm.lstm_pull, "forward", lambda *a, **k: count.append(1) or whole(*a, **k))
    X, W, V, h, c = (leaf(rng, *s) for s in ((3, 2, 4), (8, 4), (8, 2), (2, 2), (2, 2)))
    H, _, _ = lstm.lstm_steps(X, W, V, h, c, reverse=False)
    count.clear()  # what the rules read was found by a run on zeros
    cotangent = te.ones(3, 2, 2, dtype=te.float64)
    first = te.autograd.grad(H, [X, W, V, h, c], cotangent, retain_graph=True)
    assert len(count) == 1
    cotangent.mul_(2)
    second = te.autograd.grad(H, [X, W, V, h, c], cotangent)
    assert len(count) == 2
    for one, other in zip(first, second, strict=True):
        assert_allclose(other.numpy(), 2 * one.numpy(), rtol=1e-14)  # linear in the cotangent; doubling is exact


def test_nothing_outlives_the_graph(rng):
    """What the rules shared goes with the loss, without the collector's help."""
    layer = nn.LSTM(3, 4)
    gc.disable()
    try:
        output = layer(te.tensor(rng.standard_normal((5, 2, 3)).astype(np.float32)))[0]
        loss = output.sum()
        gates = weakref.ref(output._record.inputs[0].array[2])
        loss.backward(retain_graph=True)
        assert gates() is not None
        del output, loss
        assert gates() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_training_step_can_be_traced(kind, rng):
    """The recorded step, run on new sequences, does what an eager step does."""
    te.manual_seed(0)
    layer = getattr(nn, kind)(3, 4, bidirectional=True)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)

    def step(x):
        optimizer.zero_grad()
        loss = (layer(x)[0] ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = [te.tensor(rng.standard_normal((5, 2, 3)).astype(np.float32)) for _ in range(3)]
    program = trace(step, batches[0])
    began = {k: v.clone() for k, v in layer.state_dict().items()}
    traced = [program(x).item() for x in batches]
    ended = {k: v.clone() for k, v in layer.state_dict().items()}
    layer.load_state_dict(began)
    assert_allclose(traced, [step(x).item() for x in batches], rtol=1e-6)  # float32
    for key, value in layer.state_dict().items():
        assert_allclose(ended[key].numpy(), value.numpy(), rtol=1e-5, atol=1e-7)  # float32, three steps


def test_cell_s_gradient_is_printed():
    """The cell is composed of public operations, so its equations name gates and states."""
    from tinygrad_edu import symbolic

    cell = nn.LSTMCell(2, 3)
    x, h, c = te.ones(1, 2), te.zeros(1, 3), te.zeros(1, 3)
    for name, value in {"x": x, "h": h, "c": c, **dict(cell.named_parameters())}.items():
        value.name = name
    new_h, new_c = cell(x, (h, c))
    new_h.name, new_c.name = "h1", "c1"
    lines = {line.name: line.text() for line in symbolic.explain(new_h.sum())}
    assert lines["c1"] == "c1 = H3 ∘ c + H4 ∘ H5"
    assert lines["H6"] == "H6 = tanh(c1)"
    assert lines["h1"] == "h1 = H2 ∘ H6"


def test_errors_name_the_layer_the_shapes_and_the_order():
    """Of the features, and of the state's shape."""
    with pytest.raises(
        te.ShapeError, match=r"LSTM: .*Expected 3, got 5: the input has shape \(4, 2, 5\).*\(T, m, input"
    ):
        nn.LSTM(3, 4)(te.zeros(4, 2, 5))
    state = te.zeros(1, 2, 4), te.zeros(1, 2, 5)
    with pytest.raises(te.ShapeError, match=r"LSTM: Expected hidden\[1\] size \(1, 2, 4\), got \[1, 2, 5\]"):
        nn.LSTM(3, 4)(te.zeros(4, 2, 3), state)
    with pytest.raises(te.ShapeError, match=r"gru_cell: hidden0 .*got \(3, 4\), expected \(2, 4\)"):
        nn.GRUCell(3, 4)(te.zeros(2, 3), te.zeros(3, 4))
    with pytest.raises(RuntimeError, match="hx must be a pair"):
        nn.LSTM(3, 4)(te.zeros(4, 2, 3), te.zeros(1, 2, 4))


def test_parameters_in_their_places():
    """flatten_parameters does nothing; all_weights holds the parameters themselves."""
    layer = nn.LSTM(3, 4, bidirectional=True)
    before = {k: v.clone() for k, v in layer.state_dict().items()}
    assert layer.flatten_parameters() is None
    for key, value in layer.state_dict().items():
        assert_array_equal(value.numpy(), before[key].numpy())
    assert layer.all_weights[1][0] is layer.weight_ih_l0_reverse
