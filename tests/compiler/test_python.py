"""What a step does or sees in Python: found by compile(step), and never a stale constant."""

from __future__ import annotations

import copy
import functools
import itertools
import sys
import threading
import types

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu import nn, optim
from tinygrad_edu.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


def parts():
    """A layer, its optimizer and a scheduler."""
    te.manual_seed(0)
    layer = nn.Linear(3, 2)
    optimizer = optim.SGD(layer.parameters(), lr=0.5)
    return layer, optimizer, optim.lr_scheduler.ExponentialLR(optimizer, 0.5)


def counts_in_a_list():
    seen = []
    return (lambda x: (seen.append(1), x * len(seen))[1]), lambda: list(seen)


def counts_in_a_variable():
    n = 0

    def step(x):
        nonlocal n
        n += 1
        return x * n

    return step, lambda: n


def counts_in_an_attribute():
    class Scaled(nn.Module):
        calls = 0

        def forward(self, x):
            self.calls += 1
            return x * self.calls

    model = Scaled()
    return model, lambda: (model.calls, "calls" in vars(model))


def rebinds_a_tensor():
    W = te.ones(3)

    def step(x):
        nonlocal W
        W = W - x
        return W

    return step, lambda: W.tolist()


def steps_a_scheduler():
    layer, optimizer, scheduler = parts()

    def step(x):
        optimizer.zero_grad()
        layer(x).sum().backward()
        optimizer.step()
        scheduler.step()

    return step, lambda: (optimizer.param_groups[0]["lr"], scheduler.last_epoch, layer.weight.tolist())


def draws_in_numpy():
    dice = np.random.default_rng(0)
    return lambda x: x * float(dice.random()), lambda: dice.bit_generator.state["state"]


def counts_in_a_hook():
    model, calls = nn.Linear(3, 2), []
    model.register_forward_hook(lambda module, given, out: calls.append(1))
    return model, lambda: list(calls)


CHANGING = [
    (counts_in_a_list, "a list"),
    (counts_in_a_variable, "the variable n"),
    (counts_in_an_attribute, "an attribute of Scaled"),
    (rebinds_a_tensor, "the variable W"),
    (steps_a_scheduler, "an attribute of ExponentialLR"),
    (draws_in_numpy, "a random generator"),
    (counts_in_a_hook, "a list"),
]


@pytest.mark.parametrize(("make", "what"), CHANGING, ids=lambda x: getattr(x, "__name__", ""))
def test_step_that_changes_python_is_refused_and_nothing_has_changed(make, what):
    """A program changes tensors only: what else would change at each call is named, and put back."""
    step, state = make()
    before = state()
    with pytest.raises(te.TraceError, match=f"changes .*{what}"):
        te.compile(step)(te.ones(4, 3) if "parts" in make.__code__.co_names or make is counts_in_a_hook else te.ones(3))
    assert state() == before


def test_step_that_uses_up_a_list_is_refused_by_what_it_changes():
    """A second run, which finds the list empty, fails: the message says why, and the list is as it was."""
    seen = [te.ones(2), te.ones(2)]

    def step():
        total = te.cat(seen).sum()
        seen.clear()
        return total

    with pytest.raises(te.TraceError, match=r"test_python\.py:\d+: step changes .*, with which the next one fails"):
        te.compile(step)()
    assert len(seen) == 2


def test_what_is_settled_after_one_call_is_allowed():
    """model.train() in a step changes something once; the call after it finds nothing to change."""
    te.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    model.eval()

    @te.compile
    def step(x):
        model.train()
        return model(x).sum()

    X = te.randn(5, 3)
    expected = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    expected.load_state_dict(model.state_dict())
    for _ in range(4):
        assert step(X).item() == expected(X).sum().item()
        assert model.training
        model.eval()
    assert model[1].running_mean.tolist() == expected[1].running_mean.tolist()


def test_requires_grad_that_a_step_sets_stays_set():
    """Of a parameter that it freezes, and of an argument that it differentiates by."""
    layer = nn.Linear(3, 1)

    @te.compile
    def step(x):
        layer.bias.requires_grad_(False)
        layer(x.requires_grad_()).sum().backward()

    for _ in range(3):
        X = te.ones(2, 3)
        step(X)
        assert X.requires_grad
        assert not layer.bias.requires_grad
        assert X.grad.tolist() == [layer.weight[0].tolist()] * 2


def test_iterators_are_refused():
    """A program could not ask for the next batch."""
    batches = iter([te.ones(2), te.zeros(2)])
    with pytest.raises(te.TraceError, match=r"test_python.py:\d+: .*an iterator.*Call next\(\) outside"):
        te.compile(lambda: next(batches) * 2)()
    count = itertools.count()
    with pytest.raises(te.TraceError, match="an iterator"):
        te.compile(lambda x: x * next(count))(te.ones(2))
    assert next(count) == 0


