"""Tensor: a value and the record of how it was computed.

`apply` is the whole of the eager engine's forward side: unwrap the operands, let the primitive
compute, wrap the result, and, when an input needs a gradient, record the operation. What an
operation is called and what its arguments mean is said in ops/, which attaches its functions here
as methods (`method`); `core/tensor.pyi` lists them all for editors and mypy.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from . import memory  # noqa: F401  # for what importing it does
from .anomaly import check_forward
from .device import CPU
from .device import device as Device
from .dtypes import as_dtype, float32, float64, get_default_dtype
from .errors import DtypeError, ShapeError, TraceError, describe, labels
from .joint import picked
from .mode import mode
from .node import Node, node_of
from .primitive import Array, Operand, Plan, Primitive
from .record import Record, Storage, stamp, user_site
from .symbol import Symbol, find_reads
from .write import is_frozen, keep, storage_of

_ndarray = np.ndarray
_NUMBERS = frozenset((float, int, bool))


class Size(tuple[int, ...]):
    """A shape. A tuple, with PyTorch's `numel`; its parts and sums are shapes too."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        found = tuple.__getitem__(self, index)
        return Size(found) if index.__class__ is slice else found

    def __add__(self, other: Any) -> Any:
        return Size(tuple.__add__(self, other))

    def numel(self) -> int:
        return math.prod(self)

    def __repr__(self) -> str:
        return f"Size({list(self)})"


class View(NamedTuple):
    """How a Tensor looks into another's memory, so that a write through it reaches the other's record."""

    base: Tensor
    steps: tuple[tuple[Primitive, dict[str, Any]], ...]  # view primitives from base to here
    seen: Record | None  # the base's record when this view's own was made
    recorded: bool  # made while operations were recorded


