"""The rule book as a document is the registry's, and `docs` prints its entries."""

from __future__ import annotations

from importlib import util
from pathlib import Path

import pytest

import tinygrad_edu as te

spec = util.spec_from_file_location("book", Path(__file__).with_name("book.py"))
writer = util.module_from_spec(spec)
spec.loader.exec_module(writer)


def test_book_is_the_registrys(request):
    """Rewrite it with --update-golden."""
    text = writer.book()
    if request.config.getoption("--update-golden"):
        writer.TARGET.write_text(text, encoding="utf-8")
    assert writer.TARGET.read_text(encoding="utf-8") == text


def test_every_differentiable_rule_is_printed():
    """No rule is without a formula, but for those of several outputs."""
    for primitive in writer.BOOK.values():
        for name, rule in zip(primitive.inputs, primitive.rules, strict=True):
            if rule is not None:
                assert writer.printed(primitive, name), f"{primitive.key}: d{name}"


def test_docs_prints_an_entry(capsys):
    """By PyTorch's name, with the rule as written and as printed."""
    te.docs("tanh")
    printed = capsys.readouterr().out
    assert "dZ as written: `dA * (1 - A ** 2)`" in printed
    assert "dZ as printed: `dY * (1 - Y ** 2)`" in printed


def test_docs_of_an_operation_made_of_several_primitives(capsys):
    """`softmax` is the public name of softmax_over."""
    te.docs("softmax")
    assert "## softmax_over" in capsys.readouterr().out


def test_docs_of_a_composition_prints_its_docstring(capsys):
    """An operation without a primitive of its own says what it does."""
    te.docs("allclose")
    assert "close" in capsys.readouterr().out


def test_docs_of_an_unknown_name_suggests():
    """A misspelt name gets the nearest ones."""
    with pytest.raises(KeyError, match="softmax"):
        te.docs("sofmax")
