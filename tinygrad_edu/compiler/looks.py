"""What there is to see of a tensor besides its numbers, and where these lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.tensor import Tensor


def layout(array: Any) -> Any:
    return array.shape, array.strides, array.dtype.num


def look(tensor: Tensor) -> Any:
    """What there is to see of a tensor besides its numbers."""
    return layout(tensor._array), recording(tensor)


def lies_in(tensor: Tensor, base: Tensor) -> Any:
    """How a tensor lies in the memory of another; None if it does not."""
    if tensor._storage is not base._storage:
        return None
    first, start = (x._array.__array_interface__["data"][0] for x in (tensor, base))
    return first - start, layout(tensor._array)


def owner_of(array: Any) -> int:
    """What tells memory apart: the id of the array that it was made for."""
    while array.base.__class__ is np.ndarray:
        array = array.base
    return id(array)


def recording(tensor: Tensor) -> Any:
    """Whether operations on a tensor are recorded, and which hooks its gradient meets."""
    record = tensor._record
    if record is None or not record.needs_grad:
        return False
    if record.hooks or record.grad_hooks:
        return [*(record.hooks or {}).values()], [*(record.grad_hooks or {}).values()]
    return True


def apart(arrays: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether none of these lies in memory of the others."""
    owners = {owner_of(x) for x in arrays}
    return not any(owner_of(y) in owners and any(np.may_share_memory(x, y) for x in arrays) for y in others)
