"""Datasets: samples by index, or one after the other; and new datasets made of others.

Not here: in which order they are visited (sampler.py), and how samples become batches (collate.py).
"""

from __future__ import annotations

import bisect
import itertools
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from ...core.tensor import Tensor
from ...ops.generator import Generator
from ...ops.random import randperm

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """Samples by index: a subclass defines `__getitem__(index)` and, for most samplers, `__len__`.

    Where it defines `__getitems__(indices)` as well, the DataLoader asks for whole batches.
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(f"Subclasses of Dataset should implement __getitem__; {type(self).__name__} does not")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """Samples one after the other: a subclass defines `__iter__`.

    With several workers each of them iterates over a copy; `get_worker_info()` in `__iter__` tells which part is whose.
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(
            f"Subclasses of IterableDataset should implement __iter__; {type(self).__name__} does not"
        )

    def __add__(self, other: Dataset[Any]) -> Any:
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Tensors of one length: sample i is the tuple of their i-th rows.

    >>> from tinygrad_edu import arange
    >>> TensorDataset(arange(4), arange(4) * 10)[2]
    (tensor(2), tensor(20))
    """

    def __init__(self, *tensors: Tensor) -> None:
        lengths = [tensor.shape[0] for tensor in tensors]
        if len(set(lengths)) > 1:
            raise AssertionError(f"Size mismatch between tensors: their lengths are {lengths}.")
        if not tensors:
            raise IndexError("TensorDataset: at least one tensor is needed.")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])


class StackDataset(Dataset[Any]):
    """Datasets of one length side by side: sample i is the tuple of their i-th samples, or the dict of them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args and kwargs:
            raise ValueError("StackDataset: give the datasets in order, for tuples, or by name, for dicts; not both.")
        if not args and not kwargs:
            raise ValueError("At least one dataset should be passed")
        self.datasets: tuple[Any, ...] | dict[str, Any] = args or kwargs
        self._length = len(self._parts()[0])
        if any(len(dataset) != self._length for dataset in self._parts()):
            raise ValueError(f"Size mismatch between datasets: {[len(d) for d in self._parts()]}.")

    def _parts(self) -> list[Any]:
        return list(self.datasets.values() if isinstance(self.datasets, dict) else self.datasets)

    def _joined(self, samples: Iterable[Any]) -> Any:
        return dict(zip(self.datasets, samples, strict=True)) if isinstance(self.datasets, dict) else tuple(samples)

    def __getitem__(self, index: Any) -> Any:
        return self._joined(dataset[index] for dataset in self._parts())

    def __getitems__(self, indices: list[int]) -> list[Any]:
        columns = []
        for dataset in self._parts():
            columns.append(items_of(dataset, indices))
            if len(columns[-1]) != len(indices):
                raise ValueError(
                    f"Nested dataset's output size mismatch. Expected {len(indices)}, got {len(columns[-1])}"
                )
        return [self._joined(row) for row in zip(*columns, strict=True)]

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[Any]):
    """Datasets one behind the other, as one."""

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        self.datasets: list[Any] = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset; ChainDataset does.")
        self.cumulative_sizes = list(itertools.accumulate(map(len, self.datasets)))

    def __getitem__(self, index: int) -> Any:
        if index < 0:
            if -index > len(self):
                raise ValueError(
                    f"absolute value of index should not exceed dataset length: {index} of {len(self)} samples."
                )
            index += len(self)
        if index >= len(self):
            raise IndexError(f"ConcatDataset: index {index} is out of range of {len(self)} samples.")
        which = bisect.bisect_right(self.cumulative_sizes, index)
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


class ChainDataset(IterableDataset[Any]):
    """IterableDatasets one behind the other, as one."""

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        for dataset in self._checked():
            yield from dataset

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self._checked())

    def _checked(self) -> Iterator[Any]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset")
            yield dataset


class Subset(Dataset[Any]):
    """Some samples of a dataset: those at `indices`."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices
        kind = type(self)
        if kind.__getitem__ is not Subset.__getitem__ and kind.__getitems__ is Subset.__getitems__:
            raise NotImplementedError(
                f"{kind.__name__} overrides __getitem__ but not __getitems__, by which the DataLoader asks; add\n"
                "    def __getitems__(self, indices):\n        return [self[i] for i in indices]"
            )

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> Any:
        return items_of(self.dataset, [self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


def items_of(dataset: Any, indices: list[Any]) -> Any:
    """The samples at several indices, asked for at once where the dataset can."""
    together = getattr(dataset, "__getitems__", None)
    return together(indices) if callable(together) else [dataset[i] for i in indices]


def rows_of(dataset: Any, indices: list[Any]) -> list[Tensor] | None:
    """The batch of a TensorDataset, or of part of one: what collating its samples gives, in one step per tensor.

    64 samples of 784 numbers and a label take 0.03 of the time. None: of other datasets, which must be asked.
    """
    while type(dataset) is Subset:
        dataset, indices = dataset.dataset, [dataset.indices[i] for i in indices]
    return [tensor[indices] for tensor in dataset.tensors] if type(dataset) is TensorDataset else None


def random_split(dataset: Any, lengths: Sequence[float], generator: Generator | None = None) -> list[Subset]:
    """Deal a dataset's samples out at random.

    Args:
        lengths: numbers of samples, or fractions that add up to 1; what rounding down leaves over is dealt one by
            one from the first part on.
        generator: of the permutation; default: the default generator.
    Raises:
        ValueError: the numbers don't add up to the dataset's length.
    """
    total = sum(lengths)
    counts = list(lengths)
    if math.isclose(total, 1) and total <= 1:
        for i, fraction in enumerate(lengths):
            if not 0 <= fraction <= 1:
                raise ValueError(f"Fraction at index {i} is not between 0 and 1")
        counts = [math.floor(len(dataset) * fraction) for fraction in lengths]
        for i in range(len(dataset) - int(sum(counts))):
            counts[i % len(counts)] += 1
        for i, count in enumerate(counts):
            if count == 0:
                warnings.warn(
                    f"Length of split at index {i} is 0. This might result in an empty dataset.", stacklevel=2
                )
    if sum(counts) != len(dataset):
        raise ValueError(
            "Sum of input lengths does not equal the length of the input dataset! "
            f"The parts {counts} have {sum(counts)} samples, the dataset {len(dataset)}."
        )
    order = randperm(int(sum(counts)), generator=generator).tolist()
    ends = itertools.accumulate(int(count) for count in counts)
    return [Subset(dataset, order[end - int(count) : end]) for end, count in zip(ends, counts, strict=True)]
