"""Mistakes in one line: rewrites of it, one number too many, another shape, a penalty, that give what was handed in."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..core.record import Record
from ..core.symbol import Symbol
from .explanation import Scale
from .expressions import atoms
from .lines import Line
from .mistakes import LESS, Mistake
from .reckoning import Array, Reckoning, fitted, gap_of, plain, squeezed
from .rewrites import rewrites

VAGUE = {"missing factor", "factor twice", "missing term", "wrong value", "constant factor", "wrong axis",
         "transposed"}  # say less  # fmt: skip


class Suspects(Reckoning):
    """What could have been done in a line to come to what was handed in."""

    def own(self, line: Line, G: Array) -> list[tuple[Scale, Mistake]]:
        """Mistakes in this line, with the scale in which they explain what was given."""
        record = line.record
        single: list[tuple[Scale, Mistake]] = []
        double: list[tuple[Scale, Mistake]] = []
        as_it_should = squeezed(G) == tuple(n for n in record.shape if n != 1)
        shaped = G.reshape(record.shape) if as_it_should else G
        for scale in self.allowed(record):
            for form in self.forms(record, scale):
                right = fitted(self.number(form, scale), record.shape)
                if right is None:
                    continue
                found = list(self.turned(G, right, form, record, line.name))
                numbers = list(self.scaled(shaped, right, form, record, scale))
                if shaped is not G:  # that it is the right one turned is likelier
                    numbers = [x._replace(weight=x.weight + LESS) for x in numbers]
                found += [x for x in numbers if x.kind == "sign"]
                for mistake in self.rewritten(form, record, scale):
                    C = self.number(mistake.symbol, scale)
                    if self.matching(G, C, record, scale, right):
                        found.append(mistake._replace(weight=mistake.weight + LESS * (G.shape != np.shape(C))))
                    elif C is not None and C.shape == G.shape:
                        for more in self.scaled(G, C, mistake.symbol, record, scale, near=True):
                            says = f"{mistake.says}, and {more.says}"
                            double.append((scale, Mistake(mistake.kind, says, more.symbol, 100 + more.weight)))
                found += [x for x in numbers if x.kind != "sign"]
                found += self.penalty(shaped, right, form, record, scale)
                single += [(scale, x) for x in found]
        return single or double

    def rewritten(self, form: Any, record: Record, scale: Scale) -> Iterator[Mistake]:
        """The rewrites of a line that their shapes allow."""
        line = self.lines[scale][record]
        yield from (x for x in rewrites(form, line, self.sources[scale]) if x.symbol is not None)

    def suspicions(self, record: Record, scale: Scale, vague: bool) -> Iterator[Mistake]:
        """What may have happened in a line that was not given."""
        for form in self.forms(record, scale):
            if isinstance(form, Symbol) and not vague:
                yield Mistake("sign", "the sign is wrong", -form)
            yield from (x for x in self.rewritten(form, record, scale) if (x.kind in VAGUE) == vague)

    def turned(self, G: Array, right: Any, form: Any, record: Record, name: str) -> Iterator[Mistake]:
        """The right numbers in another shape."""
        shape = " × ".join(map(str, record.shape)) or "scalar"
        mine = " × ".join(map(str, G.shape)) or "scalar"
        room = self.room(record, "exact", float(np.abs(right).max(initial=0)), G.dtype)
        if G.shape == right.shape[::-1] and G.ndim > 1 and gap_of(G.T, right)[0] <= room:
            turned = form.T if isinstance(form, Symbol) and form.ndim == 2 else None
            yield Mistake("transposed", f"{name} is transposed: {mine} where {shape} belongs", turned)
        elif G.shape != right.shape and G.size == right.size and squeezed(G) == squeezed(right):
            near = gap_of(G.reshape(right.shape), right)[0] <= room
            if near:
                lost = G.ndim < right.ndim
                kind = "lost keepdims" if lost else "wrong shape"
                says = (
                    "the right numbers, but an axis is lost (keepdims=True)"
                    if lost
                    else "the right numbers, with an axis too many"
                )
                yield Mistake(kind, f"{says}: {mine} where {shape} belongs")
        elif G.shape == right.shape and gap_of(G, right)[0] > room:
            for says, other in reordered(right):
                if other.shape == G.shape and gap_of(G, other)[0] <= room:
                    yield Mistake("wrong order", f"the right numbers in another order: {says}")
                    return

    def scaled(
        self, G: Array, C: Any, form: Any, record: Record, scale: Scale, near: bool = False
    ) -> Iterator[Mistake]:
        """The right numbers times one number. near: only those that go with another mistake."""
        if G.shape != np.shape(C) or not np.any(C) or not np.isfinite(C).all():
            return
        c = float(np.sum(G * C) / np.sum(np.square(C)))
        if not np.isfinite(c) or abs(c) < 1e-12 or not self.matching(G, c * C, record, scale, None):
            return
        m = float(self.m)
        inner = self.factor(record, "textbook") > 1
        M = self.sources[scale].m
        known: list[tuple[float, str, str, Any]] = [(-1, "sign", "the sign is wrong", lambda x: -x)]
        if self.exact.m is not None and m > 1:
            if not (inner and scale == "textbook"):
                known.append((m, "missing 1/m", "1/m is missing", lambda x: M * x))
            else:
                known.append((m, "missing 1/m", "it is m times too large", lambda x: M * x))
            known.append((1 / m, "doubled 1/m", "there is one 1/m too many", lambda x: 1 / M * x))
            known.append((-m, "missing 1/m", "1/m is missing, and the sign is wrong", lambda x: -(M * x)))
            known.append(
                (-1 / m, "doubled 1/m", "there is one 1/m too many, and the sign is wrong", lambda x: -(1 / M * x))
            )
        for value, kind, says, make in known:
            if abs(c - value) < 1e-3 * abs(value):
                symbol = self.tidy(make(form), scale) if isinstance(form, Symbol) else None
                yield Mistake(kind, says, symbol, 50 if ", and " in says else 0)
        if near and not any(abs(c - v) < 1e-3 * abs(v) for v in (2, 0.5, -2, -0.5)):
            return
        if G.size < 2 and not any(abs(c - v) < 1e-3 * abs(v) for v in (2, 0.5, -2, -0.5, 4, 0.25, 3, 1 / 3)):
            return  # one number is always some multiple of another
        if not any(abs(c - v) < 1e-3 * abs(v) for v in (1, *(value for value, *_ in known))):
            text = f"it is {plain(c)} times what is right"
            lengths = {n for r in self.exact.order if not isinstance(r.dtype, tuple) for n in r.shape if n > 2}
            instead = [n for n in sorted(lengths) if n != m and abs(c * n - m) < 1e-3 * m]
            if instead and not (inner and scale == "textbook"):
                text += f", as if divided by {instead[0]}, the length of another axis, and not by m = {self.m}"
            elif any(abs(c - n) < 1e-3 * n or abs(c * n - 1) < 1e-3 for n in lengths):
                text += ", which is the length of an axis: a sum stands for a mean, or the other way round"
                text += f" (this loss's mean divides by {self.exact.m})" if self.exact.m else ""
            symbol = self.tidy(round(c, 6) * form, scale) if isinstance(form, Symbol) else None
            yield Mistake("constant factor", text, symbol, float(abs(np.log(abs(c)))))

    def penalty(self, G: Array, right: Any, form: Any, record: Record, scale: Scale) -> Iterator[Mistake]:
        """The right numbers and a multiple of the parameter itself."""
        V = self.world.values[record]
        if (
            record.primitive is not None
            or G.shape != np.shape(V)
            or np.shape(right) != G.shape
            or G.size < 2
            or not np.any(V)
        ):
            return
        c = float(np.sum((G - right) * V) / np.sum(V * V))
        if self.matching(G, right + c * V, record, scale, right):
            atom = self.readings[scale].reading.value(record)
            symbol = form + round(c, 6) * atom if isinstance(form, Symbol) else None
            name = self.exact.names[record]
            has = any(a is atom for a in atoms(form))
            says = (
                f"the penalty on {name} has another factor, by {plain(c)}"
                if has
                else f"{plain(c)} {name} is added, a penalty that this loss doesn't have"
            )
            yield Mistake("constant factor" if has else "extra penalty", says, symbol)


def reordered(a: Array) -> Iterator[tuple[str, Array]]:
    """An array with axes exchanged or turned round, or with its parts (the gates of a cell) in another order."""
    axes = range(a.ndim)
    for some in (c for n in axes for c in itertools.combinations(axes, n + 1)) if 1 < a.ndim < 6 else ():
        yield f"reversed along axis {', '.join(map(str, some))}", np.flip(a, some)
    for i, j in itertools.combinations(axes, 2):
        yield f"axes {i} and {j} are exchanged", a.swapaxes(i, j)
    for count in (3, 4):
        if a.ndim and a.shape[0] > count and a.shape[0] % count == 0:
            parts = np.split(a, count)
            for order in itertools.permutations(range(count)):
                says = f"its {count} parts along axis 0 (gates) come in the order {', '.join(map(str, order))}"
                yield says, np.concatenate([parts[k] for k in order])
