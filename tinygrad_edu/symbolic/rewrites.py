"""Mistakes that people make in backprop, as rewrites of the right formula.

Each candidate is a line of `explain` with one thing changed: a factor dropped, a value exchanged, a
matrix turned, a sum over other axes. Evaluated, it tells whether that is what somebody did. No
derivative stands here: other slopes are asked of the rule book as the right ones are.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from ..core.primitive import PRIMITIVES, Primitive
from ..core.record import Record
from ..core.symbol import Symbol
from .expressions import atoms, filled
from .formulas import formula
from .lines import Line
from .mistakes import LESS, Mistake, Sources, key_of, tried
from .walk import downwards

ACTIVATIONS = ("tanh", "sigmoid", "relu", "silu_of", "gelu_exact")  # that are taken for one another
SLOPES = (0.01, 0.1, 0.2, 0.3)  # of leaky_relu's left side, as people choose them
LARGEST = 4_000_000  # entries: the wrong product of two long matrices is as long as it is wide
_LEFT_OUT = ("exp", "log", "sqrt", "clamp_between", "clamp_below", "clamp_above")  # functions that are forgotten
_MATRIX = {"matrix_product", "matrix_vector", "vector_matrix"}


def rewrites(x: Any, line: Line, sources: Sources) -> Iterator[Mistake]:
    """The formula x of a line with one mistake in it, the likeliest first."""
    for make in (_slopes, _parts, _sums, _scattered, _products, _exchanges, _functions, _conditions):
        yield from make(x, line, sources)


# --- g'(Z)


def activation(line: Line, sources: Sources) -> tuple[Primitive, Record] | None:
    """The elementwise function that a line's value goes through, and its result."""
    users = [r for r in sources.users.get(line.record, ()) if r.needs_grad and r.primitive is not None]
    if len(users) != 1 or len(users[0].inputs) != 1 or users[0].shape != line.record.shape:
        return None
    primitive = users[0].primitive
    assert primitive is not None
    return (primitive, users[0]) if primitive.__module__.endswith("ops.activation") else None


def _slopes(x: Any, line: Line, sources: Sources) -> Iterator[Mistake]:
    found = activation(line, sources)
    if found is None:
        return
    g, record = found
    params, by_row = record.params, "axis" in record.params
    dA, A, Z = (
        sources.e.cotangent(record),
        sources.e.reading.value(record),
        sources.e.reading.value(line.record),
    )
    z, a = line.name[1:], formula(A)
    if dA is not None:
        yield Mistake("missing g'", f"the slope g'({z}) of {g.name} is missing", dA)
        at_A = _slope(g, dA, g(A, **params), A, params)
        yield Mistake("g' of the wrong quantity", f"g' is taken at {a} where it belongs at {z}", at_A)
        for X in (A, Z):
            says = f"the slope is computed from {z} where it belongs from {a}"
            yield Mistake("g' of the wrong quantity", says, _slope(g, dA, Z, X, params))
        if not by_row:  # else it is a term that is missing
            yield Mistake("g for g'", f"{g.name} itself stands where its slope belongs", dA * A)
        yield from _other_slopes(g, params, dA, A, Z)
        alone = _slope(g, filled(1.0, dA.shape, dA.dtype), A, Z, params)
        yield Mistake("missing upstream gradient", f"{dA.name} is missing: this is g'({z}) alone", alone)
    if isinstance(x, Symbol):
        says = f"the slope g'({z}) of {g.name} is multiplied in once too often"
        yield Mistake("g' twice", says, _slope(g, x, A, Z, params))
        if by_row:  # people take a softmax for a sigmoid of each
            says = f"{a} ∘ (1 - {a}), the slope of sigmoid, is multiplied in once too often"
            yield Mistake("g' twice", says, _slope(PRIMITIVES["sigmoid"], x, A, Z, {}))


