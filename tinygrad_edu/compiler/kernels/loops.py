"""A kernel as text: plain loops over numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..calls import NUMBERS, Call, Reduce, Value
from ..emit import scalar
from ..spelling import indented
from .formulas import (
    COMPARED,
    LOGICAL,
    ONE,
    PLACING,
    element_type,
    formula,
    gathered,
    literal,
    running,
    stepping,
    stripe,
    subscript,
    times,
)
from .fuse import Fused, quick
from .nests import Loop, NestSource
from .pieces import Piece, Shared, numbered, parts, told_apart, words
from .references import placed, reference, straight

if TYPE_CHECKING:
    from .engine import Accelerated

HELD = 4  # numbers of a product that are summed in registers
WIDE = 8  # numbers that a loop computes at a time
Place = Callable[[str, str], str]  # how a matrix's number is called, of row and column


class KernelSource:
    """One kernel's text, and what it is called with."""

    def __init__(self, program: Accelerated, call: Call, name: str) -> None:
        self.program, self.name = program, name
        self.fused: Fused = call.function
        self.stored = set(call.results) | self.fused.local
        self.words: dict[str, str] = {}  # an argument's text -> the parameter's name
        self.body: list[str] = []
        self.made: dict[str, None] = {}
        self.loads: dict[str, str] | None = None  # in a loop over numbers: what it reads -> the variable for it
        self.called: dict[str, str] = {}  # all variables that the piece reads into, of whichever of its loops
        self.here: dict[Value, str] = {}  # numbers that the code at this place has
        self.rows: dict[Value, str] = {}  # vectors that hold what a nest has made of its present row
        self.scalars: dict[Value, str] = {}
        self.pieces: list[Piece] = []
        for nest in self.fused.nests:
            for part in parts(nest.loops[0], program.memory.into) if nest.rows is None else [None]:
                self.here, self.body, known = dict(self.scalars), [], len(self.scalars)
                if part is None:
                    NestSource(self, nest).write()
                else:
                    self._loop(part)
                self.pieces.append(Piece("\n".join(self.body), list(self.scalars.values())[known:]))
        later: set[str] = set()
        for piece in reversed(self.pieces):
            piece.left = [name for name in piece.left if name in later]
            later.update(words(piece.text))
        self.call = f"{name}({', '.join(self.words)})"

    def source(self, shared: dict[Any, Shared]) -> str:
        """The kernel's text, in which pieces that others have too are calls."""
        body = []
        for piece in self.pieces:
            known = shared.get(piece.form)
            body.append(piece.text if known is None else piece.call(known.name))
        text = "\n".join([*self.made, *body])
        return numbered(f"@njit\ndef {self.name}({', '.join(self.words.values())}):\n{indented(text, 1)}")

    def direct(self, shared: dict[Any, Shared]) -> str:
        """A call of the function that does all that the kernel does, if there is one: it need not be compiled twice."""
        known = shared.get(self.pieces[0].form)
        if len(self.pieces) > 1 or self.made or known is None:
            return ""
        texts = {word: text for text, word in self.words.items()}
        return self.pieces[0].calling(known.name, texts)

    def _parameter(self, text: str) -> str:
        name = self.words.get(text)
        if name is None:
            name = self.words[text] = told_apart(text) if text.isidentifier() else self.program._free(None)
        return name

    # --- loops

    def _loop(self, loop: Loop) -> None:
        if loop.kind == "reduce":
            self._reduce(loop.lines[0])
        elif loop.kind == "product":
            self._product(loop.lines[0])
        elif loop.kind == "windows":
            self._windows(loop.lines[0])
        else:
            self._each(loop)

    def _each(self, loop: Loop) -> None:
        totals = [line for line in loop.lines if self.is_total(line)]
        self.begin(totals)
        flat = len(loop.shape) > 1 and self._even(loop)
        shape = (math.prod(loop.shape),) if flat else loop.shape
        index = [f"i{k}" for k in range(len(shape))]
        before = dict(self.here)
        self.loads, self.called = {}, {}
        text = self.statements(loop.lines, index, flat)
        once, each = self.reads(*index)
        self.loads = None
        self.body += once
        for k, n in enumerate(shape):
            self.body.append("    " * k + f"for i{k} in range({n}):")
        self.body += [indented(b, len(shape)) for b in (*each, *text)]
        if not loop.shape:
            self.scalars.update({line.results[0]: self.number(line.results[0]) for line in loop.lines})
        self.here = before
        self.end(totals)

    def statements(self, lines: list[Call], index: list[str], flat: bool) -> list[str]:
        """What is done for one place of a loop, and stored."""
        text = []
        for line in lines:
            value = line.results[0]
            if self.is_total(line):
                text.append(self.plus(self.number(value), self.element(line.args[0], index, flat)))
                continue
            number = self.here[value] = self.number(value)
            read = line.args if isinstance(line.function, np.ufunc) or line.function is np.where else line.args[:1]
            if line.function in PLACING:
                operands = self._placed(line, index, flat)
            else:
                operands = [self._operand(x, line, index, flat) for x in read]
            text.append(f"{number} = {self._formula(line, operands)}")
            if value in self.stored:
                text.append(f"{self.place(value, index, flat)} = {number}")
        return text

    def reads(self, *index: str) -> tuple[list[str], list[str]]:
        """What a loop reads, as lines: what is the same for these indices, and the rest.

        All that is read is read first: a condition would keep a loop from being vectorised, and what is written may
        lie where something is read.
        """
        loads = [(name, source) for source, name in (self.loads or {}).items()]
        once = [(name, source) for name, source in loads if not set(index) & set(words(source))]
        each = [f"{name} = {source}" for name, source in loads if (name, source) not in once]
        return [f"{name} = {source}" for name, source in once], each

    @staticmethod
    def is_total(line: Call) -> bool:
        """Whether a call sums a whole array."""
        return isinstance(line.function, Reduce) and np.ndim(line.results[0].data) == 0

    def begin(self, totals: list[Call]) -> None:
        """Sums before the loop that they are taken in."""
        for line in totals:
            kind = running(line.results[0], line.args[0].data.size)
            self.body.append(f"{self.number(line.results[0])} = {kind}(0)")

    def end(self, totals: list[Call]) -> None:
        """Sums after it: later loops have them as numbers."""
        for line in totals:
            value = line.results[0]
            self.scalars[value] = self.number(value)
            self.body.append(f"{self.number(value)} = {element_type(value)}({self.number(value)})")
            if value in self.stored:
                self.body.append(f"{self.place(value, [])} = {self.number(value)}")

    def _placed(self, line: Call, index: list[str], flat: bool) -> list[str]:
        """Of what puts an array at integers: the number, whether the place is where it goes, what it is added to."""
        found = placed(line)
        assert found is not None
        source = [i for i, k in zip(index, found[0], strict=True) if k is None]
        where = " and ".join(f"{i} == {k}" for i, k in zip(index, found[0], strict=True) if k is not None)
        number = self.element(line.args[-1], source, False)
        return [number, where or "True", *(self._operand(x, line, index, flat) for x in line.args[:-1])]

    def _windows(self, line: Call) -> None:
        """Of `onto_largest` with windows side by side: each number goes to the largest of its window, else zeros.

        All places of a window are written from conditions, without branches: 174 us for 64x6x28x28 in windows of
        2x2; with the place as an index 700.
        """
        (value,), (V, X), plane = line.results, line.args, line.kwargs["plane"]
        lead = X.data.ndim - len(plane)
        index = [f"i{k}" for k in range(X.data.ndim)]
        self.body += ["    " * k + f"for i{k} in range({n}):" for k, n in enumerate(V.data.shape)]
        number, self.loads = self.number(value), None
        zero = f"{element_type(value)}(0)"
        places = []
        for at in itertools.product(*(range(size) for _, size, *_ in plane)):
            inner = zip(index[lead:], at, plane, strict=True)
            places.append([*index[:lead], *(f"{w[1]} * {i} + {k}" for i, k, w in inner)])
        text = [f"{number} = {self.element(V, index, False)}"]
        text += [f"at{k} = {self.element(X, at, False)}" for k, at in enumerate(places)]
        text.append("largest = at0")
        for k in range(1, len(places)):  # the first of equals, the last NaN
            text += [f"later{k} = at{k} > largest or at{k} != at{k}", f"largest = at{k} if later{k} else largest"]
        for k in reversed(range(1, len(places))):
            text.append(f"{self.place(value, places[k], False)} = {number} if later{k} else {zero}")
            text.append(f"{number} = {zero} if later{k} else {number}")
        text.append(f"{self.place(value, places[0], False)} = {number}")
        self.body += [indented(b, len(index)) for b in text]

    def _even(self, loop: Loop) -> bool:
        """Whether one index runs over all that a loop reads and stores."""
        for line in loop.lines:
            if line.function in PLACING:
                return False
            for x in line.operands:
                ref = reference(x)
                inside = ref.base in self.fused.loop_of and ref.base not in self.stored
                if inside or np.ndim(ref.base.data) == 0:
                    continue
                if not (straight(ref, loop.shape) and self._lies_in_order(ref.base)):
                    return False
            value = line.results[0]
            if value in self.stored and value.data.ndim and not self._lies_in_order(value):
                return False
            if any(isinstance(x, np.ndarray) and x.ndim for x in (scalar(x, line) for x in line.args)):
                return False
        return True

    def _lies_in_order(self, value: Value) -> bool:
        """Whether an array lies in the order of its axes; `flat` is right where it should not, and slow."""
        return value in self.fused.local or bool(value.data.flags.c_contiguous)

    def _reduce(self, line: Call) -> None:
        (value,), source = line.results, line.args[0]
        axis = line.kwargs.get("axis", 0)
        rank = source.data.ndim
        axes = {k % rank for k in (range(rank) if axis is None else axis if isinstance(axis, tuple) else (axis,))}
        kept = [k for k in range(rank) if k not in axes]
        out = [("0" if k in axes else f"i{k}") for k in (range(rank) if line.kwargs.get("keepdims") else kept)]
        place, ufunc = self.place(value, out, False), line.function.ufunc
        shape = source.data.shape
        element = self.element(source, [f"i{k}" for k in range(rank)], False)
        inner = rank - 1 in axes
        order = [*kept, *sorted(axes)] if inner else [*range(rank)]
        number = self.number(value)
        if inner:
            text, depth = [], 0
            for k in kept:
                text.append("    " * depth + f"for i{k} in range({shape[k]}):")
                depth += 1
            first = self.element(source, [("0" if k in axes else f"i{k}") for k in range(rank)], False)
            terms = math.prod(shape[k] for k in axes)
            start = f"{running(value, terms)}(0)" if ufunc is np.add else first
            text.append("    " * depth + f"{number} = {start}")
            for k in sorted(axes):
                text.append("    " * depth + f"for i{k} in range({shape[k]}):")
                depth += 1
            more = self.plus(number, element) if ufunc is np.add else gathered(number, ufunc, element)
            text.append("    " * depth + more)
            text.append("    " * len(kept) + f"{place} = {number}")
            self.body += text
            return
        array = self._array(value)
        first = "0" if ufunc is np.add else "-np.inf" if ufunc is np.maximum else "np.inf"
        self.body.append(f"{array}[...] = {first}")
        for depth, k in enumerate(order):
            self.body.append("    " * depth + f"for i{k} in range({shape[k]}):")
        self.body.append("    " * rank + gathered(place, ufunc, element))

    def _product(self, line: Call) -> None:
        (value,), (x, y) = line.results, line.args
        left, right = (v.data if isinstance(v, Value) else v for v in (x, y))
        inner = left.shape[-1]
        rows = left.shape[0] if left.ndim == 2 else None
        columns = right.shape[1] if right.ndim == 2 else None
        kind, total = element_type(value), running(value, inner)

        def a(i: str, k: str) -> str:
            return self.element(x, [i, k] if rows is not None else [k], False)

        def b(k: str, j: str) -> str:
            return self.element(y, [k, j] if columns is not None else [k], False)

        def out(i: str, j: str) -> str:
            return self.place(value, [*([i] if rows is not None else []), *([j] if columns is not None else [])], False)

        n, m, number = rows or 1, columns or 1, self.number(value)
        if n * m <= HELD:
            sums = [(i, j, f"{number}_{i}_{j}") for i in range(n) for j in range(m)]
            self.body += [f"{s} = {total}(0)" for *_, s in sums]
            self.body.append(f"for k in range({inner}):")
            self.body += [f"    {s} = {self.plus_product(s, a(str(i), 'k'), b('k', str(j)))}" for i, j, s in sums]
            self.body += [f"{out(str(i), str(j))} = {s}" for i, j, s in sums]
        elif m == 1:
            self.body += [f"for i in range({n}):", f"    {number} = {total}(0)", f"    for k in range({inner}):"]
            self.body.append(f"        {number} = {self.plus_product(number, a('i', 'k'), b('k', '0'))}")
            self.body.append(f"    {out('i', '0')} = {number}")
        elif m < WIDE <= n and left.strides[0] <= left.strides[-1]:  # vectors along the columns of the result
            held = self._copy_of((m, n), kind)
            self._sum_rows((m, n, inner), number, lambda i, k: b(k, i), lambda k, j: a(j, k), held)
            self._fill(n, m, lambda i, j: f"{out(i, j)} = {held(j, i)}")
        else:
            if right.strides[0] < right.strides[1]:  # a row of it at a time, for a whole vector of results
                turned = self._copy_of(right.shape, kind)
                self._fill(inner, m, lambda k, j: f"{turned(k, j)} = {b(k, j)}")
            else:
                turned = b
            self._sum_rows((n, m, inner), number, a, turned, out)

    def _copy_of(self, shape: tuple[int, ...], kind: str) -> Place:
        """A matrix of the kernel's own, and how its places are called."""
        name = self.program._free(None)
        self.body.append(f"{name} = np.empty({shape}, {kind})")
        return lambda i, j: f"{name}[{i}, {j}]"

    def _fill(self, n: int, m: int, line: Place) -> None:
        self.body.append(f"for i in range({n}):\n    for j in range({m}):\n        {line('i', 'j')}")

    def _sum_rows(self, sizes: tuple[int, int, int], number: str, a: Place, b: Place, out: Place) -> None:
        """A product as sums of rows of the right operand, several terms at a time."""
        n, m, inner = sizes
        step = stripe(inner)
        places = [str(c) for c in range(inner)] if step == inner else [f"k + {c}" for c in range(step)]
        factors = [a("i", k) for k in places]
        text = [f"for i in range({n}):"]
        names = [f if f == ONE else f"{number}{c}" for c, f in enumerate(factors)]
        text += [f"    {name} = {f}" for name, f in zip(names, factors, strict=True) if f != ONE]
        terms = times(names[0], b(places[0], "j"))
        for name, k in zip(names[1:], places[1:], strict=True):
            terms = self.plus_product(terms, name, b(k, "j"))
        sign = "=" if step == inner else "+="
        text.append(f"    for j in range({m}):\n        {out('i', 'j')} {sign} {terms}")
        if step < inner:  # k outermost: sums for one row, one after another, would wait for each other
            self.body.append(f"for i in range({n}):\n    for j in range({m}):\n        {out('i', 'j')} = 0")
            self.body.append(f"for k in range(0, {inner}, {step}):")
            text = [indented(x, 1) for x in text]
        self.body += text

    def plus(self, total: str, x: str) -> str:
        """A line that adds one more number to a sum, in whatever order is fastest."""
        return f"{total} = {self.program.quick(np.add)}({total}, {x})"

    def plus_product(self, total: str, x: str, y: str) -> str:
        """A sum and one more product."""
        if ONE in (x, y):
            return f"{self.program.quick(np.add)}({total}, {times(x, y)})"
        return f"{self.program.quick(np.dot)}({total}, {x}, {y})"

    # --- numbers

    def number(self, value: Value) -> str:
        """The variable that holds a value's number in its loop."""
        name = self.program._name(value)
        return f"{name}_" if name.isidentifier() else f"v{id(value)}"

    def _operand(self, x: Any, line: Call, index: list[str], flat: bool) -> str:
        """An operand's number, of the type that NumPy computes with."""
        value = line.results[0]
        dtypes = [
            np.asarray(v.data if isinstance(v, Value) else v).dtype
            for v in line.args
            if (isinstance(v, Value) and not v.number) or isinstance(v, (np.ndarray, np.generic))
        ]
        if line.function in LOGICAL or (line.function is np.where and x is line.args[0]):
            wanted = "bool"
        elif value.data.dtype.kind == "i":
            return self.element(x, index, flat)
        elif line.function in COMPARED:
            dtype = np.result_type(*dtypes)
            wanted = "bool" if dtype.kind == "b" else f"np.{dtype.name}"
        else:
            wanted = element_type(value)
        x = scalar(x, line) if line.function is not np.where else x
        if x.__class__ in NUMBERS:
            return f"{wanted}({literal(x)})"
        if isinstance(x, np.generic) or (isinstance(x, np.ndarray) and not x.ndim):
            return f"{wanted}({literal(x.item())})"
        text = self.element(x, index, flat)
        same = not (isinstance(x, Value) and x.number) and element_type(x) == wanted
        return text if same else f"{wanted}({text})"

    def element(self, x: Any, index: list[str], flat: bool = False) -> str:
        if not isinstance(x, Value):
            if (x == 1).all():
                return ONE
            name = self._parameter(self.program._text(x))
            return self._loaded(name, f"[{subscript(np.shape(x), index)}]")
        if x.number:
            return self._parameter(self.program._text(x))
        ref = reference(x)
        found = self.here.get(ref.base)
        if found is not None:
            return found
        base = ref.base
        if base in self.rows:
            k, first, step = ref.axes[-1], ref.starts[-1], ref.steps[-1]
            at = str(first) if k is None else stepping(index[len(index) - np.ndim(x.data) + k], first, step)
            return self._loaded(self.rows[base], f"[{at}]")
        if np.ndim(base.data) == 0:
            name = self._parameter(self.program.array(base))
            array = isinstance(base.data, np.ndarray) or base in self.program._arrays
            return self._loaded(name, "[()]") if array else name
        name = self._array(base)
        if flat:
            return self._loaded(name, f".flat[{index[0]}]")
        start = len(index) - np.ndim(x.data)
        places = [
            str(first) if k is None or x.data.shape[k] == 1 else stepping(index[start + k], first, step)
            for k, first, step in zip(*ref[1:], strict=True)
        ]
        return self._loaded(name, f"[{', '.join(places)}]")

    def _loaded(self, name: str, place: str) -> str:
        """A number of an array: in a loop over numbers a variable, that it is read into once."""
        if self.loads is None:
            return name + place
        known = self.loads.get(name + place)
        if known is None:
            known = self.called.get(name + place)
            if known is None:
                taken = self.called.values()
                known = next(n for k in itertools.count(1) if (n := f"{name}_at{k if k > 1 else ''}") not in taken)
                self.called[name + place] = known
            self.loads[name + place] = known
        return known

    def _array(self, value: Value) -> str:
        if value not in self.fused.local:
            return self._parameter(self.program.array(value))
        name = told_apart(self.program._name(value))
        kind = element_type(value).replace("bool", "np.bool_")
        self.made[f"{name} = np.empty({np.shape(value.data)}, {kind})"] = None
        return name

    def vector(self, value: Value) -> str:
        """A vector for a row of a value."""
        name, kind = f"{self.number(value)}row", element_type(value).replace("bool", "np.bool_")
        self.body.append(f"{name} = np.empty({value.data.shape[-1]}, {kind})")
        return name

    def _formula(self, line: Call, operands: list[str]) -> str:
        if quick(line):
            return f"{self.program.quick(line.function)}({operands[0]})"
        return formula(line, operands)

    def place(self, value: Value, index: list[str], flat: bool = False) -> str:
        name = self._array(value)
        if flat:
            return f"{name}.flat[{index[0]}]"  # as fast as a reshaped array, and 50 ms less to compile
        return f"{name}[{', '.join(index) or '()'}]"
