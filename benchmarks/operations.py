"""What does each operation cost, forward and backward, on 64 x 512 float32, beside PyTorch eager?

python -m benchmarks.operations          prints the table and stores it as results/operations.md
python -m benchmarks.operations --quick  a glance

Each library has processes of its own, in turn; a process goes through all operations and reports the
median of each. The ratio is of the medians over the rounds. One thread in both: at this size threads
cost more than they bring, and would fight over the cores.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

SHAPE = (64, 512)
BAR = 1.5  # times PyTorch's time
REPEATS = 60

UNARY = [
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "ceil",
    "cos",
    "cosh",
    "deg2rad",
    "digamma",
    "erf",
    "erfc",
    "erfinv",
    "exp",
    "exp2",
    "expm1",
    "floor",
    "frac",
    "lgamma",
    "log",
    "log10",
    "log1p",
    "log2",
    "logit",
    "neg",
    "reciprocal",
    "round",
    "rsqrt",
    "sigmoid",
    "sign",
    "sin",
    "sinc",
    "sinh",
    "sqrt",
    "square",
    "tan",
    "tanh",
    "trunc",
]
BINARY = [
    "add",
    "sub",
    "mul",
    "div",
    "pow",
    "maximum",
    "minimum",
    "atan2",
    "hypot",
    "fmod",
    "remainder",
    "logaddexp",
    "logaddexp2",
    "copysign",
    "xlogy",
]
REDUCTIONS = [
    "sum",
    "mean",
    "amax",
    "amin",
    "prod",
    "logsumexp",
    "var",
    "std",
    "cumsum",
    "cumprod",
    "logcumsumexp",
    "norm",
    "median",
]
ACTIVATIONS = [
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "celu",
    "gelu",
    "silu",
    "mish",
    "softplus",
    "hardtanh",
    "hardsigmoid",
    "hardswish",
    "relu6",
    "softsign",
    "tanhshrink",
    "hardshrink",
    "softshrink",
    "logsigmoid",
]
ALONG = {"amax", "amin", "logsumexp", "cumsum", "cumprod", "logcumsumexp"}


def call(function: Any, count: int, shift: float = 0.0, **keywords: Any) -> Callable[[Any, Any], Any]:
    """The operation on the first `count` tensors; a missing one fails when it is called."""
    return lambda x, y: function(*(v - shift if shift else v for v in (x, y)[:count]), **keywords)


def operations(torch: Any) -> dict[str, Callable[[Any, Any], Any]]:
    """Operation by name: a function of two positive tensors; the same text for both libraries."""
    F = torch.nn.functional
    table: dict[str, Callable[[Any, Any], Any]] = {}
    for name in UNARY:
        table[name] = call(getattr(torch, name, None), 1)
    table["acosh"] = lambda x, y: torch.acosh(x + 1)
    for name in BINARY:
        table[name] = call(getattr(torch, name, None), 2)
    for name in REDUCTIONS:
        along = {"dim": 1} if name in ALONG else {}
        table[name] = call(getattr(torch, name, None), 1, **along)
    for name in ACTIVATIONS:
        table[name] = call(getattr(F, name, None), 1, shift=0.5)
    table |= {
        "cube": lambda x, y: (x - 0.5) ** 3,  # of negative numbers, too
        "fourth power": lambda x, y: (x - 0.5) ** 4,
        "inverse square": lambda x, y: (x - 0.5) ** -2,
        "where": lambda x, y: torch.where(x > y, x, y),
        "clamp": lambda x, y: x.clamp(0.2, 0.8),
        "lerp": lambda x, y: torch.lerp(x, y, 0.3),
        "addcmul": lambda x, y: torch.addcmul(x, x, y),
        "softmax": lambda x, y: torch.softmax(x, 1),
        "log_softmax": lambda x, y: torch.log_softmax(x, 1),
        "max along": lambda x, y: torch.max(x, 1)[0],
        "sum along": lambda x, y: x.sum(0),
        "mean along": lambda x, y: x.mean(1),
        "var along": lambda x, y: x.var(1),
        "cummax": lambda x, y: torch.cummax(x, 1)[0],
        "diff": lambda x, y: torch.diff(x),
        "reshape": lambda x, y: x.reshape(512, 64) * 2,
        "transpose": lambda x, y: x.t() * 2,
        "expand": lambda x, y: x[:, :1].expand(64, 512) * y,
        "cat": lambda x, y: torch.cat([x, y], 1),
        "stack": lambda x, y: torch.stack([x, y]),
        "split": lambda x, y: torch.split(x, 128, 1)[1] * 2,
        "flip": lambda x, y: torch.flip(x, [0]),
        "roll": lambda x, y: torch.roll(x, 3, 1),
        "repeat": lambda x, y: x.repeat(2, 1),
        "tril": lambda x, y: torch.tril(x),
        "pad": lambda x, y: F.pad(x, (1, 1)),
        "slice": lambda x, y: x[:, 10:100] * 2,
        "index rows": lambda x, y: x[INDEX[torch.__name__]],
        "boolean mask": lambda x, y: x[x > 0.5],
        "gather": lambda x, y: torch.gather(x, 1, COLUMNS[torch.__name__]),
        "index_select": lambda x, y: torch.index_select(x, 0, INDEX[torch.__name__]),
        "masked_fill": lambda x, y: x.masked_fill(x > 0.5, 0.0),
        "sort": lambda x, y: torch.sort(x, 1)[0],
        "topk": lambda x, y: torch.topk(x, 10, 1)[0],
        "scatter_add": lambda x, y: x.scatter_add(1, COLUMNS[torch.__name__], y),
        "mm": lambda x, y: x @ y.t(),
        "einsum": lambda x, y: torch.einsum("ij,kj->ik", x, y),
    }
    return table


INDEX: dict[str, Any] = {}
COLUMNS: dict[str, Any] = {}


def measure(library: str, repeats: int) -> dict[str, float | None]:
    """Median microseconds per operation, forward and backward; None where the library lacks it."""
    if library == "torch":
        import torch

        torch.set_num_threads(1)
    else:
        import tinygrad_edu as torch
    torch.manual_seed(0)
    x = (torch.rand(*SHAPE) * 0.8 + 0.1).requires_grad_()
    y = (torch.rand(*SHAPE) * 0.8 + 0.1).requires_grad_()
    INDEX[torch.__name__] = torch.randint(0, 64, (64,))
    COLUMNS[torch.__name__] = torch.randint(0, 512, SHAPE)
    found: dict[str, float | None] = {}
    for name, run in operations(torch).items():
        try:
            out = run(x, y)
            cotangent = torch.ones(tuple(out.shape))
        except (AttributeError, TypeError):
            found[name] = None
            continue
        times = []
        for _ in range(repeats):
            x.grad = y.grad = None
            begin = time.perf_counter()
            run(x, y).backward(cotangent)
            times.append(time.perf_counter() - begin)
        found[name] = statistics.median(times[repeats // 5 :]) * 1e6
    return found


def table(rounds: dict[str, list[dict[str, float | None]]]) -> str:
    """Rows by ratio, and how many are within the bar."""
    rows = []
    for name in rounds["torch"][0]:
        theirs = [r[name] for r in rounds["torch"] if r[name] is not None]
        ours = [r[name] for r in rounds["tinygrad_edu"] if r[name] is not None]
        if theirs and ours:
            rows.append((statistics.median(ours) / statistics.median(theirs), name, ours, theirs))
        else:
            rows.append((float("inf"), name, [], []))
    rows.sort()
    within = sum(ratio <= BAR for ratio, *_ in rows)
    lines = [
        "# Operations, forward and backward, 64 x 512 float32, one thread",
        "",
        f"{within} of {len(rows)} operations ({within / len(rows):.0%}) take at most {BAR} times PyTorch eager's time.",
        "",
        "| operation | tinygrad_edu, us | PyTorch, us | ratio |",
        "|---|---|---|---|",
    ]
    for ratio, name, ours, theirs in rows:
        figures = (
            f"{statistics.median(ours):.0f} | {statistics.median(theirs):.0f} | {ratio:.2f}" if ours else "- | - | -"
        )
        lines.append(f"| {name} | {figures} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.operations", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--measure", metavar="LIBRARY", help="used inside: report one library's medians")
    options = parser.parse_args(arguments)
    if options.measure:
        print(json.dumps(measure(options.measure, REPEATS)))
        return
    rounds: dict[str, list[dict[str, float | None]]] = {"torch": [], "tinygrad_edu": []}
    single = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    for _ in range(1 if options.quick else 5):
        for library, results in rounds.items():
            command = [sys.executable, "-m", "benchmarks.operations", "--measure", library]
            run = subprocess.run(command, capture_output=True, text=True, check=True, env=single)
            results.append(json.loads(run.stdout))
    text = table(rounds)
    print(text)
    if not options.quick:
        with open(os.path.join(os.path.dirname(__file__), "results", "operations.md"), "w") as file:
            file.write(text)


if __name__ == "__main__":
    main()
