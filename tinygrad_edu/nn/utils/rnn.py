"""Sequences of several lengths in one tensor: padded to the longest, and cut again.

nn follows PyTorch: a sequence is (T, *), a batch of them (T, m, *), or (m, T, *) with batch_first.
PackedSequence, PyTorch's form without padding, is left out: the recurrent layers take padded ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NoReturn

from ...core.tensor import Tensor
from ...ops.indexing import getitem
from ...ops.joining import stack
from ...ops.shape import transpose
from ...ops.windows import pad


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
    counts = lengths.tolist() if isinstance(lengths, Tensor) else list(lengths)
    if len(counts) != rows.shape[0]:
        raise RuntimeError(f"unpad_sequence: {len(counts)} lengths for {rows.shape[0]} sequences.")
    return [getitem(rows, key=(k, slice(math.trunc(n)), ...)) for k, n in enumerate(counts)]


def _no_packing(name: str) -> NoReturn:
    raise NotImplementedError(
        f"{name}: packed sequences are not supported. Pad them with pad_sequence, hand the padded tensor to the layer, "
        "and leave the places behind each end out of the loss (a mask, or ignore_index)."
    )


class PackedSequence:
    """Refused: the recurrent layers take padded tensors."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _no_packing("PackedSequence")


def pack_padded_sequence(
    input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Refused: the recurrent layers take padded tensors."""
    _no_packing("pack_padded_sequence")


def pad_packed_sequence(
    sequence: Any, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Any, Any]:
    """Refused: the recurrent layers take padded tensors."""
    _no_packing("pad_packed_sequence")


def pack_sequence(sequences: Any, enforce_sorted: bool = True) -> PackedSequence:
    """Refused: the recurrent layers take padded tensors."""
    _no_packing("pack_sequence")


def unpack_sequence(packed_sequences: Any) -> list[Any]:
    """Refused: the recurrent layers take padded tensors."""
    _no_packing("unpack_sequence")
