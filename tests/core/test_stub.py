"""core/tensor.pyi says what Tensor really has."""

from __future__ import annotations

from importlib import util
from pathlib import Path

spec = util.spec_from_file_location("stub", Path(__file__).with_name("stub.py"))
writer = util.module_from_spec(spec)
spec.loader.exec_module(writer)


def test_stub_lists_every_method(request):
    """The stub file is what the registry gives; rewrite it with --update-golden."""
    text = writer.stub()
    if request.config.getoption("--update-golden"):
        writer.STUB.write_text(text, encoding="utf-8")
    assert writer.STUB.read_text(encoding="utf-8") == text
