"""ParameterList and ParameterDict against PyTorch: text, state, order, errors."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


def both(build):
    return build(tg), build(torch)


LISTS = {
    "empty": lambda lib: lib.nn.ParameterList(),
    "mixed": lambda lib: lib.nn.ParameterList(
        [lib.ones(2, 3), lib.nn.Parameter(lib.ones(2, dtype=lib.float64)), "text", lib.nn.Parameter(lib.ones(()))]
    ),
    "slice": lambda lib: lib.nn.ParameterList([lib.ones(i) for i in range(5)])[1:5:2],
    "extended": lambda lib: lib.nn.ParameterList([lib.ones(1)]).extend([lib.ones(2)]).append(lib.ones(3)),
}
DICTS = {
    "empty": lambda lib: lib.nn.ParameterDict(),
    "sorted": lambda lib: lib.nn.ParameterDict({"b": lib.ones(2, 3), "a": lib.ones(2), "c": 3}),
    "ordered": lambda lib: lib.nn.ParameterDict(OrderedDict(b=lib.ones(2, dtype=lib.float64), a=lib.ones(1))),
    "pairs": lambda lib: lib.nn.ParameterDict([("b", lib.ones(2)), ("a", lib.ones(1))]),
    "or": lambda lib: lib.nn.ParameterDict({"b": lib.ones(2)}) | lib.nn.ParameterDict({"a": lib.ones(1)}),
    "fromkeys": lambda lib: lib.nn.ParameterDict().fromkeys(["x", "y"], lib.ones(1)),
    "copy": lambda lib: lib.nn.ParameterDict([("b", lib.ones(2)), ("a", lib.ones(1))]).copy(),
}


@pytest.mark.parametrize("build", [*LISTS.values(), *DICTS.values()], ids=[*LISTS, *DICTS])
def test_text_and_state(build):
    """They print alike, alone and in a model, and have the same parameters in the same order."""
    ours, theirs = both(build)
    assert repr(ours) == repr(theirs)
    assert repr(tg.nn.Sequential(ours)) == repr(torch.nn.Sequential(theirs))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    assert len(ours) == len(theirs)


@pytest.mark.parametrize("lib", [tg, torch], ids=["ours", "theirs"])
def test_list(lib):
    """Indices from either end, replacement, iteration; what is replaced is no parameter any more."""
    found = lib.nn.ParameterList([lib.ones(1), lib.ones(2)])
    found += [lib.ones(3)]
    found[-1] = lib.zeros(4)
    assert [tuple(p.shape) for p in found] == [(1,), (2,), (4,)]
    assert found[-3] is found[0]
    assert isinstance(found[2], lib.nn.Parameter)
    assert len(list(found.parameters())) == 3


@pytest.mark.parametrize("lib", [tg, torch], ids=["ours", "theirs"])
def test_dict(lib):
    """The ways of a dict."""
    found = lib.nn.ParameterDict([("b", lib.ones(2)), ("a", lib.ones(1))])
    assert list(found) == list(found.keys()) == ["b", "a"]
    assert list(reversed(found)) == ["a", "b"]
    assert [k for k, _ in found.items()] == ["b", "a"]
    assert all(isinstance(v, lib.nn.Parameter) for v in found.values())
    assert "a" in found
    assert found.get("z") is None
    assert found.get("z", 1) == 1
    assert tuple(found.setdefault("c", lib.ones(3)).shape) == (3,)
    assert tuple(found.setdefault("c", lib.ones(4)).shape) == (3,)
    key, last = found.popitem()
    assert (key, tuple(last.shape)) == ("c", (3,))
    assert tuple(found.pop("b").shape) == (2,)
    found |= {"d": lib.ones(5)}
    assert [n for n, _ in found.named_parameters()] == ["a", "d"]
    found.clear()
    assert len(found) == 0
    assert not list(found.parameters())


def test_parameters_are_trained():
    """A gradient reaches those in a list and in a dict; a checkpoint fits PyTorch's."""

    def build(lib):
        class Model(lib.nn.Module):
            def __init__(self):
                super().__init__()
                self.ws = lib.nn.ParameterList([lib.full((2,), float(i)) for i in (1, 2)])
                self.named = lib.nn.ParameterDict({"b": lib.ones(2)})

            def forward(self, x):
                return (self.ws[0] * x + self.ws[1] * x**2 + self.named["b"]).sum()

        model = Model()
        model(lib.tensor([3.0, 4.0])).backward()
        return model

    ours, theirs = both(build)
    for p, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), expected.grad.numpy())
    assert not ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()}).missing_keys


WRONG = {
    "index": lambda lib: lib.nn.ParameterList([lib.ones(1)])[1],
    "text as index": lambda lib: lib.nn.ParameterList([lib.ones(1)])["a"],
    "number as list": lambda lib: lib.nn.ParameterList(3),
    "tensor as list": lambda lib: lib.nn.ParameterList().extend(lib.ones(2)),
    "list called": lambda lib: lib.nn.ParameterList()(1),
    "integers": lambda lib: lib.nn.ParameterList([lib.ones(2, dtype=lib.int64)]),
    "missing": lambda lib: lib.nn.ParameterDict()["z"],
    "number as key": lambda lib: lib.nn.ParameterDict({1: lib.ones(1)}),
    "number as dict": lambda lib: lib.nn.ParameterDict(3),
    "no pair": lambda lib: lib.nn.ParameterDict([1]),
    "three": lambda lib: lib.nn.ParameterDict([(1, 2, 3)]),
    "dot": lambda lib: lib.nn.ParameterDict({"x.y": lib.ones(1)}),
    "a method's name": lambda lib: lib.nn.ParameterDict({"keys": lib.ones(1)}),
    "popitem of nothing": lambda lib: lib.nn.ParameterDict().popitem(),
    "dict called": lambda lib: lib.nn.ParameterDict()(1),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors_have_pytorchs_class(case):
    """Refused by the same class."""
    raised = []
    for lib in (tg, torch):
        with pytest.raises((IndexError, TypeError, RuntimeError, AttributeError, KeyError, ValueError)) as caught:
            WRONG[case](lib)
        raised.append(caught.value)
    assert isinstance(raised[0], type(raised[1]))
    assert str(raised[0])
