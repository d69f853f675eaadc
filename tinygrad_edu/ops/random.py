"""Random numbers: PyTorch's own CPU stream, so that one seed gives one initialisation in both.

PyTorch draws from a 32-bit Mersenne Twister, seeded as NumPy's RandomState seeds it. How the raw
integers become numbers follows ATen (aten/src/ATen/core/DistributionsHelper.h and
native/cpu/DistributionTemplates.h): floats take 24 bits, doubles 53, normals come in pairs by
Box and Muller, 16 or more at a time in blocks of 16.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ..core.device import CPU, require_cpu
from ..core.dtypes import as_dtype, get_default_dtype
from ..core.errors import TraceError
from ..core.mode import mode
from ..core.primitive import primitive
from ..core.symbol import Symbol
from ..core.tensor import Tensor, wrap
from .checks import check
from .creation import constructor, finish
from .dims import sizes
from .public import public

_BLOCK = 16  # normals per Box-Muller block; fewer numbers than this are drawn one by one
_WORDS = 624  # of the Mersenne Twister's state
_LONG = 1 << 28  # integers from this many on are taken from 64 bits, so that the remainder is nearly uniform

# PyTorch's CPUGeneratorImplState (aten/src/ATen/CPUGeneratorImpl.cpp): `left` words of the state are not used up
# yet, `next` is the first of them; `spare` is the second normal of the last pair.
_STATE = np.dtype(
    {
        "names": ["seed", "left", "seeded", "next", "words", "spare", "has_spare"],
        "formats": ["<u8", "<i4", "<i4", "<u8", ("<u8", _WORDS), "<f8", "<i4"],
        "offsets": [0, 8, 12, 16, 24, 24 + 8 * _WORDS + 8, 24 + 8 * _WORDS + 24],
        "itemsize": 5056,
    }
)


class Generator:
    """A stream of random numbers with a state of its own.

    >>> g = Generator().manual_seed(0)
    >>> g.initial_seed()
    0
    """

    def __init__(self, device: Any = "cpu") -> None:
        self.device = require_cpu(device, "Generator")
        self.manual_seed(67280421310721)  # PyTorch's default seed

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream anew. Returns the generator."""
        self._seed = int(seed)
        self._drawn = False  # PyTorch's state tells whether it is as it was seeded
        self._twister: Any = None  # made when first drawn from: importing numpy.random takes 10 ms
        self._spare: float | None = None  # the second normal of the last pair
        return self

    @property
    def _bits(self) -> np.random.MT19937:
        if self._twister is None:
            state = np.random.RandomState(self._seed & 0xFFFFFFFF)  # the Twister takes the low 32 bits
            self._twister = np.random.MT19937()
            self._twister.state = state.get_state(legacy=False)
        return self._twister  # type: ignore[no-any-return]  # Any, so that it can be None

    def initial_seed(self) -> int:
        """The seed the stream was started with, as a number below 2 ** 64."""
        return self._seed % 2**64

    def seed(self) -> int:
        """Start from an unpredictable seed, and return it."""
        seed = int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> np.uint64(1))
        self.manual_seed(seed)
        return seed

    def get_state(self) -> Tensor:
        """All that is needed to go on from here, for `set_state`: bytes, (5056,), laid out as PyTorch's are."""
        twister = self._bits.state["state"]
        state = np.zeros((), _STATE)
        state["seed"], state["seeded"] = self._seed % 2**64, 1
        state["left"], state["next"] = _WORDS + 1 - twister["pos"], twister["pos"] if self._drawn else 0
        state["words"] = twister["key"]
        if self._spare is not None:
            state["spare"], state["has_spare"] = self._spare, 1
        return wrap(np.frombuffer(state.tobytes(), np.uint8).copy())

    def set_state(self, new_state: Tensor) -> Generator:
        """Go on from where `get_state` was called, here or in PyTorch. Returns the generator.

        Raises:
            TypeError: it is no tensor of bytes.
            RuntimeError: it is of another length, or not the state of a generator. Nothing has been changed.
        """
        if not isinstance(new_state, Tensor) or new_state.dtype != np.uint8:
            kind = f"a {new_state.dtype} tensor" if isinstance(new_state, Tensor) else type(new_state).__name__
            raise TypeError(f"RNG state must be a torch.ByteTensor: the uint8 tensor of get_state(), not {kind}.")
        if tuple(new_state.shape) != (_STATE.itemsize,):
            raise RuntimeError(
                f"RNG state is wrong size: {_STATE.itemsize} bytes are expected, not {tuple(new_state.shape)}."
            )
        state = np.frombuffer(np.ascontiguousarray(new_state._values()), _STATE)[0]
        left = int(state["left"])
        if not state["seeded"] or not 1 <= left <= _WORDS or state["words"].max() > 0xFFFFFFFF:
            raise RuntimeError("Invalid mt19937 state: these bytes are not what get_state() gives.")
        self._seed, self._drawn = int(state["seed"]), bool(state["next"])
        self._spare = float(state["spare"]) if state["has_spare"] else None
        self._twister = np.random.MT19937()
        self._twister.state = {
            "bit_generator": "MT19937",
            "state": {"key": state["words"].astype(np.uint32), "pos": _WORDS + 1 - left},
        }
        return self

    def clone_state(self) -> Generator:
        """Another generator in the same state."""
        return Generator().set_state(self.get_state())

    def __getstate__(self) -> dict[str, Any]:
        return {"state": self.get_state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.device = CPU
        self.set_state(state["state"])

    # --- raw draws

    def words(self, count: int) -> np.ndarray[Any, Any]:
        """The next `count` 32-bit integers, as uint64."""
        if mode.trace is not None:
            raise TraceError(
                "random integers are drawn while the step is being traced; draw them outside of it (uniform and normal "
                "numbers, and so dropout, may be drawn inside)."
            )
        self._drawn = self._drawn or count > 0
        return np.asarray(self._bits.random_raw(count), np.uint64)

    def long_words(self, count: int) -> np.ndarray[Any, Any]:
        """The next `count` 64-bit integers; each takes two words, the high one first."""
        pairs = self.words(2 * count).reshape(count, 2)
        return np.asarray((pairs[:, 0] << np.uint64(32)) | pairs[:, 1])

    def uniform(self, count: int, dtype: Any) -> np.ndarray[Any, Any]:
        """`count` numbers in [0, 1): 24 random bits in float32, 53 in float64."""
        if mode.trace is not None:
            return self._later("uniform", count, dtype)  # type: ignore[no-any-return]
        if dtype == np.float32:
            return (self.words(count) & np.uint64((1 << 24) - 1)).astype(np.float32) * np.float32(2.0**-24)
        return (self.long_words(count) & np.uint64((1 << 53) - 1)).astype(np.float64) * 2.0**-53

    def normal(self, count: int, dtype: Any, singly: bool = False) -> np.ndarray[Any, Any]:
        """`count` standard normals; `singly`: not in blocks, as PyTorch draws them for strided memory."""
        if mode.trace is not None:
            return self._later("normal", count, dtype, singly)  # type: ignore[no-any-return]
        if count < _BLOCK or singly:
            return np.array([self._one_normal() for _ in range(count)], dtype)
        draws = self.uniform(count, dtype)
        whole = count - count % _BLOCK
        _box_muller(draws[:whole].reshape(-1, _BLOCK))
        if whole < count:  # the last block is drawn afresh, over the end of the one before
            draws[-_BLOCK:] = self.uniform(_BLOCK, dtype)
            _box_muller(draws[-_BLOCK:].reshape(1, _BLOCK))
        return draws

    def _later(self, kind: str, count: int, dtype: Any, *settings: Any) -> Any:
        """In a trace: an equation that draws from this very generator whenever the program runs."""
        params = {"draw": functools.partial(getattr(self, kind), count, dtype, *settings)}
        symbol = Symbol((count,), np.dtype(dtype), None, drawn, (), params)
        mode.trace.drew(symbol)
        return symbol

    def _one_normal(self) -> float:
        if self._spare is not None:
            value, self._spare = self._spare, None
            return value
        u1, u2 = self.uniform(2, np.float64)
        radius, angle = math.sqrt(-2.0 * math.log1p(-u2)), 2.0 * math.pi * u1
        self._spare = radius * math.sin(angle)
        return radius * math.cos(angle)


@primitive(name="random", types=None, opaque=True)
def drawn(*, draw: Any) -> Any:
    """Random numbers, as an equation of a traced step. No gradient."""
    return draw()


def _box_muller(blocks: np.ndarray[Any, Any]) -> None:
    """Turn uniforms into normals, in place: the first half of a block gives radii, the second angles."""
    half = _BLOCK // 2
    radius = np.sqrt(-2 * np.log(1 - blocks[:, :half]))
    angle = blocks.dtype.type(2 * math.pi) * blocks[:, half:]
    blocks[:, :half] = radius * np.cos(angle)
    blocks[:, half:] = radius * np.sin(angle)


default_generator = Generator()


@constructor
def manual_seed(seed: int) -> Generator:
    """Seed the default generator. The numbers that follow are PyTorch's for the same seed."""
    return default_generator.manual_seed(seed)


@constructor
def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


@constructor
def seed() -> int:
    """Seed the default generator unpredictably, and return the seed."""
    return default_generator.seed()


@constructor
def get_rng_state() -> Tensor:
    """All that is needed for the default generator to go on from here, for `set_rng_state`: bytes, (5056,)."""
    return default_generator.get_state()


@constructor
def set_rng_state(new_state: Tensor) -> None:
    """Let the default generator go on from where `get_rng_state` was called."""
    default_generator.set_state(new_state)


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
    order = list(range(n))
    words = (generator or default_generator).words(max(n - 1, 0)).tolist()
    for i, word in enumerate(words):
        j = i + word % (n - i)
        order[i], order[j] = order[j], order[i]
    return finish(np.array(order, as_dtype(dtype or np.int64)), device=device)


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
def randint_like(input: Tensor, low: int, high: int | None = None, *, dtype: Any = None, device: Any = None) -> Tensor:
    """`randint` of the shape and dtype of `input`."""
    if high is None:
        low, high = 0, low
    return randint(low, high, tuple(input.shape), dtype=dtype or input.dtype, device=device)


@public("uniform_", function=False)
def uniform_(self: Tensor, a: float = 0.0, b: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Overwrite this tensor with numbers uniform on [a, b)."""
    from .writes import copy_

    if not a <= b:
        raise RuntimeError(f"uniform_: expects to return a [from, to) range, but found from={a} > to={b}.")
    values = (generator or default_generator).uniform(self.numel(), self.dtype)
    # PyTorch's compiler fuses product and sum: they are rounded once, so more digits are needed here.
    wide: Any = np.float64 if self.dtype == np.float32 else np.longdouble
    low, high = self.dtype.type(a), self.dtype.type(b)
    values = values.astype(wide) * wide(high - low) + wide(low)
    return copy_(self, _laid_out(values.astype(self.dtype), self))


@public("normal_", function=False)
def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Overwrite this tensor with normals of a mean and a standard deviation."""
    from .writes import copy_

    if std < 0:
        raise RuntimeError(f"normal_: normal expects std >= 0.0, but found std {std}.")
    values = (generator or default_generator).normal(self.numel(), self.dtype, singly=not self.is_contiguous())
    return copy_(self, _laid_out((values * std + mean).astype(self.dtype), self))


def _laid_out(values: np.ndarray[Any, Any], like: Tensor) -> Tensor:
    """Numbers in the order in which the tensor's elements lie in memory: PyTorch fills a transpose that way."""
    order = sorted(range(like.ndim), key=like.stride().__getitem__, reverse=True)
    values = values.reshape([like.shape[i] for i in order])
    return finish(values.transpose(np.argsort(order)))


# --- distributions


@public("bernoulli")
def bernoulli(input: Any, p: float | None = None, *, generator: Generator | None = None) -> Any:
    """1 with the probability that `input` (or the number p) says, else 0. No gradient.

    Raises:
        RuntimeError: a probability lies outside of [0, 1].
    """
    generator = generator or default_generator
    values = input._values()
    if p is not None:
        drawn = generator.uniform(values.size, np.dtype("float64")).reshape(values.shape) < _probability(p)
        return finish(drawn.astype(values.dtype))
    if values.dtype.kind != "f":
        raise RuntimeError(f"bernoulli: the probabilities are floating, not {values.dtype}.")
    check(np.logical_and(values >= 0, values <= 1), "bernoulli: Expected p_in >= 0 && p_in <= 1", RuntimeError, values)
    return finish((generator.uniform(values.size, values.dtype).reshape(values.shape) < values).astype(values.dtype))


@public("bernoulli_", function=False)
def bernoulli_(self: Tensor, p: float = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Overwrite this tensor with ones, of probability p, and zeros."""
    from .writes import copy_

    return copy_(self, bernoulli(self.detach(), p, generator=generator))


def _probability(p: Any) -> float:
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}.")
    return float(p)


@public("exponential_", function=False)
def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Overwrite this tensor with numbers of density lambd exp(-lambd x)."""
    from .writes import copy_

    if lambd <= 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}.")
    values = _exponential(self.numel(), generator) / lambd
    return copy_(self, finish(values.astype(self.dtype).reshape(self.shape)))


def _exponential(count: int, generator: Generator | None) -> np.ndarray[Any, Any]:
    return np.asarray(-np.log1p(-(generator or default_generator).uniform(count, np.dtype("float64"))))


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
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        if size is None:
            raise TypeError("normal: of two numbers a size is needed: normal(mean, std, size).")
        empty = finish(np.zeros(sizes((size,), "normal"), _floating(dtype, "normal")))
        return normal_(empty, mean, std, generator=generator).requires_grad_(requires_grad)
    like = mean if isinstance(mean, Tensor) else std
    m, s = (x._values() if isinstance(x, Tensor) else x for x in (mean, std))
    if np.any(np.less(s, 0)):
        raise RuntimeError("normal expects all elements of std >= 0.0.")
    shape = np.broadcast_shapes(np.shape(m), np.shape(s))
    draws = (generator or default_generator).normal(math.prod(shape), like.dtype).reshape(shape)
    return finish(np.asarray(draws * s + m, like.dtype))


@public("multinomial")
def multinomial(input: Any, num_samples: int, replacement: bool = False, *, generator: Generator | None = None) -> Any:
    """Indices drawn in proportion to weights, from a vector or from each row of a matrix. No gradient.

    Without replacement the draws are those with the largest weight / exponential, as in PyTorch.

    Raises:
        RuntimeError: a weight is negative or not finite, or a row has too few positive ones.
    """
    weights = input._values()
    if weights.ndim not in (1, 2) or weights.dtype.kind != "f":
        raise RuntimeError(
            f"multinomial: weights are a floating vector or matrix, not {weights.dtype} {weights.shape}."
        )
    rows = np.atleast_2d(weights)
    if num_samples <= 0 or (not replacement and num_samples > rows.shape[1]):
        raise RuntimeError(
            f"multinomial: cannot sample n_sample > prob_dist.size(-1) samples without replacement: "
            f"{num_samples} of {rows.shape[1]}."
        )
    if not np.isfinite(rows).all() or (rows < 0).any() or (rows.sum(1) <= 0).any():
        raise RuntimeError("multinomial: the weights must be finite, not negative, and not all zero in a row.")
    if replacement and num_samples > 1:  # of one draw replacement makes no difference, and PyTorch none
        steps = np.cumsum(rows, axis=1)
        steps = steps / steps[:, -1:]
        draws = (generator or default_generator).uniform(len(rows) * num_samples, np.dtype("float64"))
        draws = draws.reshape(len(rows), num_samples)
        picked = np.stack([np.searchsorted(step, draw) for step, draw in zip(steps, draws, strict=True)])
    else:
        clocks = _exponential(rows.size, generator).astype(rows.dtype).reshape(rows.shape)
        picked = np.argsort(-(rows / clocks), axis=1, kind="stable")[:, :num_samples]
    return finish(picked.astype(np.int64).reshape(*weights.shape[:-1], num_samples))


@public("poisson", as_method=False)
def poisson(input: Any, generator: Generator | None = None) -> Any:
    """Counts with the mean rates in `input`. No gradient.

    PyTorch's stream, in which each count takes as many draws as its method needs, so element by element.
    Source: below 10 Knuth's product of uniforms, above Hormann's PTRS, "The transformed rejection
    method for generating Poisson random variables" (1993).
    """
    rates = input._values()
    if (rates < 0).any():
        raise RuntimeError("poisson: invalid Poisson rate, expected rate to be non-negative.")
    generator = generator or default_generator
    counts = [_poisson(rate, generator) for rate in rates.ravel().tolist()]
    return finish(np.array(counts, rates.dtype).reshape(rates.shape))


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


@public("dropout", as_method=False)
def dropout(input: Any, p: float = 0.5, train: bool = True) -> Any:
    """In training each element is zeroed with probability p, the others are divided by 1 - p."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}.")
    if not train or p == 0:
        return input
    if p == 1:
        return input * 0
    kept = default_generator.uniform(input.numel(), np.dtype("float64")).reshape(input.shape) < 1 - p
    return input * finish(kept.astype(input.dtype) / np.asarray(1 - p, input.dtype))
