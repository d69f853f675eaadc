"""Hooks: functions of the user's own that a module calls around forward, backward, saving and loading.

A module without hooks has no Hooks object, so a call of it costs one test of an attribute. What is
registered stays in order of registration, or in front with prepend=True; the handle takes it out.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..autograd import Function
from ..core.hooks import RemovableHandle
from ..core.mode import mode
from ..core.tensor import Tensor

if TYPE_CHECKING:
    from .module import Module

KINDS = (
    "forward_pre", "forward", "backward_pre", "backward", "state_dict_pre", "state_dict", "load_pre", "load",
)  # fmt: skip


class Hooks:
    """The hooks of one module, by kind; of some it is noted how they want to be called."""

    def __init__(self) -> None:
        self.of: dict[str, OrderedDict[int, Any]] = {kind: OrderedDict() for kind in KINDS}
        self.with_kwargs: set[int] = set()
        self.always: set[int] = set()
        self.may_replace: set[int] = set()  # state_dict hooks that may return another dict

    def add(self, kind: str, hook: Any, prepend: bool = False) -> RemovableHandle:
        handle = RemovableHandle(self.of[kind], hook)
        if prepend:
            self.of[kind].move_to_end(handle.id, last=False)
        return handle

    def run(self, kind: str, *args: Any) -> None:
        """Call all of a kind whose results mean nothing."""
        for hook in list(self.of[kind].values()):
            hook(*args)


class Hooked:
    """The part of Module that takes hooks."""

    _hooks: Hooks | None = None  # made for the first one

    @property
    def _forward_hooks(self) -> dict[int, Any]:
        return {} if self._hooks is None else self._hooks.of["forward"]

    @property
    def _forward_pre_hooks(self) -> dict[int, Any]:
        return {} if self._hooks is None else self._hooks.of["forward_pre"]

    @property
    def _backward_hooks(self) -> dict[int, Any]:
        return {} if self._hooks is None else self._hooks.of["backward"]

    def _hook(self, kind: str, hook: Any, prepend: bool = False) -> tuple[Hooks, RemovableHandle]:
        hooks = self._hooks
        if hooks is None:
            if "_kinds" not in self.__dict__:
                raise AttributeError(
                    "cannot register a hook before Module.__init__() call; begin with super().__init__()."
                )
            hooks = self.__dict__["_hooks"] = Hooks()
        return hooks, hooks.add(kind, hook, prepend)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call hook(module, args) before forward; what it returns, unless None, takes the arguments' place.

        Args:
            prepend: call it before those that are registered already.
            with_kwargs: call hook(module, args, kwargs), which returns None or (args, kwargs).
        """
        hooks, handle = self._hook("forward_pre", hook, prepend)
        if with_kwargs:
            hooks.with_kwargs.add(handle.id)
        return handle

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call hook(module, args, output) after forward; what it returns, unless None, takes the output's place.

        Args:
            prepend: call it before those that are registered already.
            with_kwargs: call hook(module, args, kwargs, output).
            always_call: call it also when forward raises, with None for the output.
        """
        hooks, handle = self._hook("forward", hook, prepend)
        if with_kwargs:
            hooks.with_kwargs.add(handle.id)
        if always_call:
            hooks.always.add(handle.id)
        return handle

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call hook(module, grad_output) when backward reaches the module; what it returns takes grad_output's place.

        grad_output is a tuple, of the output's gradients.
        """
        return self._hook("backward_pre", hook, prepend)[1]

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call hook(module, grad_input, grad_output) when backward has passed the module.

        grad_input holds one gradient per positional argument, None for what has none; what the hook returns, unless
        None, takes its place. The arguments and the result may not be written to in place.
        """
        return self._hook("backward", hook, prepend)[1]

    register_backward_hook = register_full_backward_hook

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, prefix, keep_vars) before the module's values go into a state_dict."""
        return self._hook("state_dict_pre", hook)[1]

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, state_dict, prefix, local_metadata) afterwards; it may change the state_dict."""
        return self._hook("state_dict", hook)[1]

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """As register_state_dict_post_hook; a dict that it returns takes the other's place."""
        hooks, handle = self._hook("state_dict", hook)
        hooks.may_replace.add(handle.id)
        return handle

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call a hook before load_state_dict, on a copy of the dict that it may change.

        hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        """
        return self._hook("load_pre", hook)[1]

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        """As register_load_state_dict_pre_hook, without the module as first argument."""
        return self._hook("load_pre", hook if with_module else lambda module, *rest: hook(*rest))[1]

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, incompatible_keys) after loading; keys that it takes out of the lists are no error."""
        return self._hook("load", hook)[1]


