"""Optimizer: what every update rule shares. Groups of parameters, their settings, their state.

Settings are Python numbers in `param_groups` and may be changed between steps. Arithmetic reads
them through `live`, so that a traced step reads them anew at every run; only what a Python `if`
decides on is read directly.

Not here: an update rule (sgd.py).
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from ..autograd import enable_grad
from ..core.errors import name_of
from ..core.mode import mode
from ..core.tensor import Tensor
from ..nn.module import clear_grad

Group = dict[str, Any]  # "params": the tensors; the rest are settings


def live(group: Group, key: str) -> Any:
    """A setting for use in arithmetic: a Python number, or, in a trace, the Symbol of one."""
    if mode.trace is not None:
        return mode.trace.fetch(group, key)
    return float(group[key])  # of NumPy's float64 float32 arithmetic would make float64


class Optimizer:
    """The base of update rules; a subclass defines `step`.

    Args:
        params: tensors, (name, tensor) pairs, or dicts that each hold such "params" and settings of their own.
        defaults: the settings of every group that does not give its own.
    Raises:
        ValueError: there are no parameters, one is not a leaf, or one is given twice.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[Group] = []
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got one "
                "Tensor; write [tensor]."
            )
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: Group) -> None:
        """Optimize more parameters, with settings of their own: {"params": [...], "lr": 0.01}."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        if "params" not in param_group:
            raise KeyError(f"param_group has no 'params', the tensors to optimize; its keys are {list(param_group)}")
        group = dict(param_group)
        group.update(_parameters(group["params"]))
        for parameter in group["params"]:
            if not isinstance(parameter, Tensor):
                raise TypeError(
                    f"optimizer can only optimize Tensors, but one of the params is {type(parameter).__name__}"
                )
            if not parameter.is_leaf and not parameter.retains_grad:
                raise ValueError(
                    f"can't optimize a non-leaf Tensor: {name_of(parameter)} {tuple(parameter.shape)} is computed from "
                    "others; give the tensors that it is computed from, or use .detach().requires_grad_()."
                )
        if len(set(group["params"])) < len(group["params"]):
            raise ValueError("optimizer contains a parameter group with duplicate parameters")
        for other in self.param_groups:
            if not set(other["params"]).isdisjoint(group["params"]):
                raise ValueError("some parameters appear in more than one parameter group")
            if ("param_names" in other) != ("param_names" in group):
                raise ValueError("all optimizer param groups should be with/without names")
        for key, default in self.defaults.items():
            group.setdefault(key, default)
        self.check(group)
        self.param_groups.append(group)

    def check(self, group: Group) -> None:
        """Refuse settings that make no sense; for subclasses."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or with set_to_none=False fill them with zeros."""
        for group in self.param_groups:
            for parameter in group["params"]:
                clear_grad(parameter, set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient. Returns the closure's loss, if there is one."""
        raise NotImplementedError(f"{type(self).__name__} defines no step")

    def evaluate(self, closure: Callable[[], Any] | None) -> Any:
        """The loss of a closure, which computes it and its gradients anew; None without one."""
        if mode.trace is not None:
            mode.trace.guard(self.state)
        if closure is None:
            return None
        with enable_grad():
            return closure()

    def state_dict(self) -> dict[str, Any]:
        """The state and the settings, in PyTorch's layout: parameters stand as their numbers in order."""
        numbers: dict[Tensor, int] = {}
        for group in self.param_groups:
            for parameter in group["params"]:
                numbers[parameter] = len(numbers)
        return {
            "state": {numbers.get(key, key): value for key, value in self.state.items()},
            "param_groups": [
                {
                    **{key: value for key, value in group.items() if key != "params"},
                    "params": [numbers[parameter] for parameter in group["params"]],
                }
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a copy of another optimizer's state and settings.

        Raises:
            ValueError: the groups differ in number or size. Nothing has been changed.
        """
        saved = state_dict["param_groups"]
        if len(saved) != len(self.param_groups):
            raise ValueError(
                f"loaded state dict has a different number of parameter groups: {len(saved)}, not "
                f"{len(self.param_groups)}"
            )
        for index, (new, group) in enumerate(zip(saved, self.param_groups, strict=True)):
            if len(new["params"]) != len(group["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of optimizer's group: "
                    f"group {index} has {len(new['params'])} parameters, not {len(group['params'])}"
                )
        numbered = {
            number: parameter
            for new, group in zip(saved, self.param_groups, strict=True)
            for number, parameter in zip(new["params"], group["params"], strict=True)
        }
        state = {
            numbered.get(key, key): _fitted(value, numbered[key]) if key in numbered else copy.deepcopy(value)
            for key, value in state_dict["state"].items()
        }
        for new, group in zip(saved, self.param_groups, strict=True):  # the very dicts that a traced step reads
            group.update({key: copy.deepcopy(value) for key, value in new.items() if key != "params"})
        self.state.clear()
        self.state.update(state)

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for index, group in enumerate(self.param_groups):
            text += f"\nParameter Group {index}\n"
            text += "".join(f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params")
        return text + ")"


def _parameters(params: Any) -> Group:
    """A group's parameters as a list, with their names where the caller gave pairs."""
    if isinstance(params, Tensor):
        params = [params]
    if isinstance(params, (set, frozenset)):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in "
            "sets will change between runs. Please use a list instead."
        )
    params = list(params)
    named = [p for p in params if isinstance(p, tuple)]
    if not named:
        return {"params": params}
    if len(named) < len(params):
        raise ValueError("all optimizer params should be with/without names. Some param names are missing")
    return {"params": [parameter for _, parameter in named], "param_names": [name for name, _ in named]}


def _fitted(state: dict[str, Any], parameter: Tensor) -> dict[str, Any]:
    """A copy of one parameter's saved state; tensors take the parameter's dtype, counts keep theirs."""
    result = {}
    for key, value in state.items():
        copied = copy.deepcopy(value)
        if isinstance(copied, Tensor) and key != "step" and parameter.is_floating_point():
            copied = copied.to(parameter.dtype)
        result[key] = copied
    return result
