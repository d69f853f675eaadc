"""What the user's source says of a recorded graph: the expression behind each record, and what constants are made of.

A record knows the instruction that made it, and so the expression. What is read off it is believed only where it is
sure which operand is which, and where the numbers agree.
"""

from __future__ import annotations

import ast
import functools
import linecache
import operator
import types
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..core.kept import kept_values
from ..core.record import Record, Site
from ..core.tensor import Tensor
from .replay import forward

# What libraries are called: no tensor
_MODULES = {"self", "te", "torch", "tg", "np", "numpy", "F", "nn", "linalg", "tinygrad_edu", "functional"}
Span = tuple[int, int, int, int]  # first line, first column, last line, last column


_codes: dict[int, tuple[types.CodeType, list[Any]]] = {}  # by id, with where each instruction stands
Places = tuple[dict[Span, ast.AST], dict[Span, str]]
_files: dict[str, tuple[list[str], Places]] = {}  # what `_nodes` found, as long as linecache has the very same lines


def _of_file(filename: str) -> Places:
    lines = linecache.getlines(filename)
    known = _files.get(filename)
    if known is None or known[0] is not lines:
        if len(_files) == 64:
            _files.clear()
        known = _files[filename] = lines, _nodes(filename, "".join(lines))
    return known[1]


@functools.lru_cache(maxsize=64)
def _nodes(filename: str, text: str) -> Places:
    """Every expression of a file by where it stands; and the variable that one is assigned to."""
    nodes: dict[Span, ast.AST] = {}
    targets: dict[Span, str] = {}
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return nodes, targets
    for node in ast.walk(tree):
        if isinstance(node, ast.expr):
            nodes.setdefault(_span(node), node)
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if not isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr)) or value is None:
            continue
        pairs = [(target, value)]
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            pairs = list(zip(target.elts, value.elts, strict=True))
        for name, given in pairs:
            if isinstance(name, ast.Name):
                targets[_span(given)] = name.id
    return nodes, targets


def _span(node: Any) -> Span:
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset


def at(site: Site | None) -> tuple[ast.AST | None, str | None]:
    """The expression whose evaluation a record comes from, and the variable that it was assigned to."""
    if site is None or site[1] < 0:
        return None, None
    code, instruction = site
    known = _codes.get(id(code))
    if known is None:
        if len(_codes) == 256:
            _codes.clear()
        known = _codes[id(code)] = code, list(code.co_positions())
    first, last, left, right = known[1][instruction // 2]
    if first is None or last is None or left is None or right is None:
        return None, None
    nodes, targets = _of_file(code.co_filename)
    span = first, left, last, right
    return nodes.get(span), targets.get(span)


@functools.lru_cache(maxsize=64)
def _unpacked(filename: str, text: str) -> dict[Span, list[str]]:
    """The variables that the parts of a value are assigned to, by where it stands: `dW, db = grad(...)`."""
    found: dict[Span, list[str]] = {}
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Assign):
            continue
        target, value = node.targets[0], node.value
        if isinstance(target, ast.Tuple):
            found[_span(value)] = [name.id if isinstance(name, ast.Name) else "" for name in target.elts]
        elif isinstance(target, ast.Name) and isinstance(value, ast.Subscript):  # grad(...)[0]
            first = isinstance(value.slice, ast.Constant) and value.slice.value == 0
            found[_span(value.value)] = [target.id] if first else []
    return found


def variables_at(site: Site | None) -> list[str]:
    """The variables that take the parts of what a call returns; "" for what is no variable."""
    node, _ = at(site)
    if node is None or site is None:
        return []
    filename = site[0].co_filename
    return _unpacked(filename, "".join(linecache.getlines(filename))).get(_span(node), [])


def operands_of(node: ast.AST | None, count: int) -> list[ast.AST]:
    """The expressions that an operation's inputs come from; none where it isn't sure which is which."""
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.UnaryOp):
        return [node.operand]
    if isinstance(node, ast.Attribute):
        return [node.value]
    if isinstance(node, ast.Subscript) and count < 3:
        parts: list[ast.AST] = [node.value, node.slice]
        return parts[:count]
    if isinstance(node, ast.Call):
        given: list[ast.AST] = [x for x in node.args if not (isinstance(x, ast.Constant) and isinstance(x.value, str))]
        if len(given) == count:
            return given
        if len(given) + 1 == count and isinstance(node.func, ast.Attribute) and _is_method(node.func):
            return [node.func.value, *given]
    return []


def sources_of(record: Record, node: ast.AST | None) -> list[ast.AST]:
    """The expressions of a record's inputs, in the order of the inputs; none where it isn't sure."""
    found = operands_of(node, len(record.inputs))
    key = record.key
    if key == "embed":
        return found[::-1]  # embedding(indices, weight)
    if key == "choose" and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and len(found) == 3:
        x, condition, value = found
        if node.func.attr.startswith("masked_fill"):  # x.masked_fill(condition, value)
            return [condition, value, x]
        if found[0] is node.func.value:  # x.where(condition, other)
            return [condition, x, value]
    return found


def data_of(node: ast.AST | None) -> list[ast.AST]:
    """What a module is called with: `layer(x)`, whose parameters come after it."""
    called = node.func if isinstance(node, ast.Call) else None
    library = isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id in _MODULES
    return list(node.args[:1]) if isinstance(node, ast.Call) and not library else []


