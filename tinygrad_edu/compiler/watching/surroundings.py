"""What a step's Python code can see: found by following what the code names.

That is its closure, its globals, the functions and classes among them, hooks, and inside of modules everything.
Of the user's own objects it is the attributes that some code of the step's has names for.
"""

from __future__ import annotations

import builtins
import collections
import contextvars
import functools
import importlib
import io
import itertools
import operator
import os
import sys
import types
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ...core.errors import TraceError
from ...core.primitive import Primitive
from ...core.tensor import Tensor
from ...nn.hooks import KINDS
from ...nn.module import Module
from ...ops.generator import Generator
from ...optim.optimizer import Optimizer
from ...symbolic.blame import of_library
from .kinds import called_by_library, content_of, inside, is_only_a_module, of_python, unnamed
from .reads import Sought, reads_of
from .scopes import SCALARS, Cache, Context, Slots, Values, attributes, is_scalar

_builtins_of = operator.attrgetter("__builtins__")  # which mypy knows of in some versions, and not in others
CONTAINERS = (list, tuple, set, frozenset, collections.deque)
DECIMAL = ("prec", "rounding", "Emin", "Emax")  # what its results depend on
# Libraries that know nothing of the world outside; of others a step may get the time, or a file's content
CLOSED = ("tinygrad_edu", "builtins", "collections", "contextlib", "copy", "dataclasses", "enum", "functools",
          "itertools", "math", "operator", "types", "typing")  # fmt: skip
MISSING = object()


