"""Module: what it owns and how it is found, stored, loaded, copied and printed."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn


class Scale(nn.Module):
    """A module with one of each: parameter, buffer, transient buffer, ordinary attribute."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(tg.tensor([1.0, 2.0]))
        self.register_buffer("count", tg.tensor(0))
        self.register_buffer("scratch", tg.zeros(2), persistent=False)
        self.label = "scale"

    def forward(self, x):
        return x * self.factor


class Net(nn.Module):
    """Two layers and a Scale between them."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 2)
        self.scale = Scale()
        self.last = nn.Linear(2, 1, bias=False)

    def forward(self, x):
        return self.last(self.scale(self.first(x)))


NAMES = ["first.weight", "first.bias", "scale.factor", "last.weight"]


def names(pairs):
    return [name for name, _ in pairs]


# --- finding


def test_parameters_are_found_by_dotted_names_in_order_of_assignment():
    """named_parameters walks the tree in order, a module's own before its children's."""
    assert names(Net().named_parameters()) == NAMES


def test_a_module_s_own_parameters_come_before_its_children_s():
    """Own parameters come first even if they were assigned last."""
    model = nn.Sequential(nn.Linear(1, 1))
    model.extra = nn.Parameter(tg.zeros(1))
    assert names(model.named_parameters()) == ["extra", "0.weight", "0.bias"]


def test_recurse_false_gives_only_the_module_s_own():
    """named_parameters(recurse=False) stops at the module itself."""
    model = Net()
    assert names(model.named_parameters(recurse=False)) == []
    assert names(model.scale.named_parameters(recurse=False)) == ["factor"]


def test_prefix_is_put_before_every_name():
    """A prefix is joined by a dot, in all three walks."""
    model = Net()
    assert next(iter(model.named_parameters(prefix="net")))[0] == "net.first.weight"
    assert names(model.named_buffers(prefix="net")) == ["net.scale.count", "net.scale.scratch"]
    assert names(model.named_modules(prefix="net")) == ["net", "net.first", "net.scale", "net.last"]


def test_a_shared_module_or_parameter_is_given_once():
    """Weight tying: one object under two names is listed under the first, and once to the optimizer."""
    model = nn.Module()
    model.a = nn.Linear(2, 2)
    model.b = nn.Linear(2, 2)
    model.b.weight = model.a.weight
    model.c = model.a
    assert names(model.named_parameters()) == ["a.weight", "a.bias", "b.bias"]
    assert names(model.named_modules()) == ["", "a", "b"]
    assert names(model.named_children()) == ["a", "b"]
    every = names(model.named_parameters(remove_duplicate=False))
    assert every == ["a.weight", "a.bias", "b.weight", "b.bias", "c.weight", "c.bias"]


def test_children_and_modules():
    """children are one level deep, modules all levels and the module itself."""
    model = Net()
    assert list(model.children()) == [model.first, model.scale, model.last]
    assert list(model.modules()) == [model, model.first, model.scale, model.last]


def test_get_by_dotted_name():
    """get_submodule, get_parameter and get_buffer follow dotted names; "" is the module itself."""
    model = Net()
    assert model.get_submodule("") is model
    assert model.get_submodule("scale") is model.scale
    assert model.get_parameter("scale.factor") is model.scale.factor
    assert model.get_buffer("scale.count") is model.scale.count


@pytest.mark.parametrize(
    ("get", "target", "message"),
    [
        ("get_submodule", "frist", "Net has no attribute `frist`. Did you mean: 'first'?"),
        ("get_submodule", "scale.factor", "`factor` is not an nn.Module"),
        ("get_parameter", "first.wieght", "Linear has no attribute `wieght`. Did you mean: 'weight'?"),
        ("get_parameter", "scale.count", "`count` is not an nn.Parameter"),
        ("get_buffer", "scale.factor", "`factor` is not a buffer"),
    ],
)
def test_get_of_what_is_not_there(get, target, message):
    """The error names the module, what was sought in it, and what is near."""
    with pytest.raises(AttributeError) as error:
        getattr(Net(), get)(target)
    assert str(error.value) == message


# --- attributes


def test_parameters_and_modules_are_ordinary_attributes():
    """Python finds them in __dict__ by itself, so that reading self.weight runs no code of the library."""
    model = Net()
    assert vars(model)["first"] is model.first
    assert vars(model.first)["weight"] is model.first.weight


def test_reassigning_keeps_the_place_in_the_order():
    """A new parameter under an old name stands where the old one stood."""
    model = Net()
    model.first = nn.Linear(3, 2, bias=False)
    assert names(model.named_parameters()) == ["first.weight", "scale.factor", "last.weight"]


def test_a_name_can_change_its_kind():
    """A module in a plain attribute's, buffer's or parameter-free place is registered, the old entry gone."""
    model = Scale()
    model.label = nn.Identity()
    model.scratch = nn.Parameter(tg.zeros(1))
    assert names(model.named_children()) == ["label"]
    assert names(model.named_parameters()) == ["factor", "scratch"]
    assert names(model.named_buffers()) == ["count"]


def test_none_empties_a_place():
    """A parameter, module or buffer set to None stays registered but is not listed."""
    model = Net()
    model.scale.factor = None
    model.scale.count = None
    model.last = None
    assert names(model.named_parameters()) == ["first.weight", "first.bias"]
    assert names(model.named_modules()) == ["", "first", "scale"]
    assert names(model.named_buffers()) == ["scale.scratch"]
    model.scale.factor = nn.Parameter(tg.ones(2))
    assert names(model.named_parameters())[-1] == "scale.factor"


def test_deleting():
    """del takes out a parameter, a module, a buffer or an ordinary attribute."""
    model = Net()
    del model.scale.factor, model.scale.count, model.scale.label, model.last
    assert names(model.named_parameters()) == ["first.weight", "first.bias"]
    assert not hasattr(model, "last")
    with pytest.raises(AttributeError):
        del model.last


def test_a_buffer_takes_another_tensor():
    """A tensor assigned to a buffer's name is the buffer, transient if that one was."""
    model = Scale()
    model.count = tg.tensor(5)
    model.scratch = tg.ones(2)
    assert model.get_buffer("count").item() == 5
    assert list(model.state_dict()) == ["factor", "count"]


