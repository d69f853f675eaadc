"""Numbers for check_by_hand: lines evaluated from what a student has, and when two numbers are the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..core.record import Record
from ..core.symbol import Symbol
from . import replay
from .explanation import Explanation, Scale
from .expressions import atoms, evaluate
from .mistakes import Sources

Array = np.ndarray[Any, Any]
SAME = 1e-6  # largest difference over the largest magnitude that is none: people add 1e-8 inside of a log
SAME_EPS = 800  # the same in units of the precision: 1e-4 in float32
ROUNDINGS = 20  # how many times what rounding does to autograd itself is allowed to a student


class World(NamedTuple):
    """The graph's values, and all cotangents that they lead to; the right ones or others."""

    values: dict[Record, Any]
    cotangents: dict[Record, Any]
    name: str = ""


class Reckoning:
    """The lines of `explain` in both scales, evaluated with the student's gradients in the place of ours."""

    def __init__(self, readings: dict[Scale, Explanation], given: dict[str, Any]) -> None:
        self.readings, self.given = readings, given
        self.exact = readings["exact"]
        self.root = self.exact.root
        self.m = self.exact.m or 1
        self.lines = {s: {line.record: line for line in e.backward} for s, e in readings.items()}
        self.sources = {s: Sources(e) for s, e in readings.items()}
        self.world = World(*self.exact.numbers.all)
        self.worlds = [self.world]
        # Per scale and value: the gradient that later lines of the student have read
        self.seen: dict[Scale, dict[Record, Any]] = {s: {} for s in readings}
        self.origin: dict[Record, str] = {}  # gradients that are wrong: the equation with the mistake
        self.scales: dict[Record, set[Scale]] = {}  # of what was given: the scales that it can be in
        self.cleared: set[Record] = set()  # not given, but right, because something right was computed from them
        self.noise = self._roundings()

    def _roundings(self) -> dict[Record, float]:
        """What rounding does to each gradient: the middle of three runs with every value moved a little."""
        rng = np.random.default_rng(0)
        order = self.exact.order
        floats = [r.dtype for r in order if not isinstance(r.dtype, tuple) and r.dtype.kind == "f"]
        eps = max(float(np.finfo(d).eps) for d in floats)
        found: dict[Record, list[float]] = {}

        def touch(a: Any) -> Any:
            a = replay.wide(a)
            return a * (1 - 2 * eps * rng.uniform(0, 1, a.shape)) if a.dtype.kind == "f" else a  # towards 0: in domain

        for _ in range(3):
            try:
                cotangents = replay.backward(order, replay.forward(order, touch=touch), touch=touch)
            except (RuntimeError, ValueError):  # a check of values that stand at the border of what is allowed
                cotangents = self.world.cotangents
            for record in self.lines["exact"]:
                gap = np.abs(cotangents[record] - self.world.cotangents[record])
                found.setdefault(record, []).append(float(np.nan_to_num(gap, posinf=0).max(initial=0)))
        self.eps = eps
        return {record: sorted(gaps)[1] for record, gaps in found.items()}

    # --- numbers

    def factor(self, record: Record, scale: Scale) -> float:
        """What the exact gradient is multiplied by in a scale."""
        inner = record.primitive is not None and record is not self.root
        return float(self.m) if scale == "textbook" and inner else 1.0

    def right(self, record: Record, scale: Scale) -> Any:
        return self.world.cotangents[record] * self.factor(record, scale)

    def number(self, x: Any, scale: Scale, world: World | None = None, instead: Mapping[int, Any] | None = None) -> Any:
        """An expression's value with the student's gradients in the place of ours; None where shapes don't allow it."""
        world = world or self.world
        e = self.readings[scale]

        def lookup(atom: Symbol) -> Any:
            if instead and id(atom) in instead:
                return instead[id(atom)]
            known = e.stands_for(atom)
            if isinstance(known, Record):
                seen = self.seen[scale].get(known)
                return self.right(known, scale) if seen is None else seen
            return known(world.values)

        try:
            with np.errstate(all="ignore"):
                return np.asarray(evaluate(x, lookup))
        except (ValueError, TypeError, IndexError, RuntimeError):
            return None

    def forms(self, record: Record, scale: Scale) -> list[Any]:
        """The line as it is printed, and with the chain rule's own factors where it cancels."""
        line = self.lines[scale][record]
        return list({id(x): x for x in (line.symbol, *self.readings[scale].steps.get(line.name, ()))}.values())

    def upstream(self, record: Record, scale: Scale) -> list[Record]:
        """The gradients that a line reads, those that its shortest form has cancelled included."""
        e = self.readings[scale]
        found: dict[Record, None] = {}
        for x in self.forms(record, scale):
            for atom in atoms(x):
                known = e.stands_for(atom)
                if isinstance(known, Record) and known is not record:
                    found[known] = None
        return list(found)

    def room(self, record: Record, scale: Scale, size: float, dtype: Any) -> float:
        """The largest difference that is none."""
        eps = max(self.eps, float(np.finfo(dtype).eps) if dtype.kind == "f" else 0.0)
        rounding = ROUNDINGS * eps / self.eps * self.noise.get(record, 0) * self.factor(record, scale)
        return max(SAME, SAME_EPS * eps) * size + rounding

    def same(self, G: Array, C: Any, record: Record, scale: Scale) -> bool:
        C = fitted(C, record.shape)
        if C is None or G.shape != C.shape:
            return False
        gap, size = gap_of(G, C)
        return bool(gap <= self.room(record, scale, size, G.dtype))

    def matching(self, G: Array, C: Any, record: Record, scale: Scale, expected: Any) -> bool:
        """Whether a candidate explains what was given: it is much nearer to it than the right value is."""
        if C is None:
            return False
        if C.shape != G.shape:
            if C.size == G.size and squeezed(G) == squeezed(C):
                C = C.reshape(G.shape)
            elif C.shape == () or (
                C.ndim == G.ndim and all(c in (1, g) for c, g in zip(C.shape, G.shape, strict=True))
            ):
                if G.shape != record.shape:
                    return False
                C = np.broadcast_to(C, G.shape)
            else:
                return False
        gap, size = gap_of(G, C)
        if not gap <= self.room(record, scale, size, G.dtype) or not size:
            return False
        if expected is not None and np.shape(expected) == G.shape:
            return bool(gap < 0.1 * gap_of(G, expected)[0])
        return True

    def allowed(self, record: Record) -> list[Scale]:
        """The scales in which a line that reads what was given can stand."""
        found: set[Scale] = set()
        queue, met = [record], {record}
        while queue:
            for u in self.upstream(queue.pop(), "exact"):
                found |= self.scales.get(u, set())
                if (
                    u not in self.scales and u not in met and u is not self.root
                ):  # not given: it is in that of those before
                    queue.append(u)
                met.add(u)
        return [s for s in self.readings if not found or s in found]

    def hidden(self, record: Record, scale: Scale) -> list[Record]:
        """The lines before a line that were not given and may be wrong, the nearest first."""
        found: dict[Record, None] = {}
        queue = [record]
        while queue:
            for u in self.upstream(queue.pop(0), scale):
                named = f"{self.lines[scale][u].name}" if u in self.lines[scale] else ""
                if u is not self.root and u not in found and u not in self.cleared and named not in self.given:
                    found[u] = None
                    queue.append(u)
        place = {r: i for i, r in enumerate(self.lines[scale])}
        return sorted(found, key=lambda r: -place[r])

    def tidy(self, x: Any, scale: Scale) -> Any:
        """m 1/m cancelled."""
        try:
            return self.readings[scale].algebra.simplify(x)
        except (ValueError, TypeError, AssertionError):
            return x

    def central(self, record: Record, at: tuple[int, ...]) -> float:
        """(L(v + h) - L(v - h)) / 2h at one entry of a value."""
        order = self.exact.order
        value = np.array(self.world.values[record], np.float64)
        h = 6e-6 * max(1.0, abs(float(value[at])))  # cbrt(eps): truncation and rounding balance
        found = []
        for sign in (1, -1):
            moved = value.copy()
            moved[at] += sign * h
            try:
                found.append(float(np.sum(replay.forward(order, {record: moved})[self.root])))
            except (RuntimeError, ValueError):  # the function ends here: a probability above 1
                return float("nan")
        return (found[0] - found[1]) / (2 * h)


def gap_of(G: Any, C: Any) -> tuple[float, float]:
    """The largest difference, NaN being equal to NaN, and the largest magnitude of the second."""
    with np.errstate(all="ignore"):
        same = (G == C) | (np.isnan(G) & np.isnan(C))
        gap = np.where(same, 0.0, np.abs(np.asarray(G, np.float64) - C)).max(initial=0.0)
        size = np.abs(np.where(np.isfinite(C), C, 0)).max(initial=0.0)
    return (float(gap) if not np.isnan(gap) else np.inf), float(size)


def fitted(C: Any, shape: tuple[int, ...]) -> Any:
    """A formula's numbers in the shape of what it computes: axes of length 1, and copies, are not written."""
    if C is None or np.shape(C) == shape:
        return C
    if squeezed(C) == tuple(n for n in shape if n != 1):
        return np.reshape(C, shape)
    try:
        return np.broadcast_to(C, shape)
    except ValueError:
        return C


def squeezed(a: Any) -> tuple[int, ...]:
    return tuple(n for n in np.shape(a) if n != 1)


def plain(c: float) -> str:
    return f"{c:.4g}"
