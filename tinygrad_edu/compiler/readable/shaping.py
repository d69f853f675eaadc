"""How a textbook writes what changes the shape of arrays: sums over axes, transposes, indices, arrays put together."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from ...core.primitive import PRIMITIVES
from ...ops.indexing import Slot, add_along
from ...symbolic.printer import swaps_last_two
from ..calls import SUBSCRIPT, Call, Reduce, Subscript, Value, method
from .rewriting import TURNED, TURNED_LAST, Rewriting, alike

REDUCTIONS = {
    "add.reduce": np.sum, "maximum.reduce": np.max, "minimum.reduce": np.min, "multiply.reduce": np.prod,
    "add.accumulate": np.cumsum, "multiply.accumulate": np.cumprod,
}  # fmt: skip
SHORTER: dict[Any, Any] = {np.amax: np.max, np.amin: np.min}
SUMS = {np.sum, np.max, np.min, np.prod, np.mean, *SHORTER}
KEEPING = {*SUMS, np.argmax, np.argmin}  # what may keep the axes that it goes over
TOTALS = (np.sum, np.max, np.min, np.mean)  # of which one goes over the results of another as over all
PRODUCTS = np.dot, np.matmul
SCATTER = PRIMITIVES["scatter"].forward
PARTS = method("parts")  # zeros of a shape, with something added at one or several keys


class Shaping(Rewriting):
    """Rules: each says whether it has taken the line."""

    def _unstretched(self, args: Any, result: Value) -> Any:
        """Operands without `np.broadcast_to`, where the others give the result its shape."""
        for k, x in enumerate(args):
            call = self._call(x)
            if call is None or call.function is not np.broadcast_to or x.name is not None:
                continue
            without = (*args[:k], call.args[0], *args[k + 1 :])
            if np.broadcast_shapes(*(np.shape(getattr(a, "data", a)) for a in without)) == np.shape(result.data):
                args = without
        return args

    def _stretched(self, line: Call, args: Any) -> bool:
        """One number needs no axes to be broadcast."""
        call = self._inner(args[0])
        if call is None or not _is_reshape(call) or np.ndim(call.args[0].data):
            return False
        return self._put(line.results, np.broadcast_to, call.args[0], *args[1:], **line.kwargs)

    # --- transposes

    def _axes_turned(self, line: Call, args: Any) -> bool:
        """`X.mT` where the last two axes change places."""
        n, (x, *axes) = np.ndim(line.results[0].data), args
        if n < 3 or not axes or not swaps_last_two(tuple(axes[0])):
            return False
        turned = Call(TURNED_LAST, (x,), {})
        turned.results = line.results
        return self._transposed(turned, (x,)) or self._put(line.results, TURNED_LAST, x)

    def _transposed(self, line: Call, args: Any) -> bool:
        """`B.T @ A.T` for `(A @ B).T`, where one of them is turned already; nothing is turned twice."""
        turn, call = line.function, self._call(args[0])
        if turn not in (TURNED, TURNED_LAST) or call is None:
            return False
        if call.function is turn:
            return self._put_same(line, call.args[0])
        n = np.ndim(args[0].data)
        if call.function not in PRODUCTS or not all(isinstance(x, Value) and np.ndim(x.data) == n for x in call.args):
            return False
        parts = call.args[::-1]
        turned = [c if c is not None and c.function is turn else None for c in map(self._call, parts)]
        if turned == [None, None]:
            return False

        def other(x: Value) -> Value:
            *rest, rows, columns = np.shape(x.data)
            return self._new(x, turn, x, shape=(*rest, columns, rows))

        fresh = [other(x) if c is None else c.args[0] for x, c in zip(parts, turned, strict=True)]
        return self._put(line.results, call.function, *fresh)

    # --- axes that go and stay

    def _reshape(self, line: Call, args: Any) -> bool:
        """A sum that keeps its axes, or does not, for one that is given another shape afterwards."""
        (x, *_), (result,) = args, line.results
        shape, call = np.shape(result.data), self._call(x)
        if call is not None and call.function in KEEPING and self._kept_axes(line, call, shape):
            return True
        if call is not None and _is_reshape(call):
            if np.shape(call.args[0].data) == shape:
                return self._put_same(line, call.args[0])
            if self._inner(x) is not None:
                return self._put(line.results, method("reshape"), call.args[0], shape)
        return self._put(line.results, method("reshape"), x, shape)

    def _kept_axes(self, line: Call, call: Call, shape: tuple[int, ...]) -> bool:
        """A reduction that gives this shape by itself."""
        of, axis = call.args[0], call.kwargs.get("axis")
        before = np.shape(of.data)
        axes = range(len(before)) if axis is None else (axis,) if isinstance(axis, int) else axis
        kept = tuple(1 if k in axes else n for k, n in enumerate(before))
        if "keepdims" not in call.kwargs:
            return shape == kept and self._put(line.results, call.function, of, **call.kwargs, keepdims=True)
        words = {k: v for k, v in call.kwargs.items() if k not in ("keepdims", "axis")}
        single = [k for k in axes if before[k] == 1]  # a sum over one element is none: the axis may stay
        for left in (c for n in range(len(single) + 1) for c in itertools.combinations(single, n)):
            gone = tuple(k for k in axes if k not in left)
            if not gone or shape != tuple(n for k, n in enumerate(before) if k not in gone):
                continue
            if len(gone) < len(before):
                words["axis"] = gone if len(gone) > 1 else gone[0]
            return self._put(line.results, call.function, of, **words)
        if len(axes) == len(before) and self._uses[line.args[0]] <= 1:
            total = self._new(line.results[0], call.function, of, shape=(), **words)
            return self._put(line.results, method("reshape"), total, shape)
        return False

    def _indexed(self, line: Call, args: Any) -> bool:
        """`A @ v` for a vector made a column; a sum that keeps its axes for an axis put back."""
        (x, key), call = args, self._call(args[0])
        if call is None or not isinstance(x, Value) or key.__class__ is not tuple:
            return False
        part = _only_part(call, key[0]) if len(key) == 1 or (len(key) == 2 and key[1] is ...) else None
        if isinstance(part, Value) and alike(part, line.results[0]) and self._same(line, part):
            return True
        if call.function in KEEPING and _adds_axes(key):
            return self._kept_axes(line, call, np.shape(line.results[0].data))
        if call.function in PRODUCTS and len(key) == 2 and key[0] is ... and key[1] == 0 and np.ndim(x.data) == 2:
            column = self._call(call.args[1])
            if column is not None and column.function is line.function and _adds_axes(column.args[1]):
                return self._put(line.results, call.function, call.args[0], column.args[0])
        return False

    # --- one place of each row

    def _taken(self, line: Call, args: Any) -> bool:
        """A maximum for what lies where the largest is; `X[np.arange(m), y]` for one place of each row."""
        (x, index, *given), (result,) = args, line.results
        axis, place = given[0] if given else line.kwargs["axis"], self._call(index)
        if place is None or axis is None:
            return False
        largest = {np.argmax: np.max, np.argmin: np.min}.get(place.function)
        if largest is not None and place.args[0] is x and place.kwargs == {"axis": axis, "keepdims": True}:
            return self._put(line.results, largest, x, axis=axis, keepdims=True)
        labels = self._column(index)
        if labels is None or axis not in (1, -1) or len(labels.data) != len(x.data):
            return False
        key = np.arange(len(labels.data)), labels
        picked = self._new(result, SUBSCRIPT, x, key, shape=np.shape(labels.data))
        return self._put(line.results, method("reshape"), picked, np.shape(result.data))

    def _put_along(self, line: Call, args: Any) -> bool:
        """`dX[np.arange(m), y] = dA` for numbers that go to one place of each row."""
        part, index = args
        labels = self._column(index)
        if (
            labels is None
            or not puts_along(line)
            or len(line.kwargs["shape"]) != 2
            or line.kwargs["axis"] not in (1, -1)
        ):
            return False
        rows = len(labels.data)
        if isinstance(part, Value):
            call = self._call(part)
            plain = call is not None and _is_reshape(call) and np.shape(call.args[0].data) == (rows,)
            part = (
                call.args[0]
                if call is not None and plain
                else self._new(part, method("reshape"), part, (rows,), shape=(rows,))
            )
        else:
            share = self.share_of(part)
            part = np.reshape(part, (rows,))
            if share is not None:
                self._shares[id(part)] = share
        key = Slot(0), Slot(1)
        return self._put(line.results, SCATTER, part, np.arange(rows), labels, key=key, shape=line.kwargs["shape"])

    def _column(self, index: Any) -> Value | None:
        """The vector that has been made a column."""
        call = self._call(index)
        x = call.args[0] if call is not None and (_is_reshape(call) or _adds_an_axis(call)) else None
        column = isinstance(x, Value) and np.ndim(x.data) == 1 and np.shape(index.data) == (len(x.data), 1)
        return x if column else None

    # --- sums

    def _reduction(self, line: Call, args: Any) -> bool:
        """`np.sum(X, axis=1)` for `np.add.reduce(X, axis=(1,))`; no axis where it is all of them."""
        function = line.function
        named = REDUCTIONS.get(function.__name__) if isinstance(function, Reduce) else function
        named = SHORTER.get(named, named)
        kwargs = {k: v for k, v in line.kwargs.items() if v is not None and v is not False}
        if named is None or not isinstance(args[0], Value) or len(args) > 1:
            return False
        if set(kwargs) - ({"axis", "keepdims", "ddof"} if named is np.var else {"axis", "keepdims"}):
            return False
        axis, ndim = line.kwargs.get("axis", 0 if isinstance(function, Reduce) else None), np.ndim(args[0].data)
        axes = range(ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        axes = sorted({a % ndim for a in axes}) if ndim else []  # of a single number axis 0 may be named
        if axis is None or not ndim or (len(axes) == ndim and "keepdims" not in kwargs):
            kwargs.pop("axis", None)
        else:
            kwargs["axis"] = axes[0] if len(axes) == 1 else tuple(axes)
        if named is np.sum and not kwargs and self._put_squares(line, args[0]):
            return True
        inner = self._inner(args[0])
        if inner is not None and inner.function is named in TOTALS and not kwargs:  # a mean of means
            return self._put(line.results, named, inner.args[0])
        return self._put(line.results, named, args[0], **kwargs)

    def _put_squares(self, line: Call, x: Value) -> bool:
        """The common norm of arrays: the sum of their sums of squares, not the norm of their norms."""
        square = self._inner(x)
        stack = self._inner(square.args[0]) if square is not None and square.function is np.square else None
        if stack is None or stack.function is not np.stack:
            return False
        roots = [self._inner(part) for part in stack.args[0]]
        if any(c is None or c.function is not np.sqrt or np.ndim(c.results[0].data) for c in roots):
            return False
        total, *rest = [c.args[0] for c in roots if c is not None]
        for part in rest[:-1]:
            total = self._new(line.results[0], np.add, total, part)
        return self._put(line.results, np.add, total, rest[-1]) if rest else self._same(line, total)

    def _root(self, line: Call, args: Any) -> bool:
        """A standard deviation for the root of a variance."""
        call = self._inner(args[0])
        return (
            call is not None and call.function is np.var and self._put(line.results, np.std, *call.args, **call.kwargs)
        )

    # --- parts

    def _parts(self, line: Call, args: Any) -> bool:
        """Zeros with something in one place; places that arrays name may repeat, and are left to a function."""
        if len(args) == 1 and isinstance(args[0], Value) and _is_whole(line.kwargs["key"], line.kwargs["shape"]):
            return self._reshape(line, args)
        return len(args) == 1 and self._put(
            line.results, PARTS, args[0], keys=(line.kwargs["key"],), shape=line.kwargs["shape"]
        )

    def _together(self, line: Call, args: Any) -> bool:
        """One array of zeros for a sum of several that have something in one place each."""
        one, other = map(self._call, args)
        if one is None or other is None or one.function is not PARTS or other.function is not PARTS:
            return False
        if any(v.name for v in args) or not alike(*args):
            return False
        for v, call in zip(args, (one, other), strict=True):
            if self._uses[v] > 1:  # its parts are used once more
                self._uses.update(x for x in call.args if isinstance(x, Value))
        keys = one.kwargs["keys"] + other.kwargs["keys"]
        return self._put(line.results, PARTS, *one.args, *other.args, keys=keys, shape=one.kwargs["shape"])


def _only_part(call: Call, k: Any) -> Any:
    """What lies at an index of a stack of one, or of zeros with something in that place."""
    if k.__class__ is not int:
        return None
    if call.function is np.stack and len(call.args[0]) == 1 and (*call.args[1:], 0)[0] == 0 and not call.kwargs:
        return call.args[0][0]
    if call.function is not PARTS or len(call.args) != 1:
        return None
    (at,), n = call.kwargs["keys"], call.kwargs["shape"][0]
    at = at[0] if at.__class__ is tuple and at[1:] in ((), (...,)) else at
    return call.args[0] if at.__class__ is int and at % n == k % n else None


def _is_whole(key: Any, shape: tuple[int, ...]) -> bool:
    """Whether an index leads to all elements, in their order."""
    steps = [k.step for k in (key if key.__class__ is tuple else (key,)) if k.__class__ is slice]
    return all(step in (None, 1) for step in steps) and np.empty(shape, bool)[key].size == math.prod(shape)


def _adds_an_axis(call: Call) -> bool:
    return isinstance(call.function, Subscript) and _adds_axes(call.args[1])


def _adds_axes(key: Any) -> bool:
    """Whether an index does nothing but add axes."""
    parts = key if key.__class__ is tuple else (key,)
    whole = (k is ... or (k.__class__ is slice and k == slice(None)) for k in parts if k is not None)
    return any(k is None for k in parts) and all(whole)


def puts_along(line: Call) -> bool:
    """Whether numbers go to one place of each row, so that none of them meet."""
    if line.function is not add_along:
        return False
    axis, shape = line.kwargs["axis"], line.kwargs["shape"]
    parts = [np.shape(getattr(x, "data", x)) for x in line.args]
    return bool(shape) and parts[0] == parts[1] == tuple(
        1 if k == axis % len(shape) else n for k, n in enumerate(shape)
    )


def one_a_row(line: Call) -> bool:
    """Whether a number goes to one place of each row, whose number is counted: `X[np.arange(m), labels]`."""
    if line.function is not SCATTER or len(line.args) != 3 or len(line.kwargs["shape"]) != 2:
        return False
    rows = line.args[1]
    return isinstance(rows, np.ndarray) and np.array_equal(rows, np.arange(line.kwargs["shape"][0]))


def _is_reshape(call: Call) -> bool:
    name = getattr(call.function, "__name__", "")
    return name == "reshape" and isinstance(call.args[0], Value)
