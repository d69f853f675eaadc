"""Writing into tensors: in-place operations, `x[i] = v`, through views too, with their gradients.

A write changes memory and then gives the tensor a new record, as if the operation had made a new
value; a write through a view also gives its base one, in which the written part is exchanged
(`assign`). What PyTorch refuses is refused before anything has been changed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.apply import as_operand
from ..core.dtypes import held
from ..core.errors import DtypeError, ShapeError, describe, name_of
from ..core.kept import remember
from ..core.mode import mode
from ..core.primitive import Array, Primitive, primitive
from ..core.record import Record, Storage, user_site
from ..core.tensor import Tensor, record_of
from ..core.views import follow, hand_over, refresh
from ..core.write import keep, read, repeats, storage_of, write
from .checks import check
from .choices import choose
from .conversion import astype
from .gathering import in_turn
from .indexing import Slot, getitem, numbers_first, split_key, truth
from .public import public

Steps = tuple[tuple[Primitive, dict[str, Any]], ...]


@primitive(
    name="setitem",
    types=None,
    opaque=True,
    dX=lambda dY, Y, X, V, *indices, steps, key: assign(dY, 0.0, *indices, steps=steps, key=key),  # type: ignore[has-type]
    dV=lambda dY, Y, X, V, *indices, steps, key: getitem(follow(dY, steps), *indices, key=key),
)
def assign(X: Array, V: Array, *indices: Array, steps: Steps, key: tuple[Any, ...]) -> Array:
    """X with V in the place that `steps` (a view) and then `key` (an index) lead to."""
    Y = np.array(X)
    _put(follow(Y, steps), indices, key, V)
    return Y


def _put_everywhere(X: Array, V: Array, *indices: Array, steps: Steps, key: tuple[Any, ...]) -> Array:
    if steps or key != (...,):
        raise NotImplementedError("a part of X is written")
    V = V if getattr(V, "shape", None) == X.shape else np.broadcast_to(V, X.shape)
    return V if V.dtype == X.dtype else V.astype(X.dtype)


assign.composition = _put_everywhere


def _put(region: Array, indices: tuple[Array, ...], key: tuple[Any, ...], V: Array) -> None:
    region[tuple(indices[k.number] if isinstance(k, Slot) else k for k in key)] = V


def store(target: Tensor, result: Tensor, name: str, began: int | None = None) -> Tensor:
    """The in-place form of an operation: put its result into the target's memory and graph.

    Args:
        began: the stamp when the operation began, if it may be made of several.
    Raises:
        RuntimeError: the target is a leaf that requires a gradient, or a view of one.
        ShapeError: the result is larger than the target.
        DtypeError: the result's kind of number does not fit into the target's dtype.
    """
    if result is target:
        return target
    _check_writable(target, result, name)
    if result.shape != target.shape:
        raise ShapeError(
            f"{name}: output with shape {tuple(target.shape)} doesn't match the broadcast shape "
            f"{tuple(result.shape)}; the tensor written to can't grow.{describe((target,))}"
        )
    if result.dtype != target.dtype:
        if "biuf".index(_kind(result)) > "biuf".index(_kind(target)):
            raise DtypeError(
                f"{name}: result type {result.dtype} can't be cast to the desired output type {target.dtype}."
                f"{describe((target,))}"
            )
        _spare(result._record, target, began)
        result = astype(result, dtype=target.dtype)
    record = result._record if result.requires_grad and mode.grad else None
    _spare(record, target, began)
    write(target, np.positive if target.dtype.kind != "b" else np.logical_or, *_source(result, target), by=name)
    if record is not None:
        if record.primitive is None:  # a leaf's own value, stored: a new record must stand between
            record = _assigned(target, record)
        if record.array is not None and record.holds:
            _rehome(record, target)
        record.storage = storage_of(target)
        _rerecord(target, record)
    elif target.requires_grad and mode.grad:  # overwritten by a constant
        _rerecord(target, None if target._view is None else _assigned(target, 0.0))
    return target


def _rehome(record: Record, target: Tensor) -> None:
    """The rules read the result: it is kept in the memory where it lies now."""
    kept = storage_of(target)
    kept.saved = True
    record.array, lock = keep(target._array) if kept.shared else (target._array, None)
    record.holds = [
        (kept, kept.version, lock) if holder is record.storage else (holder, version, known)
        for holder, version, known in record.holds
    ]


def _kind(x: Tensor) -> str:
    kind = x.dtype.kind
    return "i" if kind == "u" else kind


def _source(result: Tensor, target: Tensor) -> tuple[Any, ...]:
    return (result._array,) if target.dtype.kind != "b" else (result._array, result._array)


def _assigned(target: Tensor, value: Record | float) -> Record:
    return _assignment(target, (_constant(target), value), (), (...,))


def _constant(target: Tensor) -> Record:
    """A stand-in for a value of which nothing but the shape is left."""
    return Record(None, (), {}, target._array.shape, target.dtype, False, None)


def _assignment(target: Tensor, inputs: tuple[Any, ...], steps: Steps, key: tuple[Any, ...]) -> Record:
    """The record of a target part of which has been written."""
    params = {"steps": steps, "key": key}
    record = Record(assign, inputs, params, target._array.shape, target.dtype, True, user_site())
    record.storage = storage_of(target)
    if mode.keep:
        remember(record, target._array)
    return record


def _spare(record: Record | None, target: Tensor, began: int | None) -> None:
    """If the operation's rules read numbers of the memory about to be written, keep copies of them."""
    old = target._storage
    if record is None or old is None:
        return
    if began is not None:
        for x in record.inputs:
            if isinstance(x, Record) and x.index > began:
                _spare(x, target, began)
    if not any(holder is old for holder, _, _ in record.holds):
        return
    record.saved = [
        saved.copy() if isinstance(saved, np.ndarray) and isinstance(x, Record) and x.storage is old else saved
        for saved, x in zip(record.saved, record.inputs, strict=True)
    ]
    # One hold at least: what a record holds is what backward frees.
    record.holds = [h for h in record.holds if h[0] is not old] or [(Storage(), 0, None)]


