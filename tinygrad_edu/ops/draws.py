"""Tensors overwritten with draws, from PyTorch's stream (generator.py): `x.normal_()` and its like.

Source of how numbers become draws: ATen/core/TransformationHelper.h and DistributionsHelper.h.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.primitive import Array, primitive
from ..core.quiet import quietly
from ..core.tensor import Tensor
from .creation import finish
from .generator import Generator, default_generator
from .public import public
from .random import bernoulli, exponentials, integers
from .writes import copy_

_DOUBLE = np.dtype("float64")


def _fill(self: Tensor, values: np.ndarray[Any, Any]) -> Tensor:
    return copy_(self, finish(values.astype(self.dtype).reshape(self.shape)))


@public("uniform_", function=False)
@quietly
def uniform_(self: Tensor, a: float = 0.0, b: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Overwrite this tensor with numbers uniform on [a, b)."""
    if not a <= b:
        raise RuntimeError(f"uniform_: expects to return a [from, to) range, but found from={a} > to={b}.")
    values = (generator or default_generator).uniform(self.numel(), self.dtype)
    return copy_(self, _laid_out(onto_range(values, low=a, high=b).astype(self.dtype), self))


@primitive(name="onto_range", types=None, opaque=True)
def onto_range(U: Array, *, low: float, high: float) -> Array:
    """low + (high - low) U, rounded once, as PyTorch's compiler makes one instruction of product and sum."""
    number, wide = U.dtype.type, np.float64 if U.dtype == np.float32 else np.longdouble
    first, last = number(low), number(high)
    return (U.astype(wide) * wide(last - first) + wide(first)).astype(U.dtype)


@public("normal_", function=False)
@quietly
def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Overwrite this tensor with normals of a mean and a standard deviation."""
    if std < 0:
        raise RuntimeError(f"normal_: normal expects std >= 0.0, but found std {std}.")
    values = (generator or default_generator).normal(self.numel(), self.dtype, singly=not self.is_contiguous())
    return copy_(self, _laid_out((values * std + mean).astype(self.dtype), self))


def _laid_out(values: np.ndarray[Any, Any], like: Tensor) -> Tensor:
    """Numbers in the order in which the tensor's elements lie in memory: PyTorch fills a transpose that way."""
    order = sorted(range(like.ndim), key=like.stride().__getitem__, reverse=True)
    values = values.reshape([like.shape[i] for i in order])
    return finish(np.transpose(values, tuple(np.argsort(order).tolist())))


@public("bernoulli_", function=False)
def bernoulli_(self: Tensor, p: float = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Overwrite this tensor with ones, of probability p, and zeros."""
    return copy_(self, bernoulli(self.detach(), p, generator=generator))


@public("exponential_", function=False)
@quietly
def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Overwrite this tensor with numbers of density lambd exp(-lambd x)."""
    if lambd <= 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}.")
    return _fill(self, exponentials(self.numel(), generator) / lambd)


@public("random_", function=False)
def random_(self: Tensor, *limits: int, generator: Generator | None = None, **named: Any) -> Tensor:
    """Overwrite with integers: random_(), random_(to) from 0 up to `to` without it, or random_(from, to).

    Without limits up to the largest integer that the dtype holds exactly.
    """
    low, high = (0, *limits)[-2:] if limits else (named.get("from", 0), named.get("to"))
    if high is None:
        digits = {"f": {4: 24, 8: 53}, "b": {1: 0}}.get(self.dtype.kind)
        largest = 1 << digits[self.dtype.itemsize] if digits else int(np.iinfo(self.dtype).max)
        stream = generator or default_generator  # as wide a draw as an element, whatever the range
        words = stream.long_words(self.numel()) if self.dtype.itemsize == 8 else stream.words(self.numel())
        return _fill(self, words % np.uint64(largest + 1))
    if high <= low:
        raise RuntimeError(f"random_: expects 'from' to be less than 'to', but got from={low} >= to={high}.")
    return _fill(self, integers(int(low), int(high), self.numel(), generator))


@public("geometric_", function=False)
@quietly
def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with the number of trials up to the first success, each succeeding with probability p."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}.")
    uniform = (generator or default_generator).uniform(self.numel(), _DOUBLE)
    return _fill(self, np.ceil(np.log(uniform) / math.log1p(-p)))


@public("cauchy_", function=False)
@quietly
def cauchy_(self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with draws of density sigma / (pi (sigma^2 + (x - median)^2))."""
    if sigma <= 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma}.")
    uniform = (generator or default_generator).uniform(self.numel(), _DOUBLE)
    return _fill(self, median + sigma * np.tan(math.pi * (uniform - 0.5)))


@public("log_normal_", function=False)
@quietly
def log_normal_(self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with exp of normals of this mean and standard deviation."""
    if std <= 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std}.")
    normals = (generator or default_generator).normal(self.numel(), _DOUBLE, singly=True)
    return _fill(self, np.exp(normals * std + mean))
