"""What a textbook would write for the calls of a program, before they are printed as formulas.

The calls are those of the primitives' compositions (`Primitive.composition`): what forwards do for speed has gone
before. Left are small things: a constant is folded, but 1 / m keeps its count m; `np.sum(X) / m` is a mean, a negated
term a difference; checks of values, copies and casts to the same are left out. The sums may differ in the last digit.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..core.primitive import PRIMITIVES
from .calls import Attribute, Call, Check, Method, Reduce, Value, method, outline, values_of
from .cells import bare
from .listing import Listing, alive, is_draw

REDUCTIONS = {"add": np.sum, "maximum": np.max, "minimum": np.min, "multiply": np.prod}
SUMS = {np.sum, np.max, np.min, np.prod, np.mean}
PRODUCTS = np.dot, np.matmul
OPPOSITE = {
    np.less: np.greater_equal,
    np.less_equal: np.greater,
    np.greater: np.less_equal,
    np.greater_equal: np.less,
    np.equal: np.not_equal,
    np.not_equal: np.equal,
}
IGNORED = -100  # the usual ignore_index
SAME_NUMBERS = {"broadcast_to", "positive", "copy", "reshape", "astype", "T", "mT", "transpose", "__getitem__"}
SCATTER = PRIMITIVES["scatter"].forward
PARTS = method("parts")  # zeros of a shape, with something added at one or several keys
TURNED, TURNED_LAST = method("T", Attribute), method("mT", Attribute)


class Share(NamedTuple):
    """A constant that was computed as number / m: the count m is shown."""

    number: float
    m: int


class Textbook:
    """The rewritten lines of a listing. `now[value]` is what stands for a value that has gone."""

    def __init__(self, listing: Listing) -> None:
        self.now: dict[Value, Any] = dict(listing.constants)
        self.lines: list[Call] = []
        self._made: dict[Value, Call] = {}
        self._shares: dict[int, Share] = {}  # by id of a constant
        self._section = ""
        self._uses = Counter(v for line in listing.lines for v in line.operands)
        for line in listing.lines:
            if not isinstance(line, Check):
                self._section = line.section
                self._take(line)
        self.lines = alive(self.lines, values_of([self.of(v) for v in listing.roots]))

    def of(self, x: Any) -> Any:
        """What stands for a value."""
        while isinstance(x, Value) and x in self.now:
            x = self.now[x]
        return x

    def call_of(self, value: Value) -> Call | None:
        """What computes a value."""
        return self._made.get(value)

    def _take(self, line: Call) -> None:
        args = bare(line.args, self.of)
        kwargs = bare(line.kwargs, self.of)
        if not is_draw(line) and len(line.results) == 1 and not values_of((args, kwargs)):
            self._fold(line, args, kwargs)
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
            np.positive: self._copy,
            np.copy: self._copy,
            np.negative: self._negative,
            np.logical_not: self._opposite,
            np.equal: self._kept_labels,
            np.not_equal: self._kept_labels,
            np.where: self._chosen,
            np.transpose: self._axes_turned,
            np.reshape: self._reshape,
            SCATTER: self._parts,
        }
        if isinstance(function, Reduce) or function in SUMS:
            return self._reduction
        if isinstance(function, Attribute):
            return self._transposed
        if isinstance(function, Method):
            return {"copy": self._copy, "astype": self._cast, "reshape": self._reshape}.get(function.__name__)
        return rules.get(function)

    # --- making calls

    def _put(self, results: tuple[Value, ...], function: Any, *args: Any, **kwargs: Any) -> bool:
        call = Call(function, args, kwargs)
        call.results, call.section = results, self._section
        self.lines.append(call)
        for value in results:
            self._made[value] = call
        return True

    def _new(self, like: Value, function: Any, *args: Any, shape: Any = None) -> Value:
        value = Value(outline(np.empty(np.shape(like.data) if shape is None else shape, like.data.dtype)))
        if isinstance(function, Attribute):
            value.source = args[0]
        self._put((value,), function, *args)
        return value

    def _call(self, x: Any) -> Call | None:
        return self._made.get(x) if isinstance(x, Value) else None

    def _same(self, line: Call, x: Any) -> bool:
        """Let something stand for the result of a line."""
        (value,) = line.results
        if isinstance(x, Value) and value.name is not None:
            if x.name is not None or x not in self._made:
                return False
            x.name, value.name = value.name, None
        self.now[value] = x
        return True

    # --- constants

    def _fold(self, line: Call, args: Any, kwargs: Any) -> None:
        with np.errstate(all="ignore"):
            result = line.function(*args, **kwargs)
        self.now[line.results[0]] = result
        share = self._share_of(line.function, args)
        if share is not None:
            self._shares[id(result)] = share

    def _share_of(self, function: Any, args: Any) -> Share | None:
        """The number and count that a constant is the quotient of."""
        known = [self._shares.get(id(x)) for x in args]
        if function is np.divide:
            number, count = map(_number, args)
            if number is None or not _is_count(count):
                return None
            number, before = known[0] or (number, 1)
            return Share(number, before * int(count))
        first = known[0] if known else None
        if function is np.multiply and any(known):
            share, number = (first, _number(args[1])) if first else (known[1], _number(args[0]))
            return None if share is None or number is None else Share(share.number * number, share.m)
        if first is not None and function is np.negative:
            return Share(-first.number, first.m)
        return first if getattr(function, "__name__", "") in SAME_NUMBERS else None

    def _kept_labels(self, line: Call, args: Any) -> bool:
        """Labels that are given are classes: none is to be ignored, as far as can be seen."""
        labels, number = args
        root = labels.root if isinstance(labels, Value) else None
        if number.__class__ is not int or number != IGNORED or root is None or root.call is not None:
            return False
        if not root.hollow and (np.asarray(root.data) == IGNORED).any():
            return False
        return self._same(line, np.full(np.shape(labels.data), line.function is np.not_equal))

    def _chosen(self, line: Call, args: Any) -> bool:
        """The one side of a choice that is known."""
        known = _number(args[0]) if len(args) == 3 else None
        if known not in (0, 1):
            return False
        x, shape = args[1] if known else args[2], np.shape(line.results[0].data)
        return isinstance(x, Value) and _alike(x, line.results[0]) and np.shape(x.data) == shape and self._same(line, x)

    # --- rules: whether one has taken the line

    def _copy(self, line: Call, args: Any) -> bool:
        """A copy of what is computed here is the same number."""
        x = args[0]
        fresh = isinstance(x, Value) and self.of(x.root) in self._made
        return fresh and np.shape(x.data) == np.shape(line.results[0].data) and self._same(line, x)

    def _product(self, line: Call, args: Any) -> bool:
        """A square, a quotient by the count that a constant was divided by, a number for an array of equal ones."""
        if args[0] is args[1]:
            return self._put(line.results, np.square, args[0])
        for x, factor in (args, args[::-1]):
            inverse = self._call(factor) if isinstance(factor, Value) and factor.name is None else None
            if inverse is not None and inverse.function is np.divide and _number(inverse.args[0]) == 1:
                return _alike(x, line.results[0]) and self._put(line.results, np.divide, x, inverse.args[1])
            number = _number(factor)
            if not isinstance(x, Value) or number is None or not _alike(x, line.results[0]):
                continue
            if number == 1:
                return self._same(line, x)
            share = self._shares.get(id(factor))
            if share is None:
                return self._put(line.results, np.multiply, *((number, x) if factor is args[0] else (x, number)))
            if abs(share.number) != 1:
                x = self._new(x, np.multiply, abs(share.number), x)
            if share.number > 0:
                return self._put(line.results, np.divide, x, share.m)
            return self._put(line.results, np.negative, self._new(x, np.divide, x, share.m))
        return False

    def _quotient(self, line: Call, args: Any) -> bool:
        """A mean for a sum divided by its count; a minus in front."""
        x, divisor = args
        call = self._call(x)
        if call is not None and call.function is np.negative and _alike(x, line.results[0]):
            return self._put(line.results, np.negative, self._new(x, np.divide, call.args[0], divisor))
        n = _number(divisor)
        if n is None or call is None:
            return False
        if call.function is np.sum and "dtype" not in call.kwargs:
            of, axis = call.args[0], call.kwargs.get("axis")
            shape = np.shape(of.data)
            axes = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
            if math.prod(shape[a] for a in axes) == n:
                return self._put(line.results, np.mean, of, **call.kwargs)
        return _is_count(n) and _alike(x, line.results[0]) and self._put(line.results, np.divide, x, int(n))

    def _shifted(self, line: Call, args: Any) -> bool:
        """A difference for a negated term; a number for an array of equal numbers, if the shape does not need it."""
        if line.function is np.add and self._together(line, args):
            return True
        for x, term in (args, args[::-1]) if line.function is np.add else ():
            negated = self._call(term)
            if negated is not None and negated.function is np.negative:
                return self._put(line.results, np.subtract, x, *negated.args)
        numbers = [None if isinstance(x, Value) else _number(x) for x in args]
        values = [x for x in args if isinstance(x, Value)]
        if len(values) != 1 or not _alike(values[0], line.results[0]) or numbers == [None, None]:
            return False
        plain = (x if number is None else number for x, number in zip(args, numbers, strict=True))
        return self._put(line.results, line.function, *plain)

    def _parts(self, line: Call, args: Any) -> bool:
        """Zeros with something in one place; places that arrays name may repeat, and are left to a function."""
        return len(args) == 1 and self._put(
            line.results, PARTS, args[0], keys=(line.kwargs["key"],), shape=line.kwargs["shape"]
        )

    def _together(self, line: Call, args: Any) -> bool:
        """One array of zeros for a sum of several that have something in one place each."""
        one, other = map(self._call, args)
        if one is None or other is None or one.function is not PARTS or other.function is not PARTS:
            return False
        keys = one.kwargs["keys"] + other.kwargs["keys"]
        if any(self._uses[v] > 1 or v.name for v in args):
            return False
        return self._put(line.results, PARTS, *one.args, *other.args, keys=keys, shape=one.kwargs["shape"])

    def _negative(self, line: Call, args: Any) -> bool:
        call = self._call(args[0])
        return call is not None and call.function is np.negative and self._same(line, call.args[0])

    def _opposite(self, line: Call, args: Any) -> bool:
        """`A > 0` for not `A <= 0`."""
        call = self._call(args[0])
        if call is None:
            return False
        if call.function is np.logical_not:
            return self._same(line, call.args[0])
        return call.function in OPPOSITE and self._put(line.results, OPPOSITE[call.function], *call.args)

    def _cast(self, line: Call, args: Any) -> bool:
        """A step size, computed in float64, need not be rounded before it meets float32."""
        x = args[0]
        narrow = np.ndim(x.data) == 0 and x.data.dtype == np.float64 and line.results[0].data.dtype == np.float32
        return narrow and self._section == "update" and self._same(line, x)

    def _axes_turned(self, line: Call, args: Any) -> bool:
        """`X.mT` where the last two axes change places."""
        n, (x, *axes) = np.ndim(line.results[0].data), args
        swap = (*range(n - 2), n - 1, n - 2)
        return n > 2 and bool(axes) and tuple(axes[0]) == swap and self._put(line.results, TURNED_LAST, x)

    def _transposed(self, line: Call, args: Any) -> bool:
        """`B.T @ A.T` for `(A @ B).T`, where one of them is turned already."""
        call = self._call(args[0])
        if line.function is not TURNED or call is None or call.function not in PRODUCTS:
            return False
        parts = call.args[::-1]
        turned = [self._call(x) for x in parts]
        if not all(isinstance(x, Value) and np.ndim(x.data) == 2 for x in parts):
            return False
        if not any(c and c.function is TURNED for c in turned):
            return False
        fresh = [
            c.args[0] if c and c.function is TURNED else self._new(x, TURNED, x, shape=np.shape(x.data)[::-1])
            for x, c in zip(parts, turned, strict=True)
        ]
        return self._put(line.results, np.dot, *fresh)

    def _reshape(self, line: Call, args: Any) -> bool:
        """A sum that keeps its axes for one that is given its shape back."""
        (x, *_), (result,) = args, line.results
        shape, call = np.shape(result.data), self._call(x)
        if call is not None and call.function in SUMS and "keepdims" not in call.kwargs:
            of, axis = call.args[0], call.kwargs.get("axis")
            axes = range(np.ndim(of.data)) if axis is None else (axis,) if isinstance(axis, int) else axis
            if shape == tuple(1 if k in axes else n for k, n in enumerate(np.shape(of.data))):
                return self._put(line.results, call.function, of, **call.kwargs, keepdims=True)
        if call is not None and _is_reshape(call) and np.shape(call.args[0].data) == shape:
            return self._same(line, call.args[0])
        return self._put(line.results, method("reshape"), x, shape)

    def _reduction(self, line: Call, args: Any) -> bool:
        """`np.sum(X, axis=1)` for `np.add.reduce(X, axis=(1,))`; no axis where it is all of them."""
        function = line.function
        named = REDUCTIONS.get(function.ufunc.__name__) if isinstance(function, Reduce) else function
        kwargs = {k: v for k, v in line.kwargs.items() if v is not None and v is not False}
        if named is None or not isinstance(args[0], Value) or len(args) > 1 or set(kwargs) - {"axis", "keepdims"}:
            return False
        axis, ndim = line.kwargs.get("axis", 0 if isinstance(function, Reduce) else None), np.ndim(args[0].data)
        axes = sorted({a % ndim for a in ((axis,) if isinstance(axis, int) else axis)}) if axis is not None else []
        if not axes or (len(axes) == ndim and "keepdims" not in kwargs):
            kwargs.pop("axis", None)
        else:
            kwargs["axis"] = axes[0] if len(axes) == 1 else tuple(axes)
        return self._put(line.results, named, args[0], **kwargs)


def _is_reshape(call: Call) -> bool:
    name = getattr(call.function, "__name__", "")
    return name == "reshape" and isinstance(call.args[0], Value)


def _alike(x: Value, y: Value) -> bool:
    return np.shape(x.data) == np.shape(y.data) and getattr(x.data, "dtype", None) == getattr(y.data, "dtype", None)


def _is_count(n: Any) -> bool:
    return n is not None and n > 1 and float(n).is_integer()


def _number(x: Any) -> Any:
    """The number that a constant is at every place; None if it is none."""
    if x.__class__ in (int, float):
        return x
    if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "fb" and np.size(x):
        first = np.asarray(x).flat[0]
        number = int(first) if x.dtype.kind == "b" else float(str(first))
        return number if (np.asarray(x) == first).all() else None
    return None
