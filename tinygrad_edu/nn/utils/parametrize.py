"""Parametrizations: a parameter that is computed from another one at every use, by a module of the user's.

    parametrize.register_parametrization(layer, "weight", Symmetric())

From then on `layer.weight` is Symmetric()(layer.parametrizations.weight.original), and it is `original` that
is trained. The layer gets a class of its own, derived from its former one, where `weight` is a property.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from ...autograd import no_grad
from ...core.errors import TraceError
from ...core.mode import mode
from ...core.tensor import Tensor
from ..containers import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "type_before_parametrizations",
]

_open: list[Any] = []  # per `cached` block the trace that it was opened in, or None
_known: dict[tuple[int, str], Any] = {}  # what has been computed within them


@contextmanager
def cached() -> Iterator[None]:
    """Within this block each parametrized tensor is computed once only: for layers that are called many times."""
    _open.append(mode.trace)
    try:
        yield
    finally:
        _open.pop()
        if not _open:
            _known.clear()


class ParametrizationList(ModuleList):
    """The modules that compute one tensor, in order, and what they start from: `original`, or `original0`, ..."""

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        new: Any = original
        with suppress(NotImplementedError):  # to begin with, the value may do as the original
            new = _inverted(modules, original)
        several = not isinstance(new, Tensor)
        self.ntensors = len(new) if several else 1
        self.is_tensor = not several
        if several:
            for i, part in enumerate(new):
                if not isinstance(part, Tensor):
                    raise ValueError(
                        f"'right_inverse' must return a Tensor or a Sequence of tensors, got {type(part)}."
                    )
                self._register(f"original{i}", original, Parameter(part.detach().clone()))
        else:
            if new.dtype != original.dtype:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change the dtype.\n"
                    f"original.dtype: {original.dtype}\nright_inverse(original).dtype: {new.dtype}"
                )
            if new is not original:
                original.data = new.detach()  # the parameter stays the one that an optimizer may know already
            self._register("original", original, original)
        if not unsafe:
            self._check(original)

    def _register(self, name: str, original: Tensor, tensor: Tensor) -> None:
        if isinstance(original, Parameter):
            assert isinstance(tensor, Parameter)
            tensor.requires_grad_(original.requires_grad)
            self.register_parameter(name, tensor)
        else:
            self.register_buffer(name, tensor.detach() if isinstance(tensor, Parameter) else tensor)

    def _check(self, original: Tensor) -> None:
        result = self()
        if not isinstance(result, Tensor):
            raise ValueError(f"A parametrization must return a tensor. Got {type(result).__name__}.")
        for what in ("dtype", "shape"):
            before, after = getattr(original, what), getattr(result, what)
            if before != after and self.is_tensor:
                raise ValueError(
                    f"Registering a parametrization may not change the {what} of the tensor, unless the `unsafe` flag "
                    f"is enabled.\nunparametrized {what}: {before}\nparametrized {what}: {after}"
                )

    def originals(self) -> tuple[Any, ...]:
        """What the first module is handed."""
        names = ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]
        return tuple(getattr(self, name) for name in names)

    def right_inverse(self, value: Tensor) -> None:
        """Give the originals the numbers from which the modules compute `value`: what assignment does."""
        for module in self:
            if not hasattr(module, "right_inverse"):
                raise RuntimeError(
                    f"parametrization {type(module).__name__} does not implement right_inverse; without it nothing can "
                    "be assigned, since it is not known from which original the value is computed."
                )
        with no_grad():
            new = _inverted(list(self), value)
            parts = (new,) if isinstance(new, Tensor) else tuple(new)
            for original, part in zip(self.originals(), parts, strict=True):
                original.copy_(part)

    def forward(self) -> Any:
        """The parametrized tensor."""
        first, *others = self
        x = first(*self.originals())
        for module in others:
            x = module(x)
        return x


def _inverted(modules: Sequence[Any], value: Tensor) -> Any:
    """The value through the right inverses, the last first; a module without one passes it on."""
    found: Any = value
    with no_grad():
        for module in reversed(modules):
            if hasattr(module, "right_inverse"):
                found = module.right_inverse(found)
    return found


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Let a parameter or buffer be computed by `parametrization` from now on. Returns the module.

    Args:
        parametrization: a module of one argument, the tensor; if it has a method right_inverse, that says which
            original the present value is computed from. Several for one tensor are applied in order.
        unsafe: the result may have another shape or dtype; nothing is tried out.
    Raises:
        ValueError: there is no such tensor, or the parametrization changes its shape or dtype.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        known: Any = module.parametrizations
        chain = known[tensor_name]
        value = getattr(module, tensor_name).detach()
        if not unsafe:
            result = parametrization(value)
            if not isinstance(result, Tensor) or result.shape != value.shape or result.dtype != value.dtype:
                raise ValueError(
                    f"A parametrization may not change the shape {tuple(value.shape)} or dtype {value.dtype} of the "
                    "tensor, unless the `unsafe` flag is enabled."
                )
        chain.append(parametrization)
        chain.unsafe |= unsafe
    elif tensor_name in module._parameters or tensor_name in module._buffers:
        original = getattr(module, tensor_name)
        chain = ParametrizationList([parametrization], original, unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            former = type(module)
            words = {"_former": former, "__module__": former.__module__}
            module.__class__ = type(f"Parametrized{former.__name__}", (former,), words)
            module.parametrizations = ModuleDict()
        setattr(type(module), tensor_name, _property(tensor_name))
        module.parametrizations[tensor_name] = chain
    else:
        raise ValueError(
            f"Module '{module._get_name()}' does not have a parameter, a buffer, or a parametrized element with name "
            f"'{tensor_name}'"
        )
    return module


def _property(name: str) -> property:
    def get(self: Any) -> Any:
        if mode.trace is not None:
            mode.trace.depends(lambda: None in _open)
            if None in _open:
                raise TraceError("parametrize.cached() is open around the step; open it in the step.")
        if not _open:
            return self.parametrizations[name]()
        key = id(self), name
        if key not in _known:
            _known[key] = self.parametrizations[name]()
        return _known[key]

    def put(self: Any, value: Any) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(get, put)


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module, or one tensor of it, is parametrized."""
    known = module.__dict__.get("parametrizations")
    if not isinstance(known, ModuleDict):
        return False
    return len(known) > 0 if tensor_name is None else tensor_name in known


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make a plain parameter or buffer of a parametrized tensor again. Returns the module.

    Args:
        leave_parametrized: keep the value as it was computed last; False gives the original one, if it is one tensor.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module._get_name()} does not have a parametrization on {tensor_name}")
    known: Any = module.parametrizations
    chain = known[tensor_name]
    original, *_ = chain.originals()
    if leave_parametrized:
        with no_grad():
            value = getattr(module, tensor_name).detach().clone()
        if chain.is_tensor:
            original.data = value
        else:
            original = Parameter(value, original.requires_grad) if isinstance(original, Parameter) else value
    elif not chain.is_tensor:
        raise ValueError("Cannot leave unparametrized (`leave_parametrized=False`) a tensor parametrized by a sequence")
    delattr(type(module), tensor_name)
    del known[tensor_name]
    if isinstance(original, Parameter):
        module.register_parameter(tensor_name, original)
    else:
        module.register_buffer(tensor_name, original)
    if not known:
        del module.parametrizations
        module.__class__ = type_before_parametrizations(module)
    return module


def type_before_parametrizations(module: Module) -> type[Module]:
    """The class that the module had before it was parametrized."""
    found: type[Module] = getattr(module, "_former", type(module)) if is_parametrized_class(module) else type(module)
    return found


def is_parametrized_class(module: Module) -> bool:
    """Whether the module's class was made by register_parametrization."""
    return "_former" in type(module).__dict__
