"""A program as a textbook writes it: formulas instead of calls with `out=`, and no memory to keep.

The trace is run on cells once more, primitives by their compositions, and the calls are put as a textbook puts them
(textbook.py). What is used once and has no name is written where it is used; a tensor gets its new value as soon as
nothing reads the old one. It runs on its own too, without the checks; its sums may differ in the last digit.
"""

from __future__ import annotations

import functools
import itertools
import textwrap
from collections import Counter
from typing import Any

import numpy as np

from ...core.symbol import Symbol
from ...core.tensor import Tensor
from ...symbolic.layouts import outline
from ...symbolic.naming import free_name
from ...symbolic.printer import ATOM, PRODUCT, UNARY
from ...symbolic.program import Program
from ...symbolic.sources import at
from ..arguments import docstring
from ..calls import SMALL, Attribute, Call, Subscript, Value, values_of
from ..listing import Listing, is_draw, note
from ..spelling import ARRAY, indented, listed
from .cancelling import cancelled
from .conditions import OPPOSITE
from .numerals import Spelled
from .phrasing import SIGNS, Phrasing, assigns, is_statement, to_double
from .rewriting import alike
from .textbook import Textbook

BRIEF = 24  # characters of an expression of numbers that is written wherever it is used
WIDEST = 93  # columns of a formula; a longer one is cut in two
WITH_DECAY = np.add, np.subtract
CLIPS = np.multiply, np.clip, np.maximum, np.minimum
LONGEST = 110  # columns of a line that is a call
FRAME = 16  # of what stands beside it, the name and the shape


class NoMemory:
    """What formulas need of a plan: nothing lies anywhere."""

    def __init__(self) -> None:
        self.place: dict[Value, Any] = {}
        self.into: dict[Value, Value] = {}
        self.copies: list[Any] = []


