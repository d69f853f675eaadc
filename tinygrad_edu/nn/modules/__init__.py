"""PyTorch's own paths to its layers, such as `nn.modules.batchnorm._BatchNorm`, for scripts that import by them."""

from __future__ import annotations

import importlib
import sys
from typing import Any

# Each of PyTorch's files, and the file beside this package that has its classes.
_HOMES = {
    "activation": "activation",
    "batchnorm": "batchnorm",
    "container": "containers",
    "conv": "conv",
    "distance": "distance",
    "dropout": "dropout",
    "flatten": "linear",
    "fold": "fold",
    "instancenorm": "batchnorm",
    "linear": "linear",
    "loss": "loss",
    "module": "module",
    "normalization": "normalization",
    "padding": "padding",
    "pixelshuffle": "vision",
    "pooling": "pooling",
    "rnn": "recurrent",
    "sparse": "sparse",
    "transformer": "transformer",
    "upsampling": "vision",
}

_found = {name: importlib.import_module(f"..{home}", __name__) for name, home in _HOMES.items()}
sys.modules.update({f"{__name__}.{name}": module for name, module in _found.items()})


def __getattr__(name: str) -> Any:
    if name in _found:
        return _found[name]
    layers = vars(sys.modules[__name__.rpartition(".")[0]])
    if name.startswith("__") or name not in layers:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return layers[name]
