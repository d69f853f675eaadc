"""A traced step as the NumPy calls that it makes: inputs, lines, and what is done with the results.

`note(program, ...)` runs a program once on cells and keeps what was called. It computes nothing that
anyone will see, draws nothing and checks nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.symbol import Symbol, computed_by
from ..core.tensor import Tensor, as_array
from ..ops.generator import Generator
from ..symbolic.nested import tensors_of
from ..symbolic.program import Program
from .calls import Call, Check, Draw, Value, method
from .cells import Cell, Notes, bare


class Listing:
    """What a program does, call by call."""

    def __init__(
        self,
        program: Program,
        notes: Notes,
        cells: dict[Symbol, Any],
        created: list[Any],
        counts: list[list[Tensor]],
    ) -> None:
        self.lines = notes.lines
        self.equations, self.merged, self.unchanged = len(program.equations), notes.merged, notes.unchanged
        self.made = sum(isinstance(line, Call) for line in self.lines) + self.merged + self.unchanged
        self.value_of = {s: c.value if isinstance(c, Cell) else c for s, c in cells.items() if not isinstance(c, tuple)}
        for symbol, value in self.value_of.items():
            if isinstance(value, Value) and value.origin is None:
                value.origin = symbol
        self.arguments = [None if s is None else self.value_of[s] for s in program.arguments]
        # of tensors that are arguments the one of this run stands for those to come
        pairs = zip(program.given, self.arguments, strict=True)
        self.given = {t: v for t, v in pairs if isinstance(t, Tensor) and isinstance(v, Value)}
        self.tensors = [(t, self.value_of[s]) for t, s in program.tensors.items() if s not in program.constants]
        self.counts = [[self.value_of[program.tensors[t]] for t in tensors] for tensors in counts]
        self.numbers = [(group, key, part, self.value_of[s]) for s, group, key, part in program.numbers]
        self.computed = [(s, self.value_of[s]) for s in program.computed]
        self.writes = [(t, self.value_of[s]) for t, s in program.writes]
        self.grads = [(t, None if s is None else self.value_of[s]) for t, s in program.grads]
        self.created = [self.value_of[s] if isinstance(s, Symbol) else None for s in created]
        self.generators = list(notes.generators.values())
        self.constant_names: dict[Symbol, str] = {}  # what arrays that are the same at every call are called
        self.constants, self.sites = notes.constants, notes.sites
        self.result = program.result
        self.optimizers = program.optimizers
        self.states = {t for o in program.optimizers for entries in o.state.values() for t in tensors_of(entries)}
        self.states |= {tensor for *_, tensor in program.created}
        self.returned = [t._array for t in tensors_of(self.result)]
        self.dead = self.drop_dead()
        self.copies = self._drop_copies()
        self.moved = self.spared = 0  # factors that reassociate.py has moved, and the calls that this spares

    @property
    def results(self) -> list[Any]:
        """What the step returns, as the Values of its tensors."""
        return [self.value_of[s] for s in self.returned]

    @property
    def roots(self) -> list[Value]:
        """What the program is run for: tensors' new values, gradients, results, what a first step creates."""
        left = [v for _, v in (*self.writes, *self.grads)]
        return [v for v in (*left, *self.results, *self.created) if isinstance(v, Value)]

    def drop_dead(self) -> int:
        """Leave out the calls that nothing depends on. Returns how many there were."""
        before, self.lines = len(self.lines), alive(self.lines, self.roots)
        return before - len(self.lines)

    def own_gradients(self) -> None:
        """Give each gradient that is left memory of its own, as in eager mode, where each may be written by itself:
        of `((a + b) * c).sum()` both are one value, and that is c."""
        known: set[Value] = set()
        owners = {**dict(self.tensors), **self.given}
        for k, (tensor, value) in enumerate(self.grads):
            if not isinstance(value, Value) or not isinstance(value.data, np.ndarray):
                continue  # a scalar of NumPy is put into an array of its own
            stretched = value.call is not None and value.call.function is np.broadcast_to
            stretched |= any(n > 1 and s == 0 for n, s in zip(value.data.shape, value.data.strides, strict=True))
            root = value.root
            if root.call is not None and root not in known and not stretched:
                known.add(root)
                continue
            line = Call(method("copy"), (value,), {})
            line.section = "backward" if value.call is None else value.call.section
            line.results = (Value(np.array(value.filled), line),)
            at = max((i for i, other in enumerate(self.lines) if other.section == line.section), default=-1)
            self.lines.insert(at + 1, line)
            self.grads[k] = tensor, line.results[0]
            owner = owners.get(tensor)
            if owner is not None and owner.name:
                name = f"d{owner.name}"
                line.results[0].name, value.name = name, None if value.name == name else value.name

    def drop_gradients(self, dropped: set[Tensor]) -> None:
        """Leave none of these, nor compute one that no update reads, as those of a GAN's critic."""
        self.grads = [(tensor, None if tensor in dropped else value) for tensor, value in self.grads]
        self.dead += self.drop_dead()

    def _drop_copies(self) -> int:
        """Let what is computed for a copy alone be the copy: `W -= t` has copied the difference. Returns how many."""
        uses = Counter(v for line in self.lines for v in line.operands)
        uses.update(self.roots)
        original: dict[Value, Value] = {}

        def of(value: Value) -> Value:
            return original.get(value, value)

        kept: list[Any] = []
        for line in self.lines:
            if isinstance(line, Check):
                kept.append(line)
                continue
            if any(v in original for v in line.operands):
                line.kwargs = bare(line.kwargs, of)
                line.take(bare(line.args, of))
                for value in line.results:  # a view of the copy is one of what has been copied
                    value.source = None if value.source is None else of(value.source)
            needless = line.function is np.copy and _is_fresh(line.args[0], line.results[0])
            if needless and uses[line.args[0]] == 1 and line.results[0] not in self.created:  # those leave the program
                original[line.results[0]] = line.args[0]
            else:
                kept.append(line)
        self.lines = kept
        self.value_of = {s: of(v) if isinstance(v, Value) else v for s, v in self.value_of.items()}
        self.writes = [(t, of(v) if isinstance(v, Value) else v) for t, v in self.writes]
        self.grads = [(t, of(v) if isinstance(v, Value) else v) for t, v in self.grads]
        return len(original)


