"""Rprop: only the gradient's signs count; each weight has a step length of its own.

Source: Riedmiller and Braun, "A Direct Adaptive Method for Faster Backpropagation Learning: The RPROP
Algorithm" (1993); the form that forgets the gradient where its sign has turned: Igel and Huesken (2000), iRprop-.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.primitive import Array
from ..core.tensor import Tensor, wrap
from ..core.write import read
from .adam import check_lr
from .formula import in_place
from .optimizer import Group, Optimizer, State, count, live, number, require, zeros
from .rules import store


@in_place
def adapt(D: Array, A: Array, shrink: Array, grow: Array, least: Array, most: Array) -> Array:
    """D grows where A > 0, shrinks where A < 0, and stays between two limits."""
    return np.minimum(np.maximum(D * np.where(A > 0, grow, np.where(A < 0, shrink, 1.0)), least), most)


@in_place
def descend_signs(W: Array, G: Array, D: Array) -> Array:
    """W = W - sign(G) D, and no step where G is NaN."""
    return W - np.where(G > 0, D, np.where(G < 0, -D, 0.0))


class Rprop(Optimizer):
    """W -= sign(G) * D, where D grows while the sign stays and shrinks when it turns. For full batches.

    Args:
        params: tensors, or dicts of "params" and settings.
        lr: the first D.
        etas: what D is multiplied by where the sign has turned, and where it has stayed.
        step_sizes: the least and the largest D.
        maximize: climb instead.
        foreach, capturable: ways of computing the same in PyTorch; accepted, without effect.
    Raises:
        ValueError: lr is negative, or the etas are not on both sides of 1.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        """Refuse steps that would not grow and shrink."""
        check_lr(group)
        shrink, grow = group["etas"]
        require(0.0 < shrink < 1.0 < grow, f"Invalid eta values: {shrink}, {grow}")

    def begin(self, W: Tensor, group: Group) -> State:
        """D at lr; the gradient before the first at 0, which agrees with none."""
        D = np.full(W.shape, float(group["lr"]), W.dtype)
        return {"step": number(0), "prev": zeros(W), "step_size": wrap(D)}

    def update(self, W: Tensor, state: State, group: Group) -> None:
        """Where the sign has turned the weight stays, and the next sign is taken as the first."""
        count(state["step"])
        D, previous = state["step_size"], state["prev"]
        G = -read(W.grad) if group["maximize"] else read(W.grad)  # type: ignore[arg-type]  # step has looked
        A = G * read(previous)
        shrink, grow = live(group, "etas", 0), live(group, "etas", 1)
        adapt(D, A, shrink, grow, live(group, "step_sizes", 0), live(group, "step_sizes", 1))
        G = np.where(A < 0, 0.0, G)
        descend_signs(W, G, D, by=self.writer)
        store(previous, G)
