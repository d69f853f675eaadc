"""Tracing: an ordinary run of a step in which the arrays are Symbols, recorded as a program.

The engine, `nn` and `optim` do not know the difference: a Tensor's array is a Symbol, a rule on it
gives a Symbol, a write puts a Symbol in its place. When the step ends, every Tensor gets its array
back, and what the Symbols say was done to it becomes the program, which can be run again and again.

Tensors are found as the step touches them. At every run their arrays of that moment are read, and
so are hyperparameters, so nothing that may change is frozen into the program.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import TraceError, name_of
from ..core.mode import mode
from ..core.record import Record, Storage
from ..core.symbol import Symbol
from ..core.tensor import Tensor, wrap
from ..core.views import follow
from ..ops.writes import assign
from .blame import line_of_step, line_that, of_library
from .nested import arguments_of, contents, exchanged, put_back, replaced, tensors_of
from .numbers import Numbers
from .program import Check, Program
from .sections import leading_to, sections_of


class Before(NamedTuple):
    """A Tensor as it was when the step first touched it."""

    array: np.ndarray[Any, Any]
    record: Record | None
    view: Any
    symbol: Symbol
    of_record: dict[str, Any]  # what a write, or `.data = ...`, changes in the record and the storage
    of_storage: dict[str, Any]

    @property
    def grad(self) -> Tensor | None:
        """Its gradient."""
        return self.of_record.get("grad")


class Kept(TraceError):
    """A tensor of an earlier trace is used."""


FEW = 4096  # numbers that a program takes for constants; more are an input
_OF_RECORD = ("grad", "array", "shape", "dtype", "storage", "moved")


class Trace(Numbers):
    """The run of a step on Symbols. `core` and `ops` call `enter`, `wrote`, `fetch`, `check` and `drew`."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Symbol((), np.dtype("float64")).index  # what has a lower one belongs to another trace
        self.before: dict[Tensor, Before] = {}
        self.checks: list[Check] = []
        self.optimizers: list[tuple[Any, dict[Any, Any]]] = []  # with the entries of their states, and what these held
        self.sections: list[tuple[int, str]] = []
        self.cleared: set[Tensor] = set()
        self.asked_for: dict[Tensor, None] = {}  # whose .grad Python has looked at, or backward() added to
        # For the names of values: which Symbol a record's value is, whose cotangents are which, where backward began
        self.values: dict[Record, Any] = {}
        self.cotangents: list[tuple[Record, Symbol]] = []
        self.handed: list[tuple[Any, list[Any]]] = []  # what autograd.grad has returned, and at which line
        self.passes: list[dict[Record, Any]] = []  # of each backward pass the cotangents of leaves
        self.roots: list[Record] = []
        self.draws: list[Symbol] = []  # random numbers, which every run draws anew, used or not
        self.current: dict[int, tuple[Storage, Symbol]] = {}  # what the written memory holds now
        self.written: dict[int, list[Any]] = {}  # and which arrays it is, by the same ids
        self.views: dict[Tensor, Symbol] = {}  # what the base of a view held when its Symbol was taken
        self.through: set[Tensor] = set()  # views from outside; the program reads and writes them as parts of the base
        self.beside: dict[int, list[Tensor]] = {}  # of `before`, by the id of the Storage; 0: where an ndarray reaches
        # Memory by another name: the tensor that it belongs to, and the view of it that this one is
        self.aliases: dict[Tensor, tuple[Tensor, tuple[Any, ...]]] = {}
        self.outside: list[tuple[Tensor, Tensor]] = []  # pairs of those that exist before the step: alias, owner
        self.exchanged: list[tuple[Tensor, Tensor]] = []  # (x, y) after `x.data = y`: both have y's memory now
        self.stale: dict[Tensor, Tensor] = {}  # y, whose memory has been written by the name x
        self.made: set[Tensor] = set()  # in the step, of numbers that it names: the same ones at every call
        self.derived: list[tuple[dict[str, Any], str]] = []  # attributes that modules compute anew, to be left there
        self.refused: TraceError | None = None  # also where the step has caught it
        self.own: set[Tensor] = set()  # the arguments: views among them are other memory at the next call

    def enter(self, args: Any) -> None:
        """Put a Symbol in the place of the array of each Tensor that the step touches."""
        for x in args:
            if isinstance(x, Tensor):
                if isinstance(x._array, Symbol):
                    if x._array.index < self.first:
                        raise Kept(
                            f"{name_of(x)} was computed while the step was traced before, and has been kept (in a "
                            "variable, an attribute, a cache): it has no numbers. Compute it outside of the step."
                        )
                    self._follow(x)
                elif x not in self.before:
                    self._lift(x)
            elif isinstance(x, np.ndarray):
                raise TraceError(
                    f"an ndarray of shape {x.shape} meets a traced value: the program could not know when "
                    "it changes. Make it a tensor outside of the step, or pass it as an argument."
                )

    def _lift(self, tensor: Tensor) -> None:
        array, record, storage, view = tensor._array, tensor._record, tensor._storage, tensor._view
        base, steps = self._base_of(tensor)
        if base is tensor:
            self._refuse_written(tensor)
            symbol = Symbol(array.shape, array.dtype, record.name if record is not None else None)
        else:
            self.enter((base,))
            symbol = follow(base._array, steps)
            self.views[tensor] = base._array
            self.through.add(tensor)
            self.outside.append((tensor, base))
        self.before[tensor] = Before(
            array,
            record,
            view,
            symbol,
            {} if record is None else {name: getattr(record, name) for name in _OF_RECORD},
            {} if storage is None else {"version": storage.version, "writer": storage.writer},
        )
        tensor._array = symbol
        if storage is not None:
            self.beside.setdefault(id(storage), []).append(tensor)
            if storage.shared:
                self.beside.setdefault(0, []).append(tensor)

    def _beside(self, storage: Storage) -> list[Tensor]:
        """The tensors met so far that may lie in this memory."""
        return [*self.beside.get(id(storage), ()), *(self.beside.get(0, ()) if storage.shared else ())]

    def _base_of(self, tensor: Tensor) -> tuple[Tensor, Any]:
        """The tensor whose memory this one shows, and by which steps; itself if it has memory of its own."""
        if tensor in self.own:
            return tensor, ()
        if tensor in self.aliases:
            return self.aliases[tensor]
        storage, view = tensor._storage, tensor._view
        if view is not None and view.base._storage is storage:
            return view.base, view.steps
        if storage is not None and not storage.shared and tensor not in self.before:
            for other in self.beside.get(id(storage), ()):  # detached before the step
                if other not in self.through and same_place(self.before[other].array, tensor._array):
                    self.aliases[tensor] = other, ()
                    return other, ()
        return tensor, ()

    def detached(self, result: Tensor, source: Tensor) -> None:
        """Note that a tensor is another name for the memory of the source."""
        base, steps = self._base_of(source)
        self.aliases[result] = base, steps
        self.views[result] = base._array

    def exchange(self, tensor: Tensor, source: Tensor) -> None:
        """`tensor.data = source`: the same numbers from now on, and in eager mode the same memory."""
        self.enter((tensor, source))
        mine, other = self._base_of(tensor)[0], self._base_of(source)[0]
        self.exchanged = [(x, y) for x, y in self.exchanged if x is not tensor]
        if other is mine:
            return
        if other in self.before and other not in self.made:
            raise TraceError(
                f"`x.data = y` gives {name_of(tensor)} the memory of {name_of(other)}, which exists beside the step: "
                "in the calls that follow both would be one. Copy the numbers: x.data.copy_(y)."
            )
        self.exchanged.append((tensor, source))
        self.current.pop(id(tensor._storage), None)  # what has been written there is not its memory any more

    def reads(self, tensor: Tensor) -> None:
        """Refuse to hand out numbers, except those that the step itself has written down."""
        if tensor not in self.made or tensor in self.before:
            self.enter((tensor,))

    def shows(self, base: Tensor, steps: tuple[Any, ...]) -> bool:
        """Whether a reshape of a traced tensor is a view: of what does not lie in one piece it is a copy.

        Arrays that the step computes are taken to lie in the order of their indices.
        """
        was = self.before.get(base)
        like = np.empty(base.shape, bool) if was is None or was.array.ndim == 0 else np.empty_like(was.array, bool)
        return bool(np.may_share_memory(follow(like, steps), like))

    def memory_of(self, tensor: Tensor) -> Any:
        """How a tensor from outside lies in memory: the program holds for that layout. A computed one is refused."""
        self.enter((tensor,))
        was = self.before.get(tensor)
        if was is None:
            raise TraceError(
                f"how {name_of(tensor)}, which the step computes, lies in memory is not known while it is traced. Draw "
                "with rand() or randn() instead of in place, and leave strides alone."
            )
        return was.array

    def _refuse_written(self, tensor: Tensor) -> None:
        """A tensor that the step meets must not lie in memory that it has written under another name."""
        storage = tensor._storage
        if storage is None:
            return
        for other, symbol in (
            self.current.values() if storage.shared else (self.current.get(id(storage), (None, None)),)
        ):
            if other is None or not (other is storage or other.shared) or tensor._array is symbol:
                continue
            if any(np.may_share_memory(x, tensor._array) for x in self.written.get(id(other), ())):
                raise TraceError(
                    f"{name_of(tensor)} shares the memory of a tensor that the step has written before; "
                    "take the view inside of the step, after the write."
                )

    def _follow(self, tensor: Tensor) -> None:
        """Look at a view anew where its base has been written since."""
        if tensor in self.stale:
            raise TraceError(
                f"`x.data = y` has given y's memory to {name_of(self.stale[tensor])}, which has been written since, "
                "and y is used after that; use x itself."
            )
        storage = tensor._storage
        if storage is None or id(storage) not in self.current:
            return
        base, steps = self._base_of(tensor)
        if base is not tensor:
            self.enter((base,))
            if self.views.get(tensor) is not base._array:
                tensor._array = follow(base._array, steps)
                self.views[tensor] = base._array
        elif tensor._array is not self.current[id(storage)][1] and tensor._view is None:
            raise TraceError(
                f"{name_of(tensor)} shares the memory of a tensor that the step has written since; "
                "take it again (.detach(), .data, a view) after the write."
            )

    def wrote(self, tensor: Tensor) -> None:
        """Note what a tensor's memory holds now, for what it is a part of too."""
        target = tensor
        while (found := self._base_of(target))[0] is not target:
            base, steps = found
            self.enter((base,))
            base._array = assign(base._array, target._array, steps=steps, key=(...,)) if steps else target._array
            self.views[target] = base._array
            target = base
        for x, y in self.exchanged:
            if target is y:
                raise TraceError(
                    f"`x.data = y` has given y's memory to {name_of(x)}, and y is written after that; write to x."
                )
            if target is x:
                self.stale[y] = x
        storage = target._storage
        if storage is None:
            return
        self.current[id(storage)] = (storage, target._array)
        memory = self.before[target].array if target in self.before else None
        if memory is None:
            return
        self.written.setdefault(id(storage), []).append(memory)
        for other in self._beside(storage):
            was = self.before[other]
            apart = other is target or other is tensor or other in self.through or not isinstance(was.array, np.ndarray)
            if apart or (other._view is not None and other not in self.own):
                continue
            if np.may_share_memory(was.array, memory):
                raise TraceError(
                    f"the step writes {name_of(target)} and also uses {name_of(other)}, which shares its "
                    "memory; use one of them."
                )

    def guard(self, optimizer: Any) -> None:
        """Remember an optimizer: what the step adds to its state, and what its settings are."""
        self.section("update")
        self.remember(optimizer)

    def remember(self, optimizer: Any) -> None:
        """Remember what an optimizer's state holds, to tell what the step adds."""
        if not any(known is optimizer for known, _ in self.optimizers):
            for key, entries in optimizer.state.items():
                if not isinstance(entries, dict):
                    raise TraceError(_not_a_tensor(optimizer, key, entries))
            self.optimizers.append((optimizer, {k: (v, dict(v)) for k, v in optimizer.state.items()}))

    def section(self, name: str) -> None:
        """What follows belongs to another part of the step."""
        self.sections.append((Symbol((), np.dtype("float64")).index, name))

    def forget(self, tensor: Tensor) -> None:
        """Note that a gradient is dropped: without having been used, or after it was added to."""
        self.enter((tensor,))
        was, record = self.before.get(tensor), tensor._record
        if was is not None and record is not None and record.grad is not was.grad:
            self.asked_for[tensor] = None
        elif was is None or was.grad is None or was.grad not in self.before:
            self.cleared.add(tensor)

    def asked(self, tensor: Tensor) -> None:
        """Note that the step's Python has seen whether a tensor from outside has a gradient."""
        self.enter((tensor,))
        was, record = self.before.get(tensor), tensor._record
        if was is not None and tensor not in self.cleared and (record is None or record.grad is was.grad):
            self.asked_for[tensor] = None

    def differentiate(self, roots: list[Record]) -> None:
        """A backward pass begins."""
        self.section("backward")
        self.roots += roots
        self.passes.append({})

    def visit(self, visit: Callable[..., None], record: Record, dY: Any, walk: Any, *rest: Any) -> None:
        """Note which value a cotangent belongs to, and go on."""
        if isinstance(dY, Symbol):
            self.cotangents.append((record, dY))
        visit(record, dY, walk, *rest)
        for x in record.inputs:
            if isinstance(x, Record) and x.primitive is None and x in walk.cotangents:
                self.passes[-1][x] = walk.cotangents[x]

    def check(self, condition: Symbol, message: str, error: type[Exception], values: Any) -> None:
        self.checks.append(Check(condition, message, error, values if isinstance(values, Symbol) else None))

    def drew(self, symbol: Symbol) -> None:
        """Note a draw: the generator's stream has to go on as it does eagerly."""
        self.draws.append(symbol)

    def kept_in_state(self) -> list[tuple[Any, Any, str, Any]]:
        """What the step has put into the states of optimizers: another tensor, or what is none."""
        added: list[tuple[Any, Any, str, Any]] = []
        for optimizer, before in self.optimizers:
            for key, entries in optimizer.state.items():
                _, old = before.get(key, (None, {}))
                if isinstance(entries, dict):
                    added += [(optimizer, key, n, v) for n, v in entries.items() if n not in old or _another(old[n], v)]
                else:
                    added.append((optimizer, None, key, entries))
        return added

    def replaced_in_state(self, written: set[Tensor]) -> list[tuple[Tensor, Symbol]]:
        """What the program writes into tensors of a state that the step replaces by others it computes."""
        found: list[tuple[Tensor, Symbol]] = []
        held = [v for *_, v in self.kept_in_state()]
        for optimizer, key, name, value in self.kept_in_state():
            _, entries = next(before for o, before in self.optimizers if o is optimizer).get(key, (None, {}))
            owner = next(
                (x for x, y in self.exchanged if y is value), None
            )  # `owner.data = value`: one memory, in eager
            if owner is not None:
                self.enter((owner,))
                value._array = owner._array
            if name not in entries:
                continue
            old = entries[name]
            if owner in self.before and isinstance(old, Tensor) and same_place(self.before[owner].array, old._array):
                continue  # as the eager steps before have left it
            apart = isinstance(old, Tensor) and sum(v is value for v in held) == 1
            if apart and (old not in self.before if owner is not None else self._alone(value)):
                self.enter((old,) if owner is not None else (old, value))
                apart = (old.shape, old.dtype) == (value.shape, value.dtype) and old not in written
                apart = apart and old not in self.through and not self._neighbours(old)
            else:
                apart = False
            if not apart:
                raise TraceError(
                    f"{type(optimizer).__name__} replaces {name} in its state by what may be something else's memory; "
                    f"write it in place: state[{name!r}].copy_(...)."
                )
            found.append((old, value._array))
        return found

    def _alone(self, tensor: Tensor) -> bool:
        """Whether the step has computed a tensor, with memory that no other name leads to."""
        grads = [x._record.grad for x in self.before if x._record is not None]
        mine = tensor not in self.before or tensor in self.made
        named = (
            tensor._view is not None
            or tensor in self.aliases
            or any(tensor is x or tensor is y for x, y in self.exchanged)
        )
        return mine and not named and not any(tensor is grad for grad in grads)

    def _neighbours(self, tensor: Tensor) -> bool:
        """Whether a tensor from outside shares its memory with another one that the step has met, or is a gradient."""
        memory = self.before[tensor].array
        others = (x for x in self._beside(tensor._storage) if x is not tensor) if tensor._storage is not None else ()
        gradient = any(was.grad is tensor for was in self.before.values())
        return gradient or any(np.may_share_memory(self.before[x].array, memory) for x in others)

    def restore(self) -> list[tuple[Any, Any, str, Any]]:
        """Give every tensor back what it had. Returns what the step has put into the states of optimizers."""
        for tensor, was in self.before.items():
            if tensor._record is not None:
                self.values.setdefault(tensor._record, was.symbol)
        for tensor, was in self.before.items():
            tensor._array, tensor._record, tensor._view = was.array, was.record, was.view
            for owner, were in ((was.record, was.of_record), (tensor._storage, was.of_storage)):
                for name, value in were.items():
                    setattr(owner, name, value)
        self.put_back_settings()
        added = self.kept_in_state()
        for optimizer, before in self.optimizers:
            optimizer.state.clear()
            for parameter, (entries, held) in before.items():  # the same dicts: other programs know them
                entries.clear()
                entries.update(held)
                optimizer.state[parameter] = entries
        return added


