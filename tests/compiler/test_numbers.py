"""Python numbers among a step's arguments and in an optimizer's settings: live, or a program for each, never stale."""

from __future__ import annotations

import copy
import dataclasses
import decimal
import json
import math

import numpy as np
import pytest

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim
from tinygrad_edu.symbolic import trace


def X(k=0):
    te.manual_seed(k)
    return te.randn(4, 3).abs() + 0.1


def assert_same(step, numbers, programs=None, fresh=lambda c: c):
    """Each call returns what the step itself returns, to the last bit, and draws the same numbers."""
    compiled = te.compile(step)
    for k, c in enumerate(numbers):
        x = X(k)
        expected, state = step(x, fresh(c)), te.get_rng_state().tolist()
        x = X(k)
        found = compiled(x, fresh(c))
        assert te.get_rng_state().tolist() == state
        for a, b in zip(expected, found, strict=True) if isinstance(expected, tuple) else ((expected, found),):
            same = a.numpy().tobytes() == b.numpy().tobytes() if isinstance(a, te.Tensor) else repr(a) == repr(b)
            assert same, (c, a, b)
    if programs is not None:
        assert repr(compiled).endswith(f" {programs} program{'s' if programs > 1 else ''}>")


LIVE = {
    "arithmetic": lambda x, c: x * (1 - c) + c * 2 - c / 3 + x / (c + 1) + c**2 * x,
    "of Python alone": lambda x, c: x * 0.95**c * abs(-c) + (c // 0.3) * (c % 0.3),
    "a function of NumPy": lambda x, c: x * np.exp(-c) + np.sqrt(c),
    "two comparisons": lambda x, c: x * 2 if 0 <= c <= 1 else x,
    "max and min": lambda x, c: x * max(c, 0.0) * min(1, c),
    "true": lambda x, c: x * 2 if c else x,
    "rounded": lambda x, c: x * int(c) * round(c / 4) * (math.floor(c) + 1),
    "is a float": lambda x, c: x * c if isinstance(c, float) else x,
    "clamp": lambda x, c: x.clamp(-c, c),
    "full": lambda x, c: te.full((3,), c) + te.tensor(c) + te.full_like(x, c),
    "in place": lambda x, c: x.mul_(c).add_(x, alpha=c).sub_(c),
    "returned": lambda x, c: (x, c, c * 2, round(c, 1)),
    "temperature": lambda x, c: F.softmax(x / c, 1),
}


@pytest.mark.parametrize("name", LIVE)
def test_a_float_is_live(name):
    """Twenty floats, one program."""
    assert_same(LIVE[name], [0.05 * (k + 1) for k in range(19)], programs=1)


READ = {
    "where": lambda x, c: te.where(x > c, c, -c),
    "lerp": lambda x, c: te.lerp(x, x * 2, c),
    "dropout": lambda x, c: F.dropout(x, c),
    "label smoothing": lambda x, c: F.cross_entropy(x, te.tensor([0, 1, 2, 0]), label_smoothing=c),
    "eps": lambda x, c: F.layer_norm(x, (3,), eps=c),
    "text": lambda x, c: x * len(f"{c:.3g} {c}"),
    "a dict": lambda x, c: x * {0.125: 2.0, 0.25: 3.0}.get(c, 1.0),
    "math": lambda x, c: x * math.cos(c) * float(c) * int(8 * c) * math.floor(8 * c),
    "a library that wants floats": lambda x, c: x * len(json.dumps([c])) * float(decimal.Decimal(c)),
    "a method": lambda x, c: x * 2 if c.is_integer() else x,
    "a list": lambda x, c: te.tensor([[c, 1.0], [2.0, c]]),
    "a distribution": lambda x, c: te.distributions.Normal(c, c).log_prob(x),
    "norm": lambda x, c: x.norm(c),
    "draws": lambda x, c: te.zeros_like(x).uniform_(-c, c) + te.zeros_like(x).normal_(c, c),
    "its type": lambda x, c: x * c if type(c) is float else x,
    "threshold": lambda x, c: F.threshold(x, c, c) + F.hardtanh(x, -c, c) + F.pad(x, (1, 0), value=c)[:, 1:],
}


@pytest.mark.parametrize("name", READ)
def test_a_float_that_python_reads_is_never_stale(name):
    """Each of its values gets a program, and finds it again."""
    assert_same(READ[name], [0.125, 0.25, 0.5, 0.25, 0.125])


class Held:
    """Where a step may find a number."""

    def __init__(self, place):
        self.place, self.entry, self.own = place, {}, None

    def put(self, c):
        self.variable(c)
        self.entry["c"] = self.own = c

    def reader(self, step):
        c = None

        def variable(value):
            nonlocal c
            c = value

        self.variable = variable
        found = {"variable": lambda: c, "attribute": lambda: self.own, "entry": lambda: self.entry["c"]}[self.place]
        return lambda x: step(x, found())


def assert_same_around(step, numbers, place, programs):
    """The same where the number is not an argument, but in a variable, an attribute or an entry of a dict."""
    held = Held(place)
    reads = held.reader(step)
    compiled = te.compile(reads)
    for k, c in enumerate(numbers):
        held.put(c)
        expected, state = reads(X(k)), te.get_rng_state().tolist()
        found = compiled(X(k))
        assert te.get_rng_state().tolist() == state
        for a, b in zip(expected, found, strict=True) if isinstance(expected, tuple) else ((expected, found),):
            same = a.numpy().tobytes() == b.numpy().tobytes() if isinstance(a, te.Tensor) else repr(a) == repr(b)
            assert same, (c, a, b)
    assert compiled._count <= programs
    assert [held.own, held.entry["c"]] == [numbers[-1]] * 2


@pytest.mark.parametrize("place", ["variable", "attribute", "entry"])
@pytest.mark.parametrize("name", LIVE)
def test_a_float_of_the_surroundings_is_live(name, place):
    """The first one is taken for a constant; once it has been another one, it is an argument of the program."""
    assert_same_around(LIVE[name], [0.05 * (k + 1) for k in range(19)], place, programs=2)


@pytest.mark.parametrize("place", ["variable", "attribute", "entry"])
@pytest.mark.parametrize("name", READ)
def test_a_float_of_the_surroundings_that_python_reads_is_never_stale(name, place):
    """Each of its values gets a program, and finds it again; so does what is no float."""
    assert_same_around(READ[name], [0.125, 0.25, 0.5, 0.25, 0.125, 0.5, 0.25], place, programs=5)


@pytest.mark.parametrize("place", ["variable", "attribute", "entry"])
def test_a_number_of_the_surroundings_is_what_an_argument_would_be(place):
    """Of NumPy, as a cosine gives it, or a count."""
    numbers = [np.float64(0.5 * (1 + math.cos(k / 5))) for k in range(20)]
    assert_same_around(lambda x, c: x * c, numbers, place, programs=2)
    assert_same_around(lambda x, k: x * 0.9**k + x * (1 - k / 20), [*range(20)], place, programs=2)
    assert_same_around(lambda x, k: x * 2 if k % 5 == 4 else x, [*range(20)], place, programs=3)
    assert_same_around(lambda x, k: x[: k + 1].sum(0) * k, [0, 1, 2, 1, 2, 0], place, programs=4)


def test_a_number_of_the_surroundings_may_become_something_else():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.c = 0.5

        def forward(self, x):
            return x * self.c

    net = Net()
    compiled = te.compile(net)
    for k, c in enumerate([0.5, 0.25, 2, True, te.tensor(0.3), 0.125, 3, te.tensor(0.6), 0.1, -0.0, math.nan, 0.0]):
        net.c = c
        assert net(X(k)).numpy().tobytes() == compiled(X(k)).numpy().tobytes(), c
        assert net.c is c


def test_a_learning_rate_beside_the_step():
    """As it falls in a loop by hand; the source has it among its arguments."""
    te.manual_seed(0)
    W = te.randn(2, 3, requires_grad=True)
    rate = 0.5

    def step(x):
        loss = (x @ W.T).square().mean()
        loss.backward()
        with te.no_grad():
            W.sub_(rate * W.grad)
        W.grad = None
        return loss

    compiled, start = te.compile(step), W.detach().clone()
    losses = []
    for run in (step, compiled):
        with te.no_grad():
            W.copy_(start)
        for k in range(20):
            rate = 0.5 - 0.02 * k
            losses.append(run(X(k)).item())
        losses.append(W.tolist())
    assert losses[:21] == losses[21:]
    assert repr(compiled) == "<compiled step: 2 programs>"
    assert "def step(x, W, rate):" in compiled.source
    assert "rate: numbers that the step finds around it" in compiled.source
    assert "W -= rate * dW" in compiled.source(readable=True)


def test_settings_that_the_step_has_a_name_for():
    """`group = optimizer.param_groups[0]` beside the step, as schedules have it."""
    model, optimizer, step = trained(lambda groups, update, c: update() * group["lr"])
    group = optimizer.param_groups[0]
    start = copy.deepcopy(model.state_dict())
    runs = []
    for run in (step, te.compile(step)):
        model.load_state_dict(start)
        optimizer.state.clear()
        for k in range(20):
            group["lr"] = 0.1 / (k + 1)
            runs.append(run(X(k), 0.0).item())
    assert runs[:20] == runs[20:]
    assert repr(run) == "<compiled step: 2 programs>"


@pytest.mark.parametrize("place", ["variable", "attribute", "entry"])
def test_floats_are_where_they_were_after_an_error(place):
    """Also where the step keeps one of them, which needs a program for each."""
    held = Held(place)

    def body(x, c):
        held.last = c
        return x * c if c < 1 else x.refuse_this(c)

    step = held.reader(body)
    compiled = te.compile(step)
    for k, c in enumerate([0.5, 0.25, 0.125]):
        held.put(c)
        assert step(X(k)).numpy().tobytes() == compiled(X(k)).numpy().tobytes()
        assert held.last == c
    held.put(2.0)
    with pytest.raises(AttributeError, match="refuse_this"):
        compiled(X())
    assert [type(held.own), type(held.entry["c"]), type(held.last)] == [float] * 3


def test_an_int_that_counts_needs_a_program_per_branch():
    """`(i + 1) % 4 == 0` with the number of the batch as argument, as gradients are accumulated."""
    assert_same(lambda x, i: x * 2 if (i + 1) % 4 == 0 else x, range(40), programs=2)


def test_an_int_is_a_shape_or_an_index_too():
    """Where the value itself is used, each has its program."""

    def step(x, n):
        y = te.zeros(n + 1) + x[: n + 1].sum()
        for _ in range(n):
            y = y * 2
        return y, x.sum(n % 2), x**n, x * n, [x, x * 3][n % 2][0], n + 1

    assert_same(step, [0, 1, 2, 1, 0])


def test_numbers_of_numpy():
    """A float64 is a Python float; others keep their arithmetic."""
    assert_same(lambda x, c: x * c, [0.1 * k for k in range(20)], programs=1, fresh=np.float64)
    assert_same(lambda x, c: x * float(c * 3), [0.1 * k for k in range(3)], fresh=np.float32)


def test_a_number_divides_as_in_python():
    """By zero it raises."""
    step = te.compile(lambda x, c: x * (1 / c))
    assert step(te.ones(1), 2.0).item() == 0.5
    with pytest.raises(ZeroDivisionError):
        step(te.ones(1), 0.0)


@dataclasses.dataclass
class Batch:
    x: te.Tensor
    scale: float
    ids: list = dataclasses.field(default_factory=list)


def test_dataclasses_are_nested_arguments():
    """A new one at every call, with other tensors and numbers, is one kind of argument."""
    step = te.compile(lambda batch: (batch.x * batch.scale).sum() + batch.ids[0])
    for k in range(20):
        x = X(k)
        assert step(Batch(x, k * 0.5, [x[0]])).tolist() == ((x * (k * 0.5)).sum() + x[0]).tolist()
    assert repr(step).endswith("1 program>")


def changes_a_dict(x, given):
    given["a"] = x * 2
    return x


def changes_a_list(x, given):
    given.append(x)
    return x


def changes_a_dataclass(x, given):
    given.scale = 3.0
    return x


@pytest.mark.parametrize(
    ("step", "given"), [(changes_a_dict, {}), (changes_a_list, []), (changes_a_dataclass, Batch(te.ones(1), 1.0))]
)
def test_containers_among_the_arguments_are_not_changed(step, given):
    """The step would change them once; the refusal names the line."""
    before = repr(given)
    with pytest.raises(te.TraceError, match=rf"test_numbers\.py:\d+: .*{type(given).__name__} that it is given"):
        te.compile(step)(te.ones(3), given)
    assert repr(given) == before


@pytest.mark.parametrize("kept", [lambda self, c: c, lambda self, c: self.optimizer.param_groups[0]["lr"], round])
def test_numbers_are_not_kept_in_python(kept):
    """`self.last = lr` would be forgotten at the next call."""

    class Trainer:
        optimizer, last = optim.SGD([te.ones(1, requires_grad=True)], lr=0.1), 0.0

        def step(self, x, c):
            self.last = kept(self, c) if kept is not round else round(c, 1)
            return x * c

    trainer = Trainer()
    with pytest.raises(te.TraceError, match=r"test_numbers\.py:\d+: each run of step changes last, an attribute of Tr"):
        te.compile(trainer.step)(te.ones(1), 0.3)
    assert trainer.last == 0.0


def trained(body, optimizer=lambda p: optim.SGD(p, lr=0.1, momentum=0.5)):
    te.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer = optimizer(model.parameters())

    def update(x):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    return model, optimizer, lambda x, c: body(optimizer.param_groups, lambda: update(x), c)


def schedules(groups, update, i):
    for group in groups:
        group["lr"] = 0.1 * min(1.0, (i + 1) / 5) * 0.5 ** (i // 10)
    return update(), groups[0]["lr"]


def decays(groups, update, i):
    loss = update()
    groups[0]["lr"] *= 0.9
    return loss


def saturates(groups, update, i):
    groups[0]["lr"] = min(groups[0]["lr"] * 1.5, 0.1)
    return update()


def sets_it_between(groups, update, i):
    first, groups[0]["lr"] = update(), 0.01
    second, groups[0]["lr"] = update(), 0.2
    return first, second


def branches(groups, update, i):
    loss = update() * groups[0]["lr"]
    return loss * 2 if groups[0]["lr"] > 0.05 else loss


def sets_both(groups, update, i):
    first, _ = groups[0]["betas"]
    groups[0]["betas"] = (first * 0.99, 1 - 0.01 * (i + 1))
    return update()


SETTINGS = {f.__name__: (f, {}) for f in (schedules, decays, saturates, sets_it_between, branches)}
SETTINGS["sets_both"] = (sets_both, {"optimizer": lambda p: optim.Adam(p, lr=0.1)})


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_are_set_and_read_in_the_step(name):
    """A rate of the step's number, of the rate before, within limits, for a while: as in eager mode, and left so."""
    body, options = SETTINGS[name]
    (model, optimizer, eager), (other, others, step) = trained(body, **options), trained(body, **options)
    step = te.compile(step)
    for k in range(30):
        expected, found = eager(X(k), k), step(X(k), k)
        for a, b in zip(*(r if isinstance(r, tuple) else (r,) for r in (expected, found)), strict=True):
            assert a.item() == b.item() if isinstance(a, te.Tensor) else repr(a) == repr(b)
        assert model.weight.detach().numpy().tobytes() == other.weight.detach().numpy().tobytes()
        was, now = ({k: v for k, v in o.param_groups[0].items() if k != "params"} for o in (optimizer, others))
        assert was == now
        if k == 12:
            optimizer.param_groups[0]["lr"] = others.param_groups[0]["lr"] = 0.01


def test_settings_are_as_they_were_after_an_error():
    """The trace puts them back."""
    _, optimizer, step = trained(decays)
    with pytest.raises(te.TraceError):
        te.compile(lambda x, c: (step(x, c), float(x.sum())))(te.ones(1, 3), 1)
    assert optimizer.param_groups[0]["lr"] == 0.1


@pytest.mark.parametrize("by", [2, te.tensor([1, 2])], ids=["number", "tensor"])
def test_integers_are_not_divided_by_zero(by):
    """In a program either, whose trace saw another divisor."""
    step = te.compile(lambda x, k: x // k)
    x = te.tensor([4, 5])
    for _ in range(2):
        assert step(x, by).tolist() == (x // by).tolist()
    with pytest.raises(RuntimeError, match="floor_divide: ZeroDivisionError: an integer is divided by 0"):
        step(x, by * 0)


def test_nothing_is_divided_by_a_zero_that_stands_in_the_step():
    """The trace, whose values are none, sees it."""
    with pytest.raises(RuntimeError, match="remainder: ZeroDivisionError"):
        te.compile(lambda x: x % 0)(te.tensor([4, 5]))
    assert te.compile(lambda x: x % 0)(te.zeros(0, dtype=te.int64)).tolist() == []


IMPOSSIBLE = {
    "embedding": lambda x: F.embedding(te.tensor([7]), x),
    "one_hot": lambda x: F.one_hot(te.tensor([5]), 3) * x,
    "cross_entropy": lambda x: F.cross_entropy(x, te.tensor([5, 0])),
    "gather": lambda x: x.gather(1, te.tensor([[9], [0]])),
    "bernoulli": lambda x: te.bernoulli(te.full((2, 3), 2.0)) + x,
    "floor_divide": lambda x: te.tensor([1]) // te.tensor([0]) + x,
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_numbers_that_a_step_writes_down_are_checked(name):
    """They are constants of the program; the error is eager mode's, nothing has changed, and it stays an error."""
    body = IMPOSSIBLE[name]
    W = te.ones(2, 3, requires_grad=True)
    with pytest.raises((RuntimeError, IndexError)) as eager:
        body(W)
    optimizer = te.optim.Adam([W])

    def run():
        (W * W).sum().backward()
        optimizer.step()
        return body(W)

    step = te.compile(run)
    for _ in range(2):
        with pytest.raises(eager.type):
            step()
    assert W.tolist() == [[1.0] * 3] * 2
    assert not optimizer.state


SMALL = {
    "logical_and": lambda x: te.logical_and(x, 1e-300),
    "logical_or": lambda x: te.logical_or(x, 1e-300),
    "logical_xor": lambda x: te.logical_xor(x, 1e-300),
}


@pytest.mark.parametrize("name", SMALL)
def test_small_numbers_are_true(name):
    """Also beside float32, where they would be 0."""
    x = te.tensor([0.0, 1.0, -0.0])
    assert te.compile(SMALL[name])(x).tolist() == SMALL[name](x).tolist()


@pytest.mark.parametrize("name", ["remainder", "fmod"])
def test_rests_of_one_number(name):
    """Of what NumPy has as a scalar in a program they are computed as of a tensor: with the same zero."""

    def step(x):
        y = (x * 1).sum()
        return getattr(te, name)(y, y), getattr(te, name)(-y, y), getattr(te, name)(y.sqrt(), 0.3)

    x = te.tensor([-100.0, -4.0])
    for a, b in zip(te.compile(step)(x), step(x), strict=True):
        assert a.numpy().tobytes() == b.numpy().tobytes()


def test_numbers_that_a_step_hands_out_are_those_of_each_call():
    """`return loss.item()`, alone and among others, as of where it stands in the step, in one program."""
    layer = nn.Linear(3, 1)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)

    def step(x, y):
        optimizer.zero_grad()
        loss = ((layer(x) - y) ** 2).mean()
        loss.backward()
        before = layer.bias.item()
        optimizer.step()
        hits = (layer(x) > y).sum()
        return {"loss": loss.item(), "of": [loss, before, layer.bias.item()], "hits": (hits.item(), hits.bool().item())}

    start, found = copy.deepcopy(layer.state_dict()), []
    x, y = te.randn(3, 5, 3), te.randn(3, 5, 1)
    for run in (step, compiled := te.compile(step)):
        layer.load_state_dict(start)
        found.append(repr([run(*batch) for batch in zip(x, y, strict=True)]))
    assert found[0].replace(", grad_fn=<MeanBackward0>", "") == found[1]
    only = te.compile(lambda x: x.sum().item())
    assert [only(te.full((2,), v)) for v in (1.5, 2.0)] == [3.0, 4.0]
    assert repr(only) == "<compiled step: 1 program>"
    assert repr(compiled) in ("<compiled step: 1 program>", "<compiled step: 2 programs>")
    assert trace(lambda x: (x.sum().item(), x), te.ones(2))(te.full((2,), 3.0))[0] == 6.0


def test_a_count_that_is_handed_out_needs_no_program_for_each():
    """Only where the step's Python looks at it does the program hold for one count."""
    count = te.tensor(0)
    step = te.compile(lambda x: (count.add_(1).item(), x * 2))
    assert [step(te.ones(1))[0] for _ in range(5)] == [1, 2, 3, 4, 5]
    assert repr(step) == "<compiled step: 1 program>"
    place = te.tensor(1)
    look = te.compile(lambda x: (x[place.item()], range(4)[place.item()], 2 - place.item(), te.zeros(place.item())))
    for k in (1, 2, 1):
        place.fill_(k)
        assert [*map(str, look(te.arange(4)))] == [f"tensor({k})", str(k), str(2 - k), str(te.zeros(k))]
    assert repr(look) == "<compiled step: 2 programs>"


def test_no_setting_is_what_is_handed_out():
    """The learning rate that a step computes is a tensor's number, which the trace does not have."""
    _, optimizer, _ = trained(decays)

    def step(x):
        optimizer.param_groups[0]["lr"] = x.item()

    with pytest.raises(te.TraceError, match=r"test_numbers\.py:\d+: a value is read"):
        te.compile(step)(te.ones(1))
    assert optimizer.param_groups[0]["lr"] == 0.1


LOOKS = {
    "sum": lambda x: x.sum().item() + 1,
    "product": lambda x: x * x.sum().item(),
    "if": lambda x: x if x.sum().item() > 1 else -x,
    "text": lambda x: f"{x.sum().item():.3f}",
    "function": lambda x: math.exp(x.sum().item()),
    "tensor": lambda x: te.tensor([x.sum().item()]),
    "clamp": lambda x: x.clamp(max=x.sum().item()),
    "mean": lambda x: np.mean([x.sum().item()]),
}


@pytest.mark.parametrize("name", LOOKS)
def test_numbers_that_are_handed_out_are_not_looked_at(name):
    """The message says what can be done with them."""
    with pytest.raises(te.TraceError, match=r"test_numbers\.py:\d+: a value is read .*Return what \.item\(\) gives as"):
        te.compile(LOOKS[name])(te.ones(3))


def test_numbers_that_are_handed_out_are_not_kept_in_python():
    """A list of losses is filled outside of the step."""
    losses = []
    with pytest.raises(te.TraceError, match=r"changes a list.*return the value"):
        te.compile(lambda x: losses.append(x.sum().item()))(te.ones(3))
    assert losses == []
