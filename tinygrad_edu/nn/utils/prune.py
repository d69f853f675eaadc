"""Pruning: parts of a parameter held at 0 by a mask, chosen at random or by size.

    prune.l1_unstructured(layer, "weight", amount=0.3)

From then on `weight` is weight_orig * weight_mask, computed in a hook before forward; weight_orig is trained.
Pruning again prunes what is left. `remove` makes the parameter a plain one again, with its zeros.
"""

from __future__ import annotations

import math
import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from ...core.tensor import Tensor
from ...ops.creation import ones, ones_like, zeros_like
from ...ops.joining import cat
from ...ops.norm import norm
from ...ops.ordering import kthvalue, topk
from ...ops.random import rand, rand_like
from ..module import Module

__all__ = [
    "BasePruningMethod",
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "PruningContainer",
    "RandomStructured",
    "RandomUnstructured",
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "remove",
]


class BasePruningMethod(ABC):
    """A way of choosing what to prune. A subclass says PRUNING_TYPE and defines compute_mask.

    PRUNING_TYPE: "unstructured" (elements), "structured" (slices along `dim`) or "global" (as it likes). It says
    which part of a tensor that has been pruned before it is shown.
    """

    _tensor_name: str
    PRUNING_TYPE: str = "unstructured"

    @abstractmethod
    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Zeros and ones in t's shape, zero where default_mask is; t says what matters."""

    def __call__(self, module: Any, inputs: Any) -> None:
        """The hook: compute the pruned tensor anew."""
        setattr(module, self._tensor_name, self.apply_mask(module))

    def apply_mask(self, module: Any) -> Any:
        """The module's original tensor times its mask."""
        original = getattr(module, f"{self._tensor_name}_orig")
        return getattr(module, f"{self._tensor_name}_mask").to(original.dtype) * original

    @classmethod
    def apply(cls, module: Any, name: str, *args: Any, importance_scores: Any = None, **kwargs: Any) -> Any:
        """Prune `name` of the module by cls(*args, **kwargs). Returns the hook.

        Args:
            importance_scores: what is compared in the place of the parameter's own numbers.
        """
        method = cls(*args, **kwargs)
        method._tensor_name = name
        earlier = _hook_of(module, name)
        values = getattr(module, name)
        scores = values if importance_scores is None else importance_scores
        if scores.shape != values.shape:
            raise ValueError(
                f"prune: importance_scores {tuple(scores.shape)} must have the shape of {name} {tuple(values.shape)}."
            )
        if earlier is None:
            known = ones_like(values.detach())
        else:
            key, hook = earlier
            chain = hook if isinstance(hook, PruningContainer) else PruningContainer(hook)
            chain.add_pruning_method(method)
            known = getattr(module, f"{name}_mask").detach().clone()
            method = chain
        mask = method.compute_mask(scores.detach(), default_mask=known)  # which may refuse: nothing is changed yet
        if earlier is None:
            module.register_parameter(f"{name}_orig", values)
            del module._parameters[name]
        else:
            del module._forward_pre_hooks[key]
        module.register_buffer(f"{name}_mask", mask)
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def prune(self, t: Any, default_mask: Any = None, importance_scores: Any = None) -> Any:
        """A tensor with its less important parts at 0; no module is involved."""
        scores = t if importance_scores is None else importance_scores
        if scores.shape != t.shape:
            raise ValueError(
                f"prune: importance_scores {tuple(scores.shape)} must have the tensor's shape {tuple(t.shape)}."
            )
        known = ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(scores, default_mask=known)

    def remove(self, module: Any) -> None:
        """Make the pruned tensor the parameter."""
        name = self._tensor_name
        pruned = self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        original = module._parameters.pop(f"{name}_orig")
        original.data = pruned.detach()
        del module._buffers[f"{name}_mask"]
        setattr(module, name, original)


