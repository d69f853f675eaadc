"""`out=`: the result of a function stored in a tensor that the caller has, as PyTorch's tutorials write it.

Nothing is gained by it here: the result is computed as always, and then copied.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from ..core.dtypes import as_dtype
from ..core.errors import DtypeError
from ..core.layout import strided
from ..core.mode import mode
from ..core.primitive import Primitive
from ..core.tensor import Tensor
from ..core.write import repeats

F = TypeVar("F", bound=Callable[..., Any])

# The functions that take out= and aren't primitives, which all do.
_NAMES = """
    add addbmm addcdiv addcmul addmm addmv addr all amax amin aminmax any argmax argmin baddbmm bernoulli bmm
    bucketize cat cholesky cholesky_inverse cholesky_solve clamp clamp_max clamp_min clip column_stack concat
    concatenate conj_physical cross cummax cummin cumprod cumsum diag diff digamma div divide dstack float_power frexp
    gather ger heaviside histc histogram hstack index_add index_copy index_reduce index_select inner inverse isin kron
    kthvalue ldexp lerp log_softmax logcumsumexp logit logsumexp masked_select matmul matrix_power max mean median min
    mm mode msort multinomial mv mvlgamma nan_to_num nanmean nanmedian nanquantile nansum narrow_copy nonzero norm
    outer polygamma pow qr quantile renorm round row_stack scatter scatter_add scatter_reduce searchsorted
    slice_scatter softmax sort stack std sub subtract svd take take_along_dim tensordot topk tril triu true_divide var
    vdot vstack where xlogy
"""
TAKING_OUT = frozenset(_NAMES.split())

# What PyTorch writes while it still reads, so that out= may not lie in an argument's memory, nor be an argument ...
_ALOOF_NAMES = """
    cat column_stack concat concatenate dstack gather ger hstack index_select kron kthvalue masked_select mode outer
    row_stack stack take take_along_dim vstack
"""
_ALOOF = frozenset(_ALOOF_NAMES.split())
# ... and what may be written anywhere. All others, which are elementwise, may be written on an argument as a whole.
_ANYWHERE_NAMES = """
    addbmm addmm addmv all amax amin aminmax any argmax argmin baddbmm bmm cholesky cholesky_inverse cholesky_solve
    cross cummax cummin diag histc inner inverse logsumexp matmul matrix_power max mean median min mm mv
    mvlgamma nanmean nanmedian nanquantile narrow_copy prod quantile renorm std sum svd var vdot
"""
_ANYWHERE = frozenset(_ANYWHERE_NAMES.split())
# Where out= must have exactly the result's dtype; elsewhere what the result can be cast to.
_EXACTLY_NAMES = """
    all amax amin aminmax any argmax argmin bmm bucketize clamp clip conj_physical cummax cummin diag frexp gather
    heaviside histc index_select inner inverse kthvalue logcumsumexp masked_select matmul median mm mode multinomial
    mv nan_to_num nanmedian nanquantile narrow_copy nonzero quantile round searchsorted sort take take_along_dim
    topk vdot where
