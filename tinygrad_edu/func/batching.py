"""vmap: a function of one example, applied to a batch.

Honestly: the function is run once per example and the results are stacked, all recorded, so that
values and gradients are those of a batched program, and the time is that of a loop. Any function
works, also one with `if` on values; writing the batch axis into the operations is the fast way.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..autograd.tree import leaves, rebuild
from ..core.mode import mode
from ..core.tensor import Tensor
from ..ops.generator import default_generator
from ..ops.joining import stack

_NONE = object()  # stands for None where trees are walked, whose leaves may be missing


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function that maps func over an axis of its arguments, one example after the other.

    Args:
        func: takes and returns tensors without the batch axis.
        in_dims: the axis that is mapped, per argument (also per part of a nested one); None hands
            the argument over whole.
        out_dims: where the batch axis stands in the results; None for a result that is the same for all.
        randomness: "error" refuses random draws, "different" allows them, "same" repeats them for each example.
        chunk_size: accepted; a loop needs no chunks.
    Raises:
        ValueError: nothing to map over; sizes that differ; a result that is not a tensor.
        RuntimeError: results of different shapes or dtypes, random draws, an empty batch.

    >>> from tinygrad_edu import tensor
    >>> vmap(lambda x, y: (x * y).sum(), in_dims=(0, None))(tensor([[1.0, 2.0], [3.0, 4.0]]), tensor([1.0, 10.0]))
    tensor([21., 43.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
    word = f"vmap({getattr(func, '__name__', type(func).__name__)})"

    @functools.wraps(func)
    def batched(*args: Any, **kwargs: Any) -> Any:
        values = list(leaves(args))
        dims = _in_dims(word, in_dims, args)
        size = _batch_size(word, values, dims)
        draws = _Draws(randomness)
        results = []
        for i in range(size):
            draws.begin()
            example = (
                x if dim is None else x[(slice(None),) * dim + (i,)] for x, dim in zip(values, dims, strict=True)
            )
            results.append(func(*rebuild(args, example), **kwargs))
            draws.end(word)
        return _gathered(word, results, out_dims)

    return batched


class _Draws:
    """What happens to the default generator from example to example."""

    def __init__(self, randomness: str) -> None:
        self.randomness = randomness
        self.start: Any = None
        if randomness != "different":  # a trace knows the state by the draws so far
            self.start = default_generator.get_state() if mode.trace is None else len(mode.trace.draws)

    def _have_been(self) -> bool:
        if mode.trace is not None:
            return bool(len(mode.trace.draws) > self.start)
        return not np.array_equal(default_generator.state_bytes(), self.start._array)

    def begin(self) -> None:
        if self.randomness == "same" and self._have_been():
            default_generator.set_state(self.start)

    def end(self, word: str) -> None:
        if self.randomness == "error" and self._have_been():
            if mode.trace is None:
                default_generator.set_state(self.start)
            raise RuntimeError(
                f"{word}: called random operation while in randomness error mode. Please either use the 'same' or "
                "'different' randomness flags on vmap or perform the randomness operation out of vmap"
            )


def _in_dims(word: str, in_dims: Any, args: tuple[Any, ...]) -> list[int | None]:
    """The mapped axis of every leaf of the arguments, from 0 up."""
    if not args:
        raise ValueError(f"{word}: got no inputs. Maybe you forgot to add inputs, or you are trying to vmap over none.")
    if not isinstance(in_dims, (int, tuple, list)):
        raise ValueError(
            f"{word}: expected `in_dims` to be int or a (potentially nested) tuple matching the structure of inputs, "
            f"got: {type(in_dims).__name__}."
        )
    spec = in_dims if isinstance(in_dims, int) else tuple(in_dims)
    dims = [None if d is _NONE else d for d in _spread(spec, args, f"{word}: in_dims={in_dims}")]
    return [_checked_dim(word, x, d) for x, d in zip(leaves(args), dims, strict=True)]


def _spread(spec: Any, tree: Any, word: str) -> Iterator[Any]:
    """A prefix of a tree, spread to its leaves: an int holds for everything below."""
    if spec is None or isinstance(spec, int):
        for _ in leaves(tree):
            yield _NONE if spec is None else spec
        return
    fits = isinstance(tree, dict) if isinstance(spec, dict) else isinstance(tree, (tuple, list))
    if not fits or len(spec) != len(tree) or (isinstance(spec, dict) and set(spec) != set(tree)):
        raise ValueError(f"{word} is not compatible with the structure of the values: give an int, or one per part.")
    for key in tree if isinstance(spec, dict) else range(len(tree)):
        yield from _spread(spec[key], tree[key], word)


def _checked_dim(word: str, x: Any, dim: int | None) -> int | None:
    if dim is None:
        return None
    if not isinstance(x, Tensor):
        raise ValueError(
            f"{word}: Got in_dim={dim} for an input but the input is of type {type(x).__name__}. We cannot vmap over "
            "non-Tensor arguments, please use None as the respective in_dim"
        )
    if not -x.ndim <= dim < x.ndim:
        raise ValueError(
            f"{word}: Got in_dim={dim} for some input, but that input is a Tensor of dimensionality {x.ndim} so "
            f"expected in_dim to satisfy -{x.ndim} <= in_dim < {x.ndim}."
        )
    return dim % x.ndim


def _batch_size(word: str, values: list[Any], dims: list[int | None]) -> int:
    sizes = [x.shape[d] for x, d in zip(values, dims, strict=True) if d is not None]
    if not sizes:
        raise ValueError(f"{word}: at least one input must be mapped; in_dims is None for all.")
    if len(set(sizes)) > 1:
        raise ValueError(
            f"{word}: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the "
            "mapped dimension"
        )
    if sizes[0] == 0:
        raise RuntimeError(f"{word}: the batch is empty, and without an example the results' shapes are unknown.")
    return int(sizes[0])


def _gathered(word: str, results: list[Any], out_dims: Any) -> Any:
    """The examples' results, stacked leaf by leaf."""
    first = results[0]
    columns = list(zip(*(list(leaves(r)) for r in results), strict=True))
    dims = list(_spread(out_dims, first, f"{word}: out_dims={out_dims}"))
    return rebuild(first, iter([_stacked(word, column, d) for column, d in zip(columns, dims, strict=True)]))


def _stacked(word: str, column: tuple[Any, ...], dim: Any) -> Any:
    for y in column:
        if not isinstance(y, Tensor):
            raise ValueError(f"{word}: `f` must only return Tensors, got type {type(y).__name__}.")
    first = column[0]
    kinds = {(tuple(y.shape), str(y.dtype)) for y in column}
    if len(kinds) > 1:
        raise RuntimeError(
            f"{word}: the results differ from example to example and can't be stacked: "
            f"{', '.join(f'{dtype} {shape}' for shape, dtype in sorted(kinds))}. Pad them to one shape inside of f."
        )
    if dim is _NONE:
        if not all(np.array_equal(y._values(), first._values(), equal_nan=True) for y in column):
            raise ValueError(f"{word}: out_dims is None for a result that is not the same for all examples.")
        return first
    if not -first.ndim - 1 <= dim <= first.ndim:
        raise ValueError(f"{word}: out_dim={dim} is out of range for results of {first.ndim} axes and the batch axis.")
    return stack(list(column), dim)
