"""Tracing: an ordinary run of a step in which the arrays are Symbols, recorded as a program.

The engine, `nn` and `optim` do not know the difference: a Tensor's array is a Symbol, a rule on it
gives a Symbol, a write puts a Symbol in its place. When the step ends, every Tensor gets its array
back, and what the Symbols say was done to it becomes the program, which can be run again and again.

Tensors are found as the step touches them. At every run their arrays of that moment are read, and
so are hyperparameters, so nothing that may change is frozen into the program.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import TraceError
from ..core.mode import mode
from ..core.number import Item
from ..core.record import Record, line_of, reached, user_site
from ..core.symbol import Symbol, computed_by, leaves
from ..core.tensor import Tensor, wrap
from .nested import arguments_of, contents, exchanged, items_replaced, only_tensors, replaced, tensors_of
from .numbers import Numbers
from .program import Check, Passed, Program, array_of, copied
from .refusals import (
    modes_now,
    placed,
    refuse_changed,
    refuse_hidden,
    refuse_later,
    refuse_modes,
    refuse_state,
    set_modes,
)
from .sections import sections_of
from .states import States

FEW = 4096  # numbers that a program takes for constants; more are an input


class Trace(Numbers, States):
    """The run of a step on Symbols. `core` and `ops` call `enter`, `wrote`, `fetch`, `check` and `drew`."""

    def __init__(self) -> None:
        Numbers.__init__(self)
        States.__init__(self)
        self.checks: list[Check] = []
        self.sections: list[tuple[int, str]] = []
        self.cleared: set[Tensor] = set()
        self.asked_for: dict[Tensor, None] = {}  # whose .grad Python has looked at, or backward() added to
        self.replaced: set[Any] = set()  # gradients in whose place the step leaves others, or none
        self.used: set[Tensor] = set()  # whose .grad Python has looked at, with what calls before have added to it
        # For the names of values: which Symbol a record's value is, whose cotangents are which, where backward began
        self.values: dict[Record, Any] = {}
        self.sites: dict[Any, Any] = {}  # by Symbol of what is not recorded the line that has computed it
        self.cotangents: list[tuple[Record, Symbol]] = []
        self.handed: list[tuple[Any, list[Any]]] = []  # what autograd.grad has returned, and at which line
        self.passes: list[dict[Record, Any]] = []  # of each backward pass the cotangents of leaves
        self.roots: list[Record] = []
        self.draws: list[Symbol] = []  # random numbers, which every run draws anew, used or not
        self.derived: list[tuple[dict[str, Any], str]] = []  # attributes that modules compute anew, to be left there
        # Where the step may keep what it computes: attributes and dicts, with names of some or all; and what was there
        self.places: list[tuple[Any, list[str] | None]] = []
        self.were: list[dict[Any, Any]] = []
        self.kept: list[tuple[Any, Any]] = []  # where it does
        self.updated: set[Tensor] = set()  # of what it has made those that it has written since
        self.carried = False  # whether it has computed there with what was there
        self.plain = False  # whether numbers are Python's own, and the program holds for those alone
        self.items: set[Tensor] = set()  # results of which Python's number is handed out
        self.looks: list[tuple[Callable[[], Any], str]] = []  # at what the step goes by besides, and what that is
        self.refused: TraceError | None = None  # also where the step has caught it

    def guard(self, optimizer: Any) -> None:
        """Remember an optimizer: what the step adds to its state, and what its settings are."""
        self.section("update")
        self.remember(optimizer)

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
        if was is None or tensor in self.cleared:
            return
        self.used.add(tensor)
        if record is None or record.grad is was.grad:
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

    def depends(self, look: Callable[[], Any], what: str = "a setting of the library's") -> None:
        """Note that the step goes by something else than its arguments: the program holds as long as it looks alike."""
        self.looks.append((look, what))

    def drew(self, symbol: Symbol) -> None:
        """Note a draw: the generator's stream has to go on as it does eagerly."""
        self.draws.append(symbol)
        self.sites[symbol] = user_site()

    def reads(self, tensor: Tensor, around: bool = True) -> Any:
        """The numbers of what comes of numbers that the step itself has written down, and of whole numbers and truths
        in its surroundings: masks, places. The program holds as long as these are the same. Else its Symbol."""
        if tensor not in self.made or tensor in self.before:
            self.enter((tensor,))
        symbol, draws = tensor._array, {*self.draws}
        if not isinstance(symbol, Symbol):
            return symbol
        known = {
            was.symbol: was.array for x, was in self.before.items() if x in self.made or (around and self._is_fixed(x))
        }
        if not leaves(symbol) <= known.keys():
            return symbol
        for x in computed_by(symbol):
            inputs = [known.get(y) if isinstance(y, Symbol) else y for y in x.inputs]
            if x in draws or not known.keys() & {*x.inputs} or any(y is None for y in inputs):
                return symbol
            known[x] = array_of(x.primitive.forward(*inputs, **x.params), x)  # type: ignore[union-attr]
        met = {was.symbol: x for x, was in self.before.items() if x not in self.made}
        for leaf in leaves(symbol) & met.keys():
            self._holds_for(met[leaf])
        return known[symbol]

    def item_of(self, tensor: Tensor) -> Any:
        """A tensor's one number; where the trace does not know it, what stands for it among the results."""
        array = self.reads(tensor, self.plain)
        return Item(wrap(array)) if isinstance(array, Symbol) else array.item()

    def handed_out(self, item: Item) -> Tensor:
        """The tensor for whose number a program's calls have to look."""
        tensor: Tensor = item.tensor
        self.items.add(tensor)
        return tensor

    def _is_fixed(self, tensor: Tensor) -> bool:
        """Whether a program may hold for the numbers of a tensor: neither what is learned nor what is passed."""
        return (
            tensor not in self.own and tensor.dtype.kind in "biu" and isinstance(self.before[tensor].array, np.ndarray)
        )

    def _holds_for(self, tensor: Tensor) -> None:
        """The program is for these numbers of a tensor."""
        was = self.before[tensor].array.tobytes()

        def look() -> bytes:
            now = tensor._values().tobytes()
            return was if now == was else now

        self.depends(look, f"the numbers of a tensor that are read at {line_of(user_site())}")

    def changes(self) -> tuple[list[Any], list[Any], list[Any], list[Passed]]:
        """What the step leaves in tensors: their new values; their gradients; whether they require one; gradients that
        are tensors by another name."""
        writes, grads, flags = [], [], []
        passed: list[Passed] = []
        new: dict[Tensor, Tensor] = {}  # gradients that it has computed, and whose they are
        for tensor, was in self.before.items():
            if tensor in self.made:
                continue
            if tensor in self.left and tensor._array is not was.symbol:
                writes.append((self.left[tensor], tensor._array))
            if tensor in self.left:
                continue
            record = tensor._record
            needed = record is not None and record.needs_grad
            leaf = record is None or record.primitive is None
            if leaf and needed != (was.record is not None and was.record.needs_grad):
                flags.append((tensor, needed))
            if tensor._array is not was.symbol and tensor not in self.through and tensor not in self.moved:
                writes.append((tensor, tensor._array))
            if record is None or (record.grad is was.grad and tensor not in self.cleared):
                continue
            grad = record.grad
            self.replaced.add(was.grad)
            self.enter((grad,))
            outside = None if grad is None else self.outside_of(grad)
            if outside is not None:
                passed.append(Passed(tensor, outside[0], None if outside[0] is grad else outside[1], False))
            elif grad in new:
                passed.append(Passed(tensor, new[grad], None, True))
            else:
                grads.append((tensor, None if grad is None else grad._array))
                new.update({} if grad is None else {grad: tensor})
        return writes, grads, flags, passed

    def keeps(self) -> None:
        """Note where there is now what the step has computed, and where it has not computed with what was there."""
        for (place, names), was in zip(self.places, self.were, strict=True):
            for name in place if names is None else names:
                now, then = (only_tensors(x.get(name, None)) or [] for x in (place, was))
                if not now or not all(self.is_new(t) or t in self.made for t in now):
                    continue
                if any(t in self.before for t in then):
                    self.carried = True
                else:
                    self.kept.append((place, name))

    def is_updated(self, tensor: Tensor) -> bool:
        """Whether the step has made a tensor of numbers that it names, and written it since."""
        return tensor in self.made and tensor in self.before and tensor._array is not self.before[tensor].symbol

    def has_moved(self) -> dict[Tensor, Tensor]:
        """The tensors from outside that the step gives other memory, and what is there; what an optimizer has in its
        state of that memory, too."""
        moved = [x for x in self.moved if x in self.before and x not in self.made]
        self.enter(moved)
        found = {x: base if not steps else wrap(x._array) for x in moved for base, steps in [self.aliases[x]]}
        owners = {y: x for x, y in self.exchanged if x in found}
        for optimizer, key, name, value in self.kept_in_state():
            if value in owners:
                found[self._held(optimizer, key).get(name, value)] = found[owners[value]]
        return found

    def stays(self, tensor: Tensor, found: dict[Tensor, Tensor]) -> bool:
        """Whether a tensor's other memory is of the same form, and its alone: a program may write it as if in place."""
        was = self.before.get(tensor)
        if was is None or tensor in self.own or tensor in self.through:
            return False
        if sum(x is found[tensor] for x in found.values()) > 1:
            return False
        if any(x is tensor and left._array is not was.symbol for left, x in self.left.items()):  # and written before
            return False
        x, y = self._lies(tensor, tensor._array), was.array
        return (x.shape, x.strides, x.dtype) == (y.shape, y.strides, y.dtype)

    def put_back_places(self) -> None:
        """Put there what was there: the program leaves the rest."""
        for (place, _), was in zip(self.places, self.were, strict=True):
            for x, name in self.kept:
                if x is place and name in was:
                    x[name] = was[name]
                elif x is place:
                    x.pop(name, None)

    def restore(self) -> list[tuple[Any, Any, str, Any]]:
        """Give every tensor back what it had. Returns what the step has put into the states of optimizers."""
        for tensor, was in self.before.items():
            if tensor._record is not None:
                self.values.setdefault(tensor._record, was.symbol)
        for tensor, storage in self.moved.items():
            tensor._storage = storage
        for tensor, was in self.before.items():
            tensor._array, tensor._record, tensor._view = was.array, was.record, was.view
            for owner, were in ((was.record, was.of_record), (tensor._storage, was.of_storage)):
                for name, value in were.items():
                    setattr(owner, name, value)
        self.put_back_settings()
        return self.put_back_states()


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
        raise TraceError("a step is being traced already; call the step inside of it, not trace().")
    given = arguments_of((args, kwargs))
    mode.trace, modes, run.plain = run, modes_now(), plain
    try:
        arguments, args, kwargs, held = _entered(run, given, args, kwargs, settings, plain)
        result = step(*args, **kwargs)
        run.set_numbers()
        again = functools.partial(step, *args, **kwargs)
        if run.refused is not None:
            raise run.refused
        refuse_later(result)
        refuse_changed(held, again)
        refuse_modes(modes, again)
        refuse_hidden(result, run.is_new)
        refuse_state(run.kept_in_state(), again)
        left = _left(run, items_replaced(result, run.handed_out))
    except TraceError as error:
        raise placed(error, step) from None
    finally:
        mode.trace = None
        set_modes(modes)
        last = {t: t._array for t in run.before}
        run.updated = {t for t in run.made if run.is_updated(t)}
        added = run.restore()
    return _program(run, given, arguments, left, added, last)


