"""The explorer: one page on which a recorded loss is stepped through, forward and backward.

Everything on it comes from `explain`: names, formulas, values and gradients, in both scales where the
loss has them. The page is a single file that asks for nothing: its style and its program are named by
their hashes, and nothing else may run or load. Without JavaScript it shows the finished graph and the
table of steps.

Files: page/page.html, page.css, page.js, copied in as they are; data go in as JSON.
"""

from __future__ import annotations

import json
import linecache
import os
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.tensor import Tensor, record_of
from ..symbolic.derive import topological
from ..symbolic.explain import callers_variables, explained
from ..symbolic.explanation import Explanation, Scale
from ..symbolic.expressions import words as used_in
from ..symbolic.lines import Line
from . import words
from .cards import Card, escaped, picture
from .frame import Framed, asset, digest
from .modules import Made, modules
from .record import Training
from .training import section
from .trees import PRODUCTS, Tree, plane, reads, table, tree

LIMIT = 150  # values on a page; of a larger graph those nearest to the loss
FOLDING = 400  # where there are modules that fold
BYTES = 2_000_000  # of a page at most; fewer entries are sampled until it fits
# Rows and columns shown of an array at most; and characters of a formula's MathML, longer ones are cut texts
SIZES = ((12, 8000), (8, 8000), (5, 4000), (3, 2000), (1, 800))
CODE = 40  # lines of a program that are shown whole


def explore(
    loss: Tensor,
    path: str | os.PathLike[str] | None = None,
    *,
    model: Any = None,
    limit: int | None = None,
    training: Training | None = None,
) -> Page:
    """A page that steps through the computation of a loss and of every gradient.

    Args:
        loss: a scalar that something with requires_grad=True led to; before or after backward().
        path: where the page is written, usually "backprop.html"; None: only returned.
        model: gives its parameters' paths; default: the modules among the caller's variables.
        limit: of a larger graph only the last `limit` named values are shown, and the page says so; default: 150, and
            400 where modules can be folded.
        training: what `viz.record` has kept of a run, to be scrubbed over in a section of the page.
    Raises:
        TypeError, RuntimeError: not a scalar with a gradient; see `explain`.

    >>> w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> explore((w * w).sum())
    <Page of 4 steps: .save("backprop.html")>
    """
    if limit is None:
        folds = isinstance(loss, Tensor) and any(record.calls for record in topological(record_of(loss)))
        limit = FOLDING if folds else LIMIT
    if not isinstance(limit, int) or limit < 2:
        raise ValueError(f"explore: limit is the number of values to show, at least 2, not {limit!r}.")
    if training is not None and not isinstance(training, Training):
        raise TypeError(f"explore: training is what viz.record returns, not {type(training).__name__}.")
    variables = callers_variables()
    exact = explained(loss, "exact", variables, model, limit)
    textbook = explained(loss, "textbook", variables, model, limit) if exact.m is not None else None
    page = Page(exact, textbook, limit, training)
    if path is not None:
        page.save(path)
    return page


class Page(Framed):
    """The explorer of one loss: `.html`, `.data`, `.save(path)`; notebooks show it in a frame."""

    title = "Backprop explorer"

    def __init__(
        self, exact: Explanation, textbook: Explanation | None, limit: int, training: Training | None = None
    ) -> None:
        more = None if training is None else section(training)
        for most, longest in SIZES:
            self.data, self._html = _page(exact, textbook, limit, most, longest, more)
            if len(self._html.encode()) <= BYTES:
                return
        while len(self._html.encode()) > BYTES and limit > 2:
            limit //= 2
            self.data, self._html = _page(exact, textbook, limit, *SIZES[-1], more)

    @property
    def html(self) -> str:
        """The page as text."""
        return self._html

    def __repr__(self) -> str:
        return f'<Page of {len(self.data["steps"])} steps: .save("backprop.html")>'


