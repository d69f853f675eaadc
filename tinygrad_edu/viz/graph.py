"""A recorded graph as plain data: what every picture, table and page reads.

Records say how values were computed; here they become values with ids, names, numbers and
gradients, in the order in which they were made, each once however often it is used. The forward
pass is this order, the backward pass its reverse. Nothing refers back to the records, and every
array is a copy, so the data stay as they are when training goes on.

**Numbers.** A record keeps only the arrays that its rules read, and backward frees those. The rest
is had by running the primitives again from the leaves, which is right only if no leaf has been
written since. Versions tell for the arrays that records hold; of the others (the bias of `Z + b`,
anything after backward has freed its arrays) nobody knows. So the replay must prove itself: every
number that it can be compared with, the last value first of all, must come out the same to the
last bit. If one differs, only what is certain is given: held arrays, and leaves that were never
written. The rest is None, "not available". One path is left: a write that no record guards and that
changes no number it could be told by, such as a new bias of a ReLU that is 0 before and after.

**Modules.** Each call of a module is in `calls`, and each value names the innermost one that computed it
(symbolic/calls.py finds them). A parameter or buffer of such a module has its path, `0.weight`.

**Gradients** are what `.grad` holds: leaves, and other values under `retain_grad()`. None means
not computed.

Of a graph recorded under `viz.keep()` the numbers of all values are there, and once backward has run from
its last value all gradients, each as it was then.

Not here: the formulas of gradients (symbolic/), how anything looks (draw).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from ..core.joint import pick
from ..core.kept import kept_cotangents, kept_values
from ..core.record import Record, Storage, line_of
from ..core.tensor import Tensor, as_array, record_of
from ..core.views import refresh
from ..symbolic.calls import Calls
from ..symbolic.derive import as_made
from ..symbolic.replay import computed

Kind = Literal["leaf", "constant", "result"]
Names = Mapping[str, Tensor] | Iterable[tuple[str, Tensor]]
Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """One value of the graph. `inputs` are ids of values, or Python numbers, in the order of the call."""

    id: str
    kind: Kind
    name: str | None
    operation: str | None  # the user's word: "add", "matmul"; None for what was not computed
    primitive: str | None  # its key in the rule book: "plus", "matrix_product"
    inputs: tuple[str | float, ...]
    params: dict[str, Any]  # of an operation with several outputs also `output`, which one this is
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    line: str  # "train.py:12", empty for what was not computed
    needs_grad: bool
    array: Array | None  # None: not available
    grad: Array | None  # None: not computed
    path: str = ""  # of a parameter or buffer in its model, "0.weight"
    call: str | None = None  # id of the innermost call of a module that computed it


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a module; `level` is 0 for an outermost one, `parent` the id of the call that it was made in."""

    id: str
    path: str  # "blocks.3.attn"; of the model itself ""
    kind: str  # its class
    parent: str | None
    level: int


class Edge(NamedTuple):
    """`source` is argument number `position` of the operation that made `target`."""

    source: str
    target: str
    position: int


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """Values in the order in which they were made, so that inputs come first; ids are v0, v1, ... in that order."""

    values: tuple[Value, ...]
    calls: tuple[Call, ...] = ()  # in the order in which they began, ids c0, c1, ...

    @property
    def root(self) -> Value:
        return self.values[-1]

    @property
    def edges(self) -> list[Edge]:
        """One per argument that is a value: `a + a` has two."""
        return [
            Edge(x, value.id, position)
            for value in self.values
            for position, x in enumerate(value.inputs)
            if isinstance(x, str)
        ]

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"<Graph of {len(self)} values, {sum(v.kind == 'leaf' for v in self.values)} of them parameters>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from .draw import Drawing, bundle

        return bundle(self, lambda: Drawing(self).svg())

    def __getitem__(self, key: str) -> Value:
        """The value of that name, the last if there are several; or of that id."""
        for value in reversed(self.values):
            if value.name == key:
                return value
        for value in self.values:
            if value.id == key:
                return value
        names = ", ".join(sorted({v.name for v in self.values if v.name}))
        raise KeyError(f"no value is called {key!r}; the names in this graph are: {names or 'none'}.")


