"""One line of an explanation: its formula in every notation, its value, and the check of one against the other."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.record import Record, place_of
from .expressions import opened
from .formulas import formula
from .notations import ASCII, LATEX, MATHML, TEXT, Style
from .printer import expression

if TYPE_CHECKING:
    from .explanation import Explanation

TOLERANCE = 1e-10  # largest error over the largest magnitude, in float64


def plain_terminal() -> bool:
    """Whether what is printed must be ASCII."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return encoding.lower() in ("ascii", "us-ascii", "ansi_x3.4-1968", "646")


class FormulaError(AssertionError):
    """A printed formula does not give the numbers that it stands for."""


class Given(NamedTuple):
    """A leaf or constant that the formulas name; its value is None if it has been written since."""

    name: str
    path: str
    shape: tuple[int, ...]
    needs_grad: bool
    value: Any


class Line:
    """One equation: `name = formula`, with the shape and, on demand, the value of what it computes."""

    def __init__(
        self,
        owner: Explanation,
        record: Record,
        name: str,
        symbol: Any,
        raw: Any,
        output: int | None = None,
        forward: bool = False,
    ) -> None:
        self.name, self.symbol, self.raw = name, symbol, raw
        self.path = "" if output is not None else owner.paths.get(record, "")
        self.shape: tuple[int, ...] = tuple(record.shape if output is None else record.shape[output])  # type: ignore[arg-type]
        self._owner, self.record = owner, record
        self.output = output  # which one of several, where that has no name of the graph's
        self.forward = forward

    def text(self, ascii: bool = False) -> str:
        """`dZ1 = dA1 ∘ (1 - A1²)`; with ascii=True `dZ1 = dA1 * (1 - A1^2)`."""
        return self._spelled(ASCII if ascii else TEXT)

    def latex(self) -> str:
        """The equation for a document, without dollars."""
        return self._spelled(LATEX)

    def mathml(self) -> str:
        """The equation as a <math> element of MathML Core."""
        return self._spelled(MATHML)

    def source(self) -> str:
        """The equation as a line of NumPy."""
        text = expression(opened(self.symbol), self._owner.labels)
        shape = getattr(self.symbol, "shape", ())
        if shape == () and self.shape and self.output is None:
            text = f"np.full({self.shape}, {text})"  # the same number everywhere
        elif shape != self.shape and self.output is None and math.prod(shape) < math.prod(self.shape):
            text = f"np.broadcast_to({text}, {self.shape})"
        return f"{self.name} = {text}"

    def _spelled(self, style: Style) -> str:
        return style.equation(style.name(self.name), formula(self.symbol, style))

    @property
    def value(self) -> Any:
        """What it computes, in float64; None if a leaf has been written since."""
        return self._owner.value_of(self)

    @property
    def primal(self) -> Any:
        """The value that a backward line's gradient belongs to, in float64; None if a leaf has been written since."""
        return self._owner.primal_of(self)

    @property
    def operation(self) -> str:
        """The rule book's key of what computed the value that the line, or its gradient, is of; empty for a leaf."""
        return self.record.key

    @property
    def place(self) -> tuple[str, int] | None:
        """File and line of the call that computed the value; None for a leaf."""
        return place_of(self.record.site) if self.record.site is not None else None

    @property
    def derivation(self) -> list[str]:
        """From what the chain rule gives to what is printed, without repetitions."""
        steps = [formula(self.raw), *(formula(s) for s in self._owner.steps.get(self.name, ())), formula(self.symbol)]
        return [TEXT.equation(self.name, s) for s in dict.fromkeys(steps)]

    def check(self) -> float:
        """The largest error of the formula, and of each step of its derivation, over the largest magnitude."""
        steps = {id(s): s for s in (self.symbol, self.raw, *self._owner.steps.get(self.name, ()))}  # often one object
        errors = [self._owner.error(self, s) for s in steps.values()]
        if max(errors) > TOLERANCE:
            raise FormulaError(f"{self.text()} is off by {max(errors):.1e} of the largest magnitude.")
        return max(errors)

    def __str__(self) -> str:
        return self.text(ascii=plain_terminal())

    def __repr__(self) -> str:
        return f"<{self.text()}>"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"