def test_the_old_dictionaries_read_and_write_the_module():
    """_parameters, _buffers and _modules behave as PyTorch's dicts of that name."""
    model = Net()
    assert list(model._modules) == ["first", "scale", "last"]
    assert list(model.scale._parameters.items()) == [("factor", model.scale.factor)]
    assert set(model.scale._buffers) == {"count", "scratch"}
    model._modules["last"] = nn.Identity()
    assert isinstance(model.last, nn.Identity)
    del model.scale._parameters["factor"]
    assert not hasattr(model.scale, "factor")
    with pytest.raises(KeyError):
        del model._modules["nothing"]


def test_a_wrapper_asks_for_what_it_wraps():
    """super().__getattr__ gives parameters, buffers and modules to a class with a __getattr__ of its own."""

    class Wrapper(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def __getattr__(self, name):
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(super().__getattr__("inner"), name)

    model = Wrapper(nn.Linear(2, 3))
    assert model.out_features == 3
    assert model.weight is model.inner.weight
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = model.nothing


def test_dir_lists_what_can_be_written_after_a_dot():
    """Names such as the "0" of a Sequential are left out."""
    shown = dir(nn.Sequential(nn.Tanh()))
    assert "forward" in shown
    assert "0" not in shown


REFUSED = [
    (lambda m: setattr(m.first, "weight", tg.zeros(2, 3)), "cannot assign 'Tensor' as parameter 'weight'"),
    (lambda m: setattr(m.first, "weight", nn.Tanh()), "cannot assign 'Tanh' as parameter 'weight'"),
    (lambda m: setattr(m, "first", 3), "cannot assign 'int' as child module 'first' (nn.Module or None expected)"),
    (lambda m: setattr(m.scale, "count", 3), "cannot assign 'int' as buffer 'count' (Tensor or None expected)"),
    (lambda m: m.register_parameter("w", tg.zeros(2)), "cannot assign 'Tensor' object to parameter 'w'"),
    (lambda m: m.register_parameter("first", None), "attribute 'first' already exists"),
    (lambda m: m.register_parameter("a.b", None), 'parameter name can\'t contain ".", got: a.b'),
    (lambda m: m.register_parameter("", None), 'parameter name can\'t be empty string ""'),
    (lambda m: m.register_parameter(3, None), "parameter name should be a string. Got int"),
    (lambda m: m.register_buffer("other", 3), "cannot assign 'int' object to buffer 'other'"),
    (lambda m: m.scale.register_buffer("factor", None), "attribute 'factor' already exists"),
    (lambda m: m.add_module("forward", nn.Tanh()), "attribute 'forward' already exists"),
    (lambda m: m.add_module("x", 3), "int is not a Module subclass"),
    (lambda m: m.add_module("x", nn.Tanh), "Tanh is not a Module subclass; it is the class, write Tanh()"),
    (lambda m: setattr(m, "train", nn.Tanh()), "attribute 'train' already exists: it is a method of every Module"),
]


@pytest.mark.parametrize(("assign", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_entries_are_checked_when_they_are_made(assign, message):
    """What can't be an entry is refused with what was expected, and nothing has changed."""
    model = Net()
    before = names(model.named_parameters()) + names(model.named_buffers()) + names(model.named_modules())
    with pytest.raises((TypeError, KeyError)) as caught:
        assign(model)
    assert message in caught.value.args[0]
    assert before == names(model.named_parameters()) + names(model.named_buffers()) + names(model.named_modules())


@pytest.mark.parametrize(
    ("value", "what"), [(nn.Tanh(), "module"), (nn.Parameter(tg.zeros(1)), "parameters")], ids=["module", "parameter"]
)
def test_assigning_before_init(value, what):
    """A forgotten super().__init__() shows at the first assignment, with PyTorch's words."""

    class Forgetful(nn.Module):
        def __init__(self):
            self.layer = value

    with pytest.raises(AttributeError) as error:
        Forgetful()
    assert str(error.value) == f"cannot assign {what} before Module.__init__() call"


def test_using_a_module_that_was_never_initialised():
    """Without any assignment the forgotten super().__init__() shows at the first walk."""

    class Forgetful(nn.Module):
        def __init__(self):
            self.size = 3

    with pytest.raises(AttributeError, match=r"Forgetful.__init__ must call super\(\).__init__\(\) first"):
        list(Forgetful().parameters())


def test_a_misspelt_attribute_gets_the_nearest_name():
    """The nearest of attributes, parameters and modules is named."""
    with pytest.raises(AttributeError) as error:
        Net().frist
    assert str(error.value) == "'Net' object has no attribute 'frist'. Did you mean: 'first'?"
    with pytest.raises(AttributeError) as error:
        Net().qqq
    assert str(error.value) == "'Net' object has no attribute 'qqq'"


def test_an_attribute_error_inside_of_a_property_is_not_hidden():
    """The property's own error comes out, not one that denies the property."""

    class WithProperty(nn.Module):
        @property
        def broken(self):
            return self.nowhere

    with pytest.raises(AttributeError, match="has no attribute 'nowhere'"):
        WithProperty().broken


def test_a_module_without_forward():
    """Calling it says what is missing."""
    with pytest.raises(NotImplementedError, match=r'Module \[Module\] is missing the required "forward" function'):
        nn.Module()(1)


def test_positional_and_keyword_arguments_reach_forward():
    """module(...) is module.forward(...)."""

    class Sum(nn.Module):
        def forward(self, a, b, *, c=0):
            return a + b + c

    assert Sum()(1, b=2, c=3) == 6


# --- what is done to all


def test_train_and_eval_reach_every_module():
    """eval() is train(False), here and below; both return the module."""
    model = Net()
    assert model.eval() is model
    assert not any(m.training for m in model.modules())
    assert model.train() is model
    assert all(m.training for m in model.modules())
    with pytest.raises(ValueError, match="training mode is expected to be boolean"):
        model.train(1)


def test_apply_visits_children_first():
    """apply calls its function on children, then on the module, and returns the module."""
    model, seen = Net(), []
    assert model.apply(seen.append) is model
    assert seen == [model.first, model.scale, model.last, model]


def test_requires_grad_freezes_and_releases_all():
    """requires_grad_(False) on the module is that of every parameter."""
    model = Net().requires_grad_(False)
    assert not any(p.requires_grad for p in model.parameters())
    assert all(p.requires_grad for p in model.requires_grad_().parameters())


def test_zero_grad_forgets_or_fills():
    """set_to_none=True leaves None, False the same tensor full of zeros."""
    model = Net()
    model(tg.ones(4, 3)).sum().backward()
    kept = model.first.weight.grad
    model.zero_grad(set_to_none=False)
    assert model.first.weight.grad is kept
    assert not kept.numpy().any()
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_zeroed_gradients_have_no_history():
    """After create_graph=True, zeros filled in are not part of the old graph."""
    model = nn.Linear(2, 1)
    (model(tg.ones(1, 2)) ** 2).sum().backward(create_graph=True)
    assert model.weight.grad.requires_grad
    model.zero_grad(set_to_none=False)
    assert not model.weight.grad.requires_grad


def test_to_converts_floating_parameters_buffers_and_gradients_in_place():
    """double() changes the very parameters, their gradients with them, and leaves integers alone."""
    model = Net()
    parameters = list(model.parameters())
    model(tg.ones(4, 3)).sum().backward()
    assert model.double() is model
    assert [a is b for a, b in zip(model.parameters(), parameters, strict=True)] == [True] * 4
    assert {p.dtype for p in model.parameters()} | {p.grad.dtype for p in model.parameters()} == {tg.float64}
    assert model.scale.scratch.dtype == tg.float64
    assert model.scale.count.dtype == tg.int64
    assert {p.dtype for p in model.to(tg.float32).parameters()} == {tg.float32}
    assert {p.dtype for p in model.to(tg.zeros(1, dtype=tg.float64)).parameters()} == {tg.float64}
    assert {p.dtype for p in model.float().cpu().to("cpu").parameters()} == {tg.float32}


def test_to_refuses_before_anything_has_changed():
    """Integers have no gradients, and there is no other device."""
    model = Net()
    with pytest.raises(TypeError, match="only accepts floating point dtypes, but got desired dtype=int64"):
        model.to(tg.int64)
    with pytest.raises(RuntimeError, match="no device 'cuda'"):
        model.to("cuda")
    with pytest.raises(tg.DtypeError, match="float16 is not supported"):
        model.half()
    assert {p.dtype for p in model.parameters()} == {tg.float32}


# --- state


def test_state_dict_holds_parameters_and_persistent_buffers():
    """Names in order; values detached, on the module's own memory."""
    model = Net()
    state = model.state_dict()
    assert list(state) == ["first.weight", "first.bias", "scale.factor", "scale.count", "last.weight"]
    assert not any(v.requires_grad for v in state.values())
    with tg.no_grad():
        model.first.bias.fill_(7.0)
    assert state["first.bias"].tolist() == [7.0, 7.0]
    assert model.state_dict(keep_vars=True)["first.bias"] is model.first.bias
    assert list(model.scale.state_dict(prefix="at.")) == ["at.factor", "at.count"]


def test_load_state_dict_copies_into_the_same_parameters():
    """Values are copied, not shared; the parameters stay the same objects, so an optimizer keeps them."""
    source, target = Net(), Net()
    parameters = list(target.parameters())
    state = source.state_dict()
    keys = target.load_state_dict(state)
    assert repr(keys) == "<All keys matched successfully>"
    assert all(a is b for a, b in zip(parameters, target.parameters(), strict=True))
    for name, value in target.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), state[name].numpy())
        assert not np.shares_memory(value.numpy(), state[name].numpy())


def test_load_state_dict_converts_to_the_module_s_dtype():
    """float64 values, ndarrays included, are stored in a float32 module as float32."""
    model = nn.Linear(2, 1)
    model.load_state_dict({"weight": np.array([[1.0, 2.0]]), "bias": tg.tensor([3])})
    assert model.weight.dtype == model.bias.dtype == tg.float32
    assert model.weight.tolist() == [[1.0, 2.0]]
    assert model.bias.tolist() == [3.0]


def test_load_state_dict_lists_every_disagreement_and_changes_nothing():
    """Missing, unexpected, wrongly shaped and numberless entries are all in one message, as PyTorch words it."""
    model = Net()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = {name: value + 1 for name, value in model.state_dict().items()}
    del state["first.bias"]
    state["frist.bias"] = tg.zeros(2)
    state["scale.factor"] = tg.zeros(3)
    state["scale.count"] = "many"
    with pytest.raises(RuntimeError) as error:
        model.load_state_dict(state)
    assert str(error.value) == (
        "Error(s) in loading state_dict for Net; nothing has been changed:\n"
        '\tMissing key(s) in state_dict: "first.bias".\n'
        '\tUnexpected key(s) in state_dict: "frist.bias".\n'
        "\tsize mismatch for scale.factor: copying a param with shape (3,) from checkpoint, "
        "the shape in current model is (2,).\n"
        '\tfor "scale.count" a Tensor or an array of numbers is expected, got str.'
    )
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name].numpy())


