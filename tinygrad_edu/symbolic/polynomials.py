"""Polynomials: sums of products of *bases* with whole powers, and how they are written down.

A base is whatever the algebra does not look into: a name, a function of something, a matrix product, a sum over
axes, or a sum that stands as a factor. Equal ones are one base, so like terms merge and equal factors cancel. Written
down, what all terms share stands in front and 1/m before everything; of the forms that are found, as given and
multiplied out, the shortest is kept.

Not here: how the operations of the rule book are read as polynomials (algebra.py).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from ..core.primitive import PRIMITIVES
from ..core.symbol import Symbol
from .printer import expression
from .walk import upwards

Monomial = tuple[tuple[int, int], ...]  # (number of a base, power), sorted; () is 1
Poly = dict[Monomial, Fraction]

ONE = Fraction(1)  # the very object, which most coefficients are: products with it need no reckoning
LARGEST = 64  # terms; an expansion that grows beyond is given up


class Polynomials:
    """The bases of one equation system, and its polynomials as expressions.

    Args:
        m: the Symbol of the number of samples that a loss divides by, and that number.
    """

    def __init__(self, m: tuple[Symbol, int] | None = None) -> None:
        self.m = m
        self.bases: list[Any] = []
        self._numbers: dict[Any, int] = {}  # what a base is -> its number
        self._written: dict[Any, Any] = {}  # an expression as it is written -> its key
        self._sums: dict[int, Poly] = {}  # of the bases that are sums

    def _base(self, symbol: Any, power: int = 1) -> Poly:
        key = self._key(symbol)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.bases)
            self.bases.append(symbol)
        return {((number, power),): ONE}

    def _key(self, symbol: Symbol) -> Any:
        """Equal for expressions that are written alike."""
        if symbol.primitive is None:
            return id(symbol)
        done: dict[int, Any] = {}
        for part in upwards(symbol, done):
            if part.primitive is None:
                done[id(part)] = id(part)
                continue
            inputs = tuple(done[id(i)] if isinstance(i, Symbol) else exactly(i) for i in part.inputs)
            params = tuple((name, exactly(value)) for name, value in part.params.items())
            written = (part.key, inputs, params, part.shape)
            done[id(part)] = self._written.setdefault(written, ("written", len(self._written)))
        return done[id(symbol)]

    # --- to expressions

    def _factor(self, poly: Poly) -> Poly:
        """A polynomial as one product: a sum of several terms becomes a base of its own."""
        if len(poly) <= 1:
            return poly or {(): Fraction(0)}
        common, rest = self._content(poly)
        if len(rest) == 1:
            return multiplied({common[0]: common[1]}, rest)
        base = self._base(self._emit_sum(rest))
        ((((number, _),), _),) = base.items()
        self._sums[number] = rest
        return multiplied({common[0]: common[1]}, base)

    def _content(self, poly: Poly) -> tuple[tuple[Monomial, Fraction], Poly]:
        """What all terms share, and the rest; its first term has a positive coefficient. There is a term."""
        terms = list(poly.items())
        powers = dict(terms[0][0])
        for monomial, _ in terms[1:]:
            have = dict(monomial)
            powers = {
                b: (min(p, have[b]) if p > 0 else max(p, have[b]))
                for b, p in powers.items()
                if b in have and p * have[b] > 0
            }
        coefficients = [abs(c) for _, c in terms]
        content = coefficients[0] if all(c == coefficients[0] for c in coefficients) else ONE
        if all(c < 0 for _, c in terms):
            content = -content
        common = tuple(sorted(powers.items()))
        if len(terms) == 1:
            return (terms[0][0], terms[0][1]), {(): ONE}
        inverse: Poly = {tuple((b, -p) for b, p in common): 1 / content}
        return (common, content), multiplied(inverse, poly)

    def expand(self, poly: Poly) -> Poly | None:
        """Products of sums multiplied out, those with denominators first, as long as that ends soon."""
        for _ in range(LARGEST):
            best = None
            for monomial in poly:
                for number, power in monomial:
                    if number in self._sums and power > 0:
                        fractions = any(p < 0 for term in self._sums[number] for _, p in term)
                        if best is None or (fractions and not best[2]):
                            best = (monomial, number, fractions)
            if best is None:
                return poly
            monomial, number, _ = best
            coefficient = poly[monomial]
            left = dict(monomial)
            left[number] -= 1
            rest = tuple(sorted((b, p) for b, p in left.items() if p))
            poly = added(
                {k: c for k, c in poly.items() if k != monomial}, multiplied({rest: coefficient}, self._sums[number])
            )
            if len(poly) > LARGEST:
                return None
        return None

    def emit(self, poly: Poly) -> Any:
        """A polynomial as a Symbol, or a Python number."""
        if not poly:
            return 0
        common, rest = self._content(poly)
        if len(rest) > 1:
            monomial, coefficient = common
            if monomial or coefficient != 1:
                return self._emit_product(monomial, coefficient, self._emit_sum(rest))
            return self._emit_sum(rest)
        ((monomial, coefficient),) = poly.items()
        return self._emit_product(monomial, coefficient, None)

    def _emit_sum(self, poly: Poly) -> Any:
        terms = sorted(poly.items(), key=lambda item: (item[1] < 0, not item[0]))  # a positive one first, numbers last
        result: Any = None
        for monomial, coefficient in terms:
            if result is None:
                result = self._emit_product(monomial, coefficient, None)
            elif coefficient < 0:
                result = applied("minus", self._plain(result), self._emit_product(monomial, -coefficient, None))
            else:  # of two conditions "or" would be computed
                result = applied("plus", self._plain(result), self._emit_product(monomial, coefficient, None))
        return result

    def _emit_product(self, monomial: Monomial, coefficient: Fraction, more: Any) -> Any:
        """coefficient, scalars, cotangents, then the other factors; denominators under one line."""
        factors = sorted(monomial, key=lambda bp: (self._rank(self.bases[bp[0]]), bp[0]))
        m = None if self.m is None else self._numbers.get(self._key(self.m[0]))
        above = [(b, p) for b, p in factors if p > 0]
        below = [(b, -p) for b, p in factors if p < 0]
        sign, coefficient = coefficient < 0, abs(coefficient)
        scalar_below = [(b, p) for b, p in below if self.bases[b].shape == () and b == m]
        below = [bp for bp in below if bp not in scalar_below]
        number: Any = None
        decimal = _number(coefficient)
        if scalar_below:  # 1/m stands in front
            denominator = self._power_product(scalar_below)
            if coefficient.denominator != 1 and isinstance(decimal, Fraction):
                denominator = applied("multiply", coefficient.denominator, denominator)
                decimal = coefficient.numerator
            number = applied("over", int(decimal) if decimal == int(decimal) else decimal, denominator)
        elif coefficient != 1:
            number = decimal if not isinstance(decimal, Fraction) else _Ratio(decimal)
        top = self._power_product(above)
        if more is not None:
            top = more if top is None else applied("multiply", top, more)
        if below:
            top = applied("over", 1 if top is None else top, self._power_product(below))
        if number is not None:
            top = number if top is None else applied("multiply", number, top)
        if top is None:
            top = 1
        if sign and getattr(top, "dtype", None) == np.bool_:
            top = self._plain(top)
        return applied("negative", top) if sign else top

    def _power_product(self, factors: list[tuple[int, int]]) -> Any:
        result = None
        for number, power in factors:
            base = self.bases[number]
            value = base if power == 1 else applied("power", base, power)
            result = value if result is None else applied("multiply", result, value)
        return result

    def _rank(self, base: Any) -> int:
        if base.shape == ():
            return 0
        return 1 if base.name and base.name.startswith("d") else 2

    def shape_of(self, poly: Poly) -> tuple[int, ...]:
        return np.broadcast_shapes(*(self.bases[b].shape for monomial in poly for b, _ in monomial), ())

    def times(self, poly: Poly, factor: Symbol) -> Poly:
        """A polynomial times an atom."""
        return multiplied(poly, self._base(factor))

    def forms(self, poly: Poly) -> list[Any]:
        """A polynomial as it is, and multiplied out where that ends."""
        found = [self.emit(poly)]
        expanded = self.expand(poly)
        if expanded is not None and expanded != poly:
            found.append(self.emit(expanded))
        return found

    def shortest(self, poly: Poly) -> Any:
        """The expanded form if that is clearly shorter, else the one that the rules gave."""
        given, *expanded = self.forms(poly)
        return expanded[0] if expanded and len(expression(expanded[0])) <= 0.8 * len(expression(given)) else given

    @staticmethod
    def _plain(x: Any) -> Any:
        """A condition that counts as 0 or 1 as that number."""
        return applied("astype", x, dtype=np.dtype(np.float64)) if getattr(x, "dtype", None) == np.bool_ else x


class _Ratio(float):
    """A quotient of whole numbers, which prints as one."""

    def __new__(cls, ratio: Fraction) -> _Ratio:
        self = float.__new__(cls, float(ratio))
        self.ratio = ratio  # type: ignore[attr-defined]
        return self

    def __repr__(self) -> str:
        return str(self.ratio)  # type: ignore[attr-defined]


def exactly(x: Any) -> Any:
    """What tells constants apart; the text of a large array is cut, so arrays are told by their bytes."""
    return (x.shape, x.dtype.str, x.tobytes()) if isinstance(x, np.ndarray) else repr(x)


def _number(x: Fraction) -> Any:
    """A whole number as int, a short decimal as float, else the Fraction: of 8 samples 1/8."""
    if x.denominator == 1:
        return x.numerator
    halves = x.denominator & (x.denominator - 1) == 0 and len(str(x)) < len(repr(float(x)))
    if x.denominator in (2, 3, 4) or halves or (x.denominator <= 1000 and Fraction(repr(float(x))) != x):
        return x
    return float(x)


def constant(x: Any) -> Poly:
    """A number as a polynomial; of a float the shortest decimal that is it."""
    exact = Fraction(int(x)) if isinstance(x, (bool, int)) else Fraction(repr(float(x)))
    return {(): exact} if exact else {}


def added(a: Poly, b: Poly) -> Poly:
    """a + b, without what cancels."""
    result = dict(a)
    for monomial, coefficient in b.items():
        known = result.get(monomial)
        total = coefficient if known is None else known + coefficient
        if total:
            result[monomial] = total
        else:
            result.pop(monomial, None)
    return result


def scaled(a: Poly, factor: Fraction) -> Poly:
    """a times a number."""
    return {monomial: c * factor for monomial, c in a.items()}


def multiplied(a: Poly, b: Poly) -> Poly:
    """a b, multiplied out; equal factors cancel."""
    result: Poly = {}
    for one, c in a.items():
        for other, d in b.items():
            powers = dict(one)
            for base, power in other:
                powers[base] = powers.get(base, 0) + power
            monomial = tuple(sorted((base, power) for base, power in powers.items() if power))
            coefficient = d if c is ONE else c if d is ONE else c * d
            result = added(result, {monomial: coefficient}) if result or not coefficient else {monomial: coefficient}
    return result


def applied(key: str, /, *inputs: Any, **params: Any) -> Any:
    """The equation of a primitive on Symbols and numbers; of numbers alone the number."""
    primitive: Any = PRIMITIVES[key]
    compute = primitive if any(isinstance(x, Symbol) for x in inputs) else primitive.forward
    result = compute(*inputs, **params)
    return result.item() if isinstance(result, (np.generic, np.ndarray)) and result.ndim == 0 else result