class Settings:
    scale = 1.0
    nested = types.SimpleNamespace(deep=[{"power": 1.0}])


elsewhere = types.ModuleType("elsewhere")
elsewhere.FACTOR = 1.0


class Slotted:
    __slots__ = ("width",)

    def __init__(self):
        self.width = 1.0


def watched():
    """A step that sees numbers in all kinds of places, and a way to change each of them."""
    layer, holder, array, offsets, hooked = nn.Linear(2, 2), Slotted(), np.ones(1), {1}, nn.Linear(2, 2)
    many = [1.0] * 2000
    strength = types.SimpleNamespace(of=1.0)
    layer.register_forward_hook(lambda module, given, out: out * strength.of)
    hooked.weight.register_hook(lambda grad: grad * strength.of)
    layer.options = {"extra": [1.0]}

    def step(x):
        power = Settings.nested.deep[0]["power"]
        loss = hooked(layer(x)).sum() * Settings.scale * elsewhere.FACTOR * holder.width * power
        loss = loss * float(array[0]) * sum(offsets) * sum(many) * layer.options["extra"][0]
        return loss, *te.autograd.grad(loss, [layer.weight, hooked.weight])

    return step, [
        lambda: setattr(Settings, "scale", Settings.scale + 1),
        lambda: Settings.nested.deep[0].update(power=Settings.nested.deep[0]["power"] * 3),
        lambda: setattr(elsewhere, "FACTOR", elsewhere.FACTOR + 1),
        lambda: setattr(holder, "width", 3.0),
        lambda: array.__setitem__(0, 2.5),
        lambda: offsets.add(7),
        lambda: many.__setitem__(1999, 5.0),
        lambda: setattr(strength, "of", 4.0),
        lambda: layer.options["extra"].__setitem__(0, 1.5),
        lambda: hooked.weight.register_hook(lambda grad: grad * 3),
        lambda: layer.register_forward_hook(lambda module, given, out: out * 3),
        lambda: setattr(layer, "forward", lambda x: x * 2 + layer.weight.sum()),
    ]


def test_values_that_python_sees_are_never_stale():
    """Of classes, modules, nested containers, slots, ndarrays, sets, long lists, hooks and patched methods."""
    step, changes = watched()
    compiled, X = te.compile(step), te.randn(3, 2)
    for change in changes:
        for _ in range(2):
            for found, expected in zip(compiled(X), step(X), strict=True):
                assert found.tolist() == expected.tolist()
        change()
        for found, expected in zip(compiled(X), step(X), strict=True):
            assert found.tolist() == expected.tolist()
    assert repr(compiled) == f"<compiled step: {len(changes) + 1} programs>"


def test_gradients_of_arguments_need_no_second_program():
    """Whether an argument has a gradient is asked of the one of each call."""
    step = te.compile(lambda x: (x * x).sum().backward())
    for k in range(4):
        x = te.ones(2).mul_(k).requires_grad_()
        step(x)
        assert x.grad.tolist() == [2.0 * k] * 2
    assert repr(step) == "<compiled step: 1 program>"


def test_optimizers_of_several_shapes_may_keep_some_gradients():
    """Gradients that a step adds to, of parameters of other shapes than those that it drops."""
    layer, optimizer, _ = parts()

    @te.compile
    def step(x, last):
        layer(x).sum().backward()
        if last:
            optimizer.step()
            optimizer.zero_grad()

    for k in range(6):
        step(te.ones(4, 3), k % 2 == 1)
    assert layer.weight.grad is None


def test_tensors_that_a_step_makes_begin_anew_at_every_call():
    """zeros that are written in place are zeros again at the next call."""

    def step(x, i, a):
        z = te.zeros(7)
        z.index_put_((i,), x, accumulate=True)
        return z.add_(te.full((7,), a)) * te.tensor(a)

    compiled = te.compile(step)
    for k in range(4):
        x, i = te.randn(3), te.tensor([1, 1, k])
        assert compiled(x, i, k + 0.5).tolist() == step(x, i, k + 0.5).tolist()


def test_floats_may_be_returned():
    """A float argument that comes back, and what is computed of it, are numbers."""
    step = te.compile(lambda x, a: (x * a, a * 2, {"a": [a]}))
    for a in (1.5, 2.0, 3.0):
        found = step(te.ones(1), a)
        assert (found[0].item(), *found[1:]) == (a, a * 2, {"a": [a]})
    assert repr(step) == "<compiled step: 1 program>"


def test_refusal_that_a_step_catches_is_still_one():
    """`except Exception` would go on with another number."""

    def step(x):
        try:
            return x * x.sum().item()
        except Exception:
            return x

    with pytest.raises(te.TraceError, match="a value is read"):
        te.compile(step)(te.ones(2))


