"""What varies from call to call stays live; what the program can't follow is traced again, or refused by name."""

from __future__ import annotations

import copy
import dataclasses
import functools
import re
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim


def noisy():
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.2), nn.BatchNorm1d(16), nn.Linear(16, 4))


def made(optimizer=lambda p: optim.SGD(p, lr=0.1), build=noisy):
    te.manual_seed(0)
    model = build()
    optimizer = optimizer(model.parameters())

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, optimizer, step


def assert_follows(change, make=made, data=None, steps=8):
    """After each step the same change is made to both; all steps stay equal. Returns the compiled step."""
    (eager_model, eager_optimizer, eager), (model, optimizer, step) = make(), make()
    step = te.compile(step)
    te.manual_seed(5)
    X, Y = te.randn(16, 8), te.randint(0, 4, (16,))
    for k in range(steps):
        x, y = (X, Y) if data is None else data(k, X, Y)
        state = te.get_rng_state()
        expected = eager(x, y)
        te.set_rng_state(state)
        assert step(x, y).item() == expected.item()
        for (name, a), b in zip(eager_model.state_dict().items(), model.state_dict().values(), strict=True):
            assert a.numpy().tobytes() == b.numpy().tobytes(), name
        state = te.get_rng_state()  # a change may draw
        change(k, eager_model, eager_optimizer)
        te.set_rng_state(state)
        change(k, model, optimizer)
    return step


def nothing(k, model, optimizer):
    pass


def at(number, change):
    """A change that happens once."""
    return lambda k, model, optimizer: change(model, optimizer) if k == number else None


CHANGES = {  # the change, and how many programs it takes
    "nothing": (nothing, 1),
    "learning rate": (lambda k, m, o: o.param_groups[0].__setitem__("lr", 0.3 / (k + 1)), 1),
    "momentum is switched on": (at(3, lambda m, o: o.param_groups[0].__setitem__("momentum", 0.9)), 3),
    "train and eval": (lambda k, m, o: m.train(k % 2 == 0), 2),
    "a parameter is frozen": (at(3, lambda m, o: m[0].weight.requires_grad_(False)), 2),
    "a module is exchanged": (at(3, lambda m, o: m.__setitem__(1, nn.Tanh())), 2),
    "dropout's p": (at(3, lambda m, o: setattr(m[2], "p", 0.5)), 2),
    "weights are loaded": (at(3, lambda m, o: m.load_state_dict({n: v * 0.5 for n, v in m.state_dict().items()})), 1),
    "weights are overwritten": (at(3, lambda m, o: m[0].weight.data.zero_()), 1),
    "weights get other memory": (at(3, lambda m, o: setattr(m[0].weight, "data", m[0].weight.data.clone() * 2)), 1),
    "gradients are dropped": (at(3, lambda m, o: m.zero_grad()), 1),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes_between_steps_are_followed(name):
    """Settings, modes, modules and weights: read anew or traced again, never stale, and no more often than needed."""
    change, programs = CHANGES[name]
    step = assert_follows(change)
    assert repr(step) == f"<compiled step: {programs} program{'s' if programs > 1 else ''}>"


def test_state_of_an_optimizer_may_be_loaded():
    """load_state_dict makes other tensors, which the program must not confuse with those it knew."""
    change = at(3, lambda model, optimizer: optimizer.load_state_dict(optimizer.state_dict()))
    assert_follows(change, lambda: made(lambda p: optim.Adam(p, lr=0.01)))


def test_parameter_groups_may_be_added():
    """The new group has settings and state of its own."""
    half = lambda p: optim.SGD([{"params": list(p)[:2], "momentum": 0.9}], lr=0.2)
    assert_follows(at(3, lambda m, o: o.add_param_group({"params": [m[4].weight]})), lambda: made(half))


def test_last_batch_may_be_smaller():
    """Another shape is another program; coming back to the first one traces nothing."""
    small = lambda k, X, Y: (X[:5], Y[:5]) if k % 3 == 2 else (X, Y)
    assert repr(assert_follows(nothing, data=small)) == "<compiled step: 2 programs>"


def test_data_may_be_transposed_or_part_of_a_larger_array():
    """Another layout is another program, since sums run in another order."""
    layouts = [lambda X: X, lambda X: X.T.contiguous().T, lambda X: te.cat([X, X], 1)[:, 4:12]]
    assert_follows(nothing, data=lambda k, X, Y: (layouts[k % 3](X), Y))


def test_eager_and_compiled_steps_alternate():
    """Parameters and state stay the same objects."""
    (eager_model, _, eager), (model, _, step) = made(optim.Adam), made(optim.Adam)
    compiled = te.compile(step)
    X, Y = te.randn(16, 8), te.randint(0, 4, (16,))
    before = list(map(id, model.parameters()))
    for k in range(8):
        state = te.get_rng_state()
        expected = eager(X, Y).item()
        te.set_rng_state(state)
        assert (compiled if k % 2 else step)(X, Y).item() == expected
    assert list(map(id, model.parameters())) == before
    for a, b in zip(eager_model.parameters(), model.parameters(), strict=True):
        assert a.tolist() == b.tolist()


def test_gradients_accumulate_over_calls():
    """Without zero_grad a step adds to what .grad holds; None at first, and again after the update."""

    def make():
        te.manual_seed(0)
        model = nn.Linear(8, 4)
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x, y):
            loss = F.cross_entropy(model(x), y) / 2
            loss.backward()
            return loss

        return model, optimizer, step

    (eager_model, eager_optimizer, eager), (model, optimizer, step) = make(), make()
    step = te.compile(step)
    X, Y = te.randn(16, 8), te.randint(0, 4, (16,))
    for k in range(12):
        eager(X, Y)
        step(X, Y)
        for p, q in zip(eager_model.parameters(), model.parameters(), strict=True):
            assert p.grad.tolist() == q.grad.tolist()
        if k % 3 == 2:
            for o in (eager_optimizer, optimizer):
                o.step()
                o.zero_grad()
    assert repr(step) == "<compiled step: 2 programs>"


