"""Sequences of several lengths, in two layouts: padded (T, m, *), and packed, the rows of all without padding.

Packed rows stand in the order of time: step 0 of all samples, then step 1 of those that have one, and
so on. Samples are sorted by length, the longest first, so each step's rows belong to the first samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .choices import choose
from .creation import finish
from .indexing import Slot, getitem


class Packing:
    """Where each step of each sample stands in both layouts.

    Args:
        lengths: steps of each sample, in descending order, none below 1.
    """

    def __init__(self, lengths: Sequence[int]) -> None:
        ends = np.array(lengths, np.int64)
        self.m, self.T = len(ends), int(ends[0])
        t = np.arange(self.T)[:, None]
        inside = t < ends  # (T, m)
        self.batch_sizes = inside.sum(1)
        self._whole = bool(inside.all())
        steps, samples = np.nonzero(inside)
        self._rows = finish(steps), finish(samples)
        self._inside = finish(inside)
        self._place = finish(np.maximum(np.cumsum(inside).reshape(inside.shape) - 1, 0))
        self._last = finish(ends - 1), finish(np.arange(self.m))
        self._turned = finish(np.where(inside, ends - 1 - t, t)), self._last[1]

    def pack(self, padded: Any) -> Any:
        """(T, m, *) to the rows of all steps that there are."""
        return _picked(padded, self._rows)

    def pad(self, rows: Any, value: float = 0.0) -> Any:
        """The rows as (T, m, *), with one value behind each end."""
        padded = getitem(rows, self._place, key=(Slot(0),))
        if self._whole:
            return padded
        return choose(self._inside.reshape((self.T, self.m) + (1,) * (rows.ndim - 1)), padded, value)

    def last(self, steps: Any) -> Any:
        """Each sample's last step: (T, m, *) to (m, *)."""
        return _picked(steps, self._last)

    def turn(self, steps: Any) -> Any:
        """(T, m, *) with each sample's steps in the opposite order; what lies behind its end stays there."""
        return _picked(steps, self._turned)


def _picked(steps: Any, index: tuple[Any, Any]) -> Any:
    return getitem(steps, *index, key=(Slot(0), Slot(1)))
