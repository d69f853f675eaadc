"""Functions of functions, as torch.func has them: grad, vjp, jvp, jacobians, vmap, functional_call.

They take functions of Tensors and return functions; nothing is accumulated in `.grad`, and they
nest: grad(grad(f)) is the second derivative. Arguments may be nested tuples, lists and dicts.
"""

from __future__ import annotations

from ..core.missing import missing
from .batching import vmap
from .gradients import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp
from .modules import functional_call, stack_module_state

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "stack_module_state",
    "vjp",
    "vmap",
]

__getattr__ = missing(__name__)