"""
_EXACTLY = frozenset(_EXACTLY_NAMES.split())


def with_out(operation: F, name: str) -> F:
    """The function, taking out= as well."""

    @functools.wraps(operation)
    def accepting(*args: Any, **kwargs: Any) -> Any:
        if "out" not in kwargs:
            return operation(*args, **kwargs)
        return store_out(operation, kwargs.pop("out"), name, args, kwargs)

    return accepting  # type: ignore[return-value]  # same signature, one keyword more


def store_out(operation: Any, out: Any, name: str, args: Any, kwargs: Any) -> Any:
    """Call the operation and put its result, or its several results, into `out`, which is returned.

    An `out` of another shape becomes one of the result's shape, with a warning unless it was empty.

    Raises:
        RuntimeError: a gradient would be needed: what is written this way is not recorded.
        DtypeError: the result's kind of number does not fit.
    """
    if out is None:
        return operation(*args, **kwargs)
    targets = out if isinstance(out, (tuple, list)) else (out,)
    if not all(isinstance(target, Tensor) for target in targets):
        raise TypeError(f"{name}(): argument 'out' must be a Tensor, or as many as there are results.")
    if mode.grad and any(isinstance(x, Tensor) and x.requires_grad for x in (*_flat(args), *targets)):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the "
            "arguments requires grad. Use the result instead, or write under no_grad()."
        )
    found = operation(*args, **kwargs)
    results = tuple(found) if isinstance(out, (tuple, list)) else (found,)
    if len(results) != len(targets):
        raise TypeError(f"{name}(): {len(results)} results need as many tensors in out=, got {len(targets)}.")
    read = [x for x in _flat((args, tuple(kwargs.values()))) if isinstance(x, Tensor)]
    for target, result in zip(targets, results, strict=True):
        _check(target, result, _memory(target, *read), name)
    for target, result in zip(targets, results, strict=True):
        _put(target, result, name)
    return type(found)(*out) if hasattr(found, "_fields") else out


Primitive.store_out = staticmethod(store_out)


def _memory(*tensors: Tensor) -> list[Any]:
    """Arrays in which tensors overlap as they will when the step runs."""
    return [x._array for x in tensors] if mode.trace is None else mode.trace.memory(tensors)


def _check(target: Tensor, result: Tensor, arrays: list[Any], name: str) -> None:
    """Refuse what PyTorch refuses, before anything is written.

    Args:
        arrays: the target's, and those of what is read.
    """
    kinds = "buif"
    if kinds.index(result.dtype.kind) > kinds.index(target.dtype.kind):
        raise DtypeError(f"{name}: result type {result.dtype} can't be cast to the desired output type {target.dtype}.")
    if name in _EXACTLY and result.dtype != target.dtype:
        raise DtypeError(f"{name}: Expected out tensor to have dtype {result.dtype}, but got {target.dtype} instead.")
    array, *arrays = arrays
    if array.shape != result.shape and name not in _ALOOF:
        return  # another shape gets memory of its own
    if repeats(array):
        raise RuntimeError(
            f"{name}: unsupported operation: more than one element of the written-to tensor refers to a single memory "
            f"location. Please clone() the tensor before performing the operation: out= {tuple(array.shape)} repeats."
        )
    if name in _ANYWHERE:
        return
    for x in arrays:
        same = x.shape == array.shape and x.strides == array.strides and x.ctypes.data == array.ctypes.data
        if not (same and name not in _ALOOF) and np.shares_memory(x, array):
            raise RuntimeError(
                f"{name}: unsupported operation: some elements of the input tensor and the written-to tensor refer to "
                "a single memory location. Please clone() the tensor before performing the operation."
            )


def _put(target: Tensor, result: Tensor, name: str) -> None:
    if target.shape == result.shape:
        target.detach().copy_(result)
        return
    if target.numel():
        warnings.warn(
            f"{name}: out= of shape {tuple(target.shape)} was resized to the result's shape {tuple(result.shape)}; "
            "hand over a tensor of that shape, or an empty one.",
            UserWarning,
            stacklevel=4,
        )
    target.data = result.detach().to(target.dtype)


def _flat(args: Any) -> Any:
    for x in args:
        if isinstance(x, (tuple, list)):
            yield from _flat(x)
        else:
            yield x


def with_options(function: F) -> F:
    """A function that makes tensors, taking PyTorch's out=, layout= and pin_memory= as well.

    With `out` its dtype is what is made; `layout` and `pin_memory` have one possible value each here.
    """
    name = function.__name__

    @functools.wraps(function)
    def make(*args: Any, **kwargs: Any) -> Any:
        if not kwargs:
            return function(*args)
        if "layout" in kwargs or "pin_memory" in kwargs:
            if kwargs.pop("layout", None) not in (None, strided):
                raise RuntimeError(f"{name}: there are no sparse tensors here; layout is strided.")
            kwargs.pop("pin_memory", None)
        out = kwargs.pop("out", None)
        if out is None:
            return function(*args, **kwargs)
        if not isinstance(out, Tensor):
            raise TypeError(f"{name}(): argument 'out' must be a Tensor, not {type(out).__name__}.")
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = out.dtype
        if as_dtype(kwargs["dtype"]) != out.dtype:
            raise DtypeError(f"{name}(): dtype {kwargs['dtype']} does not match dtype of out parameter ({out.dtype}).")
        grad = kwargs.pop("requires_grad", False)
        result = function(*args, **kwargs)
        _check(out, result, _memory(out), name)
        _put(out, result, name)
        return out.requires_grad_() if grad else out

    return make  # type: ignore[return-value]  # same signature, three keywords more
