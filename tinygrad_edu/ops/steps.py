"""What layers over sequences, LSTM and GRU, have in common: computations whose rules walk back over all steps."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.primitive import PRIMITIVES, Array, Primitive, everywhere
from ..core.tensor import Tensor
from .reduction import sum_over


class Opened(Primitive):
    """A computation on arrays and Symbols; on Tensors, where it will be differentiated, its steps one by one.

    For what is a gradient already, so that its own derivative is asked for in second derivatives alone:
    there it is opened, and the rules of what it consists of serve all further orders.
    """

    composition: Callable[..., Any]

    def __call__(self, *args: Any, **params: Any) -> Any:
        if any(isinstance(x, Tensor) for x in args):
            return self.composition(*args, **params)
        return super().__call__(*args, **params)


def opened(composition: Callable[..., Any]) -> Callable[[Callable[..., Any]], Opened]:
    """Enter a forward into the rule book, with the composition that it is equal to."""

    def enter(forward: Callable[..., Any]) -> Opened:
        entry = Opened(
            forward, {}, name=None, numpy=None, types=None, domain=everywhere,
            view=False, opaque=True,
        )  # fmt: skip
        entry.composition = composition
        PRIMITIVES[entry.key] = entry
        return entry

    return enter


def once_per_visit(pull: Callable[..., Any]) -> Callable[..., Any]:
    """The rules of one visit of backward ask for the same cotangents: they are computed for the first.

    The engine hands one tuple of cotangents to all rules of a visit, and makes a new one for the next.
    What is kept goes when the record's own outputs do, so nothing outlives its graph.
    """
    known: Any = None

    def forget(outputs: Any) -> None:
        nonlocal known
        if known is not None and known[1] is outputs:
            known = None

    @functools.wraps(pull)
    def shared(dYs: Sequence[Array], Ys: Sequence[Array], *args: Any) -> Any:
        nonlocal known
        last = known
        if last is not None and last[0] is dYs and last[1]() is Ys[0]:
            return last[2]
        result = pull(dYs, Ys, *args)
        if isinstance(Ys[0], (np.ndarray, Tensor)):
            known = dYs, weakref.ref(Ys[0], forget), result
        return result

    return shared


def columns(Z: Array) -> Array:
    """(k, T, m) as (k, T m): a column per step and sample."""
    return np.reshape(Z, (Z.shape[0], Z.shape[1] * Z.shape[2]))


def over_columns(Z: Array) -> Array:
    """Of (k, T m) the sum over steps and samples, (k,)."""
    return sum_over(Z, axis=(1,), keepdims=False)


def rows(X: Array) -> Array:
    """(T, m, k) as (T m, k): a row per step and sample."""
    return np.reshape(X, (X.shape[0] * X.shape[1], X.shape[2]))


def earlier(H: Array, h: Array, reverse: bool) -> Array:
    """Every step's state before it: h, then H without its last."""
    return np.concatenate([H[1:], h[None]] if reverse else [h[None], H[:-1]], axis=0)


def order(T: int, reverse: bool) -> range:
    """The steps as they are taken."""
    return range(T - 1, -1, -1) if reverse else range(T)
