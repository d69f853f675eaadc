"""The older weight_norm and spectral_norm, which compute the weight in a hook before forward.

Those in parametrizations are newer, and compute it wherever it is used.
"""

from __future__ import annotations

from typing import Any

from ...autograd import no_grad
from ...ops.creation import empty
from .. import functional as F
from ..conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..module import Module
from ..parameter import Parameter
from .parametrizations import norm_except


class _Recompute:
    """A forward pre-hook: weight = v * g / |v|."""

    def __init__(self, name: str, dim: int) -> None:
        self.name, self.dim = name, dim

    def weight(self, module: Any) -> Any:
        g, v = getattr(module, f"{self.name}_g"), getattr(module, f"{self.name}_v")
        return v * (g / norm_except(v, self.dim))

    def __call__(self, module: Any, args: Any) -> None:
        setattr(module, self.name, self.weight(module))


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Train a weight's length (`weight_g`) and direction (`weight_v`) instead of the weight. Returns the module."""
    if any(isinstance(hook, _Recompute) and hook.name == name for hook in module._forward_pre_hooks.values()):
        raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
    hook = _Recompute(name, -1 if dim is None else dim)
    weight = getattr(module, name)
    delattr(module, name)
    module.register_parameter(f"{name}_g", Parameter(norm_except(weight.detach(), hook.dim)))
    module.register_parameter(f"{name}_v", Parameter(weight.detach()))
    setattr(module, name, hook.weight(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Make a plain parameter of the weight again. Returns the module."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, _Recompute) and hook.name == name:
            weight = hook.weight(module)
            for part in (name, f"{name}_g", f"{name}_v"):
                delattr(module, part)
            module.register_parameter(name, Parameter(weight.detach()))
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"weight_norm of '{name}' not found in {module}")


class _Follow:
    """A forward pre-hook: weight = original / (u W v), where in training u and v follow the singular vectors."""

    def __init__(self, name: str, steps: int, dim: int, eps: float) -> None:
        self.name, self.steps, self.dim, self.eps = name, steps, dim, eps

    def matrix(self, weight: Any) -> Any:
        others = [i for i in range(weight.ndim) if i != self.dim]
        return (weight if self.dim == 0 else weight.permute(self.dim, *others)).flatten(1)

    def weight(self, module: Any, steps: int) -> Any:
        original = getattr(module, f"{self.name}_orig")
        u, v, W = getattr(module, f"{self.name}_u"), getattr(module, f"{self.name}_v"), self.matrix(original)
        with no_grad():
            for _ in range(steps):
                v.copy_(F.normalize(W.T @ u, dim=0, eps=self.eps))
                u.copy_(F.normalize(W @ v, dim=0, eps=self.eps))
            u, v = u.clone(), v.clone()  # which the next call writes, perhaps before this one's backward
        return original / (u @ (W @ v))

    def __call__(self, module: Any, args: Any) -> None:
        setattr(module, self.name, self.weight(module, self.steps if module.training else 0))


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide a weight by its largest singular value before every call. Returns the module.

    Args:
        name: the parameter; it becomes `weight_orig`.
        n_power_iterations: steps by which each call in training improves the singular vectors.
        eps: the least length of a vector that is divided by.
        dim: the axis of the outputs; None: 0, of transposed convolutions 1.
    """
    if any(isinstance(hook, _Follow) and hook.name == name for hook in module._forward_pre_hooks.values()):
        raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    if n_power_iterations <= 0:
        raise ValueError(f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}")
    if dim is None:
        dim = 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)) else 0
    hook = _Follow(name, n_power_iterations, dim, eps)
    weight = getattr(module, name)
    delattr(module, name)
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.detach())
    W = hook.matrix(weight.detach())
    for part, length in zip("uv", W.shape, strict=True):
        module.register_buffer(f"{name}_{part}", F.normalize(empty(length, dtype=W.dtype).normal_(), dim=0, eps=eps))
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Make a plain parameter of the weight again. Returns the module."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, _Follow) and hook.name == name:
            weight = hook.weight(module, 0)
            for part in (name, f"{name}_orig", f"{name}_u", f"{name}_v"):
                delattr(module, part)
            module.register_parameter(name, Parameter(weight.detach()))
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"spectral_norm of '{name}' not found in {module}")
