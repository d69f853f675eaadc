"""What is replaced between calls without its name being given anything: code, defaults, methods of Python's own. Never
stale."""

from __future__ import annotations

import builtins
import importlib
import sys
import types
import weakref

import pytest

import tinygrad_edu as te
from tinygrad_edu import nn
from tinygrad_edu.core.errors import TraceError

from .training import assert_follows

# --- functions


def doubled(x, k=2.0):
    return x * k


def scaled(x, *, k=2.0):
    return x * k


def with_code():
    helper = types.FunctionType(doubled.__code__, globals(), "helper", (2.0,))
    return lambda x: helper(x), lambda: setattr(helper, "__code__", (lambda x, k: x * k + 1).__code__)


def with_own_code():
    step = types.FunctionType(doubled.__code__, globals(), "step", (2.0,))
    return step, lambda: setattr(step, "__code__", (lambda x, k: x * k + 1).__code__)


def with_defaults():
    helper = types.FunctionType(doubled.__code__, globals(), "helper", (2.0,))
    return lambda x: helper(x), lambda: setattr(helper, "__defaults__", (3.0,))


def with_first_defaults():
    helper = types.FunctionType((lambda *ks: sum(ks)).__code__, globals(), "helper")

    def step(x):
        return x * (2.0 if helper.__defaults__ is None else helper.__defaults__[0])

    return step, lambda: setattr(helper, "__defaults__", (3.0,))


def with_keyword_defaults():
    helper = types.FunctionType(scaled.__code__, globals(), "helper")
    helper.__kwdefaults__ = {"k": 2.0}
    return lambda x: helper(x), lambda: helper.__kwdefaults__.update(k=3.0)


def forward_with_code():
    kind = type("Kind", (nn.Module,), {"__module__": __name__, "forward": lambda self, x: x * 2})
    return kind(), lambda: setattr(kind.forward, "__code__", (lambda self, x: x * 3).__code__)


def property_with_code():
    kind = type("Kind", (), {"__module__": __name__, "rate": property(lambda self: 2.0)})
    holder = kind()
    return lambda x: x * holder.rate, lambda: setattr(kind.rate.fget, "__code__", (lambda self: 3.0).__code__)


FUNCTIONS = (
    with_code,
    with_own_code,
    with_defaults,
    with_first_defaults,
    with_keyword_defaults,
    forward_with_code,
    property_with_code,
)


@pytest.mark.parametrize("make", FUNCTIONS, ids=lambda make: make.__name__)
def test_functions_may_be_given_other_code(make):
    """A function stays the same object when its code or defaults are replaced, as tools that reload code do."""
    assert_follows(*make())


# --- methods that no code names

ADDED = {
    "__call__": (lambda self, x: x * 3, lambda a, x: a(x)),
    "__getattr__": (lambda self, name: 3.0, lambda a, x: x * a.rate),
    "__add__": (lambda self, other: other * 3, lambda a, x: a + x),
    "__radd__": (lambda self, other: other * 3, lambda a, x: x * (1.0 + a)),
    "__getitem__": (lambda self, k: 3.0 * k, lambda a, x: x * a[1]),
    "__len__": (lambda self: 3, lambda a, x: x * len(a)),
    "__bool__": (lambda self: False, lambda a, x: x * (2 if a else 3)),
    "__float__": (lambda self: 3.0, lambda a, x: x * float(a)),
    "__contains__": (lambda self, k: True, lambda a, x: x * (2 if 1 in a else 3)),
    "__eq__": (lambda self, other: True, lambda a, x: x * (2 if a == 1 else 3)),
    "__lt__": (lambda self, other: True, lambda a, x: x * (2 if a < 1 else 3)),
    "__rmul__": (None, lambda a, x: x * 2.0 if type(a).__rmul__ is None else x),
    "__class_getitem__": (classmethod(lambda cls, k: 3.0 * k), lambda a, x: x * type(a)[1]),
}


@pytest.mark.parametrize("inherited", [False, True])
@pytest.mark.parametrize("name", ADDED)
def test_methods_that_python_calls_may_be_added(name, inherited):
    """To the class of an object that the step knows, or to a base of it; and taken away again."""
    method, use = ADDED[name]
    base = type("Base", (), {"__module__": __name__, "label": "a"})
    kind = type("Kind", (base,), {"__module__": __name__})
    holder = kind()

    def step(x):
        try:
            return use(holder, x)
        except (TypeError, AttributeError):
            return x * 7

    def add():
        del base.label  # so that there are as many
        setattr(base if inherited else kind, name, method)

    assert_follows(step, add)
    delattr(base if inherited else kind, name)
    compiled, x = te.compile(step), te.ones(2)
    before = compiled(x).tolist()
    setattr(kind, name, method)
    assert compiled(x).tolist() == step(x).tolist() != before


def test_a_module_that_is_given_a_length():
    """A layer's class is one of the user's."""
    kind = type("Kind", (nn.Linear,), {"__module__": __name__})
    model = kind(3, 3)
    assert_follows(
        lambda x: model(x) * (len(model) if hasattr(kind, "__len__") else 1),
        lambda: setattr(kind, "__len__", lambda self: 3),
    )


# --- what Python has itself, and modules


def test_functions_of_python_may_be_replaced(monkeypatch):
    """`builtins.abs = ...`, and a name that Python hasn't had."""
    assert_follows(lambda x: abs(x), lambda: monkeypatch.setattr(builtins, "abs", lambda x: x * 3))

    def step(x):
        try:
            return x * rate_of_tests  # which is what is tried
        except NameError:
            return x

    assert_follows(step, lambda: monkeypatch.setattr(builtins, "rate_of_tests", 3.0, raising=False))


