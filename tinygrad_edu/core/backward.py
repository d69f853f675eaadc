"""Reverse mode: walk the recorded graph once, from the outputs back to the leaves.

Records are visited in the reverse of the order in which they were made, so each comes after every
record that used its value, and its cotangent is complete when its rules run. Per record: ask the
rule of each input that needs a gradient, unbroadcast and cast the result to the input's shape and
dtype, add it to what other users of that input have sent.

Reads Primitive.rules. Used by Tensor.backward and autograd.grad. Not here: any derivative (ops/).
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .anomaly import visit_checked
from .errors import ShapeError, name_of
from .hooks import replaced
from .joint import add_parts, complete, outputs_of
from .kept import copied, slopes_from
from .mode import mode
from .record import Record
from .sums import sum_rows
from .tensor import Tensor, from_numpy, method, of_record, record_of, wrap
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
    missing = [name_of(t) for t, r in zip(inputs, records, strict=True) if r not in found]
    if missing and not allow_unused:
        raise RuntimeError(
            f"grad: the outputs do not depend on {', '.join(missing)}. Pass allow_unused=True to get None for it."
        )
    return tuple(None if r not in found else _as_tensor(found[r]) for r in records)


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
    order = _latest_first([record for record, _ in roots])
    useful = None
    if targets is not None:
        useful = _leading_to(targets, order)
        order = [record for record in order if record in useful]
    cotangents: dict[Record, Any] = {}
    borrowed = {record for record, _ in roots}  # those whose cotangent may be someone else's memory
    for record, dY in roots:
        _add(cotangents, borrowed, record, dY)
    found: dict[Record, Any] = {}

    slopes = slopes_from(roots)
    visit = functools.partial(visit_checked, _visit) if mode.anomaly else _visit
    if mode.trace is not None:
        mode.trace.differentiate([record for record, _ in roots])
        visit = functools.partial(mode.trace.visit, _visit)
    previous, mode.grad = mode.grad, create_graph
    try:
        with np.errstate(all="ignore"):  # an infinite slope is an answer, as in PyTorch
            for record in order:
                dY = cotangents.pop(record, None)
                if dY is None:
                    continue
                if stop and targets is not None and record in targets:
                    found[record] = _copy(dY)
                    continue
                hooks = record.hooks
                if hooks:
                    # A hook may write into what it is handed, and may keep it.
                    dY = _run_hooks(record, _copy(dY) if record in borrowed else dY)
                if slopes is not None:
                    slopes[record.index] = copied(dY)
                if record.retains_grad:
                    kept = _as_tensor(_copy(dY))
                    record.grad = kept if record.grad is None else record.grad + kept
                if targets is not None and record in targets:
                    found[record] = _copy(dY)
                    if useful is not None and not any(record.inputs[i] in useful for i in edges_of(record)):
                        continue  # nothing is wanted of what it was computed from, so nothing is freed
                if hooks and record.node_hooks:
                    _visit_hooked(visit, record, dY, cotangents, borrowed, useful, create_graph)
                else:
                    visit(record, dY, cotangents, borrowed, useful, create_graph)
                if not retain and record.holds:
                    record.saved, record.array, record.holds = None, None, ()
            for leaf, dY in cotangents.items():  # only leaves are left
                if useful is not None and leaf not in useful:
                    continue
                if leaf.hooks and not stop:
                    dY = _run_hooks(leaf, _copy(dY) if leaf in borrowed else dY)
                    borrowed.add(leaf)
                if slopes is not None:
                    slopes[leaf.index] = copied(dY)
                found[leaf] = _copy(dY) if leaf in borrowed else dY
    finally:
        mode.grad = previous
    return found


def _visit(
    record: Record,
    dY: Any,
    cotangents: dict[Record, Any],
    borrowed: set[Record],
    useful: set[Record] | None,
    create_graph: bool,
) -> None:
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
        dY = complete(dY, record, _as_tensor if create_graph else np.asarray)
    if create_graph:
        inputs = [_as_value(x, r) for x, r in zip(inputs, record.inputs, strict=True)]
        if dY.__class__ is tuple:
            Y = outputs_of(record, of_record)
        elif record.array is not None:
            Y = of_record(record.array, record)
    variadic = primitive.variadic
    if variadic:
        primitive.begin()
    sources = record.inputs
    for index in record.edges or edges_of(record):
        x = sources[index]
        if useful is not None and x not in useful:
            continue
        if variadic:
            if primitive.add is not None and index == 0 and _owned(cotangents.get(x), x, borrowed, dY):
                primitive.add(cotangents[x], dY, *inputs, **params)
                continue
            dX = primitive.call_rule(index, dY, Y, inputs, params)
        elif params:
            dX = primitive.rules[index](dY, Y, *inputs, **params)  # type: ignore[misc]  # see has_rule
        else:
            dX = primitive.rules[index](dY, Y, *inputs)  # type: ignore[misc]  # see has_rule
        fresh = dX is not dY
        if dX.__class__ is not _ndarray:
            if dX.__class__ is tuple:
                cotangents[x] = add_parts(cotangents.get(x), dX)
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
        if x in cotangents:
            _add(cotangents, borrowed, x, dX)
            continue
        cotangents[x] = dX
        # A rule may give back its cotangent or a view of it; else it has computed a new value.
        if not fresh or (dX.base if dX.__class__ is _ndarray else getattr(dX, "_view", dX)) is not None:
            borrowed.add(x)


def _visit_hooked(
    visit: Any,
    record: Record,
    dY: Any,
    cotangents: dict[Record, Any],
    borrowed: set[Record],
    useful: set[Record] | None,
    create_graph: bool,
) -> None:
    """Visit a record, and let the hooks of its node see and replace what it sends before that is sent."""
    primitive, inputs = record.primitive, record.inputs
    assert primitive is not None
    assert record.node_hooks is not None
    edges = record.edges or edges_of(record)
    twice = len({inputs[i] for i in edges}) < len(edges)  # x * x: one visit for each, or they would come summed
    sent: dict[int, Any] = {}
    try:
        for group in [(i,) for i in edges] if twice else [edges]:
            record.edges = group
            parts: dict[Record, Any] = {}
            visit(record, dY, parts, borrowed, useful, create_graph)
            sent.update({i: parts.get(inputs[i]) for i in group})
    finally:
        record.edges = edges
    places = [i for i, x in enumerate(inputs) if x.__class__ is Record and primitive.has_rule(i)]
    given = tuple(None if sent.get(i) is None else _as_tensor(sent[i]) for i in places)
    received = tuple(None if part is None else _as_tensor(part) for part in (dY if dY.__class__ is tuple else (dY,)))
    for hook in list(record.node_hooks.values()):
        given = replaced(hook, hook(given, received), given)
    for i, dX in zip(places, given, strict=True):
        if dX is not None:
            x = inputs[i]
            if x not in cotangents:
                borrowed.add(x)  # the hooks may have kept it
            _add(cotangents, borrowed, x, dX if create_graph else dX._array)


def _add(cotangents: dict[Record, Any], borrowed: set[Record], record: Record, dX: Any) -> None:
    """Add one contribution; in place only into an array that was made here for this purpose."""
    known = cotangents.get(record)
    if known is None:
        cotangents[record] = dX
    elif _owned(known, record, borrowed, dX):
        cotangents[record] = np.add(known, dX, out=known)
    else:
        total = known + dX
        cotangents[record] = np.asarray(total) if isinstance(total, np.generic) else total  # 0-d stays an array
        borrowed.discard(record)


def _owned(known: Any, record: Record, borrowed: set[Record], dX: Any) -> bool:
    """Whether a known cotangent is an array that was made here, so that the array dX may be added in place."""
    return known.__class__ is _ndarray and record not in borrowed and dX.__class__ is _ndarray


_index = operator.attrgetter("index")


def edges_of(record: Record) -> tuple[int, ...]:
    """The positions of the inputs that need a gradient."""
    edges = record.edges
    if edges is None:  # not made by an ordinary call
        found = [i for i, x in enumerate(record.inputs) if x.__class__ is Record and x.needs_grad]
        edges = record.edges = tuple(found)
    return edges


def _latest_first(outputs: list[Record]) -> list[Record]:
    """Every computed record below the outputs that needs a gradient, in the reverse of the order of creation.

    A record is made after its inputs, so each comes after all that used it.
    """
    seen = {record for record in outputs if record.primitive is not None}
    stack = list(seen)
    while stack:
        record = stack.pop()
        inputs = record.inputs
        for i in record.edges or edges_of(record):
            x = inputs[i]
            if x.primitive is not None and x not in seen:
                seen.add(x)
                stack.append(x)
    return sorted(seen, key=_index, reverse=True)


def _leading_to(targets: set[Record], order: list[Record]) -> set[Record]:
    """Those from which some target is reached."""
    useful = set(targets)
    for record in reversed(order):
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
        dX = np.add.reduce(dX, axis=tuple(axes), keepdims=True)
    return dX.reshape(shape)


def _roots(outputs: Sequence[Tensor], cotangents: Sequence[Any], create_graph: bool) -> list[tuple[Record, Any]]:
    """Each output's record with its cotangent: 1 for a scalar, else what the caller gave."""
    roots: list[tuple[Record, Any]] = []
    for output, given in zip(outputs, cotangents, strict=True):
        record = _needing(output, "backward")
        if given is None:
            if output.numel() != 1:
                raise RuntimeError(
                    f"backward: grad can be implicitly created only for scalar outputs, and {name_of(output)} has "
                    f"shape {tuple(output.shape)}. Reduce it (.sum(), .mean()), or pass gradient=, a "
                    "cotangent of this shape."
                )
            array = output._array
            if array.__class__ is _ndarray:
                one = np.array(1, array.dtype).reshape(array.shape)
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
    if not tensor.requires_grad:
        raise RuntimeError(
            f"{operation}: {name_of(tensor)} {tuple(tensor.shape)} does not require grad and does not "
            "have a grad_fn: no input of its computation has requires_grad=True, or it was computed "
            "under no_grad()."
        )
    return record_of(tensor)


