"""Whole programs are explained, and every formula gives autograd's numbers: the examples' and the README's losses."""

from __future__ import annotations

import contextlib
import io
import re
import runpy
from pathlib import Path

import pytest

import tinygrad_edu as te
from tinygrad_edu.symbolic import explain
from tinygrad_edu.viz.script import caller, losses_among

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
README = [
    code
    for language, code in re.findall(
        r"^```(\w+)\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    if language == "python"
]
SECOND = 2  # a program is explained at the second step of each line that calls backward
CALLS = 6  # of backward; then the program is ended


class Enough(BaseException):
    """Ends a program; no `except Exception` of its own stops it."""


@pytest.fixture(autouse=True)
def _settings():
    """What a program sets is set back."""
    before = te.get_default_dtype()
    yield
    te.set_default_dtype(before)


def largest_error(loss):
    """Of every formula, in both scales where there are two."""
    exact = explain(loss)
    return max(exact.check(), explain(loss, "textbook").check() if exact.m is not None else 0)


@pytest.fixture
def explained(monkeypatch):
    """Largest errors of the losses on which a program calls backward."""
    errors: list[float] = []
    calls: dict[object, int] = {}
    backward = te.Tensor.backward

    def checked(self, *args, **kwargs):
        frame = caller()
        place = frame.f_code, frame.f_lasti
        calls[place] = calls.get(place, 0) + 1
        look = calls[place] == SECOND and self.numel() == 1
        if look:
            errors.append(largest_error(self))
        backward(self, *args, **kwargs)
        if look:
            errors.append(largest_error(self))
        if sum(calls.values()) >= CALLS:
            raise Enough

    monkeypatch.setattr(te.Tensor, "backward", checked)
    return errors


@pytest.mark.parametrize("program", EXAMPLES, ids=lambda path: path.stem)
def test_examples_explain(program, explained, tmp_path, monkeypatch):
    """Before backward and after it, in both scales, at the second step of each loss."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MNIST", raising=False)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Enough):
        runpy.run_path(str(program), run_name="__main__")
    assert explained
    assert max(explained) < 1e-10


def test_the_readmes_programs_explain(tmp_path, monkeypatch):
    """Every loss that a block leaves in a variable; where its optimizer has written since, the formulas are there."""
    monkeypatch.chdir(tmp_path)
    checked = stale = 0
    for code in README:
        scope = {"__name__": "readme"}
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(code, "README.md", "exec"), scope)
        for name in losses_among(scope):
            e = explain(scope[name])
            if e.stale:
                stale += len(list(e)) > 0
            else:
                checked += e.check() < 1e-10
    assert (checked, stale) >= (2, 2)