def _another(old: Any, new: Any) -> bool:
    """Whether a step has put something else into a state."""
    return old is not new and not (type(old) is type(new) and isinstance(new, (bool, int, float, str)) and old == new)


def _not_a_tensor(optimizer: Any, name: Any, value: Any) -> str:
    return (
        f"{type(optimizer).__name__} keeps {name}, a {type(value).__name__}, in its state: the program could not "
        "change it. Keep it in a tensor."
    )


def _refuse_changed(held: list[tuple[Any, list[Any]]], again: Callable[[], Any]) -> None:
    """Lists, dicts and dataclasses that the step is given must hold what they held."""
    for container, were in held:
        if _changed(container, were):
            put_back(container, were)
            line = line_that(again, functools.partial(_changed, container, were))
            raise TraceError(
                f"{line}the step changes a {type(container).__name__} that it is given. A program changes only "
                "tensors: return what is new, or keep it in a tensor written in place."
            )


def _changed(container: Any, were: list[Any]) -> bool:
    return any(x is not y for x, y in itertools.zip_longest(contents(container), were))


def same_place(x: Any, y: Any) -> bool:
    """Whether two arrays are the same numbers in memory."""
    kind = x.__class__ is y.__class__ is np.ndarray and (x.shape, x.strides, x.dtype) == (y.shape, y.strides, y.dtype)
    return kind and x.__array_interface__["data"] == y.__array_interface__["data"]


