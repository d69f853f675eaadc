"""What a student hands in to check_by_hand: a dict, a function, or lines of NumPy, made into arrays by line name.

Lines run one by one, so one that raises doesn't keep the others from being looked at; it is tried
again with a matrix turned, or @ for *.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import nearest
from ..core.tensor import Tensor
from .explanation import Explanation
from .naming import Names
from .printer import namespace

Array = np.ndarray[Any, Any]
Gradients = Mapping[str, Any] | Callable[..., Mapping[str, Any]] | str


class Failure(NamedTuple):
    """A line of NumPy that raised."""

    source: str
    error: Exception
    mended: list[tuple[str, str, Any]]  # other spellings that run: kind of the mistake, what it is, value


def aliases(e: Explanation) -> dict[str, str]:
    """Other names for the values of a graph: the article's letters by order, and for the last layer's Ŷ its Z."""
    taken = set(e.names.values())
    letters = Names(e.order, e.root)
    letters.by_order()
    found = {other: name for r, other in letters.of.items() if (name := e.names.get(r))}
    if "Ŷ" in found:
        layers = [int(name[1:]) for name in found if re.fullmatch(r"Z\d+", name)]
        found |= dict.fromkeys(("Yhat", "Y_hat", f"Z{max(layers, default=0) + 1}"), found["Ŷ"])
    return {other: name for other, name in found.items() if other not in taken}


def known_values(e: Explanation, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The graph's named values, in float64, as a student's code finds them."""
    values, _ = e.numbers.all
    found = {name: np.array(values[r]) for r, name in e.names.items()}
    found.update({name: np.array(values[r][k]) for r, k, name in e.outputs})
    for atom in e.all_atoms:
        if atom.name == "Y":  # labels as one-hot rows, unless the caller's own Y is the labels
            mine = variables.get("Y")
            if not (isinstance(mine, Tensor) and mine._record in e.names):
                found["Y"] = np.array(e.stands_for(atom)(values))
    found = {**{other: found[name].copy() for other, name in aliases(e).items()}, **found}
    m = variables.get("m") if e.m is None else e.m
    return {"m": m, **found} if isinstance(m, (int, np.integer)) else found


def read(
    gradients: Gradients, e: Explanation, variables: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Failure], list[str]]:
    """What was given by line name, the lines that raised, and what else was assigned that looks like a gradient."""
    failed: dict[str, Failure] = {}
    lines = [line.name for line in e.backward]
    names: dict[Any, str] = {line.record: line.name for line in e.backward}
    names |= {name[1:]: name for name in lines} | {name: name for name in lines}
    names |= {line.path: line.name for line in e.backward if line.path}
    names |= {f"d{other}": f"d{name}" for other, name in aliases(e).items()}
    if isinstance(gradients, str):
        mine = {k: v for k, v in variables.items() if not k.startswith("__")}
        computed = _run(gradients, {**mine, **known_values(e, variables)}, failed)
        failed = {names[k]: _cause(f, failed, names) for k, f in failed.items() if k[:1] == "d" and k in names}
        found = {names[k]: value for k, value in computed.items() if k[:1] == "d" and k in names}
        if not found and not failed:
            raise KeyError(f"check_by_hand: no line assigns a gradient; expected some of {', '.join(lines)}.")
        return found, failed, sorted(k for k in computed if re.fullmatch(r"d[A-Z]\w*", k) and k not in names)
    if callable(gradients):
        known = known_values(e, variables)
        wanted = inspect.signature(gradients).parameters.values()
        missing = [p.name for p in wanted if p.default is p.empty and p.kind < 2 and p.name not in known]
        if missing:
            raise TypeError(f"check_by_hand: the graph has no value {missing[0]!r}; it has {', '.join(sorted(known))}.")
        everything = any(p.kind == p.VAR_KEYWORD for p in wanted)
        names_wanted = {p.name for p in wanted}
        gradients = gradients(**{k: v for k, v in known.items() if everything or k in names_wanted})
    if not isinstance(gradients, Mapping):
        raise TypeError(f"check_by_hand: expected a dict of gradients, got {type(gradients).__name__}.")
    if not gradients:
        raise ValueError("check_by_hand: there are no gradients to check.")
    found = {}
    for key, value in gradients.items():
        key = key._record if isinstance(key, Tensor) else key
        if key not in names:
            near = nearest(str(key), [n for n in names if isinstance(n, str)])
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise KeyError(
                f"check_by_hand: this graph has no gradient {key!r}; it has "
                f"{', '.join(line.name for line in e.backward)}.{hint}"
            )
        found[names[key]] = value
    return found, failed, []


