"""Step counts that are equal are one t of the program; others are not taken for one another."""

from __future__ import annotations

import pytest

import tinygrad_edu as te
from tinygrad_edu import nn, optim

from .test_changes import assert_follows, made, nothing


def adam():
    return made(optim.Adam)


def test_equal_counts_are_one():
    """Adam's corrections are computed once for all parameters, and every count advances."""
    step = assert_follows(nothing, adam)
    assert step.source.count("np.power") == 2
    assert "# t_W1 stands for t_b1, " in step.source


def test_counts_that_differ_are_told_apart():
    """After a state with other counts has been put in, each parameter is corrected by its own."""

    def change(k, model, optimizer):
        if k == 3:
            optimizer.state[model[0].bias]["step"].fill_(40.0)

    step = assert_follows(change, adam)
    assert step.source.count("np.power") == 4


def test_counts_that_become_equal_again():
    """A program for different counts stays right where they meet."""

    def change(k, model, optimizer):
        if k in (2, 5):
            optimizer.state[model[0].bias]["step"].fill_(40.0 if k == 2 else float(k + 1))

    assert_follows(change, adam)


def test_parameter_that_rests_keeps_its_count():
    """A parameter without a gradient for some steps falls behind the others."""

    def change(k, model, optimizer):
        model[0].bias.requires_grad_(k not in (2, 3))
        model[0].bias.grad = None

    assert_follows(change, adam)


@pytest.mark.parametrize("others", [1.0, 2.0])
def test_numbers_that_advance_otherwise(others):
    """Two numbers that are equal at first and advance by different steps are two."""

    def make():
        counts = te.zeros(()), te.zeros(())

        def step(x):
            counts[0].add_(1.0)
            counts[1].add_(others)
            return x * counts[0] / (1 + counts[1])

        return step

    eager, step = make(), te.compile(make())
    for k in range(5):
        x = te.tensor([float(k)])
        assert step(x).item() == eager(x).item()


def test_scalar_parameters_that_start_equal():
    """Parameters of one number with the same start are trained apart: what they become depends on more."""

    class Scales(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Parameter(te.tensor(1.0)), nn.Parameter(te.tensor(1.0))
            self.linear = nn.Linear(8, 4)

        def forward(self, x):
            return self.linear(x * self.a) * self.b

    step = assert_follows(nothing, lambda: made(optim.Adam, Scales))
    assert repr(step).endswith("2 programs>")  # the first begins the optimizer's state


def test_generic_number_becomes_an_array_once():
    """A number that a call has returned is put into one array for all that compute with it."""
    step = assert_follows(nothing, adam)
    stored = [line for line in step.source.splitlines() if "_array[()] = t" in line]
    assert len(stored) == len(set(stored))
