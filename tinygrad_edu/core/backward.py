"""Reverse mode: walk the recorded graph once, from the outputs back to the leaves.

Of the records that something was sent to, the one that was made last is visited next: all that used
its value were made later, so its cotangent is complete when its rules run. Per record: ask the
rule of each input that needs a gradient, unbroadcast and cast the result to the input's shape and
dtype, add it to what other users of that input have sent.

Reads Primitive.rules. Used by Tensor.backward and autograd.grad. Not here: any derivative (ops/).
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from .anomaly import visit_checked
from .errors import ShapeError, name_of
from .hooked import run_hooks, visit_hooked
from .hooks import AT_THE_END, end_walk
from .joint import add_parts, complete, outputs_of
from .kept import copied, copies_wanted
from .mode import mode
from .primitive import Primitive
from .quiet import hush, restore
from .record import Record, edges_of, user_site
from .sums import sum_axes, sum_rows
from .tensor import Tensor, as_tensor, from_numpy, method, of_record, wrap
from .views import refresh
from .write import read, refuse_written, write

_ndarray = np.ndarray


def backward(
    self: Tensor,
    gradient: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the derivative of this tensor by every leaf that requires one to the leaf's `.grad`.

    Args:
        gradient: the cotangent of this tensor, same shape; 1 for a scalar.
        retain_graph: keep the saved arrays, so that backward can run again; default: create_graph.
        create_graph: record the gradient's own computation, for gradients of gradients.
        inputs: accumulate into these tensors alone.
    Raises:
        RuntimeError: nothing requires a gradient; not a scalar and no `gradient`; the graph's
            arrays were freed by an earlier backward; a value was overwritten since.
    """
    accumulate([self], [gradient], retain_graph, create_graph, inputs)


method("backward", backward)


