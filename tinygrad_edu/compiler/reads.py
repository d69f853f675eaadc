"""The names that a function's code reads or sets: of global variables, of attributes, of methods."""

from __future__ import annotations

import dis
import functools
import sys
import types
from typing import NamedTuple

METHOD_BIT = sys.version_info >= (3, 12)  # LOAD_METHOD is LOAD_ATTR with a mark since then
METHODS = ("LOAD_METHOD", "LOAD_SUPER_ATTR")
# Instructions. What a step sets, it changes; a program would not
GLOBALS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS", "STORE_GLOBAL", "DELETE_GLOBAL")
ATTRIBUTES = ("LOAD_ATTR", "STORE_ATTR", "DELETE_ATTR")


class Reads(NamedTuple):
    """The names that a code reads, by what it reads them of."""

    variables: frozenset[str]  # global ones
    attributes: frozenset[str]
    methods: frozenset[str]  # attributes that are called: of `optimizer.step()` a counter `self.step` is none
    compares: bool  # whether it asks for equality
    imports: bool


@functools.cache
def reads_of(code: types.CodeType) -> Reads:
    """What a code reads, not what the codes inside of it do."""
    variables: set[str] = set()
    attributes: set[str] = set()
    methods: set[str] = set()
    compares = imports = False
    for i in dis.get_instructions(code):
        compares |= i.opname == "COMPARE_OP" and i.argrepr.strip("bol()") in ("==", "!=")  # `bool(==)` in later Pythons
        imports |= i.opname == "IMPORT_NAME"
        called = i.opname in METHODS or (i.opname == "LOAD_ATTR" and METHOD_BIT and i.arg and i.arg & 1)
        if i.opname in GLOBALS:
            variables.add(i.argval)
        elif called:
            methods.add(i.argval)
        elif i.opname in ATTRIBUTES:
            attributes.add(i.argval)
    return Reads(frozenset(variables), frozenset(attributes), frozenset(methods), compares, imports)
