"""Reverse mode: walk the recorded graph once, from the outputs back to the leaves.

A record is visited after every record that used its value, so its cotangent is complete when its
rules run. Per record: ask the rule of each input that needs a gradient, unbroadcast and cast the
result to the input's shape and dtype, add it to what other users of that input have sent.

Reads Primitive.rules. Used by Tensor.backward and autograd.grad. Not here: any derivative (ops/).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .dtypes import DtypeError
from .errors import ShapeError, name_of
from .mode import mode
from .record import Record
from .tensor import Tensor, from_numpy, of_record, record_of, refresh, wrap
from .write import check_unwritten, write

_ndarray = np.ndarray


def backward(
    outputs: Sequence[Tensor],
    cotangents: Sequence[Any],
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Accumulate the gradients of `outputs` into the `.grad` of leaves. See Tensor.backward."""
    roots = _roots(outputs, cotangents, create_graph)
    targets = None
    if inputs is not None:
        inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        if not inputs:
            raise RuntimeError("backward: inputs= is empty; leave it out to reach every leaf.")
        targets = {_needing(t, "backward") for t in inputs}
    retain = create_graph if retain_graph is None else retain_graph
    for record, dX in propagate(roots, retain, create_graph, targets).items():
        _accumulate(record, dX, create_graph)


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
            f"grad: the outputs do not depend on {', '.join(missing)}. "
            "Pass allow_unused=True to get None for it."
        )
    return tuple(None if r not in found else _as_tensor(found[r]) for r in records)


def propagate(
    roots: list[tuple[Record, Any]], retain: bool, create_graph: bool, targets: set[Record] | None
) -> dict[Record, Any]:
    """The complete cotangents of the targets (default: every leaf that needs one).

    Cotangents are arrays, or Tensors when the gradient's own graph is wanted (`create_graph`).
    No result shares memory with another or with anything a user holds.
    """
    uses, useful = _count_uses([record for record, _ in roots], targets)
    cotangents: dict[Record, Any] = {}
    owned: set[Record] = set()  # those whose cotangent is an array that was made here
    for record, dY in roots:
        _add(cotangents, owned, record, dY, create_graph, fresh=False)
    found: dict[Record, Any] = {}
    ready = [record for record in dict.fromkeys(r for r, _ in roots) if not uses.get(record)]

    previous, mode.grad = mode.grad, create_graph
    try:
        with np.errstate(all="ignore"):  # an infinite slope is an answer, as in PyTorch
            while ready:
                record = ready.pop()
                dY = cotangents.pop(record, None)
                if dY is not None and record.hooks:
                    dY = _run_hooks(record, dY)
                    owned.discard(record)  # a hook may have kept it
                wanted = record in targets if targets is not None else record.primitive is None
                if dY is not None and (wanted or record.retains_grad):
                    own = dY if record in owned or create_graph else _copy(dY)
                    if wanted:
                        found[record] = own
                    if record.retains_grad:
                        kept = _as_tensor(_copy(own) if wanted else own)
                        record.grad = kept if record.grad is None else record.grad + kept
                    owned.discard(record)
                if record.primitive is None:
                    continue
                if dY is not None and (useful is None or record in useful):
                    _visit(record, dY, cotangents, owned, useful, create_graph)
                    if not retain and record.holds:
                        record.saved, record.array, record.holds = None, None, ()
                for x in record.inputs:
                    if x.__class__ is Record and x.needs_grad:
                        uses[x] -= 1
                        if not uses[x]:
                            ready.append(x)
    finally:
        mode.grad = previous
    return found


def _visit(
    record: Record,
    dY: Any,
    cotangents: dict[Record, Any],
    owned: set[Record],
    useful: set[Record] | None,
    create_graph: bool,
) -> None:
    """Send the cotangent of one value on to the inputs that it was computed from."""
    primitive = record.primitive
    inputs = record.saved
    assert primitive is not None
    if inputs is None:
        raise RuntimeError(
            f"backward: the arrays that {primitive.name} saved were freed by an earlier backward "
            "(trying to backward through the graph a second time). Pass retain_graph=True to the "
            "first call to keep them; gradients of both calls then add up in .grad. To start "
            "afresh, compute the loss again."
        )
    if record.holds:
        check_unwritten(record)
    params = record.params
    Y: Any = record if record.array is None else record.array
    if create_graph:
        inputs = [_as_value(x, r) for x, r in zip(inputs, record.inputs, strict=True)]
        Y = record if record.array is None else of_record(record.array, record)
    simple = not primitive.variadic
    rules = primitive.rules
    for index, x in enumerate(record.inputs):
        if x.__class__ is not Record or not x.needs_grad or (useful is not None and x not in useful):
            continue
        if simple:
            dX = rules[index](dY, Y, *inputs, **params)  # type: ignore[misc]  # None: checked below
        else:
            dX = primitive.call_rule(index, dY, Y, inputs, params)
        fresh = dX is not dY
        if dX.__class__ is not _ndarray and isinstance(dX, np.generic):
            dX = np.asarray(dX)
        if dX.shape != x.shape:
            dX = unbroadcast(dX, x.shape)
        if dX.dtype is not x.dtype and dX.dtype != x.dtype:
            dX = dX.astype(x.dtype)
        _add(cotangents, owned, x, dX, create_graph, fresh)


