"""Node: a step of the backward pass as PyTorch's programs look at it, on top of a Record."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .anomaly import node_name
from .hooks import RemovableHandle, replaced
from .record import Record


class Node:
    """One operation, seen from backward: `t.grad_fn.name()`, `t.grad_fn.next_functions`.

    >>> from tinygrad_edu import tensor
    >>> x = tensor(2.0, requires_grad=True)
    >>> (x * 3).grad_fn
    <MulBackward0>
    >>> (x * 3).grad_fn.next_functions
    ((<AccumulateGrad>, 0),)
    """

    __slots__ = ("record",)

    def __new__(cls, record: Record) -> Node:
        """Of a class that is called as PyTorch's: programs that draw graphs print `type(t.grad_fn).__name__`."""
        return object.__new__(_kind(node_name(record)))

    def __init__(self, record: Record) -> None:
        self.record = record

    def name(self) -> str:
        """What PyTorch would call it: MulBackward0."""
        return node_name(self.record)

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """The node behind each tensor argument, and which of its outputs; None if it needs no gradient."""
        record = self.record
        return tuple(
            _edge(x)
            for i, x in enumerate(record.inputs)
            if isinstance(x, Record) and record.primitive is not None and record.primitive.has_rule(i)
        )

    def register_prehook(self, fn: Callable[[Any], Any]) -> RemovableHandle:
        """Call `fn(grad_outputs)` before this step: a tuple, one per output. A tuple returned takes its place."""
        record = self.record
        record.hooks = {} if record.hooks is None else record.hooks
        if isinstance(record.dtype, tuple):  # several outputs: backward hands over the tuple
            return RemovableHandle(record.hooks, fn)

        def hook(dY: Any) -> Any:
            return replaced(fn, fn((dY,)), (dY,))[0]

        return RemovableHandle(record.hooks, hook)

    def register_hook(self, fn: Callable[[Any, Any], Any]) -> RemovableHandle:
        """Call `fn(grad_inputs, grad_outputs)` after this step: tuples, one per next function and per output.

        A tuple returned is sent on in place of grad_inputs. Of a leaf's node grad_inputs is empty, and fn is
        called when the gradient has been added to `.grad`.
        """
        record = self.record
        record.hooks = {} if record.hooks is None else record.hooks
        if record.primitive is None:
            return _LeafHandle(record, fn)
        record.node_hooks = {} if record.node_hooks is None else record.node_hooks
        record.hooks[-1] = _nothing  # backward looks for hooks of a node only where there are hooks at all
        return RemovableHandle(record.node_hooks, fn)

    @property
    def line(self) -> str:
        """`file:line` of the call; empty for a leaf."""
        return self.record.line

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Node) and other.record is self.record

    def __hash__(self) -> int:
        return hash(self.record)

    def __repr__(self) -> str:
        return f"<{self.name()}>"


@functools.cache
def _kind(name: str) -> type[Node]:
    return type(name, (Node,), {"__slots__": ()})


def _nothing(_: Any) -> None:
    """The hook that changes nothing."""


class _LeafHandle(RemovableHandle):
    """A hook of a leaf's node: one part notes the gradient as it comes, the other calls when it has been added."""

    def __init__(self, record: Record, fn: Callable[[Any, Any], Any]) -> None:
        assert record.hooks is not None
        noted: list[Any] = []

        def note(dX: Any) -> None:
            noted.clear()
            noted.append(dX)

        record.grad_hooks = {} if record.grad_hooks is None else record.grad_hooks
        self.note = RemovableHandle(record.hooks, note)

        def call() -> None:
            fn((), tuple(noted))
            noted.clear()

        super().__init__(record.grad_hooks, call)

    def remove(self) -> None:
        self.note.remove()
        super().remove()


def node_of(record: Record) -> Node:
    """The node of a value; outputs of one computation share theirs."""
    node = _edge(record)[0]
    assert node is not None
    return node


def _edge(x: Record) -> tuple[Node | None, int]:
    if not x.needs_grad:
        return None, 0
    if x.key == "pick":
        return Node(x.inputs[0]), int(x.params["output"])
    return Node(x), 0
