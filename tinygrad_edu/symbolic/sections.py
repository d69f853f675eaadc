"""Where the parts of a step begin: forward, backward, update.

A backward pass says where it begins and ends, and an optimizer where it begins. An optimizer's work is an update, and
so is what is made of gradients after a backward pass, until something is recorded for another one.
"""

from __future__ import annotations

from collections.abc import Collection

from ..core.symbol import Symbol


def sections_of(
    equations: list[Symbol], marks: list[tuple[int, str]], recorded: Collection[Symbol], updates: bool
) -> list[tuple[int, str]]:
    """The index below the first equation of each part, and what the part is.

    Args:
        marks: what the step has said while it was traced, with the index that was reached.
        recorded: the values that backward passes lead through.
        updates: whether the step writes anything.
    """
    needed = set(recorded)  # for a loss
    for symbol in reversed(equations):
        if symbol in needed:
            needed.update(x for x in symbol.inputs if isinstance(x, Symbol))
    found: list[tuple[int, str]] = []
    after: set[Symbol] = set()  # cotangents, and what is made of them
    waiting, part = marks[::-1], "forward"
    for symbol in equations:
        while waiting and waiting[-1][0] < symbol.index:
            part = waiting.pop()[1]
        if part in ("after", "update") and symbol in recorded:
            part = "forward"
        if part == "backward" or any(x in after for x in symbol.inputs if isinstance(x, Symbol)):
            after.add(symbol)
        own = part
        if part in ("after", "update") and symbol in needed and symbol not in after:
            own = "forward"
        elif part == "after":
            own = "update" if updates and symbol in after else found[-1][1] if found else "forward"
        if not found or found[-1][1] != own:
            found.append((symbol.index - 1, own))
    return found
