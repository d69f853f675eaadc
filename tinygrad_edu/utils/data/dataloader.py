"""DataLoader: a dataset visited in a sampler's order, in batches, by this process or by workers.

From one seed the batches are PyTorch's, and so is the state of the default generator afterwards: each pass
draws one seed for its workers, then a RandomSampler without a generator draws one of its own.
"""

from __future__ import annotations

import itertools
import math
import multiprocessing
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.context import BaseContext
from typing import Any, Generic, TypeVar

from ...ops.generator import Generator
from .collate import default_collate, default_convert
from .dataset import IterableDataset
from .pool import END, Pool
from .sampler import BatchSampler, RandomSampler, SequentialSampler, draw_seed
from .worker import Fetcher

__all__ = ["DataLoader", "default_collate", "default_convert"]

T_co = TypeVar("T_co", covariant=True)
_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class DataLoader(Generic[T_co]):
    """Batches of a dataset; each `for` over it is one pass.

    Args:
        dataset: anything with `__getitem__` and `__len__`, or an IterableDataset.
        batch_size: samples per batch; None: single samples, converted and not collated.
        shuffle: a new order each time, from the default generator or `generator`.
        sampler, batch_sampler: another order, of indices or of lists of them, in place of shuffle.
        num_workers: processes that fetch; 0: this one does. They are started as `multiprocessing` does by default.
        collate_fn: makes a batch of a list of samples.
        pin_memory, pin_memory_device: for GPUs; without effect.
        drop_last: leave out a last batch that is shorter.
        timeout: seconds to wait for a worker; 0: as long as it takes. After it the loop ends with the traceback of
            the place where the worker hangs. One that raises or dies ends the loop at once, in any case.
        worker_init_fn: called in each worker with its number.
        multiprocessing_context: another way of starting processes: "fork", "spawn", "forkserver" or a context.
            With the last two the dataset and the functions must be importable, and the script needs
            `if __name__ == "__main__":`.
        generator: of the order and of the workers' seeds.
        prefetch_factor: batches under way per worker; default: 2.
        persistent_workers: keep the workers for the next pass.
        in_order: False would allow batches to overtake each other; they never do here.
    Raises:
        ValueError: options that exclude each other.

    >>> from tinygrad_edu.utils.data import DataLoader
    >>> list(DataLoader(range(5), batch_size=2))
    [tensor([0, 1]), tensor([2, 3]), tensor([4])]
    """

    _ready = False

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        self._iterable = isinstance(dataset, IterableDataset)
        _check_order(self._iterable, batch_size, shuffle, sampler, batch_sampler, drop_last)
        self.dataset, self.generator = dataset, generator
        self.num_workers, self.timeout, self.worker_init_fn = num_workers, timeout, worker_init_fn
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.persistent_workers, self.in_order = persistent_workers, in_order
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self.multiprocessing_context = multiprocessing_context
        order: Any = sampler
        if order is None:
            if self._iterable:
                order = _Endless()
            else:
                order = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_sampler is not None:
            batch_size, drop_last = None, False
        elif batch_size is not None:
            batch_sampler = BatchSampler(order, batch_size, drop_last)
        self.batch_size, self.drop_last = batch_size, drop_last
        self.sampler: Any = order
        self.batch_sampler: Any = batch_sampler
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)
        self._iterator: _WorkerPass | None = None  # of persistent workers
        self._told: dict[str, int] = {}  # "length": what an IterableDataset said of itself when asked through len()
        self._ready = True

    def __setattr__(self, name: str, value: Any) -> None:
        if self._ready and name in _FIXED:
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    @property
    def multiprocessing_context(self) -> BaseContext | None:
        """How workers are started; None: as `multiprocessing` does by default."""
        return self._context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        if context is not None and self.num_workers == 0:
            raise ValueError(
                "multiprocessing_context can only be used with multi-process loading (num_workers > 0), "
                "but got num_workers=0"
            )
        if isinstance(context, str):
            known = multiprocessing.get_all_start_methods()
            if context not in known:
                raise ValueError(
                    f"multiprocessing_context option should specify a valid start method in {known!r}, "
                    f"but got multiprocessing_context={context!r}"
                )
            context = multiprocessing.get_context(context)
        if context is not None and not isinstance(context, BaseContext):
            raise TypeError(
                "multiprocessing_context option should be a valid context object or a string specifying the start "
                f"method, but got multiprocessing_context={context}"
            )
        self._context: BaseContext | None = context

    @property
    def _indices(self) -> Any:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    @property
    def _fetching(self) -> tuple[Any, ...]:
        return self._iterable, self.batch_sampler is not None, self.collate_fn, self.drop_last

    def __iter__(self) -> Iterator[Any]:
        if self.num_workers == 0:
            return _Pass(self)
        if not self.persistent_workers:
            return _WorkerPass(self)
        if self._iterator is None or not self._iterator.again():
            self._iterator = _WorkerPass(self)
        return self._iterator

    def __len__(self) -> int:
        """The number of batches.

        Raises:
            TypeError: the dataset, or the sampler, has no length.
        """
        if not self._iterable:
            return len(self._indices)
        length = self._told["length"] = len(self.dataset)
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else math.ceil(length / self.batch_size)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_iterator": None}  # workers stay with their parent