def _hook_of(module: Any, name: str) -> tuple[Any, Any] | None:
    """The pruning hook of a tensor, with its key."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            return key, hook
    return None


class PruningContainer(BasePruningMethod):
    """Several methods, one after the other: each prunes what the ones before have left."""

    def __init__(self, *args: Any) -> None:
        methods = args[0] if len(args) == 1 and not isinstance(args[0], BasePruningMethod) else args
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        for method in methods:
            if not self._pruning_methods:
                self._tensor_name = method._tensor_name
            self.add_pruning_method(method)

    def add_pruning_method(self, method: Any) -> None:
        """One more, for the same tensor."""
        if not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        name = getattr(self, "_tensor_name", method._tensor_name)
        if name != method._tensor_name:
            raise ValueError(
                "Can only add pruning methods acting on the parameter named "
                f"'{name}' to PruningContainer {self}. Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Any:
        return iter(self._pruning_methods)

    def __getitem__(self, index: int) -> BasePruningMethod:
        return self._pruning_methods[index]

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The last method's mask of what is left; the others' are in default_mask."""
        method = self._pruning_methods[-1]
        left: Any
        if method.PRUNING_TYPE == "unstructured":
            left = default_mask == 1
        elif method.PRUNING_TYPE == "structured":
            dim = method.dim % t.ndim  # type: ignore[attr-defined]  # structured ones have it
            others = tuple(d for d in range(t.ndim) if d != dim)
            left = (slice(None),) * dim + (default_mask.sum(others) != 0,)
        elif method.PRUNING_TYPE == "global":
            left = (slice(None),) * t.ndim
        else:
            raise ValueError(
                f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}; it is 'unstructured', 'structured' or 'global'."
            )
        mask = default_mask.clone()
        mask[left] = method.compute_mask(t[left], default_mask=default_mask[left]).to(mask.dtype)
        return mask


class Identity(BasePruningMethod):
    """Prunes nothing: the parameter gets a mask of ones."""

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask that there is."""
        return default_mask


class _ByAmount(BasePruningMethod):
    def __init__(self, amount: Any) -> None:
        if not isinstance(amount, numbers.Real):
            raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
        if not 0 <= float(amount) <= (math.inf if isinstance(amount, numbers.Integral) else 1):
            raise ValueError(f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer")
        self.amount = amount

    def _count(self, size: int) -> int:
        """How many of `size` are pruned."""
        if not isinstance(self.amount, numbers.Integral):
            return round(float(self.amount) * size)
        if int(self.amount) > size:
            raise ValueError(f"amount={self.amount} should be smaller than the number of parameters to prune={size}")
        return int(self.amount)


class _Elements(_ByAmount):
    """Prunes the elements of the lowest rank."""

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """default_mask without them."""
        count = self._count(t.numel())
        mask = default_mask.clone()
        if count:
            mask.view(-1)[self._chosen(t, count)] = 0
        return mask

    def _chosen(self, t: Any, count: int) -> Any:
        raise NotImplementedError


class RandomUnstructured(_Elements):
    """Prunes elements at random.

    Args:
        amount: how many, or which part of them.
    """

    def _chosen(self, t: Any, count: int) -> Any:
        return topk(rand_like(t).view(-1), count).indices


class L1Unstructured(_Elements):
    """Prunes the elements nearest to 0.

    Args:
        amount: how many, or which part of them.
    """

    def _chosen(self, t: Any, count: int) -> Any:
        return topk(t.abs().reshape(-1), count, largest=False).indices


class _Slices(_ByAmount):
    """Prunes whole slices along an axis."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: Any, dim: int = -1) -> None:
        super().__init__(amount)
        self.dim = dim

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """default_mask without them."""
        if t.ndim <= 1:
            raise ValueError(
                "Structured pruning can only be applied to multidimensional tensors. Found tensor of shape "
                f"{tuple(t.shape)} with {t.ndim} dims"
            )
        if not -t.ndim <= self.dim < t.ndim:
            raise IndexError(f"Invalid index {self.dim} for tensor of size {tuple(t.shape)}")
        size = t.shape[self.dim]
        count = self._count(size)
        if not count:
            return default_mask
        mask = zeros_like(t)
        mask[(slice(None),) * (self.dim % t.ndim) + (self._kept(t, size, count),)] = 1
        return mask * default_mask.to(mask.dtype)

    def _kept(self, t: Any, size: int, count: int) -> Any:
        raise NotImplementedError


