"""nn.utils.prune beside PyTorch's: masks from the seed, gradients, state, removal, errors."""

from __future__ import annotations

import math

import pytest
from numpy.testing import assert_allclose

import tinygrad_edu as te
import tinygrad_edu.nn.utils.prune

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("torch.nn.utils.prune")

LIBRARIES = (torch, te)


def several(prune, net):
    prune.l1_unstructured(net[0], "weight", 0.3)
    prune.ln_structured(net[0], "weight", 0.5, 2, 0)
    prune.random_unstructured(net[0], "weight", 0.2)


WAYS = {
    "random elements": lambda lib, p, net: p.random_unstructured(net[1], "weight", 0.3),
    "small elements": lambda lib, p, net: p.l1_unstructured(net[1], "bias", 2),
    "by scores": lambda lib, p, net: p.l1_unstructured(net[1], "bias", 2, importance_scores=lib.arange(5.0)),
    "random slices": lambda lib, p, net: p.random_structured(net[0], "weight", 2, dim=0),
    "small slices": lambda lib, p, net: p.ln_structured(net[0], "weight", 0.5, n=2, dim=1),
    "by the largest": lambda lib, p, net: p.ln_structured(net[0], "weight", 0.5, n=math.inf, dim=0),
    "nothing": lambda lib, p, net: p.identity(net[0], "weight"),
    "none of them": lambda lib, p, net: p.l1_unstructured(net[0], "weight", 0),
    "a mask": lambda lib, p, net: p.custom_from_mask(net[1], "bias", lib.tensor([1, 0, 1, 0, 1])),
    "one after the other": lambda lib, p, net: several(p, net),
    "all together": lambda lib, p, net: p.global_unstructured(
        ((net[0], "weight"), (net[1], "weight"), (net[1], "bias")), pruning_method=p.L1Unstructured, amount=0.4
    ),
}


def made(lib):
    lib.manual_seed(6)
    return lib.nn.Sequential(lib.nn.Conv2d(2, 4, 3), lib.nn.Linear(6, 5))


@pytest.mark.parametrize("way", WAYS)
def test_masks_gradients_and_state_agree(way):
    """After pruning, and again after the pruning was made permanent."""
    found, names = [], []
    for lib in LIBRARIES:
        net, prune = made(lib), lib.nn.utils.prune
        assert not prune.is_pruned(net)
        WAYS[way](lib, prune, net)
        assert prune.is_pruned(net)
        loss = (net[1](lib.ones(3, 6)) ** 2).sum() + (net[0](lib.ones(1, 2, 4, 4)) ** 2).sum()
        loss.backward()
        values = [loss, *(p.grad for p in net.parameters()), *net.state_dict().values()]
        words = [*net.state_dict(), *(n for n, _ in net.named_parameters())]
        for layer in net:
            for name in ("weight", "bias"):
                if hasattr(layer, f"{name}_mask"):
                    prune.remove(layer, name)
        assert not prune.is_pruned(net)
        found.append([*values, *net.state_dict().values()])
        names.append([*words, *net.state_dict(), *(n for n, _ in net.named_parameters())])
    assert names[0] == names[1]
    for theirs, ours in zip(*found, strict=True):
        assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-5, atol=1e-5)  # sums in float32


def test_pruned_elements_stay_0_in_training():
    """The mask is applied anew before every forward."""
    layer = te.nn.Linear(3, 2)
    te.nn.utils.prune.l1_unstructured(layer, "weight", 3)
    optimizer = te.optim.SGD(layer.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        layer(te.ones(4, 3)).sum().backward()
        optimizer.step()
    layer(te.ones(4, 3))
    assert (layer.weight == 0).sum().item() == 3
    assert not layer.weight_orig.grad[layer.weight_mask == 0].numpy().any()


def test_a_tensor_alone_can_be_pruned():
    """By a method object, without a module."""
    for lib in LIBRARIES:
        method = lib.nn.utils.prune.L1Unstructured(amount=2)
        assert method.prune(lib.tensor([3.0, -1, 2, -4])).tolist() == [3.0, 0.0, 0.0, -4.0]


def test_a_method_of_ones_own_is_applied():
    """A subclass with compute_mask, as PyTorch's tutorial defines one."""
    for lib in LIBRARIES:

        class EveryOther(lib.nn.utils.prune.BasePruningMethod):
            PRUNING_TYPE = "unstructured"

            def compute_mask(self, t, default_mask):
                mask = default_mask.clone()
                mask.view(-1)[::2] = 0
                return mask

        layer = lib.nn.Linear(3, 1)
        EveryOther.apply(layer, "bias")
        assert layer.bias_mask.tolist() == [0.0]


WRONG = {
    "more than all": lambda p, net: p.l1_unstructured(net[1], "bias", 9),
    "more than the whole": lambda p, net: p.l1_unstructured(net[1], "bias", 1.5),
    "no amount": lambda p, net: p.l1_unstructured(net[1], "bias", "x"),
    "slices of a vector": lambda p, net: p.ln_structured(net[1], "bias", 1, 2, 0),
    "no such axis": lambda p, net: p.random_structured(net[1], "weight", 1, 2),
    "never pruned": lambda p, net: p.remove(net[1], "bias"),
    "global slices": lambda p, net: p.global_unstructured([(net[1], "weight")], p.LnStructured, amount=0.1, n=1),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_are_of_pytorchs_class_and_change_nothing(name):
    """The module has its parameters as before."""
    raised = []
    for lib in LIBRARIES:
        net = made(lib)
        with pytest.raises((ValueError, TypeError, IndexError)) as caught:
            WRONG[name](lib.nn.utils.prune, net)
        raised.append(caught.type)
        assert sorted(n for n, _ in net.named_parameters()) == ["0.bias", "0.weight", "1.bias", "1.weight"]
    assert issubclass(raised[1], raised[0])
