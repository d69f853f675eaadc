"""Optimizer: what every update rule shares. Groups of parameters, their settings, their state.

A rule says how a parameter's state begins (`begin`) and how a step changes both (`update`); the rest
is here. Settings are Python numbers in `param_groups` and may be changed between steps. Arithmetic
reads them through `live`, so that a traced step reads them anew at every run; only what a Python `if`
decides on is read directly.

Not here: an update rule (sgd.py, adam.py, ...), nor how its formulas are computed (formula.py).
"""

from __future__ import annotations

import copy
import functools
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np

from ..autograd import enable_grad
from ..core.errors import name_of
from ..core.hooks import RemovableHandle
from ..core.mode import mode
from ..core.primitive import Array
from ..core.quiet import hush, restore
from ..core.tensor import Tensor, wrap
from ..core.write import read, write
from ..nn.module import Module, clear_grad

Group = dict[str, Any]  # "params": the tensors; the rest are settings
State = dict[str, Any]  # of one parameter: tensors by PyTorch's names


def live(group: Group, key: str, index: int | None = None) -> Any:
    """A setting for use in arithmetic: a Python number, or, in a trace, the Symbol of one.

    Args:
        index: which number of a setting that is several, such as betas.
    """
    if mode.trace is not None:
        return mode.trace.fetch(group, key, index)
    return float(group[key] if index is None else group[key][index])  # NumPy's float64 would not stay float32


def zeros(W: Tensor) -> Tensor:
    """State of a parameter's shape and dtype that begins at 0."""
    return wrap(np.zeros(W.shape, W.dtype))


def number(value: float) -> Tensor:
    """State that is one number. PyTorch keeps it in float32, also beside float64 parameters."""
    return wrap(np.array(value, np.float32))


def count(step: Tensor) -> Array:
    """Add 1 to a count of steps. Returns t in float64: in float32 1 - 0.999**t would have four digits."""
    write(step, np.add, read(step), 1.0, by="an optimizer's step")
    return read(step).astype(np.float64)


def require(condition: bool, message: str) -> None:
    """Refuse a setting that makes no sense."""
    if not condition:
        raise ValueError(message)


