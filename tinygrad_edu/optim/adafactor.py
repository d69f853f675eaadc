"""Adafactor: Adam's scale from the sums of G**2 over rows and over columns, which for matrices takes far less memory.

Source: Shazeer and Stern, "Adafactor: Adaptive learning rates with sublinear memory cost" (2018).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.primitive import Array
from ..core.tensor import Tensor, wrap
from ..core.write import read
from ..ops.reduction import mean_over
from .adam import check_lr
from .formula import in_place
from .optimizer import Group, Optimizer, State, count, live, number, require, zeros
from .rules import descend, scale


@in_place
def approach(V: Array, part: Array, S: Array) -> Array:
    """V = V + part (S - V)."""
    return V + part * (S - V)


class Adafactor(Optimizer):
    """W -= alpha * U, U being G / sqrt(V) of about unit size; V of a matrix is rows @ columns / their mean.

    Args:
        params: tensors, or dicts of "params" and settings.
        lr: the largest relative step; in step t it is at most 1 / sqrt(t).
        beta2_decay: V moves towards the newest G**2 by t**beta2_decay.
        eps: (eps1, eps2): the least root of V, None for the dtype's epsilon; the least size that W is taken to have.
        d: the largest size of U.
        weight_decay: W *= 1 - lr * weight_decay.
        foreach: a way of computing the same in PyTorch; accepted, without effect.
        maximize: climb instead.
    Raises:
        ValueError: a setting is negative, or d below 1.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        """Refuse negative settings."""
        require(bool(group["lr"] >= 0.0), f"Learning rate should be >= 0 but is: {group['lr']}")
        check_lr(group)
        require(group["beta2_decay"] <= 0.0, f"beta2_decay should be <= 0 but is: {group['beta2_decay']}")
        eps1, eps2 = group["eps"]
        require(eps1 is None or eps1 >= 0.0, f"epsilon1 should be >= 0 but is: {eps1}")
        require(eps2 >= 0.0, f"epsilon2 should be >= 0 but is: {eps2}")
        require(group["d"] >= 1.0, f"Clipping threshold d should be >= 1 but is: {group['d']}")
        require(group["weight_decay"] >= 0.0, f"weight_decay should be >= 0 but is: {group['weight_decay']}")

    def begin(self, W: Tensor, group: Group) -> State:
        """Rows and columns at 0, of vectors V itself."""
        if W.ndim < 2:
            return {"step": number(0), "variance": zeros(W)}
        *stack, rows, columns = W.shape
        return {
            "step": number(0),
            "row_var": wrap(np.zeros((*stack, rows, 1), W.dtype)),
            "col_var": wrap(np.zeros((*stack, 1, columns), W.dtype)),
        }

    def update(self, W: Tensor, state: State, group: Group) -> None:
        """In float64 where PyTorch computes with Python's numbers."""
        t, lr = count(state["step"]), live(group, "lr")
        G = read(W.grad)  # type: ignore[arg-type]  # step has looked
        if group["maximize"]:
            G = -G
        eps1 = float(np.finfo(W.dtype).eps) if group["eps"][0] is None else live(group, "eps", 0)
        alpha = np.maximum(live(group, "eps", 1), _size(read(W))) * np.minimum(lr, 1 / np.sqrt(t))
        if group["weight_decay"]:
            scale(W, 1 - lr * live(group, "weight_decay"), by=self.writer)
        V = self._variance(state, G, t ** live(group, "beta2_decay"), eps1)
        U = G / np.sqrt(np.maximum(V, eps1 * eps1))
        alpha = alpha / np.maximum(1.0, _size(U) / live(group, "d"))
        descend(W, alpha, U, by=self.writer)

    def _variance(self, state: State, G: Array, part: Array, eps1: Any) -> Array:
        if "variance" in state:
            approach(state["variance"], part, G * G)
            return read(state["variance"])
        rows, columns = state["row_var"], state["col_var"]
        approach(rows, part, _mean(G * G, G.ndim - 1))
        approach(columns, part, _mean(G * G, G.ndim - 2))
        R, C = read(rows), read(columns)
        return R @ C / np.maximum(_mean(R, R.ndim - 2), eps1)


def _mean(X: Array, axis: int) -> Array:
    """The mean over one axis by the library's own sum, whose last digits are not NumPy's: a trace computes it so."""
    return mean_over(X, axis=(axis,), keepdims=True)


def _size(X: Array) -> Array:
    """The root of the mean square, in float64."""
    return np.sqrt(np.mean(X * X)).astype(np.float64)
