"""Random numbers in a compiled step: drawn anew at every call, in eager's order, from the same generator."""

from __future__ import annotations

import pytest

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F

WEIGHTS = te.tensor([[0.2, 0.8, 0.3], [1.0, 0.0, 3.0]])

DRAWS = {
    "randint": lambda x: x[te.randint(0, 4, (3,))],
    "wide integers": lambda x: te.randint(0, 1 << 40, (3,)),
    "randint_like": lambda x: te.randint_like(x, 7),
    "randperm": lambda x: x[te.randperm(4)],
    "randperm of one": lambda x: te.randperm(1) + te.randperm(0).sum(),
    "multinomial": lambda x: te.multinomial(WEIGHTS, 2),
    "multinomial of a vector": lambda x: te.multinomial(WEIGHTS[0], 3),
    "multinomial, replaced": lambda x: te.multinomial(F.softmax(x, 1), 5, replacement=True),
    "bernoulli": lambda x: te.bernoulli(te.sigmoid(x)),
    "bernoulli_": lambda x: te.empty(4).bernoulli_(0.3),
    "random_": lambda x: te.empty(3, 4).random_(0, 10),
    "random_ without limits": lambda x: te.empty(3, dtype=te.int64).random_(),
    "normal": lambda x: te.normal(x, te.ones_like(x)),
    "categorical": lambda x: te.distributions.Categorical(logits=x).sample(),
    "several": lambda x: te.cat([te.randn(3), te.randint(5, (2,)) * 1.0, te.randperm(5) * 1.0, te.rand(2)]),
    "dropout between": lambda x: F.dropout(x, 0.5) + te.randint(0, 9, (10,)) + te.rand(10),
}


@pytest.mark.parametrize("name", DRAWS)
def test_draws_are_those_of_eager_mode(name):
    """Four calls give eager's numbers, and leave the generator where eager leaves it."""
    x = te.arange(40.0).reshape(4, 10)
    te.manual_seed(3)
    expected = [DRAWS[name](x) for _ in range(4)]
    after = te.get_rng_state().tolist()
    te.manual_seed(3)
    step = te.compile(DRAWS[name])
    found = [step(x) for _ in range(4)]
    assert [t.tolist() for t in found] == [t.tolist() for t in expected]
    assert [t.dtype for t in found] == [t.dtype for t in expected]
    assert te.get_rng_state().tolist() == after
    assert repr(step).endswith("1 program>")


def test_draws_follow_weights_that_change():
    """Weights that the step meets outside are read at every call."""
    weights = te.tensor([1.0, 0.0])
    step = te.compile(lambda: (te.multinomial(weights, 1), te.bernoulli(weights)))
    assert [t.tolist() for t in step()] == [[0], [1, 0]]
    weights.copy_(te.tensor([0.0, 1.0]))
    assert [t.tolist() for t in step()] == [[1], [0, 1]]
    weights.fill_(-1)
    with pytest.raises(RuntimeError, match="weights must be finite, not negative"):
        step()


def test_a_generator_of_ones_own_is_drawn_from():
    """`generator=` names the one whose stream goes on."""
    mine, eagers = te.Generator().manual_seed(5), te.Generator().manual_seed(5)
    step = te.compile(lambda: te.randperm(6, generator=mine))
    state = te.get_rng_state().tolist()
    for _ in range(3):
        assert step().tolist() == te.randperm(6, generator=eagers).tolist()
    assert te.get_rng_state().tolist() == state


COUNTING = {
    "poisson": lambda x: te.poisson(x),
    "binomial": lambda x: te.binomial(x, x * 0),
    "a gamma draw": lambda x: te.distributions.Gamma(x, x).sample(),
    "rrelu in training": lambda x: F.rrelu(x, training=True),
}


@pytest.mark.parametrize("name", COUNTING)
def test_draws_that_take_as_many_numbers_as_values_say_are_refused(name):
    """The message names the line, and the way out."""
    with pytest.raises(te.TraceError, match=rf"test_draws\.py:\d+: {name}: how many .* Draw outside of the step"):
        te.compile(COUNTING[name])(te.ones(3))
