"""Formulas and arrays as plain data that a page can draw: what the explorer's pictures are made of.

A formula becomes a tree of lists, first what it is, then its parts:

    ["v", k]  ["g", k]        value k, its gradient         ["n", "1/m"]         a number
    ["+", a, b]  "-" "*" "/"  elementwise                   ["neg", a]  ["^", a, "2"]
    ["@", a, b, "mm"]         a matrix product; "mv", "vm", "dot": of vectors, "batched"
    ["T", a]                  transposed                    ["S", a, "rows", n]  summed, see `_summed`; n: of how many
    ["f", "tanh", a]          element by element            ["o", "softmax", a]  any other function: its arguments only
    [">", a, b]               1 where it holds, else 0      ["?", c, a, b]       a where c holds, else b

An array becomes a table of at most `most` rows and columns: scalars are 1 x 1, vectors rows, and of
more than two axes all but the last are rows. Which rows are shown depends on their number alone, so
in a product of sampled matrices the shown entries still face each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.symbol import Symbol
from ..symbolic.formulas import STANDARDIZED
from ..symbolic.walk import is_atom

Tree = list[Any]

DEPTH = 24  # of a tree; what is nested more deeply is not readable as pictures
PARTS = 60  # of a tree, likewise
REPEATED = 3  # arrows between the same two values at most
DIGITS = 5  # significant, of every number on a page

_INFIX = {"plus": "+", "minus": "-", "multiply": "*", "over": "/"}
_COMPARED = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤", "eq": "=", "ne": "≠"}
PRODUCTS = {"matrix_product": "mm", "matrix_vector": "mv", "vector_matrix": "vm", "dot": "dot"}
_UNCHANGED = ("astype", "broadcast_to", "clone")


def positions(n: int, most: int) -> list[int]:
    """At most `most` of n places, evenly spaced, the first and the last among them."""
    if n <= most:
        return list(range(n))
    return [i * (n - 1) // max(most - 1, 1) for i in range(most)]


def table(array: Any, most: int) -> list[list[Any]]:
    """An array's sampled numbers; NaN and infinities as words, which JSON has no numbers for."""
    rows, columns = plane(np.shape(array))
    flat = np.asarray(array, dtype=np.float64).reshape(rows, columns)
    shown = flat[np.ix_(positions(rows, most), positions(columns, most))]
    return [[short(x) for x in row] for row in shown.tolist()]


