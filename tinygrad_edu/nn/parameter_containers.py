"""ParameterList and ParameterDict: parameters by number and by name. Tensors become parameters when they enter.

nn follows PyTorch: other things may be put in too; they are kept, but are no part of the model's state.
"""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, KeysView, Mapping
from typing import Any, TypeVar

from ..core.tensor import Tensor
from .module import Module
from .parameter import Parameter

List = TypeVar("List", bound="ParameterList")
Dict = TypeVar("Dict", bound="ParameterDict")

_TYPES = {  # by dtype, the class whose instance PyTorch takes a tensor for
    "float32": "FloatTensor", "float64": "DoubleTensor", "int8": "CharTensor", "int16": "ShortTensor",
    "int32": "IntTensor", "int64": "LongTensor", "uint8": "ByteTensor", "bool": "BoolTensor",
}  # fmt: skip


def _entered(value: Any) -> Any:
    """What is kept of a value: a parameter, if it is a tensor."""
    return Parameter(value) if isinstance(value, Tensor) and not isinstance(value, Parameter) else value


def _line(key: Any, value: Any, kind: str) -> str:
    if not isinstance(value, Tensor):
        return f"  ({key}): Object of type: {type(value).__name__}"
    word = "Parameter" if isinstance(value, Parameter) else "Tensor"
    return f"  ({key}): {word} containing: [torch.{kind} of size {'x'.join(map(str, value.shape))}]"


class ParameterList(Module):
    """A list of parameters, each registered under its number.

    >>> from tinygrad_edu import nn, ones
    >>> nn.ParameterList([ones(2, 3), nn.Parameter(ones(1))])
    ParameterList(
        (0): Parameter containing: [torch.float32 of size 2x3]
        (1): Parameter containing: [torch.float32 of size 1]
    )
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("ParameterList should not be called.")

    def _name(self, index: int) -> str:
        place = operator.index(index)
        if not -self._size <= place < self._size:
            raise IndexError(f"index {place} is out of range: ParameterList has {self._size} entries")
        return str(place % self._size)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)([self[i] for i in range(*index.indices(self._size))])
        return getattr(self, self._name(index))

    def __setitem__(self, index: int, value: Any) -> None:
        setattr(self, self._name(index), _entered(value))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(self._size))

    def append(self: List, value: Any) -> List:
        """Add a value at the end. Returns the list."""
        setattr(self, str(self._size), _entered(value))  # refuses, if it does, before the list has grown
        self._size += 1
        return self

    def extend(self: List, values: Iterable[Any]) -> List:
        """Add values at the end. Returns the list."""
        if not isinstance(values, Iterable) or isinstance(values, Tensor):
            raise TypeError(
                f"ParameterList.extend should be called with an iterable, but got {type(values).__name__}; "
                "one tensor is added by append."
            )
        for value in list(values):
            self.append(value)
        return self

    def __iadd__(self: List, values: Iterable[Any]) -> List:
        return self.extend(values)

    def extra_repr(self) -> str:
        """A line per entry."""
        return "\n".join(_line(i, x, str(getattr(x, "dtype", ""))) for i, x in enumerate(self))


class ParameterDict(Module):
    """Parameters by name, each registered under it, in the order in which they came.

    Args:
        parameters: a mapping, whose names are sorted unless it is an OrderedDict or a ParameterDict; or pairs.

    >>> from tinygrad_edu import nn, ones
    >>> list(nn.ParameterDict({"b": ones(2), "a": ones(1)}).state_dict())
    ['a', 'b']
    """

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("ParameterDict should not be called.")

    def __getitem__(self, key: str) -> Any:
        return getattr(self, _text(key))

    def __setitem__(self, key: str, value: Any) -> None:
        value = _entered(value)
        if isinstance(value, Parameter) and _text(key) not in self._keys:
            self.register_parameter(key, value)  # which refuses names that are taken, or have a dot
        else:
            setattr(self, _text(key), value)
        self._keys[key] = None

    def __delitem__(self, key: str) -> None:
        del self._keys[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._keys)

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def copy(self) -> ParameterDict:
        """Another ParameterDict of the same parameters."""
        return ParameterDict(OrderedDict(self.items()))

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of a name, which is `default` from now on if there was none."""
        if key not in self:
            self[key] = default
        return self[key]

    def clear(self) -> None:
        """Take all parameters out."""
        for key in list(self._keys):
            del self[key]

    def pop(self, key: str) -> Any:
        """Take a parameter out and return it."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Take out what came last, and return its name and value."""
        key = next(reversed(self._keys), None)
        if key is None:
            raise KeyError("popitem(): ParameterDict is empty")
        return key, self.pop(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a name, or `default`."""
        return self[key] if key in self._keys else default

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """A new ParameterDict with one value for all names."""
        return ParameterDict((key, default) for key in keys)

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._keys.keys()

    def items(self) -> Iterable[tuple[str, Any]]:
        """The names with their values."""
        return ((key, self[key]) for key in self._keys)

    def values(self) -> Iterable[Any]:
        """The values."""
        return (self[key] for key in self._keys)

    def update(self, parameters: Any) -> None:
        """Add the values of a mapping, or of pairs of name and value."""
        if not isinstance(parameters, Iterable):
            raise TypeError(
                "ParametersDict.update should be called with an iterable of key/value pairs, but got "
                f"{type(parameters).__name__}"
            )
        if isinstance(parameters, (OrderedDict, ParameterDict)):
            pairs: list[Any] = list(parameters.items())
        else:
            pairs = sorted(parameters.items()) if isinstance(parameters, Mapping) else list(parameters)
        for place, pair in enumerate(pairs):
            if not isinstance(pair, Iterable):
                raise TypeError(
                    f"ParameterDict update sequence element #{place} should be Iterable; is {type(pair).__name__}"
                )
            key_and_value = tuple(pair)
            if len(key_and_value) != 2:
                raise ValueError(
                    f"ParameterDict update sequence element #{place} has length {len(key_and_value)}; 2 is required"
                )
            self.__setitem__(*key_and_value)

    def __or__(self, other: Any) -> ParameterDict:
        both = self.copy()
        both.update(other)
        return both

    def __ror__(self, other: Any) -> ParameterDict:
        both: ParameterDict = other.copy()
        both.update(self)
        return both

    def __ior__(self: Dict, other: Any) -> Dict:
        self.update(other)
        return self

    def extra_repr(self) -> str:
        """A line per entry."""
        return "\n".join(_line(key, x, _TYPES.get(str(getattr(x, "dtype", "")), "")) for key, x in self.items())


def _text(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(
            f"Index given to ParameterDict cannot be used as a key as it is not a string (type is "
            f"{type(key).__name__!r}); use str(key)."
        )
    return key
