"""Node: a step of the backward pass as PyTorch's programs look at it, on top of a Record."""

from __future__ import annotations

from typing import Any

from .anomaly import node_name
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


def node_of(record: Record) -> Node:
    """The node of a value; outputs of one computation share theirs."""
    node = _edge(record)[0]
    assert node is not None
    return node


def _edge(x: Record) -> tuple[Node | None, int]:
    if not x.needs_grad:
        return None, 0
    if x.primitive is not None and x.primitive.key == "pick":
        return Node(x.inputs[0]), int(x.params["output"])
    return Node(x), 0
