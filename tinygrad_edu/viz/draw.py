"""Pictures of a recorded graph: SVG and DOT, and what Graphviz makes of it.

SVG and DOT need nothing. PDF and PNG need the package `graphviz` and the program `dot`; neither is
imported or looked for before such a picture is asked for.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from ..core.tensor import Tensor
from ..symbolic.explain import explain
from ..symbolic.explanation import Scale
from .dot import lines
from .graph import Graph, Names, graph, ids
from .picture import LIMIT, Options, View, picture
from .svg import svg

if TYPE_CHECKING:
    import graphviz  # type: ignore[import-untyped]

TEXT = (".dot", ".gv", ".svg", ".html")
RENDERED = (".pdf", ".png")
PNG_DPI = 144  # one and a half times a screen's 96, sharp on a projector
NAME = "tinygrad_edu"

_PACKAGE = 'the Python package graphviz is not installed: pip install graphviz, or pip install "tinygrad_edu[viz]". '
_PROGRAM = (
    "the program dot was not found: install Graphviz (apt-get install graphviz, brew install graphviz, or "
    "graphviz.org/download) and see that dot is on the PATH. "
)
_WITHOUT = "Without it .save('graph.svg') still draws the graph, and .save('graph.dot') gives it as text."


def draw(
    loss: Tensor,
    *,
    limit: int = LIMIT,
    direction: Literal["TB", "LR"] = "TB",
    names: Names | None = None,
    view: View = "both",
    values: bool = True,
    grads: bool = True,
    formulas: bool | Scale = False,
    constants: bool = True,
    counts: bool = False,
    depth: int | None = None,
) -> Drawing:
    """The graph that a tensor was computed by: values with shapes, numbers, gradients and names.

    Gradients are drawn where there are any: of parameters after `backward()`, of other values if
    `retain_grad()` was called on them before it.

    Args:
        loss: any tensor; it is drawn last.
        limit: boxes at most. A larger graph is folded: modules become boxes, as deep as fits, and equal boxes in a
            row one with a count; if that is not enough, the last `limit` are drawn. The picture says what was done.
        direction: "TB" draws from top to bottom, "LR" from left to right.
        names: for tensors without a `.name`, such as `model.named_parameters()`.
        view: "forward" leaves gradients out; "backward" draws only what gradients flow through, its arrows
            turned round; "both" draws all, arrows dark where gradients come back along them.
        values, grads: whether boxes say numbers in a few words.
        formulas: write on its arrows the formula of each value's gradient, as `symbolic.explain` derives it, and
            give values explain's names; "textbook" or "exact" (True) says in which scale. For losses.
        constants: whether to draw what has no gradient and was not computed.
        counts: say in the legend how many parameters and results there are, and their size.
        depth: draw modules as boxes: 0 the model itself, 1 what it calls, 2 what these call; and equal boxes in a row
            as one with a count. None: only if the graph is larger than the limit.

    >>> w = Tensor(3.0, requires_grad=True, name="w")
    >>> draw(w * w)
    <Drawing of 2 values: .save("graph.svg"), .svg(), .source, .digraph>
    """
    if not isinstance(loss, Tensor):
        raise TypeError(f"draw: expected a Tensor, got {type(loss).__name__}.")
    if not isinstance(limit, int) or limit < 1:
        raise ValueError(f"draw: limit is the number of values to draw, at least 1, not {limit!r}.")
    if direction not in ("TB", "LR"):
        raise ValueError(f"draw: direction is 'TB' (downwards) or 'LR' (to the right), not {direction!r}.")
    if view not in ("forward", "backward", "both"):
        raise ValueError(f"draw: view is 'forward', 'backward' or 'both', not {view!r}.")
    if depth is not None and (isinstance(depth, bool) or not isinstance(depth, int) or depth < 0):
        raise ValueError(f"draw: depth is how many modules deep the picture goes, 0 or more, not {depth!r}.")
    data = graph(loss, names)
    named = {value.id for value in data.values if value.name and value.name != value.path}
    rules: dict[str, str] = {}
    if formulas:
        known = ids(loss)
        found = explain(loss, "exact" if formulas is True else formulas)
        known |= {copy: known[record] for record, copy in found.copies.items() if record in known}
        called = {known[record]: name for record, name in found.names.items() if record in known}
        data = Graph(tuple(replace(v, name=called.get(v.id, v.name)) for v in data.values), data.calls)
        rules = {known[line.record]: line.text() for line in found.backward if line.record in known}
    return Drawing(data, Options(limit, direction, view, values, grads, constants, counts, depth, named, rules))


class Drawing:
    """A picture of a graph, as SVG, as text and for Graphviz."""

    def __init__(self, graph: Graph, options: Options | None = None) -> None:
        self.graph = graph
        options = options or Options()
        self._picture = picture(graph, options)
        self.hint = " ".join(note for note in self._picture.notes if "draw(..." in note)
        self._lines = lines(self._picture)

    def svg(self) -> str:
        """The picture as an SVG document. Needs no package and no program."""
        return svg(self._picture)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return bundle(self, self.svg)

    @property
    def source(self) -> str:
        """The picture in DOT, Graphviz's language. Needs no package."""
        return "\n".join([f"digraph {NAME} {{", *self._lines, "}", ""])

    @property
    def digraph(self) -> graphviz.Digraph:
        """The picture as a `graphviz.Digraph`, to be changed or rendered by that package.

        Raises:
            ImportError: the package is not installed.
        """
        return _package("digraph").Digraph(NAME, body=[line + "\n" for line in self._lines])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture to a file: .svg, or .html around it; .dot and .gv as text; .pdf and .png by Graphviz.

        Raises:
            ValueError: another suffix.
            ImportError: the package graphviz is not installed.
            RuntimeError: the program dot is missing, or failed.
        """
        suffix = check_target(path)
        text = self.svg() if suffix == ".svg" else _page(self.svg()) if suffix == ".html" else self.source
        content = text.encode() if suffix in TEXT else self._render(suffix[1:])
        _write(os.fspath(path), content)

    def __repr__(self) -> str:
        return f'<Drawing of {len(self.graph)} values: .save("graph.svg"), .svg(), .source, .digraph>'

    def _render(self, format: str) -> bytes:
        package = _package("save")
        try:
            digraph = self.digraph
            if format == "png":
                digraph.graph_attr["dpi"] = str(PNG_DPI)
            picture: bytes = digraph.pipe(format=format, quiet=True)
        except package.ExecutableNotFound as error:
            raise RuntimeError(f"save: {_PROGRAM}{_WITHOUT}") from error
        except package.CalledProcessError as error:
            raise RuntimeError(f"save: dot failed: {error.stderr!r}") from error
        return picture


def bundle(shown: object, content: Callable[[], str], kind: str = "image/svg+xml") -> dict[str, str]:
    """What a notebook shows: the content, and the text where it can't; never an error."""
    try:
        return {kind: content(), "text/plain": repr(shown)}
    except Exception as error:  # a cell that shows nothing at all would be worse
        return {"text/plain": f"{shown!r}: not shown, {type(error).__name__}: {error}"}


