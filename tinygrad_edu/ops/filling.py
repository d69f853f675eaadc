"""Arrays of one number in the domain of another: a Symbol's zeros are an equation, a Tensor's a Tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtypes import as_dtype
from ..core.primitive import Array, answers, primitive


@primitive(types=None)
def filled(*, shape: tuple[int, ...], dtype: np.dtype[Any], value: float) -> Array:
    """An array of one number."""
    return np.full(shape, value, dtype)


def fill_like(X: Any, value: float, dtype: Any = None) -> Any:
    """An array of one number, of the shape and in the domain of X."""
    params = {"shape": tuple(X.shape), "dtype": as_dtype(dtype or X.dtype), "value": value}
    return X.apply(filled, (), params)


@answers(np.zeros_like)
def _np_zeros_like(a: Any, dtype: Any = None) -> Any:
    return fill_like(a, 0, dtype)


@answers(np.ones_like)
def _np_ones_like(a: Any, dtype: Any = None) -> Any:
    return fill_like(a, 1, dtype)


@answers(np.full_like)
def _np_full_like(a: Any, fill_value: float, dtype: Any = None) -> Any:
    return fill_like(a, fill_value, dtype)
