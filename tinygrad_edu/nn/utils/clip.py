"""Clipping gradients: to a largest common norm, or each number to a range.

Everything is arithmetic on tensors, so a traced step clips too: no value is read, also not to find
out whether there is anything to clip. `foreach` is a way of computing the same in PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ...autograd import no_grad
from ...core.symbol import named
from ...core.tensor import Tensor, as_array
from ...core.write import read
from ...ops.checks import check
from ...ops.creation import zeros
from ...ops.joining import stack
from ...ops.norm import vector_norm

Tensors = Tensor | Iterable[Tensor]


def get_total_norm(
    tensors: Tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """The norm of all tensors together, as if they were one vector.

    Raises:
        RuntimeError: with error_if_nonfinite, the norm is infinite or not a number.
    """
    several = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if not several:
        return zeros(())
    order = float(norm_type)
    total: Tensor = vector_norm(stack([vector_norm(t, order) for t in several]), order)
    named(read(total), "norm")
    if error_if_nonfinite:
        check(
            as_array(np.isfinite(read(total))),
            f"The total norm of order {order} for gradients from `parameters` is non-finite, so it cannot be clipped. "
            "To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`",
        )
    return total


def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale the gradients, in place, by max_norm / total_norm where that is less than 1."""
    with no_grad():
        share = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)  # 1e-6: PyTorch's guard against division by 0
        named(read(share), "share")
        for grad in _gradients(parameters):
            grad.mul_(share)


def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients, in place, so that their common norm is at most max_norm. Returns what it was before.

    Args:
        parameters: tensors, those without a gradient apart.
        max_norm: the largest norm allowed.
        norm_type: the order of the norm; inf for the largest magnitude.
        error_if_nonfinite: raise if the norm is infinite or not a number, instead of scaling by it.
    """
    several = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    with no_grad():
        total = get_total_norm(_gradients(several), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(several, max_norm, total)
    return total


def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Limit every number of the gradients, in place, to [-clip_value, clip_value]."""
    limit = float(clip_value)
    with no_grad():
        for grad in _gradients(parameters):
            grad.clamp_(min=-limit, max=limit)


def _gradients(parameters: Tensors) -> list[Tensor]:
    several = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p.grad for p in several if p.grad is not None]
