"""The README's program prints what the README says it prints."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def examples() -> list[tuple[str, str | None]]:
    """Each Python block, with the text block that follows it as its expected output."""
    blocks = BLOCK.findall(README.read_text(encoding="utf-8"))
    found = []
    for i, (language, code) in enumerate(blocks):
        if language == "python":
            follows = blocks[i + 1] if i + 1 < len(blocks) else ("", "")
            found.append((code, follows[1] if follows[0] == "text" else None))
    return found


@pytest.mark.parametrize(("code", "expected"), examples(), ids=lambda x: (x or "").split("\n")[0][:40])
def test_block_prints_what_is_shown(code, expected, tmp_path, monkeypatch):
    """Run as it stands, a block prints the text below it."""
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    if expected is not None:
        assert printed.getvalue().strip() == expected.strip()


def test_there_are_examples():
    """The README shows programs, so the tests above are not empty."""
    assert len(examples()) >= 3
