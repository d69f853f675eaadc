"""Numbers in, an array out: what PyTorch's tensor(...) makes of lists, numbers, arrays and Tensors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .dtypes import as_dtype, get_default_dtype
from .errors import DtypeError, ShapeError
from .primitive import Operand
from .quiet import quietly
from .record import place_of, user_site


@quietly
def to_array(data: Any, dtype: Any = None) -> np.ndarray[Any, Any]:
    """A new array from numbers, nested lists, Tensors or an array, in the dtype PyTorch would give."""
    if isinstance(data, Operand):
        data = data._values()  # type: ignore[attr-defined]  # a Tensor
    elif isinstance(data, (list, tuple)):
        data = _plain(data)
    try:
        array = np.array(data, copy=True)
    except ValueError:  # an expected sequence of another length, in PyTorch's words
        raise ShapeError("tensor: nested lists must have equal lengths at every depth.") from None
    if array.dtype.kind not in "biuf":
        raise DtypeError(
            f"tensor: real numbers are expected, got {array.dtype} from {type(data).__name__}; complex "
            "numbers, text and objects are not supported."
        )
    if dtype is not None:
        wanted = as_dtype(dtype)
        return array.astype(wanted, copy=False)
    if isinstance(data, (np.ndarray, np.generic)):
        return array.astype(as_dtype(array.dtype), copy=False)
    if array.dtype.kind == "f":
        first = data
        while isinstance(first, list) and first:
            first = first[0]
        typed = isinstance(first, (np.ndarray, np.generic)) and first.dtype.kind == "f"
        return array.astype(as_dtype(first.dtype) if typed else get_default_dtype(), copy=False)
    return array.astype(as_dtype(array.dtype), copy=False)


def _plain(data: Any) -> Any:
    """Nested sequences as lists, with arrays in the place of Tensors."""
    if isinstance(data, Operand):
        if getattr(data, "requires_grad", False):
            _warn()
        return data._values()  # type: ignore[attr-defined]  # a Tensor
    return [_plain(x) for x in data] if isinstance(data, (list, tuple)) else data


def _warn() -> None:
    """Say, at the user's line, that the graph ends in a list, as PyTorch does."""
    site = user_site()
    file, line = place_of(site) if site is not None else ("<unknown>", 0)
    text = (
        "a tensor is made from a list with a tensor that requires grad: its numbers are copied, and no gradient "
        "passes. Use stack([...]) or cat([...]) to stay in the graph, .detach() to say that none is wanted."
    )
    warnings.warn_explicit(text, UserWarning, file, line)
