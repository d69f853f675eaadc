"""What a step asks of the world outside, what it keeps, and what it hands over: live, or refused with the line."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import functools
import math
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
    "a directory": (lambda x: x * len(os.listdir()), r"asks the operating system \(listdir\)"),
    "whether there is a file": (lambda x: x * pathlib.Path(__file__).exists(), "asks the operating system"),
    "the process": (lambda x: x * (os.getpid() % 7), "asks the operating system"),
    "the system's": (lambda x: x * os.urandom(1)[0], "throws Python's dice"),
    "an id": (lambda x: x * (uuid.uuid4().int % 7), "throws Python's dice"),
}


@pytest.mark.parametrize("name", ASKS)
def test_the_world_outside_is_not_asked(name):
    """A program would go on with one answer for ever."""
    step, what = ASKS[name]
    with pytest.raises(te.TraceError, match=rf"test_outside\.py:\d+: .*{what}"):
        te.compile(step)(te.ones(3))


def test_whoever_draws_elsewhere_is_told_where_to_draw():
    """A mix of two batches by NumPy's dice: the library's own are drawn anew at every call."""
    with pytest.raises(te.TraceError, match=r"Draw from this library's generator .*or draw outside of the step"):
        te.compile(lambda x: x * te.tensor(np.random.beta(2, 2)))(te.ones(3))


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


def test_a_result_in_two_places_is_one():
    """What is written in one is seen in the other."""
    step = te.compile(lambda x: {"loss": (y := x * 2), "parts": [y, x]})
    for _ in range(2):
        found = step(te.ones(3))
        assert found["parts"][0] is found["loss"] is not found["parts"][1]


def test_parameters_that_a_step_returns_require_gradients():
    """Where the step makes leaves of what it has computed, the next call differentiates by them."""

    def step(params, x, lr):
        loss = ((x * params["w"]).sum() + params["b"]).square()
        grads = te.autograd.grad(loss, params.values())
        new = {k: (p - lr * g).detach().requires_grad_() for (k, p), g in zip(params.items(), grads, strict=True)}
        return new, loss

    compiled = te.compile(step)
    found = expected = {"w": te.ones(3, requires_grad=True), "b": te.zeros((), requires_grad=True)}
    for k in range(4):
        x = te.randn(3)
        (found, L), (expected, eager) = compiled(found, x, 0.1 / (k + 1)), step(expected, x, 0.1 / (k + 1))
        assert [x.requires_grad for x in (*found.values(), L)] == [True, True, False]
        assert found["w"].is_leaf
        assert [x.tolist() for x in (*found.values(), L)] == [x.tolist() for x in (*expected.values(), eager)]
    assert te.compile(lambda x: x.detach().requires_grad_())(x).requires_grad


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


def test_async_functions_are_refused():
    """A coroutine that nobody awaits is closed, so that Python does not warn of it."""

    async def step(x):
        return x * 2

    with pytest.raises(te.TraceError, match=r"test_outside.py:\d+: .*coroutine.*a step is no async function"):
        te.compile(step)(te.ones(3))


def test_what_the_first_call_keeps_in_a_dict():
    """The next ones find its numbers there."""

    def made():
        cache = {}

        def step(x):
            if "mean" not in cache:
                cache["mean"] = x.mean()
            return x * cache["mean"]

        return step, cache

    (step, cache), (eager, its) = made(), made()
    step = te.compile(step)
    for k in range(6):
        if k == 3:
            cache.clear(), its.clear()
        x = te.randn(3)
        assert step(x).tolist() == eager(x).tolist()
        assert repr(cache) == repr(its)


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


def alike():
    """What is made anew where it is mentioned: a lambda, a bound method, a partial, a function with other cells."""
    model = nn.Linear(3, 3)

    def scaled(factor):
        return lambda x: x * factor

    return [
        lambda: lambda x: x * 2,
        lambda: model.forward,
        lambda: functools.partial(te.mul, other=2),
        lambda: scaled(3),
    ]


@pytest.mark.parametrize("k", range(4))
def test_functions_that_are_alike_are_one_argument(k):
    """Twenty of them take one program."""
    fresh, x = alike()[k], te.ones(2, 3)
    step = te.compile(lambda x, f: f(x))
    for _ in range(20):
        assert step(x, fresh()).tolist() == fresh()(x).tolist()
    assert repr(step).endswith("1 program>")


def test_functions_with_other_cells_or_defaults_are_others():
    """A cell, a default, an attribute: each is seen by the step."""
    step, x = te.compile(lambda x, f: f(x)), te.ones(1)
    assert [step(x, lambda x, k=k: x * k).item() for k in (1.0, 2.0, 1.0)] == [1, 2, 1]
    times = lambda factor: lambda x: x * factor
    assert [step(x, times(k)).item() for k in (1.0, 2.0, 1.0)] == [1, 2, 1]

    def scaled(x, k=2.0):
        return x * k

    step = te.compile(scaled)
    assert step(x).item() == 2
    scaled.__defaults__ = (3.0,)
    assert step(x).item() == 3


def test_leaves_are_told_from_computed_tensors():
    """`x.is_leaf` is Python's to ask."""
    step = te.compile(lambda x: x * 2 if x.is_leaf else x * 3)
    w = te.ones(1, requires_grad=True)
    assert [step(w).item(), step(w * 1).item(), step(w).item()] == [2, 3, 2]


@pytest.mark.parametrize(
    "options",
    [{}, {"avg_fn": optim.swa_utils.get_ema_avg_fn(0.9)}, {"multi_avg_fn": optim.swa_utils.get_swa_multi_avg_fn()},
     {"use_buffers": True}],
    ids=["mean", "moving", "lists", "buffers"],
)  # fmt: skip
def test_averaged_models_are_updated_in_the_step(options):
    """The first time and later ones, as in eager mode."""

    def made():
        te.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        average = optim.swa_utils.AveragedModel(model, **options)

        def step(x):
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            average.update_parameters(model)
            return average(x)

        return average, step

    (average, step), (other, eager) = made(), made()
    step = te.compile(step)
    for k in range(4):
        te.manual_seed(k)
        x = te.randn(5, 3)
        assert step(x).tolist() == eager(x).tolist()
        for a, b in zip(average.state_dict().values(), other.state_dict().values(), strict=True):
            assert a.tolist() == b.tolist()


def test_errors_of_a_program_name_the_operation():
    """What a line of it raises is told as eager mode tells it, without the tensors' names."""
    step = te.compile(lambda x, i: te.nn.functional.cross_entropy(x, i) + x[i].sum())
    x, i = te.ones(2, 3), te.tensor([0, 1])
    step(x, i)
    with pytest.raises(IndexError, match=r"^cross_entropy: .*labels must lie in 0\.\.2 .*, found 7 at index 1"):
        step(x, te.tensor([1, 7]))
    with pytest.raises(IndexError, match=r"^getitem: index 2 is out of bounds"):
        step(x, te.tensor([1, 2]))


def test_refusals_name_the_line_that_the_step_is_written_in():
    """Where no line of it is to blame."""
    step = te.compile(lambda x, kind: x * 2, limit=1)
    step(te.ones(1), "a")
    with pytest.raises(te.TraceError, match=r"test_outside\.py:\d+: .*the arguments"):
        step(te.ones(1), "b")
    step = te.compile(lambda x, c: x * math.sqrt(c), limit=1)
    step(te.ones(1), 1.0)
    with pytest.raises(te.TraceError, match=r"the number that test_outside\.py:\d+ looks at"):
        step(te.ones(1), 2.0)
