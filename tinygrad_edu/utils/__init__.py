"""Helpers around training: checkpoint trades time for memory, data feeds the loop, summary shows a model's layers."""

from __future__ import annotations

from . import checkpoint, data
from .summary import summary

__all__ = [
    "checkpoint",
    "data",
    "summary",
]
