"""How a program's values, constants and functions are spelled: names, literals, and what is made above the function.

A constant that has no literal is made once, before the first call; a function that NumPy has not is written out
(symbolic/helpers.py).
"""

from __future__ import annotations

import base64
import math
import operator
import textwrap
import zlib
from typing import Any

import numpy as np

from ..ops.indexing import Slot
from ..symbolic.helpers import Helpers
from ..symbolic.naming import free_name
from ..symbolic.printer import span
from .calls import NUMBERS, Value

WORDS = {0: "zero", 1: "one", 2: "two", 0.5: "half"}


class Spelling:
    """Names that are free, the texts of arguments, and the lines that make constants.

    Args:
        taken: names that mean something already.
    """

    def __init__(self, taken: set[str]) -> None:
        self.names: dict[Value, str] = {}
        self._taken = taken
        self.helpers = Helpers(taken)
        self._count = 0
        self.setup: list[str] = []
        self._prepared: list[str] = []  # the names of what is made there
        self._constants: dict[Any, str] = {}
        self.uses_array = False

    def _name(self, value: Value) -> str:
        found = self.names.get(value)
        if found is None:
            wanted = value.name or getattr(value.origin, "name", None)
            found = self.names[value] = self._free(wanted)
        return found

    def _free(self, wanted: str | None) -> str:
        while not wanted or not wanted.isidentifier():
            self._count += 1
            numbered = f"t{self._count}"
            wanted = None if numbered in self._taken else numbered
        name = free_name(wanted, self._taken)
        self._taken.add(name)
        return name

    def _prepare(self, text: str, *names: str) -> None:
        """Make something above the function, under one name or several."""
        self.setup.append(f"{' = '.join(names)} = {text}")
        self._prepared += names

    # --- arguments

    def _text(self, x: Any) -> str:
        if isinstance(x, Value):
            return self._name(x)
        if isinstance(x, Slot):
            return self.helpers.object(x)
        if isinstance(x, (np.ndarray, np.generic)):
            return self._constant(x)
        if isinstance(x, np.dtype):
            return self._dtype(x)
        if isinstance(x, type) and issubclass(x, np.generic):
            return f"np.{x.__name__}"
        if x.__class__ is tuple:
            return f"({', '.join(map(self._text, x))}{',' if len(x) == 1 else ''})"
        if x.__class__ is list:
            return f"[{', '.join(map(self._text, x))}]"
        if x.__class__ is slice:
            return f"slice({self._text(x.start)}, {self._text(x.stop)}, {self._text(x.step)})"
        if x.__class__ is float and not math.isfinite(x):
            return f'float("{x}")'
        if x is None or x is ... or x.__class__ in (*NUMBERS, str):
            return "..." if x is ... else repr(x)
        return self.helpers.object(x)

    def _key(self, key: Any) -> str:
        def part(k: Any) -> str:
            if k.__class__ is slice and not any(isinstance(b, Value) for b in (k.start, k.stop, k.step)):
                return span(k)
            return self._text(k)

        if key.__class__ is tuple:
            return ", ".join(map(part, key)) + ("," if len(key) == 1 else "") if key else "()"
        return part(key)

    @staticmethod
    def _dtype(dtype: np.dtype[Any]) -> str:
        return "bool" if dtype.kind == "b" else f"np.{dtype.name}"

    def _constant(self, x: Any) -> str:
        """A constant array, made once above the function."""
        if np.ndim(x) == 0:
            value = x.item()
            text = str(x) if not isinstance(value, float) or math.isfinite(value) else f'float("{value}")'
            return self._kept_as("c", f"{self._dtype(x.dtype).replace('bool', 'np.bool_')}({text})")
        first: Any = x.flat[0] if x.size else 0
        dtype = self._dtype(x.dtype)
        minus = np.signbit(x) & (x == 0) if x.dtype.kind == "f" else np.zeros(1, bool)  # what == takes for 0
        if (x == first).all() and (minus.all() or not minus.any()):
            size = str(x.shape[0]) if x.ndim == 1 else str(x.shape)
            number = f"{first!s}" if not isinstance(first, np.floating) or math.isfinite(first) else f'float("{first}")'
            made = f"np.full({size}, {number}, {dtype})"
            if not minus.any():
                made = {0: f"np.zeros({size}, {dtype})", 1: f"np.ones({size}, {dtype})"}.get(first, made)
            return self._kept_as(f"ones{x.size}" if first == 1 else "c", made)
        spelled = None if minus.any() else spelled_array(x)
        if spelled is not None:
            return self._kept_as("mask", spelled)
        if x.ndim == 1 and x.dtype.kind == "i" and x.size > 1 and (x == np.arange(x.size)).all():
            return self._kept_as("places", f"np.arange({x.size})")
        if x.size <= 64 and (x.dtype.kind != "f" or np.isfinite(x).all()):
            return self._kept_as("c", f"np.array({x.tolist()}, {dtype})")
        self.uses_array = True
        packed = base64.b85encode(zlib.compress(np.ascontiguousarray(x).tobytes(), 9)).decode()
        return self._kept_as("c", f"array({packed!r}, {x.shape}, {dtype})")

    def _kept_as(self, wanted: str, made: str) -> str:
        name = self._constants.get(made)
        if name is None:
            name = self._constants[made] = self._free(wanted)
            self._prepare(made, name)
        return name

    def _function(self, function: Any) -> str:
        name = str(function.__name__)
        if isinstance(function, np.ufunc) or getattr(np, name, None) is function:
            return f"np.{name}"
        for module in ("linalg", "lib.stride_tricks"):
            if getattr(operator.attrgetter(module)(np), name, None) is function:
                return f"np.{module}.{name}"
        return self.helpers.name(function)

    # --- what the source begins with

    @property
    def head(self) -> str:
        """What the source imports."""
        lines = {*self.helpers.imports, *(("import base64", "import zlib") if self.uses_array else ())}
        return "\n".join([*sorted(lines), *([""] if lines else []), "import numpy as np"])