def test_grads_false_leaves_none():
    """compile(step, grads=False): the same steps, and .grad is None after each."""
    (eager_model, _, eager), (model, _, step) = made(), made()
    step = te.compile(step, grads=False)
    X, Y = te.randn(16, 8), te.randint(0, 4, (16,))
    for _ in range(4):
        state = te.get_rng_state()
        expected = eager(X, Y).item()
        te.set_rng_state(state)
        assert step(X, Y).item() == expected
        assert all(p.grad is None for p in model.parameters())
    assert [p.tolist() for p in model.parameters()] == [p.tolist() for p in eager_model.parameters()]


@pytest.mark.parametrize("every", ["forgets late", "forgets outside", "of two", "twice in a call"])
def test_grads_false_leaves_those_that_later_calls_add_to(every):
    """Without zero_grad at its start a step goes on with those that it looks at."""

    def run(compiled):
        te.manual_seed(0)
        model, other = nn.Linear(3, 2), nn.Linear(2, 1)
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step(x, k):
            for _ in range(2 if every == "twice in a call" else 1):
                if every in ("of two", "twice in a call"):
                    optimizer.zero_grad()
                loss = other(model(x)).square().mean()
                loss.backward()
                if every != "forgets late" or k % 3 == 0:
                    optimizer.step()
                if every == "forgets late" and k % 3 == 0:
                    optimizer.zero_grad()
            return loss

        step = te.compile(step, grads=False) if compiled else step
        found = []
        for k in range(7):
            if every == "forgets outside" and k % 2:
                optimizer.zero_grad()
            found.append(step(te.randn(4, 3), k).tolist())
        return found, model.weight.tolist(), model.weight.grad

    *expected, _ = run(False)
    *found, left = run(True)
    assert found == expected
    assert every not in ("of two", "twice in a call") or left is None


def test_a_gradient_that_grads_false_has_dropped_is_not_added_to():
    """Where the calls come first that forget it or do not look at it, it is too late to keep it."""
    model = nn.Linear(3, 2)

    @functools.partial(te.compile, grads=False)
    def step(x, forgets, looks):
        if forgets:
            model.zero_grad()
        model(x).sum().backward()
        return model.weight.grad.sum() if looks else x

    other = copy.copy(step)
    step(te.ones(1, 3), True, True), other(te.ones(1, 3), False, False)
    for compiled in (step, other):
        with pytest.raises(te.TraceError, match=r"uses a gradient \(2, 3\) .* Compile it with grads=True"):
            compiled(te.ones(1, 3), False, True)


def test_floats_among_the_arguments_are_live():
    """Another float takes no new program, in keywords and lists too."""
    step = te.compile(lambda x, a, *, b: x * a + b[0])
    X = te.randn(3)
    for a in (1.0, 2.0, 3.5):
        assert step(X, a, b=[a + 1, 0.0]).tolist() == (X * a + (a + 1)).tolist()
    assert repr(step) == "<compiled step: 1 program>"


def test_float_that_an_if_reads_makes_a_program_per_branch():
    """`if t > 0.5` holds for many t; the program is used as long as the answer is the same."""

    def step(x, t):
        return x * 2 if t > 0.5 else x * t

    compiled = te.compile(step)
    X = te.randn(3)
    for t in (0.1, 0.2, 0.7, 0.9, 0.3):
        assert compiled(X, t).tolist() == step(X, t).tolist()
    assert repr(compiled) == "<compiled step: 2 programs>"


SCALE = 1.0


def test_variables_that_the_step_sees_are_never_stale(monkeypatch):
    """A global, a variable of an enclosing function and an attribute: another value is another program."""

    class Trainer:
        def __init__(self):
            self.factor, self.calls = 1.0, 0

        def step(self, x):
            return x * SCALE * self.factor * offset

    trainer, offset = Trainer(), 1.0
    step = te.compile(trainer.step)
    X = te.randn(3)
    expected = lambda: (X * SCALE * trainer.factor * offset).tolist()
    assert step(X).tolist() == expected()
    trainer.calls = 7  # nothing that the step reads
    assert step(X).tolist() == expected()
    assert repr(step) == "<compiled step: 1 program>"
    trainer.factor = 2.0
    assert step(X).tolist() == expected()
    offset = 3.0
    assert step(X).tolist() == expected()
    monkeypatch.setattr(f"{__name__}.SCALE", 5.0)
    assert step(X).tolist() == expected()


def test_too_many_programs_are_refused():
    """After `limit` programs the message says what differs."""
    step = te.compile(lambda x: x * 2, limit=3)
    for k in range(3):
        step(te.ones(k + 1))
    with pytest.raises(te.TraceError, match="traced 3 times, and something is different again: the arguments"):
        step(te.ones(9))


def reads_in_hook():
    model = nn.Linear(8, 4)
    model.register_forward_hook(lambda module, given, out: print(out.sum().item()))
    return model


