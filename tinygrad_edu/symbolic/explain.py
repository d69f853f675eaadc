"""explain(loss): the formulas of a recorded graph, as a textbook prints them, each held against its numbers.

The rule book is read on Symbols (derive), simplified (algebra), named (naming) and spelled
(formulas). Nothing here knows a derivative.

**Scale.** "exact": dV is the derivative of the loss by V, what `.grad` holds. "textbook": for
intermediate values dV is m times that, m being the number that the loss's mean divides by; leaves
keep the exact gradient, so 1/m stands in their lines.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import numpy as np

from ..core.joint import pick
from ..core.kept import kept_input
from ..core.record import Record, place_of, stamp
from ..core.symbol import Symbol
from ..core.tensor import Tensor, record_of
from ..ops.activation import softmax_over
from . import folding, replay
from .algebra import Algebra
from .calls import Calls
from .derive import Reading, cotangents, topological
from .formulas import ASCII, LATEX, MATHML, TEXT, Style, formula
from .helpers import called_in
from .naming import Names, evaluated, paths_of
from .printer import OPERATORS, expression
from .walk import upwards

Scale = Literal["exact", "textbook"]
TOLERANCE = 1e-10  # largest error over the largest magnitude, in float64
ROUNDING = 1e-14  # of the terms that cancel: some 50 units in the last place


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
        self._owner, self._record, self._output = owner, record, output
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
        if getattr(self.symbol, "shape", ()) == () and self.shape and self._output is None:
            text = f"np.full({self.shape}, {text})"  # the same number everywhere
        return f"{self.name} = {text}"

    def _spelled(self, style: Style) -> str:
        return style.equation(style.name(self.name), formula(self.symbol, style))

    @property
    def value(self) -> Any:
        """What it computes, in float64; None if a leaf has been written since."""
        return self._owner.value_of(self)

    @property
    def record(self) -> Record:
        """What computed the value that the line is about."""
        return self._record

    @property
    def primal(self) -> Any:
        """The value that a backward line's gradient belongs to, in float64; None if a leaf has been written since."""
        return self._owner.primal_of(self)

    @property
    def operation(self) -> str:
        """The rule book's key of what computed the value that the line, or its gradient, is of; empty for a leaf."""
        return self._record.primitive.key if self._record.primitive is not None else ""

    @property
    def place(self) -> tuple[str, int] | None:
        """File and line of the call that computed the value; None for a leaf."""
        return place_of(self._record.site) if self._record.site is not None else None

    @property
    def derivation(self) -> list[str]:
        """From what the chain rule gives to what is printed, without repetitions."""
        steps = [formula(self.raw), *(formula(s) for s in self._owner.steps.get(self.name, ())), formula(self.symbol)]
        return [TEXT.equation(self.name, s) for s in dict.fromkeys(steps)]

    def check(self) -> float:
        """The largest error of the formula, and of each step of its derivation, over the largest magnitude."""
        errors = [self._owner.error(self, s) for s in (self.symbol, self.raw, *self._owner.steps.get(self.name, ()))]
        if max(errors) > TOLERANCE:
            raise FormulaError(f"{self.text()} is off by {max(errors):.1e} of the largest magnitude.")
        return max(errors)

    def __str__(self) -> str:
        return self.text(ascii=plain_terminal())

    def __repr__(self) -> str:
        return f"<{self.text()}>"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"


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
        last: int | None = None,
    ) -> None:
        self.scale = scale
        self.steps: dict[str, list[Any]] = {}
        self._order = names.order
        self._root, self.paths = root, paths
        self._means = means(root)
        counts = set(self._means.values())
        self.m = next(iter(counts)) if len(counts) == 1 else None
        if scale == "textbook" and self.m is None:
            what = "no mean" if not counts else f"means over different counts, {sorted(counts)}"
            raise ValueError(f'explain: this loss has {what}, so there is no textbook scale; use scale="exact".')
        self._env: dict[int, Any] = {}  # by id of an atom: its record, or a function of the values
        self._atoms: list[Symbol] = []
        self._m = self._atom("m", (), lambda _: float(self.m or 1))
        self._m.number = True
        self._reading = Reading(
            root,
            names.of,
            lambda known: {r: evaluated(n, known) for r, n in names.constants.items()},
            self._counted,
        )
        self.atoms: dict[Record, Symbol] = {}  # the cotangents' names, as rules read them
        self._one = self._atom(f"d{names.of[root]}", root.shape, lambda _: np.ones(root.shape))
        self._outputs: list[tuple[Record, int, str]] = []
        one_hot = self._joint_atoms(names)
        self._exact: dict[int, Any] = {}  # the same the other way round: what a rule's atom is in shown ones
        self._shown: dict[int, Symbol] = {}  # in textbook scale: by id of a rule's atom, the one that is m times it
        self._scaled: set[int] = set()  # ids of the latter
        same = {}
        for record in self._order:
            if record.primitive is not None and record.primitive.key == "relu" and record in names.of:
                Z = self._reading.value(record.inputs[0])
                if Z.name:
                    same[names.of[record]] = Z
        m = None if self.m is None else (self._m, self.m)
        self._algebra = Algebra(m, self._shown, same, guards, one_hot, self._one)
        self.forward = list(self._forward())
        self.backward = list(self._backward(last))
        self._unkept: list[tuple[Record, int]] | None = None
        self._looked, self._stale = 0, list[str]()  # what was stale, and when that was looked up
        self._numbers: tuple[dict[Record, Any], dict[Record, Any]] | None = None

    # --- derivation

    def _atom(self, name: str, shape: tuple[int, ...], value: Any) -> Symbol:
        symbol = Symbol(shape, np.dtype(np.float64), name)
        self._atoms.append(symbol)
        self._env[id(symbol)] = value
        return symbol

    def _counted(self, record: Record, dX: Symbol, given: list[Any]) -> Symbol:
        """What a mean's rule makes of what it is given, with m in the place of the count that it divides by.

        No other number becomes m: a penalty's factor may be 1/m by chance.
        """
        m, n = self._m, self._means.get(record)
        if n is None or n != self.m or n < 2:
            return dX
        known = {id(self._reading.value(x)): x.array for x in record.inputs if isinstance(x, Record) and x.shape == ()}

        def shown(x: Any, power: int) -> Any:
            number = known.get(id(x)) if isinstance(x, Symbol) else x
            if number is None or np.ndim(number) or not number:
                return x
            for k in (1, 2, -1, -2):
                if abs(float(number) ** power - k * n) < 1e-6 * n:  # in float32 1/n is that exact
                    return (k * m if k != 1 else m) if power == 1 else (1 if k > 0 else -1) / (abs(k) * m)
            return x

        done: dict[int, Any] = {id(part): part for part in given}
        for part in upwards(dX, done):
            inputs = [done[id(i)] if isinstance(i, Symbol) else i for i in part.inputs]
            key = "" if part.primitive is None else part.primitive.key
            if key == "over":
                inputs[1] = shown(inputs[1], 1)
            elif key == "multiply":
                inputs = [shown(i, -1) for i in inputs]
            if part.primitive is None or all(a is b for a, b in zip(inputs, part.inputs, strict=True)):
                done[id(part)] = part
            else:
                done[id(part)] = part.primitive(*inputs, **part.params)
        found: Symbol = done[id(dX)]
        return found

    def _joint_atoms(self, names: Names) -> dict[int, Symbol]:
        """Outputs of computations with several that rules read and that no value of the graph is: softmax's P."""
        one_hot: dict[int, Symbol] = {}
        self.labels: dict[Symbol, str] = {}  # what the source calls labels whose one-hot rows the formulas call Y
        self._classes: list[tuple[str, str, int]] = []
        for record in self._order:
            if not isinstance(record.dtype, tuple):
                continue
            for k, shape in enumerate(record.shape):
                if (record, k) in self._reading.named or record.primitive is None:
                    continue
                name = names.output(record, k)
                names.taken.add(name)
                self._reading.named[record, k] = self._atom(name, shape, lambda v, r=record, k=k: v[r][k])  # type: ignore[arg-type]
                self._outputs.append((record, k, name))
            if record.primitive is not None and record.primitive.key == "cross_entropy_of_classes":
                if np.any(kept_input(record, 1) == record.params["ignore_index"]):
                    continue  # P - Y is not the whole story: rows of ignored labels send nothing
                labels, shape = record.inputs[1], record.shape[1]
                classes = shape[1]  # type: ignore[index]
                Y = self._atom("Y", shape, lambda v, x=labels, n=classes: np.eye(n)[v[x]])  # type: ignore[arg-type]
                known = self._reading.value(labels)
                one_hot[id(known)] = Y
                if isinstance(known, Symbol):
                    self.labels[known] = "labels" if known.name in (None, "Y") else str(known.name)
                    self._classes.append((str(known.name), self.labels[known], classes))
        return one_hot

    def _forward(self) -> Iterator[Line]:
        reading = self._reading
        for record in self._order:
            if record in reading.names and record.primitive is not None:
                raw = reading.formulas[record]
                yield Line(self, record, reading.names[record], raw, raw, forward=True)
            for joint, k, name in self._outputs:
                if joint is record:
                    raw = reading.formulas[record][k]
                    if k == 1 and record.primitive is not None and record.primitive.key == "cross_entropy_of_classes":
                        raw = softmax_over(reading.value(record.inputs[0]), axis=1)
                    yield Line(self, record, name, raw, raw, k, forward=True)

    def _backward(self, last: int | None) -> Iterator[Line]:
        root, algebra = self._root, self._algebra
        yield Line(self, root, f"d{self._reading.names[root]}", 1, 1)
        atoms = self.atoms
        meant: dict[int, Any] = {}  # by id of a cotangent's atom: the formula it stands for
        for record, raw in cotangents(self._reading, self._one, atoms):
            if last is not None and record.primitive is not None:
                if not last:
                    return
                last -= 1
            name = f"d{self._reading.names[record]}"
            inner = self.scale == "textbook" and record.primitive is not None
            atom = atoms[record] = self._atom(name, record.shape, record)
            inlined = substituted(raw, meant)
            found = []
            for candidate in (raw, inlined):
                poly = algebra.normal(candidate)
                if inner:
                    poly = algebra.times(poly, self._m)
                found.append(algebra.shortest(poly))
            final = found[1] if len(formula(found[1])) < len(formula(found[0])) else found[0]
            self.steps[name] = [found[0]]
            meant[id(atom)] = inlined if final is found[1] else raw
            rescaled = self._m * substituted(raw, self._exact) if inner else substituted(raw, self._exact)
            if inner:
                shown = self._shown[id(atom)] = self._atom(name, record.shape, record)
                self._scaled.add(id(shown))
                self._exact[id(atom)] = shown / self._m
            yield Line(self, record, name, final, rescaled)

    @property
    def names(self) -> dict[Record, str]:
        """What the values that have lines, and the leaves, are called."""
        return self._reading.names

    @property
    def order(self) -> list[Record]:
        """The records that the loss was computed by, each after its inputs."""
        return self._order

    @functools.cached_property
    def calls(self) -> Calls:
        """The calls of modules, and which of them computed a record's value."""
        return Calls(self._order)

    # --- numbers

    @property
    def stale(self) -> list[str]:
        """Names of leaves that have been written since the loss was computed: then there are no values."""
        if self._unkept is None:
            self._unkept = replay.unkept(self._order)
        now = stamp()
        if now != self._looked + 1:  # since then something has been recorded or written
            self._stale = [self._reading.names.get(r) or r.label for r, used in self._unkept if r.written > used]
        self._looked = now
        return self._stale

    @property
    def given(self) -> list[Given]:
        """Leaves and constants by the names that the formulas use, in the order in which they are met."""
        values = {} if self.stale else self._all()[0]
        return [
            Given(self._reading.names[r], self.paths.get(r, ""), tuple(r.shape), r.needs_grad, values.get(r))
            for r in self._order
            if r.primitive is None and r in self._reading.names
        ]

    def _all(self) -> tuple[dict[Record, Any], dict[Record, Any]]:
        if self._numbers is None:
            values = replay.forward(self._order)
            self._numbers = values, replay.backward(self._order, values)
        return self._numbers

    def value_of(self, line: Line) -> Any:
        """The value of what a line computes, by replaying the graph in float64."""
        if self.stale:
            return None
        values, slopes = self._all()
        if line.forward:
            return values[line._record] if line._output is None else values[line._record][line._output]
        inner = self.scale == "textbook" and line._record.primitive is not None and line._record is not self._root
        return slopes[line._record] * (self.m if inner else 1)

    def primal_of(self, line: Line) -> Any:
        """The value of what a line is about, not of its gradient."""
        return None if self.stale else self._all()[0][line._record]

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
        grown = _without_minus(symbol)
        with np.errstate(all="ignore"):
            size = np.abs(evaluate(grown, lambda atom: np.abs(self._lookup(atom)))).max(initial=0.0)
        return float(size) if np.isfinite(size) else 0.0

    def _lookup(self, atom: Symbol) -> Any:
        values, slopes = self._all()
        known = self.stands_for(atom)
        if isinstance(known, Record):
            return slopes[known] * (self.m if id(atom) in self._scaled else 1)
        return known(values)

    def stands_for(self, atom: Symbol) -> Any:
        """The record whose cotangent an atom is, or a function from the graph's values to the atom's."""
        if id(atom) not in self._env:
            for record, symbol in self._reading.symbols.items():
                self._env.setdefault(id(symbol), lambda v, r=record: v[r])
        return self._env[id(atom)]

    def cotangent(self, record: Record) -> Symbol | None:
        """The atom by which lines print a value's cotangent, if it has a name."""
        if record is self._root:
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
        given = [n for r, n in self._reading.names.items() if r.primitive is None]
        equations = [line.source() for line in self]
        helpers = called_in(equations)
        head = [*sorted(set(helpers.imports)), "import numpy as np"]
        for definition in helpers.sources:
            head += ["", "", definition]
        head += ["", f"# given: {', '.join(given)}" + ("" if self.m is None else f"; m = {self.m}")]
        head += [] if self.m is None else [f"m = {self.m}"]
        for name, labels, classes in self._classes:
            head += [f"{labels} = {name}"] if labels != name else []
            head += [f"Y = np.eye({classes})[{labels}]  # a row per sample, with 1 at its label"]
        return "\n".join([*head, *equations])

    def _repr_latex_(self) -> str:
        return f"$${self.latex()}$$"


