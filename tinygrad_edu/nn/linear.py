"""Linear, and the two layers that compute nothing.

nn follows PyTorch: rows are samples, X (m, n_in), and a weight is (n_out, n_in), so that a PyTorch
script and its weights carry over unchanged. The article's own W is this weight transposed.
"""

from __future__ import annotations

import math
from typing import Any

from ..ops.creation import empty
from ..ops.shape import flatten, unflatten
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter


class Linear(Module):
    """Z = X W^T + b, for X (m, n_in), W (n_out, n_in), b (n_out,).

    Args:
        in_features: n_in, the length of X's last axis.
        out_features: n_out.
        bias: False leaves b out.

    >>> from tinygrad_edu import nn, zeros
    >>> tuple(nn.Linear(3, 2)(zeros(5, 3)).shape)
    (5, 2)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(empty(out_features, in_features, device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(out_features, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw both anew, uniform within 1/sqrt(n_in): PyTorch's numbers from the seed."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))  # whose bound is 1/sqrt(n_in)
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0.0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Any) -> Any:
        """Z, (..., n_out)."""
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Both lengths, and whether there is a bias."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Flatten(Module):
    """The axes from start_dim to end_dim made into one: images (m, 28, 28) into rows (m, 784)."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Any) -> Any:
        """The input in its new shape."""
        return flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """The first and the last axis."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """One axis made into several: the way back from Flatten.

    Args:
        dim: the axis.
        unflattened_size: the lengths that it becomes, one of which may be -1.
    """

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        super().__init__()
        if not isinstance(dim, int):
            raise TypeError(f"Unflatten: dim is a number (names of axes are not supported), got {dim!r}.")
        if not isinstance(unflattened_size, (tuple, list)):
            raise TypeError(f"unflattened_size must be tuple of ints, but found type {type(unflattened_size).__name__}")
        for place, length in enumerate(unflattened_size):
            if not isinstance(length, int):
                raise TypeError(
                    f"unflattened_size must be tuple of ints, but found element of type {type(length).__name__} "
                    f"at pos {place}"
                )
        self.dim, self.unflattened_size = dim, unflattened_size

    def forward(self, input: Any) -> Any:
        """The input in its new shape."""
        return unflatten(input, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        """The axis and its new lengths."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class Identity(Module):
    """Its input, unchanged; takes any arguments, so that it can stand for any layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        """The input."""
        return input
