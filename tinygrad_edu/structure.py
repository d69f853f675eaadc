"""The structure of a saved file: containers as JSON, which refers to tensors by number and to arrays by name.

In the JSON, None, bool, int, float, str and lists stand for themselves; everything else is an object whose one
key names the kind: {"tensor": 0}, {"dict": [[key, value], ...]}, {"tuple": [...]}. Tensors are described in
a table of their own, so that one tensor in two places, or two on the same memory, are so again when loaded.

Knows nothing of files (see serialization.py), and makes only the kinds listed here.
"""

from __future__ import annotations

import binascii
import re
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from .core.device import device
from .core.dtypes import as_dtype
from .core.record import Storage
from .core.tensor import Tensor, wrap
from .core.value import Size
from .core.write import storage_of
from .nn.parameter import Parameter
from .nn.state import StateDict

Array = np.ndarray[Any, Any]
DEPTH = 100  # of nesting; each level is three or four of Python's 1,000 nested calls
_MAPS: dict[str, type] = {"dict": dict, "OrderedDict": OrderedDict, "Counter": Counter}
_SEQUENCES: dict[str, type] = {"tuple": tuple, "Size": Size, "set": set, "frozenset": frozenset}
_NAMES = {kind: name for name, kind in (_MAPS | _SEQUENCES).items()}


class Encoder:
    """Turns one value into JSON. Afterwards `tensors` is the table of tensors, and `arrays` what to store, by name."""

    def __init__(self, value: Any) -> None:
        self.arrays: dict[str, Array] = {}
        self.tensors: list[dict[str, Any]] = []
        self._found: dict[int, tuple[int, Tensor, str]] = {}  # by id: number, tensor, name for its entry
        self._names: set[str] = set()
        self._open: set[int] = set()  # the containers around the current value
        self.content = self._encode(value, ())
        for cluster in _clusters([tensor._values() for _, tensor, _ in self._found.values()]):
            self._store_together([list(self._found.values())[i] for i in cluster])

    def _encode(self, value: Any, path: tuple[Any, ...]) -> Any:
        kind = type(value)
        if value is None or kind in (bool, int, float, str):
            return value
        if kind in (Tensor, Parameter):
            return {"tensor": self._number(value, path)}
        if kind is np.ndarray or isinstance(value, np.generic):
            return {"ndarray" if kind is np.ndarray else "scalar": self._store(np.asarray(value), path)}
        if isinstance(value, np.dtype) and value.names is None:
            return {"dtype": value.str}
        if kind is device:
            return {"device": str(value)}
        if kind is bytes:
            return {"bytes": binascii.b2a_base64(value, newline=False).decode("ascii")}
        if kind is StateDict:
            return {"state_dict": [self._encode(OrderedDict(value), path), self._encode(value._metadata, path)]}
        if kind is not list and kind not in _NAMES:
            raise TypeError(f"save: {_where(path)} is {_advice(value)}")
        if id(value) in self._open:
            raise ValueError(f"save: {_where(path)} contains itself.")
        if len(path) > DEPTH:
            raise ValueError(f"save: the containers are nested more than {DEPTH} deep.")
        self._open.add(id(value))
        if kind in _MAPS.values():
            items: Any = [self._pair(key, item, path) for key, item in value.items()]
        else:
            items = [self._encode(item, (*path, i)) for i, item in enumerate(value)]
        self._open.discard(id(value))
        return items if kind is list else {_NAMES[kind]: items}

    def _pair(self, key: Any, item: Any, path: tuple[Any, ...]) -> list[Any]:
        if not isinstance(key, (str, int, float, bytes, tuple, type(None))):
            raise TypeError(f"save: {_where(path)} has a key of type {type(key).__name__}; use text or numbers.")
        return [self._encode(key, path), self._encode(item, (*path, key))]

    def _store(self, array: Array, path: tuple[Any, ...]) -> str:
        if array.dtype.hasobject:
            raise TypeError(f"save: {_where(path)} is an array of Python objects, which only pickle could store.")
        name = self._name(path)
        self.arrays[name] = array
        return name

    def _number(self, tensor: Tensor, path: tuple[Any, ...]) -> int:
        if id(tensor) not in self._found:
            self._found[id(tensor)] = (len(self.tensors), tensor, self._name(path))
            self.tensors.append({"parameter": type(tensor) is Parameter, "requires_grad": tensor.requires_grad})
        return self._found[id(tensor)][0]

    def _store_together(self, members: list[tuple[int, Tensor, str]]) -> None:
        """Store the arrays of tensors that look into the same memory as one entry, named after the first."""
        arrays = [tensor._values() for _, tensor, _ in members]
        entry = members[0][2]
        if len({(_address(a), a.shape, a.strides, a.dtype) for a in arrays}) == 1:
            self.arrays[entry] = arrays[0]
        else:
            low, high = min(byte_bounds(a)[0] for a in arrays), max(byte_bounds(a)[1] for a in arrays)
            owner = _owner(arrays[0])
            start = byte_bounds(owner)[0]
            self.arrays[entry] = _bytes(owner)[low - start : high - start]
            for (number, _, _), a in zip(members, arrays, strict=True):
                place = {"offset": _address(a) - low, "shape": list(a.shape), "strides": list(a.strides)}
                self.tensors[number]["view"] = {"dtype": a.dtype.str, **place}
        for number, _, _ in members:
            self.tensors[number]["array"] = entry

    def _name(self, path: tuple[Any, ...]) -> str:
        """A new entry's name, which shows where it belongs as far as names in an archive allow."""
        base = "/".join(str(key) for key in path if isinstance(key, (str, int)))
        if len(base) > 150 or not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)*", base, re.ASCII):
            base = "array"
        name, count = base, 1
        while name.lower() in self._names:  # some systems don't tell capitals when they unpack
            count += 1
            name = f"{base}~{count}"
        self._names.add(name.lower())
        return name