REFUSED = {
    "if": lambda x: x if x.sum() > 0 else -x,
    "item": lambda x: x * x.max().item(),
    "float": lambda x: x * float(x.max()),
    "numpy": lambda x: x * x.numpy().sum(),
    "mask": lambda x: x[x > 0],
    "nonzero": lambda x: te.nonzero(x),
    "unique": lambda x: te.unique(x),
    "hook": reads_in_hook(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_reading_a_value_is_refused_with_the_line(name):
    """What a Python `if` would see is unknown while tracing; the message names the line and the way out."""
    with pytest.raises(te.TraceError, match=r"test_changes\.py:\d+: a value is read"):
        te.compile(REFUSED[name])(te.randn(16, 8))


def test_line_search_is_refused():
    """LBFGS decides by values how often it runs the closure."""
    model = nn.Linear(8, 4)
    optimizer = optim.LBFGS(model.parameters())
    with pytest.raises(te.TraceError, match="LBFGS"):
        te.compile(lambda: optimizer.step(lambda: model(te.ones(2, 8)).sum()))()


def test_labels_out_of_range_raise_before_anything_is_changed():
    """The check is a line of the program: the message is the eager one, and the weights are as they were."""
    model, _, step = made(build=lambda: nn.Linear(8, 4))
    step = te.compile(step)
    X, Y = te.randn(16, 8), te.randint(0, 4, (16,))
    step(X, Y)
    step(X, Y)
    before = [p.tolist() for p in model.parameters()]
    Y[3] = 7
    with pytest.raises(IndexError, match=r"labels must lie in 0\.\.3 .*, found 7 at index 3"):
        step(X, Y)
    assert [p.tolist() for p in model.parameters()] == before


def test_what_is_returned_is_the_callers():
    """Nested results are copies: the next call does not change them, and writing to them changes nothing."""
    step = te.compile(lambda x: (x, {"a": [x * 2, x.T]}))
    X = te.randn(3, 2)
    step(X)
    first = step(X)
    kept = first[1]["a"][0].tolist()
    step(X + 1)
    assert first[1]["a"][0].tolist() == kept
    first[0].zero_()
    assert X.abs().sum() > 0
    assert first[1]["a"][1].tolist() == X.T.tolist()


def test_tensors_outside_may_be_written_and_swapped():
    """In-place operations on what lives outside of the step, and an exchange of two tensors."""

    def make():
        a, b = te.ones(3), te.zeros(3)

        def step(x):
            a.add_(x).mul_(2)
            y = a * 1
            a[0] = 5.0
            kept = a.clone()
            a.copy_(b)
            b.copy_(kept)
            return y + b

        return a, b, step

    (a, b, eager), (c, d, step) = make(), make()
    step = te.compile(step)
    for k in range(5):
        assert eager(te.ones(3) * k).tolist() == step(te.ones(3) * k).tolist()
        assert (a.tolist(), b.tolist()) == (c.tolist(), d.tolist())


def test_model_alone_is_compiled_for_inference():
    """compile(model) answers as the model, and is asked for its parts as the model is."""
    model = noisy().eval()
    compiled = te.compile(model)
    with te.no_grad():
        for _ in range(3):
            X = te.randn(16, 8)
            assert compiled(X).tolist() == model(X).tolist()
    assert compiled.training is False
    assert next(iter(compiled.parameters())) is model[0].weight


def test_as_a_decorator_with_options():
    """@compile(grads=False) is a decorator too, and the step keeps its name and docstring."""

    @te.compile(grads=False)
    def halve(x):
        """Half of x."""
        return x / 2

    assert halve(te.ones(2)).tolist() == [0.5, 0.5]
    assert halve.__doc__ == "Half of x."
    assert repr(halve) == "<compiled halve: 1 program>"
    with pytest.raises(TypeError, match="expected a function of tensors, got int"):
        te.compile(3)


def classes_of(n):
    """A network and its batch, scores of n classes each."""
    m = 65536 // n
    model = nn.Sequential(nn.Linear(8, 16), nn.LeakyReLU(), nn.LayerNorm(16), nn.Linear(16, n), nn.Tanh())
    return model, F.cross_entropy, te.randn(m, 8), te.arange(m) % n


def rows_of(model, *shape):
    x = te.randn(*shape)
    return model, lambda y, x: F.mse_loss(y[0] if isinstance(y, tuple) else y, x), x, x


LARGE = {
    "squared error": lambda: rows_of(nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8)), 8192, 8),
    "sequences": lambda: rows_of(nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8)), 64, 64, 8),
    "dropout": lambda: rows_of(nn.Sequential(nn.Linear(8, 16), nn.Dropout(), nn.Linear(16, 8)), 8192, 8),
    "attention": lambda: rows_of(nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True), 32, 64, 32),
    "LSTM": lambda: rows_of(nn.LSTM(16, 16), 128, 32, 16),
    "cross-entropy": lambda: classes_of(8),
    "many classes": lambda: classes_of(64),
}


