"""Parameter: a tensor that a Module counts among its own.

nn follows PyTorch: rows are samples, and a weight is (out, in).
"""

from __future__ import annotations

from typing import Any

from ..core.errors import DtypeError
from ..core.tensor import Tensor, wrap
from ..core.write import storage_of


class Parameter(Tensor):
    """A leaf to be trained. Assigned to an attribute of a Module it is found by `parameters()`.

    Args:
        data: a tensor; the parameter lies on its memory. Default: empty.
        requires_grad: False freezes it.
        name: how formulas, pictures and errors call it.

    >>> from tinygrad_edu import ones
    >>> Parameter(ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any = None, requires_grad: bool = True, *, name: str | None = None) -> None:
        if data is None:
            data = Tensor()
        if not isinstance(data, Tensor):
            raise TypeError(f"Parameter: expected a Tensor, got {type(data).__name__}; wrap it in tensor(...) first.")
        if requires_grad and not data.is_floating_point():
            raise DtypeError(
                f"Parameter: only floating tensors have gradients, this one is {data.dtype}; "
                "convert with .float(), or pass requires_grad=False."
            )
        self._array = data._array
        self._storage = storage_of(data)  # shared, so that writes through either are seen by both
        self._record = self._view = None
        if requires_grad:
            self.requires_grad_(True)
        if name is not None:
            self.name = name

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        """A copy of the values alone: like PyTorch's, it starts without a gradient."""
        copied = type(self).__new__(type(self))
        Parameter.__init__(copied, wrap(self._values().copy()), self.requires_grad, name=self.name)
        memo[id(self)] = copied
        return copied

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()