_FRONTS = "tinygrad_edu.viz.", "tinygrad_edu.core."  # what shows an explanation; the variables are those of its caller


def callers_variables() -> dict[str, Any]:
    """The variables that the user sees where he calls what calls this."""
    frame = sys._getframe(2)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith(_FRONTS):
        frame = frame.f_back
    return {**frame.f_globals, **frame.f_locals} if frame.f_locals is not frame.f_globals else frame.f_locals


def explain(loss: Tensor, scale: Scale = "exact", *, model: Any = None) -> Explanation:
    """The formulas by which a loss and its gradients are computed, derived from the recorded graph.

    Args:
        loss: a scalar that something with requires_grad=True led to; before or after backward().
        scale: "exact", derivatives of the loss; "textbook", intermediate gradients without the mean's 1/m.
        model: gives its parameters' paths; default: the modules among the caller's variables.
    Raises:
        ValueError: textbook scale of a loss that has no mean, or two different ones.

    >>> from tinygrad_edu import tensor
    >>> W = tensor([[1.0], [2.0]], requires_grad=True, name="W")
    >>> X = tensor([[1.0, 0.5, -1.0], [0.0, 2.0, 1.0]], name="X")
    >>> Z = W.T @ X
    >>> e = explain(Z.square().mean())
    >>> print(e["dZ"], e["dW"], sep=", ")
    dZ = 2/m Z, dW = X dZᵀ
    """
    return explained(loss, scale, callers_variables(), model)


