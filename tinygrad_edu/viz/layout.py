"""Places for the boxes of a graph, in layers, and ways for its arrows: Sugiyama's method.

1. Layers: a box stands just above the highest of those that use it, so most arrows are one layer long; one that
   nobody uses just below what it comes from.
2. A longer arrow gets a point in every layer that it passes. Arrows from one box share their points
   as long as they run together: they carry the same value, and a value that 1,000 others use needs
   one line down the page rather than 1,000.
3. Order: each layer is sorted by the mean place of its neighbours above, then below, in turn; the
   order with the fewest crossings is kept.
4. Coordinates: each box wants to stand at the mean of its neighbours. The nearest places to that, in
   least squares, that keep order and distances come from pooling what is too near (isotonic regression).

Source: Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system
structures" (1981). Deterministic: the order of the arguments decides ties.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

BESIDE, BETWEEN = 22.0, 44.0  # free space between neighbours in a layer, and between layers; points
STRAIGHT = 10.0  # of that, at each box: an arrow's head lies on a straight piece
PASSING = 6.0  # half the width that an arrow has to itself where it passes a layer
ROUNDS = 5  # sweeps down and up; on 200 random graphs three more save 1 crossing in 100
LIGHT = 0.1  # what a parameter's wish counts: it stands beside the way that the data take
BRANCH = 0.2  # what a neighbour counts that a long arrow comes from or goes to
LARGE = 10_000  # points; if there would be more, the longest arrows get none and may pass behind boxes

Point = tuple[float, float]


class Route(NamedTuple):
    """A line that descends, on the way of the arrows from box `source`.

    `points` are the ends of straight pieces; between one piece and the next it bends. It begins at the
    lower edge of that box or (`begins` is false) where it parts from another, and ends at the upper edge of box
    `target` or (None) where others go on.
    """

    points: list[Point]
    source: str
    begins: bool
    target: str | None


class Layout(NamedTuple):
    """`places` are the centres of the boxes; nothing has a negative coordinate."""

    places: dict[str, Point]
    routes: list[Route]
    width: float
    height: float


def layout(sizes: Mapping[str, tuple[float, float]], arrows: Sequence[tuple[str, str]]) -> Layout:
    """Places for boxes of these widths and heights, so that arrows run downwards and nothing overlaps.

    Args:
        sizes: by name; the order settles what is left open.
        arrows: from, to; several between the same boxes are several. No cycles.
    """
    grid = _Grid(sizes, arrows)
    grid.order()
    x = grid.straighten()
    return grid.drawn(x)


class _Grid:
    """Boxes, and the points of long arrows, in layers. All are numbers: boxes first, as they were given."""

    def __init__(self, sizes: Mapping[str, tuple[float, float]], arrows: Sequence[tuple[str, str]]) -> None:
        self.names = list(sizes)
        number = {name: i for i, name in enumerate(self.names)}
        self.half = [w / 2 for w, _ in sizes.values()]
        self.tall = [h for _, h in sizes.values()]
        pairs = [(number[a], number[b]) for a, b in arrows]
        self.layer = _layers(len(self.names), pairs)
        self.above: list[list[int]] = [[] for _ in self.names]  # neighbours, an arrow each
        self.below: list[list[int]] = [[] for _ in self.names]
        self.boxes = len(self.names)
        self.owner = list(range(self.boxes))  # of a point the box whose arrows pass it
        self.light = [True] * self.boxes  # nothing leads to it
        targets: dict[int, list[int]] = {}
        for a, b in pairs:
            targets.setdefault(a, []).append(b)
            self.light[b] = False
        longest = self._longest(targets)
        for a, ends in targets.items():
            last = a
            for b in sorted(ends, key=lambda b: self.layer[b]):
                if self.layer[b] - self.layer[a] > longest:
                    self.below[a].append(b)
                    self.above[b].append(a)
                    continue
                while self.layer[last] < self.layer[b] - 1:
                    last = self._point(last)
                self.below[last].append(b)
                self.above[b].append(last)
        self.rows: list[list[int]] = [[] for _ in range(max(self.layer, default=-1) + 1)]
        for i, k in enumerate(self.layer):
            self.rows[k].append(i)

    def _longest(self, targets: dict[int, list[int]]) -> int:
        """The most layers that an arrow may span and have its points, if there are to be no more than LARGE."""
        spans = sorted(max(self.layer[b] for b in ends) - self.layer[a] for a, ends in targets.items())
        total = 0
        for shorter, span in pairwise([0, *spans]):
            total += span - 1
            if total > LARGE:
                return max(shorter, 1)
        return len(self.layer)

    def _point(self, before: int) -> int:
        """One layer further on the way of an arrow."""
        new = len(self.layer)
        self.layer.append(self.layer[before] + 1)
        self.owner.append(self.owner[before])
        self.light.append(False)
        self.half.append(PASSING)
        self.tall.append(0.0)
        self.below[before].append(new)
        self.above.append([before])
        self.below.append([])
        return new

    # --- order

    def order(self) -> None:
        """Sort every layer so that few arrows cross."""
        place = [0.0] * len(self.layer)
        self._number(place)
        best, fewest = [row[:] for row in self.rows], self._crossings(place)
        idle = 0  # turns since the last gain
        for turn in range(2 * ROUNDS):
            if not fewest or idle == 4:
                break
            down = turn % 2 == 0
            rows = self.rows if down else self.rows[::-1]
            sides = self.above if down else self.below
            for row in rows:
                wish = {i: _mean([place[j] for j in sides[i]], place[i]) for i in row}
                row.sort(key=wish.__getitem__)
                for p, i in enumerate(row):
                    place[i] = p
            crossings = self._crossings(place)
            idle += 1
            if crossings < fewest:
                idle = 0
                best, fewest = [row[:] for row in self.rows], crossings
        self.rows = best

    def _number(self, place: list[float]) -> None:
        for row in self.rows:
            for p, i in enumerate(row):
                place[i] = p

    def _crossings(self, place: list[float]) -> int:
        total = 0
        for row in self.rows:
            ends: list[float] = []  # lower ends met so far, sorted
            for i in row:
                lower = sorted(place[j] for j in self.below[i])
                total += sum(len(ends) - bisect_left(ends, p + 0.5) for p in lower)
                for p in lower:
                    insort(ends, p)
        return total

    # --- coordinates

    def straighten(self) -> list[float]:
        """The centre of everything across the layers."""
        x = [0.0] * len(self.layer)
        for row in self.rows:
            offsets = self._offsets(row)
            for i, o in zip(row, offsets, strict=True):
                x[i] = o - offsets[-1] / 2
        for turn in range(2 * ROUNDS + 1):
            sides = (self.above, self.below) if turn == 2 * ROUNDS else ((self.above,), (self.below,))[turn % 2]
            for row in self.rows if turn % 2 == 0 else reversed(self.rows):
                wishes = [self._wish(i, [j for side in sides for j in side[i]], x) for i in row]
                # Where an arrow passes it shall run straight, if need be at the cost of boxes.
                weights = [LIGHT if self.light[i] else 1.0 if i < self.boxes else 4.0 for i in row]
                for i, found in zip(row, _spread(wishes, weights, self._offsets(row)), strict=True):
                    x[i] = found
        left = min((x[i] - self.half[i] for i in range(len(x))), default=0.0)
        return [v - left for v in x]

    def _wish(self, i: int, near: list[int], x: list[float]) -> float:
        """Where it would stand best: in line with an arrow that passes, else below what it is computed from."""
        total = weights = 0.0
        for j in near:
            points = (i >= self.boxes) + (j >= self.boxes)
            weight = LIGHT if self.light[j] else (1.0, BRANCH, 8.0)[points]
            total += weight * x[j]
            weights += weight
        return total / weights if near else x[i]

    def _offsets(self, row: list[int]) -> list[float]:
        """How far from the first of a layer each one stands at least."""
        offsets = [0.0]
        for a, b in pairwise(row):
            free = BESIDE if a < self.boxes or b < self.boxes else 0.0
            offsets.append(offsets[-1] + self.half[a] + free + self.half[b])
        return offsets[: len(row)]

    def drawn(self, x: list[float]) -> Layout:
        """The result, with the layers one below the other."""
        heights = [max((self.tall[i] for i in row), default=0.0) for row in self.rows]
        tops, y = [], 0.0
        for height in heights:
            tops.append(y)
            y += height + BETWEEN
        middle = [tops[k] + heights[k] / 2 for k in self.layer]
        ports = self._ports(x)
        routes = []
        for i in range(len(self.layer)):
            source = self.names[self.owner[i]]
            for b in self.below[i]:
                if b >= self.boxes and i >= self.boxes:
                    continue  # part of a way that is drawn once, from its box on
                leaves = tops[self.layer[i]] + heights[self.layer[i]] + (STRAIGHT if i < self.boxes else 0.0)
                points = [(x[i], middle[i] + self.tall[i] / 2), (x[i], leaves)]
                if b < self.boxes:
                    port = ports[i, b].pop(0)
                    points += [(port, tops[self.layer[b]] - STRAIGHT), (port, middle[b] - self.tall[b] / 2)]
                    routes.append(Route(points, source, i < self.boxes, self.names[b]))
                    continue
                following = [b]
                while following:
                    (b,) = following
                    k = self.layer[b]
                    points += [(x[b], tops[k]), (x[b], tops[k] + heights[k])]
                    following = [j for j in self.below[b] if j >= self.boxes]
                routes.append(Route(points, source, True, None))
        places = {name: (x[i], middle[i]) for i, name in enumerate(self.names)}
        width = max((x[i] + self.half[i] for i in range(len(x))), default=0.0)
        return Layout(places, routes, width, max(y - BETWEEN, 0.0))

    def _ports(self, x: list[float]) -> dict[tuple[int, int], list[float]]:
        """Where on a box's upper edge its arrows meet it, side by side as they come from above."""
        found: dict[tuple[int, int], list[float]] = {}
        for b in range(self.boxes):
            coming = sorted(self.above[b], key=x.__getitem__)
            apart = min(16.0, 1.2 * self.half[b] / max(len(coming), 1))
            for rank, i in enumerate(coming):
                found.setdefault((i, b), []).append(x[b] + (rank - (len(coming) - 1) / 2) * apart)
        return found