class Decoder:
    """Turns an Encoder's JSON into the value; `read` gives an entry's array.

    Whatever is not as an Encoder writes it raises ValueError, TypeError, KeyError or IndexError.
    """

    def __init__(self, tensors: Any, read: Callable[[str], Array]) -> None:
        self._table, self._read = tensors, read
        self._arrays: dict[str, Array] = {}
        self._made: dict[int, Tensor] = {}
        self._storages: dict[str, Storage] = {}  # one per entry: a write through one view counts for all

    def decode(self, node: Any) -> Any:
        """The value of a piece of JSON."""
        if isinstance(node, list):
            return [self.decode(item) for item in node]
        if not isinstance(node, dict):
            return node
        ((kind, body),) = node.items()
        if kind in _MAPS:
            return _MAPS[kind]({self.decode(key): self.decode(value) for key, value in body})
        if kind in _SEQUENCES:
            return _SEQUENCES[kind](self.decode(item) for item in body)
        if kind == "state_dict":
            state = StateDict(self.decode(body[0]))
            state._metadata = self.decode(body[1])
            return state
        simple: dict[str, Callable[[Any], Any]] = {
            "tensor": self._tensor,
            "ndarray": self._array,
            "scalar": lambda name: self._array(name)[()],
            "dtype": np.dtype,
            "device": device,
            "bytes": lambda text: binascii.a2b_base64(text, strict_mode=True),
        }
        return simple[kind](body)

    def _array(self, name: str) -> Array:
        if name not in self._arrays:
            self._arrays[name] = self._read(name)
        return self._arrays[name]

    def _tensor(self, number: int) -> Tensor:
        if number not in self._made:
            about = self._table[number]
            array = self._array(about["array"])
            if (view := about.get("view")) is not None:  # NumPy refuses what reaches outside of the entry
                place = (tuple(view["shape"]), np.dtype(view["dtype"]), array, view["offset"], tuple(view["strides"]))
                array = np.ndarray(*place)
            as_dtype(array.dtype)
            tensor = wrap(array)
            tensor._storage = self._storages.setdefault(about["array"], storage_of(tensor))
            self._made[number] = (
                Parameter(tensor, about["requires_grad"])
                if about["parameter"]
                else tensor.requires_grad_(about["requires_grad"])
            )
        return self._made[number]


def _clusters(arrays: list[Array]) -> list[list[int]]:
    """The arrays' indices, grouped by overlapping memory, each group and the groups in order."""
    spans: dict[int, list[tuple[int, int, int]]] = {}
    alone = []
    for i, array in enumerate(arrays):
        owner = _owner(array)
        if array.size and _bytes(owner) is not None:
            spans.setdefault(id(owner), []).append((*byte_bounds(array), i))
        else:
            alone.append([i])
    groups: list[list[int]] = []
    for members in spans.values():
        end = -1
        for low, high, i in sorted(members):
            if low >= end:
                groups.append([])
            groups[-1].append(i)
            end = max(end, high)
    return sorted([*alone, *map(sorted, groups)])


def _owner(array: Array) -> Array:
    """The array whose memory this one looks into."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _bytes(owner: Array) -> Any:
    """An array's memory as bytes; None if there are gaps in it."""
    dense = np.transpose(owner, sorted(range(owner.ndim), key=lambda axis: -abs(owner.strides[axis])))
    return dense.reshape(-1).view(np.uint8) if dense.flags.c_contiguous else None


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def _where(path: tuple[Any, ...]) -> str:
    return "the value at " + "".join(f"[{key!r}]" for key in path) if path else "the value"


def _advice(value: Any) -> str:
    """What a value is that can't be saved, and what to save instead."""
    kind = type(value).__name__
    if callable(getattr(value, "state_dict", None)):
        return f"a {kind}; save its .state_dict() instead, and load that into a new {kind}."
    if callable(getattr(value, "get_state", None)):
        return f"a {kind}; save its .get_state() instead, and hand that to .set_state()."
    if isinstance(value, Tensor):
        return f"a {kind}; of tensors only Tensor and Parameter are known."
    if isinstance(value, (dict, list, tuple, str, int, float)):
        base = next(t for t in (dict, list, tuple, str, int, float) if isinstance(value, t)).__name__
        return f"a {kind}, a class that a file can't name; save {base}(value) instead."
    if callable(value):
        return f"{getattr(value, '__qualname__', kind)}, a piece of program, which only pickle could store."
    return f"a {kind}, which only pickle could store; save numbers, text and tensors."