def explained(
    loss: Tensor, scale: Scale, variables: Mapping[str, Any], model: Any, last: int | None = None
) -> Explanation:
    """`explain` with the caller's variables given; with `last` only gradients of so many values nearest to the loss."""
    if not isinstance(loss, Tensor):
        raise TypeError(f"explain: expected a Tensor, got {type(loss).__name__}.")
    if scale not in ("exact", "textbook"):
        raise ValueError(f'explain: scale is "exact" or "textbook", not {scale!r}.')
    if not loss.requires_grad or loss.numel() != 1:
        raise RuntimeError(
            f"explain: a scalar that requires a gradient is expected, this has shape {tuple(loss.shape)}"
            + ("" if loss.requires_grad else " and does not require one")
            + "; reduce it (.sum(), .mean()), and set requires_grad=True on the parameters."
        )
    root = record_of(loss)

    def derived(guards: bool) -> Explanation:
        order = topological(root)
        names = Names(order, root)
        names.from_variables({k: v for k, v in variables.items() if v is not loss})
        names.from_source()
        paths = paths_of([model] if model is not None else variables.values())
        if model is None:  # models that no variable of the caller holds
            paths = {**Calls(order).paths, **paths}
        names.by_order()
        return Explanation(root, names, scale, paths, guards, last)

    found = derived(guards=True)
    if not found.stale:
        try:
            found.check()
        except FormulaError:  # a floor under a denominator is in force: then it belongs into the formula
            found = derived(guards=False)
            found.keep_what_holds()
    return found


