"""What a step looks at without computing with it, also by names that are strings: never stale."""

from __future__ import annotations

import array
import collections
import dataclasses
import functools
import operator
import sys
import types
import weakref

import pytest

import tinygrad_edu as te
from tinygrad_edu import nn, optim
from tinygrad_edu.nn.utils import prune

from .training import assert_follows


def other_shape(t):
    t.data = te.zeros(7)


def other_dtype(t):
    t.data = te.zeros(5, dtype=te.float64)


TENSORS = {
    "shape": (lambda x, t: x.sum() / t.shape[0], other_shape),
    "length": (lambda x, t: x.sum() / len(t), other_shape),
    "another of its shape": (lambda x, t: x.sum() + te.ones_like(t).sum(), other_shape),
    "dtype": (lambda x, t: x.sum() + te.ones(1, dtype=t.dtype).element_size(), other_dtype),
    "requires_grad": (lambda x, t: x.sum() + t.requires_grad, lambda t: t.requires_grad_()),
    "its gradient": (lambda x, t: x.sum() + (t.grad is None), lambda t: setattr(t, "grad", te.ones(5))),
    "the gradient of what it computes with": (
        lambda x, t: (x.sum() + t).sum() + (t.grad is None),
        lambda t: setattr(t, "grad", te.ones(5)),
    ),
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_that_are_only_looked_at(name):
    """Shape, dtype, requires_grad, and whether there is a gradient."""
    look, change = TENSORS[name]
    t = te.zeros(5)
    assert_follows(lambda x: look(x, t), lambda: change(t))


def test_optimizers_that_are_only_looked_at():
    """The number of groups, and whether there is a state yet."""
    layer = nn.Linear(3, 2)
    optimizer = optim.Adam(layer.parameters())
    size = lambda x: x.sum() * (1 + len(optimizer.param_groups)) + len(optimizer.state)
    assert_follows(size, lambda: optimizer.add_param_group({"params": [te.zeros(1, requires_grad=True)]}))
    layer(te.ones(1, 3)).sum().backward()
    assert_follows(size, optimizer.step)


def test_what_is_frozen_and_thawed_in_a_step_needs_no_second_program():
    """Also where the step computes with it only while it is frozen."""
    critic, layer = nn.Linear(2, 1), nn.Linear(3, 2)

    @te.compile
    def step(x):
        critic.requires_grad_(False)
        loss = critic(layer(x)).sum()
        layer.zero_grad()
        loss.backward()
        critic.requires_grad_(True)
        return loss

    for _ in range(3):
        step(te.ones(2, 3))
        assert critic.weight.requires_grad
    assert repr(step) == "<compiled step: 1 program>"


def test_gradients_that_lie_there_before_are_added_to():
    """A step that clears at its end accumulates what backward() has left since; one that clears first drops it."""

    def made():
        te.manual_seed(0)
        layer, unused = nn.Linear(3, 2), nn.Linear(3, 2)
        optimizer = optim.SGD([*layer.parameters(), *unused.parameters()], lr=0.1)

        def step(x, first):
            if first:
                optimizer.zero_grad()
            layer(x).square().sum().backward()
            optimizer.step()
            if not first:
                optimizer.zero_grad()

        return layer, unused, step

    (layer, unused, step), (other, idle, eager) = made(), made()
    step = te.compile(step)
    for k in range(14):
        x = te.arange(6.0).reshape(2, 3) / (k + 8)
        for first, second, run in ((layer, unused, step), (other, idle, eager)):
            if k % 3 == 1:
                first(x).sum().backward()
            if k % 4 == 1:
                second(x).sum().backward()
            run(x, k > 6)
        compiled = *layer.parameters(), *unused.parameters()
        for p, q in zip(compiled, (*other.parameters(), *idle.parameters()), strict=True):
            assert p.tolist() == q.tolist()
            assert (p.grad is None) == (q.grad is None)


class Settings:
    nested = types.SimpleNamespace(scale=1.0)

    def __init__(self, **settings):
        vars(self).update(settings)

    @property
    def double(self):
        return 2 * self.scale

    def triple(self):
        return 3 * self.scale


class Partly(Settings):
    part = functools.partialmethod(lambda self, k: self.scale * k, 2.0)


@dataclasses.dataclass
class Options:
    scale: float = 1.0


class Slotted:
    __slots__ = ("scale",)


class Words(dict):
    pass


class Kind(type):
    @property
    def scale(cls):
        return cls.factor


NAMED, SECOND = "SECOND", 1.0


class Shaded(metaclass=type("Above", (Kind,), {"factor": 1.0, "__module__": __name__})):
    """Without a factor of its own, at first."""


class OfKind(metaclass=Kind):
    factor = 1.0


def marked():
    pass


@functools.singledispatch
def dispatched(x):
    return te_settings.scale


partly, stepper = Partly(scale=1.0), optim.SGD([te.ones(1)], lr=0.1)
elsewhere = sys.modules["elsewhere"] = types.ModuleType("elsewhere")
settings, options, slotted, words, key, pick = Settings(scale=1.0), Options(), Slotted(), Words(), ["scale"], None
te_settings, FACTOR, alive = Settings(scale=1.0), 1.0, Settings(scale=1.0)
slotted.scale = words.scale = marked.scale = 1.0
pick, call, reference = operator.attrgetter("scale"), operator.methodcaller("triple"), weakref.ref(alive)
held = {"scale": 1.0}
chain, user, proxy = collections.ChainMap({}, held), collections.UserDict(held), types.MappingProxyType(held)
numbers = array.array("d", [1.0])


def imports(x):
    import elsewhere

    return x.sum() * elsewhere.scale


def imports_a_name(x):
    from elsewhere import scale

    return x.sum() * scale


def absent_at_first(x):
    try:
        return x.sum() * settings.momentum
    except AttributeError:
        return x.sum()


def doubled(x):
    return setattr(x, "scale", 2.0)


# getattr with a constant, which ruff (B009) would write as an attribute, is what is tested
NAMES = {
    "getattr": (lambda x: x.sum() * getattr(settings, "scale"), settings),  # noqa: B009
    "hasattr": (lambda x: x.sum() * hasattr(settings, "scales"), lambda: setattr(settings, "scales", 1)),
    "a property": (lambda x: x.sum() * getattr(settings, "double"), settings),  # noqa: B009
    "a name from elsewhere": (lambda x: x.sum() * getattr(settings, key[0]), settings),
    "a name made of parts": (lambda x: x.sum() * sum(getattr(settings, f"sca{end}") for end in ["le"]), settings),
    "vars": (lambda x: x.sum() * vars(settings)["scale"], settings),
    "__dict__": (lambda x: x.sum() * settings.__dict__["scale"], settings),
    "all fields": (lambda x: x.sum() * dataclasses.asdict(options)["scale"], options),
    "each field": (lambda x: x.sum() * sum(getattr(options, f.name) for f in dataclasses.fields(options)), options),
    "slots": (lambda x: x.sum() * getattr(slotted, "scale"), slotted),  # noqa: B009
    "attrgetter": (lambda x: x.sum() * pick(settings), settings),
    "methodcaller": (lambda x: x.sum() * call(settings), settings),
    "globals": (lambda x: x.sum() * globals()["FACTOR"], lambda: globals().update(FACTOR=2.0)),
    "globals by a name": (lambda x: x.sum() * globals()[NAMED], lambda: globals().update(SECOND=2.0)),
    "of a metaclass": (lambda x: x.sum() * Shaded.scale, lambda: setattr(Shaded, "factor", 2.0)),
    "an attribute that is not there": (absent_at_first, lambda: setattr(settings, "momentum", 0.5)),
    "an attribute of a dict": (lambda x: x.sum() * words.scale, words),
    "of a function": (lambda x: x.sum() * marked.scale, marked),
    "of a class, by its metaclass": (lambda x: x.sum() * OfKind.scale, lambda: setattr(OfKind, "factor", 2.0)),
    "a function of functools": (lambda x: x.sum() * dispatched(1), te_settings),
    "a weak reference": (lambda x: x.sum() * reference().scale, alive),
    "ChainMap": (lambda x: x.sum() * chain["scale"], lambda: held.update(scale=held["scale"] + 1)),
    "UserDict": (lambda x: x.sum() * user["scale"], lambda: user.update(scale=2.0)),
    "MappingProxyType": (lambda x: x.sum() * proxy["scale"], lambda: held.update(scale=held["scale"] + 1)),
    "a module that it imports": (imports, elsewhere),
    "a name that it imports": (imports_a_name, elsewhere),
    "partialmethod": (lambda x: x.sum() * partly.part(), partly),
    "defaults of an optimizer": (
        lambda x: x.sum() * stepper.defaults["lr"],
        lambda: stepper.defaults.update(lr=stepper.defaults["lr"] * 2),
    ),
    "array": (lambda x: x.sum() * numbers[0], lambda: numbers.__setitem__(0, 2.0)),
}


@pytest.mark.parametrize("name", NAMES)
def test_attributes_that_are_looked_up_by_strings(name):
    """And what containers of the standard library hold: never a stale constant."""
    step, change = NAMES[name]
    if not callable(change) or change is marked:
        change.scale = 1.0
        assert_follows(step, lambda: doubled(change))
    else:
        assert_follows(step, change)


def test_a_name_among_the_arguments():
    """getattr(settings, name) with the name as an argument; other attributes may change."""
    step = te.compile(lambda x, name: x * getattr(te_settings, name))
    for value in (1.0, 3.0, 3.0):
        te_settings.scale, te_settings.epoch = value, te_settings.scale
        assert step(te.ones(1), "scale").tolist() == [value]
    assert repr(step).endswith(": 2 programs>")


def test_tensors_that_lie_in_an_argument_do_not_lie_in_another_one():
    """A parameter given by another name, and a view of the first call's argument: the next call has other ones."""

    def made():
        W, x = te.ones(3, 3) / 4, te.ones(3, 3)
        first = x[0]

        def read(a):
            return (a * W).sum() + W[0] + first

        def write(a):
            W.mul_(0.5)
            return a + W

        return W, x, read, write

    (W, x, read, write), (V, y, *eager) = made(), made()
    for step, other in zip((te.compile(read), te.compile(write)), eager, strict=True):
        for a, b in ((W.detach(), V.detach()), (x, y), (W, V), (x + 1, y + 1), (W.data, V.data), (x, y)):
            assert step(a).tolist() == other(b).tolist()
        assert W.tolist() == V.tolist()


def test_a_generator_that_keeps_half_of_a_pair_is_drawn_from():
    """Normal numbers come in pairs; the second of one waits in the generator, which is no other step."""
    (first, second), x = (te.Generator().manual_seed(1) for _ in range(2)), te.ones(3)
    step = te.compile(lambda x, generator: x + te.randn(3, generator=generator))
    for _ in range(20):
        assert step(x, first).tolist() == (x + te.randn(3, generator=second)).tolist()
    assert repr(step).endswith(": 1 program>")


def test_weights_that_a_module_computes_are_there_after_a_step():
    """Those of pruned layers, and of the weight and spectral norms that compute them before the forward pass."""

    def made():
        te.manual_seed(0)
        layers = [nn.Linear(3, 3) for _ in range(3)]
        prune.l1_unstructured(layers[0], "weight", 0.5)
        nn.utils.weight_norm(layers[1])
        nn.utils.spectral_norm(layers[2])
        model = nn.Sequential(*layers)
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x):
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()

        return model, step

    (model, step), (other, eager) = made(), made()
    step = te.compile(step)
    for k in range(3):
        x = te.ones(2, 3) / (k + 1)
        step(x), eager(x)
        for layer, its in zip(model, other, strict=True):
            assert layer.weight.tolist() == its.weight.tolist()


