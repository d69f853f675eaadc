"""A record: how one value was computed, and what backward needs to undo it.

Records form the graph. Edges join records, never Tensors, and a record never refers to its own
Tensor, so nothing is kept alive by a cycle: `del loss` frees the graph at once.

Read by core.backward (rules and saved arrays), viz and symbolic (structure and names).
"""

from __future__ import annotations

import os
import sys
from types import CodeType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .primitive import Primitive

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_MAIN = os.path.join(_PACKAGE, "__main__.py")  # the demonstration is written as a user writes
_INTERNAL: dict[str, bool] = {}  # file name -> is it part of this package


class Storage:
    """The memory behind one or more Tensors, and how often it has been written.

    `detach()`, `.data` and views share the Storage of the Tensor they come from, so a write
    through any of them is seen by all. `shared` says that memory is also reachable from outside,
    by an ndarray of the user's, whose writes count nothing; `saved` that a record once kept it.
    """

    __slots__ = ("saved", "shared", "version", "writer")

    def __init__(self, shared: bool = False) -> None:
        self.version = 0
        self.writer: tuple[str, tuple[CodeType, int] | None] | None = None  # last write: operation, site
        self.shared = shared
        self.saved = False


class Record:
    """One value of the graph.

    primitive None marks a leaf (`needs_grad`) or a constant. For the others `saved` holds, per
    input, the array if a rule reads its numbers, else the input's own record, which answers
    `.shape`, `.dtype` and `.ndim` in its place; Python numbers stand for themselves.
    """

    __slots__ = (
        "array",  # leaf or constant: its array. Result: the output, if a rule reads it
        "dtype",
        "grad",  # Tensor; leaves, and values under retain_grad
        "holds",  # (storage, version, lock) of every array that a rule will read
        "hooks",
        "inputs",  # Record or Python number, per argument
        "name",
        "needs_grad",
        "params",
        "primitive",
        "retains_grad",
        "saved",
        "shape",
        "site",  # (code, instruction) of the user's call: a few bytes, where a frame keeps its locals
        "storage",
    )

    def __init__(
        self,
        primitive: Primitive | None,
        inputs: tuple[Any, ...],
        params: dict[str, Any],
        array: Any,
        shape: tuple[int, ...],
        dtype: Any,
        needs_grad: bool,
    ) -> None:
        self.primitive = primitive
        self.inputs = inputs
        self.params = params
        self.array = array
        self.shape = shape
        self.dtype = dtype
        self.needs_grad = needs_grad
        self.saved: tuple[Any, ...] | list[Any] | None = inputs
        self.holds: Any = ()
        self.storage: Storage | None = None
        self.site: tuple[CodeType, int] | None = None
        self.grad: Any = None
        self.hooks: dict[int, Any] | None = None
        self.name: str | None = None
        self.retains_grad = False

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def line(self) -> str:
        """`file:line` of the call that made this value; empty for leaves."""
        return line_of(self.site)

    @property
    def label(self) -> str:
        """How messages call this value: its name, else the operation that made it."""
        if self.name:
            return self.name
        return "leaf" if self.primitive is None else f"the result of {self.primitive.name}"


def is_internal(filename: str) -> bool:
    known = _INTERNAL.get(filename)
    if known is None:
        known = filename.startswith(_PACKAGE) and filename != _MAIN
        _INTERNAL[filename] = known
    return known


def user_site() -> tuple[CodeType, int] | None:
    """The nearest call outside the package, as code and instruction."""
    frame = sys._getframe(2)
    while _INTERNAL.get(frame.f_code.co_filename) or is_internal(frame.f_code.co_filename):
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return frame.f_code, frame.f_lasti


def line_of(site: tuple[CodeType, int] | None) -> str:
    if site is None:
        return ""
    code, instruction = site
    for start, end, line in code.co_lines():
        if start <= instruction < end and line is not None:
            return f"{os.path.basename(code.co_filename)}:{line}"
    return os.path.basename(code.co_filename)