class Readable(Phrasing):
    """The readable source of a listing.

    Args:
        arguments: the Values that the function is given, with their names.
    """

    def __init__(self, listing: Listing, name: str, arguments: dict[Value, str]) -> None:
        self._given = arguments
        super().__init__(listing, NoMemory(), name)  # type: ignore[arg-type]

    def _inputs(self) -> list[Value]:
        for value, name in self._given.items():
            value.name = name
            self._name(value)
        return [*self._given]

    def _places(self) -> None:
        """No memory; what the calls mean is found instead."""
        self._textbook = Textbook(self.listing)

    def _write(self, name: str) -> None:
        self._texts: dict[Value, Spelled] = {}
        of, lines = self._textbook.of, self._textbook.lines
        self._name_letters()
        self._uses = Counter(v for line in lines for v in line.operands)
        left = [*self.listing.results, *self._grads, *self._created]
        self._uses.update(values_of([of(v) for v in (*left, *(v for _, v in self.listing.writes))]))
        olds = {**dict(self.listing.tensors), **self.listing.given}
        self._news = {of(v) for _, v in self.listing.writes if isinstance(of(v), Value)}
        in_place = self._written_in_place(olds, left)
        section = None
        for i, line in enumerate(lines):
            start = len(self.body)
            self._put_line(i, line, in_place, left)
            if line.section != section and len(self.body) > start:
                section = line.section
                self.body.insert(start, f"# {section or 'forward'}")
        news = ((olds[t], of(new)) for t, new in self.listing.writes)  # a constant is written in the end
        later = [pair for pair in news if not isinstance(pair[1], Value) or in_place.get(pair[1]) is not pair[0]]
        changed = {old for old, _ in later}
        for value in map(of, (*left, *(new for _, new in later))):
            self._settle(value, changed)
        results = [self._text(v) for v in self.listing.results]
        results += [self._left(v) for v in (*self._grads, *self._created)]
        for new, owners in itertools.groupby(later, key=lambda pair: self._filling(pair[1])):
            self._put_chain([f"{self._name(old)}[...]" for old, _ in owners], new)
        self.body.append(f"return ({', '.join(results)}{',' if len(results) == 1 else ''})" if results else "return ()")

    def _put_line(self, i: int, line: Call, in_place: dict[Value, Value], left: list[Any]) -> None:
        """Write a line, or keep its formula for those that it is a part of."""
        if is_statement(line):
            self._put_parts(line, in_place.get(line.results[0]))
            return
        spelled, room = self._spell(line), WIDEST - self._margin(line, in_place)
        while len(spelled[0]) > room and self._split(line):
            spelled = self._spell(line)
        if len(line.results) > 1:
            names = ", ".join(self._name(v) if self._uses[v] else "_" for v in line.results)
            self.body.append(_filled(f"{names} = ", spelled[0], ""))
            return
        (value,) = line.results
        if value in in_place:
            self.names[value] = self._name(in_place[value])
            self.body.append(self._updated(in_place[value], line, spelled[0]))
        elif self._is_part(line) and len(spelled[0]) < room and self._may_repeat(line, spelled):
            self._texts[value] = spelled
        else:
            again = self._clipped(line, i, left)
            if again is not None:
                self.names[value] = self._name(again)
            self.body.append(_filled(f"{self._name(value)} = ", spelled[0], self._shape(value)))

    def _margin(self, line: Call, in_place: dict[Value, Value]) -> int:
        """What stands beside the formula of a line, if that is much."""
        value = line.results[0]
        owner = in_place.get(value, value)
        name = self.names.get(owner) or owner.name or ""
        return max(0, len(name) + (0 if value in in_place else len(self._shape(value))) - FRAME)

    def _clipped(self, line: Call, i: int, left: list[Any]) -> Value | None:
        """The gradient that a line of an update clips or decays, if nobody reads it any more: it keeps its name."""
        (value,), kept = line.results, values_of([self._textbook.of(v) for v in left])
        if line.section != "update" or value.name is not None or line.function not in (*CLIPS, *WITH_DECAY):
            return None
        arrays = dict.fromkeys(self._arrays(line) if line.function in WITH_DECAY else line.operands)
        old, *decay = sorted((v for v in arrays if np.ndim(v.data)), key=lambda v: self._name(v)[:1] != "d") or [value]
        name = self._name(old)
        if name[:1] != "d" or any(name != f"d{self._name(v)}" for v in decay) or not alike(old, value):
            return None
        if {value, old} & self._news or value in self._given or old in self._given:
            return None
        if any(v.root is old for v in kept) or any(v in self._texts and self._reads(v, {old}) for v in kept):
            return None
        return old if self._last.get(old, -1) <= i else None

    def _arrays(self, line: Call) -> list[Value]:
        """The arrays in a line's formula that have a name."""
        found = list[Value]()
        for v in line.operands:
            call = self._textbook.call_of(v) if v in self._texts else None
            found += self._arrays(call) if call is not None else [v] if np.ndim(v.data) else []
        return found

    def _put_chain(self, targets: list[str], text: str) -> None:
        """`t_b1[...] = t_W2[...] = t_W1`, in as many lines as it takes."""
        while targets:
            count = next((k for k in range(len(targets), 1, -1) if len(" = ".join([*targets[:k], text])) < WIDEST), 1)
            self.body.append(" = ".join([*targets[:count], text]))
            targets = targets[count:]

    def _settle(self, value: Any, changed: set[Value]) -> None:
        """Compute what is read after tensors have been written, where it is made of their old values."""
        if not isinstance(value, Value) or (value in self._texts and not self._reads(value, changed)):
            return
        if value in self._texts:
            text = self._texts.pop(value)[0]
        elif value in changed and not value.number:
            text = f"{self._name(value)}.copy()"
            if text in (word for word, _ in self._texts.values()):
                return
        else:
            return
        name = self._free(None)
        self.body.append(f"{name} = {text}{self._shape(value)}")
        self._texts[value] = name, ATOM

    def _reads(self, value: Value, changed: set[Value]) -> bool:
        """Whether the formula of a value reads one of these."""
        call = self._textbook.call_of(value)
        for x in () if call is None else call.operands:
            if x.root in changed or (x in self._texts and self._reads(x, changed)):
                return True
        return False

    def _name_letters(self) -> None:
        """Give values the letters that compositions have for them, where these are free."""
        values = [v for line in self._textbook.lines for v in line.results]
        taken = {*self.names.values(), *(v.name for v in values if v.name)}
        for value in values:
            letter = at(self.listing.sites.get(value))[1] if value.name is None else None
            if letter and not letter.startswith("_"):
                value.name = free_name(letter, taken, "")
                taken.add(value.name)

    # --- which lines there are

    def _is_part(self, line: Call) -> bool:
        """Whether a line's formula may stand within those of others."""
        if len(line.results) != 1 or is_draw(line) or is_statement(line):
            return False
        (value,) = line.results
        return value.name is None and not getattr(value.origin, "name", None) and value not in self._news

    def _may_repeat(self, line: Call, spelled: Spelled) -> bool:
        """Whether it is to stand wherever it is used: at one place, or something as short as a name."""
        (value,) = line.results
        if self._uses[value] <= 1 or (isinstance(line.function, Attribute) and _is_name(spelled[0].rpartition(".")[0])):
            return True
        return len(spelled[0]) < BRIEF and (self._is_brief(line) or (_is_glance(line) and self._is_of_names(line)))

    def _is_of_names(self, line: Call) -> bool:
        """Whether a line's operands are written as names."""
        return all(_is_name(self._text(v)) for v in line.operands)

    @staticmethod
    def _is_brief(line: Call) -> bool:
        """A number made of numbers: `1 - beta1`, `float(t)`."""
        return line.results[0].number or to_double(line)

    def _written_in_place(self, olds: dict[Any, Value], left: list[Any]) -> dict[Value, Value]:
        """The new values of tensors that are written on the spot, with the old ones: nobody reads those any more."""
        of, lines = self._textbook.of, self._textbook.lines
        end = len(lines)
        users: dict[Value, list[int]] = {}
        written = [0] * end  # the last line at which a line's formula may stand
        last: dict[Value, int] = {}
        for i in reversed(range(end)):
            line = lines[i]
            movable = self._is_part(line) and (
                self._uses[line.results[0]] <= 1
                or isinstance(line.function, Attribute)
                or self._is_brief(line)
                or _is_glance(line)
            )
            written[i] = max(users.get(line.results[0], [end])) if movable else i
            for value in line.operands:
                users.setdefault(value, []).append(written[i])
                root = value.root
                last[root] = max(last.get(root, 0), written[i])
        news = [of(new) for _, new in self.listing.writes]
        for x in (*map(of, left), *news):
            if isinstance(x, Value):
                last[x.root] = end if x in self._given or x.source is not None else last.get(x, 0)
        self._last = last
        kept = {*values_of([of(v) for v in left])}
        where = {value: i for i, line in enumerate(lines) for value in line.results}
        found: dict[Value, Value] = {}
        for (tensor, _), new in zip(self.listing.writes, news, strict=True):
            old = olds[tensor]
            if not isinstance(new, Value) or new not in where or new in kept or new in found:
                continue
            same = np.shape(old.data) == np.shape(new.data) and old.data.dtype == new.data.dtype
            line = lines[where[new]]
            if is_statement(line) and not (assigns(line) and line.args[0] is old):
                continue
            if same and last.get(old, -1) <= where[new] and len(line.results) == 1:
                found[new] = old
        return found

    def _updated(self, old: Value, line: Call, text: str) -> str:
        """`W1 -= lr * dW1`, where it is one of the kind, else `W1[...] = ...`."""
        target, args = self._name(old), line.args
        if line.function in (np.add, np.subtract) and not line.kwargs and len(args) == 2:
            if args[0] is old:
                sign, (text, binds) = SIGNS[line.function][0], self._operand(args[1], line)
                if text.startswith("-") and binds in (PRODUCT, UNARY):
                    sign, text = "-" if sign == "+" else "+", text[1:]
                return f"{target} {sign}= {text}"
            if args[1] is old and line.function is np.add:
                return f"{target} += {self._operand(args[0], line)[0]}"
        return f"{target}[...] = {text}"

    def _split(self, line: Call) -> bool:
        """Give the longest part of a line a line of its own. Returns whether there was one."""
        inside = [v for v in line.operands if v in self._texts and len(self._texts[v][0]) > len("np.sum(X)")]
        if not inside:
            return False
        longest = max(inside, key=lambda v: len(self._texts[v][0]))
        text = self._texts.pop(longest)[0]
        self.body.append(f"{self._name(longest)} = {text}{self._shape(longest)}")
        return True


