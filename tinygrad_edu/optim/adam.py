"""Adam and AdamW: steps along the average gradient, as long as it is steady.

Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015), algorithm 1; Loshchilov and
Hutter, "Decoupled Weight Decay Regularization" (2019); Reddi et al., "On the Convergence of Adam and
Beyond" (2018) for amsgrad.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.symbol import named
from ..core.tensor import Tensor
from .optimizer import Group, Optimizer, State, count, live, number, require, zeros
from .rules import average, average_squares, descend_scaled, largest, scale


class Adam(Optimizer):
    """W -= lr * M / (sqrt(V) + eps), M and V being averages of G and G**2, freed of their start at 0.

    Args:
        params: tensors, or dicts of "params" and settings.
        lr: about the length of a step in each direction.
        betas: how much of the averages is kept per step, of G and of G**2.
        eps: added to sqrt(V), which may be 0.
        weight_decay: lambda in G + lambda * W, the gradient of an added lambda / 2 * sum(W**2).
        amsgrad: divide by the largest V so far.
        maximize: climb instead.
        decoupled_weight_decay: AdamW's way.
        foreach, capturable, fused: ways of computing the same in PyTorch; accepted, without effect.
    Raises:
        ValueError: a setting is negative, or a beta is not below 1.

    >>> from tinygrad_edu import optim, tensor
    >>> W = tensor([1.0], requires_grad=True)
    >>> (W * W).backward()
    >>> optim.Adam([W], lr=0.25).step()  # the first step has the length lr
    >>> W
    tensor([0.7500], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        """Refuse what climbs, divides by less than nothing, or averages with negative weights."""
        check_adaptive(group)
        kinds = {float if isinstance(beta, float) else type(beta) for beta in group["betas"]}
        require(kinds in ({float}, {Tensor}), "betas must be either both floats or both Tensors")

    def begin(self, W: Tensor, group: Group) -> State:
        """M, V and t at 0."""
        state = {"step": number(0), "exp_avg": zeros(W), "exp_avg_sq": zeros(W)}
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = zeros(W)
        return state

    def update(self, W: Tensor, state: State, group: Group) -> None:
        """The bias corrections are moved out of the large arrays, as section 2 of the paper proposes."""
        M, V, t = state["exp_avg"], state["exp_avg_sq"], count(state["step"])
        beta1, beta2 = live(group, "betas", 0), live(group, "betas", 1)
        lr, eps = live(group, "lr"), live(group, "eps")
        if group["weight_decay"] and group["decoupled_weight_decay"]:
            scale(W, 1 - lr * live(group, "weight_decay"), by=self.writer)
        G = self.gradient(W, group)
        average(M, beta1, G)
        average_squares(V, beta2, G)
        if group["amsgrad"]:
            largest(state["max_exp_avg_sq"], V)
            V = state["max_exp_avg_sq"]
        correction = named(np.sqrt(1 - beta2**t), "correction")
        alpha = named(lr * correction / (1 - beta1**t), "alpha")
        descend_scaled(W, alpha, M, V, named(eps * correction, "epsilon"), by=self.writer)


class AdamW(Adam):
    """Adam with a decay of the weights that is no part of the gradient: W *= 1 - lr * weight_decay.

    Args: as Adam's.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over another optimizer's state and settings, but not Adam's way of decaying weights."""
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True


def check_adaptive(group: Group) -> None:
    """Refuse settings that no member of Adam's family can work with."""
    check_lr(group)
    require(group["eps"] >= 0.0, f"Invalid epsilon value: {group['eps']}")
    require(len(group["betas"]) == 2, f"betas must be two numbers, not {group['betas']}")
    for index, beta in enumerate(group["betas"]):
        require(0.0 <= beta < 1.0, f"Invalid beta parameter at index {index}: {beta}")
    require(group["weight_decay"] >= 0.0, f"Invalid weight_decay value: {group['weight_decay']}")


def check_lr(group: Group) -> None:
    """Refuse a learning rate that climbs by mistake, or that is several numbers."""
    lr = group["lr"]
    require(not isinstance(lr, Tensor) or lr.numel() == 1, "Tensor lr must be 1-element")
    require(bool(lr >= 0.0), f"Invalid learning rate: {lr}")