def means(root: Record) -> dict[Record, int]:
    """The means on the way from the loss, with the counts that they divide by."""
    counts: dict[Record, int] = {}
    stack, seen = [root], {root}
    while stack:
        record = stack.pop()
        primitive = record.primitive
        if primitive is None:
            continue
        sources = [x for x in record.inputs if isinstance(x, Record)]
        if primitive.key == "mean_over":
            counts[record] = _size(sources[0].shape) // max(_size(record.shape), 1)
        elif record.params.get("reduction") == "mean":
            counts[record] = _size(np.broadcast_shapes(*(x.shape for x in sources)))
        elif (share := _written_mean(record)) is not None:
            counts[record] = share
        elif primitive.key == "cross_entropy_of_classes":
            counts[record] = int(np.count_nonzero(kept_input(record, 1) != record.params["ignore_index"]))
        else:
            inner = [x for x in sources if x.needs_grad and (x.shape == () or primitive is pick) and x not in seen]
            seen.update(inner)
            stack.extend(inner)
    return counts


def _written_mean(record: Record) -> int | None:
    """The count n of a mean written as `sum / n` or `1 / n * sum`, also with a factor 2: `sum / (2 n)`."""
    assert record.primitive is not None
    if record.primitive.key not in ("over", "multiply") or record.shape != ():
        return None
    numbers = [float(x.array if isinstance(x, Record) else x) for x in record.inputs if not _computed(x)]
    total = next((x for x in record.inputs if _computed(x)), None)
    while total is not None and total.primitive is not None and total.primitive.key == "negative":
        total = total.inputs[0]
    if len(numbers) != 1 or total is None or not numbers[0]:
        return None
    if total.primitive is None or total.primitive.key != "sum_over":
        return None
    if len({x for x in topological(total) if x.primitive is None and x.shape != ()}) < 2:
        return None  # of a parameter alone: a penalty, whose own factor this is
    divisor = abs(numbers[0] if record.primitive.key == "over" else 1 / numbers[0])
    shape = total.inputs[0].shape
    for n in (_size(shape), *shape[::-1]):
        if n > 1 and any(abs(divisor - k * n) < 1e-9 * divisor for k in (1, 2)):
            return int(n)
    return None


