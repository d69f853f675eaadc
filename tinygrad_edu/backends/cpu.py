"""The processor, on which NumPy computes."""

from __future__ import annotations


def get_cpu_capability() -> str:
    """PyTorch's word for a processor of which nothing special is known; NumPy chooses by itself."""
    return "DEFAULT"
