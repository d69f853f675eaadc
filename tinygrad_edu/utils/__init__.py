"""Helpers around training: checkpoint trades time for memory, data feeds the loop, summary shows a model's layers."""

from __future__ import annotations

from ..core.missing import missing
from ..nn.summary import summary
from . import checkpoint, data

__all__ = [
    "checkpoint",
    "data",
    "summary",
]

__getattr__ = missing(__name__)
