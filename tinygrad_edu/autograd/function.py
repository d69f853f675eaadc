"""Function: an operation whose gradient the user writes, in Tensors.

Each application becomes a record like any other. Its primitive is made for that one call and has
one rule for all inputs: the user's `backward`, called once per visit, its answer handed out input
by input. A Function that returns a tuple is recorded as one joint value (core.joint).

What `save_for_backward` was given is kept where every record keeps what its rules read: inputs and
outputs in their own places, anything else as a further, constant input. So it is guarded against
writes, freed by backward, and holds no cycle.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.anomaly import check_forward
from ..core.apply import keep_saved
from ..core.errors import DtypeError, ShapeError
from ..core.joint import picked
from ..core.kept import remember
from ..core.mode import mode
from ..core.primitive import Primitive
from ..core.record import Record, user_site
from ..core.symbol import Symbol
from ..core.tensor import Tensor, record_of, wrap
from ..core.views import refresh
from .modes import no_grad

__all__ = ["Function", "FunctionCtx", "once_differentiable"]


class FunctionCtx:
    """What forward leaves for backward. Attributes of the user's own may be set on it freely."""

    needs_input_grad: tuple[bool, ...]  # one per argument of forward

    def __init__(self) -> None:
        self._to_save: tuple[Any, ...] = ()
        self._constant: tuple[Any, ...] = ()
        self._materialize = True
        self._read: Callable[[], tuple[Any, ...]] | None = None  # set while backward runs

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for backward: inputs, outputs or others. Call it once, last call wins."""
        for i, t in enumerate(tensors):
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_backward can only save tensors, but argument {i} is of type "
                    f"{type(t).__name__}; set other things as attributes: ctx.n = n."
                )
        self._to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Accepted and ignored: there is no forward mode; `jvp` differentiates backward twice."""

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What save_for_backward was given."""
        return self._to_save if self._read is None else self._read()

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Outputs that get no gradient, such as indices. backward is given zeros for them."""
        self._constant = tensors

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Refused: see the error."""
        raise RuntimeError(
            "mark_dirty: a Function here can't write into its inputs; compute a new tensor, and store it "
            "outside with x.copy_(F.apply(x))."
        )

    def set_materialize_grads(self, value: bool) -> None:
        """False: backward gets None, not zeros, for outputs that did not reach the loss."""
        self._materialize = bool(value)


class Function:
    """An operation with a gradient of your own. Subclass it and call `apply`, never an instance.

    backward gets one cotangent per output and returns one gradient, or None, per argument of
    forward. Written in Tensor operations it can itself be differentiated.

    >>> from tinygrad_edu import tensor
    >>> class Cube(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...
    ...     @staticmethod
    ...     def backward(ctx, dY):
    ...         (x,) = ctx.saved_tensors
    ...         return 3 * x**2 * dY
    >>> x = tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor(12.)
    """

    def __init__(self, *_: Any, **__: Any) -> None:
        raise TypeError(
            f"{type(self).__name__} should not be instantiated: the methods of a Function are static; "
            f"call {type(self).__name__}.apply(...)."
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """forward(ctx, *args), or forward(*args) beside a setup_context. Runs unrecorded."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Where forward takes no ctx: save here what backward needs."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradient of each argument of forward, from the cotangent of each output."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it "
            "with backward mode AD."
        )

    vjp = backward
    generate_vmap_rule = False  # accepted, as are jvp and vmap: func.vmap goes example by example, which needs no rule

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """Accepted and never called: `func.jvp` and its like differentiate backward twice instead."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        """Accepted and never called: `func.vmap` applies the function to each example."""
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap static method or set "
            "generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Compute forward(*args) and record it, if an argument needs a gradient."""
        separate = cls.setup_context is not Function.setup_context
        if separate or kwargs:
            args = _bound(cls, args, kwargs, separate)
        tensors = [x for x in args if isinstance(x, Tensor)]
        if mode.trace is not None:
            mode.trace.enter(tensors)
        for x in tensors:
            if x._view is not None:
                refresh(x)
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple(isinstance(x, Tensor) and x.requires_grad for x in args)
        recording, mode.grad = mode.grad, False
        try:
            if separate:
                output = cls.forward(*args)
                cls.setup_context(ctx, args, output)
            else:
                output = cls.forward(ctx, *args)
        finally:
            mode.grad = recording
        outputs = output if isinstance(output, tuple) else (output,)
        _check_outputs(cls, outputs)
        results = tuple(_own(y, tensors, outputs[:i]) if isinstance(y, Tensor) else y for i, y in enumerate(outputs))
        if recording and any(ctx.needs_input_grad):
            _record(cls, ctx, args, outputs, results, joint=isinstance(output, tuple))
        return results if isinstance(output, tuple) else results[0]


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a backward that can't be differentiated, one that computes with NumPy: doing so is an error."""

    @functools.wraps(backward)
    def wrapper(ctx: Any, *cotangents: Any) -> Any:
        with no_grad():
            gradients = backward(ctx, *cotangents)
        depends = (*cotangents, *ctx.saved_tensors)
        if not mode.grad or not any(isinstance(x, Tensor) and x.requires_grad for x in depends):
            return gradients
        several = isinstance(gradients, (tuple, list))
        ended = [
            _End.apply(g.detach().requires_grad_()) if isinstance(g, Tensor) else g
            for g in (gradients if several else (gradients,))
        ]
        return tuple(ended) if several else ended[0]

    return wrapper


