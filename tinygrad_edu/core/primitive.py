"""A primitive: the value of an operation and its derivative rules, one beside the other.

    @primitive(np.tanh, dZ=lambda dA, A, Z: dA * (1 - A**2))
    def tanh(Z):
        return np.tanh(Z)

Keyword `dZ` is the rule of parameter `Z`: the cotangent of that input from the cotangent of the
output, the output and the inputs. It is written in NumPy's names, and NumPy's dispatch gives it
its readings: on arrays the gradient's numbers, on Tensors a graph of the gradient, on Symbols the
formula. A rule may read shapes, never values; it sums nothing back to a broadcast shape, casts
nothing and checks nothing: the engine does, once (core.backward).

Not here: any particular derivative (see ops/).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from .dtypes import NUMBERS, Promotion, floating
from .errors import nearest

# What rules and forwards compute with: ndarray, Tensor or Symbol, all by NumPy's dispatch.
Array = Any
Rule = Callable[..., Array]

PRIMITIVES: dict[str, Primitive] = {}  # by key: the rule book
NUMPY: dict[Any, Callable[..., Any]] = {}  # what answers np.f on a Tensor or Symbol


class Sampler(Protocol):
    """Draws test inputs from where a primitive is defined and smooth."""

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray[Any, Any]: ...


def everywhere(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Standard normal: for primitives smooth on all of R, or with kinks that it never hits."""
    return rng.standard_normal(shape)


