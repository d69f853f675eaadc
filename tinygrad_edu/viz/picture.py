"""What a picture of a graph shows, before anything is said of how it is written: boxes, arrows, a legend.

An operation has one result, so a box can show both, and the picture has half the boxes that it would have with
operations of their own. What is drawn strongly is what a reader looks for: names, parameters, where
gradients flow. `dot` and `svg` write what is described here, so that they say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from .fold import Unit, folded
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
MODULE = "#E6F4EA", "#2E7D4F"
FLOW, NO_FLOW = "#4B5563", "#BCC4CF"  # edges along which a gradient comes back, and the others
LEGEND = {
    "leaf": "parameter: backward() fills its .grad",
    "constant": "constant: no gradient",
    "result": "computed",
    "root": "where backward() begins",
    "module": "module: what it computes inside is one box",
    "times": "double border: equal ones, one after the other",
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
    depth: int | None = None
    named: Collection[str] | None = None  # ids of values that the user has named; None: all that have a name
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
    double: bool = False  # the border: it stands for several


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
    values: int  # in all boxes
    more: str = ""  # how many values are left out; then an arrow from "more" leads to their users


def picture(graph: Graph, options: Options) -> Picture:
    """What to draw of a graph."""
    values = as_met(graph)
    backward = options.view == "backward"
    if backward:
        values = [v for v in values if v.needs_grad or v is graph.root]
    elif not options.constants:
        values = [v for v in values if v.kind != "constant" or v is graph.root]
    units, depth = _units(graph, values, options)
    shown = units[-options.limit :]
    left_out = {u.id for u in units[: -options.limit]}
    whole = len(values) == len(graph) and len(shown) == len(graph)
    spelled = {v.id for u in shown for v in u.values if u.alone}
    formulas = expressions(
        (v for v in as_met(graph) if not whole or v.id in spelled)
        if depth is None
        else (v for v in as_met(graph) if v.id in spelled or v.operation is None),
        {value.id: value.shape for value in graph.values},
    )
    notes = [hint(len(units), len(graph), options.limit), _said(graph, len(units), depth)]
    hidden = len(graph) - len(values)
    if hidden:
        what = "of what has no gradient" if backward else "of the constants"
        notes.append(f"not drawn: {hidden:,} {what}")
    if options.values and any(unit.output.array is None for unit in shown):
        notes.append("not available: a tensor was written after the graph was made; draw before that")
    if options.counts:
        notes.append(_counts(graph))
    return Picture(
        boxes=[
            _box(unit.output, formulas.get(unit.id), unit.output is graph.root, options)
            if unit.alone
            else _folded_box(unit, options)
            for unit in shown
        ],
        arrows=_arrows(graph, shown, left_out, options.view),
        rules={
            unit.id: shorten(options.rules[unit.output.id], RULE)
            for unit in shown
            if unit.output.id in options.rules and options.view != "forward"
        },
        swatches=_swatches(graph, shown),
        notes=[note for note in notes if note],
        direction=options.direction,
        values=sum(len(unit.values) for unit in shown),
        more=f"{sum(len(u.values) for u in units[: -options.limit]):,} earlier values, not drawn" if left_out else "",
    )


def _arrows(graph: Graph, shown: list[Unit], left_out: set[str], view: str) -> list[Arrow]:
    """From what is read to what reads it; one for all that has no box."""
    here = {unit.id for unit in shown}
    needs = {value.id: value.needs_grad for value in graph.values}
    backward = view == "backward"
    arrows = []
    for unit in shown:
        if any(x in left_out for x, _ in unit.inputs):
            arrows.append(Arrow("more", unit.id, FLOW, dashed=True, back=backward))
        for x, value in unit.inputs:
            if x in here:
                color = GRADIENT if backward else FLOW if needs[value] or view == "forward" else NO_FLOW
                arrows.append(Arrow(x, unit.id, color, back=backward))
    return arrows


def _units(graph: Graph, values: list[Value], options: Options) -> tuple[list[Unit], int | None]:
    """What becomes a box, and the depth below which modules are closed; None if every value has a box.

    Of a graph that is too large for the limit the deepest view that fits; if none does, the smallest.
    """
    named = options.named
    if named is None:
        named = {v.id for v in graph.values if v.name and v.name != v.path}
    deepest = max((call.level for call in graph.calls), default=-1)
    if options.depth is not None:
        units = _as_met(folded(graph, values, options.depth, named), graph)
        return units, options.depth if len(units) < len(values) else None
    if len(values) <= options.limit:
        here = {v.id for v in values}
        return [Unit(v.id, [v], inputs=[(x, x) for x in v.inputs if x in here]) for v in values], None
    smallest: tuple[list[Unit], int | None] | None = None
    for depth in range(deepest + 1, -1, -1):
        units = folded(graph, values, depth, named)
        if smallest is None or len(units) < len(smallest[0]):
            smallest = units, depth
        if len(units) <= options.limit:
            break
    units, found = smallest or ([], None)
    return _as_met(units, graph), found if len(units) < len(values) else None


def _as_met(units: list[Unit], graph: Graph) -> list[Unit]:
    """The units as `as_met` has values."""
    by_id = {unit.id: unit for unit in units}
    (root,) = (unit.id for unit in units if graph.root in unit.values)
    return [by_id[k] for k in _inputs_first(root, lambda k: [x for x, _ in by_id[k].inputs])]


def _said(graph: Graph, boxes: int, depth: int | None) -> str:
    """What was folded, and how to see more."""
    if depth is None:
        return ""
    every = f"draw(..., limit={len(graph)}) draws every value"
    text = f"{len(graph):,} values in {boxes:,} boxes: "
    deepest = max((call.level for call in graph.calls), default=-1)
    if depth > deepest:
        return f"{text}equal ones in a row are counted; {every}."
    closed = f"modules at depth {depth} are closed, equal ones counted"
    return f"{text}{closed}; draw(..., depth={depth + 1}) opens them, {every}."


def as_met(graph: Graph) -> list[Value]:
    """The values as a walk from the end meets them, operands in the order of the call: dot then sets
    them side by side in that order, and what stands last here is what stands lowest."""
    by_id = {value.id: value for value in graph.values}
    order = _inputs_first(graph.root.id, lambda k: [x for x in by_id[k].inputs if isinstance(x, str)])
    return [by_id[k] for k in order]


def _inputs_first(root: str, inputs: Callable[[str], list[str]]) -> list[str]:
    """The ids that a root is computed from, and the root, each after its inputs."""
    met: dict[str, None] = {}
    stack = [root]
    while stack:
        waiting = [x for x in reversed(inputs(stack[-1])) if x not in met]
        if waiting:
            stack.extend(waiting)
        else:
            met[stack.pop()] = None
    return [*met]


def hint(values: int, whole: int, limit: int) -> str:
    """What to do about a graph that is not drawn whole; empty if it is."""
    if values <= limit:
        return ""
    what = "values" if values == whole else "boxes"
    return f"The last {limit:,} of {values:,} {what}; draw(..., limit={whole}) draws all of them."


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


def _folded_box(unit: Unit, options: Options) -> Box:
    """A module's call, or several boxes that repeat."""
    output = unit.output
    kinds = [part.call.kind if part.call is not None else part.output.operation or "" for part in unit.parts]
    first, last = (next((u.call for u in row if u.call is not None), None) for row in (unit.parts, unit.all[::-1]))
    path = first.path if first is not None else ""
    name = path or kinds[0]
    rows = []
    if unit.count > 1:
        different = list(dict.fromkeys(kinds))
        name = f"{', '.join(different[:4])}{', …' if len(different) > 4 else ''} × {unit.count:,}"
        if path and last is not None:
            rows.append((path if path == last.path else f"{path} … {last.path}", INK))
    elif path and path != kinds[0]:
        rows.append((kinds[0], INK))
    computed = sum(v.operation is not None for v in unit.values)
    trained = [v for v in unit.values if v.kind == "leaf"]
    what = f"{computed:,} operation{'' if computed == 1 else 's'}"
    if trained:
        what += f", {sum(_size(v) for v in trained):,} parameters"
    rows.append((f"{what}{' in all' if unit.count > 1 else ''}", QUIET))
    if options.values:
        rows.append((summary(output.array), QUIET))
    if options.grads and options.view != "forward" and trained:
        rows.append((_gradients(trained), GRADIENT))
    shape = str(output.shape) if output.shape else "scalar"
    return Box(
        id=unit.id,
        name=shorten(name, 2 * NAME),
        head=name,
        slanted=False,
        shape=shape + (f" {output.dtype.name}" if output.dtype != np.float32 else ""),
        rows=[(shorten(text, 2 * NAME), color) for text, color in rows],
        fill=MODULE[0] if first is not None else INTERMEDIATE[0],
        border=MODULE[1] if first is not None else BORDER["result"],
        width=1.4,
        dashed=False,
        tooltip=f"{name}: {rows[0][0]}  ({output.line})" if output.line else name,
        double=unit.count > 1,
    )


