"""What scripts set before they begin: threads, determinism, precision, the default device, printing.

Most settings have no effect here, because what they ask for holds in any case; they are checked, kept and told.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any

from .core.device import CPU, require_cpu
from .core.device import device as Device
from .core.mode import mode as modes

_threads: dict[str, int] = {}
_deterministic = {"enabled": False, "warn_only": False}
_precision = "highest"
_PRECISIONS = ("highest", "high", "medium")


def _told(look: Callable[[], Any]) -> Any:
    """A setting; a step that is traced goes by it, so that it has to stay the same."""
    if modes.trace is not None:
        modes.trace.depends(look)
    return look()


def get_num_threads() -> int:
    """The number of threads asked for; default: this process's processors."""
    return int(_told(lambda: _threads.get("operations") or _processors()))


def set_num_threads(num: int) -> None:
    """Noted, without effect: NumPy's BLAS reads OMP_NUM_THREADS or OPENBLAS_NUM_THREADS when it is loaded."""
    _threads["operations"] = _positive(num, "set_num_threads")


def get_num_interop_threads() -> int:
    """The number of threads between operations that was asked for."""
    return int(_told(lambda: _threads.get("between") or _processors()))


def set_num_interop_threads(num: int) -> None:
    """Noted, without effect: operations run one after the other."""
    _threads["between"] = _positive(num, "set_num_interop_threads")


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _positive(number: Any, name: str) -> int:
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{name} expects an int, but got {type(number).__name__}")
    if number <= 0:
        raise RuntimeError(f"{name} expects a positive number of threads, not {number}")
    return number


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Noted, without effect: on one machine the same operations give the same bits in any case."""
    _deterministic.update(enabled=bool(mode), warn_only=bool(mode) and bool(warn_only))


def are_deterministic_algorithms_enabled() -> bool:
    """What use_deterministic_algorithms was told."""
    return bool(_told(lambda: _deterministic["enabled"]))


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """What use_deterministic_algorithms was told by warn_only."""
    return bool(_told(lambda: _deterministic["warn_only"]))


def get_float32_matmul_precision() -> str:
    """What set_float32_matmul_precision was told."""
    return str(_told(lambda: _precision))


def set_float32_matmul_precision(precision: str) -> None:
    """Noted, without effect: float32 products are those of float32 ("highest")."""
    global _precision
    if precision not in _PRECISIONS:
        warnings.warn(
            f"{precision} is not one of {' | '.join(_PRECISIONS)}; the current precision, {_precision}, stays.",
            UserWarning,
            stacklevel=2,
        )
        return
    _precision = precision


def set_flush_denormal(mode: bool) -> bool:
    """Whether the processor can be told to take numbers below 1.2e-38 for zero: NumPy has no way to, so False."""
    return False


def get_default_device() -> Device:
    """Where tensors are made: main memory."""
    return CPU


def set_default_device(device: Any) -> None:
    """Accepts "cpu" (or None); any other device is refused."""
    require_cpu(device, "set_default_device")


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How tensors are printed.

    Args:
        precision: digits after the point (4).
        threshold: the number of elements beyond which only the edges are shown (1000; inf: never).
        edgeitems: elements at each edge (3).
        linewidth: columns (80); a line breaks before it.
        profile: "default", "short" (2 digits, 2 elements at the edges) or "full" (all elements).
        sci_mode: powers of ten always or never; None, also when not given: by the numbers' sizes.
    Raises:
        ValueError: a setting makes no sense. Nothing has been changed.
    """
    from .viz.text import set_options

    set_options(precision, threshold, edgeitems, linewidth, profile, sci_mode)
