"""The exceptions users meet: PyTorch's class wherever a PyTorch script would catch one, refined.

A message says which operation failed, what each tensor is, and what to do. `describe` writes the
middle part; it runs only once something has gone wrong, so it may be slow.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .record import Record, is_internal


class ShapeError(RuntimeError, ValueError):
    """Shapes that do not fit together. PyTorch raises RuntimeError here, NumPy ValueError."""


class DtypeError(RuntimeError, TypeError):
    """A dtype that an operation, or the library, does not take."""


class LinAlgError(RuntimeError, np.linalg.LinAlgError):
    """A matrix that has no inverse, or no such decomposition. PyTorch's name and class, and NumPy's."""


class TraceError(RuntimeError, TypeError):
    """A value was asked of a Symbol, which has a shape and a dtype but no numbers."""


def nearest(name: str, known: Iterable[str], n: int = 1) -> list[str]:
    """The n known names that are most like one that is wrong, if any is like it."""
    import difflib  # when something is wrong: it is not worth a part of the package's import time

    return difflib.get_close_matches(name, list(known), n=n)


def describe(args: Sequence[Any], words: Sequence[str] = ()) -> str:
    """One line per tensor: the name, the shape, and where it comes from.

    A tensor that has no name is called by its place in `words`, the operation's own parameters.
    """
    names = labels(args, words)
    rows = [(name, _shape(a), _origin(a)) for a, name in zip(args, names, strict=True) if hasattr(a, "shape")]
    width = max((len(name) for name, _, _ in rows), default=0)
    depth = max((len(shape) for _, shape, _ in rows), default=0)
    return "".join(f"\n  {name:<{width}}  {shape:<{depth}}  {origin}" for name, shape, origin in rows)


def labels(args: Sequence[Any], words: Sequence[str]) -> list[str]:
    """What messages call the arguments: by name, else by their place in `words`."""
    names = [name_of(a) if hasattr(a, "shape") else repr(a) for a in args]
    return [words[min(i, len(words) - 1)] if name == "_" and words else name for i, name in enumerate(names)]


def name_of(tensor: Any) -> str:
    """The user's `name=`, else the variable that holds the tensor in the caller's frame, else `_`."""
    record = getattr(tensor, "_record", None)
    if record is not None and record.name:
        return str(record.name)
    frame = sys._getframe(1)
    while frame is not None and is_internal(frame.f_code.co_filename):
        frame = frame.f_back  # type: ignore[assignment]  # None ends the loop
    variables = frame.f_locals if frame is not None else {}  # only the caller's own names mean something to her
    for variable, value in variables.items():
        if value is tensor:
            return variable
    view = getattr(tensor, "_view", None)
    if view is not None and len(view.steps) == 1 and view.steps[0][0].key == "permute_axes" and tensor.ndim == 2:
        variable = next((v for v, value in variables.items() if value is view.base), view.base.name or "_")
        return variable if variable == "_" else f"{variable}.T"  # nothing longer: this is a label
    return "_"


def _name(tensor: Any) -> str:
    name = name_of(tensor)
    return "_" if name == "_" else name if tensor.grad_fn is not None else f"leaf {name}"


def _shape(value: Any) -> str:
    return str(tuple(value.shape))


def _origin(value: Any) -> str:
    dtype = str(value.dtype)
    record = getattr(value, "_record", None)
    view = getattr(value, "_view", None)
    if view is not None:
        return f"{dtype}, {view.steps[-1][0].name} of {_name(view.base)} {_shape(view.base)}"
    if record is None or record.primitive is None:
        grad = " that requires grad" if record is not None and record.needs_grad else ""
        return f"{dtype}, leaf{grad}"
    parents = ", ".join(f"{p.name or '_'} {tuple(p.shape)}" for p in record.inputs if isinstance(p, Record))
    where = f", line {record.line}" if record.line else ""
    return f"{dtype}, {record.primitive.name} of {parents}{where}"


def kind_of(value: Any) -> str:
    """The name of a value's class; with its module where another library has a Tensor, too."""
    kind = type(value)
    return f"{kind.__module__}.{kind.__name__}" if kind.__name__ == "Tensor" else kind.__name__


def name_init(cls: type, root: type) -> None:
    """Give a public class of the library an __init__ by its own name, so that Python's complaints say that one.

    `nn.Conv2d(3, 8)` lacks an argument of Conv2d, wherever its __init__ is written. The root's is left to be found
    last, and that of a private class, which may be a mixin, where it is.
    """
    ours = cls.__module__.partition(".")[0] == __name__.partition(".")[0] and not cls.__name__.startswith("_")
    home = next(kind for kind in cls.__mro__ if "__init__" in vars(kind))
    init = vars(home)["__init__"]
    if ours and home not in (cls, root) and isinstance(init, types.FunctionType):
        own = types.FunctionType(init.__code__, init.__globals__, init.__name__, init.__defaults__, init.__closure__)
        functools.update_wrapper(own, init)
        del own.__wrapped__  # type: ignore[attr-defined]  # it wraps nothing
        own.__kwdefaults__, own.__qualname__ = init.__kwdefaults__, f"{cls.__name__}.__init__"
        type.__setattr__(cls, "__init__", own)
