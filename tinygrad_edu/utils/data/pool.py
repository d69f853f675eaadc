"""The workers from the side of their parent: started, handed tasks, listened to, ended.

Every worker has pipes of its own, so one that is killed leaves no lock behind that another waits for. A death
is noticed at once, since the operating system tells of it; a worker that hangs is noticed when the DataLoader's
`timeout` is over. Whatever ends the loop, no worker is left more than about two seconds later.
"""

from __future__ import annotations

import os
import time
import warnings
import weakref
from collections import deque
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from typing import Any, NoReturn

from ...core.dtypes import get_default_dtype
from .worker import DATA, END, ERROR, FETCH, READY, RESUME, STOP, Setup, work

GRACE = 1.0  # seconds for a worker to end by itself, and as many again after SIGTERM
ANSWER = 1.0  # seconds for a worker that hangs to tell where
# Bytes of tasks that wait in a pipe. As much fits into every system's, so sending never blocks; a longer task
# is sent when its worker is idle, and so listening.
IN_PIPE = 8192


class Worker:
    """One process, its pipes, and what is under way in them."""

    def __init__(self, context: Any, setup: Setup) -> None:
        self.number = setup.number
        tasks, self.tasks = context.Pipe(duplex=False)
        self.results, results = context.Pipe(duplex=False)
        self.alarm, alarm = context.Pipe()
        self.sizes: deque[int] = deque()  # of the tasks sent and not answered
        self.backlog: deque[Any] = deque()  # packed tasks that wait for room
        self.replies: deque[Any] = deque()  # packed replies that wait to be asked for
        self.process = context.Process(target=work, args=(tasks, results, alarm, setup), daemon=True)
        with warnings.catch_warnings():  # fork beside BLAS's threads: OpenBLAS prepares for it
            warnings.filterwarnings("ignore", message=".*multi-threaded.*", category=DeprecationWarning)
            self.process.start()
        for end in (tasks, results, alarm):  # the child's
            end.close()

    def send(self, *message: Any) -> None:
        """Hand a task over, now or when there is room."""
        self.backlog.append(bytes(ForkingPickler.dumps(message)))
        self.push()

    def push(self) -> None:
        """Send what there is room for."""
        while self.backlog and (not self.sizes or sum(self.sizes) + len(self.backlog[0]) <= IN_PIPE):
            task = self.backlog.popleft()
            self.sizes.append(len(task))
            try:
                self.tasks.send_bytes(task)
            except OSError:  # it is dead: whoever waits for the reply will be told
                return

    def listen(self) -> None:
        """Take in one reply."""
        try:
            self.replies.append(self.results.recv_bytes())
        except (EOFError, OSError):
            return
        self.sizes.popleft()
        self.push()


