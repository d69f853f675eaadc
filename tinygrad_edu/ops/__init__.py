"""The rule book: every operation's value and derivatives, by kind.

Importing this package fills the tables of core.primitive and attaches the methods of Tensor.
"""

from . import (
    activation,
    creation,
    elementwise,
    indexing,
    linalg,
    loss,
    random,
    reduction,
    shape,
    special,
    trigonometry,
    writes,
)

__all__ = [
    "activation",
    "creation",
    "elementwise",
    "indexing",
    "linalg",
    "loss",
    "random",
    "reduction",
    "shape",
    "special",
    "trigonometry",
    "writes",
]
