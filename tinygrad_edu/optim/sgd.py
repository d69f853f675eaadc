"""Stochastic gradient descent: the article's W = W - lr * dW, with momentum."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..core.mode import mode
from ..core.primitive import Array
from ..core.record import user_site
from ..core.tensor import Tensor, as_array, wrap
from ..core.write import write
from .optimizer import Group, Optimizer, live


class SGD(Optimizer):
    """W -= lr * M, where M = momentum * M + (1 - dampening) * dW, or dW itself without momentum.

    Args:
        params: tensors, or dicts of "params" and settings.
        lr: the step's length per unit of gradient.
        momentum: the part of the last step's M that is kept; M starts as the first dW.
        dampening: the part of dW that does not enter M.
        weight_decay: lambda in dW + lambda * W, the gradient of an added lambda / 2 * sum(W**2).
        nesterov: step by dW + momentum * M, the gradient as it will be seen from ahead.
        maximize: climb instead.
        foreach, fused: ways of computing the same in PyTorch; accepted, without effect.
    Raises:
        ValueError: a setting is negative, or nesterov is asked for without momentum.

    >>> from tinygrad_edu import optim, tensor
    >>> W = tensor([1.0], requires_grad=True)
    >>> (W * W).backward()
    >>> optim.SGD([W], lr=0.25).step()  # 1 - 0.25 * 2
    >>> W
    tensor([0.5000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        """Refuse what climbs by mistake."""
        if group["lr"] < 0.0:
            raise ValueError(f"Invalid learning rate: {group['lr']}")
        if group["momentum"] < 0.0:
            raise ValueError(f"Invalid momentum value: {group['momentum']}")
        if group["weight_decay"] < 0.0:
            raise ValueError(f"Invalid weight_decay value: {group['weight_decay']}")
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient. Returns the closure's loss, if there is one."""
        loss = self.evaluate(closure)
        trace, site = mode.trace, user_site()
        for group in self.param_groups:
            lr = live(group, "lr")
            decay = live(group, "weight_decay") if group["weight_decay"] else None
            momentum = live(group, "momentum") if group["momentum"] else None
            rate, dtype = lr, None
            for W in group["params"]:
                dW = W.grad
                if dW is None:
                    continue
                if trace is not None:
                    trace.enter((W, dW))
                D = -dW._array if group["maximize"] else dW._array
                if decay is not None:
                    D = D + decay * W._array
                if momentum is not None:
                    M = self._remember(group, W, D, momentum)
                    D = D + momentum * M if group["nesterov"] else M
                if trace is None and D.dtype is not dtype:
                    dtype = D.dtype
                    rate = np.array(lr, dtype)  # a Python number would cost each product 0.3 us more
                write(W, np.subtract, W._array, rate * D, by="SGD.step", site=site)
        return loss

    def _remember(self, group: Group, W: Tensor, D: Array, momentum: Any) -> Array:
        """M with this step's direction D in it."""
        state = self.state[W]
        M = state.get("momentum_buffer")
        if M is None:
            M = state["momentum_buffer"] = wrap(as_array(np.positive(D)))  # a copy: D may be the gradient itself
            return M._array
        if mode.trace is not None:
            mode.trace.enter((M,))
        fresh = (1 - live(group, "dampening")) * D if group["dampening"] else D
        write(M, _blend, M._array, momentum, fresh, by="SGD.step")
        return M._array


def _blend(M: Array, momentum: Any, D: Array, *, out: Array) -> Array:
    """momentum * M + D in M's own memory: a temporary costs the step of 784-1024-1024-10 another 15%."""
    return np.add(np.multiply(M, momentum, out=out), D, out=out)
