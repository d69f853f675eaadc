"""Helpers around training: checkpoint trades time for memory, data feeds the loop."""

from __future__ import annotations

from . import checkpoint, data

__all__ = ["checkpoint", "data"]
"""Helpers around training: checkpoint trades time for memory, summary shows a model's layers."""

from __future__ import annotations

from . import checkpoint
from .summary import summary

__all__ = [
    "checkpoint",
    "summary",
]
