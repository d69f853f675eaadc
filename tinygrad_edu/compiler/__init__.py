"""The rule book's fourth reading: a whole training step as a NumPy program.

`step.py` is what users call. A step is traced on Symbols (symbolic.trace); `cells.py` notes the NumPy
calls (`calls.py`) that its operations make, `listing.py` keeps them as a list, `memory.py` finds each value
a place, `names.py` a name, and `emit.py` writes the source; the functions that are kept whole are written
out by symbolic.helpers. `written.py` is a program with its runs, `conditions.py` and `watching/` say whether it holds.
"""

from .step import Compiled, compile

__all__ = ["Compiled", "compile"]
