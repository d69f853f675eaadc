"""How far to go: a step that satisfies the strong Wolfe conditions, along a line that leads down.

With f and its slope at t = 0, a step t is good if f has fallen by a part of what the slope promised,
f(t) <= f(0) + C1 t slope(0), and the slope has flattened, |slope(t)| <= C2 |slope(0)|. First the step grows
until good ones lie between two points; then that bracket shrinks by cubic interpolation.

Source: Nocedal and Wright, "Numerical Optimization" (2006), algorithms 3.5 and 3.6, equation 3.59, with the
safeguards of Schmidt's minFunc, which PyTorch has too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

C1, C2 = 1e-4, 0.9  # Nocedal and Wright, section 3.1, for quasi-Newton directions
NARROW = 1e-9  # PyTorch's, whatever tolerance_change is


class Point(NamedTuple):
    """A place on the line: how far along, the value there, its gradient, and the slope along the line."""

    t: Any
    f: float
    G: np.ndarray[Any, Any]
    slope: Any


def strong_wolfe(evaluate: Callable[[Any], Point], start: Point, t: Any, reach: Any, limit: int) -> tuple[Point, int]:
    """A point that satisfies both conditions, or the best one found.

    Args:
        evaluate: the point at a distance t; runs the closure.
        start: the point at t = 0, with slope < 0.
        t: the first distance to try.
        reach: the largest component of the direction; a bracket that moves no weight by NARROW ends the search.
        limit: how many points to try besides the first.
    Returns:
        The point, and the number of evaluations.
    """

    def too_high(point: Point) -> bool:
        return bool(point.f > start.f + C1 * point.t * start.slope)

    def is_flat(point: Point) -> bool:
        return bool(abs(point.slope) <= -C2 * start.slope)

    before, point, tried = start, evaluate(t), 0
    while tried < limit:
        if too_high(point) or (tried > 1 and point.f >= before.f):
            break
        if is_flat(point):
            return point, tried + 1
        if point.slope >= 0:
            break
        least, most = point.t + 0.01 * (point.t - before.t), point.t * 10
        t = interpolate(before, point, least, most)
        before, point, tried = point, evaluate(t), tried + 1
    else:
        before = start
    bracket: list[Point] = [before, point]
    low = 0 if before.f <= point.f else 1
    stuck = False  # whether the last step came too near to the bracket's end
    while tried < limit and not abs(bracket[1].t - bracket[0].t) * reach < NARROW:
        left, right = sorted(bracket, key=lambda p: p.t)
        t = interpolate(left, right, left.t, right.t)
        margin = 0.1 * (right.t - left.t)
        near = min(right.t - t, t - left.t) < margin
        if near and (stuck or t >= right.t or t <= left.t):
            t = right.t - margin if abs(t - right.t) < abs(t - left.t) else left.t + margin
            near = False
        stuck = near
        point, tried = evaluate(t), tried + 1
        if too_high(point) or point.f >= bracket[low].f:
            bracket[1 - low] = point
            low = 0 if bracket[0].f <= bracket[1].f else 1
            continue
        if is_flat(point):
            return point, tried + 1
        if point.slope * (bracket[1 - low].t - bracket[low].t) >= 0:
            bracket[1 - low] = bracket[low]
        bracket[low] = point
    return bracket[low], tried + 1


def interpolate(a: Point, b: Point, least: Any, most: Any) -> Any:
    """Where the cubic with these values and slopes at a and b, a.t <= b.t, is least; the middle if nowhere."""
    d = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    square = d**2 - a.slope * b.slope
    if not square >= 0:
        return (least + most) / 2.0
    root = np.sqrt(square)
    t = b.t - (b.t - a.t) * ((b.slope + root - d) / (b.slope - a.slope + 2 * root))
    return min(max(t, least), most)
