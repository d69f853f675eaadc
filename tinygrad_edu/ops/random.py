"""Tensors of random numbers, from PyTorch's own stream (generator.py): uniform, normal, integers, choices.

Each function takes as many numbers from the stream as PyTorch's does, in its order, so that what is
drawn next agrees as well.

Not here: tensors that are overwritten with draws (draws.py), dropout (dropout.py).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.device import require_cpu
from ..core.dtypes import as_dtype, get_default_dtype
from ..core.primitive import Array, primitive
from ..core.tensor import Tensor, as_array
from ..core.write import read
from .checks import check
from .creation import constructor, finish
from .dims import sizes
from .generator import Generator, default_generator, draw_by
from .public import public

_LONG = 1 << 28  # integers from this many on are taken from 64 bits, so that the remainder is nearly uniform


@constructor
def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    name: str | None = None,
) -> Tensor:
    """Uniform on [0, 1)."""
    require_cpu(device, "rand")
    shape, dtype = sizes(size, "rand"), _floating(dtype, "rand")
    values = (generator or default_generator).uniform(math.prod(shape), dtype)
    return finish(values.reshape(shape), requires_grad, name, device)


@constructor
def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    name: str | None = None,
) -> Tensor:
    """Standard normal."""
    require_cpu(device, "randn")
    shape, dtype = sizes(size, "randn"), _floating(dtype, "randn")
    values = (generator or default_generator).normal(math.prod(shape), dtype)
    return finish(values.reshape(shape), requires_grad, name, device)


def _floating(dtype: Any, operation: str) -> np.dtype[Any]:
    found = get_default_dtype() if dtype is None else as_dtype(dtype)
    if found.kind != "f":
        raise RuntimeError(f"{operation}: the numbers are floating, so dtype can't be {found}.")
    return found


@constructor
def randint(
    low: Any = None,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
) -> Tensor:
    """Integers from low (default 0) up to and without high: randint(high, size) or randint(low, high, size)."""
    require_cpu(device, "randint")
    if size is None:
        low, high, size = None, low, high
    elif high is None:  # randint(high, size=...)
        low, high = None, low
    low = 0 if low is None else low
    if size is None or high is None:
        raise TypeError("randint: a size is needed: randint(high, size) or randint(low, high, size).")
    if high <= low:
        raise RuntimeError(f"randint: random_ expects 'from' to be less than 'to', but got {low} >= {high}.")
    wanted = as_dtype(dtype or np.int64)
    if wanted.kind in "iu" and not (np.iinfo(wanted).min <= low and high - 1 <= np.iinfo(wanted).max):
        raise RuntimeError(f"randint: {low} to {high - 1} is out of bounds for {wanted}.")
    shape = sizes((size,), "randint")
    return finish(integers(low, high, math.prod(shape), generator).reshape(shape).astype(wanted), device=device)


def integers(low: int, high: int, count: int, generator: Generator | None) -> np.ndarray[Any, Any]:
    """Integers from low up to and without high, as int64."""
    generator = generator or default_generator
    span = high - low
    words = generator.long_words(count) if span >= _LONG else generator.words(count)
    return (words % np.uint64(span)).astype(np.int64) + low


@constructor
def randperm(n: int, *, generator: Generator | None = None, dtype: Any = None, device: Any = None) -> Tensor:
    """The integers 0 to n - 1 in random order: Fisher and Yates, one word per exchange."""
    require_cpu(device, "randperm")
    if n < 0:
        raise RuntimeError(f"randperm: n must be non-negative, got {n}.")
    words = (generator or default_generator).words(max(n - 1, 0))
    return finish(in_exchanged_order(words, n=n).astype(as_dtype(dtype or np.int64)), device=device)


@primitive(name="randperm", types=None, opaque=True)
def in_exchanged_order(words: Array, *, n: int) -> Array:
    """0 to n - 1, the k-th of them exchanged with one behind it as the k-th of the n - 1 words says."""
    order = list(range(n))
    for i, word in enumerate(words.tolist()):
        j = i + word % (n - i)
        order[i], order[j] = order[j], order[i]
    return np.array(order, np.int64)


@constructor
def rand_like(
    input: Tensor,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """`rand` of the shape and dtype of `input`."""
    return rand(tuple(input.shape), dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


@constructor
def randn_like(
    input: Tensor,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """`randn` of the shape and dtype of `input`."""
    return randn(tuple(input.shape), dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


@constructor
def randint_like(
    input: Tensor, low: int | None = None, high: int | None = None, *, dtype: Any = None, device: Any = None
) -> Tensor:
    """`randint` of the shape and dtype of `input`: randint_like(x, high) or randint_like(x, low, high)."""
    return randint(low, high, size=tuple(input.shape), dtype=dtype or input.dtype, device=device)


# --- distributions


@public("bernoulli")
def bernoulli(input: Any, p: float | None = None, *, generator: Generator | None = None) -> Any:
    """1 with the probability that `input` (or the number p) says, else 0. No gradient.

    Raises:
        RuntimeError: a probability lies outside of [0, 1].
    """
    generator = generator or default_generator
    values = read(input)
    if p is not None:
        drawn = generator.uniform(math.prod(values.shape), np.dtype("float64")).reshape(values.shape) < _probability(p)
        return finish(as_array(drawn.astype(values.dtype)))
    if values.dtype.kind != "f":
        raise RuntimeError(f"bernoulli: the probabilities are floating, not {values.dtype}.")
    check(np.logical_and(values >= 0, values <= 1), "bernoulli: Expected p_in >= 0 && p_in <= 1", RuntimeError, values)
    drawn = generator.uniform(math.prod(values.shape), values.dtype).reshape(values.shape) < values
    return finish(as_array(drawn.astype(values.dtype)))


def exponentials(count: int, generator: Generator | None) -> np.ndarray[Any, Any]:
    """Standard exponentials in float64."""
    return -np.log1p(-(generator or default_generator).uniform(count, np.dtype("float64")))  # type: ignore[no-any-return]


def _probability(p: Any) -> float:
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}.")
    return float(p)


@constructor
def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normals of a mean and a standard deviation, tensors (one draw per element) or numbers with a size."""
    require_cpu(device, "normal")
    generator = generator or default_generator
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        if size is None:
            raise TypeError("normal: of two numbers a size is needed: normal(mean, std, size).")
        if std < 0:
            raise RuntimeError(f"normal: normal expects std >= 0.0, but found std {std}.")
        shape, dtype = sizes((size,), "normal"), _floating(dtype, "normal")
        draws = generator.normal(math.prod(shape), dtype)
        return finish((draws * std + mean).astype(dtype).reshape(shape), requires_grad)
    like = mean if isinstance(mean, Tensor) else std
    m, s = (read(x) if isinstance(x, Tensor) else x for x in (mean, std))
    check(np.greater_equal(s, 0), "normal expects all elements of std >= 0.0")
    shape = np.broadcast_shapes(np.shape(m), np.shape(s))
    draws = generator.normal(math.prod(shape), like.dtype).reshape(shape)
    return finish(as_array((draws * s + m).astype(like.dtype)))