@pytest.mark.parametrize(
    "meddle",
    [
        lambda: te.manual_seed(0),
        lambda: te.Generator(),
        lambda: (te.rand(2), te.set_rng_state(state)),
    ],
)
def test_generators_are_only_drawn_from(meddle):
    """Seeding would happen once, while tracing; the generator is as it was."""
    global state
    state = te.get_rng_state()
    with pytest.raises(te.TraceError, match=r"test_python.py:\d+: a step that is traced .* generator"):
        te.compile(lambda x: (meddle(), te.rand(2))[1])(te.ones(2))
    assert te.get_rng_state().tolist() == state.tolist()


def test_anomaly_detection_is_refused():
    """A program keeps no record of where a nan comes from."""
    with te.autograd.detect_anomaly(), pytest.raises(te.TraceError, match="anomaly detection"):
        te.compile(lambda x: x.log())(te.zeros(2))


def test_objects_among_the_arguments_are_watched():
    """A model or settings may be arguments: known by identity, their attributes are looked at."""
    settings = types.SimpleNamespace(scale=1.0)

    def step(settings, x):
        return x * settings.scale

    compiled = te.compile(step)
    for scale in (1.0, 2.0, 2.0, 3.0):
        settings.scale = scale
        assert compiled(settings, te.ones(1)).item() == scale
    assert repr(compiled) == "<compiled step: 2 programs>"


def test_every_helper_is_in_the_source():
    """Shapes as parameters and checks of comparisons: both sources run, and refer to nothing outside of themselves."""

    def ctc(Z, Y):
        loss = te.nn.functional.ctc_loss(Z.log_softmax(2), Y, te.tensor([9, 9]), te.tensor([3, 2]))
        return loss, Z.quantile(0.3)

    step = te.compile(ctc)
    step(te.randn(9, 2, 5), te.tensor([[1, 2, 3], [2, 2, 1]]))
    for text in (step.source, step.source(readable=True)):
        exec(text, {})
    assert not step._last._borrowed


def test_threads_take_turns():
    """A program's memory is used by one thread at a time: each gets its own numbers."""
    layer = nn.Linear(6, 3)
    step = te.compile(lambda x: layer(x).tanh().sum(1))
    given = [te.randn(200, 6) for _ in range(4)]
    expected = [layer(x).tanh().sum(1).tolist() for x in given]
    found = [set() for _ in given]

    def work(k):
        found[k].update(step(given[k]).tolist() == expected[k] for _ in range(200))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert found == [{True}] * 4


LAST = None


def stores_in_a_global():
    def step(x):
        global LAST
        LAST = x * 2
        return x

    return step, lambda: LAST


def test_what_a_step_only_stores_is_watched_too():
    """It would be stored once, while tracing."""
    step, stored = stores_in_a_global()
    with pytest.raises(te.TraceError, match=r"test_python\.py:\d+: .*changes the variable LAST"):
        te.compile(step)(te.ones(3))
    assert stored() is None


def writes_an_array():
    seen = np.zeros(1)

    def step(x):
        seen[0] += 1
        return x

    return step, seen.tolist


def test_an_array_that_a_step_writes_is_put_back():
    """The numbers of an ndarray are Python's."""
    step, state = writes_an_array()
    with pytest.raises(te.TraceError, match=r"test_python\.py:\d+: each run of step changes an ndarray"):
        te.compile(step)(te.ones(3))
    assert state() == [0]


def test_a_new_setting_of_an_optimizer():
    """It is there after each call, and gone after a refusal."""
    _, optimizer, _ = parts()

    def step(x, refused):
        group = optimizer.param_groups[0]
        group["calls"] = group.get("calls", 0) + 1
        return float(x) if refused else x

    compiled = te.compile(step)
    with pytest.raises(te.TraceError):
        compiled(te.ones(1), True)
    assert "calls" not in optimizer.param_groups[0]
    for k in range(3):
        compiled(te.ones(1), False)
        assert optimizer.param_groups[0]["calls"] == k + 1


def test_models_are_copied_in_a_step():
    """A copy takes steps of its own; the model stays."""

    def made():
        layer, _, _ = parts()

        def step(x, lr):
            fast = copy.deepcopy(layer)
            optimizer = optim.SGD(fast.parameters(), lr=lr)
            fast(x).square().sum().backward()
            optimizer.step()
            return fast(x) - layer(x)

        return step

    step, eager = te.compile(made()), made()
    for k in range(3):
        x = te.ones(2, 3) * k
        assert step(x, 0.1 / (k + 1)).tolist() == eager(x, 0.1 / (k + 1)).tolist()


