"""Parameter: a tensor that a Module counts among its own; UninitializedParameter: one whose shape is not known yet.

nn follows PyTorch: rows are samples, and a weight is (out, in).
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from ..core.errors import DtypeError
from ..core.mode import mode
from ..core.record import Record
from ..core.tensor import Tensor, wrap
from ..core.write import storage_of
from ..ops.creation import empty


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
        values = wrap(self._values().copy()) if mode.trace is None else self.detach().clone()
        Parameter.__init__(copied, values, self.requires_grad, name=self.name)
        memo[id(self)] = copied
        return copied

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class Buffer:
    """A tensor that a module takes for a buffer when it is assigned to an attribute.

    >>> from tinygrad_edu import nn, ones
    >>> model = nn.Identity()
    >>> model.mean = nn.Buffer(ones(2))
    >>> list(model.state_dict())
    ['mean']
    """

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Any:
        if data is None:
            data = Tensor()
        if not isinstance(data, Tensor):
            raise TypeError(f"Buffer: expected a Tensor, got {type(data).__name__}; wrap it in tensor(...) first.")
        result: Any = data.detach().requires_grad_(data.requires_grad)
        result.persistent, result._is_buffer = persistent, True
        return result


class UninitializedParameter(Parameter):
    """A parameter whose shape the first input will tell: see nn.lazy. It has a dtype, and nothing else.

    >>> layer_weight = UninitializedParameter()
    >>> layer_weight.materialize((2, 3))
    >>> type(layer_weight).__name__, tuple(layer_weight.shape)
    ('Parameter', (2, 3))
    """

    __slots__ = ()

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        nothing = empty(0, device=device, dtype=dtype)._array
        _ARRAY.__set__(self, nothing)
        self._storage = self._view = None
        self._record = Record(None, (), {}, nothing.shape, nothing.dtype, requires_grad, None)

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become a Parameter of this shape, with numbers still to be written."""
        requires_grad, name = self.requires_grad, self.name
        data = empty(*shape, device=device, dtype=self.dtype if dtype is None else dtype)
        self.__class__ = Parameter  # type: ignore[assignment]  # of which this is a subclass
        Parameter.__init__(self, data, requires_grad, name=name)

    @property
    def _array(self) -> NoReturn:  # every operation reads it first
        raise ValueError(
            "Attempted to use an uninitialized parameter: it belongs to a lazy module, which knows its shape only "
            "after the first input. Call the module once on a batch, or load a state_dict, before using its parameters."
        )

    @property
    def shape(self) -> NoReturn:
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. Call the lazy module once on a batch to "
            "initialize the parameters before accessing their attributes."
        )

    @property
    def dtype(self) -> np.dtype[Any]:
        return _ARRAY.__get__(self).dtype  # type: ignore[no-any-return]

    @property
    def data(self) -> Tensor:
        """The parameter itself: there are no numbers to share."""
        return self

    @data.setter
    def data(self, source: Tensor) -> None:
        if not isinstance(source, UninitializedParameter):
            self.materialize(source.shape, dtype=source.dtype)
            self.data = source
            return
        self.__init__(self.requires_grad, dtype=source.dtype)  # type: ignore[misc]  # another dtype, as .double() asks

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Whether it will require a gradient once it has a shape."""
        assert self._record is not None
        self._record.needs_grad = requires_grad
        return self

    def detach(self) -> Tensor:
        """The parameter itself."""
        return self

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """One of another dtype."""
        return UninitializedParameter(dtype=empty(0, dtype=self.dtype).to(*args, **kwargs).dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> UninitializedParameter:
        copied = memo[id(self)] = UninitializedParameter(self.requires_grad, dtype=self.dtype)
        return copied

    def __repr__(self) -> str:
        return "<UninitializedParameter>"


_ARRAY: Any = Tensor.__dict__["_array"]  # the slot itself, which the property above stands before
