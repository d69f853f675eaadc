"""Convolutions, transposed convolutions and their windows, with PyTorch's signatures.

Images are (N, C, length) or (N, C, height, width), one of them without N. A convolution's weight is
(C_out, C_in / groups, *window), a transposed convolution's (C_in, C_out / groups, *window).
"""

from __future__ import annotations

from typing import Any

from ..core.errors import DtypeError, ShapeError
from .columns import Grid, Ints, gather_windows, scatter_windows
from .correlation import correlation, transposed_correlation
from .public import public
from .shape import reshape_to

AXES = {1: "(N, C, length)", 2: "(N, C, height, width)", 3: "(N, C, depth, height, width)"}


@public(as_method=False)
def conv1d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Windows of a sequence (N, C_in, length) times weight (C_out, C_in / groups, k), summed: (N, C_out, positions).

    Args:
        stride: from one window to the next.
        padding: zeros at both ends, "valid" for none, "same" for as many as keep the length.
        dilation: from one element of a window to the next.
        groups: channels are split into so many parts, each with filters of its own.
    """
    return _convolve("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


@public(as_method=False)
def conv2d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Windows of images (N, C_in, H, W) times weight (C_out, C_in / groups, kH, kW), summed; arguments as conv1d's.

    Raises:
        ShapeError: channels, bias or window don't fit the input.
        RuntimeError: a stride or dilation below 1, a negative padding.
    """
    return _convolve("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


@public(as_method=False)
def conv3d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """As conv2d, of volumes (N, C_in, D, H, W)."""
    return _convolve("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


@public(as_method=False)
def conv_transpose1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The transpose of conv1d as a matrix: each element of the input puts a window, times it, into the result.

    Args:
        stride, padding, dilation, groups: of the convolution that leads from the result's shape to the input's.
        output_padding: how much longer the result is than the shortest that fits.
    """
    return _transpose("conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@public(as_method=False)
def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The transpose of conv2d, weight (C_in, C_out / groups, kH, kW); arguments as conv_transpose1d's."""
    return _transpose("conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation)


@public(as_method=False)
def conv_transpose3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """As conv_transpose2d, of volumes (N, C_in, D, H, W)."""
    return _transpose("conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """The windows of images (N, C, H, W) as columns (N, C * kH * kW, positions), left to right, top to bottom.

    Not Tensor.unfold, which slides a window along one axis.
    """
    name = "unfold"
    window = per_axis(name, "kernel_size", kernel_size, 2, least=1)
    grid, padding = _grid(name, 2, stride, padding, dilation)
    if input.ndim not in (3, 4) or 0 in input.shape[-3:]:
        raise ShapeError(
            f"{name}: Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions "
            f"for input, but got: {list(input.shape)}; images are (N, C, height, width)."
        )
    X = input if input.ndim == 4 else reshape_to(input, shape=(1, *input.shape))
    count = grid.fitting(X.shape[2:], window, padding)
    if min(count) < 1:
        raise ShapeError(
            f"{name}: Given input with spatial size {tuple(X.shape[2:])}, kernel_size={window}, "
            f"dilation={grid.dilation}, padding={padding}, calculated shape of the array of sliding blocks as {count}, "
            "but its components must be at least one."
        )
    V = gather_windows(X, window=window, count=count, grid=grid)
    rows, positions = X.shape[1] * window[0] * window[1], count[0] * count[1]
    shape = (rows, positions) if input.ndim == 3 else (X.shape[0], rows, positions)
    return reshape_to(V, shape=shape)


def fold(input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Windows as columns (N, C * kH * kW, positions) added back where `unfold` takes them: (N, C, *output_size)."""
    name = "fold"
    if input.dtype.kind == "b":  # added as truths are
        return fold(input.long(), output_size, kernel_size, dilation, padding, stride) != 0
    window = per_axis(name, "kernel_size", kernel_size, 2, least=1)
    image = per_axis(name, "output_size", output_size, 2, least=1)
    grid, padding = _grid(name, 2, stride, padding, dilation)
    if input.ndim not in (2, 3) or 0 in input.shape[-2:]:
        raise ShapeError(
            f"{name}: Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero "
            f"dimensions for input, but got: {list(input.shape)}; columns are (N, C * {window[0]} * {window[1]}, "
            "positions)."
        )
    rows, positions = input.shape[-2:]
    if rows % (window[0] * window[1]):
        raise ShapeError(
            f"{name}: Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got "
            f"input.size(1)={rows} and kernel_size={window}."
        )
    count = grid.fitting(image, window, padding)
    if min(count) < 1 or positions != count[0] * count[1]:
        raise ShapeError(
            f"{name}: Given output_size={image}, kernel_size={window}, dilation={grid.dilation}, padding={padding}, "
            f"stride={grid.stride}, expected input's size({'1' if input.ndim == 2 else '2'}) to match the calculated "
            f"number of sliding blocks {count[0]} * {count[1]} = {count[0] * count[1]}, but got {positions}."
        )
    batch = input.shape[:-2] or (1,)
    C = rows // (window[0] * window[1])
    X = scatter_windows(reshape_to(input, shape=(*batch, C, *window, *count)), shape=image, grid=grid)
    return X if input.ndim == 3 else reshape_to(X, shape=tuple(X.shape[1:]))


# --- what the fronts have in common


def per_axis(operation: str, word: str, value: Any, n: int, least: int) -> Ints:
    """An argument as n whole numbers, one per axis; one number stands for all."""
    numbers = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if any(isinstance(k, (bool, float, str)) or not hasattr(k, "__index__") for k in numbers):
        raise TypeError(f"{operation}: {word} must be an int or a tuple of {n} ints, not {value!r}.")
    whole = tuple(int(k) for k in numbers)
    if len(whole) not in (1, n):
        raise ShapeError(
            f"{operation}: expected {word} to be a single integer value or a list of {n} values to match the "
            f"convolution dimensions, but got {word}={list(whole)}."
        )
    whole = whole if len(whole) == n else whole * n
    if min(whole) < least:
        wrong = "negative" if least == 0 else "non-positive"
        raise RuntimeError(f"{operation}: {wrong} {word} is not supported, got {word}={whole}; at least {least}.")
    return whole


def _grid(operation: str, n: int, stride: Any, padding: Any, dilation: Any, groups: int = 1) -> tuple[Grid, Ints]:
    """The grid of windows, and how many zeros follow the image."""
    before = per_axis(operation, "padding", padding, n, least=0)
    steps = per_axis(operation, "stride", stride, n, least=1)
    return Grid(steps, before, per_axis(operation, "dilation", dilation, n, least=1), groups), before


def _convolve(
    name: str, n: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Any:
    _check_dtype(name, input)
    _check_ranks(name, n, input, weight, groups)
    window = tuple(weight.shape[2:])
    if isinstance(padding, str):
        grid, _ = _grid(name, n, stride, 0, dilation, groups)
        before, after = _named_padding(name, padding, window, grid)
        grid = grid._replace(before=before)
    else:
        grid, after = _grid(name, n, stride, padding, dilation, groups)
    n_out, n_in, *_ = weight.shape
    if n_out < groups or n_out % groups:
        raise ShapeError(
            f"{name}: Given groups={groups}, expected weight to be at least {groups} at dimension 0 and divisible by "
            f"it, but got weight of size {list(weight.shape)}."
        )
    channels = input.shape[-n - 1]
    if channels != n_in * groups:
        raise ShapeError(
            f"{name}: Given groups={groups}, weight of size {list(weight.shape)}, expected input{list(input.shape)} to "
            f"have {n_in * groups} channels, but got {channels} channels instead. Images are {AXES[n]}, a weight is "
            "(C_out, C_in / groups, *window)."
        )
    _check_bias(name, bias, n_out, weight)
    image = tuple(input.shape[-n:])
    count = grid.fitting(image, window, after)
    if min(window) < 1 or any(p < 1 for p in count):
        padded = tuple(m + b + a for m, b, a in zip(image, grid.before, after, strict=True))
        raise ShapeError(
            f"{name}: Calculated padded input size per channel: {padded}. Kernel size: {window}"
            f"{f' with dilation {grid.dilation}' if max(grid.dilation) > 1 else ''}. Kernel size can't be greater than "
            "actual input size, nor 0; add padding, or take a smaller kernel."
        )
    return _batched(correlation, n, input, weight, bias, grid=grid, shape=count)


def _transpose(
    name: str,
    n: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
) -> Any:
    _check_dtype(name, input)
    _check_ranks(name, n, input, weight, groups)
    grid, before = _grid(name, n, stride, padding, dilation, groups)
    extra = per_axis(name, "output_padding", output_padding, n, least=0)
    if any(e >= max(s, d) for e, s, d in zip(extra, grid.stride, grid.dilation, strict=True)):
        raise RuntimeError(
            f"{name}: output padding must be smaller than either stride or dilation, but got output_padding={extra}, "
            f"stride={grid.stride}, dilation={grid.dilation}."
        )
    channels, n_out, window = input.shape[-n - 1], weight.shape[1] * groups, tuple(weight.shape[2:])
    if channels != weight.shape[0] or channels % groups:
        raise ShapeError(
            f"{name}: Given transposed=True, weight of size {list(weight.shape)}, expected input{list(input.shape)} to "
            f"have {weight.shape[0]} channels, but got {channels} channels instead (groups={groups} must divide them). "
            f"Images are {AXES[n]}, a transposed weight is (C_in, C_out / groups, *window)."
        )
    _check_bias(name, bias, n_out, weight)
    count = tuple(input.shape[-n:])
    reach = grid.reach(window, count)
    shape = tuple(r - 2 * b + e for r, b, e in zip(reach, before, extra, strict=True))
    if min((*shape, *window, *count)) < 1:
        raise ShapeError(
            f"{name}: Given input size per channel: {count}. Calculated output size per channel: {shape}. Output size "
            "is too small; take a smaller padding, or a larger kernel."
        )
    return _batched(transposed_correlation, n, input, weight, bias, grid=grid, shape=shape)


def _batched(primitive: Any, n: int, input: Any, weight: Any, bias: Any, **params: Any) -> Any:
    """The primitive on a batch, of one if the input is a single sample."""
    X = input if input.ndim == n + 2 else reshape_to(input, shape=(1, *input.shape))
    Y = primitive(X, weight, **params) if bias is None else primitive(X, weight, bias, **params)
    return Y if input.ndim == n + 2 else reshape_to(Y, shape=tuple(Y.shape[1:]))


def _named_padding(name: str, padding: str, window: Ints, grid: Grid) -> tuple[Ints, Ints]:
    """The zeros before and after; an odd one stands after."""
    if padding == "valid":
        return (0,) * len(window), (0,) * len(window)
    if padding != "same":
        raise RuntimeError(f"{name}: Invalid padding string: {padding!r}; 'valid', 'same' or numbers are expected.")
    if max(grid.stride) > 1:
        raise RuntimeError(f"{name}: padding='same' is not supported for strided convolutions, got {grid.stride}.")
    both = [d * (k - 1) for d, k in zip(grid.dilation, window, strict=True)]
    return tuple(z // 2 for z in both), tuple(z - z // 2 for z in both)


def _check_dtype(name: str, input: Any) -> None:
    if input.dtype.kind == "b":
        raise DtypeError(f"{name}: not of booleans; convert with .float() first.")


def _check_ranks(name: str, n: int, input: Any, weight: Any, groups: Any) -> None:
    if isinstance(groups, bool) or not isinstance(groups, int):
        raise TypeError(f"{name}: groups must be an int, not {groups!r}.")
    if groups < 1:
        raise RuntimeError(f"{name}: non-positive groups is not supported, got groups={groups}.")
    if weight.ndim != n + 2:
        raise ShapeError(
            f"{name}: expected {n + 2}-dimensional weight for {n + 2}-dimensional input {list(input.shape)}, but got "
            f"weight of size {list(weight.shape)} instead."
        )
    if input.ndim not in (n + 1, n + 2):
        raise ShapeError(
            f"{name}: Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}, but got input of size: "
            f"{list(input.shape)}. Images are {AXES[n]}, or one of them without N."
        )


def _check_bias(name: str, bias: Any, n_out: int, weight: Any) -> None:
    if bias is not None and not hasattr(bias, "shape"):
        raise TypeError(f"{name}: bias must be a tensor, not {type(bias).__name__}.")
    if bias is not None and tuple(bias.shape) != (n_out,):
        raise ShapeError(
            f"{name}: Given weight of size {list(weight.shape)}, expected bias to be 1-dimensional with {n_out} "
            f"elements, but got bias of size {list(bias.shape)} instead."
        )
