"""utils.data beside PyTorch's: the same batches from the same seed, and the same stream afterwards."""

from __future__ import annotations

import random

import numpy as np
import pytest

import tinygrad_edu
import tinygrad_edu.utils.data as ours

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch.utils.data as theirs  # noqa: E402  # after the skip


def stream(d):
    class Stream(d.IterableDataset):
        def __iter__(self):
            info = d.get_worker_info()
            first, step = (info.id, info.num_workers) if info else (0, 1)
            return iter(range(first, 17 + 3 * first, step))

    return Stream()


def draws(m, d):
    class Draws(d.Dataset):
        def __len__(self):
            return 6

        def __getitem__(self, i):
            info = d.get_worker_info()
            return i, info.seed if info else 0, random.random(), float(np.random.rand()), m.rand(2)

    return Draws()


def passes(loader, n=2):
    return [list(loader) for _ in range(n)]


def generator(m):
    return m.Generator().manual_seed(4)


CASES = {
    "in order": lambda m, d: passes(d.DataLoader(range(23), 4)),
    "shuffled": lambda m, d: passes(d.DataLoader(range(23), 4, shuffle=True)),
    "shuffled, drop_last": lambda m, d: passes(d.DataLoader(range(23), 4, shuffle=True, drop_last=True)),
    "shuffled by a generator": lambda m, d: passes(d.DataLoader(range(23), 4, shuffle=True, generator=generator(m)), 3),
    "shuffled, workers": lambda m, d: passes(d.DataLoader(range(23), 4, shuffle=True, num_workers=2)),
    "shuffled, persistent": lambda m, d: passes(
        d.DataLoader(range(23), 4, shuffle=True, num_workers=2, persistent_workers=True), 3
    ),
    "left in the middle": lambda m, d: [
        next(iter(d.DataLoader(range(23), 4, shuffle=True, num_workers=n))) for n in (2, 0)
    ],
    "not begun": lambda m, d: [iter(d.DataLoader(range(23), 4, shuffle=True)) is None],
    "workers' own streams": lambda m, d: passes(d.DataLoader(draws(m, d), 2, num_workers=2)),
    "a stream": lambda m, d: passes(d.DataLoader(stream(d), 4)),
    "a stream, workers": lambda m, d: passes(d.DataLoader(stream(d), 4, num_workers=2)),
    "a stream, persistent, drop_last": lambda m, d: passes(
        d.DataLoader(stream(d), 4, num_workers=2, drop_last=True, persistent_workers=True)
    ),
    "a stream, no batches": lambda m, d: passes(d.DataLoader(stream(d), None, num_workers=2)),
    "no batches": lambda m, d: passes(d.DataLoader([np.arange(3), np.ones(2)], None)),
    "batch_sampler": lambda m, d: passes(d.DataLoader(range(10), batch_sampler=[[1, 2], [3], [9, 8, 7]])),
    "tensors": lambda m, d: passes(d.DataLoader(d.TensorDataset(m.arange(10.0), m.arange(10)), 3, shuffle=True)),
    "concatenated": lambda m, d: passes(d.DataLoader(d.ConcatDataset([range(3), range(10, 14)]), 3)),
    "stacked": lambda m, d: passes(d.DataLoader(d.StackDataset(a=range(5), b=range(5, 10)), 2)),
    "split": lambda m, d: [list(part) for part in d.random_split(range(11), [0.5, 0.3, 0.2])],
    "split by a generator": lambda m, d: [
        list(part) for part in d.random_split(range(11), [5, 6], generator=generator(m))
    ],
    "subset": lambda m, d: passes(d.SubsetRandomSampler([5, 3, 9, 1])),
    "weighted": lambda m, d: passes(d.WeightedRandomSampler([0.1, 0.5, 2, 0.3], 20)),
    "weighted, once": lambda m, d: passes(d.WeightedRandomSampler([0.1, 0.5, 2, 0.3], 3, replacement=False)),
    "with replacement": lambda m, d: passes(d.RandomSampler(range(50), replacement=True, num_samples=70)),
    "more than there are": lambda m, d: passes(d.RandomSampler(range(5), num_samples=13)),
    "sampler and batches": lambda m, d: passes(d.BatchSampler(d.RandomSampler(range(7)), 3, True)),
    "collate": lambda m, d: [
        d.default_collate(
            [
                {"a": 1, "b": [1.5, "x"], "c": (True, np.float32(2), np.int8(3)), "d": np.array(1.0)},
                {"a": 2, "b": [2.5, "y"], "c": (False, np.float32(3), np.int8(4)), "d": np.array(2.0)},
            ]
        ),
        d.default_collate([m.ones(2), m.zeros(2)]),
        d.default_collate([np.ones(2, "f4"), np.zeros(2, "f4")]),
        d.default_collate([b"a", b"b"]),
        d.default_collate([np.bool_(True), np.bool_(False)]),
    ],
    "convert": lambda m, d: [d.default_convert([np.ones(2), (1, "x"), {"a": np.float32(3)}, None])],
}


