"""Tensors as text: PyTorch's repr, number for number."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..core.dtypes import get_default_dtype
from ..core.mode import mode
from ..core.symbol import Symbol

if TYPE_CHECKING:
    from ..core.tensor import Tensor


@dataclass
class Options:
    """What settings.set_printoptions sets; PyTorch's defaults."""

    precision: int = 4  # digits after the point
    threshold: float = 1000  # elements beyond which only the edges are shown
    edgeitems: int = 3  # elements shown at each edge
    linewidth: int = 80  # columns
    sci_mode: bool | None = None  # powers of ten: always, never, or by the numbers' sizes


PROFILES = {
    "default": Options(),
    "short": Options(precision=2, edgeitems=2),
    "full": Options(threshold=math.inf),
}
options = Options()


def set_options(
    precision: Any, threshold: Any, edgeitems: Any, linewidth: Any, profile: str | None, sci_mode: bool | None
) -> None:
    """Change what is given and leave the rest, save for sci_mode, which None sets back. See settings."""
    if profile is not None and profile not in PROFILES:
        raise ValueError(f"set_printoptions: profile is {profile!r}; it is one of {', '.join(PROFILES)}.")
    base = options if profile is None else PROFILES[profile]
    new = Options(base.precision, base.threshold, base.edgeitems, base.linewidth, sci_mode)
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    for name, value in given.items():
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
            raise ValueError(f"set_printoptions: {name} is {value!r}; a number that is not negative is expected.")
        setattr(new, name, value if name == "threshold" else int(value))
    options.__dict__.update(new.__dict__)


def format_tensor(t: Tensor, prefix: str = "tensor(") -> str:
    """`tensor([1., 2.], requires_grad=True)`: the numbers, then what differs from the defaults."""
    if mode.trace is not None:
        mode.trace.reads(t)
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
        if not options.edgeitems:
            notes.append(f"size={tuple(array.shape)}")
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
        if last + len(note) + 2 > options.linewidth:
            text += ",\n" + " " * len(prefix) + note
            last = len(prefix) + len(note)
        else:
            text += ", " + note
            last += len(note) + 2
    return text + ")"


def _format(array: np.ndarray[Any, Any], indent: int) -> str:
    summarize = array.size > options.threshold
    shown = _edges(array) if summarize else array
    return _nested(array, indent, _column(shown), summarize)


def _edges(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The elements that a summarised print shows: the format is chosen for these."""
    edge = options.edgeitems
    for axis in range(array.ndim):
        n = array.shape[axis]
        if n > 2 * edge:
            array = np.take(array, [*range(edge), *range(n - edge, n)], axis)
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
        return Column(str, max((len(str(x)) for x in flat.tolist()), default=1))
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
    wide = bool(high / low > 1000.0 or high > 1.0e8 or (low < 1.0e-4 and not whole))
    if wide if options.sci_mode is None else options.sci_mode:
        return _scientific
    return _whole if whole else _fixed


def _whole(x: float) -> str:
    return f"{x:.0f}." if np.isfinite(x) else str(x)


def _fixed(x: float) -> str:
    return f"{x:.{options.precision}f}"


def _scientific(x: float) -> str:
    return f"{x:.{options.precision}e}"


def _nested(array: np.ndarray[Any, Any], indent: int, column: Column, summarize: bool) -> str:
    if array.ndim == 0:
        return column.write(array.item())
    rows: list[Any]
    n, edge = array.shape[0], options.edgeitems
    cut = summarize and n > 2 * edge
    picked = [*range(edge), None, *range(n - edge, n)] if cut else list(range(n))
    if array.ndim == 1:
        dots = " ..." if edge else "..."
        words = [dots if i is None else column.write(array[i].item()) for i in picked]
        per_line = max(1, (options.linewidth - indent) // (column.width + 2))
        lines = [words[i : i + per_line] for i in range(0, len(words), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(", ".join(line) for line in lines) + "]"
    rows = ["..." if i is None else _nested(array[i], indent + 1, column, summarize) for i in picked]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(rows) + "]"
