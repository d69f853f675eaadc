"""What tells the arguments of one call from those of another: a program is one form's.

Tensors count by shape, dtype and layout, Python's floats and ints are all alike, and what else there is counts
as itself, or as an equal of its kind.
"""

from __future__ import annotations

import functools
import types
from typing import Any

import numpy as np

from ..core.errors import TraceError
from ..core.tensor import Tensor
from ..core.value import Size
from ..symbolic.nested import fields_of, is_record, names_of
from .watching.scopes import VALUES, equal, is_scalar

ALIKE = (types.FunctionType, types.MethodType, functools.partial, Size, *VALUES)  # made anew where they are mentioned


def form_of(x: Any, places: list[int]) -> Any:
    """What tells one kind of arguments from another; ints and floats are all alike.

    Args:
        places: takes the ids of tensors and of what holds several, which may be given twice.
    """
    if isinstance(x, Tensor):
        places.append(id(x))
        array, record = x._array, x._record
        kind = 0 if record is None or not record.needs_grad else 1 if record.primitive is None else 2
        if x.__class__ is not Tensor or x.__dict__ or (record is not None and (record.hooks or record.grad_hooks)):
            more = [*map(Same, _hooks(x)), *_attributes(x)]
            return array.shape, array.strides, array.dtype.num, kind, *more
        return array.shape, array.strides, array.dtype.num, kind
    if x.__class__ is float or x.__class__ is np.float64:
        return float
    if x.__class__ is int:
        return int
    if isinstance(x, (tuple, list, dict)) or is_record(x):
        return _form_of_several(x, places)
    if isinstance(x, np.ndarray):
        raise TraceError(
            f"compile: an argument is an ndarray of shape {x.shape}; pass a tensor (from_numpy shares its memory)."
        )
    if is_scalar(x):
        return (type(x), repr(x) if isinstance(x, (complex, np.generic)) else x)  # nan, -0.0
    if isinstance(x, (set, bytearray)):
        raise TraceError(_no_container(x))
    return (type(x), Same(x))


def _form_of_several(x: Any, places: list[int]) -> Any:
    places.append(id(x))
    if x.__class__ is tuple or x.__class__ is list:
        return (x.__class__, *[form_of(part, places) for part in x])
    if isinstance(x, dict):
        return (x.__class__, *_attributes(x), *[(name, form_of(part, places)) for name, part in x.items()])
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return (type(x), *[form_of(part, places) for part in x])
    if is_record(x):
        return (type(x), *names_of(x), *[form_of(part, places) for part in fields_of(x)])
    if isinstance(x, tuple):  # of a class of the user's, or a Size
        return (type(x), Same(x))
    raise TraceError(_no_container(x))


def _no_container(x: Any) -> str:
    return (
        f"compile: an argument is a {type(x).__name__}; what a program is given may be nested in dicts, lists and "
        "tuples. Pass dict(...) or list(...) of it."
    )


def _hooks(tensor: Tensor) -> list[Any]:
    """What a tensor's gradient meets."""
    record = tensor._record
    return [] if record is None else [*(record.hooks or {}).values(), *(record.grad_hooks or {}).values()]


def _attributes(x: Any) -> list[Any]:
    """What a Tensor, or a dict of a class of the user's, has been given besides what it holds."""
    return [(name, Same(value)) for name, value in getattr(x, "__dict__", {}).items()]


def objects_of(x: Any) -> list[Any]:
    """What there is in nested arguments besides Tensors and numbers."""
    if isinstance(x, Tensor):
        return [*_hooks(x), *vars(x).values()]
    if x.__class__ is tuple or x.__class__ is list:
        return [found for part in x for found in objects_of(part)]
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return [type(x), *(found for part in x for found in objects_of(part))]
    if isinstance(x, dict):
        own = [] if x.__class__ is dict else [type(x), *getattr(x, "__dict__", {}).values()]
        return [*own, *(found for part in x.values() for found in objects_of(part))]
    if is_record(x):
        return [type(x), *(found for part in fields_of(x) for found in objects_of(part))]
    return [x] if isinstance(x, str) or not is_scalar(x) else []


class Same:
    """An object by identity, whatever it takes for equal; what it holds is watched. Functions may be alike."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def __hash__(self) -> int:
        return hash(type(self.x)) if isinstance(self.x, ALIKE) else id(self.x)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and equal(other.x, self.x)