def _add(
    cotangents: dict[Record, Any],
    owned: set[Record],
    record: Record,
    dX: Any,
    create_graph: bool,
    fresh: bool,
) -> None:
    """Add one contribution; in place only into an array that was made here for this purpose."""
    known = cotangents.get(record)
    if known is None:
        cotangents[record] = dX
        # A rule may give back its cotangent or a view of it; else it has computed a new array.
        if fresh and dX.__class__ is _ndarray and dX.base is None:
            owned.add(record)
    elif record in owned and known.__class__ is _ndarray and not create_graph:
        cotangents[record] = np.add(known, dX, out=known)
    else:
        cotangents[record] = known + dX
        owned.add(record)


def _count_uses(
    roots: list[Record], targets: set[Record] | None
) -> tuple[dict[Record, int], set[Record] | None]:
    """How often each record is used below the roots, and, given targets, which records lead to one."""
    uses: dict[Record, int] = {}
    seen = set(roots)
    stack = list(seen)
    while stack:
        for x in stack.pop().inputs:
            if x.__class__ is Record and x.needs_grad:
                if x in uses:
                    uses[x] += 1
                else:
                    uses[x] = 1
                    if x not in seen:
                        seen.add(x)
                        stack.append(x)
    if targets is None:
        return uses, None
    return uses, _leading_to(targets, roots)


def _leading_to(targets: set[Record], roots: list[Record]) -> set[Record]:
    """Every record from which some target is reached: found from the targets, against the edges."""
    users: dict[Record, list[Record]] = {}
    seen: set[Record] = set(roots)
    stack = list(roots)
    while stack:
        record = stack.pop()
        for x in record.inputs:
            if x.__class__ is Record and x.needs_grad:
                users.setdefault(x, []).append(record)
                if x not in seen:
                    seen.add(x)
                    stack.append(x)
    useful = {t for t in targets if t in seen}
    stack = list(useful)
    while stack:
        for user in users.get(stack.pop(), ()):
            if user not in useful:
                useful.add(user)
                stack.append(user)
    return useful


def unbroadcast(dX: Any, shape: tuple[int, ...]) -> Any:
    """Undo NumPy's stretching on a cotangent: sum over the axes along which the primal was repeated."""
    extra = dX.ndim - len(shape)
    if extra < 0 or any(n != 1 and n != have for n, have in zip(shape, dX.shape[extra:], strict=True)):
        return np.broadcast_to(dX, shape)  # a rule may leave the stretching of its result to us
    axes = [*range(extra), *(i + extra for i, n in enumerate(shape) if n == 1 != dX.shape[i + extra])]
    if axes:
        dX = np.add.reduce(dX, axis=tuple(axes), keepdims=True)
    return dX.reshape(shape)


def _roots(
    outputs: Sequence[Tensor], cotangents: Sequence[Any], create_graph: bool
) -> list[tuple[Record, Any]]:
    """Each output's record with its cotangent: 1 for a scalar, else what the caller gave."""
    roots = []
    for output, given in zip(outputs, cotangents, strict=True):
        record = _needing(output, "backward")
        if given is None:
            if output.numel() != 1:
                raise RuntimeError(
                    f"backward: grad can be implicitly created only for scalar outputs, and {name_of(output)} has "
                    f"shape {tuple(output.shape)}. Reduce it (.sum(), .mean()), or pass gradient=, a "
                    "cotangent of this shape."
                )
            dY: Any = np.ones_like(output._array)
        else:
            dY = given if isinstance(given, Tensor) else from_numpy(np.asarray(given, output.dtype))
            if dY.shape != output.shape:
                raise ShapeError(
                    f"backward: gradient has shape {tuple(dY.shape)}, {name_of(output)} has "
                    f"{tuple(output.shape)}; they must be equal."
                )
            if dY.dtype.kind != "f":
                raise DtypeError(f"backward: gradient is {dY.dtype}; it must be floating.")
            dY = dY.to(output.dtype) if dY.dtype != output.dtype else dY
        roots.append((record, dY))
    if create_graph:
        return [(r, _as_tensor(dY)) for r, dY in roots]
    return [(r, dY._array if isinstance(dY, Tensor) else dY) for r, dY in roots]


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
    return value.copy() if value.__class__ is _ndarray else value


def _run_hooks(record: Record, dY: Any) -> Any:
    assert record.hooks is not None
    for hook in list(record.hooks.values()):
        result = hook(_as_tensor(dY))
        if result is not None:
            if not isinstance(result, Tensor) or result.shape != record.shape:
                raise RuntimeError(
                    f"hook of {record.label}: it must return None or a Tensor of shape {tuple(record.shape)}."
                )
            dY = result if isinstance(dY, Tensor) else result._array
    return dY


def _accumulate(leaf: Record, dX: Any, create_graph: bool) -> None:
    """Add to `.grad`, in place where nobody can be holding on to the sum's history."""
    if leaf.grad is None:
        leaf.grad = _as_tensor(dX)
    elif create_graph:
        leaf.grad = leaf.grad + dX
    else:
        write(leaf.grad, np.add, leaf.grad._array, dX, by="backward")
