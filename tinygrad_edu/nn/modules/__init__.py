"""PyTorch's own paths to its layers, such as `nn.modules.batchnorm._BatchNorm`, for scripts that import by them.

The files are listed in core/missing.py; the layers themselves are those of nn.
"""

from __future__ import annotations

import sys
from typing import Any

from ...core.missing import missing

_missing = missing(__name__)


def __getattr__(name: str) -> Any:
    layers = vars(sys.modules[__name__.rpartition(".")[0]])
    return _missing(name) if name.startswith("__") or name not in layers else layers[name]
