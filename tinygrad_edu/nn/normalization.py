"""Layers that standardize each sample by itself: LayerNorm, RMSNorm, GroupNorm, LocalResponseNorm.

nn follows PyTorch: rows are samples, and of images (N, C, H, W) the second axis holds the channels.
What is computed is in ops/normalization.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ops.creation import empty
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter


def _ones_and_zeros(module: Any) -> None:
    """The start of a normalisation: what was standardized is left as it is."""
    if module.weight is not None:
        init.ones_(module.weight)
    if getattr(module, "bias", None) is not None:
        init.zeros_(module.bias)


def _axes(normalized_shape: Any) -> tuple[int, ...]:
    return (normalized_shape.__index__(),) if hasattr(normalized_shape, "__index__") else tuple(normalized_shape)


class LayerNorm(Module):
    """Each sample standardized over its last axes, times weight plus bias.

    Args:
        normalized_shape: the lengths of those axes; one number for the last axis alone.
        eps: added to the variance.
        elementwise_affine: False leaves weight and bias out.
        bias: False leaves the bias out.

    >>> from tinygrad_edu import nn, tensor
    >>> nn.LayerNorm(2, eps=0)(tensor([[1.0, 5.0]]))
    tensor([[-1.,  1.]], grad_fn=<ScaleAndShiftBackward0>)
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _axes(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        for name, there in (("weight", elementwise_affine), ("bias", elementwise_affine and bias)):
            values = Parameter(empty(self.normalized_shape, device=device, dtype=dtype)) if there else None
            self.register_parameter(name, values)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        _ones_and_zeros(self)

    def forward(self, input: Any) -> Any:
        """The samples standardized, in input's shape."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The shape, eps, and which parameters there are."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """Each sample over the root of the mean of its squares along its last axes, times weight.

    Args:
        normalized_shape: the lengths of those axes; one number for the last axis alone.
        eps: added to the mean of squares; None stands for the spacing of the dtype's numbers at 1.
        elementwise_affine: False leaves the weight out.
    """

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _axes(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        values = Parameter(empty(self.normalized_shape, device=device, dtype=dtype)) if elementwise_affine else None
        self.register_parameter("weight", values)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1."""
        _ones_and_zeros(self)

    def forward(self, x: Any) -> Any:
        """The samples scaled, in x's shape."""
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """The shape, eps, and whether there is a weight."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    """Each sample standardized over groups of channels, each channel then times weight plus bias.

    Args:
        num_groups: into how many groups the channels are divided; 1 makes a layer norm, num_channels an instance norm.
        num_channels: C of input (N, C, ...), a multiple of num_groups.
        eps: added to the variance.
        affine: False leaves weight and bias out.
        bias: False leaves the bias out.
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups, self.num_channels = num_groups, num_channels
        self.eps = eps
        self.affine = affine
        for name, there in (("weight", affine), ("bias", affine and bias)):
            values = Parameter(empty(num_channels, device=device, dtype=dtype)) if there else None
            self.register_parameter(name, values)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        _ones_and_zeros(self)

    def forward(self, input: Any) -> Any:
        """The groups standardized, in input's shape."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Groups, channels, eps, and which parameters there are."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """Each value divided by what grows with the squares of `size` neighbouring channels; see F.local_response_norm."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Any) -> Any:
        """The values scaled, in the shape of input (N, C, L, ...)."""
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """The number of channels and the three constants."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
