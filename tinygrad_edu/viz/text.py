"""Tensors as text: PyTorch's repr, number for number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.dtypes import get_default_dtype
from ..core.symbol import Symbol

if TYPE_CHECKING:
    from ..core.tensor import Tensor

PRECISION = 4  # digits after the point
THRESHOLD = 1000  # elements beyond which only the edges are shown
EDGE = 3  # elements shown at each edge
LINE = 80  # columns


def format_tensor(t: Tensor, prefix: str = "tensor(") -> str:
    """`tensor([1., 2.], requires_grad=True)`: the numbers, then what differs from the defaults."""
    array = t._array
    if isinstance(array, Symbol):
        return f"tensor({array!r})"
    notes = []
    if array.size == 0:
        body = "[]"
        if array.ndim != 1:
            notes.append(f"size={tuple(array.shape)}")
    else:
        body = _format(array, len(prefix))
    default = array.dtype in (get_default_dtype(), np.dtype("int64"), np.dtype("bool"))
    if not default or (array.size == 0 and array.dtype != get_default_dtype()):
        notes.append(f"dtype={array.dtype}")
    if t.grad_fn is not None:
        primitive = t.grad_fn.record.primitive
        assert primitive is not None
        notes.append(f"grad_fn=<{primitive.name}>")
    elif t.requires_grad:
        notes.append("requires_grad=True")
    text = prefix + body
    last = len(text) - text.rfind("\n") - 1
    for note in notes:
        if last + len(note) + 3 > LINE:
            text += ",\n" + " " * len(prefix) + note
            last = len(prefix) + len(note)
        else:
            text += ", " + note
            last += len(note) + 2
    return text + ")"


def _format(array: np.ndarray[Any, Any], indent: int) -> str:
    summarize = array.size > THRESHOLD
    shown = _edges(array) if summarize else array
    number = _formatter(shown)
    return _nested(array, indent, number, summarize)


def _edges(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The elements that a summarised print shows: the format is chosen for these."""
    for axis in range(array.ndim):
        n = array.shape[axis]
        if n > 2 * EDGE:
            array = np.take(array, [*range(EDGE), *range(n - EDGE, n)], axis)
    return array


def _formatter(array: np.ndarray[Any, Any]) -> Any:
    """How each number is written: one width and one notation for all, as PyTorch chooses it."""
    flat = array.ravel()
    if array.dtype.kind != "f":
        width = max(len(str(x)) for x in flat.tolist())
        return lambda x: str(x).rjust(width)
    finite = np.abs(flat[np.isfinite(flat) & (flat != 0)]).astype(np.float64)
    if finite.size == 0:
        write = _whole
    elif np.all(finite == np.ceil(finite)):
        scientific = finite.max() / finite.min() > 1000.0 or finite.max() > 1.0e8
        write = _scientific if scientific else _whole
    else:
        scientific = finite.max() / finite.min() > 1000.0 or finite.max() > 1.0e8 or finite.min() < 1.0e-4
        write = _scientific if scientific else _fixed
    width = max(len(write(float(x))) for x in flat)
    return lambda x: write(float(x)).rjust(width)


def _whole(x: float) -> str:
    return f"{x:.0f}." if np.isfinite(x) else str(x)


def _fixed(x: float) -> str:
    return f"{x:.{PRECISION}f}"


def _scientific(x: float) -> str:
    return f"{x:.{PRECISION}e}"


def _nested(array: np.ndarray[Any, Any], indent: int, number: Any, summarize: bool) -> str:
    if array.ndim == 0:
        return str(number(array.item()))
    rows: list[Any]
    n = array.shape[0]
    cut = summarize and n > 2 * EDGE
    picked = [*range(EDGE), None, *range(n - EDGE, n)] if cut else list(range(n))
    if array.ndim == 1:
        words = ["..." if i is None else number(array[i].item()) for i in picked]
        width = len(words[0]) + 2
        per_line = max(1, (LINE - indent) // width)
        lines = [words[i : i + per_line] for i in range(0, len(words), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(", ".join(line) for line in lines) + "]"
    rows = ["..." if i is None else _nested(array[i], indent + 1, number, summarize) for i in picked]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(rows) + "]"
