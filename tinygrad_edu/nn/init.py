"""Initial values: PyTorch's functions, and from one seed PyTorch's numbers.

nn follows PyTorch: a weight is (n_out, n_in), so fan_in is the length of its second axis, times
the size of a convolution's window.

Sources: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
networks" (2010); He et al., "Delving deep into rectifiers" (2015).
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..autograd import no_grad
from ..core.errors import nearest
from ..core.missing import missing
from ..core.tensor import Tensor, wrap
from ..ops.choices import where
from ..ops.creation import empty, empty_like
from ..ops.generator import Generator
from ..ops.random import randperm

_UNIT_GAIN = (
    "linear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "sigmoid",
)


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with numbers uniform on [a, b)."""
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with normals."""
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one number."""
    with no_grad():
        return tensor.fill_(val)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones."""
    return constant_(tensor, 1.0)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity: ones on the diagonal, zeros elsewhere."""
    if tensor.ndim != 2:
        raise ValueError(f"eye_: Only tensors with 2 dimensions are supported, this one has {tensor.ndim}.")
    with no_grad():
        return tensor.copy_(wrap(np.eye(*tensor.shape, dtype=tensor.dtype)))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill a convolution's weight so that it passes its input on: ones in the middle of each channel's window."""
    if tensor.ndim not in (3, 4, 5):
        raise ValueError(f"Only tensors with 3, 4, or 5 dimensions are supported, not {tuple(tensor.shape)}.")
    n_out, n_in, *window = (int(n) for n in tensor.shape)
    if n_out % groups:
        raise ValueError("dim 0 must be divisible by groups")
    each = n_out // groups
    values = np.zeros(tensor.shape, tensor.dtype)
    middle: tuple[Any, ...] = tuple(n // 2 for n in window)
    channels = np.arange(min(each, n_in))
    for group in range(groups):
        values[(group * each + channels, channels, *middle)] = 1
    with no_grad():
        return tensor.copy_(wrap(values))


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with normals of which those outside of [a, b] are drawn anew.

    Where few would be kept, uniform numbers on [a, b] are kept with the density's probability instead. a and b are
    values, not numbers of standard deviations.
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )

    def below(x: float) -> float:
        return 0.5 * (1 + math.erf((x - mean) / std / math.sqrt(2.0)))

    with no_grad():
        if below(b) - below(a) > 0.3:
            low, high = (float(tensor.dtype.type(limit)) for limit in (a, b))
            result = tensor.normal_(mean, std, generator=generator)
            while (outside := (result < low) | (result > high)).any():
                fresh = empty_like(tensor).normal_(mean, std, generator=generator)
                result = where(outside, fresh, result)
            return tensor.copy_(result)
        peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2  # the logarithm of the density's largest value
        result, pending = tensor, None
        while pending is None or pending.any():
            drawn = empty_like(tensor).uniform_(a, b, generator=generator)
            result = drawn if pending is None else where(pending, drawn, result)
            chance = ((drawn - mean) / std) ** 2 * -0.5 - peak
            refused = empty_like(tensor).uniform_(generator=generator).log() > chance
            pending = refused if pending is None else pending & refused
        return tensor.copy_(result)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Fill with a matrix whose rows, or columns where they are fewer, are orthogonal and of length `gain`.

    Further axes count as columns. Source: Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics
    of learning in deep linear neural networks" (2013).
    """
    if tensor.ndim < 2:
        raise ValueError(f"Only tensors with 2 or more dimensions are supported, not {tuple(tensor.shape)}.")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    with no_grad():
        drawn = normal_(empty(rows, columns, dtype=tensor.dtype), generator=generator).numpy()
        Q, R = np.linalg.qr(drawn.T if rows < columns else drawn)
        Q = Q * np.sign(np.diag(R))  # so that every orthogonal matrix is equally likely
        Q = Q.T if rows < columns else Q
        return tensor.copy_(wrap(np.ascontiguousarray(Q.reshape(tensor.shape)))).mul_(gain)


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Fill a matrix with normals, and set that part of each column to 0. Source: Martens, "Deep learning via
    Hessian-free optimization" (2010)."""
    if tensor.ndim != 2:
        raise ValueError(f"Only tensors with 2 dimensions are supported, not {tuple(tensor.shape)}.")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with no_grad():
        values = np.array(normal_(tensor, 0, std, generator).numpy())
        for column in range(columns):
            values[randperm(rows).numpy()[:zeros], column] = 0
        return tensor.copy_(wrap(values))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform with variance 2 gain^2 / (fan_in + fan_out): values and gradients keep their spread."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    bound = math.sqrt(3.0) * (gain * math.sqrt(2.0 / float(fan_in + fan_out)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with variance 2 gain^2 / (fan_in + fan_out)."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / float(fan_in + fan_out)), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform with variance gain^2 / fan: values (fan_in) or gradients (fan_out) keep their spread.

    Args:
        a: the negative slope, for leaky_relu.
        mode: "fan_in" or "fan_out".
        nonlinearity: what follows the layer; see calculate_gain.
    """
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal with variance gain^2 / fan; the arguments are kaiming_uniform_'s."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much weights are scaled up to make good for what the non-linearity takes away.

    Args:
        nonlinearity: its name in nn.functional.
        param: the negative slope, for leaky_relu; default 0.01.
    """
    if nonlinearity in _UNIT_GAIN:
        return 1.0
    if nonlinearity == "leaky_relu":
        if param is not None and (isinstance(param, bool) or not isinstance(param, (int, float))):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    gains = {"tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4}
    if nonlinearity not in gains:
        near = nearest(str(nonlinearity), [*gains, "leaky_relu", *_UNIT_GAIN])
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}{hint}")
    return gains[nonlinearity]


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    return calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))


# The next two have PyTorch's private names: whoever writes a layer of his own by PyTorch's Linear calls them.
def _calculate_correct_fan(tensor: Any, mode: str) -> int:
    """The one of the two that `mode` says."""
    modes = ("fan_in", "fan_out")
    if str(mode).lower() not in modes:
        raise ValueError(f"Mode {mode} not supported, please use one of {list(modes)}")
    return _calculate_fan_in_and_fan_out(tensor)[modes.index(mode.lower())]


def _calculate_fan_in_and_fan_out(tensor: Any) -> tuple[int, int]:
    """From how many inputs an output is computed, and into how many outputs an input goes."""
    if tensor.ndim < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions: "
            f"the shape is {tuple(tensor.shape)}; use uniform_ or normal_."
        )
    n_out, n_in, *window = tensor.shape
    return n_in * math.prod(window), n_out * math.prod(window)


__getattr__ = missing(__name__)
