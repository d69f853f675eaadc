"""How a textbook writes sums and products.

Signs, numbers and the counts of means move out of products: `-(x * 2) * y / 6` is -2, 6 and x * y, and is written
`-2 * x * y / 6`. So two minuses cancel, and terms of one mean are divided together.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ...ops.losses_labels import rows_of_labels
from ...symbolic.layouts import outline
from ..calls import Call, Value
from .conditions import Conditions
from .rewriting import Share, alike, is_count, number_of
from .shaping import one_a_row, puts_along

BRIEF = 6  # characters of a number that two were multiplied to


class Scaled(NamedTuple):
    """number * core / m"""

    number: float
    m: int
    core: Any


class Arithmetic(Conditions):
    """Rules: each says whether it has taken the line."""

    # --- signs, numbers and counts

    def _scaled(self, x: Any, named: bool = False) -> Scaled:
        """A value without its factors, where it has no name and is used here alone; or may have one, itself."""
        call = self._call(x) if named else self._inner(x)
        if call is None and self._is_glanced(x):
            call = self._made[x]
            self._uses.update(call.args)
        if call is None or call.kwargs or not _is_floating(x):
            return Scaled(1, 1, x)
        if call.function is np.negative:
            inner = self._scaled(call.args[0])
            return inner._replace(number=-inner.number)
        if call.function is np.divide and is_count(number_of(call.args[1])):
            inner = self._scaled(call.args[0])
            return inner._replace(m=inner.m * int(number_of(call.args[1])))
        over = number_of(call.args[0]) if call.function is np.divide else None
        if over not in (None, 0, 1) and isinstance(call.args[1], Value) and alike(call.args[1], x):
            return Scaled(over, 1, self._new(x, np.divide, 1, call.args[1]))
        if call.function is np.multiply and isinstance(call.args[1], Value) and alike(call.args[1], x):
            number, inner = number_of(call.args[0]), self._scaled(call.args[1])
            if number is not None and _is_exact(number, inner.number):
                return inner._replace(number=number * inner.number)
        return Scaled(1, 1, x)

    def _is_glanced(self, x: Any) -> bool:
        """Whether something is a negative without a name: it is written wherever it is used."""
        call = self._call(x)
        return call is not None and call.function is np.negative and x.name is None and isinstance(call.args[0], Value)

    def _masked(self, x: Any, result: Value) -> Scaled | None:
        """A number / m where a condition holds."""
        call = self._inner(x)
        if call is None or call.function not in (np.multiply, np.divide) or not _is_floating(result):
            return None
        first, second = call.args
        if call.function is np.divide and _is_mask(first, x) and is_count(number_of(second)):
            return Scaled(1, int(number_of(second)), first)
        if call.function is np.multiply and _is_mask(second, x):
            share = first if first.__class__ is Share else Share(number_of(first), 1)
            return Scaled(*share, second) if share.number is not None else None
        return None

    def _put_scaled(self, line: Call, number: float, m: int, core: Value) -> bool:
        """`number * core / m`, with a minus in front for -1."""
        inverse = self._inner(core) if number != 1 else None
        if inverse is not None and inverse.function is np.divide and number_of(inverse.args[0]) is not None:
            over = number * number_of(inverse.args[0])
            if m == 1:
                return self._put(line.results, np.divide, over, inverse.args[1])
            number, core = 1, self._new(core, np.divide, over, inverse.args[1])
        if number == m == 1:
            return self._put_same(line, core)
        opposite = self._limit(core) if number < 0 else None
        if opposite is not None:
            return self._put_scaled(line, -number, m, opposite)
        if number != -1 and m == 1:
            return self._put(line.results, np.multiply, number, core)
        if number == -1:
            return self._put(line.results, np.negative, self._apply(Scaled(1, m, core)))
        return self._put(line.results, np.divide, self._apply(Scaled(number, 1, core)), m)

    def _apply(self, scaled: Scaled) -> Any:
        """A value with factors, as lines in front."""
        number, m, x = scaled
        if abs(number) != 1:
            x = self._new(x, np.multiply, number, x)
        if m > 1:
            x = self._new(x, np.divide, x, m)
        return self._new(x, np.negative, x) if number == -1 else x

    # --- products

    def _product(self, line: Call, args: Any) -> bool:
        """A square, a quotient by the count that a constant was divided by, a number for an array of equal ones."""
        (result,) = line.results
        args = self._unstretched(args, result)
        if args[0] is args[1]:
            return self._put(line.results, np.square, self._unsigned(args[0]))
        for quotient, factor in (args, args[::-1]):
            call = self._inner(quotient)
            if call is not None and call.function is np.divide and call.args[1] is factor and isinstance(factor, Value):
                x = call.args[0]
                if isinstance(x, Value) and alike(x, result):
                    return self._put_same(line, x)
        for x, factor in (args, args[::-1]):
            number, m, core = self._scaled(factor)
            inverse = self._inner(core)
            if inverse is None or inverse.function is not np.divide or number_of(inverse.args[0]) != 1:
                continue
            if isinstance(x, Value) and alike(x, result):
                if number == m == 1:
                    return self._quotient(line, (x, inverse.args[1]))
                return self._put_scaled(line, number, m, self._new(result, np.divide, x, inverse.args[1]))
        values = [x for x in args if isinstance(x, Value)]
        if len(values) == 1:
            return self._multiple(line, *(args if values[0] is args[1] else args[::-1]))
        if np.ndim(args[1].data) == 0 < np.ndim(args[0].data):  # lr * dW
            args = args[::-1]
        one, other = (self._masked(x, result) or self._scaled(x) for x in args)
        if _is_mask(one.core, result) and one.core is not args[0]:
            one, other = other, one
        if not _is_floating(result) or (one.core is args[0] and other.core is args[1]):
            return self._put_square(line, *args) or self._put(line.results, np.multiply, *args)
        if not _is_exact(one.number, other.number):
            other = Scaled(1, 1, args[1])
        core = self._new(result, np.multiply, one.core, other.core)
        return self._put_scaled(line, one.number * other.number, one.m * other.m, core)

    def _multiple(self, line: Call, factor: Any, x: Value) -> bool:
        """A constant times a value."""
        number, (result,) = number_of(factor), line.results
        if number is not None and _is_mask(x, result) and _is_floating(result):
            share = self._shares.get(id(factor), Share(number, 1))
            if share.number == 1 < share.m:
                return self._put(line.results, np.divide, x, share.m)
            return self._put(line.results, np.multiply, _plain(share), x)
        if number is None or not alike(x, result):
            return False
        if number == 1:
            return self._put_same(line, x)
        if number == 0:  # but for infinities and NaN
            return self._same(line, np.zeros(np.shape(result.data), result.data.dtype))
        share = self._shares.get(id(factor), Share(number, 1))
        if not _is_floating(x):
            return self._put(line.results, np.multiply, _plain(share), x)
        inner = self._scaled(x)
        if not _is_exact(share.number, inner.number):
            inner = Scaled(1, 1, x)
        return self._put_scaled(line, share.number * inner.number, share.m * inner.m, inner.core)

    def _power(self, line: Call, args: Any) -> bool:
        """`1`, `X` and `X ** 2` for the powers 0, 1 and 2."""
        (result,), power = line.results, number_of(args[1])
        if power == 2:
            return self._put(line.results, np.square, self._unsigned(args[0]))
        if power == 0:
            return self._same(line, np.ones(np.shape(result.data), result.data.dtype))
        return power == 1 and isinstance(args[0], Value) and alike(args[0], result) and self._put_same(line, args[0])

    def _unsigned(self, x: Any) -> Any:
        """What has the same magnitude."""
        call = self._call(x)
        return call.args[0] if call is not None and call.function is np.negative else x

    def _magnitude(self, line: Call, args: Any) -> bool:
        """Of a negated value that of the value, or its square."""
        return self._put(line.results, line.function, self._unsigned(args[0]))

    def _put_square(self, line: Call, x: Value, y: Value) -> bool:
        """`c * y**2` for `c * y * y`."""
        call = self._inner(x)
        if call is None or call.function is not np.multiply or call.args[1] is not y or not alike(x, y):
            return False
        return self._put(line.results, np.multiply, call.args[0], self._new(y, np.square, y))

    def _quotient(self, line: Call, args: Any) -> bool:
        """A mean for a sum divided by its count; signs and counts outside."""
        (result,), (x, divisor) = line.results, self._unstretched(args, line.results[0])
        n, call = number_of(divisor), self._call(x)
        if self._guarded(line, call, self._call(divisor)):
            return True
        negated = call is not None and call.function is np.negative
        if call is not None and negated:
            call = self._call(call.args[0])
        if call is not None and n is not None and call.function is np.sum and "dtype" not in call.kwargs:
            of, axis = call.args[0], call.kwargs.get("axis")
            shape = np.shape(of.data)
            axes = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
            if math.prod(shape[a] for a in axes) == n:
                if not negated:
                    return self._put(line.results, np.mean, of, **call.kwargs)
                mean = self._new(result, np.mean, of, **call.kwargs)
                return self._put(line.results, np.negative, mean)
        if isinstance(x, Value) and alike(x, result) and _is_floating(x):
            scale = self._scaled(x)
            if is_count(n):
                return self._put_scaled(line, scale.number, scale.m * int(n), scale.core)
            if scale.core is not x:
                core = self._new(result, np.divide, scale.core, divisor)
                return self._put_scaled(line, scale.number, scale.m, core)
        share = None if isinstance(x, Value) else self.share_of(x)
        if share is not None and isinstance(divisor, Value) and alike(divisor, result) and _is_floating(divisor):
            return self._put_scaled(line, share.number, share.m, self._new(result, np.divide, 1, divisor))
        return self._put(line.results, np.divide, x, divisor)

    def _guarded(self, line: Call, x: Call | None, divisor: Call | None) -> bool:
        """`np.where(c, 0, a / b)` for a quotient with 0 over 1 where c holds."""
        if x is None or divisor is None or x.function is not np.where or divisor.function is not np.where:
            return False
        (condition, zero, a), (same, one, b) = x.args, divisor.args
        if condition is not same or (number_of(zero), number_of(one)) != (0, 1):
            return False
        return self._put(line.results, np.where, condition, 0, self._new(line.results[0], np.divide, a, b))

    # --- sums

    def _shifted(self, line: Call, args: Any) -> bool:
        """A difference for a negated term; one division for terms of one mean; no zeros."""
        (result,) = line.results
        if line.function is np.add and self._together(line, args):
            return True
        args = self._unstretched(args, result)
        values = [x for x in args if isinstance(x, Value)]
        if len(values) == 1:
            return self._moved(line, args, values[0])
        if not _is_floating(result):
            return False
        one, other = terms = [*map(self._scaled, args)]
        if line.function is np.subtract:
            other = other._replace(number=-other.number)
        m = one.m if one.m == other.m and alike(*args) else 1
        if one.core is other.core and one.m == other.m and alike(*args) and one.number + other.number:
            return self._put_scaled(line, one.number + other.number, one.m, one.core)
        swapped = one.number < 0 < other.number
        function = np.subtract if (one if swapped else other).number < 0 else np.add
        if m == 1 and not swapped and function is line.function:
            return self._put(line.results, function, *args)

        def term(k: int, sign: float) -> Any:
            same = m == 1 and sign == 1
            return args[k] if same else self._apply(terms[k]._replace(number=sign * terms[k].number, m=terms[k].m // m))

        if swapped:  # -a + b
            parts = term(1, 1 if line.function is np.add else -1), term(0, -1)
        else:
            parts = term(0, 1), term(1, 1 if function is line.function else -1)
        if m == 1:
            return self._put(line.results, function, *parts)
        return self._put_scaled(line, 1, m, self._new(result, function, *parts))

    def _moved(self, line: Call, args: Any, x: Value) -> bool:
        """A constant added: a number, or a number / m, for an array of equal ones, if the shape does not need it."""
        numbers = [None if isinstance(part, Value) else number_of(part) for part in args]
        if numbers == [None, None] or not alike(x, line.results[0]):
            return False
        if 0 in numbers and (line.function is np.add or args[0] is x):
            return self._put_same(line, x)
        if 0 in numbers and line.function is np.subtract:
            return self._negative(line, (x,))
        first, added = numbers[0] is not None, line.function is np.add
        constant, scale = (args[0] if first else args[1]), self._scaled(x)
        share = self._shares.get(id(constant), Share(number_of(constant), 1))
        if scale.number < 0 and (first or (added and share.number > 0)):  # c - x for c + -x
            positive = self._apply(scale._replace(number=-scale.number))
            return self._put(line.results, np.subtract if added else np.add, _plain(share), positive)
        if share.number < 0 and (added or not first):  # x - c for x + -c
            opposite = _plain(Share(-share.number, share.m))
            return self._put(line.results, np.subtract if added else np.add, x, opposite)
        parts = (_plain(share), x) if first else (x, _plain(share))
        return self._put(line.results, line.function, *parts)

    def _negative(self, line: Call, args: Any) -> bool:
        """Two minuses cancel."""
        call = self._call(args[0])
        if call is not None and call.function is np.negative:
            return self._put_same(line, call.args[0])
        scale = self._scaled(args[0])
        return self._put_scaled(line, -scale.number, scale.m, scale.core)

    def _limit(self, x: Any) -> Value | None:
        """`min(X, 0)`, which is -x for `max(-X, 0)`."""
        call = self._inner(x)
        if call is None or call.function not in (np.maximum, np.minimum):
            return None
        inner, bound = call.args[0], number_of(call.args[1])
        if not self._is_glanced(inner) or bound is None:
            return None
        other = np.minimum if call.function is np.maximum else np.maximum
        return self._new(x, other, self._made[inner].args[0], -bound if bound else 0)

    def _bounded(self, line: Call, args: Any) -> bool:
        """`np.clip(X, a, b)` for both bounds in turn."""
        call = self._inner(args[0])
        if line.function is not np.minimum or call is None or call.function is not np.maximum:
            return False
        bounds = number_of(call.args[1]), number_of(args[1])
        return None not in bounds and self._put(line.results, np.clip, call.args[0], *bounds)

    # --- sums of rows

    def _reduction(self, line: Call, args: Any) -> bool:
        return self._picked(line, args[0]) or self._of_negated(line, args[0]) or super()._reduction(line, args)

    def _of_negated(self, line: Call, x: Any) -> bool:
        """Minus a sum, for the sum of what has a minus."""
        sums = line.function in (np.sum, np.mean) or getattr(line.function, "__name__", "") == "add.reduce"
        scale = self._scaled(x) if sums and isinstance(x, Value) else None
        if scale is None or scale.number >= 0:
            return False
        (result,) = line.results
        total = Value(outline(np.empty(np.shape(result.data), result.data.dtype)))
        inner = Call(line.function, (self._apply(scale._replace(number=-scale.number)),), line.kwargs)
        inner.results = (total,)
        self._uses[total] = 1
        return super()._reduction(inner, inner.args) and self._put(line.results, np.negative, total)

    def _picked(self, line: Call, x: Any) -> bool:
        """Sums of rows in which one place has a number: that number. What is added everywhere is counted."""
        axis, ndim = line.kwargs.get("axis"), np.ndim(getattr(x, "data", x))
        sums = line.function is np.sum or getattr(line.function, "__name__", "") == "add.reduce"
        axes = axis if axis.__class__ is tuple else (axis,)
        if not sums or not ndim or not line.kwargs.get("keepdims") or len(axes) != 1 or axes[0].__class__ is not int:
            return False
        axis = axes[0] % ndim
        call, added, sign = self._call(x), Share(0, 1), 1
        if call is not None and call.function in (np.add, np.subtract):
            one, other = call.args
            if one.__class__ is Share:
                added, x, sign = one, other, 1 if call.function is np.add else -1
            elif other.__class__ is Share:
                added, x = (other if call.function is np.add else Share(-other.number, other.m)), one
            call = self._call(x)
        share: Share | None = None
        if call is not None and puts_along(call) and call.kwargs["axis"] % ndim == axis:
            if not added.number:
                return self._put_same(line, call.args[0])
            share = self.share_of(call.args[0])
        elif call is not None and one_a_row(call) and axis == 1:
            part = self.of(call.args[0])
            if not added.number and isinstance(part, Value):
                return self._reshape(line, (part,))
            share = self.share_of(self.of(call.args[0]))
        else:
            number, m, core = self._scaled(x, named=True)
            known = (axis == 1 and self._is_one_hot(core)) or self._is_softmax(core, axis)
            share = Share(number, m) if known else None
        n = np.shape(getattr(x, "data", x))[axis]
        if share is None or (added.number and added.m != n * share.m):
            return False
        share = Share(sign * share.number + added.number, share.m)
        total = np.full(np.shape(line.results[0].data), share.number / share.m, line.results[0].data.dtype)
        self._shares[id(total)] = share
        return self._same(line, total)

    def _is_softmax(self, x: Any, axis: int) -> bool:
        """Whether something is divided by its sums along an axis."""
        call = self._call(x)
        total = self._call(call.args[1]) if call is not None and call.function is np.divide else None
        if call is None or total is None or total.function is not np.sum or total.args[0] is not call.args[0]:
            return False
        ndim = np.ndim(x.data)
        return total.kwargs.get("keepdims") is True and total.kwargs.get("axis") in (axis, axis - ndim)

    def _is_one_hot(self, x: Any) -> bool:
        """Whether each row has a 1 at its label, and zeros."""
        call = self._call(x)
        if call is None or self._made_by(x) is not rows_of_labels.__code__:
            return False
        while call is not None and call.function is not np.equal:
            call = self._call(call.args[0])
        label = call.args[0] if call is not None else None
        return isinstance(label, Value) and self._are_classes(label)


def _is_mask(x: Any, like: Value) -> bool:
    """Whether something says of each element of another whether a condition holds."""
    return isinstance(x, Value) and np.asarray(x.data).dtype.kind == "b" and np.shape(x.data) == np.shape(like.data)


def _plain(share: Share) -> Any:
    return share.number if share.m == 1 else share


def _is_floating(x: Any) -> bool:
    return isinstance(x, Value) and isinstance(x.data, (np.ndarray, np.generic)) and x.data.dtype.kind == "f"


def _is_exact(a: float, b: float) -> bool:
    """Whether the product of two factors is written with as few digits as they are."""
    if not math.isfinite(a * b):
        return False
    brief = len(repr(a * b)) <= BRIEF
    return 1 in (abs(a), abs(b)) or brief or float(a * b * 1024).is_integer()