def test_hooks_of_tensors_are_read():
    """What a hook of a tensor sees is watched, also where no module has it."""
    factor, w = types.SimpleNamespace(of=2.0), te.ones(1, requires_grad=True)
    w.register_hook(lambda grad: grad * factor.of)
    step = te.compile(lambda x: te.autograd.grad((w * x).sum(), w)[0])
    for of in (2.0, 3.0, 2.0):
        factor.of = of
        assert step(te.ones(1)).item() == of


def test_lists_and_arrays_are_places():
    """`x[[0, 2]]`, places in a list among the arguments, and in an ndarray that changes."""
    places = np.array([1, 0])
    step = te.compile(lambda x, given: (x[[0, 2]], x[given], x[places], x[[True, False, True]]))
    x = te.arange(6.0).reshape(3, 2)
    for k in range(4):
        places[0] = k % 3
        given = [k % 2, 2]
        expected = x[[0, 2]], x[given], x[places], x[[True, False, True]]
        assert [t.tolist() for t in step(x, given)] == [t.tolist() for t in expected]


def picks_by_a_table(x):
    places = te.tensor([2, 0, 1])
    return x[places] * places.tolist()[0]


def reads_a_schedule(x):
    kept = te.cumprod(1 - te.linspace(0.1, 0.4, 4), 0)
    return x * kept * kept[2].item()


def counts_with_a_tensor(x):
    times = te.tensor(3)
    for _ in range(times):
        x = x * times
    return x if times.sum() > 2 else -x


def reads_what_it_has_written(x):
    table = te.zeros(3)
    table[1] = 5.0
    return x * table * float(table.max())


CONSTANT = [picks_by_a_table, reads_a_schedule, counts_with_a_tensor, reads_what_it_has_written]


@pytest.mark.parametrize("step", CONSTANT)
def test_numbers_that_the_step_has_written_down_are_read(step):
    """Also after it has computed with them: they are the same at every call."""
    compiled, x = te.compile(step), te.randn(3, 4) if step is not reads_what_it_has_written else te.randn(3)
    for k in range(3):
        assert compiled(x * k).tolist() == step(x * k).tolist()


@pytest.mark.parametrize(
    "read",
    [
        lambda x: float(te.ones(1) * x),
        lambda x: te.rand(1).item() + 1,
        lambda x: (te.rand(1) * te.ones(1)).item() + 1,
        lambda x: te.zeros(2).copy_(x.expand(2)).tolist()[0],
        lambda x: te.full((1,), x.item()).item(),
    ],
)
def test_numbers_that_are_not_all_the_step_s_own_are_refused(read):
    """Of arguments and draws."""
    with pytest.raises(te.TraceError, match="a value is read"):
        te.compile(read)(te.ones(1))


def test_what_numpy_is_handed_of_a_constant_is_not_written():
    """The program goes by the tensor."""

    def step(x):
        table = te.ones(2)
        y = x * table
        table.numpy()[0] = 5.0
        return y + x * table

    with pytest.raises(ValueError, match="read-only"):
        te.compile(step)(te.ones(2))


def packs(lstm, x, lengths):
    rows, (h, _) = lstm(pack_padded_sequence(x, lengths, enforce_sorted=False))
    padded, ends = pad_packed_sequence(rows)
    return padded.sum((0, 2)) * h[0].sum(-1), ends


def test_sequences_are_packed_in_a_step():
    """A program holds for lengths that are Python's ints; in tensors they are refused, with what to write instead."""
    te.manual_seed(0)
    step = functools.partial(packs, nn.LSTM(3, 4))
    compiled = te.compile(step)
    for lengths in ([5, 3, 2], [2, 5, 5], [5, 3, 2]):
        x = te.randn(5, 3, 3)
        assert [t.tolist() for t in compiled(x, lengths)] == [t.tolist() for t in step(x, lengths)]
    assert repr(compiled).endswith(": 2 programs>")
    with pytest.raises(te.TraceError, match=r"lengths as a list of Python ints"):
        compiled(x, te.tensor(lengths))
    with pytest.raises(te.TraceError, match=r"lengths as a list of Python ints"):
        te.compile(lambda packed: step.args[0](packed)[0].data)(pack_padded_sequence(x, lengths))


def test_pytorchs_options_are_taken_and_others_refused():
    """Those that say how to compile change nothing; disable=True gives the step back, also as a decorator."""

    def double(x):
        return x * 2

    compiled = te.compile(double, mode="max-autotune", fullgraph=True, dynamic=False, backend="inductor", options={})
    assert compiled(te.ones(2)).tolist() == [2.0, 2.0]
    assert te.compile(double, disable=True) is double
    assert te.compile(disable=True, mode="default")(double) is double
    assert te.compile(grads=False, fullgraph=True)(double).grads is False
    with pytest.raises(TypeError, match="unexpected keyword argument 'moed'"):
        te.compile(double, moed="default")
