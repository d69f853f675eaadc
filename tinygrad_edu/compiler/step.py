"""compile(step): a training step, traced once, then run as a NumPy program written for it.

The first call with arguments of a kind traces the step and runs it, noting what NumPy computes; that
becomes the program (cells, memory, emit) of the calls that follow. A call first makes sure that the
program still holds: the arguments' shapes, dtypes and layout, the tensors' too, and what the Python code
of the step could see (watch). If not, the step is traced again.
"""

from __future__ import annotations

import functools
import gc
import itertools
import threading
import types
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, overload

import numpy as np

from ..core.dtypes import get_default_dtype
from ..core.errors import TraceError
from ..core.mode import mode
from ..core.tensor import Tensor, wrap
from ..symbolic.aliases import Leaked
from ..symbolic.blame import line_of_step, line_that
from ..symbolic.nested import arguments_of, replaced
from ..symbolic.numbers import Beside
from ..symbolic.program import Program
from ..symbolic.trace import Trace, record
from .forms import ALIKE, form_of, objects_of
from .kernels.engine import require_numba
from .watching import outside
from .watching.watch import DICE, Watch
from .written import Written

# A program's memory is one caller's at a time, and a trace exchanges the arrays of tensors that all threads share
ONE_AT_A_TIME = threading.RLock()
ENGINES = ("numpy", "numba")
ADVICE = (
    "That is Python, and a program changes only tensors, so it would be forgotten. Change it outside of the step "
    "(scheduler.step(), a count, a list of losses), return the value, or keep it in a tensor written in place."
)
DRAW = (
    "Draw from this library's generator (rand, randn, randint, distributions), whose draws a program makes again, or "
    "draw outside of the step and pass the numbers as arguments."
)
FILLED = "Call the cached function once outside of the step, with the same arguments, so that it is there already."
INSTEAD = {"a cache": FILLED, DICE: DRAW}
LIMIT = 16  # programs per step: more means that something changes at every call


def _all_kept(first: Callable[..., Any]) -> Callable[..., Any]:
    """Pause Python's collector: a trace is kept to its end, so looking through it again and again finds nothing, and
    takes a quarter of the time at 50,000 operations."""

    @functools.wraps(first)
    def paused(*args: Any, **kwargs: Any) -> Any:
        collects = gc.isenabled()
        gc.disable()
        try:
            return first(*args, **kwargs)
        finally:
            if collects:
                gc.enable()

    return paused


