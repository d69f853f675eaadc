"""compile(step): a training step, traced once, then run as a NumPy program written for it.

The first call with arguments of a kind traces the step and runs it, noting what NumPy computes; that
becomes the program (cells, memory, emit) of the calls that follow. A call first makes sure that the
program still holds: the arguments' shapes, dtypes and layout, the tensors' too, and what the Python code
of the step could see (watch). If not, the step is traced again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, overload

import numpy as np

from ..core.dtypes import get_default_dtype
from ..core.errors import TraceError
from ..core.mode import mode
from ..core.record import stamp
from ..core.symbol import Symbol
from ..core.tensor import Tensor, record_of, wrap
from ..core.views import refresh
from ..core.write import storage_of
from ..symbolic.trace import Program, Trace, arguments_of, record, replaced
from .emit import Emitted
from .listing import note
from .memory import Memory
from .names import name_values
from .passes import changes
from .readable import readable
from .watch import Watch

LIMIT = 16  # programs per step: more means that something changes at every call


class Compiled:
    """A step with the programs that have been written for it. Call it as the step itself."""

    def __init__(self, step: Callable[..., Any], grads: bool, limit: int = LIMIT) -> None:
        if not callable(step):
            raise TypeError(f"compile: expected a function of tensors, got {type(step).__name__}.")
        self.step, self.grads, self.limit = step, grads, limit
        self.programs: dict[Any, list[Written]] = {}
        self._last: Written | None = None
        self._count = 0
        functools.update_wrapper(self, step, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if mode.trace is not None:  # a compiled function inside of one that is being traced
            return self.step(*args, **kwargs)
        if not kwargs and {*map(type, args)} == {Tensor}:
            given: Any = args
            key: Any = (tuple([_form(x) for x in args]), mode.grad, get_default_dtype())
            if len(args) > 1 and len({*map(id, args)}) < len(args):  # one tensor given twice
                key = (*key, *[[*map(id, args)].index(id(x)) for x in args])
        else:
            given = arguments_of((args, kwargs))
            key = (_form((args, kwargs)), mode.grad, get_default_dtype())
        known = self.programs.get(key)
        if known is not None:
            for written in known:
                if written.holds(given):
                    self._last = written
                    return written.run(given)
        return self._first(key, args, kwargs, given)

    def _first(self, key: Any, args: Any, kwargs: Any, given: Any) -> Any:
        """Trace, run, and keep the program for the next time."""
        known = self.programs.setdefault(key, [])
        if self._count >= self.limit:
            why = known[0].watch.difference() if known else "the arguments"
            raise TraceError(
                f"compile: {self._name} has been traced {self.limit} times, and something is different again: {why}. "
                "Pass what varies as a tensor or float argument, keep shapes to a few, or call the step itself."
            )
        trace = Trace()
        program = record(self.step, args, kwargs, trace)
        words = _words(self.step, args, kwargs)
        written = Written(program, trace, self.step, self._name, self.grads, words)
        result = written.begin(given)
        self._count += 1
        known.insert(0, written)
        self._last = written
        return result

    @property
    def _name(self) -> str:
        name = getattr(self.step, "__name__", type(self.step).__name__)
        return name if name.isidentifier() else "step"

    def _written(self) -> Written:
        if self._last is None:
            raise RuntimeError(f"compile: {self._name} has not been called yet, so there is no program; call it once.")
        return self._last

    @property
    def source(self) -> Source:
        """The program of the last call, as Python that needs nothing but NumPy: `program()` gives the function.

        `source(readable=True)` is the same as formulas, without the memory that the program keeps.
        """
        return Source(self._written())

    def explain(self) -> str:
        """What each pass has made of the last call's step."""
        return self._written().changes

    def __getattr__(self, name: str) -> Any:
        """A compiled model is asked for its parameters and modes as the model itself."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.step, name)

    def __repr__(self) -> str:
        return f"<compiled {self._name}: {self._count} program{'' if self._count == 1 else 's'}>"


class Source(str):
    """The text of a program; called with readable=True it gives the program as formulas."""

    formulas: str

    def __new__(cls, written: Written) -> Source:
        """The text that runs, with the formulas beside it."""
        text = super().__new__(cls, written.source)
        text.formulas = written.formulas
        return text

    def __call__(self, *, readable: bool = False) -> str:
        return self.formulas if readable else str(self)


class Written:
    """One program: what it holds for, where its inputs are, and the function that was written."""

    def __init__(self, program: Program, trace: Trace, step: Any, name: str, grads: bool, words: list[str]) -> None:
        self._words = words
        self.program, self.trace, self.name, self.grads = program, trace, name, grads
        self.watch = Watch(step, program)
        self.result = program.result
        owners = {id(was.grad): tensor for tensor, was in trace.before.items() if was.grad is not None}
        self._grad_of = {t: owners[id(t)] for t in program.tensors if id(t) in owners}
        self._known = [t for t in program.tensors if t not in self._grad_of]
        self._memory = [t._array for t in self._known]  # kept, so that an id stays one array's
        self._ids = [*map(id, self._memory)]
        self._layouts = [*map(_layout, self._memory)]
        self._need = [*map(_needs_grad, self._known)]
        dependent = [t for t, _ in program.grads if t not in program.cleared]
        dependent += [t for t in self._grad_of.values() if t not in dependent]
        self._had_grad = [(record_of(t), t._record.grad is not None) for t in dependent]  # type: ignore[union-attr]
        self._guards = bool(program.guards)
        surroundings = self.watch.tensors | set(map(id, self._known))
        tensors = [(k, t) for k, t in enumerate(program.given) if isinstance(t, Tensor)]
        self._met = [(k, t) for k, t in tensors if id(t) in surroundings]  # arguments that the step sees outside too
        self._free = [k for k, t in tensors if id(t) not in surroundings]
        self._place = {id(t): k for k, t in tensors}

    def holds(self, given: Any) -> bool:
        """Whether the program is still what the step would do."""
        arrays = [t._array for t in self._known]
        if [*map(id, arrays)] != self._ids:  # other memory, perhaps of the same layout
            if [*map(_layout, arrays)] != self._layouts:
                return False
            self._memory, self._ids = arrays, [*map(id, arrays)]
        if [*map(_needs_grad, self._known)] != self._need:
            return False
        for k, tensor in self._met:
            if given[k] is not tensor:
                return False
        for k in self._free:
            if id(given[k]._array) in self._ids:
                return False
        for owner, had in self._had_grad:
            if (owner.grad is not None) != had:
                return False
        return self.watch.same() and not (self._guards and self._differs(given))

    def _differs(self, given: Any) -> bool:
        """Whether a number that the step's Python looked at looks different now."""
        values: dict[Symbol, Any] = {s: _setting(group, key, part) for s, group, key, part in self.program.numbers}
        for symbol, x in zip(self.program.arguments, given, strict=True):
            if symbol is not None and symbol.number:
                values[symbol] = float(x)
        return any(_evaluated(symbol, values) != seen for symbol, seen in self.program.guards)

    # --- the first run

    def begin(self, given: Any) -> Any:
        """Write the program, and run it for the first time."""
        program = self.program
        values: dict[Symbol, Any] = {symbol: self._array(tensor) for tensor, symbol in program.tensors.items()}
        for symbol, x in zip(program.arguments, given, strict=True):
            assert symbol is not None
            values[symbol] = float(x) if symbol.number else x._values()
        for symbol, group, key, part in program.numbers:
            values[symbol] = _setting(group, key, part)
        self.listing = listing = note(program, values)
        name_values(listing, program, self.trace, self._words, self.watch.buffers)
        self._write_out()
        self._forget()
        out = self._execute(given)
        computed = [tensor for *_, tensor in program.created if isinstance(tensor._array, Symbol)]
        for tensor, value in zip(computed, out[len(out) - len(computed) :], strict=True):
            tensor._array = np.array(value)
        program.install()
        return self._finish(out, given)

    def _forget(self) -> None:
        """Let go of the layouts; the source of formulas is written while they are known."""
        del self.trace
        self.formulas = readable(self.listing, self.memory, self.name)
        self.changes = changes(self.listing, self.memory)
        for line in self.listing.lines:
            for value in (*line.results, *line.operands):
                value.data = None
        del self.listing, self.memory

    def _array(self, tensor: Tensor) -> Any:
        owner = self._grad_of.get(tensor)
        if owner is not None:
            return record_of(owner).grad._array
        if tensor._view is not None:
            refresh(tensor)
        return tensor._array

    def _write_out(self) -> None:
        program, listing = self.program, self.listing
        self.memory = Memory(listing, self.grads)
        emitted = Emitted(listing, self.memory, self.name)
        self._function = emitted.function()
        self.source = emitted.source
        position = {v: k for k, v in enumerate(listing.arguments) if v is not None}
        tensors = {v: t for t, v in listing.tensors}
        numbers = {v: rest for *rest, v in listing.numbers}
        self._arguments: list[tuple[int, bool]] = []  # which of the given ones, and whether it is a number
        self._tensors: list[Tensor] = []
        self._numbers: list[Any] = []
        self._generators: list[Any] = []
        for value in emitted.arguments:
            if value in position:
                self._arguments.append((position[value], value.number))
            elif value in tensors:
                self._tensors.append(tensors[value])
            elif value in numbers:
                self._numbers.append(numbers[value])
            else:
                self._generators.append(value.data)
        self._plain = all(t not in self._grad_of and t._view is None for t in self._tensors)
        self._changed = [self._place[id(t)] for t, _ in listing.writes if id(t) in self._place]
        self._written = [t for t, _ in listing.writes if id(t) not in self._place]
        self._left = [(t, v is not None) for t, v in listing.grads]
        self._left_none = [t for t, _ in self._left if id(t) not in self._place]
        self._given_none = [self._place[id(t)] for t, _ in self._left if id(t) in self._place]
        self._holders: list[Tensor | None] = [None] * len(self._left)
        from ..symbolic.trace import tensors_of

        self._returned = tensors_of(program.result)
        self._only = len(self._returned) == 1 and self.result is self._returned[0]

    # --- the others

    def run(self, given: Any) -> Any:
        """Run the program that was written."""
        return self._finish(self._execute(given), given)

    def _execute(self, given: Any) -> tuple[Any, ...]:
        arrays = [float(given[k]) if number else given[k]._values() for k, number in self._arguments]
        if self._plain:
            arrays += [t._array for t in self._tensors]
        else:
            arrays += [self._array(t) for t in self._tensors]
        for group, key, part in self._numbers:
            arrays.append(_setting(group, key, part))
        arrays += self._generators
        with np.errstate(all="ignore"):
            return self._function(*arrays)  # type: ignore[no-any-return]

    def _finish(self, out: tuple[Any, ...], given: Any) -> Any:
        """Count the writes, leave gradients, and hand over the results."""
        version = stamp()
        for place in self._changed:
            storage = given[place]._storage or storage_of(given[place])
            storage.version, storage.writer = version, (self.name, None)
        for tensor in self._written:
            storage = tensor._storage or storage_of(tensor)
            storage.version, storage.writer = version, (self.name, None)
        if self.grads:
            self._leave_grads(out, given)
        else:
            for tensor in self._left_none:
                tensor._record.grad = None  # type: ignore[union-attr]  # it has been differentiated
            for place in self._given_none:
                record_of(given[place]).grad = None
        if self._only:
            return wrap(np.asarray(out[0]))
        results = [wrap(np.asarray(x)) for x in out[: len(self._returned)]]
        return replaced(self.result, dict(zip(map(id, self._returned), results, strict=True)))

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
            holder = self._holders[place]
            if holder is None or holder._array is not array:
                holder = self._holders[place] = wrap(array)
            elif holder._storage is not None:
                holder._storage.version = stamp()
            record.grad = holder


