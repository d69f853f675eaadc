"""The rule book read on cells: arrays that note every NumPy call made on them.

A traced program knows operations (`affine`, `tanh`, `cross_entropy`). What the compiler writes are the
NumPy calls that their forwards make. To find them it runs the program once with cells in the place of
arrays: each call is noted, and made on zeros, so its function, its arguments and the layout of its
result are what eager mode computes with, and the written program gives the same bits. Of large arrays
only the layout is kept: noting takes no more memory than one call.

A forward that does what can't be noted (it writes into an array, or an `if` reads a value) is kept
whole, as a call of that forward.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..core.mode import mode
from ..core.primitive import Operand, Primitive
from ..core.record import Site
from ..core.symbol import Symbol
from ..ops.checks import check
from ..ops.writes import assign
from .calls import (
    NUMBERS,
    PYTHON,
    SMALL,
    SUBSCRIPT,
    Attribute,
    Call,
    Check,
    Draw,
    Method,
    Value,
    method,
    reduction,
    values_of,
)

# What they return has a shape that the values decide; the next call of the program may find another
VALUE_SHAPED = {np.nonzero, np.flatnonzero, np.argwhere, np.unique, np.compress, np.extract}
# What they raise, or return in its place, is for the forward around them to say
RAISING = {
    getattr(np.linalg, name) for name in ("inv", "solve", "cholesky", "svd", "eigh", "eigvalsh", "pinv", "lstsq")
}
LONGEST = 24  # lines of a composition; a longer one, such as a loop over a sequence, stays a function
OVERALL = {"steps": (), "key": (...,)}  # how assign is told to replace all numbers
POWERS = {2: np.square, 0.5: np.sqrt, -1: np.reciprocal, 1: np.positive}  # as ndarray.__pow__ has it


class Unnoted(Exception):
    """A forward does what cells can't note; it is kept whole."""


