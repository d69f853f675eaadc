"""Checkpointing: forget what a part of the computation saved, and compute it again in backward.

The part is run once, recorded, to learn what it depends on: its arguments, and parameters or other
values that it reaches by itself. Then its graph is dropped, and one Function stands in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..autograd import Function, enable_grad
from ..autograd.tree import leaves, rebuild
from ..core.backward import propagate
from ..core.mode import mode
from ..core.record import Record, reached, stamp
from ..core.tensor import Tensor, of_record, record_of, wrap
from ..core.views import refresh
from ..ops.generator import default_generator

__all__ = ["CheckpointError", "checkpoint", "checkpoint_sequential"]


class CheckpointError(RuntimeError):
    """The function computed something else when it was run again."""


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    context_fn: Any = None,
    determinism_check: str = "default",
    debug: bool = False,
    **kwargs: Any,
) -> Any:
    """function(*args, **kwargs), of which nothing but the arguments and the results is kept until backward.

    backward runs the function a second time, so it must compute the same again. Tensors that the
    function reaches without being given them get their gradients all the same, and gradients of
    gradients exist. Under no_grad, or while a step is traced, the function is simply called.

    Args:
        use_reentrant: accepted; there is one way here, which does what PyTorch's False does.
        preserve_rng_state: draw the same random numbers the second time.
        context_fn, debug: accepted and ignored.
        determinism_check: "none" omits the comparison of the results' shapes and dtypes.
    Raises:
        CheckpointError: in backward, when the second run's results differ in shape or dtype.

    >>> from tinygrad_edu import tensor
    >>> x = tensor(2.0, requires_grad=True)
    >>> checkpoint(lambda x: x**3, x).backward()
    >>> x.grad
    tensor(12.)
    """
    if mode.trace is not None or not mode.grad:
        return function(*args, **kwargs)
    random = default_generator.get_state() if preserve_rng_state else None
    given = [x for x in leaves((args, kwargs)) if isinstance(x, Tensor)]
    for x in given:
        if x._view is not None:
            refresh(x)
    start = stamp()
    results = function(*args, **kwargs)
    reached = [_stand_in(r) for r in _outside(results, start)]  # the arguments too: a closure may hold them
    if not reached and not any(x.requires_grad for x in given):
        return results
    segment = _Segment(function, args, kwargs, random, results, determinism_check)
    outputs = iter(Checkpoint.apply(segment, *given, *reached))
    segment.values = ()
    return rebuild(results, (next(outputs) if isinstance(y, Tensor) else y for y in leaves(results)))


def checkpoint_sequential(
    functions: Any,
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """Run a Sequential, or a list of functions, in `segments` checkpointed parts; the last one is recorded whole."""
    steps = list(functions)
    if not 1 <= segments <= max(len(steps), 1):
        raise ValueError(f"checkpoint_sequential: {segments} segments of {len(steps)} functions can't be made.")
    size = len(steps) // segments

    def chain(part: Sequence[Any]) -> Callable[[Any], Any]:
        def run(x: Any) -> Any:
            for step in part:
                x = step(x)
            return x

        return run

    for k in range(segments - 1):
        input = checkpoint(chain(steps[k * size : (k + 1) * size]), input, preserve_rng_state=preserve_rng_state)
    return chain(steps[(segments - 1) * size :])(input)


class _Segment:
    """A part of the computation, and how to run it again."""

    def __init__(
        self, function: Any, args: Any, kwargs: Any, random: Any, results: Any, determinism_check: str
    ) -> None:
        self.function, self.random = function, random
        # The arguments' places are kept and the Tensors in them are not: those are saved by the record
        self.arguments = rebuild((args, kwargs), (None if isinstance(x, Tensor) else x for x in leaves((args, kwargs))))
        self.places = [isinstance(x, Tensor) for x in leaves((args, kwargs))]
        self.values = tuple(y.detach() for y in leaves(results) if isinstance(y, Tensor))
        self.kinds = [(tuple(y.shape), y.dtype) for y in self.values] if determinism_check != "none" else None

    def run(self, tensors: list[Tensor]) -> list[Tensor]:
        """The results, recorded, from the same random numbers as the first time."""
        fresh = iter(tensors)
        filled = (next(fresh) if place else x for x, place in zip(leaves(self.arguments), self.places, strict=True))
        args, kwargs = rebuild(self.arguments, filled)
        now = default_generator.get_state() if self.random is not None else None
        if self.random is not None:
            default_generator.set_state(self.random)
        try:
            with enable_grad():
                results = [y for y in leaves(self.function(*args, **kwargs)) if isinstance(y, Tensor)]
        finally:
            if now is not None:
                default_generator.set_state(now)
        kinds = [(tuple(y.shape), y.dtype) for y in results]
        if self.kinds is not None and kinds != self.kinds:
            raise CheckpointError(
                f"checkpoint: recomputed values have different metadata than during the forward pass: {kinds}, were "
                f"{self.kinds}. The function must compute the same when it is called again."
            )
        return results


class Checkpoint(Function):
    """The segment's place in the graph: its inputs are the arguments, then what it reaches by itself."""

    @staticmethod
    def forward(ctx: Any, segment: _Segment, *tensors: Tensor) -> Any:
        ctx.segment = segment
        ctx.records = [record_of(t) if t.requires_grad else None for t in tensors]
        ctx.save_for_backward(*tensors[: sum(segment.places)])
        return segment.values

    @staticmethod
    def run_again(ctx: Any, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The results, recorded, from all that forward was given: what explain shows in a checkpoint's place."""
        return ctx.segment.run(list(tensors[: sum(ctx.segment.places)]))  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *dYs: Any) -> Any:
        recorded = mode.grad
        given = list(ctx.saved_tensors)
        if not recorded:  # a graph of its own, so that the walk below stays short
            given = [x.detach().requires_grad_(r is not None) for x, r in zip(given, ctx.records, strict=False)]
        own = [record_of(x) if r is not None else None for x, r in zip(given, ctx.records, strict=False)]
        sources = [*own, *(None if r in own else r for r in ctx.records[len(given) :])]
        roots = []
        for y, dY in zip(ctx.segment.run(given), dYs, strict=True):
            if y.requires_grad:
                roots.append((record_of(y), dY if recorded else dY._array))
        found = propagate(roots, recorded, recorded, {r for r in sources if r is not None}, stop=True)
        gradients = [found.get(r) if r is not None else None for r in sources]
        return None, *(g if g is None or isinstance(g, Tensor) else wrap(g) for g in gradients)


def _outside(results: Any, start: int) -> list[Record]:
    """The records made before `start` that the results depend on."""
    outputs = [record_of(y) for y in leaves(results) if isinstance(y, Tensor) and y.requires_grad]
    found = reached(outputs, lambda record: record.index >= start)
    return sorted((r for r in found if r.index < start and r.needs_grad), key=lambda r: r.index)


def _stand_in(record: Record) -> Tensor:
    """A Tensor for a value known by its record alone; its numbers are not asked for."""
    array = record.array if record.primitive is None else np.broadcast_to(np.zeros((), record.dtype), record.shape)
    return of_record(array, record)
