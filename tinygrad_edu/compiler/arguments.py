"""What the function of a written program is given, said in its docstring."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np

from .calls import Call, Draw, Value
from .listing import Listing, is_draw

WIDTH = 100  # columns
NO_BREAK = "\N{NO-BREAK SPACE}"  # within a shape, until the lines are filled


def docstring(listing: Listing, arguments: list[Value], names: dict[Value, str]) -> str:
    """A line for each kind of argument: names, shapes, whether it is written."""
    into = {id(tensor) for tensor, _ in listing.writes}
    owners = [*listing.tensors, *listing.given.items()]
    written = {value for tensor, value in owners if id(tensor) in into}
    states = {value for tensor, value in listing.tensors if tensor in listing.states}
    tensors = {value for _, value in listing.tensors}
    groups = {id(group) for optimizer in listing.optimizers for group in optimizer.param_groups}
    settings = {value for group, *_, value in listing.numbers if id(group) in groups}
    around = {value for *_, value in listing.numbers} - settings
    computed = {value for _, value in listing.computed}
    kinds: dict[str, list[Value]] = {}
    for value in arguments:
        if value in listing.generators:
            kind = f"draws random numbers, by {_methods(listing)}"
        elif value in computed:
            kind = "what Python makes of the step's numbers"
        elif value in settings:
            kind = "settings of the optimizer"
        elif value in around:
            kind = "numbers that the step finds around it"
        elif value in states:
            kind = "what the optimizer keeps for each of them"
        else:
            kind = "tensors of the step" if value in tensors else "arguments of the call"
        if value in written:
            kind += ", written in place"
        elif value in tensors:
            kind += ", only read"
        kinds.setdefault(kind, []).append(value)
    order = sorted(kinds, key=lambda kind: kind.startswith(("what", "settings", "numbers", "draws")))
    lines = [f"{_listed(kinds[kind], names, states)}: {kind}" for kind in order]
    lines = [textwrap.fill(line, WIDTH, subsequent_indent="    ", break_on_hyphens=False) for line in lines]
    lines = [line.replace(NO_BREAK, " ") for line in lines]
    return "\n".join(['"""One call of the compiled step, on NumPy arrays.', "", *lines, '"""'])


def _listed(values: list[Value], names: dict[Value, str], states: set[Value]) -> str:
    """Names with shapes; of the state `M_*` for M_W1, M_b1 and so on, which are shaped as what they belong to."""
    owners = sorted((f"_{name}" for v, name in names.items() if v not in states), key=len, reverse=True)

    def kept_for(name: str) -> str:
        owner = next((end for end in owners if name.endswith(end)), "")
        return f"{name.removesuffix(owner)}_*" if owner else name

    words = [kept_for(names[v]) if v in states else f"{names[v]}{_kind(v.data)}" for v in values]
    return ", ".join(dict.fromkeys(words))


def _kind(data: Any) -> str:
    """Shape, and dtype where it is not float32; nothing of a number."""
    if not isinstance(data, np.ndarray):
        return ""
    dtype = "" if data.dtype == np.float32 else f" {data.dtype}"
    return f" {data.shape}".replace(", ", f",{NO_BREAK}") + dtype if data.shape else dtype


def _methods(listing: Listing) -> str:
    functions = [line.function for line in listing.lines if isinstance(line, Call) and is_draw(line)]
    called = dict.fromkeys(f"{'.' if isinstance(f, Draw) else ''}{f.__name__}" for f in functions)
    return " and ".join(called)
