"""Random numbers: PyTorch's own CPU stream, held here as stored values, and the generator's state.

The numbers were printed by PyTorch 2.13 on a CPU after manual_seed(0), before each line anew.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tinygrad_edu import (
    Generator,
    default_generator,
    float32,
    float64,
    get_rng_state,
    initial_seed,
    int8,
    int32,
    manual_seed,
    ones,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
    seed,
    set_rng_state,
    tensor,
    uint8,
    zeros,
)

RAND = [0.49625658988952637, 0.7682217955589294, 0.08847743272781372, 0.13203048706054688, 0.30742281675338745]
RAND_64 = [0.9700530018065531, 0.707819864399788, 0.45938294312745087, 0.9207476841219603, 0.6450241201227648]
RANDN_5 = [1.5409960746765137, -0.293428897857666, -2.1787893772125244, 0.5684312582015991, -1.0845223665237427]
RANDN_5_64 = [1.5409961082440433, -0.2934289057609464, -2.1787893820745574, 0.5684312772806678, -1.084522342424021]
RANDN_20 = [
    *(-1.1258398294448853, -1.152360200881958, -0.2505785822868347, -0.4338788092136383, 0.5988394618034363),
    *(-1.5550950765609741, -0.3413603901863098, 1.85300612449646, 0.46809640526771545, -0.1577124446630478),
    *(1.4436601400375366, 0.26604941487312317, 1.3893661499023438, 1.586334228515625, 0.946298360824585),
    *(-0.843676745891571, 0.9318265914916992, 1.2590092420578003, 2.0049805641174316, 0.05373690277338028),
]
RANDN_20_64 = [
    *(-2.310411800234176, -0.3732508612577643, -1.0608166785462863, 0.9995093547811761, -0.019964750907762653),
    *(0.2102998901016947, 0.17718935139366584, -0.830510051008449, 0.23871805816817063, 0.7335283685272841),
    *(-1.3218818291421377, 1.3148113651971234, -0.6870036940435463, 1.4880743158106724, -0.4484158047114511),
    *(-0.8910030351707375, 0.6748575435940039, 1.0468653769814655, 0.15429517864658948, -0.7498915228391941),
]


@pytest.fixture(autouse=True)
def _generator_as_it_was():
    """No test leaves the default generator elsewhere than it found it."""
    state = get_rng_state()
    yield
    set_rng_state(state)


def test_rand_gives_pytorchs_numbers():
    """Uniform numbers are integers divided by a power of two: equal to the bit."""
    manual_seed(0)
    assert rand(5).tolist() == RAND
    manual_seed(0)
    assert rand(5, dtype=float64).tolist() == RAND_64


@pytest.mark.parametrize(
    ("count", "dtype", "numbers"),
    [(5, float32, RANDN_5), (5, float64, RANDN_5_64), (20, float32, RANDN_20), (20, float64, RANDN_20_64)],
)
def test_randn_gives_pytorchs_numbers(count, dtype, numbers):
    """Below 16 numbers one by one, from 16 on in blocks; the last block begins 16 before the end."""
    manual_seed(0)
    # The C library's and NumPy's log, sin and cos differ in the last bit of their dtype
    assert_allclose(randn(count, dtype=dtype), numbers, rtol=0, atol=3e-7 if dtype == float32 else 1e-15)


def test_integers_are_pytorchs():
    """randint from 32 bits below 2 ** 28 values and from 64 above, randperm by Fisher and Yates."""
    expected = {
        (0, 10): [4, 9, 3, 0, 3, 9, 7, 3, 7, 3, 1, 6],
        (-3, 4): [1, 0, -3, -1, -2, -1, 3, 0, 1, 2, -1, -3],
        (0, 2**28): [130329135, 136432832, 195187451, 149257575],
        (-(2**40), 2**40): [-358231004625, -593374360384, 291447657211, -258354086553],
    }
    for (low, high), numbers in expected.items():
        manual_seed(0)
        assert randint(low, high, (len(numbers),)).tolist() == numbers
    manual_seed(0)
    assert randperm(12).tolist() == [8, 0, 5, 9, 7, 4, 2, 10, 3, 1, 11, 6]


def test_second_normal_of_a_pair_waits_for_the_next_call():
    """Three normals are a pair and a half: the other half comes after the uniforms drawn in between."""
    manual_seed(0)
    drawn = [*randn(3).tolist(), *rand(2).tolist(), *randn(3).tolist()]
    pytorchs = [
        *(1.5409960746765137, -0.293428897857666, -2.1787893772125244, 0.455627977848053, 0.6323062777519226),
        *(0.5684312582015991, 0.1603812575340271, -0.6064512133598328),
    ]
    assert_allclose(drawn, pytorchs, rtol=0, atol=3e-7)  # float32's log, sin and cos
    manual_seed(0)
    assert randn(1).item() == np.float32(RANDN_5[0])  # the seed forgets the waiting half


def test_in_place_draws_are_pytorchs():
    """uniform_ on [a, b), normal_ with mean and standard deviation."""
    manual_seed(0)
    uniform = [0.48128294944763184, 1.841109037399292, -1.5576128959655762, -1.3398475646972656]
    assert zeros(4).uniform_(-2, 3).tolist() == uniform
    manual_seed(0)
    normal = [5.622988224029541, 0.11971328407526016, -5.536368370056152, 2.705293893814087]
    assert_allclose(zeros(4).normal_(1, 3), normal, rtol=0, atol=1e-6)  # three times randn's error, and a rounding


def test_same_seed_same_numbers():
    """manual_seed starts the stream anew; only the low 32 bits of a seed count; negative ones will do."""
    for s in (0, 1, 2**31, -1):
        manual_seed(s)
        first = rand(3).tolist()
        manual_seed(s)
        assert rand(3).tolist() == first
        manual_seed(s % 2**32 + 2**32)
        assert rand(3).tolist() == first
    assert manual_seed(7) is default_generator
    assert initial_seed() == 7


def test_generator_is_a_stream_of_its_own():
    """Drawing from it moves no other; every function takes one."""
    manual_seed(0)
    g = Generator().manual_seed(5)
    draws = [
        *(rand(2, generator=g), randn(2, generator=g), randn(20, generator=g), randint(9, (2,), generator=g)),
        *(randperm(4, generator=g), zeros(2).uniform_(generator=g), zeros(2).normal_(generator=g)),
    ]
    assert rand(5).tolist() == RAND
    g.manual_seed(5)
    assert_array_equal(rand(2, generator=g), draws[0])
    assert g.initial_seed() == 5
    assert Generator().initial_seed() == 67280421310721  # PyTorch's default


def test_state_is_saved_and_restored():
    """With the waiting half of a pair; into another generator too, and as a copy that later draws do not touch."""
    g = Generator().manual_seed(3)
    randn(3, generator=g)
    state = g.get_state()
    first = [randn(5, generator=g).tolist(), rand(700, generator=g).tolist()]  # beyond the twister's 624 words
    for other in (g, Generator()):
        assert other.set_state(state) is other
        assert [randn(5, generator=other).tolist(), rand(700, generator=other).tolist()] == first
        assert other.initial_seed() == 3
    manual_seed(0)
    state = get_rng_state()
    first = rand(3).tolist()
    set_rng_state(state)
    assert rand(3).tolist() == first


def test_seed_is_unpredictable_and_returned():
    """Two seeds differ, and the returned one gives the same stream again."""
    s = seed()
    first = rand(3).tolist()
    assert s == initial_seed()
    assert s != Generator().seed()
    manual_seed(s)
    assert rand(3).tolist() == first


def test_shapes_and_dtypes():
    """Numbers, a tuple, size=; the default dtype; the like forms take another's shape and dtype."""
    assert rand(2, 3).shape == rand((2, 3)).shape == rand([2, 3]).shape == (2, 3)
    assert rand(()).shape == randn(()).shape == ()
    assert rand(0).shape == (0,)
    assert randperm(0).shape == (0,)
    assert randint(5, (2, 0)).shape == (2, 0)
    assert rand(1).dtype == randn(1).dtype == float32
    assert randint(5, (1,)).dtype == randperm(2).dtype == np.int64
    assert randint(5, (1,), dtype=int8).dtype == int8
    assert randint(5, (1,), dtype=float32).dtype == float32
    assert randperm(3, dtype=int32).dtype == int32
    like = zeros(2, 3, dtype=float64)
    for drawn in (rand_like(like), randn_like(like), randint_like(like, 5), randint_like(like, 1, 5)):
        assert drawn.shape == like.shape
        assert drawn.dtype == float64
    assert rand(2, requires_grad=True).requires_grad
    assert randn(2, name="W").name == "W"


