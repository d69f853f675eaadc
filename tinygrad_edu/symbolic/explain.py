"""explain(loss): the formulas of a recorded graph, as a textbook prints them, each held against its numbers.

The rule book is read on Symbols (derive), simplified (algebra), named (naming) and spelled
(formulas). Nothing here knows a derivative.

**Scale.** "exact": dV is the derivative of the loss by V, what `.grad` holds. "textbook": for
intermediate values dV is m times that, m being the number that the loss's mean divides by; leaves
keep the exact gradient, so 1/m stands in their lines.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from ..core.tensor import Tensor, record_of
from .calls import Calls
from .derive import topological
from .explanation import Explanation, Scale
from .lines import FormulaError
from .naming import Names, paths_of
from .reopened import reopened

_FRONTS = "tinygrad_edu.viz.", "tinygrad_edu.core."  # what shows an explanation; the variables are those of its caller


def callers_variables() -> dict[str, Any]:
    """The variables that the user sees where he calls what calls this."""
    frame = sys._getframe(2)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith(_FRONTS):
        frame = frame.f_back
    return {**frame.f_globals, **frame.f_locals} if frame.f_locals is not frame.f_globals else frame.f_locals


def explain(loss: Tensor, scale: Scale = "exact", *, model: Any = None) -> Explanation:
    """The formulas by which a loss and its gradients are computed, derived from the recorded graph.

    Args:
        loss: a scalar that something with requires_grad=True led to; before or after backward().
        scale: "exact", derivatives of the loss; "textbook", intermediate gradients without the mean's 1/m.
        model: gives its parameters' paths; default: the modules among the caller's variables.
    Raises:
        ValueError: textbook scale of a loss that has no mean, or two different ones.

    >>> from tinygrad_edu import tensor
    >>> W = tensor([[1.0], [2.0]], requires_grad=True, name="W")
    >>> X = tensor([[1.0, 0.5, -1.0], [0.0, 2.0, 1.0]], name="X")
    >>> Z = W.T @ X
    >>> e = explain(Z.square().mean())
    >>> print(e["dZ"], e["dW"], sep=", ")
    dZ = 2/m Z, dW = X dZᵀ
    """
    return explained(loss, scale, callers_variables(), model)


def explained(
    loss: Tensor, scale: Scale, variables: Mapping[str, Any], model: Any, last: int | None = None
) -> Explanation:
    """`explain` with the caller's variables given; with `last` only gradients of so many values nearest to the loss."""
    if not isinstance(loss, Tensor):
        raise TypeError(f"explain: expected a Tensor, got {type(loss).__name__}.")
    if scale not in ("exact", "textbook"):
        raise ValueError(f'explain: scale is "exact" or "textbook", not {scale!r}.')
    if not loss.requires_grad or loss.numel() != 1:
        raise RuntimeError(
            f"explain: a scalar that requires a gradient is expected, this has shape {tuple(loss.shape)}"
            + ("" if loss.requires_grad else " and does not require one")
            + "; reduce it (.sum(), .mean()), and set requires_grad=True on the parameters."
        )
    root, copies, unkept = reopened(record_of(loss))

    def derived(guards: bool) -> Explanation:
        order = topological(root)
        names = Names(order, root, copies)
        names.from_variables({k: v for k, v in variables.items() if v is not loss})
        names.from_source()
        paths = paths_of([model] if model is not None else variables.values())
        if model is None:  # models that no variable of the caller holds
            paths = {**Calls(order).paths, **paths}
        names.by_order()
        return Explanation(root, names, scale, paths, guards, unkept, last)

    found = derived(guards=True)
    found.copies = copies
    if not found.stale:
        try:
            found.check()
        except FormulaError:  # a floor under a denominator is in force: then it belongs into the formula
            found = derived(guards=False)
            found.copies = copies
            found.keep_what_holds()
    return found
