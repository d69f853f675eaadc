"""What a textbook would write for the calls of a program, before they are printed as formulas.

The calls are those of the primitives' compositions (`Primitive.composition`): what forwards do for speed has gone
before. Left are small things (arithmetic.py, shaping.py): a constant is folded, but 1 / m keeps its count m;
`np.sum(X) / m` is a mean, a negated term a difference; checks of values, copies and casts to the same are left out. The
sums may differ in the last digit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...ops.indexing import add_along
from ...symbolic.sources import at
from ..calls import Attribute, Call, Check, Method, Reduce, Subscript, Value, values_of
from ..cells import bare
from ..listing import Listing, alive, is_draw
from ..spelling import spelled_array
from .arithmetic import Arithmetic
from .conditions import BOTH, NOT, OPPOSITE
from .rewriting import SAME_NUMBERS, Share, is_count, number_of
from .shaping import PARTS, SCATTER, SUMS

PASSES = 2  # what the first leaves out, the second does not count among the uses of what it was computed from


class Textbook(Arithmetic):
    """The rewritten lines of a listing."""

    def __init__(self, listing: Listing) -> None:
        super().__init__(listing)
        changed = {id(tensor) for tensor, _ in listing.writes}
        owned = [*listing.tensors, *listing.given.items()]
        written = {value for tensor, value in owned if id(tensor) in changed}
        self._unwritten = (
            {v for v in (*listing.arguments, *(v for _, v in owned)) if v is not None} - written - self._kept
        )
        self._gradients = {f"d{value.name}" for _, value in listing.tensors}
        lines = [line for line in listing.lines if not isinstance(line, Check)]
        for _ in range(PASSES):
            self._begin(lines)
            for line in lines:
                self._section = line.section
                self._take(line)
            lines = alive(self.lines, values_of([self.of(v) for v in listing.roots]))
        self.lines = lines

    def _take(self, line: Call) -> None:
        args = bare(line.args, self.of)
        kwargs = bare(line.kwargs, self.of)
        constant = (
            not is_draw(line)
            and line.function is not PARTS
            and len(line.results) == 1
            and not values_of((args, kwargs))
        )
        if constant and self._fold(line, args, kwargs):
            return
        rule = self._rule(line.function)
        if rule is None or not rule(line, args):
            self._put(line.results, line.function, *args, **kwargs)

    def _rule(self, function: Any) -> Callable[[Call, Any], bool] | None:
        rules: dict[Any, Callable[[Call, Any], bool]] = {
            np.multiply: self._product,
            np.divide: self._quotient,
            np.add: self._shifted,
            np.subtract: self._shifted,
            np.positive: self._alias,
            np.copy: self._copy,
            np.negative: self._negative,
            np.power: self._power,
            np.minimum: self._bounded,
            np.sqrt: self._root,
            np.absolute: self._magnitude,
            np.square: self._magnitude,
            np.where: self._chosen,
            np.transpose: self._axes_turned,
            np.broadcast_to: self._stretched,
            np.reshape: self._reshape,
            np.var: self._reduction,
            np.take_along_axis: self._taken,
            add_along: self._put_along,
            SCATTER: self._parts,
            **dict.fromkeys(NOT, self._opposite),
            **dict.fromkeys(BOTH, self._both),
            **dict.fromkeys(OPPOSITE, self._compared),
        }
        if isinstance(function, Reduce) or function in SUMS:
            return self._reduction
        if isinstance(function, Attribute):
            return self._transposed
        if isinstance(function, Subscript):
            return self._indexed
        if isinstance(function, Method):
            return {"copy": self._copy, "astype": self._cast, "reshape": self._reshape}.get(function.__name__)
        return rules.get(function)

    # --- constants

    def _fold(self, line: Call, args: Any, kwargs: Any) -> bool:
        """Compute a constant now, if its numbers say as much as how they are made."""
        with np.errstate(all="ignore"):
            result = line.function(*args, **kwargs)
        if np.ndim(result) > 1 and number_of(result) is None and spelled_array(result) is None:
            return False
        (value,) = line.results
        called = value.name or (spelled_array(result) and at(self._sites.get(value))[1])
        if called and np.ndim(result):
            self._called[id(result)] = result, called
        if value.name in self._gradients and number_of(result) is not None:  # what an update reads by its name
            shape = result.shape[0] if result.ndim == 1 else result.shape
            filled = (np.full, shape, number_of(result)) if np.any(result) else (np.zeros, shape)
            return self._put(line.results, *filled, result.dtype)
        if isinstance(line.function, Attribute) and self.name_of(args[0]) is not None:  # dZ.T, of a dZ that has a line
            return self._put(line.results, line.function, *args)
        self.now[value] = result
        share = self._share_of(line.function, args)
        if share is not None:
            self._shares[id(result)] = share
        return True

    def _share_of(self, function: Any, args: Any) -> Share | None:
        """The number and count that a constant is the quotient of."""
        known = [self._shares.get(id(x)) for x in args]
        if function is np.divide:
            number, count = map(number_of, args)
            if number is None or not is_count(count):
                return None
            number, before = known[0] or (number, 1)
            return Share(number, before * int(count))
        first = known[0] if known else None
        if function is np.multiply and any(known):
            share, number = (first, number_of(args[1])) if first else (known[1], number_of(args[0]))
            return None if share is None or number is None else Share(share.number * number, share.m)
        if first is not None and function is np.negative:
            return Share(-first.number, first.m)
        return first if getattr(function, "__name__", "") in SAME_NUMBERS else None

    # --- copies

    def _copy(self, line: Call, args: Any) -> bool:
        """A copy of what is computed here, or given and never written, is the same number."""
        x = args[0]
        given = x in self._unwritten and line.results[0] not in self._kept
        fresh = isinstance(x, Value) and (given or self.of(x.root) in self._made)
        return fresh and np.shape(x.data) == np.shape(line.results[0].data) and self._same(line, x)

    def _alias(self, line: Call, args: Any) -> bool:
        """The same, also of an argument where nothing but formulas reads it."""
        return self._copy(line, args) or (line.results[0] not in self._kept and self._same(line, args[0]))

    def _cast(self, line: Call, args: Any) -> bool:
        """A step size, computed in float64, need not be rounded before it meets float32; one cast for two in turn."""
        x = args[0]
        call = self._inner(x)
        if call is not None and _is_cast(call) and np.can_cast(call.args[0].data.dtype, x.data.dtype):
            return self._put(line.results, line.function, call.args[0], *args[1:], **line.kwargs)
        narrow = np.ndim(x.data) == 0 and x.data.dtype == np.float64 and line.results[0].data.dtype == np.float32
        return narrow and self._section == "update" and self._same(line, x)


def _is_cast(call: Call) -> bool:
    return isinstance(call.function, Method) and call.function.__name__ == "astype"
