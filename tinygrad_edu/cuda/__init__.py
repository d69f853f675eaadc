"""tinygrad_edu.cuda: what scripts ask about GPUs. There is none, and everything that need not compute says so quietly.

Asking, seeding, waiting and freeing do nothing; whatever would need a GPU raises a RuntimeError.
"""

from __future__ import annotations

import importlib
from typing import Any, NoReturn

from ..core.device import device as Device
from ..core.missing import refuse
from ..core.tensor import Tensor


def __getattr__(name: str) -> Any:
    if name != "amp":  # loaded when first asked for
        refuse(__name__, name, globals())
    return importlib.import_module(".amp", __name__)


def is_available() -> bool:
    """Whether tensors can live on a GPU: no."""
    return False


def is_initialized() -> bool:
    """Whether a GPU is in use: no."""
    return False


def device_count() -> int:
    """The number of GPUs: 0."""
    return 0


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether a GPU computes in bfloat16: no."""
    return False


def manual_seed(seed: int) -> None:
    """Nothing: there is no generator of a GPU. `tinygrad_edu.manual_seed` seeds the one there is."""
    int(seed)


def manual_seed_all(seed: int) -> None:
    """As manual_seed, for all GPUs that there are not."""
    int(seed)


def get_rng_state_all() -> list[Tensor]:
    """The states of all GPUs' generators: none."""
    return []


def set_rng_state_all(new_states: list[Tensor]) -> None:
    """Restore what get_rng_state_all gave."""
    if new_states:
        raise RuntimeError(f"cuda.set_rng_state_all: {len(new_states)} states are given, there are 0 GPUs.")


def synchronize(device: Any = None) -> None:
    """Nothing: every operation has ended when its call returns."""


def empty_cache() -> None:
    """Nothing: memory goes back when the last tensor on it does."""


def memory_allocated(device: Any = None) -> int:
    """Bytes on the GPU: 0."""
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


def reset_peak_memory_stats(device: Any = None) -> None:
    """Nothing to reset."""


def current_device() -> NoReturn:
    """Refused: there is no GPU."""
    _refuse("current_device")


def get_device_name(device: Any = None) -> NoReturn:
    """Refused: there is no GPU."""
    _refuse("get_device_name")


def get_device_properties(device: Any = None) -> NoReturn:
    """Refused: there is no GPU."""
    _refuse("get_device_properties")


def get_device_capability(device: Any = None) -> NoReturn:
    """Refused: there is no GPU."""
    _refuse("get_device_capability")


def set_device(device: Any) -> None:
    """Refused, save for a negative number, which means none in PyTorch too."""
    number = device if isinstance(device, int) else Device(device).index or 0
    if number >= 0:
        _refuse("set_device")


def _refuse(name: str) -> NoReturn:
    raise RuntimeError(f"cuda.{name}: there is no GPU; ask cuda.is_available(), which is False here, before.")
