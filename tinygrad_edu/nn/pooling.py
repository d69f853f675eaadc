"""Pooling layers; the functions themselves are in ops/pooling.py and ops/averaging.py.

nn follows PyTorch: inputs are (N, C, ...) or, one sample alone, (C, ...), and the axes after C are pooled.
"""

from __future__ import annotations

from typing import Any, ClassVar

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

    def _pooled(self, pool: Any, input: Any) -> Any:
        windows = self.kernel_size, self.stride, self.padding, self.dilation
        return pool(input, *windows, ceil_mode=self.ceil_mode, return_indices=self.return_indices)


class MaxPool1d(_MaxPool):
    """The largest element of each window of the last axis."""

    def forward(self, input: Any) -> Any:
        """(N, C, n) -> (N, C, n_out), and the indices if asked for."""
        return self._pooled(F.max_pool1d, input)


class MaxPool2d(_MaxPool):
    """The largest element of each window of the last two axes.

    >>> from tinygrad_edu import nn, tensor
    >>> nn.MaxPool2d(2)(tensor([[[1.0, 2.0, 0.0, 0.0], [4.0, 3.0, 0.0, 7.0]]]))
    tensor([[[4., 7.]]])
    """

    def forward(self, input: Any) -> Any:
        """(N, C, h, w) -> (N, C, h_out, w_out), and the indices if asked for."""
        return self._pooled(F.max_pool2d, input)


class MaxPool3d(_MaxPool):
    """The largest element of each window of the last three axes."""

    def forward(self, input: Any) -> Any:
        """(N, C, d, h, w) -> (N, C, d_out, h_out, w_out), and the indices if asked for."""
        return self._pooled(F.max_pool3d, input)


class _Windows(Module):
    """What the layers below show of themselves."""

    kernel_size: Any
    stride: Any
    padding: Any

    def extra_repr(self) -> str:
        """Where the windows lie."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


def _each(value: Any, axes: int) -> tuple[Any, ...]:
    """One number per axis, as PyTorch shows it."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes


class _MaxUnpool(_Windows):
    """The arguments of the pooling that is undone."""

    axes: ClassVar[int]

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size = _each(kernel_size, self.axes)
        self.stride = _each(kernel_size if stride is None else stride, self.axes)
        self.padding = _each(padding, self.axes)


class MaxUnpool1d(_MaxUnpool):
    """Zeros, with the largest elements back where MaxPool1d(return_indices=True) found them."""

    axes = 1

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        """(N, C, n_out) and the indices -> (N, C, n)."""
        return F.max_unpool1d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool2d(_MaxUnpool):
    """Zeros, with the largest elements back where MaxPool2d(return_indices=True) found them."""

    axes = 2

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        """(N, C, h_out, w_out) and the indices -> (N, C, h, w)."""
        return F.max_unpool2d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool3d(_MaxUnpool):
    """Zeros, with the largest elements back where MaxPool3d(return_indices=True) found them."""

    axes = 3

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        """(N, C, d_out, h_out, w_out) and the indices -> (N, C, d, h, w)."""
        return F.max_unpool3d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class AvgPool1d(_Windows):
    """The mean of each window of the last axis.

    Args:
        kernel_size: the length of a window.
        stride: from one window to the next; default: kernel_size.
        padding: zeros added at both ends.
        ceil_mode: with a last window that reaches beyond the end, if elements are left over.
        count_include_pad: whether the padding counts in the number that a sum is divided by.
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = _each(kernel_size, 1)
        self.stride = _each(kernel_size if stride is None else stride, 1)
        self.padding = _each(padding, 1)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Any) -> Any:
        """(N, C, n) -> (N, C, n_out)."""
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class _AvgPool(_Windows):
    """As AvgPool1d; with divisor_override every sum is divided by that."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override

    def _pooled(self, pool: Any, input: Any) -> Any:
        windows = self.kernel_size, self.stride, self.padding
        return pool(input, *windows, self.ceil_mode, self.count_include_pad, self.divisor_override)


class AvgPool2d(_AvgPool):
    """The mean of each window of the last two axes; arguments as AvgPool1d, and divisor_override for its divisor."""

    def forward(self, input: Any) -> Any:
        """(N, C, h, w) -> (N, C, h_out, w_out)."""
        return self._pooled(F.avg_pool2d, input)


