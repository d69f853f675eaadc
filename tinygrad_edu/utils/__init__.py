"""Helpers around training: checkpoint trades time for memory, data feeds the loop."""

from __future__ import annotations

from . import checkpoint, data

__all__ = ["checkpoint", "data"]