class _End(Function):
    """The identity, where differentiation ends."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


class _Application(Primitive):
    """The primitive of one call of a Function: it knows the arguments, what was saved, and backward."""

    def __init__(self, cls: Any, ctx: FunctionCtx, args: tuple[Any, ...], outputs: tuple[Any, ...]) -> None:
        self.key = self.name = self.__name__ = cls.__name__
        self.__doc__ = cls.__doc__
        self.function = cls
        self.ctx = ctx
        self.arguments = [isinstance(x, Tensor) for x in args]
        self.others = [None if isinstance(x, Tensor) else x for x in args]
        self.dtypes: list[np.dtype[Any]] = []  # of the record's inputs
        self.outputs = [isinstance(y, Tensor) for y in outputs]
        self.places: list[tuple[str, int]] = []  # of each saved tensor: ("input" | "output" | "none", number)
        self.made: tuple[Any, Any] = ((), None)  # shape and dtype of the result
        self.storages: list[Any] = []  # of the record's inputs
        self.inputs, self.params, self.variadic = ("X",), (), True
        self.differentiable, self.view, self.opaque = True, False, True
        self.numpy, self.types = None, None
        self.needs_zeros = ctx._materialize
        self.reads = {}
        self.given: Any = None  # the cotangent that backward was last called with, and its answer
        self.gradients: list[Any] = []

    def forward(self, *arrays: Any, **__: Any) -> Any:
        """Run the user's forward again, for a graph's numbers in float64: explain, and what draws values."""
        try:
            return self._again(arrays)
        except (DtypeError, TypeError):  # it meets float32 of its own
            return self._again([_as(x, dtype) for x, dtype in zip(arrays, self.dtypes, strict=True)])

    def _again(self, arrays: Any) -> Any:
        given = iter(map(wrap, map(np.asarray, arrays)))
        args = [next(given) if is_tensor else x for is_tensor, x in zip(self.arguments, self.others, strict=True)]
        ctx = FunctionCtx()
        ctx.needs_input_grad = self.ctx.needs_input_grad
        separate = self.function.setup_context is not Function.setup_context
        with no_grad():
            output = self.function.forward(*args) if separate else self.function.forward(ctx, *args)
        outputs = output if isinstance(output, tuple) else (output,)
        found = tuple(y._array for y in outputs if isinstance(y, Tensor))
        return found if isinstance(self.made[1], tuple) else found[0]

    def __call__(self, *args: Any, **params: Any) -> Any:
        """On Symbols, an equation; the forward's own Python is not opened."""
        shape, dtype = self.made
        return Symbol(shape, dtype, None, self, args, params)

    def has_rule(self, index: int) -> bool:
        return index < sum(self.arguments)

    def call_rule(self, index: int, dY: Any, Y: Any, inputs: Any, params: dict[str, Any]) -> Any:
        if index >= sum(self.arguments):  # a saved tensor that is not an argument
            return None
        if self.given is not dY:  # one answer for all inputs; engine and formulas hand over one dY
            self.given, self.gradients = dY, self._pull(dY, Y, inputs)
        dX, self.gradients[index] = self.gradients[index], None
        if dX is None and isinstance(inputs[index], (Symbol, Record)) and isinstance(dY, Symbol) and mode.trace is None:
            return np.zeros(inputs[index].shape, inputs[index].dtype)  # a formula has no place for None
        return dX

    def begin(self) -> None:
        """A new visit: backward's last answer does not count any more."""
        self.given, self.gradients = None, []

    def _pull(self, dY: Any, Y: Any, inputs: Any) -> list[Any]:
        """One call of the user's backward. What it returned is shared with nobody: see the views."""
        function, name = self.function, f"{self.name}Backward"
        parts = dY if isinstance(dY, tuple) else (dY,)
        recorded = any(isinstance(part, Tensor) for part in parts)
        dYs = iter(parts)
        cotangents = [_as_tensor(next(dYs)) if is_tensor else None for is_tensor in self.outputs]

        def read() -> tuple[Any, ...]:
            Ys = Y if isinstance(Y, tuple) else (Y,)
            found: list[Any] = []
            for place, k in self.places:
                value = None if place == "none" else (inputs if place == "input" else Ys)[k]
                if value is not None and not isinstance(value, Tensor):
                    value = wrap(value)
                    value._storage = self.storages[k] if place == "input" else None
                found.append(value)
            return tuple(found)

        self.ctx._read = read
        try:
            pull = function.backward if function.vjp is Function.vjp else function.vjp
            returned = pull(self.ctx, *cotangents)
        finally:
            self.ctx._read = None
        gradients = tuple(returned) if isinstance(returned, (tuple, list)) else (returned,)
        n = len(self.arguments)
        if len(gradients) > n and all(g is None for g in gradients[n:]):
            gradients = gradients[:n]
        if len(gradients) != n:
            raise RuntimeError(
                f"function {name} returned an incorrect number of gradients (expected {n}, got "
                f"{len(gradients)}): one per argument of {self.name}.forward, None for those that have none."
            )
        found, tensors = [], iter(inputs)
        for i, (g, is_tensor) in enumerate(zip(gradients, self.arguments, strict=True)):
            if is_tensor:
                g = self._checked(g, next(tensors), f"function {name} returned", i)
                found.append(None if g is None else _alias(g if recorded else g._array))
            elif g is not None:
                raise RuntimeError(
                    f"function {name} returned a gradient different from None at position {i}, but the "
                    "corresponding forward input was not a tensor."
                )
        return found

    def _checked(self, gradient: Any, x: Any, what: str, i: int) -> Any:
        if gradient is None:
            return None
        if not isinstance(gradient, Tensor):
            raise TypeError(
                f"{what} a {type(gradient).__name__} as gradient {i}; expected a Tensor or None: wrap it by from_numpy."
            )
        have, shape = tuple(gradient.shape), tuple(x.shape)
        try:
            fits = np.broadcast_shapes(have, shape) == have
        except ValueError:
            fits = False
        if not fits:
            raise ShapeError(
                f"{what} an invalid gradient at index {i} - got {list(have)} but expected shape compatible "
                f"with {list(shape)}"
            )
        return gradient


