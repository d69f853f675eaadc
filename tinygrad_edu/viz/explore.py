"""The explorer: one page on which a recorded loss is stepped through, forward and backward.

Everything on it comes from `explain`: names, formulas, values and gradients, in both scales where the
loss has them (walkthrough.py). The page is a single file that asks for nothing: its style and its program
are named by their hashes, and nothing else may run or load. Without JavaScript it shows the finished graph
and the table of steps.

Files: page/page.html, page.css, page.js, copied in as they are; data go in as JSON.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

from ..core.tensor import Tensor, record_of
from ..symbolic.derive import topological
from ..symbolic.explain import callers_variables, explained
from ..symbolic.explanation import Explanation, Scale
from ..symbolic.lines import Line
from .cards import escaped
from .frame import Framed, asset, digest
from .record import Training
from .training import section
from .walkthrough import Walkthrough

LIMIT = 150  # values on a page; of a larger graph those nearest to the loss
FOLDING = 400  # where there are modules that fold
BYTES = 2_000_000  # of a page at most; fewer entries are sampled until it fits
# Rows and columns shown of an array at most; and characters of a formula's MathML, longer ones are cut texts
SIZES = ((12, 8000), (8, 8000), (5, 4000), (3, 2000), (1, 800))


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
        sizes = [(limit, *size) for size in SIZES]
        while sizes[-1][0] > 2:  # in the end fewer values
            sizes.append((sizes[-1][0] // 2, *SIZES[-1]))
        for values, most, longest in sizes:
            shown = Walkthrough(exact, textbook, values, most)
            self.data = shown.data
            self._html = _assembled(shown, self.data, longest, more)
            if len(self._html.encode()) <= BYTES:
                return

    @property
    def html(self) -> str:
        """The page as text."""
        return self._html

    def __repr__(self) -> str:
        return f'<Page of {len(self.data["steps"])} steps: .save("backprop.html")>'


def _assembled(shown: Walkthrough, data: dict[str, Any], longest: int, more: tuple[str, str] | None) -> str:
    """The page: data and pictures in the place of the marks in page.html.

    Args:
        longest: characters of a formula's MathML.
        more: the training view and its data.
    """
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
        f'role="group" aria-labelledby="about">{_MARKERS}{shown.picture.svg}</svg>',
        "TABLE": _table(data, shown.lines, longest),
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