class Tensor(Operand):
    """An n-dimensional array that remembers how it was computed.

    Args:
        data: numbers, nested lists or an array, which is copied.
        dtype: default: float32 for Python floats and lists, an ndarray's own dtype otherwise.
        requires_grad: a leaf whose `.grad` is filled by `backward()`.
        name: how formulas, pictures and errors call it.

    >>> x = Tensor([3.0], requires_grad=True, name="x")
    >>> y = x * x
    >>> y.backward()
    >>> x.grad
    tensor([6.])
    """

    rank = 2
    __slots__ = ("__weakref__", "_array", "_record", "_storage", "_view")
    __hash__ = object.__hash__  # by identity; == compares elementwise

    def __init__(
        self, data: Any = (), *, dtype: Any = None, requires_grad: bool = False, name: str | None = None
    ) -> None:
        self._array = to_array(data, dtype)
        self._record: Record | None = None
        self._storage: Storage | None = None
        self._view: View | None = None
        if requires_grad:
            self.requires_grad_(True)
        if name is not None:
            self.name = name

    @classmethod
    def apply(cls, primitive: Primitive, args: Any, params: dict[str, Any]) -> Any:
        return apply(primitive, args, params)

    # --- what it is

    @property
    def shape(self) -> Size:
        return Size(self._array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._array.dtype  # type: ignore[no-any-return]  # a Symbol's is annotated too

    @property
    def ndim(self) -> int:
        return self._array.ndim  # type: ignore[no-any-return]

    def dim(self) -> int:
        """The number of axes."""
        return self.ndim

    ndimension = dim

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the length of axis `dim`."""
        return self.shape if dim is None else self._array.shape[dim]

    def numel(self) -> int:
        """The number of elements."""
        return math.prod(self._array.shape)

    nelement = numel

    def element_size(self) -> int:
        """Bytes per element."""
        return int(self.dtype.itemsize)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.numel() * self.element_size()

    def stride(self, dim: int | None = None) -> Any:
        """Steps between neighbours, in elements, of all axes or of `dim`."""
        strides = tuple(s // self.dtype.itemsize for s in self._values().strides)
        return strides if dim is None else strides[dim]

    def is_contiguous(self) -> bool:
        """Whether the elements lie in memory in the order of their indices."""
        return bool(self._values().flags.c_contiguous)

    def is_floating_point(self) -> bool:
        """Whether the dtype is float32 or float64."""
        return self.dtype.kind == "f"

    @property
    def device(self) -> Device:
        """Where the numbers lie: main memory, device("cpu")."""
        return CPU

    @property
    def is_cuda(self) -> bool:
        """Whether the numbers lie on a GPU: never."""
        return False

    @property
    def is_cpu(self) -> bool:
        """Whether the numbers lie in main memory: always."""
        return True

    def get_device(self) -> int:
        """The number of the GPU; -1: it is none."""
        return -1

    @property
    def name(self) -> str | None:
        """How formulas, pictures and errors call this tensor; None if nobody has named it."""
        return self._record.name if self._record is not None else None

    @name.setter
    def name(self, name: str | None) -> None:
        record_of(self).name = None if name is None else str(name)

    def __repr__(self) -> str:
        from ..viz.text import format_tensor

        return format_tensor(self)

    # --- its numbers

    def _values(self) -> np.ndarray[Any, Any]:
        """The array; a Symbol, during a trace, is refused here with the line that wanted numbers."""
        if self._array.__class__ is _ndarray:
            return self._array  # type: ignore[no-any-return]
        return self._array._refuse()  # type: ignore[no-any-return]

    def item(self) -> Any:
        """The one element, as a Python number."""
        if self.numel() != 1:
            raise ShapeError(
                f"item: only a tensor with one element is a Python number, this one has shape "
                f"{tuple(self.shape)}; use .tolist(), or index it first."
            )
        return self._values().item()

    def tolist(self) -> Any:
        """The elements as nested Python lists."""
        return self._values().tolist()

    def numpy(self, *, force: bool = False) -> np.ndarray[Any, Any]:
        """The numbers as an ndarray on the same memory.

        Writes through it are seen by the Tensor but can't be counted as writes. So what a rule
        reads is copied or locked from here on; and if a record keeps this memory already, the
        ndarray comes read-only (write through the Tensor, or take a `.copy()`). One path is left:
        an ndarray view of more than 1 MB that was taken from the result before the forward pass.

        Raises:
            RuntimeError: the tensor requires a gradient; use `t.detach().numpy()`.
        """
        if self.requires_grad and not force:
            raise RuntimeError(
                "numpy: this tensor requires a gradient, which NumPy would not record. "
                "Use tensor.detach().numpy() instead."
            )
        storage = storage_of(self)
        if storage.saved:
            array = self._values().view()
            array.flags.writeable = False
            return array
        storage.shared = True
        return self._values()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = self.numpy()
        if copy or (dtype is not None and array.dtype != dtype):
            return array.astype(dtype or array.dtype, copy=True)
        return array

    def __bool__(self) -> bool:
        if self.numel() != 1:
            raise RuntimeError(
                f"bool: a tensor of shape {tuple(self.shape)} is neither true nor false; use .any() or .all()."
            )
        return bool(self._values())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iub" or self.numel() != 1:
            raise TypeError(f"a {self.dtype} tensor of shape {tuple(self.shape)} is not an index.")
        return int(self.item())

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len: a 0-d tensor has no length.")
        return int(self._array.shape[0])

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d tensor; use .item() for its value.")
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        return bool((self == value)._values().any())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.ndim == 0 else format(str(self), spec)

    # --- its place in the graph

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded."""
        if self._view is not None and self._view.recorded:
            refresh(self)
        return self._record is not None and self._record.needs_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Start or stop recording operations on this leaf. Returns the tensor itself."""
        old = self._record
        if old is not None and old.primitive is not None:
            if requires_grad:
                return self
            raise RuntimeError(
                f"requires_grad can be changed on leaves only; this is {old.label}. "
                "Use .detach() for a tensor that does not require a gradient."
            )
        if requires_grad and self.dtype.kind != "f":
            raise DtypeError(
                f"requires_grad: only floating tensors have gradients, this one is {self.dtype}; "
                "make it with dtype=float32 or convert with .float() first."
            )
        if requires_grad != self.requires_grad:
            # A new record: graphs made so far keep treating this tensor as they did. A leaf that was
            # frozen and thawed has its first record again, so that they also find its .grad.
            new = old.former if old is not None and requires_grad else None
            if new is None or new.array is not self._array:
                new = leaf_record(self, requires_grad)
            if old is not None:
                new.name, new.grad, new.hooks = old.name, old.grad, old.hooks
                new.former = None if requires_grad else old
            self._record = new
        return self

    @property
    def is_leaf(self) -> bool:
        """Made by the user rather than by a recorded operation."""
        if self._view is not None and self._view.recorded:
            refresh(self)
        return self._record is None or self._record.primitive is None

    @property
    def grad_fn(self) -> Node | None:
        """The step of the backward pass that belongs to this tensor; None for a leaf."""
        return None if self.is_leaf else node_of(record_of(self))

    @property
    def grad(self) -> Tensor | None:
        """The gradient accumulated by `backward()`: a Tensor of this shape, or None."""
        if self._view is not None and self._view.recorded:
            refresh(self)
        record = self._record
        if record is None:
            return None
        if record.grad is None and record.primitive is not None and not record.retains_grad:
            import warnings

            warnings.warn(
                f"the .grad of {record.label} is read, which is not a leaf, so backward() does not "
                "keep it; call .retain_grad() on it before backward().",
                UserWarning,
                stacklevel=2,
            )
        return record.grad  # type: ignore[no-any-return]

    @grad.setter
    def grad(self, grad: Tensor | None) -> None:
        if grad is not None:
            if not isinstance(grad, Tensor):
                raise TypeError(f"grad must be a Tensor or None, not {type(grad).__name__}.")
            if grad.shape != self.shape:
                raise ShapeError(
                    f"grad: shape {tuple(grad.shape)} is assigned to a tensor of shape {tuple(self.shape)}."
                )
            if grad.dtype != self.dtype:
                raise DtypeError(f"grad: dtype {grad.dtype} is assigned to a tensor of {self.dtype}.")
        if mode.trace is not None:
            mode.trace.enter((self,))
        record_of(self).grad = grad

    def retain_grad(self) -> None:
        """Keep `.grad` of this intermediate value when `backward()` passes it."""
        if not self.requires_grad:
            raise RuntimeError("retain_grad: this tensor does not require a gradient.")
        if not self.is_leaf:
            record_of(self).retains_grad = True

    @property
    def retains_grad(self) -> bool:
        return self._record is not None and self._record.retains_grad

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call `hook(grad)` when this tensor's gradient is complete; what it returns replaces it."""
        if not self.requires_grad:
            raise RuntimeError("register_hook: this tensor does not require a gradient.")
        if self._view is not None:
            refresh(self)
        record = record_of(self)
        if record.hooks is None:
            record.hooks = {}
        return RemovableHandle(record.hooks, hook)

    def detach(self) -> Tensor:
        """A tensor on the same memory that the graph does not know."""
        result = wrap(self._array)
        result._storage = storage_of(self)
        return result

    def detach_(self) -> Tensor:
        """Forget how this tensor was computed."""
        if self._view is not None:
            raise RuntimeError("detach_: a view can't be cut off its base in place; use .detach().")
        self._record = None
        return self

    @property
    def data(self) -> Tensor:
        """The same memory, outside of the graph. Writes through it count all the same."""
        return self.detach()

    @data.setter
    def data(self, source: Tensor) -> None:
        if not isinstance(source, Tensor):
            raise TypeError(f"data must be a Tensor, not {type(source).__name__}.")
        if self.requires_grad and source.dtype.kind != "f":
            raise DtypeError(f"data: a tensor that requires grad is floating; {source.dtype} can't take its place.")
        if not self.is_leaf and source.shape != self.shape:
            raise ShapeError(f"data: shape {tuple(source.shape)} for a computed tensor of shape {tuple(self.shape)}.")
        if mode.trace is not None:
            mode.trace.enter((self, source))
        left = storage_of(self)
        left.version = stamp()
        left.writer = (".data =", user_site())
        self._array, self._view = source._array, None
        if mode.trace is None:  # a trace tells by the Storage whose memory it has to write
            self._storage = storage_of(source)
        if self._record is not None and self._record.primitive is None:
            record = self._record
            record.array, record.shape, record.dtype = self._array, self._array.shape, self.dtype
            record.storage = self._storage

    def replace(self, result: Any, name: str) -> Tensor:
        """Answer `np.add(x, y, out=self)`: an in-place operation."""
        from ..ops.writes import store

        return store(self, result if isinstance(result, Tensor) else wrap(as_array(result)), name)

    def __copy__(self) -> Tensor:
        return self.detach().requires_grad_(self.requires_grad) if self.is_leaf else self.detach()

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError(
                "deepcopy: only leaves can be copied with their place in the graph; "
                f"this is {self._record.label}. Use .detach().clone()."  # type: ignore[union-attr]
            )
        result = self.__class__.__new__(self.__class__)
        memo[id(self)] = result
        result.__setstate__(self.__getstate__())
        if self._record is not None and self._record.grad is not None:
            result.grad = copy.deepcopy(self._record.grad, memo)
        return result

    def __getstate__(self) -> dict[str, Any]:
        if not self.is_leaf:
            raise RuntimeError("pickle: only leaves can be stored; use .detach() first.")
        return {"array": self._values().copy(), "requires_grad": self.requires_grad, "name": self.name}

    def __setstate__(self, state: Any) -> None:
        self._array, self._record, self._storage, self._view = state["array"], None, None, None
        if state["requires_grad"]:
            self.requires_grad_(True)
        if state["name"] is not None:
            self.name = state["name"]


class RemovableHandle:
    """What registering a hook returns: `remove()` takes the hook out again."""

    _next = 0

    def __init__(self, hooks: dict[int, Any], hook: Any) -> None:
        self.hooks, self.id = hooks, RemovableHandle._next
        RemovableHandle._next += 1
        hooks[self.id] = hook

    def remove(self) -> None:
        self.hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def apply(primitive: Primitive, args: Any, params: dict[str, Any]) -> Any:
    """Compute a primitive on Tensors, numbers and arrays, and record it if an input needs a gradient."""
    compute: Any = primitive.forward
    if mode.trace is not None:
        mode.trace.enter(args)
        compute = primitive  # the arrays are Symbols: one equation
    arrays: list[Any] = []
    inputs: list[Any] = []
    kinds = 1  # behind this 1 two bits per argument: is a number, needs a gradient
    needs = mixed = False
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
            if record is not None and record.needs_grad:
                kinds += 1
                needs = True
        elif x.__class__ in _NUMBERS:
            arrays.append(x)
            inputs.append(x)
            kinds += 2
        else:
            return apply(primitive, [as_operand(primitive, x) for x in args], params)

    try:
        if (mixed or (dtype is not float32 and dtype is not float64)) and primitive.types is not None:
            arrays = primitive.types(primitive.name, arrays)
        out = compute(*arrays, **params) if params else compute(*arrays)
    except (ValueError, IndexError, RuntimeError, TypeError, OverflowError) as error:
        raise _explained(primitive, args, error) from error

    records = needs and mode.grad and primitive.differentiable
    if records and None in inputs:  # a constant's first use in a graph
        inputs = [record_of(x) if isinstance(x, Tensor) else x for x in args]
    if out.__class__ is not _ndarray:
        if out.__class__ is tuple:
            return _joint(primitive, args, inputs, params, arrays, out, kinds if records else 0)
        out = as_array(out)
    result: Tensor = _new(Tensor)
    result._array = out
    result._record = result._storage = result._view = None
    if primitive.view:
        _link_view(result, args[0], primitive, params)
    if records and (dtype := out.dtype).kind == "f":
        plan = primitive.reads.get(kinds) or _plan(primitive, kinds, arrays, params, out)
        record = Record(primitive, tuple(inputs), params, out.shape, dtype, True, user_site(), plan.edges)
        result._record = record
        if plan.reads_output:
            record.array = out
            _keep(record, plan.reads, args, arrays, (result,))
        elif plan.reads:
            _keep(record, plan.reads, args, arrays, ())
        if result._storage is not None:
            record.storage = result._storage
            if result._view is not None:
                result._view = result._view._replace(seen=result._view.base._record)
        if mode.anomaly:
            check_forward(record, arrays, (out,))
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
    primitive: Primitive, args: Any, inputs: Any, params: dict[str, Any], arrays: Any, outs: Any, kinds: int
) -> tuple[Tensor, ...]:
    """The outputs of a primitive with several, recorded as one computation (see core.joint)."""
    results = tuple(wrap(as_array(out)) for out in outs)
    if kinds:
        outs = tuple(t._array for t in results)
        plan = primitive.reads.get(kinds) or _plan(primitive, kinds, arrays, params, outs)
        shapes, dtypes = tuple(out.shape for out in outs), tuple(out.dtype for out in outs)
        record = Record(primitive, tuple(inputs), params, shapes, dtypes, True, user_site(), plan.edges)
        record.array = outs  # always: they say how many there are
        _keep(record, plan.reads, args, arrays, results)
        for k, result in enumerate(results):
            if result.dtype.kind == "f":
                result._record = picked(record, k)
                result._record.storage = result._storage
        if mode.anomaly:
            check_forward(record, arrays, outs)
    return results