def _filled(target: str, text: str, shape: str) -> str:
    """A line, or a call with its arguments in lines of their own if it is long."""
    function, _, rest = text.partition("(")
    if len(target) + len(text) < LONGEST or not rest.endswith(")") or not function.replace(".", "_").isidentifier():
        return f"{target}{text}{shape}"
    inside = textwrap.fill(rest[:-1], LONGEST, break_long_words=False, break_on_hyphens=False)
    return f"{target}{function}(\n{indented(inside, 1)},\n){shape}"


def _is_name(text: str) -> bool:
    return text.isidentifier()


def _is_glance(line: Call) -> bool:
    """A look at part of an array, its negative, or a comparison with a number: as clear as a name for it."""
    if line.function is np.negative:
        return True
    if isinstance(line.function, Subscript):
        return not values_of(line.args[1:]) and not _has_array(line.args[1])
    return line.function in OPPOSITE and len(line.operands) == 1


def _has_array(key: Any) -> bool:
    parts = key if key.__class__ is tuple else (key,)
    return any(isinstance(k, np.ndarray) for k in parts)


class Formulas:
    """What the formulas of a program are written from, when somebody asks for them."""

    def __init__(
        self,
        program: Program,
        given: dict[Symbol, Any],
        counts: list[list[Tensor]],
        listing: Listing,
        dropped: set[Tensor],
        name: str,
    ) -> None:
        self._program, self._counts, self._dropped, self._name = program, counts, dropped, name
        self._given = {symbol: _kept(x) for symbol, x in given.items()}
        self._created = [tensor._array for *_, tensor in program.created]
        self._generators = listing.generators
        self._names = {s: v.name for s, v in listing.value_of.items() if isinstance(v, Value) and v.name}
        self._constants = dict(listing.constant_names)

    def takes(self, arguments: list[Value], names: dict[Value, str]) -> None:
        """These are the arguments of the program, in order."""
        places = {value: k for k, value in enumerate(self._generators)}
        self._arguments = [(names[v], v.origin, places.get(v)) for v in arguments]

    @functools.cached_property
    def text(self) -> str:
        """The program as formulas."""
        instead = cancelled(self._program.equations, self._names)
        listing = note(self._program, self._given, self._counts, self._created, instead)
        listing.drop_gradients(self._dropped)
        for symbol, name in (*self._names.items(), *self._constants.items()):
            value = listing.value_of.get(symbol)
            if isinstance(value, Value) and value.name is None:
                value.name = name
        listing.constant_names = self._constants
        arguments = {
            (listing.value_of[symbol] if place is None else listing.generators[place]): name
            for name, symbol, place in self._arguments
        }
        written = Readable(listing, self._name, arguments)
        inputs = listed([written.names[v] for v in written.arguments])
        parts = [written.head, *([ARRAY] if written.uses_array else [])]
        parts += written.helpers.sources
        said = docstring(listing, written.arguments, written.names)
        body = [said, *written.setup, *written.body]
        parts.append(f"def {self._name}({inputs}):\n" + "\n".join(indented(line, 1) for line in body))
        return "\n\n\n".join(parts) + "\n"


def _kept(x: Any) -> Any:
    """An array of which the numbers do not matter, unless there are few: these may be labels."""
    if not isinstance(x, np.ndarray):
        return x
    return x.copy(order="K") if x.nbytes <= SMALL else outline(x)
