"""Averages of a model over its training, which often generalise better than its last state.

Source: Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization" (2018);
Polyak and Juditsky (1992).
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ..autograd import no_grad
from ..core.mode import mode
from ..core.tensor import Tensor, wrap
from ..nn.batchnorm import _BatchNorm
from ..nn.module import Module
from ..ops.choices import where
from .lr_scheduler.base import LRScheduler, per_group
from .optimizer import Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

AvgFn = Callable[[Tensor, Tensor, Any], Tensor]
MultiAvgFn = Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]


def get_ema_avg_fn(decay: float = 0.999) -> AvgFn:
    """The exponential moving average: (average, value, count) -> decay * average + (1 - decay) * value."""
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        mean: Tensor = decay * ema_param + (1 - decay) * current_param
        return mean

    return ema_update


def get_swa_avg_fn() -> AvgFn:
    """The mean of all values: (average, value, count) -> average + (value - average) / (count + 1)."""

    @no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        mean: Tensor = averaged_param + (current_param - averaged_param) / (num_averaged + 1)
        return mean

    return swa_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAvgFn:
    """The exponential moving average of lists of tensors, in place."""
    return _in_place(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> MultiAvgFn:
    """The mean of all values of lists of tensors, in place."""
    return _in_place(get_swa_avg_fn())


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def _in_place(average: AvgFn) -> MultiAvgFn:
    @no_grad()
    def update(averaged_params: Sequence[Tensor], current_params: Sequence[Tensor], num_averaged: Any) -> None:
        for averaged, current in zip(averaged_params, current_params, strict=True):
            averaged.copy_(average(averaged, current, num_averaged))

    return update


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of the model's, taken at each update_parameters().

    Args:
        model: what is copied.
        device: the CPU, if given.
        avg_fn: (average, value, number averaged so far) -> the new average; default: the mean of all.
        multi_avg_fn: the same on lists, in place.
        use_buffers: average buffers too, instead of copying the model's.
    Raises:
        AssertionError: both functions are given.

    >>> from tinygrad_edu import nn, no_grad
    >>> model = nn.Linear(1, 1, bias=False)
    >>> average = AveragedModel(model)
    >>> for value in (1.0, 2.0, 6.0):
    ...     with no_grad():
    ...         _ = model.weight.fill_(value)
    ...     average.update_parameters(model)
    >>> average.module.weight.item(), average.n_averaged.item()
    (3.0, 3)
    """

    module: Module
    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: AvgFn | None = None,
        multi_avg_fn: MultiAvgFn | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module.to(device)
        self.register_buffer("n_averaged", wrap(np.array(0, np.int64)))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model makes of it."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the model's present parameters into the average; the first time they are the average."""
        own, given = (_detached(m, self.use_buffers) for m in (self.module, model))
        count = self.n_averaged.clone()
        traced = mode.trace is not None  # then whether it is the first time is not known
        with no_grad():
            if not traced and not count:
                for averaged, current in zip(own, given, strict=True):
                    averaged.copy_(current)
            else:
                self._average(own, given, count)
            if traced:
                for averaged, current in zip(own, given, strict=True):
                    averaged.copy_(where(count == 0, current, averaged))
            if not self.use_buffers:
                for buffer, source in zip(self.module.buffers(), model.buffers(), strict=True):
                    buffer.copy_(source)
            self.n_averaged.add_(1)

    def _average(self, own: list[Tensor], given: list[Tensor], count: Tensor) -> None:
        if self.multi_avg_fn is not None:
            for dtype in dict.fromkeys(averaged.dtype for averaged in own):  # lists of one kind, as in PyTorch
                pairs = [pair for pair in zip(own, given, strict=True) if pair[0].dtype == dtype]
                self.multi_avg_fn([a for a, _ in pairs], [b for _, b in pairs], count)
            return
        average = self.avg_fn or get_swa_avg_fn()
        for averaged, current in zip(own, given, strict=True):
            averaged.copy_(average(averaged, current, count))


def _detached(model: Module, buffers: bool) -> list[Tensor]:
    tensors: Iterator[Tensor] = itertools.chain(model.parameters(), model.buffers() if buffers else ())
    return [tensor.detach() for tensor in tensors]


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Set the running statistics of all BatchNorm layers to those of the data.

    Args:
        loader: batches; of a list or tuple the first part is taken.
        model: runs on each in training mode.
        device: the CPU, if given.
    """
    momenta: dict[Any, Any] = {}
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.reset_running_stats()
            momenta[module] = module.momentum
    if not momenta:
        return
    was_training = model.training
    model.train()
    for module in momenta:
        module.momentum = None  # the plain mean of all batches
    for batch in loader:
        first = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(first if device is None else first.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """From the present learning rate to swa_lr in anneal_epochs epochs, where it stays.

    Args:
        optimizer: whose learning rates are set.
        swa_lr: the last rate, one number or one per group.
        anneal_epochs: how many epochs the way takes.
        anneal_strategy: "cos" or "linear".
        last_epoch: the last epoch that is over, when training is resumed.
    Raises:
        ValueError: the strategy is unknown, or anneal_epochs not a number from 0 on.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        rates = per_group("swa_lr", optimizer, swa_lr)
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = rate
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def anneal_func(self, t: float) -> float:
        """How much of the way is over after this part of the time."""
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self) -> list[Any]:
        """The present rate says, with the part that was over, where the way began."""
        self._check_within_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        length = max(1, self.anneal_epochs)
        before, now = (self.anneal_func(max(0, min(1, s / length))) for s in (step - 1, step))
        rates = []
        for group in self.optimizer.param_groups:
            lr, last = group["lr"], group["swa_lr"]
            start = last if before == 1 else (lr - before * last) / (1 - before)
            rates.append(last * now + start * (1 - now))
        return rates
