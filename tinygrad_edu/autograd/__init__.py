"""What users call to differentiate: grad, the recording modes, and checks against differences."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core import backward as _engine
from ..core.missing import missing
from ..core.tensor import Tensor, wrap
from ..core.typed import Variable
from . import functional, graph, variable
from .anomaly import detect_anomaly, is_anomaly_enabled, set_detect_anomaly
from .check import GradcheckError, gradcheck, gradgradcheck
from .function import Function, FunctionCtx, once_differentiable
from .modes import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled

__all__ = [
    "Function",
    "FunctionCtx",
    "GradcheckError",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "function",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "is_anomaly_enabled",
    "is_grad_enabled",
    "no_grad",
    "once_differentiable",
    "set_detect_anomaly",
    "set_grad_enabled",
    "variable",
]


def grad(
    outputs: Tensor | Iterable[Tensor],
    inputs: Tensor | Iterable[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The gradients of `outputs` by `inputs`, returned; `.grad` is left alone.

    Args:
        outputs: differentiated, their gradients summed.
        inputs: what to differentiate by: leaves or intermediate values.
        grad_outputs: the cotangent of each output; None for scalars.
        retain_graph: keep the saved arrays for another pass; default: create_graph.
        create_graph: record the gradient's computation, so that it can be differentiated.
        only_inputs: always so: `.grad` of other leaves is left alone, whatever is said here.
        allow_unused: None for an input that the outputs do not depend on, instead of an error.
        is_grads_batched: not supported; func.vmap is the way to several cotangents at once.
        materialize_grads: zeros for such an input.
    Returns:
        One tensor per input, in its shape.

    >>> from tinygrad_edu import tensor
    >>> x = tensor(3.0, requires_grad=True)
    >>> (first,) = grad(x**3, x, create_graph=True)
    >>> (second,) = grad(first, x)
    >>> first.item(), second.item()
    (27.0, 18.0)
    """
    if is_grads_batched:
        raise NotImplementedError("grad: is_grads_batched=True is not supported; map over the cotangents by func.vmap.")
    outs, ins = _several(outputs), _several(inputs)
    cotangents = [None] * len(outs) if grad_outputs is None else _several(grad_outputs)
    if len(cotangents) != len(outs):
        raise RuntimeError(f"grad: {len(outs)} outputs need as many grad_outputs, got {len(cotangents)}.")
    if materialize_grads and allow_unused is False:
        raise ValueError("grad: materialize_grads=True gives zeros for unused inputs, so allow_unused can't be False.")
    found = _engine.grad(outs, ins, cotangents, retain_graph, create_graph, bool(allow_unused or materialize_grads))
    if not materialize_grads:
        return found
    return tuple(wrap(np.zeros(x.shape, x.dtype)) if dX is None else dX for x, dX in zip(ins, found, strict=True))


def backward(
    tensors: Tensor | Iterable[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Accumulate the gradients of several tensors into the `.grad` of the leaves, in one pass."""
    outs = _several(tensors)
    cotangents = [None] * len(outs) if grad_tensors is None else _several(grad_tensors)
    _engine.accumulate(outs, cotangents, retain_graph, create_graph, inputs)


def _several(x: Any) -> list[Any]:
    return list(x) if isinstance(x, Iterable) and not isinstance(x, (Tensor, np.ndarray)) else [x]


__getattr__ = missing(__name__)
