"""Update rules, with PyTorch's names, settings and state."""

from .optimizer import Optimizer
from .sgd import SGD

__all__ = ["SGD", "Optimizer"]