def trace(step: Callable[..., Any], *args: Any, **kwargs: Any) -> Program:
    """Record a step as a program, without changing anything.

    Args:
        step: a function of Tensors; it may run backward() and update parameters.
        args: example arguments. Tensors and Python floats become inputs of the program, other values constants.
    Raises:
        TraceError: the step reads a value, or does what a program can't repeat; the line is named.

    >>> from tinygrad_edu import tensor
    >>> program = trace(lambda x: (x * x).sum(), tensor([1.0, 2.0]))
    >>> program(tensor([3.0, 4.0]))
    tensor(25.)
    """
    return record(step, args, kwargs, Trace())


def record(
    step: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    run: Trace,
    settings: Sequence[dict[str, Any]] = (),
    plain: bool = False,
) -> Program:
    """`trace` on a Trace of the caller's. The program's arguments are the Tensors and numbers of args and kwargs, in
    the order of `arguments_of`.

    Args:
        settings: the groups of optimizers that the step's Python may look at.
        plain: hand over numbers as Python's own, so that the program holds for those values alone.
    """
    if mode.trace is not None:
        raise TraceError("a step is being traced already.")
    given = arguments_of((args, kwargs))
    mode.trace = run
    added: list[Any] = []
    try:
        own = [a for a in given if isinstance(a, Tensor)]
        run.own.update(own)
        run.enter(own)
        numbers = [None if isinstance(a, Tensor) else run.number(a) for a in given]
        arguments = [run.before[a].symbol if n is None else n.symbol for a, n in zip(given, numbers, strict=True)]
        passed = [a if n is None else n.seen() if plain else n for a, n in zip(given, numbers, strict=True)]
        run.settings(settings)
        run.numbered = len(own) < len(given) or bool(settings)
        queue = iter(passed)
        made: list[Any] = []
        args, kwargs = exchanged((args, kwargs), lambda _: next(queue), made)
        held = [(x, contents(x)) for x in made]
        result = step(*args, **kwargs)
        if run.refused is not None:
            raise run.refused
        if hasattr(type(result), "__next__"):
            raise TraceError(
                f"the step returns a {type(result).__name__}, which computes when it is asked, after the trace. "
                "Return list(...) of it."
            )
        _refuse_changed(held, lambda: step(*args, **kwargs))
        run.derived = [(x, name) for x, name in run.derived if isinstance(getattr(x.get(name), "_array", None), Symbol)]
        if run.derived:
            result = result, [x[name] for x, name in run.derived]
        run.enter(tensors_of(result))
        writes, grads, flags = [], [], []
        dropped = {
            was.grad for x, was in run.before.items() if x._record is not None and x._record.grad is not was.grad
        }
        for tensor, was in list(run.before.items()):
            if tensor in run.made:
                continue
            needed = tensor._record is not None and tensor._record.needs_grad
            leaf = tensor._record is None or tensor._record.primitive is None
            if leaf and needed != (was.record is not None and was.record.needs_grad):
                flags.append((tensor, needed))
            # a .grad that is added to and then dropped lies in memory of the program that has made it: perhaps this one
            if tensor._array is not was.symbol and tensor not in run.through and tensor not in dropped:
                writes.append((tensor, tensor._array))
            record = tensor._record
            if record is not None and (record.grad is not was.grad or tensor in run.cleared):
                grads.append((tensor, None if record.grad is None else record.grad._array))
        kept = [x for x in run.kept_in_state() if not isinstance(x[3], Tensor)]
        if kept:
            optimizer, key, name, value = kept[0]
            entries = optimizer.state if key is None else optimizer.state[key]
            line = line_that(lambda: step(*args, **kwargs), lambda: entries.get(name) is not value)
            raise TraceError(f"{line}{_not_a_tensor(optimizer, name, value)}")
        writes += run.replaced_in_state({t for t, _ in writes})
        frozen = replaced(result, lambda t: wrap(t._array))
    except TraceError as error:
        raise _placed(error, step) from None
    finally:
        mode.trace = None
        now = {t: t._array for t in run.before}
        added = run.restore()
    added = [(optimizer, key, name, v) for optimizer, key, name, v in added if name not in optimizer.state.get(key, ())]
    begun = {v for *_, v in added if v in run.made and v in now and now[v] is not run.before[v].symbol}
    for tensor in begun:  # zeros that the step has put into the state and updated: it begins with what they come to
        tensor._array = now[tensor]
    tensors = {
        wrap(was.array) if t in begun else t: was.symbol
        for t, was in run.before.items()
        if t not in run.own and t not in run.through
    }
    writes = [(t, symbol) for t, symbol in writes if t not in begun]
    optimizers = [optimizer for optimizer, _ in run.optimizers]
    program = Program(
        arguments, tensors, list(run.numbers.values()), writes, grads, run.checks, run.draws, frozen,
        optimizers, added, run.guards, run.cleared, given, flags, run.assigned,
    )  # fmt: skip
    program.constants = {s for t, s in program.tensors.items() if t in run.made and _is_written_down(t._array)}
    recorded = {x for x in map(run.values.get, leading_to(run.roots)) if isinstance(x, Symbol)}
    program.sections = sections_of(program.equations, run.sections, recorded, bool(writes))
    return program


def _is_written_down(array: Any) -> bool:
    """Whether an array is what people write as numbers: few of them, or all equal."""
    return array.size <= FEW or bool((array == array.flat[0]).all())


def _placed(error: TraceError, step: Any) -> TraceError:
    """The refusal with the line of the step that it is about, or that the step is written in."""
    lines = [
        f"{os.path.basename(frame.f_code.co_filename)}:{number}: "
        for frame, number in traceback.walk_tb(error.__traceback__)
        if not of_library(frame.f_globals.get("__name__"))
    ]
    named = re.match(r"\S+:\d+: ", str(error))
    if named and not lines:
        return error
    return type(error)((lines[-1] if lines else line_of_step(step)) + str(error)[named.end() if named else 0 :])