def test_a_view_of_a_copy():
    """What a step computes lies in one piece, so that view() is allowed."""
    step = te.compile(lambda x: x.contiguous().view(-1))
    assert step(te.arange(6.0).reshape(2, 3).T).tolist() == [0, 3, 1, 4, 2, 5]


PASSED = {
    "Size": (lambda x, size: x + te.ones(size), lambda: te.ones(2, 3).shape),
    "slice": (lambda x, part: x[part], lambda: (None, slice(0, 2))),
    "range": (lambda x, numbers: x + sum(numbers), lambda: range(3)),
    "frozenset": (lambda x, numbers: x + sum(numbers), lambda: frozenset((1, 2))),
    "device": (lambda x, where: x.to(where), lambda: te.device("cpu")),
}


@pytest.mark.parametrize("kind", PASSED)
def test_values_of_python_are_as_good_as_equal_ones(kind):
    """Shapes, slices and the like are made anew at each call."""
    step, value = PASSED[kind]
    compiled, x = te.compile(step), te.ones(2, 3)
    for _ in range(3):
        assert compiled(x, value()).tolist() == step(x, value()).tolist()
    assert repr(compiled).endswith(": 1 program>")


def test_equal_values_of_another_kind_are_others():
    """{1} is {1.0}, and x ** 1 is no x ** 1.0."""
    step = te.compile(lambda x, numbers: x * next(iter(numbers)))
    assert [step(te.tensor([3]), frozenset({n})).dtype for n in (1, 1.0, 1)] == [te.int64, te.float32, te.int64]


