"""Gradients of functions as functions.

The arguments to differentiate by enter the function as stand-ins, so that each call has a graph of
its own. Where the caller differentiates too (an argument or a captured tensor requires a gradient),
the stand-ins stay joined to the arguments and the gradient's own computation is recorded.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..autograd import enable_grad
from ..autograd.tree import leaves, mapped, rebuild
from ..core.backward import grad as gradients
from ..core.errors import ShapeError
from ..core.mode import mode
from ..core.record import reached
from ..core.tensor import Tensor, record_of, wrap
from ..ops.creation import zeros_like
from ..ops.joining import stack

Argnums = int | tuple[int, ...]


def grad(func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that computes the gradient of a scalar function.

    Args:
        func: returns a scalar tensor; with has_aux a pair of it and anything else.
        argnums: which arguments to differentiate by; a tuple gives a tuple.
        has_aux: return (gradient, the anything else).

    >>> from tinygrad_edu import tensor
    >>> grad(grad(lambda x: x**3))(tensor(2.0))
    tensor(12.)
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return gradient


def grad_and_value(func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that computes (gradient, value) of a scalar function; the value is (value, aux) with has_aux."""

    @functools.wraps(func)
    def both(*args: Any, **kwargs: Any) -> Any:
        run = _Run("grad", func, args, kwargs, argnums, has_aux)
        if not isinstance(run.output, Tensor) or run.output.ndim:
            got = f"shape {tuple(run.output.shape)}" if isinstance(run.output, Tensor) else type(run.output).__name__
            raise RuntimeError(f"grad: Expected f(*args) to return a scalar tensor, got {got}; reduce it: .sum().")
        found = run.pull([run.output], [None])
        value = run.released(run.output)
        return run.in_form(found), (value, run.released(run.aux)) if has_aux else value

    return both


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of func(*primals), and a function that takes a cotangent of it to a tuple of gradients.

    With has_aux, func returns a pair, and its second half is returned third.
    """
    run = _Run("vjp", func, primals, {}, tuple(range(len(primals))), has_aux)
    outputs = run.outputs()

    def pullback(cotangents: Any) -> Any:
        given = list(leaves(cotangents))
        _check_like(given, outputs, "vjp", "cotangents", "outputs")
        return run.in_form(run.pull(outputs, given))

    value = run.released(run.output)
    return (value, pullback, run.released(run.aux)) if has_aux else (value, pullback)


def jvp(func: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> Any:
    """The value of func(*primals), and how it changes as the primals move along the tangents.

    There is no forward mode: the gradient is linear in its cotangent, and is differentiated by it.
    """
    if not isinstance(primals, tuple) or not isinstance(tangents, tuple):
        raise RuntimeError("jvp: primals and tangents must be tuples, one entry per argument of the function.")
    run = _Run("jvp", func, primals, {}, tuple(range(len(primals))), has_aux)
    given = list(leaves(tangents))
    _check_like(given, run.entered, "jvp", "tangents", "primals")
    outputs = run.outputs()
    with enable_grad():
        us = [wrap(np.zeros(y.shape, y.dtype)).requires_grad_() for y in outputs]
        pulled = run.pull(outputs, us, create_graph=True)
        create = run.joined or any(t.requires_grad for t in given)
        flowing = [(p, t) for p, t in zip(pulled, given, strict=True) if p.requires_grad]
        pushed: Any = [None] * len(us)
        if flowing:
            ps, ts = zip(*flowing, strict=True)
            pushed = gradients(ps, us, ts, True, create and run.recording, True)
    if strict and any(p is None for p in pushed):
        raise RuntimeError("jvp: with strict=True, an output does not depend on the primals.")
    result = rebuild(run.output, iter([zeros_like(u) if p is None else p for u, p in zip(us, pushed, strict=True)]))
    value = run.released(run.output)
    return (value, result, run.released(run.aux)) if has_aux else (value, result)


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """The value of func(*primals), and a function that takes tangents to how the value changes along them.

    >>> from tinygrad_edu import tensor
    >>> value, along = linearize(lambda x: x**2, tensor([1.0, 2.0]))
    >>> along(tensor([1.0, 10.0]))
    tensor([ 2., 40.])
    """

    def along(*tangents: Any) -> Any:
        return jvp(func, primals, tangents)[1]

    return func(*primals), along


def jacrev(
    func: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function that computes the Jacobian: of the form of the output, each tensor in it by each argument.

    One backward pass per output element; chunk_size is accepted and changes nothing.
    """

    @functools.wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        run = _Run("jacrev", func, args, kwargs, argnums, has_aux)
        blocks = [run.in_form(run.rows(y)) for y in run.outputs()]
        result = rebuild(run.output, iter(blocks))
        return (result, run.released(run.aux)) if has_aux else result

    return jacobian