def _as_value(saved: Any, record: Any) -> Any:
    """What a rule is handed for an input when its own computation is recorded."""
    if saved is record or not isinstance(record, Record):
        return saved
    return of_record(saved, record)


def _as_tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else wrap(value)


def _copy(value: Any) -> Any:
    """The value in memory of its own; a Symbol needs none."""
    if value.__class__ is _ndarray:
        return value.copy()
    return np.copy(value) if isinstance(value, Tensor) else value


def _run_hooks(record: Record, dY: Any) -> Any:
    assert record.hooks is not None
    if dY.__class__ is tuple:  # of several outputs: only hooks of the node
        parts = tuple(None if part is None else _as_tensor(part) for part in dY)
        for hook in list(record.hooks.values()):
            parts = replaced(hook, hook(parts), parts)
        return tuple(
            part if part is None or isinstance(old, Tensor) else part._array
            for part, old in zip(parts, dY, strict=True)
        )
    for hook in list(record.hooks.values()):
        result = hook(_as_tensor(dY))
        if result is not None:
            if not isinstance(result, Tensor) or result.shape != record.shape:
                raise RuntimeError(
                    f"hook of {record.label}: it must return None or a Tensor of shape {tuple(record.shape)}."
                )
            if result.dtype != record.dtype:
                result = result.astype(record.dtype)
            dY = result if isinstance(dY, Tensor) else result._array
    return dY


def _accumulate(leaf: Record, dX: Any, create_graph: bool) -> None:
    """Add to `.grad`, in place where nobody can be holding on to the sum's history."""
    if leaf.grad is None:
        leaf.grad = _as_tensor(dX)
    elif create_graph:
        leaf.grad = leaf.grad + dX
    else:
        write(leaf.grad, np.add, read(leaf.grad), dX, by="backward")