CONFIG = types.ModuleType("tests_of.config_two")
FIRST = "tests_of"


def imports_by_parts(x):
    return x * importlib.import_module(FIRST + "." + "config" + f"_{'two'}").rate


def looks_up_by_parts(x):
    return x * sys.modules[".".join([FIRST, "config_two"])].rate


def imports_relatively(x):
    from .config_two import rate

    return x * rate


def imports_from_a_package(x):
    from . import config_two

    return x * config_two.rate


def names_the_package(x):
    import tests_of.config_two

    return x * tests_of.rate


ALIAS = importlib.import_module


def imports_by_another_name(x):
    return x * ALIAS(f"{FIRST}.config_two").rate


@pytest.mark.parametrize(
    "step",
    [
        imports_by_parts,
        looks_up_by_parts,
        imports_relatively,
        imports_from_a_package,
        names_the_package,
        imports_by_another_name,
    ],
    ids=lambda step: step.__name__,
)
def test_modules_are_found_however_they_are_named(step, monkeypatch):
    """By a name that is put together, or that is relative to the step's package."""
    package = types.ModuleType(FIRST)
    package.__path__ = []
    package.config_two = CONFIG
    package.rate = CONFIG.rate = 2.0
    monkeypatch.setitem(sys.modules, FIRST, package)
    monkeypatch.setitem(sys.modules, CONFIG.__name__, CONFIG)
    around = {**globals(), "__package__": FIRST, "__name__": f"{FIRST}.steps", "__spec__": None}
    step = types.FunctionType(step.__code__, around)

    def change():
        package.rate = CONFIG.rate = 3.0

    assert_follows(step, change)


def test_the_modules_of_a_model_are_no_modules_of_python():
    """`model.modules()` looks nothing up in sys.modules."""
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh())
    step, x = te.compile(lambda x: model(x) * len([*model.modules()])), te.ones(2, 3)
    step(x)
    sys.modules["model_of_tests"] = types.ModuleType("model_of_tests")
    try:
        step(x)
    finally:
        del sys.modules["model_of_tests"]
    assert repr(step).endswith(": 1 program>")


# --- which argument is which


def test_one_list_given_twice():
    """`a is b` of containers among the arguments."""

    def step(a, b):
        return sum(a) * (2 if a is b else 3) + b[-1]

    compiled = te.compile(step)
    first, second = [te.ones(2), te.ones(2) * 3], [te.ones(2) * 5, te.ones(2) * 7]
    for a, b in ((first, second), (first, first), (second, first), (second, second), (first, [*first])):
        assert compiled(a, b).tolist() == step(a, b).tolist()
    nested = te.compile(lambda pair, x: x * (2 if pair["a"] is pair["b"] else 3))
    for pair in ({"a": first, "b": second}, {"a": first, "b": first}, {"a": second, "b": first}):
        assert nested(pair, te.ones(2)).tolist() == ([2.0, 2.0] if pair["a"] is pair["b"] else [3.0, 3.0])


# --- states of generators


def test_the_state_of_a_generator_is_asked_at_every_call():
    """In its turn among the draws; its bytes are values, which Python can't read in a trace."""

    def step(x):
        before = te.get_rng_state()
        y = x * te.randn(3)
        return y, before, te.get_rng_state().float().sum()

    compiled = te.compile(step)
    for k in range(3):
        te.manual_seed(k)
        expected = [t.tolist() for t in step(te.ones(3))]
        te.manual_seed(k)
        assert [t.tolist() for t in compiled(te.ones(3))] == expected
    for meddle in (lambda: te.get_rng_state().numpy().tobytes(), lambda: te.set_rng_state(te.get_rng_state())):
        with pytest.raises(TraceError, match=r"test_replaced.py:\d+: a (value is read|step that is traced sets)"):
            te.compile(lambda x, meddle=meddle: (meddle(), x)[1])(te.ones(1))


def test_vmap_tells_draws_in_a_trace():
    """By default they are errors, as in eager mode."""
    drawing = te.compile(lambda x: te.func.vmap(lambda row: row * te.randn(3))(x))
    with pytest.raises(RuntimeError, match="called random operation while in randomness error mode"):
        drawing(te.ones(2, 3))
    plain = te.compile(lambda x: te.func.vmap(lambda row: row * 2, randomness="same")(x))
    assert plain(te.ones(2, 3)).tolist() == te.full((2, 3), 2.0).tolist()


# --- what is held weakly


class Holder:
    rate = 2.0


def through_a_proxy():
    holder = Holder()
    proxy = weakref.proxy(holder)
    return lambda x: x * proxy.rate, lambda: setattr(holder, "rate", 3.0)


def through_a_layer_s_proxy():
    layer = nn.Dropout(0.0)
    proxy = weakref.proxy(layer)
    return lambda x: x * (2 if proxy.training else 3) * (layer is not None), lambda: layer.eval()


def among_weak_keys():
    holder, held = Holder(), weakref.WeakKeyDictionary()
    held[holder] = 2.0
    return lambda x: x * held[holder], lambda: held.update({holder: 3.0})


def among_weak_values():
    holder, other = Holder(), Holder()
    other.rate = 3.0
    held = weakref.WeakValueDictionary(a=holder)
    return lambda x: x * held["a"].rate * (holder is not None), lambda: held.update(a=other)


@pytest.mark.parametrize(
    "make",
    [through_a_proxy, through_a_layer_s_proxy, among_weak_keys, among_weak_values],
    ids=lambda make: make.__name__,
)
def test_what_is_held_weakly_is_watched(make):
    """A proxy stands for its object; what weak dictionaries hold is looked at anew at every call."""
    assert_follows(*make())
