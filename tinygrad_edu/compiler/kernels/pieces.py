"""What kernels have in common is written once, and compiled once.

A kernel is a row of pieces: loops that share nothing but arrays and a few numbers. Pieces that are the same but for
names, such as the updates of two weights or the steps of a recurrent layer, are calls of one function.
"""

from __future__ import annotations

import functools
import itertools
import keyword
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..calls import Call, Value
from ..spelling import indented
from .nests import Loop
from .references import reference

# names that are neither attributes, called, nor Python's
VARIABLE = re.compile(r"(?<![\w.])(?!(?:for|in|if|else|and|or|not|np|range|abs|bool|True|False)\b)[^\W\d]\w*\b(?!\()")

# what loops call indices and numbers of their own, and what else means something in them
OWN = re.compile(r"i\d*|j|k|at\d+|largest|later\d+|\w*_(at\d*|row|\d*|array)|np|range|abs|bool")


class Piece:
    """A part of a kernel that has nothing to do with the others but through arrays and the numbers that it leaves."""

    def __init__(self, text: str, left: list[str]) -> None:
        self.text, self.left = text, left

    @functools.cached_property
    def names(self) -> list[str]:
        """Its variables, in the order in which they appear."""
        return list(dict.fromkeys(VARIABLE.findall(self.general)))

    @functools.cached_property
    def length(self) -> tuple[str, str] | None:
        """Of one loop over one index a name for how long it is, and how long it is: an array may be longer."""
        found = re.findall(r"range\((\d+)\)", self.text)
        if len(found) != 1 or "[i0]" not in self.text:
            return None
        names = itertools.chain(["n"], (f"n_{k}" for k in itertools.count(2)))
        return next(n for n in names if n not in words(self.text)), found[0]

    @functools.cached_property
    def general(self) -> str:
        """Its text, for any length."""
        return re.sub(r"range\(\d+\)", f"range({self.length[0]})", self.text) if self.length else self.text

    @functools.cached_property
    def form(self) -> Any:
        """Equal for pieces that are the same but for names."""
        numbers = {name: str(k) for k, name in enumerate(self.names)}
        text = VARIABLE.sub(lambda found: f"x{numbers[found[0]]}", self.general)
        return text, tuple(numbers[name] for name in self.left)

    @functools.cached_property
    def given(self) -> list[str]:
        """What it needs: the variables that are not assigned before they are read."""
        assigned = set(re.findall(r"^ *(\w+) = ", self.general, re.M)) | set(re.findall(r"for (\w+) in", self.general))
        return [name for name in self.names if name not in assigned]

    def call(self, name: str) -> str:
        """The piece as a call of the function that it shares with others."""
        return f"{', '.join(self.left)} = {self.calling(name, {})}" if self.left else self.calling(name, {})

    def calling(self, name: str, texts: Mapping[str, str]) -> str:
        """The call itself; `texts` has other words for its variables."""
        texts = {**texts, **dict([self.length] if self.length else [])}
        return f"{name}({', '.join(texts.get(x, x) for x in self.given)})"


class Shared:
    """A function for what several pieces do, in the words of the first: `W` for its `W1`."""

    def __init__(self, name: str, piece: Piece) -> None:
        self.name = name
        words: dict[str, str] = {}
        called = {name, "np", "range", "abs", "bool", *re.findall(r"(\w+)\(", piece.general)}
        for old in piece.names:
            plain = old if re.fullmatch(r"i\d|[ijk]", old) else re.sub(r"\d+", "", old).strip("_") or "t"
            ways = itertools.chain([plain], (f"{plain}_{k}" for k in itertools.count(2)))
            words[old] = next(w for w in ways if w not in called and not keyword.iskeyword(w))
            called.add(words[old])
        text = VARIABLE.sub(lambda found: words[found[0]], piece.general)
        if piece.left:
            text += f"\nreturn {', '.join(words[name] for name in piece.left)}"
        given = ", ".join(words[name] for name in piece.given)
        self.source = f"@njit\ndef {name}({given}):\n{indented(text, 1)}"


def parts(loop: Loop, into: Mapping[Value, Value]) -> list[Loop]:
    """A loop as loops that have no number in common and share no array: what one writes, no other reads."""
    if loop.kind != "each":
        return [loop]
    groups: list[tuple[list[Call], set[Value]]] = []
    made = {line.results[0] for line in loop.lines}
    made |= {into[v] for v in made if v in into}
    for line in loop.lines:
        read = [reference(v).base for v in line.operands if not v.number]
        touched = {b for b in read if b in made or (np.ndim(b.data) and (loop.shape or b.call))}
        touched |= {line.results[0], into.get(line.results[0], line.results[0])}
        met = [group for group in groups if group[1] & touched]
        merged = ([own for lines, _ in met for own in lines] + [line], touched.union(*(seen for _, seen in met)))
        groups = [group for group in groups if group not in met] + [merged]
    found = []
    for lines, _ in groups:
        part = Loop(loop.shape, loop.kind)
        part.lines = [line for line in loop.lines if line in lines]
        found.append(part)
    return found


def numbered(text: str) -> str:
    """A kernel with its unnamed values counted from one, so that it is the same wherever it stands in a program."""
    order: dict[str, str] = {}
    return re.sub(r"(?<![\w.])t\d+", lambda found: order.setdefault(found[0], f"t{len(order) + 1}"), text)


def told_apart(name: str) -> str:
    """What a kernel calls an array: the user may have called it as loops call something of theirs."""
    return f"{name}_array" if OWN.fullmatch(name) else name


def words(text: str) -> list[str]:
    """The names in a piece of a program."""
    return re.findall(r"\w+", text)
