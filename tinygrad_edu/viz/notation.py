"""How each value was computed, in a few words as the user would type them, `W1.T @ X + b1`, and its numbers in as few.

A named value stands for itself; one without a name is spelled out if that is short and says
something, else a dot marks its place. Operations have PyTorch's words and Python's signs.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..ops.indexing import Slot
from ..symbolic.printer import ATOM, OPERATORS, UNARY, infix, subscript, wrapped
from .graph import Array, Value

BLANK = "·"  # stands for a value that the arrow alone identifies
INLINE = 20  # characters of an unnamed value's expression that another takes in
WIDTH = 48  # characters of an expression; longer ones are cut
ARGUMENTS = 4  # shown of a call; cat of 100 parts shows the first and the number of the rest

# PyTorch's words for parameters that the rule book calls by NumPy's
_WORDS = {"axis": "dim", "axes": "dims", "keepdims": "keepdim", "ddof": "correction", "slope": "negative_slope"}
_IMPLIED = {"reduction": "mean", "keepdims": False, "beta": 1.0, "threshold": 20.0, "ddof": 1, "ignore_index": -100}

Spelled = tuple[str, int]  # a text and how tightly it binds


def expressions(values: Iterable[Value], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    """The expression of every result among the values, by id; what is not among them is a dot.

    Args:
        values: some of a graph's, inputs before what is computed from them.
        shapes: of all its values.
    """
    found: dict[str, str] = {}
    operands: dict[str, Spelled] = {}
    for value in values:
        spelled = None
        if value.operation is not None:
            spelled = _spell(value, operands, shapes)
            found[value.id] = shorten(spelled[0], WIDTH)
        operands[value.id] = _operand(value, spelled)
    return found


def shorten(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _operand(value: Value, spelled: Spelled | None) -> Spelled:
    """How other values' expressions refer to this one."""
    if value.name:
        return shorten(value.name, INLINE), ATOM
    if spelled is not None:
        text, strength = spelled
        blanks = text.count(BLANK)
        short = len(text) <= INLINE and (not blanks or (blanks == 1 and strength == ATOM))  # mean(·), not · + x
        return spelled if short else (BLANK, ATOM)
    if value.kind == "constant" and value.shape == () and value.array is not None:
        return _number(value.array.item())
    return BLANK, ATOM


def _spell(value: Value, operands: Mapping[str, Spelled], shapes: Mapping[str, tuple[int, ...]]) -> Spelled:
    parts = [operands.get(x, (BLANK, ATOM)) if isinstance(x, str) else _number(x) for x in value.inputs]
    key, params = value.primitive, value.params
    assert value.operation is not None
    if key in OPERATORS:
        sign, strength = OPERATORS[key]
        return infix(sign, strength, *parts), strength
    if key == "negative":
        return "-" + wrapped(parts[0], UNARY), UNARY
    if key == "getitem":
        return f"{wrapped(parts[0], ATOM)}[{_index(params['key'], parts[1:])}]", ATOM
    if key == "permute_axes" and params["axes"] == (1, 0):
        return f"{wrapped(parts[0], ATOM)}.T", ATOM
    if key == "permute_axes" and params["axes"] == (*range(len(value.shape) - 2), *_last_two(value)):
        return f"{wrapped(parts[0], ATOM)}.mT", ATOM
    first = value.inputs[0] if value.inputs else None
    which = f"[{params['output']}]" if "output" in params else ""  # of several outputs
    words = _params(
        {k: v for k, v in params.items() if k != "output"}, len(shapes[first]) if isinstance(first, str) else 0
    )
    texts = [text for text, _ in parts]
    if len(texts) > ARGUMENTS:
        texts = [*texts[:2], f"… {len(texts) - 2} more"]
    return f"{value.operation}({', '.join(texts + words)}){which}", ATOM


def _last_two(value: Value) -> tuple[int, int]:
    n = len(value.shape)
    return n - 1, n - 2


def _index(key: tuple[Any, ...], arrays: list[Spelled]) -> str:
    """`X[0]` for the key (0, ...): the dots at the end change nothing that a reader asks about."""
    shown = key[:-1] if len(key) > 1 and key[-1] is ... and not any(isinstance(k, Slot) for k in key) else key
    return subscript(shown, arrays)


def _params(params: dict[str, Any], ndim: int) -> list[str]:
    """Those that say something: no defaults, not an axis list that means all of them, nothing internal."""
    words = []
    for key, value in params.items():
        if value is None or (key in _IMPLIED and value == _IMPLIED[key]):
            continue
        if key == "axis" and isinstance(value, tuple):
            if value == tuple(range(ndim)):
                continue
            value = value[0] if len(value) == 1 else value
        if isinstance(value, (bool, int, float, str)) or (
            isinstance(value, tuple) and all(isinstance(n, int) for n in value)
        ):
            words.append(f"{_WORDS.get(key, key)}={value}")
    return words


def _number(x: Any) -> Spelled:
    text = str(x) if isinstance(x, (bool, int)) else f"{x:.4g}"
    return text, UNARY if text.startswith("-") else ATOM


def visible(text: str) -> str:
    """One line of what can be shown; for what XML can't hold, or would turn the text round, a \ufffd."""
    text = text.replace("\r\n", "↵").replace("\n", "↵").replace("\t", " ")
    return "".join("\ufffd" if unicodedata.category(c) in _HIDDEN and c not in _JOINERS else c for c in text)


_HIDDEN = ("Cc", "Cf", "Cn", "Cs")  # controls, format characters, not assigned, half a character
_JOINERS = "\u200c\u200d"  # parts of words and of emoji


def summary(array: Array | None, mean: bool = True) -> str:
    """A few words on an array's numbers: the number itself, or smallest … largest, mean."""
    if array is None:
        return "not available"
    if array.size == 0:
        return "no elements"
    if array.size == 1:
        return _figure(array.item(), 4)
    if array.dtype.kind == "b":
        return f"{int(array.sum()):,} of {array.size:,} true"
    finite = array[np.isfinite(array)]
    if finite.size < array.size:
        words = [_range(finite)] if finite.size else []
        counts = {"nan": np.isnan(array).sum(), "inf": (array == np.inf).sum(), "-inf": (array == -np.inf).sum()}
        return ", ".join(words + [f"{n:,} {what}" for what, n in counts.items() if n])
    if finite.min() == finite.max():
        return f"all {_figure(finite.flat[0].item(), 4)}"
    average = finite.mean(dtype=np.float64)
    return _range(finite) + (f", mean {_figure(average, 3)}" if mean else "")


def _range(array: Array) -> str:
    return f"{_figure(array.min().item(), 3)} … {_figure(array.max().item(), 3)}"


def _figure(x: float | bool, digits: int) -> str:
    return str(x) if isinstance(x, (bool, int)) else f"{x + 0.0:.{digits}g}"  # + 0.0: no "-0"