def jacfwd(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable[..., Any]:
    """jacrev under its other name: there is no forward mode here, the result is the same."""
    return jacrev(func, argnums, has_aux=has_aux)


def hessian(func: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """A function that computes the second derivatives: the Jacobian of the Jacobian.

    >>> from tinygrad_edu import tensor
    >>> hessian(lambda x: (x**3).sum())(tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


class _Run:
    """One call of a function on stand-ins for the arguments that it is to be differentiated by."""

    def __init__(self, word: str, func: Any, args: Any, kwargs: Any, argnums: Argnums, has_aux: bool) -> None:
        self.word = word
        self.recording = mode.grad
        self.one = isinstance(argnums, int)
        places = [_place(word, n, args) for n in ((argnums,) if isinstance(argnums, int) else argnums)]
        self.chosen = tuple(args[i] for i in places)
        originals = list(leaves(self.chosen))
        for x in originals:
            _check_floating(word, x)
        with enable_grad():
            self.entered = [self._enter(x) for x in originals]
            fresh = iter(rebuild(self.chosen, iter(self.entered)))
            stand_ins = dict(zip(places, fresh, strict=True))
            result = func(*(stand_ins.get(i, x) for i, x in enumerate(args)), **kwargs)
        if has_aux and not (isinstance(result, tuple) and len(result) == 2):
            raise RuntimeError(f"{word}: with has_aux=True the function must return a tuple (output, aux).")
        self.output: Any = result[0] if has_aux else result
        self.aux: Any = result[1] if has_aux else None
        # Whether the caller differentiates too
        self.joined = self.recording and (any(x.requires_grad for x in originals) or self._reaches_others())

    def _enter(self, x: Tensor) -> Tensor:
        if self.recording and x.requires_grad:
            return x.clone()
        return x.detach().requires_grad_()

    def _reaches_others(self) -> bool:
        """Whether the output depends on a leaf that is not one of the stand-ins."""
        own = {x._record for x in self.entered}
        outputs = [record_of(y) for y in leaves(self.output) if isinstance(y, Tensor) and y.requires_grad]
        return any(r.primitive is None and r.needs_grad and r not in own for r in reached(outputs))

    def outputs(self) -> list[Tensor]:
        found = list(leaves(self.output))
        for y in found:
            if not isinstance(y, Tensor):
                raise RuntimeError(
                    f"{self.word}: Expected f(*primals) to return only tensors, got unsupported type {type(y).__name__}"
                )
        return found

    def pull(self, outputs: Sequence[Tensor], cotangents: Sequence[Any], create_graph: bool = False) -> list[Tensor]:
        """The gradients of the outputs by the stand-ins; zeros where there is no dependence."""
        pairs = [(y, v) for y, v in zip(outputs, cotangents, strict=True) if y.requires_grad]
        found: Any = [None] * len(self.entered)
        if pairs:
            ys, vs = zip(*pairs, strict=True)
            asked = self.joined or any(v is not None and v.requires_grad for v in vs)
            with enable_grad():
                found = gradients(ys, self.entered, vs, True, create_graph or (asked and mode.grad), True)
        return [zeros_like(x) if dX is None else dX for x, dX in zip(self.entered, found, strict=True)]

    def rows(self, y: Tensor) -> list[Tensor]:
        """The Jacobian of one output by every stand-in."""
        pulled = [self.pull([y], [wrap(np.eye(1, y.numel(), k, y.dtype).reshape(y.shape))]) for k in range(y.numel())]
        shape = tuple(y.shape)
        return [
            stack([row[i] for row in pulled]).reshape((*shape, *x.shape))
            if pulled
            else wrap(np.zeros((*shape, *x.shape), x.dtype))
            for i, x in enumerate(self.entered)
        ]

    def in_form(self, values: list[Tensor]) -> Any:
        """Values, one per stand-in, in the form of the arguments they stand for."""
        trees = rebuild(self.chosen, iter(values))
        return trees[0] if self.one else trees

    def released(self, tree: Any) -> Any:
        """Results as the caller gets them: in the caller's graph, or in none."""
        return tree if self.joined else mapped(lambda x: x.detach() if isinstance(x, Tensor) else x, tree)


def _place(word: str, n: Any, args: tuple[Any, ...]) -> int:
    if not isinstance(n, int):
        raise RuntimeError(f"{word}: argnums must be an int or a tuple of ints, got {type(n).__name__}.")
    if not -len(args) <= n < len(args):
        raise RuntimeError(f"{word}: Got argnum={n}, but only {len(args)} positional inputs")
    return n % len(args)


def _check_floating(word: str, x: Any) -> None:
    if not isinstance(x, Tensor):
        raise ValueError(f"{word}: Expected all inputs to differentiate by to be tensors, got {type(x).__name__}.")
    if x.dtype.kind != "f":
        raise RuntimeError(f"{word}: only floating tensors have gradients, got {x.dtype}; convert it with .float().")


def _check_like(values: list[Any], like: Sequence[Tensor], word: str, what: str, whose: str) -> None:
    if len(values) != len(like) or not all(isinstance(v, Tensor) for v in values):
        raise RuntimeError(f"{word}: Expected {what} to have the same form as the {whose}: {len(like)} tensors.")
    for v, y in zip(values, like, strict=True):
        if v.shape != y.shape:
            raise ShapeError(f"{word}: {what} of shape {tuple(v.shape)}, expected {tuple(y.shape)} as the {whose}.")