def _keep(record: Record, reads: tuple[int, ...], args: Any, arrays: Any, results: tuple[Tensor, ...]) -> None:
    """Keep the arrays that the rules will read (of inputs, of outputs), and no others, with their versions of now."""
    holds = []
    for result in results:
        storage = result._storage or storage_of(result)
        storage.saved = True
        holds.append((storage, storage.version, None))
    if reads:
        saved = [*record.inputs]
        for i in reads:
            storage = args[i]._storage or storage_of(args[i])
            storage.saved = True
            lock = None
            array = arrays[i]
            if storage.shared:
                array, lock = keep(array)
            saved[i] = array
            holds.append((storage, storage.version, lock))
        record.saved = saved
    record.holds = holds


def _link_view(result: Tensor, source: Tensor, primitive: Primitive, params: dict[str, Any]) -> None:
    """Note that result looks into source's memory, unless NumPy had to copy (a reshape may)."""
    array, out = source._array, result._array
    if out.__class__ is _ndarray and not (out.base is not None and (out.base is array or out.base is array.base)):
        return
    result._storage = storage_of(source)
    view = source._view
    step = (primitive, params)
    if view is None:
        result._view = View(source, (step,), source._record, mode.grad)
    else:
        result._view = View(view.base, (*view.steps, step), view.base._record, mode.grad)


