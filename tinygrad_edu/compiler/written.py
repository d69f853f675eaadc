"""One program of a compiled step: what it holds for, where its inputs are, and the function that was written."""

from __future__ import annotations

import functools
import operator
import traceback
from typing import Any

import numpy as np

from ..core.apply import explained
from ..core.dtypes import get_default_dtype
from ..core.mode import mode
from ..core.quiet import hush, restore
from ..core.record import stamp
from ..core.symbol import Symbol
from ..core.tensor import Tensor, record_of, wrap
from ..core.views import refresh
from ..core.write import storage_of
from ..symbolic.aliases import same_place
from ..symbolic.nested import numbers_replaced, replaced, tensors_of
from ..symbolic.program import Program, copied, evaluated
from ..symbolic.trace import Trace
from .counts import equal_counts, still_equal
from .emit import Emitted
from .kernels.engine import accelerated
from .listing import note
from .memory import Memory
from .names import name_values
from .passes import changes
from .readable.source import Formulas
from .reassociate import move_factors
from .watching.guard import Guard
from .watching.scopes import equal
from .watching.watch import Watch


class Written:
    """One program: what it holds for, where its inputs are, and the function that was written."""

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
        self.watch = watch
        watch.complete(program, trace, kept)
        self.result = program.result
        owners = {id(was.grad): tensor for tensor, was in trace.before.items() if was.grad is not None}
        self._grad_of = {t: owners[id(t)] for t in program.tensors if id(t) in owners}
        self._known = [t for t in program.tensors if t not in self._grad_of]
        self._memory = [t._array for t in self._known]  # kept, so that an id stays one array's
        self._ids = [*map(id, self._memory)]
        self._layouts = [*map(_layout, self._memory)]
        self._need = [*map(_recording, self._known)]
        self._modes = mode.grad, mode.anomaly, get_default_dtype()
        dependent = [t for t, _ in program.grads if t not in program.cleared]
        known = set(map(id, dependent))
        dependent += [t for t in (*self._grad_of.values(), *trace.asked_for) if id(t) not in known]
        place = {id(t): k for k, t in enumerate(program.given) if isinstance(t, Tensor)}
        had = [(t, record_of(t).grad is not None) for t in dependent]
        self._dropped = dropped
        self._had_grad = [(t, was) for t, was in had if id(t) not in place]
        self._came_with_grad = [(place[id(t)], was) for t, was in had if id(t) in place]
        self._guards, self._assigned = bool(program.guards), program.assigned
        # What the step sees and does not compute with: it may have asked for a shape, or for requires_grad
        self._idle = [t for t in watch.tensors if t not in program.tensors and not isinstance(t._array, Symbol)]
        self._looks = [*map(_look, self._idle)]
        self._outside = {*map(id, watch.tensors), *map(id, self._known)}  # what the step sees besides its arguments
        tensors = [(k, t) for k, t in enumerate(program.given) if isinstance(t, Tensor)]
        self._met = [(k, t) for k, t in tensors if id(t) in self._outside]  # arguments that are among it
        self._free = [k for k, t in tensors if id(t) not in self._outside]
        self._place = {id(t): k for k, t in tensors}
        self._writes = bool(program.writes)
        self._into_known = [t for t, _ in program.writes if id(t) in set(map(id, self._known))]
        self._into_given = [self._place[id(t)] for t, _ in program.writes if id(t) in self._place]
        self._owners_of: Any = None  # the `_memory` that the owners below have been found for
        self._derived = trace.derived
        self._through = [(t, base) for t, base in trace.outside if id(base) not in self._place]
        self._through_given = [(t, self._place[id(base)]) for t, base in trace.outside if id(base) in self._place]
        self._own_memory: set[int] = set()  # where the gradients lie that it leaves
        self._lent: list[bool] = []  # which arguments do, so that they are copied
        self._guard: Guard | None = None
        self._records: list[Any] = []
        self._recent: list[Any] = [(None, None)]

    def holds(self, given: Any) -> bool:
        """Whether the program is still what the step would do."""
        if self._guard is None or not self._guard.same():
            if not self._unmoved():
                return False
            self._settle()
        self._lent = [self._lies_in_grads(k, x) for k, x in enumerate(given)]
        if not self._fits(given) or not self.watch.same() or (self._guards and self._differs(given)):
            return False
        if self._counts and not still_equal(self._counts):
            return False
        self._recent = [(None, None)] if any(self._lent) else self._arrays_of(given)
        return True

    def _lies_in_grads(self, k: int, x: Any) -> bool:
        """Whether an argument is a gradient that a call before has left, in memory that the next one writes."""
        if not self._own_memory or not isinstance(x, Tensor) or k in self._into_given:
            return False
        return _owner(x._array) in self._own_memory

    def holds_again(self, given: Any) -> bool:
        """The same, for a call with the arrays of the call before; False where that takes a closer look."""
        recent = self._recent
        if len(given) != len(recent) or self._modes != (mode.grad, mode.anomaly, get_default_dtype()):
            return False
        for x, (array, shape) in zip(given, recent, strict=True):
            if x.__class__ is not Tensor or x._array is not array or array.shape != shape or not _is_bare(x):
                return False
        quick = self._guard is not None and self._guard.same() and (not self._counts or still_equal(self._counts))
        return quick and self.watch.same() and not (self._guards and self._differs(given))

    def _arrays_of(self, given: Any) -> list[Any]:
        """The arguments' arrays, where a call with the same ones needs no further look; else something none has."""
        plain = all(x.__class__ is Tensor and _is_bare(x) for x in given)
        if not plain or self._met:
            return [(None, None)]
        arrays = [x._array for x in given]
        ids = {*map(id, arrays)}  # of one tensor each, and of none that the step knows
        distinct = len(ids) == len(arrays) and ids.isdisjoint([id(t._array) for t in self._idle])
        return [(x, x.shape) for x in arrays] if distinct else [(None, None)]

    def _settle(self) -> None:
        """Take what is found now, which holds, for what later calls find."""
        tensors = [*self._known, *self._idle]
        records = [t._record for t in tensors]
        if self._guard is None or any(map(operator.is_not, records, self._records)):
            self._records, self._guard = records, Guard()
            for tensor, record in zip(tensors, records, strict=True):
                self._guard.add("{}._array", tensor)
                self._guard.add("{}._record", tensor)
                for name in () if record is None else ("needs_grad", "hooks", "grad_hooks"):
                    self._guard.add(f"{{}}.{name}", record)
                if record is not None and (record.hooks or record.grad_hooks):  # a dict, whose content may change
                    self._guard.add("object()", None)
            for tensor, base in self._through:
                self._guard.add("{}._storage", tensor)
                self._guard.add("{}._storage", base)
            for tensor, _ in self._had_grad:
                self._guard.add("({}.grad is None)", record_of(tensor))
        self._guard.settle()

    def _unmoved(self) -> bool:
        """Whether the step's own tensors are what they were, in memory of the same layout."""
        arrays = [t._array for t in self._known]
        if [*map(id, arrays)] != self._ids:  # other memory, perhaps of the same layout
            if [*map(_layout, arrays)] != self._layouts:
                return False
            self._memory, self._ids = arrays, [*map(id, arrays)]
        if [*map(_recording, self._known)] != self._need or [*map(_look, self._idle)] != self._looks:
            return False
        for tensor, base in self._through:  # another name for other memory by now?
            if tensor._storage is not base._storage:
                return False
        return all((record_of(tensor).grad is not None) == had for tensor, had in self._had_grad)

    def _fits(self, given: Any) -> bool:
        """Whether the arguments are of those that the program was written for."""
        for k, tensor in self._met:
            if given[k] is not tensor:
                return False
        for k in self._free:
            if id(given[k]) in self._outside or id(given[k]._array) in self._ids:
                return False
        for tensor, k in self._through_given:
            if given[k]._storage is not tensor._storage or not same_place(
                given[k]._array, self.program.given[k]._array
            ):
                return False
        for k, had in self._came_with_grad:
            record = given[k]._record
            if (record is not None and record.grad is not None) != had:
                return False
        return not self._writes or self._apart(given)

    def _apart(self, given: Any) -> bool:
        """Whether no argument lies in memory that the program writes under another name."""
        if self._owners_of is not self._memory:
            arrays = {id(t): t._array for t in self._known}
            self._owners = {_owner(x) for x in arrays.values()}
            self._targets = [arrays[id(t)] for t in self._into_known]
            self._target_owners = {_owner(x) for x in self._targets}
            self._owners_of = self._memory
        for k in self._free:
            array = given[k]._array
            if _owner(array) in self._target_owners and any(np.may_share_memory(array, x) for x in self._targets):
                return False
        for k in self._into_given:
            array, owner = given[k]._array, _owner(given[k]._array)
            if owner in self._owners and any(np.may_share_memory(array, x) for x in self._memory):
                return False
            for j in self._free:
                other = given[j]
                if other is not given[k] and _owner(other._array) == owner and np.may_share_memory(array, other._array):
                    return False
        return True

    def _differs(self, given: Any) -> bool:
        """Whether a number that the step's Python looked at looks different now."""
        values = self._settings_of(given)
        return not all(equal(evaluated(symbol, values), seen) for symbol, seen, _ in self.program.guards)

    def difference(self, given: Any) -> str:
        """What is not as it was, for a message."""
        values = self._settings_of(given)
        for symbol, seen, line in self.program.guards:
            if not equal(evaluated(symbol, values), seen):
                return f"the number that {line} looks at"
        return self.watch.difference()

    def _settings_of(self, given: Any) -> dict[Symbol, Any]:
        """The Python numbers of a call."""
        values: dict[Symbol, Any] = {s: _setting(group, key, part) for s, group, key, part in self.program.numbers}
        for symbol, x in zip(self.program.arguments, given, strict=True):
            if symbol is not None and symbol.number:
                values[symbol] = x
        return values

    # --- the first run

    def begin(self, given: Any) -> Any:
        """Write the program, and run it for the first time."""
        program = self.program
        values: dict[Symbol, Any] = {symbol: self._array(tensor, given) for tensor, symbol in program.tensors.items()}
        for symbol, x in zip(program.arguments, given, strict=True):
            assert symbol is not None
            values[symbol] = x if symbol.number else x._values()
        for symbol, group, key, part in program.numbers:
            values[symbol] = _setting(group, key, part)
        for symbol in program.computed:
            values[symbol] = evaluated(symbol, values)
        self._counts = equal_counts(program, values)
        self.listing = listing = note(program, values, self._counts)
        name_values(listing, program, self.trace, self._words, self.watch.words)
        listing.drop_gradients(self._dropped)
        listing.own_gradients()
        self._formulas = Formulas(program, values, self._counts, listing, self._dropped, self.name)
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
        self.changes = changes(self.listing, self.memory) + self._kernels
        for line in self.listing.lines:
            for value in (*line.results, *line.operands):
                value.data = None
        del self.listing, self.memory

    @property
    def formulas(self) -> str:
        """The program as a textbook writes it."""
        return self._formulas.text

    def _array(self, tensor: Tensor, given: Any) -> Any:
        owner = self._grad_of.get(tensor)
        if owner is not None:
            owner = given[self._place[id(owner)]] if id(owner) in self._place else owner
            return record_of(owner).grad._array
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
        self._plain = all(t not in self._grad_of and t._view is None for t in self._tensors)
        self._changed = [self._place[id(t)] for t, _ in listing.writes if id(t) in self._place]
        self._written = [t for t, _ in listing.writes if id(t) not in self._place]
        kept = [(t, v is not None) for t, v in listing.grads]
        self._left_none = [t for t, left in kept if not left and id(t) not in self._place]
        self._left = [(t, left) for t, left in kept if left or id(t) in self._place]
        self._holders: list[Tensor | None] = [None] * len(self._left)
        self._returned = tensors_of(program.result)
        found: list[Symbol] = []
        numbers_replaced([program.result, *(setting for *_, setting in program.assigned)], found.append)
        self._numbered = bool(found)
        one = len(self._returned) == 1 and self.result is self._returned[0]
        self._only = one and not self._returned[0].requires_grad

    # --- the others

    def run(self, given: Any) -> Any:
        """Run the program that was written."""
        return self._finish(self._execute(given), given)

    def _execute(self, given: Any) -> tuple[Any, ...]:
        arrays = [given[k] if number else given[k]._values() for k, number in self._arguments]
        if any(self._lent):
            arrays = [x.copy("K") if self._lent[k] else x for x, (k, _) in zip(arrays, self._arguments, strict=True)]
        if self._plain:
            arrays += [t._array for t in self._tensors]
        else:
            arrays += [self._array(t, given) for t in self._tensors]
        for group, key, part in self._numbers:
            arrays.append(_setting(group, key, part))
        if self._computed:
            values = self._settings_of(given)
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
        for tensor in self._written:
            storage = tensor._storage or storage_of(tensor)
            storage.version, storage.writer = version, writer
        if self._numbered:
            value = functools.partial(evaluated, values=self._settings_of(given))
        for group, key, setting in self._assigned:
            group[key] = numbers_replaced(setting, value) if self._numbered else setting
        if self.program.flags:
            self._leave_flags(given)
        for module, training in self._switched:
            module.training = training
        for tensor in self._left_none:
            if (record := tensor._record) is not None:
                record.grad = None
        if self._left:
            self._leave_grads(out, given)
        if self._only:
            return wrap(np.asarray(out[0]))
        results = [copied(t, np.asarray(x)) for t, x in zip(self._returned, out, strict=False)]
        by = dict(zip(map(id, self._returned), results, strict=True))
        result = replaced(self.result, lambda t: by[id(t)])
        if self._derived:
            result, parts = result
            for (attributes, name), tensor in zip(self._derived, parts, strict=True):
                attributes[name] = tensor
        return numbers_replaced(result, value) if self._numbered else result

    def _leave_flags(self, given: Any) -> None:
        """What the step makes of `requires_grad`."""
        for tensor, needed in self.program.flags:
            place = self._place.get(id(tensor))
            (tensor if place is None else given[place]).requires_grad_(needed)

    def _leave_grads(self, out: tuple[Any, ...], given: Any) -> None:
        """What the step leaves in `.grad`: arrays that the program owns, the same ones at every call."""
        k = len(self._returned)
        for place, (tensor, kept) in enumerate(self._left):
            place_given = self._place.get(id(tensor))
            record = record_of(tensor if place_given is None else given[place_given])
            if not kept:
                record.grad = None
                continue
            array, k = np.asarray(out[k]), k + 1
            if place_given is not None:  # the next call's argument may be another tensor; this one keeps its gradient
                record.grad = wrap(array.copy())
                continue
            holder = self._holders[place]
            if holder is None or holder._array is not array:
                holder = self._holders[place] = wrap(array)
                self._own_memory.add(_owner(array))
            elif holder._storage is not None:
                holder._storage.version = stamp()
            record.grad = holder


def _layout(array: Any) -> Any:
    return array.shape, array.strides, array.dtype.num


def _look(tensor: Tensor) -> Any:
    """What there is to see of a tensor besides its numbers."""
    return _layout(tensor._array), _recording(tensor)


def _owner(array: Any) -> int:
    """What tells memory apart: the id of the array that it was made for."""
    while array.base.__class__ is np.ndarray:
        array = array.base
    return id(array)


def _recording(tensor: Tensor) -> Any:
    """Whether operations on a tensor are recorded, and which hooks its gradient meets."""
    record = tensor._record
    if record is None or not record.needs_grad:
        return False
    if record.hooks or record.grad_hooks:
        return [*(record.hooks or {}).values()], [*(record.grad_hooks or {}).values()]
    return True


def _is_bare(tensor: Tensor) -> bool:
    """Whether there is no more to a tensor than its numbers: no graph, no gradient, no hooks, no attributes."""
    record = tensor._record
    return (record is None or not (record.needs_grad or record.grad is not None)) and not tensor.__dict__


def _setting(group: Any, key: str, part: int | None) -> float:
    return float(group[key] if part is None else group[key][part])
