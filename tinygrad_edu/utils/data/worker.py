"""A worker: a process that fetches the batches whose indices it is sent.

It ends when it is told to, and by itself within two seconds of its parent's death. A thread beside the
fetching one waits for that, and answers the parent that asks where a worker hangs.

Runs in the child; the parent's side is pool.py.
"""

from __future__ import annotations

import os
import pickle
import random
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from typing import Any, NamedTuple

import numpy as np

from ...core.dtypes import set_default_dtype
from ...ops.generator import manual_seed
from .collate import default_collate
from .dataset import items_of, rows_of

LOOK = 1.0  # seconds between two looks whether the parent lives
DATA, END, ERROR, READY = "data", "end", "error", "ready"  # what a reply is
FETCH, RESUME, STOP = "fetch", "resume", "stop"  # what a message asks


class WorkerInfo(NamedTuple):
    """Which of the workers this process is: what `get_worker_info()` gives in one."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """In a worker its number, how many there are, its seed and its copy of the dataset; None in the main process."""
    return _info


class Fetcher:
    """From a sampler's indices to a batch; over an IterableDataset the indices only say how many."""

    def __init__(self, dataset: Any, iterable: bool, batched: bool, collate: Callable[[Any], Any], drop_last: bool):
        self.dataset, self.batched, self.collate, self.drop_last = dataset, batched, collate, drop_last
        self.samples = iter(dataset) if iterable else None
        self.ended = False

    def __call__(self, indices: Any) -> Any:
        """The batch. StopIteration: the stream has ended."""
        if self.samples is None:
            if not self.batched:
                return self.collate(self.dataset[indices])
            rows = rows_of(self.dataset, indices) if self.collate is default_collate else None
            return self.collate(items_of(self.dataset, indices)) if rows is None else rows
        if self.ended:
            raise StopIteration
        if not self.batched:
            return self.collate(next(self.samples))
        batch = []
        for _ in indices:
            try:
                batch.append(next(self.samples))
            except StopIteration:
                self.ended = True
                break
        if not batch or (self.drop_last and len(batch) < len(indices)):
            raise StopIteration
        return self.collate(batch)


class Setup(NamedTuple):
    """All that a worker is started with; under `spawn` it is pickled."""

    number: int
    workers: int
    seed: int
    dataset: Any
    fetcher: tuple[Any, ...]  # Fetcher's arguments after the dataset
    init: Callable[[int], Any] | None
    default_dtype: Any


def work(tasks: Connection, results: Connection, alarm: Connection, setup: Setup) -> None:
    """The process: fetch until told to stop. What goes wrong is sent to the parent as text."""
    global _info
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; it ends its workers
    threading.Thread(target=_watch, args=(alarm, threading.get_ident()), daemon=True).start()
    _info = WorkerInfo(setup.number, setup.workers, setup.seed, setup.dataset)
    failure: tuple[Any, ...] | None = None  # of the start; told when the first batch is asked for
    fetch: Fetcher | None = None
    try:
        _seed(setup.seed, setup.number)
        set_default_dtype(setup.default_dtype)
        if setup.init is not None:
            setup.init(setup.number)
        fetch = Fetcher(setup.dataset, *setup.fetcher)
    except Exception as error:
        failure = _described(error)
    while True:
        kind, body = tasks.recv()
        if kind == STOP:
            return
        if kind == RESUME:
            reply: tuple[Any, ...] = (READY, body)
            if fetch is not None:
                try:
                    fetch = Fetcher(setup.dataset, *setup.fetcher)
                except Exception as error:
                    failure = _described(error)
        elif failure is not None:
            reply, failure = failure, None
        else:
            reply = _fetched(fetch, body)
        try:
            packed = ForkingPickler.dumps(reply, pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            packed = ForkingPickler.dumps(_described(error))
        results.send_bytes(packed)


def _fetched(fetch: Any, indices: Any) -> tuple[Any, ...]:
    try:
        return DATA, fetch(indices)
    except StopIteration as error:
        if fetch.samples is None:  # raised by a dataset with indices: a mistake, not an end
            return _described(error)
        return (END,)
    except Exception as error:
        return _described(error)


def _described(error: Exception) -> tuple[Any, ...]:
    """An error as it can travel: its class, if that can, and its traceback as text."""
    kind: Any = type(error)
    try:
        pickle.dumps(kind)
    except Exception:
        kind = None
    return ERROR, kind, type(error).__name__, traceback.format_exc()


def _seed(seed: int, number: int) -> None:
    """The worker's own streams: this library's, Python's, and NumPy's old global one, as PyTorch seeds them."""
    random.seed(seed)
    manual_seed(seed)
    base = seed - number
    words = np.random.SeedSequence([number, base & 0xFFFFFFFF, base >> 32, 0]).generate_state(4)
    np.random.seed(words)


def _watch(alarm: Connection, main: int) -> None:
    """Leave when the parent is gone; tell it where the main thread stands when it asks."""
    parent, identity = parent_process(), os.getppid()
    doors: list[Any] = [alarm] if parent is None else [alarm, parent.sentinel]
    while True:
        ready = wait(doors, LOOK)
        if os.getppid() != identity or (parent is not None and parent.sentinel in ready):
            os._exit(1)
        if alarm in ready:
            try:
                alarm.recv()
                alarm.send(_stack(main))
            except (EOFError, OSError):
                doors.remove(alarm)


def _stack(main: int) -> str:
    """The main thread's traceback, from the fetching on."""
    frames = traceback.extract_stack(sys._current_frames()[main])
    inner = [i for i, frame in enumerate(frames) if frame.filename == __file__]
    return "".join(traceback.format_list(frames[inner[-1] if inner else 0 :]))
