"""Names for the values of a graph, where the user has given none by `name=`.

In this order: the variable that holds the value where `explain` is called; the variable that it was
assigned to, and the operands' names, as the user's source says them (a record knows its line and
column); then, by order of the affine maps, W1, b1, Z1, A1 and so on, X and Y for what goes in, and
H1, H2 ... for other values that deserve a line.

A name that would stand for two values is given to neither by the second way.
"""

from __future__ import annotations

import ast
import functools
import itertools
import linecache
import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..core.joint import pick
from ..core.kept import kept_values
from ..core.record import Record, Site
from ..core.tensor import Tensor
from .replay import forward

# What libraries are called: no tensor
_MODULES = {"self", "te", "torch", "tg", "np", "numpy", "F", "nn", "linalg", "tinygrad_edu", "functional"}
Span = tuple[int, int, int, int]  # first line, first column, last line, last column

PARTS = 24  # operations in a formula at most, beyond which a part of it has a line of its own
_CHEAP = {  # what a formula takes in without a line of its own, if it is used once
    "plus", "minus", "multiply", "over", "negative", "power", "square", "reciprocal", "exp", "log", "sqrt", "absolute",
    "permute_axes", "reshape_to", "broadcast_to", "astype", "clone", "getitem", "pick", "sum_over", "mean_over",
    "matrix_product", "matrix_vector", "vector_matrix", "dot",
}  # fmt: skip


class Names:
    """Gathers names; the first one that claims a value or a word has it."""

    def __init__(self, order: list[Record], root: Record, copies: Mapping[Record, Record] | None = None) -> None:
        self.order, self.root = list(order), root
        self._copies = copies or {}  # of records that variables hold those in the graph
        self.of: dict[Record, str] = {}
        self.constants: dict[Record, ast.AST] = {}  # how those without a name were computed from those with one
        self.taken: set[str] = set()
        self._numbers: dict[str, int] = {}  # per letter the first number that may be free
        for record in order:
            if record.name:
                self.give(record, record.name, marked=True)
        self.give(root, "L", marked=True)

    def give(self, record: Record, name: str, marked: bool = False) -> bool:
        """Whether the value is called so from now on; `marked`: a taken name is told apart by a dash."""
        while marked and name in self.taken:
            name += "_"
        if record in self.of or name in self.taken or isinstance(record.dtype, tuple):
            return False
        self.of[record] = name
        self.taken.add(name)
        return True

    def from_variables(self, variables: Mapping[str, Any]) -> None:
        """Tensors that variables of the caller hold."""
        mine = set(self.order)
        for name, value in variables.items():
            usable = name.isidentifier() and not name.startswith("_")
            if usable and isinstance(value, Tensor) and value._record is not None:
                record = self._copies.get(value._record, value._record)
                if record in mine:
                    self.give(record, name)

    def from_source(self) -> None:
        """Assignments and operands in the user's source."""
        found: dict[str, dict[Any, Record]] = {}  # variable -> per expression the last value that it made
        operands: dict[str, dict[Any, Record]] = {}
        for record in self.order:
            node, target = at(record.site)
            if target is not None:
                found.setdefault(target, {})[node] = record
            sources = sources_of(record, node)
            inputs = record.inputs
            if not sources and record.primitive is not None and record.primitive.key == "embed":
                inputs = inputs[::-1]  # a module is called with indices
            for x, operand in zip(inputs, sources or _data_of(node), strict=False):
                if not sources and isinstance(x, Record) and x.needs_grad:
                    continue  # a module's own
                if isinstance(x, Record) and x.primitive is None and isinstance(operand, ast.Name):
                    operands.setdefault(operand.id, {})[x] = x
        for name, records in (*found.items(), *operands.items()):
            if len(records) == 1 and not name.startswith("_"):
                self.give(next(iter(records.values())), name)

    def by_order(self, values: bool = True) -> None:
        """The article's letters for affine maps, in the order in which they run; `values`: they have numbers."""
        if values:
            for name, record in recovered(self.order, self.of).items():
                if self.give(record, name):
                    self.order.insert(0, record)
            self.constants = constant_formulas(self.order, self.of)
        number = 0
        users: dict[Record, list[Record]] = {}
        for record in self.order:
            for x in record.inputs:
                if isinstance(x, Record):
                    users.setdefault(x, []).append(record)
        for record in self.order:
            parts = affine_parts(record, users)
            if parts is None:
                continue
            number += 1
            X, W, b = parts
            if X.primitive is None and not X.needs_grad and number == 1:
                self.give(X, "X")
            self.give(W, f"W{number}")
            if b is not None:
                self.give(b, f"b{number}")
            after = users.get(record, [])
            if len(after) == 1 and after[0].primitive is not None and after[0].primitive.key == "squared_error":
                self.give(record, "Ŷ")
            self.give(record, f"Z{number}")
            for user in after:
                if user.primitive is not None and _is_activation(user):
                    self.give(user, f"A{number}")
        for record in self.order:  # scales and shifts of a normalisation, kernels
            key = record.primitive.key if record.primitive is not None else ""
            for x, letter in zip(record.inputs[1:], _PARAMETERS.get(key, ()), strict=False):
                if isinstance(x, Record) and x.primitive is None and x.needs_grad and x not in self.of:
                    self.give(x, self.numbered(letter))
        for record in self.order:  # what the loss compares with
            if record.primitive is not None and len(record.inputs) > 1 and record.primitive.key in _LOSSES:
                target = record.inputs[1]
                if isinstance(target, Record) and target.primitive is None:
                    self.give(target, "Y")
        given = [r for r in self.order if r.primitive is None and (r.shape != () or r.needs_grad)]
        for record in sorted(given, key=lambda r: min((u.index for u in users.get(r, ())), default=0)):
            if record not in self.constants:  # in the order in which they are used
                self.give(record, self.numbered("θ" if record.needs_grad else "C"))
        size: dict[Record, int] = {}  # operations of what is spelled out
        for record in self.order:
            if record.primitive is None or record in self.of or isinstance(record.dtype, tuple):
                continue
            source = record.inputs[0] if record.primitive is pick else record
            assert source.primitive is not None
            worth = source.primitive.key not in _CHEAP and record.shape != ()
            inside = 1 + sum(size.get(x, 0) for x in record.inputs if isinstance(x, Record))
            if worth or len(users.get(record, ())) > 1 or inside > PARTS:
                self.give(record, self.output(source, record.params.get("output", 0)))
            else:
                size[record] = inside

    def output(self, record: Record, k: int) -> str:
        """A name for output k of an operation."""
        key = record.primitive.key if record.primitive is not None else ""
        letters = _OUTPUTS.get(key, ())
        return self.numbered(letters[k] if k < len(letters) else "H")

    def numbered(self, letter: str) -> str:
        """The letter, with the first number that is free; alone if it is the first and not H."""
        if letter not in self.taken and letter not in ("H", "θ", "C", "K"):
            return letter
        start = self._numbers.get(letter, 1)  # those before it are taken: 20,000 names in a row are found at once
        free = next(i for i in itertools.count(start) if f"{letter}{i}" not in self.taken)
        self._numbers[letter] = free
        return f"{letter}{free}"


