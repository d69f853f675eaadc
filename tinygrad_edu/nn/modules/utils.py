"""One number for all axes, or one number each: what layers make of kernel_size=3."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any


def _ntuple(n: int) -> Callable[[Any], tuple[Any, ...]]:
    def parse(x: Any) -> tuple[Any, ...]:
        return tuple(x) if isinstance(x, Iterable) else tuple(repeat(x, n))

    return parse


_single = _ntuple(1)
_pair = _ntuple(2)
_triple = _ntuple(3)
_quadruple = _ntuple(4)

# What annotations of layers say: one number for all axes, or one each.
_size_any_t = _size_1_t = _size_2_t = _size_3_t = _size_4_t = int | tuple[int, ...]
_size_2_opt_t = _size_3_opt_t = int | None | tuple[int | None, ...]
