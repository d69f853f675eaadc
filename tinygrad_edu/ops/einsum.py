"""Einstein's summation: products of arrays written by the names of their axes.

Whatever a user writes is brought down to one primitive, `contract`, of two operands in which each
axis has its own letter and each letter of an operand occurs in the other or in the result. Its rule
is itself with the letters permuted. What the primitive leaves out is done before, by primitives
that exist: repeated letters are diagonals, letters that occur once are sums, axes of length 1 that
stretch are left away. Three operands and more are contracted two at a time, the cheapest first.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.dtypes import arithmetic, equal
from ..core.errors import ShapeError, describe
from ..core.primitive import Array, Operand, answers, primitive
from .dims import one_axis
from .public import public
from .reduction import sum_over

_CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LETTERS = _CAPITALS + _CAPITALS.lower()  # by number, as in the form einsum(x, [0, 1])


def _turned(spec: str, order: tuple[int, int, int]) -> str:
    """`ij,jk->ik` with its three terms in another order: those of the rule of an operand."""
    left, result = spec.split("->")
    terms = (*left.split(","), result)
    return f"{terms[order[0]]},{terms[order[1]]}->{terms[order[2]]}"


@primitive(
    name="einsum",
    types=equal,
    dX=lambda dZ, Z, X, Y, *, spec: contract(dZ, Y, spec=_turned(spec, (2, 1, 0))),  # type: ignore[has-type]
    dY=lambda dZ, Z, X, Y, *, spec: contract(X, dZ, spec=_turned(spec, (0, 2, 1))),  # type: ignore[has-type]
)
def contract(X: Array, Y: Array, *, spec: str) -> Array:
    """Products of X and Y, summed over the letters that the result leaves out; by one matrix product.

    np.einsum computes the same, but without BLAS: 64x512 by 512x64 in float32 takes it 10 times as long.
    """
    left, result = spec.split("->")
    x, y = left.split(",")
    both = [c for c in x if c in y and c in result]
    summed = [c for c in x if c in y and c not in result]
    mine, others = [c for c in x if c not in y], [c for c in y if c not in x]
    if not summed:  # without a sum, broadcasting is faster than a matrix product
        return _spread(X, x, result) * _spread(Y, y, result)
    n = {**dict(zip(x, X.shape, strict=True)), **dict(zip(y, Y.shape, strict=True))}
    batch = tuple(n[c] for c in both)
    rows, inner, columns = (math.prod(n[c] for c in part) for part in (mine, summed, others))
    A = np.reshape(_arranged(X, x, [*both, *mine, *summed]), (*batch, rows, inner))
    B = np.reshape(_arranged(Y, y, [*both, *summed, *others]), (*batch, inner, columns))
    Z = np.reshape(A @ B, (*batch, *(n[c] for c in mine), *(n[c] for c in others)))
    return _arranged(Z, "".join([*both, *mine, *others]), list(result))


def _arranged(X: Array, letters: str, order: list[str]) -> Array:
    """X with its axes in another order."""
    axes = tuple(letters.index(c) for c in order)
    return X if axes == tuple(range(X.ndim)) else np.transpose(X, axes)


def _spread(X: Array, letters: str, result: str) -> Array:
    """X with the result's axes, those that it hasn't of length 1."""
    X = _arranged(X, letters, [c for c in result if c in letters])
    if X.ndim == len(result):
        return X
    lengths = iter(X.shape)
    return np.reshape(X, tuple(next(lengths) if c in letters else 1 for c in result))


# --- from what users write


@public("einsum", as_method=False)
def einsum(equation: Any, *operands: Any) -> Any:
    """The sum of products that the equation says, as in `einsum("ij,jk->ik", A, B)`.

    A letter per axis; letters that the part behind `->` leaves out are summed over, a letter that
    stands twice in an operand takes its diagonal, and `...` stands for all axes that have no
    letter, which broadcast. Without `->` the result has the letters that occur once, in
    alphabetical order, behind the axes of `...`. Numbers from 0 to 51 may stand for the letters:
    `einsum(A, [0, 1], B, [1, 2], [0, 2])`.
    """
    if not isinstance(equation, str):
        equation, operands = _by_numbers((equation, *operands))
    elif len(operands) == 1 and isinstance(operands[0], (tuple, list)):
        operands = tuple(operands[0])
    terms, result = _parse(equation, operands)
    return _sum_of_products(list(operands), terms, result)


def _by_numbers(args: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """The form `x, [0, 1], y, [1, 2], [0, 2]` as an equation and its operands."""
    if not isinstance(args[0], Operand):
        raise TypeError(
            f"einsum: the equation is text, or a tensor followed by its axes, not {type(args[0]).__name__}."
        )
    lists = ["".join("..." if k is ... else LETTERS[k] for k in axes) for axes in args[1::2]]
    operands = args[::2]
    if len(args) % 2:
        lists.append("".join("..." if k is ... else LETTERS[k] for k in args[-1]))
        operands = args[:-1:2]
        return f"{','.join(lists[:-1])}->{lists[-1]}", operands
    return ",".join(lists), operands


def _parse(equation: str, operands: Any) -> tuple[list[list[str]], list[str]]:
    """The names of every operand's axes and of the result's; the axes of `...` are named by numbers, the last 0."""
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands) or not operands:
        raise ShapeError(
            f"einsum: {equation!r} speaks of {len(terms)} operands, {len(operands)} were given "
            "(fewer or more operands were provided than specified in the equation)."
        )
    for term in (*terms, right):
        rest = term.replace("...", "", 1)
        if wrong := [c for c in rest if c not in LETTERS]:
            raise RuntimeError(f"einsum: invalid subscript {wrong[0]!r} in {equation!r}; subscripts are letters.")
    for i, (term, x) in enumerate(zip(terms, operands, strict=True)):
        count = len(term.replace("...", ""))
        if count > x.ndim or (count < x.ndim and "..." not in term):
            raise ShapeError(
                f"einsum: {term!r} names {count} axes, operand {i} has {x.ndim}; the number of subscripts must "
                f"match{' (... stands for any number of axes)' if count < x.ndim else ''}." + describe([x])
            )
    names = [_names(term, x.ndim) for term, x in zip(terms, operands, strict=True)]
    hidden = max((len(n) - len(t.replace("...", "")) for n, t in zip(names, terms, strict=True)), default=0)
    dots = [str(i) for i in reversed(range(hidden))]
    if arrow:
        result = [*right.partition("...")[0], *(dots if "..." in right else ()), *right.partition("...")[2]]
    else:
        letters = [c for term in terms for c in term.replace("...", "")]
        result = [*dots, *sorted(c for c in set(letters) if letters.count(c) == 1)]
    seen: set[str] = set()
    for c in result:
        if c in seen:
            raise RuntimeError(f"einsum: output subscript {c!r} appears more than once in {equation!r}.")
        if not any(c in n for n in names):
            raise RuntimeError(
                f"einsum: output subscript {c!r} does not appear in the equation for any input operand: {equation!r}."
            )
        seen.add(c)
    return names, result


def _names(term: str, ndim: int) -> list[str]:
    before, dots, after = term.partition("...")
    hidden = ndim - len(before) - len(after) if dots else 0
    return [*before, *(str(i) for i in reversed(range(hidden))), *after]


def _sum_of_products(operands: list[Any], terms: list[list[str]], result: list[str]) -> Any:
    """The operands contracted until one is left, whose axes are then put in the result's order."""
    for i, x in enumerate(operands):
        operands[i], terms[i] = _diagonal(x, terms[i])
    lengths: dict[str, int] = {}
    for i, (x, term) in enumerate(zip(operands, terms, strict=True)):
        for c, n in zip(term, x.shape, strict=True):
            if n != 1 and lengths.setdefault(c, n) != n:
                raise ShapeError(
                    f"einsum: subscript {c} has size {n} for operand {i}, which does not broadcast with previously "
                    f"seen size {lengths[c]}." + describe(operands)
                )
    for i, (x, term) in enumerate(zip(operands, terms, strict=True)):
        wanted = [c for c, n in zip(term, x.shape, strict=True) if n == lengths.get(c, 1)]
        if len(wanted) < len(term):  # it stretches along the other axes, which another operand has
            operands[i], terms[i] = x.reshape(tuple(lengths.get(c, 1) for c in wanted)), wanted
    one_kind = len({str(x.dtype) for x in operands}) == 1
    for i, x in enumerate(operands):
        operands[i], terms[i] = _summed(x, terms, i, result)
    if one_kind and any(x.dtype != operands[0].dtype for x in operands):  # small integers, of which sums are int64
        operands = [x.astype(np.int64) for x in operands]
    while len(operands) > 1:
        i, j = _cheapest(terms, lengths)
        operands[i], terms[i] = _pair(operands[i], operands.pop(j), terms[i], terms.pop(j), terms, i, result)
    (x,), (term,) = operands, terms
    order = tuple(term.index(c) for c in result)
    return x if order == tuple(range(x.ndim)) else np.transpose(x, order)


