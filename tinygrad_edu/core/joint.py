"""Joint outputs: primitives that compute several values at once, such as qr, eigh and svd.

Their forward returns a tuple, and their rules get tuples: the cotangents of all outputs (zeros for
those that nobody used) and the outputs. One record stands for the computation; each output is
`pick`ed from it, so that everything else in the graph deals with single values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .primitive import Array, primitive
from .record import Record

if TYPE_CHECKING:
    from .tensor import Tensor


@primitive(types=None, dX=lambda dY, Y, X, *, output: (*(None,) * output, dY, *(None,) * (len(X.shape) - output - 1)))
def pick(X: Array, *, output: int) -> Array:
    """One output of a computation with several."""
    return X[output]


def picked(joint: Record, k: int) -> Record:
    """The record of output k."""
    return Record(pick, (joint,), {"output": k}, joint.shape[k], joint.dtype[k], True, joint.site)  # type: ignore[arg-type]


def add_parts(one: tuple[Any, ...] | None, other: tuple[Any, ...]) -> tuple[Any, ...]:
    """Two sets of cotangents summed; None stands for zero."""
    if one is None:
        return other
    return tuple(b if a is None else a if b is None else a + b for a, b in zip(one, other, strict=True))


def complete(parts: tuple[Any, ...], joint: Record, as_tensor: Any) -> tuple[Any, ...]:
    """The cotangents of all outputs, with zeros for those that did not reach the loss."""
    return tuple(
        as_tensor(np.zeros(shape, dtype)) if part is None else part
        for part, shape, dtype in zip(parts, joint.shape, joint.dtype, strict=True)
    )


def outputs_of(joint: Record, of_record: Any) -> tuple[Tensor, ...]:
    """The outputs as Tensors that belong to the graph."""
    return tuple(of_record(array, picked(joint, k)) for k, array in enumerate(joint.array))
