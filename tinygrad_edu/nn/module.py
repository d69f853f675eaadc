"""Module: a part of a model. It owns parameters, buffers and further modules, all found by name.

nn follows PyTorch: rows are samples, and a weight is (out, in).

What belongs to a module lies in the instance's `__dict__`, where Python finds `self.weight` without
running a line of ours; `_kinds` only notes what each such name is. Everything else here is a walk
over those notes.

Not here: a layer (linear.py), containers (containers.py), hooks (hooks.py), dtypes (converted.py), what a
state_dict holds and must fit (state.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

from ..core.errors import name_init, nearest
from ..core.mode import mode
from ..core.record import stamp
from ..core.tensor import Tensor
from .converted import Converted
from .entries import ALLOWED, BUFFER, BUFFERS, MODULE, PARAMETER, TRANSIENT, Entries
from .hooks import Hooked, call
from .parameter import Parameter
from .state import Keys, StateDict, collect, load


class Module(Hooked, Converted):
    """The base of layers and models. Assign parameters and modules as attributes, define `forward`.

    >>> from tinygrad_edu import nn, ones
    >>> class Doubled(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.layer = nn.Linear(3, 1)
    ...     def forward(self, x):
    ...         return 2 * self.layer(x)
    >>> model = Doubled()
    >>> [name for name, _ in model.named_parameters()]
    ['layer.weight', 'layer.bias']
    >>> tuple(model(ones(5, 3)).shape)
    (5, 1)
    """

    training: bool
    _version: int = 1  # of what a state_dict holds; stored with it
    _kinds: dict[str, str]  # name -> what it is; ordinary attributes are not in here

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        name_init(cls, Module)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args or kwargs:  # of a class without an __init__ of its own, whose name it is that matters
            what = f"got an unexpected keyword argument {next(iter(kwargs))!r}" if kwargs else "takes no arguments"
            raise TypeError(f"{type(self).__name__}.__init__() {what}")
        self.__dict__["_kinds"] = {}
        self.__dict__["training"] = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes. Defined by the subclass; called as `module(...)`."""
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        began = stamp()
        hooks = self._hooks
        result = self.forward(*args, **kwargs) if hooks is None else call(self, hooks, args, kwargs)
        if result.__class__ is Tensor:  # pictures are folded by it: the call made all records between the two stamps
            if (record := result._record) is not None and record.index > began:
                record.calls = self, began, record.calls
        elif result is not None:
            _mark(self, began, result)
        return result

    # --- attributes

    def __setattr__(self, name: str, value: Any) -> None:
        kinds = self.__dict__.get("_kinds")
        kind = None if kinds is None else kinds.get(name)
        if isinstance(value, Parameter) or (isinstance(value, Module) and kind != PARAMETER):
            entered = PARAMETER if isinstance(value, Parameter) else MODULE
            if kinds is None:
                what = "parameters" if entered == PARAMETER else "module"
                raise AttributeError(f"cannot assign {what} before Module.__init__() call")
            if hasattr(Module, name):  # model.train() would fail later, far from here
                raise KeyError(f"attribute {name!r} already exists: it is a method of every Module")
            if kind != entered:
                self.__dict__.pop(name, None)
                kinds.pop(name, None)
            self._enter(name, value, entered)
        elif kind is None:
            if isinstance(value, Tensor) and kinds is not None and "_is_buffer" in vars(value):
                self.register_buffer(name, value, vars(value)["persistent"])
            else:
                object.__setattr__(self, name, value)
        elif value is None or (kind in BUFFERS and isinstance(value, Tensor)):
            self.__dict__[name] = value
        else:
            what, expected = ALLOWED[kind]
            raise TypeError(f"cannot assign {type(value).__name__!r} as {what} {name!r} ({expected} or None expected)")

    def __getattr__(self, name: str) -> Any:
        """Called by Python where the ordinary look-up finds nothing: an error, with what is near."""
        if name in self.__dict__:  # super().__getattr__(name), in a wrapper's own
            return self.__dict__[name]
        found = getattr(type(self), name, None)
        if isinstance(found, property) and found.fget is not None:
            return found.fget(self)  # its getter failed with an AttributeError: let that one be seen
        message = f"{type(self).__name__!r} object has no attribute {name!r}"
        if "_kinds" not in self.__dict__ and name in ("_kinds", "training"):
            message = (
                f"{type(self).__name__}.__init__ must call super().__init__() first: Module.__init__() did not run"
            )
        elif not name.startswith("__"):
            near = nearest(name, dir(self))
            message += f". Did you mean: {near[0]!r}?" if near else ""
        # Without an object Python adds no guess of its own to the traceback.
        raise AttributeError(message, name=name, obj=None)

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        self._kinds.pop(name, None)

    def __dir__(self) -> list[str]:
        return sorted({*dir(type(self)), *(name for name in self.__dict__ if not name[:1].isdigit())})

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "_kinds" in state:  # a copy made by copy.copy registers what is its own
            self.__dict__["_kinds"] = dict(state["_kinds"])

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under a name; None says that there could be one (a layer without bias)."""
        self._check_name(name, PARAMETER)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign {type(param).__name__!r} object to parameter {name!r} (nn.Parameter or None required)"
            )
        self._enter(name, param, PARAMETER)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is state but not trained; in the state_dict unless persistent=False."""
        self._check_name(name, BUFFER)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign {type(tensor).__name__!r} object to buffer {name!r} (Tensor or None required)"
            )
        self._enter(name, tensor, BUFFER if persistent else TRANSIENT)

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a module under a name, which need not be a Python identifier."""
        if module is not None and not isinstance(module, Module):
            what = module.__name__ if isinstance(module, type) else type(module).__name__
            call = isinstance(module, type) and issubclass(module, Module)
            hint = f"; it is the class, write {what}()" if call else ""
            raise TypeError(f"{what} is not a Module subclass{hint}")
        self._check_name(name, MODULE)
        self._enter(name, module, MODULE)

    add_module = register_module

    def _check_name(self, name: str, kind: str) -> None:
        if "_kinds" not in self.__dict__:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {type(name).__name__}")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain ".", got: {name}')
        if not name:
            raise KeyError(f'{kind} name can\'t be empty string ""')
        known = self._kinds.get(name)
        same = known == kind or (known in BUFFERS and kind in BUFFERS)
        if not same and (name in self.__dict__ or hasattr(type(self), name)):
            raise KeyError(f"attribute {name!r} already exists")

    def _enter(self, name: str, value: Any, kind: str) -> None:
        self._kinds[name] = kind
        self.__dict__[name] = value

    def _of(self, *kinds: str) -> list[tuple[str, Any]]:
        """The names and values of all entries of some kinds."""
        entries = self.__dict__
        return [(name, entries[name]) for name, kind in self._kinds.items() if kind in kinds]

    @property
    def _parameters(self) -> Entries:
        return Entries(self, PARAMETER)

    @property
    def _buffers(self) -> Entries:
        return Entries(self, BUFFER, TRANSIENT)

    @property
    def _modules(self) -> Entries:
        return Entries(self, MODULE)

    # --- walks

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it, with their dotted names; each object once."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._of(MODULE):
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below it."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly below this one, with their names."""
        seen = set()
        for name, module in self._of(MODULE):
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules directly below this one."""
        return (module for _, module in self.named_children())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """All parameters with their dotted names; one that is shared is given once."""
        return self._named((PARAMETER,), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters: what an optimizer is given."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """All buffers with their dotted names."""
        return self._named(BUFFERS, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def _named(self, kinds: tuple[str, ...], prefix: str, recurse: bool, remove_duplicate: bool) -> Iterator[Any]:
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        seen = set()
        for owner, module in modules:
            for name, value in module._of(*kinds):
                if value is None or value in seen:
                    continue
                if remove_duplicate:
                    seen.add(value)
                yield f"{owner}.{name}" if owner else name, value

    def get_submodule(self, target: str) -> Module:
        """The module of a dotted name; "" is this one."""
        module: Any = self
        for name in target.split(".") if target else []:
            if not hasattr(module, name):
                raise AttributeError(f"{module._get_name()} has no attribute `{name}`{_near(name, module._modules)}")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module  # type: ignore[no-any-return]  # checked at every step

    def get_parameter(self, target: str) -> Parameter:
        """The parameter of a dotted name."""
        found: Parameter = self._get(target, PARAMETER)
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer of a dotted name."""
        found: Tensor = self._get(target, *BUFFERS)
        return found

    def _get(self, target: str, *kinds: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            near = _near(name, Entries(module, *kinds))
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`{near}")
        if module._kinds.get(name) not in kinds:
            raise AttributeError(
                f"`{name}` is not an nn.Parameter" if PARAMETER in kinds else f"`{name}` is not a buffer"
            )
        return getattr(module, name)

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module in the place of a dotted name; with strict=True only where there is one already."""
        if not target:
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise AttributeError(f"`{type(module).__name__}` is not an nn.Module")
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if strict and not hasattr(owner, name):
            raise AttributeError(f"{owner._get_name()} has no attribute `{name}`{_near(name, owner._modules)}")
        if hasattr(owner, name) and not isinstance(getattr(owner, name), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        owner._enter(name, module, MODULE)

    # --- what is done to all

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every module, children first. Returns the module."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set training mode, or with False evaluation mode, here and below. Returns the module."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Set evaluation mode. Gradients are recorded all the same: that is no_grad's matter."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Train all parameters from here on, or freeze them. Returns the module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or with set_to_none=False fill them with zeros."""
        for parameter in self.parameters():
            clear_grad(parameter, set_to_none)

    # --- state

    def get_extra_state(self) -> Any:
        """What else goes into the state_dict; for subclasses, which define set_extra_state too."""
        raise RuntimeError(f"{self._get_name()}.get_extra_state is to be defined by the subclass.")

    def set_extra_state(self, state: Any) -> None:
        """Take back what get_extra_state gave."""
        raise RuntimeError(f"{self._get_name()}.set_extra_state is to be defined by the subclass.")

    def _upgrade_state(self, state: dict[str, Any], prefix: str, version: int | None) -> None:
        """Make a state_dict of an earlier version (None: unknown) into one of this; for subclasses."""

    def _entries(self, prefix: str = "") -> Iterator[tuple[str, Any]]:
        """What a state_dict holds, by dotted names: the tensors themselves, without any hook."""
        for kind in (PARAMETER, BUFFER):
            for name, value in self._of(kind):
                if value is not None:
                    yield prefix + name, value
        for name, module in self._of(MODULE):
            if module is not None:
                yield from module._entries(f"{prefix}{name}.")

    def state_dict(
        self, *, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """All parameters and persistent buffers by dotted name, detached but on the same memory.

        Args:
            destination: a dict to fill; default: a new one.
            prefix: put before every name.
            keep_vars: give the parameters themselves.
        """
        return collect(self, StateDict() if destination is None else destination, prefix, keep_vars)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Keys:
        """Copy values by name into the parameters and buffers, converted to their dtypes.

        Args:
            state_dict: tensors or arrays, such as another module's `state_dict()`.
            strict: the names must be exactly the module's own.
            assign: take the tensors over, memory and dtype, instead of copying their numbers.
        Returns:
            The missing and the unexpected names; both are empty if strict.
        Raises:
            RuntimeError: names or shapes do not fit. All are listed, and nothing has been changed.
        """
        return load(self, state_dict, strict, assign)

    # --- as text

    def extra_repr(self) -> str:
        """What stands between the brackets of the module's own line; for subclasses."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        extra_lines = extra.split("\n") if extra else []
        child_lines = [f"({name}): {indented(repr(module))}" for name, module in self._modules.items()]
        if len(extra_lines) == 1 and not child_lines:
            return f"{self._get_name()}({extra})"
        lines = extra_lines + child_lines
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)" if lines else f"{self._get_name()}()"


def _mark(module: Module, began: int, results: Any) -> None:
    """Note of every tensor in a module's several results that the call made it."""
    if isinstance(results, Tensor):
        record = results._record
        if record is not None and record.index > began:
            record.calls = module, began, record.calls
    elif isinstance(results, (tuple, list, dict)):
        for result in results.values() if isinstance(results, dict) else results:
            _mark(module, began, result)


def clear_grad(parameter: Tensor, set_to_none: bool) -> None:
    """Forget a gradient, or fill it with zeros: what zero_grad does to one parameter."""
    if set_to_none:
        if mode.trace is not None:
            mode.trace.forget(parameter)
        if parameter._record is not None:  # what the setter of .grad does, less its checks
            parameter._record.grad = None
        return
    grad = parameter.grad
    if grad is not None:
        if grad.requires_grad:  # zeros have no history
            grad = parameter.grad = grad.detach()
        grad.zero_()


def indented(text: str) -> str:
    """A child's text with its lines after the first moved in; blank ones stay blank."""
    first, *rest = text.split("\n")
    return "\n".join([first, *("  " + line if line.strip() else "" for line in rest)])


def _near(name: str, known: Any) -> str:
    near = nearest(name, known)
    return f". Did you mean: {near[0]!r}?" if near else ""
