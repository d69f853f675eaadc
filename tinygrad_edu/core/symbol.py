"""A Symbol: an array of which only shape and dtype are known, and how it was computed.

Handing Symbols to a rule gives the rule back as an expression. Everything that needs the formula
rather than the numbers reads rules this way: which arrays a record must keep (below), the printed
gradient (symbolic.derive), and a whole training step as a program (symbolic.trace).

Not here: printing and tracing (symbolic/).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .dtypes import NUMBERS, get_default_dtype
from .errors import TraceError
from .mode import mode
from .number import concrete, operand
from .primitive import PRIMITIVES, Array, Operand, Primitive
from .record import line_of, user_site

_count = itertools.count()


class Symbol(Operand, NDArrayOperatorsMixin):
    """An expression: a primitive applied to Symbols and constants, or, with primitive None, a name."""

    rank = 1
    __slots__ = ("dtype", "held", "index", "inputs", "name", "ndim", "number", "params", "primitive", "shape")
    # A comparison of Symbols is one more expression, so identity is what a dict must go by.
    __hash__ = object.__hash__

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        name: str | None = None,
        primitive: Primitive | None = None,
        inputs: tuple[Any, ...] = (),
        params: dict[str, Any] | None = None,
    ) -> None:
        self.shape = tuple(shape)
        self.ndim = len(self.shape)
        self.dtype = dtype
        self.name = name
        self.primitive = primitive
        self.inputs = inputs
        self.params = params or {}
        self.index = next(_count)  # creation order is an order of execution
        self.held = False  # by a Tensor: without axes it is an array all the same, and not one of NumPy's scalars
        # Stands for Python numbers only, which adopt the dtype of the array that they meet
        self.number: bool = bool(inputs)
        for x in inputs:
            if not (x.number if x.__class__ is Symbol else x.__class__ in NUMBERS):
                self.number = False
                break

    @classmethod
    def apply(cls, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        if mode.trace is not None and mode.trace.numbered:
            args = tuple([operand(x) for x in args])
            params = {name: concrete(value) for name, value in params.items()}
        shape, dtype = infer(primitive, args, params)
        result = Symbol(shape, dtype, None, primitive, tuple(args), params)
        if isinstance(dtype, tuple):  # several outputs
            return tuple(PRIMITIVES["pick"](result, output=k) for k in range(len(dtype)))
        return result

    @property
    def key(self) -> str:
        """The rule book's key of what computed it; empty for a name."""
        return "" if self.primitive is None else self.primitive.key

    def replace(self, result: Symbol, name: str) -> Symbol:
        """`np.add(x, y, out=self)`: nothing can be overwritten, the caller keeps what comes back."""
        if result.shape != self.shape:
            raise TraceError(f"np.{name}: out= has shape {self.shape}, the result {result.shape}.")
        same: Symbol = result if result.dtype == self.dtype else result.astype(self.dtype)
        return same

    def verify(self, message: str, error: type[Exception], values: Any) -> None:
        """A check of values: in a trace an equation, else nothing, since there are none."""
        if mode.trace is not None:
            mode.trace.check(self, message, error, values)

    def __repr__(self) -> str:
        what = self.name or (self.primitive.name if self.primitive else "_")
        return f"<Symbol {what} {self.shape} {self.dtype}>"

    def _number(self) -> Any:
        """The value, where it is computed from Python numbers alone: the trace then holds for that value."""
        if not self.number or mode.trace is None:
            self._refuse()
        return mode.trace.read(self)

    def __bool__(self) -> bool:
        return bool(self._number())

    def __float__(self) -> float:
        return float(self._number())

    def __int__(self) -> int:
        return int(self._number())

    def _refuse(self, *_: Any, **__: Any) -> Any:
        self.refuse("Use where() for a choice, and read values outside of the traced step.")

    def refuse(self, advice: str) -> None:
        """Raise because a value is read."""
        error = TraceError(
            f"{line_of(user_site())}: a value is read while the step is being traced. A trace runs without numbers, "
            f"so what a Python `if`, float(), .item() or .numpy() would see is unknown. {advice}"
        )
        if mode.trace is not None:
            mode.trace.refused = error
        raise error

    __array__ = _refuse
    __index__ = _refuse
    __iter__ = _refuse
    __len__ = _refuse
    item = _refuse
    tolist = _refuse


