"""Functions that a program or formula calls besides NumPy's, as source of their own.

A forward that is kept whole is written out with all that it refers to: other functions, primitives
(as their forwards), classes and constants of the package. Names that two of them share are told apart.
"""

from __future__ import annotations

import ast
import copy
import functools
import inspect
import re
import sys
import textwrap
import types
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.primitive import PRIMITIVES, Operand, Primitive
from ..ops.checks import check, refuse
from ..ops.indexing import Slot
from .naming import free_name

CHECK = """def {check}(condition, message, error=RuntimeError, values=None):
    if not np.all(condition):
        {refuse}(np.asarray(condition), message, error, values)"""


class Helpers:
    """Gathers what a program needs; `borrowed` are the objects that have no source of their own."""

    def __init__(self, taken: set[str] | None = None) -> None:
        self.imports: list[str] = []
        self.sources: list[str] = []
        self.borrowed: dict[str, Any] = {}
        self._names: dict[int, str] = {}
        self._taken: set[str] = set() if taken is None else taken  # names that the program has already
        self._kept: list[Any] = []

    def name(self, function: Any) -> str:
        """What the program calls a function, whose source is then among `sources`."""
        if isinstance(function, Primitive):
            function = function.forward
        known = self._names.get(id(function))
        if known is not None:
            return known
        name = self._free(function.__name__)
        self._names[id(function)] = name
        self._kept.append(function)
        if function is check:
            self.sources.append(CHECK.format(check=name, refuse=self.name(refuse)))
            return name
        try:
            self.sources.append(self._written(function, name))
        except (OSError, TypeError, SyntaxError, Foreign):
            self.borrowed[name] = function
        return name

    def error(self, error: type[Exception]) -> str:
        """A class of exceptions."""
        return error.__name__ if error.__module__ == "builtins" else self._class(error)

    def object(self, x: Any) -> str:
        """The text of a constant: a literal, made anew from its class, or the name under which it is borrowed."""
        if isinstance(x, Primitive) or inspect.isfunction(x):
            return self.name(x)
        if isinstance(x, tuple) and hasattr(x, "_fields"):
            return f"{self._class(type(x))}({', '.join(map(self.object, x))})"
        if isinstance(x, tuple):  # a Size too
            return f"({', '.join(map(self.object, x))}{',' if len(x) == 1 else ''})"
        if x.__class__ is list:
            return f"[{', '.join(map(self.object, x))}]"
        if x.__class__ is dict:
            return "{" + ", ".join(f"{self.object(k)}: {self.object(v)}" for k, v in x.items()) + "}"
        if isinstance(x, np.dtype):
            return f"np.dtype({x.name!r})"
        if isinstance(x, np.ufunc) or (isinstance(x, type) and issubclass(x, np.generic)):
            return f"np.{x.__name__}"
        if x is None or x is ... or isinstance(x, (bool, int, str)):
            return "..." if x is ... else repr(x)
        if isinstance(x, float):
            return repr(x) if np.isfinite(x) else f'float("{x}")'
        if isinstance(x, slice):
            return f"slice({x.start}, {x.stop}, {x.step})"
        if isinstance(x, np.ndarray) and x.size <= 1000:
            return f"np.array({x.tolist()!r}, np.dtype({x.dtype.name!r}))"
        name = self._free(getattr(x, "__name__", type(x).__name__.lower()))
        self.borrowed[name] = x
        return name

    def _free(self, wanted: str) -> str:
        name = free_name(wanted, self._taken)
        self._taken.add(name)
        return name

    def _class(self, kind: type) -> str:
        known = self._names.get(id(kind))
        if known is not None:
            return known
        name = self._names[id(kind)] = self._free(kind.__name__)
        self._kept.append(kind)
        try:
            self.sources.append(self._class_source(kind, name))
        except (OSError, TypeError, SyntaxError, Foreign):
            self.borrowed[name] = kind
        return name

    def _class_source(self, kind: Any, name: str) -> str:
        """An exception by its name alone; another class with its methods."""
        if issubclass(kind, Exception):
            builtin = next(b for b in kind.__mro__[1:] if b.__module__ == "builtins" and issubclass(b, Exception))
            return f"class {name}({builtin.__name__}):\n    pass"
        if not str(kind.__module__).startswith("tinygrad_edu"):
            raise Foreign
        _definition(kind)  # may be Foreign, before anything is noted
        if issubclass(kind, tuple) and hasattr(kind, "_fields"):
            self.imports.append("import collections")
            defaults = tuple(kind._field_defaults.values())
            given = f", defaults={defaults!r}" if defaults else ""
            base = f"(collections.namedtuple({name!r}, {kind._fields!r}{given}))"
        else:
            bases = [b for b in kind.__bases__ if b is not object]
            base = f"({', '.join(map(self._class, bases))})" if bases else ""
        body = self._renamed(kind, vars(sys.modules[kind.__module__]), name)
        return f"class {name}{base}:\n{textwrap.indent(body, '    ') or '    pass'}"

    def _renamed(self, thing: Any, scope: Mapping[str, Any], name: str) -> str:
        """A definition without annotations, its globals by their names in the program."""
        _, globals_ = _definition(thing)
        found = {x: scope[x] for x in globals_ if x in scope}
        names = {thing.__name__: name, **{x: self._referred(value, x) for x, value in found.items()}}
        found[thing.__name__] = scope.get(thing.__name__)  # a forward that calls itself calls its primitive's
        forwards = frozenset(x for x, value in found.items() if isinstance(value, Primitive))
        return _spelled(thing, tuple(names.items()), forwards)

    def _written(self, function: Any, name: str) -> str:
        """A function's source under a name, without decorators and annotations."""
        plain = inspect.unwrap(function)
        if plain.__closure__:
            raise Foreign
        text = self._renamed(plain, plain.__globals__, name)
        if isinstance(function, functools._lru_cache_wrapper):
            self.imports.append("import functools")
            text = "@functools.lru_cache(maxsize=64)\n" + text
        return text

    def _referred(self, value: Any, name: str) -> str:
        """What stands for a global that a function reads."""
        if isinstance(value, types.ModuleType):
            if value is np:
                return "np"
            if value.__name__.startswith("tinygrad_edu"):
                raise Foreign
            self.imports.append(f"import {value.__name__}")
            return value.__name__
        if isinstance(value, Primitive) or inspect.isfunction(value) or isinstance(value, functools._lru_cache_wrapper):
            if not str(value.__module__).startswith("tinygrad_edu"):
                raise Foreign
            return self.name(value)
        if inspect.isclass(value):
            if value.__module__ == "builtins":
                return str(value.__name__)
            if value.__module__ in sys.stdlib_module_names:
                self.imports.append(f"import {value.__module__}")
                return f"{value.__module__}.{value.__name__}"
            if issubclass(value, Operand):
                known = self._names.get(id(value))
                if known is None:
                    known = self._names[id(value)] = self._free(value.__name__)
                    self.sources.append(f"class {known}:  # stands for what the program never meets\n    pass")
                return known
            return self._class(value)
        if getattr(value, "__module__", None) == "numpy" and hasattr(value, "__name__"):
            return f"np.{value.__name__}"
        owner = getattr(value, "__self__", None)
        if isinstance(owner, np.ufunc):
            return f"np.{owner.__name__}.{value.__name__}"
        known = self._names.get(id(value))
        if known is None:
            text = self.object(value)
            if text in self.borrowed:
                return text
            known = self._names[id(value)] = self._free(name)
            self._kept.append(value)
            self.sources.append(f"{known} = {text}")
        return known


