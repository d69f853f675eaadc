"""The random stream side by side with PyTorch's, at many sizes."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

# Normals pass through log, sin, cos and sqrt, whose last bits differ between libraries; |z| < 6.
TOLERANCE = {"float32": 5e-7, "float64": 2e-15}


@pytest.fixture(autouse=True)
def _generators_as_they_were():
    state, theirs = tinygrad_edu.get_rng_state(), torch.get_rng_state()
    yield
    tinygrad_edu.set_rng_state(state)
    torch.set_rng_state(theirs)


def both(seed, draw):
    """What one function of the module draws from the same seed, as two arrays of one dtype and shape."""
    results = []
    for m in (tinygrad_edu, torch):
        m.manual_seed(seed)
        results.append(draw(m).numpy())
    ours, theirs = results
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    return ours, theirs


def assert_equal(seed, draw):
    ours, theirs = both(seed, draw)
    assert (ours == theirs).all()


def assert_close(seed, draw, atol):
    ours, theirs = both(seed, draw)
    assert np.abs(ours - theirs).max(initial=0.0) <= atol


@pytest.mark.parametrize("seed", [0, 1, 42, 2**31, 2**32 + 5, 2**40, 2**63 - 1, -1, -5])
def test_seed(seed):
    """Any 64-bit integer, of which the low 32 bits count."""
    assert_equal(seed, lambda m: m.rand(5))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [*range(40), 63, 64, 65, 255, 256, 623, 624, 625, 1000, 1015])
def test_floats_of_every_size(size, dtype):
    """rand to the bit and randn to the last bits, alone and after draws that leave half a pair waiting."""
    assert_equal(size, lambda m: m.rand(size, dtype=getattr(m, dtype)))
    assert_close(size, lambda m: m.randn(size, dtype=getattr(m, dtype)), TOLERANCE[dtype])

    def later(m):
        m.randn(3), m.rand(7), m.randn(size, dtype=getattr(m, dtype))
        return m.randn(5, dtype=getattr(m, dtype))

    assert_close(size, later, TOLERANCE[dtype])


@pytest.mark.parametrize("size", [0, 1, 2, 3, 10, 100, 5000])
def test_permutations(size):
    """randperm to the last place."""
    assert_equal(size, lambda m: m.randperm(size))
    assert_equal(size, lambda m: m.randperm(size, dtype=m.int32))


EDGES = [
    *((0, 1), (0, 2), (-5, 5), (0, 2**24), (0, 2**28 - 1), (0, 2**28), (0, 2**31), (0, 2**32 - 1), (0, 2**32)),
    *((0, 2**33), (-(2**40), 2**40), (-(2**62), 2**62), (0, 2**63 - 1)),
]


@pytest.mark.parametrize(("low", "high"), EDGES)
def test_integers_of_every_range(low, high):
    """32 bits below 2 ** 28 values, 64 from there on."""
    assert_equal(7, lambda m: m.randint(low, high, (20,)))


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint8", "bool", "float32", "float64"])
def test_integers_of_every_dtype(dtype):
    """The same draws in another type."""
    assert_equal(7, lambda m: m.randint(0, 2, (4, 5), dtype=getattr(m, dtype)))


FORMS = {
    "a tuple": lambda m: m.rand((3, 2)),
    "size=": lambda m: m.randn(size=(3, 7)),
    "no axes": lambda m: m.randn(()),
    "high and size": lambda m: m.randint(high=5, size=(3,)),
    "rand_like": lambda m: m.rand_like(m.zeros(3, 4)),
    "randn_like": lambda m: m.randn_like(m.zeros(5, 4)),
    "randint_like": lambda m: m.randint_like(m.zeros(3, 4), 10),
    "randint_like, two bounds": lambda m: m.randint_like(m.tensor([1, 2, 3]), 5, 10),
    "a generator": lambda m: m.randn(20, generator=m.Generator().manual_seed(5)),
    "a generator's own seed": lambda m: m.rand(4, generator=m.Generator()),
    "uniform_": lambda m: m.zeros(20).uniform_(-2, 3),
    "uniform_ of a transpose": lambda m: m.zeros(4, 5).T.uniform_(),
    "normal_": lambda m: m.zeros(20).normal_(),
    "normal_ of few": lambda m: m.zeros(5).normal_(),
    "normal_ of a transpose": lambda m: m.zeros(4, 5).T.normal_(),
    "normal_ of a slice": lambda m: m.zeros(4, 40)[:, :20].normal_(),
    "normal_ of permuted axes": lambda m: m.zeros(3, 4, 5).permute(2, 0, 1).normal_(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form(form):
    """The like forms, generators, and filling in place, also of memory with strides."""
    assert_close(9, FORMS[form], TOLERANCE["float32"])


def test_state_goes_on():
    """Saved, used and restored: the same numbers as PyTorch's both times."""

    def draw(m):
        g = m.Generator().manual_seed(3)
        m.randn(3, generator=g)
        state = g.get_state()
        first = m.randn(5, generator=g)
        g.set_state(state)
        return m.stack([first, m.randn(5, generator=g)])

    assert_close(0, draw, TOLERANCE["float32"])
