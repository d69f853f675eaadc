"""Simplify: what rules leave behind when they are chained, tidied as a person would.

Matrix products are never commuted; transposes move inward, `(A B)ᵀ = Bᵀ Aᵀ`, and cancel in pairs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.primitive import PRIMITIVES
from ..core.symbol import Symbol
from .walk import upwards

_TRANSPOSED = {2: (1, 0), 3: (0, 2, 1), 4: (0, 1, 3, 2)}


def simplify(symbol: Any) -> Any:
    """The same value by a shorter expression; Symbols that need no change are kept as they are."""
    done: dict[int, Any] = {}
    for part in upwards(symbol, done):
        inputs = tuple(done[id(x)] if isinstance(x, Symbol) else x for x in part.inputs)
        done[id(part)] = _tidy(_rebuilt(part, inputs))
    return done[id(symbol)] if isinstance(symbol, Symbol) else symbol


def _rebuilt(symbol: Symbol, inputs: tuple[Any, ...]) -> Symbol:
    if symbol.primitive is None or all(a is b for a, b in zip(inputs, symbol.inputs, strict=True)):
        return symbol
    return Symbol(symbol.shape, symbol.dtype, None, symbol.primitive, inputs, symbol.params)


def _tidy(symbol: Symbol) -> Any:
    """One step at the top of an expression whose parts are tidy already."""
    key = symbol.primitive.key if symbol.primitive is not None else ""
    inner: Any = symbol.inputs[0] if symbol.inputs else None
    if key in ("reshape_to", "broadcast_to") and inner.shape == symbol.shape:
        return inner
    if key == "permute_axes" and isinstance(inner, Symbol) and inner.primitive is not None:
        axes = symbol.params["axes"]
        if inner.primitive.key == "permute_axes":
            before = inner.params["axes"]
            together = tuple(before[a] for a in axes)
            original = inner.inputs[0]
            if together == tuple(range(len(together))):
                return original
            return PRIMITIVES["permute_axes"](original, axes=together)
        if inner.primitive.key == "matrix_product" and axes == _TRANSPOSED.get(len(axes)):
            A, B = inner.inputs
            if A.ndim == B.ndim:
                return np.matmul(_tidy(B.mT), _tidy(A.mT))
    if key == "astype" and inner.dtype == symbol.dtype:
        return inner
    return symbol
