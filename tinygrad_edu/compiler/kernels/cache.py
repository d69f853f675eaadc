"""What Numba has compiled, kept: in this process, and in a folder of the user's cache for later ones."""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

from .pieces import words

# A kernel computes each number as NumPy does, rounding for rounding: reassociated, x * a * b overflows where eager mode
# does not, and x * x - m * m is no 0 where it should be one, so its root NaN. Sums alone (quick.py) are reassociated.
# No parallel loops: BLAS's threads have the cores, spinning, and a loop is not done before its slowest thread. On a
# machine of two cores, in us: Numba's OpenMP layer halves a loop, but right after a product any takes 5,000 to 16,000;
# its own layer (workqueue), 115 in one thread and 140 to 160 in two for 262,144 numbers, 540 and 450 for 1,048,576,
# and it ends the process when two threads call it at once.
HOW = {
    "njit": """njit = numba.njit(error_model="numpy")""",
    "loose": """loose = numba.njit(error_model="numpy", fastmath={"reassoc", "contract"})""",
    "ordered": """ordered = numba.njit(error_model="numpy", fastmath={"contract"})""",
}


def kept(texts: dict[str, str]) -> tuple[dict[str, Any], bool]:
    """The functions of a program as Numba has them, and whether any is new to this user's cache.

    Each has a file under the hash of its text and of what it calls, so that programs share what they have in common:
    the first step, which makes an optimizer's state, and those that follow; training and evaluation.
    """
    folder, new = cache_folder(), False
    version = importlib.import_module("numba").__version__  # which keeps nothing for another one
    found: dict[str, Any] = {}
    hashes: dict[str, str] = {}
    for name, text in texts.items():
        own = re.sub(rf"\b{name}\b", "kernel", text)  # wherever it stands in its program
        called = {other: hashes[other] for other in hashes if other in words(own)}
        for other, stem in called.items():
            own = re.sub(rf"\b{other}\b", stem, own)
        how = HOW[own[1 : own.index("\n")]].replace(".njit(", ".njit(cache=True, ")
        source = f"import numba  # {version}\nimport numpy as np\n\n{how}\n\n\n{own}\n"
        stem = hashes[name] = f"kernel_{hashlib.sha256(source.encode()).hexdigest()[:24]}"
        module = sys.modules.get(stem)
        if module is None:
            path = folder / f"{stem}.py"
            if not path.exists():
                part = folder / f"{stem}.{os.getpid()}.part"
                part.write_text(source, encoding="utf-8")
                part.replace(path)
            new = new or not any(Path(os.environ.get("NUMBA_CACHE_DIR") or folder).glob(f"*/{stem}.*.nbc"))
            module = sys.modules[stem] = types.ModuleType(stem)  # Numba's cache looks it up by name
            vars(module).update({hashes[other]: found[other] for other in called})
            exec(compile(source, str(path), "exec"), vars(module))
        found[name] = vars(module)["kernel"]
    return found, new


def numba_error() -> type[Exception]:
    """What Numba raises where it can't compile."""
    return importlib.import_module("numba.core.errors").NumbaError  # type: ignore[no-any-return]


def cache_folder() -> Path:
    """Where programs and what Numba makes of them are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = Path(base) / "tinygrad_edu"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:  # a home that can't be written to
        return Path(tempfile.mkdtemp(prefix="tinygrad_edu_"))
