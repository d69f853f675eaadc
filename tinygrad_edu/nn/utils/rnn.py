"""Sequences of several lengths: padded in one tensor, cut again, and packed in the layout without padding.

nn follows PyTorch: a sequence is (T, *), a batch of them (T, m, *), or (m, T, *) with batch_first. The
recurrent layers take packed sequences; where a row stands in them is in ops/packing.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...core.device import CPU, device
from ...core.tensor import Tensor
from ...ops.checks import numbers_of
from ...ops.creation import finish
from ...ops.gathering import index_select
from ...ops.indexing import getitem
from ...ops.joining import stack
from ...ops.packing import Packing
from ...ops.shape import transpose
from ...ops.windows import pad

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]

IN_STEP = (  # shapes come of them
    "Give the step padded sequences and their lengths as a list of Python ints (.tolist() outside), and pack in it."
)


def pad_sequence(
    sequences: Sequence[Any], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Any:
    """Sequences (T_k, *), of equal axes behind the first, as one tensor (longest T, m, *).

    Args:
        sequences: a list of tensors.
        batch_first: give (m, longest T, *).
        padding_value: what fills the places behind the end of the shorter ones.
        padding_side: "left" fills before their start.
    Raises:
        RuntimeError: there are none, or they differ behind the first axis.
    """
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"pad_sequence: padding_side should be either 'right' or 'left', got {padding_side!r}.")
    several = list(sequences)
    if not several or not all(isinstance(x, Tensor) and x.ndim for x in several):
        raise RuntimeError("pad_sequence: received an empty list of sequences, or one of what are not sequences.")
    rest = tuple(several[0].shape[1:])
    if any(tuple(x.shape[1:]) != rest for x in several):
        shapes = ", ".join(str(tuple(x.shape)) for x in several)
        raise RuntimeError(f"pad_sequence: the sequences must agree in all axes but the first, got {shapes}.")
    longest = max(x.shape[0] for x in several)
    padded = [_padded(x, longest - x.shape[0], padding_value, padding_side == "left") for x in several]
    return stack(padded, dim=0 if batch_first else 1)


def _padded(x: Any, missing: int, value: float, left: bool) -> Any:
    if not missing:
        return x
    return pad(x, (0, 0) * (x.ndim - 1) + ((missing, 0) if left else (0, missing)), value=value)


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list[Any]:
    """The sequences that were padded at the right: the first `lengths[k]` steps of each."""
    rows = padded_sequences if batch_first else transpose(padded_sequences, 0, 1)
    counts = numbers_of(lengths, IN_STEP).tolist() if isinstance(lengths, Tensor) else list(lengths)
    if len(counts) != rows.shape[0]:
        raise RuntimeError(f"unpad_sequence: {len(counts)} lengths for {rows.shape[0]} sequences.")
    return [getitem(rows, key=(k, slice(math.trunc(n)), ...)) for k, n in enumerate(counts)]


class _Packed(NamedTuple):
    data: Any
    batch_sizes: Any
    sorted_indices: Any = None
    unsorted_indices: Any = None


class PackedSequence(_Packed):
    """Sequences without padding, as pack_padded_sequence and pack_sequence make them and recurrent layers take them.

    Args:
        data: the rows of all steps, (total, *): step 0 of all samples, step 1 of those that have one ...
        batch_sizes: (T,), how many samples have each step.
        sorted_indices: which of the caller's samples each one is, sorted by length; None: they were sorted.
        unsorted_indices: the inverse of it.
    """

    def __new__(
        cls, data: Any, batch_sizes: Any = None, sorted_indices: Any = None, unsorted_indices: Any = None
    ) -> PackedSequence:
        """A tuple of the four."""
        if batch_sizes is None and isinstance(data, (list, tuple)):  # an older form: (data, batch_sizes)
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    @property
    def packing(self) -> Packing:
        """Where the rows stand."""
        return Packing(lengths_of(self.batch_sizes))

    def with_data(self, data: Any) -> PackedSequence:
        """Other rows in the same places."""
        return PackedSequence(data, *self[1:])

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """With the data in another dtype."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else self.with_data(data)

    def float(self) -> PackedSequence:
        """In float32."""
        return self.with_data(self.data.float())

    def double(self) -> PackedSequence:
        """In float64."""
        return self.with_data(self.data.double())

    def long(self) -> PackedSequence:
        """In int64."""
        return self.with_data(self.data.long())

    def int(self) -> PackedSequence:
        """In int32."""
        return self.with_data(self.data.int())

    def cpu(self) -> PackedSequence:
        """Itself: it lives in main memory."""
        return self

    def pin_memory(self) -> PackedSequence:
        """Itself: there is no device to copy to."""
        return self

    def is_pinned(self) -> bool:
        """False."""
        return False

    @property
    def is_cuda(self) -> bool:
        """False."""
        return False

    @property
    def device(self) -> device:
        """The CPU."""
        return CPU