_STEP = re.compile(r"(?<!\w)steps\['(\w+)'\]")
_CALL = re.compile(r"(?<![\w.])(\w+)\(")


def called_in(lines: list[str]) -> Helpers:
    """What printed equations call besides NumPy."""
    helpers = Helpers()
    steps = list(dict.fromkeys(key for line in lines for key in _STEP.findall(line)))
    if steps:  # views that a write goes through
        views = ", ".join(f"{key!r}: {helpers.name(PRIMITIVES[key])}" for key in steps)
        helpers.sources.append(f"steps = {{{views}}}")
    for name in dict.fromkeys(name for line in lines for name in _CALL.findall(line)):
        if name in PRIMITIVES:
            helpers.name(PRIMITIVES[name])
        elif name == Slot.__name__:
            helpers.object(Slot(0))
    return helpers


class Foreign(Exception):
    """A function refers to what can't be written out; it is borrowed from the package."""


@functools.lru_cache(maxsize=1024)
def _definition(thing: Any) -> tuple[Any, list[str]]:
    """The bare definition of a function or class, and the names in it that it does not bind itself.

    Parsing what the package's functions are was a third of the time in which a step is compiled, so it is done once.
    """
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(thing))).body
    if inspect.isclass(thing) and isinstance(tree, ast.ClassDef):
        tree.bases, tree.keywords = [], []
        if issubclass(thing, tuple) and hasattr(thing, "_fields"):
            tree.body = [part for part in tree.body if isinstance(part, ast.FunctionDef)]
    elif inspect.isclass(thing) or not isinstance(tree, ast.FunctionDef):
        raise Foreign
    tree.decorator_list = []
    tree = _Bare().visit(tree)
    read = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    own = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    own |= {a.arg for a in ast.walk(tree) if isinstance(a, ast.arg)} | {thing.__name__}
    return tree, sorted(read - own)


@functools.lru_cache(maxsize=1024)
def _spelled(thing: Any, names: tuple[tuple[str, str], ...], forwards: frozenset[str]) -> str:
    """The source of a function, or of a class's body, by the names that a program gives it and its globals."""
    tree = _Renamed(dict(names), forwards).visit(copy.deepcopy(_definition(thing)[0]))
    if isinstance(tree, ast.ClassDef):
        return "\n".join(map(ast.unparse, tree.body))
    tree.name = dict(names)[thing.__name__]
    return ast.unparse(ast.fix_missing_locations(tree))


class _Bare(ast.NodeTransformer):
    """Leaves out annotations, and of docstrings all but what comes first."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        node.returns = None
        doc = ast.get_docstring(node)
        if doc is not None and isinstance(first := node.body[0], ast.Expr) and isinstance(first.value, ast.Constant):
            said = " ".join(doc.split("\n\n")[0].split())
            first.value.value = textwrap.fill(said, 105, subsequent_indent="    ")
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        if node.body and isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant):
            del node.body[0]
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> Any:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        self.generic_visit(node)
        return None if node.value is None else ast.copy_location(ast.Assign([node.target], node.value), node)


class _Renamed(ast.NodeTransformer):
    """Gives globals the names that they have in the program; a primitive's `.forward` is the function itself."""

    def __init__(self, names: dict[str, str], primitives: frozenset[str]) -> None:
        self.names, self.primitives = names, primitives

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        if node.attr == "forward" and isinstance(node.value, ast.Name) and node.value.id in self.primitives:
            return self.visit(node.value)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> Any:
        text = self.names.get(node.id)
        if text is None or not isinstance(node.ctx, ast.Load):
            return node
        return ast.copy_location(ast.parse(text, mode="eval").body, node)
