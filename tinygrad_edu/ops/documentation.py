"""`docs(name)`: what the rule book says of an operation."""

from __future__ import annotations

import inspect
import os
import re

from ..core.errors import nearest
from ..core.primitive import PRIMITIVES
from ..core.tensor import METHODS
from .creation import constructor
from .public import PUBLIC

_BOOK = os.path.join(os.path.dirname(__file__), "BOOK.md")


@constructor
def docs(name: str) -> None:
    """Print the rule book's entries of an operation: its rules as written, and the formulas they print.

    Args:
        name: PyTorch's name, or a primitive's key.
    Raises:
        KeyError: there is no such operation; the nearest names are given.
    """
    keys = [key for key, primitive in PRIMITIVES.items() if name in (key, primitive.name)]
    operation = PUBLIC.get(name, METHODS.get(name))
    if not keys and operation is None:
        known = {*PUBLIC, *METHODS, *PRIMITIVES}
        near = ", ".join(nearest(name, known, 3))
        raise KeyError(f"no operation is called {name!r}." + (f" Near to it: {near}." if near else ""))
    if operation is not None and operation not in PRIMITIVES.values():
        signature = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(operation)))  # types are texts
        print(f"{name}{signature}\n\n{inspect.getdoc(operation)}\n")
    with open(_BOOK, encoding="utf-8") as book:
        entries = book.read().split("\n## ")
    for entry in entries[1:]:
        if entry.split("\n", 1)[0] in keys:
            print(f"## {entry.rstrip()}\n")
