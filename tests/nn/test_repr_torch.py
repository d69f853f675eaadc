"""How modules, parameters and optimizers print: byte for byte as in PyTorch."""

from __future__ import annotations

from collections import OrderedDict

import pytest

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


def custom(lib):
    """A module with extra_repr of several lines, children, an empty place and nested containers."""
    nn = lib.nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU(inplace=True)])
            self.choice = nn.ModuleDict({"tanh": nn.Tanh(), "leaky": nn.LeakyReLU(0.2, inplace=True)})
            self.nothing = nn.Identity()
            self.empty = nn.ModuleList()
            self.head = None
            self.add_module("missing", None)

        def extra_repr(self):
            return "first line\n\nthird line"

    return nn.Sequential(OrderedDict([("block", Block()), ("out", nn.Sequential(nn.Linear(2, 1, bias=False)))]))


MODULES = {
    "Linear": lambda lib: lib.nn.Linear(3, 2),
    "Linear without bias": lambda lib: lib.nn.Linear(3, 2, bias=False),
    "Flatten": lambda lib: lib.nn.Flatten(0, 2),
    "Identity": lambda lib: lib.nn.Identity(3, x=1),
    "Tanh": lambda lib: lib.nn.Tanh(),
    "Sigmoid": lambda lib: lib.nn.Sigmoid(),
    "ReLU": lambda lib: lib.nn.ReLU(),
    "ReLU in place": lambda lib: lib.nn.ReLU(True),
    "LeakyReLU": lambda lib: lib.nn.LeakyReLU(),
    "Softplus": lambda lib: lib.nn.Softplus(2, 10),
    "Softmax": lambda lib: lib.nn.Softmax(1),
    "Softmax without dim": lambda lib: lib.nn.Softmax(),
    "LogSoftmax": lambda lib: lib.nn.LogSoftmax(dim=-1),
    "MSELoss": lambda lib: lib.nn.MSELoss(),
    "BCELoss": lambda lib: lib.nn.BCELoss(reduction="sum"),
    "BCEWithLogitsLoss": lambda lib: lib.nn.BCEWithLogitsLoss(pos_weight=lib.ones(2)),
    "CrossEntropyLoss": lambda lib: lib.nn.CrossEntropyLoss(label_smoothing=0.1),
    "NLLLoss": lambda lib: lib.nn.NLLLoss(),
    "Module": lambda lib: lib.nn.Module(),
    "empty Sequential": lambda lib: lib.nn.Sequential(),
    "Sequential": lambda lib: lib.nn.Sequential(lib.nn.Linear(2, 4), lib.nn.Sequential(lib.nn.Tanh())),
    "custom": custom,
    "Parameter": lambda lib: lib.nn.Parameter(lib.tensor([[1.0, 2.5], [3.0, -4.0]])),
    "frozen Parameter": lambda lib: lib.nn.Parameter(lib.zeros(2), requires_grad=False),
    "empty Parameter": lambda lib: lib.nn.Parameter(),
    "SGD": lambda lib: lib.optim.SGD([{"params": [lib.zeros(1)], "lr": 0.5}, {"params": [lib.ones(1)]}], momentum=0.9),
    "state_dict's keys": lambda lib: lib.nn.Linear(1, 1).load_state_dict(lib.nn.Linear(1, 1).state_dict()),
}


@pytest.mark.parametrize("make", MODULES.values(), ids=MODULES.keys())
def test_text_is_pytorch_s(make):
    """repr and str agree byte for byte."""
    assert repr(make(tg)) == repr(make(torch))
    assert str(make(tg)) == str(make(torch))
