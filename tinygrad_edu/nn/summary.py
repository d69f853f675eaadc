"""summary: a model's layers as a tree, with what each gives and how many parameters it has.

The table is that of torchinfo: a layer of which depth it is and the how-manieth there, its output's shape, its own
parameters (in brackets if none is trained), and below the totals. Shapes are seen by hooks in one forward pass in
evaluation mode, without gradients; nothing about the model is changed, and no random number is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..autograd import no_grad
from ..core.dtypes import as_dtype, get_default_dtype
from ..core.tensor import Tensor, wrap
from .module import Module

MEGA = 1e6  # sizes are in MB of 1,000,000 bytes, as torchinfo counts them


class Seen(NamedTuple):
    """What the forward pass showed of one module."""

    shape: tuple[int, ...]  # of its first output
    nbytes: int  # of all outputs
    work: int  # multiplications


class Row(NamedTuple):
    """One line of the table."""

    module: Module
    name: str  # under which its parent has it
    depth: int
    number: int  # among the modules of this depth
    repeated: bool  # the same module stands further up
    last: bool  # deeper modules are not shown
    seen: Seen | None


class ModelSummary:
    """The table, as `str`, and its numbers.

    Attributes:
        rows: a Row per module that is shown.
        total_params, trainable_params: numbers of parameters, each counted once.
        total_mult_adds: multiplications of one forward pass, biases counted as one each.
        total_input, total_output_bytes, total_param_bytes: bytes of inputs, of all layers' outputs, of parameters.
    """

    def __init__(self, rows: list[Row], model: Module, inputs: list[Tensor], seen: dict[Module, Seen]) -> None:
        self.rows = rows
        self.has_input = bool(inputs)
        parameters = list(model.parameters())
        self.total_params = sum(p.numel() for p in parameters)
        self.trainable_params = sum(p.numel() for p in parameters if p.requires_grad)
        leaves = [found for module, found in seen.items() if next(module.children(), None) is None]
        self.total_mult_adds = sum(found.work for found in seen.values())
        self.total_input = sum(x.nbytes for x in inputs)
        self.total_output_bytes = sum(found.nbytes for found in leaves)
        self.total_param_bytes = sum(p.nbytes for p in parameters)

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        titles = ("Layer (type:depth-idx)", *(["Output Shape"] if self.has_input else []), "Param #")
        lines = [(_branch(row) + _title(row), *self._cells(row)) for row in self.rows]
        widths = [max(25 if k else 41, *(len(line[k]) + 2 for line in [titles, *lines])) for k in range(len(titles))]

        def spaced(cells: Sequence[str]) -> str:
            return "".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()

        rule = "=" * sum(widths)
        return "\n".join([rule, spaced(titles), rule, *map(spaced, lines), rule, *self._totals(rule), rule])

    def _cells(self, row: Row) -> list[str]:
        shape = [str(list(row.seen.shape)) if row.seen is not None else "--"]
        return [*(shape if self.has_input else []), _count(row)]

    def _totals(self, rule: str) -> Iterator[str]:
        yield f"Total params: {self.total_params:,}"
        yield f"Trainable params: {self.trainable_params:,}"
        yield f"Non-trainable params: {self.total_params - self.trainable_params:,}"
        if not self.has_input:
            return
        yield f"Total mult-adds (M): {self.total_mult_adds / MEGA:.2f}"
        yield rule
        passes = 2 * self.total_output_bytes  # the outputs, and their gradients
        yield f"Input size (MB): {self.total_input / MEGA:.2f}"
        yield f"Forward/backward pass size (MB): {passes / MEGA:.2f}"
        yield f"Params size (MB): {self.total_param_bytes / MEGA:.2f}"
        yield f"Estimated Total Size (MB): {(self.total_input + passes + self.total_param_bytes) / MEGA:.2f}"


def summary(
    model: Module,
    input_size: Any = None,
    input_data: Any = None,
    depth: int = 3,
    dtypes: Sequence[Any] | None = None,
    verbose: int = 1,
    **kwargs: Any,
) -> ModelSummary:
    """Print a model's layers with the shapes of their outputs, parameters and memory; also returned.

    Args:
        input_size: the shape of the input with its batch axis, or a list of shapes. Floating inputs are ones,
            integers zeros.
        input_data: the inputs themselves, a tensor or a list or dict of them; with neither nothing is run.
        depth: how deep into modules of modules the table goes.
        dtypes: of the inputs of input_size; token numbers are int64.
        verbose: 0 does not print.
        kwargs: further arguments of the model's forward.
    Raises:
        RuntimeError: the forward pass failed; the error names the layers that had run.
    """
    if not isinstance(model, Module):
        raise TypeError(f"summary: expected an nn.Module, got {type(model).__name__}.")
    args, named = _inputs(input_size, input_data, dtypes)
    inputs = [x for x in (*args, *named.values(), *kwargs.values()) if isinstance(x, Tensor)]
    seen = _run(model, args, {**named, **kwargs}) if args or named else {}
    found = ModelSummary(list(_rows(model, depth, seen)), model, inputs, seen)
    if verbose:
        print(found)
    return found


def _inputs(input_size: Any, input_data: Any, dtypes: Sequence[Any] | None) -> tuple[list[Any], dict[str, Any]]:
    """Positional and named arguments of the forward pass."""
    if input_data is not None:
        if input_size is not None:
            raise RuntimeError("summary: only one of input_size and input_data can be given.")
        if isinstance(input_data, dict):
            return [], input_data
        return (list(input_data) if isinstance(input_data, (list, tuple)) else [input_data]), {}
    if input_size is None:
        return [], {}
    sizes = [input_size] if all(isinstance(n, int) for n in input_size) else list(input_size)
    kinds = [get_default_dtype()] * len(sizes) if dtypes is None else [as_dtype(d) for d in dtypes]
    if len(kinds) != len(sizes):
        raise ValueError(f"summary: {len(sizes)} inputs and {len(kinds)} dtypes; each input needs one.")
    return [
        wrap((np.ones if kind.kind == "f" else np.zeros)(tuple(s), kind)) for s, kind in zip(sizes, kinds, strict=True)
    ], {}


def _run(model: Module, args: list[Any], kwargs: dict[str, Any]) -> dict[Module, Seen]:
    """One forward pass; what each module that was called gave, summed over its calls."""
    seen: dict[Module, Seen] = {}

    def note(module: Module, _: Any, output: Any) -> None:
        outputs = list(_tensors(output))
        shape = tuple(outputs[0].shape) if outputs else ()
        now = Seen(shape, sum(x.nbytes for x in outputs), _work(module, shape))
        before = seen.get(module)
        seen[module] = now if before is None else Seen(before.shape, before.nbytes + now.nbytes, before.work + now.work)

    modules = list(model.modules())
    training = [module.training for module in modules]
    handles = [module.register_forward_hook(note) for module in modules]
    try:
        model.eval()
        with no_grad():
            model(*args, **kwargs)
    except Exception as error:
        ran = ", ".join(module._get_name() for module in seen) or "none"
        raise RuntimeError(f"summary: the forward pass failed, after these layers: {ran}. {error}") from error
    finally:
        for handle in handles:
            handle.remove()
        for module, was in zip(modules, training, strict=True):
            module.training = was
    return seen


def _tensors(output: Any) -> Iterator[Tensor]:
    """The tensors in what a module gave."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, (list, tuple, dict)):
        for part in output.values() if isinstance(output, dict) else output:
            yield from _tensors(part)


