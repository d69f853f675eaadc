"""NumPy's functions of shape, order and indexing on tensors: NumPy's results, with gradients."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygrad_edu as tg

FUNCTIONS = {
    "flip": lambda a: [np.flip(a), np.flip(a, 0), np.flip(a, (0, 2)), np.fliplr(a), np.flipud(a)],
    "rot90": lambda a: [np.rot90(a), np.rot90(a, 3, (0, 2))],
    "roll": lambda a: [np.roll(a, 2), np.roll(a, -1, 0), np.roll(a, (1, 2), (0, 1))],
    "tile": lambda a: [np.tile(a, 2), np.tile(a, (2, 1, 1, 3))],
    "repeat": lambda a: [np.repeat(a, 2), np.repeat(a, 3, axis=1)],
    "triangles": lambda a: [np.tril(a), np.triu(a, 1)],
    "diagonals": lambda a: [
        np.diagonal(a),
        np.diagonal(a, 1, 1, 2),
        np.diag(a[0]),
        np.diag(a[0, 0], -1),
        np.diagflat(a),
    ],
    "split": lambda a: [*np.split(a, 2), *np.split(a, [1, 2], axis=2), *np.array_split(a, 3, axis=2)],
    "stacks": lambda a: [
        np.hstack([a, a]),
        np.vstack([a, a]),
        np.dstack([a[0], a[1]]),
        np.column_stack([a[0, 0], a[1]]),
    ],
    "moveaxis": lambda a: [np.moveaxis(a, 0, -1), np.moveaxis(a, (0, 1), (2, 0)), np.swapaxes(a, 0, 1)],
    "atleast": lambda a: [np.atleast_1d(a[0, 0, 0]), np.atleast_2d(a[0, 0]), np.atleast_3d(a[0])],
    "broadcast": lambda a: [*np.broadcast_arrays(a, a[0]), np.broadcast_to(a[0], (3, 3, 3))],
    "meshgrid": lambda a: [*np.meshgrid(a[0, 0], a[0, 1]), *np.meshgrid(a[0, 0], a[0, 1], indexing="ij")],
    "sort": lambda a: [np.sort(a), np.sort(a, axis=0), np.sort(a, axis=None)],
    "take": lambda a: [np.take(a, np.array([0, -1])), np.take(a, np.array([[0, 1], [1, 0]]), axis=1)],
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_numpys_function_on_a_tensor(name, rng):
    """The numbers are those of the function on the array, and moving an element moves what it became."""
    array = rng.standard_normal((2, 3, 3))
    x = tg.tensor(array, requires_grad=True)
    results = FUNCTIONS[name](x)
    for found, expected in zip(results, FUNCTIONS[name](array), strict=True):
        assert_array_equal(found.detach(), expected)
    sum((y * y).sum() for y in results).backward()
    V = rng.standard_normal(array.shape)
    h = 1e-4  # the sum of squares is a quadratic function: a central difference is exact but for rounding
    up, down = (sum((y * y).sum() for y in FUNCTIONS[name](array + s * V)) for s in (h, -h))
    np.testing.assert_allclose(np.sum(x.grad.numpy() * V), (up - down) / (2 * h), rtol=1e-8)


@pytest.mark.parametrize(
    "function",
    [
        np.argsort,
        np.nonzero,
        np.argwhere,
        np.flatnonzero,
        lambda a: np.searchsorted(np.arange(3.0), a),
        lambda a: np.isin(a, a[0]),
    ],
)
def test_places_have_no_gradient(function, rng):
    """Indices and truths are NumPy's, as tensors outside of the graph."""
    array = rng.integers(-1, 3, (3, 4)).astype(np.float64)
    found = function(tg.tensor(array, requires_grad=True))
    expected = function(array)
    if not isinstance(found, tuple):
        found, expected = (found,), (expected,)
    for y, e in zip(found, expected, strict=True):
        assert not getattr(y, "requires_grad", False)
        assert_array_equal(y, e)
