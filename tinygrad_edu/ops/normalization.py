"""Normalisation: values brought to mean 0 and variance 1, then scaled and shifted by learned numbers.

The layers differ only in over what mean and variance are taken: layer_norm over each sample's
features, batch_norm over the samples (and places) of each channel, instance_norm over the places of
each sample's channel, group_norm over a group of channels of a sample. One primitive standardizes,
another scales and shifts.

Sources: Ioffe and Szegedy, "Batch normalization" (2015); Ba, Kiros and Hinton, "Layer
normalization" (2016); Ulyanov, Vedaldi and Lempitsky, "Instance normalization" (2016); Wu and He,
"Group normalization" (2018); Zhang and Sennrich, "Root mean square layer normalization" (2019).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.apply import apply
from ..core.dtypes import equal, floating_only
from ..core.errors import DtypeError, ShapeError
from ..core.primitive import Array, primitive
from ..core.tensor import Tensor
from ..core.write import read, write
from .conversion import clone
from .norm import vector_norm
from .public import public
from .reduction import mean_over, sum_over
from .shape import reshape_to
from .windows import pad_with, unfold

Axes = tuple[int, ...]


def _standardized_rule(dYs: tuple[Array, ...], Ys: tuple[Array, ...], X: Array, *, axis: Axes, eps: float) -> Array:
    """dN less its mean and its part along N, in neither of which N can change, over the standard deviation.

    What dM and dV add lies in just these two directions.
    """
    dN, dM, dV = dYs
    N, _, V = Ys
    n = math.prod(X.shape[i] for i in axis)
    S = np.sqrt(V + eps)
    dN = np.zeros_like(N) if dN is None else dN
    mean, along = mean_over(dN, axis=axis, keepdims=True), mean_over(dN * N, axis=axis, keepdims=True)
    if dM is not None:
        mean = mean - dM * (S / n)
    if dV is not None:
        along = along - dV * (2 / n * S**2)
    return (dN - mean - N * along) / S


# In microseconds, one thread, forward and backward with weight and bias, beside PyTorch 2.13 eager: layer_norm of
# (64, 512) 161 and 60, of (16, 64, 64) 279 and 112; batch_norm of (64, 512) 155 and 79, of (16, 64, 64) 334 and 191.
# NumPy passes over the array ten times where PyTorch's loops need two, and twice as slowly where a row is 64 long.
@primitive(name="standardize", types=floating_only, dX=_standardized_rule)
def standardized(X: Array, *, axis: Axes, eps: float) -> tuple[Array, ...]:
    """N = (X - M) / sqrt(V + eps), and M and V, the mean and the variance (not corrected for bias) over some axes."""
    M = mean_over(X, axis=axis, keepdims=True)
    C = X - M  # the variance by the distances: the mean of squares less the mean's square would lose its digits
    V = mean_over(np.square(C), axis=axis, keepdims=True)
    return np.divide(C, np.sqrt(V + eps), out=C), M, V


def _by_distances(X: Array, *, axis: Axes, eps: float) -> tuple[Array, ...]:
    """The same without memory that is used again: what a compiled step's readable source shows."""
    μ = np.mean(X, axis=axis, keepdims=True)
    C = X - μ
    V = np.mean(C**2, axis=axis, keepdims=True)
    σ = np.sqrt(V + eps)
    return C / σ, μ, V


standardized.composition = _by_distances
standardized.needs_zeros = False


def _rms_rule(dN: Array, N: Array, X: Array, *, axis: Axes, eps: float) -> Array:
    R = np.sqrt(mean_over(np.square(X), axis=axis, keepdims=True) + eps)
    return (dN - N * mean_over(dN * N, axis=axis, keepdims=True)) / R


@primitive(name="rms_norm", types=floating_only, dX=_rms_rule)
def over_root_mean_square(X: Array, *, axis: Axes, eps: float) -> Array:
    """N = X / sqrt(mean(X**2) + eps) over some axes."""
    return X / np.sqrt(mean_over(np.square(X), axis=axis, keepdims=True) + eps)


def _others(X: Array, shape: Axes) -> Axes:
    """The axes of X that parameters laid out in `shape`, which has length 1 there, are the same along."""
    return (*range(X.ndim - len(shape)), *(i for i, n in enumerate(shape, X.ndim - len(shape)) if n == 1))