def _gradients(parameters: list[Value]) -> str:
    """The largest entry of some parameters' gradients, in words."""
    known = [v.grad for v in parameters if v.grad is not None]
    if not known:
        return "grad not computed"
    entries = [np.abs(g).max() for g in known if g.size]
    if not entries:
        return "grad: no elements"
    if not np.isfinite(entries).all():
        return "grad not finite"
    missing = f", not computed for {len(parameters) - len(known)}" if len(known) < len(parameters) else ""
    return f"|grad| ≤ {max(entries):.3g}{missing}"


def _swatches(graph: Graph, units: list[Unit]) -> list[tuple[str, str, str, bool]]:
    """What the colours mean, of those that occur."""
    shown = [unit.output for unit in units if unit.alone]
    kinds = {value.kind for value in shown if value is not graph.root or value.kind != "result"}
    looks: dict[Any, tuple[str, str]] = {kind: (FILL[kind], BORDER[kind]) for kind in kinds}
    if graph.root.kind == "result" and graph.root in shown:
        looks["root"] = ROOT
    if any(part.call is not None for unit in units for part in (unit, *unit.parts)):
        looks["module"] = MODULE
    if any(unit.count > 1 for unit in units):
        looks["times"] = INTERMEDIATE[0], BORDER["result"]
    return [(text, *looks[kind], kind == "constant") for kind, text in LEGEND.items() if kind in looks]
