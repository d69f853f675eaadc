"""DataParallel: a model on several GPUs. There is none, so it runs the model as it is, as PyTorch does then."""

from __future__ import annotations

from typing import Any

from ..core.missing import missing
from .module import Module


class DataParallel(Module):
    """The module itself, under the name `module`, which is how checkpoints of several GPUs call it."""

    def __init__(self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0) -> None:
        super().__init__()
        self.module = module
        self.device_ids: list[int] = []
        self.dim = dim

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """What the module makes of the inputs."""
        return self.module(*inputs, **kwargs)


__getattr__ = missing(__name__)
