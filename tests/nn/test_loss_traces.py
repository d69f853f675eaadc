"""Losses and densities in a traced step: the program gives what the step does, and makes its checks."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import distributions as D
from tinygrad_edu.nn import functional as F
from tinygrad_edu.symbolic.trace import trace

LABELS = [0, 2, 1]
RIGHT = [[0, -1, 1, 2], [3, 2, -1, 0], [1, 1, 1, -1]]
STEPS = {
    "l1": lambda x, y: F.l1_loss(x, y),
    "huber": lambda x, y: F.huber_loss(x, y, weight=y * y),
    "kl": lambda x, y: F.kl_div(x, F.softmax(y, dim=1), reduction="batchmean"),
    "poisson": lambda x, y: F.poisson_nll_loss(x, y * y * 3, full=True),
    "gaussian": lambda x, y: F.gaussian_nll_loss(x, y, y * y),
    "multi margin": lambda x, y: F.multi_margin_loss(x, tg.tensor(LABELS), weight=y[0]),
    "multilabel margin": lambda x, y: F.multilabel_margin_loss(x, tg.tensor(RIGHT)),
    "hinge": lambda x, y: F.hinge_embedding_loss(x, y.sign()),
    "cosine": lambda x, y: F.cosine_embedding_loss(x, y, tg.tensor([1, -1, 1])),
    "triplet": lambda x, y: F.triplet_margin_loss(x, y, x * y, swap=True),
    "similarity": lambda x, y: F.cosine_similarity(x, y).sum() + F.pdist(x).sum(),
    "linear cross entropy": lambda x, y: F.linear_cross_entropy(x, y, tg.tensor(LABELS)),
    "normal": lambda x, y: D.Normal(x, y.exp()).log_prob(y).sum(),
    "bernoulli": lambda x, y: D.Bernoulli(logits=x).entropy().sum(),
    "categorical": lambda x, y: D.Categorical(logits=x).log_prob(tg.tensor(LABELS)).sum(),
    "gamma": lambda x, y: D.kl_divergence(D.Gamma(x.exp(), y.exp()), D.Gamma(y.exp(), x.exp())).sum(),
    "student": lambda x, y: D.StudentT(x.exp() + 3, y).log_prob(x * y).sum(),
    "mixture": lambda x, y: D.MixtureSameFamily(D.Categorical(logits=y), D.Normal(x, 1.0)).log_prob(y[:, 0]).sum(),
    "flow": lambda x, y: (
        D.TransformedDistribution(D.Normal(y, 1.0), [D.TanhTransform(), D.ExpTransform()])
        .log_prob(x.sigmoid().exp())
        .sum()
    ),
    "ctc": lambda x, y: F.ctc_loss(F.log_softmax(x[:, None], 2), tg.tensor([[1, 2]]), tg.tensor([3]), tg.tensor([2])),
    "ctc in a row": lambda x, y: F.ctc_loss(F.log_softmax(x[:, None] + y[0], 2), tg.tensor([1, 2]), [3], [2]),
    "wishart": lambda x, y: D.Wishart(x[0].exp() + 3, tg.eye(3)).log_prob(tg.eye(3) * 2).sum(),
    "wishart's entropy": lambda x, y: D.Wishart(x[0].exp() + 3, tg.eye(3)).entropy().sum(),
    "correlations": lambda x, y: D.LKJCholesky(3, x[0].exp()).log_prob(tg.eye(3)).sum(),
    "counts": lambda x, y: D.Multinomial(5, logits=x).entropy().sum() + D.Binomial(5, logits=x).entropy().sum(),
    "generalized pareto": lambda x, y: D.GeneralizedPareto(x, 1.0, y[0]).log_prob(x.detach() + 0.1).sum(),
    "lu": lambda x, y: tg.linalg.lu(x)[2].sum(),
    "lu, stored": lambda x, y: tg.linalg.lu_solve(*tg.linalg.lu_factor(x[:, :3] + y[:, :3]), y).sum(),
    "sampled at places": lambda x, y: F.grid_sample(
        x[None, None], y.reshape(1, 2, 3, 2).tanh(), "bicubic", "reflection", False
    ).sum(),
    "multivariate": lambda x, y: D.MultivariateNormal(x, scale_tril=tg.eye(4)).log_prob(y).sum(),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
def test_a_traced_step_gives_the_same(step, rng):
    """Value and gradient, on other numbers than those of the trace."""

    def run(x, y):
        (dX,) = tg.autograd.grad(step(x, y), x)
        return dX

    first, second = ([tg.tensor(rng.standard_normal((3, 4)).astype(np.float32)) for _ in range(2)] for _ in range(2))
    for pair in (first, second):
        pair[0].requires_grad_()
    program = trace(run, *first)
    # float32: a program computes the same operations, some of them in another order
    np.testing.assert_allclose(program(*second).numpy(), run(*second).numpy(), rtol=1e-5, atol=1e-6)


def test_checks_of_values_are_made_in_a_program():
    """A label that is no class, a variance below 0 and a scale of 0 raise when the program runs."""
    cases = [
        (lambda x: F.multi_margin_loss(tg.ones(2, 3), x.long()), [0.0, 1.0], [0.0, 5.0], RuntimeError),
        (lambda x: F.gaussian_nll_loss(tg.ones(2), tg.ones(2), x), [1.0, 1.0], [1.0, -1.0], ValueError),
        (lambda x: D.Normal(0.0, x).entropy().sum(), [1.0, 1.0], [1.0, 0.0], ValueError),
    ]
    for step, right, wrong, error in cases:
        program = trace(step, tg.tensor(right))
        assert np.isfinite(program(tg.tensor(right)).item())
        with pytest.raises(error):
            program(tg.tensor(wrong))


def test_where_sequences_in_a_row_begin_is_a_value():
    """The refusal says how to give them instead."""
    step = tg.compile(lambda x, labels, lengths: F.ctc_loss(x.log_softmax(2), labels, [4, 4], lengths))
    with pytest.raises(tg.TraceError, match=r"give them as \(m, S\)"):
        step(tg.randn(4, 2, 3), tg.tensor([1, 2, 1]), tg.tensor([1, 2]))
