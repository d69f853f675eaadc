"""A graph in DOT, Graphviz's language: a box per value, with the operation that made it inside.

An operation has one result, so a box can show both, and the picture has half the nodes that it
would have with operations of their own. What is drawn strongly is what a reader looks for: names,
parameters, where gradients flow.

Every text that comes from a user goes through `_text` (inside the HTML-like labels, where DOT
knows tags and entities) or `_quoted` (elsewhere), so that a name is never anything but a name.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from .graph import Array, Graph, Value
from .notation import expressions, shorten, visible

NAME = 32  # characters of a name in a box; the whole of it is in the tooltip

LARGE, SIZE, SMALL = 14, 11, 10  # points: names, everything else, shapes and the legend

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


def lines(graph: Graph, limit: int, direction: str) -> list[str]:
    """The statements between the braces, one per line."""
    shown = _as_met(graph)[-limit:]
    formulas = expressions(shown, {value.id: value.shape for value in graph.values})
    flows = {value.id: value.needs_grad for value in shown}
    statements = [*_settings(graph, shown, direction), ""]
    if len(shown) < len(graph):
        statements.append(_more(graph, len(shown)))
    statements += [_node(value, formulas.get(value.id), value is graph.root) for value in shown]
    statements.append("")
    for value in shown:
        inputs = [x for x in value.inputs if isinstance(x, str)]
        if any(x not in flows for x in inputs):
            statements.append(f'more -> {value.id} [color="{FLOW}" style=dashed]')
        statements += [_edge(x, value.id, flows[x]) for x in inputs if x in flows]
    return [f"\t{s}" if s else "" for s in statements]


def _as_met(graph: Graph) -> list[Value]:
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


def hint(graph: Graph, limit: int) -> str:
    """What to do about a graph that is not drawn whole; empty if it is."""
    if len(graph) <= limit:
        return ""
    return f"The last {limit:,} of {len(graph):,} values; draw(..., limit={len(graph)}) draws all of them."


def summary(array: Array | None, mean: bool = True) -> str:
    """A few words on an array's numbers: the number itself, or smallest … largest, mean."""
    if array is None:
        return "not available"
    if array.size == 0:
        return "no elements"
    if array.size == 1:
        return _number(array.item(), 4)
    if array.dtype.kind == "b":
        return f"{int(array.sum()):,} of {array.size:,} true"
    finite = array[np.isfinite(array)]
    if finite.size < array.size:
        words = [_range(finite)] if finite.size else []
        counts = {"nan": np.isnan(array).sum(), "inf": (array == np.inf).sum(), "-inf": (array == -np.inf).sum()}
        return ", ".join(words + [f"{n:,} {what}" for what, n in counts.items() if n])
    if finite.min() == finite.max():
        return f"all {_number(finite.flat[0].item(), 4)}"
    average = finite.mean(dtype=np.float64)
    return _range(finite) + (f", mean {_number(average, 3)}" if mean else "")


def _range(array: Array) -> str:
    return f"{_number(array.min().item(), 3)} … {_number(array.max().item(), 3)}"


def _number(x: float | bool, digits: int) -> str:
    return str(x) if isinstance(x, (bool, int)) else f"{x + 0.0:.{digits}g}"  # + 0.0: no "-0"


# --- statements


def _settings(graph: Graph, shown: Sequence[Value], direction: str) -> list[str]:
    return [
        f'graph [rankdir={direction} bgcolor=white nodesep=0.25 ranksep=0.35 charset="UTF-8" fontname=Helvetica '
        f'fontsize={SMALL} fontcolor="{QUIET}" labelloc=b labeljust=l]',
        f'node [shape=box style="rounded,filled" fontname=Helvetica fontsize={SIZE} fontcolor="{INK}" '
        'margin="0.08,0.05" height=0.3]',
        "edge [arrowsize=0.6]",
        f"label=<{_legend(graph, shown)}>",
    ]


def _node(value: Value, formula: str | None, root: bool) -> str:
    fill, border = FILL[value.kind], BORDER[value.kind]
    if root and value.kind == "result":
        fill, border = ROOT
    elif value.kind == "result" and not value.name:
        fill, border = INTERMEDIATE
    style = "rounded,filled,dashed" if value.kind == "constant" else "rounded,filled"
    width = 1.8 if root or value.kind == "leaf" else 1.0
    tooltip = _quoted(_tooltip(value, formula))
    return (
        f'{value.id} [label=<{_label(value, formula)}> fillcolor="{fill}" color="{border}" '
        f'style="{style}" penwidth={width} tooltip={tooltip}]'
    )


