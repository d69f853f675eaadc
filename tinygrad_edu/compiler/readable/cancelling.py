"""Cotangents that cancel: `dZ2 = (A2 - Y) / m` for dA2 times the slope of the sigmoid, as a textbook derives it.

As `explain` does: what the rules say of a named value's cotangent is read as a polynomial in named values
(symbolic/algebra.py), once as it is and once with the cotangents that it is computed from spelled out. Where the second
is the shorter one, things have cancelled, and it is what the readable source computes.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from ...core.symbol import Symbol, leaves
from ...ops.generator import drawn
from ...symbolic.algebra import Algebra
from ...symbolic.expressions import filled, substituted
from ...symbolic.formulas import formula
from ...symbolic.walk import upwards

NAMED = 300  # values with names; of larger programs the rules are left as they are
PARTS = 60  # operations between two named values; what is larger does not cancel


def cancelled(equations: list[Symbol], names: dict[Symbol, str]) -> dict[Symbol, Symbol]:
    """By cotangent what it is to be computed by."""
    if len(names) > NAMED:
        return {}
    known = set(names.values())
    by_name: dict[str, Symbol] = {}  # sigmoid(Z), written twice, is one value
    atoms: dict[int, Any] = {id(s): _atom(s, n, by_name) for s, n in names.items() if s.primitive is None}
    given: dict[int, Any] = {id(atoms[id(s)]): s for s in names if s.primitive is None}  # back from atoms
    meant: dict[int, Any] = {}  # by atom of a cotangent what it stands for
    found: dict[Symbol, Symbol] = {}
    for symbol in equations:
        name = names.get(symbol)
        if symbol.primitive is drawn:  # once, whatever is made of it
            atom = atoms[id(symbol)] = Symbol(symbol.shape, symbol.dtype, name)
            given[id(atom)] = symbol
            continue
        if name is None or isinstance(symbol.dtype, tuple):
            continue
        atom = _atom(symbol, name, by_name)
        if id(atom) in meant:  # 1 * dA is called dA, too
            atoms[id(symbol)] = atom
            continue
        if name[:1] == "d" and name[1:] in known and symbol.shape and _size(symbol, atoms) <= PARTS:
            raw = substituted(symbol, atoms)
            inlined = substituted(raw, meant)
            short = _shorter(raw, inlined, given) if inlined is not raw else None
            if isinstance(short, Symbol) and short.shape == symbol.shape:
                found[symbol] = short if short.dtype == symbol.dtype else short.astype(symbol.dtype)
            if symbol in found or not _is_negated(raw):  # a sign that moves has cancelled nothing
                meant[id(atom)] = inlined if symbol in found else raw
        atoms[id(symbol)] = atom
        given.setdefault(id(atom), symbol)
    return found


def _atom(symbol: Symbol, name: str, known: dict[str, Symbol]) -> Symbol:
    atom = known.setdefault(name, Symbol(symbol.shape, symbol.dtype, name))
    if atom.shape == symbol.shape and atom.dtype == symbol.dtype:
        return atom
    return Symbol(symbol.shape, symbol.dtype, name)


def _size(symbol: Symbol, atoms: dict[int, Any]) -> int:
    """How many operations lie between a value and named ones."""
    done = dict.fromkeys(atoms)
    count = len(done)
    for part in upwards(symbol, done):
        done[id(part)] = None
        if len(done) - count > PARTS:
            break
    return len(done) - count


def _shorter(raw: Symbol, inlined: Symbol, given: dict[int, Any]) -> Any:
    """The formula with cotangents spelled out, on the program's own values, if it is the shorter one."""
    counts: dict[int, Symbol] = {}
    raw, inlined = (_with_counts(x, counts) for x in (raw, inlined))
    m = next(((atom, n) for n, atom in counts.items()), None) if len(counts) == 1 else None
    algebra = Algebra(m)
    try:
        before, after = (algebra.simplify(x) for x in (raw, inlined))
    except TypeError:  # an array among constants
        return None
    if len(formula(after)) >= len(formula(before)):
        return None
    numbers = {id(atom): filled(n, (), raw.dtype) for n, atom in counts.items()}
    return _in_floats(substituted(after, given | numbers))


def _with_counts(x: Symbol, counts: dict[int, Symbol]) -> Symbol:
    """An expression with a letter for each count that a mean divides by: what its rule divides a constant by."""
    done: dict[int, Any] = {}
    for part in upwards(x, done):
        inputs = [done[id(i)] if isinstance(i, Symbol) else i for i in part.inputs]
        if part.key == "over" and _is_constant(inputs[0]):
            n = inputs[1]
            if n.__class__ is int and n > 1:
                inputs[1] = counts[n] if n in counts else counts.setdefault(n, _letter(part.dtype))
        same = all(a is b for a, b in zip(inputs, part.inputs, strict=True))
        done[id(part)] = part if part.primitive is None or same else part.primitive(*inputs, **part.params)
    result: Symbol = done[id(x)]
    return result


def _in_floats(x: Any) -> Any:
    """An expression without ratios, which are no floats that arrays compute with in their own precision."""

    def plain(v: Any) -> Any:
        return float(v) if isinstance(v, (Fraction, float)) else v

    done: dict[int, Any] = {}
    for part in upwards(x, done):
        inputs = [done[id(i)] if isinstance(i, Symbol) else plain(i) for i in part.inputs]
        params = {name: plain(v) for name, v in part.params.items()}
        same = all(
            a is b for a, b in zip((*inputs, *params.values()), (*part.inputs, *part.params.values()), strict=True)
        )
        done[id(part)] = part if part.primitive is None or same else part.primitive(*inputs, **params)
    return done[id(x)] if isinstance(x, Symbol) else x


def _letter(dtype: Any) -> Symbol:
    letter = Symbol((), dtype, "m")
    letter.number = True
    return letter


def _is_negated(x: Any) -> bool:
    """Whether something is minus a named value."""
    known = isinstance(x, Symbol) and x.key == "negative"
    return known and isinstance(x.inputs[0], Symbol) and x.inputs[0].primitive is None


def _is_constant(x: Any) -> bool:
    return not leaves(x)
