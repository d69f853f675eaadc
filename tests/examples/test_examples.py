"""Every program in examples/ runs as a reader would run it, and asserts for itself what it claims."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted((ROOT / "examples").glob("*.py"))
LINES = 100
SECONDS = 60  # a program that hangs fails; one that is slow does not


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_example_runs_and_its_assertions_hold(program, tmp_path):
    """Without arguments, in an empty folder, warnings being errors; it prints what its docstring promises to show."""
    run = subprocess.run(
        [sys.executable, "-W", "error", str(program)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
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


def test_there_are_examples():
    """The folder is found, so the tests above are not empty."""
    assert PROGRAMS
