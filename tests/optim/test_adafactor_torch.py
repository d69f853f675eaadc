"""Adafactor beside PyTorch's, what is refused by name, and DistributedSampler's orders."""

from __future__ import annotations

import pytest
from numpy.testing import assert_allclose

import tinygrad_edu as te
import tinygrad_edu.utils.data

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

LIBRARIES = (torch, te)
SETTINGS = {
    "default": {},
    "decay": {"lr": 0.1, "weight_decay": 0.1},
    "maximize": {"maximize": True, "d": 2.0},
    "eps": {"eps": (1e-3, 1e-2), "beta2_decay": -0.5},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_steps_and_state_agree(name):
    """Eight steps on a convolution, a matrix and vectors: losses, parameters, state, text."""
    found, texts = [], []
    for lib in LIBRARIES:
        lib.manual_seed(0)
        net = lib.nn.Sequential(lib.nn.Conv2d(1, 3, 3), lib.nn.Flatten(), lib.nn.Linear(12, 4))
        optimizer = lib.optim.Adafactor(net.parameters(), **SETTINGS[name])
        x, y, values = lib.randn(5, 1, 4, 4), lib.randn(5, 4), []
        for _ in range(8):
            loss = lib.nn.functional.mse_loss(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            values.append(loss)
        state = optimizer.state_dict()["state"]
        found.append([*values, *net.parameters(), *(t for part in state.values() for t in part.values())])
        texts.append(f"{optimizer} {[list(part) for part in state.values()]}")
    assert texts[0] == texts[1]
    for theirs, ours in zip(*found, strict=True):
        assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-4, atol=1e-6)  # float32, eight steps


def test_a_loaded_state_continues_bit_equal():
    """Three steps, a new optimizer with the state, three more: as six."""
    finals = []
    for stops in (False, True):
        te.manual_seed(0)
        net = te.nn.Linear(3, 2)
        optimizer = te.optim.Adafactor(net.parameters(), lr=0.1)
        x = te.randn(4, 3)
        for step in range(6):
            if stops and step == 3:
                state = optimizer.state_dict()
                optimizer = te.optim.Adafactor(net.parameters())
                optimizer.load_state_dict(state)
            optimizer.zero_grad()
            net(x).square().sum().backward()
            optimizer.step()
        finals.append(net.weight.detach().numpy())
    assert (finals[0] == finals[1]).all()


@pytest.mark.parametrize(
    "wrong",
    [{"lr": -1}, {"d": 0.5}, {"beta2_decay": 1}, {"eps": (-1, 1)}, {"eps": (1, -1)}, {"weight_decay": -1}],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(wrong):
    """In PyTorch's words."""
    raised = []
    for lib in LIBRARIES:
        with pytest.raises(ValueError, match="should be") as caught:
            lib.optim.Adafactor([lib.ones(1)], **wrong)
        raised.append(str(caught.value))
    assert raised[0] == raised[1]


def test_sparse_adam_is_refused_with_the_way_out():
    """There are no sparse gradients."""
    with pytest.raises(NotImplementedError, match=r"SparseAdam: .* use Adam"):
        te.optim.SparseAdam([te.ones(1)])


PARTS = {
    "shuffled": {"num_replicas": 3, "rank": 1},
    "in order": {"num_replicas": 3, "rank": 2, "shuffle": False},
    "without the rest": {"num_replicas": 3, "rank": 0, "drop_last": True, "seed": 4},
    "more parts than samples": {"num_replicas": 12, "rank": 11},
}


@pytest.mark.parametrize("name", PARTS)
def test_parts_of_a_dataset_are_pytorchs(name):
    """In the first epoch, in another one, and their number."""

    found = []
    for lib in LIBRARIES:
        sampler = lib.utils.data.DistributedSampler(range(10), **PARTS[name])
        first = list(sampler)
        sampler.set_epoch(3)
        found.append((first, list(sampler), len(sampler)))
    assert found[0] == found[1]


def test_a_part_without_number_is_refused():
    """There is no process group to ask; and a rank must be one."""
    sampler = te.utils.data.DistributedSampler
    with pytest.raises(RuntimeError, match="no process group"):
        sampler(range(3))
    with pytest.raises(ValueError, match="rank should be in the interval"):
        sampler(range(3), 2, 2)
