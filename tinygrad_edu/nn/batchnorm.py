"""Layers that standardize each channel: BatchNorm over the whole batch, InstanceNorm in each sample.

nn follows PyTorch: rows are samples; of (N, C), (N, C, L) or (N, C, H, W) the second axis holds the
channels. The running statistics are buffers, written in place, so that a traced step moves them too.
What is computed is in ops/normalization.py.
"""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from ..autograd import no_grad
from ..core.tensor import Tensor
from ..ops.creation import empty, ones, zeros
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter


class _ChannelNorm(Module):
    """What both families share: parameters and running statistics, one number per channel."""

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    _version = 2
    _ndims: ClassVar[tuple[int, ...]]  # how many axes an input may have

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: Any,
        dtype: Any,
        bias: bool,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        for name, there in (("weight", affine), ("bias", affine and bias)):
            values = Parameter(empty(num_features, device=device, dtype=dtype)) if there else None
            self.register_parameter(name, values)
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, None)
        if track_running_stats:
            self._track(device, dtype)
        self.reset_parameters()

    def _track(self, device: Any, dtype: Any) -> None:
        self.running_mean = zeros(self.num_features, device=device, dtype=dtype)
        self.running_var = ones(self.num_features, device=device, dtype=dtype)
        self.num_batches_tracked = zeros((), device=device, dtype="int64")

    def reset_running_stats(self) -> None:
        """Running mean 0, running variance 1, no batches seen."""
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, and the running statistics from the start."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_input_dim(self, input: Any) -> None:
        if input.ndim not in self._ndims:
            wanted = " or ".join(f"{n}D" for n in self._ndims)
            raise ValueError(
                f"expected {wanted} input (got {input.ndim}D input): {self._get_name()} takes shape (N, C, ...) with "
                f"C = {self.num_features} channels, this is {tuple(input.shape)}"
            )

    def extra_repr(self) -> str:
        """The channels, eps, momentum, and what there is of parameters and statistics."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _upgrade_state(self, state: dict[str, Any], prefix: str, version: int | None) -> None:
        """Before version 2 the batches were not counted."""
        if (version is None or version < 2) and self.num_batches_tracked is not None:
            state.setdefault(f"{prefix}num_batches_tracked", self.num_batches_tracked)


class _BatchNorm(_ChannelNorm):
    """Each channel standardized over all samples and places, times weight plus bias.

    In training by the batch's own statistics, towards which the running ones move; else by the running ones.

    Args:
        num_features: C, the number of channels.
        eps: added to the variance.
        momentum: by what part of the distance the running statistics move; None: they are the mean over all batches.
        affine: False leaves weight and bias out.
        track_running_stats: False keeps none, and standardizes by the batch's own always.
        bias: False leaves the bias out.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Any) -> Any:
        """The channels standardized, in input's shape."""
        self._check_input_dim(input)
        mean, var = self.running_mean, self.running_var
        by_batch = self.training or (mean is None and var is None)
        if self.training and not self.track_running_stats:
            mean = var = None
        share: Any = 0.0 if self.momentum is None else self.momentum
        counted = self.num_batches_tracked if self.training and self.track_running_stats else None
        if counted is not None and self.momentum is None and mean is not None:
            with no_grad():
                share = 1 / (counted + 1).to(mean.dtype)  # so that they are the mean over all batches
        result = F.batch_norm(input, mean, var, self.weight, self.bias, by_batch, share, self.eps)
        if counted is not None:  # last: a batch that was refused is not counted
            with no_grad():
                counted.add_(1)
        return result


class BatchNorm1d(_BatchNorm):
    __doc__ = f"{_BatchNorm.__doc__}\n    Input is (N, C) or (N, C, L).\n    "
    _ndims = (2, 3)


class BatchNorm2d(_BatchNorm):
    __doc__ = f"{_BatchNorm.__doc__}\n    Input is (N, C, H, W).\n    "
    _ndims = (4,)


class BatchNorm3d(_BatchNorm):
    __doc__ = f"{_BatchNorm.__doc__}\n    Input is (N, C, D, H, W).\n    "
    _ndims = (5,)


class SyncBatchNorm(_BatchNorm):
    """BatchNorm over the batches of all processes; of one process, which is all that there is here, over its own.

    Input is (N, C, ...). The arguments are BatchNorm's, and `process_group`, which changes nothing.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def _check_input_dim(self, input: Any) -> None:
        if input.ndim < 2:
            raise ValueError(f"expected at least 2D input (got {input.ndim}D input)")
        if input.shape[1] == 0:
            raise ValueError("SyncBatchNorm number of input channels should be non-zero")

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """The module with its BatchNorm layers exchanged for these, which take over parameters and statistics."""
        result = module
        if isinstance(module, _BatchNorm):
            result = SyncBatchNorm(
                module.num_features,
                module.eps,
                module.momentum,
                module.affine,
                module.track_running_stats,
                process_group,
                bias=module.bias is not None,
            )
            if module.affine:
                result.weight, result.bias = module.weight, module.bias
            result.running_mean, result.running_var = module.running_mean, module.running_var
            result.num_batches_tracked = module.num_batches_tracked
            result.training = module.training
        for name, child in module.named_children():
            result.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return result


class _InstanceNorm(_ChannelNorm):
    """Each channel of each sample standardized over its places, times weight plus bias.

    Args:
        num_features: C, the number of channels.
        eps: added to the variance.
        momentum: by what part of the distance the running statistics move.
        affine: True gives each channel a weight and a bias.
        track_running_stats: True keeps running statistics, by which evaluation mode standardizes.
        bias: False leaves the bias out.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Any) -> Any:
        """The channels standardized, in input's shape; one sample may come without the axis of samples."""
        self._check_input_dim(input)
        single = input.ndim == self._ndims[0]
        axis = 0 if single else 1
        if input.shape[axis] != self.num_features:
            if self.affine:
                raise ValueError(
                    f"expected input's size at dim={axis} to match num_features ({self.num_features}), "
                    f"but got: {input.shape[axis]}."
                )
            warnings.warn(
                f"input's size at dim={axis} does not match num_features; without weights num_features is not used, "
                "and need not be given",
                stacklevel=2,
            )
        result = F.instance_norm(
            input.unsqueeze(0) if single else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return result.squeeze(0) if single else result


class InstanceNorm1d(_InstanceNorm):
    __doc__ = f"{_InstanceNorm.__doc__}\n    Input is (N, C, L) or (C, L).\n    "
    _ndims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    __doc__ = f"{_InstanceNorm.__doc__}\n    Input is (N, C, H, W) or (C, H, W).\n    "
    _ndims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    __doc__ = f"{_InstanceNorm.__doc__}\n    Input is (N, C, D, H, W) or (C, D, H, W).\n    "
    _ndims = (4, 5)