def named(x: Any, name: str) -> Any:
    """x itself; where it is a Symbol, a program calls its value so."""
    if x.__class__ is Symbol and x.primitive is not None and x.name is None:
        x.name = name
    return x


def infer(primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> tuple[Any, Any]:
    """Shape and dtype of a result, from a run on zeros that take no memory (all strides 0)."""
    try:
        key = (primitive, get_default_dtype(), tuple(map(_kind, args)), *params.items())
        known = _INFERRED.get(key)
    except TypeError:  # an array among the arguments, a list among the parameters
        return _run_on_zeros(primitive, args, params)
    if known is None:
        if len(_INFERRED) >= 4096:
            _INFERRED.clear()
        known = _INFERRED[key] = _run_on_zeros(primitive, args, params)
    return known


_INFERRED: dict[Any, tuple[Any, Any]] = {}  # layers are alike: of a long step's operations few are new


def _kind(x: Any) -> Any:
    """What the shape of a result may depend on; a number's own value too."""
    if x.__class__ is Symbol:
        return (x.shape, x.dtype, x.number)
    if x.__class__ in NUMBERS:
        return (x.__class__, repr(x))
    raise TypeError


def _run_on_zeros(primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> tuple[Any, Any]:
    zeros = [_zeros(a) if isinstance(a, Symbol) else a for a in args]
    before, mode.dry = mode.dry, True
    try:
        with np.errstate(all="ignore"):  # log(0) and the like mean nothing here
            result: Array = primitive.forward(*zeros, **params)
    finally:
        mode.dry = before
    if isinstance(result, tuple):
        return tuple(r.shape for r in result), tuple(r.dtype for r in result)
    if result.__class__ in (bool, int, float):  # of Python numbers alone
        return (), np.dtype(result.__class__)
    return result.shape, result.dtype


def _zeros(symbol: Symbol) -> Any:
    if isinstance(symbol.dtype, tuple):
        return tuple(np.zeros(shape, dtype) for shape, dtype in zip(symbol.shape, symbol.dtype, strict=True))
    return 0.0 if symbol.number else np.broadcast_to(np.zeros((), symbol.dtype), symbol.shape)


def find_reads(
    primitive: Primitive, needs: tuple[bool, ...], args: tuple[Any, ...], params: dict[str, Any], out: Array
) -> tuple[bool, tuple[int, ...]]:
    """Which numbers the rules of the inputs in `needs` read: the output's, and which inputs'.

    Found by reading those rules on Symbols. `.shape` is answered by a Symbol without leaving a
    trace, so exactly what a rule computes with is reached from its result. Python numbers among
    the arguments stand as Symbols too: the answer must hold for arrays in their places.
    """
    outs = out if isinstance(out, tuple) else (out,)
    inputs = [Symbol(np.shape(a), outs[0].dtype if isinstance(a, (bool, int, float)) else a.dtype) for a in args]
    Ys, dYs = (tuple(Symbol(o.shape, o.dtype) for o in outs) for _ in range(2))
    Y, dY = (Ys, dYs) if isinstance(out, tuple) else (Ys[0], dYs[0])
    reached: set[Any] = set()
    for index, needed in enumerate(needs):
        if needed:
            reached |= leaves(primitive.call_rule(index, dY, Y, inputs, params))
    return any(y in reached for y in Ys), tuple(i for i, x in enumerate(inputs) if x in reached)


def computed_by(*expressions: Any) -> list[Symbol]:
    """Every operation that the expressions are computed by, in the order in which they were made."""
    return sorted((s for s in _below(expressions) if s.primitive is not None), key=lambda s: s.index)


def leaves(*expressions: Any) -> set[Symbol]:
    """The named or bare Symbols that the expressions are computed from."""
    return {s for s in _below(expressions) if s.primitive is None}


def _below(expressions: Iterable[Any]) -> set[Symbol]:
    """All Symbols that the expressions are computed from, and themselves."""
    found: set[Symbol] = set()
    stack = [e for e in expressions if isinstance(e, Symbol)]
    while stack:
        symbol = stack.pop()
        if symbol not in found:
            found.add(symbol)
            stack.extend(x for x in symbol.inputs if isinstance(x, Symbol))
    return found
