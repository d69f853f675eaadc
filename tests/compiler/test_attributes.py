"""Attributes of the user's objects and modules: those that a step has names for matter, whenever they are set."""

from __future__ import annotations

import collections
import functools
import types

import pytest

import tinygrad_edu as te
from tinygrad_edu import nn, optim
from tinygrad_edu.core.errors import TraceError

from .training import assert_follows


class Holder:
    pass


class Slotted:
    __slots__ = ("seen",)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.gain, self.epoch, self.losses, self.options = 2.0, 0, [], {"power": 2.0}

    def forward(self, x):
        y = self.layer(x) * self.gain + self.options["power"]
        return y if getattr(self, "skip", None) is None else x

    def extra_repr(self):
        return f"epoch={self.epoch}"


def test_counts_of_a_module_that_its_forward_does_not_read():
    """They may change at every call; what forward has a name for may not, unnoticed."""
    te.manual_seed(0)
    model, x = Model(), te.ones(2, 3)
    step = te.compile(model)
    for k in range(20):
        assert step(x).tolist() == model(x).tolist()
        model.epoch += 1
        model.losses.append(k)
    assert repr(step).endswith(": 1 program>")


CHANGES = {
    "a number": lambda model: setattr(model, "gain", 3.0),
    "in a dict": lambda model: model.options.update(power=3.0),
    "a new attribute": lambda model: setattr(model, "skip", True),
    "forward": lambda model: setattr(model, "forward", lambda x: x * 7),
    "a layer": lambda model: setattr(model, "layer", nn.Identity()),
    "a hook": lambda model: model.register_forward_hook(lambda module, given, y: y * 2),
    "a class attribute": lambda model: (delattr(model, "gain"), setattr(type(model), "gain", 5.0)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_forward_reads_is_watched(name):
    """By its name, wherever it is."""
    te.manual_seed(0)
    kind = type("Kind", (Model,), {"__module__": __name__})
    model = kind()
    assert_follows(model, lambda: CHANGES[name](model))


ENTRIES = {
    "a parameter": lambda model: setattr(model, "more", nn.Parameter(te.ones(3))),
    "a buffer": lambda model: model.register_buffer("more", te.ones(3)),
    "a layer": lambda model: setattr(model, "more", nn.Linear(2, 2)),
    "none any more": lambda model: setattr(model.layer, "bias", None),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_what_a_module_has_without_a_name(name):
    """A walk over parameters, buffers or children finds what has been registered since."""
    te.manual_seed(0)
    model = Model()

    def step(x):
        state = model.state_dict().values()
        return model(x) + sum(p.sum() for p in model.parameters()) + sum(t.sum() for t in state)

    assert_follows(step, lambda: ENTRIES[name](model))


class Fresh:
    def __init__(self):
        self.rate = 2.0


def test_objects_that_a_step_makes():
    """By the __init__ that their class has by then."""
    kind = type("Kind", (Fresh,), {"__module__": __name__})
    assert_follows(
        lambda x: x * kind().rate, lambda: setattr(kind, "__init__", lambda self: setattr(self, "rate", 3.0))
    )


def test_names_in_formats():
    """`"{.rate}".format(x)` reads an attribute."""
    held = types.SimpleNamespace(rate=2.0)
    written = "{.rate:.1f}"
    assert_follows(lambda x: x * float(written.format(held)), lambda: setattr(held, "rate", 3.0))
    assert_follows(lambda x: x * float(str.format("{0.rate}", held)), lambda: setattr(held, "rate", 4.0))


SETTINGS = {
    "deterministic": (te.are_deterministic_algorithms_enabled, lambda on: te.use_deterministic_algorithms(on)),
    "precision": (
        lambda: te.get_float32_matmul_precision() == "high",
        lambda on: te.set_float32_matmul_precision("high" if on else "highest"),
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_that_a_step_asks_for(name):
    """They are kept and told, and a step may go by them."""
    ask, switch = SETTINGS[name]
    try:
        assert_follows(lambda x: x * (2 if ask() else 3), lambda: switch(True))
    finally:
        switch(False)


LISTED = {
    "vars": lambda x, held: x * sum(vars(held).values()),
    "dir": lambda x, held: x * len([name for name in dir(held) if name[0] != "_"]),
    "the dict": lambda x, held: x * held.__dict__.get("later", 7.0),
    "in the dict": lambda x, held: x * (3 if "later" in held.__dict__ else 7),
}


@pytest.mark.parametrize("name", LISTED)
@pytest.mark.parametrize("kind", [Holder, types.SimpleNamespace])
def test_attributes_that_are_listed(name, kind):
    """A new one is noticed where all of an object's are looked at."""
    held, look = kind(), LISTED[name]
    held.rate = 2.0
    assert_follows(lambda x: look(x, held), lambda: setattr(held, "later", 3.0))


def keeping(holder, what):
    def step(x):
        holder.seen = what(x)
        return x + 1

    return step


def kind():
    return type("Kind", (), {"__module__": __name__})


@pytest.mark.parametrize("make", [Holder, Slotted, Model])
@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize("nest", [lambda t: t, lambda t: [t, (t * 2, t)], lambda t: {"a": t, "b": [t * 2]}])
def test_attributes_hold_what_a_step_computes(make, nest, by_name):
    """A tensor, or several in lists, tuples and dicts: another one at every call, whatever was there before."""
    holder, other = make(), make()
    if by_name:
        compiled = te.compile(lambda x: setattr(holder, "seen", nest(x * 2)) or x + 1)
    else:
        compiled = te.compile(keeping(holder, lambda x: nest(x * 2)))
    step = keeping(other, lambda x: nest(x * 2))
    kept = []
    for k, n in enumerate((2, 2, 3, 3, 2, 2, 2, 2)):
        if k == 5:
            holder.seen = None
        if k == 6:
            del holder.seen
        x = te.ones(n) * k
        assert compiled(x).tolist() == step(x).tolist()
        assert repr(holder.seen) == repr(other.seen)
        kept.append(holder.seen)
    assert len({*map(id, kept)}) == len(kept)
    assert repr(kept[0]) == repr(nest(te.zeros(2)))


def test_losses_that_layers_leave_in_attributes():
    """They are added up in the step, and are there after it; the model may make what it needs when it is first run."""

    class Attention(nn.Module):
        places = None

        def __init__(self):
            super().__init__()
            self.layer, self.weights = nn.Linear(3, 3), None

        def forward(self, x):
            if self.places is None:
                self.places = te.arange(3.0)
            self.weights = (self.layer(x) + self.places).softmax(-1)
            self.penalty = self.weights.square().sum()
            return self.weights * x

    def made():
        te.manual_seed(0)
        model = Attention()
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step(x):
            optimizer.zero_grad()
            loss = model(x).sum() + model.penalty
            loss.backward()
            optimizer.step()
            return loss

        return model, step

    (model, step), (other, eager) = made(), made()
    step = te.compile(step)
    for k in range(5):
        if k == 3:
            model.places = other.places = te.zeros(3)
        x = te.randn(2, 3)
        assert step(x).tolist() == eager(x).tolist()
        for name in ("weights", "penalty", "places"):
            assert getattr(model, name).tolist() == getattr(other, name).tolist()
    assert repr(step).endswith(": 3 programs>")


def test_tables_that_a_model_makes_when_it_is_first_run():
    """And again for longer sequences, noting their length; or under functools.cached_property."""

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.length, self.table = 0, None

        @functools.cached_property
        def scale(self):
            return te.arange(1.0, 4.0)

        def forward(self, x):
            if len(x) > self.length:
                self.length = len(x)
                self.table = te.arange(len(x)).float()[:, None].cos()
            return x * self.table[: len(x)] + self.scale

    model, other = Model(), Model()
    step = te.compile(model)
    for k, n in enumerate((2, 2, 2, 3, 3, 2, 3, 3)):
        if k == 6:
            model.scale = other.scale = te.ones(3)
        x = te.randn(n, 3)
        assert step(x).tolist() == other(x).tolist()
        assert (model.length, model.table.tolist()) == (other.length, other.table.tolist())
        assert model.scale.tolist() == other.scale.tolist()


SUMS = None


def in_an_attribute():
    holder = types.SimpleNamespace(sums=None)

    def step(x):
        if holder.sums is None:
            holder.sums = te.zeros(2)
        holder.sums += x
        return holder.sums * 2

    return step, lambda: holder.sums


def in_a_dict_by_parameters():
    te.manual_seed(0)
    W, velocity = te.randn(2, requires_grad=True), {}

    def step(x):
        W.grad = None
        (W * x).square().sum().backward()
        with te.no_grad():
            if W not in velocity:
                velocity[W] = te.zeros_like(W)
            W.sub_(velocity[W].mul_(0.9).add_(W.grad), alpha=0.1)
        return W.sum()

    return step, lambda: velocity[W]


def in_a_global():
    global SUMS
    SUMS = None

    def step(x):
        global SUMS
        if SUMS is None:
            SUMS = te.zeros(2)
        SUMS += x
        return SUMS * 2

    return step, lambda: SUMS


@pytest.mark.parametrize("make", [in_an_attribute, in_a_dict_by_parameters, in_a_global])
def test_state_that_is_begun_when_the_step_is_first_run(make):
    """What the first call adds to it is there, or refused."""
    (step, state), (eager, its) = make(), make()
    step = te.compile(step)
    if make is in_a_global:
        with pytest.raises(TraceError, match="changes the variable SUMS: it keeps a tensor there"):
            step(te.ones(2))
        assert state() is None
        return
    for k in range(4):
        x = te.ones(2) * (k + 1)
        assert step(x).tolist() == eager(x).tolist()
        assert state().tolist() == its().tolist()


def test_classes_with_slots_and_without():
    """Bases with none, as abc.ABC, leave objects a `__dict__`; private slots have longer names."""

    class Empty:
        __slots__ = ()

    class Plain(Empty):
        def __init__(self):
            self.w, self.gain = te.ones(2), 2.0

    class Base:
        __slots__ = ("gain",)

    class Both(Base, Plain):
        pass

    class Private:
        __slots__ = ("__gain", "w")

        def __init__(self):
            self.w, self.gain = te.ones(2), 2.0

        @property
        def gain(self):
            return self.__gain

        @gain.setter
        def gain(self, value):
            self.__gain = value

    def step(holder, x):
        holder.w += x
        return holder.w * holder.gain

    for make in (Plain, Both, Private):
        holder, other, compiled = make(), make(), te.compile(step)
        for k in range(5):
            if k == 3:
                holder.gain = other.gain = 5.0
            assert compiled(holder, te.ones(2)).tolist() == step(other, te.ones(2)).tolist()
        assert repr(compiled).endswith(": 2 programs>")


def test_what_other_steps_leave_in_attributes():
    """A step that sets them in training only, another one for evaluation, and eager calls between."""

    class Remembers(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.last = nn.Linear(2, 2), None

        def forward(self, x):
            y = self.layer(x)
            if self.training:
                self.last = y
            return y.relu()

    model = Remembers()
    step, evaluate = te.compile(model), te.compile(lambda x: model(x) * 2)
    for k in range(20):
        x = te.randn(3, 2)
        model.train()
        found, last = (model if k % 5 == 3 else step)(x), model.last
        assert found.tolist() == last.relu().tolist() == model.layer(x).relu().tolist()
        model.eval()
        for compiled in (step, evaluate):
            assert compiled(x).tolist() == (model(x) * (1 + (compiled is evaluate))).tolist()
            assert model.last is last


@pytest.mark.parametrize("to", ["an attribute", "a list", "a result"])
def test_what_an_attribute_holds_may_be_handed_on(to):
    """Then it matters which tensor it is, also where the call before has handed on the same one."""

    def made():
        holder, kept = types.SimpleNamespace(h=te.zeros(2), before=None), [None]

        def step(sets, x):
            if sets:
                holder.h = x * 2
            elif to == "an attribute":
                holder.before = holder.h
            elif to == "a list":
                kept[0] = holder.h
            else:
                return holder.h
            return x

        return step, lambda: repr((holder, kept))

    (step, look), (eager, its) = made(), made()
    step = te.compile(step)
    for k, sets in enumerate((1, 0, 0, 1, 0, 0, 1, 0)):
        x = te.ones(2) * k
        assert step(bool(sets), x).tolist() == eager(bool(sets), x).tolist()
        assert look() == its()


def test_what_hooks_and_layers_of_own_classes_keep():
    """Outputs in a dict, by a hook of each layer; inputs in an attribute of a class that extends the library's."""

    class Remembers(nn.Linear):
        def forward(self, x):
            self.given = x.detach()
            return super().forward(x)

    def made():
        te.manual_seed(0)
        model, outputs = nn.Sequential(Remembers(3, 4), nn.Tanh(), nn.Linear(4, 1)), {}
        for name, layer in model.named_children():
            layer.register_forward_hook(lambda _, given, y, name=name: outputs.update({name: y.detach()}))
        return model, outputs

    (model, outputs), (other, its) = made(), made()
    step = te.compile(model)
    for k in range(6):
        if k == 3:
            outputs.clear(), its.clear()
        x = te.randn(2, 3)
        assert step(x).tolist() == other(x).tolist()
        assert {name: y.tolist() for name, y in outputs.items()} == {name: y.tolist() for name, y in its.items()}
        assert model[0].given.tolist() == other[0].given.tolist() == x.tolist()
    assert repr(step).endswith(": 3 programs>")


@pytest.mark.parametrize(
    "step", [lambda h, x: x if h is None else x + h, lambda h, x: x * 2 if h is None else (x * 2, h)[0]]
)
def test_an_attribute_that_is_read_is_not_kept(step):
    """What a call has left there would be the next one's input."""

    class Carries(nn.Module):
        h = None

        def forward(self, x):
            old, self.h = self.h, step(self.h, x)
            return x * 2 if old is None else (self.h, old)

    model = Carries()
    compiled = te.compile(model)
    compiled(te.ones(2))
    before = model.h
    with pytest.raises(TraceError, match="changes h, an attribute of Carries"):
        compiled(te.ones(2))
    assert model.h is before
    holder = types.SimpleNamespace(h=te.ones(2))
    with pytest.raises(TraceError, match="changes the variable h: it keeps a tensor there that it has computed"):
        te.compile(lambda x: setattr(holder, "h", x * 2))(holder.h)
    assert holder.h.tolist() == [1.0, 1.0]


def test_what_is_not_the_step_s_own_is_not_kept_as_a_copy():
    """Outside it would be taken for the parameter itself."""
    holder, w = types.SimpleNamespace(pair=None), te.ones(2)

    def step(x):
        holder.pair = (x * w, w)
        return x

    with pytest.raises(TraceError, match="each run of step changes the variable pair"):
        te.compile(step)(te.ones(2))
    assert holder.pair is None


def test_attributes_of_arguments_are_not_set():
    """The next call's argument is another tensor."""

    def step(x):
        x.seen = x * 2
        return x

    x = te.ones(2)
    with pytest.raises(TraceError, match=r"test_attributes\.py:\d+: the step changes attributes of a Tensor"):
        te.compile(step)(x)
    assert not hasattr(x, "seen")


@pytest.mark.parametrize("make", [Holder, Slotted, Model, kind])
def test_attributes_that_a_step_sets_first(make):
    """What each call would set again is set; a tensor that it computes is not left in a class."""
    with pytest.raises(TraceError, match=r"test_attributes\.py:\d+: .*changes seen, an attribute of .*return the"):
        te.compile(keeping(kind(), lambda x: x * 2))(te.ones(2))
    step = te.compile(keeping(make(), lambda x: x.shape))
    holder = step.step.__closure__[0].cell_contents
    for n in (2, 3, 3, 2, 2):
        step(te.ones(n))
        assert holder.seen == (n,)
    holder.seen = None
    step(te.ones(2))
    assert holder.seen == (2,)


# --- optimizers


def other_parameters(optimizer):
    optimizer.param_groups[0]["params"] = optimizer.param_groups[0]["params"][:1]


def other_group(optimizer):
    group = optimizer.param_groups[0]
    optimizer.param_groups = [{**group, "params": group["params"][1:], "lr": 0.5}]


def other_state(optimizer):
    optimizer.state = collections.defaultdict(dict)


def other_step(optimizer):
    optimizer.step = lambda: None


@pytest.mark.parametrize("change", [other_parameters, other_group, other_state, other_step])
def test_what_an_optimizer_has_may_be_replaced(change):
    """Its list of parameters, its groups, its state, its step: set as attributes, and not written into."""
    results = []
    for wrap in (lambda step: step, te.compile):
        te.manual_seed(0)
        model = nn.Linear(3, 2)
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step(x, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()

        run = wrap(step)
        for k in range(5):
            if k == 3:
                change(optimizer)
            run(te.ones(4, 3) * (k + 1) / 9)
        results.append([p.tolist() for p in model.parameters()])
    assert results[0] == results[1]


def test_a_setting_that_a_group_did_not_have():
    """`group.get("scale", 1.0)`, before and after there is one."""
    group = optim.SGD([te.ones(1, requires_grad=True)], lr=0.1).param_groups[0]
    assert_follows(lambda x: x * group.get("scale", 1.0), lambda: group.update(scale=3.0))


# --- what the library calls

RATES = {"forward": 2.0, "backward": 3.0, "call": 2.0, "log_prob": 2.0}


class Scaling(te.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * RATES["forward"]

    @staticmethod
    def backward(ctx, dY):
        return dY * RATES["backward"]


class Stretching(te.distributions.transforms.Transform):
    domain = codomain = te.distributions.constraints.real
    bijective, sign = True, 1

    def _call(self, x):
        return x * RATES["call"]


class Odd(te.distributions.Normal):
    def log_prob(self, value):
        return super().log_prob(value) * RATES["log_prob"]


def differentiated(x):
    return te.func.grad(lambda t: Scaling.apply(t).sum())(x)


CALLED = {
    "forward": Scaling.apply,
    "backward": differentiated,
    "call": lambda x: Stretching()(x),
    "log_prob": lambda x: te.distributions.Independent(Odd(te.zeros(3), te.ones(3)), 1).log_prob(x),
}


@pytest.mark.parametrize("name", CALLED)
def test_methods_that_the_library_calls(name, monkeypatch):
    """A class of the user's says how; no code of the step names such a method."""
    assert_follows(CALLED[name], lambda: monkeypatch.setitem(RATES, name, 7.0))


class Buffered(nn.Module):
    def __init__(self, t):
        super().__init__()
        self.register_buffer("t", t)


def among(several):
    return lambda x: x * several[-1].tag


def within(holder):
    return lambda x: x * holder.t.tag


PLACES = {
    "variable": lambda t: lambda x: x * t.tag,
    "list": lambda t: among([t]),
    "object": lambda t: within(types.SimpleNamespace(t=t)),
    "buffer": lambda t: within(Buffered(t)),
}


@pytest.mark.parametrize("make", [te.ones, lambda n: nn.Parameter(te.ones(n))], ids=["tensor", "parameter"])
@pytest.mark.parametrize("place", PLACES)
def test_attributes_of_tensors(place, make):
    """They are followed wherever the step finds the tensor."""
    t = make(3)
    t.tag = 2.0
    assert_follows(PLACES[place](t), lambda: setattr(t, "tag", 3.0))


def test_attributes_of_arguments():
    """A program holds for arguments with equal attributes, also where the same one is given again."""

    def step(x):
        return x * getattr(x, "tag", 1.0)

    compiled, first, second, third = te.compile(step), te.ones(2), te.ones(2), te.ones(2)
    first.tag, second.tag = 2.0, 3.0
    for x in (third, third, first, first, second, third):
        assert compiled(x).tolist() == step(x).tolist()
    first.tag = 4.0
    assert compiled(first).tolist() == [4.0, 4.0]
    third.tag = 5.0
    assert compiled(third).tolist() == [5.0, 5.0]


def test_a_gradient_kept_as_an_attribute():
    """Between tensors of the step, as in a backward pass by hand, and on one from outside."""
    outside = te.ones(2)

    def by_hand(x):
        y = x * 2
        y.g = te.ones_like(y)
        x = x.clone()
        x.g = y.g * 2
        return x.g

    def keeps(x):
        outside.g = x * 2
        return outside.g.sum()

    assert te.compile(by_hand)(te.ones(3)).tolist() == [2.0, 2.0, 2.0]
    step = te.compile(keeps)
    for k in range(3):
        step(te.ones(2) * k)
        assert outside.g.tolist() == [2.0 * k] * 2