def _rerecord(target: Tensor, record: Record | None) -> None:
    """Give a written tensor its new record, and its base, if it is a view, one that contains it."""
    if target._view is None:
        old, target._record = target._record, record
        if old is not None and record is not None:
            hand_over(old, record)
        return
    base, steps = target._view.base, target._view.steps
    assert record is not None
    old = record_of(base)
    base._record = _assignment(base, (old, record), steps, (...,))
    hand_over(old, base._record)
    refresh(target)  # the view's record is now read off the base's new one


def _check_writable(target: Tensor, value: Any, name: str) -> None:
    if mode.trace is not None:
        mode.trace.enter((target,))
    if target._view is not None:
        refresh(target)
    if isinstance(target._array, np.ndarray) and repeats(target._array):
        raise RuntimeError(
            f"{name}: {name_of(target)} {tuple(target.shape)} is expanded: more than one element of the "
            "written-to tensor refers to a single memory location; write to its .clone()."
        )
    grows = isinstance(value, Tensor) and value.requires_grad
    base = target if target._view is None else target._view.base
    if not mode.grad or not (target.requires_grad or base.requires_grad or grows):
        return
    if (base.requires_grad and base.is_leaf) or _shows_leaf(target):
        what = "a leaf" if base is target else "a view of a leaf"
        raise RuntimeError(
            f"{name}: {what} Variable that requires grad is being used in an in-place operation: "
            f"{name_of(base)} {tuple(base.shape)}. Its old value would be lost to its gradient. To update a "
            "parameter write `with no_grad():` around it; to compute with it, use the form that makes a new tensor."
        )
    if target._view is not None and not target._view.recorded:
        raise RuntimeError(
            f"{name}: a view was created in no_grad mode and is being modified inplace with grad mode "
            "enabled; make the view outside of no_grad(), or write under it."
        )


def _shows_leaf(target: Tensor) -> bool:
    """Whether a tensor is a view that has been made a leaf requiring a gradient, or is recorded as a view of a leaf."""
    record, path = target._record, None if target._view is None else target._view.path
    while record is not None and record.primitive is not None and path is not None:
        record, path = record.inputs[0], path[0]
    return record is not None and record.primitive is None and record.needs_grad


# --- assignment


def _setitem(target: Tensor, key: Any, value: Any) -> None:
    """x[key] = value, by slices, integers, index arrays and boolean arrays; value broadcasts."""
    if isinstance(value, (list, tuple)):
        value = Tensor(value)
    value = as_operand(getitem, value)
    picked = truth(key)
    if picked is not None:
        target, key = target[None], [0] if picked else []
    if mode.trace is not None:
        mask = key[0] if isinstance(key, tuple) and len(key) == 1 else key
        filling = _filling(value, target, mask) if isinstance(mask, Tensor) and _kind(mask) == "b" else None
        if filling is not None:  # where the places are, only values say
            mask = mask.reshape((*mask.shape, *(1,) * (target.ndim - mask.ndim)))
            copy_(target, astype(choose(mask, filling, target), dtype=target.dtype))
            return
    _check_writable(target, value, "setitem")
    spec, arrays = split_key(target, key)
    if isinstance(value, Tensor) and "biuf".index(_kind(value)) > "biuf".index(_kind(target)):
        if arrays:
            raise DtypeError(
                f"setitem: a {value.dtype} value does not fit into a {target.dtype} tensor; convert it first."
            )
        value = astype(value, dtype=target.dtype)  # by slices PyTorch truncates
    numbers = read(value) if isinstance(value, Tensor) else value
    first, spec = numbers_first(spec)
    assign_to(target if first is None else getitem(target, key=first), value, numbers, spec, arrays)


