"""The recorded graph in PyTorch's words: what `t.grad_fn` gives."""

from __future__ import annotations

from ..core.node import Node

__all__ = ["Node"]
