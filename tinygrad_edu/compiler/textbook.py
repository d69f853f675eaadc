"""What a textbook would write for the calls of a program, before they are printed as formulas.

Eager mode's forwards are fast: a sum is a product with ones, a mask is multiplied into bits, a softmax shares its
exponentials with the loss. Here such calls become what they mean: `np.mean(X, axis=1)`, `dA * (A > 0)`, `P - Y`.
Checks of values, copies and casts to the same are left out. The sums may differ in the last digit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.primitive import PRIMITIVES
from .cells import SUBSCRIPT, Attribute, Call, Check, Method, Reduce, Value, bare, method, outline, values_of
from .listing import Listing, is_draw

REDUCTIONS = {"add": np.sum, "maximum": np.max, "minimum": np.min, "multiply": np.prod}
SUMS = {np.sum, np.max, np.min, np.prod, np.mean}
GUARD = 80.0  # from about here on exp(x) leaves float32: `exp(minimum(x, 88))` guards against a warning


TURNED = method("T", Attribute)


class Textbook:
    """The rewritten lines of a listing. `now[value]` is what stands for a value that has gone."""

    def __init__(self, listing: Listing) -> None:
        self.now: dict[Value, Any] = {}
        self.lines: list[Call] = []
        self._made: dict[Value, Call] = {}
        self._flat: dict[Value, Value] = {}  # sums of rows of a reshaped array -> the array itself
        self._labels: dict[Value, Value] = {}  # one-hot labels, by the labels
        self._section = ""
        rules = {
            "cross_entropy_of_classes": self._cross_entropy,
            "minus_one_hot": self._minus_labels,
            "count_kept": self._count_of_labels,
            "attend": self._attention,
            "embed": self._rows_of,
        }
        self._whole = {PRIMITIVES[key].forward: rule for key, rule in rules.items()}
        for line in listing.lines:
            if not isinstance(line, Check):
                self._section = line.section
                self._take(line)
        self._drop_unused(listing)

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
        for rule in self._rules(line.function):
            if rule(line, args):
                return
        self._put(line.results, line.function, *args, **kwargs)

    def _rules(self, function: Any) -> tuple[Callable[[Call, Any], bool], ...]:
        name = getattr(function, "__name__", "")
        if function is np.multiply:
            return (self._product,)
        if function is np.divide:
            return (self._quotient,)
        if function is np.dot:
            return (self._sum_by_ones,)
        if isinstance(function, Reduce) or function in SUMS:
            return (self._reduction,)
        if function in (np.add, np.subtract):
            return (self._shifted,)
        if isinstance(function, Attribute):
            return (self._transposed,)
        if function is np.exp:
            return (self._exponential,)
        if function is np.maximum:
            return (self._count,)
        if function in (np.positive, np.copy) or (isinstance(function, Method) and name == "copy"):
            return (self._copy,)
        if function is np.negative:
            return (self._negative,)
        if name == "astype":
            return (self._cast,)
        if name == "reshape":
            return (self._reshape,)
        if name == "view":
            return (self._masked_bits,)
        return (self._whole[function],) if function in self._whole else ()

    # --- making calls

    def _put(self, results: tuple[Value, ...], function: Any, *args: Any, **kwargs: Any) -> bool:
        call = Call(function, args, kwargs)
        call.results, call.section = results, self._section
        self.lines.append(call)
        for value in results:
            self._made[value] = call
        return True

    def _new(self, shape: tuple[int, ...], dtype: Any, function: Any, *args: Any, **kwargs: Any) -> Value:
        value = Value(outline(np.empty(shape, dtype)))
        self._put((value,), function, *args, **kwargs)
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

    # --- rules: whether one has taken the line

    def _copy(self, line: Call, args: Any) -> bool:
        """A copy of what is computed here is the same number."""
        x = root = args[0]
        while isinstance(root, Value) and root.source is not None:
            root = root.source
        fresh = isinstance(x, Value) and self.of(root) in self._made
        return fresh and np.shape(x.data) == np.shape(line.results[0].data) and self._same(line, x)

    def _product(self, line: Call, args: Any) -> bool:
        """`X / m` for X times a number that is 1 / m, m being how many X has."""
        for x, factor in (args, args[::-1]):
            number = _number(factor, line)
            if not isinstance(x, Value) or number is None or not _alike(x, line.results[0]):
                continue
            if number == 1:
                return self._same(line, x)
            n = factor.count if isinstance(factor, Share) else _counted(abs(number), np.shape(x.data))
            if n and (self._section == "backward" or isinstance(factor, Share)):
                if number > 0:
                    return self._put(line.results, np.divide, x, n)
                return self._put(line.results, np.negative, self._new(x.data.shape, x.data.dtype, np.divide, x, n))
            return self._put(line.results, np.multiply, *((number, x) if factor is args[0] else (x, number)))
        return False

    def _shifted(self, line: Call, args: Any) -> bool:
        """A difference for a negated term; a number for an array of equal numbers, if the shape does not need it."""
        for x, term in (args, args[::-1]) if line.function is np.add else ():
            negated = self._call(term)
            if negated is not None and negated.function is np.negative:
                return self._put(line.results, np.subtract, x, *negated.args)
        numbers = [None if isinstance(x, Value) else _number(x, line) for x in args]
        values = [x for x in args if isinstance(x, Value)]
        if len(values) != 1 or not _alike(values[0], line.results[0]) or numbers == [None, None]:
            return False
        plain = (x if number is None else number for x, number in zip(args, numbers, strict=True))
        return self._put(line.results, line.function, *plain)

    def _negative(self, line: Call, args: Any) -> bool:
        call = self._call(args[0])
        return call is not None and call.function is np.negative and self._same(line, call.args[0])

    def _cast(self, line: Call, args: Any) -> bool:
        """A step size, computed in float64, need not be rounded before it meets float32."""
        x = args[0]
        narrow = np.ndim(x.data) == 0 and x.data.dtype == np.float64 and line.results[0].data.dtype == np.float32
        return narrow and self._section == "update" and self._same(line, x)

    def _transposed(self, line: Call, args: Any) -> bool:
        """`B.T @ A.T` for `(A @ B).T`, where one of them is turned already."""
        call = self._call(args[0])
        if line.function is not TURNED or call is None or call.function is not np.dot:
            return False
        parts = call.args[::-1]
        turned = [self._call(x) for x in parts]
        if not all(isinstance(x, Value) for x in parts) or not any(c and c.function is TURNED for c in turned):
            return False
        fresh = [
            c.args[0] if c and c.function is TURNED else self._new(np.shape(x.data)[::-1], x.data.dtype, TURNED, x)
            for x, c in zip(parts, turned, strict=True)
        ]
        return self._put(line.results, np.dot, *fresh)

    def _quotient(self, line: Call, args: Any) -> bool:
        """A mean for a sum divided by its count."""
        x, divisor = args
        n = _number(divisor, line)
        if n is not None and not isinstance(x, Value) and _number(x, line) == 1:
            return self._same(line, Share(int(n))) if n == int(n) else False
        call = self._call(x)
        if call is not None and call.function is np.negative and _alike(x, line.results[0]):
            positive = self._new(np.shape(x.data), x.data.dtype, np.divide, call.args[0], divisor)
            return self._put(line.results, np.negative, positive)
        if n is None or call is None or call.function is not np.sum:
            return False
        of, axis = call.args[0], call.kwargs.get("axis")
        shape = np.shape(of.data)
        axes = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
        if math.prod(shape[a] for a in axes) != n:
            return False
        return self._put(line.results, np.mean, of, **call.kwargs)

    def _sum_by_ones(self, line: Call, args: Any) -> bool:
        """`np.sum` for a product with ones, of all that was reshaped to rows for it."""
        for ones, X, axis in ((args[0], args[1], 0), (args[1], args[0], 1)):
            if not (isinstance(ones, np.ndarray) and ones.ndim == 1 and isinstance(X, Value) and (ones == 1).all()):
                continue
            call, (result,) = self._call(X), line.results
            if call is not None and _is_reshape(call) and np.shape(call.args[0].data)[-1:] == np.shape(X.data)[1:]:
                whole = call.args[0]
                if axis == 0:
                    return self._put(line.results, np.sum, whole, axis=_axes(range(np.ndim(whole.data) - 1)))
                self._flat[result] = whole
            return self._put(line.results, np.sum, X, axis=axis)
        return False

    def _reshape(self, line: Call, args: Any) -> bool:
        """A product of more than two axes, or a sum, for one of rows that is given its shape back."""
        (x, *_), (result,) = args, line.results
        shape, call = np.shape(result.data), self._call(x)
        if call is not None and call.function in SUMS and "keepdims" not in call.kwargs:
            of, axis = call.args[0], call.kwargs.get("axis")
            axes = range(np.ndim(of.data)) if axis is None else (axis,) if isinstance(axis, int) else axis
            if shape == tuple(1 if k in axes else n for k, n in enumerate(np.shape(of.data))):
                return self._put(line.results, call.function, of, **call.kwargs, keepdims=True)
        whole = self._flat.get(x) if isinstance(x, Value) else None
        if whole is not None:
            last, rows = np.ndim(whole.data) - 1, np.shape(whole.data)[:-1]
            if shape in (rows, (*rows, 1)):
                return self._put(
                    line.results, np.sum, whole, axis=last, **({} if shape == rows else {"keepdims": True})
                )
        if call is not None and call.function is np.dot and isinstance(call.args[0], Value):
            A, B = call.args
            inner = self._call(A)
            if inner is not None and _is_reshape(inner) and isinstance(B, Value):
                X = inner.args[0]
                if (*np.shape(X.data)[:-1], np.shape(B.data)[1]) == shape and np.shape(X.data)[-1] == np.shape(B.data)[
                    0
                ]:
                    return self._put(line.results, np.matmul, X, B)
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
            kwargs["axis"] = _axes(axes)
        return self._put(line.results, named, args[0], **kwargs)

    def _exponential(self, line: Call, args: Any) -> bool:
        call = self._call(args[0])
        if call is None or call.function is not np.minimum or (_number(call.args[1], call) or 0) < GUARD:
            return False
        return self._put(line.results, np.exp, call.args[0])

    def _masked_bits(self, line: Call, args: Any) -> bool:
        """`dA * (A > 0)` for the product of dA's bits with the mask."""
        product = self._call(args[0])
        if product is None or product.function is not np.multiply or len(product.args) != 2:
            return False
        bits, negated = map(self._call, product.args)
        if (
            bits is None
            or negated is None
            or bits.function is not method("view")
            or not isinstance(bits.args[0], Value)
        ):
            return False
        compared = self._call(negated.args[0]) if negated.function is np.logical_not else None
        if compared is None or compared.function is not np.less_equal:
            return False
        mask = self._new(np.shape(args[0].data), bool, np.greater, *compared.args)
        return self._put(line.results, np.multiply, bits.args[0], mask)

    def _cross_entropy(self, line: Call, args: Any) -> bool:
        """Log-softmax, its entries at the labels, and their mean."""
        Z, labels = args
        loss, P = line.results
        P.name = P.name or "P"
        shape, number = np.shape(Z.data), Z.data.dtype
        rows = shape[0], 1
        top = self._new(rows, number, np.max, Z, axis=1, keepdims=True)
        S = self._new(shape, number, np.subtract, Z, top)
        total = self._new(rows, number, np.sum, self._new(shape, number, np.exp, S), axis=1, keepdims=True)
        logP = self._new(shape, number, np.subtract, S, self._new(rows, number, np.log, total))
        logP.name = f"log{P.name}"
        if self._are_classes(labels, line):
            entries = self._new(shape[:1], number, SUBSCRIPT, logP, (np.arange(shape[0]), labels))
            mean = self._new((), number, np.mean, entries)
        else:
            Y = self._one_hot(labels, shape, number)
            weighed = self._new((), number, np.sum, self._new(shape, number, np.multiply, Y, logP))
            mean = self._new((), number, np.divide, weighed, self._new((), number, np.sum, Y))
        self._put((loss,), np.negative, mean)
        return self._put((P,), np.exp, logP)

    def _rows_of(self, line: Call, args: Any) -> bool:
        return self._put(line.results, SUBSCRIPT, *args)

    def _attention(self, line: Call, args: Any) -> bool:
        """Softmax along the last axis, and the product with the values."""
        if len(args) != 2 or not all(isinstance(x, Value) for x in args):
            return False
        S, V = args
        O, P = line.results
        shape, dtype = np.shape(S.data), S.data.dtype
        rows, last = (*shape[:-1], 1), len(shape) - 1
        top = self._new(rows, dtype, np.max, S, axis=last, keepdims=True)
        E = self._new(shape, dtype, np.exp, self._new(shape, dtype, np.subtract, S, top))
        self._put((P,), np.divide, E, self._new(rows, dtype, np.sum, E, axis=last, keepdims=True))
        return self._put((O,), np.matmul, P, V)

    def _minus_labels(self, line: Call, args: Any) -> bool:
        P, labels = args
        Y = self._one_hot(labels, np.shape(P.data), P.data.dtype)
        if not self._are_classes(labels, line):
            kept = self._new((np.shape(P.data)[0], 1), P.data.dtype, np.sum, Y, axis=1, keepdims=True)
            P = self._new(np.shape(P.data), P.data.dtype, np.multiply, kept, P)
        return self._put(line.results, np.subtract, P, Y)

    def _count_of_labels(self, line: Call, args: Any) -> bool:
        labels = args[0]
        if self._are_classes(labels, line):
            return self._same(line, np.shape(labels.data)[0])
        return labels in self._labels and self._put(line.results, np.sum, self._labels[labels])

    def _count(self, line: Call, args: Any) -> bool:
        """`maximum(m, 1)` of a count that is known."""
        return all(x.__class__ is int for x in args) and self._same(line, max(args))

    @staticmethod
    def _are_classes(labels: Any, line: Call) -> bool:
        """Whether none is ignored, as far as can be seen: labels that are given, and the usual -100."""
        while isinstance(labels, Value) and labels.source is not None:
            labels = labels.source
        return isinstance(labels, Value) and labels.call is None and line.kwargs.get("ignore_index") == -100

    def _one_hot(self, labels: Value, shape: tuple[int, ...], dtype: Any) -> Value:
        """A 1 at each label; a row of zeros where the label is none of the classes."""
        Y = self._labels.get(labels)
        if Y is None:
            column = self._new((shape[0], 1), np.int64, SUBSCRIPT, labels, (slice(None), None))
            Y = self._labels[labels] = self._new(shape, bool, np.equal, column, np.arange(shape[1]))
            Y.name = "Y"
        return Y

    # --- the end

    def _drop_unused(self, listing: Listing) -> None:
        roots = [*listing.results, *listing.created, *(v for _, v in (*listing.writes, *listing.grads))]
        needed = set(values_of([self.of(v) for v in roots]))
        kept = []
        for line in reversed(self.lines):
            if is_draw(line) or any(v in needed for v in line.results):
                needed.update(line.operands)
                kept.append(line)
        self.lines = kept[::-1]


