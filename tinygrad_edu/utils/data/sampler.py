"""Samplers: in which order a dataset is visited. From one seed the orders are PyTorch's."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

import numpy as np

from ...ops.creation import as_tensor, empty
from ...ops.draws import random_
from ...ops.generator import Generator
from ...ops.random import multinomial, randint, randperm

T_co = TypeVar("T_co", covariant=True)
_AT_ONCE = 32  # draws with replacement per call, as PyTorch takes them


def draw_seed(generator: Generator | None = None) -> int:
    """A seed from 0 to 2 ** 63 - 1: two words of the stream."""
    return int(random_(empty((), dtype=np.int64), generator=generator).item())


class Sampler(Generic[T_co]):
    """An order: a subclass defines `__iter__`, over indices or lists of them, and mostly `__len__`."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"Subclasses of Sampler should implement __iter__; {type(self).__name__} does not")


class SequentialSampler(Sampler[int]):
    """0, 1, 2 and so on."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """A new permutation each time, or draws with replacement.

    Args:
        data_source: what has the length.
        replacement: draw each index independently of the others.
        num_samples: how many; default: as many as there are.
        generator: to draw from; default: one seeded from the default generator at each start.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement}")
        self.data_source, self.replacement, self.generator = data_source, replacement, generator
        self._num_samples = num_samples
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError(f"num_samples should be a positive integer value, but got num_samples={self.num_samples}")

    @property
    def num_samples(self) -> int:
        """How many are drawn; without a number of its own, as many as the data source has now."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        generator = Generator().manual_seed(draw_seed()) if self.generator is None else self.generator
        n, whole = len(self.data_source), self.num_samples
        if self.replacement:
            for size in (*[_AT_ONCE] * (whole // _AT_ONCE), whole % _AT_ONCE):
                yield from randint(n, (size,), generator=generator).tolist()
            return
        for _ in range(whole // n):
            yield from randperm(n, generator=generator).tolist()
        yield from randperm(n, generator=generator).tolist()[: whole % n]  # drawn also where none are left, as there

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """Given indices, in a new order each time."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices, self.generator = indices, generator

    def __iter__(self) -> Iterator[int]:
        for i in randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices in proportion to weights, which need not add up to 1.

    Args:
        weights: one per sample.
        num_samples: how many to draw.
        replacement: False draws each index at most once.
        generator: to draw from; default: the default generator.
    """

    def __init__(
        self,
        weights: Sequence[float] | Any,
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        _positive("num_samples", num_samples)
        _truth("replacement", replacement)
        self.weights = as_tensor(weights, dtype=np.float64)
        if self.weights.ndim != 1:
            raise ValueError(
                f"weights should be a 1d sequence but given weights have shape {tuple(self.weights.shape)}"
            )
        self.num_samples, self.replacement, self.generator = num_samples, replacement, generator

    def __iter__(self) -> Iterator[int]:
        drawn = multinomial(self.weights, self.num_samples, self.replacement, generator=self.generator)
        return iter(drawn.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Another sampler's indices in lists of `batch_size`; the last one may be shorter, or is left out.

    >>> list(BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[Any], batch_size: int, drop_last: bool) -> None:
        _positive("batch_size", batch_size)
        _truth("drop_last", drop_last)
        self.sampler: Any = sampler
        self.batch_size, self.drop_last = batch_size, drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        whole, rest = divmod(len(self.sampler), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)


def _positive(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{name} should be a positive integer value, but got {name}={value}")


def _truth(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{name} should be a boolean value, but got {name}={value}")
