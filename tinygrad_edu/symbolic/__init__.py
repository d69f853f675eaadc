"""The third reading of the rule book: expressions, programs and formulas instead of numbers."""

from .derive import Equation, forward_equations, gradient_equations
from .explain import Explanation, FormulaError, explain
from .printer import expression, source
from .trace import Program, trace

__all__ = [
    "Equation",
    "Explanation",
    "FormulaError",
    "Program",
    "explain",
    "expression",
    "forward_equations",
    "gradient_equations",
    "source",
    "trace",
]
