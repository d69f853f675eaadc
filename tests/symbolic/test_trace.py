"""A step recorded on Symbols, replayed by executing its equations, equals the eager step."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu import nn, optim
from tinygrad_edu.core.write import read
from tinygrad_edu.ops.checks import check
from tinygrad_edu.symbolic import trace


def network(seed=0):
    te.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))


def batch(rng, m=16):
    x = te.tensor(rng.standard_normal((m, 3)).astype(np.float32))
    return x, te.tensor(rng.integers(0, 4, m))


def everything(model, optimizer):
    """All arrays that a step can change: parameters, gradients, momentum."""
    arrays = [p.detach().numpy().copy() for p in model.parameters()]
    arrays += [np.zeros(0) if p.grad is None else p.grad.numpy().copy() for p in model.parameters()]
    for state in optimizer.state.values():
        arrays += [v.numpy().copy() for v in state.values() if isinstance(v, te.Tensor)]
    return arrays


SETTINGS = [
    {"lr": 0.1},
    {"lr": 0.1, "momentum": 0.9},
    {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    {"lr": 0.1, "momentum": 0.5, "dampening": 0.1, "maximize": True},
]


def pair(settings, rng):
    """Two equal models with their optimizers, one step into training; and the step function of each."""
    made = []
    for _ in range(2):
        model = network()
        optimizer = optim.SGD(model.parameters(), **settings)

        def step(x, y, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        made.append((model, optimizer, step))
    first = batch(rng)
    for _, _, step in made:
        step(*first)
    return made


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_program_equals_the_eager_step_bit_for_bit(settings, rng):
    """Forward, backward and SGD, 20 steps on fresh batches, with the learning rate changed on the way."""
    (eager, eager_sgd, step), (traced, traced_sgd, traced_step) = pair(settings, rng)
    program = trace(traced_step, *batch(rng))
    for number in range(20):
        data = batch(rng)
        for optimizer in (eager_sgd, traced_sgd):
            optimizer.param_groups[0]["lr"] = 0.1 / (1 + number)
        assert step(*data).item() == program(*data).item()
        for a, b in zip(everything(eager, eager_sgd), everything(traced, traced_sgd), strict=True):
            np.testing.assert_array_equal(a, b)


def test_tracing_changes_nothing(rng):
    """Parameters, gradients, momentum, versions: all as before, also when the step fails half-way."""
    (model, optimizer, step), _ = pair({"lr": 0.1, "momentum": 0.9}, rng)
    before = everything(model, optimizer)
    versions = [p._storage.version for p in model.parameters()]
    grads = [p.grad for p in model.parameters()]

    def fails(x, y):
        step(x, y)
        raise KeyError("half-way")

    trace(step, *batch(rng))
    with pytest.raises(KeyError):
        trace(fails, *batch(rng))
    for a, b in zip(before, everything(model, optimizer), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [p._storage.version for p in model.parameters()] == versions
    assert all(a is p.grad for a, p in zip(grads, model.parameters(), strict=True))


def test_eager_steps_go_on_after_a_trace(rng):
    """Parameters stay the same objects, so eager and traced steps mix."""
    (model, _, step), (other, _, other_step) = pair({"lr": 0.1}, rng)
    program = trace(step, *batch(rng))
    for number in range(6):
        data = batch(rng)
        other_step(*data)
        (program if number % 2 else step)(*data)
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


@pytest.mark.parametrize("make", [lambda p: optim.SGD(p, lr=0.1, momentum=0.9), optim.Adam], ids=["SGD", "Adam"])
def test_first_step_makes_the_optimizers_state(make, rng):
    """A trace of the first step adds nothing to the state; its first run does, as eager, and a second is refused."""
    made = []
    for _ in range(2):
        model = network()
        optimizer = make(model.parameters())

        def step(x, y, model=model, optimizer=optimizer):
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        made.append((model, optimizer, step))
    (eager, eager_optimizer, step), (traced, optimizer, traced_step) = made
    data = batch(rng)
    program = trace(traced_step, *data)
    assert not optimizer.state
    assert step(*data).item() == program(*data).item()
    for a, b in zip(everything(eager, eager_optimizer), everything(traced, optimizer), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(te.TraceError, match="has been made since the trace"):
        program(*data)


@pytest.mark.parametrize(
    "reads",
    [
        lambda x: x * 2 if x.sum() > 0 else x,
        lambda x: x * float(x.sum()),
        lambda x: x * x.sum().item(),
        lambda x: x.detach().numpy() * x,
        lambda x: x[x > 0],
        lambda x: x.tolist(),
        lambda x: x * np.ones(3),
    ],
    ids=["if", "float", "item", "numpy", "boolean index", "tolist", "ndarray"],
)
def test_what_a_program_could_not_repeat_is_refused(reads):
    """Reading a value and meeting a bare ndarray are TraceErrors."""
    with pytest.raises(te.TraceError):
        trace(reads, te.tensor([1.0, 2.0, 3.0]))


def test_random_numbers_are_drawn_anew_at_every_run(rng):
    """Dropout, rand and randn in a step: each run of the program draws what the eager step would, used or not."""
    (model, optimizer, _), (other, optimizer_again, _) = pair({"lr": 0.1, "momentum": 0.9}, rng)

    def stepping(model, optimizer):
        def step(x, labels):
            optimizer.zero_grad()
            te.rand(3)  # nobody uses it
            noisy = x + 0.1 * te.randn(16, 3)
            loss = nn.functional.cross_entropy(nn.functional.dropout(model(noisy), 0.3), labels)
            loss.backward()
            optimizer.step()
            return loss

        return step

    x, labels = batch(rng)
    eager, traced = stepping(model, optimizer), stepping(other, optimizer_again)
    te.manual_seed(1)
    before = eager(x, labels), traced(x, labels)  # the first step makes the momentum
    assert len(before) == 2
    other.load_state_dict(model.state_dict())
    optimizer_again.load_state_dict(optimizer.state_dict())
    state = te.get_rng_state()
    program = trace(traced, x, labels)
    assert te.get_rng_state().tolist() == state.tolist()  # tracing draws nothing
    for _ in range(3):
        te.set_rng_state(state)
        expected = eager(x, labels).item()
        after = te.get_rng_state()
        te.set_rng_state(state)
        assert program(x, labels).item() == expected
        assert te.get_rng_state().tolist() == after.tolist()
        state = after
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


def test_refusal_names_the_line():
    """The message holds the file and line of the read."""
    with pytest.raises(te.TraceError, match=r"test_trace\.py:\d+: a value is read"):
        trace(lambda x: float(x.sum()), te.tensor([1.0]))


def test_check_comes_before_the_equation_that_it_guards():
    """A program makes a check as soon as its condition is known: its message is seen, not that of the array's index."""

    def step(X, places):
        check(read(places) < 2, "places must lie below 2", ValueError, read(places))
        return X.index_select(0, places)

    program = trace(step, te.tensor([1.0, 2.0]), te.tensor([0, 1]))
    assert program(te.tensor([3.0, 4.0]), te.tensor([1, 0])).tolist() == [4.0, 3.0]
    with pytest.raises(ValueError, match=r"places must lie below 2, found 7 at index 1"):
        program(te.tensor([3.0, 4.0]), te.tensor([1, 7]))