def _diagonal(x: Any, term: list[str]) -> tuple[Any, list[str]]:
    """Each name once: two axes of one name are walked along together."""
    for c in dict.fromkeys(term):
        while term.count(c) > 1:
            a = term.index(c)
            b = term.index(c, a + 1)
            if x.shape[a] != x.shape[b]:
                raise ShapeError(
                    f"einsum: subscript {c} is repeated for an operand, but its axes have lengths {x.shape[a]} and "
                    f"{x.shape[b]}." + describe([x])
                )
            x = np.diagonal(x, 0, a, b)
            term = [name for i, name in enumerate(term) if i not in (a, b)] + [c]
    return x, term


def _summed(x: Any, terms: list[list[str]], i: int, result: list[str]) -> tuple[Any, list[str]]:
    """Summed over what nothing else names: the sum of a product with one factor that varies."""
    term = terms[i]
    needed = {*result, *(c for k, other in enumerate(terms) if k != i for c in other)}
    axes = tuple(k for k, c in enumerate(term) if c not in needed)
    if axes:
        x = sum_over(x, axis=axes, keepdims=False)
    return x, [c for c in term if c in needed]


def _cheapest(terms: list[list[str]], lengths: dict[str, int]) -> tuple[int, int]:
    """The two operands whose product has the fewest terms; the first two among equals."""
    pairs = [(i, j) for i in range(len(terms)) for j in range(i + 1, len(terms))]
    return min(pairs, key=lambda p: math.prod(lengths.get(c, 1) for c in {*terms[p[0]], *terms[p[1]]}))