@pytest.mark.parametrize("kind", LARGE)
def test_steady_state_makes_no_array(kind):
    """Of arrays of 262,144 bytes none is made anew: what is allocated on the way is less (NumPy's own buffers)."""
    te.manual_seed(0)
    model, cost, X, Y = LARGE[kind]()
    optimizer = optim.Adam(model.parameters())

    @te.compile(grads=False)
    def step(x, y):
        optimizer.zero_grad()
        loss = cost(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(3):
        step(X, Y)
    assert re.search(r"made anew at every call +0$", step.explain(), re.M)
    tracemalloc.start()
    try:
        step(X, Y)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        step(X, Y)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    # the loss's Tensor, iterators' buffers, of labels and of rows of a softmax a few numbers each, pieces of draws
    assert peak < 200_000, peak


def test_source_is_asked_for_after_a_call():
    """There is no program before the shapes are known."""
    step = te.compile(lambda x: x * 2)
    with pytest.raises(RuntimeError, match="has not been called yet"):
        _ = step.source
    step(te.ones(2))
    assert "np.multiply" in step.source


def test_ndarrays_among_the_arguments_are_refused():
    """A program could not know when the array changes."""
    with pytest.raises(te.TraceError, match="pass a tensor"):
        te.compile(lambda x: te.ones(2) * x)(np.ones(2))


def test_arguments_may_be_changed():
    """A step that writes into its argument, or leaves a gradient in it, does so to the one of each call."""

    @te.compile
    def step(buffer, x):
        buffer.add_(x)
        (x * buffer.detach()).sum().backward()
        return buffer.sum()

    for k in range(4):
        buffer, x = te.ones(3) * k, te.ones(3, requires_grad=True)
        version = buffer.numpy()
        assert step(buffer, x).item() == 3 * (k + 1)
        assert version.tolist() == [k + 1.0] * 3
        assert x.grad.tolist() == [k + 1.0] * 3


def test_one_tensor_as_two_arguments():
    """step(X, X) and step(X, Y) are different programs, and so is one whose argument the step also sees outside."""
    W = te.ones(2)
    step = te.compile(lambda x, y: x * 10 + y + W)
    X, Y = te.tensor([1.0, 2.0]), te.tensor([3.0, 4.0])
    for x, y in ((X, X), (X, Y), (Y, X), (W, Y), (X, Y), (X, X), (X, W)):
        assert step(x, y).tolist() == (x * 10 + y + W).tolist()


def test_a_call_with_the_same_arrays_still_looks_at_everything():
    """The second look at the same arguments is a short one; what may change beside them is in it."""
    model = nn.Linear(3, 3)
    settings = {"scale": 2.0}
    step = te.compile(lambda x: model(x) * settings["scale"])
    x = te.ones(2, 3)
    step(x), step(x)
    changes = [
        lambda: settings.update(scale=3.0),
        lambda: model.weight.requires_grad_(False),
        lambda: model.weight.requires_grad_(True),
        lambda: setattr(model.weight, "data", model.weight.data.clone() + 1),
        lambda: setattr(model, "weight", nn.Parameter(te.eye(3))),
        lambda: model.register_forward_hook(lambda module, given, out: out + 1),
        lambda: x.add_(1),
        lambda: setattr(x, "data", te.full((2, 3), 5.0)),
        lambda: x.requires_grad_(),
    ]
    for change in changes:
        change()
        for _ in range(3):
            assert (step(x) == model(x) * settings["scale"]).all()


def test_the_same_array_in_other_tensors():
    """`x` and `x.detach()` share an array; which arguments are one tensor belongs to the kind of a call."""
    step = te.compile(lambda a, b: a.add_(1) + b)
    x, y = te.zeros(3), te.ones(3)
    assert step(x, y).tolist() == [2, 2, 2]
    assert step(x, y).tolist() == [3, 3, 3]
    assert step(x, x).tolist() == [6, 6, 6]
    assert step(x, x).tolist() == [8, 8, 8]


def test_a_name_that_was_not_there():
    """A global that is missing, and an attribute of the class alone, until they are there, even as None."""

    class Settings:
        extra = 1.0

    settings = Settings()
    step = te.compile(lambda x: x + 1 if settings.extra is None else x)
    x = te.zeros(2)
    assert step(x).tolist() == step(x).tolist() == [0, 0]
    settings.extra = None
    assert step(x).tolist() == step(x).tolist() == [1, 1]

    scope = {"te": te}
    source = """
def step(x):
    try:
        extra
    except NameError:
        return x + 1
    return x
"""
    exec(source, scope)
    step = te.compile(scope["step"])
    assert step(x).tolist() == step(x).tolist() == [1, 1]
    scope["extra"] = None
    assert step(x).tolist() == step(x).tolist() == [0, 0]


def test_a_loop_variable_called_step():
    """`optimizer.step()` reads no global called step, which in many scripts counts the loop."""
    scope = {"te": te}
    source = """
model = te.nn.Linear(2, 1)
optimizer = te.optim.SGD(model.parameters(), lr=0.1)
losses = []
@te.compile
def train(x):
    optimizer.zero_grad()
    loss = model(x).square().mean()
    loss.backward()
    optimizer.step()
    return loss
for step in range(40):
    losses.append(train(te.ones(3, 2)).item())
"""
    exec(source, scope)
    assert repr(scope["train"]) == "<compiled train: 1 program>"
    assert scope["losses"][-1] < scope["losses"][0]


def test_an_attribute_called_step():
    """`self.optimizer.step()` does not read `self.step`, which counts; `self.scale` is read."""

    class Trainer:
        def __init__(self):
            self.model = nn.Linear(2, 1)
            self.optimizer = optim.SGD(self.model.parameters(), lr=1e-4)
            self.step, self.scale = 0, 1.0
            self.train = te.compile(self.update)

        def update(self, x):
            self.optimizer.zero_grad()
            loss = self.model(x).square().mean() * self.scale
            loss.backward()
            self.optimizer.step()
            return loss

    trainer = Trainer()
    for _ in range(40):
        loss = trainer.train(te.ones(3, 2))
        trainer.step += 1
    assert repr(trainer.train) == "<compiled update: 1 program>"
    trainer.scale = 0.0
    assert loss.item() > 0
    assert trainer.train(te.ones(3, 2)).item() == 0


def test_methods_can_be_compiled():
    """In a class: `self` is bound as a function's, and each object has its own weights in its own program."""

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 1)

        @te.compile
        def forward(self, x):
            return self.linear(x)

    first, second, x = Model(), Model(), te.ones(3, 2)
    for _ in range(2):
        for model in (first, second):
            assert_array_equal(model(x).numpy(), model.linear(x).detach().numpy())
    assert not np.array_equal(first(x).numpy(), second(x).numpy())
    assert Model.forward(first, x).shape == (3, 1)
    assert "def forward(x, " in first.forward.source


