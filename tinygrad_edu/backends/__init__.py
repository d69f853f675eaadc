"""tinygrad_edu.backends: the switches that scripts set and the guards that they ask, at PyTorch's paths.

None of the libraries behind them computes here, so each says that it is not available, and takes its settings
without effect.
"""

from __future__ import annotations

from ..core.missing import missing
from . import cpu, cuda, cudnn, mkl, mkldnn, mps, openmp

__all__ = ["cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp"]

__getattr__ = missing(__name__)
