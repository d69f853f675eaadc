"""The array that a forward fills: a new one, or the one that a compiled program keeps for it (`out=`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.primitive import Array


def room(shape: tuple[int, ...], dtype: Any, out: Array) -> Array:
    """An array whose numbers mean nothing yet."""
    return np.empty(shape, dtype) if out is None else out


def zeroed(shape: tuple[int, ...], dtype: Any, out: Array) -> Array:
    """An array of zeros."""
    if out is None:
        return np.zeros(shape, dtype)
    out.fill(0)
    return out


def rooms(shapes: Sequence[tuple[int, ...]], dtype: Any, out: Any) -> Sequence[Array]:
    """The arrays of a forward with several results."""
    return [np.empty(shape, dtype) for shape in shapes] if out is None else out
