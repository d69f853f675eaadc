"""Tracing: an ordinary run of a step in which the arrays are Symbols, recorded as a program.

The engine, `nn` and `optim` do not know the difference: a Tensor's array is a Symbol, a rule on it
gives a Symbol, a write puts a Symbol in its place. When the step ends, every Tensor gets its array
back, and what the Symbols say was done to it becomes the program, which can be run again and again.

Tensors are found as the step touches them. At every run their arrays of that moment are read, and
so are hyperparameters, so nothing that may change is frozen into the program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import TraceError, name_of
from ..core.mode import mode
from ..core.record import Record, Storage
from ..core.symbol import Symbol
from ..core.tensor import Tensor, as_array, wrap
from ..core.write import write
from ..ops.checks import check as verify
from ..ops.writes import assign


class Before(NamedTuple):
    """A Tensor as it was when the step first touched it."""

    array: np.ndarray[Any, Any]
    record: Record | None
    view: Any
    grad: Tensor | None
    version: int
    writer: Any
    symbol: Symbol


class Check(NamedTuple):
    """An equation without a result: raise unless the condition holds."""

    condition: Symbol
    message: str
    error: type[Exception]
    values: Symbol | None


class Program:
    """A recorded step: where its inputs are read, its equations, and what it changes.

    `program(*args)` runs it on new arguments, by executing one equation after the other.
    """

    def __init__(
        self,
        arguments: list[Symbol | None],
        tensors: dict[Tensor, Symbol],
        numbers: list[tuple[Symbol, Any, str]],
        writes: list[tuple[Tensor, Symbol]],
        grads: list[tuple[Tensor, Symbol | None]],
        checks: list[Check],
        draws: list[Symbol],
        result: Any,
    ) -> None:
        self.arguments = arguments
        self.tensors = tensors
        self.numbers = numbers
        self.writes = writes
        self.grads = grads
        # By the last equation that each needs: it is made before a later one would fail on its own. None: no equation.
        self.checks: dict[Symbol | None, list[Check]] = {}
        for check in checks:
            needed = [s for s in (check.condition, check.values) if s is not None and s.primitive is not None]
            last = max(needed, key=lambda s: s.index, default=None)
            self.checks.setdefault(last, []).append(check)
        self.draws = draws
        self.result = result
        self.equations = self._order()

    def _order(self) -> list[Symbol]:
        """Every Symbol that something depends on, in the order in which the step made them."""
        roots: list[Any] = [symbol for _, symbol in (*self.writes, *self.grads)]
        for check in (c for several in self.checks.values() for c in several):
            roots += [check.condition, check.values]
        roots += [*self.draws, *(t._array for t in tensors_of(self.result))]
        seen: set[Symbol] = set()
        stack = [r for r in roots if isinstance(r, Symbol)]
        while stack:
            symbol = stack.pop()
            if symbol not in seen:
                seen.add(symbol)
                stack.extend(x for x in symbol.inputs if isinstance(x, Symbol))
        return sorted((s for s in seen if s.primitive is not None), key=lambda s: s.index)

    def _verify(self, last: Symbol | None, values: dict[Symbol, Any]) -> None:
        """Make the checks that the value of `last` completes."""
        for check in self.checks.get(last, ()):
            seen = None if check.values is None else values[check.values]
            verify(values[check.condition], check.message, check.error, seen)

    def __call__(self, *args: Any) -> Any:
        if len(args) != len(self.arguments):
            raise TypeError(f"the program was traced with {len(self.arguments)} arguments, got {len(args)}.")
        values: dict[Symbol, Any] = {symbol: tensor._array for tensor, symbol in self.tensors.items()}
        for place, (symbol, given) in enumerate(zip(self.arguments, args, strict=True)):
            if symbol is not None:
                values[symbol] = _fitting(symbol, given, place)
        for symbol, group, key in self.numbers:
            values[symbol] = float(group[key])
        self._verify(None, values)
        with np.errstate(all="ignore"):
            for symbol in self.equations:
                inputs = [values[x] if isinstance(x, Symbol) else x for x in symbol.inputs]
                assert symbol.primitive is not None
                value = symbol.primitive.forward(*inputs, **symbol.params)
                values[symbol] = value.item() if symbol.number and hasattr(value, "item") else _array(value, symbol)
                if symbol in self.checks:
                    self._verify(symbol, values)
        written = [(tensor, values[symbol].copy()) for tensor, symbol in self.writes]
        for tensor, value in written:
            write(tensor, np.positive, value, by="program")
        for tensor, grad in self.grads:
            tensor.grad = None if grad is None else wrap(np.array(values[grad]))
        return _replaced(self.result, lambda t: wrap(np.array(values[t._array])))


class Trace:
    """The run of a step on Symbols. `core` and `ops` call `enter`, `wrote`, `fetch`, `check` and `drew`."""

    def __init__(self) -> None:
        self.before: dict[Tensor, Before] = {}
        self.numbers: dict[tuple[int, str], tuple[Symbol, Any, str]] = {}
        self.checks: list[Check] = []
        self.states: list[tuple[Any, dict[Any, Any]]] = []
        self.draws: list[Symbol] = []  # random numbers, which every run draws anew, used or not
        self.current: dict[int, tuple[Storage, Symbol]] = {}  # what the written memory holds now

    def enter(self, args: Any) -> None:
        """Put a Symbol in the place of the array of each Tensor that the step touches."""
        for x in args:
            if isinstance(x, Tensor):
                if isinstance(x._array, Symbol):
                    self._refuse_stale(x)
                elif x not in self.before:
                    self._lift(x)
            elif isinstance(x, np.ndarray):
                raise TraceError(
                    f"an ndarray of shape {x.shape} meets a traced value: the program could not know when "
                    "it changes. Make it a tensor outside of the step, or pass it as an argument."
                )

    def _lift(self, tensor: Tensor) -> None:
        storage = tensor._storage
        if storage is not None and id(storage) in self.current:
            raise TraceError(
                f"{name_of(tensor)} shares the memory of a tensor that the step has written before; "
                "take the view inside of the step, after the write."
            )
        array, record = tensor._array, tensor._record
        symbol = Symbol(array.shape, array.dtype, record.name if record is not None else None)
        self.before[tensor] = Before(
            array,
            record,
            tensor._view,
            record.grad if record is not None else None,
            storage.version if storage is not None else 0,
            storage.writer if storage is not None else None,
            symbol,
        )
        tensor._array = symbol

    def _refuse_stale(self, tensor: Tensor) -> None:
        storage = tensor._storage
        if storage is None or id(storage) not in self.current:
            return
        if tensor._view is None and tensor._array is self.current[id(storage)][1]:
            return
        if tensor._view is not None and tensor._view.base._array is not self.current[id(storage)][1]:
            return
        if tensor._view is None:
            raise TraceError(
                f"{name_of(tensor)} shares the memory of a tensor that the step has written since; "
                "take it again (.detach(), .data, a view) after the write."
            )

    def wrote(self, tensor: Tensor) -> None:
        """Note what a tensor's memory holds now, in its base too if it is a view."""
        target = tensor
        if tensor._view is not None:
            base, steps, *_ = tensor._view
            self.enter((base,))
            base._array = assign(base._array, tensor._array, steps=steps, key=(...,))
            target = base
        storage = target._storage
        if storage is not None:
            self.current[id(storage)] = (storage, target._array)
            for other, was in self.before.items():
                shares = other is not target and other._storage is storage
                if shares and other is not tensor and isinstance(was.array, np.ndarray) and other._view is None:
                    raise TraceError(
                        f"the step writes {name_of(target)} and also uses {name_of(other)}, which shares its "
                        "memory; use one of them."
                    )

    def fetch(self, group: Any, key: str) -> Symbol:
        """A hyperparameter, as a number that the program reads at every run."""
        found = self.numbers.get((id(group), key))
        if found is None:
            symbol = Symbol((), np.dtype("float64"), key)
            symbol.number = True
            found = self.numbers[id(group), key] = (symbol, group, key)
        return found[0]

    def guard(self, state: Any) -> None:
        """Remember an optimizer's state, which the step may only write, not extend."""
        if not any(known is state for known, _ in self.states):
            self.states.append((state, {k: dict(v) for k, v in state.items()}))

    def check(self, condition: Symbol, message: str, error: type[Exception], values: Any) -> None:
        self.checks.append(Check(condition, message, error, values if isinstance(values, Symbol) else None))

    def drew(self, symbol: Symbol) -> None:
        """Note a draw: the generator's stream has to go on as it does eagerly."""
        self.draws.append(symbol)

    def restore(self) -> bool:
        """Give every tensor back what it had. Returns whether the state was as it had been."""
        for tensor, was in self.before.items():
            tensor._array, tensor._record, tensor._view = was.array, was.record, was.view
            if was.record is not None:
                was.record.grad = was.grad
            if tensor._storage is not None:
                tensor._storage.version, tensor._storage.writer = was.version, was.writer
        clean = True
        for state, was_state in self.states:
            clean = clean and {k: set(v) for k, v in state.items()} == {k: set(v) for k, v in was_state.items()}
            state.clear()
            state.update(was_state)
        return clean