def _label(value: Value, formula: str | None) -> str:
    shape = str(value.shape) if value.shape else "scalar"
    if value.dtype != np.float32:
        shape += f" {value.dtype.name}"
    rows = [
        f'<TR><TD ALIGN="LEFT">{_title(value, formula)}</TD>'
        f'<TD ALIGN="RIGHT">&#160;&#160;{_font(shape, QUIET, SMALL)}</TD></TR>'
    ]
    if value.name and formula:
        rows.append(_row(_text(f"= {formula}")))
    rows.append(_row(_font(summary(value.array), QUIET)))
    if value.grad is not None:
        rows.append(_row(_font(f"grad {summary(value.grad, mean=False)}", GRADIENT)))
    elif value.kind == "leaf":
        rows.append(_row(_font("grad not computed", GRADIENT)))
    return _table(rows)


def _title(value: Value, formula: str | None) -> str:
    if value.name:
        return f'<FONT POINT-SIZE="{LARGE}"><B>{_text(shorten(value.name, NAME))}</B></FONT>'
    if formula:
        return _text(formula)
    return f"<I>{'parameter' if value.kind == 'leaf' else 'constant'}</I>"


def _row(content: str) -> str:
    return f'<TR><TD COLSPAN="2" ALIGN="LEFT">{content}</TD></TR>'


def _font(text: str, color: str, size: int = SIZE) -> str:
    smaller = "" if size == SIZE else f' POINT-SIZE="{size}"'
    return f'<FONT COLOR="{color}"{smaller}>{_text(text)}</FONT>'


def _tooltip(value: Value, formula: str | None) -> str:
    what = f"{value.name} = {formula}" if value.name and formula else value.name or formula or value.kind
    return f"{what}  ({value.line})" if value.line else what


def _edge(source: str, target: str, flows: bool) -> str:
    return f'{source} -> {target} [color="{FLOW if flows else NO_FLOW}"]'


def _more(graph: Graph, shown: int) -> str:
    text = f"{len(graph) - shown:,} earlier values, not drawn"
    return f'more [label=<{_text(text)}> fillcolor=white color="{FLOW}" style="rounded,filled,dashed"]'


def _legend(graph: Graph, shown: Sequence[Value]) -> str:
    """What the colours mean, of those that occur, and what the reader should know about this graph."""
    kinds = {value.kind for value in shown if value is not graph.root or value.kind != "result"}
    looks: dict[str, tuple[str, str]] = {kind: (FILL[kind], BORDER[kind]) for kind in kinds}
    if graph.root.kind == "result":
        looks["root"] = ROOT
    rows = []
    for kind in [kind for kind in LEGEND if kind in looks]:
        fill, border = looks[kind]
        style = "ROUNDED,DASHED" if kind == "constant" else "ROUNDED"
        rows.append(
            f'<TR><TD><TABLE BORDER="1" CELLBORDER="0" COLOR="{border}" BGCOLOR="{fill}" STYLE="{style}">'
            f'<TR><TD WIDTH="16" HEIGHT="6"></TD></TR></TABLE></TD>'
            f'<TD ALIGN="LEFT">{LEGEND[kind]}</TD></TR>'
        )
    notes = [hint(graph, len(shown))]
    if any(value.array is None for value in shown):
        notes.append("not available: a tensor was written after the graph was made; draw before that")
    # In the column of the words: a cell across both columns would stretch the swatches.
    rows += [f'<TR><TD></TD><TD ALIGN="LEFT">{_font(note, INK)}</TD></TR>' for note in notes if note]
    return _table(rows)


def _table(rows: list[str]) -> str:
    return f'<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="1">{"".join(rows)}</TABLE>'


# --- escaping


def _text(text: str) -> str:
    """Text for an HTML-like label: entities, and backslashes doubled, since dot reads \\N as the node's id."""
    return html.escape(visible(text)).replace("\\", "\\\\")


def _quoted(text: str) -> str:
    """A DOT string, for a tooltip. dot has read its backslash escapes once or twice, depending on
    the version; a space of no width behind each backslash leaves nothing to read."""
    return '"' + visible(text).replace("&", "&amp;").replace("\\", "\\\u200b").replace('"', '\\"') + '"'
