"""A program as Python source that needs nothing but NumPy.

    def program():
        A1 = np.empty((400, 4), np.float32)  # kept from call to call
        ...
        def step(X, Y, W1, b1, W2, b2, lr):
            np.dot(X, W1.T, out=A1)
            ...
            return L
        return step

What is the same at every call, memory and views of it, is made once, above the function.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import errors
from ..core.primitive import Primitive
from ..ops.checks import refuse
from ..ops.indexing import add_at, scatter
from .arguments import docstring
from .calls import NUMBERS, PYTHON, Attribute, Call, Check, Draw, Method, Reduce, Subscript, Value
from .listing import Listing
from .memory import Memory
from .spelling import ARRAY, Spelling, called, indented, listed

# Names that a function sees of the one around it. Python's compiler takes time that grows with the square of their
# number (64,000 lines of 32,000 names: 8.4 s, and 1.9 s where the function unpacks a tuple of them)
MANY = 250

SIGNS = {np.add: "+", np.subtract: "-", np.multiply: "*", np.divide: "/"}
assert {*SIGNS, np.negative} == PYTHON.keys()
LOGICAL = {np.logical_and, np.logical_or, np.logical_xor}  # to which 1e-300 is true: they don't make it a float32
COMPARISONS = {np.equal: "==", np.not_equal: "!=", np.less: "<", np.less_equal: "<="}
COMPARISONS |= {np.greater: ">", np.greater_equal: ">="}


class Emitted(Spelling):
    """The source of a program, and the order of its function's arguments and results."""

    def __init__(self, listing: Listing, memory: Memory, name: str) -> None:
        super().__init__({"np", "program", name, "array", "memory"})
        self.listing, self.memory = listing, memory
        self.body: list[str] = []
        self.made_by: dict[str, Primitive] = {}  # which operation a line belongs to, for its errors
        self._static: set[Value] = set(memory.place)
        self._held: dict[tuple[Value, np.dtype[Any]], str] = {}  # arrays for Python numbers
        self._written = {old for _, _, old in memory.copies} | set(memory.into.values())
        self.arguments = self._inputs()
        for first, *others in listing.counts:
            names = f"{self._name(first)} stands for {', '.join(map(self._name, others))} too: they are equal"
            self.body += textwrap.wrap(names, 100, initial_indent="# ", subsequent_indent="# ")
        self._places()
        self._write(name)
        self.source = self._assembled(name)

    # --- what the function is given

    def _inputs(self) -> list[Value]:
        """Everything that the function is given, in order: arguments, tensors, numbers, generators."""
        listing = self.listing
        used = {v for line in listing.lines for v in line.operands}
        used.update(v for v in [*listing.results, *(v for _, v in listing.grads)] if isinstance(v, Value))
        used.update(v for _, v in listing.writes if isinstance(v, Value))
        targets = {old for _, _, old in self.memory.copies if old is not None} | set(self.memory.into.values())
        given = [v for v in listing.arguments if v is not None]
        given = [v for v in dict.fromkeys(given) if v in used or v in targets or not v.number]
        given += [v for _, v in listing.tensors if v in used or v in targets]
        given += [v for *_, v in (*listing.numbers, *listing.computed) if v in used]
        given += listing.generators
        for k, value in enumerate(given):
            if value in listing.generators:
                value.name = "generator"
            elif value.name is None and getattr(value.origin, "name", None) is None:
                value.name = f"x{k + 1}"
            self._name(value)
        return given

    # --- memory

    def _places(self) -> None:
        """The arrays that the program keeps: one name per value, one allocation per block."""
        by_block: dict[int, list[Value]] = {}
        for value, place in self.memory.place.items():
            by_block.setdefault(place.block, []).append(value)
        for number, values in by_block.items():
            block = self.memory.blocks[number]
            groups: dict[Any, list[str]] = {}
            for value in values:
                place = self.memory.place[value]
                groups.setdefault((place.shape, place.order, value.data.dtype), []).append(self._name(value))
            if len(groups) == 1:
                (((shape, order, dtype), names),) = groups.items()
                self._prepare(self._empty(shape, order, self._dtype(dtype)), *names)
                continue
            memory = self._free(f"memory{number + 1}")  # the step itself sees parts of it only
            self.setup.append(f"{memory} = np.empty({block.size}, {self._dtype(block.dtype)})")
            for (shape, order, dtype), names in groups.items():
                size = math.prod(shape)
                part = memory if size == block.size else f"{memory}[:{size}]"
                part += "" if dtype == block.dtype else f".view({self._dtype(dtype)})"
                stored = tuple(shape[axis] for axis in order)
                view = f"{part}.reshape({stored})" + self._turned(order)
                self._prepare(view, *names)

    def _empty(self, shape: tuple[int, ...], order: tuple[int, ...], dtype: str) -> str:
        stored = tuple(shape[axis] for axis in order)
        size = str(stored[0]) if len(stored) == 1 else str(stored)
        return f"np.empty({size}, {dtype}){self._turned(order)}"

    @staticmethod
    def _turned(order: tuple[int, ...]) -> str:
        """From the axes in memory to the axes of the array."""
        if order == tuple(range(len(order))):
            return ""
        if order == tuple(reversed(range(len(order)))):
            return ".T"
        back = tuple(order.index(axis) for axis in range(len(order)))
        return f".transpose({back})"

    # --- lines

    def _write(self, name: str) -> None:
        section = None
        for line in self.listing.lines:
            start = len(self.body)
            if isinstance(line, Check):
                self._check(line)
            elif not self._hoisted(line) and not self._inlined(line):
                if line.section != section:
                    section = line.section
                    self.body.append(f"# {section or 'forward'}")
                self.body.append(self._line(line))
            self.made_by.update((text.strip(), line.by) for text in self.body[start:] if line.by is not None)
        results = [self._result(v, self._copy(v)) for v in self.listing.results]
        results += [self._result(v, self._left(v)) for v in (*self._grads, *self._created)]
        copies = [(old, value) for _, value, old in self.memory.copies if old is not None]
        moved = [(old, self._result(value, self._text(value))) for old, value in copies]
        for old, text in moved:
            self.body.append(f"np.copyto({self._name(old)}, {text})")
        self.body.append(f"return ({', '.join(results)}{',' if len(results) == 1 else ''})" if results else "return ()")

    @property
    def _grads(self) -> list[Any]:
        """The gradients that the step leaves, where they are wanted."""
        return [v for _, v in self.listing.grads if v is not None]

    @property
    def _created(self) -> list[Any]:
        """What a first step computes for the optimizer's state."""
        return [v for v in self.listing.created if v is not None]

    def _left(self, value: Any) -> str:
        """A gradient that is left in `.grad`; of a constant one a copy, since it may be written."""
        return self._text(value) if isinstance(value, Value) else f"np.array({self._text(value)})"

    def _result(self, value: Any, text: str) -> str:
        """What a value is after the tensors have been written: of one of those, or a part of one, a copy."""
        if not isinstance(value, Value) or self.memory.base(value) not in self._written:
            return text
        name = self._free(None)
        self.body.append(f"{name} = np.array({self._text(value)})")
        return name

    def _copy(self, value: Any) -> str:
        """A returned value: the caller may keep it."""
        text = self._text(value)
        own = isinstance(value, Value) and value.call is not None and not isinstance(value.data, np.ndarray)
        return text if own else f"np.array({text})"

    def _hoisted(self, line: Call) -> bool:
        """Write what is the same at every call above the function: views of the program's own memory."""
        if not all(v in self._static for v in line.operands) or not all(v in self.memory.root for v in line.results):
            return False
        (value,) = line.results
        self._prepare(self._called(line), self._name(value))
        self._static.add(value)
        return True

    def _inlined(self, line: Call) -> bool:
        """Leave a transposed tensor to where it is used: `X @ W.T`."""
        if not isinstance(line.function, Attribute):
            return False
        (value,) = line.results
        self.names[value] = self._called(line)
        return True

    def _line(self, line: Call) -> str:
        sign = SIGNS.get(line.function) or COMPARISONS.get(line.function)
        if sign and len(line.args) == 2 and not line.kwargs and all(map(_single, (*line.args, *line.results))):
            left, right = map(self._text, line.args)  # 0.1 us where the ufunc takes 0.7, and the same result
            return f"{self._name(line.results[0])} = {left} {sign} {right}"
        if line.function is np.negative and line.results[0].number:
            return f"{self._name(line.results[0])} = -{self._text(line.args[0])}"
        if all(v.number for v in line.results) and line.results:
            return f"{self._name(line.results[0])} = float({self._called(line)})"
        for value in line.results:
            if value in self.memory.into:
                self.names[value] = self._name(self.memory.into[value])
        names = [self._name(v) for v in line.results]
        kept = all(v in self.memory.place or v in self.memory.into for v in line.results)
        if len(names) > 1:
            return self._called(line, f"({', '.join(names)})") if kept else f"{', '.join(names)} = {self._called(line)}"
        text = self._stored(line, *names) if kept else f"{names[0]} = {self._called(line)}"
        return text + self._shape(line.results[0])

    @staticmethod
    def _shape(value: Value) -> str:
        shape = np.shape(value.data)
        return f"  # {shape}" if shape else ""

    def _stored(self, line: Call, place: str) -> str:
        """A call that puts its result into a place."""
        function = line.function
        if isinstance(function, Method) and not isinstance(function, (Reduce, Draw)):
            source = line.args[0]
            text = self._text(source)
            if function.__name__ == "astype":
                return f'np.copyto({place}, {text}, casting="unsafe")'
            if function.__name__ == "copy":
                return f"np.copyto({place}, {text})"
            return f"np.copyto({place}.reshape({np.shape(source.data)}), {text})"
        if function is np.where:
            condition, x, y = map(self._text, line.args)
            return f"np.copyto({place}, {y})\nnp.copyto({place}, {x}, where={condition})"
        if function is scatter.forward and len(line.args) == 1:
            return f"{place}.fill(0)\n{self._part(line, place)} = {self._text(line.args[0])}"
        if function is add_at.forward and len(line.args) == 2:
            X, V = line.args
            moved = "" if self._lie_alike(X, line.results[0]) else f"np.copyto({place}, {self._text(X)})\n"
            return f"{moved}{self._part(line, place)} += {self._text(V)}"
        return self._called(line, place)

    def _part(self, line: Call, whole: str) -> str:
        """Where a call puts something."""
        return f"{whole}[{self._key(_short(line.kwargs['key']))}]"

    def _lie_alike(self, x: Any, value: Value) -> bool:
        """Whether a value has been given the memory of another."""
        if not isinstance(x, Value):  # a constant
            return False
        one, other = (self.memory.place.get(self.memory.base(v)) for v in (x, value))
        return one is not None and other is not None and one.block == other.block

    def _called(self, line: Call, out: str | None = None) -> str:
        function, args = line.function, line.args
        words = [f"{k}={self._text(v)}" for k, v in line.kwargs.items() if not _default(line, k, v)]
        if out is not None:
            words.append(f"out={out}")
        if isinstance(function, Subscript):
            key = _short(args[1]) if np.ndim(line.results[0].data) else args[1]  # x[0, ...] is no number
            return f"{self._text(args[0])}[{self._key(key)}]"
        if isinstance(function, Attribute):
            return f"{self._text(args[0])}.{function.__name__}"
        if isinstance(function, Reduce):
            return f"np.{function.__name__}({', '.join([*map(self._text, args), *words])})"
        if isinstance(function, Method):
            return f"{self._text(args[0])}.{function.__name__}({', '.join([*map(self._text, args[1:]), *words])})"
        if isinstance(function, np.ufunc):
            args = tuple(scalar(x, line) for x in args)
            if out is not None:
                operands = map(self._text, args) if function in LOGICAL else self._operands(args)
                return f"{self._function(function)}({', '.join([*operands, *words])})"
        return f"{self._function(function)}({', '.join([*map(self._text, args), *words])})"

    def _operands(self, args: tuple[Any, ...]) -> list[str]:
        """The operands of a ufunc. Of a Python number it takes NumPy 0.3 us to find the type; so it gets an array."""
        dtypes = {x.data.dtype for x in args if isinstance(x, Value) and not x.number}
        if len(dtypes) != 1:
            return [*map(self._text, args)]
        (dtype,) = dtypes
        return [self._as_array(x, dtype) if dtype.kind == "f" else self._text(x) for x in args]

    def _as_array(self, x: Any, dtype: np.dtype[Any]) -> str:
        """A number as an array of no dimension."""
        if isinstance(x, Value) and (x.number or (isinstance(x.data, np.generic) and x.data.dtype == dtype)):
            held = self._held.get((x, dtype))
            if held is None:
                held = self._held[x, dtype] = self._free(f"{self._name(x)}_array")
                self._prepare(f"np.empty((), {self._dtype(dtype)})", held)
                self.body.append(f"{held}[()] = {self._name(x)}")
            return held
        exact = x.__class__ in (int, float) or (np.ndim(x) == 0 and getattr(x, "dtype", None) == dtype)
        if isinstance(x, Value) or not exact or not abs(x) < 1 << 24:  # what is no number, and larger integers
            return self._text(x)
        return self._kept_as(called(float(x)), f"np.array({x!s}, {self._dtype(dtype)})")

    def _check(self, check: Check) -> None:
        values = "" if check.values is None else f", {self._text(check.values)}"
        all_of = "" if isinstance(check.condition.data, np.generic) else ".all()"
        self.body.append(
            f"if not {self._text(check.condition)}{all_of}:\n    {self.helpers.name(refuse)}"
            f"({self._text(check.condition)}, {check.message!r}, {self.helpers.error(check.error)}{values})"
        )

    # --- the whole

    def _assembled(self, name: str) -> str:
        inputs = listed([self._name(v) for v in self.arguments])
        text = self.head
        if self.uses_array:
            text += "\n\n\n" + ARRAY
        for helper in self.helpers.sources:
            text += "\n\n\n" + helper
        setup, body = self.setup, self.body
        if len(self._prepared) > MANY:
            known = textwrap.fill(", ".join(self._prepared), 100, break_long_words=False)
            setup = [*setup, "memory = (", indented(known, 1) + ",", ")"]
            body = ["(", indented(known, 1) + ",", ") = memory", *body]
        lines = ["\n\n\ndef program():", *(indented(s, 1) for s in setup)]
        body = [docstring(self.listing, self.arguments, self.names), *body]
        lines += [indented(f"\ndef {name}({inputs}):", 1), *(indented(b, 2) for b in body)]
        return text + "\n".join(lines) + f"\n\n    return {name}\n"

    def function(self) -> Callable[..., Any]:
        """The function that the source defines."""
        scope: dict[str, Any] = {"__name__": "program", **self.helpers.borrowed}
        exec(compile(self.source, "<program>", "exec"), scope)  # written above, from the calls that were noted
        for name, value in scope.items():  # what the source defines for those who run it alone, we have
            scope[name] = getattr(errors, name, value) if isinstance(value, type) else value
        return scope["program"]()  # type: ignore[no-any-return]


