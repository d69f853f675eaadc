"""Dropout (Srivastava et al. 2014): a random part of the activations is left out while training."""

from __future__ import annotations

from typing import Any

from . import functional as F
from .module import Module


class _Dropout(Module):
    """What all kinds share: p, the probability of being left out, and whether the input is overwritten."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        """The probability, and whether the input is overwritten."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """Zeroes each element with probability p in training, scaling the rest by 1 / (1 - p); else nothing."""

    def forward(self, input: Any) -> Any:
        """The input with a mask applied, in training."""
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """Zeroes whole channels of (N, C, L) or (C, L) with probability p in training, scaling the rest by 1 / (1 - p)."""

    def forward(self, input: Any) -> Any:
        """The input with a mask applied, in training."""
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """Zeroes whole channels of (N, C, H, W) with probability p in training, scaling the rest by 1 / (1 - p)."""

    def forward(self, input: Any) -> Any:
        """The input with a mask applied, in training."""
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_Dropout):
    """Zeroes whole channels of (N, C, D, H, W) with probability p in training, scaling the rest by 1 / (1 - p)."""

    def forward(self, input: Any) -> Any:
        """The input with a mask applied, in training."""
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_Dropout):
    """In training gives each element selu's lowest value with probability p; mean and variance stay. For SELU."""

    def forward(self, input: Any) -> Any:
        """The input with a mask applied, in training."""
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_Dropout):
    """AlphaDropout of whole channels of (N, C, ...)."""

    def forward(self, input: Any) -> Any:
        """The input with a mask applied, in training."""
        return F.feature_alpha_dropout(input, self.p, self.training)
