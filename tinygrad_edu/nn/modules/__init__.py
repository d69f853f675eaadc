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

for _name, _home in _HOMES.items():
    globals()[_name] = sys.modules[f"{__name__}.{_name}"] = importlib.import_module(f"..{_home}", __name__)


def __getattr__(name: str) -> Any:
    layers = vars(sys.modules[__name__.rpartition(".")[0]])
    if name.startswith("__") or name not in layers:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return layers[name]
