"""Writes tinygrad_edu/ops/BOOK.md: every primitive with its rules as written and as Symbols print them."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_edu
from tinygrad_edu.core.primitive import NUMPY, Primitive
from tinygrad_edu.core.symbol import Symbol
from tinygrad_edu.core.tensor import METHODS
from tinygrad_edu.ops.public import PUBLIC
from tinygrad_edu.symbolic.printer import expression

sys.path.insert(0, str(Path(__file__).parent))
from table import BOOK, CASES

TARGET = Path(tinygrad_edu.__file__).parent / "ops" / "BOOK.md"
HEADER = """# The rule book

Generated from the registry by the test suite (`pytest tests/ops/test_book.py --update-golden`); do not
edit. `tinygrad_edu.docs("softmax")` prints the entries of an operation.

Per primitive: PyTorch's and NumPy's name, what it computes and what its gradient is where no derivative
exists, the rule of each input as it stands in the code, and the formula that the rule prints when it is
read on Symbols (for one shape; dY is the cotangent of the result Y). Every rule is tested to second
order, by differences and on Symbols.
"""


def book() -> str:
    """The text of the file."""
    return HEADER + "".join(f"\n{entry(BOOK[key])}" for key in sorted(BOOK))


def entry(primitive: Primitive) -> str:
    lines = [f"## {primitive.key}", "", f"- PyTorch: {primitive.name}{_public(primitive)}"]
    numpy = [_numpy_name(f) for f, front in NUMPY.items() if front is primitive or f is primitive.numpy]
    lines.append(f"- NumPy: {', '.join(sorted(set(numpy))) or 'none'}")
    lines.append(f"- what: {' '.join((inspect.getdoc(primitive) or '').split())}")
    if not primitive.differentiable:
        return "\n".join([*lines, "- no gradient", ""])
    for name, rule in zip(primitive.inputs, primitive.rules, strict=True):
        if rule is not None:
            lines += [f"- d{name} as written: `{written(rule)}`", f"- d{name} as printed: `{printed(primitive, name)}`"]
    return "\n".join([*lines, ""])


def _public(primitive: Primitive) -> str:
    """Whether the name is a function of the package, a method, or used inside of others only."""
    where = [place for place, names in (("function", PUBLIC), ("method", METHODS)) if primitive.name in names]
    return f" ({' and '.join(where)})" if where else " (nn.functional, or part of other operations)"


def _numpy_name(f: Any) -> str:
    if isinstance(f, tuple):
        return f"np.{f[0].__name__}.{f[1]}"
    return f"np.linalg.{f.__name__}" if getattr(f, "__module__", "") == "numpy.linalg" else f"np.{f.__name__}"


def written(rule: Any) -> str:
    """A rule's source, on one line."""
    code = rule.__code__
    for node in _functions(code.co_filename):
        if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno:
            names = [a.arg for a in (*node.args.args, *node.args.kwonlyargs)]
            if names == [*code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]]:
                return ast.unparse(node.body)
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name and node.lineno <= code.co_firstlineno + 3:
            last = [n for n in ast.walk(node) if isinstance(n, ast.Return) and n.value is not None]
            if node.lineno >= code.co_firstlineno and last:
                return f"{node.name}: {ast.unparse(last[-1].value)}"  # type: ignore[arg-type]  # not None
    return f"{code.co_name}, in {Path(code.co_filename).name}"


@functools.cache
def _functions(filename: str) -> list[ast.Lambda | ast.FunctionDef]:
    tree = ast.parse(Path(filename).read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, (ast.Lambda, ast.FunctionDef))]


def printed(primitive: Primitive, name: str) -> str:
    """The rule read on Symbols, with the shapes and parameters of the primitive's first fitting row."""
    index = primitive.inputs.index(name)
    for case in CASES:
        if case.key != primitive.key:
            continue
        inputs = case.sample(np.random.default_rng(0))
        out = case.primitive.forward(*inputs, **case.params)
        if case.output is not None or index >= len(inputs) or index not in case.differentiable(inputs):
            continue
        names = [primitive.inputs[min(i, len(primitive.inputs) - 1)] for i in range(len(inputs))]
        if primitive.variadic:
            names = [f"{n}{i}" if i >= len(primitive.inputs) - 1 else n for i, n in enumerate(names)]
        symbols = [
            Symbol(x.shape, x.dtype, n) if isinstance(x, np.ndarray) else x for x, n in zip(inputs, names, strict=True)
        ]
        out = np.asarray(out)
        label = "Y" if "Y" not in names else "L"
        Y, dY = Symbol(out.shape, out.dtype, label), Symbol(out.shape, out.dtype, f"d{label}")
        return expression(primitive.call_rule(index, dY, Y, symbols, case.params))
    return "several outputs: see the rule"