class Share(float):
    """1 / count."""

    count: int

    def __new__(cls, count: int) -> Share:
        """The number, which remembers its count."""
        share = super().__new__(cls, 1 / count)
        share.count = count
        return share


def _is_reshape(call: Call) -> bool:
    name = getattr(call.function, "__name__", "")
    return name == "reshape" and isinstance(call.args[0], Value)


def _alike(x: Value, y: Value) -> bool:
    return np.shape(x.data) == np.shape(y.data) and getattr(x.data, "dtype", None) == getattr(y.data, "dtype", None)


def _axes(axes: Any) -> Any:
    axes = tuple(axes)
    return axes[0] if len(axes) == 1 else axes


def _number(x: Any, line: Call) -> Any:
    """The number that a constant is at every place; None if it is none."""
    if x.__class__ in (int, float, Share):
        return x
    if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind == "f" and np.size(x):
        first = np.asarray(x).flat[0]
        return float(str(first)) if (np.asarray(x) == first).all() else None
    return None


def _counted(number: float, shape: tuple[int, ...]) -> int | None:
    """m, where the number is 1 / m and m is how many rows or elements there are."""
    for n in {*shape[:1], math.prod(shape)}:
        if n > 1 and math.isclose(number, 1 / n, rel_tol=1e-6):
            return n
    return None
