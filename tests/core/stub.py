"""Writes core/tensor.pyi: what core/tensor.py defines, and the methods that ops/ attaches to Tensor."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import tinygrad_edu  # noqa: F401  # fills METHODS
from tinygrad_edu.core import tensor as module
from tinygrad_edu.core.primitive import Operand, Primitive
from tinygrad_edu.core.tensor import METHODS, Tensor

SOURCE = Path(module.__file__)
STUB = SOURCE.with_suffix(".pyi")
HEADER = '''"""Generated from the rule book by the test suite (--update-golden); do not edit.

Lists every method of Tensor, those attached by ops/ included, for editors and mypy.
"""

import builtins
'''


def stub() -> str:
    """The text of the stub file."""
    lines = [HEADER, *_foreign()]
    for node in ast.parse(SOURCE.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            if getattr(node, "module", "") != "__future__":
                lines.append(ast.unparse(node))
        elif isinstance(node, ast.FunctionDef):
            lines.append(_function(node))
        elif isinstance(node, ast.ClassDef):
            lines.append(_class(node))
        elif isinstance(node, ast.AnnAssign):
            lines.append(f"{ast.unparse(node.target)}: {ast.unparse(node.annotation)}")
    return "\n".join(lines) + "\n"


def _foreign() -> list[str]:
    """Imports of the classes that annotations of attached methods name, Generator and the like."""
    found = set()
    for function in METHODS.values():
        for annotation in getattr(function, "__annotations__", {}).values():
            for word in re.findall(r"[A-Z]\w+", str(annotation)):
                kind = getattr(function, "__globals__", {}).get(word)
                if inspect.isclass(kind) and kind.__module__.startswith("tinygrad_edu.ops."):
                    found.add(f"from ..{kind.__module__.removeprefix('tinygrad_edu.')} import {word}")
    return sorted(found)


def _class(node: ast.ClassDef) -> str:
    bases = f"({', '.join(map(ast.unparse, node.bases))})" if node.bases else ""
    lines = [f"class {node.name}{bases}:"]
    own = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
    for item in node.body:
        if isinstance(item, ast.FunctionDef):
            lines += [f"    {line}" for line in _function(item).split("\n")]
            lines += [f"    {line}" for line in _attributes(item, own)] if item.name == "__init__" else []
        elif isinstance(item, ast.AnnAssign):
            lines.append(f"    {ast.unparse(item.target)}: {ast.unparse(item.annotation)}")
        elif isinstance(item, ast.Assign) and isinstance(item.value, ast.Name) and item.value.id in own:
            lines.append(f"    {ast.unparse(item.targets[0])} = {item.value.id}")
    if node.name != "Tensor":
        return "\n".join(lines)
    # Tensor.float and its like hide Python's types inside of the class
    return re.sub(r"(?<![.\w])(bool|int|float)(?=[\s,)|\]:.]|$)(?!\()", _builtin, "\n".join([*lines, *_attached(own)]))


def _builtin(match: re.Match[str]) -> str:
    before = match.string[: match.start()]
    return match[0] if before.endswith("def ") else f"builtins.{match[0]}"


def _attributes(init: ast.FunctionDef, own: set[str]) -> list[str]:
    """The attributes that a constructor sets."""
    found: dict[str, str] = {}
    for node in ast.walk(init):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Attribute):
            found[node.target.attr] = ast.unparse(node.annotation)
        elif isinstance(node, ast.Assign):
            targets = node.targets[0].elts if isinstance(node.targets[0], ast.Tuple) else node.targets
            found.update({t.attr: "Any" for t in targets if isinstance(t, ast.Attribute)})
    return [f"{name}: {kind}" for name, kind in found.items() if name not in own]


def _attached(own: set[str]) -> list[str]:
    lines = ["    # attached by ops/"]
    lines += [f"    def {name}{_signature(METHODS[name], name)}: ..." for name in sorted(set(METHODS) - own)]
    for name in sorted(k for k, v in vars(Operand).items() if isinstance(v, property)):
        lines += ["    @property", f"    def {name}(self) -> Tensor: ..."]
    for name, value in sorted(vars(Tensor).items()):
        special = name.startswith("__") and inspect.isfunction(value)
        if not special or name in own or name in METHODS:
            continue
        kinds = [p.kind for p in inspect.signature(value).parameters.values()]
        count = 2 if inspect.Parameter.VAR_POSITIONAL in kinds else len(kinds)
        given = ", ".join(["self", *["other: Any", "value: Any"][: count - 1]])
        ignore = "  # type: ignore[override]" if name in ("__eq__", "__ne__") else ""
        lines.append(f"    def {name}({given}) -> {'None' if name == '__setitem__' else 'Tensor'}: ...{ignore}")
    return [*lines, "    def astype(self, dtype: Any) -> Tensor: ..."]


def _signature(function: Any, name: str) -> str:
    if isinstance(function, Primitive):
        return f"({', '.join(['self', *['other: Any'][: len(function.inputs) - 1]])}) -> Tensor"
    signature = inspect.signature(function)
    words, starred = ["self"], False
    for p in list(signature.parameters.values())[1:]:
        if p.kind is p.KEYWORD_ONLY and not starred:
            words.append("*")
        starred = starred or p.kind in (p.KEYWORD_ONLY, p.VAR_POSITIONAL)
        mark = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        default = "" if p.default is p.empty else f" = {p.default!r}"
        words.append(f"{mark}{p.name}: {p.annotation}{default}")
    for theirs, ours in (("axis", "dim"), ("keepdims", "keepdim")):
        if ours in signature.parameters and theirs not in signature.parameters:
            words += [*([] if starred else ["*"]), f"{theirs}: Any = ..."]
            starred = True
    stored = name.endswith("_") and function.__name__ != name
    returns = "Tensor" if stored or signature.return_annotation == "Any" else signature.return_annotation
    return f"({', '.join(words)}) -> {returns}"


def _function(node: ast.FunctionDef) -> str:
    decorators = [f"@{ast.unparse(d)}" for d in node.decorator_list]
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return "\n".join([*decorators, f"def {node.name}({ast.unparse(node.args)}){returns}: ..."])