def plane(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of the table that an array is shown as."""
    if len(shape) < 2:
        return 1, shape[0] if shape else 1
    return math.prod(shape[:-1]), shape[-1]


def short(x: float) -> float | int | str:
    """A number in few digits."""
    if not math.isfinite(x):
        return "NaN" if math.isnan(x) else "∞" if x > 0 else "−∞"
    x = float(f"{x:.{DIGITS}g}")
    return int(x) if x == int(x) and abs(x) < 1e6 else x


def tree(x: Any, values: Mapping[str, int], gradients: Mapping[str, int]) -> Tree | None:
    """An expression as lists; None if it is too large for pictures.

    Args:
        x: a Symbol, or a number.
        values, gradients: the numbers by which atoms are known, by their names.
    """
    return _tree(x, values, gradients, DEPTH) if size(x, PARTS) <= PARTS else None


def _tree(x: Any, values: Mapping[str, int], gradients: Mapping[str, int], depth: int) -> Tree | None:
    if not isinstance(x, Symbol):
        return ["n", _number(x)]
    if is_atom(x):
        name = x.name or ""
        kind, known = ("g", gradients) if name in gradients else ("v", values)
        return [kind, known[name]] if name in known else ["n", name]
    if not depth:
        return None
    parts = [_tree(i, values, gradients, depth - 1) for i in x.inputs]
    if None in parts:
        return None
    key = x.key
    if key in _INFIX:
        return [_INFIX[key], *parts]
    if key in _COMPARED:
        return [_COMPARED[key], *parts]
    if key in _UNCHANGED or (key == "pick" and x.inputs[0].key.startswith("cross_entropy")):
        return parts[0]
    if key == "pick" and x.inputs[0].key == "standardized":
        return ["o", STANDARDIZED[x.params["output"]], _tree(x.inputs[0].inputs[0], values, gradients, depth - 1)]
    if key in PRODUCTS and x.ndim <= 2:
        return ["@", *parts, PRODUCTS[key]]
    if key in PRODUCTS:
        return ["@", *parts, "batched"]
    if key == "affine" and x.ndim == 2:
        product = ["@", parts[0], ["T", parts[1]], "mm"]
        return ["+", product, parts[2]] if len(parts) > 2 else product
    if key == "permute_axes" and x.params["axes"] == (1, 0):
        return ["T", *parts]
    if key in ("sum_over", "mean_over") and x.inputs[0].ndim <= 2:
        return _summed(x, parts[0])
    if key == "filled":
        return ["n", _number(x.params["value"])]
    if key == "choose":
        return ["?", *parts]
    return _called(x, key, parts)


def _called(x: Symbol, key: str, parts: list[Any]) -> Tree:
    if key == "negative":
        return ["neg", *parts]
    if key in ("logical_not", "invert") and x.dtype == np.bool_:  # as formulas have it
        return ["-", ["n", "1"], *parts]
    if key in ("square", "power", "reciprocal"):
        exponent = parts[1] if key == "power" else ["n", "2" if key == "square" else "−1"]
        return ["^", parts[0], exponent[1]] if exponent[0] == "n" else ["o", "power", *parts]
    word = {"sigmoid": "σ", "softmax_over": "softmax", "sqrt": "√", "sum_over": "Σ", "absolute": "abs"}.get(key)
    assert x.primitive is not None
    word = word or (x.primitive.numpy.__name__ if x.primitive.numpy is not None else x.primitive.name)
    elementwise = len(parts) == 1 and x.key in _ELEMENTWISE and not x.params
    return ["f" if elementwise else "o", word, *parts]


_ELEMENTWISE = {
    "exp", "log", "tanh", "sigmoid", "relu", "sqrt", "absolute", "sin", "cos", "tan", "sign", "log1p", "expm1", "erf",
}  # fmt: skip


def _summed(x: Symbol, part: Any) -> Tree:
    """A sum over "rows", over "columns" ("turned" if a vector is left, which is shown as a row), or over "all"."""
    source = x.inputs[0]
    axes = tuple(axis % source.ndim for axis in x.params["axis"])
    n = math.prod(source.shape[axis] for axis in axes)
    if source.ndim < 2 or len(axes) == 2:
        way = "all" if axes else "none"
    elif axes == (0,):
        way = "rows"
    else:
        way = "columns" if x.params["keepdims"] else "turned"
    total = ["S", part, way, n]
    return total if x.key == "sum_over" else ["/", total, ["n", str(n)]]


def _number(x: Any) -> str:
    if isinstance(x, np.ndarray) and x.shape == ():
        x = x.item()
    if isinstance(x, float) and "/" in repr(x):  # a quotient of whole numbers
        return repr(x)
    if isinstance(x, float) and not math.isfinite(x):
        return str(short(x))
    if isinstance(x, float):
        return str(int(x)) if x == int(x) and abs(x) < 1e6 else f"{x:.{DIGITS}g}"
    return str(x)


def reads(x: Any) -> list[str]:
    """The names that an expression uses, each as often as an operation takes it, up to REPEATED times."""
    if is_atom(x):
        return [x.name or ""]
    found: dict[str, int] = {}
    seen: set[int] = set()
    stack = [x]
    while stack:
        top = stack.pop()
        if not isinstance(top, Symbol):
            continue
        if is_atom(top):
            found[top.name or ""] = min(found.get(top.name or "", 0) + 1, REPEATED)
        elif id(top) not in seen:
            seen.add(id(top))
            stack.extend(reversed(top.inputs))
    return [name for name, times in found.items() for _ in range(times)]


def size(x: Any, most: int) -> int:
    """How many parts an expression has when it is written out; counting ends beyond `most`."""
    count, stack = 0, [x]
    while stack and count <= most:
        top = stack.pop()
        count += 1
        if isinstance(top, Symbol) and not is_atom(top):
            stack.extend(top.inputs)
    return count
