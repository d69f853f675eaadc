"""Tensors from numbers, with PyTorch's names and dtypes: float32 for what is made of Python floats."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from ..core.convert import to_array
from ..core.device import require_cpu
from ..core.dtypes import as_dtype, dtype_of_number, get_default_dtype, held
from ..core.mode import mode
from ..core.number import Number
from ..core.tensor import Tensor, from_numpy, wrap
from ..core.value import Size
from .dims import sizes
from .out import with_options
from .public import PUBLIC, public

F = TypeVar("F", bound=Callable[..., Any])
# those that take out=, layout= and pin_memory=
_MAKING = "arange empty eye full linspace logspace normal ones rand randint randn randperm zeros"
MAKING = frozenset(_MAKING.split())


def constructor(function: F) -> F:
    """Enter a function that makes tensors into the public names; where it takes *size, size= does as well."""
    if function.__name__ in MAKING:
        function = with_options(function)
    size = inspect.signature(function).parameters.get("size")
    if size is not None and size.kind is size.VAR_POSITIONAL:
        function = _sized(function)
    PUBLIC[function.__name__] = function
    return function


def _sized(function: F) -> F:
    @functools.wraps(function)
    def make(*args: Any, **kwargs: Any) -> Any:
        return function(kwargs.pop("size"), **kwargs) if "size" in kwargs and not args else function(*args, **kwargs)

    return make  # type: ignore[return-value]  # same signature, one keyword more


def finish(array: Any, requires_grad: bool = False, name: str | None = None, device: Any = None) -> Tensor:
    """A leaf on a fresh array."""
    if device is not None:
        require_cpu(device)
    result = wrap(array)
    if requires_grad:
        result.requires_grad_(True)
    if name is not None:
        result.name = name
    if mode.trace is not None:
        mode.trace.made.add(result)
    return result


def float_or_default(dtype: Any) -> Any:
    """The dtype of what is floating unless another one is asked for."""
    return get_default_dtype() if dtype is None else as_dtype(dtype)


@constructor
def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, name: str | None = None
) -> Tensor:
    """A tensor from a copy of the data: numbers, nested lists, an ndarray or a tensor.

    Args:
        dtype: default: float32 for Python floats, int64 for ints, an array's own otherwise.
        requires_grad: collect its gradient in `.grad`.
        name: how formulas, pictures and errors call it.
    """
    if type(data) is Number:
        return full((), data, dtype=dtype, device=device, requires_grad=requires_grad, name=name)
    return finish(to_array(data, dtype), requires_grad, name, device)


@constructor
def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor without a copy where that is possible: the tensor itself, or on an ndarray's memory."""
    require_cpu(device)
    if isinstance(data, Tensor):
        return data if dtype is None else data.astype(as_dtype(dtype))
    if isinstance(data, np.ndarray) and (dtype is None or data.dtype == as_dtype(dtype)):
        return from_numpy(data)
    return finish(to_array(data, dtype), device=device)


PUBLIC["from_numpy"] = from_numpy


@constructor
def zeros(
    *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, name: str | None = None
) -> Tensor:
    """Zeros of a shape, given as numbers or one tuple."""
    return finish(np.zeros(sizes(size, "zeros"), float_or_default(dtype)), requires_grad, name, device)


@constructor
def ones(
    *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, name: str | None = None
) -> Tensor:
    """Ones of a shape, given as numbers or one tuple."""
    return finish(np.ones(sizes(size, "ones"), float_or_default(dtype)), requires_grad, name, device)


@constructor
def empty(
    *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, name: str | None = None
) -> Tensor:
    """Memory of a shape as it was found: fill it before reading."""
    make = np.empty if mode.trace is None else np.zeros  # a program would keep what it has found
    return finish(make(sizes(size, "empty"), float_or_default(dtype)), requires_grad, name, device)


@constructor
def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    name: str | None = None,
) -> Tensor:
    """A shape filled with one number, whose type gives the dtype unless that is said."""
    fill_value = fill_value.item() if isinstance(fill_value, (Tensor, np.generic)) else fill_value
    if type(fill_value) is Number and isinstance(fill_value, float):  # at the program's next run it is another one
        full_of_ones: Tensor = ones(size, dtype=get_default_dtype() if dtype is None else dtype)
        return full_of_ones * fill_value
    dtype = dtype_of_number(fill_value) if dtype is None else as_dtype(dtype)
    return finish(np.full(sizes((size,), "full"), held(fill_value, dtype), dtype), requires_grad, name, device)


@constructor
def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    name: str | None = None,
) -> Tensor:
    """Ones on the diagonal, zeros elsewhere; n rows and m (default n) columns."""
    shape = sizes((n, n if m is None else m), "eye")
    return finish(np.eye(*shape, dtype=float_or_default(dtype)), requires_grad, name, device)


