"""Mixed precision in PyTorch's words. There is no half precision here: what may run in float32 does.

`autocast` and `GradScaler` switch themselves off where PyTorch without a GPU does, with its warning. Asked to compute
in bfloat16 on the CPU, as PyTorch would, autocast refuses. A GradScaler of the CPU scales, unscales and skips.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

from .autograd import no_grad
from .core.device import device as Device
from .core.missing import missing
from .core.tensor import Tensor

__all__ = ["GradScaler", "autocast", "is_autocast_available"]


class autocast:
    """A block, or a decorated function, that PyTorch would run in half precision where that is safe.

    Args:
        device_type: "cuda" switches it off with a warning: there is no GPU.
        dtype: on the CPU nothing but float32, which switches it off with a warning as well.
        enabled: False: nothing happens.
    Raises:
        RuntimeError: half precision on the CPU is asked for.
    """

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        kind = Device(device_type).type
        if enabled and kind != "cpu":
            warnings.warn(
                f"User provided device_type of {kind!r}, but it is not available. Disabling", UserWarning, stacklevel=2
            )
        elif enabled and (dtype is None or str(dtype) in ("bfloat16", "float16")):
            raise RuntimeError(
                f"autocast: there is no half precision here, so {dtype or 'bfloat16'} can't be computed in; "
                "pass enabled=False to run in float32."
            )
        elif enabled:
            warnings.warn(
                f"In CPU autocast, but the target dtype {dtype} is not supported. Disabling autocast.",
                UserWarning,
                stacklevel=2,
            )

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return run


def is_autocast_available(device_type: str) -> bool:
    """Whether autocast can compute in half precision: never."""
    Device(device_type)
    return False


class GradScaler:
    """Multiplies losses, and divides the gradients again; skips a step whose gradients aren't finite.

    Args:
        device: "cuda": switched off with a warning; "cpu" works.
        init_scale: the first factor.
        growth_factor: the factor's own factor after `growth_interval` steps without an infinite gradient.
        backoff_factor: and after a step that was skipped.
        enabled: False: losses, gradients and steps are left alone.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if enabled and Device(device).type != "cpu":
            warnings.warn(
                f"GradScaler of {device!r} is enabled, but there is no such device. Disabling.",
                UserWarning,
                stacklevel=2,
            )
            enabled = False
        if enabled and not (growth_factor > 1.0 and 0.0 < backoff_factor < 1.0):
            raise ValueError("GradScaler: growth_factor is above 1, backoff_factor between 0 and 1.")
        self._enabled = enabled
        self._scale, self._growth_factor, self._backoff_factor = init_scale, growth_factor, backoff_factor
        self._growth_interval, self._steps = growth_interval, 0
        self._finite: dict[int, bool] = {}  # by optimizer: unscaled since the last update, and how that went

    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self._enabled

    def get_scale(self) -> float:
        """The factor; 1 if switched off."""
        return self._scale if self._enabled else 1.0

    def scale(self, outputs: Any) -> Any:
        """A loss, or several, times the factor."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale
        return type(outputs)(self.scale(x) for x in outputs)

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of an optimizer's parameters by the factor, before they are clipped, say."""
        if not self._enabled:
            return
        if id(optimizer) in self._finite:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        with no_grad():
            for grad in grads:
                grad.mul_(1 / self._scale)
            self._finite[id(optimizer)] = all(math.isfinite(grad.abs().max().item()) for grad in grads if grad.numel())

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """The optimizer's step, unless a gradient is not finite."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if id(optimizer) not in self._finite:
            self.unscale_(optimizer)
        return optimizer.step(*args, **kwargs) if self._finite[id(optimizer)] else None

    def update(self, new_scale: Any = None) -> None:
        """Set the factor for the next step: smaller if this one was skipped, larger after many good ones."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        elif not all(self._finite.values()):
            self._scale, self._steps = self._scale * self._backoff_factor, 0
        else:
            self._steps += 1
            if self._steps == self._growth_interval:
                self._scale, self._steps = self._scale * self._growth_factor, 0
        self._finite.clear()

    def state_dict(self) -> dict[str, Any]:
        """The factor and how it is changed; empty if switched off."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._steps,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what state_dict gave."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("GradScaler: the state_dict is empty; it comes from one that was switched off.")
        self._scale, self._growth_factor = state_dict["scale"], state_dict["growth_factor"]
        self._backoff_factor, self._growth_interval = state_dict["backoff_factor"], state_dict["growth_interval"]
        self._steps = state_dict["_growth_tracker"]


__getattr__ = missing(__name__)
