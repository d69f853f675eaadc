"""The names that a function's code reads or sets: of global variables, of attributes, of methods."""

from __future__ import annotations

import dis
import functools
import re
import string
import sys
import types
from typing import Any, NamedTuple

from .scopes import SCALARS

METHOD_BIT = sys.version_info >= (3, 12)  # LOAD_METHOD is LOAD_ATTR with a mark since then
METHODS = ("LOAD_METHOD", "LOAD_SUPER_ATTR")
# Instructions. What a step sets, it changes; a program would not
GLOBALS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS", "STORE_GLOBAL", "DELETE_GLOBAL")
ATTRIBUTES = ("LOAD_ATTR", "STORE_ATTR", "DELETE_ATTR")
# What takes the name of an attribute as a string, or goes on where there is none of that name
BY_NAME = {"getattr", "hasattr", "setattr", "delattr", "attrgetter", "methodcaller", "globals", "AttributeError"}
BY_MODULE = {"import_module", "__import__"}  # what takes the name of a module as a string; and sys.modules does
TEXTS = {"str", "repr", "format", "ascii"}  # what asks an object for a text; and instructions of f-strings that do
FORMATS = ("FORMAT_VALUE", "FORMAT_SIMPLE", "FORMAT_WITH_SPEC", "CONVERT_VALUE")
FROM_TEXTS = {"float", "int", "complex"}  # what makes a number of a text; and functions of modules that do
FROM_TEXTS_TOO = {"Decimal", "Fraction", "literal_eval"}
SOUGHT = ("BINARY_SUBSCR", "COMPARE_OP", "CONTAINS_OP")  # a text that is looked up or compared, as soon as it is made
BY_DICT = {"vars", "__dict__"}  # what takes all of them, and names as strings
ALL_NAMES = {*BY_DICT, "dir", "asdict", "astuple", "fields", "replace"}


class Reads(NamedTuple):
    """The names that a code reads, by what it reads them of."""

    variables: frozenset[str]  # global ones
    attributes: frozenset[str]
    stored: frozenset[str]  # attributes that it sets
    methods: frozenset[str]  # attributes that are called: of `optimizer.step()` a counter `self.step` is none
    compares: bool  # whether it asks for equality
    imports: frozenset[tuple[int, str, Any]]  # how far up from the package, the module, what is taken from it
    strings: frozenset[str]  # its constants
    by_name: bool  # whether it looks attributes up by strings
    spells: bool  # whether it makes strings of parts
    takes_all: bool  # whether it looks at all attributes of an object
    texts: bool  # whether it may make texts of objects, and numbers of texts
    by_module: bool  # whether it looks modules up by strings
    modules: frozenset[str]  # which may be these, or made of them


@functools.cache
def reads_of(code: types.CodeType) -> Reads:
    """What a code reads, not what the codes inside of it do."""
    variables: set[str] = set()
    attributes: set[str] = set()
    stored: set[str] = set()
    methods: set[str] = set()
    imports: set[tuple[int, str, Any]] = set()
    compares = spells = formats = sought = False
    instructions = [*dis.get_instructions(code)]
    for k, i in enumerate(instructions):
        compares |= i.opname == "COMPARE_OP" and i.argrepr.strip("bol()") in ("==", "!=")  # `bool(==)` in later Pythons
        spells |= i.opname == "BUILD_STRING"
        formats |= i.opname in FORMATS or (i.opname == "BINARY_OP" and i.argrepr == "%")
        last = instructions[k - 1].opname
        sought |= last.startswith(("CALL", "BUILD_STRING", *FORMATS)) and (i.opname in SOUGHT or i.argrepr == "[]")
        called = i.opname in METHODS or (i.opname == "LOAD_ATTR" and METHOD_BIT and i.arg and i.arg & 1)
        if i.opname == "IMPORT_NAME":
            level, items = (instructions[j].argval for j in (k - 2, k - 1))
            imports.add((level, i.argval, items or ()))
        elif i.opname == "IMPORT_FROM":
            attributes.add(i.argval)
        elif i.opname in GLOBALS:
            variables.add(i.argval)
        elif called:
            methods.add(i.argval)
        elif i.opname in ATTRIBUTES:
            attributes.add(i.argval)
            if i.opname == "STORE_ATTR":
                stored.add(i.argval)
    attributes.update(*(_formatted(x) for x in code.co_consts if isinstance(x, str)))
    names = variables | attributes | methods
    strings = _strings(code.co_consts) | (attributes if "AttributeError" in variables else set())
    sought |= bool(variables & FROM_TEXTS or names & FROM_TEXTS_TOO)
    constants = {x for x in code.co_consts if isinstance(x, str)}
    by_module = bool(names & BY_MODULE) or "modules" in variables | attributes  # and no `model.modules()`
    return Reads(
        variables=frozenset(variables),
        attributes=frozenset(attributes),
        stored=frozenset(stored),
        methods=frozenset(methods),
        compares=compares,
        imports=frozenset(imports),
        strings=frozenset(strings),
        by_name=bool(names & (BY_NAME | BY_DICT)),
        spells=spells,
        takes_all=bool(names & ALL_NAMES),
        texts=sought and (formats or bool(names & TEXTS)),
        by_module=by_module,
        modules=frozenset(constants if by_module else ()),
    )