def plain(x):
    """Tensors as dtype and numbers, containers by kind, so that results of both can be compared."""
    if isinstance(x, (list, tuple)):
        return [type(x).__name__, *map(plain, x)]
    if isinstance(x, dict):
        return {key: plain(value) for key, value in x.items()}
    return [str(x.dtype).replace("torch.", ""), x.tolist()] if hasattr(x, "tolist") else x


@pytest.mark.parametrize("case", CASES)
def test_same_seed_same_batches_same_stream_afterwards(case):
    """Values, dtypes and kinds of containers; then the generators are in the same state."""
    found = []
    for m, d in ((tinygrad_edu, ours), (torch, theirs)):
        with m.random.fork_rng():
            m.manual_seed(11)
            found.append((plain(CASES[case](m, d)), m.get_rng_state().tolist()))
    assert found[0] == found[1]


ERRORS = {
    "RandomSampler of nothing": lambda d: d.RandomSampler([]),
    "replacement": lambda d: d.RandomSampler([1], replacement=None),
    "weights": lambda d: d.WeightedRandomSampler([[1.0]], 1),
    "batch_size": lambda d: d.BatchSampler([1], -1, False),
    "tensors": lambda d: d.TensorDataset(*map((tinygrad_edu if d is ours else torch).ones, (2, 3))),
    "concatenating nothing": lambda d: d.ConcatDataset([]),
    "index too low": lambda d: d.ConcatDataset([range(2)])[-3],
    "split": lambda d: d.random_split(range(3), [1, 1]),
    "fraction": lambda d: d.random_split(range(3), [1.5, -0.5]),
    "object": lambda d: d.default_collate([object()]),
    "lengths": lambda d: d.default_collate([[1], [1, 2]]),
    "shuffle and sampler": lambda d: d.DataLoader([1], shuffle=True, sampler=[0]),
    "a shuffled stream": lambda d: d.DataLoader(stream(d), shuffle=True),
    "a stream with batch_sampler": lambda d: d.DataLoader(stream(d), batch_sampler=[[0]]),
    "batch_sampler and size": lambda d: d.DataLoader([1], batch_size=2, batch_sampler=[[0]]),
    "workers": lambda d: d.DataLoader([1], num_workers=-1),
    "prefetch": lambda d: d.DataLoader([1], prefetch_factor=3),
    "context": lambda d: d.DataLoader([1], num_workers=1, multiprocessing_context="threads"),
    "context's type": lambda d: d.DataLoader([1], num_workers=1, multiprocessing_context=3),
    "length of a stream": lambda d: len(d.DataLoader(stream(d))),
    "no length": lambda d: d.DataLoader(iter([1]), shuffle=True),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_are_of_pytorchs_class(case):
    """What a script catches there it catches here."""
    with pytest.raises(Exception) as expected:  # its class is the expectation
        ERRORS[case](theirs)
    with pytest.raises(type(expected.value)):
        ERRORS[case](ours)
