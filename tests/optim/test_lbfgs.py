"""L-BFGS: the minimum of a quadratic, resuming, and what it can't do."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn, optim
from tinygrad_edu.symbolic import trace


class Bowl:
    """f(W) = (W - target) @ A @ (W - target) / 2 in two parameters, A with condition number 100."""

    def __init__(self, **settings):
        self.A = tg.tensor(np.diag([1.0, 10.0, 100.0]))
        self.target = tg.tensor([1.0, -2.0, 3.0], dtype=tg.float64)
        self.params = [nn.Parameter(tg.zeros(2, dtype=tg.float64)), nn.Parameter(tg.zeros(1, 1, dtype=tg.float64))]
        self.optimizer = optim.LBFGS(self.params, **settings)
        self.runs = 0

    def closure(self):
        self.runs += 1
        self.optimizer.zero_grad()
        D = tg.cat([p.flatten() for p in self.params]) - self.target
        loss = D @ self.A @ D / 2
        loss.backward()
        return loss

    def where(self):
        return np.concatenate([p.detach().numpy().ravel() for p in self.params])


@pytest.mark.parametrize("settings", [{}, {"line_search_fn": "strong_wolfe"}], ids=str)
def test_a_quadratic_is_solved_in_one_call(settings):
    """Twenty steps find the minimum of three variables, and run the closure no more often than announced."""
    bowl = Bowl(**settings)
    first = bowl.optimizer.step(bowl.closure)
    assert first.item() == pytest.approx((1 + 10 * 4 + 100 * 9) / 2)
    np.testing.assert_allclose(bowl.where(), [1, -2, 3], atol=1e-5)  # where tolerance_change ends it
    assert bowl.runs <= 25
    assert bowl.optimizer.state[bowl.params[0]]["func_evals"] == bowl.runs


@pytest.mark.parametrize("settings", [{}, {"line_search_fn": "strong_wolfe"}], ids=str)
def test_it_goes_on_bit_for_bit_from_a_state_dict(settings):
    """Two calls of three steps are one optimizer's, or two's."""
    one, two = Bowl(max_iter=3, **settings), Bowl(max_iter=3, **settings)
    one.optimizer.step(one.closure)
    for p, q in zip(two.params, one.params, strict=True):
        p.data.copy_(q.data)
    two.optimizer.load_state_dict(one.optimizer.state_dict())
    for bowl in (one, two):
        bowl.optimizer.step(bowl.closure)
    np.testing.assert_array_equal(one.where(), two.where())


def test_parameters_stay_the_same_arrays():
    """Also the line search writes in place, and leaves no trial behind."""
    bowl = Bowl(line_search_fn="strong_wolfe")
    memory = [p.detach() for p in bowl.params]
    bowl.optimizer.step(bowl.closure)
    for p, view in zip(bowl.params, memory, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), view.numpy())


def test_at_the_minimum_nothing_is_done():
    """One run of the closure, and no step."""
    bowl = Bowl()
    bowl.target = tg.zeros(3, dtype=tg.float64)
    bowl.optimizer.step(bowl.closure)
    assert bowl.runs == 1
    assert bowl.where().tolist() == [0, 0, 0]


def test_it_runs_the_closure_with_gradients_recorded():
    """Also when step is called under no_grad."""
    bowl = Bowl()
    with tg.no_grad():
        bowl.optimizer.step(bowl.closure)
    np.testing.assert_allclose(bowl.where(), [1, -2, 3], atol=1e-5)  # as above


def test_a_trace_is_refused():
    """The message says what can be traced instead."""
    bowl = Bowl()
    with pytest.raises(tg.TraceError, match="Trace the closure"):
        trace(lambda: bowl.optimizer.step(bowl.closure))
    assert bowl.where().tolist() == [0, 0, 0]


def test_a_traced_closure_serves():
    """As that message says."""
    bowl, eager = Bowl(), Bowl()
    program = trace(bowl.closure)
    bowl.optimizer.step(program)
    eager.optimizer.step(eager.closure)
    np.testing.assert_allclose(bowl.where(), eager.where(), rtol=1e-12)


def test_what_is_refused():
    """Several groups, no closure, an unknown line search: before anything is changed."""
    W, V = (nn.Parameter(tg.zeros(1)) for _ in range(2))
    with pytest.raises(ValueError, match="doesn't support per-parameter options"):
        optim.LBFGS([{"params": [W]}, {"params": [V]}])
    with pytest.raises(TypeError, match="needs a closure"):
        optim.LBFGS([W]).step()
    bowl = Bowl(line_search_fn="armijo")
    with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
        bowl.optimizer.step(bowl.closure)
    assert bowl.runs == 0
