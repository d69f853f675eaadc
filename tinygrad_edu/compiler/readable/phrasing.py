"""How a call is written as a formula: signs for ufuncs, methods, subscripts, and what takes several lines.

Which calls have a line of their own, and which stand within others' formulas, is source.py's to say.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...core.primitive import PRIMITIVES
from ...ops.indexing import Slot, add_along
from ...symbolic.printer import AND, ATOM, COMPARE, OR, POWER, PRODUCT, SUM, UNARY, infix, wrapped
from ..calls import Attribute, Call, Method, Reduce, Subscript, Value, method
from ..emit import Emitted, scalar
from .conditions import BOTH, EITHER
from .numerals import Spelled, spelled_number
from .rewriting import Share, number_of
from .shaping import PARTS, SCATTER, puts_along
from .textbook import Textbook

SHORT = 40  # characters of a constant that is written where it is used
SIGNS: dict[Any, tuple[str, int]] = {
    np.add: ("+", SUM),
    np.subtract: ("-", SUM),
    np.multiply: ("*", PRODUCT),
    np.divide: ("/", PRODUCT),
    np.remainder: ("%", PRODUCT),
    np.power: ("**", POWER),
    np.dot: ("@", PRODUCT),
    np.matmul: ("@", PRODUCT),
    np.equal: ("==", COMPARE),
    np.not_equal: ("!=", COMPARE),
    np.less: ("<", COMPARE),
    np.less_equal: ("<=", COMPARE),
    np.greater: (">", COMPARE),
    np.greater_equal: (">=", COMPARE),
    **dict.fromkeys(BOTH, ("&", AND)),
    **dict.fromkeys(EITHER, ("|", OR)),
}
LIMITS = np.clip, np.maximum, np.minimum
ASSIGN = PRIMITIVES["assign"].forward
CAST = method("astype")
STATEMENTS = SCATTER, PARTS  # what is written as several lines


class Phrasing(Emitted):
    """The part of a writer of formulas that spells calls; `_texts` are the formulas that stand within others."""

    _textbook: Textbook
    _texts: dict[Value, Spelled]
    _wanted: str | None = None  # what the constant is called that is being spelled
    _width: tuple[int, ...] = ()  # and its shape

    def _put_parts(self, line: Call, old: Value | None) -> None:
        """Zeros, or an array, with something in some of its places; of places that repeat the sum."""
        (value,), of = line.results, line.args
        if line.function is PARTS:
            name = self._name(value)
            self.body.append(f"{name} = {self._zeros(value)}{self._shape(value)}")
            keys = line.kwargs["keys"]
            for k, (part, key) in enumerate(zip(of, keys, strict=True)):
                sign = "=" if all(_apart(key, before, value.data.shape) for before in keys[:k]) else "+="
                self.body.append(f"{name}[{self._key(without_end(key))}] {sign} {self._text(part)}")
            return
        if line.function is add_along:
            name, axis = self._name(value), line.kwargs["axis"]
            self.body.append(f"{name} = {self._zeros(value)}{self._shape(value)}")
            self.body.append(f"np.put_along_axis({name}, {self._text(of[1])}, {self._filling(of[0])}, axis={axis})")
            return
        indices = of[2:] if line.function is ASSIGN else of[1:]
        key = tuple(indices[k.number] if isinstance(k, Slot) else k for k in line.kwargs["key"])
        if line.function is ASSIGN:
            if old is None:
                self.body.append(f"{self._name(value)} = {self._text(of[0])}.copy(){self._shape(value)}")
            else:
                self.names[value] = self._name(old)
            self.body.append(f"{self._name(value)}[{self._key(without_end(key))}] = {self._text(of[1])}")
            return
        name, text = self._name(value), self._key(without_end(key))
        self.body.append(f"{name} = {self._zeros(value)}{self._shape(value)}")
        if _is_once(key):
            self.body.append(f"{name}[{text}] = {self._filling(of[0])}")
            return
        at = f"({text})" if without_end(key).__class__ is tuple else text
        at = f"np.s_[{text}]" if any(k.__class__ is slice for k in key) else at
        self.body.append(f"np.add.at({name}, {at}, {self._text(of[0])})")

    def _filling(self, x: Any) -> str:
        """What is put into places: of equal numbers one."""
        x = self._textbook.of(x)
        share, number = self._textbook.share_of(x), None if isinstance(x, Value) else number_of(x)
        if share is not None:
            return _ratio(share)
        return self._text(x) if number is None or not math.isfinite(number) else spelled_number(number)[0]

    def _zeros(self, value: Value) -> str:
        return f"np.zeros({np.shape(value.data)}, {self._dtype(value.data.dtype)})"

    def _constant(self, x: Any) -> str:
        """A constant array; of equal numbers the count that they are divided by."""
        self._wanted, self._width = self._textbook.name_of(x), np.shape(x)
        share = self._textbook.share_of(x)
        if share is not None and x.ndim:
            return self._kept_as("c", f"np.full({x.shape}, {_ratio(share)}, {self._dtype(x.dtype)})")
        return super()._constant(x)

    def _kept_as(self, wanted: str, made: str) -> str:
        """A constant array where it is used, if it is short; before that if it has a name."""
        called, self._wanted = self._wanted, None
        if called is None:
            return made if len(made) < SHORT else super()._kept_as(wanted, made)
        name = self._constants.get(f"{called} = {made}")
        if name is None:
            name = self._constants[f"{called} = {made}"] = self._free(called)
            self.body.append(f"{name} = {made}  # {self._width}")
        return name

    def _spelled(self, x: Any) -> Spelled:
        x = self._textbook.of(x)
        if isinstance(x, Value) and x in self._texts:
            return self._texts[x]
        text = self._text(x)
        return text, UNARY if text.startswith("-") else ATOM

    def _operand(self, x: Any, line: Call) -> Spelled:
        """An operand of + - * /; beside floating arrays a whole number needs no point."""
        if isinstance(x, Share):
            return _ratio(x), PRODUCT
        number = x.item() if isinstance(x, np.generic) or (isinstance(x, np.ndarray) and not x.ndim) else x
        number = float(str(x)) if number.__class__ is float else number  # float32's digits
        floating = any(getattr(v.data, "dtype", np.dtype(int)).kind == "f" for v in line.operands)
        if floating and number.__class__ is float and math.isfinite(number):
            return spelled_number(number)
        return self._spelled(x)

    def _text(self, x: Any) -> str:
        x = self._textbook.of(x)
        if isinstance(x, Value) and x in self._texts:
            return self._texts[x][0]
        if isinstance(x, tuple) and hasattr(x, "_fields") and not isinstance(x, Slot):
            return self._text(tuple(x))  # compositions unpack them
        if isinstance(x, np.generic) or (isinstance(x, np.ndarray) and x.ndim == 0):
            value = x.item()
            return str(x) if isinstance(value, float) and math.isfinite(value) else self._text(value)
        if x.__class__ is float and not math.isfinite(x):
            return "np.nan" if math.isnan(x) else "np.inf" if x > 0 else "-np.inf"
        return super()._text(x)

    def _spell(self, line: Call) -> Spelled:
        function, args = line.function, line.args
        if isinstance(function, Attribute):
            return f"{wrapped(self._spelled(args[0]), ATOM)}.{function.__name__}", ATOM
        if isinstance(function, Subscript):
            return f"{wrapped(self._spelled(args[0]), ATOM)}[{self._key(without_end(args[1]))}]", ATOM
        if isinstance(function, Reduce):
            words = [f"{k}={self._text(v)}" for k, v in line.kwargs.items() if v is not None and v is not False]
            return f"np.{function.__name__}({', '.join([*map(self._text, args), *words])})", ATOM
        if to_double(line):
            return f"float({self._text(args[0])})", ATOM
        if function is CAST and np.ndim(line.results[0].data) == 0:  # of what may be a Python number by now
            return f"{self._dtype(line.results[0].data.dtype)}({self._text(args[0])})", ATOM
        if isinstance(function, Method) and function.__name__ == "__pow__":
            return infix("**", POWER, *(self._operand(x, line) for x in args)), POWER
        if getattr(function, "__name__", "") == "reshape" and self._may_be_python(args[0]):
            return f"np.reshape({self._text(args[0])}, {self._text(args[1])})", ATOM
        if isinstance(function, Method):
            places = args[1] if function.__name__ == "reshape" and args[1].__class__ is tuple and args[1] else args[1:]
            words = [*map(self._text, places), *(f"{k}={self._text(v)}" for k, v in line.kwargs.items())]
            return f"{wrapped(self._spelled(args[0]), ATOM)}.{function.__name__}({', '.join(words)})", ATOM
        if isinstance(function, np.ufunc):
            args = tuple(scalar(x, line) for x in args)
        if function in LIMITS and not line.kwargs:
            return f"np.{function.__name__}({', '.join(self._operand(x, line)[0] for x in args)})", ATOM
        if function is np.absolute:
            return f"np.abs({self._text(args[0])})", ATOM
        if function in SIGNS and not line.kwargs and len(args) == 2 and not _reads_numbers_as_truths(line):
            sign, strength = SIGNS[function]
            return infix(sign, strength, self._operand(args[0], line), self._operand(args[1], line)), strength
        if function is np.negative and _is_truth(args[0]):  # of which NumPy has no negative
            return infix("*", PRODUCT, ("-1", UNARY), self._spelled(args[0])), PRODUCT
        if function is np.negative and (call := self._quotient_of_truths(args[0])) is not None:
            return infix(
                "/", PRODUCT, self._operand(call.args[0], call), (f"-{self._text(call.args[1])}", UNARY)
            ), PRODUCT
        if function is np.negative:
            text, binds = self._spelled(args[0])
            return f"-{wrapped((text, binds), PRODUCT)}", min(binds, UNARY)
        if function is np.positive and np.ndim(line.results[0].data):
            return self._copied(args[0])
        if function is np.square:
            return infix("**", POWER, self._spelled(args[0]), ("2", ATOM)), POWER
        return self._called(line), ATOM

    def _may_be_python(self, x: Any) -> bool:
        """Whether what is written for a value computes with numbers alone, which have no methods of arrays."""
        if not isinstance(x, Value) or x.number:
            return np.ndim(getattr(x, "data", x)) == 0
        call = self._textbook.call_of(x) if np.ndim(x.data) == 0 else None
        return call is not None and isinstance(call.function, np.ufunc) and all(map(self._may_be_python, call.args))

    def _quotient_of_truths(self, x: Any) -> Call | None:
        """`mask / m`, if that is what is written for x."""
        call = self._textbook.call_of(x) if x in self._texts else None
        found = call is not None and call.function is np.divide and _is_truth(call.args[0])
        return call if found else None

    def _copied(self, x: Any) -> Spelled:
        """The numbers of x, in memory of their own."""
        call = self._textbook.call_of(x) if x in self._texts else None
        spelled = self._spelled(x)
        if call is not None and isinstance(call.function, np.ufunc):
            return spelled
        return f"{wrapped(spelled, ATOM)}.copy()", ATOM


def _reads_numbers_as_truths(line: Call) -> bool:
    """Whether `&` and `|` would not do: of numbers they are operations on bits, or none."""
    truths = line.function in (np.logical_and, np.logical_or)
    return truths and any(np.asarray(getattr(x, "data", x)).dtype.kind != "b" for x in line.args)


def is_statement(line: Call) -> bool:
    """Whether a line is written as several."""
    return line.function in STATEMENTS or assigns(line) or puts_along(line)


def _is_truth(x: Any) -> bool:
    return bool(np.asarray(getattr(x, "data", x)).dtype.kind == "b")


def _is_once(key: tuple[Any, ...]) -> bool:
    """Whether an index of vectors names no place twice: one of them counts the rows."""
    if not all(np.ndim(getattr(k, "data", k)) == 1 for k in key):
        return False
    return any(isinstance(k, np.ndarray) and np.array_equal(k, np.arange(len(k))) for k in key)


def _ratio(share: Share) -> str:
    return f"{spelled_number(share.number)[0]} / {share.m}"


def without_end(key: Any) -> Any:
    """An index without the `...` behind everything else."""
    if key.__class__ is tuple and len(key) > 1 and key[-1] is ...:
        key = key[:-1]
    return key[0] if key.__class__ is tuple and len(key) == 1 else key


def assigns(line: Call) -> bool:
    """Whether a line puts something into an array, not through a view of it."""
    return line.function is ASSIGN and not line.kwargs["steps"]


def _apart(key: tuple[Any, ...], other: tuple[Any, ...], shape: tuple[int, ...]) -> bool:
    """Whether two indices of integers and slices surely name different places."""
    for a, b, n in zip(key, other, shape, strict=False):
        if a is ... or b is ... or a is None or b is None:
            return False
        if a.__class__ is int and b.__class__ is int and a != b and (a < 0) == (b < 0):
            return True
        if a.__class__ is b.__class__ is slice and (a.step or 1) == (b.step or 1) == 1:
            (start, stop, _), (other_start, other_stop, _) = a.indices(n), b.indices(n)
            if stop <= other_start or other_stop <= start:
                return True
    return False


def to_double(line: Call) -> bool:
    """A count that becomes a Python number."""
    name = getattr(line.function, "__name__", "")
    dtype = getattr(line.results[0].data, "dtype", None)
    return name == "astype" and dtype == np.float64 and np.ndim(line.results[0].data) == 0
