"""The Python numbers of a trace: arguments and settings that vary, what Python makes of them and sees of them.

A program is given them anew at every run. It holds as long as Python would see what it saw in the trace.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..core.number import Item, Number, operand
from ..core.record import line_of, user_site
from ..core.symbol import Symbol
from ..core.tensor import Tensor

_LINES = (operator.add, operator.sub, operator.mul, operator.neg)  # what a program does with floats itself


class Guard(NamedTuple):
    """What a Python `if` or loop of the step saw of a number, and in which line."""

    symbol: Symbol
    seen: Any
    line: str


@dataclass(eq=False)
class Beside:
    """A place of the step's surroundings: where there is a number, it may be another one at the next call."""

    place: Any  # a dict, or what is looked up as one
    name: Any

    def now(self) -> Any:
        """The number; a program takes those of arguments in the same way."""
        value = self.place.get(self.name, None)
        return float(value) if type(value) is np.float64 else value

    @property
    def kind(self) -> Any:
        """The number's type; None if there is something else."""
        kind = type(self.now())
        return kind if kind is float or kind is int else None


class Numbers:
    """The part of a Trace that knows them."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[int, str, int | None], tuple[Symbol, Any, str, int | None]] = {}
        self.guards: list[Guard] = []  # what Python saw of numbers
        self.numbered = False  # whether Python computes with numbers that vary
        # Settings, as they were, and the Numbers in the place of some
        self.groups: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = []
        self.settled: set[Symbol] = set()  # settings of which is watched whether they are 0
        self.assigned: list[tuple[dict[str, Any], str, Any]] = []  # settings that the step has set
        self.moving: list[Beside] = []  # where numbers vary
        self.around: dict[Beside, tuple[Any, Number]] = {}  # what was there, and the Number in its place

    def fetch(self, group: Any, key: str, part: int | None = None) -> Any:
        """A hyperparameter, as a number that the program reads at every run; `part` of a setting that is several."""
        setting = group[key] if part is None else group[key][part]
        if type(setting) is Number:  # the step's own, or one that the step has computed
            return operand(setting if isinstance(setting, float) else self.computed(float, (setting,)))
        found = self.numbers.get((id(group), key, part))
        if found is not None and any(group is known and key in live for known, _, live in self.groups):
            return float(setting)  # a constant that the step has set
        if found is None:
            value = float(setting._array if isinstance(setting, Tensor) else setting)
            symbol = self.number(value, key if part is None else f"{key.removesuffix('s')}{part + 1}").symbol
            found = self.numbers[id(group), key, part] = (symbol, group, key, part)
        return found[0]

    def settings(self, groups: Sequence[dict[str, Any]]) -> None:
        """Put Numbers in the place of an optimizer's settings: the step's Python may read and set them."""
        for group in groups:
            was = dict(group)
            live: dict[str, Any] = {}
            for key, setting in group.items():
                if setting.__class__ is float:
                    live[key] = Number(self.fetch(group, key), setting)
                elif setting.__class__ is tuple and all(x.__class__ is float for x in setting):
                    live[key] = tuple([Number(self.fetch(group, key, k), x) for k, x in enumerate(setting)])
            self.settled |= {x.symbol for x in live.values() if type(x) is Number}
            group.update(live)
            self.groups.append((group, was, live))

    def surroundings(self) -> None:
        """Put Numbers in the place of those of the step's surroundings that vary."""
        for k, found in enumerate(self.moving):
            if found.kind is not None:
                name = found.name if isinstance(found.name, str) and found.name.isidentifier() else ""
                number = self.number(found.now(), name)
                self.numbers[id(found), "", k] = (number.symbol, found, "", None)
                self.around[found] = found.place[found.name], number
                found.place[found.name] = number

    def number(self, value: Any, name: str = "", inputs: tuple[Any, ...] = (), params: Any = None) -> Number:
        """A Python number that may be another one at the next run."""
        symbol = Symbol((), np.dtype("float64"), name or None, None, inputs, params)
        symbol.number = True
        return Number(symbol, value)

    def computed(self, operation: Callable[..., Any], operands: tuple[Any, ...]) -> Any:
        """What Python makes of numbers, at every run; sums, products and negatives of floats are in the program."""
        value = operation(*(x.value if type(x) is Number else x for x in operands))
        symbols = tuple(x.symbol if type(x) is Number else x for x in operands)
        if operation in _LINES and type(value) is float:
            return Number(operation(*symbols), value)
        value = value.item() if isinstance(value, np.generic) else value
        return self.number(value, "", symbols, {"of": operation})

    def saw(self, number: Number) -> None:
        """Python looks at a number: the program holds as long as it is the same."""
        self.guards.append(Guard(number.symbol, number.value, line_of(user_site())))

    def set_numbers(self) -> None:
        """A setting is a number: what .item() has given is looked at where it has become one."""
        for group, _, _ in self.groups:
            for key, setting in [*group.items()]:
                parts = setting if setting.__class__ is tuple else (setting,)
                if any(type(x) is Item for x in parts):
                    known = tuple([x.number() if type(x) is Item else x for x in parts])
                    group[key] = known if parts is setting else known[0]

    def put_back_settings(self) -> None:
        """Give the groups the settings that they had, and note those that the step has set. Put the others back."""
        for found, (value, number) in self.around.items():
            place, name = found.place, found.name
            now = place.get(name, None)
            if type(now) is Number:
                place[name] = value if now is number else now.value
        for group, settings, live in self.groups:
            for key in (settings.keys() & group.keys()) - {"params"}:
                if group[key] is not live.get(key, settings[key]):
                    self.assigned.append((group, key, group[key]))
                group[key] = settings[key]
