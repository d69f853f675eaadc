"""The lines of a program, written anew one by one: what the rules of a textbook (textbook.py) work with.

A rule looks at a line and at the lines that its operands come from, and puts another in its place. What nothing reads
any more in the end is left out.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from ...symbolic.layouts import outline
from ..calls import Attribute, Call, Reduce, Subscript, Value, method, values_of
from ..listing import Listing

SAME_NUMBERS = {"broadcast_to", "positive", "copy", "reshape", "astype", "T", "mT", "transpose", "__getitem__"}
TURNED, TURNED_LAST = method("T", Attribute), method("mT", Attribute)
MERGED = (np.ufunc, Attribute, Subscript)  # whose calls are equal if their arguments are
MERGED_TOO = np.clip, np.sum, np.mean, np.max


class Share(NamedTuple):
    """A constant that was computed as number / m: the count m is shown."""

    number: float
    m: int


class Rewriting:
    """Lines that replace those of a listing. `now[value]` is what stands for a value that has gone."""

    def __init__(self, listing: Listing) -> None:
        self.now: dict[Value, Any] = dict(listing.constants)
        self._shares: dict[int, Share] = {}  # by id of a constant
        arrays = ((self.of(listing.value_of.get(symbol)), name) for symbol, name in listing.constant_names.items())
        self._called = {id(x): (x, name) for x, name in arrays if isinstance(x, np.ndarray)}
        self._section = ""
        self._sites = listing.sites
        self._roots = listing.roots
        self._kept = {*listing.roots, *(v.source for line in listing.lines for v in line.results)}

    def _begin(self, lines: list[Call]) -> None:
        """Go through some lines, from the first on."""
        self.lines: list[Call] = []
        self._made: dict[Value, Call] = {}
        self._known: dict[Any, Value] = {}  # by call its result: what is equal by now is computed once
        self._uses = Counter(v for line in lines for v in line.operands)
        self._uses.update(values_of([self.of(v) for v in self._roots]))

    def of(self, x: Any) -> Any:
        """What stands for a value."""
        while isinstance(x, Value) and x in self.now:
            x = self.now[x]
        return x

    def share_of(self, x: Any) -> Share | None:
        """What a constant is the quotient of."""
        return self._shares.get(id(x))

    def name_of(self, x: Any) -> str | None:
        """What a constant is called."""
        return self._called[id(x)][1] if id(x) in self._called else None

    def call_of(self, value: Value) -> Call | None:
        """What computes a value."""
        return self._made.get(value)

    def _made_by(self, value: Any) -> Any:
        """The code that has computed a value: of the primitives' compositions."""
        site = self._sites.get(value)
        return site[0] if site is not None else None

    def _put(self, results: tuple[Value, ...], function: Any, *args: Any, **kwargs: Any) -> bool:
        call = Call(function, args, kwargs)
        call.results, call.section = results, self._section
        if (isinstance(function, MERGED) and not isinstance(function, Reduce)) or function in MERGED_TOO:
            key = function, *map(_key, args), *((k, repr(v)) for k, v in kwargs.items())
            known = self._known.setdefault(key, results[0])
            if known is not results[0] and alike(known, results[0]) and self._same(call, known):
                self._uses[known] += 1
                return True
        self.lines.append(call)
        for value in results:
            self._made[value] = call
        return True

    def _new(self, like: Value, function: Any, *args: Any, shape: Any = None, **kwargs: Any) -> Value:
        """The result of a line in front, of another one's dtype."""
        dtype = like.data.dtype
        value = Value(outline(np.empty(np.shape(like.data) if shape is None else shape, dtype)))
        if isinstance(function, Attribute):
            value.source = args[0]
        self._put((value,), function, *args, **kwargs)
        if value in self.now:  # made before, as a rule for the line that this one replaces
            known: Value = self.of(value)
            return known
        self._uses[value] = 1
        return value

    def _call(self, x: Any) -> Call | None:
        return self._made.get(x) if isinstance(x, Value) else None

    def _inner(self, x: Any) -> Call | None:
        """The call of a value that has no name and is used here alone."""
        return self._call(x) if isinstance(x, Value) and x.name is None and self._uses[x] <= 1 else None

    def _same(self, line: Call, x: Any) -> bool:
        """Let something stand for the result of a line."""
        (value,) = line.results
        if isinstance(x, Value):
            if value.name is not None:
                made = self._made.get(x)
                if x.name is None and made is not None:
                    if value.name[:1] == "d" and made.section != self._section:  # no gradient before its time
                        return False
                    x.name = value.name
                elif value in self._kept and value.name != x.name:
                    return False
                value.name = None
            self._uses[x] += self._uses[value] - 1
        self.now[value] = x
        return True

    def _put_same(self, line: Call, x: Value) -> bool:
        """`_same`, or a copy where the result has to have a name of its own."""
        return self._same(line, x) or self._put(line.results, np.positive, x)


def _key(x: Any) -> Any:
    """Equal for equal arguments."""
    if isinstance(x, Value):
        return x
    if isinstance(x, (np.ndarray, np.generic)):
        return x.shape, x.dtype, x.tobytes() if x.size <= 64 else id(x)
    return x.__class__, repr(x)


def alike(x: Value, y: Value) -> bool:
    """Whether two values are of one shape and dtype."""
    return np.shape(x.data) == np.shape(y.data) and getattr(x.data, "dtype", None) == getattr(y.data, "dtype", None)


def is_count(n: Any) -> bool:
    """Whether something is a number that a mean may divide by."""
    return n is not None and n > 1 and float(n).is_integer()


def number_of(x: Any) -> Any:
    """The number that a constant is at every place; None if it is none."""
    if x.__class__ in (int, float):
        return x
    if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "fb" and np.size(x):
        first = np.asarray(x).flat[0]
        number = int(first) if x.dtype.kind == "b" else float(str(first))
        return number if (np.asarray(x) == first).all() else None
    return None