def refresh(view: Tensor) -> None:
    """If the base was written since, derive the view's record from the base's new one."""
    base, steps, seen, recorded = view._view  # type: ignore[misc]  # callers have checked
    if base._storage is not view._storage:  # the base has been given other memory: `base.data = ...`
        view._view = None
        return
    now = base._record
    if now is seen:
        return
    if base._view is not None:  # see ops/reshaping.py
        raise RuntimeError(
            "a view was taken of a tensor whose shape has been changed in place since (squeeze_, transpose_ ...), and "
            "which was written or recorded anew; take the view again."
        )
    if now is None or now.primitive is None:  # a leaf's or constant's record: nothing was written
        view._view = View(base, steps, now, recorded)
        return
    if not recorded:
        if not mode.grad:
            return
        raise RuntimeError(
            "a view was created in no_grad mode and its base has been modified inplace with grad mode enabled, so "
            "whether a gradient should flow through the view is unclear; make the view outside of no_grad(), or "
            "use .detach() for one without a gradient."
        )
    grad, mode.grad = mode.grad, True
    try:
        fresh = follow(base, steps)
    finally:
        mode.grad = grad
    old, view._record = view._record, fresh._record
    if old is not None and fresh._record is not None:
        hand_over(old, fresh._record)
    view._view = View(base, steps, now, recorded)


