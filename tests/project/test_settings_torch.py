"""Printing and the random state beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

OPTIONS = [
    {},
    {"precision": 2},
    {"precision": 0},
    {"precision": 10},
    {"threshold": 5},
    {"threshold": 3, "edgeitems": 1},
    {"threshold": 2, "edgeitems": 0},
    {"threshold": float("inf")},
    {"linewidth": 40},
    {"linewidth": 200},
    {"profile": "short"},
    {"profile": "full"},
    {"profile": "short", "precision": 6},
    {"sci_mode": True},
    {"sci_mode": False},
]


@pytest.fixture(autouse=True)
def _as_they_were():
    state, theirs = tinygrad_edu.get_rng_state(), torch.get_rng_state()
    yield
    for m in (tinygrad_edu, torch):
        m.set_printoptions(profile="default")
    tinygrad_edu.set_rng_state(state)
    torch.set_rng_state(theirs)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_tensors_print_alike(options, rng):
    """Under every option: floats of all magnitudes, integers, truths, infinities, empty and long ones."""
    arrays = [
        rng.standard_normal(5).astype("f4"),
        rng.standard_normal((40, 40)).astype("f4"),
        rng.standard_normal((3, 4, 5)),
        rng.standard_normal((30, 30, 3)).astype("f4"),
        np.arange(2000, dtype="f4"),
        np.arange(6).reshape(2, 3),
        np.array([1e-6, 2, np.inf], "f4"),
        np.array([1e10, 1, np.nan], "f4"),
        np.array([-0.0, 1e-5, 5], "f4"),
        np.zeros((3, 3), "f4"),
        np.zeros((0, 3), "f4"),
        np.array(3.14159, "f4"),
        np.array([True, False]),
    ]
    for m in (tinygrad_edu, torch):
        m.set_printoptions(profile="default")
        m.set_printoptions(**options)
    for array in arrays:
        assert repr(tinygrad_edu.tensor(array)) == repr(torch.tensor(array)).replace("torch.", "")


@pytest.mark.parametrize("seed", [0, 5, -7, 2**40 + 3])
@pytest.mark.parametrize("drawn", [0, 1, 3, 623, 624, 625, 1300])
def test_the_generators_state_is_pytorchs_byte_for_byte(seed, drawn):
    """After any number of draws, with and without half a pair of normals waiting; each goes on from the other's."""
    for waiting in (0, 3):
        for m in (tinygrad_edu, torch):
            m.manual_seed(seed)
            m.rand(drawn), m.randn(waiting)
        ours, theirs = tinygrad_edu.get_rng_state(), torch.get_rng_state()
        half = waiting * 1e-14  # the normal that waits has passed through log and sin
        np.testing.assert_array_equal(ours[:5016].numpy(), theirs[:5016].numpy())
        np.testing.assert_allclose(ours[5024:5032].numpy().view("f8"), theirs[5024:5032].numpy().view("f8"), rtol=half)
        np.testing.assert_array_equal(ours[5032:].numpy(), theirs[5032:].numpy())
        tinygrad_edu.set_rng_state(tinygrad_edu.tensor(theirs.numpy()))
        expected = tinygrad_edu.rand(700).numpy()
        np.testing.assert_array_equal(expected, torch.rand(700).numpy())
        torch.set_rng_state(torch.tensor(ours.numpy()))
        np.testing.assert_array_equal(expected, torch.rand(700).numpy())
        assert tinygrad_edu.initial_seed() == torch.initial_seed()


@pytest.mark.parametrize("dtype", ["int64", "int32", "int16", "int8", "uint8", "bool", "float32", "float64"])
def test_random_integers_in_place(dtype):
    """random_() over all that the dtype can hold, up to a bound, and between two."""
    drawn = []
    for m in (tinygrad_edu, torch):
        m.manual_seed(3)
        x = m.empty(7, dtype=getattr(m, dtype))
        drawn.append([x.random_().tolist(), x.random_(2).tolist(), x.random_(1, 2).tolist(), m.rand(1).tolist()])
    assert drawn[0] == drawn[1]