def test_labels_out_of_range_still_raise(rng):
    """A check of values runs in the program as it does eagerly, before anything is changed."""
    (model, optimizer, step), _ = pair({"lr": 0.1}, rng)
    program = trace(step, *batch(rng))
    x, _ = batch(rng)
    before = everything(model, optimizer)
    with pytest.raises(IndexError, match=r"labels must lie in 0\.\.3"):
        program(x, te.tensor(np.full(16, 4)))
    for a, b in zip(before, everything(model, optimizer), strict=True):
        np.testing.assert_array_equal(a, b)


def test_writes_inside_the_step_are_followed():
    """x[i] = v, += and writes through views end in the program as they do eagerly."""

    def step(x, y):
        z = x * 2
        z[0] = y[1]
        z[1:] += y[1:]
        z.reshape(-1)[2] = 5.0
        return (z * z).sum()

    arguments = [te.tensor([1.0, 2.0, 3.0]), te.tensor([4.0, 5.0, 6.0])]
    assert trace(step, *arguments)(*arguments).item() == step(*arguments).item()


def test_state_outside_of_the_arguments_is_read_anew():
    """A tensor that the step finds in its closure is an input, not a constant."""
    scale = te.tensor(2.0)
    program = trace(lambda x: x * scale, te.tensor([1.0]))
    scale.fill_(10.0)
    assert program(te.tensor([3.0])).tolist() == [30.0]