def _as(x: Any, dtype: np.dtype[Any]) -> Any:
    return x.astype(dtype) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x


def _alias(gradient: Any) -> Any:
    """A view: the engine never adds to one in place, and copies it where it ends in a .grad."""
    if isinstance(gradient, Tensor):
        return gradient.view(gradient.shape)
    return gradient.view() if gradient.__class__ is np.ndarray else gradient


def _record(
    cls: Any, ctx: FunctionCtx, args: tuple[Any, ...], outputs: tuple[Any, ...], results: tuple[Any, ...], joint: bool
) -> None:
    """Record one application: the results belong to the graph from here on."""
    constant = {id(t) for t in ctx._constant}
    made = [y for y in results if isinstance(y, Tensor)]
    flows = [
        y.dtype.kind == "f" and id(out) not in constant
        for y, out in zip(results, outputs, strict=True)
        if isinstance(y, Tensor)
    ]
    if not any(flows):
        return
    application = _Application(cls, ctx, args, outputs)
    operands = [x for x in args if isinstance(x, Tensor)]
    inputs = [record_of(x) for x in operands]
    own = {id(x): ("input", i) for i, x in reversed(list(enumerate(operands)))}
    returned = {id(y): ("output", k) for k, y in enumerate(y for y in outputs if isinstance(y, Tensor))}
    for t in ctx._to_save:
        if t is not None and id(t) not in own and id(t) not in returned:
            own[id(t)] = ("input", len(operands))
            operands.append(t)
            inputs.append(record_of(t) if t.requires_grad else _unheld(t))
    application.places = [("none", 0) if t is None else own.get(id(t)) or returned[id(t)] for t in ctx._to_save]
    ctx._to_save = ()
    read = sorted({k for place, k in application.places if place == "input"})
    kept = {k for place, k in application.places if place == "output"}
    if joint:
        shape: Any = tuple(y._array.shape for y in made)
        dtype: Any = tuple(y.dtype for y in made)
    else:
        shape, dtype = made[0]._array.shape, made[0].dtype
    application.made = shape, dtype
    record = Record(application, tuple(inputs), {}, shape, dtype, True, user_site())
    arrays = [t._array for t in operands]
    application.dtypes = [t.dtype for t in operands]
    keep_saved(record, tuple(read), operands, arrays, tuple(made[k] for k in kept))
    application.storages = [x.storage for x in inputs]
    if joint:
        record.array = tuple(y._array if k in kept else None for k, y in enumerate(made))
        for k, (y, flow) in enumerate(zip(made, flows, strict=True)):
            if flow:
                y._record = picked(record, k)
                y._record.storage = y._storage
    else:
        record.array = made[0]._array if kept else None
        record.storage = made[0]._storage
        made[0]._record = record
    if mode.keep:
        remember(record, tuple(y._array for y in made) if joint else made[0]._array, made)
    if mode.anomaly:
        check_forward(record, arrays, tuple(y._array for y in made))


