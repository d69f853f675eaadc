"""Every program in examples/ runs as a reader would run it, asserts for itself what it claims, and is in the README."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted((ROOT / "examples").glob("*.py"))
LINES = 100
SECONDS = 60  # a program that hangs fails; one that is slow does not
MNIST = ROOT.parent / "shared" / "data" / "mnist"  # beside the repository, where there is one
RUNS = [pytest.param(program, {}, id=program.stem) for program in PROGRAMS]
if MNIST.is_dir():
    RUNS.append(pytest.param(ROOT / "examples" / "digits.py", {"MNIST": str(MNIST)}, id="digits of MNIST"))
# A busy machine's threads spin while they wait for each other: a program of 1.5 s took 16 s with two.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}


@pytest.mark.parametrize(("program", "settings"), RUNS)
def test_example_runs_and_its_assertions_hold(program, settings, tmp_path):
    """Without arguments, in an empty folder, warnings being errors; it prints what its docstring promises to show."""
    environment = {name: value for name, value in os.environ.items() if name != "MNIST"}
    run = subprocess.run(
        [sys.executable, "-W", "error", str(program)],
        cwd=tmp_path,
        env={**environment, **ONE_THREAD, **settings, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip()
    assert not run.stderr
    assert not os.listdir(tmp_path), "an example leaves no files behind"


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_example_is_short_and_asserts(program):
    """Under 100 lines, a docstring on top, and at least one assertion."""
    text = program.read_text(encoding="utf-8")
    assert text.count("\n") < LINES
    assert text.startswith('"""')
    assert "assert " in text


def test_readme_lists_every_example():
    """One line each, and no line without its program."""
    listed = re.findall(r"^\| `examples/(\w+\.py)` \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == [program.name for program in PROGRAMS]


def test_there_are_examples():
    """The folder is found, so the tests above are not empty."""
    assert PROGRAMS
