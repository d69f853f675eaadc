"""Pooling layers; the functions themselves are in ops/pooling.py and ops/averaging.py.

nn follows PyTorch: inputs are (N, C, ...) or, one sample alone, (C, ...), and the axes after C are pooled.
"""

from __future__ import annotations

from typing import Any

from . import functional as F
from .module import Module


class _MaxPool(Module):
    """The arguments of the max pooling layers.

    Args:
        kernel_size: the length of a window, one integer or one per axis, as all of the following.
        stride: from one window to the next; default: kernel_size.
        padding: elements added at both ends, which are never the largest.
        dilation: steps between neighbours in a window.
        return_indices: return also where the largest elements lie, as MaxUnpool takes it.
        ceil_mode: with a last window that reaches beyond the end, if elements are left over.
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def extra_repr(self) -> str:
        """Where the windows lie."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The largest element of each window of the last axis."""

    def forward(self, input: Any) -> Any:
        """(N, C, n) -> (N, C, n_out), and the indices if asked for."""
        return F.max_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )


class MaxPool2d(_MaxPool):
    """The largest element of each window of the last two axes.

    >>> from tinygrad_edu import nn, tensor
    >>> nn.MaxPool2d(2)(tensor([[[1.0, 2.0, 0.0, 0.0], [4.0, 3.0, 0.0, 7.0]]]))
    tensor([[[4., 7.]]])
    """

    def forward(self, input: Any) -> Any:
        """(N, C, h, w) -> (N, C, h_out, w_out), and the indices if asked for."""
        return F.max_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )


class MaxPool3d(_MaxPool):
    """The largest element of each window of the last three axes."""

    def forward(self, input: Any) -> Any:
        """(N, C, d, h, w) -> (N, C, d_out, h_out, w_out), and the indices if asked for."""
        return F.max_pool3d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )
