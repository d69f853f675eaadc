"""Contenders in processes of their own, one running at a time, compared by the median of their samples.

In one shared process the spinning threads of NumPy's BLAS and PyTorch's pool fight over the cores, and
the same step reads ten times longer. So every contender has a process (worker.py) that is stopped until it
is asked; rounds go through the contenders in turn, with a pause in which threads stop spinning, so
that a slow minute of the machine falls on all of them alike. Stopped, and not asleep, since what a library's
threads do when there is no work is not ours to know.

Not here: what is computed (workloads/) and the command line (__main__.py).
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import importlib.util
import json
import os
import platform
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

PAUSE = 0.05  # seconds; OpenBLAS's threads spin for 26 ms at most after a product, OpenMP's for less
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

OURS = "tinygrad_edu"
COMPILED, REASSOCIATED, NUMBA = f"{OURS} compiled", f"{OURS} reassociated", f"{OURS} numba"
TITLES = {  # in the order of the tables
    "numpy": "NumPy by hand",
    "numpy floor": "floor",
    OURS: "tinygrad_edu",
    COMPILED: "tinygrad_edu compiled",
    REASSOCIATED: "tinygrad_edu compiled, reassociated",
    NUMBA: "tinygrad_edu compiled, numba",
    "torch": "PyTorch eager",
    "torch compiled": "torch.compile",
    "jax": "JAX jit",
    "autograd": "HIPS autograd",
    "mygrad": "MyGrad",
    "tinygrad": "tinygrad",
    "micrograd": "micrograd",
}
IN_A_GLANCE = {"numpy", OURS, COMPILED, "torch"}  # what --quick has the time for
PATIENCE = 240  # seconds; the slowest compiler that comes to an end here takes 60
LONGEST = 0.5  # seconds that a contender's turn may take, be it for one step

Step = Callable[[], Any]


class Absent(Exception):
    """A contender can't take part here; the message says why, and stands in the table."""


@dataclasses.dataclass(frozen=True)
class Bar:
    """`above` may take at most `limit` times what `below` takes; without `below`, `limit` seconds.

    `of` is what is compared: "median", or "first_call_s".
    """

    above: str
    below: str
    limit: float
    of: str = "median"


def speed(
    eager: float | None = None,
    compiled: float | None = None,
    numba: float | None = None,
    jax: float | None = None,
    numba_jax: float | None = None,
    hand: float | None = None,
    floor: float | None = None,
) -> tuple[Bar, ...]:
    """The bars of a line of the table of speeds: eager and compiled to PyTorch eager, compiled to the others."""
    lines = (
        (OURS, "torch", eager),
        (COMPILED, "torch", compiled),
        (NUMBA, "torch", numba),
        (COMPILED, "jax", jax),
        (NUMBA, "jax", numba_jax),
        (COMPILED, "numpy", hand),
        (COMPILED, "numpy floor", floor),
    )
    return tuple(Bar(above, below, limit) for above, below, limit in lines if limit is not None)


@dataclasses.dataclass
class Workload:
    """One question, and those who answer it.

    Args:
        name: its file in workloads/.
        question: what the table tells.
        bars: the ratios of medians to reach.
        steps: how many steps a worker runs in a round, or for each contender how many; fewer if it takes long.
        rounds: how often each has its turn; then those of a quick look.
        check: how many first steps must have the same losses; 0 where there is no loss.
        rtol: how far those losses may differ, relatively, and why so is said beside it.
        unit: "step" (time), "node" (time, divided by `nodes`), "bytes" or "import".
        nodes: for the unit "node", the nodes of each contender's graph.
        longest: seconds after which a worker's turn in a round ends, however few steps it has done.
        collector: contenders that run with Python's cyclic collector off have False here.
    """

    name: str
    question: str
    bars: tuple[Bar, ...] = ()
    steps: int | dict[str, int] = 1
    rounds: tuple[int, int] = (20, 3)
    check: int = 0
    rtol: float = 0.0
    unit: str = "step"
    nodes: dict[str, int] = dataclasses.field(default_factory=dict)
    longest: float = LONGEST
    collector: dict[str, bool] = dataclasses.field(default_factory=dict)
    contenders: dict[str, Callable[[], Step]] = dataclasses.field(default_factory=dict)

    def contender(self, name: str) -> Callable[[Callable[[], Step]], Callable[[], Step]]:
        """Enter a function that imports, makes data and weights, and gives the step.

        The first word of the name is the module without which the contender is absent; it may raise Absent too.
        """

        def enter(build: Callable[[], Step]) -> Callable[[], Step]:
            self.contenders[name] = build
            return build

        return enter


class Worker:
    """The other end of worker.py: ask, and wait for the answer."""

    def __init__(self, workload: str, name: str, patience: float = PATIENCE) -> None:
        self.name, self.patience = name, patience
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", workload, name],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """The worker's answer; it is absent from now on if it hasn't answered while there was patience."""
        self.tell(do, **arguments)
        return self.hear()

    def tell(self, do: str, **arguments: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.process.stdout, selectors.EVENT_READ)
            if not waiting.select(self.patience):
                self.process.kill()
                return {"absent": f"no answer in {self.patience:g} s"}
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.name} ended with code {self.process.wait()}; its error stands above.")
        return json.loads(answer)  # type: ignore[no-any-return]

    def rest(self) -> None:
        """Stop until it is asked again: the threads of some libraries go on looking for work when there is none."""
        if hasattr(signal, "SIGSTOP"):
            self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Go on."""
        if hasattr(signal, "SIGCONT"):
            self.process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.wake()
        self.process.communicate()  # closes its stdin, which ends it


def run(
    workload: Workload, quick: bool = False, without: Sequence[str] = (), kept: dict[str, Worker] | None = None
) -> dict[str, Any]:
    """Run a workload's contenders and give its result, ready for JSON.

    Args:
        workload: the workload.
        quick: take a glance, at a few of the contenders that a bar names.
        without: contenders to leave out.
        kept: workers that live on from workload to workload, by contender, since importing is most of a glance; those
            that are missing are added. Without it each workload has workers of its own.
    """
    compared = {name for bar in workload.bars for name in (bar.above, bar.below)}
    glance = compared & IN_A_GLANCE or compared
    wanted = [name for name in in_order(workload.contenders) if name in glance or not quick]
    large = [name for name in wanted if quick and workload.nodes.get(name, 0) > 100_000]
    absent = {name: "left out" for name in wanted if name in without or name in large}
    absent |= {name: "not installed" for name in wanted if not is_present(name)}
    present = [name for name in wanted if name not in absent]
    rounds = workload.rounds[quick]
    measure = {"bytes": _memory, "import": _imports}.get(workload.unit, functools.partial(_steps, kept=kept))
    began, busy = time.perf_counter(), _others()
    if quick:
        workload = dataclasses.replace(workload, check=min(workload.check, 5), longest=LONGEST / 6)
    info, samples = measure(workload, present, rounds)
    # of workers that live on it is not known what they used
    others = (_others() - busy) / (time.perf_counter() - began) if kept is None else 0.0
    result: dict[str, Any] = {"question": workload.question, "unit": workload.unit, "absent": absent, "others": others}
    result["contenders"] = {}
    for name in present:
        if "absent" in info[name]:
            absent[name] = info[name]["absent"]
            continue
        scale = workload.nodes.get(name, 1)
        own = [np.asarray(s) / scale for s in samples[name]]
        low, middle, high = np.percentile(np.concatenate(own), [25, 50, 75])
        result["contenders"][name] = {
            "median": float(middle),
            "quartiles": [float(low), float(high)],
            "samples": sum(map(len, own)),
            "rounds": [float(np.median(s)) for s in own],
            **info[name],
        }
    result["agreement"] = agreement(workload, result["contenders"])
    result["bars"] = [judged(bar, result["contenders"]) for bar in workload.bars]
    return result


def in_order(names: Iterable[str]) -> list[str]:
    """Contenders as the tables list them; those that TITLES doesn't know stay beside their library."""
    order = {name: i for i, name in enumerate(TITLES)}
    return sorted(names, key=lambda name: order.get(name, order.get(name.split()[0], len(order))))


def _others() -> float:
    """Seconds of processor time spent so far on anything but our own processes; 0 where unknown."""
    if not os.path.exists("/proc/stat"):
        return 0.0
    with open("/proc/stat") as file:
        user, nice, system, _idle, _wait, interrupts, soft, stolen, *_ = map(int, file.readline().split()[1:])
    own = os.times()
    everyone = (user + nice + system + interrupts + soft + stolen) / os.sysconf("SC_CLK_TCK")
    return everyone - own.user - own.system - own.children_user - own.children_system


def find(workload: str) -> Workload:
    """The workload of this name: a file of workloads/, or "growth:batch" and its like."""
    module, _, rest = workload.partition(":")
    if rest:
        return importlib.import_module(f"benchmarks.{module}").WORKLOADS[rest]  # type: ignore[no-any-return]
    return importlib.import_module(f"benchmarks.workloads.{module}").WORKLOAD  # type: ignore[no-any-return]


def is_present(name: str) -> bool:
    return importlib.util.find_spec(name.split()[0]) is not None