def _page(
    exact: Explanation,
    textbook: Explanation | None,
    limit: int,
    most: int,
    longest: int,
    more: tuple[str, str] | None,
) -> tuple[dict[str, Any], str]:
    """The data of a page and the page."""
    lines: dict[Scale, dict[str, Line]] = {"exact": {line.name: line for line in exact}}
    if textbook is not None:
        lines["textbook"] = {line.name: line for line in textbook}
    forward = exact.forward[-limit:]
    left_out = len(exact.forward) - len(forward)
    used = dict.fromkeys(name for line in forward for name in used_in(line.symbol))
    given = [g for g in exact.given if g.name in used]
    known = {g.name for g in given} | {line.name for line in forward}
    before = [line for line in exact.forward[:left_out] if line.name in used]  # their values count as given
    number: dict[str, int] = {}
    for name in [*(g.name for g in given), *(line.name for line in before), *(line.name for line in forward)]:
        number.setdefault(name, len(number))
    known |= {line.name for line in before}
    backward = [line for line in exact.backward if line.name[1:] in known]
    gradients = {line.name: number[line.name[1:]] for line in backward}
    values = [
        *(_value(g.name, g.path, g.shape, g.value, lines["exact"].get(f"d{g.name}"), most, True) for g in given),
        *(_value(x.name, "", x.shape, x.value, lines["exact"].get(f"d{x.name}"), most, True) for x in before),
        *(_value(x.name, x.path, x.shape, x.value, lines["exact"].get(f"d{x.name}"), most, False) for x in forward),
    ]
    cards = []
    computed = {line.name: line for line in forward}
    for name, v in zip(number, values, strict=True):
        line = computed.get(name)
        inputs = [number[x] for x in reads(line.symbol) if x in number] if line is not None else []
        note = line.text().split(" = ", 1)[1] if line is not None else v["path"]
        dims = (" × ".join(map(str, v["shape"])) or "scalar") + ("*" if v["sampled"] else "")
        cards.append(Card(name, note, dims, line is None, v["v"], v["g"], f"d{name}" in gradients, inputs))
    drawn = picture(cards)
    homes = [exact.calls.innermost.get(computed[name].record) if name in computed else None for name in number]
    first = {card.inputs[0] for card in cards if card.inputs}
    owned = {number[g.name] for g in given if g.path or (_is_mask(g.value) and number[g.name] not in first)}
    made = [Made(v["name"], 0, "", tuple(v["shape"])) for v in values]
    for name, line in computed.items():
        made[number[name]] = Made(name, line.record.index, _called(_operation(line)), line.shape)
    parts, folded = modules(exact.calls.all, homes, [card.inputs for card in cards], owned, made, exact.order)
    users: dict[str, list[Line]] = {}
    for line in forward:
        if f"d{line.name}" not in gradients:
            continue  # nothing comes back through it: a softmax that is only shown, a constant
        for name in used_in(line.symbol):
            users.setdefault(name, []).append(line)
    rows_of_labels = [(name, Y) for name, Y in exact.rows.items() if name in number][:1]  # what formulas call Y
    extra = [{**_value("Y", "", Y.shape, Y, None, most, True), "labels": number[name]} for name, Y in rows_of_labels]
    code, rows = _code(forward)
    steps = [_start(number, given, before)]
    for line in forward:
        steps.append(_step(line, number[line.name], "f", rows[line.name], number, gradients, lines, users))
    for line in backward:
        name = line.name[1:]
        near = users.get(name, [])
        row = rows[near[-1].name if near else name]
        steps.append(_step(line, number[name], "b", row, number, gradients, lines, users, extra))
    notes = []
    if exact.stale:
        notes.append(f"{', '.join(exact.stale)} has been written since the loss was computed: formulas without values.")
    if any(v["sampled"] for v in values):
        notes.append(f"Of larger arrays, marked *, at most {most} rows and {most} columns are shown, evenly spaced.")
    if left_out:
        notes.append(f"The first {left_out} steps of the forward pass are left out.")
    data = {
        "m": exact.m,
        "scales": list(lines),
        "values": values,
        "rows": extra,
        "edges": drawn.edges,
        "modules": parts,
        "folded": folded,
        "steps": steps,
        "code": code,
        "notes": notes,
        "size": [round(drawn.width), round(drawn.height)],
    }
    return data, _assembled(data, drawn.svg, lines, longest, more)


def _value(
    name: str, path: str, shape: tuple[int, ...], value: Any, slope: Line | None, most: int, given: bool
) -> dict[str, Any]:
    rows, columns = plane(shape)
    empty = value is None or not rows * columns
    return {
        "name": name,
        "path": path,
        "shape": list(shape),
        "plane": [rows, columns],
        "given": given,
        "leaf": slope is not None and not slope.operation,
        "v": None if empty else table(value, most),
        "g": None if empty or slope is None else table(slope.value, most),
        "sampled": rows > most or columns > most,
    }


def _is_mask(value: Any) -> bool:
    """It says yes or no to each entry: a module makes such constants for itself."""
    if value is None or np.size(value) < 3:
        return False
    return bool(((value == np.min(value)) | (value == np.max(value))).all())