def _single(x: Any) -> bool:
    """Whether something is one number: Python's, a NumPy scalar that a call has returned, or a constant one."""
    data = x.data if isinstance(x, Value) else x
    constant = data is x and isinstance(x, np.ndarray) and x.ndim == 0
    return constant or data.__class__ in NUMBERS or isinstance(data, np.generic)


def _short(key: Any) -> Any:
    """An index as one would write it: without the axes that are whole anyway."""
    if key.__class__ is not tuple:
        return key
    key = key[:-1] if key[1:] and key[-1] is ... else key
    return key[0] if len(key) == 1 else key


def _default(line: Call, name: str, value: Any) -> bool:
    """Whether a keyword says what holds anyway."""
    function = line.function
    if name == "order" and value == "C":
        return function is not np.copy or bool(np.asarray(line.args[0].data).flags.c_contiguous)  # it keeps the order
    if name == "keepdims" and value is False:
        return True
    return isinstance(function, (Reduce, np.ufunc)) and value is None and name != "axis"


def scalar(x: Any, line: Call) -> Any:
    """A constant array of equal numbers as the one number, where the result's shape does not need it."""
    if not isinstance(x, np.ndarray) or x.ndim == 0 or not x.size or any(s for s in x.strides):
        return x
    others = [np.shape(v.data) for v in line.operands]
    return x.flat[0] if np.broadcast_shapes(*others) == line.results[0].data.shape else x
