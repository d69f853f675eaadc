"""What a step depends on without its code naming it: hooks, classes, caches, which argument is which. Never stale."""

from __future__ import annotations

import collections
import copy
import dataclasses
import functools
import threading
from typing import NamedTuple

import pytest

import tinygrad_edu as te
from tinygrad_edu import nn, optim
from tinygrad_edu.core.errors import TraceError
from tinygrad_edu.distributions import Normal, kl_divergence, register_kl
from tinygrad_edu.nn.utils import parametrize

from .training import assert_follows


def network():
    te.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def update(optimizer, model, x):
    optimizer.zero_grad()
    loss = model(x).square().sum()
    loss.backward()
    optimizer.step()
    return loss


# --- which argument is which

NESTED = {
    "written": lambda d: (d["a"].copy_((d["a"] + 1) * d["b"][0]), d["a"] * d["b"][1] + d["b"][0])[1],
    "differentiated": lambda d: ((d["a"] ** 2 * d["b"][0]).sum() + d["b"][1].sum(), d["a"] * 1)[1],
}


@pytest.mark.parametrize("name", NESTED)
def test_one_tensor_in_several_places_of_nested_arguments(name):
    """A program for different tensors is not taken for one tensor that is given twice, nor the reverse."""
    step = NESTED[name]
    compiled = te.compile(step)
    for places in ("abc", "aac", "aba", "aaa", "abb", "abc"):
        results = []
        for run in (step, compiled):
            tensors = {"a": te.tensor([2.0, 5.0]), "b": te.tensor([3.0, 7.0]), "c": te.tensor([11.0, 13.0])}
            a, b, c = (tensors[place] for place in places)
            result = run({"a": a, "b": [b, c]})
            results.append([result.tolist(), *(t.tolist() for t in tensors.values())])
        assert results[0] == results[1]


def test_gradients_of_one_tensor_in_two_places():
    """Its gradient is the sum of both."""
    step = te.compile(lambda pair: (pair[0] ** 2 * pair[1]).sum().backward())
    x, y = te.tensor([2.0], requires_grad=True), te.tensor([3.0], requires_grad=True)
    step([x, y])
    step([x, x])
    assert x.grad.tolist() == [2 * 2 * 3 + 3 * 2**2]
    assert y.grad.tolist() == [4.0]


def test_an_argument_that_the_step_knows_is_told_from_others():
    """`x is w` for the tensor itself, and neither for another one nor for another name of its memory."""
    w = te.ones(2)
    step = te.compile(lambda x: x * 2 if x is w else x * 3)
    for x in (w, te.ones(2), w, w.detach(), w, w[:], te.ones(2), w):
        for _ in range(2):
            assert step(x).tolist() == ([2.0, 2.0] if x is w else [3.0, 3.0])


def test_a_gradient_that_an_argument_is_given():
    """Also where it requires none."""
    step, x = te.compile(lambda x: x * (2 if x.grad is None else 3)), te.ones(1)
    for grad in (None, None, te.ones(1), None):
        x.grad = grad
        assert step(x).tolist() == [2.0 if grad is None else 3.0]


def test_hooks_of_arguments():
    """A hook on an argument is called, and what it goes by is watched."""
    step, factor = te.compile(lambda x: (x * 2).sum().backward()), [5.0]
    for hooked in (False, True, False, True):
        x = te.ones(1, requires_grad=True)
        if hooked:
            x.register_hook(lambda g: g * factor[0])
            factor[0] += 1
        step(x)
        assert x.grad.tolist() == [2 * factor[0] if hooked else 2.0]


def test_counters_among_arguments_are_not_added_to():
    """A Counter's update() adds, which is not what replacing its values by traced ones means."""
    step = te.compile(lambda x, counts: x * counts["a"])
    assert step(te.ones(1), collections.Counter(a=3)).tolist() == [3.0]
    assert te.compile(lambda x: collections.Counter(a=x * 2))(te.ones(1))["a"].tolist() == [2.0]


@dataclasses.dataclass
class Derived:
    x: te.Tensor
    rate: float = 1.0

    def __post_init__(self):
        self.twice = self.rate * 2


FACTOR = [2.0]


class Pair(NamedTuple):
    x: te.Tensor
    y: te.Tensor

    def scaled(self):
        return (self.x + self.y) * FACTOR[0]


class Batch(dict):
    scale = 1.0

    def scaled(self):
        return self["x"] * self.scale * FACTOR[0]


def marked(rate):
    p = nn.Parameter(te.ones(1))
    p.rate = rate
    return p


def batch(scale):
    b = Batch(x=te.ones(1))
    b.scale = scale
    return b


