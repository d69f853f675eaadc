"""Activation functions as modules; the functions themselves are in ops/activation.py.

nn follows PyTorch: rows are samples, so the classes of softmax lie along dim=1.
"""

from __future__ import annotations

from typing import Any

from . import functional as F
from .module import Module


class Tanh(Module):
    """tanh, elementwise."""

    def forward(self, input: Any) -> Any:
        """A = tanh(Z)."""
        return F.tanh(input)


class Sigmoid(Module):
    """1 / (1 + exp(-Z)), elementwise."""

    def forward(self, input: Any) -> Any:
        """A = sigmoid(Z)."""
        return F.sigmoid(input)


class ReLU(Module):
    """max(Z, 0), elementwise; inplace=True overwrites its input."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        """A = max(Z, 0)."""
        return F.relu(input, self.inplace)

    def extra_repr(self) -> str:
        """inplace, if so."""
        return "inplace=True" if self.inplace else ""


class LeakyReLU(Module):
    """Z where it is positive, negative_slope * Z elsewhere."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, input: Any) -> Any:
        """A, in the shape of Z."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        """The slope, and inplace if so."""
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class Softplus(Module):
    """log(1 + exp(beta Z)) / beta, a smooth ReLU; Z itself where beta Z exceeds the threshold."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Any) -> Any:
        """A, in the shape of Z."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """Both constants."""
        return f"beta={self.beta}, threshold={self.threshold}"


class Softmax(Module):
    """Probabilities along `dim`, proportional to exp(Z)."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        """P, in the shape of Z."""
        return F.softmax(input, self.dim)

    def extra_repr(self) -> str:
        """The axis of the classes."""
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """The logarithms of the softmax along `dim`."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        """log P, in the shape of Z."""
        return F.log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        """The axis of the classes."""
        return f"dim={self.dim}"