def invert_permutation(permutation: Any) -> Any:
    """Where each number stands in a permutation of 0 to n - 1; of None, None."""
    if permutation is None:
        return None
    places = numbers_of(permutation, IN_STEP)
    found = np.empty_like(places)
    found[places] = np.arange(len(places))
    return finish(found)


def lengths_of(batch_sizes: Any) -> list[int]:
    """The lengths of packed sequences, the longest first."""
    sizes = numbers_of(batch_sizes, IN_STEP)
    return [int(n) for n in (sizes[:, None] > np.arange(int(sizes[0]))).sum(0)]


def pack_padded_sequence(
    input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Padded sequences (T, m, *) without what lies behind their ends.

    Args:
        lengths: the steps of each, a list or a tensor of integers.
        batch_first: the input is (m, T, *).
        enforce_sorted: the lengths are in descending order, which is checked; False sorts the samples.
    Raises:
        RuntimeError: a length is no length of this input, or the lengths are not in order.
    """
    name = "pack_padded_sequence"
    counts = [int(n) for n in (numbers_of(lengths, IN_STEP) if isinstance(lengths, Tensor) else lengths)]
    m, longest = input.shape[0 if batch_first else 1], input.shape[1 if batch_first else 0]
    if len(counts) != m:
        raise RuntimeError(
            f"{name}: Expected `len(lengths)` to be equal to batch_size, but got {len(counts)} (batch_size={m})."
        )
    if not counts:
        raise RuntimeError(f"{name}: Cannot pack empty tensors.")
    if min(counts) <= 0:
        raise RuntimeError(
            f"{name}: Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0: "
            f"{counts}."
        )
    if max(counts) > longest:
        raise RuntimeError(f"{name}: a length of {max(counts)} for sequences padded to {longest} steps.")
    order = None
    if not enforce_sorted:
        by_length = np.argsort(-np.array(counts), kind="stable")
        order = finish(by_length)
        input = index_select(input, 0 if batch_first else 1, order)
        counts = [counts[k] for k in by_length]
    elif counts != sorted(counts, reverse=True):
        raise RuntimeError(
            f"{name}: `lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement."
        )
    packing = Packing(counts)
    data = packing.pack(transpose(input, 0, 1) if batch_first else input)
    return PackedSequence(data, finish(packing.batch_sizes), order)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Any, Any]:
    """Packed sequences padded again, (T, m, *), in the caller's order; and their lengths.

    Args:
        total_length: the steps to pad to; None: the longest sequence's.
    Raises:
        ValueError: total_length is less than that.
    """
    packing = sequence.packing
    padded = packing.pad(sequence.data, padding_value)
    if total_length is not None:
        if total_length < packing.T:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, but got "
                f"total_length={total_length} and max sequence length being {packing.T}"
            )
        padded = _padded(padded, total_length - packing.T, padding_value, False)
    lengths = finish(np.array(lengths_of(sequence.batch_sizes), np.int64))
    if sequence.unsorted_indices is not None:
        padded = index_select(padded, 1, sequence.unsorted_indices)
        lengths = lengths[sequence.unsorted_indices]
    return (transpose(padded, 0, 1) if batch_first else padded), lengths


def pack_sequence(sequences: Sequence[Any], enforce_sorted: bool = True) -> PackedSequence:
    """A list of sequences (T_k, *), packed."""
    lengths = [x.shape[0] for x in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Any]:
    """The list of sequences that were packed."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