def _is_method(called: ast.Attribute) -> bool:
    """Of a tensor, as in `Z.sum()`: in `self.conv(X)` nothing is said of self, and `te.sum(Z)` is a module's."""
    return hasattr(Tensor, called.attr) and not (isinstance(called.value, ast.Name) and called.value.id in _MODULES)


def constant_formulas(order: list[Record], names: Mapping[Record, str]) -> dict[Record, ast.AST]:
    """How unnamed constants were computed from named values, such as `1 - Y` or `Z > 0`.

    A constant that is computed from constants, or compared, leaves no record; the operand's expression in the source
    tells, and is believed if it gives the constant's numbers.
    """
    arrays = {r: r.array for r in order if r.primitive is None} | kept_values(order)
    known = {n: np.asarray(arrays[r], np.float64) for r, n in names.items() if r.primitive is None and r in arrays}
    found: dict[Record, ast.AST] = {}
    computed: dict[Record, Any] = {}  # every value, if a comparison asks for one
    made = {n: r.index for r, n in names.items() if r.primitive is not None}
    for user, x, operand in _unnamed(order, names):
        if x in found or any(made.get(n, 0) > user.index for n in _read(operand)):
            continue  # in a loop the name is that of a later value
        compared = any(isinstance(part, ast.Compare) for part in ast.walk(operand))
        if compared and not computed and not _read(operand) <= set(known) and _read(operand) <= set(names.values()):
            computed = forward(order)
            known |= {n: np.asarray(computed[r]) for r, n in names.items() if r in computed and n not in known}
        try:
            numbers = evaluated(operand, known)
        except (KeyError, TypeError, ValueError):
            continue
        if _same(numbers, arrays[x]):
            found[x] = operand
    unknown = {x for user in order for x in user.inputs if isinstance(x, Record) and x.primitive is None}
    for x in unknown - set(found) - set(names):  # without a source: the one that losses are written with
        for name, r in ((n, r) for r, n in names.items() if r.primitive is None and r in arrays):
            numbers = np.asarray(arrays[r], np.float64)
            if not x.needs_grad and x.shape == numbers.shape != () and _same(1 - numbers, arrays[x]):
                found[x] = ast.parse(f"1 - {name}", mode="eval").body
    return found


def _unnamed(order: list[Record], names: Mapping[Record, str]) -> Iterator[tuple[Record, Record, ast.AST]]:
    """Constants without a name, each with one that uses it and the expression that it stands for there."""
    for user in order:
        node, _ = at(user.site)
        for x, operand in zip(user.inputs, sources_of(user, node), strict=False):
            if isinstance(x, Record) and x.primitive is None and not x.needs_grad and x not in names:
                yield user, x, operand


def _read(node: ast.AST) -> set[str]:
    """The names that an expression uses."""
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def recovered(order: list[Record], names: Mapping[Record, str]) -> dict[str, Record]:
    """Values that only their `-Y` and `1 - Y` are left of, as constants of their own.

    `-Y * log(A) - (1 - Y) * log(1 - A)` computes with two constants; that both are made of one Y, and so cancel, the
    source says and the numbers confirm.
    """
    given: dict[str, list[tuple[Record, ast.AST]]] = {}
    for _, x, operand in _unnamed(order, names):
        if (name := _turned(operand)) is not None and name not in names.values() and x.array is not None:
            given.setdefault(name, []).append((x, operand))
    found = {}
    for name, uses in given.items():
        x, operand = uses[0]
        if len({r for r, _ in uses}) < 2:
            continue
        array = 0 - x.array if isinstance(operand, ast.UnaryOp) else 1 - x.array
        if all(_same(evaluated(node, {name: array}), r.array) for r, node in uses):
            found[name] = Record(None, (), {}, array.shape, array.dtype, False, None)
            found[name].array = array
    return found


def _turned(node: ast.AST) -> str | None:
    """N of `-N` or `1 - N`."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return node.operand.id if isinstance(node.operand, ast.Name) else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and isinstance(node.right, ast.Name):
        return node.right.id if isinstance(node.left, ast.Constant) and node.left.value == 1 else None
    return None


def _same(numbers: Any, array: Any) -> bool:
    """Equal but for the last digit of the user's precision."""
    return np.shape(numbers) == np.shape(array) and np.allclose(numbers, array, rtol=1e-6, atol=0)


def evaluated(node: ast.AST, names: Mapping[str, Any]) -> Any:
    """Plain arithmetic of names and numbers, and comparisons."""
    if isinstance(node, ast.Name):
        return names[node.id]
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -evaluated(node.operand, names)
    if isinstance(node, ast.BinOp):
        a, b = evaluated(node.left, names), evaluated(node.right, names)
        for kind, compute in _ARITHMETIC.items():
            if isinstance(node.op, kind):
                return compute(a, b)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        a, b = evaluated(node.left, names), evaluated(node.comparators[0], names)
        for kind, compute in _COMPARED.items():
            if isinstance(node.ops[0], kind):
                return compute(a, b)
    raise TypeError("more than plain arithmetic")


_ARITHMETIC: dict[type, Any] = {
    ast.Add: lambda a, b: a + b, ast.Sub: lambda a, b: a - b, ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b, ast.Pow: lambda a, b: a**b,
}  # fmt: skip


_COMPARED: dict[type, Any] = {ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Lt: operator.lt, ast.LtE: operator.le}
