"""tinygrad_edu.version: what scripts print about what they run on."""

from __future__ import annotations

from . import __version__

__all__ = ["__version__", "cuda", "debug", "hip"]

cuda: str | None = None  # no GPU is used
hip: str | None = None
debug = False