def _run(text: str, known: dict[str, Any], failed: dict[str, Failure]) -> dict[str, Any]:
    """The variables after running lines of NumPy one by one; one that raises doesn't keep others from running."""
    text = textwrap.dedent(text)
    scope, assigned = {**namespace(), **known}, set[str]()
    for node in ast.parse(text).body:
        try:
            with np.errstate(all="ignore"):
                exec(compile(ast.Module([node], []), "<by hand>", "exec"), scope)
            assigned |= _targets(node)
        except Exception as error:
            for target in _targets(node):
                scope.pop(target, None)
                assigned.discard(target)
                failed[target] = Failure(ast.get_source_segment(text, node) or "", error, list(_mended(node, scope)))
    return {name: scope[name] for name in assigned if name in scope}


def _cause(failure: Failure, failed: dict[str, Failure], gradients: Mapping[Any, str]) -> Failure:
    """The line before that raised, too, where its variable is what is missing and no gradient."""
    while isinstance(failure.error, NameError) and failure.error.name in failed.keys() - gradients.keys():
        failure = failed[failure.error.name]
    return failure


def _targets(node: ast.AST) -> set[str]:
    """The variables that a statement assigns to, entries included."""
    names = {t.id for t in ast.walk(node) if isinstance(t, ast.Name) and isinstance(t.ctx, ast.Store)}
    stored = [t for t in ast.walk(node) if isinstance(t, ast.Subscript) and isinstance(t.ctx, ast.Store)]
    return names | {t.value.id for t in stored if isinstance(t.value, ast.Name)}


def _mended(node: ast.stmt, scope: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """A line that raises, with one matrix turned, or @ for *, as far as that runs."""
    if not isinstance(node, ast.Assign):
        return
    products = [
        n for n in ast.walk(node.value) if isinstance(n, ast.BinOp) and isinstance(n.op, (ast.MatMult, ast.Mult))
    ]
    for product in products:
        before = product.left, product.op, product.right
        for place in ("left", "right"):
            operand = getattr(product, place)
            text = ast.unparse(operand)
            turned: ast.expr = ast.Attribute(operand, "T", ast.Load())
            says = f"{text} is not transposed"
            if isinstance(operand, ast.Attribute) and operand.attr == "T":
                turned, says = operand.value, f"{ast.unparse(operand.value)} is transposed"
            setattr(product, place, turned)
            yield from _value("transposed", says, node.value, scope)
            setattr(product, place, operand)
        product.left, product.right = before[2], before[0]
        says = f"{ast.unparse(before[2])} belongs before {ast.unparse(before[0])}"
        yield from _value("order of a product", says, node.value, scope)
        product.left, product.right = before[0], before[2]
        times = isinstance(before[1], ast.Mult)
        product.op = ast.MatMult() if times else ast.Mult()
        signs = ("*", "@") if times else ("@", "*")
        yield from _value(
            f"{signs[0]} for {signs[1]}", f"{signs[0]} stands where {signs[1]} belongs", node.value, scope
        )
        product.op = before[1]


def _value(kind: str, says: str, node: ast.expr, scope: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    try:
        with np.errstate(all="ignore"):
            code = compile(ast.fix_missing_locations(ast.Expression(node)), "<by hand>", "eval")
            yield kind, says, np.asarray(eval(code, scope))
    except Exception:  # whatever it raises, it is not what was meant
        return


def array_of(value: Any, name: str) -> Array:
    if isinstance(value, Tensor):
        value = value.detach().numpy()
    found = np.asarray(value)
    if found.dtype.kind not in "fiub":
        raise TypeError(f"check_by_hand: {name} holds {found.dtype}, not real numbers.")
    return found
