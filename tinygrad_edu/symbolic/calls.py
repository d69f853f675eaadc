"""The calls of modules in a recorded graph: which module computed a value, and by which path it is found.

A module's call notes on the record of its result when it began (`Record.calls`), and records are
numbered as they are made. So everything that the call computed, and nothing else, has a number
between that stamp and the result's: calls are intervals, and lie in one another as they were made.

Paths are PyTorch's, `blocks.3.attn`, from the outermost module that was called. It is "" itself; of
several, those with parameters that are not the only such, and those without, go by their class.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..core.record import Record


class Call:
    """One call of a module. `level` is 0 for an outermost one; `parent` the call that it was made in."""

    __slots__ = ("began", "children", "ended", "level", "module", "parent", "path")

    def __init__(self, module: Any, began: int) -> None:
        self.module, self.began, self.ended = module, began, began
        self.path = ""
        self.level = 0
        self.parent: Call | None = None
        self.children: list[Call] = []

    @property
    def kind(self) -> str:
        """The module's class."""
        return type(self.module).__name__

    def __repr__(self) -> str:
        return f"<call of {self.path or 'the model'}, {self.kind}>"


class Calls:
    """All calls in a graph, in the order in which they began, and the one that each record was made in."""

    def __init__(self, order: Sequence[Record]) -> None:
        self.all = _nested(_noted(order))
        self.innermost: dict[Record, Call] = {}  # of computed values
        current: Call | None = None
        coming = iter(self.all)
        upcoming = next(coming, None)
        for record in sorted((r for r in order if r.primitive is not None), key=lambda r: r.index):
            while current is not None and current.ended < record.index:
                current = current.parent
            while upcoming is not None and upcoming.began < record.index:
                current = upcoming if upcoming.ended >= record.index else current
                upcoming = next(coming, None)
            if current is not None:
                self.innermost[record] = current
        roots = list({id(call.module): call.module for call in self.all if call.parent is None}.values())
        self.paths: dict[Record, str] = {}  # of parameters and buffers
        known: dict[int, str] = {}
        for prefix, root in zip(_prefixes(roots), roots, strict=True):
            for path, module in root.named_modules():
                known.setdefault(id(module), ".".join(filter(None, (prefix, path))))
            for named in (root.named_parameters(), root.named_buffers()):
                for path, tensor in named:
                    if tensor._record is not None:
                        self.paths.setdefault(tensor._record, ".".join(filter(None, (prefix, path))))
        for call in self.all:
            call.path = known.get(id(call.module)) or ("" if id(call.module) in known else call.kind)

    def at(self, record: Record, level: int) -> Call | None:
        """The call of that level, or of the deepest below it, in which a record was made."""
        call = self.innermost.get(record)
        while call is not None and call.level > level:
            call = call.parent
        return call


def _noted(order: Iterable[Record]) -> list[Call]:
    """The calls whose results are in a graph; one of several results is one call."""
    found: dict[tuple[int, int], Call] = {}
    for record in order:
        noted = record.calls
        while noted is not None:
            module, began, noted = noted
            call = found.setdefault((id(module), began), Call(module, began))
            call.ended = max(call.ended, record.index)
    return sorted(found.values(), key=lambda call: call.began)


def _nested(calls: list[Call]) -> list[Call]:
    """The same with each call's parent set. Of two threads' calls that overlap neither is the other's part."""
    opened: list[Call] = []
    for call in calls:
        while opened and opened[-1].ended < call.ended:
            opened.pop()
        if opened:
            call.parent = opened[-1]
            call.level = call.parent.level + 1
            call.parent.children.append(call)
        opened.append(call)
    return calls


def _prefixes(roots: list[Any]) -> list[str]:
    """What paths begin with: nothing for the one model, a loss's module and one of several models have their class."""
    trained = [any(True for _ in root.parameters()) for root in roots]
    alone = sum(trained) == 1 or len(roots) == 1
    taken: dict[str, int] = {}
    prefixes = []
    for root, has in zip(roots, trained, strict=True):
        if alone and (has or len(roots) == 1):
            prefixes.append("")
            continue
        kind = type(root).__name__
        taken[kind] = taken.get(kind, 0) + 1
        prefixes.append(kind if taken[kind] == 1 else f"{kind}{taken[kind]}")
    return prefixes
