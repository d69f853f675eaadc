"""Modules as functions of their parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.tensor import Tensor
from ..nn.module import Module
from ..ops.joining import stack


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]],
    args: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with other tensors in the places of its parameters and buffers.

    Args:
        parameter_and_buffer_dicts: dotted names and tensors, or several such dicts; names that are
            left out keep the module's own.
        args: the module's arguments: a tuple, or a single one.
        tie_weights: a tensor given for one name of a shared parameter also stands for the others.
        strict: names that are missing or unknown are errors; else unknown ones are ignored.

    >>> from tinygrad_edu import nn, ones
    >>> layer = nn.Linear(2, 1)
    >>> functional_call(layer, {"weight": ones(1, 2), "bias": ones(1)}, ones(3, 2)).tolist()
    [[3.0], [3.0], [3.0]]
    """
    given = _merged(parameter_and_buffer_dicts)
    own = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    places: dict[str, tuple[dict[str, Any], str]] = {}
    for name, _ in own:
        path, _, last = name.rpartition(".")
        places[name] = (module.get_submodule(path).__dict__, last)
    if strict:
        missing, unexpected = sorted(set(places) - set(given)), sorted(set(given) - set(places))
        if missing or unexpected:
            raise RuntimeError(f"functional_call: missing keys {missing}, unexpected keys {unexpected}.")
    tied = {id(tensor): given[name] for name, tensor in own if name in given} if tie_weights else {}
    previous = []
    try:
        for name, tensor in own:
            new = given.get(name, tied.get(id(tensor)))
            if new is not None:
                entries, last = places[name]
                previous.append((entries, last, entries[last]))
                entries[last] = new
        arguments = () if args is None else args if isinstance(args, tuple) else (args,)
        return module(*arguments, **(kwargs or {}))
    finally:
        for entries, last, tensor in reversed(previous):
            entries[last] = tensor


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The parameters and the buffers of modules of one kind, stacked along a new first axis, as leaves."""
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    parameters = {
        name: stack([m.get_parameter(name).detach() for m in models]).requires_grad_(p.requires_grad)
        for name, p in models[0].named_parameters()
    }
    buffers = {name: stack([m.get_buffer(name) for m in models]) for name, _ in models[0].named_buffers()}
    return parameters, buffers


def _merged(dicts: Any) -> dict[str, Tensor]:
    if isinstance(dicts, Mapping):
        return dict(dicts)
    if not isinstance(dicts, Sequence) or not all(isinstance(d, Mapping) for d in dicts):
        raise ValueError(
            f"functional_call: expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, got "
            f"{type(dicts).__name__}"
        )
    merged: dict[str, Tensor] = {}
    for d in dicts:
        repeated = sorted(set(merged) & set(d))
        if repeated:
            raise ValueError(f"functional_call: {repeated} appeared in multiple dictionaries; behavior is ambiguous")
        merged.update(d)
    return merged
