"""The toy sets: seeded, balanced, and as hard as they claim."""

from __future__ import annotations

import numpy as np

from tinygrad_edu.datasets import petals


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
