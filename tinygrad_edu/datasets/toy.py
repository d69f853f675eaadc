"""Points in the plane, seeded, as arrays with one row per point: float64, to be made tensors with dtype=float32."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def petals(points: int = 400, noise: float = 0.2, seed: int = 0) -> tuple[Array, Array]:
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


def moons(points: int = 400, noise: float = 0.1, seed: int = 0) -> tuple[Array, Array]:
    """Two interleaved half circles of radius 1, with scikit-learn's geometry.

    The first is (cos t, sin t), the second (1 - cos t, 1/2 - sin t), with t evenly from 0 to pi in each.

    Args:
        points: how many, half of them of each class.
        noise: standard deviation of both coordinates.
        seed: of the generator.
    Returns:
        X (points, 2) float64 and labels y (points,), 0.0 or 1.0, the classes one after the other.
    """
    half = points // 2
    t, s = np.linspace(0, np.pi, half), np.linspace(0, np.pi, points - half)
    X = np.concatenate([np.stack([np.cos(t), np.sin(t)], 1), np.stack([1 - np.cos(s), 0.5 - np.sin(s)], 1)])
    return _jittered(X, noise, seed), np.repeat([0.0, 1.0], [half, points - half])


def circles(points: int = 400, noise: float = 0.05, factor: float = 0.5, seed: int = 0) -> tuple[Array, Array]:
    """A circle of radius 1 around one of radius `factor`, with scikit-learn's geometry.

    Both are (r cos t, r sin t), with t evenly from 0 up to and without 2 pi.

    Args:
        points: how many, half of them on each circle, the outer first.
        noise: standard deviation of both coordinates.
        factor: radius of the inner circle, between 0 and 1.
        seed: of the generator.
    Returns:
        X (points, 2) float64 and labels y (points,), 0.0 outside and 1.0 inside.
    """
    if not 0 <= factor < 1:
        raise ValueError(f"circles: factor is the inner radius, from 0 up to 1, not {factor}.")
    half = points // 2
    t, s = (np.linspace(0, 2 * np.pi, n, endpoint=False) for n in (half, points - half))
    X = np.concatenate([np.stack([np.cos(t), np.sin(t)], 1), factor * np.stack([np.cos(s), np.sin(s)], 1)])
    return _jittered(X, noise, seed), np.repeat([0.0, 1.0], [half, points - half])


def spirals(
    points: int = 300, classes: int = 3, noise: float = 0.2, turns: float = 0.75, seed: int = 0
) -> tuple[Array, Array]:
    """Arms of a spiral, one per class: (r sin t, r cos t) with r from 0 to 1 and t = 2 pi (turns r + k / classes).

    Args:
        points: how many, as equally many per class as can be.
        classes: arms.
        noise: standard deviation of the angle t, radians.
        turns: of each arm around the centre.
        seed: of the generator.
    Returns:
        X (points, 2) float64 and labels y (points,), int64 from 0 to classes - 1, one class after the other.
    """
    y = _classes(points, classes)
    r = np.concatenate([np.linspace(0, 1, np.count_nonzero(y == k)) for k in range(classes)])
    t = 2 * np.pi * (turns * r + y / classes) + noise * np.random.default_rng(seed).standard_normal(points)
    return np.stack([r * np.sin(t), r * np.cos(t)], axis=1), y


def xor(points: int = 400, noise: float = 0.0, seed: int = 0) -> tuple[Array, Array]:
    """Exclusive or: points uniform on [-1, 1] x [-1, 1], of class 1 where the coordinates' signs differ.

    Args:
        points: how many.
        noise: standard deviation that is added to both coordinates after the class is told.
        seed: of the generator.
    Returns:
        X (points, 2) float64 and labels y (points,), 0.0 or 1.0, in random order.
    """
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (points, 2))
    y = ((X[:, 0] < 0) != (X[:, 1] < 0)).astype(np.float64)
    return X + noise * rng.standard_normal((points, 2)), y


def blobs(
    points: int = 300, classes: int = 3, spread: float = 1.0, box: float = 10.0, seed: int = 0
) -> tuple[Array, Array]:
    """Clouds: normal around centres that are uniform on [-box, box] x [-box, box], as in scikit-learn.

    Args:
        points: how many, as equally many per class as can be.
        classes: clouds.
        spread: standard deviation of both coordinates around the centre.
        box: half the side of the square that the centres lie in.
        seed: of the generator.
    Returns:
        X (points, 2) float64 and labels y (points,), int64 from 0 to classes - 1, one class after the other.
    """
    rng = np.random.default_rng(seed)
    centres = rng.uniform(-box, box, (classes, 2))
    y = _classes(points, classes)
    return centres[y] + spread * rng.standard_normal((points, 2)), y


def _classes(points: int, classes: int) -> Array:
    """Labels in order; the first classes have one point more where they can't be equal."""
    return np.repeat(np.arange(classes), [points // classes + (k < points % classes) for k in range(classes)])


def _jittered(X: Array, noise: float, seed: int) -> Array:
    return X + noise * np.random.default_rng(seed).standard_normal(X.shape)
