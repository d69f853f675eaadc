"""Pictures of a recorded graph: DOT as text, and what Graphviz makes of it.

The text needs nothing. Rendering needs the package `graphviz` and the program `dot`; neither is
imported or looked for before a picture is asked for.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

from ..core.tensor import Tensor
from .dot import hint, lines
from .graph import Graph, Names, graph

if TYPE_CHECKING:
    import graphviz  # type: ignore[import-untyped]

TEXT = (".dot", ".gv")
RENDERED = (".svg", ".pdf", ".png")
PNG_DPI = 144  # one and a half times a screen's 96, sharp on a projector
NAME = "tinygrad_edu"
LIMIT = 60  # boxes: more fill a page with what nobody can read, and dot's time grows steeply

_PACKAGE = 'the Python package graphviz is not installed: pip install graphviz, or pip install "tinygrad_edu[viz]". '
_PROGRAM = (
    "the program dot was not found: install Graphviz (apt-get install graphviz, brew install graphviz, or "
    "graphviz.org/download) and see that dot is on the PATH. "
)
_WITHOUT = "Without it .source and .save('graph.dot') still give the graph as text."


def draw(
    loss: Tensor, *, limit: int = LIMIT, direction: Literal["TB", "LR"] = "TB", names: Names | None = None
) -> Drawing:
    """The graph that a tensor was computed by: values with shapes, numbers, gradients and names.

    Gradients are drawn where there are any: of parameters after `backward()`, of other values if
    `retain_grad()` was called on them before it.

    Args:
        loss: any tensor; it is drawn last.
        limit: of a larger graph only the last `limit` values are drawn, and the picture says so.
        direction: "TB" draws from top to bottom, "LR" from left to right.
        names: for tensors without a `.name`, such as `model.named_parameters()`.

    >>> w = Tensor(3.0, requires_grad=True, name="w")
    >>> draw(w * w)
    <Drawing of 2 values: .save("graph.svg"), .source, .digraph>
    """
    if not isinstance(loss, Tensor):
        raise TypeError(f"draw: expected a Tensor, got {type(loss).__name__}.")
    if not isinstance(limit, int) or limit < 1:
        raise ValueError(f"draw: limit is the number of values to draw, at least 1, not {limit!r}.")
    if direction not in ("TB", "LR"):
        raise ValueError(f"draw: direction is 'TB' (downwards) or 'LR' (to the right), not {direction!r}.")
    return Drawing(graph(loss, names), limit, direction)


class Drawing:
    """A picture of a graph, as text and for Graphviz."""

    def __init__(self, graph: Graph, limit: int = LIMIT, direction: str = "TB") -> None:
        self.graph = graph
        self.hint = hint(graph, limit)
        self._lines = lines(graph, limit, direction)

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
        """Write the picture to a file: .dot and .gv as text; .svg, .pdf, .png by Graphviz.

        Raises:
            ValueError: another suffix.
            ImportError: the package graphviz is not installed.
            RuntimeError: the program dot is missing, or failed.
        """
        path = os.fspath(path)
        suffix = os.path.splitext(path)[1].lower()
        if suffix not in TEXT + RENDERED:
            raise ValueError(
                f"save: {path!r} ends in {suffix or 'no suffix'!r}; what works is {', '.join(TEXT)} (text) and "
                f"{', '.join(RENDERED)} (pictures)."
            )
        content = self.source.encode() if suffix in TEXT else self._render(suffix[1:])
        _write(path, content)

    def __repr__(self) -> str:
        return f'<Drawing of {len(self.graph)} values: .save("graph.svg"), .source, .digraph>'

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


def _package(what: str) -> Any:
    try:
        import graphviz
    except ImportError as error:
        raise ImportError(f"{what}: {_PACKAGE}{_WITHOUT}") from error
    return graphviz


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
