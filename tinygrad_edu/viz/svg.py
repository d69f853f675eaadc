"""A picture as SVG, with nothing but this package: `layout` places it, this file writes it.

Text is measured by the widths of DejaVu Sans, one of the widest fonts that browsers fall back to, so
that no label leaves its box where another one is used.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable

from .layout import Layout, Route, layout
from .notation import visible
from .picture import FLOW, GRADIENT, INK, QUIET, Arrow, Box, Picture

LARGE, SIZE, SMALL = 14.0, 11.0, 10.0  # pixels: names, everything else, shapes and the legend
LEADING = 1.32  # a line's height over its font's size
PADDING_X, PADDING_Y, GAP = 8.0, 5.0, 12.0  # inside a box; between a title and the shape beside it
MARGIN = 12.0
FONTS = "Helvetica, Arial, 'DejaVu Sans', sans-serif"

# Widths of the characters from " " to "~" in thousandths of the size: DejaVu Sans 2.37
_WIDTHS = [
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636, 636, 636,
    636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863,
    748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635,
    615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636,
    337, 636, 838,
]  # fmt: skip
_SIGNS = {"·": 318, "²": 401, "³": 401, "ᵀ": 385, "√": 637, "Σ": 683, "σ": 634, "λ": 592, "∘": 626, "×": 838, "−": 838}
_WIDEST = 1250  # of what the tables don't know: emoji, ideographs, Cyrillic, ligatures
BOLD = 1.2  # bold letters are at most so much wider; measured 1.24 for the narrow i, 1.1 for words


def text_width(text: str, size: float, bold: bool = False) -> float:
    """How wide a text is at most, in pixels."""
    total = 0
    for c in text:
        code = ord(c)
        if 32 <= code < 127:
            total += _WIDTHS[code - 32]
        elif not unicodedata.combining(c):
            total += _SIGNS.get(c, _WIDEST if code > 0x24F and not 0x370 <= code < 0x3E2 else 1000)
    return total * size * (BOLD if bold else 1.0) / 1000


def svg(picture: Picture) -> str:
    """The picture as an SVG document."""
    lying = picture.direction == "LR"
    boxes = {box.id: _size(box) for box in picture.boxes}
    if picture.more:
        boxes = {"more": _line_size(picture.more, SIZE), **boxes}
    rules = {f"{k} rule": _line_size(rule, SMALL) for k, rule in picture.rules.items() if k in _sources(picture.arrows)}
    arrows = []
    for arrow in picture.arrows:  # what is written on a value's arrows stands on their common way
        rule = f"{arrow.source} rule"
        arrows.append((rule if rule in rules else arrow.source, arrow.target))
    arrows += [(rule.removesuffix(" rule"), rule) for rule in rules]
    sizes = {**boxes, **rules}
    found = layout({k: (h, w) if lying else (w, h) for k, (w, h) in sizes.items()}, arrows)
    if lying:
        found = _turned(found)
    legend, legend_width, legend_height = _legend(picture, max(found.width, 320.0))
    width = max(found.width, legend_width) + 2 * MARGIN
    height = found.height + MARGIN + legend_height + 2 * MARGIN
    heads = sorted({arrow.color for arrow in picture.arrows})
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" font-family="{FONTS}" font-size="{SIZE:g}" '
            f'fill="{INK}">',
            f"<title>{_text(_subject(picture))}</title>",
            "<defs>",
            *(_head(color) for color in heads),
            "</defs>",
            '<rect width="100%" height="100%" fill="white"/>',
            f'<g transform="translate({MARGIN:g} {MARGIN:g})">',
            *_ways(picture, found, lying),
            *(_rule(picture.rules[k.removesuffix(" rule")], k, found, sizes[k]) for k in rules),
            *([_more(picture.more, found, boxes["more"])] if picture.more else []),
            *(_node(box, found.places[box.id], boxes[box.id]) for box in picture.boxes),
            "</g>",
            f'<g transform="translate({MARGIN:g} {found.height + 2 * MARGIN:.1f})" font-size="{SMALL:g}">',
            *legend,
            "</g>",
            "</svg>",
            "",
        ]
    )


def _sources(arrows: Iterable[Arrow]) -> set[str]:
    return {arrow.source for arrow in arrows}


def _subject(picture: Picture) -> str:
    last = picture.boxes[-1]
    return f"How {last.name or last.head} was computed: {picture.values} values"


def _turned(found: Layout) -> Layout:
    """The same with the axes exchanged: arrows run to the right."""
    places = {name: (y, x) for name, (x, y) in found.places.items()}
    routes = [route._replace(points=[(y, x) for x, y in route.points]) for route in found.routes]
    return Layout(places, routes, found.height, found.width)


# --- boxes


def _lines(box: Box) -> list[tuple[str, float, str]]:
    """The rows below the title: text, size, colour."""
    return [(visible(text), SIZE, color) for text, color in box.rows]


def _title(box: Box) -> tuple[str, float]:
    return (visible(box.name), LARGE) if box.name else (visible(box.head), SIZE)


def _size(box: Box) -> tuple[float, float]:
    title, size = _title(box)
    first = text_width(title, size, bold=bool(box.name)) + GAP + text_width(box.shape, SMALL)
    rows = _lines(box)
    width = max([first, *(text_width(text, s) for text, s, _ in rows)])
    return width + 2 * PADDING_X, LEADING * (size + sum(s for _, s, _ in rows)) + 2 * PADDING_Y


def _line_size(text: str, size: float) -> tuple[float, float]:
    return text_width(visible(text), size) + 2 * PADDING_X, LEADING * size + PADDING_Y


def _node(box: Box, center: tuple[float, float], size: tuple[float, float]) -> str:
    left, top = center[0] - size[0] / 2, center[1] - size[1] / 2
    title, points = _title(box)
    y = top + PADDING_Y + LEADING * points - 0.3 * points
    look = ' font-weight="bold"' if box.name else ' font-style="italic"' if box.slanted else ""
    parts = [
        f'<g class="value" id="{box.id}"><title>{_text(box.tooltip)}</title>',
        _frame(left, top, size, box.fill, box.border, box.width, box.dashed),
        _frame(left + 2.5, top + 2.5, (size[0] - 5, size[1] - 5), "none", box.border, 0.8, False) if box.double else "",
        f'<text x="{left + PADDING_X:.1f}" y="{y:.1f}" font-size="{points:g}"{look}>{_text(title)}</text>',
        f'<text x="{left + size[0] - PADDING_X:.1f}" y="{y:.1f}" font-size="{SMALL:g}" fill="{QUIET}" '
        f'text-anchor="end">{_text(box.shape)}</text>',
    ]
    for text, height, color in _lines(box):
        y += LEADING * height
        parts.append(f'<text x="{left + PADDING_X:.1f}" y="{y:.1f}" fill="{color}">{_text(text)}</text>')
    return "".join([*parts, "</g>"])


def _frame(
    left: float, top: float, size: tuple[float, float], fill: str, border: str, width: float, dashed: bool
) -> str:
    dashes = ' stroke-dasharray="4 3"' if dashed else ""
    return (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{size[0]:.1f}" height="{size[1]:.1f}" rx="6" '
        f'fill="{fill}" stroke="{border}" stroke-width="{width:g}"{dashes}/>'
    )


def _rule(text: str, key: str, found: Layout, size: tuple[float, float]) -> str:
    """A formula on its arrow, which it interrupts."""
    (x, y), (width, height) = found.places[key], size
    return (
        f'<g class="rule"><rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" fill="white"/><text x="{x:.1f}" y="{y + 0.35 * SMALL:.1f}" font-size="{SMALL:g}" '
        f'fill="{GRADIENT}" text-anchor="middle">{_text(text)}</text></g>'
    )


def _more(text: str, found: Layout, size: tuple[float, float]) -> str:
    x, y = found.places["more"]
    return (
        f'<g class="more">{_frame(x - size[0] / 2, y - size[1] / 2, size, "white", FLOW, 1.0, True)}'
        f'<text x="{x:.1f}" y="{y + 0.35 * SIZE:.1f}" text-anchor="middle">{_text(text)}</text></g>'
    )


# --- arrows


def _head(color: str) -> str:
    """An arrow's head; turned round where the arrow's head is at its start."""
    return (
        f'<marker id="head{color[1:]}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
        f'markerUnits="userSpaceOnUse" orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" fill="{color}"/></marker>'
    )


def _ways(picture: Picture, found: Layout, lying: bool) -> list[str]:
    looks = {arrow.source: arrow for arrow in picture.arrows}
    ways = []
    for route in found.routes:
        arrow = looks[route.source.removesuffix(" rule")]
        marks = ' stroke-dasharray="4 3"' if arrow.dashed else ""
        if arrow.back:  # towards the value whose gradient it brings: once, at its box
            head = route.begins and not route.source.endswith(" rule")
            marks += f' marker-start="url(#head{arrow.color[1:]})"' if head else ""
        elif route.target is not None and not route.target.endswith(" rule"):
            marks += f' marker-end="url(#head{arrow.color[1:]})"'
        ways.append(f'<path d="{_path(route, lying)}" fill="none" stroke="{arrow.color}"{marks}/>')
    return ways


def _path(route: Route, lying: bool) -> str:
    points = route.points
    path = f"M{_xy(points[0])}L{_xy(points[1])}"
    for before, (after, end) in zip(points[1::2], zip(points[2::2], points[3::2], strict=True), strict=False):
        if lying:
            middle = (before[0] + after[0]) / 2
            bends = (middle, before[1]), (middle, after[1])
        else:
            middle = (before[1] + after[1]) / 2
            bends = (before[0], middle), (after[0], middle)
        path += f"C{_xy(bends[0])} {_xy(bends[1])} {_xy(after)}L{_xy(end)}"
    return path


def _xy(point: tuple[float, float]) -> str:
    return f"{point[0]:.1f} {point[1]:.1f}"


# --- legend


def _legend(picture: Picture, width: float) -> tuple[list[str], float, float]:
    """What the colours mean and what the reader should know: elements, their width and their height."""
    parts, widest, y = [], 0.0, 0.0
    for text, fill, border, dashed in picture.swatches:
        parts.append(_frame(0.5, y + 2, (16.0, 9.0), fill, border, 1.0, dashed))
        parts.append(f'<text x="24" y="{y + 10:.1f}" fill="{QUIET}">{_text(text)}</text>')
        widest = max(widest, 24 + text_width(text, SMALL))
        y += 15
    for note in picture.notes:
        for line in _folded(note, width - 24):
            parts.append(f'<text x="24" y="{y + 10:.1f}">{_text(line)}</text>')
            widest = max(widest, 24 + text_width(line, SMALL))
            y += 14
    return parts, widest, y


def _folded(text: str, width: float) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, SMALL) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _text(text: str) -> str:
    return html.escape(visible(text))
