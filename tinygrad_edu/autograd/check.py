"""gradcheck: autograd against central differences, by random directions first, entry by entry after.

For a function f, cotangents dY and a direction V, both sides of

    <dX, V> = <dY, f(X + hV) - f(X - hV)> / 2h

are one number, so a single pair of runs checks all of f's Jacobian at once. Only when they differ
is the whole Jacobian computed, to name the input and the entry that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.errors import name_of
from ..core.tensor import Tensor, wrap


class GradcheckError(RuntimeError):
    """A gradient that differs from finite differences."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
    seed: int = 0,
) -> bool:
    """Whether autograd's gradient of `func` at `inputs` agrees with central differences.

    Args:
        func: takes the inputs, returns a Tensor or several.
        inputs: those that require a gradient are checked; they should be float64.
        eps: half the step of the differences.
        atol, rtol: |difference| <= atol + rtol |numerical| passes.
        raise_exception: raise GradcheckError, naming input and entry, instead of returning False.
        nondet_tol, check_undefined_grad, check_grad_dtypes, check_batched_grad, check_batched_forward_grad,
        check_forward_ad, check_backward_ad, fast_mode, masked: accepted. There is one way to check, along random
            directions, and jvp and vmap are made of the rules that it checks.
        seed: of the random directions.
    Raises:
        GradcheckError: the gradients differ.
        ValueError: no input requires a gradient.
    """
    args = _as_tuple(inputs)
    checked = [i for i, x in enumerate(args) if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise ValueError("gradcheck: at least one input must have requires_grad=True.")
    for i in checked:
        if args[i].dtype != np.float64:
            raise ValueError(
                f"gradcheck: input {i} is {args[i].dtype}; differences of step {eps} need float64: use .double()."
            )
    outputs = [y for y in _as_tuple(func(*args)) if isinstance(y, Tensor) and y.requires_grad]
    if not outputs:
        raise ValueError(
            "gradcheck: no output of the function requires a gradient; make an input with requires_grad=True."
        )
    rng = np.random.default_rng(seed)
    cotangents = [rng.standard_normal(y.shape) for y in outputs]
    from . import grad

    found = grad(outputs, [args[i] for i in checked], [wrap(c) for c in cotangents], allow_unused=True)
    for i, dX in zip(checked, found, strict=True):
        V = rng.standard_normal(args[i].shape)
        V /= max(float(np.linalg.norm(V)), 1.0)
        numbers = np.zeros_like(V) if dX is None else dX._values()
        rise = _difference(func, args, i, V, eps)
        expected = sum(float(np.sum(c * r)) for c, r in zip(cotangents, rise, strict=True))
        computed = float(np.sum(numbers * V))
        if not abs(computed - expected) <= atol + rtol * abs(expected):
            if not raise_exception:
                return False
            raise GradcheckError(_report(func, args, i, eps, atol, rtol, computed, expected))
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
    seed: int = 0,
) -> bool:
    """gradcheck of the gradient itself: whether second derivatives agree with central differences."""
    args = _as_tuple(inputs)
    checked = [i for i, x in enumerate(args) if isinstance(x, Tensor) and x.requires_grad]
    outputs = [y for y in _as_tuple(func(*args)) if isinstance(y, Tensor) and y.requires_grad]
    rng = np.random.default_rng(seed + 1)
    if grad_outputs is None:
        cotangents = [wrap(rng.standard_normal(y.shape)).requires_grad_() for y in outputs]
    else:
        cotangents = list(_as_tuple(grad_outputs))

    def gradient(*everything: Any) -> Any:
        from . import grad

        now, dY = everything[: len(args)], everything[len(args) :]
        ys = [y for y in _as_tuple(func(*now)) if isinstance(y, Tensor) and y.requires_grad]
        dX = grad(ys, [now[i] for i in checked], list(dY), create_graph=True, allow_unused=True)
        return tuple(d for d in dX if d is not None and d.requires_grad)

    return gradcheck(
        gradient, (*args, *cotangents), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception, seed=seed
    )


def _difference(func: Any, args: tuple[Any, ...], i: int, V: np.ndarray[Any, Any], eps: float) -> list[Any]:
    """(f(x + eps V) - f(x - eps V)) / 2 eps for input i, per differentiable output."""

    def at(step: float) -> list[Any]:
        moved = [
            wrap(x._values() + step * V if k == i else x._values()).requires_grad_(x.requires_grad)
            if isinstance(x, Tensor)
            else x
            for k, x in enumerate(args)
        ]
        outputs = [y for y in _as_tuple(func(*moved)) if isinstance(y, Tensor) and y.requires_grad]
        return [y.detach()._values().copy() for y in outputs]

    return [(up - down) / (2 * eps) for up, down in zip(at(eps), at(-eps), strict=True)]


def _report(
    func: Any, args: tuple[Any, ...], i: int, eps: float, atol: float, rtol: float, computed: float, expected: float
) -> str:
    """The first wrong entry of the full Jacobian, with both numbers."""
    from . import grad

    x = args[i]
    outputs = [y for y in _as_tuple(func(*args)) if isinstance(y, Tensor) and y.requires_grad]
    name = name_of(x)
    head = f"gradcheck: input {i}" + (f" ({name})" if name != "_" else "") + f" of shape {tuple(x.shape)}"
    for place in np.ndindex(*x.shape):
        V = np.zeros(x.shape)
        V[place] = 1.0
        columns = _difference(func, args, i, V, eps)
        for k, (y, column) in enumerate(zip(outputs, columns, strict=True)):
            for at in np.ndindex(*y.shape):
                dY = np.zeros(y.shape)
                dY[at] = 1.0
                (dX,) = grad(y, x, wrap(dY), retain_graph=True, allow_unused=True)
                analytical = 0.0 if dX is None else float(dX._values()[place])
                if not abs(analytical - column[at]) <= atol + rtol * abs(column[at]):
                    return (
                        f"{head}: d output {k}{list(at)} / d input {i}{list(place)} is "
                        f"{analytical:.6g} by autograd and {column[at]:.6g} by central differences."
                    )
    return (
        f"{head}: along a random direction the slope is {computed:.6g} by autograd and {expected:.6g} "
        "by central differences, though each entry alone passes: is the function deterministic?"
    )


def _as_tuple(x: Any) -> tuple[Any, ...]:
    return tuple(x) if isinstance(x, (list, tuple)) else (x,)
