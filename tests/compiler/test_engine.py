"""The choice of an engine."""

from __future__ import annotations

import importlib.util

import pytest

import tinygrad_edu as te


def test_without_numba_compile_says_what_to_install(monkeypatch):
    """At once, not at the first call."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "tinygrad_edu\[numba\]"'):
        te.compile(lambda x: x, engine="numba")


def test_engines_are_two():
    """Another name is refused with both."""
    with pytest.raises(ValueError, match="'numpy', 'numba', got 'jax'"):
        te.compile(lambda x: x, engine="jax")