def _layers(count: int, pairs: list[tuple[int, int]]) -> list[int]:
    """0 for the top; each box just above the highest that it has an arrow to, or just below what it comes from."""
    sources: list[list[int]] = [[] for _ in range(count)]
    users = [0] * count
    for a, b in pairs:
        sources[b].append(a)
        users[a] += 1
    rank = [0] * count  # from below
    ready = [i for i in range(count) if not users[i]]
    unused = list(ready)
    for b in ready:
        for a in sources[b]:
            rank[a] = max(rank[a], rank[b] + 1)
            users[a] -= 1
            if not users[a]:
                ready.append(a)
    if len(ready) < count:
        raise ValueError("layout: the arrows go round in a circle.")
    highest = max(rank, default=0)
    layers = [highest - r for r in rank]
    for b in unused:
        if sources[b]:
            layers[b] = 1 + max(layers[a] for a in sources[b])
    return layers


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _spread(wishes: list[float], weights: list[float], offsets: list[float]) -> list[float]:
    """The places nearest to the wishes, weighted, of which each is at least `offsets` further than the one before."""
    blocks: list[tuple[float, float, int]] = []  # a common place, its weight, how many share it
    for wish, weight, offset in zip(wishes, weights, offsets, strict=True):
        place, count = wish - offset, 1
        while blocks and blocks[-1][0] > place:
            other, w, n = blocks.pop()
            place, weight, count = (place * weight + other * w) / (weight + w), weight + w, count + n
        blocks.append((place, weight, count))
    places = [place for place, _, count in blocks for _ in range(count)]
    return [place + offset for place, offset in zip(places, offsets, strict=True)]