class RandomStructured(_Slices):
    """Prunes slices at random.

    Args:
        amount: how many, or which part of them.
        dim: the axis that they are slices of.
    """

    def _kept(self, t: Any, size: int, count: int) -> Any:
        draws = rand(size)
        return draws > kthvalue(draws, count).values


class LnStructured(_Slices):
    """Prunes the slices of least norm.

    Args:
        amount: how many, or which part of them.
        n: which norm: as in `norm`.
        dim: the axis that they are slices of.
    """

    def __init__(self, amount: Any, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def _kept(self, t: Any, size: int, count: int) -> Any:
        others = tuple(d for d in range(t.ndim) if d != self.dim % t.ndim)
        return topk(norm(t, p=self.n, dim=others), size - count).indices


class CustomFromMask(BasePruningMethod):
    """Prunes where a given mask is 0."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Any) -> None:
        self.mask = mask

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """default_mask times the given one."""
        if default_mask.shape != self.mask.shape:
            raise ValueError(
                f"prune: the mask has shape {tuple(self.mask.shape)}, the tensor {tuple(default_mask.shape)}."
            )
        return default_mask * self.mask.to(default_mask.dtype)


# --- the same as functions


def identity(module: Module, name: str) -> Module:
    """Give the parameter a mask of ones. Returns the module."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount: Any) -> Module:
    """Prune elements at random. Returns the module."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: Module, name: str, amount: Any, importance_scores: Any = None) -> Module:
    """Prune the elements nearest to 0. Returns the module."""
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: Module, name: str, amount: Any, dim: int) -> Module:
    """Prune slices along an axis at random. Returns the module."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(module: Module, name: str, amount: Any, n: Any, dim: int, importance_scores: Any = None) -> Module:
    """Prune the slices along an axis whose norm of order n is least. Returns the module."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Module, name: str, mask: Any) -> Module:
    """Prune where the mask is 0. Returns the module."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Any, str]],
    pruning_method: type[BasePruningMethod],
    importance_scores: dict[tuple[Any, str], Tensor] | None = None,
    **kwargs: Any,
) -> None:
    """Prune several parameters as if they were one: of all their elements, those of the lowest rank.

    Args:
        parameters: (module, name) pairs.
        pruning_method: a class such as L1Unstructured; kwargs are its arguments.
        importance_scores: by pair, what is compared in the place of a parameter's own numbers.
    """
    pairs = list(parameters)
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
            f"{pruning_method} of type {method.PRUNING_TYPE}"
        )
    scores = importance_scores or {}
    tensors = [getattr(module, name) for module, name in pairs]
    flat = cat([scores.get(pair, t).detach().reshape(-1) for pair, t in zip(pairs, tensors, strict=True)])
    known = cat(
        [
            getattr(module, f"{name}_mask", ones(t.shape)).reshape(-1)
            for (module, name), t in zip(pairs, tensors, strict=True)
        ]
    )
    method._tensor_name = "all of them"
    mask = PruningContainer(method).compute_mask(flat, default_mask=known)
    begin = 0
    for (module, name), t in zip(pairs, tensors, strict=True):
        custom_from_mask(module, name, mask[begin : begin + t.numel()].view(t.shape))
        begin += t.numel()


def is_pruned(module: Module) -> bool:
    """Whether anything in the module is pruned."""
    return any(
        isinstance(hook, BasePruningMethod) for part in module.modules() for hook in part._forward_pre_hooks.values()
    )


def remove(module: Module, name: str) -> Module:
    """Make a pruned parameter a plain one, with its zeros. Returns the module."""
    found = _hook_of(module, name)
    if found is None:
        raise ValueError(f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed")
    key, hook = found
    hook.remove(module)
    del module._forward_pre_hooks[key]
    return module
