"""What must be the same at every call, compared by a function written for it.

`t._array is x` takes 20 ns where it stands in the source of a function, and three times as long in a
loop over lists of tensors. A small network's program has thirty such conditions, and runs for 30 us.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any


class Guard:
    """Conditions `expression is what it was`, over objects that stay the same.

    >>> settings = {"lr": 0.1}
    >>> guard = Guard()
    >>> guard.add("{}['lr']", settings)
    >>> guard.settle()
    >>> guard.same()
    True
    >>> settings["lr"] = 0.2
    >>> guard.same()
    False
    """

    same: Callable[[], bool]

    def __init__(self) -> None:
        self._scope: dict[str, Any] = {"was": [], "MISSING": object(), "EMPTY": types.CellType()}
        self._texts: list[str] = []

    def add(self, text: str, holder: Any) -> None:
        """Compare an expression, with `{}` for the object that it is asked of."""
        name = f"x{len(self._scope)}"
        self._scope[name] = holder
        self._texts.append(text.format(name))

    def settle(self) -> None:
        """What is found now is what later calls are compared with."""
        if "now" not in self._scope:
            now = ", ".join(self._texts)
            conditions = " and ".join(f"{text} is was[{k}]" for k, text in enumerate(self._texts))
            source = f"def now(): return [{now}]\ndef same():\n    try: return {conditions or True}\n"
            exec(source + "    except (LookupError, ValueError): return False", self._scope)
            self.same = self._scope["same"]
        self._scope["was"][:] = self._scope["now"]()
