"""explain looks into checkpoints: what they have forgotten is computed again and shown as if it had been kept."""

from __future__ import annotations

import pytest
from numpy.testing import assert_allclose

import tinygrad_edu as te
from tinygrad_edu import nn
from tinygrad_edu.symbolic import explain
from tinygrad_edu.utils.checkpoint import checkpoint, checkpoint_sequential
from tinygrad_edu.viz import draw


class Net(nn.Module):
    def __init__(self, kept):
        super().__init__()
        te.manual_seed(0)
        self.kept = kept
        self.a, self.b = nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Tanh())
        self.c = nn.Linear(4, 1)

    def forward(self, x):
        h = te.relu(self.a(x))
        h = self.b(h) if self.kept else checkpoint(self.b, h, use_reentrant=False)
        return self.c(h)


def loss_of(kept):
    model = Net(kept)
    te.manual_seed(1)
    return model, model(te.randn(5, 3)).square().mean()


@pytest.mark.parametrize("scale", ["exact", "textbook"])
@pytest.mark.parametrize("after", [False, True], ids=["before backward", "after backward"])
def test_a_checkpointed_module_is_explained_as_without(scale, after):
    """The same lines under the same paths, the same dropout mask, every formula right."""
    texts = []
    for kept in (True, False):
        model, loss = loss_of(kept)
        if after:
            loss.backward()
        e = explain(loss, scale, model=model)
        assert e.check() < 1e-10
        texts.append(e.text())
        if after and scale == "exact":
            for path, parameter in model.named_parameters():
                assert_allclose(parameter.grad.numpy(), e[path].value, rtol=1e-5, atol=1e-7)  # float32
    assert texts[0] == texts[1]


def test_checkpoints_in_a_row_and_in_one_another():
    """Each is run again in its turn, on what those before it give."""
    te.manual_seed(0)
    layers = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3), nn.Sigmoid(), nn.Linear(3, 1))
    x = te.randn(4, 3, requires_grad=True)

    def inside(x):
        return checkpoint_sequential(layers, 3, x)

    whole = explain(layers(x).mean(), model=layers)
    split = explain(checkpoint(inside, x).mean(), model=layers)
    assert split.check() < 1e-10
    assert [line.text() for line in split] == [line.text() for line in whole]


def test_what_a_function_reaches_by_itself_is_found():
    """A parameter, a value computed before, and one that another checkpoint gave."""
    w = te.tensor([0.5, -1.0], requires_grad=True, name="w")
    x = te.tensor([1.0, 2.0], name="x")
    u = checkpoint(lambda t: (t * w).tanh(), x)
    v = checkpoint(lambda t: t * u.exp() + w, x)
    e = explain(v.sum())
    assert e.check() < 1e-10
    v.sum().backward()
    assert_allclose(w.grad.numpy(), e["dw"].value, rtol=1e-6)


def test_parameters_written_since_are_named():
    """Then there are formulas without values, as without checkpoints."""
    model, loss = loss_of(kept=False)
    loss.backward()
    te.optim.SGD(model.parameters(), lr=0.1).step()
    e = explain(loss, model=model)
    assert set(e.stale) == {"W1", "b1", "W2", "b2", "W3", "b3"}
    assert e["dW2"].value is None


def test_a_drawing_has_the_formulas_of_what_it_shows():
    """The box of the checkpoint stands for what is inside; the layers after it keep their formulas."""
    _, loss = loss_of(kept=False)
    assert "dW3" in draw(loss, formulas=True).source
