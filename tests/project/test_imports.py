"""The tree is the architecture: imports point one way, and importing the package loads little."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tinygrad_edu

PACKAGE = Path(tinygrad_edu.__file__).parent

# Each part may import those before it in this order, and itself.
ORDER = [
    "core",
    "backends",
    "cuda",
    "ops",
    "autograd",
    "symbolic",
    "nn",
    "func",
    "optim",
    "compiler",
    "distributions",
    "utils",
    "datasets",
    "profiler",
    "viz",
]
# Five-line fronts that import, when called, what stands above them; and the program itself.
FRONTS = {
    ("core/tensor.py", "viz"),  # __repr__, tree, steps
    ("core/tensor.py", "ops"),  # Tensor.replace: np.add(x, y, out=t)
}
MODULES = sorted(p.relative_to(PACKAGE).as_posix() for p in PACKAGE.rglob("*.py"))


def imported_parts(path: Path) -> set[str]:
    """The top-level parts of the package that a module imports, relative imports resolved."""
    parents = path.relative_to(PACKAGE).parent.parts
    parts = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = parents[: len(parents) - node.level + 1]
            names = [*base, *(node.module.split(".") if node.module else [])]
            parts |= {names[0]} if names else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tinygrad_edu."):
            parts.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            parts |= {a.name.split(".")[1] for a in node.names if a.name.startswith("tinygrad_edu.")}
    return parts & set(ORDER)


@pytest.mark.parametrize("module", [m for m in MODULES if "/" in m])
def test_imports_point_one_way(module):
    """A module imports only what stands before it in the order, save for the fronts that are listed."""
    part = module.split("/")[0]
    allowed = set(ORDER[: ORDER.index(part) + 1])
    excess = {p for p in imported_parts(PACKAGE / module) - allowed if (module, p) not in FRONTS}
    assert not excess, f"{module} imports {sorted(excess)}"


def test_import_loads_numpy_and_the_standard_library_only():
    """No other third-party package is loaded, and not the viewer, which few programs need."""
    code = (
        "import sys, numpy; before = set(sys.modules); import tinygrad_edu;"
        "new = {m.split('.')[0] for m in set(sys.modules) - before};"
        "print(sorted(new - set(sys.stdlib_module_names) - {'tinygrad_edu'}), 'tinygrad_edu.viz.draw' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[] False"


def test_import_leaves_for_later_what_errors_and_files_need():
    """What NumPy has not loaded already: each of these takes up to 3 ms, where all of ours takes 45."""
    heavy = {"base64", "dataclasses", "difflib", "pathlib", "string", "tempfile", "zipfile"}
    code = (
        "import sys, numpy; before = set(sys.modules); import tinygrad_edu;"
        f"print(sorted((set(sys.modules) - before) & {heavy}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_public_names_are_sorted_and_exist():
    """__all__ is one sorted list, and every name in it is there, with a docstring if it can have one."""
    names = tinygrad_edu.__all__
    assert names == sorted(names)
    assert len(names) == len(set(names))
    for name in names:
        value = getattr(tinygrad_edu, name)
        if callable(value):
            assert value.__doc__, f"{name} has no docstring"


def test_every_public_operation_is_listed():
    """What ops/ makes public is in __all__, and is that very object."""
    from tinygrad_edu.ops.public import PUBLIC

    for name, operation in PUBLIC.items():
        assert name in tinygrad_edu.__all__, name
        assert getattr(tinygrad_edu, name) is operation, name
