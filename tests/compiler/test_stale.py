"""Nothing that a trace has seen is taken for what it is at a later call, however it is changed in between."""

from __future__ import annotations

import contextvars
import decimal
import importlib
import os
import sys
import types

import pytest

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim


def training(optimizer, **settings):
    te.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    optimizer = optimizer(model.parameters(), **settings)

    def step(x):
        optimizer.zero_grad()
        loss = model(x).square().sum()
        loss.backward()
        optimizer.step()
        return loss

    return model, optimizer, step


def batch(k):
    return te.arange(6.0).reshape(2, 3) / (k + 1)


def test_state_that_is_cleared_begins_again():
    """A program that makes an optimizer's state runs once; the state that it has made is not taken up a second time."""
    (model, optimizer, step), (other, others, eager) = training(optim.Adam), training(optim.Adam)
    step = te.compile(step)
    for k in range(9):
        assert step(batch(k)).tolist() == eager(batch(k)).tolist()
        if k in (2, 3, 6):
            optimizer.state.clear()
            others.state.clear()
    assert {n: t.tolist() for n, t in model.state_dict().items()} == {
        n: t.tolist() for n, t in other.state_dict().items()
    }
    assert [t.item() for s in optimizer.state.values() for n, t in s.items() if n == "step"] == [2.0] * 4


def test_learning_rate_that_is_zero_for_a_while_takes_two_programs():
    """Adam without a rate does less, so it has a program of its own; back again the first one holds."""
    (_, optimizer, step), (_, others, eager) = training(optim.Adam), training(optim.Adam)
    step = te.compile(step)
    for k in range(12):
        for group in (*optimizer.param_groups, *others.param_groups):
            group["lr"] = 0.0 if k % 4 == 2 else 0.1
        assert step(batch(k)).tolist() == eager(batch(k)).tolist()
    assert repr(step) == "<compiled step: 3 programs>"  # one that makes the state, one with a rate, one without


def test_rates_in_tensors_stay_live():
    """lr=tensor(0.1), which a scheduler of the user's own writes in place."""
    rate, others_rate = te.tensor(0.1), te.tensor(0.1)
    (_, _, step), (_, _, eager) = training(optim.AdamW, lr=rate), training(optim.AdamW, lr=others_rate)
    step = te.compile(step)
    for k in range(6):
        assert step(batch(k)).tolist() == eager(batch(k)).tolist()
        rate.mul_(0.5)
        others_rate.mul_(0.5)
    assert repr(step) == "<compiled step: 2 programs>"


def test_gradients_of_arguments_are_each_ones_own():
    """They add up in the argument's own `.grad`, and the next argument's call leaves it alone."""

    def step(x):
        loss = (x * x).sum()
        loss.backward()
        return loss

    mine, eagers = ([te.full((3,), float(k), requires_grad=True) for k in range(3)] for _ in range(2))
    compiled = te.compile(step)
    for k in range(12):
        assert compiled(mine[k % 3]).tolist() == step(eagers[k % 3]).tolist()
        assert [None if x.grad is None else x.grad.tolist() for x in mine] == [
            None if x.grad is None else x.grad.tolist() for x in eagers
        ]


def test_the_sign_of_zero_counts():
    """0.0 and -0.0 are equal to Python, and give other numbers."""
    scale = -0.0
    step = te.compile(lambda x: x * scale)
    assert str(step(te.ones(1)).tolist()) == "[-0.0]"
    scale = 0.0
    assert str(step(te.ones(1)).tolist()) == "[0.0]"
    scale = float("nan")
    for _ in range(3):
        assert str(step(te.ones(1)).tolist()) == "[nan]"
    assert repr(step).endswith("2 programs>")


def test_environment_variables_are_watched(monkeypatch):
    """`os.environ` is read by the step's Python, so its value belongs to the program."""
    step = te.compile(lambda x: x * 2 if os.environ.get("DOUBLED") else x * 1)
    monkeypatch.delenv("DOUBLED", raising=False)
    assert step(te.ones(1)).tolist() == [1]
    monkeypatch.setenv("DOUBLED", "1")
    assert step(te.ones(1)).tolist() == [2]


def of_module(change):
    te.manual_seed(0)
    model, source = nn.Linear(3, 2), nn.Linear(3, 2)

    def step(x):
        change(model, source)
        return model(x)

    return step, source