def _form(x: Any) -> Any:
    """What tells one kind of arguments from another; floats are all alike."""
    if isinstance(x, Tensor):
        array, record = x._array, x._record
        return array.shape, array.strides, array.dtype.num, record is not None and record.needs_grad
    if x.__class__ is float:
        return float
    if x.__class__ is tuple or x.__class__ is list:
        return (x.__class__, *map(_form, x))
    if x.__class__ is dict:
        return tuple((name, _form(part)) for name, part in x.items())
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return (type(x), *map(_form, x))
    if isinstance(x, np.ndarray):
        raise TraceError(
            f"compile: an argument is an ndarray of shape {x.shape}; pass a tensor (from_numpy shares its memory)."
        )
    try:
        hash(x)
    except TypeError:
        raise TraceError(f"compile: an argument is a {type(x).__name__}, which can't be told from another.") from None
    return (type(x), x)


def _words(step: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
    """What a step calls its arguments: one word per Tensor or float among them, numbered in lists."""
    code = getattr(getattr(step, "forward", step), "__code__", None)
    words = list(code.co_varnames[: code.co_argcount]) if code is not None else []
    if words and words[0] == "self":
        del words[0]
    words += [""] * (len(args) - len(words))
    found: list[str] = []
    for word, value in (*zip(words, args, strict=False), *kwargs.items()):
        inside = arguments_of(value)
        found += (
            [word] if inside and inside[0] is value else [f"{word}_{k}" if word else "" for k in range(len(inside))]
        )
    return found


def _layout(array: Any) -> Any:
    return array.shape, array.strides, array.dtype.num


def _needs_grad(tensor: Tensor) -> bool:
    return tensor._record is not None and tensor._record.needs_grad


def _setting(group: Any, key: str, part: int | None) -> float:
    return float(group[key] if part is None else group[key][part])


def _evaluated(symbol: Symbol, values: dict[Symbol, Any]) -> Any:
    """What an expression of Python numbers comes to."""
    if symbol in values:
        return values[symbol]
    inputs = [_evaluated(x, values) if isinstance(x, Symbol) else x for x in symbol.inputs]
    assert symbol.primitive is not None
    value = symbol.primitive.forward(*inputs, **symbol.params)
    return value.item() if hasattr(value, "item") else value


@overload
def compile(step: Callable[..., Any], *, grads: bool = True, limit: int = LIMIT) -> Compiled: ...
@overload
def compile(
    step: None = None, *, grads: bool = True, limit: int = LIMIT
) -> Callable[[Callable[..., Any]], Compiled]: ...
def compile(step: Callable[..., Any] | None = None, *, grads: bool = True, limit: int = LIMIT) -> Any:
    """A function that does what `step` does, as a NumPy program written for it; also a decorator.

    The program computes with the same NumPy calls as eager mode, so every number is the same to the last bit, in
    memory that it keeps from call to call. Parameters, buffers and the optimizer's state are updated in place and stay
    the same objects, so eager and compiled steps may alternate.

    Args:
        step: a function of tensors: a whole training step (zero_grad, forward, backward, optimizer.step), a model, or
            anything else that computes. What it returns are copies, without a graph.
        grads: whether the gradients that the step leaves in `.grad` are there afterwards, in memory that the next call
            writes again; with False `.grad` is None after a call, which saves memory.
        limit: after so many programs (for other shapes, modes, settings) another one is refused.
    Raises:
        TraceError: the step reads a value, or does what a program can't repeat; the line is named.

    Tensors and Python floats among the arguments may differ from call to call, and so may learning rates and other
    settings; another shape, dtype, train() or eval(), or another value of a Python variable that the step uses, gives
    another program.

    >>> from tinygrad_edu import compile, tensor
    >>> double = compile(lambda x: x * 2)
    >>> double(tensor([1.0, 2.0]))
    tensor([2., 4.])
    >>> double(tensor([3.0, 4.0]))
    tensor([6., 8.])
    """
    if step is None:
        return functools.partial(compile, grads=grads, limit=limit)
    return Compiled(step, grads, limit)
