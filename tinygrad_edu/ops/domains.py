"""Where the tests draw the inputs of a primitive: inside its domain, away from kinks and poles.

A primitive says `domain=positive`, or one per input; its rows in the test table come from that.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.primitive import Sampler, everywhere

__all__ = ["apart", "everywhere", "nonzero", "positive", "unit", "within"]

Shape = tuple[int, ...]


def within(low: float, high: float) -> Sampler:
    """Uniform on [low, high]."""

    def draw(rng: np.random.Generator, shape: Shape) -> np.ndarray[Any, Any]:
        return rng.uniform(low, high, shape)

    return draw


def nonzero(rng: np.random.Generator, shape: Shape) -> np.ndarray[Any, Any]:
    """Of both signs, at least 0.3 from zero."""
    return np.asarray(rng.uniform(0.3, 2.0, shape) * rng.choice([-1.0, 1.0], shape))


def apart(rng: np.random.Generator, shape: Shape) -> np.ndarray[Any, Any]:
    """Larger than any quotient of `nonzero` steps over: the rounding inside remainder stays put."""
    return rng.uniform(5.0, 7.0, shape)


positive = within(0.3, 2.0)
unit = within(0.1, 0.9)
