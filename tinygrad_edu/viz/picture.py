"""What a picture of a graph shows, before anything is said of how it is written: boxes, arrows, a legend.

An operation has one result, so a box can show both, and the picture has half the boxes that it would have with
operations of their own. What is drawn strongly is what a reader looks for: names, parameters, where
gradients flow. `dot` and `svg` write what is described here, so that they say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from .graph import Graph, Value
from .notation import expressions, shorten, summary

View = Literal["forward", "backward", "both"]

NAME = 32  # characters of a name in a box; the whole of it is in the tooltip
RULE = 64  # characters of a gradient's formula on an arrow
LIMIT = 60  # boxes: more fill a page with what nobody can read

INK, QUIET, GRADIENT = "#1F2937", "#5B6472", "#6B21A8"  # at least 4.5:1 on every fill below
FILL = {"leaf": "#FFF3C4", "constant": "#FFFFFF", "result": "#FFFFFF"}
BORDER = {"leaf": "#B7791F", "constant": "#8A94A3", "result": "#4B6584"}
INTERMEDIATE = "#F5F7FA", "#CBD2DB"  # fill and border of a result that nobody has named
ROOT = "#E3EEFA", "#1D5FA6"
FLOW, NO_FLOW = "#4B5563", "#BCC4CF"  # edges along which a gradient comes back, and the others
LEGEND = {
    "leaf": "parameter: backward() fills its .grad",
    "constant": "constant: no gradient",
    "result": "computed",
    "root": "where backward() begins",
}


@dataclass(frozen=True)
class Options:
    """What to show; the arguments of `draw`."""

    limit: int = LIMIT
    direction: str = "TB"
    view: View = "both"
    values: bool = True
    grads: bool = True
    constants: bool = True
    counts: bool = False
    rules: Mapping[str, str] = field(default_factory=dict)  # by id of a value, the formula of its gradient


@dataclass
class Box:
    """A value. `name` stands large; without one `head` stands in its place, slanted if it is no formula."""

    id: str
    name: str | None
    head: str
    slanted: bool
    shape: str
    rows: list[tuple[str, str]]  # texts with their colours
    fill: str
    border: str
    width: float  # of the border, in points
    dashed: bool
    tooltip: str


@dataclass
class Arrow:
    """From a box to one that is computed from it; `back`: its head is at the source."""

    source: str
    target: str
    color: str
    dashed: bool = False
    back: bool = False


@dataclass
class Picture:
    """Boxes in the order in which a walk from the end meets them, so that inputs come first."""

    boxes: list[Box]
    arrows: list[Arrow]
    rules: dict[str, str]  # by id of a box, what is written on the arrows that leave it
    swatches: list[tuple[str, str, str, bool]]  # text, fill, border, dashed
    notes: list[str]
    direction: str
    more: str = ""  # how many values are left out; then an arrow from "more" leads to their users


def picture(graph: Graph, options: Options) -> Picture:
    """What to draw of a graph."""
    values = as_met(graph)
    backward = options.view == "backward"
    if backward:
        values = [v for v in values if v.needs_grad or v is graph.root]
    elif not options.constants:
        values = [v for v in values if v.kind != "constant" or v is graph.root]
    shown = values[-options.limit :]
    left_out = {v.id for v in values[: -options.limit]}
    formulas = expressions(
        shown if len(values) == len(graph) else as_met(graph), {value.id: value.shape for value in graph.values}
    )
    here = {value.id: value for value in shown}
    arrows = []
    for value in shown:
        inputs = [x for x in value.inputs if isinstance(x, str)]
        if any(x in left_out for x in inputs):
            arrows.append(Arrow("more", value.id, FLOW, dashed=True, back=backward))
        for x in inputs:
            if x in here:
                flows = here[x].needs_grad or options.view == "forward"
                color = GRADIENT if backward else FLOW if flows else NO_FLOW
                arrows.append(Arrow(x, value.id, color, back=backward))
    notes = [hint(len(values), len(graph), options.limit)]
    hidden = len(graph) - len(values)
    if hidden:
        what = "of what has no gradient" if backward else "of the constants"
        notes.append(f"not drawn: {hidden:,} {what}")
    if options.values and any(value.array is None for value in shown):
        notes.append("not available: a tensor was written after the graph was made; draw before that")
    if options.counts:
        notes.append(_counts(graph))
    return Picture(
        boxes=[_box(value, formulas.get(value.id), value is graph.root, options) for value in shown],
        arrows=arrows,
        rules={k: shorten(rule, RULE) for k, rule in options.rules.items() if k in here and options.view != "forward"},
        swatches=_swatches(graph, shown),
        notes=[note for note in notes if note],
        direction=options.direction,
        more=f"{len(left_out):,} earlier values, not drawn" if left_out else "",
    )


def as_met(graph: Graph) -> list[Value]:
    """The values as a walk from the end meets them, operands in the order of the call: dot then sets
    them side by side in that order, and what stands last here is what stands lowest."""
    values = {value.id: value for value in graph.values}
    met: dict[str, Value] = {}
    stack = [graph.root.id]
    while stack:
        value = values[stack[-1]]
        waiting = [x for x in reversed(value.inputs) if isinstance(x, str) and x not in met]
        if waiting:
            stack.extend(waiting)
        else:
            met[stack.pop()] = value
    return list(met.values())


def hint(values: int, whole: int, limit: int) -> str:
    """What to do about a graph that is not drawn whole; empty if it is."""
    if values <= limit:
        return ""
    return f"The last {limit:,} of {values:,} values; draw(..., limit={whole}) draws all of them."


def _counts(graph: Graph) -> str:
    """Numbers of entries and bytes, of what is shared once."""
    leaves = [v for v in graph.values if v.kind == "leaf"]
    results = [v for v in graph.values if v.kind == "result"]
    entries = sum(_size(v) for v in leaves)
    return (
        f"{entries:,} parameters, {_bytes(leaves)}; {len(results):,} results, {_bytes(results)}, "
        "views and freed ones counted"
    )


def _size(value: Value) -> int:
    return int(np.prod(value.shape, dtype=np.int64))


def _bytes(values: list[Value]) -> str:
    n: float = sum(_size(v) * v.dtype.itemsize for v in values)
    for unit in ("bytes", "KiB", "MiB"):
        if n < 1024:
            return f"{n:.0f} {unit}" if unit == "bytes" else f"{n:.1f} {unit}"
        n /= 1024
    return f"{n:.1f} GiB"


def _box(value: Value, formula: str | None, root: bool, options: Options) -> Box:
    fill, border = FILL[value.kind], BORDER[value.kind]
    if root and value.kind == "result":
        fill, border = ROOT
    elif value.kind == "result" and not value.name:
        fill, border = INTERMEDIATE
    shape = str(value.shape) if value.shape else "scalar"
    if value.dtype != np.float32:
        shape += f" {value.dtype.name}"
    rows = []
    if value.name and formula:
        rows.append((f"= {formula}", INK))
    if options.values:
        rows.append((summary(value.array), QUIET))
    if options.grads and options.view != "forward":
        if value.grad is not None:
            rows.append((f"grad {summary(value.grad, mean=False)}", GRADIENT))
        elif value.kind == "leaf":
            rows.append(("grad not computed", GRADIENT))
    what = f"{value.name} = {formula}" if value.name and formula else value.name or formula or value.kind
    return Box(
        id=value.id,
        name=shorten(value.name, NAME) if value.name else None,
        head=formula or ("parameter" if value.kind == "leaf" else "constant"),
        slanted=not formula,
        shape=shape,
        rows=rows,
        fill=fill,
        border=border,
        width=1.8 if root or value.kind == "leaf" else 1.0,
        dashed=value.kind == "constant",
        tooltip=f"{what}  ({value.line})" if value.line else what,
    )


def _swatches(graph: Graph, shown: list[Value]) -> list[tuple[str, str, str, bool]]:
    """What the colours mean, of those that occur."""
    kinds = {value.kind for value in shown if value is not graph.root or value.kind != "result"}
    looks: dict[Any, tuple[str, str]] = {kind: (FILL[kind], BORDER[kind]) for kind in kinds}
    if graph.root.kind == "result":
        looks["root"] = ROOT
    return [(text, *looks[kind], kind == "constant") for kind, text in LEGEND.items() if kind in looks]
