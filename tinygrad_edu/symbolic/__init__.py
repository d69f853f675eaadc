"""The third reading of the rule book: expressions, programs and formulas instead of numbers."""

from .by_hand import check_by_hand
from .explain import explain
from .explanation import Explanation
from .lines import FormulaError
from .printer import expression
from .program import Program
from .trace import trace

__all__ = [
    "Explanation",
    "FormulaError",
    "Program",
    "check_by_hand",
    "explain",
    "expression",
    "trace",
]
