"""Loading a checkpoint: everything is compared before anything is written.

nn follows PyTorch: a weight is (out, in), and the names and shapes of PyTorch's checkpoints fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..autograd import no_grad
from ..core.tensor import Tensor, wrap
from .parameter import UninitializedParameter


class Keys(NamedTuple):
    """What `load_state_dict(strict=False)` found no partner for."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"Keys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


def load(own: Mapping[str, Tensor], given: Mapping[str, Any], strict: bool, owner: str) -> Keys:
    """Copy the given values into the tensors of the same names. See Module.load_state_dict."""
    if not isinstance(given, Mapping):
        raise TypeError(f"Expected state_dict to be dict-like, got {type(given)}.")
    keys = Keys([key for key in own if key not in given], [key for key in given if key not in own])
    values, errors = {}, []
    for key, target in own.items():
        if key not in given:
            continue
        waiting = isinstance(target, UninitializedParameter)
        if isinstance(given[key], UninitializedParameter):
            if not waiting:
                errors.append(f"{key} has no shape yet in the checkpoint: a lazy module's, before its first call.")
            continue
        array = _numbers(given[key])
        if array is None:
            kind = type(given[key]).__name__
            errors.append(f'for "{key}" a Tensor or an array of numbers is expected, got {kind}.')
        elif not waiting and array.shape != target.shape:
            errors.append(
                f"size mismatch for {key}: copying a param with shape {tuple(array.shape)} from checkpoint, "
                f"the shape in current model is {tuple(target.shape)}."
            )
        else:
            values[key] = wrap(array.astype(target.dtype, copy=False))
    if strict and keys.unexpected_keys:
        errors.insert(0, f"Unexpected key(s) in state_dict: {_quoted(keys.unexpected_keys)}.")
    if strict and keys.missing_keys:
        errors.insert(0, f"Missing key(s) in state_dict: {_quoted(keys.missing_keys)}.")
    if errors:
        raise RuntimeError(
            f"Error(s) in loading state_dict for {owner}; nothing has been changed:\n\t" + "\n\t".join(errors)
        )
    with no_grad():
        for key, value in values.items():
            target = own[key]
            if isinstance(target, UninitializedParameter):
                target.materialize(value.shape)
            target.copy_(value)
    return keys


def _numbers(value: Any) -> np.ndarray[Any, Any] | None:
    """A state_dict's value as an array; None if it is nothing of the kind."""
    if isinstance(value, Tensor):
        return value._values()
    if not hasattr(value, "__array__"):
        return None
    array = np.asarray(value)  # an ndarray, or a tensor of PyTorch's
    return array if array.dtype.kind in "biuf" else None


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