def test_load_state_dict_not_strict_reports_the_names():
    """strict=False loads what fits and returns the names that found no partner."""
    model = nn.Linear(2, 1)
    keys = model.load_state_dict({"weight": tg.tensor([[1.0, 2.0]]), "other": tg.zeros(1)}, strict=False)
    assert keys.missing_keys == ["bias"]
    assert keys.unexpected_keys == ["other"]
    assert model.weight.tolist() == [[1.0, 2.0]]
    with pytest.raises(RuntimeError, match="size mismatch for weight"):
        model.load_state_dict({"weight": tg.zeros(3, 3)}, strict=False)
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like"):
        model.load_state_dict([1, 2])


def test_a_loaded_value_that_backward_needs_is_noticed():
    """Loading between forward and backward is a write: it is refused, not silently wrong."""
    model = nn.Linear(2, 1)
    loss = (model(tg.ones(1, 2, requires_grad=True)) ** 2).sum()
    model.load_state_dict({"weight": tg.zeros(1, 2), "bias": tg.zeros(1)})
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_deepcopy_is_independent_and_keeps_sharing():
    """A deep copy has parameters of its own, tied where they were tied, and no gradients."""
    model = Net()
    model.again = model.first
    model(tg.ones(1, 3)).sum().backward()
    twin = copy.deepcopy(model)
    assert twin.again is twin.first
    assert isinstance(twin.first.weight, nn.Parameter)
    assert twin.first.weight.requires_grad
    assert twin.first.weight.grad is None
    np.testing.assert_array_equal(twin.first.weight.detach().numpy(), model.first.weight.detach().numpy())
    with tg.no_grad():
        twin.first.weight.zero_()
    assert model.first.weight.detach().numpy().any()


