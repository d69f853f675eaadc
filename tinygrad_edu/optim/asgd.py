"""ASGD: gradient descent with slowly falling steps, whose average over time is the result.

Source: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging" (1992), in the form of
Bottou's asgd (2010).
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
from .rules import descend, scale, store


@in_place
def follow(A: Array, mu: Array, W: Array) -> Array:
    """A = A + mu (W - A), and W itself where mu is 1: rounding would leave a difference."""
    return np.where(mu == 1.0, W, A + mu * (W - A))


class ASGD(Optimizer):
    """W -= eta * (G + lambd * W), eta falling from lr; state["ax"] is the average of W from step t0 on.

    Args:
        params: tensors, or dicts of "params" and settings.
        lr: the first eta.
        lambd: how fast the weights decay and, with alpha, how fast eta falls: lr / (1 + lambd * lr * t)**alpha.
        alpha: the power of that fall.
        t0: the step after which averaging begins.
        weight_decay: lambda in G + lambda * W.
        maximize: climb instead.
        foreach, capturable: ways of computing the same in PyTorch; accepted, without effect.
    Raises:
        ValueError: lr or weight_decay is negative.
    """

    counts = ("step", "eta", "mu")

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        """Refuse what climbs by mistake."""
        check_lr(group)
        require(group["weight_decay"] >= 0.0, f"Invalid weight_decay value: {group['weight_decay']}")

    def begin(self, W: Tensor, group: Group) -> State:
        """eta at lr, and the average anywhere: mu = 1 makes it the first W."""
        return {"step": number(0), "eta": number(float(group["lr"])), "mu": number(1), "ax": zeros(W)}

    def update(self, W: Tensor, state: State, group: Group) -> None:
        """eta and mu are computed for the next step."""
        t, mu, lambd, lr = count(state["step"]), state["mu"], live(group, "lambd"), live(group, "lr")
        eta = read(state["eta"]).astype(np.float64)
        G = self.gradient(W, group)
        scale(W, 1 - lambd * eta, by=self.writer)
        descend(W, eta, G, by=self.writer)
        follow(state["ax"], mu, W)
        store(state["eta"], lr / np.power(1 + lambd * lr * t, live(group, "alpha")))
        store(mu, 1 / np.maximum(t - live(group, "t0"), 1.0))
