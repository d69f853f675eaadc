"""Formulas: Symbols as mathematics, in Unicode, ASCII, LaTeX and MathML.

    dZ1 = dA1 ∘ (1 - A1²)         ∘ is the product of elements; matrices stand side by side: W2 dZ2
    dW2 = 1/m A1 dZ2ᵀ             scalars stand in front
    db1 = Σ dZ1                   summed along the axes that the result, whose shape is shown, has lost
    [Z1 > 0]                      1 where it holds, else 0

One walk spells every notation: a Style (notations.py) says how each construct is written. NumPy source is the
business of printer.py.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any

import numpy as np

from ..core.primitive import Primitive
from ..core.symbol import Symbol
from ..ops.indexing import Slot
from .notations import ATOM, POWER, PRODUCT, SUM, TEXT, UNARY, Spelled, Style
from .printer import span, swaps_last_two
from .walk import is_atom, upwards

WITH_PROBABILITIES = "cross_entropy_of_classes", "cross_entropy_of_pixels"  # the second output is P

STANDARDIZED = "standardize", "mean", "var"  # its outputs
DIGITS = 6  # of a number that has more of them than anybody reads; the source has them all
_NUMBER = re.compile(r"-?\d+(\.\d*)?(e[+-]?\d+)?")  # a constant of one element goes by it
_COMPARISONS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤", "eq": "=", "ne": "≠"}
_MATRIX = {"matrix_product", "matrix_vector", "vector_matrix"}
_WORDS = {
    "sigmoid": "σ", "softmax_over": "softmax", "log_softmax_over": "log softmax", "max_over": "max", "min_over": "min",
    "absolute": "abs", "soft_plus": "softplus", "leaky": "leaky_relu", "logsumexp_over": "logsumexp",
}  # fmt: skip
_SILENT = {
    "axis",
    "keepdims",
    "plane",
    "reduction",
    "ignore_index",
    "mean",
    "dtype",
    "shape",
    "grid",
}  # parameters that the shapes tell
_USUAL = {"beta": (1,), "scale": (1,), "threshold": (20, math.inf)}  # values that go without saying


def formula(x: Any, style: Style = TEXT) -> str:
    """The right-hand side that a Symbol is, down to names.

    >>> Z = Symbol((2, 3), np.dtype("float32"), "Z")
    >>> formula(Z * (1 - np.tanh(Z) ** 2))
    'Z ∘ (1 - tanh(Z)²)'
    """
    return _spelled(x, style)[0]


def _spelled(x: Any, style: Style) -> Spelled:
    """An expression spelled, and how tightly it binds."""
    done: dict[int, Spelled] = {}
    for part in upwards(x, done, is_atom):
        if is_atom(part):
            name = part.name or f"x{part.index}"
            done[id(part)] = _literal(float(name), style) if _NUMBER.fullmatch(name) else (style.name(name), ATOM)
        else:
            inputs = [done[id(i)] if isinstance(i, Symbol) else _literal(i, style) for i in part.inputs]
            done[id(part)] = _spell(part, inputs, style)
    return done[id(x)] if isinstance(x, Symbol) else _literal(x, style)


def _literal(x: Any, style: Style) -> Spelled:
    """A number or another constant; whole numbers without a point, a ratio as one."""
    if isinstance(x, np.ndarray) and x.shape == ():
        x = x.item()
    if isinstance(x, int) and abs(x) >= 10**15:
        x = float(x)
    text = repr(x) if not isinstance(x, (Fraction, str)) else str(x)
    if isinstance(x, float) and len(text.strip("-0.").replace(".", "")) > DIGITS + 3 and "/" not in text:
        text = f"{x:.{DIGITS}g}"
    if isinstance(x, float) and "/" not in text and abs(x) < 1e6 and x == int(x):
        text = repr(int(x))
    return style.number(text), UNARY if text.startswith("-") else ATOM


def _is_scalar(x: Any) -> bool:
    return not isinstance(x, Symbol) or x.shape == ()


def _spell(x: Symbol, parts: list[Spelled], style: Style) -> Spelled:
    key, w = x.key, style.within
    if key == "plus":
        return style.add(w(parts[0], SUM), w(parts[1], SUM)), SUM
    if key == "minus":
        return style.subtract(w(parts[0], SUM), w(parts[1], PRODUCT)), SUM
    if key == "negative":
        return style.negative(w(parts[0], UNARY if parts[0][1] != PRODUCT else PRODUCT)), UNARY
    if key == "multiply":
        return _product(x, parts, style)
    if key == "over":
        return style.fraction(parts[0], parts[1], _is_scalar(x.inputs[0]) and _is_scalar(x.inputs[1]))
    if key in ("power", "square", "reciprocal"):
        n = {"square": "2", "reciprocal": "-1"}.get(key) or parts[1][0]
        return style.power(w(parts[0], ATOM), n), POWER
    if key in _MATRIX:
        return style.side_by_side(_factor(x.inputs[0], parts[0], style), w(parts[1], POWER)), PRODUCT
    if key == "affine":
        Z = style.side_by_side(_factor(x.inputs[0], parts[0], style), style.transpose(w(parts[1], ATOM)))
        return (style.add(Z, w(parts[2], SUM)), SUM) if len(parts) > 2 else (Z, PRODUCT)
    if key == "permute_axes" and swaps_last_two(x.params["axes"]):
        return style.transpose(w(parts[0], ATOM)), POWER
    if key == "sum_over":
        return style.total(w(parts[0], UNARY if not _is_elementwise(x.inputs[0]) else ATOM)), PRODUCT
    if key == "mean_over":
        return style.call("mean", [parts[0][0]]), ATOM
    if key == "sqrt":
        return style.root(parts[0][0]), POWER
    if key in _COMPARISONS:
        return style.holds(parts[0][0], _COMPARISONS[key], parts[1][0]), ATOM
    if key == "choose":
        return style.choice(parts[0][0], parts[1][0], parts[2][0]), ATOM
    if key == "filled" and x.params["value"] == 1:
        return style.ones(), ATOM
    if key == "filled":
        return _literal(x.params["value"], style)
    if key == "assign":  # X, but V in some place
        at = style.index(style.setting("at="), _place(x.params["steps"], x.params["key"], parts[2:]))
        return style.call("put", [parts[0][0], parts[1][0], at]), ATOM
    if key in ("logical_not", "invert") and x.dtype == np.bool_:
        return style.subtract(style.number("1"), w(parts[0], PRODUCT)), SUM  # a condition is 0 or 1
    if key == "getitem" and (vector := _as_vector(x)) is not None:
        return _vector_product(x.inputs[0], vector, style)
    if key == "getitem" and x.params["key"] == (...,):
        return parts[0]
    if key == "getitem":
        return style.index(w(parts[0], ATOM), _index(x.params["key"], parts[1:])), ATOM
    if key == "pick" and x.inputs[0].key in WITH_PROBABILITIES and x.params["output"] == 0:
        return parts[0]
    if key == "pick" and x.inputs[0].key == "standardized" and not x.params["output"]:
        return parts[0]
    if key == "pick" and x.inputs[0].key == "standardized":
        return style.call(STANDARDIZED[x.params["output"]], [_spelled(x.inputs[0].inputs[0], style)[0]]), ATOM
    if key == "pick":
        return style.index(w(parts[0], ATOM), str(x.params["output"])), ATOM
    if key in ("astype", "broadcast_to") or (key == "reshape_to" and _is_one(x) and _is_one(x.inputs[0])):
        return parts[0]
    arguments = [text for text, _ in parts]
    if key == "scatter":
        at = style.index(style.setting("at="), _index(x.params["key"], parts[1:]))
        return style.call("scatter", [parts[0][0], at]), ATOM
    said = {k: v for k, v in x.params.items() if k not in _SILENT and v not in _USUAL.get(k, ())}
    arguments += [style.setting(f"{name}={_setting(value)}") for name, value in said.items()]
    assert x.primitive is not None
    word = _WORDS.get(key) or (x.primitive.name if x.primitive.numpy is None else x.primitive.numpy.__name__)
    return style.call(word, arguments), ATOM


def _product(x: Symbol, parts: list[Spelled], style: Style) -> Spelled:
    a, b = x.inputs
    w = style.within
    if _is_scalar(a) or _is_scalar(b):
        first, second = (0, 1) if _is_scalar(a) else (1, 0)
        left = style.brackets(parts[first][0]) if _ends_in_sum(x.inputs[first]) else w(parts[first], PRODUCT)
        return style.side_by_side(left, w(parts[second], PRODUCT)), PRODUCT
    sides = [style.brackets(p[0]) if _is_matrix(i) else w(p, PRODUCT) for p, i in zip(parts, (a, b), strict=True)]
    sides[0] = style.brackets(parts[0][0]) if _ends_in_sum(a) else sides[0]
    return style.elementwise(*sides), PRODUCT


def _as_vector(x: Symbol) -> Any:
    """v of (A v[..., None])[..., 0], which is how a rule writes the product with a vector."""
    product = x.inputs[0]
    if x.params["key"] != (..., 0) or product.name or product.key != "matrix_product":
        return None
    right = product.inputs[1]
    turned = isinstance(right, Symbol) and right.key == "getitem" and not right.name
    return right.inputs[0] if turned and right.params["key"] == (..., None) else None


def _vector_product(product: Symbol, vector: Any, style: Style) -> Spelled:
    A, v = (_spelled(side, style) for side in (product.inputs[0], vector))
    return style.side_by_side(_factor(product.inputs[0], A, style), style.within(v, POWER)), PRODUCT


def _is_one(x: Any) -> bool:
    """It has a single element."""
    return all(n == 1 for n in getattr(x, "shape", ()))


def _ends_in_sum(x: Any) -> bool:
    """What is written to its right would seem to be summed too."""
    while isinstance(x, Symbol) and not is_atom(x):
        key: str = x.key
        if key == "multiply":
            x = x.inputs[1 if _is_scalar(x.inputs[0]) or not _is_scalar(x.inputs[1]) else 0]
        elif key in ("negative", "astype", "broadcast_to"):
            x = x.inputs[0]
        else:
            return key == "sum_over"
    return False


def _factor(x: Any, part: Spelled, style: Style) -> str:
    """The left factor of a matrix product: another one stands without brackets, a product of elements does not."""
    return part[0] if part[1] > PRODUCT or _is_matrix(x) else style.brackets(part[0])


def _is_matrix(x: Any) -> bool:
    """A matrix product that is not just a name: beside ∘ it needs brackets."""
    return isinstance(x, Symbol) and not x.name and x.key in _MATRIX


def _is_elementwise(x: Any) -> bool:
    return isinstance(x, Symbol) and not x.name and x.key in ("multiply", "over")


def _index(key: tuple[Any, ...], arrays: list[Spelled]) -> str:
    words = []
    for k in key:
        if isinstance(k, Slot):
            words.append(re.sub(r"<[^>]*>", "", arrays[k.number][0]))
        elif isinstance(k, slice):
            words.append(span(k))
        else:
            words.append("…" if k is ... else str(k))
    return ", ".join(words[:-1] if words[-1:] == ["…"] and len(words) > 1 else words)


def _place(steps: tuple[tuple[Primitive, dict[str, Any]], ...], key: tuple[Any, ...], arrays: list[Spelled]) -> str:
    """Where a write goes: through views, each a key of the one before."""
    views = [_index(params["key"], []) if step.key == "getitem" else step.name for step, params in steps]
    last = _index(key, arrays)
    return "][".join([*views, last] if last != "…" or not views else views)


def _setting(value: Any) -> str:
    if isinstance(value, Primitive):
        return value.name
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_setting, value)) + ")"
    return f"{value:g}" if isinstance(value, float) else str(value)
