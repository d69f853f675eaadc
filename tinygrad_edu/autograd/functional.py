"""Jacobians, Hessians and their products with vectors, of functions of Tensors.

A function's inputs and outputs may be one tensor or a tuple; results have the same form. `jvp` and
`hvp` differentiate backward twice: the first gradient is linear in its cotangent, so that its
derivative by that cotangent is the product wanted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.backward import grad as _gradients
from ..core.errors import ShapeError
from ..core.tensor import Tensor, wrap
from ..ops.creation import zeros_like
from ..ops.joining import stack
from .modes import enable_grad

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The derivative of every output element by every input element, one backward pass per output element.

    Args:
        func: takes the inputs, returns a tensor or a tuple of them.
        inputs: a tensor or a tuple of them.
        create_graph: let the result be differentiated.
        strict: an output that does not depend on an input is an error, not zeros.
        vectorize, strategy: accepted; the result is the same.
    Returns:
        J[i][j] of shape output i's + input j's; without the outer or inner tuple for a single one.

    >>> from tinygrad_edu import tensor
    >>> jacobian(lambda x: x**2, tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    xs, ys, one_x, one_y = _run(func, inputs, "jacobian", create_graph, strict)
    rows = tuple(tuple(_block(y, i, xs, create_graph, strict)) for i, y in enumerate(ys))
    return _form(tuple(_form(row, one_x) for row in rows), one_y)


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of a scalar function: H[i][j] of shape input i's + input j's.

    >>> from tinygrad_edu import tensor
    >>> hessian(lambda x: (x**3).sum(), tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    one = isinstance(inputs, Tensor)

    def gradient(*xs: Tensor) -> Any:
        y = func(*xs)
        _check_scalar(y, "hessian")
        if strict:
            _check_depends(y, 0, "hessian")
        found = _pull((y,), xs, (None,), True, strict, "hessian", "input")
        return _form(found, one)

    return jacobian(gradient, inputs, create_graph, strict)


def vjp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """The outputs, and vᵀ J: the gradient of <v, func(inputs)>. v may be left out for a scalar output."""
    xs, ys, one_x, one_y = _run(func, inputs, "vjp", create_graph, strict)
    vs = _vectors(v, ys, "vjp", "output")
    found = _pull(ys, xs, vs, create_graph, strict, "vjp", "input")
    return _form(_finished(ys, create_graph), one_y), _form(_finished(found, create_graph), one_x)


def jvp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """The outputs, and J v: how they change as the inputs move along v. v may be left out for a scalar input."""
    xs, ys, _, one_y = _run(func, inputs, "jvp", True, strict, create_graph)
    vs = _vectors(v, xs, "jvp", "input")
    found = _push(ys, xs, vs, create_graph, strict, "jvp")
    return _form(_finished(ys, create_graph), one_y), _form(_finished(found, create_graph), one_y)


def vhp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """The value of a scalar function, and vᵀ H."""
    xs, ys, one_x, _ = _run(func, inputs, "vhp", True, strict, create_graph)
    _check_scalar(ys[0] if len(ys) == 1 else ys, "vhp")
    vs = _vectors(v, xs, "vhp", "input")
    first = _pull(ys, xs, (None,), True, strict, "vhp", "input")
    second = _pull(first, xs, vs, create_graph, strict, "vhp", "input")
    return _finished(ys, create_graph)[0], _form(_finished(second, create_graph), one_x)


def hvp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """The value of a scalar function, and H v."""
    xs, ys, one_x, _ = _run(func, inputs, "hvp", True, strict, create_graph)
    _check_scalar(ys[0] if len(ys) == 1 else ys, "hvp")
    vs = _vectors(v, xs, "hvp", "input")
    first = _pull(ys, xs, (None,), True, strict, "hvp", "input")
    second = _push(first, xs, vs, create_graph, strict, "hvp")
    return _finished(ys, create_graph)[0], _form(_finished(second, create_graph), one_x)


def _run(
    func: Callable[..., Any], inputs: Any, word: str, twice: bool, strict: bool, keep: bool | None = None
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], bool, bool]:
    """The inputs as leaves of a graph of their own, or joined to the caller's if that is to be kept; the outputs."""
    one_x = isinstance(inputs, Tensor)
    given = (inputs,) if one_x else inputs
    _check_tensors(given, f"{word}: the inputs given to the function")
    keep = twice if keep is None else keep
    with enable_grad():
        xs = tuple(_entry(x, keep) for x in given)
        result = func(*xs)
    one_y = isinstance(result, Tensor)
    ys = (result,) if one_y else result
    _check_tensors(ys, f"{word}: the outputs of the function")
    if strict:
        for i, y in enumerate(ys):
            _check_depends(y, i, word)
    return xs, ys, one_x, one_y


