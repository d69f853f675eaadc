"""Ready-made parametrizations: weight_norm and spectral_norm; orthogonal is in orthogonal.py.

Sources: Salimans and Kingma, "Weight normalization" (2016); Miyato et al., "Spectral normalization for
generative adversarial networks" (2018).
"""

from __future__ import annotations

from typing import Any

from ...autograd import no_grad
from ...core.tensor import Tensor
from ...ops.creation import empty
from ...ops.norm import vector_norm
from .. import functional as F
from ..conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..module import Module
from . import parametrize
from .orthogonal import orthogonal

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def norm_except(v: Any, dim: int) -> Any:
    """The length of each slice of v along `dim`, in a shape that broadcasts to v's; -1: of v as a whole."""
    if dim == -1:
        return vector_norm(v)
    return vector_norm(v, dim=tuple(i for i in range(v.ndim) if i != dim % v.ndim), keepdim=True)


class _WeightNorm(Module):
    """From a length g and a direction v: v * g / |v|."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Any, weight_v: Any) -> Any:
        """The weight."""
        return weight_v * (weight_g / norm_except(weight_v, self.dim))

    def right_inverse(self, weight: Any) -> tuple[Any, Any]:
        """The weight's length, and the weight as its direction."""
        return norm_except(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Train a weight's length (original0) and direction (original1) instead of the weight. Returns the module.

    Args:
        name: the parameter.
        dim: one length for each slice along this axis; None: one for the whole weight.
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def from_old_names(state: dict[str, Any], prefix: str, *_: Any) -> None:
        if f"{prefix}{name}_g" in state and f"{prefix}{name}_v" in state:
            for i, old in enumerate("gv"):
                state[f"{prefix}parametrizations.{name}.original{i}"] = state.pop(f"{prefix}{name}_{old}")

    module._register_load_state_dict_pre_hook(from_old_names)
    return module


class _SpectralNorm(Module):
    """The weight over its largest singular value, which the power method follows from call to call in training."""

    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        if not -weight.ndim <= dim < weight.ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{weight.ndim}, {weight.ndim - 1}] but got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % weight.ndim
        self.eps = eps
        if weight.ndim > 1:
            self.n_power_iterations = n_power_iterations
            with no_grad():
                W = self._matrix(weight)
                for name, length in (("_u", W.shape[0]), ("_v", W.shape[1])):
                    start = empty(length, dtype=W.dtype).normal_()
                    self.register_buffer(name, F.normalize(start, dim=0, eps=eps))
            self._follow(W, 15)  # PyTorch's number of steps to begin with

    def _matrix(self, weight: Any) -> Any:
        others = [i for i in range(weight.ndim) if i != self.dim]
        return (weight if self.dim == 0 else weight.permute(self.dim, *others)).flatten(1)

    def _follow(self, W: Any, steps: int) -> None:
        """Steps of the power method, which turn u and v towards the first singular vectors."""
        with no_grad():
            for _ in range(steps):
                self._u.copy_(F.normalize(W @ self._v, dim=0, eps=self.eps))
                self._v.copy_(F.normalize(W.T @ self._u, dim=0, eps=self.eps))

    def forward(self, weight: Any) -> Any:
        """The weight over u W v."""
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        W = self._matrix(weight)
        if self.training:
            self._follow(W, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()  # which the next call writes, perhaps before this one's backward
        return weight / (u @ (W @ v))

    def right_inverse(self, value: Any) -> Any:
        """The weight itself."""
        return value


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide a weight by its largest singular value at every use. Returns the module.

    Args:
        name: the parameter.
        n_power_iterations: steps by which each call in training improves the singular vectors.
        eps: the least length of a vector that is divided by.
        dim: the axis of the outputs; None: 0, of transposed convolutions 1.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if dim is None:
        dim = 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)) else 0
    return parametrize.register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))