def _strings(constants: Any) -> set[str]:
    """The strings among constants that may be names, in tuples too."""
    found = {x for x in constants if isinstance(x, str) and ("a" + x).isidentifier()}
    return found.union(*(_strings(x) for x in constants if isinstance(x, (tuple, frozenset))))


def _formatted(text: str) -> set[str]:
    """The attributes that `"{0.rate}".format(x)` reads."""
    return {word for field in re.findall(r"{[^{}]*}", text) for word in re.findall(r"\.([^\W\d]\w*)", field)}


class Sought:
    """What all codes of a step read so far, and what strings may stand for there."""

    def __init__(self) -> None:
        self.names: set[str] = set()  # of attributes that are read
        self.called: set[str] = set()  # of attributes that are called
        self.stored: set[str] = set()  # of attributes that are set
        self.strings: set[str] = set()  # that the step has, or its code
        self.by_name = False  # whether attributes are looked up by them
        self.takes_all = False  # whether some code looks at all attributes of an object
        self.compares = False  # whether it has a ==
        self.texts = False  # whether it may make numbers of what str(...) gives
        self.by_module = False  # whether it looks modules up by their names
        self._looked_up: set[str] = set()  # strings of the code that looks attributes up
        self._parts: set[str] = set()  # of which such code may make names

    def add(self, reads: Reads) -> None:
        """One more code."""
        self.names |= reads.attributes
        self.called |= reads.methods
        self.stored |= reads.stored
        self.strings |= reads.strings | reads.modules
        self.compares |= reads.compares
        self.takes_all |= reads.takes_all
        self.texts |= reads.texts
        self.by_module |= reads.by_module
        if reads.by_name:
            self.by_name = True
            self._looked_up |= reads.strings
            self._parts |= reads.strings if reads.spells else set()

    def add_text(self, text: str) -> None:
        """One more string: a name, or a format of some."""
        self.strings.add(text)
        self.names |= _formatted(text)

    def among(self, scope: Any, inherited: dict[str, Any]) -> list[list[str]]:
        """Attributes that a code may read of an object: those by strings, and those by names."""
        own = set(scope.keys()) | inherited.keys()
        if self.takes_all:
            self.names |= own
        by_strings: set[str] = set()
        if self.by_name:  # by a name that comes from elsewhere, or one that may not be there yet
            spelt = {name for name in own if any(part in name for part in self._parts)}
            by_strings = (self.strings & own) | spelt | self._looked_up
        value_of = {name: scope.get(name, inherited.get(name)) for name in self.called & own}
        called = {name for name, value in value_of.items() if not isinstance(value, SCALARS)}
        return [sorted(by_strings), sorted((self.names & own) | called)]

    def may_spell(self, module: str) -> bool:
        """Whether strings that the step has, and digits, may be put together to a module's name."""
        words = (word.strip(string.digits) for word in re.split("[._]", module))
        return all(any(word in known for known in self.strings) for word in words)
