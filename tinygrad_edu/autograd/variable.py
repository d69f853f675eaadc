"""PyTorch's older path to Variable."""

from ..core.typed import Variable

__all__ = ["Variable"]
