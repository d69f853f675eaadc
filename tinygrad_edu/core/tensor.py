"""Tensor: a value (value.py) and the record of how it was computed.

Here is what joins the two: leaves, gradients, hooks, copies, and the ways to and from NumPy. What an
operation does with Tensors is in core/apply.py; what it is called and what its arguments mean is said in
ops/, which attaches its functions here as methods (`method`). `core/tensor.pyi` lists them all for
editors and mypy.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import memory  # noqa: F401  # importing it makes the C library keep freed memory
from .convert import to_array
from .dtypes import as_dtype, get_default_dtype
from .errors import DtypeError, ShapeError
from .hooks import RemovableHandle
from .missing import LEFT_OUT, LeftOut
from .mode import mode
from .node import Node, node_of
from .primitive import Array
from .record import Record, Storage, stamp, user_site
from .symbol import Symbol
from .value import Size, Value
from .views import View, refresh
from .write import is_frozen, read, storage_of

_NO_GRADIENT = (
    "this tensor does not require a gradient; make it with requires_grad=True, or compute it outside of no_grad()."
)


class Tensor(Value):
    """An n-dimensional array that remembers how it was computed.

    Args:
        data: numbers, nested lists or an array, which is copied; or, with further numbers in `size`, the lengths of
            the axes of memory as it was found.
        dtype: default: float32 for Python floats and lists, an ndarray's own dtype otherwise.
        requires_grad: a leaf whose `.grad` is filled by `backward()`.
        name: how formulas, pictures and errors call it.

    >>> x = Tensor([3.0], requires_grad=True, name="x")
    >>> y = x * x
    >>> y.backward()
    >>> x.grad
    tensor([6.])

    It takes attributes of yours, such as `bias.no_decay = True`, or `x.g` in a backward pass written by hand.
    """

    rank = 2
    __slots__ = ("__dict__", "__weakref__", "_array", "_record", "_storage", "_view")
    __hash__ = object.__hash__  # by identity; == compares elementwise

    def __init__(
        self, data: Any = (), *size: int, dtype: Any = None, requires_grad: bool = False, name: str | None = None
    ) -> None:
        if size or data.__class__ in (int, Size):  # PyTorch's old way to make one that is to be filled
            self._array = np.empty((data, *size) if size else data, dtype or get_default_dtype())
        else:
            if dtype is None and isinstance(data, (list, tuple)):  # Tensor([1, 2]) is floating, unlike tensor([1, 2])
                dtype = get_default_dtype()
            self._array = to_array(data, dtype)
        self._record: Record | None = None
        self._storage: Storage | None = None
        self._view: View | None = None
        if requires_grad:
            self.requires_grad_(True)
        if name is not None:
            self.name = name

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

    def tree(self, *, model: Any = None, limit: int = 200) -> Any:
        """How this tensor was computed, for `print`: names, formulas, shapes, gradients. See `viz.tree`."""
        from ..viz.tree import tree

        return tree(self, model=model, limit=limit)

    def steps(self, scale: Any = "exact", *, model: Any = None, limit: int = 60) -> Any:
        """The backward pass in the order in which it runs, for `print`. See `viz.steps`."""
        from ..viz.steps import steps

        return steps(self, scale, model=model, limit=limit)

    # --- its numbers

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
        if storage.saved or mode.trace is not None:  # a trace hands out what it takes for constants
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

    def __dlpack__(self, **how: Any) -> Any:
        """For `from_dlpack` of other libraries, which gives them this memory, as numpy() does."""
        return self.numpy().__dlpack__(**how)

    def __dlpack_device__(self) -> tuple[Any, int]:
        return self.numpy().__dlpack_device__()

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d tensor; use .item() for its value.")
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        return bool((self == value)._values().any())

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
            if mode.trace is not None:
                mode.trace.enter((self,))
            # A new record: graphs made so far keep treating this tensor as they did. A leaf that was
            # frozen and thawed has its first record again, so that they also find its .grad.
            new = old.former if old is not None and requires_grad else None
            if new is None or new.array is not self._array:
                new = leaf_record(self, requires_grad)
            if old is not None:
                new.name, new.grad, new.hooks = old.name, old.grad, old.hooks
                if old.grad_hooks is not None:
                    new.grad_hooks = old.grad_hooks
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
        if mode.trace is not None:
            mode.trace.asked(self)
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
                raise DtypeError(
                    f"grad: dtype {grad.dtype} is assigned to a tensor of {self.dtype}; convert it with .to(x.dtype)."
                )
        if mode.trace is not None:
            mode.trace.forget(self) if grad is None else mode.trace.enter((self, grad))
        record_of(self).grad = grad

    def retain_grad(self) -> None:
        """Keep `.grad` of this intermediate value when `backward()` passes it."""
        if not self.requires_grad:
            raise RuntimeError(f"retain_grad: {_NO_GRADIENT}")
        if not self.is_leaf:
            record_of(self).retains_grad = True

    @property
    def retains_grad(self) -> bool:
        return self._record is not None and self._record.retains_grad

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call `hook(grad)` when this tensor's gradient is complete; what it returns replaces it."""
        if not self.requires_grad:
            raise RuntimeError(f"register_hook: {_NO_GRADIENT}")
        if self._view is not None:
            refresh(self)
        record = record_of(self)
        if record.hooks is None:
            record.hooks = {}
        return RemovableHandle(record.hooks, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Call `hook(self)` each time that backward() has added to this leaf's `.grad`."""
        if not self.requires_grad:
            raise RuntimeError(f"register_post_accumulate_grad_hook: {_NO_GRADIENT}")
        if not self.is_leaf:
            raise RuntimeError(
                "post accumulate grad hooks cannot be registered on non-leaf tensors; use register_hook."
            )
        record = record_of(self)
        if record.grad_hooks is None:
            record.grad_hooks = {}
        itself = weakref.ref(self)  # the record must not keep its own Tensor alive

        def call() -> None:
            if (tensor := itself()) is not None and hook(tensor) is not None:  # type: ignore[func-returns-value]
                raise RuntimeError("Tensor post accumulate grad hooks should return None.")

        return RemovableHandle(record.grad_hooks, call)

    def detach(self) -> Tensor:
        """A tensor on the same memory that the graph does not know."""
        result = wrap(read(self))
        result._storage = storage_of(self)
        if mode.trace is not None:
            mode.trace.detached(result, self)
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
        storage = storage_of(source) if mode.trace is None else mode.trace.exchange(self, source)
        left.version = stamp()
        left.writer = (".data =", user_site())
        self._array, self._view, self._storage = source._array, None, storage
        if self._record is not None and self._record.primitive is None:
            record = self._record
            record.array, record.shape, record.dtype = self._array, self._array.shape, self.dtype
            record.storage, record.moved = self._storage, left.version

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
        if mode.trace is None:
            result.__setstate__(self.__getstate__())
        else:
            array = self.detach().clone()._array
            result.__setstate__({"array": array, "requires_grad": self.requires_grad, "name": self.name})
        if self._record is not None and self._record.grad is not None:
            result.grad = copy.deepcopy(self._record.grad, memo)
        vars(result).update(copy.deepcopy(vars(self), memo))
        return result

    def __getstate__(self) -> dict[str, Any]:
        if not self.is_leaf:
            raise RuntimeError("pickle: only leaves can be stored; use .detach() first.")
        own = {"attributes": dict(vars(self))} if vars(self) else {}
        return {"array": self._values().copy(), "requires_grad": self.requires_grad, "name": self.name, **own}

    def __setstate__(self, state: Any) -> None:
        self._array, self._record, self._storage, self._view = state["array"], None, None, None
        if state["requires_grad"]:
            self.requires_grad_(True)
        if state["name"] is not None:
            self.name = state["name"]
        if "attributes" in state:
            vars(self).update(state["attributes"])


for _name in (path.removeprefix("Tensor.") for path in LEFT_OUT if path.startswith("Tensor.")):
    setattr(Tensor, _name, LeftOut("Tensor", _name))

_new = object.__new__


def wrap(array: Array) -> Tensor:
    """A Tensor on this very array, outside of any graph."""
    result: Tensor = _new(Tensor)
    result._array = array
    result._record = result._storage = result._view = None
    return result


def as_tensor(value: Any) -> Tensor:
    """An array as a Tensor; a Tensor as it is."""
    return value if isinstance(value, Tensor) else wrap(value)


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
    if isinstance(value, Symbol):
        value.held = True
        return value
    return value if isinstance(value, np.ndarray) else np.asarray(value)


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


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A Tensor on the memory of another library's, as from_numpy."""
    return from_numpy(np.from_dlpack(ext_tensor))


METHODS: dict[str, Any] = {}  # Tensor.<name> that others have attached: the function with PyTorch's signature


def method(name: str, function: Any, operation: Any = None) -> None:
    """Attach a function to Tensor; its first argument is the tensor. `operation` says what it stands for."""
    setattr(Tensor, name, function)
    if not name.startswith("__"):
        METHODS[name] = operation or function
