"""The accelerated engine: a program whose fused calls are kernels compiled by Numba.

The source is a module: `@njit` functions of plain loops, and the program that calls them between NumPy's
products. What Numba compiles is kept in a folder of the user's cache (cache.py).
"""

from __future__ import annotations

import copy
import importlib.util
import sys
import time
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ..calls import NUMBERS, Call, Value
from ..emit import Emitted
from ..listing import Listing
from ..memory import Memory
from .cache import HOW, kept, numba_error
from .formulas import element_type
from .fuse import Fused, fused
from .loops import KernelSource
from .pieces import Piece, Shared
from .quick import CALLED, TEXTS

NAME = "tinygrad_edu[numba]"


def require_numba() -> None:
    """Raise unless Numba is here.

    Raises:
        ImportError: with what to install.
    """
    if importlib.util.find_spec("numba") is None:
        raise ImportError(f'compile(engine="numba") needs Numba: pip install "{NAME}"')


def accelerated(listing: Listing, name: str) -> tuple[Accelerated, str]:
    """The program of a listing with kernels, and what `explain` says of them."""
    plan = copy.copy(listing)
    plan.lines = fused(listing)
    emitted = Accelerated(plan, Memory(plan), name)
    kernels = [line.function for line in plan.lines if isinstance(line, Call) and isinstance(line.function, Fused)]
    calls, loops = sum(len(k.lines) for k in kernels), sum(len(k.loops) for k in kernels)
    left = sum(isinstance(line, Call) for line in plan.lines) - len(kernels)
    said = f"{calls} calls in {len(kernels)} kernels of {loops} loops; {left} calls left to NumPy"
    return emitted, f"\nfused, compiled by Numba: {said}"


class Accelerated(Emitted):
    """The source of a program with kernels."""

    def __init__(self, listing: Listing, memory: Memory, name: str) -> None:
        self.kernels: list[KernelSource] = []
        self._views: dict[Value, str] = {}
        self._quick: dict[Any, str] = {}  # functions that kernels call, by their names
        self._arrays = {
            v
            for line in listing.lines
            if isinstance(line.function if isinstance(line, Call) else None, Fused)
            for v in line.results
        }
        super().__init__(listing, memory, name)

    # --- lines

    def _line(self, line: Call) -> str:
        if not isinstance(line.function, Fused):
            return super()._line(line)
        for value in line.results:
            if value in self.memory.into:
                self.names[value] = self._name(self.memory.into[value])
        kernel = KernelSource(self, line, self._free(f"kernel{len(self.kernels) + 1}"))
        self.kernels.append(kernel)
        return kernel.call

    def _copy(self, value: Any) -> str:
        text = self._text(value)
        return f"np.array({text})" if isinstance(value, Value) and value in self._arrays else super()._copy(value)

    def array(self, value: Any) -> str:
        """What a kernel is given for an array: of a masked one, which is seen as integers, the numbers."""
        text = self._text(value)
        if not isinstance(value, Value) or np.asarray(value.data).dtype.kind != "i":
            return text
        if value not in self._views:
            name = self._views[value] = self._free(f"{text}_numbers")
            made = f"{name} = {text}.view({element_type(value)})"
            (self.setup if value in self._static else self.body).append(made)  # without axes it is made at every call
        return self._views[value]

    def quick(self, function: Any) -> str:
        """What kernels call a function of quick.py."""
        if function not in self._quick:
            self._quick[function] = self._free(CALLED[function])
        return self._quick[function]

    # --- the whole

    @property
    def head(self) -> str:
        """What the source imports, and its kernels."""
        if not self.kernels:
            return super().head
        self.compiled = self._compiled()
        lines = super().head.replace("import numpy as np", "import numba\nimport numpy as np")
        used = {text[1 : text.index("\n")] for text in self.compiled.values()}
        how = [text for name, text in HOW.items() if name in used]
        return "\n\n\n".join(["\n".join([lines, "", *how]), *self.compiled.values()])

    def _compiled(self) -> dict[str, str]:
        """The functions that Numba compiles, by their names: what several kernels do, and the kernels."""
        found: dict[Any, list[Piece]] = {}
        for kernel in self.kernels:
            for piece in kernel.pieces:
                found.setdefault(piece.form, []).append(piece)
        shared: dict[Any, Shared] = {}
        for form, pieces in found.items():
            if len(pieces) > 1:
                shared[form] = Shared(self._free(f"loop{len(shared) + 1}"), pieces[0])
        texts = {name: TEXTS[function].format(name=name) for function, name in self._quick.items()}
        texts |= {loop.name: loop.source for loop in shared.values()}
        for kernel in self.kernels:
            direct = kernel.direct(shared)
            if direct:
                self.body[self.body.index(kernel.call)] = direct
            else:
                texts[kernel.name] = kernel.source(shared)
        return texts

    def function(self) -> Callable[..., Any]:
        """The function that the source defines, compiled for arguments like those of the first run."""
        if not self.kernels:
            return super().function()
        module = types.ModuleType("program")
        vars(module).update(self.helpers.borrowed)
        compiled, new = kept(self.compiled)
        text = self.source
        for function in self.compiled.values():
            text = text.replace(function, "")
        exec(compile(text, "<program>", "exec"), vars(module))  # written above
        vars(module).update(compiled)
        found: Callable[..., Any] = module.program()
        begun = time.perf_counter()
        if new:
            many = len(self.compiled) - len(self._quick)
            count = f"{many} kernel{'' if many == 1 else 's'}"
            print(f"compile: Numba compiles {count} ...", end="", file=sys.stderr, flush=True)
        try:
            with np.errstate(all="ignore"):
                found(*(copied(v) for v in self.arguments))
        except numba_error():
            raise
        except Exception:  # a check does not hold for arguments that are made up; Numba goes on at the first call
            pass
        finally:
            if new:
                print(f" {time.perf_counter() - begun:.1f} s", file=sys.stderr, flush=True)
        return found


def copied(value: Value) -> Any:
    """An argument of the same kind as a value, that may be changed."""
    if isinstance(value.data, np.ndarray):
        return value.filled if value.hollow else np.copy(value.data, order="K")
    return value.data if isinstance(value.data, (*NUMBERS, np.generic)) else copy.deepcopy(value.data)
