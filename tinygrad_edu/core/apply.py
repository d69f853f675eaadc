"""The forward side of the eager engine: compute a primitive on Tensors, and record it.

Unwrap the operands, let the primitive compute, wrap the result; and, when an input needs a
gradient, note the operation with the arrays that its rules will read, and no others.

Used by every operation of ops/, through Primitive.__call__ or directly.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .anomaly import check_forward
from .dtypes import NUMBERS, as_dtype, float32, float64
from .errors import DtypeError, ShapeError, TraceError, describe, kind_of, labels
from .joint import picked
from .kept import remember
from .mode import mode
from .number import Item
from .primitive import Array, Plan, Primitive
from .quiet import hush, restore
from .record import Record, Storage, user_site
from .symbol import Symbol, find_reads
from .tensor import Tensor, as_array, from_numpy, record_of, wrap
from .views import link_view, refresh
from .write import keep, storage_of

_ndarray = np.ndarray
_new = object.__new__


def apply(primitive: Primitive, args: Any, params: dict[str, Any], shown: int | None = None) -> Any:
    """Compute a primitive on Tensors, numbers and arrays, and record it if an input needs a gradient.

    Of several outputs the first `shown` become Tensors, if the others are computed for the rules alone.
    """
    compute: Any = primitive.forward
    if mode.trace is not None:
        mode.trace.enter(args)
        compute = primitive  # the arrays are Symbols: one equation
    arrays: list[Any] = []
    inputs: list[Any] = []
    kinds = 1  # a key: two bits per argument (is a number, needs a gradient) below a leading 1, which counts them
    needs = mixed = fresh = False
    dtype = None
    for x in args:
        kinds <<= 2
        if isinstance(x, Tensor):
            if x._view is not None:
                refresh(x)
            array = x._array
            arrays.append(array)
            if dtype is None:
                dtype = array.dtype
            elif array.dtype is not dtype:
                mixed = True
            record = x._record
            inputs.append(record)
            if record is None:
                fresh = True
            elif record.needs_grad:
                kinds += 1
                needs = True
        elif x.__class__ in NUMBERS or (x.__class__ is Symbol and x.number):
            arrays.append(x)
            inputs.append(x)
            kinds += 2
        else:
            return apply(primitive, [as_operand(primitive, x) for x in args], params, shown)

    before = hush()
    try:
        if (mixed or (dtype is not float32 and dtype is not float64)) and primitive.types is not None:
            arrays = primitive.types(primitive.name, arrays)
        out = compute(*arrays, **params) if params else compute(*arrays)
    except (ValueError, IndexError, RuntimeError, TypeError, OverflowError) as error:
        if compute is primitive or not (primitive.opaque and any(x.__class__ is Symbol for x in arrays)):
            raise explained(primitive, args, error) from error
        out = primitive(*arrays, **params)  # in a Function's backward that explain reads: an equation
    finally:
        restore(before)

    records = needs and mode.grad and primitive.differentiable
    if records and fresh:  # a constant's first use in a graph
        inputs = [record_of(x) if isinstance(x, Tensor) else x for x in args]
    if out.__class__ is not _ndarray:
        if out.__class__ is tuple:
            return _joint(primitive, args, inputs, params, arrays, out, kinds if records else 0, shown)
        out = as_array(out)
    result: Tensor = _new(Tensor)
    result._array = out
    result._record = result._storage = result._view = None
    if primitive.view and (len(args) == 1 or out.__class__ is _ndarray):  # indexed by tensors it is a copy
        link_view(result, args[0], primitive, params)
    if records and (dtype := out.dtype).kind == "f":
        plan = primitive.reads.get(kinds) or _plan(primitive, kinds, arrays, params, out)
        record = Record(primitive, tuple(inputs), params, out.shape, dtype, True, user_site(3), plan.edges)
        result._record = record
        if plan.reads_output:
            record.array = out
            keep_saved(record, plan.reads, args, arrays, (result,))
        elif plan.reads:
            keep_saved(record, plan.reads, args, arrays, ())
        if result._storage is not None:
            record.storage = result._storage
            if result._view is not None:
                result._view = result._view._replace(seen=result._view.base._record)
        if mode.keep:
            remember(record, out)
        if mode.anomaly:
            check_forward(record, arrays, (out,))
        if compute is primitive:
            mode.trace.values[record] = out
    elif compute is primitive and out.__class__ is Symbol:
        mode.trace.sites[out] = user_site(3)
    return result


def _plan(primitive: Primitive, kinds: int, arrays: list[Any], params: dict[str, Any], out: Array) -> Plan:
    """What the rules of the needed inputs read, found once and noted in the primitive."""
    places = range(2 * len(arrays) - 2, -1, -2)
    needed = tuple(bool(kinds >> place & 1) for place in places)
    numbers = tuple(bool(kinds >> place & 2) for place in places)
    reads_output, which = find_reads(primitive, needed, tuple(arrays), params, out)
    reads = tuple(i for i in which if not numbers[i])  # a number stands for itself
    plan = primitive.reads[kinds] = Plan(reads_output, reads, tuple(i for i, need in enumerate(needed) if need))
    return plan


def _joint(
    primitive: Primitive, args: Any, inputs: Any, params: Any, arrays: Any, outs: Any, kinds: int, shown: int | None
) -> tuple[Tensor, ...]:
    """The outputs of a primitive with several, recorded as one computation (see core.joint)."""
    outs = tuple(map(as_array, outs))
    results = tuple(map(wrap, outs[:shown]))
    if kinds:
        plan = primitive.reads.get(kinds) or _plan(primitive, kinds, arrays, params, outs)
        shapes, dtypes = tuple([out.shape for out in outs]), tuple([out.dtype for out in outs])
        record = Record(primitive, tuple(inputs), params, shapes, dtypes, True, user_site(), plan.edges)
        record.array = outs  # always: they say how many there are
        keep_saved(record, plan.reads, args, arrays, results)
        for k, result in enumerate(results):
            if dtypes[k].kind == "f":
                result._record = picked(record, k)
                result._record.storage = result._storage
                if mode.trace is not None:
                    mode.trace.values[result._record] = result._array
        if mode.keep:
            remember(record, outs, results)
        if mode.anomaly:
            check_forward(record, arrays, outs)
    return results


def keep_saved(record: Record, reads: tuple[int, ...], args: Any, arrays: Any, results: tuple[Tensor, ...]) -> None:
    """Keep the arrays that the rules will read (of inputs, of outputs), and no others, with their versions of now."""
    holds: list[tuple[Any, int, Any]] = []
    for result in results:
        storage = result._storage
        if storage is None:
            storage = result._storage = Storage()
        storage.saved = True
        holds.append((storage, storage.version, None))
    if reads:
        saved = [*record.inputs]
        for i in reads:
            storage = args[i]._storage or storage_of(args[i])
            storage.saved = True
            lock = None
            saved[i] = arrays[i]
            if storage.shared:
                saved[i], lock = keep(arrays[i])
            holds.append((storage, storage.version, lock))
        record.saved = saved
    record.holds = holds


def _applied(cls: type[Tensor], primitive: Primitive, args: Any, params: dict[str, Any]) -> Any:
    return apply(primitive, args, params)


Tensor.apply = classmethod(_applied)  # type: ignore[assignment, method-assign]  # as Operand.apply asks


def as_operand(primitive: Primitive, value: Any) -> Any:
    """An operand as `apply` takes it: Tensor or Python number."""
    if isinstance(value, Tensor) or value.__class__ in NUMBERS or (isinstance(value, Symbol) and value.number):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, np.generic):  # of an IntEnum, say
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, np.generic):
        as_dtype(value.dtype)
        return value.item()  # np.float64(2) * float32 tensor stays float32, as 2.0 * it would
    if isinstance(value, np.ndarray):
        return from_numpy(value)
    if isinstance(value, Symbol):
        return wrap(value)
    if value.__class__ is Item:
        return value.number()
    raise TypeError(f"{primitive.name}: {kind_of(value)} is not a tensor; make one with tensor(...).")


def explained(primitive: Primitive, args: Any, error: Exception) -> Exception:
    """The error of a forward, with the operation's name and one line per tensor."""
    if isinstance(error, TraceError) or getattr(error, "explained", False):
        return error
    shapes = [tuple(x.shape) for x in args if isinstance(x, Tensor)]
    message = str(error)
    if "broadcast" in message and len(shapes) > 1 and not isinstance(error, IndexError):
        message = f"shapes {' and '.join(map(str, shapes))} do not broadcast{_clash(shapes)}."
    if "{0}" in message:  # a forward knows arrays; how the user calls them is known here
        message = message.format(*labels(args, primitive.inputs))
    if "not supported for the input types" in message:
        message = f"not of {', '.join(str(x.dtype) for x in args if isinstance(x, Tensor))}."
    # NumPy's ValueErrors are about shapes here, its TypeErrors about dtypes; others stay general
    kind: type[Exception] = RuntimeError
    if isinstance(error, IndexError):
        kind = IndexError
    elif isinstance(error, ValueError):
        kind = ShapeError
    elif isinstance(error, TypeError):
        kind = DtypeError
    text = message if message.startswith(primitive.name) else f"{primitive.name}: {message}"
    explained = kind(text + describe(args, primitive.inputs))
    explained.explained = True  # type: ignore[attr-defined]  # not to be described twice
    return explained


def _clash(shapes: list[tuple[int, ...]]) -> str:
    for axis in range(1, max(map(len, shapes)) + 1):
        lengths = {s[-axis] for s in shapes if len(s) >= axis} - {1}
        if len(lengths) > 1:
            return f": axis -{axis} has lengths {' and '.join(map(str, sorted(lengths)))}, equal or 1 is needed"
    return ""
