"""Of which dtype a module's tensors are, and where they lie: `.to(float64)`, `.double()`, `.cpu()`.

nn follows PyTorch: the module is changed in place, and parameters stay the same objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..core.device import require_cpu
from ..core.tensor import Tensor
from ..ops.conversion import conversion
from ..ops.creation import empty_like
from .entries import BUFFERS

if TYPE_CHECKING:
    from .module import Module
    from .parameter import Parameter


class Converted:
    """The part of Module that changes them."""

    parameters: Callable[..., Iterator[Parameter]]  # Module's own
    buffers: Callable[..., Iterator[Tensor]]
    modules: Callable[[], Iterator[Module]]

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Convert floating parameters and buffers, in place: `.to(float64)`; `.to("cpu")` does nothing.

        Raises:
            TypeError: the dtype is not a floating one.
            RuntimeError: another device than "cpu".
        """
        dtype, _ = conversion(args, kwargs)
        if dtype is None:
            return self
        if dtype.kind != "f":
            raise TypeError(f"nn.Module.to only accepts floating point dtypes, but got desired dtype={dtype}")
        return self._convert(lambda tensor: tensor.to(dtype))

    def float(self) -> Self:
        """Convert floating parameters and buffers to float32, in place. Returns the module."""
        return self.to(np.float32)

    def double(self) -> Self:
        """Convert floating parameters and buffers to float64, in place. Returns the module."""
        return self.to(np.float64)

    def half(self) -> Self:
        """Refused: NumPy has no fast float16 arithmetic."""
        return self.to(np.float16)

    def bfloat16(self) -> Self:
        """Refused: NumPy has no bfloat16."""
        return self.to("bfloat16")

    def type(self, dst_type: Any) -> Self:
        """Convert all parameters and buffers, floating or not, in place. Returns the module."""
        return self._convert(lambda tensor: tensor.to(dst_type), floating_only=False)

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Forget the numbers of all parameters and buffers: they get new memory that nobody has filled."""
        for tensor in (*self.parameters(recurse), *self.buffers(recurse)):
            tensor.data = empty_like(tensor.detach()).to(device)
        return self

    def cpu(self) -> Self:
        """The module itself: tensors live in main memory."""
        return self

    def cuda(self, device: Any = None) -> Self:
        """Refused: tensors live in main memory."""
        require_cpu("cuda" if device is None or isinstance(device, int) else device, "Module.cuda")
        return self

    def _convert(self, convert: Callable[[Tensor], Tensor], floating_only: bool = True) -> Self:
        tensors: list[Tensor] = [*self.parameters(), *self.buffers()]
        chosen = [t for t in tensors if t.is_floating_point() or not floating_only]
        new = {t: convert(t.detach()) for t in chosen}  # all, before any is changed
        for parameter in self.parameters():
            if parameter in new and new[parameter].dtype != parameter.dtype:
                grad, parameter.data = parameter.grad, new[parameter]
                if grad is not None:
                    parameter.grad = convert(grad.detach())
        for module in self.modules():
            for name, buffer in module._of(*BUFFERS):
                if buffer in new and new[buffer].dtype != buffer.dtype:
                    module.__dict__[name] = new[buffer]
        return self
