"""What a traced step depends on besides its arguments, and whether that is still the same.

A trace is a run of Python, so it holds for the Python values that it saw: the modules and their modes,
settings, variables of the step's surroundings. Comparing takes one look at all of them, by identity; only
where that fails are values compared.

The same look, before and after a trace, tells whether the step itself changes something in Python.
"""

from __future__ import annotations

import functools
import itertools
import operator
import random
import sys
import types
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ...core.tensor import Tensor
from ...nn.module import Module
from ...symbolic.nested import only_tensors
from ...symbolic.numbers import Beside
from ...symbolic.program import Program
from ...symbolic.trace import Trace
from .guard import Guard
from .kinds import content_of
from .scopes import Held, Slots, Variable, by_scope, equal, put_back
from .surroundings import MISSING, Surroundings

DICE = "the state of a random generator of Python or NumPy"


class Watch(Surroundings):
    """A snapshot of what a step's Python code can see."""

    def __init__(self, seen: list[Any], moving: list[Beside]) -> None:
        """Look at what a step sees; `moving`: where it has found other numbers from call to call."""
        super().__init__(seen)
        self._moving = moving
        self._live: list[tuple[Beside, type]] = []  # those that the program reads at every call, and of which type
        self._settings: list[tuple[dict[str, Any], Any, Any, tuple[str, ...], list[bool]]] = []
        self._left: list[tuple[Any, str, Any]] = []  # attributes in which the step keeps what it computes, and its look
        self._looks: list[tuple[Callable[[], Any], str]] = []  # at what the step goes by besides, and what that is
        self._keep()
        self._drawn = self._draws()

    def complete(self, program: Program, trace: Trace, kept: list[tuple[Any, Any]]) -> None:
        """Add what the trace has met.

        Args:
            kept: where other programs of the step leave what they compute.
        """
        for optimizer in dict.fromkeys((*program.optimizers, *self._optimizers)):
            self._state_of(optimizer)
        self._fixed(program)
        self._looks = trace.looks
        for tensor in program.tensors:
            self._hooks_of(tensor)
        for cache in self._caches:
            cache.settle()
            self._queue += cache.results()
        self._walk()
        self._leave(trace, trace.kept + kept + [(x, name) for x, names in trace.places for name in names or ()])
        self._live = [(found, found.kind) for found in trace.around]
        self._overlook({(id(held(found.place)), found.name) for found, _ in self._live})
        self._keep()
        self._numbers = [(found, found.now()) for found in self._places() if found.kind is not None]
        self.tensors = [*{id(x): x for x in (*self._kept, *self._outside) if isinstance(x, Tensor)}.values()]
        del self._containers, self._groups, self._drawn, self._unset

    def tell(self, trace: Trace) -> None:
        """Name what is to be looked after: attributes that modules compute, optimizers that may begin their state."""
        trace.derived, trace.moving = [*self._derived], self._moving
        places = [*self._scopes, *((scope, name) for (_, name), scope in self._unset.items())]
        names = self._sought.stored | (self._sought.strings if self._sought.by_name else set())  # setattr(x, "h", ...)
        inherited = (item for _, of_class in self._objects for item in of_class.items())
        names |= {name for name, value in inherited if isinstance(value, functools.cached_property)}
        stored = [(x, name) for x, name in places if name in names and isinstance(x, (dict, Slots))]
        trace.places = [*((x, None) for x, _ in self._contents.values()), *by_scope(stored)]
        trace.were = [{n: x[n] for n in names or x if x.get(n, MISSING) is not MISSING} for x, names in trace.places]
        for optimizer in self._optimizers:  # some of the user's own have a step of their own, which tells of nothing
            trace.remember(optimizer)

    def _leave(self, trace: Trace, places: list[tuple[Any, Any]]) -> None:
        """Watch what programs leave there by its look: it is another tensor after every call.

        Where the step computes with it, or sees it elsewhere too and so may hand it on, it matters which one it is.
        """
        seen = Counter(map(id, (*self._everything(), *self._surroundings())))
        replaced = Counter(id(t) for x, name in trace.kept for t in only_tensors(x.get(name, None)) or ())
        for x, name in places:
            tensors = only_tensors(x.get(name, None))
            if tensors and not any(t in trace.before or seen[id(t)] > max(replaced[id(t)], 1) for t in tensors):
                self._left.append((x, name, _looks(x[name])))
        self._overlook({(id(x), name) for x, name, _ in self._left})

    def _overlook(self, places: set[tuple[int, Any]]) -> None:
        """Take something out of what has to stay the same."""
        self._scopes = [(x, name) for x, name in self._scopes if (id(x), name) not in places]
        self._cells = [(cell, name) for cell, name in self._cells if (id(cell), name) not in places]
        for where, name in places:
            if where in self._contents:
                x, k = self._contents[where]
                view = self._views[k]
                self._views[k] = view = view if isinstance(view, Held) else Held(x)
                view.left.add(name)

    def _places(self) -> Iterable[Beside]:
        """Where other calls may find other numbers: variables, attributes, entries of dicts."""
        yield from (Beside(Variable(cell), name) for cell, name in self._cells)
        yield from (Beside(x, name) for x, name in self._scopes if isinstance(x, dict))
        yield from (Beside(x, name) for x, _ in self._contents.values() for name in x)

    def moved(self) -> dict[tuple[int, Any], Beside]:
        """The places where there are other numbers by now."""
        found = [x for x, was in self._numbers if x.kind is not None and not equal(x.now(), was)]
        return {(id(held(x.place)), x.name): x for x in found}

    def _keep(self) -> None:
        """Look at everything; what is seen now is what later looks are compared with."""
        present = [(scope, name) for scope, name in self._scopes if scope.get(name, MISSING) is not MISSING]
        self._absent = [(scope, name) for scope, name in self._scopes if scope.get(name, MISSING) is MISSING]
        self._getters = [(scope, operator.itemgetter(*names), names) for scope, names in by_scope(present)]
        self._kept = [*self._everything()]
        self._outside = self._surroundings()
        self._guard: Guard | None = None

    def _fixed(self, program: Program) -> None:
        """Settings that the program does not read, but the step's Python may look at."""
        for group, _, _ in self._groups:
            live = [key for _, owner, key, _ in program.numbers if owner is group]
            fixed = tuple(key for key in group if key not in live and key not in ("params", "param_names"))
            values = operator.itemgetter(*fixed) if fixed else (lambda _: None)
            self._settings.append((group, values, values(group), tuple(live), [not group[key] for key in live]))
            self._overlook({(id(group), key) for key in group if key != "params"})  # the step may have a name for it

    # --- whether the trace has changed it

    def _draws(self) -> list[Any]:
        found: list[Any] = [random.getstate(), *(repr(_bits(d).state) for d in self._dice)]
        if "numpy.random" in sys.modules:  # else nothing has been drawn from it, and importing it takes 10 ms
            name, key, *rest = np.random.get_state(legacy=True)
            found.append((name, np.asarray(key).tobytes(), rest))
        return found

    def changed(self) -> str:
        """What the step has changed while it was traced, in words; empty if nothing."""
        if self._draws() != self._drawn:
            return DICE
        for group, was, name in self._groups:
            for key in (*was, *(group.keys() - was.keys())):
                if key != "params" and not equal(group.get(key, MISSING), was.get(key, MISSING)):
                    return f"{key} of {name}"
        if any(not np.array_equal(x, was, equal_nan=x.dtype.kind in "fc") for x, was in self._arrays):
            return "an ndarray"
        for (_, name), scope in self._unset.items():
            if scope.get(name, MISSING) is not MISSING:
                return self._called_by(scope, name)
        return "" if self._alike([*self._everything()], self._surroundings()) else self.difference()

    def sees(self, tensors: set[Tensor]) -> bool:
        """Whether the step can see one of these."""
        return any(isinstance(x, Tensor) and x in tensors for x in (*self._kept, *self._outside))

    @property
    def groups(self) -> list[dict[str, Any]]:
        """The settings of the optimizers that the step's Python may look at."""
        return [group for group, _, _ in self._groups]

    def switched(self) -> list[tuple[Module, bool, bool]]:
        """The modules that the step has put into training or evaluation mode: was, is."""
        return [(module, was, module.training) for module, was in self._modes if module.training != was]

    def mark(self) -> Callable[[], None]:
        """A function that puts everything back to where it is now."""
        containers, groups, caches = self._containers, self._groups, self._caches
        cells = [(cell, content_of(cell, MISSING)) for cell, _ in self._cells]
        scopes = [(scope, name, scope.get(name, MISSING)) for scope, name in self._scopes]
        scopes += [(scope, name, MISSING) for (_, name), scope in self._unset.items()]
        fields = [(x, name, getattr(x, name)) for x, name in self._fields]
        state, legacy = random.getstate(), np.random.get_state() if "numpy.random" in sys.modules else None
        dice = [(d, _bits(d).state) for d in self._dice]

        def restore() -> None:
            for group, was, _ in groups:
                put_back(group, was)
            for container, was in containers:
                put_back(container, was)
            for cache in caches:
                cache.put_back()
            for cell, value in cells:
                if value is not MISSING:
                    cell.cell_contents = value
                elif content_of(cell, MISSING) is not MISSING:
                    del cell.cell_contents
            for scope, name, value in scopes:
                if isinstance(scope, types.MappingProxyType) or scope.get(name, MISSING) is value:
                    continue
                if value is MISSING:
                    scope.pop(name, None)
                else:
                    scope[name] = value
            for x, name, value in fields:
                if getattr(x, name) is not value:
                    setattr(x, name, value)
            for x, content in self._arrays:
                if x.flags.writeable:
                    np.copyto(x, content)
            random.setstate(state)
            if legacy is not None:
                np.random.set_state(legacy)
            for generator, seed in dice:
                _bits(generator).state = seed

        return restore

    # --- whether it is the same

    def _everything(self) -> Iterable[Any]:
        """What dicts and lists hold. At the end something that they don't: where it is found, no length has changed."""
        return itertools.chain(itertools.chain.from_iterable(self._views), (MISSING,))

    def _surroundings(self) -> list[Any]:
        """What variables of enclosing functions, globals and attributes hold."""
        found = [content_of(cell, MISSING) for cell, _ in self._cells]
        for scope, get, _ in self._getters:
            try:
                values = get(scope)
            except KeyError:  # deleted since
                values = MISSING
            found += values if values.__class__ is tuple else (values,)
        found += [getattr(x, name) for x, name in self._fields]
        found += [tuple(look()) for _, look, _ in self._growing]
        return found + [look() for look, _ in self._looks]

    def _alike(self, held: list[Any], outside: list[Any]) -> bool:
        """Whether two looks have seen the same."""
        if len(held) != len(self._kept) or len(outside) != len(self._outside):
            return False
        if any(scope.get(name, MISSING) is not MISSING for scope, name in self._absent):
            return False
        return all(map(equal, held, self._kept)) and all(map(equal, outside, self._outside))

    def same(self) -> bool:
        """Whether everything is as it was."""
        for x, content in self._arrays:
            if not np.array_equal(x, content, equal_nan=x.dtype.kind in "fc"):
                return False
        if self._live and any(found.kind is not kind for found, kind in self._live):
            return False
        if self._left and any(_looks(x.get(name, None)) != was for x, name, was in self._left):
            return False
        if self._guard is not None and self._guard.same() and all(map(operator.is_, self._everything(), self._kept)):
            return True
        if self._setting_changed():
            return False
        held, outside = [*self._everything()], self._surroundings()
        if not self._alike(held, outside):
            return False
        self._kept, self._outside = held, outside
        self._guard = self._guard or self._guarded()
        self._guard.settle()
        return True

    def _setting_changed(self) -> bool:
        for group, values, was, live, zero in self._settings:
            if values(group) != was or [not group[key] for key in live] != zero:
                return True
        return False

    def _guarded(self) -> Guard:
        """A quick look at settings and surroundings, by identity."""
        guard = Guard()
        for group, _, _, live, _ in self._settings:
            for key in group:
                if key in live:
                    guard.add(f"(not {{}}[{key!r}])", group)
                elif key not in ("params", "param_names"):
                    guard.add(f"{{}}[{key!r}]", group)
        for cell, _ in self._cells:
            guard.add("({} == EMPTY)" if content_of(cell, MISSING) is MISSING else "{}.cell_contents", cell)
        for scope, _, names in self._getters:
            for name in names:
                guard.add(f"{{}}[{name!r}]", scope)
        for scope, name in self._absent:
            guard.add(f"{{}}.get({name!r}, MISSING)", scope)
        for look, _ in self._looks:
            guard.add("{}()", look)
        for x, name in self._fields:
            guard.add(f"{{}}.{name}", x)
        for x, _, _ in self._growing:
            guard.add("len({})", x)
            if isinstance(x, types.MappingProxyType):  # a class's, where names may go unnoticed: the latest comes last
                guard.add("next(reversed({}))", x)
        return guard

    def difference(self) -> str:
        """What has changed, for a message."""
        if self._setting_changed():
            return "a setting of an optimizer"
        for found, kind in self._live:
            if found.kind is not kind:
                return self._called_by(found.place, found.name)
        for attributes, name, look in self._left:
            if _looks(attributes.get(name, None)) != look:
                return self._called_by(attributes, name)
        names = [name for _, name in self._cells]
        names += [self._called_by(scope, name) for scope, _, several in self._getters for name in several]
        names += [f"{name} of {getattr(x, '__name__', type(x).__name__)}" for x, name in self._fields]
        names += [what for *_, what in self._growing]
        names += [what for _, what in self._looks]
        for name, now, was in zip(names, self._surroundings(), self._outside, strict=False):
            if not equal(now, was):
                return name if " " in name else f"the variable {name}"
        place = 0
        for view, what in zip(self._views, self._owners, strict=True):
            present = list(view)
            was = self._kept[place : place + len(present)]
            if len(was) != len(present) or not all(map(equal, present, was)):
                return what if what.startswith(("a ", "the ")) else f"an attribute of {what}"
            place += len(present)
        return "the step's surroundings"


def held(place: Any) -> Any:
    """What Python has a variable or name in."""
    return place.cell if isinstance(place, Variable) else place


def _looks(x: Any) -> Any:
    """What there is to see of tensors besides their numbers."""
    if isinstance(x, (list, tuple)):
        return type(x), *map(_looks, x)
    if isinstance(x, dict):
        return type(x), *map(repr, x), *map(_looks, x.values())
    if not isinstance(x, Tensor):
        return id(x)
    record = x._record
    graph = (False, True) if record is None else (record.needs_grad, record.primitive is None)
    return type(x), x.shape, x._array.strides, x.dtype, graph


def _bits(generator: Any) -> Any:
    """Where a generator of NumPy's keeps its state."""
    return generator.bit_generator if hasattr(generator, "bit_generator") else generator._bit_generator
