"""`python -m benchmarks`: run the workloads, print the tables, store the figures.

python -m benchmarks                  the workloads, every contender; a quarter of an hour, nothing else running
python -m benchmarks --quick          the workloads at a glance, few contenders, under a minute
python -m benchmarks --only article   one workload (may be given several times)
python -m benchmarks --without jax    a contender left out (may be given several times)
python -m benchmarks growth           how cost grows: batch, width, depth, number of operations
python -m benchmarks all              both, then the table of single operations
python -m benchmarks --keep           also store as the figures that are kept: tables, JSON, an SVG plot

Every run but a quick one stores its figures in benchmarks/results/ under the time at which it ended.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import time
from typing import Any

from . import harness, operations, plot, report
from .workloads import NAMES

RESULTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Time and memory against peers.")
    parser.add_argument("what", nargs="?", choices=("workloads", "growth", "all"), default="workloads")
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME", help=f"one of {', '.join(NAMES)}")
    parser.add_argument(
        "--without", action="append", default=[], metavar="CONTENDER", help='"torch compiled", "jax" ...'
    )
    parser.add_argument("--quick", action="store_true", help="few rounds: a glance, not a measurement")
    parser.add_argument("--keep", action="store_true", help="store as results/figures.* and results/growth.*")
    options = parser.parse_args()

    machine = harness.machine()
    print(report.heading(machine), end="\n\n", flush=True)
    failed: list[str] = []  # of ours: a peer may, and is told in the table
    if options.what in ("workloads", "all"):
        results = {}
        kept: dict[str, harness.Worker] | None = {} if options.quick else None
        try:
            for name in options.only or NAMES:
                workload = importlib.import_module(f"benchmarks.workloads.{name}").WORKLOAD
                results[name] = harness.run(workload, options.quick, options.without, kept)
                print(report.workload_table(name, results[name]), end="\n\n", flush=True)
        finally:
            for worker in (kept or {}).values():
                worker.__exit__()
        print(report.bars_table(results), end="\n\n", flush=True)
        tables = "\n\n".join(report.workload_table(name, result) for name, result in results.items())
        text = f"# Figures kept\n\n{report.bars_table(results)}\n\n```\n{report.heading(machine)}\n\n{tables}\n```\n"
        store("figures", text, plot.overview(results), machine, results, options)
        failed += [
            f"{name}: {key} {why}"
            for name, result in results.items()
            for key, why in result["absent"].items()
            if key.startswith(harness.OURS) and why.startswith("failed")
        ]
    if options.what in ("growth", "all"):
        from . import growth

        results = {}
        for question in growth.QUESTIONS:
            results[question] = growth.run(question, options.quick, options.without)
            print(report.growth_table(question, results[question]), end="\n\n", flush=True)
        tables = "\n\n".join(report.growth_table(question, result) for question, result in results.items())
        text = f"# How cost grows\n\n```\n{report.heading(machine)}\n\n{tables}\n```\n"
        store("growth", text, plot.growth(results), machine, results, options)
    if options.what == "all":
        operations.main(["--quick"] if options.quick else [])
    if failed:
        raise SystemExit("\n".join(failed))


def store(
    kind: str, text: str, picture: str, machine: dict[str, Any], results: dict[str, Any], options: argparse.Namespace
) -> None:
    """Write the JSON, the table and the plot: under the time of day, and as what is kept if that is asked for."""
    stems = [] if options.quick else [f"{time.strftime('%Y%m%d-%H%M%S')}-{kind}"]
    found = json.dumps({"machine": machine, "quick": options.quick, "results": results}, indent=1)
    for stem in [*stems, *([kind] if options.keep else [])]:
        for ending, content in ("json", found), ("md", text), ("svg", picture):
            with open(os.path.join(RESULTS, f"{stem}.{ending}"), "w") as file:
                file.write(content)


if __name__ == "__main__":
    main()