def _to_channels(dY: Array, W: Array, shape: Axes) -> Array:
    """The sum over all that shares one number of W."""
    return np.reshape(sum_over(dY, axis=_others(dY, shape), keepdims=False), W.shape)


@primitive(
    name="scale_and_shift",
    types=equal,
    dX=lambda dY, Y, X, W, b=None, *, shape: dY * np.reshape(W, shape),
    dW=lambda dY, Y, X, W, b=None, *, shape: _to_channels(dY * X, W, shape),
    db=lambda dY, Y, X, W, b, *, shape: _to_channels(dY, b, shape),
)
def scaled(X: Array, W: Array, b: Array = None, *, shape: Axes) -> Array:
    """Y = X * W + b, with W and b laid out in `shape`, which broadcasts to X's."""
    Y = X * np.reshape(W, shape)
    return Y if b is None else Y + np.reshape(b, shape)


# --- the public functions: torch.nn.functional's signatures


def layer_norm(
    input: Any, normalized_shape: Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """Each sample standardized over its last axes, times weight plus bias, which have the shape of those axes."""
    shape = _last_axes(input, normalized_shape, "layer_norm")
    _check_shapes("layer_norm", shape, weight=weight, bias=bias)
    return _affine(_standard(input, _last(input, shape), eps), weight, bias, shape)


@public("rms_norm", as_method=False)
def rms_norm(input: Any, normalized_shape: Sequence[int], weight: Any = None, eps: float | None = None) -> Any:
    """Each sample over the root of the mean of its squares along its last axes, times weight.

    eps is added to the mean; None stands for the spacing of the dtype's numbers at 1.
    """
    shape = _last_axes(input, normalized_shape, "rms_norm")
    _check_shapes("rms_norm", shape, weight=weight)
    _check_floating(input, "rms_norm")
    eps = float(np.finfo(input.dtype).eps) if eps is None else eps
    if 0 in input.shape:
        return _affine(input * 1, weight, None, shape)
    return _affine(over_root_mean_square(input, axis=_last(input, shape), eps=eps), weight, None, shape)


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Each sample standardized over each of `num_groups` groups of channels and their places; input (N, C, ...)."""
    if input.ndim < 2:
        raise ShapeError(
            f"group_norm: Expected at least 2 dimensions for input tensor but received {input.ndim}: (N, C, ...)."
        )
    n, channels, *places = input.shape
    if num_groups <= 0:
        raise RuntimeError(f"group_norm: Expected num groups to be greater than 0, got {num_groups}.")
    if channels % num_groups:
        raise ShapeError(
            "group_norm: Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(input.shape)} and num_groups={num_groups}."
        )
    _check_several((n * channels // num_groups, num_groups, *places), "group_norm")
    _check_shapes("group_norm", (channels,), weight=weight, bias=bias)
    groups = reshape_to(input, shape=(n, num_groups, channels // num_groups * math.prod(places)))
    N = reshape_to(_standard(groups, (2,), eps), shape=tuple(input.shape))
    return _of_channels(N, weight, bias, (channels, *(1 for _ in places)))


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Each channel of input (N, C, ...) standardized over all samples and places, times weight plus bias, both (C,).

    In training by the batch's own mean and variance, towards which the running ones are moved by `momentum` of the
    distance (the variance corrected for bias); otherwise by the running ones.

    Raises:
        ValueError: in training a channel has one value only, whose distance from its mean is always 0.
    """
    if training:
        _check_several(input.shape, "batch_norm")
    if tuple(input.shape) == (0,) and weight is None and bias is None:
        return input * 1  # PyTorch asks for channels only where there is something to standardize
    if eps < 0 or (training and eps == 0):
        limit = "positive during training" if training else "non-negative"
        raise ValueError(f"batch_norm eps must be {limit}, but got {eps}")
    shape = _channel_shape(input, running_mean, running_var, weight, bias, "batch_norm")
    if not training:
        return _by_running(input, running_mean, running_var, weight, bias, shape, eps, "batch_norm: training=False")
    if 0 in input.shape:
        return _of_channels(input, weight, bias, shape)
    N, M, V = standardized(input, axis=(0, *range(2, input.ndim)), eps=eps)
    count = math.prod(input.shape) // input.shape[1]
    _move(running_mean, M, momentum, 1.0, "batch_norm")
    _move(running_var, V, momentum, count / (count - 1), "batch_norm")
    return _of_channels(N, weight, bias, shape)


def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Each channel of each sample of input (N, C, ...) standardized over its places, times weight plus bias.

    Running statistics, where given, are means over the samples; use_input_stats=False standardizes by them.

    Raises:
        ValueError: a channel has one place only.
    """
    if use_input_stats and math.prod(input.shape[2:]) == 1:
        raise ValueError(
            f"Expected more than 1 spatial element when training, got input size {input.shape}: instance_norm "
            "standardizes over the places of a channel; input is (N, C, ...)."
        )
    shape = _channel_shape(input, running_mean, running_var, weight, bias, "instance_norm")
    if not use_input_stats:
        return _by_running(
            input, running_mean, running_var, weight, bias, shape, eps, "instance_norm: use_input_stats=False"
        )
    if 0 in input.shape:
        return _of_channels(input, weight, bias, shape)
    N, M, V = standardized(input, axis=tuple(range(2, input.ndim)), eps=eps)
    count = math.prod(input.shape[2:])
    _move(running_mean, M, momentum, 1.0, "instance_norm")
    _move(running_var, V, momentum, count / (count - 1), "instance_norm")
    return _of_channels(N, weight, bias, shape)


def local_response_norm(input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    """input / (k + alpha * mean of the squares of `size` neighbouring channels) ** beta, for input (N, C, L, ...).

    Channels beyond the first and the last count as zeros. Source: Krizhevsky, Sutskever and Hinton,
    "ImageNet classification with deep convolutional neural networks" (2012), section 3.3.
    """
    if input.ndim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions): (N, C, L, ...)")
    if 0 in input.shape:
        return input
    if size < 1:
        raise RuntimeError(f"local_response_norm: size must be at least 1, got {size}.")
    width = ((0, 0), (size // 2, (size - 1) // 2), *((0, 0) for _ in input.shape[2:]))
    whole = input.dtype == np.int64  # the only integers of which PyTorch has a mean here, cut to an integer again
    windows = unfold(pad_with(input * input, width=width, value=0 if whole else 0.0), axis=1, size=size, step=1)
    places = (windows.ndim - 1,)
    squares = (
        sum_over(windows, axis=places, keepdims=False) // size
        if whole
        else mean_over(windows, axis=places, keepdims=False)
    )
    return input / (squares * alpha + k) ** beta


def normalize(input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Any = None) -> Any:
    """input over its norm of order p along `dim`, or over eps where the norm is smaller."""
    result = input / vector_norm(input, p, dim, keepdim=True).clamp(min=eps)
    return result if out is None else out.copy_(result)


@public("layer_norm", as_method=False)
def _torch_layer_norm(
    input: Any,
    normalized_shape: Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Any:
    """nn.functional.layer_norm under torch's own name, with an argument that concerns GPUs alone."""
    return layer_norm(input, normalized_shape, weight, bias, eps)


@public("group_norm", as_method=False)
def _torch_group_norm(
    input: Any,
    num_groups: int,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Any:
    """nn.functional.group_norm under torch's own name, with an argument that concerns GPUs alone."""
    return group_norm(input, num_groups, weight, bias, eps)


@public("batch_norm", as_method=False)
def _torch_batch_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Any:
    """nn.functional.batch_norm, its arguments in the order of torch.batch_norm."""
    return batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


@public("instance_norm", as_method=False)
def _torch_instance_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Any:
    """nn.functional.instance_norm, its arguments in the order of torch.instance_norm."""
    return instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


# --- parts of the above


def _standard(input: Any, axis: Axes, eps: float) -> Any:
    if 0 in input.shape:
        return input * 1
    N, _, _ = standardized(input, axis=axis, eps=eps)
    return N


def _affine(N: Any, weight: Any, bias: Any, shape: Axes) -> Any:
    """N times weight plus bias, as far as they are there."""
    if weight is not None:
        return apply(scaled, (N, weight) if bias is None else (N, weight, bias), {"shape": shape})
    return N if bias is None else N + reshape_to(bias, shape=shape)


def _of_channels(N: Any, weight: Any, bias: Any, shape: Axes) -> Any:
    """The same, in memory of its own: N is saved for its rule, and ReLU(inplace=True) often follows these layers."""
    return clone(N) if weight is None and bias is None else _affine(N, weight, bias, shape)


def _by_running(
    input: Any, mean: Any, var: Any, weight: Any, bias: Any, shape: Axes, eps: float, operation: str
) -> Any:
    """By given statistics it is one factor and one summand per channel."""
    if mean is None or var is None:
        raise RuntimeError(f"{operation}: Expected running_mean and running_var to be defined.")
    factor = 1 / (var + eps).sqrt()
    factor = factor if weight is None else factor * weight
    summand = -mean * factor if bias is None else bias - mean * factor
    return apply(scaled, (input, factor, summand), {"shape": shape})


def _move(running: Any, batch: Any, momentum: Any, correction: float, operation: str) -> None:
    """Move a running statistic towards the batch's, in place; over the samples, if they have one each, by the mean."""
    if running is None:
        return
    new = np.reshape(read(batch), (-1, *running.shape))
    new = new[0] if new.shape[0] == 1 else mean_over(new, axis=(0,), keepdims=False)
    share = read(momentum) if isinstance(momentum, Tensor) else float(momentum)
    write(running, _moved, read(running), share, new * correction, by=operation)


def _moved(old: Array, share: Any, new: Array, *, out: Array) -> Array:
    return np.add(old * (1 - share), share * new, out=out)


def _last(input: Any, shape: Axes) -> Axes:
    return tuple(range(input.ndim - len(shape), input.ndim))


def _last_axes(input: Any, normalized_shape: Any, operation: str) -> Axes:
    if not isinstance(normalized_shape, (tuple, list)):
        raise TypeError(
            f"{operation}: argument 'normalized_shape' must be tuple of ints, not {type(normalized_shape).__name__}."
        )
    shape = tuple(normalized_shape)
    if not shape:
        raise RuntimeError(
            f"{operation}: Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one "
            "element, but got normalized_shape = []."
        )
    if input.ndim < len(shape) or tuple(input.shape[input.ndim - len(shape) :]) != shape:
        wanted = ", ".join(str(n) for n in shape)
        raise ShapeError(
            f"{operation}: Given normalized_shape=[{wanted}], expected input with shape [*, {wanted}], but got input "
            f"of size {list(input.shape)}."
        )
    return shape


def _check_shapes(operation: str, shape: Axes, **parameters: Any) -> None:
    for name, parameter in parameters.items():
        if parameter is not None and tuple(parameter.shape) != shape:
            raise ShapeError(
                f"{operation}: Expected {name} to be of shape {list(shape)}, but got {name} of shape "
                f"{list(parameter.shape)}."
            )


def _check_floating(input: Any, operation: str) -> None:
    if input.dtype.kind != "f":
        raise DtypeError(f"{operation}: floating numbers are needed, not {input.dtype}; convert with .float() first.")


def _check_several(shape: Any, operation: str) -> None:
    if len(shape) > 0 and shape[0] * math.prod(shape[2:]) == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {tuple(shape)}: {operation} "
            "standardizes each channel over the samples and places; give it more of them, or call .eval()."
        )


def _channel_shape(input: Any, mean: Any, var: Any, weight: Any, bias: Any, operation: str) -> Axes:
    """How one number per channel is laid out along the input's axes; checks what is given per channel."""
    if input.ndim < 2:
        raise IndexError(
            f"{operation}: Dimension out of range: input is (N, C, ...), this one has shape {tuple(input.shape)}."
        )
    _check_floating(input, operation)
    channels = input.shape[1]
    if (mean is None) != (var is None):
        raise ValueError(f"{operation}: running_mean and running_var must either both be None or neither be None.")
    for name, given in (("running_mean", mean), ("running_var", var), ("weight", weight), ("bias", bias)):
        if given is None:
            continue
        if given.numel() != channels:
            raise ShapeError(
                f"{operation}: {name} should contain {channels} elements not {given.numel()}: input is (N, C, ...), "
                f"{tuple(input.shape)}, and {name} one number per channel."
            )
        if name.startswith("running") and given.requires_grad:
            raise RuntimeError(
                f"{operation}: {name} has requires_grad=True, but running statistics are never differentiated; hand "
                "over its .detach()."
            )
        if given.dtype != input.dtype:
            raise DtypeError(
                f"{operation}: input is {input.dtype}, {name} is {given.dtype}; they must have one dtype. Convert the "
                "input with .float(), or the module with .double()."
            )
    return (channels, *(1 for _ in input.shape[2:]))
