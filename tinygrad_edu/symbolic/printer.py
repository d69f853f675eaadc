"""Symbols as NumPy: what a person would type to compute the same thing.

A Symbol that has a name prints as that name; the rest is spelled out down to names. A primitive
prints as an operator, as the NumPy function that it is, or, if NumPy has none, as a call of the
primitive itself (`softmax_over(Z, axis=1)`), for which `namespace()` has the definition.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.primitive import PRIMITIVES, Primitive
from ..core.symbol import Symbol
from ..ops.indexing import Slot
from .walk import upwards

# Python's binding strengths, weakest first
COMPARE, OR, XOR, AND, SUM, PRODUCT, UNARY, POWER, ATOM = range(1, 10)

OPERATORS = {
    "plus": ("+", SUM),
    "minus": ("-", SUM),
    "multiply": ("*", PRODUCT),
    "over": ("/", PRODUCT),
    "floor_divide": ("//", PRODUCT),
    "remainder": ("%", PRODUCT),
    "matrix_product": ("@", PRODUCT),
    "matrix_vector": ("@", PRODUCT),
    "vector_matrix": ("@", PRODUCT),
    "power": ("**", POWER),
    "eq": ("==", COMPARE),
    "ne": ("!=", COMPARE),
    "lt": ("<", COMPARE),
    "le": ("<=", COMPARE),
    "gt": (">", COMPARE),
    "ge": (">=", COMPARE),
    "bitwise_and": ("&", AND),
    "bitwise_xor": ("^", XOR),
    "bitwise_or": ("|", OR),
}
_RIGHT_TOO = {"-", "/", "//", "%", "@"}  # a - (b - c) needs its parentheses


def expression(symbol: Any, names: Mapping[Symbol, str] | None = None) -> str:
    """The NumPy expression of a Symbol; `names` are atoms, in addition to the Symbols' own names.

    >>> Z = Symbol((2, 3), np.dtype("float32"), "Z")
    >>> expression(1 - np.tanh(Z) ** 2)
    '1 - np.tanh(Z) ** 2'
    """
    names = names or {}
    texts: dict[int, tuple[str, int]] = {}
    for part in upwards(symbol, texts, lambda s: s in names):
        if part in names or part.primitive is None:
            texts[id(part)] = (names.get(part) or part.name or f"x{part.index}", ATOM)
        else:
            texts[id(part)] = _spell(part, [texts[id(x)] if isinstance(x, Symbol) else _number(x) for x in part.inputs])
    return texts[id(symbol)][0] if isinstance(symbol, Symbol) else literal(symbol)


def namespace() -> dict[str, Any]:
    """What the printed source may call: NumPy, and the primitives that NumPy has no function for."""
    calls: dict[str, Any] = {key: primitive.forward for key, primitive in PRIMITIVES.items()}
    return {**calls, "np": np, "Slot": Slot, "steps": PRIMITIVES}


def literal(value: Any) -> str:
    """A parameter of a primitive, or a constant, as source."""
    if isinstance(value, Slot):
        return f"Slot({value.number})"
    if isinstance(value, Primitive):
        return f"steps[{value.key!r}]"
    if isinstance(value, np.dtype):
        return f"np.{value.name}"
    if isinstance(value, tuple):
        return "(" + "".join(f"{literal(v)}, " for v in value).removesuffix(" " if len(value) == 1 else ", ") + ")"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, np.ndarray):
        return f"np.array({value.tolist()}, dtype=np.{value.dtype.name})"
    if isinstance(value, float) and not np.isfinite(value):
        return f"float({str(value)!r})"
    return "..." if value is ... else repr(value)


def _spell(symbol: Symbol, parts: list[tuple[str, int]]) -> tuple[str, int]:
    """One equation's right-hand side, and how tightly it binds."""
    primitive = symbol.primitive
    assert primitive is not None
    params = symbol.params
    if primitive.key in OPERATORS:
        sign, strength = OPERATORS[primitive.key]
        return infix(sign, strength, parts[0], parts[1]), strength
    if primitive.key == "negative":
        return "-" + wrapped(parts[0], UNARY), UNARY
    if primitive.key == "getitem":
        return f"{wrapped(parts[0], ATOM)}[{subscript(params['key'], parts[1:])}]", ATOM
    if primitive.key == "zero_where":
        return f"np.where({parts[0][0]}, 0, {parts[1][0]})", ATOM
    if primitive.key == "pick":
        return f"{wrapped(parts[0], ATOM)}[{params['output']}]", ATOM
    if primitive.key == "permute_axes":
        return _transpose(parts[0], params["axes"]), ATOM
    if primitive.key == "astype":
        return f"{wrapped(parts[0], ATOM)}.astype({literal(params['dtype'])})", ATOM
    if primitive.key == "filled":
        return f"np.full({literal(params['shape'])}, {literal(params['value'])}, {literal(params['dtype'])})", ATOM
    arguments = [text for text, _ in parts]
    if primitive.key in ("join", "pile"):
        function = "np.concatenate" if primitive.key == "join" else "np.stack"
        return f"{function}([{', '.join(arguments)}], axis={params['axis']})", ATOM
    if primitive.key == "reshape_to":
        return f"np.reshape({arguments[0]}, {literal(params['shape'])})", ATOM
    if primitive.key == "contract":
        return f"np.einsum({', '.join([repr(params['spec']), *arguments])})", ATOM
    if primitive.numpy is None:
        arguments += [f"{name}={literal(value)}" for name, value in params.items()]
        return f"{primitive.key}({', '.join(arguments)})", ATOM
    arguments += [word for name, value in params.items() if (word := _keyword(name, value, symbol))]
    home = "np.linalg" if getattr(primitive.numpy, "__module__", "") == "numpy.linalg" else "np"
    return f"{home}.{primitive.numpy.__name__}({', '.join(arguments)})", ATOM


