"""safetensors: the format in which weights are exchanged with PyTorch and others, by its own package.

`pip install "tinygrad_edu[safetensors]"` brings the package. A file holds named tensors and no program; those that
`safetensors.torch` writes are read here, and the other way round. For whole training states see serialization.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .core.device import require_cpu
from .core.dtypes import SUPPORTED
from .core.tensor import Tensor, wrap
from .serialization import write_atomically

__all__ = ["load", "load_file", "save", "save_file"]


def save_file(tensors: Mapping[str, Tensor], filename: Any, metadata: dict[str, str] | None = None) -> None:
    """Write named tensors, such as a `state_dict()`, to a file; the old one stays whole until the new one is.

    Args:
        tensors: by name. Tensors on the same memory are written one by one.
        metadata: text by name, kept beside them; {"format": "pt"} is what some readers look for.
    Raises:
        TypeError: something in it is not a tensor.
        ModuleNotFoundError: the package is not installed.
    """
    data = save(tensors, metadata)
    write_atomically(filename, lambda file: file.write(data))


def load_file(filename: Any, device: Any = "cpu") -> dict[str, Tensor]:
    """The tensors of a file by name.

    Raises:
        FileNotFoundError: there is no such file.
        RuntimeError: it is damaged or not of this format, or a tensor's dtype is not one of this library's.
    """
    require_cpu(device, "load_file")
    with open(filename, "rb") as file:
        return _loaded(file.read(), str(filename))


def save(tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """The bytes that save_file writes."""
    package = _package()
    if not isinstance(tensors, Mapping):
        raise TypeError(f"safetensors: a dict of tensors by name is expected, not {type(tensors).__name__}.")
    arrays = {}
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise TypeError(
                f"safetensors: [{name!r}] is of type {type(tensor).__name__}; the format holds tensors by name "
                "and nothing else. tinygrad_edu.save takes containers."
            )
        # safetensors 0.8 writes the memory of other layouts as it lies, so a transpose would come back scrambled.
        arrays[name] = np.ascontiguousarray(tensor.detach()._values()).reshape(tensor.shape)
    data: bytes = package.save(arrays, metadata)
    return data


def load(data: bytes) -> dict[str, Tensor]:
    """The tensors in bytes that save gave."""
    return _loaded(data, "the bytes")


def _loaded(data: bytes, name: str) -> dict[str, Tensor]:
    package = _package()
    from safetensors import SafetensorError

    try:
        kinds = {entry: view["dtype"] for entry, view in package.deserialize(data)}
        foreign = {entry: kind for entry, kind in kinds.items() if kind not in _KINDS}
        if foreign:
            entry, kind = next(iter(foreign.items()))
            raise RuntimeError(
                f"safetensors: {name} holds {entry!r} in {kind}, which nothing here computes in; convert it before, "
                "in PyTorch with tensor.float()."
            )
        arrays = package.load(data)
    except SafetensorError as error:
        raise RuntimeError(f"safetensors: {name} is damaged or of another format ({error}).") from None
    return {entry: wrap(np.array(array)) for entry, array in arrays.items()}  # memory that can be written


_KINDS = {
    "BOOL" if d.kind == "b" else f"{d.kind.upper()}{8 * d.itemsize}" for d in SUPPORTED
}  # F32, I64, U8: the format's names


def _package() -> Any:
    try:
        import safetensors.numpy
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "safetensors":
            raise
        raise ModuleNotFoundError(
            'safetensors: the package is not installed; pip install "tinygrad_edu[safetensors]". '
            "tinygrad_edu.save needs nothing.",
            name="safetensors",
        ) from None
    return safetensors.numpy
