"""tinygrad_edu.accelerator: the newer way for scripts to ask for a GPU of any make. There is none."""

from __future__ import annotations

from typing import Any

from .core.device import device as Device


def is_available() -> bool:
    """Whether tensors can live anywhere but in main memory: no."""
    return False


def device_count() -> int:
    """The number of accelerators: 0."""
    return 0


def current_accelerator(check_available: bool = False) -> Device | None:
    """The kind of accelerator there is: None."""
    return None


def synchronize(device: Any = None) -> None:
    """Nothing: every operation has ended when its call returns."""
