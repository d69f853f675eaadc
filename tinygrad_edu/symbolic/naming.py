"""Names for the values of a graph, where the user has given none by `name=`.

In this order: the variable that holds the value where `explain` is called; the variable that it was
assigned to, and the operands' names, as the user's source says them (a record knows its line and
column); then, by order of the affine maps, W1, b1, Z1, A1 and so on, X and Y for what goes in, and
H1, H2 ... for other values that deserve a line.

A name that would stand for two values is given to neither by the second way.
"""

from __future__ import annotations

import ast
import itertools
import types
from collections.abc import Container, Iterable, Mapping
from typing import Any

from ..core.joint import pick
from ..core.record import Record
from ..core.tensor import Tensor
from .formulas import WITH_PROBABILITIES
from .means import OF_LABELS
from .sources import at, constant_formulas, data_of, recovered, sources_of

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
            if not sources and record.key == "embed":
                inputs = inputs[::-1]  # a module is called with indices
            for x, operand in zip(inputs, sources or data_of(node), strict=False):
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
        users: dict[Record, list[Record]] = {}
        for record in self.order:
            for x in record.inputs:
                if isinstance(x, Record):
                    users.setdefault(x, []).append(record)
        self._maps(users)
        for record in self.order:  # scales and shifts of a normalisation, kernels
            for x, letter in zip(record.inputs[1:], _PARAMETERS.get(record.key, ()), strict=False):
                if isinstance(x, Record) and x.primitive is None and x.needs_grad and x not in self.of:
                    self.give(x, self.numbered(letter))
        for record in self.order:  # what the loss compares with
            if record.key in _LOSSES and len(record.inputs) > 1:
                target = record.inputs[1]
                if isinstance(target, Record) and target.primitive is None:  # Y is what has a 1 at each label
                    self.give(target, "y" if record.key in OF_LABELS and "Y" not in self.taken else "Y")
        given = [r for r in self.order if r.primitive is None and (r.shape != () or r.needs_grad)]
        for record in sorted(given, key=lambda r: min((u.index for u in users.get(r, ())), default=0)):
            if record not in self.constants:  # in the order in which they are used
                self.give(record, self.numbered("θ" if record.needs_grad else "C"))
        self._results(users)

    def _maps(self, users: Mapping[Record, list[Record]]) -> None:
        """X, W1, b1, Z1 and A1, and so on."""
        number, layers = 0, dict[Record, int]()  # of maps, and of their weights, which several may share
        for record in self.order:
            parts = affine_parts(record, users)
            if parts is None:
                continue
            number += 1
            X, W, b = parts
            if X.primitive is None and not X.needs_grad and number == 1:
                self.give(X, "X")
            layer = layers.setdefault(W, len(layers) + 1)
            letters = "Kc" if record.key in KERNELS else "Wb"
            for parameter, letter in zip((W, b), letters, strict=True):
                if parameter is not None:
                    self.give(parameter, f"{letter}{layer}")
            after = users.get(record, [])
            if len(after) == 1 and after[0].key == "squared_error":
                self.give(record, "Ŷ")
            self.give(record, f"Z{number}")
            for user in after:
                if is_activation(user):
                    self.give(user, f"A{number}")

    def _results(self, users: Mapping[Record, list[Record]]) -> None:
        """A letter for what deserves a line: it is used twice, or its formula would be long."""
        size: dict[Record, int] = {}  # operations of what is spelled out
        for record in self.order:
            if record.primitive is None or record in self.of or isinstance(record.dtype, tuple):
                continue
            source = record.inputs[0] if record.primitive is pick else record
            worth = source.key not in _CHEAP and record.shape != ()
            inside = 1 + sum(size.get(x, 0) for x in record.inputs if isinstance(x, Record))
            if worth or len(users.get(record, ())) > 1 or inside > PARTS:
                self.give(record, self.output(source, record.params.get("output", 0)))
            else:
                size[record] = inside

    def output(self, record: Record, k: int) -> str:
        """A name for output k of an operation."""
        letters = _OUTPUTS.get(record.key, ())
        return self.numbered(letters[k] if k < len(letters) else "H")

    def numbered(self, letter: str) -> str:
        """The letter, with the first number that is free; alone if it is the first and not H."""
        alone = letter not in ("H", "θ", "C", "K", "c")
        if alone and letter not in self.taken:
            return letter
        start = self._numbers.get(letter, 1 + alone)  # those before it are taken: 20,000 in a row are found at once
        free = next(i for i in itertools.count(start) if f"{letter}{i}" not in self.taken)
        self._numbers[letter] = free
        return f"{letter}{free}"