def _filling(value: Any, target: Tensor, mask: Tensor) -> Any:
    """What to put where a mask holds, as something that broadcasts to the target, or None: a number, one row for all
    places, or rows of which each place takes the next. Sums over places would come in another order than eagerly, so
    of what requires a gradient there is none."""
    if not mask.ndim or target.shape[: mask.ndim] != mask.shape:
        return None
    if not isinstance(value, Tensor):
        return value
    rest = tuple(target.shape[mask.ndim :])
    if value.requires_grad or "biuf".index(_kind(value)) > "biuf".index(_kind(target)):
        return None
    if value.ndim <= len(rest) or tuple(value.shape) == (1, *rest):
        return value
    n = value.shape[0]
    wide = value.ndim == len(rest) + 1 and all(a in (1, b) for a, b in zip(value.shape[1:], rest, strict=True))
    if not wide or not n or not mask.numel():
        return None
    check(
        np.sum(read(mask)) == n,
        f"setitem: shape mismatch: a value of shape {tuple(value.shape)} cannot be broadcast to the indexed part: the "
        f"mask does not hold in {n} places",
        ShapeError,
    )
    return in_turn(value.expand(n, *rest), mask).reshape((*mask.shape, *rest))


Tensor.__setitem__ = _setitem  # type: ignore[method-assign]


def assign_to(
    target: Tensor, value: Any, numbers: Any, spec: tuple[Any, ...], arrays: tuple[Any, ...], name: str = "setitem"
) -> None:
    """Write `numbers` at an index of the target, and record that `value` is there now."""
    places = [read(a) if isinstance(a, Tensor) else a for a in arrays]
    numbers = held(numbers, target.dtype)
    try:
        region = np.broadcast_shapes(getitem_shape(target, spec, places), np.shape(numbers))
    except ValueError:
        region = None
    wanted = getitem_shape(target, spec, places)
    if region != wanted:
        shape = tuple(np.shape(numbers))
        while shape[:1] == (1,) and len(shape) > len(wanted):
            shape = shape[1:]
        if len(shape) > len(wanted) or any(n not in (1, m) for n, m in zip(shape[::-1], wanted[::-1], strict=False)):
            raise ShapeError(
                f"{name}: shape mismatch: a value of shape {tuple(np.shape(numbers))} cannot be broadcast "
                f"to the indexed part, {wanted}.{describe((target,))}"
            )
        numbers = np.reshape(numbers, shape)
        value = value.reshape(shape) if isinstance(value, Tensor) else value
    if mode.grad and places and isinstance(value, Tensor) and value.requires_grad:
        value = _last_only(value, target, spec, places, wanted)
    old = record_of(target) if target.requires_grad or (isinstance(value, Tensor) and value.requires_grad) else None

    def put(V: Any, *indices: Any, out: Any) -> Any:
        if isinstance(out, np.ndarray):
            _put(out, indices, spec, V)
            return out
        return assign(out, V, *indices, steps=(), key=spec)

    write(target, put, numbers, *places, by=name)
    if old is None or not mode.grad:
        return
    inputs = (
        old,
        record_of(value) if isinstance(value, Tensor) else value,
        *(record_of(as_operand(getitem, a)) for a in arrays),
    )
    record = _assignment(target, inputs, (), spec)
    record.saved = [*inputs[:2], *places]  # the rules need the index arrays, and no numbers
    _rerecord(target, record)


def _last_only(
    value: Tensor, target: Tensor, spec: tuple[Any, ...], places: list[Any], wanted: tuple[int, ...]
) -> Tensor:
    """A place named twice keeps what is written last: the others' gradient is 0, so they become constants.

    PyTorch gives all of them the gradient, which differences contradict.
    """
    known = all(isinstance(p, np.ndarray) for p in places)  # during a trace there are no indices to look at
    if known:
        columns = np.stack([p.ravel() for p in np.broadcast_arrays(*places)])
        if columns.size == 0 or (columns.min() >= 0 and np.unique(columns, axis=1).shape[1] == columns.shape[1]):
            return value
    won = last_written(*places, key=spec, shape=tuple(target._array.shape), wanted=wanted)
    return value if known and won.all() else choose(won, value, 0.0)


