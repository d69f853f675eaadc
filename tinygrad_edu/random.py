"""tinygrad_edu.random: the default generator's seed and state, at PyTorch's path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from .core.device import require_cpu
from .ops.generator import default_generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state

__all__ = ["default_generator", "fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state"]


@contextmanager
def fork_rng(
    devices: Iterable[Any] | None = None,
    enabled: bool = True,
    _caller: str = "fork_rng",
    _devices_kw: str = "devices",
    device_type: str = "cuda",
) -> Iterator[None]:
    """What is drawn in the block leaves the default generator as it was before.

    Args:
        devices: GPUs whose generators are restored too; there are none.
        enabled: False: the block is an ordinary one.
        device_type: of the devices; without effect.
    """
    for device in devices or ():
        require_cpu(device if not isinstance(device, int) else f"{device_type}:{device}", "fork_rng")
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)
