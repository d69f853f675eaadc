"""An update's formula as the paper has it, computed into the memory of the tensor that it updates.

    @in_place
    def average(M, beta, G):
        return beta * M + (1 - beta) * G

    average(M, beta, G)  # M becomes beta M + (1 - beta) G

Capitals are arrays, the other letters numbers. Written with operators, such a line makes an array per
operator. So the formula is read once on Symbols and written anew as a function whose operations each
store their result: in the target's own memory as soon as its old value has been used, before that in
scratch memory that all updates share. `print(average.source)` gives

    def average(M, beta, G, S0):
        T0 = multiply(beta, M, out=M)
        t1 = 1 - beta
        T2 = multiply(t1, G, out=S0)
        return add(T0, T2, out=M)

In a trace the formula itself is computed, on Symbols.

Measured for Adam on 128x784 float32 (NumPy 2.4, one thread): 250 us with operators, 128 us like this,
150 us in PyTorch. Piece by piece, so that the scratch memory stays in the first-level cache, it is
slower (209 us by 8,192 elements, 145 us by 32,768): that saves less than NumPy's calls cost.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.primitive import Array, signature
from ..core.symbol import Symbol, computed_by
from ..core.tensor import Tensor
from ..core.write import read, write

WORTHWHILE = 1 << 14  # bytes; below, new memory comes as soon as scratch memory does in a new shape

# Between numbers; a ufunc would make float64 of Python's, and float64 of the float32 arrays that they meet
OPERATORS = {np.add: "+", np.subtract: "-", np.multiply: "*", np.divide: "/"}


class InPlace:
    """A formula that gives the new value of its first argument."""

    def __init__(self, formula: Callable[..., Array]) -> None:
        self.formula = formula
        functools.update_wrapper(self, formula)

    def __call__(self, target: Tensor, *args: Any, by: str = "an optimizer's step") -> None:
        """Give the target the formula's value.

        Args:
            target: the tensor that is written; its present value is the formula's first argument.
            args: Tensors and arrays of the target's shape, and numbers, which take its precision.
            by: who writes, for the message if a record needed the old value.
        """
        X = read(target)
        dtype = X.dtype
        write(target, self.compute, X, *[x if x.__class__ is float else _operand(x, dtype) for x in args], by=by)

    def compute(self, *args: Array, out: Array) -> Array:
        """The formula's value, in the memory of `out`, which is that of the first argument."""
        if out.__class__ is Symbol:
            return out.replace(self.formula(*args), self.formula.__name__)
        if not out.shape or _again(out, args):
            return np.positive(self.formula(*args), out=out)
        function, slots = self._emitted
        if out.nbytes < WORTHWHILE:
            return function(*args, *(None,) * slots)
        return function(*args, *[scratch.take(slot, out) for slot in range(slots)])

    @property
    def source(self) -> str:
        """The function that computes the formula on arrays."""
        return _emit(self.formula)[0]

    @functools.cached_property
    def _emitted(self) -> tuple[Callable[..., Array], int]:
        source, slots, scope = _emit(self.formula)
        exec(source, scope)  # straight from the formula above; running a list of operations costs 3 us more a call
        return scope[self.formula.__name__], slots


in_place = InPlace


def _emit(formula: Callable[..., Array]) -> tuple[str, int, dict[str, Any]]:
    """A formula as source that stores every result, how many scratch arrays it takes, and what it calls."""
    names, _, _ = signature(formula)
    arguments = [Symbol((2,) if name[0].isupper() else (), np.dtype("float64"), name) for name in names]
    for symbol in arguments:
        symbol.number = not symbol.shape
    result = formula(*arguments)
    nodes = computed_by(result)
    target = names[0]
    text = {symbol: symbol.name or "" for symbol in arguments}
    last = {x: node for node in nodes for x in node.inputs if isinstance(x, Symbol)}
    held = {arguments[0]: target}  # value -> the memory that it lies in
    free: list[str] = []
    scope: dict[str, Any] = {}
    lines: list[str] = []
    slots: int = 0
    for i, node in enumerate(nodes):
        assert node.primitive is not None
        operands = [text[x] if isinstance(x, Symbol) else repr(x) for x in node.inputs]
        done = [x for x in dict.fromkeys(node.inputs) if isinstance(x, Symbol) and last[x] is node]
        free += [held.pop(x) for x in done if x in held]
        compute = node.primitive.numpy
        text[node] = f"T{i}" if node.shape else f"t{i}"
        if not node.shape and compute in OPERATORS:
            lines.append(f"{text[node]} = {operands[0]} {OPERATORS[compute]} {operands[1]}")
        else:
            called = compute if isinstance(compute, np.ufunc) and not node.params else node.primitive.forward
            scope[called.__name__] = called
            words = [*operands, *(f"{key}={value!r}" for key, value in node.params.items())]
            if called is compute and node.shape and node.dtype.kind == "f":
                if node is result:
                    place = target
                elif free:
                    place = free.pop()
                else:
                    place, slots = f"S{slots}", slots + 1
                held = {**held, node: place}
                words.append(f"out={place}")
            lines.append(f"{text[node]} = {called.__name__}({', '.join(words)})")
    if held.get(result) != target or not nodes:
        scope["positive"] = np.positive
        lines.append(f"_ = positive({text[result]}, out={target})")
    lines[-1] = f"return {lines[-1].partition(' = ')[2]}"
    head = ", ".join([*names, *(f"S{slot}" for slot in range(slots))])
    return f"def {formula.__name__}({head}):\n    " + "\n    ".join(lines) + "\n", slots, scope


def _again(out: Array, args: tuple[Array, ...]) -> bool:
    """Whether the target is an operand too, besides being the first."""
    again = False
    for x in args:
        if x is out:
            if again:
                return True
            again = True
    return False


def _operand(x: Any, dtype: np.dtype[Any]) -> Any:
    """What the formula computes with. A 0-d array of float64 would make float64 of everything."""
    if isinstance(x, float):  # NumPy's too
        return float(x)
    if isinstance(x, Tensor):
        x = read(x)
    if isinstance(x, Symbol):
        return x if x.number or x.dtype == dtype else x.astype(dtype)
    return x if x.__class__ in (float, int) or x.dtype == dtype else x.astype(dtype)


class Scratch(threading.local):
    """Memory for what formulas compute on their way: a few arrays as large as the largest parameter so far."""

    def __init__(self) -> None:
        self.buffers: list[np.ndarray[Any, Any]] = []

    def take(self, slot: int, like: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The array of this number, uninitialised, in the shape and dtype of `like`."""
        if slot == len(self.buffers):
            self.buffers.append(np.empty(like.nbytes, np.uint8))
        elif self.buffers[slot].nbytes < like.nbytes:
            self.buffers[slot] = np.empty(like.nbytes, np.uint8)
        return np.ndarray(like.shape, like.dtype, self.buffers[slot].data)


scratch = Scratch()
