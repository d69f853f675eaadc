"""`out=`: the result of a function stored in a tensor that the caller has, as PyTorch's tutorials write it.

Nothing is gained by it here: the result is computed as always, and then copied.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from ..core.errors import DtypeError
from ..core.mode import mode
from ..core.primitive import Primitive
from ..core.tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])

# The functions that take out= and aren't primitives, which all do.
_NAMES = """
    add addbmm addcdiv addcmul addmm addmv addr all amax amin aminmax any baddbmm bmm bucketize cat cholesky
    cholesky_inverse cholesky_solve clamp clip column_stack concat concatenate conj_physical cross cummax cummin
    cumprod cumsum diag digamma div divide dstack float_power frexp gather ger heaviside histc hstack index_select
    inner inverse kron kthvalue ldexp lerp logcumsumexp logit logsumexp masked_select matmul matrix_power max mean
    median min mm mode multinomial mv mvlgamma nan_to_num nanmean nanmedian nanquantile narrow_copy nonzero outer
    polygamma pow quantile renorm round row_stack searchsorted sort stack std sub subtract svd take take_along_dim topk
    tril triu var vdot vstack where xlogy
"""
TAKING_OUT = frozenset(_NAMES.split())


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
    for target, result in zip(targets, results, strict=True):
        _put(target, result, name)
    return type(found)(*out) if hasattr(found, "_fields") else out


Primitive.store_out = staticmethod(store_out)


def _put(target: Tensor, result: Tensor, name: str) -> None:
    kinds = "buif"
    if kinds.index(result.dtype.kind) > kinds.index(target.dtype.kind):
        raise DtypeError(f"{name}: result type {result.dtype} can't be cast to the desired output type {target.dtype}.")
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