GIVEN = {
    "computed in __post_init__": (lambda b: b.x * b.twice, lambda k: Derived(te.ones(1), k)),
    "a method of a namedtuple": (lambda p: p.scaled(), lambda k: (FACTOR.__setitem__(0, k), Pair(*te.ones(2, 1)))[1]),
    "a method of a dict": (lambda b: b.scaled(), lambda k: (FACTOR.__setitem__(0, k), Batch(x=te.ones(1)))[1]),
    "an attribute of a dict": (lambda b: b.scaled(), batch),
    "an attribute of a parameter": (lambda p: p * p.rate, marked),
}


@pytest.mark.parametrize("name", GIVEN)
def test_what_arguments_have_besides_what_they_hold(name):
    """Attributes of dataclasses, dicts and parameters, and what their methods go by."""
    step, make = GIVEN[name]
    compiled = te.compile(step)
    for k in (1.0, 3.0, 3.0, 5.0):
        given = make(k)
        assert compiled(given).tolist() == step(given).tolist()


# --- what is called on the way


@pytest.mark.parametrize("occasion", ["step_pre", "step_post"])
def test_hooks_of_optimizers(occasion):
    """One that is registered, and removed, and what it goes by."""
    results = []
    for compiled in (False, True):
        model, factor = network(), [0.5]
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def hook(*_, model=model, factor=factor):
            with te.no_grad():
                for p in model.parameters():
                    p.grad.mul_(factor[0])
                    p.mul_(factor[0])

        step = functools.partial(update, optimizer, model)
        step = te.compile(step) if compiled else step
        for k in range(8):
            if k == 2:
                handle = getattr(optimizer, f"register_{occasion}_hook")(hook)
            if k == 4:
                factor[0] = 2.0
            if k == 6:
                handle.remove()
            step(te.ones(5, 3) * k)
        results.append([p.tolist() for p in model.parameters()])
    assert results[0] == results[1]


def test_attributes_of_own_optimizers():
    """Numbers and lists that a subclass keeps besides its groups."""

    class Own(optim.SGD):
        def __init__(self, params):
            super().__init__(params, lr=0.1)
            self.scale, self.factors = 0.1, [1.0]

        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    p.data.add_(p.grad, alpha=-self.scale * self.factors[0])

    results = []
    for compiled in (False, True):
        model = network()
        optimizer = Own(model.parameters())
        step = functools.partial(update, optimizer, model)
        step = te.compile(step) if compiled else step
        for k in range(6):
            if k == 2:
                optimizer.scale = 0.01
            if k == 4:
                optimizer.factors[0] = 3.0
            step(te.ones(5, 3))
        results.append([p.tolist() for p in model.parameters()])
    assert results[0] == results[1]


def test_a_hook_after_accumulation_goes_by_what_its_closure_holds():
    """The library puts a function of its own around it."""
    w, factor = te.ones(1, requires_grad=True), [5.0]

    def hook(p):
        p.grad.mul_(factor[0])

    w.register_post_accumulate_grad_hook(hook)

    @te.compile
    def step(x):
        w.grad = None
        (w * x).sum().backward()

    for value in (5.0, 5.0, 7.0):
        factor[0] = value
        step(te.ones(1))
        assert w.grad.tolist() == [value]


# --- classes


class Base:
    rate = 2.0

    def scale(self, x):
        return x * self.rate


class Other(Base):
    rate = 5.0

    def scale(self, x):
        return x + self.rate


class Answering:
    def __init__(self):
        self.held = {"rate": 2.0}

    def __getattr__(self, name):
        return self.held[name]

    def __call__(self, x):
        return x * self.rate


def other_class():
    x = Base()
    return lambda t: x.scale(t), lambda: setattr(x, "__class__", Other)


def other_class_of_a_module():
    model = network()
    return model, lambda: setattr(model[1], "__class__", nn.Sigmoid)


def other_bases():
    kind = type("Kind", (Base,), {"__module__": __name__})
    x = kind()
    return lambda t: x.scale(t), lambda: setattr(kind, "__bases__", (Other,))


def hidden_by_a_subclass():
    kind = type("Kind", (Base,), {"__module__": __name__})
    x = kind()
    return lambda t: x.scale(t), lambda: setattr(kind, "rate", 7.0)


def hidden_forward():
    kind = type("Kind", (nn.Linear,), {"__module__": __name__})
    model = kind(3, 3)
    return model, lambda: setattr(kind, "forward", lambda self, x: x * 7)


def another_call():
    kind = type("Kind", (Answering,), {"__module__": __name__, "__call__": lambda self, x: x})
    x = kind()
    return lambda t: x(t), lambda: setattr(kind, "__call__", lambda self, x: x * 9)


