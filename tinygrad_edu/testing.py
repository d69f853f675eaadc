"""tinygrad_edu.testing: assert_close, which says where two results differ, and by how much."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .core.dtypes import as_dtype
from .core.tensor import Tensor

__all__ = ["assert_close"]

# dtype -> relative and absolute tolerance. Source: PyTorch documentation, torch.testing.assert_close.
TOLERANCES = {"float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raise an AssertionError unless |actual - expected| <= atol + rtol |expected| everywhere.

    Args:
        actual, expected: tensors, arrays or numbers, or lists, tuples and dicts of them.
        rtol, atol: default: what the narrower of the dtypes allows; 0 for whole numbers.
        equal_nan: whether two NaN are close.
        check_dtype, check_stride: whether these must be equal, too; the dtype of a number need not.
        msg: in place of the message, or a function that makes another one of it.
        allow_subclasses, check_device, check_layout: accepted; there is one kind of each.

    >>> from tinygrad_edu import tensor
    >>> assert_close(tensor([1.0, 2.0]), tensor([1.0, 2.5]))
    Traceback (most recent call last):
    AssertionError: Tensor-likes are not close!
    <BLANKLINE>
    Mismatched elements: 1 / 2 (50.0%)
    Greatest absolute difference: 0.5 at index (1,) (up to 1e-05 allowed)
    Greatest relative difference: 0.2 at index (1,) (up to 1.3e-06 allowed)
    """
    if (rtol is None) != (atol is None):
        raise ValueError("assert_close: rtol and atol must both be given, or neither.")
    for place, A, E in _pairs(actual, expected, ""):
        found = _difference(A, E, rtol, atol, equal_nan, check_dtype, check_stride)
        if found:
            found += f"\n\nThe failure occurred for item {place}" if place else ""
            raise AssertionError(found if msg is None else msg(found) if callable(msg) else msg)


def _pairs(actual: Any, expected: Any, place: str) -> list[tuple[str, Any, Any]]:
    """What is to be compared with what, and where it lies in nested lists and dicts."""
    several = [isinstance(x, (Mapping, Sequence)) and not isinstance(x, str) for x in (actual, expected)]
    if not any(several):
        return [(place, actual, expected)]
    if not all(several) or isinstance(actual, Mapping) != isinstance(expected, Mapping):
        raise TypeError(f"assert_close: {type(actual).__name__} can't be compared with {type(expected).__name__}.")
    keys = [list(x) if isinstance(x, Mapping) else list(range(len(x))) for x in (actual, expected)]
    if {*keys[0]} != {*keys[1]}:
        raise AssertionError(f"The keys or lengths do not match: {keys[0]} != {keys[1]} {place}")
    return [pair for key in keys[1] for pair in _pairs(actual[key], expected[key], f"{place}[{key!r}]")]


def _difference(
    actual: Any, expected: Any, rtol: Any, atol: Any, equal_nan: bool, check_dtype: bool, check_stride: bool
) -> str:
    """What is to be said of two arrays; nothing if they are close."""
    A, E = (x.detach().numpy() if isinstance(x, Tensor) else np.asarray(x) for x in (actual, expected))
    ask_dtype = check_dtype and not any(isinstance(x, (bool, int, float)) for x in (actual, expected))
    for name, asked, a, e in (
        ("shape", True, A.shape, E.shape),
        ("dtype", ask_dtype, as_dtype(A.dtype), as_dtype(E.dtype)),
        ("strides (bytes)", check_stride, A.strides, E.strides),
    ):
        if asked and a != e:
            return f"The values for attribute {name!r} do not match: {a} != {e}."
    if rtol is None:
        rtol, atol = np.max([TOLERANCES.get(x.dtype.name, (0.0, 0.0)) for x in (A, E)], axis=0).tolist()
    if A.dtype.kind in "bf" or E.dtype.kind in "bf":
        A, E = A.astype(np.float64), E.astype(np.float64)
    wrong = ~np.isclose(A, E, rtol, atol, equal_nan)
    if not wrong.any():
        return ""
    exact = not (rtol or atol)
    lines = [f"{'Tensor-likes' if A.ndim else 'Scalars'} are not {'equal' if exact else 'close'}!", ""]
    if A.ndim:
        lines.append(f"Mismatched elements: {wrong.sum()} / {wrong.size} ({wrong.mean():.1%})")
    with np.errstate(all="ignore"):
        apart = np.abs(A - E)
        for word, by, limit in (("absolute", apart, atol), ("relative", apart / np.abs(E), rtol)):
            at = np.unravel_index(np.argmax(np.where(wrong, by, -1)), by.shape)
            where = f" at index {tuple(map(int, at))}" if A.ndim else ""
            allowed = "" if exact else f" (up to {limit} allowed)"
            lines.append(f"Greatest {word} difference: {by[at]:.6g}{where}{allowed}")
    return "\n".join(lines)
