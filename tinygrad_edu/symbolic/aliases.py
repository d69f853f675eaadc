"""The memory of a trace's tensors: by which names and views it is reached, and what it holds now.

In eager mode two tensors that show one array see each other's writes. Symbols share nothing, so a trace keeps
account: a tensor is read as a view of what its memory holds at that moment, and a write to it is a write to the
tensor that owns the memory. Where it is not known who that is, the step is refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import TraceError, name_of
from ..core.primitive import PRIMITIVES, Primitive
from ..core.record import Record, Storage
from ..core.symbol import Symbol
from ..core.tensor import Tensor, as_array, wrap
from ..core.views import follow
from ..core.write import storage_of
from ..ops.writes import assign
from .layouts import Layouts, truths_like

_OF_RECORD = ("grad", "array", "shape", "dtype", "storage", "moved")


class Before(NamedTuple):
    """A Tensor as it was when the step first touched it."""

    array: np.ndarray[Any, Any]
    record: Record | None
    view: Any
    symbol: Symbol
    of_record: dict[str, Any]  # what a write, or `.data = ...`, changes in the record and the storage
    of_storage: dict[str, Any]

    @property
    def grad(self) -> Tensor | None:
        """Its gradient."""
        return self.of_record.get("grad")


class Leaked(TraceError):
    """A tensor of an earlier trace is used."""


class Aliases:
    """The part of a Trace that knows it."""

    def __init__(self) -> None:
        self.first = Symbol((), np.dtype("float64")).index  # what has a lower one belongs to another trace
        self.before: dict[Tensor, Before] = {}
        self.current: dict[int, tuple[Storage, Symbol]] = {}  # what the written memory holds now
        self.written: dict[int, list[Any]] = {}  # and which arrays it is, by the same ids
        self.views: dict[Tensor, Symbol] = {}  # what the base of a view held when its Symbol was taken
        self.outlines: dict[int, tuple[Any, Any]] = {}  # by the id of a view's path: the path, and how it lies
        self.through: set[Tensor] = set()  # views from outside; the program reads and writes them as parts of the base
        self.beside: dict[int, list[Tensor]] = {}  # of `before`, by the id of the Storage; 0: where an ndarray reaches
        # Memory by another name: the tensor that it belongs to, and the view of it that this one is
        self.aliases: dict[Tensor, tuple[Tensor, tuple[Any, ...]]] = {}
        self.layouts = Layouts()
        self.outside: list[tuple[Tensor, Tensor]] = []  # pairs of those that exist before the step: alias, owner
        self.exchanged: list[tuple[Tensor, Tensor]] = []  # (x, y) after `x.data = y`: both have y's memory now
        self.moved: dict[Tensor, Storage | None] = {}  # these x, and what has counted the writes to them before
        self.left: dict[Tensor, Tensor] = {}  # what stands for the memory that such an x has had, and x
        self.made: set[Tensor] = set()  # in the step, of numbers that it names: the same ones at every call
        self.own: set[Tensor] = set()  # the arguments: views among them are other memory at the next call

    def enter(self, args: Any) -> None:
        """Put a Symbol in the place of the array of each Tensor that the step touches."""
        for x in args:
            if isinstance(x, Tensor):
                if isinstance(x._array, Symbol):
                    if x._array.index < self.first:
                        raise Leaked(
                            f"{name_of(x)} was computed while the step was traced before, and has been kept (in a "
                            "variable, an attribute, a cache): it has no numbers. Compute it outside of the step."
                        )
                    self._follow(x)
                elif x not in self.before:
                    self._lift(x)
            elif isinstance(x, np.ndarray):
                raise TraceError(
                    f"an ndarray of shape {x.shape} meets a traced value: the program could not know when "
                    "it changes. Make it a tensor outside of the step, or pass it as an argument."
                )

    def _lift(self, tensor: Tensor) -> None:
        array, record, storage, view = tensor._array, tensor._record, tensor._storage, tensor._view
        base, steps = self._base_of(tensor)
        if base is tensor:
            self._refuse_written(tensor)
            symbol = Symbol(array.shape, array.dtype, record.name if record is not None else None)
            if isinstance(array, np.ndarray):
                self.layouts.know(symbol, array)
        else:
            self.enter((base,))
            symbol = follow(base._array, steps)
            self.aliases[tensor], self.views[tensor] = (base, steps), base._array
            self.through.add(tensor)
            self.outside.append((tensor, self.left.get(base, base)))
        self.before[tensor] = Before(
            array,
            record,
            view,
            symbol,
            {} if record is None else {name: getattr(record, name) for name in _OF_RECORD},
            {} if storage is None else {"version": storage.version, "writer": storage.writer},
        )
        tensor._array = symbol
        if storage is not None:
            self.beside.setdefault(id(storage), []).append(tensor)
            if storage.shared:
                self.beside.setdefault(0, []).append(tensor)

    def _beside(self, storage: Storage) -> list[Tensor]:
        """The tensors met so far that may lie in this memory."""
        return [*self.beside.get(id(storage), ()), *(self.beside.get(0, ()) if storage.shared else ())]

    def _base_of(self, tensor: Tensor) -> tuple[Tensor, Any]:
        """The tensor whose memory this one shows, and by which steps; itself if it has memory of its own."""
        if tensor in self.own and tensor not in self.moved:
            return tensor, ()
        if tensor in self.aliases:
            return self.aliases[tensor]
        storage, view = tensor._storage, tensor._view
        steps, base = (None, None) if view is None else (view.steps, view.base)
        while base is not None:
            for x in (base, *(left for left, owner in self.left.items() if owner is base)):
                if x._storage is storage and self._still_shows(tensor, x, steps):
                    return x, steps
            base = None if base._view is None else base._view.base  # to squeeze_ it, it has been made a view
        if storage is not None and not storage.shared and tensor not in self.before:
            for other in self.beside.get(id(storage), ()):  # detached before the step
                if other not in self.through and same_place(self.before[other].array, tensor._array):
                    self.aliases[tensor] = other, ()
                    return other, ()
        return tensor, ()

    def _still_shows(self, tensor: Tensor, base: Tensor, steps: Any) -> bool:
        """Whether these steps lead from a base to a view of it: resize_ or squeeze_ may have given it another shape."""
        x, y = (self.before[t].array if t in self.before else t._array for t in (tensor, base))
        if isinstance(x, Symbol) or isinstance(y, Symbol):
            return True
        try:
            return same_place(follow(y, steps), x)
        except (IndexError, ValueError, RuntimeError):
            return False

    def _root_of(self, tensor: Tensor) -> tuple[Tensor, tuple[Any, ...]]:
        """The tensor whose memory this one shows, by way of others too, and by which steps."""
        steps: tuple[Any, ...] = ()
        while (found := self._base_of(tensor))[0] is not tensor:
            tensor, steps = found[0], (*found[1], *steps)
        return tensor, steps

    def detached(self, result: Tensor, source: Tensor) -> None:
        """Note that a tensor is another name for the memory of the source."""
        base, steps = self._base_of(source)
        self.aliases[result] = base, steps
        self.views[result] = base._array

    def exchange(self, tensor: Tensor, source: Tensor) -> Storage:
        """`tensor.data = source`: one memory from now on. What the tensor has had is left to the other names of it.

        Returns: what counts the writes to that memory.
        """
        (mine, part), (other, steps) = self._root_of(tensor), self._root_of(source)
        if other is mine and not (part or steps):
            return storage_of(tensor)
        if other is mine:
            raise TraceError(f"`x.data = y` gives {name_of(tensor)} a part of its own memory; take y.clone().")
        if other in self.before and other not in self.made:
            raise TraceError(
                f"`x.data = y` gives {name_of(tensor)} the memory of {name_of(other)}, which exists beside the step: "
                "in the calls that follow both would be one. Copy the numbers: x.data.copy_(y)."
            )
        if not _is_dense(self._lies(source, source._array)):
            raise TraceError(f"`x.data = y` gives {name_of(tensor)} a part of other memory, with gaps; take y.clone().")
        if mine is tensor:
            self._leave(tensor)
        self.moved.setdefault(tensor, tensor._storage)
        self.exchanged = [*((x, y) for x, y in self.exchanged if x is not tensor), (tensor, source)]
        self.aliases[tensor], self.views[tensor] = (other, steps), other._array
        return storage_of(other)

    def _leave(self, tensor: Tensor) -> None:
        """Let something else stand for a tensor's memory."""
        left = wrap(tensor._array)
        left._storage = tensor._storage
        self.left[left] = tensor
        self.aliases = {x: (left if base is tensor else base, steps) for x, (base, steps) in self.aliases.items()}
        if tensor in self.before:
            self.before[left] = self.before[tensor]._replace(record=None, view=None, of_record={})
        if tensor in self.made:
            self.made.add(left)
        for beside in self.beside.values():
            beside[:] = [left if x is tensor else x for x in beside]

    def shows(self, base: Tensor, path: Any, step: tuple[Primitive, dict[str, Any]]) -> bool:
        """Whether a reshape of a traced tensor is a view: of what does not lie in one piece it is a copy.

        Args:
            path: how the tensor that is reshaped is a view of base, as in a View.
        """
        source = self._outline(base, path)
        primitive, params = step
        return bool(np.may_share_memory(primitive(source, **params), source))

    def _outline(self, base: Tensor, path: Any) -> Any:
        """An array that lies as a view would; of each part of a path there is one, a chain of views may be long."""
        new = []
        while path is not None and id(path) not in self.outlines:
            new.append(path)
            path = path[0]
        if path is not None:
            _, found = self.outlines[id(path)]
        else:
            found = truths_like(self._lies(base, base._array))
        for path in reversed(new):
            primitive, params = path[1]
            found = primitive(found, **params)
            self.outlines[id(path)] = path, found  # with the path, so that its id stays its own
        return found

    def _lies(self, tensor: Tensor, symbol: Any) -> Any:
        """An array that lies in memory as a tensor did when it held a Symbol; its numbers must not be looked at."""
        if isinstance(symbol, np.ndarray):  # not touched by the step
            return symbol
        was = self.before.get(tensor)
        return np.asarray(was.array) if was is not None and symbol is was.symbol else self.layouts.of(symbol)

    def memory(self, tensors: Sequence[Tensor]) -> list[Any]:
        """Arrays that lie as these tensors do, and share memory as they do; their numbers must not be looked at."""
        self.enter(tensors)
        wholes: dict[Tensor, Any] = {}
        found = []
        for root, steps in map(self._root_of, tensors):
            if root not in wholes:
                wholes[root] = truths_like(self._lies(root, root._array))
            found.append(follow(wholes[root], steps))
        return found

    def memory_of(self, tensor: Tensor) -> Any:
        """An array that lies in memory as a tensor does: the program holds for that layout."""
        self.enter((tensor,))
        return self._lies(tensor, tensor._array)

    def _refuse_written(self, tensor: Tensor) -> None:
        """A tensor that the step meets must not lie in memory that it has written under another name."""
        storage = tensor._storage
        if storage is None:
            return
        for other, symbol in (
            self.current.values() if storage.shared else (self.current.get(id(storage), (None, None)),)
        ):
            if other is None or not (other is storage or other.shared) or tensor._array is symbol:
                continue
            if any(np.may_share_memory(x, tensor._array) for x in self.written.get(id(other), ())):
                raise TraceError(
                    f"{name_of(tensor)} shares the memory of a tensor that the step has written before; "
                    "take the view inside of the step, after the write."
                )

    def _follow(self, tensor: Tensor) -> None:
        """Look at a view anew where its base has been written since."""
        storage = tensor._storage
        if storage is None or id(storage) not in self.current:
            return
        base, steps = self._base_of(tensor)
        if base is not tensor:
            self.enter((base,))
            if self.views.get(tensor) is not base._array:
                tensor._array = follow(base._array, steps)
                self.views[tensor] = base._array
        elif tensor not in self.before and tensor._array is not self.current[id(storage)][1] and tensor._view is None:
            raise TraceError(
                f"{name_of(tensor)} shares the memory of a tensor that the step has written since; "
                "take it again (.detach(), .data, a view) after the write."
            )

    def wrote(self, tensor: Tensor, former: Symbol) -> None:
        """Note what a tensor's memory holds now, for what it is a part of too.

        Args:
            former: what it has held before.
        """
        as_array(tensor._array)
        lies = self._lies(tensor, former)
        owner = self._base_of(tensor)[0] is tensor
        if owner and not lies.flags.c_contiguous:
            axes = tuple(sorted(range(lies.ndim), key=lambda k: -abs(lies.strides[k])))
            copied = PRIMITIVES["clone"](PRIMITIVES["permute_axes"](tensor._array, axes=axes))
            tensor._array = PRIMITIVES["permute_axes"](copied, axes=tuple(map(axes.index, range(lies.ndim))))
        self.layouts.know(tensor._array, lies)
        target = tensor
        while (found := self._base_of(target))[0] is not target:
            base, steps = found
            if any(primitive.key == "broadcast_to" for primitive, _ in steps):
                raise TraceError(
                    f"the step writes to a part of {name_of(base)} expanded, where one element stands for several; "
                    "write to the tensor itself, or to a .clone()."
                )
            self.enter((base,))
            lay = self._lies(base, base._array)
            base._array = assign(base._array, target._array, steps=steps, key=(...,)) if steps else target._array
            self.layouts.know(base._array, lay)
            self.views[target] = base._array
            target = base
        if not (owner or lies.flags.c_contiguous):  # a part of the base, read where it lies
            tensor._array = follow(self.views[tensor], self._base_of(tensor)[1])
        storage = target._storage
        if storage is None:
            return
        self.current[id(storage)] = (storage, target._array)
        memory = self.before[target].array if target in self.before else None
        if memory is None:
            return
        self.written.setdefault(id(storage), []).append(memory)
        for other in self._beside(storage):
            was = self.before[other]
            known = other is target or other is tensor or other in self.through
            if not known and isinstance(was.array, np.ndarray) and np.may_share_memory(was.array, memory):
                raise TraceError(
                    f"the step writes {name_of(target)} and also uses {name_of(other)}, which shares its "
                    "memory; use one of them."
                )

    def outside_of(self, tensor: Tensor) -> tuple[Tensor, tuple[Any, ...]] | None:
        """The tensor from outside whose memory a tensor shows, and by which steps; None for what the step computes."""
        root, steps = (tensor, ()) if tensor in self.before else self._root_of(tensor)
        if any(root is self._root_of(x)[0] for x in self.moved if x in self.before):
            raise TraceError("the step leaves in `.grad` what `x.data = y` has given to x as well; take y.clone().")
        return None if root in self.made or root not in self.before else (self.left.get(root, root), steps)

    def is_new(self, tensor: Tensor) -> bool:
        """Whether a tensor is an argument or computed by the step, so that it is another one at every call."""
        return tensor in self.own or (
            isinstance(tensor._array, Symbol) and tensor._array.index >= self.first and tensor not in self.before
        )

    def is_alone(self, tensor: Tensor) -> bool:
        """Whether the step has computed a tensor, with memory that no other name leads to."""
        grads = [x._record.grad for x in self.before if x._record is not None]
        mine = tensor not in self.before or tensor in self.made
        named = (
            tensor._view is not None
            or tensor in self.aliases
            or any(tensor is x or tensor is y for x, y in self.exchanged)
        )
        return mine and not named and not any(tensor is grad for grad in grads)

    def has_neighbours(self, tensor: Tensor) -> bool:
        """Whether a tensor from outside shares its memory with another one that the step has met, or is a gradient."""
        memory = self.before[tensor].array
        others = (x for x in self._beside(tensor._storage) if x is not tensor) if tensor._storage is not None else ()
        gradient = any(was.grad is tensor for was in self.before.values())
        return gradient or any(np.may_share_memory(self.before[x].array, memory) for x in others)


def _is_dense(x: Any) -> bool:
    """Whether an array lies in one piece, in whichever order of axes."""
    steps = sorted((abs(step), n) for step, n in zip(x.strides, x.shape, strict=True) if n > 1)
    return not x.size or [step for step, _ in steps] == [
        x.itemsize * math.prod(n for _, n in steps[:k]) for k in range(len(steps))
    ]


def same_place(x: Any, y: Any) -> bool:
    """Whether two arrays are the same numbers in memory."""
    kind = x.__class__ is y.__class__ is np.ndarray and (x.shape, x.strides, x.dtype) == (y.shape, y.strides, y.dtype)
    return kind and x.__array_interface__["data"] == y.__array_interface__["data"]