def test_objects_that_are_made_anew_are_named():
    """What tensors may be nested in is said."""
    step = te.compile(lambda batch: batch.x * 2, limit=3)
    for _ in range(3):
        step(types.SimpleNamespace(x=te.ones(1)))
    with pytest.raises(te.TraceError, match=r"each SimpleNamespace by itself; tensors may be nested in dicts"):
        step(types.SimpleNamespace(x=te.ones(1)))


def test_methods_under_a_decorator_are_compiled():
    """Of `generate` under no_grad the names of the arguments are not known."""

    class Model(nn.Linear):
        @te.no_grad()
        def generate(self, x, scale=1.0):
            return self(x) * scale

    model = Model(3, 2)
    assert te.compile(model.generate)(te.ones(3), 2.0).tolist() == model.generate(te.ones(3), 2.0).tolist()


def test_gradients_of_the_call_before_may_be_arguments():
    """They lie in memory that the program writes again before it reads the argument."""

    def made():
        W = te.ones(3, 2, requires_grad=True)

        def step(x, before):
            W.grad = None
            (x @ W).square().mean().backward()
            with te.no_grad():
                W.sub_(0.1 * (W.grad + before))

        return W, step

    (W, step), (V, eager) = made(), made()
    step, mine, theirs = te.compile(step), te.zeros(3, 2), te.zeros(3, 2)
    for k in range(5):
        x = te.ones(4, 3) / (k + 1)
        step(x, mine), eager(x, theirs)
        mine, theirs = W.grad, V.grad
        assert W.tolist() == V.tolist()