def _slope(g: Primitive, dA: Any, A: Any, Z: Any, params: dict[str, Any]) -> Any:
    """An activation's rule: dA times its slope."""
    return g.call_rule(0, dA, A, [Z], params)


def _other_slopes(g: Primitive, given: dict[str, Any], dA: Any, A: Any, Z: Any) -> Iterator[Mistake]:
    """The slope of another activation than g, or of g with another parameter than is given."""
    others: list[tuple[Primitive, dict[str, Any]]] = [(p, {}) for key in ACTIVATIONS if (p := PRIMITIVES[key]) is not g]
    others += [(PRIMITIVES["leaky"], {"slope": s}) for s in SLOPES]
    for p, params in others:
        if (p, params) == (g, given):
            continue
        says = f"the slope of {p.name}" + (f" ({params['slope']:g})" if params else "")
        says += f" stands where that of {g.name} belongs" + (f" ({given['slope']:g})" if p is g else "")
        far = "axis" in given and p.key != "sigmoid"  # of what is positive relu's slope is 1
        for Y in (p(Z, **params), A):
            yield Mistake("g' of another activation", says, _slope(p, dA, Y, Z, params), LESS * far)


# --- terms and factors


def _parts(x: Any, line: Line, sources: Sources) -> Iterator[Mistake]:
    for node in downwards(x):
        key = key_of(node)
        if key in ("plus", "minus"):
            yield from _terms(x, node, line, sources)
        elif key in ("multiply", "over"):
            a, b = node.inputs
            if key == "multiply":
                for kept, lost in ((a, b), (b, a)):
                    yield from _without(x, node, kept, lost, sources)
                    yield from _unbracketed(x, node, kept, lost)
            else:
                kind = "missing 1/m" if sources.only_m(b) else "missing factor"
                says = f"{'1/m' if sources.only_m(b) else f'the division by {formula(b)}'} is missing"
                changed = tried(x, node, lambda a=a: a)
                if changed is not None and a.__class__ is Symbol:
                    yield Mistake(kind, says, changed)
                if not sources.only_m(b):
                    turned = tried(x, node, lambda a=a, b=b: a * b)
                    yield Mistake("missing factor", f"multiplied by {formula(b)} instead of divided", turned)
        elif key in ("power", "square"):
            base = node.inputs[0]
            yield Mistake(
                "missing factor", f"{formula(base)} is not raised to its power", tried(x, node, lambda b=base: b)
            )
            doubled = tried(x, node, lambda b=base: 2 * b)
            yield Mistake("wrong value", f"{formula(base)} is multiplied by 2 instead of squared", doubled)


def _without(x: Any, node: Symbol, kept: Any, lost: Any, sources: Sources) -> Iterator[Mistake]:
    if not isinstance(kept, Symbol):
        return
    changed = tried(x, node, lambda: kept)
    text = formula(lost)
    if sources.only_m(lost):
        numerator = lost.inputs[0] if key_of(lost) == "over" else 1
        if numerator.__class__ in (int, float) and numerator != 1:
            changed_too = tried(x, node, lambda: numerator * kept)
            yield Mistake("missing 1/m", "1/m is missing", changed_too)
            yield Mistake("constant factor", f"the factor {text} is missing", changed, 5)
            share = tried(x, node, lambda: 1 / sources.m * kept)
            yield Mistake("constant factor", f"the factor {numerator:g} is missing", share)
            return
        yield Mistake("missing 1/m", "1/m is missing", changed)
    elif not isinstance(lost, Symbol):
        yield Mistake("constant factor", f"the factor {text} is missing", changed)
    elif sources.has_gradient(lost):
        yield Mistake("missing upstream gradient", f"the factor {text} is missing", changed, LESS)
    else:
        yield Mistake("missing factor", f"the factor {text} is missing", changed)
        yield Mistake("factor twice", f"the factor {text} is there twice", tried(x, node, lambda: node * lost))