def _entered(
    run: Trace,
    given: list[Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    settings: Sequence[dict[str, Any]],
    plain: bool,
) -> tuple[list[Symbol | None], Any, Any, list[tuple[Any, list[Any]]]]:
    """The arguments' Symbols; args and kwargs as the step gets them; what it is given that must hold what it holds."""
    own = [a for a in given if isinstance(a, Tensor)]
    run.own.update(own)
    run.enter(own)
    for x in own:
        if not x.requires_grad:  # whatever a batch is cut out of: at the next call that is something else
            x._view = None
    numbers = [None if isinstance(a, Tensor) else run.number(a) for a in given]
    arguments = [run.before[a].symbol if n is None else n.symbol for a, n in zip(given, numbers, strict=True)]
    passed = iter([a if n is None else n.seen() if plain else n for a, n in zip(given, numbers, strict=True)])
    run.settings(settings)
    if not plain:
        run.surroundings()
    run.numbered = len(own) < len(given) or bool(settings or run.around)
    made: dict[int, Any] = {}
    args, kwargs = exchanged((args, kwargs), lambda _: next(passed), made)
    return arguments, args, kwargs, [(x, contents(x)) for x in (*made.values(), *own) if not isinstance(x, tuple)]


class _Left(NamedTuple):
    """What a step leaves, in Symbols."""

    result: Any
    writes: list[tuple[Tensor, Symbol]]
    grads: list[tuple[Tensor, Symbol | None]]
    flags: list[tuple[Tensor, bool]]
    passed: list[Passed]
    moved: list[Tensor]
    renewed: dict[Tensor, None]
    items: set[Tensor]


def _left(run: Trace, result: Any) -> _Left:
    """What the step has left at its end. What a program returns beside the result: what the step keeps in attributes,
    and the memory that it gives tensors."""
    run.derived = [(x, name) for x, name in run.derived if isinstance(getattr(x.get(name), "_array", None), Symbol)]
    run.enter(tensors_of(result))
    run.keeps()
    run.derived += run.kept
    moved = run.has_moved()
    renewed = {x: None for x in moved if run.stays(x, moved)}
    moved = {x: y for x, y in moved.items() if x not in renewed}
    if run.derived or moved:
        result = result, [*(x[name] for x, name in run.derived), *moved.values()]
    run.put_back_places()
    run.enter(tensors_of(result))
    writes, grads, flags, passed = run.changes()
    writes += [(x, x._array) for x in renewed]
    writes += run.replaced_in_state({t for t, _ in writes})
    copies: dict[Tensor, Tensor] = {}  # one that is returned in two places stays one
    frozen = replaced(result, lambda t: copies.setdefault(t, copied(t, t._array)))
    items = {copies[t] for t in run.items}
    return _Left(frozen, writes, grads, flags, passed, [*moved], renewed, items)


def _program(
    run: Trace, given: list[Any], arguments: list[Symbol | None], left: _Left, added: list[Any], last: dict[Tensor, Any]
) -> Program:
    """The program of a trace that has been restored.

    Args:
        added: what the step has put into the states of optimizers.
        last: the arrays that the tensors had at its end.
    """
    added = [(optimizer, key, name, v) for optimizer, key, name, v in added if name not in optimizer.state.get(key, ())]
    begun = {v for *_, v in added if v in run.made and v in last and last[v] is not run.before[v].symbol}
    for tensor in begun:  # zeros that the step has put into the state and updated: it begins with what they come to
        tensor._array = last[tensor]
    tensors = {
        wrap(was.array) if t in begun else t: was.symbol
        for t, was in run.before.items()
        if t not in run.own and t not in run.through and t not in run.left
    }
    program = Program(
        given=given,
        arguments=arguments,
        tensors=tensors,
        numbers=[*run.numbers.values()],
        constants={s for t, s in tensors.items() if t in run.made and _is_written_down(t._array)},
        writes=[(t, symbol) for t, symbol in left.writes if t not in begun],
        grads=left.grads,
        passed=left.passed,
        cleared=run.cleared,
        flags=left.flags,
        moved=left.moved,
        renewed=left.renewed,
        optimizers=[optimizer for optimizer, _ in run.optimizers],
        created=added,
        assigned=run.assigned,
        checks=run.checks,
        guards=run.guards,
        draws=run.draws,
        result=left.result,
        items=left.items,
        kept=left.result[1][len(run.derived) - len(run.kept) : len(run.derived)] if run.kept else [],
    )
    leading = (run.values.get(r) for r in reached(run.roots) if r.primitive is not None)
    recorded = {x for x in leading if isinstance(x, Symbol)}
    program.sections = sections_of(program.equations, run.sections, recorded, bool(program.writes))
    return program


def _is_written_down(array: Any) -> bool:
    """Whether an array is what people write as numbers: few of them, or all equal."""
    return array.size <= FEW or bool((array == array.flat[0]).all())