def _page(picture: str) -> str:
    """A page that shows an SVG document and may do nothing else."""
    title = picture.partition("<title>")[2].partition("</title>")[0]
    policy = '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'">'
    head = f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">{policy}<title>{title}</title></head>'
    return f"{head}\n<body>\n{picture}</body>\n</html>\n"


def _package(what: str) -> Any:
    try:
        import graphviz
    except ImportError as error:
        raise ImportError(f"{what}: {_PACKAGE}{_WITHOUT}") from error
    return graphviz


def check_target(path: str | os.PathLike[str]) -> str:
    """The suffix of a file that `save` can write here; else its error, for programs that compute long before."""
    path = os.fspath(path)
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in TEXT + RENDERED:
        raise ValueError(
            f"save: {path!r} ends in {suffix or 'no suffix'!r}; what works is {', '.join(TEXT)} and "
            f"{', '.join(RENDERED)} (by Graphviz)."
        )
    if not os.path.isdir(os.path.dirname(path) or "."):
        raise FileNotFoundError(f"save: there is no folder {os.path.dirname(path)!r} to write {path!r} into; make it.")
    if suffix in RENDERED:
        _package("save")
        if shutil.which("dot") is None:
            raise RuntimeError(f"save: {_PROGRAM}{_WITHOUT}")
    return suffix


def _write(path: str, content: bytes) -> None:
    """All of it or nothing: written beside the target and then put in its place."""
    part = f"{path}.{os.getpid()}.part"
    try:
        with open(part, "wb") as file:
            file.write(content)
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.unlink(part)
