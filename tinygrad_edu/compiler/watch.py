"""What a traced step depends on besides its arguments, and whether that is still the same.

A trace is a run of Python, so it holds for the Python values that it saw: the modules and their modes,
settings, variables of the step's surroundings. They are found by following what the step's code names:
its closure, its globals, the functions among them, and inside of modules everything. Comparing takes
one look at all of them, by identity; only where that fails are values compared.
"""

from __future__ import annotations

import itertools
import operator
import types
from collections.abc import Callable, Iterable
from typing import Any

from ..core.primitive import Primitive
from ..core.tensor import Tensor
from ..nn.module import Module
from ..optim.optimizer import Optimizer
from ..symbolic.trace import Program

SCALARS = (bool, int, float, str, bytes, type(None))
_MISSING = object()


class Watch:
    """A snapshot of what a step's Python code can see."""

    def __init__(self, step: Callable[..., Any], program: Program) -> None:
        self._views: list[Iterable[Any]] = []  # live: of dicts and lists that are watched as a whole
        self._owners: list[tuple[Any, str]] = []  # what they belong to, for messages
        self._cells: list[tuple[types.CellType, str]] = []
        self._globals: list[tuple[dict[str, Any], str]] = []
        self._seen: set[int] = set()
        self.buffers: dict[Tensor, str] = {}  # of modules, by the names that these have for them
        self._names: set[str] = set()
        self._settings: list[tuple[dict[str, Any], Any, Any, tuple[str, ...], list[bool]]] = []
        self._walk(step, 0)
        for optimizer in program.optimizers:
            self._optimizer(optimizer, program)
        self._views.append([_MISSING])  # where this is found the lengths of all others are as they were
        self._scopes = [(scope, operator.itemgetter(*names)) for scope, names in _by_scope(self._globals)]
        self._kept = [*itertools.chain.from_iterable(self._views)]
        self._outside = self._surroundings()
        self.tensors = {id(x) for x in (*self._kept, *self._outside) if isinstance(x, Tensor)}

    # --- what there is

    def _walk(self, x: Any, depth: int) -> None:
        if id(x) in self._seen or depth > 6 or isinstance(x, (*SCALARS, Tensor, type, types.ModuleType, Primitive)):
            return
        self._seen.add(id(x))
        if isinstance(x, types.MethodType):
            self._walk(x.__func__, depth)
            self._walk(x.__self__, depth)
        elif isinstance(x, types.FunctionType):
            if not str(x.__module__).startswith(("tinygrad_edu.", "numpy")):
                self._function(x, depth)
        elif isinstance(x, Module):
            for module in x.modules():
                self._module(module, depth)
        elif isinstance(x, Optimizer):
            pass  # those that the step uses are known
        elif isinstance(x, dict):
            self._whole(x.values(), x, "a dict")
            for value in list(x.values()):
                self._walk(value, depth + 1)
        elif isinstance(x, (list, tuple)):
            if len(x) <= 1000:
                self._whole(x, x, "a list")
                for value in x:
                    self._walk(value, depth + 1)
        elif hasattr(x, "__dict__") and not str(type(x).__module__).startswith(("tinygrad_edu.", "numpy", "builtins")):
            used = [name for name in vars(x) if name in self._names]
            self._names_of(type(x))
            for name in used:
                self._globals.append((vars(x), name))
                self._walk(vars(x)[name], depth + 1)

    def _function(self, function: types.FunctionType, depth: int) -> None:
        codes = [function.__code__]
        for code in codes:
            self._names.update(code.co_names)
            codes.extend(c for c in code.co_consts if isinstance(c, types.CodeType))
        for code in codes:
            for name in code.co_names:
                if name in function.__globals__ and (function.__globals__, name) not in self._globals:
                    value = function.__globals__[name]
                    if not isinstance(value, (types.ModuleType, type)):
                        self._globals.append((function.__globals__, name))
                        self._walk(value, depth + 1)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            self._cells.append((cell, name))
            self._walk(getattr(cell, "cell_contents", None), depth + 1)
        for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self._walk(value, depth + 1)

    def _names_of(self, kind: type) -> None:
        """Methods of a user's class may read attributes too; one level of them is looked at."""
        for method in vars(kind).values():
            if isinstance(method, types.FunctionType) and method.__name__ in self._names:
                self._names.update(method.__code__.co_names)

    def _module(self, module: Module, depth: int) -> None:
        self._seen.add(id(module))
        self._whole(vars(module).values(), module, type(module).__name__)  # parameters, buffers and children included
        self.buffers.update({t: name for name, t in module._buffers.items() if t is not None})
        forward = type(module).forward
        if isinstance(forward, types.FunctionType):
            self._walk(forward, depth + 1)

    def _whole(self, view: Iterable[Any], owner: Any, what: str) -> None:
        self._views.append(view)
        self._owners.append((owner, what))

    def _optimizer(self, optimizer: Optimizer, program: Program) -> None:
        self._whole(optimizer.param_groups, optimizer, type(optimizer).__name__)
        self._whole(optimizer.state.values(), optimizer, f"{type(optimizer).__name__}'s state")
        for entries in optimizer.state.values():
            self._whole(entries.values(), optimizer, f"{type(optimizer).__name__}'s state")
        for group in optimizer.param_groups:
            self._whole(group["params"], optimizer, f"the parameters of {type(optimizer).__name__}")
            live = [key for _, owner, key, _ in program.numbers if owner is group]
            fixed = tuple(key for key in group if key not in live and key not in ("params", "param_names"))
            values = operator.itemgetter(*fixed) if fixed else (lambda _: None)
            self._settings.append((group, values, values(group), tuple(live), [not group[key] for key in live]))

    # --- whether it is the same

    def _surroundings(self) -> list[Any]:
        """What variables of enclosing functions and globals hold."""
        found = [getattr(cell, "cell_contents", _MISSING) for cell, _ in self._cells]
        for scope, get in self._scopes:
            try:
                values = get(scope)
            except KeyError:  # deleted since
                values = _MISSING
            found += values if values.__class__ is tuple else (values,)
        return found

    def same(self) -> bool:
        """Whether everything is as it was."""
        for group, values, was, live, zero in self._settings:
            if values(group) != was or [not group[key] for key in live] != zero:
                return False
        now = self._surroundings()
        if all(map(operator.is_, itertools.chain.from_iterable(self._views), self._kept)) and all(
            map(operator.is_, now, self._outside)
        ):
            return len(now) == len(self._outside)
        found = [*itertools.chain.from_iterable(self._views)]
        if len(found) != len(self._kept) or len(now) != len(self._outside):
            return False
        if not all(map(_equal, found, self._kept)) or not all(map(_equal, now, self._outside)):
            return False
        self._kept, self._outside = found, now
        return True

    def difference(self) -> str:
        """What has changed, for a message."""
        for group, values, was, live, zero in self._settings:
            if values(group) != was or [not group[key] for key in live] != zero:
                return "a setting of an optimizer"
        names = [name for _, name in self._cells]
        names += [name for _, several in _by_scope(self._globals) for name in several]
        for name, now, was in zip(names, self._surroundings(), self._outside, strict=False):
            if not _equal(now, was):
                return f"the variable {name}"
        place = 0
        for view, (_, what) in zip(self._views, self._owners, strict=False):
            present = list(view)
            if not all(map(_equal, present, self._kept[place : place + len(present)])):
                return f"an attribute of {what}"
            place += len(present)
        return "the step's surroundings"


def _by_scope(pairs: list[tuple[dict[str, Any], str]]) -> list[tuple[dict[str, Any], list[str]]]:
    """The names that are watched in each dict."""
    found: dict[int, tuple[dict[str, Any], list[str]]] = {}
    for scope, name in pairs:
        found.setdefault(id(scope), (scope, []))[1].append(name)
    return list(found.values())


def _equal(x: Any, y: Any) -> bool:
    """The same object, or equal Python values."""
    return x is y or (type(x) is type(y) and isinstance(x, SCALARS) and bool(x == y or (x != x and y != y)))