def _pair(
    x: Any, y: Any, mine: list[str], theirs: list[str], terms: list[list[str]], i: int, result: list[str]
) -> tuple[Any, list[str]]:
    """Two operands as one, with the names that somebody still needs."""
    others = {*result, *(c for k, term in enumerate(terms) if k != i for c in term)}
    kept = list(dict.fromkeys([*mine, *theirs]))
    kept = [c for c in kept if c in others]
    if not terms[:i] and not terms[i + 1 :]:
        kept = list(result)  # the last product puts its axes in order
    letters = dict(zip(dict.fromkeys([*mine, *theirs]), _alphabet([*mine, *theirs]), strict=True))
    spec = f"{_word(mine, letters)},{_word(theirs, letters)}->{_word(kept, letters)}"
    return contract(x, y, spec=spec), kept


def _alphabet(names: list[str]) -> list[str]:
    """Letters for names: the users' own, and for the axes of `...` such as are free."""
    distinct = list(dict.fromkeys(names))
    free = iter([c for c in _CAPITALS.lower()[::-1] + _CAPITALS if c not in distinct])
    return [c if c in LETTERS else next(free) for c in distinct]


def _word(names: list[str], letters: dict[str, str]) -> str:
    return "".join(letters[c] for c in names)


# --- products that are said by which axes are summed


@public("tensordot", as_method=False)
def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """The product of a and b summed over the last `dims` axes of a and the first of b, or over two lists of axes."""
    if isinstance(dims, int) or (isinstance(dims, Operand) and dims.ndim == 0):  # type: ignore[attr-defined]
        count = int(dims)  # type: ignore[arg-type]  # a 0-d operand
        if not 0 <= count <= min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot: expects 0 <= dims <= {min(a.ndim, b.ndim)}, got {count}.")
        first, second = list(range(a.ndim - count, a.ndim)), list(range(count))
    else:
        first, second = ([d] if isinstance(d, int) else list(d) for d in dims)
    if len(first) != len(second):
        raise RuntimeError(f"tensordot: both dimension lists should have same length, got {first} and {second}.")
    first = [one_axis(d, a.ndim, "tensordot") for d in first]
    second = [one_axis(d, b.ndim, "tensordot") for d in second]
    for d, e in zip(first, second, strict=True):
        if a.shape[d] != b.shape[e] and 1 not in (a.shape[d], b.shape[e]):
            raise ShapeError(
                f"tensordot: contracted dimensions need to match, but a has size {a.shape[d]} in dim {d} and b has "
                f"size {b.shape[e]} in dim {e}." + describe([a, b], ("a", "b"))
            )
    names = list(LETTERS[::-1])
    mine = [names.pop() for _ in range(a.ndim)]
    theirs = [mine[first[second.index(k)]] if k in second else names.pop() for k in range(b.ndim)]
    result = [c for k, c in enumerate(mine) if k not in first] + [c for k, c in enumerate(theirs) if k not in second]
    return _sum_of_products([a, b], [mine, theirs], result)


@public("kron")
def kron(input: Any, other: Any) -> Any:
    """Every element of input times all of other, as blocks."""
    count = max(input.ndim, other.ndim)
    a = (1,) * (count - input.ndim) + tuple(input.shape)
    b = (1,) * (count - other.ndim) + tuple(other.shape)
    spread = input.reshape(*(n for pair in zip(a, (1,) * count, strict=True) for n in pair))
    blocks = spread * other.reshape(*(n for pair in zip((1,) * count, b, strict=True) for n in pair))
    return blocks.reshape(tuple(n * m for n, m in zip(a, b, strict=True)))


@answers(np.einsum)
def _np_einsum(subscripts: Any, *operands: Any, optimize: Any = False) -> Any:
    if isinstance(subscripts, str):
        operands = tuple(_operands(operands))
    return einsum(subscripts, *operands)


def _operands(operands: Any) -> list[Any]:
    """In one dtype, as NumPy has it."""
    kinds = {str(x.dtype) for x in operands}
    return list(operands) if len(kinds) == 1 else arithmetic("einsum", operands)


@answers(np.tensordot)
def _np_tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    return tensordot(a, b, axes)


answers(np.kron)(kron)
