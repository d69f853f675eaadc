"""A program as a textbook writes it: formulas instead of calls with `out=`, and no memory to keep.

The calls of the program that runs (emit.py), put as a textbook puts them (textbook.py); what is used once and has no
name is written where it is used. It runs on its own too, without the checks; its sums may differ in the last digit.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np

from ..core.primitive import PRIMITIVES
from ..ops.indexing import Slot
from ..symbolic.printer import ATOM, COMPARE, POWER, PRODUCT, SUM, UNARY, infix, wrapped
from .cells import Attribute, Call, Draw, Method, Reduce, Subscript, Value, values_of
from .emit import ARRAY, Emitted, indented, listed, scalar
from .listing import Listing
from .textbook import Share, Textbook

SHORT = 40  # characters of a constant that is written where it is used
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
SCATTER = PRIMITIVES["scatter"].forward

Spelled = tuple[str, int]  # a text, and how tightly it binds


class Readable(Emitted):
    """The readable source of a listing."""

    def _places(self) -> None:
        """No memory; what the calls mean is found instead."""
        self._textbook = Textbook(self.listing)

    def _write(self, name: str) -> None:
        self._texts: dict[Value, Spelled] = {}
        of, lines = self._textbook.of, self._textbook.lines
        uses = Counter(v for line in lines for v in line.operands)
        uses.update(values_of([*map(of, self.listing.results)]))
        uses.update(values_of([of(v) for _, v in (*self.listing.writes, *self.listing.grads)]))
        section = ""
        for line in lines:
            if line.section != section:
                section = line.section
                self.body.append(f"# {section}")
            if line.function is SCATTER:
                self._put_into_zeros(line)
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
            self.body.append(self._update(self._name(olds[tensor]), olds[tensor], of(new)))
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

    def _put_into_zeros(self, line: Call) -> None:
        """The gradient of a part: zeros with the part's gradient in its place; of places that repeat, the sum."""
        part, *indices = line.args
        (value,) = line.results
        key = tuple(indices[k.number] if isinstance(k, Slot) else k for k in line.kwargs["key"])
        name, text = self._name(value), self._key(without_end(key))
        self.body.append(
            f"{name} = np.zeros({line.kwargs['shape']}, {self._dtype(value.data.dtype)}){self._shape(value)}"
        )
        at = f"({text})" if without_end(key).__class__ is tuple else text
        place = f"{name}[{text}] = {self._text(part)}"
        self.body.append(place if not indices else f"np.add.at({name}, {at}, {self._text(part)})")

    def _update(self, target: str, old: Value, new: Any) -> str:
        """`W1 -= lr * dW1`, where it is one of the kind, else `W1[...] = ...`."""
        call = self._textbook.call_of(new) if isinstance(new, Value) and new in self._texts else None
        if call is not None and call.function in (np.add, np.subtract) and call.args[0] is old and np.ndim(old.data):
            return f"{target} {SIGNS[call.function][0]}= {self._text(call.args[1])}"
        return f"{target}[...] = {self._text(new)}"

    def _kept_as(self, wanted: str, made: str) -> str:
        """A constant array where it is used, if it is short."""
        return made if len(made) < SHORT else super()._kept_as(wanted, made)

    def _spelled(self, x: Any) -> Spelled:
        x = self._textbook.of(x)
        if isinstance(x, Value) and x in self._texts:
            return self._texts[x]
        text = self._text(x)
        return text, UNARY if text.startswith("-") else ATOM

    def _text(self, x: Any) -> str:
        x = self._textbook.of(x)
        if isinstance(x, Share):
            return f"1 / {x.count}"
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
            return f"{wrapped(self._spelled(args[0]), ATOM)}[{self._key(without_end(args[1]))}]", ATOM
        if isinstance(function, Reduce):
            words = [f"{k}={self._text(v)}" for k, v in line.kwargs.items() if v is not None and v is not False]
            return f"np.{function.__name__}({', '.join([self._text(args[0]), *words])})", ATOM
        if isinstance(function, Method):
            places = args[1] if function.__name__ == "reshape" and args[1].__class__ is tuple and args[1] else args[1:]
            words = [*map(self._text, places), *(f"{k}={self._text(v)}" for k, v in line.kwargs.items())]
            return f"{wrapped(self._spelled(args[0]), ATOM)}.{function.__name__}({', '.join(words)})", ATOM
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


def without_end(key: Any) -> Any:
    """An index without the `...` behind everything else."""
    if key.__class__ is tuple and len(key) > 1 and key[-1] is ...:
        key = key[:-1]
    return key[0] if key.__class__ is tuple and len(key) == 1 else key


def readable(listing: Listing, memory: Any, name: str) -> str:
    """The program as formulas."""
    written = Readable(listing, memory, name)
    inputs = listed([written.names[v] for v in written.arguments])
    parts = [written.head, *([ARRAY] if written.uses_array else [])]
    parts += written.helpers.sources
    body = [*written.setup, *written.body]
    parts.append(f"def {name}({inputs}):\n" + "\n".join(indented(line, 1) for line in body))
    return "\n\n\n".join(parts) + "\n"