class Pool:
    """All workers of one DataLoader's pass, or of all its passes."""

    def __init__(self, loader: Any, base_seed: int, fetcher: tuple[Any, ...], context: Any) -> None:
        self.timeout = loader.timeout
        self.workers: list[Worker] = []
        self.close = weakref.finalize(self, _end, self.workers, os.getpid())  # also when Python exits
        for i in range(loader.num_workers):
            setup = Setup(
                i,
                loader.num_workers,
                base_seed + i,
                loader.dataset,
                fetcher,
                loader.worker_init_fn,
                get_default_dtype(),
            )
            self.workers.append(Worker(context, setup))

    def ask(self, number: int, indices: Any) -> None:
        """Let a worker fetch a batch."""
        self.workers[number].send(FETCH, indices)

    def answer(self, number: int) -> tuple[str, Any]:
        """A worker's next reply: (DATA, batch) or (END, None). Its errors are raised here."""
        worker = self.workers[number]
        kind, *body = ForkingPickler.loads(self._next_reply(worker))
        if kind == ERROR:
            _reraise(worker, *body)
        return kind, body[0] if kind in (DATA, READY) else None

    def resume(self, epoch: int) -> None:
        """Begin a new pass; what is left of an earlier one is thrown away."""
        for worker in self.workers:
            worker.backlog.clear()
            worker.send(RESUME, epoch)
        for worker in self.workers:
            while True:
                kind, *body = ForkingPickler.loads(self._next_reply(worker))
                if kind == READY and body[0] == epoch:
                    break

    def _next_reply(self, worker: Worker) -> Any:
        deadline = time.monotonic() + self.timeout if self.timeout > 0 else None
        while not worker.replies:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                self._tell_where_it_hangs(worker)
            doors: list[Any] = [w.results for w in self.workers] + [w.process.sentinel for w in self.workers]
            ready = wait(doors, left)
            for each in self.workers:  # all of them, so that none has to wait with a batch that is done
                if each.results in ready:
                    each.listen()
            for each in self.workers:
                if each.process.sentinel in ready and not worker.replies:
                    self._tell_of_death(each)
        return worker.replies.popleft()

    def _tell_of_death(self, worker: Worker) -> NoReturn:
        worker.process.join(GRACE)
        code = worker.process.exitcode
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"exited with status {code}"
        hint = " (SIGKILL is often the system's answer to a lack of memory)" if code == -9 else ""
        raise RuntimeError(f"DataLoader worker {worker.number} (pid {worker.process.pid}) {how} unexpectedly{hint}.")

    def _tell_where_it_hangs(self, worker: Worker) -> NoReturn:
        where = "It does not answer either: it is inside of a C function, or stopped."
        try:
            worker.alarm.send(True)
            if worker.alarm.poll(ANSWER):
                where = f"It is here (most recent call last):\n{worker.alarm.recv()}"
        except (OSError, EOFError):
            where = "It is dead."
        raise RuntimeError(
            f"DataLoader timed out after {self.timeout} seconds waiting for worker {worker.number} "
            f"(pid {worker.process.pid}). {where}"
        )


class _Verbatim(str):
    """A KeyError shows the repr of its message; this one's is the text, with its lines."""

    def __repr__(self) -> str:
        return str(self)


def _reraise(worker: Worker, kind: Any, name: str, trace: str) -> NoReturn:
    """Raise a worker's error here, with its traceback in the message, as PyTorch does."""
    message = f"Caught {name} in DataLoader worker process {worker.number}.\nOriginal {trace}"
    if kind is None or issubclass(kind, StopIteration):  # which would end the loop in silence
        raise RuntimeError(message)
    try:
        error = kind(_Verbatim(message) if issubclass(kind, KeyError) else message)
    except Exception:  # a class that is made of something else than a text
        raise RuntimeError(message) from None
    raise error


def _end(workers: list[Worker], owner: int) -> None:
    """End all workers: ask, wait a little, insist."""
    if os.getpid() != owner:  # a fork's copy
        return
    for worker in workers:
        worker.backlog.clear()
        if sum(worker.sizes) < IN_PIPE:  # else it would block; it is terminated below
            worker.send(STOP, None)
    deadline = time.monotonic() + GRACE
    alive = [worker for worker in workers if worker.process.is_alive()]
    while alive and (left := deadline - time.monotonic()) > 0:
        pipes: list[Connection] = [worker.results for worker in alive]
        ready = wait([*pipes, *(worker.process.sentinel for worker in alive)], left)
        for worker in alive:
            if worker.results in ready:  # it waits for its batch to be taken
                try:
                    worker.results.recv_bytes()
                except (EOFError, OSError):
                    worker.process.join(left)
        alive = [worker for worker in alive if worker.process.is_alive()]
    for insist in ("terminate", "kill"):
        for worker in alive:
            getattr(worker.process, insist)()
        for worker in alive:
            worker.process.join(GRACE)
        alive = [worker for worker in alive if worker.process.is_alive()]
    for worker in workers:
        worker.process.join(0)
        for pipe in (worker.tasks, worker.results, worker.alarm):
            pipe.close()
    workers.clear()


__all__ = ["END", "Pool"]