@constructor
def arange(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    name: str | None = None,
) -> Tensor:
    """start, start + step, ... below end; int64 if all are integers."""
    if end is None:
        start, end = 0, start
    start, end, step = (x.item() if isinstance(x, Tensor) else x for x in (start, end, step))
    if not all(map(math.isfinite, (start, end, step))):
        raise RuntimeError(f"arange: unsupported range: {start} -> {end} by {step}.")
    if step == 0 or (end - start) * step < 0:
        raise RuntimeError(f"arange: from {start} to {end} by {step} leads nowhere: the signs disagree.")
    if dtype is None:
        whole = all(isinstance(x, (int, np.integer)) for x in (start, end, step))
        dtype = np.int64 if whole else get_default_dtype()
    if as_dtype(dtype) == np.int64:  # as PyTorch: the three numbers are cut to integers first
        start, end, step = int(start), int(end), int(step)
        if step == 0:
            raise ValueError("arange: step must be nonzero, and cut to an integer it is 0; leave dtype out.")
    count = max(math.ceil((end - start) / step), 0)
    if as_dtype(dtype).kind in "iu":  # of the smaller integers only when it is known how many there are
        start, step = int(start), int(step)
    values = start + step * np.arange(count) if count else np.zeros(0)
    return finish(np.asarray(values).astype(as_dtype(dtype)), requires_grad, name, device)


def _like(make: Any) -> Any:
    """The `_like` form of a constructor: shape and dtype of another tensor."""

    def like(
        input: Tensor,
        *,
        dtype: Any = None,
        layout: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        memory_format: Any = None,
        name: str | None = None,
    ) -> Tensor:
        result: Tensor = make(
            tuple(input.shape),
            dtype=input.dtype if dtype is None else dtype,
            device=device,
            requires_grad=requires_grad,
            name=name,
        )
        return result

    like.__name__ = f"{make.__name__}_like"
    like.__doc__ = f"`{make.__name__}` of the shape and dtype of `input`."
    return constructor(like)


zeros_like, ones_like, empty_like = _like(zeros), _like(ones), _like(empty)


@constructor
def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
    name: str | None = None,
) -> Tensor:
    """One number, in the shape and dtype of `input`."""
    return full(
        tuple(input.shape),
        fill_value,
        dtype=input.dtype if dtype is None else dtype,
        device=device,
        requires_grad=requires_grad,
        name=name,
    )


@public("new_zeros", function=False)
def new_zeros(input: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of another shape in this tensor's dtype."""
    return zeros(*size, dtype=input.dtype if dtype is None else dtype, device=device, requires_grad=requires_grad)


@public("new_ones", function=False)
def new_ones(input: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of another shape in this tensor's dtype."""
    return ones(*size, dtype=input.dtype if dtype is None else dtype, device=device, requires_grad=requires_grad)


@public("new_empty", function=False)
def new_empty(input: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Unwritten memory of another shape in this tensor's dtype."""
    return empty(*size, dtype=input.dtype if dtype is None else dtype, device=device, requires_grad=requires_grad)


@public("new_full", function=False)
def new_full(
    input: Tensor, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """One number, in another shape, in this tensor's dtype."""
    dtype = input.dtype if dtype is None else dtype
    return full(size, fill_value, dtype=dtype, device=device, requires_grad=requires_grad)


@public("new_tensor", function=False)
def new_tensor(
    input: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor from other data in this tensor's dtype."""
    return tensor(data, dtype=input.dtype if dtype is None else dtype, device=device, requires_grad=requires_grad)


@public("new", function=False)
def new(input: Tensor, *args: Any, device: Any = None) -> Tensor:
    """PyTorch's older form: unwritten memory of lengths, new(2, 3), or a list's numbers, in this tensor's dtype."""
    if len(args) == 1 and isinstance(args[0], (list, tuple, np.ndarray)) and not isinstance(args[0], Size):
        return new_tensor(input, args[0], device=device)
    if len(args) == 1 and isinstance(args[0], Tensor):
        return args[0].detach().to(input.dtype)
    return empty(*(args or (0,)), dtype=input.dtype, device=device)


@constructor
def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False
) -> Tensor:
    """A tensor from numbers, an ndarray or a tensor; on the same memory unless copy=True or a conversion is needed."""
    if copy:
        return tensor(obj, dtype=dtype, device=device, requires_grad=requires_grad)
    if copy is False and not isinstance(obj, (Tensor, np.ndarray)):
        raise ValueError("asarray: can't alias a list or a number; leave copy out.")
    result = as_tensor(obj, dtype, device)
    return result.requires_grad_() if requires_grad else result


@constructor
def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A 0-d tensor, of the default floating dtype unless that is said."""
    return tensor(s, dtype=float_or_default(dtype), device=device, requires_grad=requires_grad)


@constructor
def frombuffer(buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A vector on the memory of bytes, a bytearray or the like."""
    result = from_numpy(np.frombuffer(buffer, as_dtype(dtype), count, offset))
    return result.requires_grad_() if requires_grad else result
