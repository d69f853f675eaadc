"""What a step asks of the world outside, what it keeps, and what it hands over: live, or refused with the line."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import os
import pathlib
import random
import time
import types
import uuid
from time import perf_counter

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu import nn, optim

dice, legacy = random.Random(0), np.random.RandomState(0)

ASKS = {
    "the clock": (lambda x: x * time.time(), "reads the clock"),
    "a clock by its own name": (lambda x: x * perf_counter(), "reads the clock"),
    "the date": (lambda x: x * datetime.datetime.now().microsecond, "reads the clock"),
    "a file": (lambda x: x * len(open(__file__).read()), "opens a file"),  # noqa: SIM115  # as in a hurry
    "a path": (lambda x: x * len(pathlib.Path(__file__).read_text()), "opens a file"),
    "random": (lambda x: x * random.random(), "throws Python's dice"),
    "a choice": (lambda x: random.choice([x, x * 2]), "throws Python's dice"),
    "a generator of Python's": (lambda x: x * dice.random(), "throws Python's dice"),
    "a generator of NumPy's": (lambda x: x * te.from_numpy(legacy.rand(3)), "changes the state of a random generator"),
    "NumPy's dice": (lambda x: x * float(np.random.rand()), "changes the state of a random generator"),
    "a fresh generator": (lambda x: x * float(np.random.default_rng().random()), "throws Python's dice"),
    "the system's": (lambda x: x * os.urandom(1)[0], "throws Python's dice"),
    "an id": (lambda x: x * (uuid.uuid4().int % 7), "throws Python's dice"),
}


@pytest.mark.parametrize("name", ASKS)
def test_the_world_outside_is_not_asked(name):
    """A program would go on with one answer for ever."""
    step, what = ASKS[name]
    with pytest.raises(te.TraceError, match=rf"test_outside\.py:\d+: .*{what}"):
        te.compile(step)(te.ones(3))


def test_clocks_that_the_library_looks_at_are_its_own_affair():
    """A message through logging or warnings is no part of what is computed."""
    import logging

    log = logging.getLogger("step")
    step = te.compile(lambda x: (log.warning("a step of %s", x.shape), x * 2)[1])
    assert step(te.ones(1)).tolist() == [2]


class Outcome:
    def __init__(self, loss, parts):
        self.loss, self.parts = loss, parts


@dataclasses.dataclass
class Report:
    loss: te.Tensor
    extra: dict
    count: int = 0


RESULTS = {
    "a dataclass": lambda x: Report(x.sum(), {"twice": [x * 2, None]}, 3),
    "an object": lambda x: Outcome(x.sum(), [x * 2]),
    "a namespace": lambda x: types.SimpleNamespace(loss=x.sum(), nested=Outcome(x, {"a": x + 1})),
    "dicts of other kinds": lambda x: collections.OrderedDict(a=x * 2, b=collections.defaultdict(list, c=[x])),
}


def flat(x):
    if isinstance(x, te.Tensor):
        return x.tolist()
    if isinstance(x, dict):
        return type(x).__name__, {k: flat(v) for k, v in x.items()}
    if isinstance(x, list):
        return [flat(v) for v in x]
    return (type(x).__name__, flat(dict(vars(x)))) if hasattr(x, "__dict__") else x


@pytest.mark.parametrize("name", RESULTS)
def test_results_are_nested_in_objects(name):
    """Each call returns a new one, with numbers of its own."""
    step = te.compile(RESULTS[name])
    given = [te.ones(3) * k for k in range(3)]
    found = [step(x) for x in given]
    assert [flat(r) for r in found] == [flat(RESULTS[name](x)) for x in given]


def yields(x):
    yield x * 2


@pytest.mark.parametrize("step", [yields, lambda x: (x * k for k in range(3)), lambda x: map(abs, [x])])
def test_results_that_compute_later_are_refused(step):
    """A generator would run after the trace, on arrays that have no numbers."""
    with pytest.raises(te.TraceError, match=r"computes when it is asked.*Return list"):
        te.compile(step)(te.ones(3))


def keeps_in_a_dict():
    cache = {}

    def step(x):
        if "mean" not in cache:
            cache["mean"] = x.mean()
        return x * cache["mean"]

    return step, lambda: dict(cache)


def keeps_in_a_module():
    class Lazy(nn.Module):
        places = None

        def forward(self, x):
            if self.places is None:
                self.places = te.arange(len(x)).float()
            return x + self.places

    model = Lazy()
    return model, lambda: model.places


@pytest.mark.parametrize("make", [keeps_in_a_dict, keeps_in_a_module])
def test_what_is_computed_is_not_kept_in_python(make):
    """The tensor would have no numbers; the line is named, and nothing is kept."""
    step, kept = make()
    before = kept()
    with pytest.raises(te.TraceError, match=r"test_outside\.py:\d+: .*keeps a tensor there that it has computed"):
        te.compile(step)(te.ones(3))
    assert kept() == before


def appends():
    losses = []
    return (lambda x: (losses.append(x), x)[1]), losses


def test_the_line_that_changes_python_is_named():
    """Found by running the step once more, line by line."""
    step, losses = appends()
    with pytest.raises(te.TraceError, match=r"test_outside\.py:\d+: each run of step changes a list"):
        te.compile(step)(te.ones(3))
    assert losses == []


def positive(x):
    x = x.clone()
    x[x < 0] = 0
    x[x[:, 0] > 1] = te.tensor(7.0)
    return x * 2


def test_masks_are_filled_with_one_number():
    """`x[mask] = number` needs no places; its gradient is eager's."""
    step = te.compile(lambda x: te.autograd.grad(positive(x.requires_grad_()).square().sum(), x)[0])
    for k in range(3):
        te.manual_seed(k)
        x = te.randn(4, 3)
        y = x.clone().requires_grad_()
        expected = te.autograd.grad(positive(y).square().sum(), y)[0]
        assert step(x).tolist() == expected.tolist()


