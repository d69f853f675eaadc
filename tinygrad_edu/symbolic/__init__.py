"""The third reading of the rule book: expressions, programs and formulas instead of numbers."""

from .derive import Equation, forward_equations, gradient_equations
from .printer import expression, source
from .trace import Program, trace

__all__ = ["Equation", "Program", "expression", "forward_equations", "gradient_equations", "source", "trace"]
