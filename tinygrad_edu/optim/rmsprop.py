"""RMSprop: the gradient divided by its root mean square.

Source: Tieleman and Hinton, lecture 6.5 of "Neural Networks for Machine Learning" (2012); centred:
Graves, "Generating Sequences With Recurrent Neural Networks" (2013), equations 38-45.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.primitive import Array
from ..core.tensor import Tensor
from ..core.write import read
from .adam import check_lr
from .formula import in_place
from .optimizer import Group, Optimizer, State, count, live, number, require, zeros
from .rules import average, average_squares, descend, descend_by, descend_scaled


@in_place
def accumulate_scaled(B: Array, mu: Array, G: Array, D: Array) -> Array:
    """B = mu B + G / D."""
    return mu * B + G / D


class RMSprop(Optimizer):
    """W -= lr * G / (sqrt(V) + eps), V being the average of G**2.

    Args:
        params: tensors, or dicts of "params" and settings.
        lr: about the length of a step in each direction.
        alpha: how much of V is kept per step.
        eps: added to sqrt(V), which may be 0.
        weight_decay: lambda in G + lambda * W.
        momentum: the part of the last step that is taken again.
        centered: divide by the standard deviation: V less the square of the average gradient.
        maximize: climb instead.
        foreach, capturable: ways of computing the same in PyTorch; accepted, without effect.
    Raises:
        ValueError: a setting is negative.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        """Refuse negative settings."""
        check_lr(group)
        require(group["eps"] >= 0.0, f"Invalid epsilon value: {group['eps']}")
        require(group["momentum"] >= 0.0, f"Invalid momentum value: {group['momentum']}")
        require(group["weight_decay"] >= 0.0, f"Invalid weight_decay value: {group['weight_decay']}")
        require(group["alpha"] >= 0.0, f"Invalid alpha value: {group['alpha']}")

    def begin(self, W: Tensor, group: Group) -> State:
        """V at 0, and where they are asked for the momentum B and the average gradient M."""
        state = {"step": number(0), "square_avg": zeros(W)}
        if group["momentum"] > 0:
            state["momentum_buffer"] = zeros(W)
        if group["centered"]:
            state["grad_avg"] = zeros(W)
        return state

    def update(self, W: Tensor, state: State, group: Group) -> None:
        """Without momentum and centring no array is made besides."""
        count(state["step"])
        V, alpha, lr, eps = state["square_avg"], live(group, "alpha"), live(group, "lr"), live(group, "eps")
        G = self.gradient(W, group)
        average_squares(V, alpha, G)
        if not group["momentum"] and not group["centered"]:
            descend_scaled(W, lr, G, V, eps, by=self.writer)
            return
        if group["centered"]:
            M = state["grad_avg"]
            average(M, alpha, G)
            D = np.sqrt(read(V) - read(M) * read(M)) + eps
        else:
            D = np.sqrt(read(V)) + eps
        if group["momentum"]:
            B = state["momentum_buffer"]
            accumulate_scaled(B, live(group, "momentum"), G, D)
            descend(W, lr, B, by=self.writer)
        else:
            descend_by(W, lr, G, D, by=self.writer)