def test_a_shallow_copy_registers_for_itself():
    """copy.copy shares the parameters, but an entry made in the copy is the copy's alone."""
    model = Net()
    twin = copy.copy(model)
    twin.more = nn.Tanh()
    assert twin.first is model.first
    assert names(model.named_children()) == ["first", "scale", "last"]
    assert names(twin.named_children()) == ["first", "scale", "last", "more"]


def test_pickling_keeps_values_structure_and_ordinary_attributes():
    """A module comes back from pickle as it was, shared parameters still shared."""
    model = Net().eval()
    model.last.weight.requires_grad_(False)
    model.tied = model.first
    back = pickle.loads(pickle.dumps(model))
    assert names(back.named_parameters()) == NAMES
    assert back.tied is back.first
    assert back.scale.label == "scale"
    assert not back.training
    assert not back.last.weight.requires_grad
    for ours, theirs in zip(model.parameters(), back.parameters(), strict=True):
        np.testing.assert_array_equal(ours.detach().numpy(), theirs.detach().numpy())
    assert list(back.state_dict()) == list(model.state_dict())


# --- Parameter


def test_a_parameter_is_a_leaf_on_its_tensor_s_memory():
    """Parameter(t) shares memory with t, and a write through either is seen and counted."""
    t = tg.zeros(2)
    p = nn.Parameter(t)
    assert isinstance(p, tg.Tensor)
    assert p.requires_grad
    assert p.is_leaf
    loss = (p * p).sum()
    t.fill_(3.0)
    assert p.tolist() == [3.0, 3.0]
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_parameter_of_a_computed_tensor_is_cut_off():
    """Parameter(x * 2) is a leaf: the gradient stops at it."""
    x = tg.ones(2, requires_grad=True)
    p = nn.Parameter(x * 2)
    (p * p).sum().backward()
    assert p.grad.tolist() == [4.0, 4.0]
    assert x.grad is None