def test_two_shapes_take_turns():
    """A smaller last batch at the end of every epoch: the state of an optimizer stays what both programs know."""
    model = nn.Linear(3, 2)
    optimizer = optim.Adam(model.parameters())

    @te.compile
    def step(x):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(10):
        for size in (4, 4, 3):
            step(te.ones(size, 3))
    assert repr(step) == "<compiled step: 3 programs>"  # the first step of all makes Adam's state


def test_a_step_that_switches_to_training():
    """`model.train()` in the step, model.eval() after every epoch: the program switches too."""

    def made():
        te.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 2))
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x):
            model.train()
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        return model, step

    (eager_model, eager), (model, step) = made(), made()
    step, x = te.compile(step), te.ones(4, 3)
    for epoch in range(20):
        for k in range(3):
            te.manual_seed(10 * epoch + k)
            expected = eager(x)
            te.manual_seed(10 * epoch + k)
            assert step(x).item() == expected.item()
            assert all(part.training for part in model.modules())
        assert_array_equal(model.eval()(x).detach().numpy(), eager_model.eval()(x).detach().numpy())
    assert repr(step) == "<compiled step: 2 programs>"


def test_a_dataclass_whose_counter_changes():
    """What dataclasses writes into a class reads all of its fields; the step reads one."""

    @dataclasses.dataclass
    class State:
        scale: float = 1.0
        step: int = 0

    state = State()
    optimizer = optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)

    @te.compile
    def step(x):
        optimizer.step()  # is no state.step
        return x * state.scale

    for _ in range(30):
        assert step(te.ones(2)).tolist() == [1, 1]
        state.step += 1
    state.scale = 2.0
    assert step(te.ones(2)).tolist() == [2, 2]
    assert repr(step) == "<compiled step: 2 programs>"


def test_equality_reads_a_whole_dataclass():
    """Where the step has a ==, all fields count."""

    @dataclasses.dataclass
    class State:
        scale: float = 1.0

    state, usual = State(), State()
    step = te.compile(lambda x: x if state == usual else x * 2)
    assert step(te.ones(2)).tolist() == step(te.ones(2)).tolist() == [1, 1]
    state.scale = 3.0
    assert step(te.ones(2)).tolist() == step(te.ones(2)).tolist() == [2, 2]


