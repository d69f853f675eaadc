"""What is done with expressions: their atoms, other expressions in the place of some, and their numbers.

An expression is a Symbol or a number.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from ..core.primitive import PRIMITIVES
from ..core.symbol import Symbol
from .printer import OPERATORS
from .walk import downwards, is_atom, upwards


def atoms(x: Any) -> list[Symbol]:
    """What an expression is made of, each once, in the order of reading."""
    return [part for part in downwards(x, is_atom) if is_atom(part)]


def words(x: Any) -> list[str]:
    """The names that an expression uses, each once, in the order of reading."""
    return list(dict.fromkeys(atom.name or "" for atom in atoms(x)))


def filled(value: Any, shape: tuple[int, ...], dtype: Any) -> Symbol:
    """A number that has a shape, as an expression."""
    return Symbol(shape, dtype, None, PRIMITIVES["filled"], (), {"shape": shape, "value": value, "dtype": dtype})


def substituted(x: Any, atoms: dict[int, Any]) -> Any:
    """An expression with expressions in the place of some of its atoms."""
    done: dict[int, Any] = dict(atoms)
    for part in upwards(x, done):
        if part.primitive is None or all(done[id(i)] is i for i in part.inputs if isinstance(i, Symbol)):
            done[id(part)] = part
        else:
            inputs = [done[id(i)] if isinstance(i, Symbol) else i for i in part.inputs]
            done[id(part)] = part.primitive(*inputs, **part.params)
    return done[id(x)] if isinstance(x, Symbol) else x


def evaluate(x: Any, lookup: Callable[[Symbol], Any]) -> Any:
    """An expression's numbers, from those of its atoms."""
    done: dict[int, Any] = {}
    for part in upwards(x, done):
        if part.primitive is None:
            done[id(part)] = lookup(part)
        else:
            inputs = [done[id(i)] if isinstance(i, Symbol) else _plain(i) for i in part.inputs]
            to_float = part.key == "astype" and np.dtype(part.dtype).kind == "f"  # float32 means float64 here
            done[id(part)] = (
                np.asarray(inputs[0], np.float64) if to_float else part.primitive.forward(*inputs, **part.params)
            )
    found = done[id(x)] if isinstance(x, Symbol) else np.asarray(_plain(x), np.float64)
    return np.asarray(found) if isinstance(found, float) else found  # of numbers alone, such as m


def without_minus(x: Any) -> Any:
    """An expression with sums in the place of differences."""
    done: dict[int, Any] = {}
    for part in upwards(x, done):
        inputs = [done[id(i)] if isinstance(i, Symbol) else i for i in part.inputs]
        key = part.key
        if key == "minus":
            done[id(part)] = inputs[0] + inputs[1]
        elif key == "negative":
            done[id(part)] = inputs[0]
        elif part.primitive is None or isinstance(part.dtype, tuple):
            done[id(part)] = part
        else:
            done[id(part)] = part.primitive(*inputs, **part.params)
    return done[id(x)] if isinstance(x, Symbol) else x


def _plain(x: Any) -> Any:
    """A Fraction as the number that NumPy computes with."""
    return float(x) if isinstance(x, Fraction) else x


def opened(x: Any) -> Any:
    """An expression in NumPy's functions alone, as far as forwards can be read on Symbols."""
    done: dict[int, Any] = {}
    for part in upwards(x, done):
        primitive = part.primitive
        if primitive is None:
            done[id(part)] = part
            continue
        inputs = [done[id(i)] if isinstance(i, Symbol) else i for i in part.inputs]
        plain = primitive.numpy is not None or primitive.opaque or primitive.key in OPERATORS
        plain = plain or primitive.key in _SPELLED or isinstance(part.dtype, tuple)
        value = (primitive if plain else primitive.forward)(*inputs, **part.params)
        done[id(part)] = value if plain else opened(value)
    return done[id(x)] if isinstance(x, Symbol) else x


_SPELLED = {
    "negative",
    "permute_axes",
    "astype",
    "filled",
    "join",
    "pile",
    "reshape_to",
    "contract",
    "zero_where",
    "pick",
}
