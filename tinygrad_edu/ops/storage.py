"""The memory behind tensors as a thing of its own: one row of numbers, which a tensor and its views share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..core.tensor import Tensor, wrap
from ..core.write import storage_of
from .public import public


class TypedStorage:
    """All numbers of a tensor's memory, in the order in which they lie there. Writes are counted, never recorded.

    >>> from tinygrad_edu import tensor
    >>> X = tensor([[1, 2], [3, 4]])
    >>> X.T[1].storage().tolist()  # of the whole, whatever is looked at
    [1, 2, 3, 4]
    >>> X.storage()[2] = 9
    >>> X
    tensor([[1, 2],
            [9, 4]])
    """

    def __init__(self, tensor: Tensor, dtype: Any) -> None:
        owner = tensor._values()
        while isinstance(owner.base, np.ndarray):
            owner = owner.base
        self._flat = wrap(owner.ravel(order="K").view(dtype))
        self._flat._storage = storage_of(tensor)

    @property
    def dtype(self) -> Any:
        """Of the numbers."""
        return self._flat.dtype

    def size(self) -> int:
        """How many numbers there are."""
        return len(self)

    def nbytes(self) -> int:
        """How many bytes they take."""
        return self._flat.nbytes

    def data_ptr(self) -> int:
        """The address of the first: that of two tensors is the same if they share their memory."""
        return self._flat.data_ptr()

    def tolist(self) -> list[Any]:
        """The numbers."""
        return list(self)

    def __len__(self) -> int:
        return self._flat.numel()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._flat.tolist())

    def __getitem__(self, i: int) -> Any:
        return self._flat[i].item()

    def __setitem__(self, i: Any, value: Any) -> None:
        self._flat[i].fill_(value.item() if isinstance(value, Tensor) else value)

    def __repr__(self) -> str:
        numbers = "".join(f" {number}\n" for number in self)
        return f"{numbers}[storage.TypedStorage(dtype={self.dtype}, device=cpu) of size {len(self)}]"


class UntypedStorage(TypedStorage):
    """The same memory, byte by byte."""

    def __repr__(self) -> str:
        return super().__repr__().replace(f"TypedStorage(dtype={self.dtype}, ", "UntypedStorage(")


@public("storage", function=False)
def storage(self: Tensor) -> TypedStorage:
    """The memory in which this tensor and its views lie, number by number."""
    return TypedStorage(self, self.dtype)


@public("untyped_storage", function=False)
def untyped_storage(self: Tensor) -> UntypedStorage:
    """The memory in which this tensor and its views lie, byte by byte."""
    return UntypedStorage(self, np.dtype("uint8"))
