"""How modules print: the tree that PyTorch prints, stored."""

from __future__ import annotations

import tinygrad_edu as tg
from tinygrad_edu import nn


def test_a_model_prints_as_a_tree():
    """One line per module, children moved in by two, what a layer says of itself in brackets."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.Sequential(nn.ReLU(), nn.Linear(2, 1, bias=False)))
    assert repr(model) == (
        "Sequential(\n"
        "  (0): Flatten(start_dim=1, end_dim=-1)\n"
        "  (1): Linear(in_features=4, out_features=2, bias=True)\n"
        "  (2): Sequential(\n"
        "    (0): ReLU()\n"
        "    (1): Linear(in_features=2, out_features=1, bias=False)\n"
        "  )\n"
        ")"
    )


def test_equal_neighbours_of_a_module_list_are_counted():
    """A ModuleList writes a run of equal modules on one line."""
    layers = nn.ModuleList([nn.Tanh(), nn.Tanh(), nn.ReLU()])
    assert repr(layers) == "ModuleList(\n  (0-1): 2 x Tanh()\n  (2): ReLU()\n)"


def test_a_parameter_says_that_it_is_one():
    """The tensor's text below a line of its own."""
    assert repr(nn.Parameter(tg.tensor([1.0, 2.5]))) == (
        "Parameter containing:\ntensor([1.0000, 2.5000], requires_grad=True)"
    )