def test_what_can_not_be_a_parameter():
    """Only tensors, and only floating ones if they are to be trained."""
    with pytest.raises(TypeError, match="expected a Tensor, got list"):
        nn.Parameter([1.0])
    with pytest.raises(RuntimeError, match="only floating tensors have gradients, this one is int64"):
        nn.Parameter(tg.tensor([1]))
    assert not nn.Parameter(tg.tensor([1]), requires_grad=False).requires_grad


def test_arithmetic_on_parameters_gives_tensors():
    """What is computed from a parameter is no parameter."""
    p = nn.Parameter(tg.ones(2), name="p")
    assert type(p * 2) is tg.Tensor
    assert type(p.detach()) is tg.Tensor
    assert p.name == "p"


# --- containers


def test_sequential_is_a_list_of_its_modules():
    """len, index, slice, iteration, assignment, deletion, append, extend, insert, pop, sum."""
    a, b, c, d = nn.Tanh(), nn.ReLU(), nn.Sigmoid(), nn.Identity()
    model = nn.Sequential(a, b)
    assert (len(model), model[0], model[-1], list(model)) == (2, a, b, [a, b])
    assert model.append(c) is model
    assert list(model[1:]) == [b, c]
    assert isinstance(model[1:], nn.Sequential)
    assert list(model[1:]._modules) == ["1", "2"]
    model[1] = d
    assert list(model) == [a, d, c]
    model.insert(1, b)
    assert list(model._modules.items()) == [("0", a), ("1", b), ("2", d), ("3", c)]
    del model[2]
    assert list(model._modules.items()) == [("0", a), ("1", b), ("2", c)]
    del model[1:]
    assert list(model) == [a]
    assert list(model + nn.Sequential(b)) == [a, b]
    assert list(model.extend([b, c])) == [a, b, c]
    assert model.pop(1) is b
    assert list(model) == [a, c]


