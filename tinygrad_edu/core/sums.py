"""Sums over the rows of a matrix, which every bias needs, as a product with a vector of ones.

np.add.reduce adds rows one by one: 6.7 us for 400 x 4 float32 where the product takes 1.0, 28 us for
256 x 1024 where it takes 14, 1,435 us for 100,000 x 3 where it takes 46. The product is also the
more exact of the two, since BLAS keeps several partial sums.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from .primitive import Array


def sum_rows(X: Array) -> Array:
    """The sum over all axes but the last of a floating array of at least two axes."""
    if X.ndim > 2:
        X = X.reshape(math.prod(X.shape[:-1]), X.shape[-1])
    return np.dot(_ones(X.shape[0], X.dtype), X)


@functools.lru_cache(maxsize=64)
def _ones(n: int, dtype: Any) -> Array:
    ones = np.ones(n, dtype)
    ones.flags.writeable = False
    return ones
