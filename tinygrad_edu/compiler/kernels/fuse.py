"""Calls gathered into kernels: what one loop computes needs no arrays between.

A listing's calls are dealt out in turns: all elementwise calls, small reductions and small products that
can be made make one kernel, then come the calls that stay NumPy's (large products, logarithms, whole
forwards), then the next kernel. Inside a kernel, calls over one shape share a loop; a value that only its
own loop reads stays in a register, and a new parameter is written where the old one is read.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from typing import Any

import numpy as np

from ...ops.pooling import onto_largest
from ...ops.pooling_windows import are_tiles
from ..calls import Call, Check, Kernel, Method, Reduce, Value
from ..listing import Listing, is_draw
from ..memory import may_follow_writes
from .formulas import ARITHMETIC, FORMULAS, LOGICAL, LONG, PLACING, SLOW, stripe
from .nests import Loop, Nest, last_axis, nests, own_row, source_shape
from .opened import opened
from .quick import QUICK
from .references import Ref, masks, placed, read_by, reference, straight

FEW = 64  # numbers for which a slow function is still cheaper than a call of NumPy's
SMALL_PRODUCT = 30_000  # multiplications; a larger one is BLAS's
SMALL_SUM = 65_536  # numbers; a larger one, along an axis, is NumPy's
LOCAL = 8_192  # numbers; an array of its own costs a kernel less than one that it is given
MANY_IN_ROW = 16  # numbers of the innermost loop, for functions that compute so many at a time
MANY_IN_WINDOW = 16  # numbers of a window that is looked through without a loop
VIEWS = {"reshape", "broadcast_to", "expand_dims", "ravel", "view", "__getitem__"}  # of an array without axes
SAME_KIND = {"astype", "copy"}  # of a number a number, of an array without axes an array


class Fused(Kernel):
    """What a kernel does."""

    def __init__(self, lines: list[Call]) -> None:
        super().__init__("kernel")
        self.lines = lines
        self.loops: list[Loop] = []
        self.loop_of: dict[Value, int] = {}
        self.local: set[Value] = set()  # arrays between its loops that it makes itself
        self.totals: set[Value] = set()
        for line in lines:
            self._put(line)
        self._sink()
        self._nest()

    def _sink(self) -> None:
        """Move what one later loop alone reads, place by place, into that loop: it need not be stored for it."""
        readers: dict[Value, list[tuple[Call, Ref]]] = {}
        for line in self.lines:
            for v in line.operands:
                ref = reference(v)
                readers.setdefault(ref.base, []).append((line, ref))
        for line in reversed(self.lines):
            (value,) = line.results
            own, there = self.loop_of[value], {self.loop_of[x.results[0]] for x, _ in readers.get(value, ())}
            if nature(line)[0] != "each" or len(there) != 1 or there == {own}:
                continue
            (place,) = there
            loop = self.loops[place]
            joins = loop.kind == "each" and loop.shape == self.loops[own].shape
            inside = {b for v in line.operands for b in [reference(v).base] if self.loop_of.get(b) == own}
            if any(x is not line for b in inside for x, _ in readers[b]):
                continue  # what it reads would have to be stored in its place
            if joins and all(straight(ref, loop.shape) for _, ref in readers[value]):
                self.loops[own].lines.remove(line)
                loop.lines.insert(0, line)
                self.loop_of[value] = place
        left = [loop for loop in self.loops if loop.lines]
        self.loop_of = {v: left.index(self.loops[k]) for v, k in self.loop_of.items()}
        self.loops = left

    def _nest(self) -> None:
        """Let loops that go through the same rows do so together where that pays."""
        self.nests: list[Nest] = []
        for nest in nests(self.loops, self.loop_of):
            self.nests += [nest] if nest.pays else [Nest(None, loop) for loop in nest.loops]
        self.loops = [loop for nest in self.nests for loop in nest.loops]
        self.loop_of = {line.results[0]: k for k, loop in enumerate(self.loops) for line in loop.lines}
        self.nest_of = [nest for nest in self.nests for _ in nest.loops]

    def _put(self, line: Call) -> None:
        (value,) = line.results
        kind, shape = nature(line)
        if kind == "total":
            self.totals.add(value)
        earliest = 0
        for v in line.operands:
            ref = reference(v)
            place = self.loop_of.get(ref.base)
            if place is None:
                continue
            within = self.loops[place].kind == "each" and ref.base not in self.totals
            joins = within and kind in ("each", "total") and self.loops[place].shape == shape and straight(ref, shape)
            earliest = max(earliest, place if joins else place + 1)
        for place in range(earliest, len(self.loops)):
            if kind in ("each", "total") and self.loops[place].kind == "each" and self.loops[place].shape == shape:
                break
        else:
            place = len(self.loops)
            self.loops.append(Loop(shape, "each" if kind == "total" else kind))
        self.loops[place].lines.append(line)
        self.loop_of[value] = place

    def may_overwrite(self, old: Value, new: Value) -> bool:
        """Whether a new value can go where the old one lies: no later place or loop reads the old one."""
        place = self.loop_of[new]
        nest = self.nest_of[place]
        if self.loops[place].kind != "each":
            return False
        for line in self.lines:
            at = self.loop_of[line.results[0]]
            for v in line.operands:
                ref = reference(v)
                if ref.base is old and (at > place or (at == place and not straight(ref, self.loops[place].shape))):
                    return False
            if nest.rows is not None and self.nest_of[at] is nest:
                read = read_by(line, len(source_shape(self.loops[at])))
                if any(ref.base is old and not own_row(ref, nest.rows) for ref in read):
                    return False
        return True

    def inner(self, value: Value) -> bool:
        """Whether only the value's own loop or nest reads it, of the kernel's."""
        nest = self.nest_of[self.loop_of[value]]
        if np.ndim(value.data) == 0:
            return True
        readers = [line for line in self.lines if any(reference(v).base is value for v in line.operands)]
        return all(self.nest_of[self.loop_of[line.results[0]]] is nest for line in readers)


def nature(line: Call) -> tuple[str, tuple[int, ...]]:
    """Which loop a call needs: its kind and shape."""
    (value,) = line.results
    shape = np.shape(value.data)
    if isinstance(line.function, Reduce):
        source = line.args[0].data
        return ("total", source.shape) if value.data.ndim == 0 else ("reduce", shape)
    if line.function is onto_largest.forward:
        return "windows", shape
    return ("product" if line.function in (np.dot, np.matmul) else "each", shape)


def _dtype(x: Any) -> np.dtype[Any] | None:
    if isinstance(x, Value):
        return None if x.number else np.asarray(x.data).dtype
    return x.dtype if isinstance(x, (np.ndarray, np.generic)) else None


def fusable(line: Call | Check) -> bool:
    """Whether a kernel can make a call."""
    if not isinstance(line, Call) or len(line.results) != 1 or line.results[0].number or line.args is None:
        return False
    value, function = line.results[0], line.function
    if not isinstance(value.data, (np.ndarray, np.generic)) or not np.size(value.data):
        return False
    if value.source is not None:
        return False
    if isinstance(function, np.ufunc) and masks(line):
        return True
    kinds = {d for x in line.args if (d := _dtype(x)) is not None}
    if value.data.dtype.kind not in "fb" or value.data.dtype.itemsize == 2 or not kinds:
        return False
    if any(d.kind not in "fb" or d.itemsize == 2 for d in kinds):
        return False
    if isinstance(function, np.ufunc):
        if line.kwargs or function not in FORMULAS:
            return False
        if function in SLOW and value.data.size > FEW and not quick(line):
            return False
        if function in ARITHMETIC and value.data.dtype.kind != "f":
            return False
        return not (function in LOGICAL and any(d.kind != "b" for d in kinds))
    if function is np.where:
        return len(line.args) == 3 and _dtype(line.args[0]) is not None and not line.kwargs
    if isinstance(function, Reduce):
        return _reduces(line)
    if isinstance(function, Method):
        return function.__name__ == "astype" and isinstance(line.args[0], Value)
    if function in PLACING:
        return placed(line) is not None
    if function is onto_largest.forward:
        return _has_tiles(line)
    return function in (np.dot, np.matmul) and _multiplies(line)


def quick(line: Call) -> bool:
    """Whether a kernel has a function of its own for a call, of many numbers at a time (quick.py)."""
    (value,) = line.results
    if line.function not in QUICK or value.data.dtype != np.float32 or value.data.ndim == 0:
        return False
    return bool(value.data.size > FEW and value.data.shape[-1] >= MANY_IN_ROW)


def _has_tiles(line: Call) -> bool:
    """Whether the windows of a pooling lie side by side, and are small."""
    V, X = line.args
    plane = line.kwargs["plane"]
    if not all(isinstance(v, Value) and isinstance(v.data, np.ndarray) for v in (V, X)) or V.data.dtype != X.data.dtype:
        return False
    lengths = X.data.shape[X.data.ndim - len(plane) :]
    return are_tiles(lengths, plane) and 1 < math.prod(size for _, size, *_ in plane) <= MANY_IN_WINDOW


def _reduces(line: Call) -> bool:
    function, source = line.function, line.args[0]
    if function.__name__ not in ("add.reduce", "maximum.reduce", "minimum.reduce") or not isinstance(source, Value):
        return False
    told = {name for name, x in line.kwargs.items() if x is not None and x is not False}
    if not told <= {"axis", "keepdims"} or len(line.args) != 1 or source.data.dtype.kind != "f":
        return False
    if np.ndim(line.results[0].data) == 0:
        return function.__name__ == "add.reduce" and np.ndim(source.data) > 0
    return bool(source.data.size <= SMALL_SUM) or (function.__name__ == "add.reduce" and last_axis(line))


def _multiplies(line: Call) -> bool:
    if line.kwargs or len(line.args) != 2:
        return False
    x, y = (v.data if isinstance(v, Value) else v for v in line.args)
    if not (isinstance(x, np.ndarray) and isinstance(y, np.ndarray)) or x.dtype != y.dtype or x.dtype.kind != "f":
        return False
    shape, inner = line.results[0].data.shape, x.shape[-1]
    few = 0 < math.prod(shape) * inner <= SMALL_PRODUCT and inner <= LONG * stripe(inner)
    return 1 <= x.ndim <= 2 and 1 <= y.ndim <= 2 and few and shape != ()


def _scheduled(lines: list[Any], in_kernel: list[bool], clear: list[bool]) -> list[int]:
    """A number per line, as early as can be: kernels are even, what NumPy does between them odd."""
    maker = {v: i for i, line in enumerate(lines) for v in line.results}
    waits = [0] * len(lines)
    frees: list[list[int]] = [[] for _ in lines]
    effect: int | None = None
    for i, line in enumerate(lines):
        needs = {maker[v] for v in line.operands if v in maker}
        if isinstance(line, Check) or is_draw(line) or not may_follow_writes(line):
            if effect is not None:
                needs.add(effect)
            effect = i
        waits[i] = len(needs)
        for k in needs:
            frees[k].append(i)
    ready: tuple[list[int], list[int]] = ([], [])
    slots = [0] * len(lines)

    def admit(i: int, slot: int) -> None:
        if clear[i]:
            release(i, slot)
        else:
            heapq.heappush(ready[0 if in_kernel[i] else 1], i)

    def release(i: int, slot: int) -> None:
        slots[i] = slot
        for k in frees[i]:
            waits[k] -= 1
            if not waits[k]:
                admit(k, slot)

    for i in [i for i, n in enumerate(waits) if not n]:
        admit(i, 0)
    slot = 0
    while ready[0] or ready[1]:
        while ready[slot % 2]:
            release(heapq.heappop(ready[slot % 2]), slot)
        slot += 1
    return slots


def _postpone(
    lines: list[Any], slots: list[int], in_kernel: list[bool], clear: list[bool], old: dict[Value, Value | None]
) -> None:
    """Move calls to the kernel that reads them first: what is computed where it is read need not be stored.

    A tensor's new value (`old` says what it replaces) is computed where it can be written in its place: after what
    might fail, and where nothing reads the old one any more.
    """
    last: dict[Value, int] = {}  # the latest kernel in which a value can be computed
    quiet = max([slot for line, slot in zip(lines, slots, strict=True) if not may_follow_writes(line)], default=-1)
    read: dict[Value, int] = {}
    for line, slot in zip(lines, slots, strict=True):
        for v in line.operands:
            read[v.root] = max(read.get(v.root, 0), slot)
    kernels = sorted({slot for slot, inside in zip(slots, in_kernel, strict=True) if inside})
    for i in reversed(range(len(lines))):
        line = lines[i]
        limits = [last[v] for v in line.results if v in last]
        if in_kernel[i] and limits:
            slots[i] = max(slots[i], min(limits))
        elif in_kernel[i] and line.results[0] in old:
            replaced = old[line.results[0]]
            earliest = max(slots[i], quiet, -1 if replaced is None else read.get(replaced, -1))
            slots[i] = next((k for k in kernels if k >= earliest), earliest + earliest % 2)
        own = min(limits) if clear[i] and limits else slots[i] - slots[i] % 2
        for v in line.operands:
            last[v] = min(last.get(v, own), own)
    where: dict[Value, int] = {}
    for i, line in enumerate(lines):
        if clear[i]:  # written after the kernel that makes what it shows; kernels look through it
            slots[i] = max([where.get(v, 0) for v in line.operands]) | 1
        for v in line.results:
            where[v] = slots[i]


def _clear(line: Call | Check) -> bool:
    """Whether kernels look through a call: a view that an index can express."""
    if isinstance(line, Check) or len(line.results) != 1:
        return False
    (value,) = line.results
    return isinstance(value.data, np.ndarray) and reference(value).base is not value


def fused(listing: Listing) -> list[Call | Check]:
    """The lines of a listing with kernels in the place of the calls that they make."""
    lines = opened(listing)
    in_kernel = [fusable(line) for line in lines]
    scalars, behind = _show_scalars(lines, in_kernel)
    clear = [_clear(line) for line in lines]
    slots = _scheduled(lines, in_kernel, clear)
    roots = set(listing.roots)
    held = {**dict(listing.tensors), **listing.given}
    _postpone(lines, slots, in_kernel, clear, {v: held.get(t) for t, v in listing.writes if isinstance(v, Value)})
    by_slot: dict[int, list[Any]] = defaultdict(list)
    for slot, line in zip(slots, lines, strict=True):
        by_slot[slot].append(line)
    found: list[Call | Check] = []
    for slot in sorted(by_slot):
        own = by_slot[slot]
        looks_through = any(reference(v).base is not v for v in own[0].operands)
        if slot % 2 == 0 and (len(own) > 1 or looks_through or masks(own[0])):
            kernel = Call(Fused(own), (), {})
            kernel.section = own[0].section
            found.append(kernel)
        else:
            found += own
            for value in (v for line in own for v in line.results if v in scalars):
                if value not in behind or behind[value].data.__class__ is not np.ndarray:  # left to NumPy after all
                    value.data = scalars[value]
    return _stored(found, roots)


def _show_scalars(lines: list[Any], in_kernel: list[bool]) -> tuple[dict[Value, Any], dict[Value, Value]]:
    """A kernel stores a number in an array without axes, of which `reshape` gives a view; NumPy's own is none.

    Returns what NumPy gives, and what it takes an array of, so that it may be one after all.
    """
    scalars: dict[Value, Any] = {}
    behind: dict[Value, Value] = {}
    made = {v for line, inside in zip(lines, in_kernel, strict=True) if inside for v in line.results}
    for line in lines:
        x = line.args[0] if isinstance(line, Call) and line.args else None
        if isinstance(x, Value) and x in made and isinstance(x.data, np.generic):
            x.data = np.asarray(scalars.setdefault(x, x.data))
        name = getattr(getattr(line, "function", None), "__name__", "")
        kind = name in VIEWS or name in SAME_KIND
        if isinstance(x, Value) and x in made and np.ndim(x.data) == 0 and kind and len(line.results) == 1:
            (value,) = line.results
            behind[value] = x
            value.source = x if name in VIEWS else value.source
            if isinstance(value.data, np.generic):  # as other numbers: t.view(int)
                scalars[value], value.data = value.data, np.asarray(value.data)
                made.add(value)
    return scalars, behind


def _stored(lines: list[Any], roots: set[Value]) -> list[Call | Check]:
    """Say what kernels read and what they store; leave out the views that nobody needs any more."""
    needed = set(roots)
    kept: list[Call | Check] = []
    for line in reversed(lines):
        function = getattr(line, "function", None)
        if isinstance(function, Fused):
            made = [own.results[0] for own in function.lines]
            between = [v for v in made if v not in needed and not function.inner(v)]
            function.local = {v for v in between if v.data.size <= LOCAL}
            line.results = tuple(v for v in made if v in needed or (v in between and v not in function.local))
            reads = [reference(v).base for own in function.lines for v in own.operands]
            line.take(tuple(dict.fromkeys(v for v in reads if v not in function.loop_of)))
        elif _clear(line) and line.results[0] not in needed:
            continue
        needed.update(line.operands)
        kept.append(line)
    return kept[::-1]