class Surroundings:
    """Everything that a step's Python code can see, and who has a name for it."""

    def __init__(self, seen: list[Any]) -> None:
        self._views: list[Iterable[Any]] = []  # live: of dicts and lists that are watched as a whole
        self._contents: dict[int, tuple[dict[Any, Any], int]] = {}  # dicts by their ids, and which view is of each
        self._owners: list[str] = []  # what they belong to, for messages
        self._cells: list[tuple[types.CellType, str]] = []
        self._scopes: list[tuple[Any, str]] = []  # where a name is looked up, and the name
        self._watched: set[tuple[int, str]] = set()
        self._seen: set[int] = set()
        self._kinds: set[type] = set()  # whose methods have been looked at
        self._bases: set[type] = set()  # classes of the user's, which may be given other bases and more methods
        self._dicts: dict[type, Any] = {}  # of classes
        self._held: list[Any] = []  # keeps ids of what was made for a look, such as bound methods, from being reused
        self._sought = Sought()
        self._unset: dict[tuple[int, str], Any] = {}  # where there is none of such a name yet
        self._listed: set[int] = set()  # objects of which all attributes are looked at
        self.types = False  # whether it has a type(...)
        self.asks = False  # whether it may ask the world outside: the clock, a file
        self._texts: list[Any] = []  # what str(...) would call
        self._equalities: list[Any] = []  # what a == would call, which reads all of a dataclass
        self._objects: list[tuple[Any, dict[str, Any]]] = []  # attributes of the user's, and what classes have for them
        self._whose: dict[int, str] = {}  # the classes' names of these, for messages
        self._answering: list[Any] = []  # attributes of objects that have a __getattr__, so that any name may be one
        self._caches: list[Cache] = []  # of functions under functools.cache
        # What Python keeps of objects: their class, the bases of a class, a function's code and defaults
        self._fields: list[tuple[Any, str]] = []
        # Dicts that may be added to without anything being named: of classes, of what a module calls its own; what is
        # looked at there, and whose it is
        self._growing: list[tuple[Any, Callable[[], Any], str]] = []
        self._containers: list[tuple[Any, Any]] = []  # (dict, list or set, a copy), to undo what a trace has changed
        self._arrays: list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]] = []
        self._dice: list[Any] = []  # generators of NumPy's
        self._groups: list[tuple[dict[str, Any], dict[str, Any], str]] = []  # settings of optimizers, with a copy
        self._decimal = Context(sys.modules.get("decimal"))
        self._optimizers: list[Optimizer] = []
        self._derived: list[tuple[dict[str, Any], str]] = []  # attributes that a module's own hooks compute
        self._queue = seen  # the step, and objects among its arguments
        self._modes: list[tuple[Module, bool]] = []  # in training, at first
        self._buffers: dict[Tensor, str] = {}  # of modules, by the names that these have for them
        self._parameters: dict[Tensor, str] = {}
        self._variables: dict[Tensor, str] = {}  # tensors that the step's code has names for
        self._walk()

    @property
    def words(self) -> dict[Tensor, str]:
        """What the step's code and its modules call tensors."""
        return self._variables | self._buffers | self._parameters

    def _walk(self) -> None:
        """Follow everything in the queue, and then the attributes that the code read so far has names for."""
        sought = self._sought
        while self._queue:
            while self._queue:
                self._visit(self._queue.pop())
            for scope, inherited in [*self._objects]:
                if sought.takes_all and id(scope) not in self._listed:
                    self._listed.add(id(scope))
                    if isinstance(scope, (dict, types.MappingProxyType)):
                        self._whole(scope, None, "the attributes of an object")
                for name in itertools.chain(*sought.among(scope, inherited)):
                    self._name(scope, name)
            for scope, _ in self._objects:
                self._unset |= {(id(scope), name): scope for name in sought.stored - set(scope.keys())}
            for scope in [*self._answering]:
                for name in sorted(sought.names | sought.called):
                    self._name(scope, name)
            if sought.compares:
                self._queue += self._equalities
                self._equalities = []
            if sought.texts:
                self._queue += self._texts
                self._texts = []
            if sought.by_module:
                for name in sorted(sys.modules):
                    if not of_library(name) and sought.may_spell(name):
                        self._name(sys.modules, name)

    def _visit(self, x: Any) -> None:
        if type(x) in weakref.ProxyTypes:
            x = x.__dir__.__self__  # what it stands for
        if x.__class__ is str:
            self._sought.add_text(x)
        if is_scalar(x) or isinstance(x, Primitive) or x is MISSING or id(x) in self._seen:
            return
        self._seen.add(id(x))
        self._held.append(x)
        if isinstance(x, Tensor) and of_library(type(x).__module__):
            self._objects.append((vars(x), {}))  # it takes attributes
            return
        if x is sys.modules or x is importlib.import_module or x is builtins.__import__:
            self._sought.by_module = True
            return
        home = x.__name__ if isinstance(x, types.ModuleType) else getattr(x, "__module__", None)
        if home == "decimal":
            for name in DECIMAL:
                self._name(self._decimal, name)
        self.asks |= of_library(home) and str(home).partition(".")[0] not in CLOSED
        wrapped = inside(x)
        if wrapped is not None:
            self._queue += wrapped
        else:
            self._follow(x)

    def _follow(self, x: Any) -> None:
        """Look into something, by its kind."""
        if isinstance(x, types.FunctionType):
            self._function(x)
        elif isinstance(x, os._Environ):
            self._whole(vars(x)["_data"].values(), None, "an environment variable")
        elif isinstance(x, types.ModuleType):
            if not of_library(x.__name__):
                self._objects.append((vars(x), {}))
        elif isinstance(x, type):
            self._class(x)
            self._class(type(x))
            for kind in x.__mro__:
                if "__init__" in vars(kind) and not of_library(kind.__module__):
                    self._name(self._dict_of(kind), "__init__")
        elif isinstance(x, Module):
            self._module(x)
        elif isinstance(x, Optimizer):
            self._optimizer(x)
        elif isinstance(x, np.ndarray):
            self._arrays.append((x, x.copy()))
        elif "numpy.random" in sys.modules and isinstance(x, (np.random.Generator, np.random.RandomState)):
            self._dice.append(x)
        elif isinstance(x, dict):
            self._whole(x, x, "a dict")
            self._held_by(x, "a dict")
            self._queue += list(x.values())
            self._attributes(x)
        elif isinstance(x, CONTAINERS):
            self._whole(x, x, f"a {type(x).__name__}")
            self._queue += list(x)
            self._attributes(x)
        elif isinstance(x, contextvars.ContextVar):
            self._name(Context(x), x.name)
        elif isinstance(x, (operator.attrgetter, operator.methodcaller)):
            self._sought.by_name = True
            self._sought.strings.update(*(str(part).split(".") for part in x.__reduce__()[1]))
        elif isinstance(x, (Mapping, Sequence)) and of_python(type(x)):  # ChainMap, UserDict, array.array, a view
            values = Values(x) if isinstance(x, Mapping) else x
            self._whole(values, None, f"a {type(x).__name__}")
            self._queue += list(values)
        elif hasattr(type(x), "__next__") and not isinstance(x, io.IOBase):
            raise TraceError(
                f"the step reads from a {type(x).__name__}, an iterator: a program could not ask it for the "
                "next one. Call next() outside of the step, and pass what it gives as an argument."
            )
        else:
            self._object(x)

    def _object(self, x: Any) -> None:
        kind = type(x)
        if "__wrapped__" in getattr(x, "__dict__", ()):  # a compiled function in the step, or functools.cache of one
            self._queue.append(x.__wrapped__)
            if hasattr(x, "cache_info"):
                self._caches.append(Cache(x))
                self._whole(self._caches[-1], None, "a cache")
                self._queue += self._caches[-1].results()
        elif isinstance(x, Generator):  # programs draw from it as well; what it keeps of a draw is its own affair
            self._name(vars(x), "_seed")
        elif kind.__module__.partition(".")[0] == "tinygrad_edu":
            if hasattr(x, "__dict__"):
                self._whole(vars(x).values(), vars(x), kind.__name__)
                self._queue += list(vars(x).values())
        elif not of_library(kind.__module__):
            self._attributes(x)
        elif kind.__module__ == "functools":  # what decorates a method: cached_property, singledispatchmethod
            self._queue += list(vars(x).values()) if hasattr(x, "__dict__") else []
        elif hasattr(x, "__dict__"):  # types.SimpleNamespace, argparse.Namespace, threading.local
            self._objects.append((attributes(x), {}))

    def _attributes(self, x: Any) -> None:
        """What an object of a class of the user's has besides what it holds."""
        kind = type(x)
        if not of_library(kind.__module__):
            kinds = [k for k in reversed(kind.__mro__) if not of_library(k.__module__)]
            shadowed = {name: value for k in kinds for name, value in vars(k).items()}
            if hasattr(x, "__dict__"):
                self._objects.append((attributes(x), shadowed))
                self._whose[id(self._objects[-1][0])] = kind.__name__
                self._fields.append((x, "__class__"))
                if "__getattr__" in shadowed:
                    self._answering += [attributes(x), *map(self._dict_of, kinds)]
            if any("__slots__" in vars(k) for k in kind.__mro__):
                self._objects.append((Slots(x), {}))
                self._whose[id(self._objects[-1][0])] = kind.__name__
            if isinstance(x, (collections.UserDict, collections.UserList)):
                self._queue.append(x.data)
            self._class(kind)

    def _dict_of(self, kind: type) -> Any:
        """The attributes of a class: vars(kind) makes a new view at each time."""
        return self._dicts.setdefault(kind, vars(kind))

    def _class(self, kind: type) -> None:
        if kind in self._kinds:
            return
        self._kinds.add(kind)
        above: type = type(kind)
        metaclasses = [k for k in reversed(above.__mro__) if not of_library(k.__module__)]
        inherited = {name: value for k in metaclasses for name, value in vars(k).items()}
        called = called_by_library(kind)
        for base in reversed(kind.__mro__):
            if not of_library(base.__module__):
                scope = self._dict_of(base)
                for name in sorted(called & scope.keys()):
                    self._name(scope, name)
                self._objects.append((scope, inherited.copy()))
                self._whose[id(scope)] = base.__name__
                if base not in self._bases:
                    self._bases.add(base)
                    self._fields.append((base, "__bases__"))
                    self._growing.append((scope, functools.partial(unnamed, base), f"a method of {base.__name__}"))
                inherited.update(scope)
                for name, value in unnamed(base):
                    if name != "__init__" and value is not None:
                        of = {"__eq__": self._equalities, "__str__": self._texts, "__repr__": self._texts}
                        if name in of:
                            of[name].append(value)
                        else:
                            self._name(scope, name)

    def _function(self, function: types.FunctionType) -> None:
        self._objects.append((vars(function), {}))
        self._queue.append(getattr(function, "__wrapped__", None))
        codes = [function.__code__]
        for code in codes:
            reads = reads_of(code)
            self._sought.add(reads)
            self.types |= "type" in reads.variables
            self.asks |= bool(reads.imports) or not reads.variables.isdisjoint(("open", "eval", "exec"))
            for level, name, items in sorted(reads.imports):
                self._import(level, name, items, str(function.__globals__.get("__package__")))
            codes.extend(c for c in code.co_consts if isinstance(c, types.CodeType))
        for code in codes:
            reads = reads_of(code)
            if "globals" in reads.variables:
                self._objects.append((function.__globals__, {}))
            for name in sorted(reads.variables):
                self._name(function.__globals__, name)
                if name not in function.__globals__:  # Python's own, which may be hidden
                    self._name(_builtins_of(function), name)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            self._cells.append((cell, name))
            value = content_of(cell)
            self._queue.append(value)
            if isinstance(value, Tensor):
                self._variables.setdefault(value, name)
        self._fields += [(function, "__code__"), (function, "__defaults__")]
        if function.__code__.co_kwonlyargcount:
            self._fields.append((function, "__kwdefaults__"))
        self._queue += [function.__defaults__, function.__kwdefaults__]

    def _import(self, level: int, name: str, items: tuple[str, ...], package: str) -> None:
        """Watch what an import finds: `import a.b` gives a, whose attribute b is, and items may be modules."""
        if level:
            package = package.rsplit(".", level - 1)[0]
            name = f"{package}.{name}" if name else package
        module = sys.modules.get(name)
        if of_library(name):
            self._queue.append(module)
            return
        names = [name, *(f"{name}.{item}" for item in items if not hasattr(module, item))]
        while name := name.rpartition(".")[0]:
            names.append(name)
        for known in names:
            self._name(sys.modules, known)

    def _called_by(self, scope: Any, name: str) -> str:
        """What a message calls something that is watched."""
        whose = self._whose.get(id(scope))
        return f"the variable {name}" if whose is None else f"{name}, an attribute of {whose}"

    def _name(self, scope: Any, name: str) -> None:
        """Watch what a name stands for."""
        if (id(scope), name) in self._watched:
            return
        self._watched.add((id(scope), name))
        self._scopes.append((scope, name))
        value = scope.get(name, MISSING)
        self._queue.append(value)
        if isinstance(value, Tensor):
            self._variables.setdefault(value, name)

    def _module(self, module: Module) -> None:
        self._modes.append((module, module.training))
        own = vars(module)
        hooks = module._hooks
        derived: set[str] = set()  # attributes that a hook of ours computes anew at every forward
        if hooks is not None:
            for kind in KINDS:
                if "forward" in kind or "backward" in kind:
                    self._whole(hooks.of[kind].values(), hooks.of[kind], f"the hooks of {type(module).__name__}")
                    self._queue += list(hooks.of[kind].values())
            for hook in hooks.of["forward_pre"].values():
                if of_library(type(hook).__module__):
                    derived.add(str(getattr(hook, "name", None) or getattr(hook, "_tensor_name", "")))
        if derived:
            self._fields.append((module, "__class__"))
            self._containers.append((own, dict(own)))
            self._derived += [(own, name) for name in sorted(derived)]
            for name in own.keys() - derived:
                self._name(own, name)
        elif is_only_a_module(type(module)):  # the user's counts and lists matter where some code has names for them
            self._containers.append((own, dict(own)))
            self._attributes(module)
            what = f"an attribute of {type(module).__name__}"
            for name in ("training", "forward", *module._kinds):
                self._name(own, name)
            self._growing.append((module._kinds, lambda: [*module._kinds.items()], what))
            self._scopes.append((own, "_hooks"))
        else:
            self._held_by(own, type(module).__name__)
            self._containers.append((own, dict(own)))
            self._fields.append((module, "__class__"))
        self._buffers.update({t: name for name, t in module._buffers.items() if t is not None})
        kind = type(module).__name__.lower()
        for name, parameter in module._parameters.items():
            if parameter is not None:
                self._parameters.setdefault(parameter, f"{kind}_{name}" if name in ("weight", "bias") else name)
        for name, value in own.items():
            if isinstance(value, Tensor):
                self._hooks_of(value)
            if name not in ("_kinds", "_hooks") and (name in module._kinds or not is_only_a_module(type(module))):
                self._queue.append(value)
        of = type(module)
        self._class(of)
        above = next((k for k in of.__mro__ if "forward" in vars(k)), Module)
        for k in of.__mro__[: of.__mro__.index(above) + 1]:
            self._name(self._dict_of(k), "forward")

    def _hooks_of(self, tensor: Tensor) -> None:
        record = tensor._record
        if record is not None:
            for hooks in (record.hooks, record.grad_hooks):
                self._queue += list((hooks or {}).values())

    def _whole(self, view: Iterable[Any], container: Any, what: str) -> None:
        self._views.append(view)
        self._owners.append(what)
        if isinstance(container, (dict, list, set, collections.deque)):
            self._containers.append((container, container.copy()))

    def _held_by(self, x: dict[Any, Any], what: str) -> None:
        self._contents[id(x)] = x, len(self._views)
        self._whole(x.values(), None, what)

    def _optimizer(self, optimizer: Optimizer) -> None:
        self._optimizers.append(optimizer)
        self._queue.append(optimizer.defaults)
        entries = [v for held in optimizer.state.values() if isinstance(held, dict) for v in held.values()]
        self._queue += [v for v in entries if not isinstance(v, (Tensor, *SCALARS))]  # lists, other objects
        self._settings_of(optimizer)
        self._queue += [p for group in optimizer.param_groups for p in group["params"]]
        # what the optimizer does to these is the program's
        self._seen |= {id(optimizer.state), id(optimizer.param_groups)}
        self._name(vars(optimizer), "_hooks")
        self._name(vars(optimizer), "step")
        self._attributes(optimizer)

    def _state_of(self, optimizer: Optimizer) -> None:
        """Watch what an optimizer has when a program is written: its state, and which parameters in which groups."""
        name = type(optimizer).__name__
        self._whose[id(vars(optimizer))] = name
        self._scopes += [(vars(optimizer), "state"), (vars(optimizer), "param_groups")]
        self._whole(optimizer.param_groups, None, name)
        self._whole(optimizer.state.values(), None, f"{name}'s state")
        for entries in optimizer.state.values():
            self._whole(entries.values(), None, f"{name}'s state")
        for group in optimizer.param_groups:
            self._whole(group["params"], None, f"the parameters of {name}")
            self._scopes.append((group, "params"))
            self._growing.append((group, functools.partial(list, group), f"a setting of {name}"))
            self._whose[id(group)] = name
        self._settings_of(optimizer)

    def _settings_of(self, optimizer: Optimizer) -> None:
        for group in optimizer.param_groups:
            if not any(known is group for known, _, _ in self._groups):  # one that wraps another has its groups
                self._groups.append((group, dict(group), type(optimizer).__name__))