def _work(module: Module, shape: tuple[int, ...]) -> int:
    """Multiplications of one call, as torchinfo counts them: every own parameter once for each place it meets.

    A convolution's meet every sample and position, others every sample.
    """
    places = shape[:1] + (shape[2:] if "Conv" in module._get_name() else ())
    return math.prod(places) * sum(p.numel() for p in module.parameters(recurse=False))


def _rows(model: Module, depth: int, seen: dict[Module, Seen]) -> Iterator[Row]:
    """The modules in their order, parents first."""
    counts: dict[int, int] = {}
    shown: set[Module] = set()

    def walk(module: Module, name: str, level: int) -> Iterator[Row]:
        counts[level] = counts.get(level, 0) + 1
        repeated, last = module in shown, level == depth
        shown.add(module)
        yield Row(module, name, level, counts[level], repeated, last, seen.get(module))
        if not last and not repeated:
            for child_name, child in module._modules.items():
                if child is not None:
                    yield from walk(child, child_name, level + 1)

    return walk(model, model._get_name(), 0)


def _branch(row: Row) -> str:
    return "" if row.depth == 0 else "├─" if row.depth == 1 else "│    " * (row.depth - 1) + "└─"


def _title(row: Row) -> str:
    return row.module._get_name() + (f": {row.depth}-{row.number}" if row.depth else "")


def _count(row: Row) -> str:
    """The parameters of the module alone, or with all below it where these are not shown."""
    if row.repeated:
        return "(recursive)"
    parameters = list(row.module.parameters(recurse=row.last))
    total = sum(p.numel() for p in parameters)
    if not total:
        return "--"
    return f"{total:,}" if any(p.requires_grad for p in parameters) else f"({total:,})"