def found_before_it_is_asked_for():
    x = Answering()
    return lambda t: x(t), lambda: setattr(x, "rate", 9.0)


def number_with_attributes():
    x = type("Kind", (int,), {"__module__": __name__})(3)
    x.rate = 2.0
    return lambda t: t * x.rate, lambda: setattr(x, "rate", 9.0)


def single_dispatch():
    rate = [2.0]

    class Kind:
        @functools.singledispatchmethod
        def scale(self, x):
            return x

        @scale.register
        def _(self, x: te.Tensor):
            return x * rate[0]

    Kind.scale.register(te.Tensor, lambda self, x: x * rate[0])
    x = Kind()
    return lambda t: x.scale(t), lambda: rate.append(rate.pop() + 1)


CLASSES = (
    other_class,
    other_class_of_a_module,
    other_bases,
    hidden_by_a_subclass,
    hidden_forward,
    another_call,
    found_before_it_is_asked_for,
    number_with_attributes,
    single_dispatch,
)


@pytest.mark.parametrize("make", CLASSES, ids=lambda make: make.__name__)
def test_classes_may_change(make):
    """An object's class, a class's bases, what a subclass hides, what is called without being named."""
    assert_follows(*make())


def test_a_global_that_hides_a_function_of_python(monkeypatch):
    """A name that Python has itself, and that the module is given later."""
    assert_follows(lambda x: x * len([1, 2]), lambda: monkeypatch.setitem(globals(), "len", lambda _: 7))


# --- what is kept elsewhere


@pytest.mark.parametrize("keep", [functools.cache, functools.lru_cache(8)], ids=["cache", "lru_cache"])
def test_what_caches_keep(keep):
    """A result stays as long as the cache has it, and is computed anew when it has been cleared."""
    rate = [2.0]

    @keep
    def scale(k):
        return rate[0] * k

    step = te.compile(lambda x: x * scale(3))
    assert step(te.ones(1)).tolist() == [6.0]
    rate[0] = 5.0
    assert step(te.ones(1)).tolist() == [6.0]
    scale.cache_clear()
    assert step(te.ones(1)).tolist() == [15.0]
    rate[0] = 7.0
    scale.cache_clear()
    assert scale(3) == 21.0
    assert step(te.ones(1)).tolist() == [21.0]
    programs = repr(step)
    for k in range(5, 9):
        scale(k)
        assert step(te.ones(1)).tolist() == [21.0]
    assert repr(step) == programs


def test_a_model_in_a_cache():
    """It is found there, so that its modes are watched."""

    @functools.cache
    def model():
        return network()

    model()
    assert_follows(lambda x: model()(x) * (2 if model().training else 3), lambda: model().eval())


def test_tensors_that_would_be_kept_in_a_cache_are_refused():
    """The cache is empty afterwards, rather than full of tensors without numbers."""
    w = te.ones(1)
    kept = functools.cache(lambda: w * 2)
    with pytest.raises(
        TraceError, match=r"changes a cache: it keeps a tensor there .* Call the cached function once outside"
    ):
        te.compile(lambda x: x * kept())(te.ones(1))
    assert kept().tolist() == [2.0]


def test_every_thread_has_its_own():
    """A threading.local is looked up in the thread that calls."""
    local = threading.local()
    local.rate = 2.0
    step, results = te.compile(lambda x: x * getattr(local, "rate", 7.0)), []
    assert step(te.ones(1)).tolist() == [2.0]
    thread = threading.Thread(target=lambda: results.append(step(te.ones(1)).tolist()))
    thread.start()
    thread.join()
    assert results == [[7.0]]
    assert step(te.ones(1)).tolist() == [2.0]


