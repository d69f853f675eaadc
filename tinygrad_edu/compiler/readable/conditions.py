"""How a textbook writes conditions: without a not, and without what is always or never so."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ops.losses_labels import IGNORED
from ..calls import Call, Value
from .rewriting import alike, number_of
from .shaping import Shaping

OPPOSITE = {
    np.less: np.greater_equal,
    np.less_equal: np.greater,
    np.greater: np.less_equal,
    np.greater_equal: np.less,
    np.equal: np.not_equal,
    np.not_equal: np.equal,
}
BOTH, EITHER, NOT = (np.logical_and, np.bitwise_and), (np.logical_or, np.bitwise_or), (np.logical_not, np.invert)


class Conditions(Shaping):
    """Rules: each says whether it has taken the line."""

    def _opposite(self, line: Call, args: Any) -> bool:
        """`A > 0` for not `A <= 0`."""
        opposite = self._opposed(args[0])
        return opposite is not None and self._same(line, opposite)

    def _opposed(self, x: Any) -> Any:
        """What holds where a condition does not, if that can be said without a not."""
        call = self._call(x)
        if call is None or not isinstance(x, Value) or np.asarray(x.data).dtype != bool:
            return None
        if call.function in NOT:
            return call.args[0]
        if call.function in OPPOSITE:
            return self._new(x, OPPOSITE[call.function], *call.args)
        if call.function in (*BOTH, *EITHER):
            parts = [self._opposed(part) for part in call.args]
            return None if None in parts else self._new(x, (EITHER if call.function in BOTH else BOTH)[1], *parts)
        return None

    def _both(self, line: Call, args: Any) -> bool:
        """`X == 0` for what is 0 and is a number."""
        for one, other in (args, args[::-1]):
            is_number, equals = self._call(other), self._call(one)
            if is_number is None or equals is None or not is_number.function is equals.function is np.equal:
                continue
            x, y = is_number.args
            if x is y is equals.args[0] and number_of(equals.args[1]) is not None:
                return self._same(line, one)
        return False

    def _compared(self, line: Call, args: Any) -> bool:
        """What is never so; labels that are given are classes: none is to be ignored."""
        x, number = args
        shape = np.shape(line.results[0].data)
        if line.function is np.greater and number_of(number) == math.inf:
            return self._same(line, np.full(shape, False))
        if number.__class__ is not int or number != IGNORED or not self._are_classes(x):
            return False
        return line.function in (np.equal, np.not_equal) and self._same(
            line, np.full(np.shape(x.data), line.function is np.not_equal)
        )

    def _are_classes(self, x: Any) -> bool:
        """Whether labels are given, and none is to be ignored, as far as can be seen."""
        root = x.root if isinstance(x, Value) else None
        return root is not None and root.call is None and (root.hollow or not (np.asarray(root.data) == IGNORED).any())

    def _chosen(self, line: Call, args: Any) -> bool:
        """The one side of a choice that is known."""
        known = number_of(args[0]) if len(args) == 3 else None
        if known not in (0, 1):
            return False
        x, shape = args[1] if known else args[2], np.shape(line.results[0].data)
        return isinstance(x, Value) and alike(x, line.results[0]) and np.shape(x.data) == shape and self._same(line, x)
