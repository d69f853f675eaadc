"""Names for the values of a program: the user's, then the article's letters, as `explain` gives them.

A value's gradient is called d and the value's name. What an operation computes on its way has no name
of its own; the writer numbers it.
"""

from __future__ import annotations

import keyword
import operator
import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..core.record import Record
from ..core.symbol import Symbol
from ..core.tensor import Tensor
from ..symbolic.derive import as_made
from ..symbolic.naming import Names, free_name
from ..symbolic.program import Program
from ..symbolic.sources import at, variables_at
from ..symbolic.trace import Trace
from .calls import Value
from .listing import Listing

_LAYER = re.compile(r"[WbKcZA]\d+")
_LETTER = re.compile(r"[ZAH]\d+")
_NUMBER = re.compile(r"\d+$")
_CONSTANT = re.compile(r"C\d*")
_OF_WORDS = ("in_exchanged_order", "remainder", "astype", "plus", "reshape_to")  # of whole numbers: randint, randperm
_SHORT = {
    "exp_avg": "M",
    "exp_avg_sq": "V",
    "max_exp_avg_sq": "U",
    "momentum_buffer": "M",
    "square_avg": "V",
    "step": "t",
}
Named = Iterator[tuple[Any, str]]  # a Symbol, or what is none, and what it may be called


def name_values(listing: Listing, program: Program, trace: Trace, words: list[str], called: dict[Tensor, str]) -> None:
    """Give names to the Values of a listing.

    Args:
        words: what the step calls its arguments, in the order of the program's; empty where it has no word.
        called: what the step and its modules call tensors, where the article has no letter for them; of several that
            are called the same the later ones get a number.
    """
    taken: set[str] = set()

    def give(several: Iterable[tuple[Any, str]]) -> None:
        """The first that claims a name has it."""
        for symbol, name in several:
            if keyword.iskeyword(name):  # the gradient of `ef`
                name += "_"
            value = listing.value_of.get(symbol) if isinstance(symbol, Symbol) else None
            if not name.isidentifier() or name in taken:
                continue
            if isinstance(value, Value) and value.name is None:
                taken.add(name)
                value.name = name
            elif isinstance(value, np.ndarray) and value.ndim and not _CONSTANT.fullmatch(name):
                taken.add(name)
                listing.constant_names[symbol] = name

    give(_arguments(program, words, taken))
    names = _of_records(program, trace, called)
    constants = {record: name for record, name in names.items() if _CONSTANT.fullmatch(name)}
    give((trace.values.get(record), name) for record, name in names.items() if record not in constants)
    letters = set(names.values())
    for record, name in [*names.items()]:  # sigmoid(Z), written twice, is one value: the second has no name
        symbol = trace.values.get(record)
        value = listing.value_of.get(symbol) if isinstance(symbol, Symbol) else None
        if isinstance(value, Value) and value.name != name and value.name in letters:
            del names[record]
    held = {tensor: listing.value_of.get(symbol) for tensor, symbol in program.tensors.items()}
    give(_gradients(names, held, program, trace))
    give(_tensors(called, held, program, taken))
    give((symbol, free_name(name, taken)) for symbol, name in _assigned(trace, program).items())
    give((trace.values.get(record), name) for record, name in constants.items())  # for which the user has no word
    give(_states(held, program))


def _arguments(program: Program, words: list[str], taken: set[str]) -> Named:
    """The step's words for what it is given, and settings by their keys."""
    yield from zip(program.arguments, words, strict=True)
    called = dict(zip(program.arguments, words, strict=True))
    for symbol in program.computed:
        if symbol.params.get("of") is operator.neg and isinstance(place := symbol.inputs[0], Symbol):
            yield symbol, free_name(f"minus_{called.get(place, place.name or '')}", taken)
    for symbol, _, _, _ in program.numbers:
        yield symbol, symbol.name or ""


def _of_records(program: Program, trace: Trace, called: dict[Tensor, str]) -> dict[Record, str]:
    """The article's letters for what is recorded; the user's word goes before one that says little."""
    names = _names(trace)
    own = {tensor._record: name for tensor, name in called.items() if tensor in program.tensors}
    for record, name in names.items():
        if name.startswith("θ") and record in own:
            names[record] = free_name(own[record], names.values())
    for record, name in _handed(trace).items():
        if _LETTER.fullmatch(names.get(record, "")) and name not in names.values():
            names[record] = name
    return names


def _gradients(names: dict[Record, str], held: dict[Tensor, Any], program: Program, trace: Trace) -> Named:
    """The user's words for what autograd.grad returns, else d and the name of what it is the gradient of."""
    for site, gradients in trace.handed:
        for gradient, name in zip(gradients, variables_at(site), strict=False):
            if not name.startswith("_"):
                yield gradient._array if isinstance(gradient, Tensor) else gradient, name
    for record, symbol in trace.cotangents:
        if record in names:
            yield symbol, f"d{names[record]}"
    for record, symbol in _of_leaves(program, trace).items():  # as backward gives them, before they are clipped, say
        if record in names:
            yield symbol, f"d{names[record]}"
    for tensor, found in program.grads:
        known = held.get(tensor)
        if isinstance(known, Value) and known.name:
            yield found, f"d{known.name}"


