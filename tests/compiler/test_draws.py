"""Random numbers in a compiled step: drawn anew at every call, in eager's order, from the same generator."""

from __future__ import annotations

import pytest

import tinygrad_edu as te
import tinygrad_edu.distributions as D
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
    "rrelu": lambda x: F.rrelu(x - 20, training=True),
    "gamma": lambda x: D.Gamma(x + 0.1, x + 1).sample(),
    "beta": lambda x: D.Beta(x + 0.1, x + 1).rsample((2,)),
    "dirichlet": lambda x: D.Dirichlet(x + 0.1).sample(),
    "student": lambda x: D.StudentT(x + 1).sample(),
    "poisson": lambda x: D.Poisson(x).sample(),
    "binomial": lambda x: D.Binomial(30, logits=x - 20).sample(),
    "negative binomial": lambda x: D.NegativeBinomial(5, logits=x / 20 - 1).sample(),
    "geometric": lambda x: D.Geometric(logits=x / 20 - 1).sample(),
    "counts": lambda x: D.Multinomial(6, logits=x / 20).sample((2,)),
    "von mises": lambda x: D.VonMises(x, x + 1).sample((2,)),
    "correlations": lambda x: D.LKJCholesky(3, x[0] + 1).sample(),
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


def test_draws_that_take_as_many_numbers_as_values_say_have_gradients():
    """Gamma draws, differentiated by the parameters, with others at every call."""
    a = te.tensor([0.3, 1.0, 7.0], requires_grad=True)

    def step(rate):
        x = D.Gamma(a, rate).rsample((4,))
        return x, te.autograd.grad((x * x).sum(), a)[0]

    compiled = te.compile(step)
    for k in range(3):
        rate = te.tensor([1.0 + k, 0.5, 2.0])
        found = [te.manual_seed(k) and run(rate) for run in (step, compiled)]
        for eager, program in zip(*found, strict=True):
            assert program.tolist() == eager.tolist()


def test_every_draw_happens_and_the_source_brings_how():
    """Equal draws are two, one that nothing reads moves the generator on; the program runs from its source alone."""
    a = te.tensor([0.3, 20.0])

    def step():
        te.poisson(a)
        return te.poisson(a), te.poisson(a)

    compiled = te.compile(step)
    compiled()
    assert "tinygrad" not in compiled.source
    scope: dict = {}
    exec(compiled.source, scope)
    te.manual_seed(1)
    expected = step()
    state = te.get_rng_state().tolist()
    te.manual_seed(1)
    found = scope["program"]()(a.numpy(), te.default_generator)
    assert [x.tolist() for x in found] == [x.tolist() for x in expected]
    assert te.get_rng_state().tolist() == state


REFUSED = {
    "a rate": lambda x: te.poisson(-x),
    "a probability": lambda x: D.Geometric(probs=x - 5).sample(),
    "degrees of freedom": lambda x: D.Wishart(x[0, 0], te.eye(3)).log_prob(te.eye(3)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_parameters_that_make_no_sense_raise(name):
    """What eager mode checks, a program checks."""
    x, step = te.full((2, 2), 5.5), te.compile(REFUSED[name])
    if name != "a rate":
        step(x)
    for run in (step, REFUSED[name]):
        with pytest.raises((RuntimeError, ValueError)):
            run(te.ones(2, 2))