def _unbracketed(x: Any, node: Symbol, factor: Any, total: Any) -> Iterator[Mistake]:
    """What Python reads without the brackets around a sum."""
    if key_of(total) not in ("plus", "minus"):
        return
    a, b = total.inputs
    says, sign = f"the brackets around {formula(total)} are missing", 1 if key_of(total) == "plus" else -1
    for make in (lambda: factor * a + sign * b, lambda: a + sign * b * factor):
        yield Mistake("missing brackets", says, tried(x, node, make))


def _terms(x: Any, node: Symbol, line: Line, sources: Sources) -> Iterator[Mistake]:
    a, b = node.inputs
    minus = key_of(node) == "minus"
    leaf = line.record.primitive is None
    if minus and not isinstance(a, Symbol):
        says = f"{formula(b)} stands where {formula(node)} belongs"
        yield Mistake("wrong value", says, tried(x, node, lambda: b))
    if key_of(b) in ("power", "square"):
        base, *power = b.inputs
        whole = a - base if minus else a + base
        says = f"the power belongs to {formula(base)} alone, not to {formula(whole)}"
        yield Mistake("missing brackets", says, tried(x, node, lambda: b.primitive(whole, *power, **b.params)))
    yield from _alone(x, node)
    for kept, lost, first in ((b, a, True), (a, b, False)):
        penalty = leaf and not sources.has_gradient(lost) and sources.has_gradient(kept)
        text = formula(lost)
        sign = -1 if minus and first else 1
        kind = "forgotten regularisation" if penalty else "missing term"
        says = f"the {'penalty' if penalty else 'term'} {text} is missing"
        yield Mistake(kind, says, tried(x, node, lambda k=kept, s=sign: k if s == 1 else -k))
        times: list[tuple[str, str, Any]] = [("sign", f"the term {text} has the wrong sign", -1)]
        if not penalty:
            times.append(("constant factor", f"the term {text} is counted twice", 2))
        if penalty:
            times += [
                ("constant factor", f"the penalty {text} is counted {word}", c)
                for word, c in (("half", 0.5), ("twice", 2))
            ]
            times.append(("doubled 1/m", f"the penalty {text} has one 1/m too many", 1 / sources.m))
            times.append(("missing 1/m", f"1/m is missing before the penalty {text}", sources.m))
        elif sources.has_gradient(lost) and leaf:
            times.append(("doubled 1/m", f"the term {text} has one 1/m too many", 1 / sources.m))
            times.append(("missing 1/m", f"1/m is missing in {text}", sources.m))
        for kind, says, c in times:
            if first:
                changed = tried(x, node, lambda a=a, b=b, c=c: c * a - b if minus else c * a + b)
            else:
                changed = tried(x, node, lambda a=a, b=b, c=c: a - c * b if minus else a + c * b)
            yield Mistake(kind, says, changed)


def _alone(x: Any, node: Symbol) -> Iterator[Mistake]:
    """One of several terms, without the others."""
    found, queue = list[tuple[int, Any]](), [(1, node)]
    while queue:
        sign, part = queue.pop()
        if key_of(part) in ("plus", "minus"):
            a, b = part.inputs
            queue += [(-sign if key_of(part) == "minus" else sign, b), (sign, a)]
        else:
            found.append((sign, part))
    for kept in found if len(found) > 2 else ():
        sign, term = kept
        others = " and ".join(formula(other) for pair in found if pair is not kept for other in pair[1:])
        yield Mistake("missing term", f"the terms {others} are missing", tried(x, node, lambda s=sign, t=term: s * t))


# --- Σ