def accumulate(
    outputs: Sequence[Tensor],
    cotangents: Sequence[Any],
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the gradients of `outputs` to the `.grad` of leaves. See `backward`."""
    roots = _roots(outputs, cotangents, create_graph)
    targets = None
    if inputs is not None:
        inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        if not inputs:
            raise RuntimeError("backward: inputs= is empty; leave it out to reach every leaf.")
        targets = {_needing(t, "backward") for t in inputs}
    retain = create_graph if retain_graph is None else retain_graph
    found = propagate(roots, retain, create_graph, targets)
    previous, mode.grad = mode.grad, create_graph
    try:
        for record, dX in found.items():
            _accumulate(record, dX, create_graph)
            if record.grad_hooks:
                for hook in list(record.grad_hooks.values()):
                    hook()
        if mode.trace is not None:
            mode.trace.section("after")
    finally:
        mode.grad = previous


def grad(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    grad_outputs: Sequence[Any],
    retain_graph: bool | None,
    create_graph: bool,
    allow_unused: bool,
) -> tuple[Tensor | None, ...]:
    """The gradients of `outputs` by `inputs`, returned and not accumulated. See autograd.grad."""
    roots = _roots(outputs, grad_outputs, create_graph)
    records = [_needing(t, "grad") for t in inputs]
    retain = create_graph if retain_graph is None else retain_graph
    found = propagate(roots, retain, create_graph, set(records))
    if mode.trace is not None:
        mode.trace.section("after")
        mode.trace.handed.append((user_site(), [found.get(r) for r in records]))
    missing = [name_of(t) for t, r in zip(inputs, records, strict=True) if r not in found]
    if missing and not allow_unused:
        raise RuntimeError(
            f"grad: the outputs do not depend on {', '.join(missing)}. Pass allow_unused=True to get None for it."
        )
    return tuple(None if r not in found else as_tensor(found[r]) for r in records)


class Walk:
    """A backward pass on its way."""

    __slots__ = ("borrowed", "cotangents", "create_graph", "due", "useful")

    def __init__(self, create_graph: bool, useful: set[Record] | None) -> None:
        self.create_graph = create_graph
        self.useful = useful  # only these are sent anything; None: all
        self.cotangents: dict[Record, Any] = {}  # of the values reached and not visited
        self.borrowed: set[Record] = set()  # those whose cotangent may be someone else's memory
        self.due: list[tuple[int, Record]] = []  # a heap of the computed ones among them, the latest first

    def aside(self) -> Walk:
        """Another one that goes the same way, in which nothing has been sent yet."""
        return Walk(self.create_graph, self.useful)

    def send(self, record: Record, dX: Any) -> None:
        """Add one contribution; in place only into an array that was made here for this purpose."""
        known = self.cotangents.get(record)
        if known is None:
            self.cotangents[record] = dX
            if record.primitive is not None:
                heappush(self.due, (-record.index, record))
        elif self.owns(known, record, dX) and known.strides == dX.strides:  # else the sum has a layout of its own
            self.cotangents[record] = np.add(known, dX, out=known)
        else:
            total = known + dX
            self.cotangents[record] = np.asarray(total) if isinstance(total, np.generic) else total  # 0-d: an array
            self.borrowed.discard(record)

    def add(self, to_part: Primitive, record: Record, dX: Any, indices: Sequence[Any], params: dict[str, Any]) -> None:
        """Add a contribution to a part of the value alone."""
        known = self.cotangents[record]
        if known.__class__ is _ndarray is dX.__class__:
            out = None if record in self.borrowed else known
            self.cotangents[record] = to_part.forward(known, dX, *indices, **params, out=out)
        else:
            self.cotangents[record] = to_part(known, dX, *indices, **params)
        self.borrowed.discard(record)

    def owns(self, known: Any, record: Record, dX: Any) -> bool:
        """Whether a known cotangent is an array that was made here, so that the array dX may be added in place."""
        return known.__class__ is _ndarray and record not in self.borrowed and dX.__class__ is _ndarray


def propagate(
    roots: list[tuple[Record, Any]],
    retain: bool,
    create_graph: bool,
    targets: set[Record] | None,
    stop: bool = False,
) -> dict[Record, Any]:
    """The complete cotangents of the targets (default: every leaf that needs one).

    With `stop` the walk ends at the targets, and runs none of their hooks: they belong to another walk.

    Cotangents are arrays, or Tensors when the gradient's own graph is wanted (`create_graph`).
    No result shares memory with another or with anything a user holds.
    """
    useful = None if targets is None else _leading_to(targets, [record for record, _ in roots])
    walk = Walk(create_graph, useful)
    cotangents, borrowed, due = walk.cotangents, walk.borrowed, walk.due
    for record, dY in roots:
        if useful is None or record in useful:
            borrowed.add(record)
            walk.send(record, dY)
    found: dict[Record, Any] = {}

    copies: dict[int, Any] | None = copies_wanted(roots)
    visit = functools.partial(visit_checked, _visit) if mode.anomaly else _visit
    if mode.trace is not None:
        mode.trace.differentiate([record for record, _ in roots])
        visit = functools.partial(mode.trace.visit, _visit)
    begun = len(AT_THE_END)
    before = hush()  # an infinite slope is an answer, as in PyTorch
    previous, mode.grad = mode.grad, create_graph
    try:
        while due:
            record = heappop(due)[1]
            dY = cotangents.pop(record)
            if stop and targets is not None and record in targets:
                found[record] = _copy(dY)
                continue
            hooks = record.hooks
            if hooks:
                # A hook may write into what it is handed, and may keep it.
                dY = run_hooks(record, _copy(dY) if record in borrowed else dY)
            if copies is not None:
                copies[record.index] = copied(dY)
            if record.retains_grad:
                kept = as_tensor(_copy(dY))
                record.grad = kept if record.grad is None else record.grad + kept
            if targets is not None and record in targets:
                found[record] = _copy(dY)
                if useful is not None and not any(record.inputs[i] in useful for i in edges_of(record)):
                    continue  # nothing is wanted of what it was computed from, so nothing is freed
            if hooks and record.node_hooks:
                visit_hooked(visit, record, dY, walk)
            else:
                visit(record, dY, walk)
            if not retain and record.holds:
                record.saved, record.array, record.holds = None, None, ()
        for leaf, dY in cotangents.items():  # only leaves are left
            if leaf.hooks and not stop:
                dY = run_hooks(leaf, _copy(dY) if leaf in borrowed else dY)
                borrowed.add(leaf)
            if copies is not None:
                copies[leaf.index] = copied(dY)
            found[leaf] = _copy(dY) if leaf in borrowed else dY
        if AT_THE_END:
            end_walk(begun)
    finally:
        del AT_THE_END[begun:]
        restore(before)
        mode.grad = previous
    return found


def _visit(record: Record, dY: Any, walk: Walk) -> None:
    """Send the cotangent of one value on to the inputs that it was computed from."""
    primitive = record.primitive
    inputs = record.saved
    params = record.params
    assert primitive is not None
    if inputs is None:
        raise RuntimeError(
            f"backward: the arrays that {primitive.name} saved were freed by an earlier backward "
            "(trying to backward through the graph a second time). Pass retain_graph=True to the "
            "first call to keep them; gradients of both calls then add up in .grad. To start "
            "afresh, compute the loss again."
        )
    for storage, version, _ in record.holds:
        if storage.version != version:
            refuse_written(record, storage)
    Y: Any = record if record.array is None else record.array
    if dY.__class__ is tuple and primitive.needs_zeros:
        dY = complete(dY, record, as_tensor if walk.create_graph else np.asarray)
    if walk.create_graph:
        inputs = [_as_value(x, r) for x, r in zip(inputs, record.inputs, strict=True)]
        if dY.__class__ is tuple:
            Y = outputs_of(record, of_record)
        elif record.array is not None:
            Y = of_record(record.array, record)
    variadic = primitive.variadic
    if variadic:
        primitive.begin()
    sources = record.inputs
    cotangents, useful = walk.cotangents, walk.useful
    for index in record.edges or edges_of(record):
        x = sources[index]
        if useful is not None and x not in useful:
            continue
        if variadic:
            if primitive.add is not None and index == 0 and x in cotangents:
                walk.add(primitive.add, x, dY, inputs[1:], params)
                continue
            dX = primitive.call_rule(index, dY, Y, inputs, params)
        elif params:
            dX = primitive.rules[index](dY, Y, *inputs, **params)  # type: ignore[misc]  # see has_rule
        else:
            dX = primitive.rules[index](dY, Y, *inputs)  # type: ignore[misc]  # see has_rule
        fresh = dX is not dY
        if dX.__class__ is not _ndarray:
            if dX.__class__ is tuple:
                known = cotangents.get(x)
                dX = add_parts(known, dX)
                cotangents[x] = dX
                if known is None:
                    heappush(walk.due, (-x.index, x))
                continue
            if dX is None:  # a Function's backward may have no gradient for an input
                continue
            if isinstance(dX, np.generic):
                dX = np.asarray(dX)
        if dX.shape != x.shape:
            dX = unbroadcast(dX, x.shape)
            fresh = True
        if dX.dtype is not x.dtype and dX.dtype != x.dtype:
            dX = dX.astype(x.dtype)
            fresh = True
        # A rule may give back its cotangent or a view of it; else it has computed a new value.
        if x not in cotangents and (
            not fresh or (dX.base if dX.__class__ is _ndarray else getattr(dX, "_view", dX)) is not None
        ):
            walk.borrowed.add(x)
        walk.send(x, dX)


def _leading_to(targets: set[Record], roots: list[Record]) -> set[Record]:
    """Those below the roots from which some target is reached, and the targets."""
    below = {record for record in roots if record.primitive is not None}
    stack = list(below)
    while stack:
        record = stack.pop()
        for i in edges_of(record):
            x = record.inputs[i]
            if x.primitive is not None and x not in below:
                below.add(x)
                stack.append(x)
    useful = set(targets)
    for record in sorted(below, key=operator.attrgetter("index")):  # a record is made after its inputs
        if any(record.inputs[i] in useful for i in edges_of(record)):
            useful.add(record)
    return useful


def unbroadcast(dX: Any, shape: tuple[int, ...]) -> Any:
    """Undo NumPy's stretching on a cotangent: sum over the axes along which the primal was repeated."""
    have = dX.shape
    extra = len(have) - len(shape)
    if extra > 0 and len(shape) == 1 and have[extra:] == shape:  # a bias
        return sum_rows(dX) if dX.__class__ is _ndarray else np.add.reduce(dX, axis=tuple(range(extra)))
    if extra < 0 or any(n not in (1, m) for n, m in zip(shape, have[extra:], strict=True)):
        return np.broadcast_to(dX, shape)  # a rule may leave the stretching of its result to us
    axes = [*range(extra), *(i + extra for i, n in enumerate(shape) if n == 1 != have[i + extra])]
    if axes:
        add = sum_axes if dX.__class__ is _ndarray else np.add.reduce
        dX = add(dX, axis=tuple(axes), keepdims=True)
    return dX.reshape(shape)


def _roots(outputs: Sequence[Tensor], cotangents: Sequence[Any], create_graph: bool) -> list[tuple[Record, Any]]:
    """Each output's record with its cotangent: 1 for a scalar, else what the caller gave."""
    roots: list[tuple[Record, Any]] = []
    for output, given in zip(outputs, cotangents, strict=True):
        record = _needing(output, "backward")
        if given is None:
            array = output._array
            if array.shape and output.numel() != 1:
                raise RuntimeError(
                    f"backward: grad can be implicitly created only for scalar outputs, and {name_of(output)} has "
                    f"shape {tuple(output.shape)}. Reduce it (.sum(), .mean()), or pass gradient=, a "
                    "cotangent of this shape."
                )
            if array.__class__ is _ndarray:
                one = np.full(array.shape, 1, array.dtype) if array.shape else np.array(1, array.dtype)
                roots.append((record, wrap(one) if create_graph else one))
                continue
            dY: Any = wrap(np.ones_like(array))
        else:
            dY = given if isinstance(given, Tensor) else from_numpy(np.asarray(given, output.dtype))
            if dY.shape != output.shape:
                raise ShapeError(
                    f"backward: gradient has shape {tuple(dY.shape)}, {name_of(output)} has "
                    f"{tuple(output.shape)}; they must be equal."
                )
            dY = dY.to(output.dtype) if dY.dtype != output.dtype else dY
        roots.append((record, dY if create_graph else dY._array))
    return roots


def _needing(tensor: Any, operation: str) -> Record:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{operation}: expected a Tensor, got {type(tensor).__name__}.")
    if mode.trace is not None:
        mode.trace.enter((tensor,))
    if tensor._view is not None:
        refresh(tensor)
    record = tensor._record
    if record is None or not record.needs_grad:
        raise RuntimeError(
            f"{operation}: {name_of(tensor)} {tuple(tensor.shape)} does not require grad and does not "
            "have a grad_fn: no input of its computation has requires_grad=True, or it was computed "
            "under no_grad() or by a compiled function (compile the whole step, with its backward)."
        )
    return record


def _as_value(saved: Any, record: Any) -> Any:
    """What a rule is handed for an input when its own computation is recorded."""
    if saved is record or not isinstance(record, Record):
        return saved
    return of_record(saved, record)


def _copy(value: Any) -> Any:
    """The value in memory of its own; a Symbol needs none."""
    if value.__class__ is _ndarray:
        return value.copy()
    return np.copy(value) if isinstance(value, Tensor) else value


def _accumulate(leaf: Record, dX: Any, create_graph: bool) -> None:
    """Add to `.grad`, in place where nobody can be holding on to the sum's history."""
    if leaf.grad is None:
        leaf.grad = as_tensor(dX)
    elif create_graph:
        leaf.grad = leaf.grad + dX
    else:
        write(leaf.grad, np.add, read(leaf.grad), dX, by="backward")