class Compiled:
    """A step with the programs that have been written for it. Call it as the step itself."""

    def __init__(
        self,
        step: Callable[..., Any],
        grads: bool,
        limit: int = LIMIT,
        engine: str = "numpy",
        reassociate: bool = False,
    ) -> None:
        if not callable(step):
            raise TypeError(f"compile: expected a function of tensors, got {type(step).__name__}.")
        if engine not in ENGINES:
            raise ValueError(f"compile: engine must be one of {', '.join(map(repr, ENGINES))}, got {engine!r}.")
        if engine == "numba":
            require_numba()
        self.step, self.grads, self.limit, self.engine, self.reassociate = step, grads, limit, engine, reassociate
        self.programs: dict[Any, list[Written]] = {}
        self._last: Written | None = None
        self._count = 0
        self._dropped: set[Tensor] = set()  # of whose gradients a program has left none
        self._kept: list[tuple[Any, Any]] = []  # where programs leave what they compute
        self._moving: dict[Any, Beside] = {}  # where the step has found other numbers than in calls before
        self._used: set[Tensor] = set()  # of whose gradients a program uses what calls before have left
        functools.update_wrapper(self, step, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if mode.trace is not None:  # a compiled function inside of one that is being traced
            return self.step(*args, **kwargs)
        last = self._last
        if last is not None and not kwargs:
            with ONE_AT_A_TIME:
                if last.holds_again(args):
                    return last.run(args)
        places: list[int] = []
        if not kwargs and {*map(type, args)} == {Tensor}:
            given: Any = args
            form: Any = tuple([form_of(x, places) for x in args])
        else:
            given = arguments_of((args, kwargs))
            form = form_of((args, kwargs), places)
        key: Any = (form, mode.grad, mode.anomaly, get_default_dtype())
        if len({*places}) < len(places):  # one tensor, or list, given twice
            key = (*key, *map(places.index, places))
        with ONE_AT_A_TIME:
            known = self.programs.get(key)
            if known is not None:
                for written in known:
                    if written.holds(given):
                        self._last = written
                        return written.run(given)
            return self._first(key, args, kwargs, given)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Of a compiled method: as a function's. A program is one object's, since it holds for what that has."""
        return self if instance is None else types.MethodType(self, instance)

    def __reduce__(self) -> Any:
        """A copy, or what is unpickled, compiles anew: programs belong to the tensors that they were written for."""
        return Compiled, (self.step, self.grads, self.limit, self.engine, self.reassociate)

    @_all_kept
    def _first(self, key: Any, args: Any, kwargs: Any, given: Any) -> Any:
        """Trace, run, and keep the program for the next time."""
        if mode.anomaly:
            raise TraceError(
                "compile: anomaly detection looks at every operation's numbers, which a program does not keep; "
                "call the step itself."
            )
        known = self.programs.get(key)
        if self._count >= self.limit:
            why = known[0].difference(given) if known else _argument(objects_of((args, kwargs)))
            raise TraceError(
                f"compile: {line_of_step(self.step)}{self._name} has been traced {self.limit} times, and something is "
                f"different again: {why}. Pass what varies as a tensor or float argument, keep shapes to a few, "
                "or call the step itself."
            )
        for written in itertools.chain(*self.programs.values()):
            self._moving |= written.moved()
        if self._moving:
            try:
                return self._begun(key, args, kwargs, given)
            except TraceError:  # of what the step does with one of these, some can be done with a float alone
                self._moving.clear()
        return self._begun(key, args, kwargs, given)

    def _begun(self, key: Any, args: Any, kwargs: Any, given: Any) -> Any:
        """The first run of one more program; a step that can't be traced leaves everything as it was."""
        watch = self._look(args, kwargs)
        restore = watch.mark()
        try:
            trace, program = self._traced(args, kwargs, watch, restore)
            switched = watch.switched()  # model.train() in the step: what the program does to modules
            for module, was, _ in switched:
                module.training = was
            changes = watch.changed()
            if changes:  # the program is that of this call alone; the next one must find that nothing changes
                for module, _, now in switched:
                    module.training = now
                switched = []
                watch = self._settled(changes, args, kwargs, trace, program, watch, restore)
            dropped = self._dropped_by(program, trace)
            words, modes = _words(self.step, args, kwargs), [(module, now) for module, _, now in switched]
            written = Written(
                program, trace, watch, self._name, dropped, words, self.engine, self.reassociate, modes, self._kept
            )
            result = written.begin(given)
        except BaseException:
            restore()
            raise
        self._count += 1
        self._dropped |= dropped
        self._used |= trace.used
        self._kept += trace.kept
        if not changes and not program.created:  # one that begins an optimizer's state holds once
            self.programs.setdefault(key, []).insert(0, written)
        self._last = written
        return result

    def _traced(self, args: Any, kwargs: Any, watch: Watch, restore: Callable[[], None]) -> tuple[Trace, Program]:
        """The step as a program; where it does not take our numbers for Python's, one for these numbers alone."""
        trace = Trace()
        watch.tell(trace)
        with outside.refused(trace) if watch.asks else nullcontext():
            try:
                return trace, record(self.step, args, kwargs, trace, watch.groups, watch.types)
            except TraceError:
                raise
            except Exception:  # the step's own, or of code that takes nothing for a float but a float
                restore()
                trace, watch.types = Trace(), True
                watch.tell(trace)
                return trace, record(self.step, args, kwargs, trace, watch.groups, watch.types)

    def _settled(
        self,
        changes: str,
        args: Any,
        kwargs: Any,
        trace: Trace,
        program: Program,
        first: Watch,
        restore: Callable[[], None],
    ) -> Watch:
        """What the next call will see, when this one has changed something in Python.

        Raises:
            TraceError: the next one would change something again.
        """
        for (x, name), kept in zip(trace.kept, program.kept, strict=True):  # what it will find there
            x[name] = replaced(kept, lambda t: wrap(np.zeros(t.shape, t.dtype)))
        watch, second = self._look(args, kwargs), Trace()
        watch.tell(second)
        again = functools.partial(record, self.step, args, kwargs)
        try:
            if trace.carried or watch.sees(trace.updated):
                raise Leaked
            again(second, watch.groups, watch.types)
        except Leaked:
            what = f"{self._name} changes {changes}: it keeps a tensor there that it has computed"
        except TraceError:
            raise
        except Exception as error:  # it finds what it has left there itself
            what = f"{self._name} changes {changes}, with which the next one fails ({type(error).__name__}: {error})"
        else:
            what = watch.changed() and f"each run of {self._name} changes {watch.changed()}"
        if not what:
            return watch
        restore()
        line = line_that(functools.partial(again, Trace(), watch.groups), lambda: first.changed() == changes)
        raise TraceError(f"compile: {line}{what}. {INSTEAD.get(changes, ADVICE)}")

    def _dropped_by(self, program: Program, trace: Trace) -> set[Tensor]:
        """The tensors of whose gradients a program leaves none.

        Raises:
            TraceError: it uses one that a program before has left none of.
        """
        lost = next((t for t in trace.before if t in trace.used & self._dropped), None)
        if lost is not None:
            raise TraceError(
                f"compile: {line_of_step(self.step)}{self._name} uses a gradient {tuple(lost.shape)} that a call "
                "before has computed, of which grads=False has left none. Compile it with grads=True."
            )
        left = {*(t for t, grad in program.grads if grad is not None), *(p.tensor for p in program.passed)}
        return set() if self.grads else left - trace.used - self._used

    def _look(self, args: Any, kwargs: Any) -> Watch:
        """What the step sees now."""
        try:
            return Watch([self.step, *objects_of((args, kwargs))], [*self._moving.values()])
        except TraceError as error:
            raise TraceError(f"compile: {line_of_step(self.step)}{error}") from None

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
        return self._written().explanation

    def __getattr__(self, name: str) -> Any:
        """A compiled model is asked for its parameters and modes as the model itself."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.step, name)

    def __repr__(self) -> str:
        return f"<compiled {self._name}: {self._count} program{'' if self._count == 1 else 's'}>"


class Source(str):
    """The text of a program; called with readable=True it gives the program as formulas."""

    written: Written

    def __new__(cls, written: Written) -> Source:
        """The text that runs; the formulas are written when they are asked for."""
        text = super().__new__(cls, written.source)
        text.written = written
        return text

    def __call__(self, *, readable: bool = False) -> str:
        return self.written.formulas if readable else str(self)


def _argument(objects: list[Any]) -> str:
    """Why no program has been written for arguments of this kind, for a message."""
    own = [type(x).__name__ for x in objects if not isinstance(x, (str, type, *ALIKE))]
    nested = f" (each {own[0]} by itself; tensors may be nested in dicts, lists, tuples and dataclasses)" if own else ""
    return f"the arguments{nested}"


def _words(step: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
    """What a step calls its arguments: one word per Tensor or float among them, numbered in lists."""
    called = getattr(step, "forward", step)
    code = getattr(called, "__code__", None)
    words = list(code.co_varnames[: code.co_argcount]) if code is not None else []
    if isinstance(called, types.MethodType):  # its object is not among the arguments
        words = words[1:]  # of a decorated one only `*args` may be known
    words += [""] * (len(args) - len(words))
    found: list[str] = []
    for word, value in (*zip(words, args, strict=False), *kwargs.items()):
        inside = arguments_of(value)
        found += (
            [word] if inside and inside[0] is value else [f"{word}_{k}" if word else "" for k in range(len(inside))]
        )
    return found


@overload
def compile(
    step: Callable[..., Any],
    *,
    grads: bool = True,
    limit: int = LIMIT,
    engine: str = "numpy",
    reassociate: bool = False,
    disable: bool = False,
    **pytorchs: Any,
) -> Compiled: ...
@overload
def compile(
    step: None = None,
    *,
    grads: bool = True,
    limit: int = LIMIT,
    engine: str = "numpy",
    reassociate: bool = False,
    disable: bool = False,
    **pytorchs: Any,
) -> Callable[[Callable[..., Any]], Compiled]: ...
def compile(
    step: Callable[..., Any] | None = None,
    *,
    grads: bool = True,
    limit: int = LIMIT,
    engine: str = "numpy",
    reassociate: bool = False,
    disable: bool = False,
    **pytorchs: Any,
) -> Any:
    """A function that does what `step` does, as a NumPy program written for it; also a decorator.

    The program computes with the same NumPy calls as eager mode, so every number is the same to the last bit, in
    memory that it keeps from call to call. Parameters, buffers and the optimizer's state are updated in place and stay
    the same objects, so eager and compiled steps may alternate.

    Args:
        step: a function of tensors: a whole training step (zero_grad, forward, backward, optimizer.step), a model, or
            anything else that computes. What it returns are copies, without a graph, and so is what it writes.
        grads: whether the gradients that the step leaves in `.grad` are there afterwards, in memory that the next call
            writes again; with False `.grad` is None after a call, which saves memory, unless the step goes on with it.
        limit: after so many programs (for other shapes, modes, settings) another one is refused.
        engine: "numpy", or "numba" (`pip install "tinygrad_edu[numba]"`): chains of small calls and the update are
            fused into compiled loops, kept on disk for later processes. Its sums and matrix products are taken in
            another order, so it agrees with eager mode within 1e-5 of an array's largest magnitude; a sum that
            overflows there on its way need not overflow here.
        reassociate: whether factors may be multiplied in another order where that is less work: the learning rate
            into dZ instead of into dZ^T X, in steps that leave no gradients (grads=False). Within 1e-5, too.
        disable: True returns the step as it is.
        pytorchs: fullgraph, dynamic, backend, mode and options are accepted, without effect: a step is compiled as a
            whole or refused, and shapes have programs of their own.
    Raises:
        ImportError: engine="numba" without Numba.
        TraceError: the step reads a value, or does what a program can't repeat; the line is named.

    A step that raises has changed nothing, also where eager mode would have got half-way. While a step is traced other
    threads must leave its tensors alone; programs take turns.

    Tensors and Python numbers among the arguments may differ from call to call, and so may learning rates and other
    settings, and numbers in variables, attributes and dicts of the step, which are arguments of the program once they
    have been seen to differ; another shape, dtype, train() or eval(), another value of another Python variable, a
    number of which an `if`, an index or a text sees something else, or another mask, place or flag in a tensor that
    the step reads without being given it, gives another program. Attributes and entries of dicts that a step sets
    to what it computes (`self.attn = weights`) hold it after each call; `return loss.item()` returns the number of
    each. One that asks the world outside (the clock, a file, Python's dice) or changes Python objects otherwise is
    refused; what it prints, it prints while it is traced.
    Gradients do not pass through a compiled function: compile the step with its backward().

    >>> from tinygrad_edu import compile, tensor
    >>> double = compile(lambda x: x * 2)
    >>> double(tensor([1.0, 2.0]))
    tensor([2., 4.])
    >>> double(tensor([3.0, 4.0]))
    tensor([6., 8.])
    """
    for name in pytorchs.keys() - {"fullgraph", "dynamic", "backend", "mode", "options"}:
        raise TypeError(f"compile() got an unexpected keyword argument {name!r}")
    if step is None:
        settings = {"grads": grads, "limit": limit, "engine": engine, "reassociate": reassociate}
        return functools.partial(compile, **settings, disable=disable)
    return step if disable else Compiled(step, grads, limit, engine, reassociate)
