"""What `explain` returns: the lines of a graph in both passes, derived when it is made, evaluated on demand."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from ..core.kept import kept_input
from ..core.record import Record
from ..core.symbol import Symbol
from ..ops.activation import softmax_over
from . import folding
from .algebra import Algebra
from .calls import Calls
from .derive import Reading, cotangents
from .expressions import evaluate, substituted, without_minus
from .formulas import WITH_PROBABILITIES, formula
from .helpers import called_in
from .lines import TOLERANCE, Given, Line, plain_terminal
from .means import OF_LABELS, means, with_m
from .naming import Names
from .replay import Numbers
from .sources import evaluated

Scale = Literal["exact", "textbook"]
ROUNDING = 1e-14  # of the terms that cancel: some 50 units in the last place


class Explanation:
    """The forward and backward equations of a loss, in the order in which they run.

    `str(e)` is the text; `e["dW1"]` one line, also by a parameter's path: `e["0.weight"]`.
    """

    def __init__(
        self,
        root: Record,
        names: Names,
        scale: Scale,
        paths: dict[Record, str],
        guards: bool,
        unkept: list[tuple[Record, int]],
        last: int | None = None,
    ) -> None:
        self.scale = scale
        self.copies: dict[Record, Record] = {}  # of the user's records those that stand here: see `reopened`
        self.steps: dict[str, list[Any]] = {}
        self.order = names.order  # the records that the loss was computed by, each after its inputs
        self.root, self.paths = root, paths
        self.numbers = Numbers(names.order, unkept)
        self._means = means(root)
        counts = set(self._means.values())
        self.m = next(iter(counts)) if len(counts) == 1 else None
        if scale == "textbook" and self.m is None:
            what = "no mean" if not counts else f"means over different counts, {sorted(counts)}"
            raise ValueError(f'explain: this loss has {what}, so there is no textbook scale; use scale="exact".')
        self._env: dict[int, Any] = {}  # by id of an atom: its record, or a function of the values
        self.all_atoms: list[Symbol] = []  # those that were made here
        self.m_atom = self._atom("m", (), lambda _: float(self.m or 1))
        self.m_atom.number = True
        self.reading = Reading(
            root,
            names.of,
            lambda known: {r: evaluated(n, known) for r, n in names.constants.items()},
            self._counted,
        )
        self.atoms: dict[Record, Symbol] = {}  # the cotangents' names, as rules read them
        self._one = self._atom(f"d{names.of[root]}", root.shape, lambda _: np.ones(root.shape))
        self.outputs: list[tuple[Record, int, str]] = []  # of several, those that only rules read, with names
        one_hot = self._joint_atoms(names)
        self._exact: dict[int, Any] = {}  # the same the other way round: what a rule's atom is in shown ones
        self._shown: dict[int, Symbol] = {}  # in textbook scale: by id of a rule's atom, the one that is m times it
        self._scaled: set[int] = set()  # ids of the latter
        same = {}
        for record in self.order:
            if record.key == "relu" and record in names.of:
                Z = self.reading.value(record.inputs[0])
                if Z.name:
                    same[names.of[record]] = Z
        self._constants = {
            id(x): r for r, x in self.reading.symbols.items() if r.primitive is None and not r.needs_grad
        }
        m = None if self.m is None else (self.m_atom, self.m)
        self.algebra = Algebra(m, self._shown, same, guards, one_hot, self._one, self._known)
        self.forward = list(self._forward())
        self.backward = list(self._backward(last))

    # --- derivation

    def _atom(self, name: str, shape: tuple[int, ...], value: Any) -> Symbol:
        symbol = Symbol(shape, np.dtype(np.float64), name)
        self.all_atoms.append(symbol)
        self._env[id(symbol)] = value
        return symbol

    def _counted(self, record: Record, dX: Symbol, given: list[Any]) -> Symbol:
        """What a mean's rule gives, with m in the place of the count that it divides by."""
        n = self._means.get(record)
        return dX if n is None or n != self.m or n < 2 else with_m(record, dX, given, self.reading, self.m_atom, n)

    def _known(self, atom: Any) -> Any:
        """The numbers of an atom that is a constant."""
        if id(atom) in self._rows:
            return self._rows[id(atom)]
        record = self._constants.get(id(atom))
        return None if record is None or record.written > self.order[-1].index else record.array

    def _joint_atoms(self, names: Names) -> dict[int, Symbol]:
        """Outputs of computations with several that rules read and that no value of the graph is: softmax's P."""
        one_hot: dict[int, Symbol] = {}
        self.labels: dict[Symbol, str] = {}  # what the source calls labels whose one-hot rows the formulas call Y
        self._classes: list[tuple[str, str, int, int]] = []
        self.rows: dict[str, Any] = {}  # by what the labels are called the numbers of that Y
        self._rows: dict[int, Any] = {}  # by id of such a Y, its numbers
        for record in self.order:
            for k, shape in enumerate(record.shape if isinstance(record.dtype, tuple) else ()):
                if (record, k) in self.reading.named or record.primitive is None:
                    continue
                name = names.output(record, k)
                names.taken.add(name)
                self.reading.named[record, k] = self._atom(name, shape, lambda v, r=record, k=k: v[r][k])  # type: ignore[arg-type]
                self.outputs.append((record, k, name))
            if record.key in OF_LABELS:
                numbers = kept_input(record, 1)
                if np.any(numbers == record.params["ignore_index"]):
                    continue  # P - Y is not the whole story: rows of ignored labels send nothing
                labels, shape = record.inputs[1], record.inputs[0].shape
                classes = shape[1]
                Y = self._atom("Y", shape, lambda v, x=labels, n=classes: np.moveaxis(np.eye(n)[v[x]], -1, 1))
                self._rows[id(Y)] = np.moveaxis(np.eye(classes)[numbers], -1, 1)
                known = self.reading.value(labels)
                one_hot[id(known)] = Y
                if isinstance(known, Symbol):
                    self.labels[known] = "labels" if known.name in (None, "Y") else str(known.name)
                    self._classes.append((str(known.name), self.labels[known], classes, len(shape)))
                    self.rows[str(known.name)] = self._rows[id(Y)]
        return one_hot

    def _forward(self) -> Iterator[Line]:
        reading = self.reading
        for record in self.order:
            if record in reading.names and record.primitive is not None:
                raw = reading.formulas[record]
                yield Line(self, record, reading.names[record], raw, raw, forward=True)
            for joint, k, name in self.outputs:
                if joint is record:
                    raw = reading.formulas[record][k]
                    if k == 1 and record.key in WITH_PROBABILITIES:
                        raw = softmax_over(reading.value(record.inputs[0]), axis=1)
                    yield Line(self, record, name, raw, raw, k, forward=True)

    def _backward(self, last: int | None) -> Iterator[Line]:
        root, algebra = self.root, self.algebra
        yield Line(self, root, f"d{self.reading.names[root]}", 1, 1)
        atoms = self.atoms
        meant: dict[int, Any] = {}  # by id of a cotangent's atom: the formula it stands for
        for record, raw in cotangents(self.reading, self._one, atoms):
            if last is not None and record.primitive is not None:
                if not last:
                    return
                last -= 1
            name = f"d{self.reading.names[record]}"
            inner = self.scale == "textbook" and record.primitive is not None and self.m != 1
            atom = atoms[record] = self._atom(name, record.shape, record)
            inlined = substituted(raw, meant)
            found = []
            for candidate in (raw, inlined):
                poly = algebra.normal(candidate)
                if inner:
                    poly = algebra.times(poly, self.m_atom)
                found.append(algebra.shortest(poly))
            final = found[1] if len(formula(found[1])) < len(formula(found[0])) else found[0]
            self.steps[name] = [found[0]]
            meant[id(atom)] = inlined if final is found[1] else raw
            rescaled = self.m_atom * substituted(raw, self._exact) if inner else substituted(raw, self._exact)
            if inner:
                shown = self._shown[id(atom)] = self._atom(name, record.shape, record)
                self._scaled.add(id(shown))
                self._exact[id(atom)] = shown / self.m_atom
            yield Line(self, record, name, final, rescaled)

    @property
    def names(self) -> dict[Record, str]:
        """What the values that have lines, and the leaves, are called."""
        return self.reading.names

    @functools.cached_property
    def calls(self) -> Calls:
        """The calls of modules, and which of them computed a record's value."""
        return Calls(self.order)

    # --- numbers

    @property
    def stale(self) -> list[str]:
        """Names of leaves that have been written since the loss was computed: then there are no values."""
        return [self.reading.names.get(r) or r.label for r in self.numbers.stale]

    @property
    def given(self) -> list[Given]:
        """Leaves and constants by the names that the formulas use, in the order in which they are met."""
        values = {} if self.stale else self.numbers.all[0]
        return [
            Given(self.reading.names[r], self.paths.get(r, ""), tuple(r.shape), r.needs_grad, values.get(r))
            for r in self.order
            if r.primitive is None and r in self.reading.names
        ]

    def value_of(self, line: Line) -> Any:
        """The value of what a line computes, by replaying the graph in float64."""
        if self.stale:
            return None
        values, gradients = self.numbers.all
        if line.forward:
            return values[line.record] if line.output is None else values[line.record][line.output]
        inner = self.scale == "textbook" and line.record.primitive is not None and line.record is not self.root
        return gradients[line.record] * (self.m if inner else 1)

    def primal_of(self, line: Line) -> Any:
        """The value of what a line is about, not of its gradient."""
        return None if self.stale else self.numbers.all[0][line.record]

    def error(self, line: Line, symbol: Any) -> float:
        """How far an expression is from the value of its line, over the largest magnitude."""
        if self.stale:
            raise RuntimeError(
                f"explain: {', '.join(self.stale)} has been written since the loss was computed, so its formulas can't "
                "be evaluated; call explain before optimizer.step(), compute the loss again, or `with viz.keep():`."
            )
        expected = self.value_of(line)
        with np.errstate(all="ignore"):
            found = evaluate(symbol, self._lookup)
        if found.size == np.size(expected):  # axes of length 1 are not written
            found = np.reshape(found, np.shape(expected))
        found = np.broadcast_to(found, np.shape(expected))
        scale = np.abs(expected).max(initial=0.0, where=np.isfinite(expected))
        same = (found == expected) | (np.isnan(found) & np.isnan(expected))
        with np.errstate(all="ignore"):
            gap = np.where(same, 0.0, np.nan_to_num(np.abs(found - expected), nan=np.inf)).max(initial=0.0)
        if gap > TOLERANCE * scale and gap <= ROUNDING * self._size_of_terms(symbol):
            return 0.0  # a gradient that is 0 by cancellation: what is left of both is rounding
        return float(gap / scale) if scale else float(gap)

    def _size_of_terms(self, symbol: Any) -> float:
        """The largest magnitude that an expression's terms reach before they cancel."""
        grown = without_minus(symbol)
        with np.errstate(all="ignore"):
            size = np.abs(evaluate(grown, lambda atom: np.abs(self._lookup(atom)))).max(initial=0.0)
        return float(size) if np.isfinite(size) else 0.0

    def _lookup(self, atom: Symbol) -> Any:
        values, gradients = self.numbers.all
        known = self.stands_for(atom)
        if isinstance(known, Record):
            return gradients[known] * (self.m if id(atom) in self._scaled else 1)
        return known(values)

    def stands_for(self, atom: Symbol) -> Any:
        """The record whose cotangent an atom is, or a function from the graph's values to the atom's."""
        if id(atom) not in self._env:
            for record, symbol in self.reading.symbols.items():
                self._env.setdefault(id(symbol), lambda v, r=record: v[r])
        return self._env[id(atom)]

    def cotangent(self, record: Record) -> Symbol | None:
        """The atom by which lines print a value's cotangent, if it has a name."""
        if record is self.root:
            return self._one
        atom = self.atoms.get(record)
        return None if atom is None else self._shown.get(id(atom), atom)

    def check(self) -> float:
        """Evaluate every formula and every step of its derivation in float64. Returns the largest error.

        Raises:
            FormulaError: one is off by more than 1e-10 of the largest magnitude.
        """
        return max(line.check() for line in (*self.forward, *self.backward))

    def keep_what_holds(self) -> None:
        """Print what the rules say where the tidied formula does not give the numbers: it overflows, say."""
        for line in self.backward:
            formulas = (line.symbol, *self.steps.get(line.name, ()))
            if max(self.error(line, s) for s in formulas) > TOLERANCE:
                line.symbol = line.raw
                self.steps.pop(line.name, None)

    # --- what it looks like

    def __iter__(self) -> Iterator[Line]:
        yield from self.forward
        yield from self.backward

    def __getitem__(self, name: str) -> Line:
        for line in (*self.backward, *self.forward):
            if name in (line.name, line.path):
                return line
        raise KeyError(f"no line is called {name!r}; there are {', '.join(line.name for line in self)}.")

    @property
    def heading(self) -> str:
        """In which scale the gradients are."""
        head = f"{self.scale} scale: "
        if self.scale == "exact":
            head += "dV is the derivative of the loss by V"
        else:
            head += "dV of an intermediate value is m times the derivative of the loss; parameters keep theirs"
        return head + ("." if self.m is None else f"; m = {self.m}.")

    def text(self, ascii: bool = False, depth: int | None = None) -> str:
        """The equations in two blocks, with shapes and the paths of parameters, in lines of at most 100 columns.

        Args:
            depth: modules so many calls deep are one line each: 0 the model, 1 what it calls. None: all lines, of a
                large model as many as make 60 of them in a pass.
        """
        return folding.text(self, ascii, depth)

    def __str__(self) -> str:
        return self.text(ascii=plain_terminal())

    __repr__ = __str__

    def latex(self) -> str:
        """All equations, aligned at their equals signs."""
        rows = [line.latex().replace(" = ", " &= ", 1) for line in self]
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"

    def mathml(self) -> str:
        """All equations, one <math> element each."""
        return "\n".join(line.mathml() for line in self)

    def source(self) -> str:
        """The equations as NumPy that runs on its own, given the leaves by their names.

        Operations that NumPy has no function for are written out above them.
        """
        given = [n for r, n in self.reading.names.items() if r.primitive is None]
        equations = [line.source() for line in self]
        helpers = called_in(equations)
        head = [*sorted(set(helpers.imports)), "import numpy as np"]
        for definition in helpers.sources:
            head += ["", "", definition]
        head += ["", f"# given: {', '.join(given)}" + ("" if self.m is None else f"; m = {self.m}")]
        own = {f.__name__ for r in self.order if (f := getattr(r.primitive, "function", None)) is not None}
        head += [f"# to be written on arrays, as the program's own: {', '.join(sorted(own))}"] if own else []
        head += [] if self.m is None else [f"m = {self.m}"]
        for name, labels, classes, ndim in self._classes:
            head += [f"{labels} = {name}"] if labels != name else []
            if ndim > 2:
                head += [f"Y = np.moveaxis(np.eye({classes})[{labels}], -1, 1)  # in the class axis a 1 at each label"]
            else:
                head += [f"Y = np.eye({classes})[{labels}]  # a row per sample, with 1 at its label"]
        return "\n".join([*head, *equations])

    def _repr_latex_(self) -> str:
        return f"$${self.latex()}$$"
