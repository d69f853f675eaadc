"""`python -m benchmarks`: run the workloads, print the tables, store the figures.

python -m benchmarks                  everything, some minutes; nothing else should be running
python -m benchmarks --quick          everything, a glance, under a minute
python -m benchmarks --only article   one workload (may be given several times)
python -m benchmarks --keep           also store the result as the figures that are kept
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import time

from . import harness, report
from .workloads import NAMES

RESULTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Time and memory against peers.")
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME", help=f"one of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="few rounds: a glance, not a measurement")
    parser.add_argument("--keep", action="store_true", help="store as results/figures.md and .json")
    options = parser.parse_args()

    machine = harness.machine()
    print(report.heading(machine), end="\n\n", flush=True)
    results = {}
    for name in options.only or NAMES:
        workload = importlib.import_module(f"benchmarks.workloads.{name}").WORKLOAD
        results[name] = harness.run(workload, options.quick)
        print(report.workload_table(name, results[name]), end="\n\n", flush=True)
    print(report.bars_table(results))

    found = {"machine": machine, "quick": options.quick, "results": results}
    for stem in [time.strftime("%Y%m%d-%H%M%S"), *(["figures"] if options.keep else [])]:
        with open(os.path.join(RESULTS, f"{stem}.json"), "w") as file:
            json.dump(found, file, indent=1)
    if options.keep:
        with open(os.path.join(RESULTS, "figures.md"), "w") as file:
            tables = "\n\n".join(report.workload_table(name, result) for name, result in results.items())
            text = f"{report.heading(machine)}\n\n{tables}"
            file.write(f"# Figures kept\n\n{report.bars_table(results)}\n\n```\n{text}\n```\n")


if __name__ == "__main__":
    main()
