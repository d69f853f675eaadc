"""A program as a textbook writes it: formulas instead of calls with `out=`, and no memory to keep.

The same calls as in the program that runs (emit.py), with what is used once and has no name written
where it is used. It runs on its own too; its sums may differ from the program's in the last digit.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np

from ..symbolic.printer import ATOM, COMPARE, POWER, PRODUCT, SUM, UNARY, infix, wrapped
from .cells import Attribute, Call, Check, Draw, Method, Reduce, Subscript, Value
from .emit import ARRAY, Emitted, indented, listed, scalar
from .listing import Listing

WIDEST = 88  # columns of a formula; a longer one is cut in two

SIGNS = {
    np.add: ("+", SUM),
    np.subtract: ("-", SUM),
    np.multiply: ("*", PRODUCT),
    np.divide: ("/", PRODUCT),
    np.power: ("**", POWER),
    np.dot: ("@", PRODUCT),
    np.matmul: ("@", PRODUCT),
    np.equal: ("==", COMPARE),
    np.not_equal: ("!=", COMPARE),
    np.less: ("<", COMPARE),
    np.less_equal: ("<=", COMPARE),
    np.greater: (">", COMPARE),
    np.greater_equal: (">=", COMPARE),
}
SUMS = {"add.reduce": "np.sum", "maximum.reduce": "np.max", "minimum.reduce": "np.min", "multiply.reduce": "np.prod"}

Spelled = tuple[str, int]  # a text, and how tightly it binds


class Readable(Emitted):
    """The readable source of a listing."""

    def _places(self) -> None:
        pass

    def _write(self, name: str) -> None:
        self._texts: dict[Value, Spelled] = {}
        uses = Counter(v for line in self.listing.lines for v in line.operands)
        uses.update(v for v in self.listing.results if isinstance(v, Value))
        uses.update(v for _, v in (*self.listing.writes, *self.listing.grads) if isinstance(v, Value))
        section = ""
        for line in self.listing.lines:
            if line.section != section:
                section = line.section
                self.body.append(f"# {section}")
            if isinstance(line, Check):
                for value in (line.condition, line.values):  # `x >= 0` has a name, for `.all()`
                    if value in self._texts:
                        self.body.append(f"{self._name(value)} = {self._texts.pop(value)[0]}")
                self._check(line)
                continue
            spelled = self._spell(line)
            while len(spelled[0]) > WIDEST and self._split(line):
                spelled = self._spell(line)
            if len(line.results) > 1:
                self.body.append(f"{', '.join(map(self._name, line.results))} = {spelled[0]}")
                continue
            (value,) = line.results
            short = len(spelled[0]) < WIDEST and not isinstance(line.function, Draw)
            named = value.name is not None
            turned = isinstance(line.function, Attribute) and self._spelled(line.args[0])[1] == ATOM
            if not named and short and (turned or uses[value] <= 1):
                self._texts[value] = spelled
            else:
                self.body.append(f"{self._name(value)} = {spelled[0]}{self._shape(value)}")
        results = [self._text(v) for v in self.listing.results]
        results += [self._left(v) for v in (*self._grads, *self._created)]
        olds = {**dict(self.listing.tensors), **self.listing.given}
        for tensor, new in self.listing.writes:
            self.body.append(self._update(self._name(olds[tensor]), olds[tensor], new))
        self.body.append(f"return ({', '.join(results)}{',' if len(results) == 1 else ''})" if results else "return ()")

    def _split(self, line: Call) -> bool:
        """Give the longest part of a line a line of its own. Returns whether there was one."""
        inside = [v for v in line.operands if v in self._texts and len(self._texts[v][0]) > len("np.sum(X)")]
        if not inside:
            return False
        longest = max(inside, key=lambda v: len(self._texts[v][0]))
        text = self._texts.pop(longest)[0]
        self.body.append(f"{self._name(longest)} = {text}{self._shape(longest)}")
        return True

    def _update(self, target: str, old: Value, new: Any) -> str:
        """`W1 -= lr * dW1`, where it is one of the kind, else `W1[...] = ...`."""
        call = new.call if isinstance(new, Value) and new in self._texts else None
        if call is not None and call.function in (np.add, np.subtract) and call.args[0] is old and np.ndim(old.data):
            return f"{target} {SIGNS[call.function][0]}= {self._text(call.args[1])}"
        return f"{target}[...] = {self._text(new)}"

    def _spelled(self, x: Any) -> Spelled:
        if isinstance(x, Value) and x in self._texts:
            return self._texts[x]
        text = self._text(x)
        return text, UNARY if text.startswith("-") else ATOM

    def _text(self, x: Any) -> str:
        if isinstance(x, Value) and x in self._texts:
            return self._texts[x][0]
        if isinstance(x, np.generic) or (isinstance(x, np.ndarray) and x.ndim == 0):
            value = x.item()
            return str(x) if isinstance(value, float) and math.isfinite(value) else super()._text(value)
        return super()._text(x)

    def _spell(self, line: Call) -> Spelled:
        function, args = line.function, line.args
        if isinstance(function, Attribute):
            return f"{wrapped(self._spelled(args[0]), ATOM)}.{function.__name__}", ATOM
        if isinstance(function, Subscript):
            return f"{wrapped(self._spelled(args[0]), ATOM)}[{self._key(args[1])}]", ATOM
        if isinstance(function, Reduce):
            words = [f"{k}={self._text(v)}" for k, v in line.kwargs.items() if v is not None and v is not False]
            called = SUMS.get(function.__name__, f"np.{function.__name__}")
            return f"{called}({', '.join([self._text(args[0]), *words])})", ATOM
        if isinstance(function, Method):
            words = [*map(self._text, args[1:]), *(f"{k}={self._text(v)}" for k, v in line.kwargs.items())]
            return f"{wrapped(self._spelled(args[0]), ATOM)}.{function.__name__}({', '.join(words)})", ATOM
        if function is np.dot and not line.kwargs:
            for ones, other, axis in ((args[0], args[1], 0), (args[1], args[0], 1)):
                if isinstance(ones, np.ndarray) and ones.ndim == 1 and (ones == 1).all():
                    return f"np.sum({self._text(other)}, axis={axis})", ATOM
        if isinstance(function, np.ufunc):
            args = tuple(scalar(x, line) for x in args)
        if function in SIGNS and not line.kwargs and len(args) == 2:
            sign, strength = SIGNS[function]
            return infix(sign, strength, self._spelled(args[0]), self._spelled(args[1])), strength
        if function is np.negative:
            return "-" + wrapped(self._spelled(args[0]), UNARY), UNARY
        if function is np.square:
            return infix("**", POWER, self._spelled(args[0]), ("2", ATOM)), POWER
        return self._called(line), ATOM


def readable(listing: Listing, memory: Any, name: str) -> str:
    """The program as formulas."""
    written = Readable(listing, memory, name)
    inputs = listed([written.names[v] for v in written.arguments])
    parts = [written.head, *([ARRAY] if written.uses_array else [])]
    parts += written.helpers.sources
    body = [*written.setup, *written.body]
    parts.append(f"def {name}({inputs}):\n" + "\n".join(indented(line, 1) for line in body))
    return "\n\n\n".join(parts) + "\n"
