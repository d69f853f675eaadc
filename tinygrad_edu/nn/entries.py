"""What a module's names stand for, and the dicts of PyTorch that show them by kind.

nn follows PyTorch: `_parameters`, `_buffers` and `_modules` read and write the module itself.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .module import Module

PARAMETER, BUFFER, TRANSIENT, MODULE = "parameter", "buffer", "transient buffer", "module"
BUFFERS = (BUFFER, TRANSIENT)  # a transient buffer is not in the state_dict
ALLOWED = {  # what messages call an entry, and what may be assigned to it
    PARAMETER: ("parameter", "nn.Parameter"),
    BUFFER: ("buffer", "Tensor"),
    TRANSIENT: ("buffer", "Tensor"),
    MODULE: ("child module", "nn.Module"),
}


class Entries(MutableMapping[str, Any]):
    """The entries of some kinds of one module, as a dict that reads and writes the module itself."""

    def __init__(self, module: Module, *kinds: str) -> None:
        self.module, self.kinds = module, kinds

    def __getitem__(self, name: str) -> Any:
        if self.module._kinds.get(name) not in self.kinds:
            raise KeyError(name)
        return self.module.__dict__[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.module._enter(name, value, self.kinds[0])

    def __delitem__(self, name: str) -> None:
        self[name]  # a KeyError, if it isn't one of these
        delattr(self.module, name)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.module._of(*self.kinds))

    def __len__(self) -> int:
        return len(self.module._of(*self.kinds))

    def __repr__(self) -> str:
        return repr(dict(self))