def _unheld(t: Tensor) -> Record:
    """The record of a saved intermediate: a constant that doesn't hold its array, so that it can be freed."""
    record = Record(None, (), {}, t._array.shape, t.dtype, False, None)
    record.storage = t._storage
    return record


def _own(y: Tensor, tensors: list[Tensor], earlier: tuple[Any, ...]) -> Tensor:
    """An output as a Tensor of its own: what lies in an input's memory, or in the graph, is copied."""
    array = y._array
    if array.__class__ is not np.ndarray:
        return wrap(array)
    others = [*tensors, *(e for e in earlier if isinstance(e, Tensor))]
    if y.requires_grad or any(np.may_share_memory(array, x._array) for x in others):
        return wrap(array.copy())
    return y.detach()


def _check_outputs(cls: Any, outputs: tuple[Any, ...]) -> None:
    for i, y in enumerate(outputs):
        if isinstance(y, (np.ndarray, list, dict)):
            raise TypeError(
                f"{cls.__name__}.forward: expected Tensor or tuple of Tensor (got {type(y).__name__}) for return "
                f"value {i}: its gradient would be lost. Return tensors (from_numpy makes one of an array)."
            )


def _bound(cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any], separate: bool) -> tuple[Any, ...]:
    """Positional arguments, with keywords in their places and the defaults filled in."""
    import inspect

    signature = inspect.signature(cls.forward)
    bound = signature.bind(*args, **kwargs) if separate else signature.bind(None, *args, **kwargs)
    bound.apply_defaults()
    if bound.kwargs:
        raise TypeError(f"{cls.__name__}.apply: keyword-only arguments ({', '.join(bound.kwargs)}) can't be passed on.")
    return bound.args if separate else bound.args[1:]


def _as_tensor(value: Any) -> Any:
    return value if value is None or isinstance(value, Tensor) else wrap(value)