def _sums(x: Any, line: Line, sources: Sources) -> Iterator[Mistake]:
    sums = [node for node in downwards(x) if key_of(node) in ("sum_over", "mean_over")]
    if len(sums) > 1:
        texts = " and ".join(formula(node.inputs[0]) for node in sums)
        without = tried(x, sums, lambda node: node.inputs[0])
        yield Mistake("missing sum", f"{texts} are not summed over the samples", without)
        means = tried(x, sums, lambda node: PRIMITIVES["mean_over"](node.inputs[0], **node.params))
        yield Mistake("sum against mean", f"means of {texts} stand where the sums belong", means)
    for node in downwards(x):
        if key_of(node) == "softmax_over" or node.name in sources.softmaxes:
            yield from _other_softmax(x, node, sources)
        if key_of(node) not in ("sum_over", "mean_over"):
            continue
        source, axes, text = node.inputs[0], node.params["axis"], formula(node.inputs[0])
        other = "mean_over" if key_of(node) == "sum_over" else "sum_over"
        words = ("a mean", "the sum") if other == "mean_over" else ("a sum", "the mean")
        says = f"{words[0]} of {text} stands where {words[1]} belongs"
        yield Mistake(
            "sum against mean", says, tried(x, node, lambda p=PRIMITIVES[other], s=source, n=node: p(s, **n.params))
        )
        over = " over the samples" if line.record.primitive is None else ""
        yield Mistake("missing sum", f"{text} is not summed{over}", tried(x, node, lambda s=source: s))
        if node is not x and node.params.get("keepdims"):
            lost = tried(x, node, lambda n=node: n.primitive(*n.inputs, **{**n.params, "keepdims": False}))
            says = f"the sum of {text} has lost its axis (keepdims=True), so it is spread along another one"
            yield Mistake("lost keepdims", says, lost)
        count = source.ndim
        for size in range(1, count + 1):
            for chosen in itertools.combinations(range(count), size):
                if chosen == axes:
                    continue
                where = "all axes" if size == count else f"axis {', '.join(map(str, chosen))}"
                right = ", ".join(map(str, axes))
                for p in (PRIMITIVES[key_of(node)], PRIMITIVES[other]):
                    changed = tried(x, node, lambda p=p, s=source, c=chosen: p(s, axis=c, keepdims=True))
                    word = "summed" if p.key == "sum_over" else "averaged"
                    yield Mistake("wrong axis", f"{text} is {word} over {where} where axis {right} belongs", changed)


def _other_softmax(x: Any, node: Symbol, sources: Sources) -> Iterator[Mistake]:
    call = sources.softmaxes.get(node.name or "", node)
    axis = call.params["axis"]
    for other in range(call.ndim):
        if other != axis:
            changed = tried(x, node, lambda c=call, o=other: c.primitive(c.inputs[0], axis=o))
            yield Mistake("wrong axis", f"softmax runs along axis {other} where axis {axis} belongs", changed)


def _scattered(x: Any, line: Line, sources: Sources) -> Iterator[Mistake]:
    for node in downwards(x):
        if key_of(node) == "scatter" and len(node.inputs) > 1:
            V, *indices = node.inputs
            says = "rows that are named several times are overwritten where they belong added (np.add.at)"
            zeros, place = filled(0.0, node.params["shape"], V.dtype), {"steps": (), "key": node.params["key"]}
            over = tried(x, node, lambda z=zeros, V=V, i=indices, p=place: PRIMITIVES["assign"](z, V, *i, **p))
            yield Mistake("missing sum", says, over)


# --- products