def test_sequential_calls_in_order():
    """Each module gets what the one before gave; an empty Sequential gives back its input."""
    x = tg.tensor([-1.0, 2.0])
    model = nn.Sequential(nn.ReLU(), nn.Tanh())
    np.testing.assert_array_equal(model(x).numpy(), np.tanh(np.maximum(x.numpy(), 0)))
    assert nn.Sequential()(x) is x


def test_sequential_takes_names():
    """An OrderedDict names the modules, which are attributes then; a slice keeps the names."""
    model = nn.Sequential(OrderedDict([("hidden", nn.Linear(2, 3)), ("act", nn.Tanh())]))
    assert model.act is model[1]
    assert names(model.named_parameters()) == ["hidden.weight", "hidden.bias"]
    assert list(model[:1]._modules) == ["hidden"]
    del model[0]
    assert list(model._modules) == ["act"]


@pytest.mark.parametrize("container", [nn.Sequential, lambda *m: nn.ModuleList(m)], ids=["Sequential", "ModuleList"])
def test_an_index_out_of_range(container):
    """The error names the index and how many modules there are."""
    with pytest.raises(IndexError, match=r"index 2 is out of range: .* has 1 modules"):
        container(nn.Tanh())[2]
    with pytest.raises(IndexError, match="Index out of range: 5"):
        container(nn.Tanh()).insert(5, nn.Tanh())


def test_sequential_of_a_list():
    """The forgotten star is named."""
    with pytest.raises(TypeError, match=r"list is not a Module subclass; write Sequential\(\*layers\)"):
        nn.Sequential([nn.Tanh()])


def test_a_refused_insert_leaves_the_container_alone():
    """What isn't a module is refused before anything has moved."""
    model = nn.Sequential(nn.Tanh(), nn.ReLU())
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        model.insert(0, 3)
    assert [type(m) for m in model] == [nn.Tanh, nn.ReLU]