def _computed(x: Any) -> bool:
    return isinstance(x, Record) and (x.primitive is not None or x.needs_grad or x.array is None or x.shape != ())


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))


def substituted(x: Any, atoms: dict[int, Any]) -> Any:
    """An expression with expressions in the place of some of its atoms."""
    done: dict[int, Any] = dict(atoms)
    for part in upwards(x, done):
        if part.primitive is None or all(done[id(i)] is i for i in part.inputs if isinstance(i, Symbol)):
            done[id(part)] = part
        else:
            inputs = [done[id(i)] if isinstance(i, Symbol) else i for i in part.inputs]
            done[id(part)] = part.primitive(*inputs, **part.params)
    return done[id(x)] if isinstance(x, Symbol) else x


def evaluate(x: Any, lookup: Callable[[Symbol], Any]) -> Any:
    """An expression's numbers, from those of its atoms."""
    done: dict[int, Any] = {}
    for part in upwards(x, done):
        if part.primitive is None:
            done[id(part)] = lookup(part)
        else:
            inputs = [done[id(i)] if isinstance(i, Symbol) else _plain(i) for i in part.inputs]
            to_float = part.primitive.key == "astype" and np.dtype(part.dtype).kind == "f"  # float32 means float64 here
            done[id(part)] = (
                np.asarray(inputs[0], np.float64) if to_float else part.primitive.forward(*inputs, **part.params)
            )
    found = done[id(x)] if isinstance(x, Symbol) else np.asarray(_plain(x), np.float64)
    return np.asarray(found) if isinstance(found, float) else found  # of numbers alone, such as m