def test_an_optimizer_around_another_one():
    """Sharpness-aware minimization: its groups are those of the optimizer that it has, which reads other settings."""

    class Around(optim.Optimizer):
        def __init__(self, params, rho, **settings):
            super().__init__(params, {"rho": rho, **settings})
            self.inner = optim.SGD(self.param_groups, **settings)
            self.param_groups = self.inner.param_groups

        @te.no_grad()
        def climb(self):
            norm = te.stack([p.grad.norm() for g in self.param_groups for p in g["params"]]).norm()
            for group in self.param_groups:
                for p in group["params"]:
                    self.state[p]["was"] = p.data.clone()
                    p.add_(p.grad * (group["rho"] / (norm + 1e-12)))
            self.zero_grad()

        @te.no_grad()
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    p.data.copy_(self.state[p]["was"])
            self.inner.step()
            self.zero_grad()

    def made():
        te.manual_seed(0)
        model = network()
        return model, Around(model.parameters(), rho=0.05, lr=0.1, momentum=0.9)

    def step(model, optimizer, x):
        model(x).square().mean().backward()
        optimizer.climb()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    compiled, both = te.compile(step), [made(), made()]
    for k in range(5):
        x = te.randn(4, 3)
        for _, optimizer in both:
            optimizer.param_groups[0]["rho"] = 0.05 * (1 + k // 2)
        assert compiled(*both[0], x).tolist() == step(*both[1], x).tolist()


def test_settings_of_the_library(monkeypatch):
    """The seed, whether distributions check their arguments, which divergence is registered."""

    class P(Normal):
        pass

    te.manual_seed(2)
    assert_follows(lambda x: x * te.initial_seed(), lambda: te.manual_seed(3))
    assert_follows(lambda x: kl_divergence(P(x, 1.0), P(x * 0, 1.0)), lambda: register_kl(P, P)(lambda p, q: p.loc * 9))
    density = te.compile(lambda x, scale: Normal(0.0, scale).log_prob(x))
    with pytest.raises(ValueError, match=r"^Normal: parameter scale has invalid values at index 0"):
        density(te.ones(1), -te.ones(1))
    monkeypatch.setattr(te.distributions.Distribution, "_validate_args", False)
    density(te.ones(1), -te.ones(1)), density(te.ones(1), te.ones(1))
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"^Normal: parameter scale has invalid values at index 0"):
        density(te.ones(1), -te.ones(1))


def test_parametrizations_are_not_cached_around_a_step():
    """Within a step they may be."""
    layer = nn.Linear(2, 2)
    parametrize.register_parametrization(layer, "weight", nn.Tanh())
    step = te.compile(lambda x: layer(x))
    expected = step(te.ones(1, 2)).tolist()
    with parametrize.cached(), pytest.raises(TraceError, match="open it in the step"):
        step(te.ones(1, 2))

    @te.compile
    def cached(x):
        with parametrize.cached():
            return layer(x)

    for _ in range(3):
        assert cached(te.ones(1, 2)).tolist() == step(te.ones(1, 2)).tolist() == expected


# --- what a step leaves


@pytest.mark.parametrize("switch", [lambda: te.set_grad_enabled(False), lambda: te.set_default_dtype(te.float64)])
def test_modes_that_a_step_leaves_are_refused(switch):
    """They are as before after the refusal."""

    def step(x):
        y = x * 2
        switch()
        return y

    with pytest.raises(TraceError, match=r"test_unseen\.py:\d+: the step leaves gradients"):
        te.compile(step)(te.ones(1))
    assert te.is_grad_enabled()
    assert te.get_default_dtype() is te.float32


class Slotted:
    __slots__ = ("x",)

    def __init__(self, x):
        self.x = x


class Node:
    def __init__(self, x, parent=None):
        self.x, self.parent, self.children = x, parent, []
        if parent is not None:
            parent.children.append(self)


def tree(x):
    root = Node(x)
    Node(x * 2, root)
    return root


HIDDEN = {
    "deque": lambda x: collections.deque([x * 2]),
    "set": lambda x: {x},
    "slots": lambda x: Slotted(x * 2),
    "partial": lambda x: functools.partial(te.add, x * 2),
    "closure": lambda x: (x, lambda: x * 2),
    "keys": lambda x: {x * 2: 1},
    "circle": tree,
    "module": lambda x: nn.ParameterList([nn.Parameter(x * 2)]),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_results_in_which_tensors_are_not_found_are_refused(name):
    """They would be those of the trace."""
    with pytest.raises(TraceError, match=r"the step returns .* with tensors in it"):
        te.compile(HIDDEN[name])(te.ones(1))


def test_compiled_models_are_copied():
    """A copy has parameters of its own, and programs for them."""
    model = te.compile(network())
    before = model(te.ones(1, 3)).tolist()
    other = copy.deepcopy(model)
    with te.no_grad():
        for p in other.parameters():
            p.zero_()
    assert other(te.ones(1, 3)).tolist() == [[0.0, 0.0]]
    assert model(te.ones(1, 3)).tolist() == before


def test_a_step_that_raises_has_changed_nothing():
    """Its own error comes out, wherever in the step it is raised."""
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    @te.compile
    def step(x, fails):
        loss = update(optimizer, model, x)
        if fails:
            raise KeyError("late")
        return loss

    def state():
        return [p.tolist() for p in (*model.parameters(), *(p.grad for p in model.parameters()))]

    step(te.ones(1, 3), False)
    for _ in range(3):
        before = state()
        with pytest.raises(KeyError, match="late"):
            step(te.ones(1, 3), True)
        assert state() == before
        step(te.ones(1, 3), False)
        assert state() != before
