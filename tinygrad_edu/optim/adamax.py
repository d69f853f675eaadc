"""Adamax: Adam with the largest gradient of late in the place of the root of their squares.

Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015), algorithm 2.
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
from .rules import average, descend_by


@in_place
def decaying_maximum(U: Array, beta: Array, G: Array, eps: Array) -> Array:
    """U = max(beta U, |G| + eps)."""
    return np.maximum(beta * U, np.abs(G) + eps)


class Adamax(Optimizer):
    """W -= lr * M / U, M being the average gradient, freed of its start at 0, U a decaying maximum of |G|.

    Args:
        params: tensors, or dicts of "params" and settings.
        lr: about the length of a step in each direction.
        betas: how much of M and of U is kept per step.
        eps: added to |G|, which may be 0.
        weight_decay: lambda in G + lambda * W.
        maximize: climb instead.
        foreach, capturable: ways of computing the same in PyTorch; accepted, without effect.
    Raises:
        ValueError: a setting is negative, or a beta is not below 1.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        """Refuse what Adam refuses."""
        check_adaptive(group)

    def begin(self, W: Tensor, group: Group) -> State:
        """M, U and t at 0."""
        return {"step": number(0), "exp_avg": zeros(W), "exp_inf": zeros(W)}

    def update(self, W: Tensor, state: State, group: Group) -> None:
        """U starts without bias: only M is corrected."""
        M, U, t = state["exp_avg"], state["exp_inf"], count(state["step"])
        beta1, beta2 = live(group, "betas", 0), live(group, "betas", 1)
        G = self.gradient(W, group)
        average(M, beta1, G)
        decaying_maximum(U, beta2, G, live(group, "eps"))
        descend_by(W, named(live(group, "lr") / (1 - beta1**t), "alpha"), M, U, by=self.writer)