def _without_minus(x: Any) -> Any:
    """An expression with sums in the place of differences."""
    done: dict[int, Any] = {}
    for part in upwards(x, done):
        inputs = [done[id(i)] if isinstance(i, Symbol) else i for i in part.inputs]
        key = part.primitive.key if part.primitive is not None else ""
        if key == "minus":
            done[id(part)] = inputs[0] + inputs[1]
        elif key == "negative":
            done[id(part)] = inputs[0]
        elif part.primitive is None or isinstance(part.dtype, tuple):
            done[id(part)] = part
        else:
            done[id(part)] = part.primitive(*inputs, **part.params)
    return done[id(x)] if isinstance(x, Symbol) else x


def _plain(x: Any) -> Any:
    """A Fraction as the number that NumPy computes with."""
    return float(x) if isinstance(x, Fraction) else x


def opened(x: Any) -> Any:
    """An expression in NumPy's functions alone, as far as forwards can be read on Symbols."""
    done: dict[int, Any] = {}
    for part in upwards(x, done):
        primitive = part.primitive
        if primitive is None:
            done[id(part)] = part
            continue
        inputs = [done[id(i)] if isinstance(i, Symbol) else i for i in part.inputs]
        plain = primitive.numpy is not None or primitive.opaque or primitive.key in OPERATORS
        plain = plain or primitive.key in _SPELLED or isinstance(part.dtype, tuple)
        value = (primitive if plain else primitive.forward)(*inputs, **part.params)
        done[id(part)] = value if plain else opened(value)
    return done[id(x)] if isinstance(x, Symbol) else x


_SPELLED = {
    "negative",
    "permute_axes",
    "astype",
    "filled",
    "join",
    "pile",
    "reshape_to",
    "contract",
    "zero_where",
    "pick",
}
