"""NAdam: Adam with Nesterov's momentum, which looks one step ahead.

Source: Dozat, "Incorporating Nesterov Momentum into Adam" (2016).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.primitive import Array
from ..core.symbol import named
from ..core.tensor import Tensor
from ..core.write import read
from .adam import check_adaptive
from .formula import in_place
from .optimizer import Group, Optimizer, State, count, live, number, require, zeros
from .rules import average, average_squares, scale

WARMUP = 0.96  # mu_t = beta1 (1 - 0.5 * 0.96**(t psi)): momentum begins at half its size; Dozat, section 3


@in_place
def descend_ahead(W: Array, a: Array, G: Array, b: Array, M: Array, V: Array, correction: Array, eps: Array) -> Array:
    """W = W - (a G + b M) / (sqrt(V / correction) + eps)."""
    return W - (a * G + b * M) / (np.sqrt(V / correction) + eps)


class NAdam(Optimizer):
    """Adam along a mixture of the average gradient, as it will be in the next step, and the gradient.

    Args:
        params: tensors, or dicts of "params" and settings.
        lr: about the length of a step in each direction.
        betas: how much of the averages is kept per step, of G and of G**2.
        eps: added to sqrt(V), which may be 0.
        weight_decay: lambda in G + lambda * W.
        momentum_decay: psi, how fast the momentum grows from half of beta1 to beta1.
        decoupled_weight_decay: decay the weights themselves, as AdamW does.
        maximize: climb instead.
        foreach, capturable: ways of computing the same in PyTorch; accepted, without effect.
    Raises:
        ValueError: a setting is negative, or a beta is not below 1.
    """

    counts = ("step", "mu_product")

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        """Refuse what Adam refuses."""
        check_adaptive(group)
        require(group["momentum_decay"] >= 0.0, f"Invalid momentum_decay value: {group['momentum_decay']}")

    def begin(self, W: Tensor, group: Group) -> State:
        """M, V and t at 0; the product of all mu at 1."""
        return {"step": number(0), "mu_product": number(1), "exp_avg": zeros(W), "exp_avg_sq": zeros(W)}

    def update(self, W: Tensor, state: State, group: Group) -> None:
        """The product of all mu takes the place that beta1**t has in Adam, as mu changes with t."""
        M, V, t = state["exp_avg"], state["exp_avg_sq"], count(state["step"])
        beta1, beta2 = live(group, "betas", 0), live(group, "betas", 1)
        lr, psi = live(group, "lr"), live(group, "momentum_decay")
        if group["weight_decay"] and group["decoupled_weight_decay"]:
            scale(W, 1 - lr * live(group, "weight_decay"), by=self.writer)
        G = self.gradient(W, group)
        mu = named(beta1 * (1 - 0.5 * np.power(WARMUP, t * psi)), "mu")
        mu_next = named(beta1 * (1 - 0.5 * np.power(WARMUP, (t + 1) * psi)), "mu_next")
        scale(state["mu_product"], mu)
        product = read(state["mu_product"]).astype(np.float64)
        average(M, beta1, G)
        average_squares(V, beta2, G)
        a = lr * (1 - mu) / (1 - product)
        b = lr * mu_next / (1 - product * mu_next)
        descend_ahead(W, a, G, b, M, V, named(1 - beta2**t, "correction"), live(group, "eps"), by=self.writer)
