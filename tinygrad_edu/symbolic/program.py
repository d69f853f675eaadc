"""A recorded step: its inputs, its equations, and what it changes. It runs by one equation after the other.

`symbolic.trace` makes Programs; `compiler` writes them out as NumPy source. Running one here is the plain
reading of it that the written source must agree with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import TraceError
from ..core.mode import mode
from ..core.symbol import Symbol, computed_by
from ..core.tensor import Tensor, as_array, wrap
from ..core.views import follow
from ..core.write import write
from ..ops.checks import check as verify
from .nested import arguments_of, replaced, tensors_of
from .numbers import Beside, Guard


class Check(NamedTuple):
    """An equation without a result: raise unless the condition holds."""

    condition: Symbol
    message: str
    error: type[Exception]
    values: Symbol | None


class Passed(NamedTuple):
    """A gradient that the step leaves, which is a tensor by another name."""

    tensor: Tensor  # whose gradient
    source: Tensor  # from outside, whose memory it shows
    steps: Any  # and by which views; None: it is that tensor
    new: bool  # or it is the new gradient of the source


@dataclass(eq=False, kw_only=True)
class Program:
    """A recorded step: where its inputs are read, its equations, and what it changes.

    `program(*args)` runs it on new arguments, by executing one equation after the other.
    """

    # What it reads
    given: list[Any]  # the arguments of the trace, to tell whether the step changes one
    arguments: list[Symbol | None]
    tensors: dict[Tensor, Symbol]
    numbers: list[tuple[Symbol, Any, str, int | None]]  # settings of optimizers
    constants: set[Symbol]  # those of tensors that the step makes of numbers it names: `zeros(3)`
    # What it changes
    writes: list[tuple[Tensor, Symbol]]
    grads: list[tuple[Tensor, Symbol | None]]
    passed: list[Passed]
    cleared: set[Tensor]  # tensors whose .grad is forgotten before it is used
    flags: list[tuple[Tensor, bool]]  # what the step leaves in requires_grad, where it changes it
    moved: list[Tensor]  # tensors that the step gives other memory: that of the last of the results
    renewed: dict[Tensor, None]  # those among the written ones that get memory of the same form
    optimizers: list[Any]  # whose states the step uses
    created: list[tuple[Any, Tensor, str, Tensor]]  # what a first step adds: (optimizer, parameter, name, tensor)
    assigned: list[tuple[dict[str, Any], str, Any]]  # what the step leaves in the settings of optimizers
    # What must hold, what is drawn, and what it returns
    checks: list[Check]
    guards: list[Guard]
    draws: list[Symbol]
    result: Any
    items: set[Tensor]  # among the results those that are Python's numbers to the caller
    kept: list[Any]  # of the results those that the step keeps in attributes
    sections: list[tuple[int, str]] = field(default_factory=list)  # below which index each part begins, and what it is

    def __post_init__(self) -> None:
        # By the last equation that each needs: it is made before a later one would fail on its own. None: no equation.
        self.checks_after: dict[Symbol | None, list[Check]] = {}
        for check in self.checks:
            needed = [s for s in (check.condition, check.values) if s is not None and s.primitive is not None]
            last = max(needed, key=lambda s: s.index, default=None)
            self.checks_after.setdefault(last, []).append(check)
        self.equations = self._order()
        inputs = {x for symbol in self.equations for x in symbol.inputs if isinstance(x, Symbol)}
        self.computed = [x for x in inputs if x.primitive is None and x.params]  # in Python, of numbers
        self.computed.sort(key=lambda symbol: symbol.index)

    def _order(self) -> list[Symbol]:
        """Every Symbol that something depends on, in the order in which the step made them."""
        roots: list[Any] = [symbol for _, symbol in (*self.writes, *self.grads)]
        for check in self.checks:
            roots += [check.condition, check.values]
        roots += [*self.draws, *(guard.symbol for guard in self.guards), *(t._array for *_, t in self.created)]
        roots += [*(t._array for t in tensors_of(self.result))]
        return computed_by(*roots)

    def install(self) -> None:
        """Put what a first step adds into the optimizers' states."""
        for optimizer, parameter, name, _ in self.created:
            if name in optimizer.state.get(parameter, ()):
                raise TraceError(f"{type(optimizer).__name__}'s {name} has been made since the trace; trace again.")
        for optimizer, parameter, name, tensor in self.created:
            optimizer.state[parameter][name] = tensor

    def _verify(self, last: Symbol | None, values: dict[Symbol, Any]) -> None:
        """Make the checks that the value of `last` completes."""
        for check in self.checks_after.get(last, ()):
            seen = None if check.values is None else values[check.values]
            verify(values[check.condition], check.message, check.error, seen)

    def __call__(self, *args: Any) -> Any:
        args = tuple(arguments_of(args))
        if len(args) != len(self.arguments):
            raise TypeError(f"the program was traced with {len(self.arguments)} arguments, got {len(args)}.")
        self.install()
        values: dict[Symbol, Any] = {symbol: tensor._array for tensor, symbol in self.tensors.items()}
        for place, (symbol, given) in enumerate(zip(self.arguments, args, strict=True)):
            if symbol is not None:
                values[symbol] = _fitting(symbol, given, place)
        for symbol, group, key, part in self.numbers:
            values[symbol] = setting_of(group, key, part)
        for symbol in self.computed:
            values[symbol] = evaluated(symbol, values)
        self._verify(None, values)
        with np.errstate(all="ignore"):
            for symbol in self.equations:
                inputs = [values[x] if isinstance(x, Symbol) else x for x in symbol.inputs]
                assert symbol.primitive is not None
                value = symbol.primitive.forward(*inputs, **symbol.params)
                values[symbol] = value.item() if symbol.number and hasattr(value, "item") else array_of(value, symbol)
                if symbol in self.checks_after:
                    self._verify(symbol, values)
        written = [(tensor, values[symbol].copy()) for tensor, symbol in self.writes]
        for tensor, value in written:
            if tensor in self.renewed:
                tensor.data = wrap(value)
            else:
                write(tensor, np.positive, value, by="program")
        for _, _, _, tensor in self.created:
            if isinstance(tensor._array, Symbol):
                tensor._array = np.array(values[tensor._array])
        for tensor, needed in self.flags:
            tensor.requires_grad_(needed)
        for tensor, grad in self.grads:
            tensor.grad = None if grad is None else wrap(np.array(values[grad]))
        for tensor, source, steps, new in self.passed:
            tensor.grad = source.grad if new else source if steps is None else shown(source, steps)
        result = replaced(self.result, lambda t: self.handed(t, np.array(values[t._array])))
        if not self.moved:
            return result
        result, parts = result
        for tensor, part in zip(self.moved[::-1], parts[::-1], strict=False):
            tensor.data = part
        return result

    def handed(self, tensor: Tensor, array: Any) -> Any:
        """One of the results, as the step returns it."""
        return array.item() if tensor in self.items else copied(tensor, array)


