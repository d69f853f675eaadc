"""Workers: the same batches as without, and an end with a reason when one raises, dies or hangs.

No test measures time; each that could hang is ended by the loader's own timeout.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

METHODS = [m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()]
pytestmark = pytest.mark.skipif("fork" not in METHODS, reason="classes of a test file are found by forked workers only")


class Sample(Dataset):
    """The number itself; at 7 something happens."""

    def __init__(self, at_seven=None):
        self.at_seven = at_seven

    def __len__(self):
        return 20

    def __getitem__(self, i):
        if i == 7 and self.at_seven is not None:
            return self.at_seven()
        return i


class Stream(IterableDataset):
    def __iter__(self):
        info = get_worker_info()
        first, step = (info.id, info.num_workers) if info else (0, 1)
        return iter(range(first, 17, step))


class Told(Dataset):
    """What a worker knows of itself and draws."""

    def __len__(self):
        return 4

    def __getitem__(self, i):
        info = get_worker_info()
        return i, info.id, info.num_workers, info.seed, te.rand(1).item(), float(np.random.rand())


def batches(loader):
    return [b.tolist() for b in loader]


def raise_key_error():
    raise KeyError("no such\nthing")


def raise_odd_error():
    class OddError(Exception):
        def __init__(self, a, b):
            super().__init__(a)

    raise OddError(1, 2)


def raise_stop_iteration():
    raise StopIteration


def no_batch(samples):
    return lambda: samples


def fail_to_start(number):
    raise ValueError("this worker has no camera")


@pytest.mark.parametrize("method", METHODS)
def test_batches_are_those_of_one_process(method):
    """From a seed, in the same order, pass after pass, however processes are started."""
    data = range(23)
    options = {"batch_size": 4, "shuffle": True}
    te.manual_seed(1)
    alone = [batches(loader) for loader in [DataLoader(data, **options)] for _ in range(2)]
    te.manual_seed(1)
    loader = DataLoader(data, num_workers=2, multiprocessing_context=method, **options)
    assert [batches(loader) for _ in range(2)] == alone


def test_persistent_workers_go_on():
    """The same processes serve every pass, also after one that was not finished; large batches too."""
    loader = DataLoader(Sample(os.getpid), 1, num_workers=2, persistent_workers=True)
    first = batches(loader)
    next(iter(loader))
    assert batches(loader) == first
    assert first[7] != [os.getpid()]
    assert [n for [n] in first[:7]] == list(range(7))
    large = DataLoader([np.full(300_000, i) for i in range(6)], 1, num_workers=2, prefetch_factor=1)
    assert [int(b[0, 0]) for b in large] == list(range(6))


def test_streams_are_shared_out():
    """Each worker iterates over its own copy; its batches take turns, and the shorter stream is left out."""
    assert batches(DataLoader(Stream(), 4, num_workers=2)) == [
        [0, 2, 4, 6],
        [1, 3, 5, 7],
        [8, 10, 12, 14],
        [9, 11, 13, 15],
        [16],
    ]
    persistent = DataLoader(Stream(), 4, num_workers=2, persistent_workers=True, drop_last=True)
    assert batches(persistent) == batches(persistent)
    assert len(batches(persistent)) == 4


def test_workers_know_themselves_and_draw_apart():
    """Number, count, seeds one apart; streams of their own, the same from the same seed."""

    def collect():
        te.manual_seed(3)
        return list(DataLoader(Told(), None, num_workers=2))

    one, two = collect(), collect()
    assert one == two
    assert [row[1:3] for row in one] == [[0, 2], [1, 2]] * 2
    assert one[1][3] == one[0][3] + 1
    assert len({row[4] for row in one}) == len({row[5] for row in one}) == 4


def test_long_tasks_do_not_block():
    """Batches of so many indices that they don't fit into a pipe."""
    te.manual_seed(0)
    loader = DataLoader(range(60_000), 20_000, shuffle=True, num_workers=2, collate_fn=sorted)
    assert sorted(x for batch in loader for x in batch) == list(range(60_000))


FAILURES = {
    "raises": (Sample(raise_key_error), {}, KeyError, r"Caught KeyError in DataLoader worker process 1.\nOriginal Tra"),
    "its line": (Sample(raise_key_error), {}, KeyError, "in raise_key_error\n    raise KeyError"),
    "odd class": (Sample(raise_odd_error), {}, RuntimeError, "Caught OddError in DataLoader worker process 1"),
    "StopIteration": (Sample(raise_stop_iteration), {}, RuntimeError, "Caught StopIteration in"),
    "batch that can't travel": (Sample(), {"collate_fn": no_batch}, AttributeError, "Can't pickle local object"),
    "start": (Sample(), {"worker_init_fn": fail_to_start}, ValueError, "no camera"),
    "exits": (Sample(lambda: os._exit(3)), {}, RuntimeError, r"worker 1 \(pid \d+\) exited with status 3"),
    "is killed": (Sample(lambda: os.kill(os.getpid(), 9)), {}, RuntimeError, "was killed by signal 9"),
    "hangs": (
        Sample(lambda: time.sleep(60)),
        {"timeout": 0.5},
        RuntimeError,
        r"timed out after 0.5 sec[^Z]*sleep\(60\)",
    ),
}


@pytest.mark.parametrize("case", FAILURES)
@pytest.mark.parametrize("persistent", [False, True])
def test_a_worker_that_fails_ends_the_loop(case, persistent):
    """With its own traceback where it has one; afterwards no worker is left, and a loader can be used again."""
    data, options, error, text = FAILURES[case]
    before = set(multiprocessing.active_children())
    loader = DataLoader(data, 2, num_workers=2, persistent_workers=persistent, **options)
    for _ in range(2 if case == "raises" else 1):
        with pytest.raises(error) as caught:
            list(loader)
        assert caught.match(text)
        assert set(multiprocessing.active_children()) == before


def test_a_pass_that_is_left_ends_its_workers():
    """`break`, and the iterator gone: no process stays."""
    before = set(multiprocessing.active_children())
    for _ in DataLoader(range(1000), 2, num_workers=2):
        break
    assert set(multiprocessing.active_children()) == before


HANGING = r"""
import os, time
from tinygrad_edu.utils.data import DataLoader, Dataset
class Slow(Dataset):
    def __len__(self):
        return 100
    def __getitem__(self, i):
        os.write(1, b"%d\n" % os.getpid())  # at once, beside the other worker's
        time.sleep(60)
if __name__ == "__main__":
    for _ in DataLoader(Slow(), 2, num_workers=2):
        pass
"""


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rsplit(")", 1)[1].split()[0] == "Z"  # ended, and nobody has asked how


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="asks /proc which processes there are")
@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL"])
def test_no_orphans(name, tmp_path):
    """Ctrl-C, or the parent's sudden death: the workers end, though they hang, and the traceback is one."""
    script = tmp_path / "hanging.py"
    script.write_text(HANGING)
    run = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    told = [run.stdout.readline() for _ in range(2)]
    assert all(told), run.stderr.read()
    workers = [int(line) for line in told]
    if name == "SIGINT":
        os.killpg(run.pid, signal.SIGINT)  # a terminal's Ctrl-C reaches the whole group
    else:
        os.kill(run.pid, signal.SIGKILL)
    said = run.communicate()[1]
    for _ in range(100):  # ten seconds at most; two are promised
        if all(map(gone, workers)):
            break
        time.sleep(0.1)
    assert all(map(gone, workers))
    assert said.count("Traceback") == (name == "SIGINT")