class _Endless:
    """The indices of an IterableDataset: None, without end."""

    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


class _Pass:
    """One pass over the dataset in this process. Without the loader, which may know the pass: no cycle, so that
    workers end with the last reference to either.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._dataset, self._order, self._told = loader.dataset, loader._indices, loader._told
        self._indices = iter(self._order)
        self._base_seed = draw_seed(loader.generator)
        self._given = 0
        self._start(loader)

    def _start(self, loader: DataLoader[Any]) -> None:
        self._fetch = Fetcher(self._dataset, *loader._fetching)

    def _next(self) -> Any:
        return self._fetch(next(self._indices))

    def __iter__(self) -> Iterator[Any]:
        return self

    def __len__(self) -> int:
        return len(self._order)

    def __next__(self) -> Any:
        batch = self._next()
        self._given += 1
        told = self._told.get("length")
        if told is not None and self._given > told:
            warnings.warn(
                f"Length of IterableDataset {self._dataset} was reported to be {told} (when accessing "
                f"len(dataloader)), but {self._given} samples have been fetched. With several workers each iterates "
                "over a copy: divide the stream in __iter__ by get_worker_info().",
                stacklevel=2,
            )
        return batch


class _WorkerPass(_Pass):
    """One pass by workers: batch k is fetched by worker k modulo their number, and given in the sampler's order."""

    def _start(self, loader: DataLoader[Any]) -> None:
        self._epoch = 0
        self._workers, self._persistent = loader.num_workers, loader.persistent_workers
        self._ahead = max(loader.prefetch_factor or 1, 1) * loader.num_workers
        context = loader.multiprocessing_context or multiprocessing.get_context()
        self._pool: Pool | None = Pool(loader, self._base_seed, loader._fetching, context)
        self._begin()

    def _begin(self) -> None:
        self._turns = deque(range(self._workers))  # the next in turn first; without those that have ended
        self._asked: deque[int] = deque()  # the worker of each batch under way
        for _ in range(self._ahead):
            self._ask()

    def again(self) -> bool:
        """Begin another pass with the same workers; False if they are gone."""
        if self._pool is None:
            return False
        try:
            self._epoch += 1
            self._pool.resume(self._epoch)
            self._given = 0
            self._indices = iter(self._order)
            self._begin()
        except BaseException:
            self._close()
            raise
        return True

    def _ask(self) -> None:
        if not self._turns:
            return
        try:
            indices = next(self._indices)
        except StopIteration:
            return
        number = self._turns[0]
        self._turns.rotate(-1)
        assert self._pool is not None
        self._pool.ask(number, indices)
        self._asked.append(number)

    def _next(self) -> Any:
        if self._pool is None:
            raise StopIteration
        try:
            while self._asked:
                number = self._asked.popleft()
                kind, batch = self._pool.answer(number)
                if kind != END:
                    self._ask()
                    return batch
                if number in self._turns:
                    self._turns.remove(number)
                    self._ask()
        except BaseException:
            self._close()
            raise
        if not self._persistent:
            self._close()
        raise StopIteration

    def _close(self) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None


def _check_workers(num_workers: int, timeout: float, prefetch_factor: int | None, persistent: bool) -> None:
    if num_workers < 0:
        raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.")
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing."
            "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None."
        )
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")


def _check_order(
    iterable: bool, batch_size: Any, shuffle: bool | None, sampler: Any, batch_sampler: Any, drop_last: bool
) -> None:
    if iterable:
        for name, value in (("shuffle", shuffle or None), ("sampler", sampler), ("batch_sampler", batch_sampler)):
            if value is not None:
                raise ValueError(
                    f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={value}"
                )
    if sampler is not None and shuffle:
        raise ValueError("sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
        raise ValueError("batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last")
    if batch_sampler is None and batch_size is None and drop_last:
        raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