class AvgPool3d(_AvgPool):
    """The mean of each window of the last three axes; arguments as AvgPool2d."""

    def forward(self, input: Any) -> Any:
        """(N, C, d, h, w) -> (N, C, d_out, h_out, w_out)."""
        return self._pooled(F.avg_pool3d, input)


class _AdaptivePool(Module):
    """So many windows, as equal as can be: output_size, one integer or one per axis; None keeps an axis."""

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        """How many windows."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptivePool):
    """The means of output_size windows that cover the last axis evenly."""

    def forward(self, input: Any) -> Any:
        """(N, C, n) -> (N, C, output_size)."""
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptivePool):
    """The means of windows that cover the last two axes evenly; AdaptiveAvgPool2d(1) takes the mean of all.

    >>> from tinygrad_edu import nn, ones
    >>> nn.AdaptiveAvgPool2d((2, None))(ones(1, 3, 7, 4)).shape
    Size([1, 3, 2, 4])
    """

    def forward(self, input: Any) -> Any:
        """(N, C, h, w) -> (N, C, h_out, w_out)."""
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_AdaptivePool):
    """The means of windows that cover the last three axes evenly."""

    def forward(self, input: Any) -> Any:
        """(N, C, d, h, w) -> (N, C, d_out, h_out, w_out)."""
        return F.adaptive_avg_pool3d(input, self.output_size)


class _AdaptiveMaxPool(_AdaptivePool):
    """As _AdaptivePool; with return_indices the places of the largest elements are returned too."""

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest elements of output_size windows that cover the last axis evenly."""

    def forward(self, input: Any) -> Any:
        """(N, C, n) -> (N, C, output_size), and the indices if asked for."""
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest elements of windows that cover the last two axes evenly."""

    def forward(self, input: Any) -> Any:
        """(N, C, h, w) -> (N, C, h_out, w_out), and the indices if asked for."""
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest elements of windows that cover the last three axes evenly."""

    def forward(self, input: Any) -> Any:
        """(N, C, d, h, w) -> (N, C, d_out, h_out, w_out), and the indices if asked for."""
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)


class _LPPool(Module):
    """The power p = norm_type of the norm, and the windows: kernel_size, stride (default: kernel_size), ceil_mode."""

    def __init__(self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> None:
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def extra_repr(self) -> str:
        """The power, and where the windows lie."""
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """(sum of x**p) ** (1 / p) over each window of the last axis."""

    def forward(self, input: Any) -> Any:
        """(N, C, n) -> (N, C, n_out)."""
        return F.lp_pool1d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class LPPool2d(_LPPool):
    """(sum of x**p) ** (1 / p) over each window of the last two axes."""

    def forward(self, input: Any) -> Any:
        """(N, C, h, w) -> (N, C, h_out, w_out)."""
        return F.lp_pool2d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class LPPool3d(_LPPool):
    """(sum of x**p) ** (1 / p) over each window of the last three axes."""

    def forward(self, input: Any) -> Any:
        """(N, C, d, h, w) -> (N, C, d_out, h_out, w_out)."""
        return F.lp_pool3d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class _FractionalMaxPool(Module):
    """The largest element of each window; windows are drawn so that an output of any size results.

    Args:
        kernel_size: the window's extent.
        output_size: the output's size, or
        output_ratio: its part of the input's size, between 0 and 1.
        return_indices: return also where the largest elements lie, as MaxUnpool takes it.
    """

    axes: ClassVar[int]
    _pool: ClassVar[Any]

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if output_size is None and output_ratio is None:
            raise ValueError(f"{name} requires specifying either an output size, or a pooling ratio")
        if output_size is not None and output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        self.kernel_size = _each(kernel_size, self.axes)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else _each(output_size, self.axes)
        self.output_ratio = None if output_ratio is None else _each(output_ratio, self.axes)
        if self.output_ratio is not None and not all(0 < ratio < 1 for ratio in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")

    def forward(self, input: Any) -> Any:
        """(N, C, ...) -> (N, C, *output_size), and the indices if asked for."""
        return type(self)._pool(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            _random_samples=self._random_samples,
        )


class FractionalMaxPool2d(_FractionalMaxPool):
    __doc__ = f"{_FractionalMaxPool.__doc__}\n    Input is (N, C, h, w).\n    "
    axes = 2
    _pool = F.fractional_max_pool2d


class FractionalMaxPool3d(_FractionalMaxPool):
    __doc__ = f"{_FractionalMaxPool.__doc__}\n    Input is (N, C, d, h, w).\n    "
    axes = 3
    _pool = F.fractional_max_pool3d
