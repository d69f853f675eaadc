"""Resizing and shuffling against PyTorch: every mode, by sizes and by scales."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from .side_by_side import OURS, THEIRS, assert_refused_alike, compare  # noqa: E402  # skips itself as well

LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
SCALES = (2, 3, 0.5, 1.5, 0.7, 1.0, 1.7)  # not 2.3: of 3 elements PyTorch's gradient there is not its value's


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "area", "linear", "bicubic"])
@pytest.mark.parametrize("number", range(6))
def test_interpolation_agrees(number, mode, dims):
    """Larger and smaller, by size and by scale, recomputed or not; gradients to second order."""
    if mode == "bicubic":
        dims = 2
    rng = np.random.default_rng(10 * number + dims)
    shape = (2, 2, *rng.integers(2, 7, dims).tolist())
    mode = LINEAR[dims] if mode == "linear" else mode
    align = None if mode[0] in "na" else (None, False, True)[number % 3]
    size = rng.integers(1, 9, dims).tolist()
    scales = rng.choice(SCALES, dims).tolist()
    recompute = (None, True, False)[number // 2]
    compare(lambda L, x: L.F.interpolate(x, size, None, mode, align), shape, rng=rng, exact=False)
    compare(lambda L, x: L.F.interpolate(x, None, scales, mode, align, recompute), shape, rng=rng, exact=False)


def test_lengths_that_stay_and_lengths_of_one_agree(rng):
    """The same size copies; one element becomes many."""
    for mode in ("nearest", "bilinear", "bicubic", "area"):
        compare(lambda L, x, m=mode: L.F.interpolate(x, (3, 4), mode=m), (1, 1, 3, 4), rng=rng, exact=False)
        compare(lambda L, x, m=mode: L.F.interpolate(x, 5, mode=m), (1, 2, 1, 1), rng=rng, exact=False)
        compare(lambda L, x, m=mode: L.F.interpolate(x, 5, mode=m), (0, 2, 3, 3), rng=rng, exact=False)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic"])
def test_float32_agrees(mode, rng):
    """Places are computed in float32 as well, so that a tie falls to the same side."""
    x = rng.standard_normal((1, 1, 37, 53)).astype(np.float32)
    for how in ({"size": (101, 97)}, {"scale_factor": 2.7}, {"scale_factor": (1 / 3, 0.61)}):
        ours, theirs = (L.F.interpolate(L.make(x), mode=mode, **how).numpy() for L in (OURS, THEIRS))
        # A few products of numbers of order 1, whose weights are differences of places up to 53: 53 eps.
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=0 if mode.startswith("nearest") else 2e-5)


def test_shuffles_agree(rng):
    """Pixels out of channels and back, channels among themselves, any number of axes before."""
    compare(lambda L, x: L.F.pixel_shuffle(x, 2), (2, 8, 3, 2), rng=rng)
    compare(lambda L, x: L.m.pixel_shuffle(x, 3), (9, 1, 2), rng=rng)
    compare(lambda L, x: L.F.pixel_unshuffle(x, 2), (2, 3, 2, 4, 6), rng=rng)
    compare(lambda L, x: L.m.pixel_unshuffle(x, 3), (2, 3, 9), rng=rng)
    compare(lambda L, x: L.F.channel_shuffle(x, 3), (2, 6, 2), rng=rng)
    compare(lambda L, x: L.m.channel_shuffle(x, 2), (2, 4, 2, 2), rng=rng)


REFUSED = [
    {"size": 3, "scale_factor": 2},
    {},
    {"size": (2, 2, 2)},
    {"scale_factor": (2, 2, 2)},
    {"scale_factor": 2, "align_corners": True},
    {"size": 3, "mode": "linear"},
    {"size": 3, "mode": "trilinear"},
    {"size": 3, "mode": "cubic"},
    {"size": 0},
    {"size": (2.5, 2)},
    {"scale_factor": 0.1},
    {"size": 3, "recompute_scale_factor": True},
    {"size": 3, "antialias": True},
]


@pytest.mark.parametrize("how", REFUSED, ids=str)
def test_interpolation_refuses_alike(how):
    """By an exception that whoever catches PyTorch's also catches."""
    assert_refused_alike(lambda L, x: L.F.interpolate(x, **how), (1, 1, 4, 4))


def test_shuffles_refuse_alike():
    """Channels that do not divide, factors that are not positive, images without channels."""
    for shape, r in (((2, 6, 3, 3), 2), ((4, 4), 2), ((2, 4, 3, 3), 0)):
        assert_refused_alike(lambda L, x, r=r: L.F.pixel_shuffle(x, r), shape)
        assert_refused_alike(lambda L, x, r=r: L.F.pixel_unshuffle(x, r), shape)
    for shape, groups in (((2, 5, 3), 2), ((4, 4), 2), ((2, 4, 3), 0)):
        assert_refused_alike(lambda L, x, g=groups: L.F.channel_shuffle(x, g), shape)
    assert_refused_alike(lambda L, x: L.F.interpolate(x, 2), (4, 4))
    assert_refused_alike(lambda L, x: L.F.interpolate(x, 2), (1, 0, 4, 4))


def test_antialias_is_refused_by_name():
    """What PyTorch can and this cannot says so, and what to do."""
    with pytest.raises(ValueError, match="anti-alias option is not available; smooth with avg_pool2d"):
        OURS.F.interpolate(OURS.make(np.ones((1, 1, 4, 4))), 2, mode="bilinear", antialias=True)
