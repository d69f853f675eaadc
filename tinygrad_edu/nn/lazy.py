"""Layers that learn the number of their inputs from the first input: from then on they are the ordinary layer.

nn follows PyTorch: rows are samples, images are (N, C, height, width). Until the first call, or until a state_dict
is loaded, the parameters are UninitializedParameters: they have neither shape nor numbers.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ..core.errors import ShapeError
from .batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d, _BatchNorm
from .conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    _ConvNd,
    _ConvTransposeNd,
    _Correlation,
)
from .linear import Linear
from .module import Module
from .parameter import Parameter, UninitializedParameter


class LazyModuleMixin(Module):
    """Stands before an ordinary layer among the bases; at its first call an instance becomes a `cls_to_become`."""

    cls_to_become: ClassVar[type[Module] | None] = None

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give the parameters the shapes that this input calls for."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter still waits for its shape."""
        return any(isinstance(parameter, UninitializedParameter) for parameter in self.parameters())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        ordinary = self.cls_to_become
        if ordinary is not None or self.has_uninitialized_params():
            self.initialize_parameters(*args, **kwargs)
        if ordinary is None:
            return super().__call__(*args, **kwargs)
        self.__class__ = ordinary  # type: ignore[assignment]  # of which it is a subclass
        return self(*args, **kwargs)


def _wait(module: Any, bias: bool, device: Any, dtype: Any) -> None:
    """Put parameters without a shape in the place of the layer's empty ones."""
    module.weight = UninitializedParameter(device=device, dtype=dtype)
    if bias:
        module.bias = UninitializedParameter(device=device, dtype=dtype)


class LazyLinear(LazyModuleMixin, Linear):
    """A Linear whose in_features are those of its first input.

    >>> from tinygrad_edu import nn, zeros
    >>> layer = nn.LazyLinear(2)
    >>> tuple(layer(zeros(5, 3)).shape)
    (5, 2)
    >>> layer
    Linear(in_features=3, out_features=2, bias=True)
    """

    cls_to_become = Linear

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(0, 0, False)
        self.out_features = out_features
        _wait(self, bias, device, dtype)

    def reset_parameters(self) -> None:
        """Draw both anew, once they have a shape."""
        if self.in_features and not self.has_uninitialized_params():
            super().reset_parameters()

    def initialize_parameters(self, input: Any) -> None:
        """Take over the length of the input's last axis."""
        waiting = self.has_uninitialized_params()
        if self.in_features == 0:
            self.in_features = input.shape[-1] if waiting else self.weight.shape[1]
        if waiting:
            _give(self.weight, (self.out_features, self.in_features))
            _give(self.bias, (self.out_features,))
            self.reset_parameters()


def _give(parameter: Parameter | None, shape: tuple[int, ...]) -> None:
    if isinstance(parameter, UninitializedParameter):
        parameter.materialize(shape)


class _LazyConvolution(LazyModuleMixin, _ConvNd):
    """What the lazy convolutions have in common: C_in is the first input's."""

    def reset_parameters(self) -> None:
        """Draw both anew, once they have a shape."""
        if self.in_channels and not self.has_uninitialized_params():
            super().reset_parameters()

    def initialize_parameters(self, input: Any, *args: Any, **kwargs: Any) -> None:
        """Take over the input's number of channels."""
        n, name = self.axes, type(self).__name__
        if input.ndim not in (n + 1, n + 2):
            raise ShapeError(
                f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}, but got input of size: "
                f"{list(input.shape)}"
            )
        waiting = self.has_uninitialized_params()
        if self.in_channels == 0:
            if waiting:
                self.in_channels = input.shape[-n - 1]
            else:  # a state_dict has told
                self.in_channels = self.weight.shape[0] if self.transposed else self.weight.shape[1] * self.groups
            if self.in_channels % self.groups:
                channels, self.in_channels = self.in_channels, 0
                raise ValueError(
                    f"{name}: in_channels must be divisible by groups, got {channels} channels and groups={self.groups}"
                )
        if waiting:
            _give(self.weight, self._weight_shape())
            _give(self.bias, (self.out_channels,))
            self.reset_parameters()


class _LazyCorrelation(_LazyConvolution, _Correlation):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode)
        self.out_channels = out_channels
        _wait(self, bias, device, dtype)


class _LazyTransposed(_LazyConvolution, _ConvTransposeNd):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation, padding_mode)
        self.out_channels = out_channels
        _wait(self, bias, device, dtype)


class LazyConv1d(_LazyCorrelation, Conv1d):
    """A Conv1d whose in_channels are those of its first input."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyCorrelation, Conv2d):
    """A Conv2d whose in_channels are those of its first input."""

    cls_to_become = Conv2d


class LazyConv3d(_LazyCorrelation, Conv3d):
    """A Conv3d whose in_channels are those of its first input."""

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyTransposed, ConvTranspose1d):
    """A ConvTranspose1d whose in_channels are those of its first input."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyTransposed, ConvTranspose2d):
    """A ConvTranspose2d whose in_channels are those of its first input."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyTransposed, ConvTranspose3d):
    """A ConvTranspose3d whose in_channels are those of its first input."""

    cls_to_become = ConvTranspose3d


class _LazyBatchNorm(LazyModuleMixin, _BatchNorm):
    """What the lazy norms have in common: the number of channels is the first input's, or the loaded state_dict's."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, False)
        self.affine, self.track_running_stats = affine, track_running_stats
        self._kind = {"device": device, "dtype": dtype}
        if affine:
            _wait(self, bias, device, dtype)

    def reset_parameters(self) -> None:
        """Start afresh, once the number of channels is known."""
        if self.num_features and not self.has_uninitialized_params():
            super().reset_parameters()

    def _upgrade_state(self, state: dict[str, Any], prefix: str, version: int | None) -> None:
        known = state.get(f"{prefix}running_mean")
        if self.track_running_stats and self.running_mean is None and known is not None:
            self.num_features = known.shape[0]
            self._track(**self._kind)
        super()._upgrade_state(state, prefix, version)

    def initialize_parameters(self, input: Any) -> None:
        """Take over the input's number of channels."""
        self._check_input_dim(input)
        waiting = self.has_uninitialized_params()
        if self.num_features == 0:
            known = self.weight is not None and not waiting
            self.num_features = self.weight.shape[0] if known and self.weight is not None else input.shape[1]
            if self.track_running_stats:
                self._track(**self._kind)
        if waiting:
            _give(self.weight, (self.num_features,))
            _give(self.bias, (self.num_features,))
            self.reset_parameters()


class LazyBatchNorm1d(_LazyBatchNorm, BatchNorm1d):
    """A BatchNorm1d whose num_features are those of its first input."""

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyBatchNorm, BatchNorm2d):
    """A BatchNorm2d whose num_features are those of its first input."""

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyBatchNorm, BatchNorm3d):
    """A BatchNorm3d whose num_features are those of its first input."""

    cls_to_become = BatchNorm3d