@public("multinomial")
def multinomial(input: Any, num_samples: int, replacement: bool = False, *, generator: Generator | None = None) -> Any:
    """Indices drawn in proportion to weights, from a vector or from each row of a matrix. No gradient.

    Without replacement the draws are those with the largest weight / exponential, as in PyTorch.

    Raises:
        RuntimeError: a weight is negative or not finite, or a row has too few positive ones.
    """
    weights = read(input)
    if weights.ndim not in (1, 2) or weights.dtype.kind != "f":
        raise RuntimeError(
            f"multinomial: weights are a floating vector or matrix, not {weights.dtype} {weights.shape}."
        )
    rows = weights.reshape(-1, weights.shape[-1])
    if num_samples <= 0 or (not replacement and num_samples > rows.shape[1]):
        raise RuntimeError(
            f"multinomial: cannot sample n_sample > prob_dist.size(-1) samples without replacement: "
            f"{num_samples} of {rows.shape[1]}."
        )
    refusal = "multinomial: the weights must be finite, not negative, and not all zero in a row"
    check(np.logical_and(np.isfinite(rows), rows >= 0), refusal)
    check(np.sum(rows, axis=1) > 0, refusal)
    if replacement and num_samples > 1:  # of one draw replacement makes no difference, and PyTorch none
        draws = (generator or default_generator).uniform(rows.shape[0] * num_samples, np.dtype("float64"))
        picked = at_shares(rows, draws.reshape(rows.shape[0], num_samples))
    else:
        clocks = exponentials(rows.shape[0] * rows.shape[1], generator).astype(rows.dtype).reshape(rows.shape)
        picked = first_to_ring(rows, clocks, count=num_samples)
    return finish(picked.reshape(*weights.shape[:-1], num_samples))


@primitive(name="multinomial", types=None, opaque=True)
def at_shares(weights: Array, draws: Array) -> Array:
    """(n, k), (n, count) -> (n, count): which weight of a row each number of [0, 1) falls on, as int64."""
    steps = np.cumsum(weights, axis=1)
    steps = steps / steps[:, -1:]
    picked = [np.searchsorted(step, draw) for step, draw in zip(steps, draws, strict=True)]
    return np.array(picked, np.int64).reshape(draws.shape)


@primitive(name="multinomial", types=None, opaque=True)
def first_to_ring(weights: Array, clocks: Array, *, count: int) -> Array:
    """(n, k), (n, k) -> (n, count): the places of the largest weight / clock of each row, as int64."""
    return np.argsort(-(weights / clocks), axis=1, kind="stable")[:, :count].astype(np.int64)


@public("poisson", as_method=False)
def poisson(input: Any, generator: Generator | None = None) -> Any:
    """Counts with the mean rates in `input`. No gradient.

    PyTorch's stream, in which each count takes as many draws as its method needs, so element by element.
    Source: below 10 Knuth's product of uniforms, above Hormann's PTRS, "The transformed rejection
    method for generating Poisson random variables" (1993).
    """
    rates = read(input)
    check(~(rates < 0), "poisson: invalid Poisson rate, expected rate to be non-negative", RuntimeError, rates)
    return finish(draw_by(_poissons, generator, rates))


def _poissons(generator: Generator, rates: Array) -> Array:
    counts = [_poisson(rate, generator) for rate in rates.ravel().tolist()]
    return np.array(counts, rates.dtype).reshape(rates.shape)


def _poisson(rate: float, generator: Generator) -> int:
    def uniform() -> float:
        return float(generator.uniform(1, np.dtype("float64"))[0])

    if rate < 10:
        count, product, limit = 0, uniform() if rate else 0.0, math.exp(-rate)
        while product > limit:
            count, product = count + 1, product * uniform()
        return count
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha, accepted = 1.1239 + 1.1328 / (b - 3.4), 0.9277 - 3.6224 / (b - 2)
    while True:
        u, v = uniform() - 0.5, uniform()
        us = 0.5 - abs(u)
        count = math.floor((2 * a / us + b) * u + rate + 0.43)
        if us >= 0.07 and v <= accepted:
            return count
        if count < 0 or (us < 0.013 and v > us):
            continue
        bound = -rate + count * math.log(rate) - math.lgamma(count + 1)
        if math.log(v) + math.log(inverse_alpha) - math.log(a / (us * us) + b) <= bound:
            return count
