"""How the array that a Symbol stands for would lie in memory: found by running its operation on zeros.

It matters where eager mode goes by it: a reshape of what lies in order is a view, `contiguous()` gives the tensor
itself, and sums are taken in the order of memory. NumPy lays a result out as its operands lie.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.mode import mode
from ..core.primitive import Array
from ..core.symbol import Symbol


def outline(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """An array of the same shape and strides, without memory to speak of; its numbers must not be looked at."""
    return np.lib.stride_tricks.as_strided(np.zeros(1, x.dtype), x.shape, x.strides, writeable=False)


def truths_like(x: Array) -> Array:
    """As many truths, lying as the elements of x do."""
    strides = [s // x.itemsize for s in x.strides]
    return zeros_like(np.lib.stride_tricks.as_strided(np.zeros(1, bool), x.shape, strides, writeable=False))


def zeros_like(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Zeros of the same shape and strides."""
    if not x.size:
        return np.zeros(x.shape, x.dtype)
    reach = [(n - 1) * stride for n, stride in zip(x.shape, x.strides, strict=True)]
    below, above = -sum(r for r in reach if r < 0), sum(r for r in reach if r > 0)
    memory = np.zeros(below + above + x.itemsize, np.uint8)
    return np.ndarray(x.shape, x.dtype, memory.data, below, x.strides)


class Layouts:
    """The layouts of a trace's Symbols, as far as they have been asked for."""

    def __init__(self) -> None:
        self._known: dict[Symbol, Any] = {}  # an array that lies so, or its outline; of several outputs a tuple

    def know(self, symbol: Symbol, array: Array) -> None:
        """Note that a Symbol's array lies as this one does."""
        self._known[symbol] = array

    def of(self, symbol: Symbol) -> Any:
        """The outline of what a Symbol stands for. Inputs of which nothing is known lie in order."""
        waiting = [symbol]
        while waiting:
            x = waiting[-1]
            missing = [y for y in x.inputs if isinstance(y, Symbol) and y not in self._known]
            if x not in self._known and missing and not _is_in_order(x):
                waiting += missing
                continue
            waiting.pop()
            if x not in self._known:
                self._known[x] = self._found(x)
        return self._known[symbol]

    def _found(self, symbol: Symbol) -> Any:
        primitive = symbol.primitive
        if primitive is None or _is_in_order(symbol):
            return _in_order(symbol)
        inputs = [self._zeros(x) if isinstance(x, Symbol) else x for x in symbol.inputs]
        before, mode.dry = mode.dry, True
        try:
            with np.errstate(all="ignore"):
                result: Any = primitive.forward(*inputs, **symbol.params)
        except Exception:  # of zeros there may be no result; those of such operations lie in order
            return _in_order(symbol)
        finally:
            mode.dry = before
        if isinstance(result, tuple):
            return tuple(outline(np.asarray(part)) for part in result)
        array = np.asarray(result)
        return outline(array) if array.dtype == symbol.dtype else outline(array.astype(symbol.dtype))

    def _zeros(self, symbol: Symbol) -> Any:
        if symbol.number:
            return 0.0
        known = self._known[symbol]
        return tuple(map(zeros_like, known)) if isinstance(known, tuple) else zeros_like(known)


def _is_in_order(symbol: Symbol) -> bool:
    """Whether that is known without a look at its operands."""
    return symbol.number or symbol.key in ("", "drawn", "clone", "filled")


def _in_order(symbol: Symbol) -> Any:
    if isinstance(symbol.dtype, tuple):
        pairs: Any = zip(symbol.shape, symbol.dtype, strict=True)
        return tuple(outline(np.empty(shape, dtype)) for shape, dtype in pairs)
    return outline(np.empty(symbol.shape, symbol.dtype))