def test_second_order_inside_a_step(rng):
    """A gradient penalty is traced like anything else."""
    w = te.tensor(rng.standard_normal(4), requires_grad=True)

    def step(x):
        (g,) = te.autograd.grad((x * w).tanh().sum(), w, create_graph=True)
        (g * g).sum().backward()
        gradient = w.grad
        w.grad = None
        return gradient

    x = te.tensor(rng.standard_normal(4))
    np.testing.assert_array_equal(trace(step, x)(x).numpy(), step(x).numpy())


def test_a_check_of_an_argument_itself_is_made_at_every_run():
    """It waits for no equation."""
    program = trace(lambda x: (check(read(x), "all must hold"), x)[1], te.tensor([True, True]))
    assert program(te.tensor([True, True])).tolist() == [True, True]
    with pytest.raises(RuntimeError, match="all must hold at index 1"):
        program(te.tensor([True, False]))


def other_memory(w, v, x, k):
    w.data = w * x


def more_memory(w, v, x, k):
    w.data = te.cat([w, x])


def requires(w, v, x, k):
    w.requires_grad_()


def another_tensors(w, v, x, k):
    w.grad = v


def a_part(w, v, x, k):
    w.grad = v[:]


def two_gradients_are_one(w, v, x, k):
    w.grad = x * 1
    v.grad = w.grad


def computed_number(w, v, x, k):
    return (x * (k / 3 + k**2)).sum()


LEFT = [other_memory, more_memory, requires, another_tensors, a_part, two_gradients_are_one, computed_number]


@pytest.mark.parametrize("change", LEFT, ids=lambda change: change.__name__)
def test_what_a_step_leaves_in_tensors_is_left_by_its_program(change):
    """Their memory, gradients, and whether they require some; two calls, with other arguments."""
    calls = [(te.tensor([2.0, 3.0]), 0.5), (te.tensor([4.0, 5.0]), 0.7)]
    seen = []
    for traced in (False, True):
        w, v = te.tensor([1.0, 2.0]), te.tensor([3.0, 4.0])

        def run(x, k, w=w, v=v):
            return change(w, v, x, k)

        run = trace(run, *calls[0]) if traced else run
        results = [run(*arguments) for arguments in calls]
        seen.append([w, v, w.grad, v.grad, w.requires_grad, w.grad is v, w.grad is v.grad, *results])
    for a, b in zip(*seen, strict=True):
        assert a == b if not isinstance(a, te.Tensor) else np.array_equal(a.detach().numpy(), b.detach().numpy())


def test_arguments_of_a_program_must_fit():
    """Others than those of the trace are refused in words."""
    program = trace(lambda x: x * 2, te.ones(2))
    with pytest.raises(TypeError, match="traced with 1 arguments, got 0"):
        program()
    for x in (te.ones(3), te.ones(2, dtype=te.int64)):
        with pytest.raises(te.TraceError, match="Trace again for another shape"):
            program(x)