@primitive(name="last_written", types=None, opaque=True)
def last_written(*indices: Array, key: tuple[Any, ...], shape: tuple[int, ...], wanted: tuple[int, ...]) -> Array:
    """Which of the numbers, of shape `wanted`, that are put at an index stay there: of several in a place the last."""
    number = np.arange(math.prod(wanted)).reshape(wanted)
    last = np.zeros(shape, np.int64)
    _put(last, indices, key, number)
    return last[tuple(indices[k.number] if isinstance(k, Slot) else k for k in key)] == number


def getitem_shape(target: Tensor, spec: tuple[Any, ...], places: list[Any]) -> tuple[int, ...]:
    """The shape of target[index], found on an array that takes no memory."""
    hollow = np.broadcast_to(np.zeros((), bool), target._array.shape)
    places = [np.zeros(p.shape, np.int64) if not isinstance(p, np.ndarray) else p for p in places]
    try:
        return tuple(hollow[tuple(places[k.number] if isinstance(k, Slot) else k for k in spec)].shape)
    except IndexError as error:
        raise IndexError(f"setitem: {error}{describe((target,))}") from None


def _overwrite(target: Tensor, value: Any, name: str) -> Tensor:
    """Replace all of a tensor's numbers by a value that broadcasts to it."""
    _check_writable(target, value, name)
    numbers = read(value) if isinstance(value, Tensor) else value
    if isinstance(value, Tensor) and value.dtype != target.dtype:
        value = astype(value, dtype=target.dtype)
        numbers = value._array
    assign_to(target, value, numbers, (...,), (), name)
    return target


@public("copy_", function=False)
def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Overwrite this tensor with the numbers of another, which broadcasts; gradients flow to it."""
    return _overwrite(self, src, "copy_")


@public("fill_", function=False)
def fill_(self: Tensor, value: Any) -> Tensor:
    """Overwrite this tensor with one number."""
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(f"fill_: one number is expected, got a tensor of shape {tuple(value.shape)}; use copy_.")
    return _overwrite(self, value, "fill_")


@public("zero_", function=False)
def zero_(self: Tensor) -> Tensor:
    """Overwrite this tensor with zeros."""
    return _overwrite(self, 0, "zero_")


@public("fill_diagonal_", function=False)
def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Overwrite the elements whose indices are all equal; `wrap` begins again below a tall matrix's square."""
    shape = tuple(self.shape)
    if len(shape) < 2 or (len(shape) > 2 and len(set(shape)) > 1):
        raise RuntimeError(
            f"fill_diagonal_: dimensions must be at least 2, and of more than 2 all of one length, got {shape}."
        )
    n = min(shape)
    rows = np.arange(n) if not (wrap and len(shape) == 2) else np.arange(shape[0])
    if wrap and len(shape) == 2:  # one row is left out between two squares
        rows = rows[rows % (shape[1] + 1) < shape[1]]
        places: tuple[Any, ...] = (rows, rows % (shape[1] + 1))
    else:
        places = (rows,) * len(shape)
    _check_writable(self, fill_value, "fill_diagonal_")
    spec = tuple(Slot(i) for i in range(len(shape)))
    assign_to(self, fill_value, fill_value, spec, places, "fill_diagonal_")
    return self


@public("resize_", function=False)
def resize_(input: Tensor, *sizes: Any, memory_format: Any = None) -> Tensor:
    """Give this tensor another shape: its elements in order, as many as fit; what is new is unwritten memory.

    Raises:
        RuntimeError: it requires a gradient.
    """
    shape = tuple(int(n) for n in (sizes[0] if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes))
    if input.requires_grad:
        raise RuntimeError("resize_: cannot resize variables that require grad; use reshape, or .data.")
    if not input.is_contiguous() or (input._view is not None and math.prod(shape) > input.numel()):
        raise RuntimeError(
            "resize_: this tensor is a view of other memory, which decides what its elements would be; .clone() it."
        )
    kept = input.detach().reshape(-1)[: math.prod(shape)]
    if kept.numel() == math.prod(shape):
        input.data = kept.view(shape)
    else:
        memory = input.new_empty(shape)
        memory.view(-1)[: kept.numel()] = kept
        input.data = memory
    return input


@public("resize_as_", function=False)
def resize_as_(input: Tensor, the_template: Tensor) -> Tensor:
    """Give this tensor another one's shape: see resize_."""
    return resize_(input, tuple(the_template.shape))
