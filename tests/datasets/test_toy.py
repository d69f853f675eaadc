"""The toy sets: seeded, balanced, and as hard as they claim."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_edu.datasets import blobs, circles, moons, petals, spirals, xor


def test_petals_are_seeded():
    """The same seed gives the same points, another seed others."""
    np.testing.assert_array_equal(petals(seed=3)[0], petals(seed=3)[0])
    assert not np.array_equal(petals(seed=3)[0], petals(seed=4)[0])


def test_petals_are_balanced_and_shaped():
    """Half of the points belong to each class; an odd one out goes to the second."""
    X, y = petals(401)
    assert X.shape == (401, 2)
    assert (y == 0).sum() == 200
    assert (y == 1).sum() == 201


def test_no_line_parts_the_petals():
    """The best line by least squares is right for little more than half of the points."""
    X, y = petals(400)
    design = np.column_stack([X, np.ones(400)])
    weights = np.linalg.lstsq(design, y, rcond=None)[0]
    assert ((design @ weights > 0.5) == (y > 0.5)).mean() < 0.6


@pytest.mark.parametrize("make", [moons, circles, spirals, xor, blobs, petals])
def test_every_set_is_seeded_and_shaped(make):
    """The same seed gives the same points, another seed others; an odd number of points is as good."""
    X, y = make(101, seed=3)
    assert X.shape == (101, 2)
    assert X.dtype == np.float64
    assert y.shape == (101,)
    np.testing.assert_array_equal(make(101, seed=3)[0], X)
    assert not np.array_equal(make(101, seed=4)[0], X)
    counts = np.unique(y, return_counts=True)[1]
    assert counts.max() - counts.min() <= (25 if make is xor else 1)  # 25: two and a half deviations of 101 tosses


def test_moons_and_circles_have_scikit_learns_geometry():
    """Without noise every point lies on its curve, evenly, the classes one after the other."""
    X, y = moons(6, noise=0)
    np.testing.assert_allclose(X[:3], [[1, 0], [0, 1], [-1, 0]], atol=1e-15)
    np.testing.assert_allclose(X[3:], [[0, 0.5], [1, -0.5], [2, 0.5]], atol=1e-15)
    assert y.tolist() == [0, 0, 0, 1, 1, 1]
    X, y = circles(8, noise=0, factor=0.3)
    np.testing.assert_allclose(X[:4], [[1, 0], [0, 1], [-1, 0], [0, -1]], atol=1e-15)
    np.testing.assert_allclose(X[4:], 0.3 * X[:4], atol=1e-15)
    with pytest.raises(ValueError, match="factor is the inner radius"):
        circles(factor=1.5)


def test_spirals_xor_and_blobs_are_what_they_say():
    """Radii grow from 0 to 1 in each arm; the class is whether the signs differ; clouds lie around their centres."""
    X, y = spirals(30, classes=3, noise=0)
    assert y.dtype == np.int64
    np.testing.assert_allclose(np.hypot(*X.T), np.tile(np.linspace(0, 1, 10), 3), atol=1e-15)
    X, y = xor(200)
    np.testing.assert_array_equal(y, X[:, 0] * X[:, 1] < 0)
    X, y = blobs(3000, classes=3, spread=0.5)
    for k in range(3):
        np.testing.assert_allclose(X[y == k].std(0), 0.5, rtol=0.1)  # 4.5 deviations of 1,000 draws' estimate
