"""What distributions share: parameters in one shape, probabilities and logits, values computed on demand."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd import enable_grad
from ..core.dtypes import get_default_dtype
from ..core.symbol import Symbol
from ..core.tensor import Tensor
from ..ops.activation import sigmoid, softmax
from ..ops.checks import check
from ..ops.creation import tensor
from ..ops.exponential import log, log1p
from ..ops.shape import broadcast_tensors

EULER = 0.57721566490153286060  # the Euler-Mascheroni constant


def is_number(value: Any) -> bool:
    """A Python number, of which a distribution has no batch axes."""
    return isinstance(value, (int, float)) and not isinstance(value, Tensor)


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Tensors of one shape; numbers take the dtype of the first tensor, or the default one.

    Raises:
        ValueError: neither a number nor a tensor.
    """
    if not all(isinstance(v, Tensor) or is_number(v) for v in values):
        kinds = ", ".join(type(v).__name__ for v in values)
        raise ValueError(f"Input arguments must all be instances of Number or Tensor, got {kinds}.")
    dtype = next((v.dtype for v in values if isinstance(v, Tensor)), get_default_dtype())
    return tuple(broadcast_tensors(*[v if isinstance(v, Tensor) else tensor(v, dtype=dtype) for v in values]))


def require(valid: Any, wrong: str, message: Callable[[], str]) -> None:
    """Raise ValueError(message()) unless all of `valid` holds; under a trace, which has no values to show, the
    program checks it, and says what is `wrong`."""
    if isinstance(valid._array, Symbol):
        check(valid._array, wrong, ValueError)
    elif not valid._values().all():
        raise ValueError(message())


def known_to_hold(condition: Any) -> bool:
    """Whether one condition holds, for a warning; False in a trace, which runs without numbers."""
    return not isinstance(condition._array, Symbol) and bool(condition._values())


def sum_rightmost(value: Any, dim: int) -> Any:
    """The sum over the last `dim` axes."""
    return value.sum(tuple(range(-dim, 0))) if dim else value


def clamp_probs(probs: Any) -> Any:
    """Probabilities kept off 0 and 1 by a rounding error."""
    eps = float(np.finfo(probs.dtype).eps)
    return probs.clamp(min=eps, max=1 - eps)


def logits_to_probs(logits: Any, is_binary: bool = False) -> Any:
    """sigmoid, or softmax along the last axis."""
    return sigmoid(logits) if is_binary else softmax(logits, dim=-1)


def probs_to_logits(probs: Any, is_binary: bool = False) -> Any:
    """log(p / (1 - p)), or log(p) of several classes."""
    ps = clamp_probs(probs)
    return log(ps) - log1p(-ps) if is_binary else log(ps)


class lazy_property:
    """An attribute that is computed, and recorded, when it is first read."""

    def __init__(self, wrapped: Callable[[Any], Any]) -> None:
        self.wrapped = wrapped
        functools.update_wrapper(self, wrapped)  # type: ignore[arg-type]  # for its name and docstring

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        with enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value