_OUTPUTS = {"cross_entropy_of_classes": ("L", "P"), "standardized": ("N", "μ", "V"), "attend": ("O", "P")}
_PARAMETERS = {"scaled": ("γ", "β"), "correlation": ("K", "c")}
_LOSSES = {"squared_error", "absolute_error", "cross_entropy_of_probabilities", "cross_entropy_of_scores",
           "cross_entropy_of_classes", "limited_error"}  # fmt: skip


def _is_activation(record: Record) -> bool:
    """One value made of one, element by element."""
    primitive = record.primitive
    assert primitive is not None
    return len(record.inputs) == 1 and record.shape == record.inputs[0].shape and primitive.key not in _CHEAP


def affine_parts(record: Record, users: Mapping[Record, list[Record]]) -> tuple[Record, Record, Record | None] | None:
    """X, W and b of `X W^T + b`, `W.T @ X + b` and their like; W and b are leaves."""
    primitive = record.primitive
    if primitive is None:
        return None
    if primitive.key == "affine":
        X, W, *b = record.inputs
        return X, W, b[0] if b else None
    if primitive.key == "plus":
        for product, b in (record.inputs, record.inputs[::-1]):
            if isinstance(product, Record) and isinstance(b, Record) and b.primitive is None and b.needs_grad:
                parts = _product_parts(product)
                if parts is not None:
                    return (*parts, b)
        return None
    parts = _product_parts(record)
    if parts is None or any(u.primitive is not None and u.primitive.key == "plus" for u in users.get(record, ())):
        return None  # its bias comes with the sum
    return (*parts, None)


def _product_parts(record: Record) -> tuple[Record, Record] | None:
    if record.primitive is None or record.primitive.key not in ("matrix_product", "matrix_vector", "vector_matrix"):
        return None
    sides = [_untransposed(x) for x in record.inputs]
    for W, X in (sides, sides[::-1]):
        if W.primitive is None and W.needs_grad and not (X.primitive is None and X.needs_grad):
            return X, W
    return None


def _untransposed(x: Record) -> Record:
    if x.primitive is not None and x.primitive.key == "permute_axes":
        return x.inputs[0]  # type: ignore[no-any-return]
    return x


# --- the user's source


@functools.lru_cache(maxsize=64)
def _nodes(filename: str, text: str) -> tuple[dict[Span, ast.AST], dict[Span, str]]:
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
    if site is None:
        return None, None
    code, instruction = site
    for index, position in enumerate(code.co_positions()):
        if index * 2 == instruction:
            first, last, left, right = position
            break
    else:
        return None, None
    if first is None or last is None or left is None or right is None:
        return None, None
    nodes, targets = _nodes(code.co_filename, "".join(linecache.getlines(code.co_filename)))
    span = first, left, last, right
    return nodes.get(span), targets.get(span)


def operands_of(node: ast.AST | None, count: int) -> list[ast.AST]:
    """The expressions that an operation's inputs come from; none where it isn't sure which is which."""
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.UnaryOp):
        return [node.operand]
    if isinstance(node, ast.Attribute):
        return [node.value]
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
    key = record.primitive.key if record.primitive is not None else ""
    if key == "embed":
        return found[::-1]  # embedding(indices, weight)
    if key == "choose" and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and len(found) == 3:
        x, condition, value = found
        if node.func.attr.startswith("masked_fill"):  # x.masked_fill(condition, value)
            return [condition, value, x]
        if found[0] is node.func.value:  # x.where(condition, other)
            return [condition, x, value]
    return found


def _data_of(node: ast.AST | None) -> list[ast.AST]:
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


def paths_of(variables: Iterable[Any]) -> dict[Record, str]:
    """The path of each parameter in the models that variables hold: `0.weight`."""
    found: dict[Record, str] = {}
    for value in variables:
        named = getattr(value, "named_parameters", None)
        if callable(named) and not isinstance(value, type):
            for path, parameter in named():
                if parameter._record is not None:
                    found.setdefault(parameter._record, path)
    return found
