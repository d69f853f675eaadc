"""Binomial draws from PyTorch's stream, in which each count takes as many draws as its method needs.

Below a mean of 10 failures are skipped by geometric numbers, above it is Hormann's BTRS, "The generation
of binomial random variates" (1993).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.primitive import Array
from ..core.write import read
from .creation import finish
from .generator import Generator, draw_by
from .public import public

_TAILS = (
    0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.0207906721037650, 0.0166446911898211,
    0.0138761288230707, 0.0118967099458917, 0.0104112652619720, 0.0092554621827127, 0.0083305634333628,
)  # fmt: skip  # log k! less Stirling's formula, for k up to 9


@public("binomial", as_method=False)
def binomial(count: Any, prob: Any, generator: Generator | None = None) -> Any:
    """How many of `count` trials succeed, each with probability `prob`; of one shape and dtype. No gradient."""
    return finish(draw_by(binomials, generator, read(count), read(prob)))


def binomials(generator: Generator, count: Array, prob: Array) -> Array:
    """binomial of arrays."""
    counts, probs = np.broadcast_arrays(count, prob)

    def uniform() -> float:
        return float(generator.uniform(1, np.dtype("float64"))[0])

    drawn = [_one(n, p, uniform) for n, p in zip(counts.ravel().tolist(), probs.ravel().tolist(), strict=True)]
    return np.array(drawn, counts.dtype).reshape(counts.shape)


def _one(n: float, p: float, uniform: Callable[[], float]) -> float:
    if n <= 0 or p <= 0:
        return 0.0
    if p >= 1:
        return n
    if math.isnan(p):
        return math.nan
    if p > 0.5:
        return n - _one_of_few(n, 1 - p, uniform)
    return _one_of_few(n, p, uniform)


def _one_of_few(n: float, p: float, uniform: Callable[[], float]) -> float:
    return _rejected(n, p, uniform) if n * p >= 10 else _skipped(n, p, uniform)


def _skipped(n: float, p: float, uniform: Callable[[], float]) -> float:
    """Successes, each of which a geometric number of trials takes."""
    log_failure = math.log1p(-p)
    trials = 0.0
    successes = 0
    while True:
        u = uniform()
        trials += math.ceil(math.log(u) / log_failure) if u > 0 else math.inf
        if trials > n:
            return float(successes)
        successes += 1


def _rejected(n: float, p: float, uniform: Callable[[], float]) -> float:
    spread = math.sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    centre, accepted = n * p + 0.5, 0.92 - 4.2 / b
    odds, alpha = p / (1 - p), (2.83 + 5.1 / b) * spread
    m = math.floor((n + 1) * p)
    while True:
        u, v = uniform() - 0.5, uniform()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + centre)
        if k < 0 or k > n:
            continue
        if us >= 0.07 and v <= accepted:
            return float(k)
        v = math.log(v * alpha / (a / (us * us) + b))
        bound = (
            (m + 0.5) * math.log((m + 1) / (odds * (n - m + 1)))
            + (n + 1) * math.log((n - m + 1) / (n - k + 1))
            + (k + 0.5) * math.log(odds * (n - k + 1) / (k + 1))
            + _tail(m) + _tail(n - m) - _tail(k) - _tail(n - k)
        )  # fmt: skip
        if v <= bound:
            return float(k)


def _tail(k: float) -> float:
    """log k! less Stirling's formula."""
    if k <= 9:
        return _TAILS[int(k)]
    square = (k + 1) * (k + 1)
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1)
