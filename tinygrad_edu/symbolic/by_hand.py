"""check_by_hand(loss, {"dW1": dW1, ...}): gradients derived by hand, held against autograd and central differences.

The lines of `explain` are gone through in the order of backprop, each with the student's own results
where it reads earlier ones. So the first line with a mistake in it is found, and lines that are wrong
only because of it are said to follow. What the mistake is, rewrites of the line tell (mistakes).

A gradient is right in either scale, the loss's own ("exact") or without the mean's 1/m ("textbook");
parameters' have one. What can't be explained is called unknown, not guessed at.
"""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from .diagnosis import Walk
from .explain import callers_variables, explained
from .explanation import Explanation, Scale
from .handed_in import Gradients, read
from .report import Report


def check_by_hand(loss: Tensor, gradients: Gradients, scale: Scale | None = None, *, model: Any = None) -> Report:
    """Holds gradients that somebody derived by hand against autograd and central differences, and finds the mistakes.

    Args:
        loss: the recorded scalar, before or after backward().
        gradients: by name (`dW1`, or a parameter's path), as `explain(loss)` names them, or by Tensor: arrays; or a
            function that returns such a dict, whose arguments are values of the graph by name (`m` too); or lines of
            NumPy, which may use np, m and those values.
        scale: "exact" or "textbook", if all are meant in this one; default: either is right.
        model: gives its parameters' paths; default: the modules among the caller's variables.
    Raises:
        KeyError: a name that the graph doesn't have.
        RuntimeError: a parameter has been written since the loss was computed.

    >>> import numpy as np
    >>> from tinygrad_edu import tensor
    >>> W = tensor([[1.0], [2.0]], requires_grad=True, name="W")
    >>> X = tensor([[1.0, 0.5, -1.0], [0.0, 2.0, 1.0]], name="X")
    >>> Z = W.T @ X
    >>> report = check_by_hand(Z.square().mean(), "dZ = 2 * Z; dW = X @ dZ.T")
    >>> print(report["dZ"].verdict, report["dW"].verdict, sep="; ")
    right (textbook scale); WRONG: 1/m is missing
    """
    if scale not in (None, "exact", "textbook"):
        raise ValueError(f'check_by_hand: scale is None, "exact" or "textbook", not {scale!r}.')
    if not isinstance(loss, Tensor) or not loss.requires_grad or loss.numel() != 1:
        raise TypeError("check_by_hand: the first argument is the loss, a scalar Tensor that requires a gradient.")
    variables = callers_variables()
    readings: dict[Scale, Explanation] = {"exact": explained(loss, "exact", variables, model)}
    if scale == "textbook" or (readings["exact"].m or 1) > 1:
        readings["textbook"] = explained(loss, "textbook", variables, model)
    exact = readings["exact"]
    if exact.stale:
        raise RuntimeError(
            f"check_by_hand: {', '.join(exact.stale)} has been written since the loss was computed, so there is "
            "nothing to compare with; call it before optimizer.step(), or compute the loss again."
        )
    given, failed, ignored = read(gradients, exact, variables)
    return Walk(readings, given, failed, scale, ignored).report()
