"""The recorded graph in PyTorch's words: what `t.grad_fn` gives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..core.node import Node

__all__ = ["Node", "disable_saved_tensors_hooks", "save_on_cpu", "saved_tensors_hooks"]


class saved_tensors_hooks:
    """Refused: see the error."""

    def __init__(self, pack_hook: Any, unpack_hook: Any) -> None:
        raise NotImplementedError(
            "saved_tensors_hooks: a record keeps the very arrays that its rules read, and formulas and pictures read "
            "them too, so they can't be packed into something else. To save memory compute parts of the model again in "
            "backward by utils.checkpoint.checkpoint; to see gradients use register_hook of a tensor or of its grad_fn."
        )


@contextmanager
def save_on_cpu(pin_memory: bool = False, device_type: str = "cuda") -> Iterator[None]:
    """Does nothing: everything is on the CPU already."""
    yield


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Does nothing: there are no such hooks."""
    yield