def trace(step: Callable[..., Any], *args: Any) -> Program:
    """Record a step as a program, without changing anything.

    Args:
        step: a function of Tensors; it may run backward() and update parameters.
        args: example arguments. Tensors become inputs of the program, other values constants.
    Raises:
        TraceError: the step reads a value, or does what a program can't repeat; the line is named.

    >>> from tinygrad_edu import tensor
    >>> program = trace(lambda x: (x * x).sum(), tensor([1.0, 2.0]))
    >>> program(tensor([3.0, 4.0]))
    tensor(25.)
    """
    if mode.trace is not None:
        raise TraceError("a step is being traced already.")
    run = Trace()
    mode.trace = run
    clean = True
    try:
        run.enter([a for a in args if isinstance(a, Tensor)])
        arguments = [run.before[a].symbol if isinstance(a, Tensor) else None for a in args]
        result = step(*args)
        given = {a for a in args if isinstance(a, Tensor)}
        writes, grads = [], []
        for tensor, was in list(run.before.items()):
            if tensor._array is not was.symbol:
                writes.append((tensor, tensor._array))
            record = tensor._record
            if record is not None and record.grad is not was.grad:
                grads.append((tensor, None if record.grad is None else record.grad._array))
        frozen = _replaced(result, lambda t: wrap(t._array))
    finally:
        mode.trace = None
        clean = run.restore()
    if not clean:
        raise TraceError("the step adds to the optimizer's state, as a first step does; run one step before tracing.")
    tensors = {t: was.symbol for t, was in run.before.items() if t not in given}
    return Program(arguments, tensors, list(run.numbers.values()), writes, grads, run.checks, run.draws, frozen)


def _fitting(symbol: Symbol, given: Any, place: int) -> Any:
    array = given._values() if isinstance(given, Tensor) else np.asarray(given)
    if array.shape != symbol.shape or array.dtype != symbol.dtype:
        raise TraceError(
            f"argument {place} is {array.dtype} {array.shape}; the program was traced for {symbol.dtype} "
            f"{symbol.shape}. Trace again for another shape."
        )
    return array


def _array(value: Any, symbol: Symbol) -> Any:
    if isinstance(value, tuple):
        return value
    value = as_array(value)
    return value if value.dtype == symbol.dtype else value.astype(symbol.dtype)


def tensors_of(result: Any) -> list[Tensor]:
    found: list[Tensor] = []
    _replaced(result, found.append)
    return found


def _replaced(result: Any, change: Callable[[Tensor], Any]) -> Any:
    """Nested results with every Tensor exchanged."""
    if isinstance(result, Tensor):
        return change(result)
    if isinstance(result, (list, tuple)):
        return type(result)(_replaced(r, change) for r in result)
    if isinstance(result, dict):
        return {k: _replaced(v, change) for k, v in result.items()}
    return result
