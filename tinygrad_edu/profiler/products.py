"""How much of the time is BLAS: the package's own matrix products, each of them timed while a profile runs.

A rule says `dC @ B.mT`, and neither Python nor NumPy can be asked when that begins and ends. So the functions that
contain `@`, np.dot or np.matmul are compiled a second time from their source, with a timed call in those places, and
run that code until the profile ends. The functions themselves stay the same objects; only `__code__` changes.

Where the source can't be read (a zipped package) nothing is replaced and the share of products is unknown.
"""

from __future__ import annotations

import ast
import functools
import inspect
import operator
import sys
from collections.abc import Iterator
from time import perf_counter_ns
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from ..core.primitive import PRIMITIVES
from .events import Recorder

CALL = "__timed_product__"  # the name under which a replaced function finds the timer in its module
PARTS = ("ops", "core", "optim")

Key = tuple[str, int, bytes]


class _Replace(ast.NodeTransformer):
    """`A @ B` becomes CALL(None, A, B), and np.dot(A, B) CALL(np.dot, A, B)."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.op, ast.MatMult):
            return node
        return self._call([ast.Constant(None), node.left, node.right], [], node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if ast.unparse(node.func) not in ("np.dot", "np.matmul"):
            return node
        return self._call([node.func, *node.args], node.keywords, node)

    def _call(self, args: list[ast.expr], keywords: list[ast.keyword], at: ast.AST) -> ast.AST:
        call = ast.Call(ast.Name(CALL, ast.Load()), args, keywords)
        return ast.fix_missing_locations(ast.copy_location(call, at))


class Products:
    """Puts the timed code in place, and takes it away."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.before: list[tuple[FunctionType, CodeType]] = []
        self.names: list[dict[str, Any]] = []  # the globals that hold the timer

    def start(self) -> None:
        for module in list(sys.modules.values()):
            name = getattr(module, "__name__", "")
            if not any(name.startswith(f"tinygrad_edu.{part}.") for part in PARTS):
                continue
            codes = _timed_codes(module)
            for function in _functions(module) if codes else ():
                code = codes.get(_key(function.__code__))
                if code is not None:
                    self._put(function, code)

    def stop(self) -> None:
        for function, code in self.before:
            function.__code__ = code
        for names in self.names:
            del names[CALL]
        self.before, self.names = [], []

    def watch(self, function: FunctionType, source: str) -> None:
        """Time the products of a function whose source is known, until the end."""
        code = _twins(source, function.__code__.co_filename).get(_key(function.__code__))
        if code is not None:
            self._put(function, code)

    def _put(self, function: FunctionType, code: CodeType) -> None:
        names = function.__globals__
        if CALL not in names:
            names[CALL] = self._timed
            self.names.append(names)
        self.before.append((function, function.__code__))
        function.__code__ = code

    def _timed(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        compute = operator.matmul if function is None else function
        if not self.recorder.here() or not isinstance(args[0], np.ndarray):  # Tensors and Symbols come here too
            return compute(*args, **kwargs)
        start = perf_counter_ns()
        result = compute(*args, **kwargs)
        self.recorder.product(start, " @ ".join(str(np.shape(a)) for a in args[:2]))
        return result


def _key(code: CodeType) -> Key:
    """What a code object and its twin from the same source have in common, and no other."""
    return code.co_qualname, code.co_firstlineno, code.co_linetable


@functools.cache
def _timed_codes(module: ModuleType) -> dict[Key, CodeType]:
    """The timed twin of every function of a module that contains products."""
    try:
        return _twins(inspect.getsource(module), module.__file__ or "?")
    except (OSError, TypeError):
        return {}


@functools.lru_cache(maxsize=64)
def _twins(source: str, filename: str) -> dict[Key, CodeType]:
    if not any(word in source for word in ("@ ", "np.dot(", "np.matmul(")):
        return {}
    tree = ast.parse(source)
    old = list(_inner(compile(tree, filename, "exec")))
    new = list(_inner(compile(_Replace().visit(tree), filename, "exec")))
    pairs = zip(old, new, strict=True)
    return {_key(a): b for a, b in pairs if CALL in _names(b)}


def _inner(code: CodeType) -> Iterator[CodeType]:
    """The code objects of all functions, outer ones first."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _inner(constant)


def _names(code: CodeType) -> set[str]:
    return set(code.co_names).union(*(_names(c) for c in code.co_consts if isinstance(c, CodeType)))


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    """A module's functions: by name, methods, and the forwards and rules of its primitives."""
    for value in list(vars(module).values()):
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            yield value
        elif isinstance(value, type) and value.__module__ == module.__name__:
            yield from (f for f in vars(value).values() if isinstance(f, FunctionType))
    for primitive in PRIMITIVES.values():
        if primitive.__module__ == module.__name__:
            for function in (primitive.forward, *primitive.rules):
                function = inspect.unwrap(function) if function is not None else None
                if isinstance(function, FunctionType):
                    yield function