def _start(number: dict[str, int], given: list[Any], before: list[Line]) -> dict[str, Any]:
    names = [g.name for g in given] + [line.name for line in before]
    return {
        "id": "start",
        "phase": "s",
        "k": -1,
        "code": -1,
        "title": "Before anything runs",
        "words": f"Given: {', '.join(names)}. Dashed boxes are what the computation starts from, grey ones have not "
        "been computed yet. Press the right arrow key for the first step.",
        "uses": [[number[name], 0] for name in names],
        "trees": {},
    }


def _step(
    line: Line,
    k: int,
    phase: str,
    row: int,
    number: dict[str, int],
    gradients: dict[str, int],
    lines: dict[Scale, dict[str, Line]],
    users: dict[str, list[Line]],
    extra: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    values = number if phase == "f" else {n: i for n, i in number.items() if n not in gradients}
    labels = {x["name"]: x["labels"] for x in extra}  # they light up where their rows are read
    values = values | {x["name"]: len(number) + k for k, x in enumerate(extra)}
    slopes = {} if phase == "f" else gradients
    trees: dict[str, Tree | None] = {}
    uses: dict[tuple[int, int], None] = {}
    for scale, found in lines.items():
        symbol = found[line.name].symbol
        trees[scale] = tree(symbol, values, slopes)
        for name in used_in(symbol):
            if name in slopes:
                uses[slopes[name], 1] = None
            elif name in values:
                uses[labels.get(name, values[name]), 0] = None
    shown = trees[list(trees)[-1]]
    kinds = _kinds(shown)
    if phase == "f":
        root = _is_loss(line, users)
        title = f"{line.name}: {'the loss' if root else _called(_operation(line))}"
        text = words.forward(_operation(line), kinds, root)
    else:
        name = line.name[1:]
        after = users.get(name, [])
        title = f"{line.name}: the gradient of {name}" + (f", {line.path}" if line.path else "")
        if after and line.operation:
            last = after[-1]
            through = "the loss" if _is_loss(last, users) else _called(_operation(last))
            title = f"{line.name}: back through {through}"
        text = words.ROOT
        if after:
            text = words.backward(
                ["" if _is_loss(x, users) else _operation(x) for x in after], kinds, not line.operation, "g" in kinds
            )
    return {
        "id": line.name,
        "phase": phase,
        "k": k,
        "code": row,
        "title": title,
        "words": text,
        "uses": [list(pair) for pair in uses],
        "trees": trees,
    }


_CALLED = {
    "plus": "sum",
    "choose": "a choice",
    "affine": "linear layer",
    "matrix_product": "matrix product",
    "softmax_over": "softmax",
    "sum_over": "sum",
    "mean_over": "mean",
    "minus": "difference",
    "multiply": "product",
    "over": "quotient",
    "scaled": "scale and shift",
    "standardized": "normalisation",
    "correlation": "convolution",
    "attend": "attention",
}


def _called(operation: str) -> str:
    return _CALLED.get(operation, operation.replace("_over", "").replace("_", " "))


def _operation(line: Line) -> str:
    """The key of what computed a forward line; a product to which a bias is added is a linear layer."""
    if line.operation == "pick":  # one output of several: what computed them
        return str(line.record.inputs[0].key)
    if line.operation == "standardized" and line.output:
        return ("", "mean", "variance")[line.output]
    keys = {x.primitive.key for x in line.symbol.inputs if getattr(x, "primitive", None)}
    return "affine" if line.operation == "plus" and keys & set(PRODUCTS) else line.operation


def _kinds(x: Any) -> set[str]:
    if not isinstance(x, list) or not x:
        return set()
    return {x[0]}.union(*(_kinds(part) for part in x[1:]))


def _is_loss(line: Line, users: dict[str, list[Line]]) -> bool:
    return not line.shape and line.name not in users


# --- the user's program


def _code(forward: list[Line]) -> tuple[list[list[Any]], dict[str, int]]:
    """Rows [number or empty, text] of the user's program, and per line the row that computed it.

    Where no source is to be had, the rows are the formulas as NumPy.
    """
    places = {line.name: line.place for line in forward}
    wanted: dict[str, set[int]] = {}
    for place in places.values():
        if place is not None and place[1]:
            wanted.setdefault(place[0], set()).add(place[1])
    rows: list[list[Any]] = []
    where: dict[tuple[str, int], int] = {}
    for file, numbers in wanted.items():
        source = linecache.getlines(file)
        if not source:
            continue
        shown: list[int] = sorted(numbers)
        if shown[-1] - shown[0] < CODE:
            shown = list(range(shown[0], shown[-1] + 1))
        texts = {n: source[n - 1].rstrip().expandtabs(4) for n in shown if n <= len(source)}
        indent = min((len(t) - len(t.lstrip()) for t in texts.values() if t), default=0)
        last = None
        for n, text in texts.items():
            if rows and (last is None or n > last + 1):
                rows.append(["", "⋯"])
            where[file, n] = len(rows)
            rows.append([n, text[indent:]])
            last = n
    if not all(p in where for p in places.values()):
        return [["", line.source()[:200]] for line in forward], {line.name: i for i, line in enumerate(forward)}
    return rows, {name: where[p] for name, p in places.items() if p is not None}


# --- the file


def _assembled(
    data: dict[str, Any],
    svg: str,
    lines: dict[Scale, dict[str, Line]],
    longest: int,
    more: tuple[str, str] | None,
) -> str:
    """The page: data and pictures in the place of the marks in page.html; `more` is the training view and its data."""
    styles, programs = [asset("page.css")], [asset("page.js")]
    if more is not None:
        styles.append(asset("training.css"))
        programs.append(asset("training.js"))
    width, height = data["size"]
    names = [v["name"] for v in data["values"]]
    about = f"Computation graph of {len(names)} values: " + "; ".join(
        f"{names[b]} from {', '.join(names[x] for x, y in data['edges'] if y == b)}"
        for b in dict.fromkeys(b for _, b in data["edges"])
    )
    parts = {
        "STYLE": "</style>\n<style>".join(styles),
        "PROGRAM": "</script>\n<script>".join(programs),
        "STYLE_HASH": " ".join(map(digest, styles)),
        "PROGRAM_HASH": " ".join(map(digest, programs)),
        "TRAINING": "" if more is None else more[0],
        "TRAINING_DATA": ""
        if more is None
        else f'<script type="application/json" id="training-data">{more[1]}</script>\n',
        "ABOUT": escaped(about[:2000]),
        "GRAPH": f'<svg id="graph-svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="group" aria-labelledby="about">{_MARKERS}{svg}</svg>',
        "TABLE": _table(data, lines, longest),
        "NOTES": " ".join(escaped(note) for note in data["notes"]),
        "DATA": json.dumps(data, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], asset("page.html"))


_MARKERS = (
    "<defs>"
    + "".join(
        f'<marker id="{name}" class="{name}" viewBox="0 0 10 10" refX="8.5" refY="5" markerWidth="{size}" '
        f'markerHeight="{size}" orient="auto-start-reverse"><path d="M0 0L10 5L0 10z"/></marker>'
        for name, size in (("ar", 7), ("af", 4.6), ("ab", 4.6))
    )
    + "</defs>"
)


def _table(data: dict[str, Any], lines: dict[Scale, dict[str, Line]], longest: int) -> str:
    """The steps as rows with their formulas in every scale: read without JavaScript, and by the page's program."""
    heads = "".join(f'<th scope="col">{scale} scale</th>' for scale in lines)
    out = [
        "<table><caption>All steps, in the order in which they run</caption>",
        f'<thead><tr><th scope="col">step</th>{heads}<th scope="col">shape</th><th scope="col">line</th></tr></thead>',
        "<tbody>",
    ]
    for i, step in enumerate(data["steps"]):
        if step["phase"] == "s":
            continue
        cells = "".join(
            f'<td class="{scale}">{_mathml(found[step["id"]], longest)}</td>' for scale, found in lines.items()
        )
        shape = " × ".join(map(str, data["values"][step["k"]]["shape"])) or "scalar"
        place = data["code"][step["code"]][0] if step["code"] >= 0 else ""
        out.append(
            f'<tr id="r{i}"><th scope="row">{escaped(step["title"])}</th>{cells}<td>{shape}</td><td>{place}</td></tr>'
        )
    return "".join([*out, "</tbody></table>"])


def _mathml(line: Line, longest: int) -> str:
    text = line.mathml()
    if len(text) > longest:
        cut = line.text()
        return f"<code>{escaped(cut[:200] + ('…' if len(cut) > 200 else ''))}</code>"
    return re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", "\ufffd", text).replace(
        ' xmlns="http://www.w3.org/1998/Math/MathML"', ""
    )
