"""LRScheduler: what all schedules share. It counts epochs and sets the optimizer's learning rates.

A schedule says what the present learning rates become when `last_epoch` is reached (`get_lr`). Most
multiply them by a factor, so that schedules can be chained, and what else changes a learning rate goes
on having its effect; those that also know the learning rate of an epoch at once (`_get_closed_form_lr`)
can be sent to any epoch.
"""

from __future__ import annotations

import warnings
from typing import Any

from ...core.tensor import Tensor
from ..optimizer import Optimizer

ORDER = (
    "`optimizer.step()` before `lr_scheduler.step()`: after the scheduler's step the next learning rate is in force, "
    "so the first value of the schedule would never be used."
)


class LRScheduler:
    """The base of schedules; a subclass defines `get_lr`, or, if it multiplies, `multiplier`.

    Args:
        optimizer: whose param_groups' "lr" is set, at once and at each step(). The rate that a group begins with
            is kept as its "initial_lr".
        last_epoch: the last epoch that is over, when training is resumed; -1 begins anew.
    Raises:
        KeyError: last_epoch is given, and a group has no "initial_lr".
    """

    _get_lr_called_within_step = False
    _is_initial = False
    unsaved: tuple[str, ...] = ("optimizer",)  # what is not part of the state

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = checked(optimizer)
        for index, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{index}] when resuming a scheduler with "
                    f"last_epoch={last_epoch}: load the optimizer's state_dict first, or begin with last_epoch=-1."
                )
        self.base_lrs: list[Any] = values(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        if optimizer._opt_called is None:
            optimizer._opt_called = False
        self._initial_step()

    def _initial_step(self) -> None:
        """Set the learning rates of the first epoch."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key not in self.unsaved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over another scheduler's state. The optimizer's learning rates are in the optimizer's own."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[Any]:
        """The learning rates that the last step has set, one per group."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        """The learning rates of the epoch `last_epoch`, one per group; called by step()."""
        self._check_within_step()
        multiplier = self.multiplier()
        return [group["lr"] * multiplier for group in self.optimizer.param_groups]

    def multiplier(self) -> float:
        """What the learning rates are multiplied by as the epoch `last_epoch` begins; for subclasses."""
        raise NotImplementedError(f"{type(self).__name__} defines neither get_lr nor multiplier.")

    def step(self, epoch: int | None = None) -> None:
        """Set the learning rates of the next epoch; after optimizer.step().

        Args:
            epoch: go to this epoch instead; PyTorch is giving this up.
        """
        if self._step_count == 1:
            if not hasattr(self.optimizer.step, "hooked"):
                warnings.warn(
                    f"optimizer.step has been overridden since the scheduler was made; make sure to call {ORDER}",
                    UserWarning,
                    stacklevel=2,
                )
            elif not self.optimizer._opt_called:
                warnings.warn(
                    f"Detected call of `lr_scheduler.step()` before `optimizer.step()`. Call {ORDER}",
                    UserWarning,
                    stacklevel=2,
                )
        self._step_count += 1
        if epoch is not None:
            warn_of_epoch()
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self._get_lr_called_within_step = True
        try:
            if epoch is None:
                self.last_epoch += 1
                rates = self.get_lr()
            else:
                self.last_epoch = epoch
                rates = getattr(self, "_get_closed_form_lr", self.get_lr)()
        finally:
            self._get_lr_called_within_step = False
        self._set(rates)

    def _set(self, rates: list[Any]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            change(group, "lr", rate)
        self._last_lr = values(self.optimizer, "lr")

    def _check_within_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )


def checked(optimizer: Any) -> Optimizer:
    """The optimizer, if it is one."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
    return optimizer


def warn_of_epoch() -> None:
    """What PyTorch says of step(epoch)."""
    warnings.warn(
        "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. Please "
        "use `scheduler.step()` to step the scheduler.",
        UserWarning,
        stacklevel=3,
    )


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """A setting as one value per group."""
    groups = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [copied(value) for _ in range(groups)]
    if len(value) != groups:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has {len(value)} values, param_groups "
            f"has {groups}."
        )
    return [copied(v) for v in value]


def values(optimizer: Optimizer, key: str) -> list[Any]:
    """A setting of every group."""
    return [copied(group[key]) for group in optimizer.param_groups]


def copied(value: Any) -> Any:
    """A learning rate that is a Tensor is written in place, so what is kept must be a copy."""
    return value.detach().clone() if isinstance(value, Tensor) else value


def change(group: dict[str, Any], key: str, value: Any) -> None:
    """Set a setting; one that is a Tensor stays the same Tensor."""
    if isinstance(group[key], Tensor):
        group[key].fill_(float(value))
    else:
        group[key] = value
