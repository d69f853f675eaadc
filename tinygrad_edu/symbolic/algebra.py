"""Algebra: what chained rules say, in the form that a person would write.

Elementwise expressions become polynomials (polynomials.py), in which like terms merge and equal factors
cancel: `dA2 * A2 * (1 - A2)` with dA2 = -Y/A2 + (1-Y)/(1-A2) is `A2 - Y`. Here is how each operation of
the rule book is read as one. Matrix products are never commuted: scalars move out of them, transposes in,
`(AB)ᵀ = BᵀAᵀ`.

Expressions are Symbols before and after, so everything that reads Symbols can go on with the result.
Not here: which values have names, and how formulas look (naming, formulas).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from ..core.primitive import PRIMITIVES
from ..core.symbol import Symbol
from .expressions import filled
from .polynomials import Monomial, Poly, Polynomials, added, applied, constant, multiplied, scaled
from .printer import swaps_last_two
from .walk import upwards

GUARD = 1e-6  # a floor this small under a denominator or a logarithm keeps zeros out, and is left out of formulas
ONE = 1e-14  # what rounding leaves of sums that are 1
_SAME = {"broadcast_to", "clone"}  # elementwise the same numbers
_LINEAR = {  # the inputs past which a scalar factor may move out
    "reshape_to": (0,), "getitem": (0,), "scatter": (0,), "take_along": (0,), "put_along": (0,), "flip_over": (0,),
    "roll_by": (0,), "diagonal_of": (0,), "onto_diagonal": (0,), "upper_part": (0,), "lower_part": (0,), "embed": (0,),
    "cumsum_along": (0,), "onto_largest": (0,), "fold": (0,), "unfold": (0,), "gather_windows": (0,),
    "scatter_windows": (0,), "correlation": (0, 1), "transposed_correlation": (0, 1), "kernel_correlation": (0, 1),
    "zero_where": (1,), "recurrence": (0,), "sum_each": (0,), "repeat_each": (0,), "tile_by": (0,), "contract": (0, 1),
}  # fmt: skip
_NEGATED = {"gt": "le", "ge": "lt", "lt": "ge", "le": "gt", "eq": "ne", "ne": "eq"}
_NOT, _AND, _OR = ("invert", "logical_not"), ("bitwise_and", "logical_and"), ("bitwise_or", "logical_or")


class Algebra(Polynomials):
    """One equation system's expressions; equal ones are one base.

    Args:
        m: the Symbol of the number of samples that a loss divides by, and that number.
        scaled: by id of an atom of the rules, the atom that stands for m times it in the formulas (textbook scale).
        same: atoms that stand for others where only the sign counts (relu's result for its argument).
        guards: leave out floors that only keep zeros away.
        unit: the cotangent of the loss itself, which is 1.
        one_hot: by id of the Symbol of labels, the Symbol of their one-hot rows.
        known: the array of an atom that is a constant, else None. Of one-hot columns it is seen that they sum to 1.
    """

    def __init__(
        self,
        m: tuple[Symbol, int] | None = None,
        scaled: Mapping[int, Symbol] | None = None,
        same: Mapping[str, Symbol] | None = None,
        guards: bool = True,
        one_hot: Mapping[int, Symbol] | None = None,
        unit: Symbol | None = None,
        known: Callable[[Any], Any] = lambda atom: None,
    ) -> None:
        super().__init__(m)
        self.scaled = {} if scaled is None else scaled
        self.same = same or {}
        self.guards = guards
        self.one_hot = one_hot or {}
        self.unit = unit
        self.known = known
        self._polys: dict[int, Poly] = {}  # of Symbols, by id; they are kept alive by `_kept`
        self._kept: list[Any] = []

    # --- expressions to polynomials

    def normal(self, x: Any) -> Poly:
        """An expression as a sum of products of bases."""
        if not isinstance(x, Symbol):
            return self._number_of(x)
        for symbol in upwards(x, self._polys):
            self._polys[id(symbol)] = self._read(symbol)
            self._kept.append(symbol)
        return self._polys[id(x)]

    def _number_of(self, x: Any) -> Poly:
        """A number; one that is not finite is a base, which nothing cancels."""
        if np.size(x) != 1:
            raise TypeError(
                f"explain: a rule computes with an array of shape {np.shape(x)} that is no part of the graph, so its "
                "formula can't be read. In a Function's backward, use tensors that ctx.save_for_backward has kept."
            )
        value = x if isinstance(x, (int, float)) else np.asarray(x).item()
        if math.isfinite(value):
            return constant(value)
        return self._base(filled(value, (), np.dtype(np.float64)))

    def _read(self, x: Symbol) -> Poly:
        if x.primitive is None:
            if x is self.unit:
                return {(): Fraction(1)}
            shown = self.scaled.get(id(x))
            if shown is not None and self.m is not None:
                return multiplied(self._base(shown), self._base(self.m[0], -1))
            return self._base(x)
        parts = [self.normal(i) for i in x.inputs]
        reader: Callable[..., Poly | None] | None = getattr(self, f"read_{x.key}", None)
        found = reader(x, *parts) if reader is not None else None
        return self._rebuilt(x, parts) if found is None else found

    def _rebuilt(self, x: Symbol, parts: list[Poly]) -> Poly:
        """An operation that is a base: the same of simplified inputs."""
        assert x.primitive is not None
        if x.key in _SAME:
            return parts[0]
        outside: Poly = {(): Fraction(1)}
        for i in _LINEAR.get(x.key, ()):
            if i < len(parts) and isinstance(x.inputs[i], Symbol):
                scalars, parts[i] = self._scalars(parts[i])
                outside = multiplied(outside, scalars)
        inputs = [self._input(p, i) for p, i in zip(parts, x.inputs, strict=True)]
        if isinstance(x.dtype, tuple):  # several outputs: called, it would give a tuple of them
            return self._base(Symbol(x.shape, x.dtype, None, x.primitive, tuple(inputs), x.params))
        return multiplied(outside, self._base(_call(x, inputs)))

    def _scalars(self, poly: Poly) -> tuple[Poly, Poly]:
        """The scalars that all terms share, and what is left."""
        if not poly:
            return {(): Fraction(1)}, poly
        common, rest = self._content(poly)
        scalars = tuple((n, p) for n, p in common[0] if self.bases[n].shape == ())
        others = tuple((n, p) for n, p in common[0] if self.bases[n].shape != ())
        return {scalars: common[1]}, multiplied({others: Fraction(1)}, self._factor(rest))

    def _input(self, poly: Poly, original: Any) -> Any:
        """A simplified input in the shape that it had: what has been broadcast is spelled out."""
        if not isinstance(original, Symbol):
            return original
        if isinstance(original.dtype, tuple):
            ((((number, _),), _),) = poly.items()
            return self.bases[number]
        value = self.shortest(poly)
        if not isinstance(value, Symbol) or value.shape != original.shape:
            if original.number:
                return value
            if not isinstance(value, Symbol):
                return filled(float(value), original.shape, original.dtype)
            value = value * filled(1.0, original.shape, original.dtype)
        return value

    # --- how each operation is read: a polynomial, or None where it is just a base

    def read_plus(self, x: Symbol, a: Poly, b: Poly) -> Poly:
        return added(a, b)

    def read_minus(self, x: Symbol, a: Poly, b: Poly) -> Poly:
        return added(a, scaled(b, Fraction(-1)))

    def read_negative(self, x: Symbol, a: Poly) -> Poly:
        return scaled(a, Fraction(-1))

    def read_multiply(self, x: Symbol, a: Poly, b: Poly) -> Poly:
        return multiplied(self._factor(a), self._factor(b))

    def read_over(self, x: Symbol, a: Poly, b: Poly) -> Poly | None:
        inverse = self._power_of(b, -1)
        return None if inverse is None else multiplied(self._factor(a), inverse)

    def read_reciprocal(self, x: Symbol, a: Poly) -> Poly | None:
        return self._power_of(a, -1)

    def read_square(self, x: Symbol, a: Poly) -> Poly | None:
        return self._power_of(a, 2)

    def read_power(self, x: Symbol, a: Poly, b: Poly) -> Poly | None:
        exponent = x.inputs[1]
        if exponent.__class__ in (int, float) and exponent == int(exponent) and abs(exponent) < 9:
            return self._power_of(a, int(exponent))
        return None

    def _power_of(self, a: Poly, n: int) -> Poly | None:
        if not a:
            return None if n <= 0 else {}
        (monomial, coefficient), *more = self._factor(a).items()
        assert not more
        return {tuple((b, p * n) for b, p in monomial): coefficient**n} if n else {(): Fraction(1)}

    def read_filled(self, x: Symbol) -> Poly:
        return self._number_of(x.params["value"])

    def read_astype(self, x: Symbol, a: Poly) -> Poly | None:
        """The same numbers, if the dtype has room for them; whole numbers made of others are others.

        Those of another dtype are, too: places counted in int64 and uint64 are no places, but float64.
        """
        fits = np.can_cast(x.inputs[0].dtype, x.dtype, "same_kind")
        return a if fits and (x.dtype.kind not in "iu" or x.inputs[0].dtype == x.dtype) else None

    def read_assign(self, x: Symbol, a: Poly, value: Poly, *indices: Poly) -> Poly | None:
        """Zeros put somewhere: scalars move out."""
        if value:
            return None
        scalars, rest = self._scalars(a)
        return multiplied(scalars, self._base(_call(x, [self._input(rest, x.inputs[0]), *x.inputs[1:]])))

    def read_getitem(self, x: Symbol, a: Poly, *indices: Poly) -> Poly | None:
        return a if self.shape_of(a) == () else None  # of equal numbers

    def read_reshape_to(self, x: Symbol, a: Poly) -> Poly | None:
        return a if x.inputs[0].shape == x.shape or self.shape_of(a) == () else None  # a scalar has any shape

    def read_mean_over(self, x: Symbol, a: Poly) -> Poly:
        source = x.inputs[0]
        n = math.prod(source.shape) // max(math.prod(x.shape), 1)
        total = PRIMITIVES["sum_over"](source, axis=x.params["axis"], keepdims=x.params["keepdims"])
        self._kept.append(total)
        return scaled(self._factor(self.read_sum_over(total, a) or {}), Fraction(1, n))

    def read_sum_over(self, x: Symbol, a: Poly) -> Poly | None:
        """Σ: what does not change along the summed axes moves out; along an axis of copies it counts them."""
        source, axes = x.inputs[0], x.params["axis"]
        if not a:
            return {}
        common, rest = self._content(a)
        outside: Poly = {(): common[1]}
        inside: list[tuple[int, int]] = []
        for number, power in common[0]:
            shape = self.bases[number].shape
            constant = all(_length(shape, axis, source.ndim) == 1 for axis in axes)
            keeps = x.params["keepdims"] or not shape or all(n == 1 for n in shape)
            if constant and keeps:
                outside = multiplied(outside, {((number, power),): Fraction(1)})
            else:
                inside.append((number, power))
        inner = multiplied({tuple(inside): Fraction(1)}, self._factor(rest))
        shape = self.shape_of(inner)
        copied = [axis for axis in axes if _length(shape, axis, source.ndim) == 1 != source.shape[axis]]
        count = math.prod(source.shape[axis] for axis in copied)
        if copied:
            copies: Poly = {(): Fraction(count)}
            if self.m is not None and count == self.m[1] and self._is_share(common[0]):  # m times 1/m
                copies = self._base(self.m[0])
            outside = multiplied(outside, copies)
        left = [axis for axis in axes if axis not in copied and source.shape[axis] != 1]
        if not left and (x.params["keepdims"] or not shape):
            return multiplied(outside, inner)
        if copied and not x.params["keepdims"]:
            return None
        value = self.shortest(inner)
        known = self.known(value) if self.guards and not copied else None
        if known is not None and known.dtype.kind in "fiu" and x.params["keepdims"]:
            sums = np.asarray(known, np.float64).sum(axis=axes)
            if sums.size > 1 and np.abs(sums - 1).max() < ONE:
                return outside
        if not isinstance(value, Symbol) or value.ndim != source.ndim:
            value = value * filled(1.0, source.shape, source.dtype)
            return multiplied(outside, self._base(_call(x, [value]))) if not copied else None
        axes = tuple(left) if copied else axes
        total = PRIMITIVES["sum_over"](value, axis=axes, keepdims=x.params["keepdims"])
        return multiplied(outside, self._base(total))

    def _is_share(self, monomial: Monomial) -> bool:
        """Whether a product has 1/m among its factors."""
        assert self.m is not None
        return (self._numbers.get(self._key(self.m[0])), -1) in monomial

    def read_matrix_product(self, x: Symbol, a: Poly, b: Poly) -> Poly:
        """A B: scalars move out, and the rest stays in its order."""
        if not a or not b:
            return {}
        outside: Poly = {(): Fraction(1)}
        for poly, other, one in ((a, b, x.inputs[0]), (b, a, x.inputs[1])):
            if self.shape_of(poly) == () and one.shape == (1, 1):  # a number
                return multiplied(self._factor(poly), self._factor(other))
        operands = []
        for poly, original in zip((a, b), x.inputs, strict=True):
            scalars, rest = self._scalars(poly)
            outside = multiplied(outside, scalars)
            operands.append(self._input(rest, original))
        return multiplied(outside, self._base(_call(x, operands)))

    read_matrix_vector = read_vector_matrix = read_dot = read_matrix_product

    def read_permute_axes(self, x: Symbol, a: Poly) -> Poly | None:
        return self._transposed(a, x.params["axes"])

    def _transposed(self, a: Poly, axes: tuple[int, ...]) -> Poly | None:
        """A transpose moves into products and sums, past scalars, and cancels against another."""
        result: Poly = {}
        for monomial, coefficient in a.items():
            term: Poly = {(): coefficient}
            for number, power in monomial:
                turned = self._turned(number, axes)
                if turned is None:
                    return None
                term = multiplied(term, {tuple((b, p * power) for b, p in turned): Fraction(1)})
            result = added(result, term)
        return result

    def _turned(self, number: int, axes: tuple[int, ...]) -> Monomial | None:
        base, n = self.bases[number], len(axes)
        if base.shape == ():
            return ((number, 1),)
        if base.ndim != n:
            return None
        if number in self._sums:
            inner = self._transposed(self._sums[number], axes)
            if inner is None:
                return None
            ((monomial, coefficient),) = self._factor(inner).items()
            return monomial if coefficient == 1 else None
        if base.key == "permute_axes":
            before = base.params["axes"]
            together = tuple(before[i] for i in axes)
            original = base.inputs[0]
            if together == tuple(range(n)):
                ((monomial, _),) = self._factor(self.normal(original)).items()
                return monomial
            ((monomial, _),) = self._base(PRIMITIVES["permute_axes"](original, axes=together)).items()
            return monomial
        if base.key == "matrix_product" and swaps_last_two(axes):
            A, B = base.inputs
            if A.ndim == B.ndim == n:
                flipped = np.matmul(self._flip(B, axes), self._flip(A, axes))
                ((monomial, _),) = self._base(flipped).items()
                return monomial
        ((monomial, _),) = self._base(PRIMITIVES["permute_axes"](base, axes=axes)).items()
        return monomial

    def _flip(self, x: Any, axes: tuple[int, ...]) -> Any:
        turned = PRIMITIVES["permute_axes"](x, axes=axes)
        self._kept.append(turned)
        return self._input(self.normal(turned), turned)

    # choices: a condition is a factor of 0 or 1

    def read_zero_where(self, x: Symbol, condition: Poly, a: Poly) -> Poly | None:
        if not isinstance(x.inputs[0], Symbol):
            return None
        return multiplied(self._factor(a), self._indicator(x.inputs[0], negated=True))

    def read_choose(self, x: Symbol, condition: Poly, a: Poly, b: Poly) -> Poly | None:
        if not isinstance(x.inputs[0], Symbol):
            return None
        if _is_never(x.inputs[0]):
            return b
        if not b:
            return multiplied(self._factor(a), self._indicator(x.inputs[0], negated=False))
        if not a:
            return multiplied(self._factor(b), self._indicator(x.inputs[0], negated=True))
        known = self.known(x.inputs[0])
        if known is not None and known.shape == x.shape and (known.all() or not known.any()):
            return a if known.all() else b
        a, b = self._factor(a), self._factor(b)
        (common, _), _ = self._content({**a, **b} if a.keys() != b.keys() else a)
        if not common:
            return None
        inverse: Poly = {tuple((n, -p) for n, p in common): Fraction(1)}
        chosen = PRIMITIVES["choose"](
            self._condition(x.inputs[0]), *(self._plain(self.emit(multiplied(branch, inverse))) for branch in (a, b))
        )
        return multiplied({common: Fraction(1)}, self._base(chosen))

    def _condition(self, condition: Any) -> Any:
        """A comparison of simplified sides; where only the sign counts, of the argument of a relu."""
        if not isinstance(condition, Symbol) or condition.key not in _NEGATED:
            return condition
        sides = [self.emit(self.normal(i)) for i in condition.inputs]
        known = isinstance(sides[0], Symbol) and sides[0].name in self.same
        if known and sides[1] == 0 and condition.key in ("gt", "le"):
            sides[0] = self.same[sides[0].name]
        return applied(condition.key, *sides)

    def _indicator(self, condition: Any, negated: bool) -> Poly:
        condition = self._condition(condition)
        while isinstance(condition, Symbol) and condition.dtype == np.bool_ and condition.key in _NOT:
            condition, negated = self._condition(condition.inputs[0]), not negated
        if not isinstance(condition, Symbol):  # of numbers it is known
            return {(): Fraction(1)} if bool(condition) != negated else {}
        known = self.known(condition)
        if known is not None and (known.all() or not known.any()):  # no label is ignored
            return {(): Fraction(1)} if bool(known.all()) != negated else {}
        key = condition.key
        if key in (_OR if negated else _AND) and condition.dtype == np.bool_:
            return multiplied(*(self._indicator(side, negated=negated) for side in condition.inputs))
        if negated:
            condition = PRIMITIVES[_NEGATED.get(key, "logical_not")](
                *(condition.inputs if key in _NEGATED else (condition,))
            )
        return self._base(condition)

    def read_maximum(self, x: Symbol, a: Poly, b: Poly) -> Poly | None:
        floor = x.inputs[1]
        if self.guards and floor.__class__ in (int, float) and (0 < floor <= GUARD or floor == -100.0):
            return a
        if self.m is not None and floor == 1 and a == self._base(self.m[0]):
            return a
        return None

    def read_minus_one_hot(self, x: Symbol, p: Poly, labels: Poly) -> Poly | None:
        Y = self.one_hot.get(id(x.inputs[1]))
        return None if Y is None else added(p, scaled(self._base(Y), Fraction(-1)))

    def read_one_hot_rows(self, x: Symbol, labels: Poly) -> Poly | None:
        Y = self.one_hot.get(id(x.inputs[0]))
        return None if Y is None else self._base(Y)

    read_minus_one_hot_of_pixels, read_one_hot_pixels = read_minus_one_hot, read_one_hot_rows

    def read_count_kept(self, x: Symbol, labels: Poly) -> Poly | None:
        return None if self.m is None else self._base(self.m[0])

    def simplify(self, x: Any) -> Any:
        """An expression in its shortest form."""
        return self.shortest(self.normal(x))


def _is_never(condition: Symbol) -> bool:
    """Whether a number is asked to be more than infinity: what is said where there is no limit."""
    return condition.key == "gt" and condition.inputs[1].__class__ is float and condition.inputs[1] == math.inf


def _length(shape: tuple[int, ...], axis: int, ndim: int) -> int:
    """The length along an axis of something broadcast to ndim axes."""
    place = axis - (ndim - len(shape))
    return shape[place] if place >= 0 else 1


def _call(x: Symbol, inputs: list[Any]) -> Any:
    assert x.primitive is not None
    if all(a is b for a, b in zip(inputs, x.inputs, strict=True)):
        return x
    if x.key.endswith("correlation"):  # whose results have the dtype of what goes in: no truths
        truths = (isinstance(i, Symbol) and i.dtype.kind == "b" for i in inputs)
        inputs = [i.astype(x.dtype) if is_truth else i for i, is_truth in zip(inputs, truths, strict=True)]
    return applied(x.key, *inputs, **x.params)
