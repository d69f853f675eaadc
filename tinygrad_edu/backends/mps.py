"""Apple's GPUs: not used here."""

from __future__ import annotations


def is_available() -> bool:
    """Whether it computes: no."""
    return False


def is_built() -> bool:
    """Whether it could compute on another machine: no."""
    return False