def hand_over(old: Record, new: Record) -> None:
    """A written tensor has a new record: its name and its wish to keep a gradient go with it."""
    if old.name and not new.name:
        new.name = old.name
    if old.retains_grad:
        old.retains_grad, new.retains_grad, new.grad = False, True, old.grad


def follow(value: Any, steps: tuple[tuple[Primitive, dict[str, Any]], ...]) -> Any:
    """Take the same view of another value: an array, a Tensor or a Symbol."""
    for primitive, params in steps:
        value = primitive(value, **params)
    return value


_new = object.__new__


def wrap(array: Array) -> Tensor:
    """A Tensor on this very array, outside of any graph."""
    result: Tensor = _new(Tensor)
    result._array = array
    result._record = result._storage = result._view = None
    return result


def of_record(array: Array, record: Record) -> Tensor:
    """A Tensor on the value of a record: what rules are handed when the gradient is recorded."""
    result = wrap(array)
    result._record = record
    result._storage = record.storage
    return result


def record_of(tensor: Tensor) -> Record:
    """The tensor's record; a constant gets one when it first enters a graph."""
    if tensor._record is None:
        tensor._record = leaf_record(tensor, False)
    return tensor._record


def leaf_record(tensor: Tensor, needs_grad: bool) -> Record:
    """The record of a value that was not computed: a leaf, or a constant."""
    array = tensor._array
    record = Record(None, (), {}, array.shape, array.dtype, needs_grad, None)
    record.array = array
    record.storage = storage_of(tensor)
    return record