def _steps(
    workload: Workload, names: list[str], rounds: int, kept: dict[str, Worker] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Times of steps: all workers are alive throughout, one at a time is at work."""
    workers = [(kept or {}).get(name) or Worker(workload.name, name) for name in names]
    info: dict[str, Any] = {}
    samples: dict[str, Any] = {name: [] for name in names}
    try:
        for worker in workers:  # all import at once: nothing is timed yet
            worker.wake()
            worker.tell("start", collector=workload.collector.get(worker.name, True), workload=workload.name)
        info |= {worker.name: worker.hear() for worker in workers}
        for worker in workers:
            known = info[worker.name]
            if workload.unit == "step" and "absent" not in known:
                known |= worker.ask("losses", steps=max(workload.check, 1))
        able = [worker for worker in workers if "absent" not in info[worker.name]]
        for worker in workers:
            worker.rest()
        for _ in range(rounds):
            for worker in [w for w in able if "absent" not in info[w.name]]:
                worker.wake()
                time.sleep(PAUSE)
                steps = workload.steps if isinstance(workload.steps, int) else workload.steps[worker.name]
                warm = max(steps // 10, 1) if steps > 1 else 0
                answer = worker.ask("run", steps=steps, warm=warm, longest=workload.longest)
                samples[worker.name].append(answer.pop("samples", []))
                info[worker.name] |= answer
                worker.rest()
    finally:
        if kept is not None:
            kept.update({worker.name: worker for worker in workers if worker.process.poll() is None})
        for worker in workers if kept is None else ():
            worker.__exit__()  # which also waits, so that its time counts as ours
    return info, samples


def _memory(workload: Workload, names: list[str], rounds: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Peak sizes: a process per round, since a used heap no longer shows what the next step needs."""
    info: dict[str, Any] = {}
    samples: dict[str, Any] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            if "absent" in info.get(name, ()):
                continue
            with Worker(workload.name, name) as worker:
                started = worker.ask("start", collector=True)
                answer = worker.ask("memory", steps=workload.steps) if "absent" not in started else {}
            samples[name].append(answer.pop("samples", []))
            info[name] = started | answer
    return info, samples


def _imports(workload: Workload, names: list[str], rounds: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Import times: a bare interpreter per sample, in which nothing else has been imported."""
    samples: dict[str, Any] = {name: [] for name in names}
    for turn in range(rounds + 1):
        for name in names:
            source = f"from time import perf_counter as now; t = now(); import {name}; print(now() - t)"
            done = subprocess.run(
                [sys.executable, "-c", source], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
            )
            if turn:  # the first fills the disk cache and writes bytecode
                samples[name].append([float(done.stdout)])
    return {name: {} for name in names}, samples


def agreement(workload: Workload, contenders: dict[str, Any]) -> dict[str, Any] | None:
    """The largest relative difference of any contender's losses from those of the first."""
    losses = {name: np.asarray(c["losses"]) for name, c in contenders.items() if "losses" in c}
    if len(losses) < 2:
        return None
    reference = next(iter(losses.values()))
    worst = max(float(np.max(np.abs(loss / reference - 1))) for loss in losses.values())
    return {"steps": len(reference), "difference": worst, "limit": workload.rtol, "equal": worst <= workload.rtol}


def judged(bar: Bar, contenders: dict[str, Any]) -> dict[str, Any]:
    """The ratio of medians beside its bar, and its quartiles round by round; None where a contender is absent.

    A machine shared with others has slow phases, which a round's two turns see alike: where the ratio of
    medians lies outside of the quartiles, such a phase covered a part of the run.
    """
    found: dict[str, Any] = {**dataclasses.asdict(bar), "ratio": None, "quartiles": None, "met": None}
    if bar.above in contenders and bar.of in contenders[bar.above] and not bar.below:
        found["ratio"] = contenders[bar.above][bar.of]
        found["met"] = found["ratio"] <= bar.limit
    if bar.above in contenders and bar.below in contenders:
        above, below = contenders[bar.above], contenders[bar.below]
        found["ratio"] = above["median"] / below["median"]
        found["quartiles"] = np.percentile(np.divide(above["rounds"], below["rounds"]), [25, 75]).tolist()
        found["met"] = found["ratio"] <= bar.limit
    return found


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    cpu = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            cpu = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), cpu)
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]  # type: ignore[index]
    threads = {k: v for k, v in os.environ.items() if k.endswith("_NUM_THREADS")}
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": os.getloadavg()[0],  # of others: above a few tenths the figures are noise
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": f"{blas['name']} {blas['version']}",
        "environment": threads,
        "date": time.strftime("%Y-%m-%d"),
    }