def test_numbers_lie_where_they_should():
    """Uniform in [0, 1), integers in their range, a permutation each number once, normals of mean 0 and deviation 1."""
    manual_seed(1)
    u, z, k, p = rand(10_000), randn(10_000), randint(-2, 3, (10_000,)), randperm(1_000)
    assert 0 <= u.min()
    assert u.max() < 1
    assert sorted(set(k.tolist())) == [-2, -1, 0, 1, 2]
    assert sorted(p.tolist()) == list(range(1_000))
    # four standard errors of 10,000 draws
    assert abs(u.mean() - 0.5) < 4 * 0.0029
    assert abs(z.mean()) < 4 * 0.01
    assert abs(z.std() - 1) < 4 * 0.0071


def test_in_place_draw_counts_as_a_write():
    """A leaf that requires grad is filled under no_grad only; a saved value that is drawn over is refused."""
    w = ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        w.normal_()
    y = w * 1
    z = y.sin().sum()
    y.uniform_()
    with pytest.raises(RuntimeError, match=r"saved its input .* has overwritten it"):
        z.backward()


@pytest.mark.parametrize(
    ("state", "error", "text"),
    [
        ({"seed": 0}, TypeError, "uint8 tensor of get_state"),
        (zeros(5056), TypeError, "not a float32 tensor"),
        (zeros(16, dtype=uint8), RuntimeError, "wrong size: 5056 bytes"),
        (zeros(5056, dtype=uint8), RuntimeError, "not what get_state"),
    ],
)
def test_what_is_no_state_changes_nothing(state, error, text):
    """Another type, length or content is refused, and the stream goes on as if nothing had been."""
    g = Generator().manual_seed(1)
    first = g.clone_state()
    with pytest.raises(error, match=text):
        g.set_state(state)
    assert rand(3, generator=g).tolist() == rand(3, generator=first).tolist()


REFUSALS = {
    "integer rand": (lambda: rand(3, dtype=int32), "rand: the numbers are floating"),
    "negative length": (lambda: randn(-3), r"negative dimension in shape \(-3,\)"),
    "empty range": (lambda: randint(5, 5, (3,)), "'from' to be less than 'to'"),
    "out of a dtype's range": (lambda: randint(0, 300, (3,), dtype=int8), "0 to 299 is out of bounds for int8"),
    "negative permutation": (lambda: randperm(-1), "must be non-negative"),
    "uniform_ backwards": (lambda: zeros(3).uniform_(2, 1), r"\[from, to\) range"),
    "rand_like of integers": (lambda: rand_like(tensor([1, 2])), "the numbers are floating"),
    "another device": (lambda: rand(2, device="cuda"), "there is no device 'cuda'"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_wrong_call_is_refused(case):
    """RuntimeError, in words."""
    call, text = REFUSALS[case]
    with pytest.raises(RuntimeError, match=text):
        call()