def _products(x: Any, line: Line, sources: Sources) -> Iterator[Mistake]:
    for node in downwards(x):
        key = key_of(node)
        if key in _MATRIX:
            A, B = node.inputs
            for t, P, Q in ((A, _turned(A), B), (B, A, _turned(B))):
                changed = tried(x, node, lambda P=P, Q=Q: _matrix_product(P, Q))
                is_turned = key_of(t) == "permute_axes"
                says = f"{formula(t.inputs[0])} is not transposed" if is_turned else f"{formula(t)} is transposed"
                yield Mistake("transposed", says, changed)
            says = f"{formula(B)} stands before {formula(A)} in the product"
            yield Mistake("order of a product", says, tried(x, node, lambda A=A, B=B: _matrix_product(B, A)))
            says = f"* stands for @ between {formula(A)} and {formula(B)}"
            for P, Q in itertools.product((A, _turned(A)), (B, _turned(B))):
                yield Mistake("* for @", says, tried(x, node, lambda P=P, Q=Q: P * Q))
        elif key == "multiply" and all(isinstance(i, Symbol) and i.ndim == 2 for i in node.inputs):
            A, B = node.inputs
            for P, Q in itertools.product((A, _turned(A)), (B, _turned(B))):
                changed = tried(x, node, lambda P=P, Q=Q: _matrix_product(P, Q))
                yield Mistake("@ for *", f"@ stands for * between {formula(A)} and {formula(B)}", changed, LESS)
        elif key == "permute_axes":
            inner = node.inputs[0]
            yield Mistake("transposed", f"{formula(inner)} is not transposed", tried(x, node, lambda i=inner: i))


def _matrix_product(A: Any, B: Any) -> Any:
    """A @ B, unless it would be huge."""
    size = A.shape[-2] * B.shape[-1] if A.ndim == B.ndim == 2 else 0
    return A @ B if size <= LARGEST else None


def _turned(x: Symbol) -> Any:
    """The last two axes exchanged, back if they have been."""
    if key_of(x) == "permute_axes" and x.ndim == 2:
        return x.inputs[0]
    return x.mT if x.ndim > 1 else x


# --- one value for another


def _exchanges(x: Any, line: Line, sources: Sources) -> Iterator[Mistake]:
    slope = activation(line, sources) is not None
    gradients = [a for r in sources.e.order if (a := sources.e.cotangent(r)) is not None]
    for atom in atoms(x):
        if atom is sources.m or not atom.shape:
            continue
        others = gradients if sources.is_gradient(atom) else sources.values
        if not sources.is_gradient(atom):
            changed = tried(x, atom, lambda a=atom: 1 - a)
            yield Mistake("wrong value", f"1 - {atom.name} stands where {atom.name} belongs", changed)
        for other in others:
            if other is atom or other.name in (atom.name, line.name):
                continue
            kind = "g' of the wrong quantity" if slope and not sources.is_gradient(atom) else "wrong value"
            if other.shape == atom.shape:
                yield Mistake(kind, f"{other.name} stands where {atom.name} belongs", tried(x, atom, lambda o=other: o))
            elif other.ndim == atom.ndim == 2 and other.shape == atom.shape[::-1]:
                turned = tried(x, atom, lambda o=other: _turned(o))
                yield Mistake("wrong value", f"{other.name}ᵀ stands where {atom.name} belongs", turned)


def _functions(x: Any, line: Line, sources: Sources) -> Iterator[Mistake]:
    """Log-probabilities for probabilities, and their like."""
    for node in downwards(x):
        if key_of(node) in _LEFT_OUT:
            inner = node.inputs[0]
            says = f"{formula(inner)} stands where {formula(node)} belongs"
            yield Mistake("wrong value", says, tried(x, node, lambda i=inner: i))


def _conditions(x: Any, line: Line, sources: Sources) -> Iterator[Mistake]:
    turned = {"gt": "le", "ge": "lt", "lt": "ge", "le": "gt"}
    for node in downwards(x):
        if key_of(node) in turned:
            changed = tried(x, node, lambda n=node: PRIMITIVES[turned[key_of(n)]](*n.inputs))
            yield Mistake("comparison reversed", f"{formula(node)} is the wrong way round", changed)


def kinks(x: Any) -> Iterator[Any]:
    """The formula with the other slope where an activation has none: [Z ≥ 0] for [Z > 0]."""
    other = {"gt": "ge", "ge": "gt", "lt": "le", "le": "lt"}
    for node in downwards(x):
        if key_of(node) in other and 0 in [i for i in node.inputs if not isinstance(i, Symbol)]:
            yield tried(x, node, lambda n=node: PRIMITIVES[other[key_of(n)]](*n.inputs))