CHANGES = {
    "load_state_dict": lambda model, source: model.load_state_dict(source.state_dict()),
    "init": lambda model, source: nn.init.normal_(model.weight),
    "reset_parameters": lambda model, source: model.reset_parameters(),
    "apply": lambda model, source: model.apply(lambda m: nn.init.ones_(m.bias)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_modules_are_written_in_a_step(name):
    """Loaded or drawn anew at every call, from what the source and the generator are then."""
    (eager, others), (step, source) = of_module(CHANGES[name]), of_module(CHANGES[name])
    step = te.compile(step)
    for k in range(4):
        state = te.get_rng_state()
        expected = eager(batch(k))
        te.set_rng_state(state)
        assert step(batch(k)).tolist() == expected.tolist()
        with te.no_grad():
            others.weight.add_(1)
            source.weight.add_(1)


def test_vmap_in_a_step():
    """It looks at the generator's state, which is no value of the step."""
    W = te.ones(3, 2)
    step = te.compile(lambda x: te.func.vmap(lambda row: F.relu(row @ W).sum())(x))
    assert step(te.ones(4, 3)).tolist() == [6, 6, 6, 6]
    W.mul_(2)
    assert step(te.ones(4, 3)).tolist() == [12, 12, 12, 12]


def test_state_that_the_first_step_makes_and_updates():
    """Two updates in one step, the first of which begins the momentum: what it comes to is kept to the end."""
    (_, optimizer, step), (_, others, eager) = (training(optim.SGD, lr=0.1, momentum=0.5) for _ in range(2))
    twice = te.compile(lambda x: (step(x), step(x)))
    for k in range(4):
        expected = eager(batch(k)), eager(batch(k))
        assert [t.item() for t in twice(batch(k))] == [t.item() for t in expected]
        for mine, theirs in zip(optimizer.state.values(), others.state.values(), strict=True):
            assert mine["momentum_buffer"].tolist() == theirs["momentum_buffer"].tolist()


def test_gradients_that_are_added_to_and_dropped():
    """A backward() before zero_grad() adds to the gradients of the call before, which lie in the program's memory."""

    def made():
        model, _, step = training(optim.SGD, lr=0.1)

        def twice(x):
            for _ in range(2):
                model(x).sum().backward()
            return step(x)

        return model, twice

    (model, step), (other, eager) = made(), made()
    model(batch(0)).sum().backward()  # so that there is something to add to
    other(batch(0)).sum().backward()
    step = te.compile(step)
    for k in range(4):
        assert step(batch(k)).item() == eager(batch(k)).item()
        for p, q in zip(model.parameters(), other.parameters(), strict=True):
            assert p.grad.tolist() == q.grad.tolist()


class Written:
    """A number that only its text shows."""

    def __init__(self, number):
        self.number = number

    def __str__(self):
        return str(self.number)


RATE = contextvars.ContextVar("RATE", default=2.0)
WRITTEN = Written(2.0)
CONFIG = types.ModuleType("config_of_tests")
NAME = CONFIG.__name__
ASKS = {
    "a context variable": lambda: RATE.get(),
    "the context": lambda: contextvars.copy_context().get(RATE, 2.0),
    "decimal's precision": lambda: float(decimal.Decimal(1) / decimal.Decimal(7)),
    "a module in sys.modules": lambda: sys.modules["config_of_tests"].rate,
    "a module by its name": lambda: importlib.import_module(NAME).rate,
    "an object's text": lambda: float(str(WRITTEN)),
    "an f-string": lambda: float(f"{WRITTEN}"),
}


@pytest.mark.parametrize("name", ASKS)
def test_what_is_asked_in_a_roundabout_way(name, monkeypatch):
    """Contexts, modules that are looked up by their names, and numbers that come from an object's text."""
    monkeypatch.setitem(sys.modules, NAME, CONFIG)
    ask, x = ASKS[name], te.tensor([1.0, 3.0])
    step = te.compile(lambda x: (x * ask()).sum())
    with decimal.localcontext() as context:
        for rate in (2, 3, 4, 2):
            token = RATE.set(float(rate))
            context.prec, CONFIG.rate, WRITTEN.number = rate, float(rate), float(rate)
            assert step(x).item() == (x * ask()).sum().item()
            RATE.reset(token)


def test_texts_of_python_are_refused():
    """What eval() and exec() look at is not seen in the step's code."""
    for call in (lambda: eval("WRITTEN.number"), lambda: exec("WRITTEN.number")):
        with pytest.raises(te.TraceError, match=r"test_stale.py:\d+: the step calls e(val|xec)\(\)"):
            te.compile(lambda x, call=call: x * (call() or 1.0))(te.tensor([1.0, 3.0]))


class Own(optim.Optimizer):
    """One that users write: with a step of its own, and whatever they like in its state."""

    def __init__(self, parameters, update):
        super().__init__(parameters, {"lr": 0.1})
        self.apply = update

    @te.no_grad()
    def step(self):
        for group in self.param_groups:
            for W in group["params"]:
                if W.grad is not None:
                    self.apply(W, self.state[W], group["lr"])


def counts_in_python(W, state, lr):
    state["step"] = state.get("step", 0) + 1
    W.sub_(lr / state["step"] * W.grad)


def begins_with_zeros(W, state, lr):
    if not state:
        state["m"] = te.zeros_like(W)
    state["m"].mul_(0.9).add_(W.grad)
    W.sub_(lr * state["m"])


def replaces_its_momentum(W, state, lr):
    state["m"] = 0.9 * state["m"] + W.grad if state else W.grad.clone()
    W.sub_(lr * state["m"])


def goes_back(W, state, lr):
    state["old"] = W.data.clone()
    W.add_(W.grad)
    W.data = state["old"]
    W.sub_(lr * W.grad)


@pytest.mark.parametrize("eager_steps", [0, 2])
@pytest.mark.parametrize("update", [begins_with_zeros, replaces_its_momentum, goes_back])
def test_own_optimizers_keep_their_state(update, eager_steps):
    """State that the step begins, replaces or swaps is afterwards as in eager mode, of a group added later too."""
    (_, optimizer, step), (_, others, eager) = training(Own, update=update), training(Own, update=update)
    for each in (optimizer, others):
        later = each.param_groups[0]["params"].pop()
        each.later = {"params": [later], "lr": 0.02}
    compiled = te.compile(step)
    for k in range(7):
        if k == 4:
            optimizer.add_param_group(optimizer.later)
            others.add_param_group(others.later)
        assert (step if k < eager_steps else compiled)(batch(k)).tolist() == eager(batch(k)).tolist()
        for state, other in zip(optimizer.state.values(), others.state.values(), strict=True):
            assert {name: t.tolist() for name, t in state.items()} == {name: t.tolist() for name, t in other.items()}


@pytest.mark.parametrize("eager_steps", [0, 2])
def test_a_count_in_the_state_is_refused(eager_steps):
    """A Python number in an optimizer's state would be a constant of the program; the refusal changes nothing."""
    model, optimizer, step = training(Own, update=counts_in_python)
    for k in range(eager_steps):
        step(batch(k))
    before = [W.tolist() for W in model.parameters()], [dict(state) for state in optimizer.state.values()]
    with pytest.raises(te.TraceError, match=r"test_stale.py:\d+: Own keeps step \(int\) in its state: .* in a tensor"):
        te.compile(step)(batch(0))
    assert before == ([W.tolist() for W in model.parameters()], [dict(state) for state in optimizer.state.values()])


def test_a_gradient_kept_in_the_state_is_refused():
    """`state["before"] = W.grad`: in eager mode that is the gradient itself, which zero_grad may write."""

    def keeps(W, state, lr):
        W.sub_(lr * (W.grad - state["before"] if state else W.grad))
        state["before"] = W.grad

    _, _, step = training(Own, update=keeps)
    step(batch(0))
    with pytest.raises(te.TraceError, match="write it in place"):
        te.compile(step)(batch(1))


class Weighted(te.Tensor):
    """A tensor of the user's own class, which has attributes as any object of Python."""


@pytest.mark.parametrize("own", [nn.Parameter, Weighted])
def test_attributes_of_tensors(own):
    """A parameter may be marked: which ones decay, say. A mark that comes, changes or goes takes another program."""

    def make():
        w = own(te.ones(3))

        def step(x):
            return (x * w * getattr(w, "scale", 1.0) + hasattr(w, "shifted")).sum()

        return w, step

    (w, eager), (other, step) = make(), make()
    step = te.compile(step)
    changes = [
        lambda w: None,
        lambda w: setattr(w, "scale", 2.0),
        lambda w: setattr(w, "scale", 3.0),
        lambda w: setattr(w, "shifted", None),
        lambda w: delattr(w, "scale"),
    ]
    found = []
    for change in changes:
        change(w)
        change(other)
        found.append(step(te.ones(3)).item())
        assert found[-1] == eager(te.ones(3)).item()
    assert found == [3, 6, 9, 12, 6]