class Operand:
    """What NumPy's functions and operators hand over to primitives: Tensor and Symbol.

    Answers NEP 13 (`__array_ufunc__`) and NEP 18 (`__array_function__`) from the one table NUMPY,
    with NumPy's meaning. A function without an entry is refused: NumPy's own way of going on
    would be an array of objects, without gradients and without a warning.
    """

    __slots__ = ()
    rank: ClassVar[int]  # where kinds meet in one call the highest rank computes
    # attached by ops/shape.py, to Tensors and Symbols alike
    T: Any
    mT: Any
    astype: Any
    reshape: Any

    @classmethod
    def apply(cls, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        raise NotImplementedError

    def verify(self, message: str, error: type[Exception], values: Any) -> None:
        """What ops.checks.check does with a condition that is no array."""
        raise NotImplementedError

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        (out,) = kwargs.pop("out", None) or (None,)
        return _answer(ufunc if method == "__call__" else (ufunc, method), name, inputs, kwargs, out)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name = f"{func.__module__}.{func.__name__}".partition(".")[2]  # of numpy.linalg.eig, linalg.eig
        return _answer(func, name, args, kwargs, kwargs.pop("out", None))


class Plan(NamedTuple):
    """What recording a call comes to; found once for each combination of what its inputs are."""

    reads_output: bool  # by the rules below
    reads: tuple[int, ...]  # the inputs, Python numbers apart, that the rules below read
    edges: tuple[int, ...]  # the inputs that need a gradient


class Primitive:
    """One entry of the rule book; calling it computes, in the domain that its arguments call for."""

    needs_zeros = True  # of joint outputs: the cotangent of one that nobody used is zeros, else None
    add: Primitive | None = None
    # what the forward is equal to, in operations that a textbook would write; None: it is written so itself
    composition: Callable[..., Any] | None = None
    store_out: Any  # how `out=` is answered; attached by ops/out.py
    of_numbers: Any  # what becomes of a call without any tensor; attached by ops/public.py

    def __init__(
        self,
        forward: Callable[..., Array],
        rules: dict[str, Rule],
        *,
        name: str | None,
        numpy: Any,
        types: Promotion | None,
        domain: Sampler | tuple[Sampler, ...],
        view: bool,
        opaque: bool,
        add: Primitive | None = None,
    ) -> None:
        self.forward = forward
        self.key = forward.__name__  # its entry in the rule book
        self.name = name or self.key  # the user's word for it, in messages and pictures
        self.__name__ = forward.__name__
        self.__doc__ = forward.__doc__
        self.__module__ = forward.__module__
        self.inputs, self.params, self.variadic = signature(forward)
        self.rules = tuple(rules.get(f"d{name}") for name in self.inputs)
        self.differentiable = bool(rules)
        self.numpy = numpy
        self.types = types
        self.domain = domain
        self.view = view
        self.opaque = opaque
        self.add = add
        self.reads: dict[int, Plan] = {}
        self._check(rules)

    def __call__(self, *args: Any, **params: Any) -> Any:
        if params and ("input" in params or "other" in params or "out" in params):  # PyTorch's names for the operands
            if "out" in params:
                return self.store_out(self, params.pop("out"), self.name, args, params)
            first = (params.pop("input"),) if "input" in params else ()
            last = (params.pop("other"),) if "other" in params else ()
            args = (*first, *args, *last)
            if len(args) != len(self.inputs):
                raise TypeError(f"{self.name} takes {len(self.inputs)} tensors, got {len(args)}.")
        domain: Any = None
        for x in args:
            if isinstance(x, Operand) and (domain is None or x.rank > domain.rank):
                domain = x
        if domain is None:
            if args and args[0].__class__ in NUMBERS and all(x.__class__ in NUMBERS for x in args):
                return self.of_numbers(self, args, params)
            return self.forward(*args, **params)
        return domain.apply(self, args, params)

    def __repr__(self) -> str:
        return f"<primitive {self.key}({', '.join(self.inputs + self.params)})>"

    def call_rule(self, index: int, dY: Array, Y: Array, inputs: Any, params: dict[str, Any]) -> Array:
        """The cotangent of input `index` from the cotangent dY of the output Y."""
        if self.variadic:
            rule = self.rules[min(index, len(self.rules) - 1)]
            assert rule is not None
            first = len(self.rules) - 1  # the variadic parameter stands last
            if index >= first:
                return rule(dY, Y, *inputs, k=index - first, **params)
            return rule(dY, Y, *inputs, **params)
        rule = self.rules[index]
        assert rule is not None
        return rule(dY, Y, *inputs, **params)

    def begin(self) -> None:
        """A visit of backward starts: what autograd.Function needs to know, whose one rule serves all inputs."""

    def has_rule(self, index: int) -> bool:
        return self.rules[min(index, len(self.rules) - 1) if self.variadic else index] is not None

    def _check(self, rules: dict[str, Rule]) -> None:
        """A rule must belong to an input and take exactly what the engine hands it."""
        for key, rule in rules.items():
            if key[:1] != "d" or key[1:] not in self.inputs:
                raise TypeError(f"{self.key}: rule {key} belongs to none of the inputs {self.inputs}.")
            keywords = set(signature(rule)[1]) - ({"k"} if self.variadic else set())  # k: which of the several
            if keywords != set(self.params):
                raise TypeError(f"{self.key}: rule {key} takes {keywords}, the parameters are {self.params}.")
        if set(self.forward.__kwdefaults__ or ()) - {"out"}:
            raise TypeError(f"{self.key}: a default belongs to the public function, not to the primitive.")


def signature(function: Callable[..., Any]) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """Names of the positional parameters (`*X` included) and of the keyword-only ones, `out` apart; is there a `*X`.

    Read off the code object: inspect.signature would take a third of the package's import time.
    """
    code = function.__code__
    names = code.co_varnames
    positional, keyword = code.co_argcount, code.co_kwonlyargcount
    variadic = bool(code.co_flags & inspect.CO_VARARGS)
    several = (names[positional + keyword],) if variadic else ()
    keywords = tuple([name for name in names[positional : positional + keyword] if name != "out"])
    return (*names[:positional], *several), keywords, variadic


def primitive(
    numpy: Any = None,
    *,
    name: str | None = None,
    types: Promotion | None = floating,
    domain: Sampler | tuple[Sampler, ...] = everywhere,
    view: bool = False,
    opaque: bool = False,
    add: Primitive | None = None,
    **rules: Rule,
) -> Callable[[Callable[..., Array]], Primitive]:
    """Enter a forward and its rules into the rule book.

    Args:
        name: PyTorch's word for the operation, where the function below is called otherwise.
        numpy: the NumPy function that this is, with the same parameter names. It is how the
            primitive prints; without parameters it is also what answers that function.
        types: how operands of several dtypes are treated (core.dtypes); None: left alone.
        domain: where the tests draw each input.
        view: the result shares the first input's memory.
        opaque: the forward does what Symbols can't follow, so it is emitted as a helper. If it has a parameter
            `out=None`, it stores its result in an array of the right layout that it is given there.
        add: the primitive by which what the rule of a variadic primitive's first input would return is added to the
            cotangent known before, `add(dX, dY, *other inputs, **params)`: for rules whose result is mostly zeros.
        rules: `dX` for parameter X. An input without a rule is never differentiated.
    """

    def enter(forward: Callable[..., Array]) -> Primitive:
        entry = Primitive(
            forward, rules, name=name, numpy=numpy, types=types, domain=domain, view=view, opaque=opaque, add=add
        )
        if entry.key in PRIMITIVES:
            raise ValueError(f"the rule book has a primitive {entry.key} already.")
        PRIMITIVES[entry.key] = entry
        if numpy is not None and not entry.params:
            NUMPY[numpy] = entry
        return entry

    return enter


def answers(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The decorated front answers these NumPy functions on Tensors and Symbols, with NumPy's meaning.

    A pair `(np.add, "reduce")` names a ufunc's method, a text one that NumPy 2.0 does not have yet.
    """

    def enter(front: Callable[..., Any]) -> Callable[..., Any]:
        for function in functions:
            found = getattr(np, function, None) if isinstance(function, str) else function
            if found is not None:
                NUMPY[found] = front
        return front

    return enter


def _answer(function: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Any:
    """Call what answers a NumPy function. `out=z`: on Symbols nothing is written, the result takes z's place."""
    front = NUMPY.get(function)
    if front is None:
        raise TypeError(_unsupported(name))
    words = _words(front)
    if words is None:
        return front(*args, **kwargs)
    if unknown := [word for word in kwargs if word not in words]:
        raise TypeError(f"np.{name}: {', '.join(unknown)}= has no meaning on tensors here.")
    place = words.index("out") if "out" in words else len(args)
    if place < len(args):
        out, args = args[place], (*args[:place], None, *args[place + 1 :])
    if isinstance(out, np.ndarray):
        raise TypeError(
            f"np.{name}: out= is an ndarray, which can't record a gradient. Take the result instead "
            "(x = x + t, not x += t), or store t.detach().numpy()."
        )
    result = front(*args, **kwargs)
    return result if out is None else out.replace(result, name)


@functools.cache
def _words(front: Callable[..., Any]) -> tuple[str, ...] | None:
    """The names of a front's parameters; a primitive's operands have none in NumPy. None: it is not known."""
    try:
        return () if isinstance(front, Primitive) else tuple(inspect.signature(front).parameters)
    except ValueError:  # NumPy 2.0 did not say of its builtins
        return None


def _unsupported(name: str) -> str:
    known = [getattr(f, "__name__", "") for f in NUMPY if not isinstance(f, tuple)]
    near = nearest(name.rpartition(".")[2], known, 3)
    hint = f"Near to it: {', '.join('np.' + n for n in near)}. " if near else ""
    return (
        f"np.{name} has no rule here, so its gradient is unknown. {hint}"
        f"Outside of the graph use np.{name}(t.detach().numpy())."
    )