def hooked(step: Callable[..., Any]) -> Callable[..., Any]:
    """A step that calls the hooks registered for it, and that a schedule can see being taken."""

    @functools.wraps(step)
    def wrapper(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        if self._opt_called is False:
            self._opt_called = True
        if not self._hooks:
            return step(self, *args, **kwargs)
        for hook in [*self._hooks["step_pre"].values()]:
            given = hook(self, args, kwargs)
            if given is not None:
                if not isinstance(given, tuple) or len(given) != 2:
                    raise RuntimeError(
                        f"{step.__qualname__}: a step_pre_hook must return None or a tuple of (new_args, new_kwargs), "
                        f"but got {given}."
                    )
                args, kwargs = given
        result = step(self, *args, **kwargs)
        for hook in [*self._hooks["step_post"].values()]:
            hook(self, args, kwargs)
        return result

    wrapper.hooked = True  # type: ignore[attr-defined]
    return wrapper


class Optimizer:
    """The base of update rules; a subclass defines `begin` and `update`, or a whole `step`.

    Args:
        params: tensors, (name, tensor) pairs, or dicts that each hold such "params" and settings of their own.
        defaults: the settings of every group that does not give its own.
    Raises:
        ValueError: there are no parameters, one is not a leaf, or one is given twice.
    """

    counts: ClassVar[tuple[str, ...]] = ("step",)  # state that is a number and keeps its own dtype
    _opt_called: bool | None = None  # whether there was a step since a schedule asked; None: nobody has
    _hooks: defaultdict[str, OrderedDict[int, Any]] | None = None  # by occasion; None until there is one

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = hooked(cls.step)  # type: ignore[method-assign]

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        _check_ways(type(self).__name__, defaults)
        self.check(defaults)
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[Group] = []
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got one "
                "Tensor; write [tensor]."
            )
        if isinstance(params, Module) and not hasattr(params, "__iter__"):
            raise TypeError(
                f"{type(self).__name__}: params should be an iterable of Tensors or dicts, but got a module, "
                f"{type(params).__name__}; write model.parameters()."
            )
        groups = list(params)
        if not groups:
            raise ValueError(
                "optimizer got an empty parameter list: the model has no parameters, or an iterator of them was used "
                "up; hand over model.parameters() anew."
            )
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

    @hooked
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient. Returns the closure's loss, if there is one."""
        if type(self).update is Optimizer.update:
            raise NotImplementedError(f"{type(self).__name__} defines no step")
        loss = self.evaluate(closure)
        before = hush()  # as in backward: what comes of an infinite gradient is an answer
        try:
            for group in self.param_groups:
                for W in group["params"]:
                    if W.grad is not None:
                        state = self.state[W]
                        if not state:
                            state.update(self.begin(W, group))
                        self.update(W, state, group)
        finally:
            restore(before)
        return loss

    def begin(self, W: Tensor, group: Group) -> State:
        """The state of a parameter before its first step; for subclasses."""
        return {}

    def update(self, W: Tensor, state: State, group: Group) -> None:
        """Change a parameter that has a gradient, and its state; for subclasses."""

    def gradient(self, W: Tensor, group: Group) -> Array:
        """G, which the rules descend along: dW, or -dW to climb, and the weight decay's part lambda W."""
        G = read(W.grad)  # type: ignore[arg-type]  # step has looked
        if group["maximize"]:
            G = -G
        if group["weight_decay"] and not group.get("decoupled_weight_decay"):
            G = G + live(group, "weight_decay") * read(W)
        return G

    @property
    def writer(self) -> str:
        """Who writes parameters, for messages."""
        return f"{type(self).__name__}.step"

    def evaluate(self, closure: Callable[[], Any] | None) -> Any:
        """The loss of a closure, which computes it and its gradients anew; None without one."""
        if mode.trace is not None:
            mode.trace.guard(self)
        if closure is None:
            return None
        with enable_grad():
            return closure()

    def state_dict(self) -> dict[str, Any]:
        """The state and the settings, in PyTorch's layout: parameters stand as their numbers in order."""
        for hook in self._called("state_dict_pre"):
            hook(self)
        numbers: dict[Tensor, int] = {}
        for group in self.param_groups:
            for parameter in group["params"]:
                numbers[parameter] = len(numbers)
        state_dict = {
            "state": {numbers.get(key, key): value for key, value in self.state.items()},
            "param_groups": [
                {
                    **{key: value for key, value in group.items() if key != "params"},
                    "params": [numbers[parameter] for parameter in group["params"]],
                }
                for group in self.param_groups
            ],
        }
        for hook in self._called("state_dict_post"):
            state_dict = hook(self, state_dict) or state_dict
        return state_dict

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a copy of another optimizer's state and settings; NumPy's and PyTorch's arrays become Tensors.

        Raises:
            ValueError: the groups differ in number or size. Nothing has been changed.
        """
        state_dict = state_dict.copy()
        for hook in self._called("load_state_dict_pre"):
            state_dict = hook(self, state_dict) or state_dict
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
            numbered.get(key, key): _fitted(value, numbered[key], self.counts)
            if key in numbered
            else copy.deepcopy(value)
            for key, value in state_dict["state"].items()
        }
        for new, group in zip(saved, self.param_groups, strict=True):  # the very dicts that a traced step reads
            group.update({key: copy.deepcopy(value) for key, value in new.items() if key != "params"})
        self.state.clear()
        self.state.update(state)
        for hook in self._called("load_state_dict_post"):
            hook(self)

    # --- hooks

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(optimizer, args, kwargs) before each step; it may return other (args, kwargs)."""
        return self._register("step_pre", hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(optimizer, args, kwargs) after each step."""
        return self._register("step_post", hook)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call hook(optimizer) before each state_dict(); with prepend before the hooks that are there."""
        return self._register("state_dict_pre", hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call hook(optimizer, state_dict) after each state_dict(); it may return another."""
        return self._register("state_dict_post", hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call hook(optimizer, state_dict) before each load_state_dict(); it may return another."""
        return self._register("load_state_dict_pre", hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call hook(optimizer) after each load_state_dict()."""
        return self._register("load_state_dict_post", hook, prepend)

    def _register(self, occasion: str, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        if self._hooks is None:
            self._hooks = defaultdict(OrderedDict)
        handle = RemovableHandle(self._hooks[occasion], hook)
        if prepend:
            self._hooks[occasion].move_to_end(handle.id, last=False)
        return handle

    def _called(self, occasion: str) -> list[Callable[..., Any]]:
        return [] if self._hooks is None else list(self._hooks[occasion].values())

    # --- copies and text

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles hold: as in PyTorch, no hooks."""
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

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


def _check_ways(name: str, defaults: Group) -> None:
    """Refuse combinations of PyTorch's ways of computing; alone they are accepted, without effect."""
    if defaults.get("differentiable"):
        raise ValueError(
            f"{name}: differentiable=True is not supported; write the update with operators and create_graph."
        )
    if defaults.get("fused") and defaults.get("foreach"):
        raise RuntimeError(f"{name}: `fused` and `foreach` cannot be `True` together.")


def _fitted(state: Any, parameter: Tensor, counts: tuple[str, ...], key: str = "") -> Any:
    """A copy of a parameter's saved state; tensors take the parameter's dtype, counts keep theirs."""
    if isinstance(state, dict):
        return {name: _fitted(value, parameter, counts, name) for name, value in state.items()}
    if isinstance(state, (list, tuple)):
        return type(state)(_fitted(value, parameter, counts) for value in state)
    if key in counts and isinstance(state, (int, float)):  # as PyTorch stored them once
        return number(state)
    if hasattr(state, "__array__") and not isinstance(state, Tensor):
        state = wrap(np.asarray(state).copy())
    copied = copy.deepcopy(state)
    if isinstance(copied, Tensor) and key not in counts and parameter.is_floating_point():
        return copied.to(parameter.dtype)
    return copied
