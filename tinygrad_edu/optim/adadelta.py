"""Adadelta: steps in the units of the weights, from the sizes of past steps and gradients.

Source: Zeiler, "ADADELTA: An Adaptive Learning Rate Method" (2012), algorithm 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.tensor import Tensor
from ..core.write import read
from .adam import check_lr
from .optimizer import Group, Optimizer, State, count, live, number, require, zeros
from .rules import average_squares, descend


class Adadelta(Optimizer):
    """W -= lr * D, D = sqrt(U + eps) / sqrt(V + eps) * G, V being the average of G**2 and U that of D**2.

    Args:
        params: tensors, or dicts of "params" and settings.
        lr: what D is multiplied by; the paper has 1.
        rho: how much of U and V is kept per step.
        eps: what the first steps grow from.
        weight_decay: lambda in G + lambda * W.
        maximize: climb instead.
        foreach, capturable: ways of computing the same in PyTorch; accepted, without effect.
    Raises:
        ValueError: a setting is negative, or rho above 1.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        """Refuse negative settings."""
        check_lr(group)
        require(0.0 <= group["rho"] <= 1.0, f"Invalid rho value: {group['rho']}")
        require(group["eps"] >= 0.0, f"Invalid epsilon value: {group['eps']}")
        require(group["weight_decay"] >= 0.0, f"Invalid weight_decay value: {group['weight_decay']}")

    def begin(self, W: Tensor, group: Group) -> State:
        """U and V at 0."""
        return {"step": number(0), "square_avg": zeros(W), "acc_delta": zeros(W)}

    def update(self, W: Tensor, state: State, group: Group) -> None:
        """D needs U as it was, so U follows it."""
        count(state["step"])
        V, U, rho, eps = state["square_avg"], state["acc_delta"], live(group, "rho"), live(group, "eps")
        G = self.gradient(W, group)
        average_squares(V, rho, G)
        D = np.sqrt(read(U) + eps) / np.sqrt(read(V) + eps) * G
        average_squares(U, rho, D)
        descend(W, live(group, "lr"), D, by=self.writer)