def _entry(x: Tensor, joined: bool) -> Tensor:
    """A stand-in for an input, so that its gradient is that of this call alone."""
    if joined and x.requires_grad:
        return x.view(x.shape)
    return x.detach().requires_grad_()


def _pull(
    ys: tuple[Tensor, ...],
    xs: tuple[Tensor, ...],
    vs: tuple[Tensor | None, ...],
    create_graph: bool,
    strict: bool,
    word: str,
    what: str,
) -> tuple[Tensor, ...]:
    """The gradients of <v, y> by the inputs; zeros where there is no dependence, or with strict an error."""
    pairs = [(y, v) for y, v in zip(ys, vs, strict=True) if y.requires_grad]
    found: tuple[Any, ...] = (None,) * len(xs)
    if pairs:
        outputs, cotangents = zip(*pairs, strict=True)
        with enable_grad():
            found = _gradients(outputs, xs, cotangents, True, create_graph, True)
    for i, dX in enumerate(found):
        if strict and (dX is None or (create_graph and not dX.requires_grad)):
            how = "is independent of" if dX is None else "has a gradient that is independent of the inputs, as regards"
            raise RuntimeError(f"{word}: with strict=True, the output of the function {how} {what} {i}.")
    return tuple(zeros_like(x) if dX is None else dX for x, dX in zip(xs, found, strict=True))


def _push(
    ys: tuple[Tensor, ...],
    xs: tuple[Tensor, ...],
    vs: tuple[Tensor | None, ...],
    create_graph: bool,
    strict: bool,
    word: str,
) -> tuple[Tensor, ...]:
    """J v, by differentiating uᵀ J by u."""
    with enable_grad():
        us = tuple(wrap(np.zeros(y.shape, y.dtype)).requires_grad_() for y in ys)
        pulled = _pull(ys, xs, us, True, False, word, "input")
        return _pull(pulled, us, vs, create_graph, strict, word, "output")


def _block(y: Tensor, i: int, xs: tuple[Tensor, ...], create_graph: bool, strict: bool) -> list[Tensor]:
    """The Jacobian of one output by every input."""
    columns: list[list[Tensor]] = [[] for _ in xs]
    for k in range(y.numel()):
        v = wrap(np.eye(1, y.numel(), k, y.dtype).reshape(y.shape))
        pulled = _pull((y,), xs, (v,), create_graph, strict, f"jacobian of output {i}", "input")
        for column, dX in zip(columns, pulled, strict=True):
            column.append(dX)
    shape = tuple(y.shape)
    with enable_grad() if create_graph else contextlib.nullcontext():
        return [
            stack(column).reshape((*shape, *x.shape)) if column else wrap(np.zeros((*shape, *x.shape), x.dtype))
            for column, x in zip(columns, xs, strict=True)
        ]


def _vectors(v: Any, like: tuple[Tensor, ...], word: str, what: str) -> tuple[Tensor | None, ...]:
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(
                f"{word}: the vector v can only be None if the function has a single {what} with a single element; "
                f"pass one of the {what}s' shape."
            )
        return (wrap(np.ones(like[0].shape, like[0].dtype)),)
    vs = (v,) if isinstance(v, Tensor) else tuple(v)
    _check_tensors(vs, f"{word}: v")
    if len(vs) != len(like):
        raise RuntimeError(f"{word}: v has invalid length: should be {len(like)} but got {len(vs)}.")
    for i, (a, b) in enumerate(zip(vs, like, strict=True)):
        if a.shape != b.shape:
            raise ShapeError(
                f"{word}: v[{i}] has invalid size: should be {tuple(b.shape)}, as {what} {i}, but got {tuple(a.shape)}."
            )
    return vs


def _check_tensors(values: Any, what: str) -> None:
    if not isinstance(values, tuple) or not all(isinstance(x, Tensor) for x in values):
        kinds = ", ".join(type(x).__name__ for x in values) if isinstance(values, tuple) else type(values).__name__
        raise TypeError(f"{what} must be either a Tensor or a tuple of Tensors, got {kinds}.")


def _check_scalar(y: Any, word: str) -> None:
    if not isinstance(y, Tensor):
        raise RuntimeError(f"{word}: the function given should return a single Tensor.")
    if y.numel() != 1:
        raise RuntimeError(
            f"{word}: the Tensor returned by the function should contain a single element, got shape {tuple(y.shape)}."
        )


def _check_depends(y: Tensor, i: int, word: str) -> None:
    if not y.requires_grad:
        raise RuntimeError(f"{word}: with strict=True, output {i} of the function does not require gradients.")


def _form(values: tuple[Any, ...], one: bool) -> Any:
    return values[0] if one else tuple(values)


def _finished(values: tuple[Tensor, ...], create_graph: bool) -> tuple[Tensor, ...]:
    return values if create_graph else tuple(t.detach() for t in values)
