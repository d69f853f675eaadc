"""Containers: modules made of modules, in order or by name.

nn follows PyTorch: rows are samples, and a weight is (out, in).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from .entries import MODULE
from .module import Module, indented


class _Ordered(Module):
    """What Sequential and ModuleList share: they behave as a list of their modules."""

    def __len__(self) -> int:
        return len(self._of(MODULE))

    def __iter__(self) -> Iterator[Any]:
        return (module for _, module in self._of(MODULE))

    def _key(self, index: int) -> str:
        keys = [name for name, _ in self._of(MODULE)]
        if not -len(keys) <= index < len(keys):
            raise IndexError(f"index {index} is out of range: {self._get_name()} has {len(keys)} modules")
        return keys[index]

    def __setitem__(self, index: int, module: Module) -> None:
        self.register_module(self._key(index), module)

    def __delitem__(self, index: int | slice) -> None:
        keys = list(self._modules)[index] if isinstance(index, slice) else [self._key(index)]
        for key in keys:
            delattr(self, key)
        if all(key.isdigit() for key in self._modules):
            self._renumber(list(self))

    def append(self, module: Module) -> Self:
        """Add a module at the end. Returns the container."""
        self.register_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end. Returns the container."""
        for module in list(modules):
            self.append(module)
        return self

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)

    def insert(self, index: int, module: Module) -> None:
        """Put a module before the one at `index`; those after it move up by one number."""
        size = len(self)
        if not -size <= index <= size:
            raise IndexError(f"Index out of range: {index}")
        modules = list(self)
        modules.insert(index, module)
        self.append(module)  # refuses what isn't a module before anything has moved
        self._renumber(modules)

    def pop(self, index: int = -1) -> Any:
        """Take a module out and return it."""
        module = self.__dict__[self._key(index)]
        del self[index]
        return module

    def _renumber(self, modules: list[Module]) -> None:
        for key in list(self._modules):
            delattr(self, key)
        for index, module in enumerate(modules):
            self.register_module(str(index), module)


class Sequential(_Ordered):
    """Modules called one after the other, each on what the one before it gave.

    Args:
        modules: the modules, or one OrderedDict of named ones.

    >>> from tinygrad_edu import nn
    >>> nn.Sequential(nn.Linear(2, 4), nn.Tanh())
    Sequential(
      (0): Linear(in_features=2, out_features=4, bias=True)
      (1): Tanh()
    )
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], OrderedDict):
            for name, module in modules[0].items():
                self.register_module(name, module)
            return
        if len(modules) == 1 and isinstance(modules[0], (list, tuple)):
            raise TypeError(f"{type(modules[0]).__name__} is not a Module subclass; write Sequential(*layers)")
        self.extend(modules)

    def forward(self, input: Any) -> Any:
        """The last module's output."""
        entries = self.__dict__
        for name, kind in self._kinds.items():
            if kind == MODULE:
                input = entries[name](input)
        return input

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(OrderedDict(self._of(MODULE)[index]))
        return self.__dict__[self._key(index)]

    def __add__(self, other: Any) -> Sequential:
        if not isinstance(other, Sequential):
            raise ValueError(f"add operator supports only objects of Sequential class, but {type(other)} is given.")
        return Sequential(*self, *other)


class ModuleList(_Ordered):
    """A list of modules, each registered; how they are called is for the owner's forward to say."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(() if modules is None else modules)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return self.__dict__[self._key(index)]

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __repr__(self) -> str:
        """Neighbours that read alike are counted on one line."""
        runs: list[list[Any]] = []  # first index, last index, text
        for index, module in enumerate(self):
            text = repr(module)
            if runs and runs[-1][2] == text:
                runs[-1][1] = index
            else:
                runs.append([index, index, text])
        lines = [
            indented(f"({first}): {text}" if first == last else f"({first}-{last}): {last - first + 1} x {text}")
            for first, last, text in runs
        ]
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)" if lines else f"{self._get_name()}()"


class ModuleDict(Module):
    """Modules by name, each registered; how they are called is for the owner's forward to say."""

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        self.update({} if modules is None else modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.register_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Take all modules out."""
        self._modules.clear()

    def pop(self, key: str) -> Any:
        """Take a module out and return it."""
        return self._modules.pop(key)

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def items(self) -> Iterable[tuple[str, Any]]:
        """The names with their modules."""
        return self._modules.items()

    def values(self) -> Iterable[Any]:
        """The modules."""
        return self._modules.values()

    def update(self, modules: Any) -> None:
        """Add the modules of a mapping, or of pairs of name and module."""
        for key, module in dict(modules).items():
            self[key] = module
