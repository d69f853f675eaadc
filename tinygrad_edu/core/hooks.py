"""Hooks: functions of the user's that backward calls with the gradients it passes."""

from __future__ import annotations

from typing import Any


class RemovableHandle:
    """What registering a hook returns: `remove()` takes the hook out again."""

    _next = 0

    def __init__(self, hooks: dict[int, Any], hook: Any) -> None:
        self.hooks, self.id = hooks, RemovableHandle._next
        RemovableHandle._next += 1
        hooks[self.id] = hook

    def remove(self) -> None:
        self.hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


# What is to be called when the walk of backward that goes on now has ended: see end_walk.
AT_THE_END: list[Any] = []


def end_walk(begun: int) -> None:
    """Make the calls that were asked for during a walk which began when there were so many of walks around it."""
    calls = AT_THE_END[begun:]
    del AT_THE_END[begun:]
    for call in calls:
        call()


def replaced(hook: Any, answer: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a node's hook made of a tuple of gradients: the tuple itself if it returned None."""
    if answer is None:
        return given
    name = getattr(hook, "__name__", "hook")
    if not isinstance(answer, tuple):
        raise TypeError(f"hook '{name}': expected tuple, but hook returned '{type(answer).__name__}'.")
    if len(answer) != len(given):
        raise RuntimeError(
            f"hook '{name}' has returned an incorrect number of values (got {len(answer)}, but expected {len(given)})."
        )
    for new, old in zip(answer, given, strict=True):
        if (new is None) != (old is None) or (new is not None and (new.shape, new.dtype) != (old.shape, old.dtype)):
            raise RuntimeError(f"hook '{name}': each gradient must be replaced by one of its shape and dtype, or None.")
    return answer