class Notes:
    """The calls of one run, in order; a call made before is not made again."""

    current: Notes | None = None

    def __init__(self, textbook: bool = False) -> None:
        self.textbook = textbook  # of primitives their compositions, where there are some, and not their forwards
        self.constants: dict[Value, Any] = {}
        self.sites: dict[Value, Site | None] = {}  # where in a composition a value is computed
        self.lines: list[Call | Check] = []
        self.known: dict[Any, tuple[Value, ...]] = {}
        self._order: list[Any] = []  # the keys of `known`, so that the latest can be forgotten
        self.merged = self.unchanged = 0  # calls made before, and those that return their argument
        self.section = ""
        self.by: Primitive | None = None
        self.kept: list[Any] = []  # what keys name by id
        self.generators: dict[int, Value] = {}
        self.arrays: set[Value] = set()  # what eager mode keeps in arrays, although NumPy gives a scalar

    def call(self, function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Make a call and note it. Returns Cells, or plain values where no Cell is among the arguments."""
        turns = function is np.transpose and len(args) == 2 and not kwargs
        if turns and args[0].ndim == 2 and tuple(args[1]) == (1, 0):
            function, args = method("T", Attribute), args[:1]
        made: dict[Any, Any] = {}
        elementwise = isinstance(function, np.ufunc) and "out" not in kwargs

        def filled(value: Value) -> Any:
            shared = elementwise and value.hollow  # zeros of one layout are as good for all operands: less memory
            key = (value.data.shape, value.data.strides, value.data.dtype) if shared else value
            if key not in made:
                made[key] = value.filled
            return made[key]

        given = args, kwargs
        args, kwargs = bare(args, lambda v: v), bare(kwargs, lambda v: v)
        operands = values_of((args, kwargs))
        if not operands:
            return function(*args, **kwargs)
        key = (id(function), self._key(args), self._key(kwargs))
        known = self.known.get(key)
        if known is not None:
            self.merged += 1
            return Cell(known[0]) if len(known) == 1 else tuple(map(Cell, known))
        plain_args, plain_kwargs = bare(given[0], filled), bare(given[1], filled)
        numbers = all(v.number for v in operands) and not any(isinstance(x, np.ndarray) for x in plain_args)
        data = _product(plain_args) if function is np.dot and not kwargs else None
        if data is None:
            mode.dry = True  # zeros, whose values no check is to see
            try:
                data = (PYTHON.get(function, function) if numbers else function)(*plain_args, **plain_kwargs)
            finally:
                mode.dry = False
        if numbers and hasattr(data, "item"):
            data = data.item()
        self._order.append(key)
        same = unchanged(function, args, kwargs, data)
        if same is not None:
            self.unchanged += 1
            self.known[key] = (same,)
            return Cell(same)
        call = Call(function, args, kwargs)
        call.section, call.by = self.section, self.by
        several = data.__class__ is tuple or (isinstance(data, tuple) and hasattr(data, "_fields"))
        call.results = tuple(Value(d, call, k) for k, d in enumerate(data if several else (data,)))
        if not isinstance(function, np.ufunc):  # whose result is no view
            for value, array in zip(call.results, data if several else (data,), strict=True):
                shared = (v for v, x in made.items() if isinstance(x, np.ndarray) and np.may_share_memory(x, array))
                value.source = next(shared, None) if isinstance(array, np.ndarray) else None
        self.lines.append(call)
        if self.textbook:
            self.sites.update(dict.fromkeys(call.results, _site()))
        self.known[key] = call.results
        self.kept.append((function, args, kwargs))
        return tuple(map(Cell, call.results)) if several else Cell(call.results[0])

    def constant(self, x: Any) -> Cell:
        """A constant whose uses are noted as well: of 1 / m a textbook shows the count m."""
        value = Value(x)
        self.constants[value] = x
        return Cell(value)

    def draw(self, symbol: Symbol, values: list[Any]) -> Cell:
        """Draw from a generator, an input of the program: by a method, or by a function of it and of values."""
        draw: functools.partial[Any] = symbol.params["draw"]
        owner = getattr(draw.func, "__self__", None)
        generator, *rest = draw.args if owner is None else (owner, *draw.args)
        source = self.generators.setdefault(id(generator), Value(generator))
        function: Any = draw.func if owner is None else method(draw.func.__name__, Draw)
        call = Call(function, (source, *rest, *(bare(x, lambda v: v) for x in values)), draw.keywords)
        call.results, call.section = (Value(np.zeros(symbol.shape, symbol.dtype), call),), self.section
        call.by = self.by
        self.lines.append(call)
        return Cell(call.results[0])

    def unfold(self, primitive: Primitive, cells: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """Note what a primitive's forward does, or, where that can't be noted, the forward itself."""
        length, keys, counts = len(self.lines), len(self._order), (self.merged, self.unchanged)
        values = [c.value if isinstance(c, Cell) else None for c in cells]
        function = (primitive.composition if self.textbook else None) or primitive.forward
        try:
            try:
                result = function(*cells, **params)
            except NotImplementedError:  # a composition for other parameters
                function = primitive.forward
                result = function(*cells, **params)
            if function is not primitive.forward and len(self.lines) - length > LONGEST:
                raise Unnoted(f"{primitive.key} takes too many lines")
            return result
        except (Unnoted, TypeError, AttributeError, ValueError, NotImplementedError):
            del self.lines[length:]
            self.merged, self.unchanged = counts
            for key in self._order[keys:]:
                self.known.pop(key, None)
            del self._order[keys:]
            for cell, value in zip(cells, values, strict=True):
                if value is not None:
                    cell.value = value
            return self.call(function, cells, params)

    def check(self, condition: Any, message: str, error: type[Exception], values: Any) -> None:
        """Note a check; a condition that is the same at every call is looked at now."""
        if not isinstance(condition, Cell):
            check(np.asarray(condition), message, error, values)
            return
        found = values.value if isinstance(values, Cell) else None
        self.lines.append(Check(condition.value, message, error, found))
        self.lines[-1].by = self.by

    def _key(self, x: Any) -> Any:
        """Equal for equal arguments."""
        if isinstance(x, Value):
            return id(x)
        if x.__class__ is tuple or x.__class__ is list:
            return tuple(self._key(part) for part in x)
        if x.__class__ is dict:
            return tuple((name, self._key(part)) for name, part in x.items())
        if isinstance(x, np.ndarray):
            if x.size <= 64:
                return (x.shape, x.dtype.str, x.tobytes())
            self.kept.append(x)
            return ("array", id(x))
        if x.__class__ is slice:
            return ("slice", self._key(x.start), self._key(x.stop), self._key(x.step))
        return (x.__class__, repr(x)) if isinstance(x, NUMBERS) else ("object", _hashable(x, self.kept))


def _site() -> Site | None:
    """The instruction of a composition that makes a call."""
    site, frame = None, sys._getframe(1)
    while frame.f_back is not None and frame.f_code is not Notes.unfold.__code__:
        if site is None and os.path.basename(os.path.dirname(frame.f_code.co_filename)) == "ops":
            site = frame.f_code, frame.f_lasti
        frame = frame.f_back
    primitive = frame.f_locals.get("primitive")
    return None if primitive is None or primitive.composition is None else site


def _product(args: tuple[Any, ...]) -> Any:
    """The layout of a large product, which is what takes time: BLAS gives rows one after another."""
    A, B = args
    if not (isinstance(A, np.ndarray) and isinstance(B, np.ndarray) and A.ndim == B.ndim == 2):
        return None
    fits = A.shape[1] == B.shape[0] and A.dtype == B.dtype and A.dtype.kind == "f"
    return np.zeros((A.shape[0], B.shape[1]), A.dtype) if fits and A.shape[0] * B.shape[1] * 4 > SMALL else None


def _hashable(x: Any, kept: list[Any]) -> Any:
    try:
        hash(x)
    except TypeError:
        kept.append(x)
        return id(x)
    return x


def bare(x: Any, change: Callable[[Value], Any]) -> Any:
    """Nested arguments with something in the place of each Cell."""
    kind = x.__class__
    if kind is Cell:
        return change(x.value)
    if kind is Value:
        return change(x)
    if kind is tuple:
        return tuple([bare(part, change) for part in x])
    if kind is list:
        return [bare(part, change) for part in x]
    if kind is dict:
        return {name: bare(part, change) for name, part in x.items()} if x else x
    if kind is slice:
        return slice(*(bare(part, change) for part in (x.start, x.stop, x.step)))
    return x


def unchanged(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], data: Any) -> Value | None:
    """The argument that a call returns as it is: `1 * X`, a reshape or cast to what X is already, X put over all."""
    name = getattr(function, "__name__", "")
    if not isinstance(data, np.ndarray) or not args:
        return None
    if function is np.multiply or (function is np.divide and isinstance(args[0], Value)):
        for x, factor in ((args[0], args[1]), (args[1], args[0])):
            if isinstance(x, Value) and _is_one(factor) and _alike(x.data, data):
                return x
            if function is np.divide:
                break
    first = args[0]
    if function is assign.forward and kwargs == OVERALL:
        V = args[1]
        return V if isinstance(V, Value) and _alike(V.data, data) and V.data.strides == data.strides else None
    if name == "T" and isinstance(first, Value) and first.call is not None and first.call.function is function:
        return first.call.args[0]  # type: ignore[no-any-return]  # turned and turned back
    if isinstance(first, Value) and isinstance(first.data, np.ndarray) and isinstance(function, Method):
        same = _alike(first.data, data) and first.data.strides == data.strides
        if same and name in ("reshape", "astype", "T", "transpose"):
            return first
    if (
        isinstance(first, Value)
        and function in (np.broadcast_to, np.reshape, np.transpose)
        and _alike(first.data, data)
    ):
        return first if first.data.strides == data.strides else None
    return None


def _alike(x: Any, y: np.ndarray[Any, Any]) -> bool:
    return isinstance(x, np.ndarray) and x.shape == y.shape and x.dtype == y.dtype


def _is_one(x: Any) -> bool:
    if isinstance(x, (np.ndarray, np.generic)):
        return x.ndim == 0 and bool(x == 1) and x.dtype.kind == "f"
    return x.__class__ in (int, float) and x == 1


class Cell(Operand, NDArrayOperatorsMixin):
    """A real array, or number, whose uses are noted."""

    rank = 2
    __slots__ = ("value",)
    __hash__ = object.__hash__

    def __init__(self, value: Value) -> None:
        self.value = value

    @classmethod
    def apply(cls, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        assert Notes.current is not None
        return Notes.current.unfold(primitive, args, params)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        if method not in ("__call__", "reduce", "accumulate", "outer"):
            raise Unnoted(f"{ufunc.__name__}.{method}")
        function = ufunc if method == "__call__" else reduction(ufunc, method)
        return self._stored(_note(function, inputs, kwargs), out)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        kwargs = dict(kwargs)
        out = kwargs.pop("out", None)
        if func in VALUE_SHAPED or func in RAISING:
            raise Unnoted(func.__name__)
        return self._stored(_note(func, args, kwargs), None if out is None else (out,))

    @staticmethod
    def _stored(result: Any, out: Any) -> Any:
        """`out=Z`: from here on Z is the result. Nothing else reads what Z was: it was made a line above."""
        if out is None or out[0] is None:
            return result
        (target,) = out
        if not isinstance(target, Cell) or target.value.data.dtype != result.value.data.dtype:
            raise Unnoted("out=")
        target.value = result.value
        return target

    shape = property(lambda self: np.shape(self.value.data))
    ndim = property(lambda self: np.ndim(self.value.data))
    size = property(lambda self: np.size(self.value.data))
    dtype = property(lambda self: np.asarray(self.value.data).dtype)
    T = property(lambda self: _note(method("T", Attribute), (self,), {}))
    mT = property(lambda self: _note(method("mT", Attribute), (self,), {}))

    @property
    def is_scalar(self) -> bool:
        """Whether eager mode has one of NumPy's scalars here."""
        notes = Notes.current
        return isinstance(self.value.data, np.generic) and (notes is None or self.value not in notes.arrays)

    def __pow__(self, exponent: Any) -> Any:
        """As an array's operator: the usual exponents have functions of their own, with results of their own."""
        if self.is_scalar:  # which has another pow than an array
            return _note(method("__pow__"), (self, exponent), {})
        ufunc = POWERS.get(exponent) if exponent.__class__ in (int, float) and self.dtype.kind == "f" else None
        if ufunc is None or self.value.number:
            return np.power(self, exponent)
        return ufunc(self)

    def __len__(self) -> int:
        return int(self.value.data.shape[0])

    def __getitem__(self, key: Any) -> Any:
        keys = key if isinstance(key, tuple) else (key,)
        if any(getattr(getattr(k, "dtype", None), "kind", "") == "b" for k in keys):
            raise Unnoted("a boolean index")
        return _note(SUBSCRIPT, (self, key), {})

    def __setitem__(self, key: Any, value: Any) -> None:
        raise Unnoted("x[key] = value")

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise Unnoted("a value is read")

    def verify(self, message: str, error: type[Exception], values: Any) -> None:
        """Note `check(self, ...)`."""
        assert Notes.current is not None
        Notes.current.check(self, message, error, values)

    __array__ = __bool__ = __float__ = __int__ = __index__ = __iter__ = item = tolist = _refuse


def _note(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    assert Notes.current is not None
    return Notes.current.call(function, args, kwargs)


def _as_method(name: str) -> Callable[..., Any]:
    def called(self: Cell, *args: Any, **kwargs: Any) -> Any:
        result = _note(method(name), (self, *args), kwargs)
        if name == "astype" and isinstance(result, Cell) and not self.is_scalar:
            Notes.current.arrays.add(result.value)  # type: ignore[union-attr]  # where cells are, there are notes
        return result

    called.__name__ = name
    return called


for _name in ("reshape", "astype", "copy", "view", "transpose", "swapaxes", "sum", "max", "min", "mean", "ravel"):
    setattr(Cell, _name, _as_method(_name))