def graph(t: Tensor, names: Names | None = None) -> Graph:
    """Everything that t was computed from, as plain data.

    Args:
        t: any tensor; usually a loss.
        names: for tensors without a `.name`; parameters of called modules have their paths anyway.

    >>> x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> for v in graph((x * x).sum()).values:
    ...     print(v.id, v.name, v.operation, v.inputs, v.array)
    v0 x None () [1. 2.]
    v1 None mul ('v0', 'v0') [1. 4.]
    v2 None sum ('v1',) 5.0
    """
    if not isinstance(t, Tensor):
        raise TypeError(f"graph: expected a Tensor, got {type(t).__name__}.")
    result = t._values()  # during a trace there are no numbers: refused here, with the line
    if t._view is not None:
        refresh(t)
    root = record_of(t)
    order = as_made(root)
    shown = _shown(order)
    known = {record: f"v{i}" for i, record in enumerate(shown)}
    arrays = _numbers(order, result)
    cotangents = kept_cotangents(root)
    given = _given(names)
    calls = Calls(order)
    called = {call: f"c{i}" for i, call in enumerate(calls.all)}
    lines: dict[Any, str] = {}
    values = []
    for record in shown:
        site = record.site
        if site not in lines:
            lines[site] = line_of(site)
        maker = record.inputs[0] if record.primitive is pick else record  # what computed it, and other outputs
        primitive = maker.primitive
        call = calls.innermost.get(maker)
        path = calls.paths.get(record, "")
        values.append(
            Value(
                id=known[record],
                kind="result" if primitive is not None else "leaf" if record.needs_grad else "constant",
                name=record.name or given.get(record) or path or None,
                operation=None if primitive is None else primitive.name,
                primitive=None if primitive is None else primitive.key,
                inputs=tuple(known[x] if isinstance(x, Record) else x for x in maker.inputs),
                params=dict(maker.params, **(record.params if maker is not record else {})),
                shape=tuple(record.shape),
                dtype=record.dtype,
                line=lines[site],
                needs_grad=record.needs_grad,
                array=_frozen(arrays.get(record)),
                grad=_frozen(cotangents.get(record.index, None if record.grad is None else record.grad._array)),
                path=path,
                call=None if call is None else called[call],
            )
        )
    return Graph(
        tuple(values),
        tuple(
            Call(called[c], c.path, c.kind, None if c.parent is None else called[c.parent], c.level) for c in calls.all
        ),
    )


def _shown(order: list[Record]) -> list[Record]:
    """Those that are values of the graph: of a computation with several outputs each output, not all together."""
    return [record for record in order if not isinstance(record.dtype, tuple)]


def ids(t: Tensor) -> dict[Record, str]:
    """The ids that `graph(t)` gives to the records of its values."""
    return {record: f"v{i}" for i, record in enumerate(_shown(as_made(record_of(t))))}


def _given(names: Names | None) -> dict[Record, str]:
    pairs: Any = names.items() if isinstance(names, Mapping) else names or ()
    return {record_of(tensor): str(name) for name, tensor in pairs}


def _frozen(array: Any) -> Array | None:
    """A copy that nobody can write: training goes on, the data don't."""
    if array.__class__ is not np.ndarray:
        return None
    copy: Array = array.copy()
    copy.flags.writeable = False
    return copy


def _numbers(order: list[Record], result: Array) -> dict[Record, Array]:
    """Every value's numbers if all can be had again, else those that are certain."""
    held, written = _held(order)
    kept = kept_values(order)
    held[order[-1]] = result
    held |= {record: array for record, array in kept.items() if array.__class__ is np.ndarray}
    written = {record for record in written if kept.get(record) is None} | {r for r, a in kept.items() if a is None}
    if not any(record in written for record in order if record.primitive is None):
        replayed = _replay(order, held, kept)
        if replayed is not None:
            return replayed
    for record in order:
        if record.primitive is None and record not in written and _never_written(record):
            held.setdefault(record, record.array)
    return held


def _held(order: list[Record]) -> tuple[dict[Record, Array], set[Record]]:
    """The arrays that records keep and nobody has written since; and the values known to be written."""
    held: dict[Record, Array] = {}
    written: set[Record] = set()
    in_place: set[Storage] = set()
    for record in order:
        if record.primitive is None:
            continue
        if record.storage is not None and record.storage.version and not record.primitive.view:
            in_place.add(record.storage)
        current = {storage: storage.version == version for storage, version, _ in record.holds}
        pairs = [(record, record.array)]
        pairs += [(x, a) for x, a in zip(record.inputs, record.saved or (), strict=False) if isinstance(x, Record)]
        for x, array in pairs:
            if array.__class__ is not np.ndarray or x.storage not in current:
                continue
            if not current[x.storage]:
                written.add(x)
            elif array.shape == x.shape and array.dtype == x.dtype:  # else promoted before it was kept
                held[x] = array
    # A leaf that shares written memory with a result was overwritten by it: `x += w`, `x[0] = w`.
    written.update(r for r in order if r.primitive is None and (r.array is None or r.storage in in_place))
    return {x: array for x, array in held.items() if x not in written}, written


def _never_written(leaf: Record) -> bool:
    return leaf.storage is not None and not leaf.storage.version and not leaf.storage.shared


def _replay(
    order: list[Record], known: Mapping[Record, Array], kept: Mapping[Record, Any]
) -> dict[Record, Array] | None:
    """Run the primitives again from the leaves, but for what is kept; None unless all that is known is the same."""
    arrays: dict[Record, Any] = {}  # of a computation with several outputs a tuple
    with np.errstate(all="ignore"):
        for record in order:
            if kept.get(record) is not None:
                arrays[record] = kept[record]
            try:
                array: Any = computed(record, arrays, as_array)
            except Exception:  # whatever a forward raises on numbers that it was never given
                return None
            if array.__class__ not in (np.ndarray, tuple) or (record in known and not _same(array, known[record])):
                return None
    return arrays


def _same(a: Any, b: Array) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
