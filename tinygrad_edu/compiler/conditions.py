"""Whether a program holds for a call: its arguments, the tensors that the step knows besides, and what else it sees.

The tensors of the step must be the same ones, in memory of the same layout; an argument may be another tensor of the
same form (forms.py), as long as it is none of those. What is in `.grad` has a file of its own (gradients.py), and
everything that is no tensor is the Watch's.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..core.dtypes import get_default_dtype
from ..core.mode import mode
from ..core.symbol import Symbol
from ..core.tensor import Tensor
from ..symbolic.program import Program, evaluated, setting_of
from ..symbolic.trace import Trace
from .counts import still_equal
from .gradients import Gradients
from .looks import apart, layout, lies_in, look, owner_of, recording
from .watching.guard import Guard
from .watching.scopes import equal
from .watching.watch import Watch


class Conditions:
    """What a program has been written for, and where its inputs are."""

    def __init__(self, program: Program, trace: Trace, watch: Watch, gradients: Gradients) -> None:
        self.program, self.watch, self.gradients = program, watch, gradients
        tensors = [(k, t) for k, t in enumerate(program.given) if isinstance(t, Tensor)]
        self.place = {id(t): k for k, t in tensors}  # of the tensors among the arguments
        self._known = [t for t in program.tensors if t not in gradients]
        self._memory = [t._array for t in self._known]  # kept, so that an id stays one array's
        self._ids = [*map(id, self._memory)]
        self._layouts = [*map(layout, self._memory)]
        self._need = [*map(recording, self._known)]
        self._modes = mode.grad, mode.anomaly, get_default_dtype()
        # What the step sees and does not compute with: it may have asked for a shape, or for requires_grad
        self._idle = [t for t in watch.tensors if t not in program.tensors and not isinstance(t._array, Symbol)]
        self._looks = [*map(look, self._idle)]
        self._outside = {*map(id, watch.tensors), *map(id, self._known)}  # what the step sees besides its arguments
        self._met = [(k, t) for k, t in tensors if id(t) in self._outside]  # arguments that are among it
        self._free = [k for k, t in tensors if id(t) not in self._outside]
        self._writes, self._guards = bool(program.writes), bool(program.guards)
        self._into_known = [t for t, _ in program.writes if id(t) in set(map(id, self._known))]
        self._into_given = [self.place[id(t)] for t, _ in program.writes if id(t) in self.place]
        self._owners_of: Any = None  # the `_memory` that the owners below have been found for
        through = [(t, base, lies_in(t, base)) for t, base in trace.outside]
        self._through = [(t, base, there) for t, base, there in through if id(base) not in self.place]
        self._through_given = [(t, self.place[id(b)], there) for t, b, there in through if id(b) in self.place]
        self.counts: list[list[Tensor]] = []  # sets of step counts that are equal (counts.py)
        self.lent: list[bool] = []  # which arguments lie where the program leaves gradients, so that they are copied
        self._guard: Guard | None = None
        self._records: list[Any] = []
        self._recent: list[Any] = [(None, None)]

    def holds(self, given: Any) -> bool:
        """Whether the program is still what the step would do."""
        if self._guard is None or not self._guard.same():
            if not self._unmoved() or not self.gradients.fit(given, self._memory):
                return False
            self._settle()
        elif self.gradients.by_argument and not self.gradients.fit(given, self._memory):
            return False
        lent = self.gradients.lent(given)
        if lent is None or not self._fits(given) or not self.watch.same() or (self._guards and self._differs(given)):
            return False
        if self.counts and not still_equal(self.counts):
            return False
        self.lent = lent
        self._recent = [(None, None)] if any(lent) else self._arrays_of(given)
        return True

    def holds_again(self, given: Any) -> bool:
        """The same, for a call with the arrays of the call before; False where that takes a closer look."""
        recent = self._recent
        if len(given) != len(recent) or self._modes != (mode.grad, mode.anomaly, get_default_dtype()):
            return False
        for x, (array, shape) in zip(given, recent, strict=True):
            if x.__class__ is not Tensor or x._array is not array or array.shape != shape or not _is_bare(x):
                return False
        quick = self._guard is not None and self._guard.same() and (not self.counts or still_equal(self.counts))
        return quick and self.watch.same() and not (self._guards and self._differs(given))

    def _arrays_of(self, given: Any) -> list[Any]:
        """The arguments' arrays, where a call with the same ones needs no further look; else something none has."""
        plain = all(x.__class__ is Tensor and _is_bare(x) for x in given)
        if not plain or self._met or self.gradients.by_argument:
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
            for tensor, base, _ in self._through:
                self._guard.add("{}._array", tensor)
                self._guard.add("{}._storage", tensor)
                self._guard.add("{}._storage", base)
            self.gradients.guard(self._guard)
        self._guard.settle()

    def _unmoved(self) -> bool:
        """Whether the step's own tensors are what they were, in memory of the same layout."""
        arrays = [t._array for t in self._known]
        if [*map(id, arrays)] != self._ids:  # other memory, perhaps of the same layout
            if [*map(layout, arrays)] != self._layouts:
                return False
            self._memory, self._ids = arrays, [*map(id, arrays)]
        if [*map(recording, self._known)] != self._need or [*map(look, self._idle)] != self._looks:
            return False
        # another name for other memory by now?
        return all(lies_in(tensor, base) == there for tensor, base, there in self._through)

    def _fits(self, given: Any) -> bool:
        """Whether the arguments are of those that the program was written for."""
        for k, tensor in self._met:
            if given[k] is not tensor:
                return False
        for k in self._free:
            if id(given[k]) in self._outside or id(given[k]._array) in self._ids:
                return False
        if any(lies_in(tensor, given[k]) != there for tensor, k, there in self._through_given):
            return False
        return not self._writes or self._apart(given)

    def _apart(self, given: Any) -> bool:
        """Whether no argument lies in memory that the program writes under another name."""
        if self._owners_of is not self._memory:
            arrays = {id(t): t._array for t in self._known}
            self._owners = {owner_of(x) for x in arrays.values()}
            self._targets = [arrays[id(t)] for t in self._into_known]
            self._target_owners = {owner_of(x) for x in self._targets}
            self._owners_of = self._memory
        for k in self._free:
            array = given[k]._array
            if owner_of(array) in self._target_owners and any(np.may_share_memory(array, x) for x in self._targets):
                return False
        for k in self._into_given:
            array, owner = given[k]._array, owner_of(given[k]._array)
            if owner in self._owners and any(np.may_share_memory(array, x) for x in self._memory):
                return False
            for j in self._free:
                if given[j] is not given[k] and not apart([array], [given[j]._array]):
                    return False
        return True

    def _differs(self, given: Any) -> bool:
        """Whether a number that the step's Python looked at looks different now."""
        values = self.settings_of(given)
        return not all(equal(evaluated(symbol, values), seen) for symbol, seen, _ in self.program.guards)

    def difference(self, given: Any) -> str:
        """What is not as it was, for a message."""
        if not self.watch.same():  # first: where there was a number beside the step there may be none
            return self.watch.difference()
        values = self.settings_of(given)
        for symbol, seen, line in self.program.guards:
            if not equal(evaluated(symbol, values), seen):
                return f"the number that {line} looks at"
        return self.watch.difference()

    def settings_of(self, given: Any) -> dict[Symbol, Any]:
        """The Python numbers of a call."""
        values: dict[Symbol, Any] = {s: setting_of(group, key, part) for s, group, key, part in self.program.numbers}
        for symbol, x in zip(self.program.arguments, given, strict=True):
            if symbol is not None and symbol.number:
                values[symbol] = x
        return values


def _is_bare(tensor: Tensor) -> bool:
    """Whether there is no more to a tensor than its numbers: no graph, no gradient, no hooks, no attributes."""
    record = tensor._record
    return (record is None or not (record.needs_grad or record.grad is not None)) and not tensor.__dict__
