"""Mistakes that are not in the line itself: in one before it that was not given, in the forward pass, in weights."""

from __future__ import annotations

import itertools

import numpy as np

from ..core.record import Record
from ..core.symbol import Symbol
from . import replay
from .explanation import Scale
from .expressions import atoms, substituted
from .mistakes import Mistake, Sources
from .printer import expression
from .reckoning import Array, World, fitted, plain
from .report import Entry
from .suspects import VAGUE, Suspects

TRIALS = 20_000  # lines evaluated in search of one mistake in lines that weren't given; a second or so
MANY = 300_000  # entries; beyond, mistakes in lines that weren't given are not searched for


class Elsewhere(Suspects):
    """What could have been done outside of a line to come to what was handed in for it."""

    def accept(self, entry: Entry, found: list[tuple[Scale, Mistake]]) -> bool:
        """The first of each kind, and the scales in which the likeliest explains what was given."""
        if not found:
            return False
        least = min(mistake.weight for _, mistake in found)
        found = [(s, mistake) for s, mistake in found if mistake.weight <= least + 1e-6]
        kinds: dict[str, Mistake] = {}
        for _, mistake in found:
            kinds.setdefault(mistake.kind, mistake)
        special = [mistake for kind, mistake in kinds.items() if kind not in VAGUE]
        entry.mistakes = special or list(kinds.values())
        first = entry.mistakes[0]
        scale = next(s for s, mistake in found if mistake is first)
        if len(self.readings) > 1:
            entry.scale = scale
            self.scales[entry.line.record] = {s for s, mistake in found if mistake.kind == first.kind}
        entry.mistakes[0] = self.plainly(first, scale)
        return True

    def plainly(self, mistake: Mistake, scale: Scale) -> Mistake:
        """Its formula without `- -1` and the like."""
        tidy = self.tidy(mistake.symbol, scale) if isinstance(mistake.symbol, Symbol) else None
        shorter = isinstance(tidy, Symbol) and len(expression(tidy)) < len(expression(mistake.symbol))
        return mistake._replace(symbol=tidy) if shorter else mistake

    def elsewhere(self, entry: Entry, G: Array, vague: bool) -> bool:
        """A mistake in an earlier line that was not given."""
        record = entry.line.record
        if sum(np.size(v) for v in self.world.cotangents.values() if not isinstance(v, tuple)) > MANY:
            return False
        trials = 0
        for scale in self.allowed(record):
            hidden = self.hidden(record, scale)
            expected = self.right(record, scale)
            for depth, u in enumerate(hidden):
                for mistake in self.suspicions(u, scale, vague):
                    trials += 1 + depth
                    if trials > TRIALS:
                        return False
                    before = dict(self.seen[scale])
                    if self.suppose(u, mistake, hidden[:depth], scale) and any(
                        self.matching(G, self.number(form, scale), record, scale, expected)
                        for form in self.forms(record, scale)
                    ):
                        self.blame(u, hidden[: depth + 1], scale)
                        entry.where, entry.mistakes = self.lines[scale][u].name, [self.plainly(mistake, scale)]
                        entry.scale = scale if len(self.readings) > 1 else None
                        return True
                    self.seen[scale] = before
        return False

    def within(self, entry: Entry, G: Array) -> bool:
        """A mistake in an earlier gradient that was given, and is right, where this line computes it anew."""
        record = entry.line.record
        for scale, vague in itertools.product(self.allowed(record), (False, True)):
            for form in self.forms(record, scale):
                for atom in atoms(form):
                    u = self.readings[scale].stands_for(atom)
                    if not isinstance(u, Record) or u in self.origin or u is self.root:
                        continue
                    for mistake in self.suspicions(u, scale, vague):
                        C = fitted(self.number(mistake.symbol, scale), u.shape)
                        found = self.number(form, scale, instead={id(atom): C})
                        if self.matching(G, found, record, scale, self.right(record, scale)):
                            says = f"where {atom.name} stands in this line, {mistake.says}"
                            symbol = substituted(form, {id(atom): mistake.symbol})
                            return self.accept(entry, [(scale, Mistake(mistake.kind, says, symbol))])
        return False

    def suppose(self, u: Record, mistake: Mistake, after: list[Record], scale: Scale) -> bool:
        """Take it that u was computed so, and the lines after it, the last one first, from that."""
        C = fitted(self.number(mistake.symbol, scale), u.shape)
        if C is None or C.shape != u.shape:
            return False
        self.seen[scale][u] = C
        for record in reversed(after):
            value = self.number(self.forms(record, scale)[-1], scale)
            if value is not None:
                self.seen[scale][record] = fitted(value, record.shape)
        return True

    def blame(self, u: Record, lines: list[Record], scale: Scale) -> None:
        """What was supposed is what happened."""
        for record in lines:
            self.origin[record] = self.lines[scale][u].name
            for s in self.readings:
                ratio = self.factor(record, s) / self.factor(record, scale)
                self.seen[s][record] = self.seen[scale].get(record, self.right(record, scale)) * ratio

    def other_worlds(self, entry: Entry, G: Array) -> bool:
        """Right for other values than the graph's: a bias left out, weights already stepped."""
        record = entry.line.record
        order, e = self.exact.order, self.exact
        for b in order:
            if b.primitive is not None or not b.needs_grad or b not in e.names or not is_bias(b, self.sources["exact"]):
                continue
            values = replay.forward(order, {b: np.zeros(b.shape)})
            name = e.names[b]
            world = World(values, replay.backward(order, values), f"the forward pass without {name}")
            for scale in self.allowed(record):
                if self.matching(
                    G, world.cotangents[record] * self.factor(record, scale), record, scale, self.right(record, scale)
                ):
                    self.worlds.append(world)
                    return self.accept(
                        entry, [(scale, Mistake("forgotten bias", f"{name} is left out of the forward pass"))]
                    )
        return self.stepped(entry, G)

    def stepped(self, entry: Entry, G: Array) -> bool:
        """A parameter in this line had been updated already: W - rate dW for W."""
        record = entry.line.record
        for scale in self.allowed(record):
            for form in self.forms(record, scale):
                right = fitted(self.number(form, scale), record.shape)
                if right is None or right.shape != G.shape or G.size < 3:
                    continue
                for atom in atoms(form):
                    leaf = next((r for r, s in self.readings[scale].reading.symbols.items() if s is atom), None)
                    if (
                        leaf is None
                        or leaf.primitive is not None
                        or not leaf.needs_grad
                        or leaf not in self.world.cotangents
                    ):
                        continue
                    seen = self.seen[scale].get(leaf)
                    step = self.world.cotangents[leaf] if seen is None else seen
                    if step.shape != leaf.shape:
                        continue
                    V = self.world.values[leaf]
                    moved = self.number(form, scale, instead={id(atom): V + step})
                    if moved is None or not np.any(moved - right):
                        continue
                    J = moved - right
                    rate = -float(np.sum(J * (G - right)) / np.sum(J * J))
                    C = self.number(form, scale, instead={id(atom): V - rate * step})
                    if abs(rate) > 1e-9 and self.matching(G, C, record, scale, right):
                        says = f"{atom.name} is not the one of this forward pass: moved by {plain(-rate)} d{atom.name}"
                        if rate > 0:
                            says = f"{atom.name} had been updated already, with learning rate {plain(rate)}"
                        return self.accept(entry, [(scale, Mistake("stale value", says))])
        return False


def is_bias(record: Record, sources: Sources) -> bool:
    """Whether a leaf is added to something."""
    users = sources.users.get(record, ())
    return any(u.key == "plus" or (u.key == "affine" and len(u.inputs) > 2 and u.inputs[2] is record) for u in users)
