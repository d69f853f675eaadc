"""One program of a compiled step: written at its first run, called at the others."""

from __future__ import annotations

import functools
import traceback
from typing import Any

import numpy as np

from ..core.apply import explained
from ..core.quiet import hush, restore
from ..core.record import stamp
from ..core.symbol import Symbol
from ..core.tensor import Tensor, wrap
from ..core.views import refresh
from ..core.write import storage_of
from ..symbolic.nested import numbers_replaced, replaced, tensors_of
from ..symbolic.program import Program, evaluated, setting_of
from ..symbolic.trace import Trace
from .conditions import Conditions
from .counts import equal_counts
from .emit import Emitted
from .explain import explanation
from .gradients import Gradients
from .kernels.engine import accelerated
from .listing import note
from .memory import Memory
from .names import name_values
from .readable.source import Formulas
from .reassociate import move_factors
from .watching.watch import Watch


class Written:
    """One program: what it holds for, and the function that was written."""

    def __init__(
        self,
        program: Program,
        trace: Trace,
        watch: Watch,
        name: str,
        dropped: set[Tensor],
        words: list[str],
        engine: str,
        reassociate: bool,
        modes: list[tuple[Any, bool]],
        kept: list[tuple[Any, Any]],
    ) -> None:
        self._words, self._engine, self._reassociate, self._switched = words, engine, reassociate, modes
        self.program, self.trace, self.name = program, trace, name
        self._dropped, self._derived = dropped, trace.derived
        watch.complete(program, trace, kept)
        self._gradients = Gradients(program, trace, watch.tensors, dropped)
        self._watch, self._conditions = watch, Conditions(program, trace, watch, self._gradients)
        self._place = self._conditions.place
        self.holds, self.holds_again = self._conditions.holds, self._conditions.holds_again
        self.difference, self.moved = self._conditions.difference, watch.moved

    # --- the first run

    def begin(self, given: Any) -> Any:
        """Write the program, and run it for the first time."""
        program = self.program
        values: dict[Symbol, Any] = {symbol: self._array(tensor, given) for tensor, symbol in program.tensors.items()}
        for symbol, x in zip(program.arguments, given, strict=True):
            assert symbol is not None
            values[symbol] = x if symbol.number else x._values()
        values |= self._conditions.settings_of(given)
        for symbol in program.computed:
            values[symbol] = evaluated(symbol, values)
        counts = self._conditions.counts = equal_counts(program, values)
        self.listing = listing = note(program, values, counts)
        name_values(listing, program, self.trace, self._words, self._watch.words)
        listing.drop_gradients(self._dropped)
        listing.own_gradients()
        self._formulas = Formulas(program, values, counts, listing, self._dropped, self.name)
        self._write_out()
        self._forget()
        out = self._execute(given)
        computed = [tensor for *_, tensor in program.created if isinstance(tensor._array, Symbol)]
        for tensor, value in zip(computed, out[len(out) - len(computed) :], strict=True):
            tensor._array = np.array(value)
        program.install()
        return self._finish(out, given)

    def _forget(self) -> None:
        """Let go of the layouts."""
        del self.trace
        self.explanation = explanation(self.listing, self.memory) + self._kernels
        for line in self.listing.lines:
            for value in (*line.results, *line.operands):
                value.data = None
        del self.listing, self.memory

    @property
    def formulas(self) -> str:
        """The program as a textbook writes it."""
        return self._formulas.text

    def _array(self, tensor: Tensor, given: Any) -> Any:
        if tensor in self._gradients:
            return self._gradients.array(tensor, given)
        if tensor._view is not None:
            refresh(tensor)
        return tensor._array

    def _write_out(self) -> None:
        program, listing = self.program, self.listing
        if self._reassociate:
            move_factors(listing)
        self.memory = Memory(listing)
        self._kernels = ""
        emitted: Emitted
        if self._engine == "numba":
            emitted, self._kernels = accelerated(listing, self.name)
        else:
            emitted = Emitted(listing, self.memory, self.name)
        self._function, self._borrowed = emitted.function(), emitted.helpers.borrowed  # the latter: without a source
        self.source, self._made_by = emitted.source, emitted.made_by
        position = {v: k for k, v in enumerate(listing.arguments) if v is not None}
        tensors = {v: t for t, v in listing.tensors}
        numbers = {v: rest for *rest, v in listing.numbers}
        computed = {v: symbol for symbol, v in listing.computed}
        self._arguments: list[tuple[int, bool]] = []  # which of the given ones, and whether it is a number
        self._tensors: list[Tensor] = []
        self._numbers: list[Any] = []
        self._computed: list[Symbol] = []
        self._generators: list[Any] = []
        self._formulas.takes(emitted.arguments, emitted.names)
        for value in emitted.arguments:
            if value in position:
                self._arguments.append((position[value], value.number))
            elif value in tensors:
                self._tensors.append(tensors[value])
            elif value in numbers:
                self._numbers.append(numbers[value])
            elif value in computed:
                self._computed.append(computed[value])
            else:
                self._generators.append(value.data)
        self._renewed: dict[Tensor, Any] = {}  # the memory that the call gives to tensors
        bare = all(t not in self._gradients and t._view is None for t in self._tensors)
        self._plain = bare and not program.renewed
        self._changed = [self._place[id(t)] for t, _ in listing.writes if id(t) in self._place]
        written = [t for t, _ in listing.writes if id(t) not in self._place]
        self._written = [t for t in written if t not in self._gradients]
        self._written_grads = [t for t in written if t in self._gradients]  # which may be other tensors at every call
        self._gradients.leaves([(t, v is not None) for t, v in listing.grads])
        self._returned = tensors_of(program.result)
        found: list[Symbol] = []
        numbers_replaced([program.result, *(setting for *_, setting in program.assigned)], found.append)
        self._numbered = bool(found)
        one = len(self._returned) == 1 and program.result is self._returned[0]
        self._only = one and not program.items and not self._returned[0].requires_grad

    # --- the others

    def run(self, given: Any) -> Any:
        """Run the program that was written."""
        return self._finish(self._execute(given), given)

    def _execute(self, given: Any) -> tuple[Any, ...]:
        arrays = [given[k] if number else given[k]._values() for k, number in self._arguments]
        lent = self._conditions.lent
        if any(lent):
            arrays = [x.copy("K") if lent[k] else x for x, (k, _) in zip(arrays, self._arguments, strict=True)]
        if self._plain:
            arrays += [t._array for t in self._tensors]
        else:
            arrays += [self._array(t, given) for t in self._tensors]
            self._renewed = {}
            for place, tensor in enumerate(self._tensors, len(arrays) - len(self._tensors)):
                if tensor in self.program.renewed:
                    arrays[place] = self._renewed[self._gradients.now(tensor, given)] = arrays[place].copy("K")
        for group, key, part in self._numbers:
            arrays.append(setting_of(group, key, part))
        if self._computed:
            values = self._conditions.settings_of(given)
            arrays += [evaluated(symbol, values) for symbol in self._computed]
        arrays += self._generators
        before = hush()
        try:
            return self._function(*arrays)  # type: ignore[no-any-return]
        except (ValueError, IndexError, RuntimeError, TypeError, OverflowError) as error:
            raise self._explained(error) from None
        finally:
            restore(before)

    def _explained(self, error: Exception) -> Exception:
        """The error with the name of the operation in whose line of the program it came up."""
        if "read-only" in str(error):  # NumPy's words, of an array that it is told to write
            return RuntimeError(
                f"{self.name}: the ndarray that a tensor shares memory with is read-only, or a graph outside of the "
                "step still reads it; write to a .clone()."
            )
        frames = (frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<program>")
        line = self.source.splitlines()[(next(frames).lineno or 1) - 1].strip()
        primitive = self._made_by.get(line)
        return error if primitive is None else explained(primitive, (), error)

    def _finish(self, out: tuple[Any, ...], given: Any) -> Any:
        """Count the writes, leave gradients, and hand over the results."""
        version, writer = stamp(), (self.name, None)
        for place in self._changed:
            storage = given[place]._storage or storage_of(given[place])
            storage.version, storage.writer = version, writer
        written = self._written
        if self._written_grads:
            written = [*written, *(self._gradients.now(t, given) for t in self._written_grads)]
        for tensor in written:
            storage = tensor._storage or storage_of(tensor)
            storage.version, storage.writer = version, writer
        if self._numbered:
            value = functools.partial(evaluated, values=self._conditions.settings_of(given))
        for group, key, setting in self.program.assigned:
            group[key] = numbers_replaced(setting, value) if self._numbered else setting
        if self.program.flags:
            self._leave_flags(given)
        for module, training in self._switched:
            module.training = training
        moved = [self._gradients.now(t, given) for t in self.program.moved]
        self._gradients.leave(out[len(self._returned) :], given, [*moved, *self._renewed])
        for tensor, array in self._renewed.items():
            tensor.data = wrap(array)
        if self._only:
            return wrap(np.asarray(out[0]))
        results = [self.program.handed(t, np.asarray(x)) for t, x in zip(self._returned, out, strict=False)]
        by = dict(zip(map(id, self._returned), results, strict=True))
        result = replaced(self.program.result, lambda t: by[id(t)])
        if self._derived or self.program.moved:
            result, parts = result
            for (attributes, name), tensor in zip(self._derived, parts, strict=False):
                attributes[name] = tensor
            for tensor, part in zip(moved, parts[len(self._derived) :], strict=True):
                tensor.data = part
        return numbers_replaced(result, value) if self._numbered else result

    def _leave_flags(self, given: Any) -> None:
        """What the step makes of `requires_grad`."""
        for tensor, needed in self.program.flags:
            place = self._place.get(id(tensor))
            (tensor if place is None else given[place]).requires_grad_(needed)
