"""Writes: the one function that changes an array, and how a record's arrays are guarded from it.

A Storage is stamped at every write. A record notes the stamp of every array its rules will read,
and backward refuses when there is a later one. So every write of the library goes through `write`,
and no in-place operator stands on a bare array anywhere else (a test searches for one).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .mode import mode
from .primitive import Array
from .record import Record, Site, Storage, line_of, stamp, user_site

if TYPE_CHECKING:
    from .tensor import Tensor

COPY_BELOW = 1 << 20  # bytes; copying 1 MB takes 50 us, about as much as any rule that reads it


def write(target: Tensor, ufunc: Any, *args: Any, by: str = "", site: Site | None = None) -> None:
    """`target's memory = ufunc(*args)`, counted. During a trace the result takes the array's place.

    Args:
        target: the Tensor whose memory is written.
        ufunc: a function that takes `out=`, such as np.add; np.positive stores its argument.
        by: the operation's name, for the message if a record needed the old value.
        site: where the user called it; found here unless the caller knows.
    """
    trace = mode.trace
    if trace is not None:
        trace.enter((target,))
    array = target._array
    storage = target._storage or storage_of(target)
    try:
        target._array = ufunc(*args, out=array)
    except ValueError:
        if array.__class__ is not np.ndarray or array.flags.writeable:
            raise
        if storage.frozen:
            raise RuntimeError(
                f"{by or ufunc.__name__}: the ndarray that this tensor shares memory with is read-only; "
                "write to a .clone()."
            ) from None
        target._array = _through_lock(array, ufunc, args)
    storage.version = stamp()
    storage.writer = (by or ufunc.__name__, site or (user_site() if storage.saved else None))
    if trace is not None:
        trace.wrote(target, array)


def storage_of(tensor: Tensor) -> Storage:
    """The tensor's Storage, made when something first needs to count the writes to its memory."""
    storage = tensor._storage
    if storage is None:
        storage = tensor._storage = Storage()
        if tensor._record is not None:
            tensor._record.storage = storage
    return storage


def read(tensor: Tensor) -> Array:
    """The tensor's array, for code that computes with arrays; during a trace its Symbol."""
    if mode.trace is not None:
        mode.trace.enter((tensor,))
    return tensor._array


class Lock:
    """Keeps an array and its bases from being written until no record reads any of that memory."""

    __slots__ = ("owner",)
    # id of the array that owns the memory -> how many locks there are, the arrays they made read-only
    held: ClassVar[dict[int, tuple[int, list[np.ndarray[Any, Any]]]]] = {}

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        chain = _chain(array)
        self.owner = id(chain[-1])
        locks, arrays = Lock.held.get(self.owner, (0, []))
        for link in chain:
            if link.flags.writeable:
                link.flags.writeable = False
                arrays.append(link)
        Lock.held[self.owner] = (locks + 1, arrays)

    def __del__(self) -> None:
        locks, arrays = Lock.held.pop(self.owner)
        if locks > 1:
            Lock.held[self.owner] = (locks - 1, arrays)
            return
        for link in sorted(arrays, key=lambda a: len(_chain(a))):  # a view can't be writable before its base
            link.flags.writeable = True


def is_frozen(array: np.ndarray[Any, Any]) -> bool:
    """Whether someone outside made this array read-only, rather than a lock."""
    return not array.flags.writeable and id(_chain(array)[-1]) not in Lock.held


def _chain(array: Any) -> list[np.ndarray[Any, Any]]:
    """An array and what it is a view of, the owner last."""
    chain = []
    while isinstance(array, np.ndarray):
        chain.append(array)
        array = array.base
    return chain


def keep(array: Array) -> tuple[Array, Lock | None]:
    """What a record may hold of memory that someone outside can write uncounted: a copy, or a lock."""
    if array.__class__ is not np.ndarray:
        return array, None
    if array.nbytes < COPY_BELOW:
        return array.copy(), None
    return array, Lock(array)


def refuse_written(record: Record, storage: Storage) -> None:
    """Refuse to differentiate through a value that is no longer what the forward pass saw."""
    primitive = record.primitive
    assert primitive is not None
    written, what = record, "its result"
    if record.array is None or record.storage is not storage:
        for i, x in enumerate(record.inputs):
            if isinstance(x, Record) and x.storage is storage:
                written, what = x, f"its input {primitive.inputs[min(i, len(primitive.inputs) - 1)]}"
                break
    name, site = storage.writer or ("a write", None)
    where = f" at {line_of(site)}" if site else ""
    saved = f" at {record.line}" if record.line else ""
    raise RuntimeError(
        f"{primitive.name}{saved} saved {written.name or what} {tuple(written.shape)} for its gradient, and "
        f"{name}{where} has overwritten it since: one of the variables needed for gradient "
        "computation has been modified by an inplace operation. Write to a copy (x = x.clone()), "
        "use the form that makes a new tensor (x = x + 1), or write after backward()."
    )


def repeats(array: np.ndarray[Any, Any]) -> bool:
    """Whether elements share memory: axes that are stretched, windows that overlap."""
    if array.flags.c_contiguous:
        return False
    reach = int(array.itemsize)
    for step, n in sorted((abs(step), n) for step, n in zip(array.strides, array.shape, strict=True) if n > 1):
        if step < reach:
            return True
        reach = reach + step * (n - 1)
    return False


def _through_lock(array: np.ndarray[Any, Any], ufunc: Any, args: Any) -> Array:
    """Our own write into locked memory: it is counted, so the lock need not stop it."""
    chain = _chain(array)
    was = [a.flags.writeable for a in chain]
    try:
        for a in reversed(chain):
            a.flags.writeable = True
        return ufunc(*args, out=array)
    finally:
        for a, flag in zip(chain, was, strict=True):
            a.flags.writeable = flag
