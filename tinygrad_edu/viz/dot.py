"""A picture in DOT, Graphviz's language.

Every text that comes from a user goes through `_text` (inside the HTML-like labels, where DOT
knows tags and entities) or `_quoted` (elsewhere), so that a name is never anything but a name.
"""

from __future__ import annotations

import html

from .notation import visible
from .picture import FLOW, GRADIENT, INK, QUIET, Arrow, Box, Picture

LARGE, SIZE, SMALL = 14, 11, 10  # points: names, everything else, shapes and the legend


def lines(picture: Picture) -> list[str]:
    """The statements between the braces, one per line."""
    statements = [*_settings(picture), ""]
    if picture.more:
        statements.append(_more(picture.more))
    statements += [_node(box) for box in picture.boxes]
    statements.append("")
    labels = dict(picture.rules)  # each on the first arrow that leaves its box
    statements += [_edge(arrow, labels.pop(arrow.source, "")) for arrow in picture.arrows]
    return [f"\t{s}" if s else "" for s in statements]


# --- statements


def _settings(picture: Picture) -> list[str]:
    return [
        f'graph [rankdir={picture.direction} bgcolor=white nodesep=0.25 ranksep=0.35 charset="UTF-8" '
        f'fontname=Helvetica fontsize={SMALL} fontcolor="{QUIET}" labelloc=b labeljust=l]',
        f'node [shape=box style="rounded,filled" fontname=Helvetica fontsize={SIZE} fontcolor="{INK}" '
        'margin="0.08,0.05" height=0.3]',
        "edge [arrowsize=0.6]",
        f"label=<{_legend(picture)}>",
    ]


def _node(box: Box) -> str:
    style = "rounded,filled,dashed" if box.dashed else "rounded,filled"
    return (
        f'{box.id} [label=<{_label(box)}> fillcolor="{box.fill}" color="{box.border}" '
        f'style="{style}" penwidth={box.width}{" peripheries=2" if box.double else ""} tooltip={_quoted(box.tooltip)}]'
    )


def _label(box: Box) -> str:
    rows = [
        f'<TR><TD ALIGN="LEFT">{_title(box)}</TD>'
        f'<TD ALIGN="RIGHT">&#160;&#160;{_font(box.shape, QUIET, SMALL)}</TD></TR>'
    ]
    for text, color in box.rows:
        content = _text(text) if color == INK else _font(text, color)
        rows.append(f'<TR><TD COLSPAN="2" ALIGN="LEFT">{content}</TD></TR>')
    return _table(rows)


def _title(box: Box) -> str:
    if box.name:
        return f'<FONT POINT-SIZE="{LARGE}"><B>{_text(box.name)}</B></FONT>'
    return f"<I>{_text(box.head)}</I>" if box.slanted else _text(box.head)


def _font(text: str, color: str, size: int = SIZE) -> str:
    smaller = "" if size == SIZE else f' POINT-SIZE="{size}"'
    return f'<FONT COLOR="{color}"{smaller}>{_text(text)}</FONT>'


def _edge(arrow: Arrow, label: str) -> str:
    words = [f'color="{arrow.color}"']
    if arrow.back:
        words.append("dir=back")
    if arrow.dashed:
        words.append("style=dashed")
    if label:
        words.append(f"fontname=Helvetica label=<{_font(label, GRADIENT, SMALL)}>")
    return f"{arrow.source} -> {arrow.target} [{' '.join(words)}]"


def _more(text: str) -> str:
    return f'more [label=<{_text(text)}> fillcolor=white color="{FLOW}" style="rounded,filled,dashed"]'


def _legend(picture: Picture) -> str:
    """What the colours mean, and what the reader should know about this graph."""
    rows = []
    for text, fill, border, dashed in picture.swatches:
        style = "ROUNDED,DASHED" if dashed else "ROUNDED"
        rows.append(
            f'<TR><TD><TABLE BORDER="1" CELLBORDER="0" COLOR="{border}" BGCOLOR="{fill}" STYLE="{style}">'
            f'<TR><TD WIDTH="16" HEIGHT="6"></TD></TR></TABLE></TD>'
            f'<TD ALIGN="LEFT">{text}</TD></TR>'
        )
    # In the column of the words: a cell across both columns would stretch the swatches.
    rows += [f'<TR><TD></TD><TD ALIGN="LEFT">{_font(note, INK)}</TD></TR>' for note in picture.notes]
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