@pytest.mark.parametrize(
    "of",
    [
        lambda w, k: k * w.sum(),
        lambda w, k: (w * k).sum(),
        lambda w, k: (w**k).sum(),
        lambda w, k: (k / w).sum(),
        lambda w, k: (k - w).prod(),
    ],
)
def test_a_float_meets_what_is_differentiated(of):
    """`k * loss` with the number k an argument: live, in values and gradients."""
    w = te.tensor([1.0, 2.0, 3.0], requires_grad=True)

    def step(k):
        w.grad = None
        loss = of(w, k)
        loss.backward()
        return loss

    compiled = te.compile(step)
    for k in (2.0, 3.0, 0.5):
        expected = step(k).item()
        gradient = w.grad.tolist()
        assert compiled(k).item() == expected
        assert w.grad.tolist() == gradient
    assert repr(compiled) == "<compiled step: 1 program>"


def encoder():
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True)
    return nn.Sequential(nn.Unflatten(1, (4, 8)), layer, nn.Flatten(), nn.Linear(32, 4))


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Sequential(nn.Linear(32, 8), nn.Tanh(), nn.Linear(8, 4)),
        lambda: nn.Sequential(nn.Linear(32, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 4)),
        lambda: nn.Sequential(
            nn.Unflatten(1, (2, 4, 4)), nn.Conv2d(2, 3, 3), nn.SiLU(), nn.Flatten(), nn.Linear(12, 4)
        ),
        encoder,
    ],
    ids=["mlp", "norm", "conv", "encoder"],
)
def test_a_penalty_on_gradients_has_eager_s_bits(build):
    """Contributions of different layouts add up in the same layout, whether the sum is made in place or not."""

    def made():
        te.manual_seed(0)
        model = build()
        optimizer = optim.SGD(model.parameters(), lr=0.05)

        def step(x, y):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            grads = te.autograd.grad(loss, list(model.parameters()), create_graph=True)
            (loss + 0.1 * sum((g**2).sum() for g in grads)).backward()
            optimizer.step()
            return loss

        return model, step

    (eager_model, eager), (model, step) = made(), made()
    step = te.compile(step)
    x, y = te.randn(20, 32), te.randint(0, 4, (20,))
    for _ in range(4):
        assert eager(x, y).item() == step(x, y).item()
        for p, q in zip(eager_model.parameters(), model.parameters(), strict=True):
            assert p.grad.numpy().tobytes() == q.grad.numpy().tobytes()
            assert p.detach().numpy().tobytes() == q.detach().numpy().tobytes()


def test_a_variable_that_is_not_set_yet():
    """What an enclosing function sets after the first call, and deletes again, is another program as well."""
    ready = [False]

    @te.compile
    def step(x):
        return x * later if ready[0] else x * 2  # noqa: F821 (set and deleted below)

    x = te.ones(2)
    assert [step(x).tolist() for _ in range(3)] == [[2.0, 2.0]] * 3
    later = te.full((2,), 5.0)
    ready[0] = True
    assert [step(x).tolist() for _ in range(3)] == [[5.0, 5.0]] * 3
    del later
    ready[0] = False
    assert [step(x).tolist() for _ in range(3)] == [[2.0, 2.0]] * 3


def test_a_variable_that_the_step_sets_first():
    """As eagerly, it holds afterwards what the step has put there."""

    @te.compile
    def step(x):
        nonlocal rate
        rate = 2.0
        return x * rate

    assert [step(te.ones(2)).tolist() for _ in range(3)] == [[2.0, 2.0]] * 3
    assert rate == 2.0  # noqa: F821 (the step sets it)
    rate = 3.0
    assert step(te.ones(2)).tolist() == [2.0, 2.0]
    assert rate == 2.0


def test_a_closure_that_is_compiled_serves_lbfgs():
    """What LBFGS keeps are lists and numbers, which the closure does not touch."""

    def run(wrap):
        te.manual_seed(0)
        W, X = te.randn(3, 2, requires_grad=True), te.randn(5, 3)
        optimizer = optim.LBFGS([W], max_iter=3)

        def closure():
            optimizer.zero_grad()
            loss = ((X @ W) ** 2).mean()
            loss.backward()
            return loss

        closure = wrap(closure)
        return [optimizer.step(closure).item() for _ in range(3)], W.tolist()

    assert run(te.compile) == run(lambda closure: closure)
