"""Random numbers of the named distributions: PyTorch's own, from the same seed."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as te

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

SEED = 11
DRAWS = [
    ("bernoulli", lambda m: m.bernoulli(m.linspace(0.0, 1.0, 40))),
    ("bernoulli float64", lambda m: m.bernoulli(m.linspace(0.0, 1.0, 40, dtype=m.float64))),
    ("bernoulli_", lambda m: m.empty(40).bernoulli_(0.3)),
    ("exponential_", lambda m: m.empty(40).exponential_(2.0)),
    ("normal of numbers", lambda m: m.normal(2.0, 3.0, (20,))),
    ("normal of tensors", lambda m: m.normal(m.arange(5.0), m.ones(5))),
    ("normal of both", lambda m: m.normal(m.arange(20.0), 0.5)),
    ("multinomial with replacement", lambda m: m.multinomial(m.tensor([[0.1, 0.2, 0.7], [3.0, 1.0, 0.0]]), 9, True)),
    ("multinomial without", lambda m: m.multinomial(m.rand(4, 6), 4)),
    ("multinomial of a vector", lambda m: m.multinomial(m.tensor([0.2, 0.0, 0.5, 1.0]), 2)),
    ("poisson of small rates", lambda m: m.poisson(m.tensor([0.0, 0.5, 3.0, 9.9] * 5))),
    ("poisson of large rates", lambda m: m.poisson(m.tensor([10.0, 33.0, 200.0] * 5))),
    ("dropout", lambda m: m.nn.functional.dropout(m.ones(50), 0.3)),
]


@pytest.mark.parametrize(("name", "draw"), DRAWS, ids=[name for name, _ in DRAWS])
def test_draws_are_pytorchs(name, draw):
    """Two draws in a row from one seed, so the position in the stream is the same too."""
    torch.manual_seed(SEED)
    te.manual_seed(SEED)
    for _ in range(2):
        theirs, ours = draw(torch).numpy(), draw(te).numpy()
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)  # float32 logarithms and cosines


def test_dropouts_gradient_is_its_mask():
    """What was zeroed gets no gradient, the rest 1 / (1 - p)."""
    x = te.ones(1000, requires_grad=True)
    y = te.nn.functional.dropout(x, 0.25)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())
    assert 0.7 < (y != 0).float().mean().item() < 0.8


@pytest.mark.parametrize(
    "wrong",
    [
        lambda m: m.bernoulli(m.tensor([0.5, 1.5])),
        lambda m: m.empty(3).bernoulli_(2.0),
        lambda m: m.multinomial(m.tensor([0.5, -0.5]), 1),
        lambda m: m.multinomial(m.tensor([0.5, 0.5]), 3),
        lambda m: m.multinomial(m.zeros(3), 1),
        lambda m: m.poisson(m.tensor([-1.0])),
        lambda m: m.empty(3).exponential_(-1.0),
        lambda m: m.normal(m.zeros(2), m.tensor([1.0, -1.0])),
    ],
)
def test_what_pytorch_refuses_is_refused(wrong):
    """Probabilities outside of [0, 1], negative weights and rates, too many draws."""
    with pytest.raises(RuntimeError):
        wrong(torch)
    with pytest.raises(RuntimeError):
        wrong(te)
