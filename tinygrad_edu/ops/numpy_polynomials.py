"""Polynomials by their coefficients, the highest power first, and convolution, which is their product.

See numpy_names.py on how they are written.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..core.primitive import answers


@answers(np.convolve)
def _np_convolve(a: Any, v: Any, mode: str = "full") -> Any:
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"np.convolve: mode {mode!r} is not one of 'full', 'same', 'valid'.")
    n, m = (np.shape(x)[0] if np.ndim(x) else 1 for x in (a, v))
    if not n or not m:
        raise ValueError("np.convolve: an operand is empty.")
    if n < m:
        a, v, n, m = v, a, m, n
    a, v = np.reshape(a, -1), np.reshape(v, -1)
    # Row k holds the part of a that v meets at place k, v being read backwards.
    padded = np.concatenate([np.zeros(m - 1), a, np.zeros(m - 1)]) if m > 1 else a
    meets = np.arange(n + m - 1)[:, None] + np.arange(m - 1, -1, -1)
    full = np.take(padded, meets) @ v
    start, length = {"full": (0, n + m - 1), "same": ((m - 1) // 2, n), "valid": (m - 1, n - m + 1)}[mode]
    return full[start : start + length]


@answers(np.correlate)
def _np_correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    if np.shape(a)[0] < np.shape(v)[0]:
        return np.flip(_np_correlate(v, a, mode))
    return _np_convolve(a, np.flip(v), mode)


@answers(np.polyval)
def _np_polyval(p: Any, x: Any) -> Any:
    result = 0 * x + p[0]
    for k in range(1, np.shape(p)[0]):
        result = result * x + p[k]
    return result


@answers(np.polyadd)
def _np_polyadd(a1: Any, a2: Any) -> Any:
    n = max(np.shape(a1)[0], np.shape(a2)[0])
    return _filled(a1, n) + _filled(a2, n)


@answers(np.polysub)
def _np_polysub(a1: Any, a2: Any) -> Any:
    n = max(np.shape(a1)[0], np.shape(a2)[0])
    return _filled(a1, n) - _filled(a2, n)


def _filled(p: Any, n: int) -> Any:
    """Coefficients, of the highest power first, with zeros in front up to length n."""
    missing = n - np.shape(p)[0]
    return np.concatenate([np.zeros(missing), p]) if missing else p


@answers(np.polymul)
def _np_polymul(a1: Any, a2: Any) -> Any:
    return _np_convolve(a1, a2)


@answers(np.polyder)
def _np_polyder(p: Any, m: int = 1) -> Any:
    for _ in range(operator.index(m)):
        p = p[:-1] * np.arange(len(p) - 1.0, 0, -1)
    return p


@answers(np.polyint)
def _np_polyint(p: Any, m: int = 1, k: Any = 0) -> Any:
    for i in range(operator.index(m)):
        constant = np.reshape(k if np.ndim(k) == 0 else k[i], 1)
        p = np.concatenate([p / np.arange(len(p) + 0.0, 0, -1), constant])
    return p