def _keyword(name: str, value: Any, symbol: Symbol) -> str:
    """A parameter of a NumPy function, shortened: one axis without its tuple, no default."""
    if name == "axis" and isinstance(value, tuple):
        if len(value) == symbol.inputs[0].ndim and not symbol.params.get("keepdims"):
            return ""  # all of them
        value = value[0] if len(value) == 1 else value
    return "" if name == "keepdims" and not value else f"{name}={literal(value)}"


def _number(x: Any) -> tuple[str, int]:
    text = literal(x)
    return text, UNARY if text.startswith("-") else ATOM


def infix(sign: str, strength: int, left: tuple[str, int], right: tuple[str, int]) -> str:
    """`left sign right`, each with parentheses where the sign binds more tightly than it does."""
    tight_left = strength + 1 if sign == "**" or strength == COMPARE else strength
    tight_right = strength + 1 if sign in _RIGHT_TOO or strength == COMPARE else strength
    if sign == "*" and any(inner in right[0] for inner in ("@", "//", "%")):
        tight_right = strength + 1  # a * (B @ C) is not (a * B) @ C, nor a * (b // c) the same as a * b // c
    return f"{wrapped(left, tight_left)} {sign} {wrapped(right, tight_right)}"


def wrapped(part: tuple[str, int], strength: int) -> str:
    """The text, in parentheses if it binds less than `strength`."""
    text, binds = part
    return text if binds >= strength else f"({text})"


def _transpose(part: tuple[str, int], axes: tuple[int, ...]) -> str:
    if swaps_last_two(axes):
        return f"{wrapped(part, ATOM)}.{'T' if len(axes) == 2 else 'mT'}"
    return f"np.transpose({part[0]}, {literal(axes)})"


def swaps_last_two(axes: tuple[int, ...]) -> bool:
    """Whether an order of axes is that of a transposed matrix, or of several: `X.mT`."""
    n = len(axes)
    return n > 1 and axes == (*range(n - 2), n - 1, n - 2)


def span(k: slice) -> str:
    """A slice: `:5` from the first element on."""
    return f"{k.start or ''}:{'' if k.stop is None else k.stop}" + ("" if k.step is None else f":{k.step}")


def subscript(key: tuple[Any, ...], arrays: list[tuple[str, int]]) -> str:
    """What stands between the brackets of an index."""
    words = []
    for k in key:
        if isinstance(k, Slot):
            words.append(arrays[k.number][0])
        elif isinstance(k, slice):
            words.append(span(k))
        else:
            words.append(literal(k))
    return ", ".join(words)
