"""RAdam: Adam that takes steps of plain momentum until it has seen enough to know the gradients' size.

Source: Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond" (2020), algorithm 2.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.primitive import Array
from ..core.symbol import named
from ..core.tensor import Tensor
from .adam import check_adaptive
from .formula import in_place
from .optimizer import Group, Optimizer, State, count, live, number, zeros
from .rules import average, average_squares, scale

ENOUGH = 5.0  # steps that V must be an average of, for its variance to be known; the paper has 4, PyTorch 5


@in_place
def descend_rectified(W: Array, alpha: Array, M: Array, known: Array, V: Array, eps: Array) -> Array:
    """W = W - alpha M / (sqrt(V) + eps) if V's variance is known, which is 1 or 0, else W - alpha M."""
    return W - alpha * (M / np.where(known > 0, np.sqrt(V) + eps, 1.0))


class RAdam(Optimizer):
    """Adam with a factor r that grows to 1 as V becomes reliable, and without V before that.

    Args:
        params: tensors, or dicts of "params" and settings.
        lr: about the length of a step in each direction.
        betas: how much of the averages is kept per step, of G and of G**2.
        eps: added to sqrt(V), which may be 0.
        weight_decay: lambda in G + lambda * W.
        decoupled_weight_decay: decay the weights themselves, as AdamW does.
        maximize: climb instead.
        foreach, capturable: ways of computing the same in PyTorch; accepted, without effect.
    Raises:
        ValueError: a setting is negative, or a beta is not below 1.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        """Refuse what Adam refuses."""
        check_adaptive(group)

    def begin(self, W: Tensor, group: Group) -> State:
        """M, V and t at 0."""
        return {"step": number(0), "exp_avg": zeros(W), "exp_avg_sq": zeros(W)}

    def update(self, W: Tensor, state: State, group: Group) -> None:
        """rho is the length of the average V, in steps; while it is too short, V is left out."""
        M, V, t = state["exp_avg"], state["exp_avg_sq"], count(state["step"])
        beta1, beta2 = live(group, "betas", 0), live(group, "betas", 1)
        lr, eps = live(group, "lr"), live(group, "eps")
        if group["weight_decay"] and group["decoupled_weight_decay"]:
            scale(W, 1 - lr * live(group, "weight_decay"), by=self.writer)
        G = self.gradient(W, group)
        average(M, beta1, G)
        average_squares(V, beta2, G)
        correction = named(1 - beta2**t, "correction")
        rho_inf = 2 / (1 - beta2) - 1
        rho = named(rho_inf - 2 * t * beta2**t / correction, "rho")
        known = np.where(rho > ENOUGH, 1.0, 0.0)
        rho, rho_inf = np.maximum(rho, ENOUGH), np.maximum(rho_inf, ENOUGH)  # a root of less than 0 would be NaN
        r = named(np.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)), "r")
        alpha = named(lr / (1 - beta1**t) * np.where(known > 0, r * np.sqrt(correction), 1.0), "alpha")
        descend_rectified(W, alpha, M, known, V, eps, by=self.writer)