_OUTPUTS = {
    **dict.fromkeys(WITH_PROBABILITIES, ("L", "P")),
    "standardized": ("N", "μ", "V"),
    "attend": ("O", "P"),
}
_PARAMETERS = {"scaled": ("γ", "β"), "correlation": ("K", "c")}
KERNELS = "correlation", "transposed_correlation"  # maps by windows, with a kernel and its bias
_LOSSES = {"squared_error", "absolute_error", "cross_entropy_of_probabilities", "cross_entropy_of_scores",
           "limited_error", *OF_LABELS}  # fmt: skip


def free_name(wanted: str, taken: Container[str], between: str = "_") -> str:
    """A name that is not taken: `W`, else `W_2`, `W_3` ..."""
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}{between}{number}"
    return name


def is_activation(record: Record) -> bool:
    """One value made of one, element by element, maybe with a slope that is learned."""
    primitive = record.primitive
    if primitive is None or primitive.key in _CHEAP or primitive.__module__.endswith("normalization"):
        return False
    x, *learned = record.inputs
    if not all(isinstance(s, Record) for s in learned):
        return False
    learned = [s.inputs[0] if s.key == "reshape_to" else s for s in learned]
    return record.shape == x.shape and all(s.primitive is None and s.needs_grad for s in learned)


def affine_parts(record: Record, users: Mapping[Record, list[Record]]) -> tuple[Record, Record, Record | None] | None:
    """X, W and b of `X W^T + b`, `W.T @ X + b` and their like; W and b are leaves."""
    if record.key == "affine" or record.key in KERNELS:
        X, W, *b = record.inputs
        return (X, W, b[0] if b else None) if W.primitive is None or record.key == "affine" else None
    after = users.get(record, ())
    if record.key == "plus":
        for product, b in (record.inputs, record.inputs[::-1]):
            if isinstance(product, Record) and isinstance(b, Record) and b.primitive is None and b.needs_grad:
                parts = _summed_parts(product)
                if parts is not None:
                    return (*parts, b)
        if len(after) != 1 or not is_activation(after[0]):
            return None
    parts = _summed_parts(record)
    if parts is None or any(u.key == "plus" for u in after):
        return None  # its bias comes with the sum
    return (*parts, None)


def _summed_parts(record: Record) -> tuple[Record, Record] | None:
    """X and W of a product; of a sum, as recurrent networks have it, those of its first product."""
    if record.key != "plus":
        return _product_parts(record)
    found = (_summed_parts(x) for x in record.inputs if isinstance(x, Record))
    return next((parts for parts in found if parts is not None), None)


def _product_parts(record: Record) -> tuple[Record, Record] | None:
    if record.key not in ("matrix_product", "matrix_vector", "vector_matrix"):
        return None
    sides = [_untransposed(x) for x in record.inputs]
    for W, X in (sides, sides[::-1]):
        if W.primitive is None and W.needs_grad and not (X.primitive is None and X.needs_grad):
            return X, W
    return None


def _untransposed(x: Record) -> Record:
    if x.key == "permute_axes":
        return x.inputs[0]  # type: ignore[no-any-return]
    return x


def paths_of(variables: Iterable[Any]) -> dict[Record, str]:
    """The path of each parameter in the models that variables hold: `0.weight`."""
    found: dict[Record, str] = {}
    for value in variables:
        named = None if isinstance(value, types.ModuleType) else getattr(value, "named_parameters", None)
        if callable(named) and not isinstance(value, type):
            for path, parameter in named():
                if parameter._record is not None:
                    found.setdefault(parameter._record, path)
    return found