def copied(tensor: Tensor, array: Any) -> Tensor:
    """A result: without a graph, and a leaf that requires a gradient where the step returns one."""
    result = wrap(array)
    return result.requires_grad_() if tensor.requires_grad and tensor.is_leaf else result


def shown(tensor: Tensor, steps: Any) -> Tensor:
    """A part of a tensor's memory by another name."""
    grad, mode.grad = mode.grad, False
    try:
        return follow(tensor.detach(), steps)  # type: ignore[no-any-return]
    finally:
        mode.grad = grad


def evaluated(symbol: Symbol, values: dict[Symbol, Any]) -> Any:
    """What an expression of Python numbers comes to."""
    if symbol in values:
        return values[symbol]
    inputs = [evaluated(x, values) if isinstance(x, Symbol) else x for x in symbol.inputs]
    value = (
        symbol.params["of"](*inputs) if symbol.primitive is None else symbol.primitive.forward(*inputs, **symbol.params)
    )
    return value.item() if hasattr(value, "item") else value


def setting_of(group: Any, key: str, part: int | None) -> Any:
    """What a setting of an optimizer is now, `part` of one that is several, or a number beside the step."""
    if type(group) is Beside:
        return group.now()
    return float(group[key] if part is None else group[key][part])


def _fitting(symbol: Symbol, given: Any, place: int) -> Any:
    if symbol.number:
        return given
    array = given._values() if isinstance(given, Tensor) else np.asarray(given)
    if array.shape != symbol.shape or array.dtype != symbol.dtype:
        raise TraceError(
            f"argument {place} is {array.dtype} {array.shape}; the program was traced for {symbol.dtype} "
            f"{symbol.shape}. Trace again for another shape."
        )
    return array


def array_of(value: Any, symbol: Symbol) -> Any:
    """What a forward has given, as its Symbol says."""
    if isinstance(value, tuple):
        return value
    value = as_array(value)
    return value if value.dtype == symbol.dtype else value.astype(symbol.dtype)
