"""The pass of check_by_hand over the lines: which are right, which follow, and what went wrong in the others."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from ..core.record import Record
from ..core.symbol import Symbol
from .elsewhere import Elsewhere
from .explanation import Explanation, Scale
from .handed_in import Failure, array_of
from .lines import Line
from .mistakes import Mistake
from .reckoning import ROUNDINGS, Array, fitted, gap_of, squeezed
from .report import Entry, Report
from .rewrites import kinks
from .suspects import VAGUE


class Walk(Elsewhere):
    """One pass over the lines in the order of backprop."""

    def __init__(
        self,
        readings: dict[Scale, Explanation],
        given: dict[str, Any],
        failed: dict[str, Failure],
        scale: Scale | None,
        ignored: list[str],
    ) -> None:
        super().__init__(readings, given)
        self.failed, self.asked, self.ignored = failed, scale, ignored
        self.misshapen = set[Record]()  # given in another shape than theirs

    # --- the pass

    def report(self) -> Report:
        entries = []
        for line in self.exact.backward:
            if line.name in self.given:
                self.clear(line.record, array_of(self.given[line.name], line.name))
        for line in self.exact.backward:
            if line.name in self.given:
                entries.append(self.entry(line, array_of(self.given[line.name], line.name)))
            elif line.name in self.failed:
                entries.append(self.failure(line, self.failed[line.name]))
            else:
                self.pass_on(line.record)
        self.gather(entries)
        missing = [
            line.name
            for line in self.exact.backward
            if line.record.primitive is None and line.name not in self.given and line.name not in self.failed
        ]
        return Report(entries, self.findings(entries), missing, self.ignored)

    def clear(self, record: Record, G: Array) -> None:
        """What something right was computed from is right, given or not."""
        if any(self.same(G, self.right(record, scale), record, scale) for scale in self.readings):
            for scale in self.readings:
                self.cleared.update(self.upstream(record, scale))

    def gather(self, entries: list[Entry]) -> None:
        """One sign or factor that several lines share comes from a line before them, if that was not given."""
        for entry in entries:
            alike = [e for e in entries if e.status == "wrong" and e.where == e.name and _shared(e) == _shared(entry)]
            if len(alike) < 2 or alike[0] is not entry or _shared(entry) is None:
                continue
            hidden = [self.hidden(e.line.record, "exact") for e in alike]
            common = [u for u in hidden[0] if all(u in other for other in hidden)]
            if not common:
                continue
            line = self.lines[entry.scale or "exact"][common[0]]
            mistake = entry.mistakes[0]
            symbol = -line.symbol if mistake.kind == "sign" and isinstance(line.symbol, Symbol) else None
            entry.mistakes, entry.right_line = [mistake._replace(symbol=symbol)], line
            entry.note = "there, or before it"
            for e in alike:
                e.where = line.name
                e.status = "wrong" if e is entry else "follows"

    def findings(self, entries: list[Entry]) -> list[str]:
        """What is to be said about scales."""
        used = {entry.scale for entry in entries if entry.status == "right" and entry.scale}
        by = {s: ", ".join(e.name for e in entries if e.status == "right" and e.scale == s) for s in used}
        if self.asked is not None:
            other = [s for s in used if s != self.asked]
            return [f"{self.asked} scale was asked for, but {by[s]} is in {s} scale." for s in other if s]
        if len(used) > 1:
            return [f"Scales are mixed: {by['exact']} in exact scale, {by['textbook']} in textbook scale (times m)."]
        return []

    def pass_on(self, record: Record) -> None:
        """A gradient that was not given: as it follows from those before it."""
        if record is self.root:
            return
        for scale in self.readings:
            tainted = [u for u in self.upstream(record, scale) if u in self.origin]
            if not tainted:
                continue
            value = self.number(self.forms(record, scale)[-1], scale)
            if value is not None:
                self.seen[scale][record] = fitted(value, record.shape)
                self.origin[record] = self.origin[tainted[0]]

    def entry(self, line: Line, G: Array) -> Entry:
        record = line.record
        entry = Entry(line, G)
        if G.size == 1 == np.size(self.world.cotangents[record]) and G.shape != record.shape:
            entry.note, G = "a number without axes", G.reshape(record.shape)
        fits = [s for s in self.readings if self.same(G, self.right(record, s), record, s)]
        if fits:
            self.settle(entry, G, fits)
        else:
            self.diagnose(entry, G)
        self.show(entry, G)
        return entry

    def settle(self, entry: Entry, G: Array, fits: list[Scale]) -> None:
        """A right one."""
        record = entry.line.record
        self.scales[record] = set(fits)
        inner = self.factor(record, "textbook") > 1 and "textbook" in self.readings
        entry.scale = fits[0] if inner and len(fits) == 1 else None
        entry.right_line = self.lines[fits[0]][record]
        noisy = ROUNDINGS * self.noise.get(record, 0) > 0.05 * np.abs(self.world.cotangents[record]).max(initial=0) > 0
        if noisy:
            entry.note = "as far as rounding lets one tell"

    # --- what is wrong

    def diagnose(self, entry: Entry, G: Array) -> None:
        record = entry.line.record
        found = self.followed(entry, G) or self.kink(entry, G) or self.out_of_shape(entry, G.shape)
        if not found:
            entry.status = "wrong"
            if not np.isfinite(G).all() and np.isfinite(self.world.cotangents[record]).all():
                bad = int(np.size(G) - np.isfinite(G).sum())
                entry.mistakes = [Mistake("not finite", f"{bad} of {G.size} entries are infinite or not a number")]
                entry.scale = None
            else:
                self.explain(entry, G)
        if entry.scale is not None:
            entry.right_line = self.line_of(entry, entry.scale)
            self.scales.setdefault(record, {entry.scale})
        elif {s for known in self.scales.values() if len(known) == 1 for s in known} == {"textbook"}:
            entry.right_line = self.line_of(entry, "textbook")
        if entry.status != "right":
            self.origin[record] = entry.where
            if G.shape != record.shape:
                self.misshapen.add(record)
            fits_shape = (
                G.shape != record.shape
                and G.size == np.prod(record.shape)
                and squeezed(G) == squeezed(self.world.cotangents[record])
            )
            value = G.reshape(record.shape) if fits_shape else G
            if (
                fits_shape
                and entry.mistakes
                and entry.mistakes[0].kind not in ("lost keepdims", "wrong shape", "transposed")
            ):
                entry.note = f"in shape {G.shape} where {record.shape} belongs, too"
            for scale in self.readings:
                either = entry.scale is None or scale in self.scales.get(record, ())
                ratio = 1.0 if either else self.factor(record, scale) / self.factor(record, entry.scale or "exact")
                self.seen[scale][record] = np.asarray(value, np.float64) * ratio

    def line_of(self, entry: Entry, scale: Scale) -> Line:
        """The line that an entry's mistake is in, its own where that is not a line."""
        return next((line for line in self.readings[scale].backward if line.name == entry.where), entry.right_line)

    def kink(self, entry: Entry, G: Array) -> bool:
        """Another slope where an activation has none is not wrong; after a mistake it follows all the same."""
        record = entry.line.record
        for scale in self.allowed(record):
            for form in self.forms(record, scale):
                if any(self.same(G, self.number(other, scale), record, scale) for other in kinks(form)):
                    where = next((o for u in self.upstream(record, scale) if (o := self.origin.get(u))), "")
                    if where:
                        self.follow(entry, {scale: where})
                    else:
                        self.at_kink(entry, G, [scale])
                    return True
        return False

    def followed(self, entry: Entry, G: Array) -> bool:
        """Right, given what the student's own earlier lines gave."""
        record = entry.line.record
        fits: dict[Scale, str] = {}  # and where the mistake is
        for scale, world in itertools.product(self.allowed(record), self.worlds):
            tainted = [u for u in self.upstream(record, scale) if u in self.origin]
            if scale in fits or (not tainted and world is self.world):
                continue
            found = [self.number(form, scale, world) for form in self.forms(record, scale)]
            if world is not self.world:
                found.append(world.cotangents[record] * self.factor(record, scale))
            if any(self.same(G, C, record, scale) for C in found):
                fits[scale] = next((o for u in tainted if (o := self.origin[u])), world.name)
        if not fits:
            return False
        if not any(fits.values()):  # of a kink only
            self.at_kink(entry, G, list(fits))
        else:
            self.follow(entry, fits)
        return True

    def follow(self, entry: Entry, fits: dict[Scale, str]) -> None:
        """Wrong because of an earlier line: which it is in the scales that fit."""
        record = entry.line.record
        entry.status, entry.where = "follows", next(filter(None, fits.values()))
        if len(self.readings) > 1 and self.factor(record, "textbook") > 1:
            entry.scale, self.scales[record] = next(iter(fits)), set(fits)

    def at_kink(self, entry: Entry, G: Array, fits: list[Scale]) -> None:
        """Right but for entries where there is no derivative."""
        record = entry.line.record
        self.settle(entry, G, fits)
        entry.note = "with another slope at the kink than autograd's"
        self.origin[record] = ""
        for s in self.readings:
            self.seen[s][record] = G * self.factor(record, s) / self.factor(record, fits[0])

    def explain(self, entry: Entry, G: Array) -> None:
        """The likeliest story: a mistake in this line, in one before it that was not given, in the forward pass."""
        mine = self.own(entry.line, G)
        clear = any(mistake.kind not in VAGUE for _, mistake in mine)
        if clear and self.accept(entry, mine):
            return
        if self.elsewhere(entry, G, vague=False) or self.accept(entry, mine):
            return
        if not (self.other_worlds(entry, G) or self.elsewhere(entry, G, vague=True) or self.within(entry, G)):
            self.unknown(entry, G)

    def unknown(self, entry: Entry, G: Array) -> bool:
        """What can be said without an explanation."""
        record = entry.line.record
        right = self.world.cotangents[record]
        shape, mine = (" × ".join(map(str, s)) or "scalar" for s in (record.shape, G.shape))
        if G.shape != record.shape:
            says = f"not sure what went wrong: the shape is {mine} where {shape} belongs"
            (n,) = squeezed(right) if len(squeezed(right)) == 1 < right.ndim else (0,)
            if G.shape == (n, n):
                says += f": {n} numbers in a row met {n} in a column, and broadcasting made {n} × {n} of them"
            entry.mistakes = [Mistake("unknown", says)]
            return True
        scale: Scale = min(self.readings, key=lambda s: gap_of(G, self.right(record, s))[0])
        right = self.right(record, scale)
        off = np.abs(G - right) > self.room(record, scale, float(np.abs(right).max(initial=0)), G.dtype)
        says = "it differs, and none of the usual mistakes explains it"
        if 0 < off.sum() < off.size:
            says += f": {int(off.sum())} of {off.size} entries are off"
        entry.mistakes = [Mistake("unknown", f"not sure what went wrong: {says}")]
        return True

    def out_of_shape(self, entry: Entry, shape: Any) -> bool:
        """Of another shape, or without a result, since something that the line reads has another shape."""
        record = entry.line.record
        read = (u for scale in self.readings for u in self.upstream(record, scale) if u in self.misshapen)
        where = next((self.origin[u] for u in read if u in self.origin), "")
        if where and shape != record.shape:
            entry.status, entry.where = "follows", where
            return True
        return False

    def failure(self, line: Line, failure: Failure) -> Entry:
        """A line of NumPy that raised."""
        entry = Entry(line, None)
        entry.status = "wrong"
        record = line.record
        missing = getattr(failure.error, "name", None)
        if isinstance(failure.error, NameError) and missing in self.failed:
            entry.status, entry.where = "follows", missing
        else:
            self.out_of_shape(entry, None)
        scales = self.allowed(record)
        entry.right_line = self.lines[scales[-1]][record]
        raised = f"`{failure.source}` raises {type(failure.error).__name__}"
        for kind, says, value in failure.mended:
            for scale in scales:
                meant = (self.right(record, scale), *(self.number(f, scale) for f in self.forms(record, scale)))
                if not entry.mistakes and any(self.same(value, x, record, scale) for x in meant):
                    entry.mistakes = [Mistake(kind, f"{says}, so {raised}")]
                    entry.right_line = self.lines[scale][record]
        says = f"{raised}: {failure.error}"
        if isinstance(failure.error, NameError) and entry.status == "wrong":
            says += f" (the graph has {', '.join(sorted(self.exact.names.values()))})"
        entry.mistakes = entry.mistakes or [Mistake("does not run", says)]
        self.show(entry, np.zeros(0))
        return entry

    # --- the table's numbers

    def show(self, entry: Entry, G: Array) -> None:
        """One entry by hand, by autograd and by central differences: where they differ most, else the largest."""
        record = entry.line.record
        scale: Scale = entry.scale or "exact"
        right = np.asarray(self.right(record, scale))
        if not right.size:
            return
        same_shape = G.shape == right.shape
        gap = np.abs(G - right) if same_shape and entry.status != "right" else np.abs(right)
        entry.at = tuple(int(i) for i in np.unravel_index(np.argmax(np.nan_to_num(gap, nan=np.inf)), right.shape))
        by_hand = float(G[entry.at]) if same_shape else None
        numeric = self.central(record, entry.at) * self.factor(record, scale)
        entry.shown = by_hand, float(right[entry.at]), numeric


def _shared(entry: Entry) -> str | None:
    """What lines after one mistake have in common: a sign or a number."""
    known = entry.status == "wrong" and entry.mistakes and entry.mistakes[0].kind in ("sign", "constant factor")
    return entry.mistakes[0].says if known else None
