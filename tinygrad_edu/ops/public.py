"""How an operation becomes public: `tinygrad_edu.f`, `Tensor.f`, its in-place form and its operator.

    @public(inplace=True)
    @primitive(np.tanh, dZ=lambda dA, A, Z: dA * (1 - A**2))
    def tanh(Z): ...

The public names and signatures are PyTorch's. Where the primitive's own signature differs, a
function with PyTorch's signature stands beside it and is decorated instead.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from ..core.apply import apply
from ..core.dtypes import dtype_of_number
from ..core.primitive import Primitive, signature
from ..core.record import stamp
from ..core.tensor import Tensor, method, wrap
from .out import TAKING_OUT, with_out

F = TypeVar("F", bound=Callable[..., Any])

PUBLIC: dict[str, Any] = {}  # tinygrad_edu.<name>
INPLACE: dict[str, Any] = {}  # in-place forms that PyTorch has as functions too: tinygrad_edu.relu_(x)
_SIGNS = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "and": "&", "or": "|", "xor": "^",
    "lshift": "<<", "rshift": ">>",
}  # fmt: skip  # as users write them, in messages
_ALIASES = {"axis": "dim", "keepdims": "keepdim"}  # NumPy's words for PyTorch's


def public(*names: str, inplace: bool = False, function: bool = True, as_method: bool = True) -> Callable[[F], F]:
    """Make an operation public, as `tinygrad_edu.name` and as a method of Tensor.

    Args:
        names: the public names; default: the operation's own.
        inplace: also attach `name_`, which stores the result in the tensor itself.
        function, as_method: False where PyTorch has only the other form.
    """

    def attach(operation: F) -> F:
        accepting: Any = operation if isinstance(operation, Primitive) else _numpy_words(operation)
        taking = [name for name in names or (operation.__name__,) if function and name in TAKING_OUT]
        if taking:
            accepting = with_out(accepting, taking[0])
        bound = _bound(operation) if isinstance(operation, Primitive) else accepting
        for name in names or (operation.__name__,):
            if function:
                PUBLIC[name] = accepting
            if as_method:
                method(name, bound, operation)
            if inplace:
                if function and _stands_alone(operation, name):
                    INPLACE[f"{name}_"] = _in_place(bound, f"{name}_")
                method(f"{name}_", _in_place(bound, f"{name}_"), operation)
        return accepting  # type: ignore[no-any-return]  # same signature, more keywords

    return attach


_WITH_MORE = {"clamp", "clamp_max", "clamp_min", "clip", "gcd", "lcm", "ldexp", "logit", "nan_to_num", "xlogy"}
_METHODS_ONLY = {"absolute", "bitwise_not", "erfinv", "lgamma", "logical_not", "sgn", "sign"}


def _stands_alone(operation: Any, name: str) -> bool:
    """Whether PyTorch has the in-place form as a function: of operations on one tensor, and some others."""
    unary = isinstance(operation, Primitive) and len(operation.inputs) == 1
    return (unary and name not in _METHODS_ONLY) or name in _WITH_MORE


def operator(symbol: str, reflected: bool = True, inplace: bool = True) -> Callable[[Primitive], Primitive]:
    """Attach a primitive of two inputs as `__symbol__`, `__rsymbol__` and `__isymbol__`."""

    def attach(primitive: Primitive) -> Primitive:
        def forward(self: Tensor, other: Any) -> Any:
            return apply(primitive, (self, other), {})

        def compare(self: Tensor, other: Any) -> Any:
            known = other is not None and not isinstance(other, (str, list, tuple, dict))
            return forward(self, other) if known else NotImplemented  # t == None is False, not an error

        def backward(self: Tensor, other: Any) -> Any:
            return apply(primitive, (other, self), {})

        method(f"__{symbol}__", compare if symbol in ("eq", "ne") else forward)
        if reflected:
            method(f"__r{symbol}__", backward)
        if inplace:
            method(f"__i{symbol}__", _in_place(forward, f"{_SIGNS[symbol]}="))
        return primitive

    return attach


def _of_numbers(primitive: Primitive, args: Any, params: dict[str, Any]) -> Any:
    """A call of Python numbers alone: PyTorch has it for its four operations, add(2, 3)."""
    if primitive.name not in ("add", "sub", "mul", "div", "floor_divide"):
        raise TypeError(f"{primitive.name}(): none of the arguments is a Tensor; make one with tensor(...).")
    return apply(primitive, [wrap(np.asarray(x, dtype_of_number(x))) for x in args], params)


Primitive.of_numbers = staticmethod(_of_numbers)


def _bound(primitive: Primitive) -> Callable[..., Any]:
    """The method of a primitive: the tensor is known to be one, so nothing is left to look up."""
    if len(primitive.inputs) == 1:

        def unary(self: Tensor) -> Any:
            return apply(primitive, (self,), {})

        return functools.wraps(primitive.forward)(unary)

    def several(self: Tensor, *others: Any, **named: Any) -> Any:
        return primitive(self, *others, **named)

    return functools.wraps(primitive.forward)(several)


def _in_place(operation: Callable[..., Any], name: str) -> Callable[..., Any]:
    def in_place(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        from .writes import store

        began = stamp()
        return store(self, operation(self, *args, **kwargs), name, began)

    in_place.__name__ = name
    in_place.__doc__ = f"Store the result of `{name.strip('_')}` in this tensor. Returns the tensor."
    return in_place


def _numpy_words(operation: F) -> F:
    """Take axis= for dim= and keepdims= for keepdim=, as NumPy users write them."""
    positional, keyword, _ = signature(operation)
    words = {*positional, *keyword}
    aliases = {theirs: ours for theirs, ours in _ALIASES.items() if ours in words and theirs not in words}
    if not aliases:
        return operation

    @functools.wraps(operation)
    def accepting(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            for theirs, ours in aliases.items():
                if theirs in kwargs:
                    kwargs[ours] = kwargs.pop(theirs)
        return operation(*args, **kwargs)

    return accepting  # type: ignore[return-value]  # same signature, more keywords