def test_module_list_registers_and_indexes():
    """Its modules are found by number, and can be appended to while a model is built."""
    layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(2))
    layers.append(nn.Linear(2, 1))
    layers += [nn.Tanh()]
    assert names(layers.named_parameters())[-1] == "2.bias"
    assert isinstance(layers[1:3], nn.ModuleList)
    assert len(layers + [nn.Tanh()]) == 5  # noqa: RUF005  # the sum is what is tested
    with pytest.raises(NotImplementedError):
        layers(1)


def test_module_dict_is_a_dict_of_its_modules():
    """Get, set, delete, iterate, membership, pop, update and clear."""
    tanh, relu = nn.Tanh(), nn.ReLU()
    choices = nn.ModuleDict({"tanh": tanh})
    choices["relu"] = relu
    assert list(choices) == list(choices.keys()) == ["tanh", "relu"]
    assert list(choices.values()) == [tanh, relu]
    assert dict(choices.items()) == {"tanh": tanh, "relu": relu}
    assert "relu" in choices
    assert "gelu" not in choices
    assert choices.pop("relu") is relu
    del choices["tanh"]
    assert len(choices) == 0
    choices.update([("a", tanh)])
    choices.clear()
    assert names(choices.named_children()) == []
    with pytest.raises(KeyError):
        choices["a"]


def test_a_parameter_takes_attributes():
    """They are pickled with it, and not copied with its values, as in PyTorch."""
    bias = nn.Parameter(tg.zeros(2))
    bias.no_decay = True
    assert pickle.loads(pickle.dumps(bias)).no_decay
    assert not hasattr(copy.deepcopy(bias), "no_decay")
    assert not hasattr(bias.detach(), "no_decay")


def test_nn_buffer_is_registered_when_it_is_assigned():
    """With `persistent` as it says; an ordinary tensor stays an ordinary attribute."""
    model = nn.Identity()
    model.mean, model.seen = nn.Buffer(tg.ones(2)), nn.Buffer(tg.zeros(1), persistent=False)
    model.other = tg.ones(3)
    assert [name for name, _ in model.named_buffers()] == ["mean", "seen"]
    assert list(model.state_dict()) == ["mean"]
    assert model.double().mean.dtype == tg.float64
    with pytest.raises(TypeError, match=r"Buffer: expected a Tensor, got list; wrap it in tensor\(\.\.\.\)"):
        nn.Buffer([1.0])


def test_a_pickled_sequential_computes_what_it_did():
    """Its modules are still called, in order, after pickle and deepcopy."""
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    x = tg.tensor([[1.0, 2.0]])
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert twin(x).tolist() == model(x).tolist()


class Silent(nn.Module):
    pass


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Conv2d(3, 8), r"Conv2d.__init__\(\) missing 1 required positional argument: 'kernel_size'"),
        (lambda: nn.LazyConvTranspose1d(8), r"LazyConvTranspose1d.__init__\(\) missing 1 required"),
        (lambda: nn.TransformerEncoderLayer(8), r"TransformerEncoderLayer.__init__\(\) missing 1 .*'nhead'"),
        (lambda: nn.MaxPool2d(), r"MaxPool2d.__init__\(\) missing 1"),
        (lambda: nn.Conv2d(3, 8, 3, pading=1), r"Conv2d.__init__\(\) got an unexpected keyword argument 'pading'"),
        (lambda: nn.Sigmoid(dim=1), r"Sigmoid.__init__\(\) got an unexpected keyword argument 'dim'"),
        (lambda: nn.Tanh(1), r"Tanh.__init__\(\) takes no arguments"),
        (lambda: Silent(3), r"Silent.__init__\(\) takes no arguments"),
        (lambda: tg.distributions.Normal(0.0), r"Normal.__init__\(\) missing 1 required positional argument: 'scale'"),
    ],
)
def test_wrong_arguments_are_told_of_the_class_that_was_called(make, message):
    """Not of a private one in which its __init__ is written."""
    with pytest.raises(TypeError, match=message):
        make()
