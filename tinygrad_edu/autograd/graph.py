"""The recorded graph in PyTorch's words: what `t.grad_fn` gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from ..core.hooks import AT_THE_END, RemovableHandle
from ..core.node import Node
from ..core.tensor import Tensor

__all__ = ["Node", "disable_saved_tensors_hooks", "register_multi_grad_hook", "save_on_cpu", "saved_tensors_hooks"]


class _MultiHandle:
    """Takes a hook of several tensors out again."""

    def __init__(self, handles: list[RemovableHandle]) -> None:
        self.handles = handles

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> _MultiHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable[..., None], *, mode: Literal["all", "any"] = "all"
) -> _MultiHandle:
    """Call `fn` once per backward for several tensors.

    Args:
        mode: "all": `fn(grads)` with one gradient per tensor, None where none came, when backward has been through
            the graph (PyTorch: as soon as the last of them is known). "any": `fn(grad)` with the first to come.
    Raises:
        RuntimeError: a tensor does not require a gradient.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"register_multi_grad_hook: expects mode to be one of ('all', 'any') but got {mode}.")
    count = len(tensors)
    came: dict[int, Tensor] = {}

    def end() -> None:
        grads = [came.get(i) for i in range(count)]
        came.clear()
        if mode == "all":
            fn(grads)

    def hook_of(i: int) -> Callable[[Tensor], None]:
        def hook(grad: Tensor) -> None:
            if not came:
                AT_THE_END.append(end)
                if mode == "any":
                    fn(grad)
            came.update({i: grad})

        return hook

    return _MultiHandle([x.register_hook(hook_of(i)) for i, x in enumerate(tensors)])


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
