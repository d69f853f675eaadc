"""Generator: PyTorch's own CPU stream of random numbers, so that one seed gives one initialisation in both.

PyTorch draws from a 32-bit Mersenne Twister, seeded as NumPy's RandomState seeds it. How the raw
integers become numbers follows ATen (aten/src/ATen/core/DistributionsHelper.h and
native/cpu/DistributionTemplates.h): floats take 24 bits, doubles 53, normals come in pairs by
Box and Muller, 16 or more at a time in blocks of 16.

Not here: tensors of random numbers (random.py, draws.py).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..core.device import CPU, require_cpu
from ..core.errors import TraceError
from ..core.mode import mode
from ..core.number import concrete
from ..core.primitive import Array, primitive
from ..core.symbol import Symbol
from ..core.tensor import Tensor
from .creation import constructor, finish
from .room import room

_BLOCK = 16  # normals per Box-Muller block; fewer numbers than this are drawn one by one

_PIECE = 4096  # numbers drawn at a time: what they are made of stays in the cache

_WORDS = 624  # of the Mersenne Twister's state

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


def _refuse_in_trace(what: str) -> None:
    """A program draws from a generator where it finds it."""
    if mode.trace is not None:
        raise TraceError(f"a step that is traced {what}: do that outside of it, and let the step only draw.")


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
        _refuse_in_trace("seeds a generator")
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
        if mode.trace is not None:
            mode.trace.depends(lambda: self._seed)
        return self._seed % 2**64

    def seed(self) -> int:
        """Start from an unpredictable seed, and return it."""
        seed = int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> np.uint64(1))
        self.manual_seed(seed)
        return seed

    def get_state(self) -> Tensor:
        """All that is needed to go on from here, for `set_state`: bytes, (5056,), laid out as PyTorch's are."""
        return finish(self.state_bytes())

    def state_bytes(self) -> np.ndarray[Any, Any]:
        """What `get_state` gives. In a trace, an equation in its turn among the draws."""
        if mode.trace is not None:
            return self._traced(_STATE.itemsize, np.uint8, self.state_bytes)  # type: ignore[no-any-return]
        twister = self._bits.state["state"]
        state = np.zeros((), _STATE)
        state["seed"], state["seeded"] = self._seed % 2**64, 1
        state["left"], state["next"] = _WORDS + 1 - twister["pos"], twister["pos"] if self._drawn else 0
        state["words"] = twister["key"]
        if self._spare is not None:
            state["spare"], state["has_spare"] = self._spare, 1
        return np.frombuffer(state.tobytes(), np.uint8).copy()

    def set_state(self, new_state: Tensor) -> Generator:
        """Go on from where `get_state` was called, here or in PyTorch. Returns the generator.

        Raises:
            TypeError: it is no tensor of bytes.
            RuntimeError: it is of another length, or not the state of a generator. Nothing has been changed.
        """
        _refuse_in_trace("sets a generator's state")
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
            return self._later("words", count, np.uint64)  # type: ignore[no-any-return]
        self._drawn = self._drawn or count > 0
        return np.asarray(self._bits.random_raw(count), np.uint64)

    def long_words(self, count: int) -> np.ndarray[Any, Any]:
        """The next `count` 64-bit integers; each takes two words, the high one first."""
        if mode.trace is not None:
            return self._later("long_words", count, np.uint64)  # type: ignore[no-any-return]
        pairs = self.words(2 * count).reshape(count, 2)
        return np.asarray((pairs[:, 0] << np.uint64(32)) | pairs[:, 1])

    def uniform(self, count: int, dtype: Any, *, out: Array = None) -> Array:
        """`count` numbers in [0, 1): 24 random bits in float32, 53 in float64."""
        if mode.trace is not None:
            return self._later("uniform", count, dtype)
        single = dtype == np.float32
        draws = room((count,), np.float32 if single else np.float64, out)
        for part in _pieces(draws):
            if single:
                part[:] = (self.words(len(part)) & np.uint64((1 << 24) - 1)).astype(np.float32) * np.float32(2.0**-24)
            else:
                part[:] = (self.long_words(len(part)) & np.uint64((1 << 53) - 1)).astype(np.float64) * 2.0**-53
        return draws

    def normal(self, count: int, dtype: Any, singly: bool = False, *, out: Array = None) -> Array:
        """`count` standard normals; `singly`: not in blocks, as PyTorch draws them for strided memory."""
        if mode.trace is not None:
            return self._later("normal", count, dtype, singly)
        if count < _BLOCK or singly:
            draws = room((count,), dtype, out)
            draws[:] = [self._one_normal() for _ in range(count)]
            return draws
        draws = self.uniform(count, dtype, out=out)
        whole = count - count % _BLOCK
        for part in _pieces(draws[:whole]):
            _box_muller(part.reshape(-1, _BLOCK))
        if whole < count:  # the last block is drawn afresh, over the end of the one before
            draws[-_BLOCK:] = self.uniform(_BLOCK, dtype)
            _box_muller(draws[-_BLOCK:].reshape(1, _BLOCK))
        return draws

    def _later(self, kind: str, count: int, dtype: Any, *settings: Any) -> Any:
        """In a trace: an equation that draws from this very generator whenever the program runs."""
        count, settings = concrete((count, settings))
        words = () if dtype is np.uint64 else (dtype,)
        return self._traced(count, dtype, functools.partial(getattr(self, kind), count, *words, *settings))

    def _traced(self, count: int, dtype: Any, draw: Any) -> Any:
        symbol = Symbol((count,), np.dtype(dtype), None, drawn, (), {"draw": functools.partial(draw)})
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
def drawn(*values: Any, draw: Any) -> Any:
    """Random numbers, as an equation of a traced step. No gradient."""
    return draw(*values)


def draw_by(function: Any, generator: Generator | None, *values: Any, **settings: Any) -> Any:
    """`function(generator, *values, **settings)`: a draw for each element of arrays, in the first one's dtype.

    The function may take as many random numbers as the values have it: in a trace it is an equation as a whole, and
    what it refers to is written out with the program.
    """
    draw = functools.partial(function, generator or default_generator, **concrete(settings))
    if mode.trace is None:
        return draw(*values)
    symbol = Symbol(np.broadcast_shapes(*map(np.shape, values)), values[0].dtype, None, drawn, values, {"draw": draw})
    mode.trace.drew(symbol)
    return symbol


def _pieces(draws: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
    return (draws[k : k + _PIECE] for k in range(0, len(draws), _PIECE))


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
