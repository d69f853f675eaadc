"""Checkpoints, taken and loaded: at loading everything is compared before anything is written.

nn follows PyTorch: a weight is (out, in), and the names and shapes of PyTorch's checkpoints fit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..autograd import no_grad
from ..core.tensor import Tensor, wrap
from ..core.write import read
from .entries import BUFFER, MODULE, PARAMETER
from .parameter import UninitializedParameter

if TYPE_CHECKING:
    from .module import Module


class Keys(NamedTuple):
    """What `load_state_dict(strict=False)` found no partner for."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


EXTRA = "_extra_state"  # the key, behind a module's prefix, of what its get_extra_state gives


class StateDict(OrderedDict[str, Any]):
    """A state_dict, and the version of each module's part of it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._metadata: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def __repr__(self) -> str:
        return repr(OrderedDict(self))


def collect(module: Module, destination: dict[str, Any], prefix: str, keep_vars: bool) -> dict[str, Any]:
    """Fill a dict with what the module and those below it hold. See Module.state_dict."""
    metadata, path = getattr(destination, "_metadata", {}), prefix[:-1]
    metadata[path] = local = {"version": module._version}
    hooks = module._hooks
    if hooks is not None:
        hooks.run("state_dict_pre", module, prefix, keep_vars)
    for kind in (PARAMETER, BUFFER):
        for name, value in module._of(kind):
            if value is not None:
                destination[prefix + name] = value if keep_vars else value.detach()
    if _defines(module, "get_extra_state"):
        destination[f"{prefix}{EXTRA}"] = module.get_extra_state()
    for name, child in module._of(MODULE):
        if child is not None:
            child.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
    if hooks is not None:
        for key, hook in list(hooks.of["state_dict"].items()):
            found = hook(module, destination, prefix, local)
            if found is not None and key not in hooks.may_replace:
                raise RuntimeError("state_dict post-hook must return None")
            destination = destination if found is None else found
    return destination


def load(root: Module, given: Mapping[str, Any], strict: bool, assign: bool) -> Keys:
    """Copy the given values into the tensors of the same names. See Module.load_state_dict."""
    if not isinstance(given, Mapping):
        raise TypeError(f"Expected state_dict to be dict-like, got {type(given)}.")
    metadata = getattr(given, "_metadata", None) or {}
    state = OrderedDict(given)
    keys, errors = Keys([], []), list[str]()
    owners = list(root.named_modules(remove_duplicate=False))
    for path, module in owners:
        prefix, local = f"{path}." if path else "", metadata.get(path, {})
        if module._hooks is not None:
            more = (state, prefix, local, strict, keys.missing_keys, keys.unexpected_keys, errors)
            module._hooks.run("load_pre", module, *more)
        module._upgrade_state(state, prefix, local.get("version"))
    extras = {f"{path}.{EXTRA}" if path else EXTRA: m for path, m in owners if _defines(m, "set_extra_state")}
    own = dict(root._entries())
    keys.missing_keys.extend(key for key in (*own, *extras) if key not in state)
    keys.unexpected_keys.extend(key for key in state if key not in own and key not in extras)
    values = _fitting(own, state, assign, errors)
    after = [module for _, module in reversed(owners) if module._hooks is not None and module._hooks.of["load"]]
    _refuse(
        Keys([], []) if after else keys, errors, strict, root, "; nothing has been changed"
    )  # hooks may excuse keys
    with no_grad():
        for key, value in values.items():
            target = own[key]
            if isinstance(target, UninitializedParameter):
                target.materialize(value.shape)
            if assign:
                target.data = value
            else:
                target.copy_(value)
    for key, module in extras.items():
        if key in state:
            module.set_extra_state(state[key])
    for module in after:
        assert module._hooks is not None
        for hook in list(module._hooks.of["load"].values()):
            if hook(module, keys) is not None:
                raise AssertionError(
                    "Hooks registered with register_load_state_dict_post_hook are not expected to return new values; "
                    "incompatible_keys should be changed in place."
                )
    _refuse(keys, errors, strict, root, "")
    return keys


def _fitting(own: dict[str, Any], state: Mapping[str, Any], assign: bool, errors: list[str]) -> dict[str, Tensor]:
    """What each tensor of a module is to hold; what does not fit is added to the errors."""
    values = {}
    for key, target in own.items():
        if key not in state:
            continue
        waiting = isinstance(target, UninitializedParameter)
        if isinstance(state[key], UninitializedParameter):
            if not waiting:
                errors.append(f"{key} has no shape yet in the checkpoint: a lazy module's, before its first call.")
            continue
        array = _numbers(state[key])
        if array is None:
            kind = type(state[key]).__name__
            errors.append(f'for "{key}" a Tensor or an array of numbers is expected, got {kind}.')
        elif not waiting and array.shape != target.shape:
            errors.append(
                f"size mismatch for {key}: copying a param with shape {tuple(array.shape)} from checkpoint, "
                f"the shape in current model is {tuple(target.shape)}."
            )
        elif assign:
            values[key] = state[key].detach() if isinstance(state[key], Tensor) else wrap(array)
        else:
            values[key] = wrap(array if array.dtype == target.dtype else array.astype(target.dtype))
    return values


def _defines(module: Module, name: str) -> bool:
    """Whether the class has a method of its own where Module's only says that it is to be defined."""
    from .module import Module

    return getattr(type(module), name) is not getattr(Module, name)


def _refuse(keys: Keys, errors: list[str], strict: bool, root: Module, changed: str) -> None:
    """Raise if anything does not fit."""
    found = list(errors)
    if strict and keys.unexpected_keys:
        found.insert(0, f"Unexpected key(s) in state_dict: {_quoted(keys.unexpected_keys)}.")
    if strict and keys.missing_keys:
        found.insert(0, f"Missing key(s) in state_dict: {_quoted(keys.missing_keys)}.")
    if found:
        raise RuntimeError(f"Error(s) in loading state_dict for {root._get_name()}{changed}:\n\t" + "\n\t".join(found))


def _numbers(value: Any) -> np.ndarray[Any, Any] | None:
    """A state_dict's value as an array; None if it is nothing of the kind."""
    if isinstance(value, Tensor):
        return read(value)  # type: ignore[no-any-return]
    if not hasattr(value, "__array__"):
        return None
    array = np.asarray(value)  # an ndarray, or a tensor of PyTorch's
    return array if array.dtype.kind in "biuf" else None


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
