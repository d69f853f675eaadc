"""Convolutions and transposed convolutions as layers.

nn follows PyTorch: images are (N, C, height, width), sequences (N, C, length), one of them also without N; a
convolution's weight is (C_out, C_in / groups, *window), a transposed one's (C_in, C_out / groups, *window).
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ..core.errors import ShapeError
from ..ops.creation import empty
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What all have in common: the options, the parameters and how those start."""

    axes: ClassVar[int]  # of an image
    transposed: ClassVar[bool] = False
    weight: Parameter
    bias: Parameter | None

    def _configure(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        output_padding: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        if groups <= 0:
            raise ValueError(f"groups must be a positive integer, got {groups}")
        for word, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ValueError(f"{word} must be divisible by groups, got {channels} channels and groups={groups}")
        if isinstance(padding, str) and padding not in ("valid", "same"):
            raise ValueError(f"Invalid padding string {padding!r}, should be 'valid' or 'same', or numbers")
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"padding_mode must be one of {PADDING_MODES}, but got padding_mode={padding_mode!r}")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride = self._each(kernel_size), self._each(stride)
        self.padding = padding if isinstance(padding, str) else self._each(padding)
        self.dilation, self.output_padding = self._each(dilation), self._each(output_padding)
        self.groups, self.padding_mode = groups, padding_mode
        if padding == "same" and any(s != 1 for s in self.stride):
            raise ValueError(f"padding='same' is not supported for strided convolutions, got stride={self.stride}")
        self.weight = Parameter(empty(*self._weight_shape(), device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(out_channels, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def _each(self, value: Any) -> tuple[int, ...]:
        """An option per axis; one number stands for all."""
        return tuple(value) if isinstance(value, (tuple, list)) else (value,) * self.axes

    def _weight_shape(self) -> tuple[int, ...]:
        first, second = self.out_channels, self.in_channels
        if self.transposed:
            first, second = second, first
        return (first, second // self.groups, *self.kernel_size)

    def reset_parameters(self) -> None:
        """Draw both anew, uniform within 1/sqrt(fan_in): PyTorch's numbers from the seed.

        fan_in is the length of weight's second axis times the size of the window.
        """
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = math.prod(self.weight.shape[1:])
            if fan_in:
                init.uniform_(self.bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))

    def extra_repr(self) -> str:
        """Channels, window, stride, and what is not at its default."""
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        usual = {"padding": (0,), "dilation": (1,), "output_padding": (0,)}
        for word, (default,) in usual.items():
            value = getattr(self, word)
            if isinstance(value, str) or any(v != default for v in value):
                parts.append(f"{word}={value}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _Correlation(_ConvNd):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._configure(
            in_channels, out_channels, kernel_size, stride, padding, dilation, 0, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip

    def forward(self, input: Any) -> Any:
        """(N, C_out, *positions)."""
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._frame(), mode=self.padding_mode), (0,) * self.axes
        convolve = (F.conv1d, F.conv2d, F.conv3d)[self.axes - 1]
        return convolve(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def _frame(self) -> list[int]:
        """The padding as F.pad takes it: (before, after) of the last axis first."""
        if self.padding == "valid":
            return [0, 0] * self.axes
        if self.padding == "same":
            both = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            return [n for z in reversed(both) for n in (z // 2, z - z // 2)]
        return [n for p in reversed(self.padding) for n in (p, p)]  # type: ignore[misc]  # numbers, here


class Conv1d(_Correlation):
    """A convolution of sequences: (N, C_in, length) to (N, C_out, positions).

    Args:
        in_channels, out_channels: C_in and C_out.
        kernel_size: the length of the window.
        stride: from one window to the next.
        padding: zeros at both ends, "valid" for none, "same" for as many as keep the length.
        dilation: from one element of the window to the next.
        groups: channels are split into so many parts, each with filters of its own; C_in makes it depthwise.
        bias: False leaves it out.
        padding_mode: what stands in the padding instead of "zeros": "reflect", "replicate" or "circular".
    """

    axes = 1


class Conv2d(_Correlation):
    """A convolution of images: (N, C_in, H, W) to (N, C_out, H', W'). Arguments as Conv1d's, numbers or pairs.

    >>> from tinygrad_edu import nn, zeros
    >>> tuple(nn.Conv2d(3, 8, kernel_size=5, stride=2, padding=2)(zeros(10, 3, 32, 32)).shape)
    (10, 8, 16, 16)
    """

    axes = 2


class Conv3d(_Correlation):
    """A convolution of volumes: (N, C_in, D, H, W) to (N, C_out, D', H', W'). Arguments as Conv1d's."""

    axes = 3


class _ConvTransposeNd(_ConvNd):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}, got {padding_mode!r}')
        if isinstance(padding, str):
            raise TypeError(f"{type(self).__name__}: padding is a number or one per axis, not {padding!r}")
        self._configure(
            in_channels, out_channels, kernel_size, stride, padding, dilation, output_padding, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip

    def forward(self, input: Any, output_size: Any = None) -> Any:
        """(N, C_out, *image); output_size says which of the possible images, instead of output_padding."""
        extra = self.output_padding if output_size is None else self._extra(input, output_size)
        spread = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[self.axes - 1]
        return spread(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )  # fmt: skip

    def _extra(self, input: Any, output_size: Any) -> list[int]:
        """The output_padding that leads to a size."""
        n, name = self.axes, type(self).__name__
        wanted = list(output_size)
        if len(wanted) == input.ndim:
            wanted = wanted[-n:]
        if len(wanted) != n:
            raise ValueError(
                f"{name}: for {input.ndim}D input, output_size must have {n} or {input.ndim} elements "
                f"(got {len(output_size)})"
            )
        image = tuple(input.shape[-n:])
        if len(image) != n:
            raise ShapeError(f"{name}: Expected {n + 1}D or {n + 2}D input, but got shape {tuple(input.shape)}.")
        options: Any = (self.stride, self.padding, self.dilation, self.kernel_size)  # a transposed padding is numbers
        least = [(m - 1) * s - 2 * p + d * (k - 1) + 1 for m, s, p, d, k in zip(image, *options, strict=True)]
        most = [m + s - 1 for m, s in zip(least, self.stride, strict=True)]
        if any(not low <= w <= high for low, w, high in zip(least, wanted, most, strict=True)):
            raise ValueError(
                f"{name}: requested an output size of {tuple(wanted)}, but valid sizes range from {least} to {most} "
                f"(for an input of {image})"
            )
        return [w - low for w, low in zip(wanted, least, strict=True)]


class ConvTranspose1d(_ConvTransposeNd):
    """The transpose of Conv1d: (N, C_in, positions) to (N, C_out, length), often to enlarge by the stride.

    Args:
        stride, padding, dilation, groups: of the Conv1d that leads back from the result's shape.
        output_padding: how much longer the result is than the shortest that leads back.
    """

    axes = 1


class ConvTranspose2d(_ConvTransposeNd):
    """The transpose of Conv2d: (N, C_in, H, W) to (N, C_out, H', W'). Arguments as ConvTranspose1d's.

    >>> from tinygrad_edu import nn, zeros
    >>> tuple(nn.ConvTranspose2d(8, 3, kernel_size=4, stride=2, padding=1)(zeros(10, 8, 16, 16)).shape)
    (10, 3, 32, 32)
    """

    axes = 2


class ConvTranspose3d(_ConvTransposeNd):
    """The transpose of Conv3d. Arguments as ConvTranspose1d's."""

    axes = 3
