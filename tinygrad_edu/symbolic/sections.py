"""Where the parts of a step begin: forward, backward, update.

A backward pass says where it begins and ends, and an optimizer where it begins. What follows either of them is an
update, until something is recorded for another backward pass.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ..core.symbol import Symbol


def sections_of(
    equations: Iterable[Symbol], marks: list[tuple[int, str]], recorded: Collection[Symbol], updates: bool
) -> list[tuple[int, str]]:
    """The index below the first equation of each part, and what the part is.

    Args:
        marks: what the step has said while it was traced, with the index that was reached.
        recorded: the values that backward passes may lead through.
        updates: whether the step writes anything.
    """
    found: list[tuple[int, str]] = []
    waiting, part = marks[::-1], "forward"
    for symbol in equations:
        while waiting and waiting[-1][0] < symbol.index:
            name = waiting.pop()[1]
            part = part if name == "update" and not updates else name
        if part == "update" and symbol in recorded:
            part = "forward"
        if not found or found[-1][1] != part:
            found.append((symbol.index - 1, part))
    return found