@pytest.mark.parametrize("sizes", [(4, 0, 1), (0, 3, 0)])
def test_batches_may_be_empty(sizes):
    """Constants of shape (0, n) too."""

    def made():
        te.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x):
            optimizer.zero_grad()
            model(x).sum().backward()
            optimizer.step()
            return [p.grad for p in model.parameters()]

        return step

    step, eager = te.compile(made()), made()
    for n in sizes:
        assert [g.tolist() for g in step(te.ones(n, 4))] == [g.tolist() for g in eager(te.ones(n, 4))]


@pytest.mark.parametrize("name", ["inv", "cholesky"])
def test_matrices_without_a_result_raise_what_eager_raises(name):
    """PyTorch's class and text, whether at the first call or later."""
    step = te.compile(getattr(te.linalg, name))
    for x in (te.eye(2), te.zeros(2, 2), te.eye(2) * 2):
        if x.any():
            assert step(x).tolist() == getattr(te.linalg, name)(x).tolist()
            continue
        with pytest.raises(te.linalg.LinAlgError, match="could not be completed"):
            step(x)


def test_memory_that_was_written_and_given_away():
    """`d.data = ...` after `d.uniform_()`, as an attack on the inputs does it."""

    def step(x, eps):
        d = te.zeros_like(x).uniform_(-eps, eps).requires_grad_()
        for _ in range(2):
            (x * d * d).sum().backward()
            d.data = (d + 0.1 * d.grad.sign()).clamp(-eps, eps)
            d.grad.zero_()
        return d.detach()

    compiled = te.compile(step)
    for k in range(3):
        x = te.arange(4.0)
        te.manual_seed(k)
        expected = step(x, 0.5)
        te.manual_seed(k)
        assert compiled(x, 0.5).tolist() == expected.tolist()


def test_powers_of_one_number():
    """A sum over everything is a scalar of NumPy, whose power rounds otherwise than an array's."""
    te.manual_seed(0)
    x = te.randn(4, 3)
    step = te.compile(lambda x: x.norm(0.125))
    assert step(x).item() == step(x).item() == x.norm(0.125).item()
