"""Padding layers: the input continued beyond its edges; the function itself is in ops/windows.py.

nn follows PyTorch: inputs are (N, C, ...) or, one sample alone, (C, ...). `padding` is one number, or
(before, after) for the last axis, then for the one before it, and so on.
"""

from __future__ import annotations

from typing import Any

from . import functional as F
from .module import Module


class _Pad(Module):
    """So many elements at each end of each of the last `dims` axes, by one of the modes of nn.functional.pad."""

    dims: int
    mode: str

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = tuple(padding) if isinstance(padding, (tuple, list)) else (padding,) * (2 * self.dims)

    def forward(self, input: Any) -> Any:
        """The input, longer at its edges."""
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        """How many elements at each end."""
        return f"{self.padding}"


class _ConstantPad(_Pad):
    """Edges of one value."""

    mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Any) -> Any:
        """The input in a frame."""
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        """How many elements at each end, and their value."""
        return f"padding={self.padding}, value={self.value}"


class _ZeroPad(_ConstantPad):
    """Edges of zeros."""

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """How many elements at each end."""
        return f"{self.padding}"


class ConstantPad1d(_ConstantPad):
    """The last axis in a frame of one value."""

    dims = 1


class ConstantPad2d(_ConstantPad):
    """The last two axes in a frame of one value."""

    dims = 2


class ConstantPad3d(_ConstantPad):
    """The last three axes in a frame of one value."""

    dims = 3


class ZeroPad1d(_ZeroPad):
    """The last axis in a frame of zeros."""

    dims = 1


class ZeroPad2d(_ZeroPad):
    """The last two axes in a frame of zeros."""

    dims = 2


class ZeroPad3d(_ZeroPad):
    """The last three axes in a frame of zeros."""

    dims = 3


class ReflectionPad1d(_Pad):
    """The last axis continued by its mirror image, without the edge itself."""

    dims = 1
    mode = "reflect"


class ReflectionPad2d(_Pad):
    """The last two axes continued by their mirror image, without the edge itself."""

    dims = 2
    mode = "reflect"


class ReflectionPad3d(_Pad):
    """The last three axes continued by their mirror image, without the edge itself."""

    dims = 3
    mode = "reflect"


class ReplicationPad1d(_Pad):
    """The last axis continued by its edge elements."""

    dims = 1
    mode = "replicate"


class ReplicationPad2d(_Pad):
    """The last two axes continued by their edge elements."""

    dims = 2
    mode = "replicate"


class ReplicationPad3d(_Pad):
    """The last three axes continued by their edge elements."""

    dims = 3
    mode = "replicate"


class _CircularPad(_Pad):
    """Edges from the other end. PyTorch checks the number of axes here, and in no other mode, with a ValueError."""

    mode = "circular"

    def forward(self, input: Any) -> Any:
        """The input, longer at its edges."""
        if input.ndim not in (self.dims + 1, self.dims + 2):
            raise ValueError(
                f"{self._get_name()}: expected {self.dims + 1}D or {self.dims + 2}D input (got {input.ndim}D input), "
                f"shape {tuple(input.shape)}."
            )
        return super().forward(input)


class CircularPad1d(_CircularPad):
    """The last axis continued from its other end."""

    dims = 1


class CircularPad2d(_CircularPad):
    """The last two axes continued from their other end."""

    dims = 2


class CircularPad3d(_CircularPad):
    """The last three axes continued from their other end."""

    dims = 3