def call(module: Module, hooks: Hooks, args: Any, kwargs: Any) -> Any:
    """module.forward(*args, **kwargs) with what is to happen before, after and on the way back."""
    done: set[int] = set()
    result = None
    try:
        for key, hook in list(hooks.of["forward_pre"].items()):
            args, kwargs = _prepared(module, hook, key in hooks.with_kwargs, args, kwargs)
        back = Return(module, hooks) if mode.grad and (hooks.of["backward"] or hooks.of["backward_pre"]) else None
        if back is not None:
            args = back.enter(args)
        result = module.forward(*args, **kwargs)
        for key, hook in list(hooks.of["forward"].items()):
            done.add(key)
            result = _replaced(module, hook, key in hooks.with_kwargs, args, kwargs, result)
        return result if back is None else back.leave(result)
    except Exception:
        for key, hook in list(hooks.of["forward"].items()):
            if key in hooks.always and key not in done:
                try:
                    result = _replaced(module, hook, key in hooks.with_kwargs, args, kwargs, result)
                except Exception as error:
                    warnings.warn(
                        f"a forward hook with always_call=True raised, and another error was raised before: {error}",
                        stacklevel=3,
                    )
        raise


def _prepared(module: Module, hook: Any, with_kwargs: bool, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """What a forward pre-hook makes of the arguments; None leaves them."""
    if not with_kwargs:
        found = hook(module, args)
        return (args if found is None else found if isinstance(found, tuple) else (found,)), kwargs
    found = hook(module, args, kwargs)
    if found is None:
        return args, kwargs
    if not isinstance(found, tuple) or len(found) != 2:
        raise RuntimeError(f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {found}.")
    new_args, new_kwargs = found
    return new_args, new_kwargs


def _replaced(module: Module, hook: Any, with_kwargs: bool, args: Any, kwargs: Any, result: Any) -> Any:
    """What a forward hook makes of the result; None leaves it."""
    found = hook(module, args, kwargs, result) if with_kwargs else hook(module, args, result)
    return result if found is None else found


class Return:
    """The way back through one call: the cotangents pass here on leaving the module's result and its arguments."""

    def __init__(self, module: Module, hooks: Hooks) -> None:
        self.module = module
        self.before = list(hooks.of["backward_pre"].values())
        self.after = list(hooks.of["backward"].values())
        self.entered = False
        self.count = 0  # of positional arguments
        self.outgoing: tuple[Any, ...] | None = None  # the cotangents of the result

    def enter(self, args: Any) -> Any:
        self.count = len(args)
        if any(isinstance(x, Tensor) and x.requires_grad for x in args):
            self.entered = True
            return _passed(args, self.arrived)
        return args

    def leave(self, result: Any) -> Any:
        results = result if isinstance(result, tuple) else (result,)
        if not isinstance(result, (Tensor, tuple)):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but received "
                f"{type(result)}",
                stacklevel=4,
            )
        if not any(isinstance(x, Tensor) and x.requires_grad for x in results):
            return result
        passed = _passed(results, self.started)
        if not isinstance(result, tuple):
            return passed[0]
        return type(result)(*passed) if hasattr(result, "_fields") else passed

    def started(self, cotangents: tuple[Any, ...]) -> tuple[Any, ...]:
        """Backward reaches the module's result."""
        for hook in self.before:
            found = hook(self.module, cotangents)
            if found is not None:
                cotangents = _as_many(found, cotangents, "Backward pre hook", "grad_output")
        self.outgoing = cotangents
        if not self.entered:
            for hook in self.after:
                found = hook(self.module, (None,) * self.count, cotangents)
                if found is not None and any(x is not None for x in found):
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should always return None or "
                        "None for all gradients."
                    )
        return cotangents

    def arrived(self, cotangents: tuple[Any, ...]) -> tuple[Any, ...]:
        """Backward has reached the module's arguments."""
        if self.outgoing is None:
            raise RuntimeError(
                "Module backward hook for grad_input is called before the grad_output one: the arguments are used "
                "in the loss by another way than through the module's result."
            )
        for hook in self.after:
            found = hook(self.module, cotangents, self.outgoing)
            if found is not None:
                cotangents = _as_many(found, cotangents, "Backward hook", "grad_input")
        self.outgoing = None
        return cotangents


def _as_many(found: Any, expected: tuple[Any, ...], who: str, what: str) -> tuple[Any, ...]:
    several: tuple[Any, ...] = found if isinstance(found, tuple) else (found,)
    if len(several) != len(expected):
        raise RuntimeError(
            f"{who} returned an invalid number of {what}, got {len(several)}, but expected {len(expected)}"
        )
    return several


def _passed(values: tuple[Any, ...], on_return: Any) -> tuple[Any, ...]:
    """The values with every tensor as a new one, whose cotangents all pass through `on_return` together."""
    places = [i for i, x in enumerate(values) if isinstance(x, Tensor)]
    passed = _Passage.apply((len(values), places, on_return), *(values[i] for i in places))
    found = list(values)
    for i, x in zip(places, passed, strict=True):
        found[i] = x
    return tuple(found)


class _Passage(Function):
    """The identity of several tensors at once."""

    @staticmethod
    def forward(ctx: Any, where: Any, *tensors: Any) -> Any:
        ctx.where = where
        ctx.set_materialize_grads(False)
        return tuple(x.view(x.shape) for x in tensors)

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> Any:
        count, places, on_return = ctx.where
        every: list[Any] = [None] * count
        for i, dX in zip(places, cotangents, strict=True):
            every[i] = dX
        found = on_return(tuple(every))
        return None, *(found[i] for i in places)
