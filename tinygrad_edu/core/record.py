"""A record: how one value was computed, and what backward needs to undo it.

Records form the graph. Edges join records, never Tensors, and a record never refers to its own
Tensor, so nothing is kept alive by a cycle: `del loss` frees the graph at once.

Read by core.backward (rules and saved arrays), viz and symbolic (structure and names).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable
from sys import _getframe
from types import CodeType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .primitive import Primitive

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_MAIN = os.path.join(_PACKAGE, "__main__.py")  # the demonstration is written as a user writes
_INTERNAL: dict[str, bool] = {}  # file name -> is it part of this package

stamp = itertools.count(1).__next__  # one clock for records and writes

Site = tuple[CodeType, int]  # code and instruction: together they know the line


class Storage:
    """The memory behind one or more Tensors, and how often it has been written.

    `detach()`, `.data` and views share the Storage of the Tensor they come from, so a write
    through any of them is seen by all. Class attributes are the values of new memory: one is made
    per recorded value, and most are never written.
    """

    version: int = 0  # stamp of the last write: larger than the index of every record made before it
    writer: tuple[str, Site | None] | None = None  # the last write: operation and place
    shared: bool = False  # reachable from outside by an ndarray, whose writes count nothing
    saved: bool = False  # a record has kept this memory
    frozen: bool = False  # the ndarray that it is shared with is read-only


class Record:
    """One value of the graph.

    primitive None marks a leaf (`needs_grad`) or a constant. For the others `saved` holds, per
    input, the array if a rule reads its numbers, else the input's own record, which answers
    `.shape`, `.dtype` and `.ndim` in its place; Python numbers stand for themselves.
    """

    __slots__ = (
        "__dict__",  # made only for a record that departs from the defaults below
        "array",  # leaf or constant: its array. Result: the output, if a rule reads it
        "calls",  # of a module's result: the module, the stamp before its forward, the same of the call inside
        "dtype",
        "edges",  # positions of the inputs that need a gradient; None until they are asked for
        "holds",  # (storage, version, lock) of every array that a rule will read
        "index",  # order of creation: larger than that of every input
        "inputs",  # Record or Python number, per argument
        "needs_grad",
        "params",
        "primitive",
        "saved",  # what the rules are handed as inputs; None once freed
        "shape",
        "site",
        "storage",
    )

    grad: Any = None  # Tensor; leaves, and values under retain_grad
    retains_grad: bool = False
    hooks: dict[int, Any] | None = None
    grad_hooks: dict[int, Any] | None = None  # called when backward has added to a leaf's .grad
    node_hooks: dict[int, Any] | None = None  # of grad_fn.register_hook; each has a place in `hooks` as well
    name: str | None = None
    moved: int = 0  # of a leaf: stamp of the last `.data = ...`, which gave it other memory
    kept: Any = None  # core.kept.Kept; of a leaf (version, weak reference to a copy)
    former: Record | None = None  # of a leaf that was frozen: its record when it required a gradient

    def __init__(
        self,
        primitive: Primitive | None,
        inputs: tuple[Any, ...],
        params: dict[str, Any],
        shape: tuple[int, ...],
        dtype: Any,
        needs_grad: bool,
        site: Site | None,
        edges: tuple[int, ...] | None = None,
    ) -> None:
        self.index = stamp()
        self.primitive = primitive
        self.inputs = inputs
        self.params = params
        self.shape = shape
        self.dtype = dtype
        self.needs_grad = needs_grad
        self.site = site  # where the user called: a few bytes, where a frame would keep its locals
        self.saved: Any = inputs
        self.array: Any = None
        self.calls: Any = None
        self.holds: Any = ()
        self.edges = edges
        self.storage: Storage | None = None

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def key(self) -> str:
        """The rule book's key of what computed it; empty for a leaf."""
        return "" if self.primitive is None else self.primitive.key

    @property
    def written(self) -> int:
        """Stamp of a leaf's last write: larger than the index of every record that saw what it held before."""
        return max(self.moved, self.storage.version if self.storage is not None else 0)

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


def edges_of(record: Record) -> tuple[int, ...]:
    """The positions of the inputs that need a gradient."""
    edges = record.edges
    if edges is None:  # not made by an ordinary call
        found = [i for i, x in enumerate(record.inputs) if x.__class__ is Record and x.needs_grad]
        edges = record.edges = tuple(found)
    return edges


def reached(roots: Iterable[Record], enter: Callable[[Record], bool] = lambda record: True) -> set[Record]:
    """The roots and everything that they were computed from; what `enter` says no to is not looked behind."""
    found = set(roots)
    stack = list(found)
    while stack:
        record = stack.pop()
        new = [x for x in record.inputs if x.__class__ is Record and x not in found] if enter(record) else []
        found.update(new)
        stack += new
    return found


def is_internal(filename: str) -> bool:
    known = _INTERNAL.get(filename)
    if known is None:
        known = filename.startswith(_PACKAGE) and filename != _MAIN
        _INTERNAL[filename] = known
    return known


def user_site(above: int = 2) -> Site | None:
    """The nearest call outside the package, as code and instruction; `above` frames are known to be inside.

    Each frame that is looked at is made an object, which takes 0.1 us: as long as a short ufunc's loop.
    """
    frame: Any = _getframe(above)
    while frame is not None:
        code = frame.f_code
        internal = _INTERNAL.get(code.co_filename)
        if internal is None:
            internal = is_internal(code.co_filename)
        if not internal:
            return code, frame.f_lasti
        frame = frame.f_back
    return None


def line_of(site: Site | None) -> str:
    """`train.py:12`; empty for what was not computed."""
    if site is None:
        return ""
    file, line = place_of(site)
    return os.path.basename(file) + (f":{line}" if line else "")


def place_of(site: Site) -> tuple[str, int]:
    """The file as Python knows it, and the line; 0 if that isn't known."""
    code, instruction = site
    for start, end, line in code.co_lines():
        if start <= instruction < end and line is not None:
            return code.co_filename, line
    return code.co_filename, 0
