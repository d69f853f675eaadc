"""SparseAdam is refused: there are no sparse gradients to update by."""

from __future__ import annotations

from typing import Any

from .optimizer import Optimizer


class SparseAdam(Optimizer):
    """Refused: Adam for the rows that a sparse gradient names."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            "SparseAdam: gradients are never sparse here (embedding's sparse=True is refused too); use Adam, which "
            "also moves rows without a gradient by their momentum, or SGD without momentum, which leaves them alone."
        )