def as_array(value: Any) -> Array:
    """NumPy's reductions return scalars, on which `-=` would change nothing: make them 0-d arrays."""
    return value if isinstance(value, (np.ndarray, Symbol)) else np.asarray(value)


def as_operand(primitive: Primitive, value: Any) -> Any:
    """An operand as `apply` takes it: Tensor or Python number."""
    if isinstance(value, Tensor) or value.__class__ in _NUMBERS:
        return value
    if isinstance(value, np.generic):
        as_dtype(value.dtype)
        return value.item()  # np.float64(2) * float32 tensor stays float32, as 2.0 * it would
    if isinstance(value, np.ndarray):
        return from_numpy(value)
    if isinstance(value, Symbol):
        return wrap(value)
    raise TypeError(f"{primitive.name}: {type(value).__name__} is not a tensor; make one with tensor(...).")


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """A Tensor on the array's own memory.

    What a rule will read of it is copied below 1 MB; above, the array is locked against writes
    until backward has used it. One path is left: a view of a large array, taken before, stays
    writable, and writes through it are not noticed.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: expected an ndarray, got {type(array).__name__}.")
    as_dtype(array.dtype)
    result = wrap(np.asarray(array))
    result._storage = Storage()
    result._storage.shared = True
    result._storage.frozen = is_frozen(array)
    return result


def to_array(data: Any, dtype: Any = None) -> np.ndarray[Any, Any]:
    """A new array from numbers, nested lists, Tensors or an array, in the dtype PyTorch would give."""
    if isinstance(data, Tensor):
        data = data._values()
    elif isinstance(data, (list, tuple)):
        data = _plain(data)
    try:
        array = np.array(data, copy=True)
    except ValueError:  # an expected sequence of another length, in PyTorch's words
        raise ShapeError("tensor: nested lists must have equal lengths at every depth.") from None
    if array.dtype.kind not in "biuf":
        raise DtypeError(
            f"tensor: real numbers are expected, got {array.dtype} from {type(data).__name__}; complex "
            "numbers, text and objects are not supported."
        )
    if dtype is not None:
        wanted = as_dtype(dtype)
        return array.astype(wanted, copy=False)
    if isinstance(data, (np.ndarray, np.generic)):
        return array.astype(as_dtype(array.dtype), copy=False)
    if array.dtype.kind == "f":
        first = data
        while isinstance(first, list) and first:
            first = first[0]
        typed = isinstance(first, (np.ndarray, np.generic)) and first.dtype.kind == "f"
        return array.astype(as_dtype(first.dtype) if typed else get_default_dtype(), copy=False)
    return array.astype(as_dtype(array.dtype), copy=False)


def _plain(data: Any) -> Any:
    """Nested sequences as lists, with arrays in the place of Tensors."""
    if isinstance(data, Tensor):
        return data._values()
    return [_plain(x) for x in data] if isinstance(data, (list, tuple)) else data


METHODS: dict[str, Any] = {}  # Tensor.<name> that others have attached: the function with PyTorch's signature


def method(name: str, function: Any, operation: Any = None) -> None:
    """Attach a function to Tensor; its first argument is the tensor. `operation` says what it stands for."""
    setattr(Tensor, name, function)
    if not name.startswith("__"):
        METHODS[name] = operation or function


def _explained(primitive: Primitive, args: Any, error: Exception) -> Exception:
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