def _tensors(called: dict[Tensor, str], held: dict[Tensor, Any], program: Program, taken: set[str]) -> Named:
    """Tensors as the step calls them, and the gradients that they come with."""
    for tensor, symbol in program.tensors.items():
        if tensor in called:
            yield symbol, free_name(called[tensor], taken)
        owner = held[tensor]
        if tensor.grad is not None and isinstance(owner, Value) and owner.name:
            yield program.tensors.get(tensor.grad), f"grad_{owner.name}"


def _states(held: dict[Tensor, Any], program: Program) -> Named:
    """What optimizers keep, by a letter and the parameter's name."""
    states = [
        (p, key, t)
        for o in program.optimizers
        for p, entries in o.state.items()
        for key, t in entries.items()
        if isinstance(t, Tensor)
    ]
    states += [(parameter, key, tensor) for _, parameter, key, tensor in program.created]
    for parameter, key, tensor in states:
        owner = held.get(parameter)
        if owner is not None and tensor in program.tensors:
            yield program.tensors[tensor], f"{_SHORT.get(key, key)}_{owner.name or 'x'}"


def _handed(trace: Trace) -> dict[Record, str]:
    """What the user calls gradients that are differentiated again."""
    return {
        gradient._record: name
        for site, gradients in trace.handed
        for gradient, name in zip(gradients, variables_at(site), strict=False)
        if isinstance(gradient, Tensor) and gradient._record is not None and not name.startswith("_")
    }


def _assigned(trace: Trace, program: Program) -> dict[Any, str]:
    """What the user's variables are assigned that needs no gradient: of several operations in a line the last."""
    recorded = {at(record.site)[1] for record in trace.values}
    users: dict[Any, list[Symbol]] = {}
    for symbol in program.equations:
        for x in symbol.inputs:
            users.setdefault(x if isinstance(x, Symbol) else None, []).append(symbol)

    def made_of(draw: Symbol) -> Symbol:
        """What a call of the library makes of what it draws in a row, and gives."""
        for key in _OF_WORDS if draw.dtype.kind == "u" else ("reshape_to",):
            after = users.get(draw, [])
            draw = after[0] if len(after) == 1 and after[0].key == key else draw
        return draw

    draws = {symbol: made_of(symbol) for symbol in trace.draws}
    found: dict[str, dict[Any, list[Any]]] = {}
    for symbol, site in trace.sites.items():
        node, target = at(site)
        if target is not None and target not in recorded and not target.startswith("_"):
            found.setdefault(target, {}).setdefault(node, []).append(draws.get(symbol, symbol))
    names: dict[Any, str] = {}
    for target, by_node in found.items():
        if len(by_node) == 1:
            (symbols,) = by_node.values()
            names |= {symbol: name for name, symbol in _numbered(target, symbols)} or {symbols[-1]: target}
    return names


def _numbered(target: str, computed: list[Any]) -> list[tuple[str, Any]]:
    """Names of what a line in a loop has assigned to one variable in turn: `h1`, `h2` ..."""
    keys = [x.primitive.key for x in computed]
    n = len(keys)
    turn = next((k for k in range(1, n) if n % k == 0 and keys[:k] * (n // k) == keys), n)  # operations of a line
    return [(f"{target}{k}", x) for k, x in enumerate(computed[turn - 1 :: turn], 1)] if turn < n else []


def _name_turns(names: Names) -> None:
    """Give the values of loops the names of the user's variables, with numbers."""
    found: dict[str, dict[Any, list[Record]]] = {}
    for record in names.order:
        node, target = at(record.site)
        if target is not None and record.shape != () and not isinstance(record.dtype, tuple):
            found.setdefault(target, {}).setdefault(node, []).append(record)
    for target, by_node in found.items():
        if len(by_node) == 1 and target not in ("W", "b") and not target.startswith("_"):
            turns = _numbered(target, next(iter(by_node.values())))
            if not names.taken.intersection(name for name, _ in turns):
                for name, record in turns:
                    names.give(record, name)


def _of_leaves(program: Program, trace: Trace) -> dict[Record, Any]:
    """The gradients of leaves; of several backward passes the sum."""
    sums = {tuple(map(id, symbol.inputs)): symbol for symbol in program.equations if symbol.key == "plus"}
    found: dict[Record, Any] = {}
    for cotangents in trace.passes:
        for record, symbol in cotangents.items():
            found[record] = sums.get((id(found.get(record)), id(symbol)), symbol)
    return found


def _names(trace: Trace) -> dict[Record, str]:
    found: dict[Record, str] = {}
    taken: set[str] = set()
    for root in trace.roots:
        names = Names(as_made(root), root)
        target = at(root.site)[1] if len(trace.roots) > 1 else None
        if target and target.isidentifier() and target not in taken:  # of several losses each has the user's name
            names.of[root] = target
        _name_turns(names)
        names.from_source()
        names.by_order(values=False)
        numbers = [int(end.group()) for name in taken if (end := _NUMBER.search(name))]
        fresh = {record: name for record, name in names.of.items() if record not in found}
        layers = {record for record, name in fresh.items() if _LAYER.fullmatch(name)}
        if not taken.intersection(fresh[record] for record in layers):
            layers = set()
        for record, name in fresh.items():
            end = _NUMBER.search(name)
            if end and (record in layers or name in taken):  # a second backward pass: the layers are counted on
                name = f"{name[: end.start()]}{int(end.group()) + max(numbers)}"
            if name not in taken:
                found[record] = name
                taken.add(name)
    return found
