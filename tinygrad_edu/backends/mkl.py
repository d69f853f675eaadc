"""Intel's MKL: not used here."""

from __future__ import annotations


def is_available() -> bool:
    """Whether it computes: no."""
    return False
