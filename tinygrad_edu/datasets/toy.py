"""Points in the plane, seeded, as arrays with one row per point."""

from __future__ import annotations

from typing import Any

import numpy as np


def petals(points: int = 400, noise: float = 0.2, seed: int = 0) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Two classes on the interleaved petals of a rose, r = 4 sin(4 t): no line separates them.

    Args:
        points: how many, half of them of each class.
        noise: standard deviation of the angle (radians) and of the radius.
        seed: of the generator.
    Returns:
        X (points, 2) float64 and labels y (points,), 0.0 or 1.0, the classes one after the other.
    """
    rng = np.random.default_rng(seed)
    half = points // 2
    t = np.concatenate([np.linspace(0, np.pi, half), np.linspace(np.pi, 2 * np.pi, points - half)])
    y = np.repeat([0.0, 1.0], [half, points - half])
    t = t + noise * rng.standard_normal(points)
    r = 4 * np.sin(4 * t) + noise * rng.standard_normal(points)
    return np.stack([r * np.sin(t), r * np.cos(t)], axis=1), y
