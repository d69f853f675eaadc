"""One process's part of a dataset. There is no process group here, so both numbers are given by the caller."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

from ...ops.generator import Generator
from ...ops.random import randperm
from .sampler import Sampler


class DistributedSampler(Sampler[int]):
    """Every num_replicas-th index of an order that all replicas share, beginning at `rank`.

    Args:
        dataset: what has the length.
        num_replicas, rank: how many parts there are, and which one this is.
        shuffle: a new order in each epoch, by the seed and the number that set_epoch is told.
        seed: the same for all replicas.
        drop_last: leave out what does not divide evenly; else the first indices are taken twice.
    Raises:
        RuntimeError: num_replicas or rank is not given.
        ValueError: there is no such rank.
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            raise RuntimeError(
                "DistributedSampler: there is no process group here to ask; give num_replicas and rank, or take "
                "RandomSampler for the whole dataset."
            )
        if not 0 <= rank < num_replicas:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset, self.num_replicas, self.rank = dataset, num_replicas, rank
        self.shuffle, self.seed, self.drop_last, self.epoch = shuffle, seed, drop_last, 0
        n = len(dataset)
        self.num_samples = n // num_replicas if drop_last else math.ceil(n / num_replicas)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[int]:
        n = len(self.dataset)
        if self.shuffle:
            order = randperm(n, generator=Generator().manual_seed(self.seed + self.epoch)).tolist()
        else:
            order = list(range(n))
        whole = itertools.islice(itertools.cycle(order), self.total_size)
        return itertools.islice(whole, self.rank, None, self.num_replicas)

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Which epoch comes next: to be told before each one, or the order stays the same."""
        self.epoch = epoch
