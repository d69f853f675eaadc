"""Tensors as text: PyTorch's repr, number for number."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

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
        notes.append(f"grad_fn={t.grad_fn!r}")
    elif t.requires_grad:
        notes.append("requires_grad=True")
    text = prefix + body
    last = len(text) - text.rfind("\n") + 1  # two columns more than the line has: PyTorch breaks so much earlier
    for note in notes:
        if last + len(note) + 2 > LINE:
            text += ",\n" + " " * len(prefix) + note
            last = len(prefix) + len(note)
        else:
            text += ", " + note
            last += len(note) + 2
    return text + ")"


def _format(array: np.ndarray[Any, Any], indent: int) -> str:
    summarize = array.size > THRESHOLD
    shown = _edges(array) if summarize else array
    return _nested(array, indent, _column(shown), summarize)


def _edges(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The elements that a summarised print shows: the format is chosen for these."""
    for axis in range(array.ndim):
        n = array.shape[axis]
        if n > 2 * EDGE:
            array = np.take(array, [*range(EDGE), *range(n - EDGE, n)], axis)
    return array


class Column(NamedTuple):
    """How each number is written: one notation and one width for all."""

    notation: Callable[[Any], str]
    width: int

    def write(self, x: Any) -> str:
        return self.notation(x).rjust(self.width)


def _column(array: np.ndarray[Any, Any]) -> Column:
    flat = array.ravel()
    if array.dtype.kind != "f":
        return Column(str, max(len(str(x)) for x in flat.tolist()))
    # Zeros, infinities and NaN have no say: they are written in the notation that suits the others.
    telling = flat[np.isfinite(flat) & (flat != 0)].astype(np.float64)
    notation = _notation(np.abs(telling))
    return Column(notation, max((len(notation(x)) for x in telling.tolist()), default=1))


def _notation(sizes: np.ndarray[Any, Any]) -> Callable[[Any], str]:
    """Whole numbers, four digits, or powers of ten, by PyTorch's rule for these positive numbers."""
    if sizes.size == 0:
        return _whole
    whole = bool(np.all(sizes == np.ceil(sizes)))
    low, high = sizes.min(), sizes.max()
    if high / low > 1000.0 or high > 1.0e8 or (low < 1.0e-4 and not whole):
        return _scientific
    return _whole if whole else _fixed


def _whole(x: float) -> str:
    return f"{x:.0f}." if np.isfinite(x) else str(x)


def _fixed(x: float) -> str:
    return f"{x:.{PRECISION}f}"


def _scientific(x: float) -> str:
    return f"{x:.{PRECISION}e}"


def _nested(array: np.ndarray[Any, Any], indent: int, column: Column, summarize: bool) -> str:
    if array.ndim == 0:
        return column.write(array.item())
    rows: list[Any]
    n = array.shape[0]
    cut = summarize and n > 2 * EDGE
    picked = [*range(EDGE), None, *range(n - EDGE, n)] if cut else list(range(n))
    if array.ndim == 1:
        words = [" ..." if i is None else column.write(array[i].item()) for i in picked]
        per_line = max(1, (LINE - indent) // (column.width + 2))
        lines = [words[i : i + per_line] for i in range(0, len(words), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(", ".join(line) for line in lines) + "]"
    rows = ["..." if i is None else _nested(array[i], indent + 1, column, summarize) for i in picked]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(rows) + "]"