def spelled_array(x: np.ndarray[Any, Any]) -> str | None:
    """What makes a matrix: an upper or lower triangle of equal numbers, the identity, a column of numbers in turn."""
    if x.ndim > 1 and x.dtype == np.int64 and x.size == len(x) > 1 and np.array_equal(x.ravel(), np.arange(len(x))):
        return f"np.arange({len(x)})[{', '.join([':', *('None' for _ in x.shape[1:])])}]"
    if x.ndim != 2 or not x.size:
        return None
    dtype = "bool" if x.dtype.kind == "b" else f"np.{x.dtype.name}"
    if np.array_equal(x, np.eye(*x.shape)):
        sides = str(len(x)) if len(x) == len(x.T) else f"{len(x)}, {len(x.T)}"
        return f"np.eye({sides}, dtype={dtype})"
    for which, corner in (("triu", x[0, -1]), ("tril", x[-1, 0])):
        whole = np.full(x.shape, corner)
        for k in (0, 1, -1):
            if np.array_equal(x, getattr(np, which)(whole, k)):
                number = str(corner) if np.isfinite(corner) else f"{'-' if corner < 0 else ''}np.inf"
                made = f"np.ones({x.shape}, {dtype})" if corner == 1 else f"np.full({x.shape}, {number}, {dtype})"
                return f"np.{which}({made}{f', {k}' if k else ''})"
    return None


def called(number: float) -> str:
    """What a constant is called: `one`, `minus_100`, `c1e_12`."""
    if number in WORDS:
        return WORDS[number]
    digits = f"{abs(number):.6g}".replace(".", "_").replace("-", "_").replace("+", "")
    return ("minus_" if number < 0 else "c") + digits


def listed(names: list[str]) -> str:
    """A function's parameters, in lines of their own where they are many."""
    text = ", ".join(names)
    if len(text) < 90:
        return text
    return "\n" + textwrap.fill(text, 100, initial_indent="    ", subsequent_indent="    ") + ",\n"


def indented(text: str, depth: int) -> str:
    return "\n".join("    " * depth + line if line else "" for line in text.split("\n"))


ARRAY = """def array(packed, shape, dtype):
    return np.frombuffer(zlib.decompress(base64.b85decode(packed)), dtype).reshape(shape)"""
