"""Resizing without PyTorch: what can be told by hand."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from tinygrad_edu import tensor
from tinygrad_edu.nn import functional as F
from tinygrad_edu.symbolic.trace import trace


def test_nearest_by_a_whole_factor_repeats(rng):
    """Each pixel becomes a block of 3 x 3, and its gradient is the block's sum."""
    x = tensor(rng.standard_normal((2, 1, 4, 5)), requires_grad=True)
    y = F.interpolate(x, scale_factor=3)
    assert_array_equal(y.detach().numpy(), np.kron(x.detach().numpy(), np.ones((3, 3))))
    y.sum().backward()
    assert_array_equal(x.grad.numpy(), 9)


def test_linear_with_aligned_corners_is_np_interp(rng):
    """n to m elements: the old at 0 .. n - 1, the new evenly between them."""
    x = rng.standard_normal(6)
    for m in (2, 5, 6, 13):
        y = F.interpolate(tensor(x[None, None]), m, mode="linear", align_corners=True).numpy()[0, 0]
        # weights are differences of places below 6
        assert_allclose(y, np.interp(np.linspace(0, 5, m), np.arange(6.0), x), rtol=0, atol=1e-14)


def test_straight_lines_stay_straight():
    """Bilinear continues a plane exactly, away from the edges, where places are clamped."""
    plane = np.add.outer(2 * np.arange(8.0), np.arange(8.0))[None, None]
    centres = (np.arange(16) + 0.5) / 2 - 0.5
    expected = np.add.outer(2 * centres, centres)[4:-4, 4:-4]
    y = F.interpolate(tensor(plane), scale_factor=2, mode="bilinear").numpy()[0, 0]
    assert_allclose(y[4:-4, 4:-4], expected, rtol=1e-14)


def test_pixel_shuffle_is_undone(rng):
    """pixel_unshuffle takes it back, and channel_shuffle by g is undone by C / g."""
    x = tensor(rng.standard_normal((2, 12, 3, 2)))
    assert_array_equal(F.pixel_unshuffle(F.pixel_shuffle(x, 2), 2).numpy(), x.numpy())
    assert_array_equal(F.channel_shuffle(F.channel_shuffle(x, 3), 4).numpy(), x.numpy())


def test_resizing_is_traced(rng):
    """A recorded program resizes other numbers."""
    x, other = rng.standard_normal((2, 1, 2, 5, 3))

    def step(t):
        return F.interpolate(t, (7, 7), mode="bilinear") * F.interpolate(t, (7, 7), mode="area")

    program = trace(step, tensor(x))
    assert_array_equal(program(tensor(other)).numpy(), step(tensor(other)).numpy())
