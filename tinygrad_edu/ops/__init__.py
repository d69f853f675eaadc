"""The rule book: every operation's value and derivatives, by kind.

Importing this package fills the tables of core.primitive and attaches the methods of Tensor.
"""

from . import (
    activation,
    calculus,
    comparison,
    creation,
    documentation,
    elementwise,
    exponential,
    indexing,
    linalg,
    loss,
    norm,
    piecewise,
    product,
    random,
    reduction,
    rounding,
    scan,
    shape,
    special,
    statistics,
    trigonometry,
    writes,
)

__all__ = [
    "activation",
    "calculus",
    "comparison",
    "creation",
    "documentation",
    "elementwise",
    "exponential",
    "indexing",
    "linalg",
    "loss",
    "norm",
    "piecewise",
    "product",
    "random",
    "reduction",
    "rounding",
    "scan",
    "shape",
    "special",
    "statistics",
    "trigonometry",
    "writes",
]
