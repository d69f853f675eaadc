"""NumPy's functions whose results have no gradient: they are computed on the numbers of the tensors.

Comparisons of whole arrays (`np.allclose(w.grad, expected)`), sets, histograms, places. Arrays in
what they return come as Tensors outside of the graph. During a trace there are no numbers yet, so
there they raise TraceError.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.primitive import Operand, answers
from ..core.tensor import Tensor, wrap

FUNCTIONS = (
    "allclose", "array_equal", "array_equiv", "argpartition", "bitwise_count", "diag_indices_from", "digitize",
    "histogram", "histogram2d", "histogram_bin_edges", "histogramdd", "intersect1d", "isclose", "iscomplex",
    "iscomplexobj", "isrealobj", "lexsort", "nanargmax", "nanargmin", "packbits", "ravel_multi_index",
    "setdiff1d", "setxor1d", "spacing", "tril_indices_from", "triu_indices_from", "union1d", "unique", "unique_all",
    "unique_counts", "unique_inverse", "unique_values", "unpackbits", "unravel_index",
    "array2string", "array_repr", "array_str", "save", "savetxt",
)  # fmt: skip


def _numbers(x: Any) -> Any:
    if isinstance(x, Operand):
        return x._values() if isinstance(x, Tensor) else x._refuse()  # type: ignore[attr-defined]  # a Symbol
    return type(x)(map(_numbers, x)) if type(x) in (list, tuple) else x


def _tensors(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return wrap(x)
    if type(x) in (list, tuple):
        return type(x)(map(_tensors, x))
    return x


def _front(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def on_numbers(*args: Any, **kwargs: Any) -> Any:
        given = {word: _numbers(value) for word, value in kwargs.items()}
        return _tensors(function(*map(_numbers, args), **given))

    return on_numbers


for _function in (getattr(np, name) for name in FUNCTIONS if hasattr(np, name)):  # some came after NumPy 2.0
    answers(_function)(_front(_function))
