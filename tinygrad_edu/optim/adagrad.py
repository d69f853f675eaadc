"""Adagrad: the gradient divided by the root of the sum of all squares so far.

Source: Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic
Optimization" (2011).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.primitive import Array
from ..core.symbol import named
from ..core.tensor import Tensor, wrap
from .adam import check_lr
from .formula import in_place
from .optimizer import Group, Optimizer, State, count, live, number, require
from .rules import descend_scaled


@in_place
def sum_squares(V: Array, G: Array) -> Array:
    """V = V + G**2."""
    return V + G * G


class Adagrad(Optimizer):
    """W -= lr * G / (sqrt(V) + eps), V being the sum of G**2: what changes often is changed by less and less.

    Args:
        params: tensors, or dicts of "params" and settings.
        lr: the length of the first step in each direction.
        lr_decay: how fast lr falls besides: lr / (1 + (t - 1) * lr_decay).
        weight_decay: lambda in G + lambda * W.
        initial_accumulator_value: where V starts.
        eps: added to sqrt(V), which may be 0.
        maximize: climb instead.
        foreach, fused: ways of computing the same in PyTorch; accepted, without effect.
    Raises:
        ValueError: a setting is negative.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:  # at once, as in PyTorch: the first step can be traced
            for W in group["params"]:
                self.state[W].update(self.begin(W, group))

    def check(self, group: Group) -> None:
        """Refuse negative settings."""
        check_lr(group)
        require(group["lr_decay"] >= 0.0, f"Invalid lr_decay value: {group['lr_decay']}")
        require(group["weight_decay"] >= 0.0, f"Invalid weight_decay value: {group['weight_decay']}")
        initial = group["initial_accumulator_value"]
        require(initial >= 0.0, f"Invalid initial_accumulator_value value: {initial}")
        require(group["eps"] >= 0.0, f"Invalid epsilon value: {group['eps']}")

    def begin(self, W: Tensor, group: Group) -> State:
        """V where it shall start."""
        initial = self.defaults["initial_accumulator_value"]
        return {"step": number(0), "sum": wrap(np.full(W.shape, initial, W.dtype))}

    def update(self, W: Tensor, state: State, group: Group) -> None:
        """V only grows."""
        V, t = state["sum"], count(state["step"])
        G = self.gradient(W, group)
        sum_squares(V, G)
        alpha = named(live(group, "lr") / (1 + (t - 1) * live(group, "lr_decay")), "alpha")
        descend_scaled(W, alpha, G, V, live(group, "eps"), by=self.writer)
