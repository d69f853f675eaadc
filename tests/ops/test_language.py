"""The language of rules (DESIGN.md): what a rule, and what it calls, may say. Read from the source.

What this refuses either means different things on an array, a Tensor and a Symbol, or never reaches
their dispatch, so that a rule would be right on arrays and wrong, or not there, in the other readings.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import tinygrad_edu.ops
from tinygrad_edu.core.primitive import NUMPY, Primitive

from .table import BOOK

ATTRIBUTES = {"shape", "ndim", "dtype", "T", "mT"}
ABOUT_SHAPES = {"enumerate", "int", "len", "max", "min", "range", "slice", "sorted", "sum", "tuple", "zip"}
ONE, SEVERAL = "Array", "tuple[Array, ...]"  # by these a helper says which of its arguments are arrays
APPLIES_PRIMITIVES = {"follow"}  # takes a view again: calls the primitives that its parameter names

MODULES = [import_module(f"tinygrad_edu.ops.{m.name}") for m in pkgutil.iter_modules(tinygrad_edu.ops.__path__)]


@dataclass(frozen=True)
class Rule:
    """The source of one rule: a lambda in the decorator, or a function named there."""

    key: str
    name: str
    node: ast.Lambda | ast.FunctionDef
    module: Any

    def __str__(self) -> str:
        return f"{self.key}-{self.name}"


def rules_in(module: Any) -> Iterator[Rule]:
    tree = ast.parse(inspect.getsource(module))
    functions = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
    for function in functions.values():
        for call in function.decorator_list:
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "primitive":
                for keyword in call.keywords:
                    if keyword.arg in {f"d{a.arg}" for a in _arguments(function)}:
                        value = keyword.value
                        node = functions[value.id] if isinstance(value, ast.Name) else value
                        yield Rule(function.name, str(keyword.arg), node, module)


def _arguments(function: ast.Lambda | ast.FunctionDef) -> list[ast.arg]:
    a = function.args
    return [*a.posonlyargs, *a.args, *([a.vararg] if a.vararg else []), *a.kwonlyargs]


RULES = [rule for module in MODULES for rule in rules_in(module)]


class Reader(ast.NodeVisitor):
    """Collects what a rule says that is not in the language."""

    def __init__(self, node: ast.Lambda | ast.FunctionDef, module: Any, is_rule: bool) -> None:
        self.module = module
        self.faults: list[str] = []
        self.helpers: set[str] = set()
        arguments = _arguments(node)
        self.tuples = {a.arg for a in arguments if _says(a.annotation, SEVERAL)}
        self.arrays = {a.arg for a in arguments if _says(a.annotation, ONE)} | self.tuples
        if is_rule:  # of a rule everything positional is an array
            self.arrays |= {x.arg for x in node.args.args}
            if node.args.vararg:
                self.tuples.add(node.args.vararg.arg)
                self.arrays.add(node.args.vararg.arg)
        self.local = {a.arg for a in arguments}
        for child in ast.walk(node):  # names are bound before they are read, as in the source
            if isinstance(child, (ast.Assign, ast.comprehension)):
                targets = child.targets if isinstance(child, ast.Assign) else [child.target]
                origin = child.value if isinstance(child, ast.Assign) else child.iter
                names = {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
                self.local |= names
                if self._read_values(origin):
                    self.arrays |= names
        body = node.body if isinstance(node.body, list) else [node.body]
        for statement in body:
            self.visit(statement)

    def fault(self, node: ast.AST, why: str) -> None:
        self.faults.append(f"line {getattr(node, 'lineno', '?')}: {ast.unparse(node)}: {why}")

    def generic_visit(self, node: ast.AST) -> None:
        allowed = (
            ast.BinOp, ast.UnaryOp, ast.Compare, ast.Constant, ast.Tuple, ast.List, ast.Starred, ast.keyword,
            ast.GeneratorExp, ast.comprehension, ast.Slice, ast.Return, ast.operator, ast.unaryop, ast.cmpop,
            ast.expr_context,
        )  # fmt: skip
        if not isinstance(node, allowed):
            self.fault(node, "not in the language of rules")
        super().generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if not (isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)):
            self.fault(node, "an expression whose value is dropped")

    def visit_Assign(self, node: ast.Assign) -> None:
        names = [n for t in node.targets for n in (t.elts if isinstance(t, ast.Tuple) else [t])]
        if not all(isinstance(n, ast.Name) for n in names):
            self.fault(node, "only a name may be assigned to: a rule writes to nothing")
        self.visit(node.value)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._condition(node.test)
        super().generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        self._condition(node.test)
        super().generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self._condition(node)
        super().generic_visit(node)

    def _condition(self, test: ast.expr) -> None:
        """A choice may be made by parameters and shapes, never by values."""
        if names := self._read_values(test):
            self.fault(test, f"a choice by the values of {', '.join(sorted(names))}")

    def _read_values(self, node: ast.AST) -> set[str]:
        if isinstance(node, ast.Attribute) and node.attr in ("shape", "ndim", "dtype"):
            return set()
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.Is, ast.IsNot)):
            return set()
        if isinstance(node, ast.comprehension) and self._read_values(node.iter) <= self.tuples:
            return set()  # looping over a tuple of arrays reads none of them; its element may
        if isinstance(node, ast.Name):
            return {node.id} & self.arrays
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            helper = getattr(self.module, node.func.id, None)
            if inspect.isfunction(helper) and helper.__annotations__.get("return") != ONE:
                return set()  # it gives no array, and is itself held to reading none: see `read`
        return {name for child in ast.iter_child_nodes(node) for name in self._read_values(child)}

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Name) and node.value.id == "math":
            return
        if isinstance(node.value, ast.Name) and node.value.id == "np":
            self.fault(node, "an attribute of np outside of a call; constants come from math")
        elif node.attr not in ATTRIBUTES:
            self.fault(node, f"only {', '.join(sorted(ATTRIBUTES))} mean the same in every reading")
        self.visit(node.value)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        names = self._read_values(node.slice)
        if names:
            self.fault(node, f"indexing by the array {', '.join(sorted(names))}: use getitem or take_along")
        super().generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in self.local or node.id in ABOUT_SHAPES:
            return
        value = getattr(self.module, node.id, None)
        if not isinstance(value, (int, float)):
            self.fault(node, "neither a local name nor a number of the module")

    def visit_Call(self, node: ast.Call) -> None:
        for part in (*node.args, *node.keywords):
            self.visit(part)
        function = node.func
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
            if function.value.id == "math":
                return
            if function.value.id == "np":
                if not _dispatches(getattr(np, function.attr, None)):
                    self.fault(node, f"np.{function.attr} does not dispatch to Tensors and Symbols")
                return
        if isinstance(function, ast.Name):
            value = getattr(self.module, function.id, None)
            if isinstance(value, Primitive) or _dispatches(value):
                return
            if value is None and function.id in ABOUT_SHAPES and hasattr(builtins, function.id):
                if names := {n for a in node.args for n in self._read_values(a)}:
                    self.fault(node, f"Python's {function.id} reads the values of {', '.join(sorted(names))}")
                return
            if function.id in APPLIES_PRIMITIVES:
                return
            if inspect.isfunction(value):
                self.helpers.add(function.id)
                takes = set(value.__annotations__.values())
                if not takes & {ONE, SEVERAL} and (names := {n for a in node.args for n in self._read_values(a)}):
                    self.fault(node, f"hands {', '.join(sorted(names))} to a helper that announces no Array")
                return
        self.fault(node, "calls neither np.f, nor a primitive, nor a helper of the module")


def _dispatches(function: Any) -> bool:
    """Whether NumPy hands this function over: by its entry, or as a method such as np.add.reduce."""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, np.ufunc):
        return (owner, function.__name__) in NUMPY
    return callable(function) and function in NUMPY


def _says(annotation: ast.expr | None, what: str) -> bool:
    return annotation is not None and ast.unparse(annotation) == what


def read(rule: Rule) -> list[str]:
    """The faults of a rule and of all helpers that it reaches."""
    first = Reader(rule.node, rule.module, is_rule=True)
    faults = list(first.faults)
    seen: set[tuple[Any, str]] = set()
    todo = [(rule.module, name) for name in first.helpers]
    while todo:
        module, name = todo.pop()
        helper = getattr(module, name)
        home = import_module(helper.__module__)
        if (home, name) in seen or not set(helper.__annotations__.values()) & {ONE, SEVERAL}:
            continue  # without arrays it is plain Python on parameters
        seen.add((home, name))
        tree = ast.parse(inspect.getsource(helper)).body[0]
        assert isinstance(tree, ast.FunctionDef)
        found = Reader(tree, home, is_rule=False)
        if helper.__annotations__["return"] != ONE:
            for statement in (s for s in ast.walk(tree) if isinstance(s, ast.Return) and s.value is not None):
                if names := found._read_values(statement.value):
                    found.fault(statement, f"gives no Array, yet reads the values of {', '.join(sorted(names))}")
        faults += [f"in {name}, {fault}" for fault in found.faults]
        todo += [(home, helper) for helper in found.helpers]
    return faults


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_rule_is_written_in_the_language_of_rules(rule):
    """Operators, np.f that dispatches, shapes, slices, primitives, helpers of the same kind: nothing else."""
    assert read(rule) == []


def test_every_rule_of_the_book_is_read():
    """The source has as many rules as the book: none is registered in a way that escapes the reader."""
    book = {(k, f"d{x}") for k, p in BOOK.items() for x, r in zip(p.inputs, p.rules, strict=True) if r is not None}
    assert {(r.key, r.name) for r in RULES} == book


def _of_source(source: str) -> list[str]:
    node = ast.parse(f"f = lambda dA, A, Z, *, axis: {source}").body[0].value  # type: ignore[attr-defined]
    return Reader(node, import_module("tinygrad_edu.ops.losses_classes"), is_rule=True).faults


@pytest.mark.parametrize(
    "source",
    [
        "dA * Z.size",
        "dA / Z.max()",
        "Z.transpose() @ dA",
        "np.full(Z.shape, 2.0) * dA",
        "np.i0(dA)",
        "dA[Z]",
        "dA * np.pi",
        "dA if Z > 0 else 0",
        "dA if np.any(Z) else 0",
        "dA and Z",
        "sum(Z) * dA",
        "max(Z, 0) * dA",
        "open('x')",
        "[z for z in Z]",
        "(lambda: dA)()",
        "dA.astype(Z.dtype)",
        "(dA := Z)",
    ],
)
def test_reader_refuses(source):
    """What the language leaves out is found: else the test above could not fail."""
    assert _of_source(source)


@pytest.mark.parametrize(
    "source",
    [
        "dA * (1 - A**2)",
        "np.where(Z > 0, dA, 0)",
        "dA[..., None] @ Z.mT",
        "dA if Z.ndim == 2 else np.reshape(dA, (-1, Z.shape[-1]))",
        "dA if axis is None else take_along(dA, Z, axis=axis)",
        "dA * math.prod(Z.shape[i] for i in axis)",
    ],
)
def test_reader_accepts(source):
    """What rules are made of passes."""
    assert _of_source(source) == []