def _is_fresh(x: Any, copied: Value) -> bool:
    """Whether a value lies in memory of its own, laid out as its copy."""
    if not isinstance(x, Value) or x.call is None or x.source is not None or not isinstance(x.data, np.ndarray):
        return False
    return bool(x.data.strides == copied.data.strides)


def alive(lines: list[Any], roots: Iterable[Value]) -> list[Any]:
    """The lines that one of `roots` depends on, and what happens anyway: checks and draws."""
    needed = set(roots)
    kept = []
    for line in reversed(lines):
        if isinstance(line, Check) or is_draw(line) or any(v in needed for v in line.results):
            needed.update(line.operands)
            kept.append(line)
    return kept[::-1]


def is_draw(line: Call | Check) -> bool:
    """Whether a call takes numbers from a generator: it must happen, in its turn."""
    if not isinstance(line, Call) or isinstance(line.function, np.ufunc):
        return False
    return isinstance(line.function, Draw) or any(isinstance(v.data, Generator) for v in line.operands)


def note(
    program: Program,
    given: dict[Symbol, Any],
    counts: list[list[Tensor]],
    created: list[Any] | None = None,
    instead: dict[Symbol, Symbol] | None = None,
) -> Listing:
    """Run a program on cells.

    Args:
        given: the array or number of each of the program's inputs; of arrays the layout matters.
        counts: sets of tensors of which the first is read for all (counts.py).
        created: what a first step adds to the optimizers' states, once that has been added.
        instead: for the readable source, which notes compositions in the place of forwards that are written for speed:
            other expressions for some of the equations.
    """
    stands_for = {program.tensors[t]: program.tensors[first] for first, *others in counts for t in others}
    notes = Notes(textbook=instead is not None)
    cells: dict[Symbol, Any] = {symbol: Cell(Value(data)) for symbol, data in given.items()}
    for symbol in program.constants:
        cells[symbol] = given[symbol] if instead is None else notes.constant(given[symbol])
    previous, Notes.current = Notes.current, notes
    try:
        _check(program, None, cells, notes)
        with np.errstate(all="ignore"):
            sections = program.sections[::-1]
            for symbol in program.equations:
                while sections and sections[-1][0] < symbol.index:
                    notes.section = sections.pop()[1]
                other = instead.get(symbol) if instead else None
                for part in (symbol,) if other is None else (s for s in computed_by(other) if s not in cells):
                    inputs = [cells[stands_for.get(x, x)] if isinstance(x, Symbol) else x for x in part.inputs]
                    cells[part] = _computed(part, inputs, notes)
                cells[symbol] = cells[symbol if other is None else other]
                if symbol in program.checks_after:
                    _check(program, symbol, cells, notes)
    finally:
        Notes.current = previous
    created = [tensor._array for *_, tensor in program.created] if created is None else created
    return Listing(program, notes, cells, created, counts)


def _computed(symbol: Symbol, inputs: list[Any], notes: Notes) -> Any:
    primitive = symbol.primitive
    assert primitive is not None
    notes.by = primitive
    if primitive.key == "drawn":
        return notes.draw(symbol, inputs)
    if notes.textbook and primitive.key == "filled" and not symbol.shape:
        return notes.constant(primitive.forward(**symbol.params))
    plain = not any(
        isinstance(x, Cell) or (isinstance(x, tuple) and any(isinstance(p, Cell) for p in x)) for x in inputs
    )
    result = (
        primitive.forward(*inputs, **symbol.params) if plain else notes.unfold(primitive, tuple(inputs), symbol.params)
    )
    if isinstance(result, tuple) or symbol.number:
        return result
    if not isinstance(result, Cell):
        result = as_array(result)
    elif symbol.held:
        notes.arrays.add(result.value)
    return result if result.dtype == symbol.dtype else result.astype(symbol.dtype)


def _check(program: Program, last: Symbol | None, cells: dict[Symbol, Any], notes: Notes) -> None:
    notes.by = None  # such a check says itself whose it is
    for check in program.checks_after.get(last, ()):
        seen = None if check.values is None else cells[check.values]
        notes.check(cells[check.condition], check.message, check.error, seen)
