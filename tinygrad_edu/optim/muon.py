"""Muon: momentum whose matrix is made orthogonal, so that no direction is stepped along less than another.

Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024); the scale
"match_rms_adamw" is from Liu et al., "Muon is Scalable for LLM Training" (2025).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.primitive import Array
from ..core.tensor import Tensor
from ..core.write import read
from .adam import check_lr
from .optimizer import Group, Optimizer, State, live, require, zeros
from .rules import average, descend, scale

COEFFICIENTS = 3.4445, -4.7750, 2.0315  # of the quintic that pulls singular values to 1 soonest; Jordan et al.
SPLITTER = 2.0**16 + 1  # Dekker's: float32 has 24 digits, c - (c - x) with c = SPLITTER x keeps 24 - 16 = 8 of them


class Muon(Optimizer):
    """W -= lr * O, O being about U @ V.T where the averaged gradient is U @ S @ V.T. For matrices only.

    Args:
        params: 2-D tensors, or dicts of "params" and settings.
        lr: the length of a step in each singular direction, before adjust_lr_fn.
        weight_decay: W *= 1 - lr * weight_decay.
        momentum: how much of the average gradient is kept per step.
        nesterov: look one step ahead, as SGD does.
        ns_coefficients: a, b, c of X = a X + (b A + c A @ A) @ X, A = X @ X.T.
        eps: the least norm that is divided by.
        ns_steps: how often that is done.
        adjust_lr_fn: "original" (default) multiplies lr by sqrt(max(1, rows / columns)), "match_rms_adamw" by
            0.2 * sqrt(max(rows, columns)).
    Raises:
        ValueError: a setting is negative, or a parameter is not a matrix.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = COEFFICIENTS,
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        """Refuse negative settings, and what is not a matrix."""
        require(bool(group["lr"] >= 0.0), f"Learning rate should be >= 0 but is: {group['lr']}")
        check_lr(group)
        require(group["momentum"] >= 0.0, f"momentum should be >= 0 but is: {group['momentum']}")
        require(group["weight_decay"] >= 0.0, f"weight decay should be >= 0 but is: {group['weight_decay']}")
        way = group["adjust_lr_fn"]
        require(way in (None, "original", "match_rms_adamw"), f"Adjust learning rate function {way} is not supported")
        require(group["ns_steps"] < 100, "Number of steps must be less than 100 for computational efficiency")
        require(len(group["ns_coefficients"]) == 3, "Coefficients must be a tuple of exactly 3 values")
        for W in group.get("params", ()):
            require(
                W.ndim == 2,
                f"Muon only supports 2D parameters whereas we found a parameter with size: {W.shape}; give the others "
                "to AdamW.",
            )

    def begin(self, W: Tensor, group: Group) -> State:
        """B at 0."""
        return {"momentum_buffer": zeros(W)}

    def update(self, W: Tensor, state: State, group: Group) -> None:
        """The decay is by lr as it is given, the step by lr as it is adjusted."""
        B, mu, lr = state["momentum_buffer"], live(group, "momentum"), live(group, "lr")
        G = read(W.grad)  # type: ignore[arg-type]  # step has looked
        average(B, mu, G)
        D = (1 - mu) * G + mu * read(B) if group["nesterov"] else read(B)
        coefficients = [live(group, "ns_coefficients", i) for i in range(3)]
        O = orthogonal(D.astype(np.float32), coefficients, group["ns_steps"], live(group, "eps"))  # its name
        rows, columns = W.shape
        if group["adjust_lr_fn"] == "match_rms_adamw":
            adjusted = lr * (0.2 * math.sqrt(max(rows, columns)))
        else:
            adjusted = lr * math.sqrt(max(1, rows / columns))
        scale(W, 1 - lr * live(group, "weight_decay"), by=self.writer)
        descend(W, adjusted, O.astype(W.dtype), by=self.writer)


def orthogonal(D: Array, coefficients: list[Any], steps: int, eps: Any) -> Array:
    """D with its singular values brought near 1, between 0.7 and 1.2; in bfloat16, as PyTorch does it."""
    a, b, c = coefficients
    tall = D.shape[0] > D.shape[1]
    X = bfloat16(D.T if tall else D)  # (m, n), m <= n, which makes A the smaller product
    norm = bfloat16(np.sqrt(np.sum(X * X)))  # at least as large as the largest singular value
    X = bfloat16(X / np.maximum(norm, eps))
    for _ in range(steps):
        A = bfloat16(X @ X.T)  # (m, m)
        X = bfloat16(a * X + bfloat16(b * A + c * (A @ A)) @ X)
    return X.T if tall else X


def bfloat16(X: Array) -> Array:
    """X rounded to the 8 digits of a bfloat16, still as float32: NumPy has no such dtype."""
    C = SPLITTER * X
    return C - (C - X)
