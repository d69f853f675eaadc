"""Gradients that a program finds in `.grad`, and those that it leaves there.

One that it reads is read where it lies at the call. Which tensor that is matters where the step has it by another
name too: as an argument, a buffer, a part of one vector of all gradients, the gradient of two tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.record import stamp
from ..core.tensor import Tensor, record_of, wrap
from ..symbolic.aliases import same_place
from ..symbolic.program import Passed, Program, shown
from ..symbolic.trace import Trace
from .looks import apart, look, owner_of
from .watching.guard import Guard


class Gradients:
    """What `.grad` must be for a program to hold, and what the program leaves there."""

    def __init__(self, program: Program, trace: Trace, seen: Sequence[Tensor], dropped: set[Tensor]) -> None:
        self._place = {id(t): k for k, t in enumerate(program.given) if isinstance(t, Tensor)}
        asked = [t for t, _ in program.grads if t not in program.cleared]
        asked += [p.tensor for p in program.passed if p.tensor not in program.cleared]
        found = {
            t: was.grad for t, was in trace.before.items() if was.grad in trace.before and t not in program.cleared
        }
        self._had = {t: record_of(t).grad is not None for t in (*asked, *found, *trace.asked_for)}
        named = {*seen, *trace.through, *(base for _, base in trace.outside)}
        self._fixed = [(t, g) for t, g in found.items() if g in named and id(g) not in self._place]
        self._given = [(t, self._place[id(g)]) for t, g in found.items() if id(g) in self._place]
        self._owner: dict[Tensor, Tensor] = {}  # of the others, which may be other tensors at every call
        self._shared: list[tuple[Tensor, Tensor]] = []  # what has the same one as an owner
        for t, g in found.items():
            if g not in named and id(g) not in self._place and self._owner.setdefault(g, t) is not t:
                self._shared.append((t, self._owner[g]))
        self._looks = [*map(look, self._owner)]
        self._arrays: list[Any] = []  # where they lie now
        self._through, self._replaced = trace.through, trace.replaced
        self.by_argument = bool(self._given) or any(id(t) in self._place for t in self._had)
        self._passed, self._dropped = program.passed, dropped
        self._emptied: list[Tensor] = []
        self._left: list[tuple[Tensor, bool, int | None]] = []
        self._holders: list[Tensor | None] = []
        self._own: set[int] = set()  # the memory of those that the program leaves

    def __contains__(self, tensor: Any) -> bool:
        """Whether a tensor of the trace is one that may be another at every call."""
        return tensor in self._owner

    # --- what is there

    def _record(self, tensor: Tensor, given: Any) -> Any:
        place = self._place.get(id(tensor))
        return record_of(tensor if place is None else given[place])

    def now(self, tensor: Tensor, given: Any) -> Tensor:
        """What is in the place of one of the trace's tensors."""
        place, owner = self._place.get(id(tensor)), self._owner.get(tensor)
        if place is not None:
            return given[place]  # type: ignore[no-any-return]
        return tensor if owner is None else self._record(owner, given).grad

    def array(self, tensor: Tensor, given: Any) -> Any:
        """The memory of a gradient; a copy of what is replaced by one that the program leaves in the same place."""
        array = self.now(tensor, given)._array
        return array.copy("K") if tensor in self._replaced and owner_of(array) in self._own else array

    def fit(self, given: Any, known: Sequence[Any]) -> bool:
        """Whether they stand to everything else as they did for the trace.

        Args:
            known: the arrays of the step's own tensors.
        """
        found = {t: self._record(t, given).grad for t in self._had}
        if any((found[t] is not None) != had for t, had in self._had.items()):
            return False
        for t, grad in self._fixed:
            if found[t] is not grad and not (grad in self._through and same_place(found[t]._array, grad._array)):
                return False
        if any(found[t] is not given[k] for t, k in self._given) or any(
            found[t] is not found[u] for t, u in self._shared
        ):
            return False
        grads = [found[t] for t in self._owner.values()]
        if [*map(look, grads)] != self._looks:
            return False
        self._arrays = [g._array for g in grads]
        return apart(self._arrays, known) and all(apart([x], self._arrays[:k]) for k, x in enumerate(self._arrays))

    def guard(self, guard: Guard) -> None:
        """Note what must be the same for `fit` not to be asked again."""
        read = {*self._owner.values(), *(t for t, _ in (*self._fixed, *self._given, *self._shared))}
        for tensor in self._had:
            if id(tensor) not in self._place:
                guard.add("{}.grad" if tensor in read else "({}.grad is None)", record_of(tensor))
        for tensor in self._owner.values():
            if id(tensor) not in self._place:
                guard.add("{}.grad._array", record_of(tensor))

    def lent(self, given: Any) -> list[bool] | None:
        """Which arguments lie where the program leaves gradients, so that they are copied; None if one is a gradient
        that the program reads, and was none for the trace."""
        if not (self._own or self._arrays):
            return []
        arrays = [x._array if isinstance(x, Tensor) else None for x in given]
        known = {*map(owner_of, self._arrays)}
        owners = [None if x is None else owner_of(x) for x in arrays]
        if any(o in known and not apart([x], self._arrays) for x, o in zip(arrays, owners, strict=True)):
            return None
        return [o in self._own for o in owners]

    # --- what the program leaves

    def leaves(self, grads: list[tuple[Tensor, bool]]) -> None:
        """Note which gradients the program returns, and of which tensors it leaves none."""
        self._emptied = [t for t, kept in grads if not kept and id(t) not in self._place]
        self._left = [(t, kept, self._place.get(id(t))) for t, kept in grads if kept or id(t) in self._place]
        self._holders = [None] * len(self._left)

    def leave(self, arrays: Sequence[Any], given: Any, moved: Sequence[Tensor]) -> None:
        """Put there what the program has computed: arrays that it owns, the same ones at every call.

        Args:
            moved: tensors that get other memory; a gradient of the call before may be among them.
        """
        passed = [self._shown(p, given) for p in self._passed] if self._passed else ()
        for tensor in self._emptied:
            if (record := tensor._record) is not None:
                record.grad = None
        if not (self._left or passed):
            return
        following = iter(arrays)
        for k, (tensor, kept, place) in enumerate(self._left):
            record = record_of(tensor if place is None else given[place])
            if not kept:
                record.grad = None
                continue
            array = np.asarray(next(following))
            if place is not None:  # the next call's argument may be another tensor; this one keeps its gradient
                record.grad = wrap(array.copy())
                continue
            holder = self._holders[k]
            if holder is None or holder._array is not array or any(holder is x for x in moved):
                holder = self._holders[k] = wrap(array)
                self._own.add(owner_of(array))
            elif holder._storage is not None:
                holder._storage.version = stamp()
            record.grad = holder
        for p, source in zip(self._passed, passed, strict=True):
            self._record(p.tensor, given).grad = self._record(p.source, given).grad if source is None else source

    def _shown(self, p: Passed, given: Any) -> Tensor | None:
        """A gradient that is a tensor by another name, or a part of one; None for one that the program leaves."""
        if p.new or p.tensor in self._dropped:
            return None
        source = self.now(p.source, given)
        return source if p.steps is None else shown(source, p.steps)