def test_a_view_of_what_is_written_in_place_is_read_again_in_backward():
    """Its memory is not handed on before."""

    def step(W):
        deg = te.zeros(3).add_(1).clamp_(min=2)
        (W / deg.unsqueeze(0)).sum().backward()

    W = te.ones(3, requires_grad=True)
    te.compile(step)(W)
    assert W.grad.tolist() == [0.5] * 3


def test_an_optimizer_of_ones_own_begins_its_state():
    """Zeros that its first step puts into the state and updates."""

    class Lion(optim.Optimizer):
        @te.no_grad()
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    state = self.state[p]
                    if not state:
                        state["average"], state["step"] = te.zeros_like(p), te.zeros(())
                    state["step"] += 1
                    p.sub_(state["average"].mul_(0.9).add_(p.grad, alpha=0.1).sign(), alpha=group["lr"])

    def made():
        W = te.ones(3, requires_grad=True)
        optimizer = Lion([W], {"lr": 0.1})

        def step(x):
            optimizer.zero_grad()
            (W * x).sum().backward()
            optimizer.step()

        return optimizer.state, W, step

    (mine, W, step), (theirs, V, eager) = made(), made()
    step = te.compile(step)
    for k in range(3):
        step(te.arange(3.0) - k), eager(te.arange(3.0) - k)
        assert {n: t.tolist() for n, t in mine[W].items()} == {n: t.tolist() for n, t in theirs[V].items()}
        assert W.tolist() == V.tolist()
