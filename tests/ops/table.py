"""The rows of the rule book's tests: one per primitive and pattern of shapes.

A primitive without parameters gets its rows from its `domain` and its number of inputs; the others
are written out below. A primitive without a row fails `test_every_primitive_has_a_row`.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import tinygrad_edu  # fills the rule book
from tinygrad_edu.core.primitive import PRIMITIVES, Primitive
from tinygrad_edu.ops.domains import everywhere, nonzero, positive, unit
from tinygrad_edu.ops.indexing import Slot

assert tinygrad_edu.__version__  # the import above is for what it does

ENGINE = {"pick", "drawn"}  # not operations on arrays: the engine's own, which takes one output of several; a draw
BOOK = {key: primitive for key, primitive in PRIMITIVES.items() if key not in ENGINE}

Draw = Callable[[np.random.Generator], Any]
FULL = slice(None)


@dataclass(frozen=True)
class Case:
    """One call of a primitive: how to draw its inputs, and its parameters."""

    key: str
    pattern: str
    draws: tuple[Any, ...]  # a Draw for an array, or a Python number, which is handed over as it is
    params: dict[str, Any] = field(default_factory=dict)
    output: int | None = None  # of a primitive with several outputs: the one that this row is about
    kinds: dict[Any, str] = field(default_factory=dict, init=False, repr=False, compare=False)  # of results, by dtypes

    def __str__(self) -> str:
        return f"{self.key}-{self.pattern}"

    @property
    def primitive(self) -> Primitive:
        return PRIMITIVES[self.key] if self.output is None else output_of(self.key, self.output)

    def direction(self, rng: np.random.Generator, i: int, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        """A change of input i that it can have: some are symmetric, or triangular, by definition."""
        V = np.asarray(rng.standard_normal(shape))
        within = WITHIN.get((self.key, i))
        return V if within is None else within(V, **self.params)

    def sample(self, rng: np.random.Generator) -> list[Any]:
        return [draw(rng) if callable(draw) else draw for draw in self.draws]

    def forward(self, *inputs: Any) -> np.ndarray[Any, Any]:
        return np.asarray(self.primitive.forward(*inputs, **self.params))

    def differentiable(self, inputs: list[Any]) -> list[int]:
        """The inputs that have a rule, and numbers to change continuously, of a result that has such too."""
        if not self.primitive.differentiable:
            return []
        floating = [i for i, x in enumerate(inputs) if isinstance(x, np.ndarray) and x.dtype.kind == "f"]
        sloped = [i for i in floating if self.primitive.has_rule(i)]
        if not sloped:
            return []
        dtypes = tuple(getattr(x, "dtype", type(x)) for x in inputs)
        if dtypes not in self.kinds:  # of a row they don't depend on the numbers, and ten tests of each row ask
            self.kinds[dtypes] = self.forward(*inputs).dtype.kind
        return sloped if self.kinds[dtypes] == "f" else []


@functools.cache
def output_of(key: str, k: int) -> Primitive:
    """One output of a primitive with several, as a primitive that is in no book; the others get zeros."""
    joint = PRIMITIVES[key]

    def forward(*inputs: Any, **params: Any) -> Any:
        return joint.forward(*inputs, **params)[k]

    def rule_of(i: int) -> Any:
        def rule(dY: Any, Y: Any, *inputs: Any, **params: Any) -> Any:
            Ys = joint(*inputs, **params)
            dYs = tuple(dY if j == k else np.zeros_like(y) for j, y in enumerate(Ys))
            return joint.call_rule(i, dYs, Ys, inputs, params)

        return rule if joint.rules[i] is not None else None

    one = copy.copy(joint)
    one.__class__ = Primitive  # type: ignore[assignment]  # a computation that is opened on Tensors has no one output
    one.forward, one.rules, one.numpy, one.reads = forward, tuple(map(rule_of, range(len(joint.rules)))), None, {}
    return one


# Inputs of which only a part is read, or whose rule takes them for symmetric: what can change.
WITHIN: dict[tuple[str, int], Any] = {
    ("cholesky_factor", 0): lambda V: V + V.swapaxes(-1, -2),
    ("eigh_factors", 0): lambda V, UPLO: V + V.swapaxes(-1, -2),
    ("cholesky_system", 1): lambda V, upper: np.triu(V) if upper else np.tril(V),
}


def real(*shape: int, domain: Any = everywhere) -> Draw:
    return lambda rng: np.asarray(domain(rng, shape), np.float64)


def exactly(values: Any, dtype: Any = None) -> Draw:
    return lambda rng: np.array(values, dtype)


def whole(*shape: int) -> Draw:
    return lambda rng: rng.integers(-5, 6, shape)


def truth(*shape: int) -> Draw:
    return lambda rng: np.asarray(rng.random(shape) < 0.5)


def distinct(*shape: int) -> Draw:
    """Numbers at least 0.1 apart, so that no step of a difference changes which is the largest."""
    return lambda rng: np.asarray(0.1 * rng.permutation(int(np.prod(shape))).reshape(shape) - 0.5)


# What can be told from the domain and the number of inputs. The last input is the one that broadcasts.
PATTERNS: dict[str, tuple[tuple[int, ...], ...]] = {
    "equal": ((2, 3), (2, 3), (2, 3)),
    "broadcast": ((3, 1), (4,), (1, 1)),
    "0-d": ((), (), ()),
    "0-d-and-axes": ((), (2, 3), ()),
    "empty": ((0, 3), (3,), (1, 3)),
    "one-element": ((1,), (1,), (1,)),
}
BY_DOMAIN = {k: p for k, p in BOOK.items() if not p.params and not p.variadic}
OTHER_TYPES = {
    "choose",
    "zero_where",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "invert",
    "left_shift",
    "right_shift",
    "gcd",
    "integer_power",
    "lcm",
}
OTHER_SHAPES = {
    "affine",
    "at_shares",
    "attend",
    "cholesky_factor",
    "cofactors",
    "determinant",
    "distances",
    "divided_back",
    "dot",
    "embed",
    "inverse_of",
    "matrix_exponential",
    "matrix_product",
    "matrix_vector",
    "packed_factors",
    "power_of_none",
    "qr_complete",
    "qr_triangle",
    "row_dots",
    "sign_and_log",
    "singular_values_only",
    "solve_system",
    "vector_matrix",
}


def _from_domain(primitive: Primitive) -> list[Case]:
    count = len(primitive.inputs)
    domains = primitive.domain if isinstance(primitive.domain, tuple) else (primitive.domain,) * count
    rows = []
    for pattern, shapes in PATTERNS.items():
        if count == 1 and pattern in ("broadcast", "0-d-and-axes"):
            continue  # nothing to broadcast with
        draws = tuple(real(*s, domain=d) for s, d in zip(shapes[:count], domains, strict=True))
        rows.append(Case(primitive.key, pattern, draws))
    if count == 2:
        numbers = [float(d(np.random.default_rng(1), ())) for d in domains]
        if primitive.key != "times_log":  # as power below, the other way round: log(number) is a float64
            rows.append(Case(primitive.key, "and-a-number", (real(2, 3, domain=domains[0]), numbers[1])))
        if primitive.key != "power":  # its front makes an array of the number: see elementwise._raise
            rows.append(Case(primitive.key, "of-a-number", (numbers[0], real(2, 3, domain=domains[1]))))
    return rows


CASES: list[Case] = []
for _key, _primitive in BY_DOMAIN.items():
    if _key not in OTHER_TYPES | OTHER_SHAPES:
        CASES += _from_domain(_primitive)


def row(name: str, pattern: str, /, *draws: Any, **params: Any) -> None:
    CASES.append(Case(name, pattern, draws, params))


# --- elementwise, of other types than floats

for _key in ("bitwise_and", "bitwise_or", "bitwise_xor"):
    row(_key, "integers", whole(2, 3), whole(3))
    row(_key, "truths", truth(2, 1), truth(3))
row("invert", "integers", whole(2, 3))
row("invert", "truths", truth(2, 3))
row("zero_where", "equal", truth(2, 3), real(2, 3))
row("zero_where", "broadcast", truth(3, 1), real(4))
row("zero_where", "0-d", truth(), real())
row("choose", "equal", truth(2, 3), real(2, 3), real(2, 3))
row("choose", "broadcast", truth(3, 1), real(4), real(2, 1, 1))
row("choose", "0-d", truth(), real(), real())
row("choose", "and-a-number", truth(2, 3), real(2, 3), 0.0)
row("choose", "of-a-number", truth(2, 3), 1.5, real(3))
row("choose", "empty", truth(0, 3), real(3), real(0, 3))
row("power", "squared", real(2, 3), 2)
row("power", "cubed-negative", exactly([-1.5, -0.5, 0.5]), 3)
row("power", "inverse", real(2, 3, domain=positive), -1)
row("power", "integers", whole(2, 3), 2)
row("integer_power", "both-signs", exactly([2, -2, 1, -1, -1, 0, 3]), exactly([-1, 3, -4, -3, -2, 0, 2]))

# --- activations

for _slope in (0.01, 0.2):
    row("leaky", f"slope-{_slope}", real(2, 3), slope=_slope)
row("leaky", "0-d", real(), slope=0.1)
row("soft_plus", "plain", real(2, 3), beta=1.0, threshold=20.0)
row("soft_plus", "over-the-threshold", exactly([-30.0, -0.5, 1.0, 30.0]), beta=2.0, threshold=3.0)
row("soft_plus", "empty", real(0, 3), beta=1.0, threshold=20.0)
for _key in ("softmax_over", "log_softmax_over"):
    row(_key, "rows", real(2, 3), axis=1)
    row(_key, "columns", real(2, 3), axis=0)
    row(_key, "vector", real(4), axis=0)
    row(_key, "middle", real(2, 3, 4), axis=1)
    row(_key, "no-rows", real(0, 3), axis=1)

row("polygamma_of", "digamma", real(2, 3, domain=positive), n=0)
row("polygamma_of", "trigamma", real(2, 3, domain=positive), n=1)
row("polygamma_of", "of-3", real(domain=positive), n=3)

# --- products

row("matrix_product", "matrices", real(2, 3), real(3, 4))
row("matrix_product", "stacks", real(5, 2, 3), real(5, 3, 4))
row("matrix_product", "matrix-and-stack", real(2, 3), real(5, 3, 4))
row("matrix_product", "stack-and-matrix", real(5, 2, 3), real(3, 4))
row("matrix_product", "broadcast", real(5, 1, 2, 3), real(4, 3, 2))
row("matrix_product", "column-and-row", real(2, 1), real(1, 4))
row("matrix_product", "empty-inside", real(2, 0), real(0, 4))
row("matrix_product", "empty-outside", real(0, 3), real(3, 4))
row("matrix_vector", "matrix", real(2, 3), real(3))
row("matrix_vector", "stack", real(4, 2, 3), real(3))
row("matrix_vector", "empty", real(0, 3), real(3))
row("vector_matrix", "matrix", real(3), real(3, 2))
row("vector_matrix", "stack", real(3), real(4, 3, 2))
row("vector_matrix", "empty", real(0), real(0, 2))
row("dot", "vectors", real(4), real(4))
row("dot", "empty", real(0), real(0))
row("affine", "rows", real(5, 3), real(2, 3), real(2))
row("affine", "one-sample", real(3), real(2, 3), real(2))
row("affine", "stack", real(4, 5, 3), real(2, 3), real(2))
row("affine", "one-bias", real(5, 3), real(2, 3), real(1))
row("affine", "without-bias", real(5, 3), real(2, 3))
row("affine", "stack-without-bias", real(4, 5, 3), real(2, 3))
row("affine", "one-sample-without-bias", real(3), real(2, 3))
row("affine", "no-samples", real(0, 3), real(2, 3), real(2))

# --- reductions

_AXES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "all": ((2, 3, 4), (0, 1, 2)),
    "first": ((2, 3, 4), (0,)),
    "last": ((2, 3, 4), (2,)),
    "two": ((2, 3, 4), (0, 2)),
    "none": ((2, 3), ()),
    "0-d": ((), ()),
    "vector": ((5,), (0,)),
    "length-1": ((3, 1), (1,)),
    "empty-kept": ((0, 3), (1,)),
}
for _keep in (False, True):
    for _pattern, (_shape, _axis) in _AXES.items():
        _kept = f"{_pattern}-kept" if _keep else _pattern
        for _key in ("sum_over", "nansum_over", "mean_over", "logsumexp_over"):
            row(_key, _kept, real(*_shape), axis=_axis, keepdims=_keep)
        for _key in ("max_over", "min_over"):
            row(_key, _kept, distinct(*_shape), axis=_axis, keepdims=_keep)
        for _key in ("any_over", "all_over"):
            row(_key, _kept, truth(*_shape), axis=_axis, keepdims=_keep)
        row("var_over", _kept, real(*_shape), axis=_axis, keepdims=_keep, ddof=0)
        if _pattern not in ("none", "0-d", "length-1"):
            row("var_over", f"{_kept}-less-1", real(*_shape), axis=_axis, keepdims=_keep, ddof=1)
            row("std_over", _kept, real(*_shape), axis=_axis, keepdims=_keep, ddof=1)
            row("std_over", f"{_kept}-of-all", real(*_shape), axis=_axis, keepdims=_keep, ddof=0)
    row("sum_over", f"over-nothing-{_keep}", real(0, 3), axis=(0,), keepdims=_keep)
row("sum_over", "integers", whole(2, 3), axis=(1,), keepdims=False)
row("any_over", "floats", real(2, 3), axis=(1,), keepdims=False)
for _key in ("argmax_along", "argmin_along"):
    row(_key, "rows", distinct(2, 3), axis=1)
    row(_key, "vector", distinct(5), axis=0)
    row(_key, "integers", whole(2, 3), axis=0)

# --- shapes

row("reshape_to", "flat", real(2, 3), shape=(6,))
row("reshape_to", "regrouped", real(2, 6), shape=(3, 1, 4))
row("reshape_to", "to-0-d", real(1, 1), shape=())
row("reshape_to", "from-0-d", real(), shape=(1, 1))
row("reshape_to", "empty", real(0, 3), shape=(3, 0, 2))
row("permute_axes", "matrix", real(2, 3), axes=(1, 0))
row("permute_axes", "cycle", real(2, 3, 4), axes=(2, 0, 1))
row("permute_axes", "same", real(2, 3), axes=(0, 1))
row("permute_axes", "0-d", real(), axes=())
row("broadcast_to", "new-axis", real(3), shape=(2, 3))
row("broadcast_to", "stretched", real(2, 1, 3), shape=(2, 4, 3))
row("broadcast_to", "from-0-d", real(), shape=(2, 3))
row("broadcast_to", "same", real(2, 3), shape=(2, 3))
row("broadcast_to", "to-empty", real(1, 3), shape=(0, 3))
row("join", "one", real(2, 3), axis=0)
row("join", "two", real(2, 3), real(1, 3), axis=0)
row("join", "three-columns", real(2, 1), real(2, 3), real(2, 2), axis=1)
row("join", "one-empty", real(0, 3), real(2, 3), axis=0)
row("join", "middle", real(2, 1, 3), real(2, 2, 3), axis=1)
row("pile", "one", real(2, 3), axis=0)
row("pile", "two", real(2, 3), real(2, 3), axis=0)
row("pile", "three-last", real(2, 3), real(2, 3), real(2, 3), axis=2)
row("pile", "0-d", real(), real(), axis=0)
row("astype", "same", real(2, 3), dtype=np.dtype("float64"))
row("astype", "from-integers", whole(2, 3), dtype=np.dtype("float32"))
row("astype", "to-truth", real(2, 3), dtype=np.dtype("bool"))
row("filled", "matrix", shape=(2, 3), dtype=np.dtype("float32"), value=1.5)
row("filled", "0-d", shape=(), dtype=np.dtype("int64"), value=2)

# --- indexing: rows of getitem, and of its transposes with the same index

_PLACES: dict[str, tuple[tuple[int, ...], tuple[Any, ...], tuple[Any, ...]]] = {
    "integer": ((4, 5), (1, ...), ()),
    "all-integers": ((4, 5), (1, -2, ...), ()),
    "slice": ((4, 5), (slice(1, 3), ...), ()),
    "steps": ((4, 5), (slice(None, None, 2), slice(4, 0, -2)), ()),
    "new-axis": ((4, 5), (None, FULL, None, 2), ()),
    "ellipsis": ((2, 3, 4), (..., 1), ()),
    "nothing": ((4, 5), (slice(2, 2), ...), ()),
    "whole": ((4, 5), (...,), ()),
    "0-d": ((), (...,), ()),
    "rows": ((4, 5), (Slot(0),), (exactly([2, 0, 3]),)),
    "columns": ((4, 5), (FULL, Slot(0)), (exactly([2, 0]),)),
    "entries": ((4, 5), (Slot(0), Slot(1)), (exactly([2, 0, 3]), exactly([1, 4, 1]))),
    "broadcast-entries": ((4, 5), (Slot(0), Slot(1)), (exactly([[2], [0]]), exactly([1, 4, 0]))),
    "negative-entries": ((4, 5), (Slot(0),), (exactly([-1, -3]),)),
    "array-and-slice": ((4, 5, 3), (Slot(0), slice(1, 4), 2), (exactly([2, 0]),)),
    "arrays-apart": ((4, 5, 3), (Slot(0), FULL, Slot(1)), (exactly([2, 0]), exactly([1, 2]))),
    "array-and-new-axis": ((4, 5), (Slot(0), None, slice(2, None)), (exactly([1, 3]),)),
    "matrix-of-rows": ((4, 5), (Slot(0),), (exactly([[1, 3], [0, 2]]),)),
    "0-d-array": ((4, 5), (Slot(0), ...), (exactly(2),)),
    "no-entries": ((4, 5), (Slot(0),), (exactly([], np.int64),)),
    "short-integers": ((4, 5), (Slot(0),), (exactly([3, 1], np.uint8),)),
}
_REPEATED: dict[str, tuple[tuple[int, ...], tuple[Any, ...], tuple[Any, ...]]] = {
    "repeated-rows": ((4, 5), (Slot(0),), (exactly([2, 0, 2, 2]),)),
    "repeated-entries": ((4, 5), (Slot(0), Slot(1)), (exactly([[1], [1]]), exactly([0, 0, 3]))),
    "one-place-by-two-names": ((4, 5), (Slot(0),), (exactly([3, -1]),)),
}


def _part(shape: tuple[int, ...], key: tuple[Any, ...], indices: tuple[Any, ...]) -> tuple[int, ...]:
    arrays = [draw(np.random.default_rng(0)) for draw in indices]
    return np.zeros(shape)[tuple(arrays[k.number] if isinstance(k, Slot) else k for k in key)].shape


for _pattern, (_shape, _index, _arrays) in {**_PLACES, **_REPEATED}.items():
    row("getitem", _pattern, real(*_shape), *_arrays, key=_index)
    row("scatter", _pattern, real(*_part(_shape, _index, _arrays)), *_arrays, key=_index, shape=_shape)
    row("add_at", _pattern, real(*_shape), real(*_part(_shape, _index, _arrays)), *_arrays, key=_index)
for _pattern, (_shape, _index, _arrays) in _PLACES.items():  # where a place is named twice, one write is lost
    _value = real(*_part(_shape, _index, _arrays))
    row("assign", _pattern, real(*_shape), _value, *_arrays, steps=(), key=_index)
row("assign", "broadcast-value", real(4, 5), real(5), exactly([2, 0]), steps=(), key=(Slot(0),))
row("assign", "0-d-value", real(4, 5), real(), steps=(), key=(slice(1, 3), ...))
row("assign", "a-number", real(4, 5), 0.0, steps=(), key=(1, ...))
_VIEW = ((PRIMITIVES["getitem"], {"key": (slice(1, 3), ...)}), (PRIMITIVES["permute_axes"], {"axes": (1, 0)}))
row("assign", "through-a-view", real(4, 5), real(2), steps=_VIEW, key=(0, ...))
row("assign", "array-through-a-view", real(4, 5), real(2, 2), exactly([1, 4]), steps=_VIEW, key=(Slot(0),))

_ALONG: dict[str, tuple[tuple[int, ...], list[Any], int]] = {
    "rows": ((2, 3), [[2, 0, 1], [0, 0, 1]], 1),
    "columns": ((3, 2), [[2, 1], [0, 0]], 0),
    "column-of-labels": ((3, 4), [[3], [0], [2]], 1),
    "more-than-there-are": ((2, 2), [[0, 1, 1, 0], [1, 1, 1, 1]], 1),
    "vector": ((4,), [1, 3], 0),
    "stack": ((2, 3, 2), [[[0, 1], [2, 2]], [[1, 1], [0, 2]]], 1),
    "broadcast": ((3, 4), [[3, 0]], 1),
}
for _pattern, (_shape, _labels, _along) in _ALONG.items():
    _indices = exactly(_labels)
    _taken = np.take_along_axis(np.zeros(_shape), np.array(_labels), _along).shape
    row("take_along", _pattern, real(*_shape), _indices, axis=_along)
    row("put_along", _pattern, real(*_taken), _indices, axis=_along, shape=_shape)


def output_row(name: str, pattern: str, /, *draws: Any, output: int, **params: Any) -> None:
    CASES.append(Case(name, f"{pattern}-{output}", draws, params, output))


# --- losses

for _reduction in ("mean", "sum", "none"):
    row("squared_error", f"column-{_reduction}", real(5, 1), real(5, 1), reduction=_reduction)
    row("squared_error", f"broadcast-{_reduction}", real(3, 1), real(4), reduction=_reduction)
    row("squared_error", f"0-d-{_reduction}", real(), real(), reduction=_reduction)
    for _key, _domain in {"cross_entropy_of_probabilities": unit, "cross_entropy_of_scores": everywhere}.items():
        row(_key, f"row-{_reduction}", real(1, 5, domain=_domain), real(1, 5, domain=unit), reduction=_reduction)
        row(_key, f"0-d-{_reduction}", real(domain=_domain), real(domain=unit), reduction=_reduction)
for _pattern, _scores, _labels, _ignore in (
    ("rows", (5, 4), [3, 0, 1, 1, 2], -100),
    ("some-ignored", (5, 4), [3, -1, 1, -1, 2], -1),
    ("a-class-ignored", (5, 4), [3, 0, 1, 1, 2], 1),
    ("one-sample", (1, 3), [2], -100),
):
    for _output in (0, 1):
        output_row(
            "cross_entropy_of_classes", _pattern, real(*_scores), exactly(_labels), output=_output, ignore_index=_ignore
        )
    row("mean_cost", _pattern, real(*_scores), real(_scores[0], 1, domain=unit), exactly(_labels), ignore_index=_ignore)
    for _mean in (True, False):
        row("log_likelihood_of_classes", f"{_pattern}-{'mean' if _mean else 'sum'}", real(*_scores), exactly(_labels),
            ignore_index=_ignore, mean=_mean)  # fmt: skip
for _ignore, _which in ((-100, "kept"), (2, "one-ignored")):
    row("minus_one_hot", _which, real(3, 4), exactly([2, 0, 1]), ignore_index=_ignore)
    row("count_kept", _which, exactly([2, 0, 1]), ignore_index=_ignore, dtype=np.dtype("float64"))
    row("one_hot_rows", _which, exactly([2, 0, 1]), n_classes=4, ignore_index=_ignore, dtype=np.dtype("float64"))
for _pattern, _scores, _labels, _ignore in (
    ("image", (2, 3, 2, 2), [[[2, 0], [1, 1]], [[0, 0], [2, 1]]], -100),
    ("some-ignored", (2, 3, 2), [[2, -1], [-1, 0]], -1),
    ("a-class-ignored", (2, 3, 2), [[2, 1], [1, 0]], 1),
):
    for _output in (0, 1):
        output_row(
            "cross_entropy_of_pixels", _pattern, real(*_scores), exactly(_labels), output=_output, ignore_index=_ignore
        )
    row("mean_cost_of_pixels", _pattern, real(*_scores), real(_scores[0], 1, *_scores[2:], domain=unit),
        exactly(_labels), ignore_index=_ignore)  # fmt: skip
    for _mean in (True, False):
        row("log_likelihood_of_pixels", f"{_pattern}-{'mean' if _mean else 'sum'}", real(*_scores), exactly(_labels),
            ignore_index=_ignore, mean=_mean)  # fmt: skip
    row("minus_one_hot_of_pixels", _pattern, real(*_scores), exactly(_labels), ignore_index=_ignore)
    row("one_hot_pixels", _pattern, exactly(_labels), n_classes=3, ignore_index=_ignore, dtype=np.dtype("float64"))
row("valid_labels", "labels", exactly([2, 0, 1]), n_classes=3)
row("valid_labels", "of-pixels", exactly([[2, 0], [1, 1]]), n_classes=3)

# --- roundings, bits, sums of products

for _decimals in (1, -1):
    row("round_to", f"places-{_decimals}", exactly([12.34, -7.56, 0.049]), decimals=_decimals)
row("nan_to_number", "plain", real(2, 3), nan=0.0, posinf=None, neginf=None)
row("nan_to_number", "replaced", exactly([-1.5, np.inf, -np.inf, np.nan]), nan=0.5, posinf=2.0, neginf=-2.0)
for _key in ("left_shift", "right_shift"):
    row(_key, "integers", whole(2, 3), exactly([1, 0, 2]))
for _key in ("gcd", "lcm"):
    row(_key, "integers", whole(2, 3), whole(3))
for _weight in (0.25, 0.75, 1.5):
    row("between", f"weight-{_weight}", real(2, 3), real(3), weight=_weight)
row("between", "0-d", real(), real(), weight=0.5)

# --- scans, products, norms, statistics


def zeros_among(*shape: int) -> Draw:
    """Numbers of both signs of which every third is 0: some lines get one zero, some two, some none."""

    def draw(rng: np.random.Generator) -> np.ndarray[Any, Any]:
        numbers = nonzero(rng, shape).reshape(-1)
        return np.where(np.arange(numbers.size) % 3 == 1, 0, numbers).reshape(shape)

    return draw


_LINES: dict[str, tuple[tuple[int, ...], int]] = {
    "vector": ((5,), 0),
    "rows": ((2, 5), 1),
    "columns": ((3, 2), 0),
    "middle": ((2, 4, 3), 1),
    "length-1": ((3, 1), 1),
    "empty": ((3, 0), 1),
}
for _pattern, (_shape, _along) in _LINES.items():
    row("cumsum_along", _pattern, real(*_shape), axis=_along)
    row("logcumsumexp_along", _pattern, real(*_shape), axis=_along)
    row("cummax_index", _pattern, distinct(*_shape), axis=_along)
    row("cummin_index", _pattern, distinct(*_shape), axis=_along)
    row("rank_order", _pattern, distinct(*_shape), axis=_along)
    for _some, _draw in {"plain": real(*_shape, domain=nonzero), "zeros": zeros_among(*_shape)}.items():
        row("cumprod_along", f"{_pattern}-{_some}", _draw, axis=_along)
        row("product_of_others", f"{_pattern}-{_some}", _draw, axis=_along)
        row("prod_over", f"{_pattern}-{_some}", _draw, axis=_along, keepdims=_some == "zeros")
    for _step in (1, -1):
        row("recurrence", f"{_pattern}-{_step}", real(*_shape), zeros_among(*_shape), axis=_along, step=_step)
    if 0 not in _shape:
        row("mode_index", _pattern, distinct(*_shape), axis=_along)
        row("median_index", _pattern, distinct(*_shape), axis=_along, skip_nan=_along == 1)
        row("median_of", _pattern, distinct(*_shape), skip_nan=_along == 1)
        for _p in (-1.5, 0.5, 1.5, 3):
            row("norm_over", f"{_pattern}-{_p}", real(*_shape, domain=nonzero), axis=(_along,), keepdims=_p > 1, p=_p)
        for _key in ("nonzero_over", "euclidean_over"):
            row(_key, _pattern, real(*_shape, domain=nonzero), axis=(_along,), keepdims=_along == 1)
for _key in ("cumsum_along", "cumprod_along"):
    row(_key, "large-slices", real(3, 2, 40, domain=nonzero), axis=0)
row("cumsum_along", "integers", whole(2, 3), axis=1)
row("cumprod_along", "integers", whole(2, 3), axis=1)
row("prod_over", "truths", truth(2, 3), axis=1, keepdims=False)
row("histogram_over", "range-of-the-data", real(2, 5), bins=4, low=0, high=0)
row("histogram_over", "given-range", real(20), bins=3, low=-1.0, high=0.5)
row("histogram_over", "empty", real(0), bins=3, low=0, high=0)

# --- more activations

for _name, _constants in {"elu": (0.7, 1.0, 1.0), "selu": (1.67, 1.05, 1.0), "celu": (2.0, 1.0, 0.5)}.items():
    _alpha, _scale, _rate = _constants
    row("exponential_unit", _name, real(2, 3), alpha=_alpha, scale=_scale, rate=_rate)
row("exponential_unit", "0-d", real(), alpha=1.0, scale=1.0, rate=1.0)
row("gated", "rows", real(2, 4), axis=1)
row("gated", "columns", real(4, 3), axis=0)
row("gated", "empty", real(0, 4), axis=1)
row("hard_tanh", "plain", real(2, 3), lo=-0.6, hi=0.8)
row("hard_tanh", "0-d", real(), lo=0.0, hi=6.0)
for _key in ("hard_shrink", "soft_shrink"):
    row(_key, "plain", real(2, 3), width=0.5)
    row(_key, "0-d", real(), width=0.1)
row("above", "plain", real(2, 3), threshold=0.2, value=-1.5)
row("above", "0-d", real(), threshold=0.2, value=-1.5)

# --- arranging, diagonals, windows

row("flip_over", "all", real(2, 3), axis=(0, 1))
row("flip_over", "last", real(2, 3, 2), axis=(2,))
row("flip_over", "none", real(2, 3), axis=())
row("flip_over", "0-d", real(), axis=())
row("flip_over", "empty", real(0, 3), axis=(0,))
row("roll_by", "rows", real(4, 3), shift=1, axis=0)
row("roll_by", "back-twice-round", real(2, 3), shift=-7, axis=1)
row("roll_by", "empty", real(0, 3), shift=1, axis=0)
row("tile_by", "both", real(2, 3), reps=(2, 3))
row("tile_by", "new-axes", real(2), reps=(3, 1, 2))
row("tile_by", "0-d", real(), reps=(2,))
row("tile_by", "once", real(2, 3), reps=(1, 1))
row("tile_by", "never", real(2, 3), reps=(2, 0))
row("repeat_each", "rows", real(2, 3), repeats=2, axis=0)
row("repeat_each", "middle", real(2, 3, 2), repeats=3, axis=1)
row("repeat_each", "once", real(2, 3), repeats=1, axis=1)
row("repeat_each", "never", real(2, 3), repeats=0, axis=1)
row("sum_each", "rows", real(4, 3), repeats=2, axis=0, shape=(2, 3))
row("sum_each", "middle", real(2, 9, 2), repeats=3, axis=1, shape=(2, 3, 2))
row("sum_each", "many", real(40), repeats=20, axis=0, shape=(2,))
row("sum_each", "never", real(2, 0), repeats=0, axis=1, shape=(2, 3))
for _key in ("lower_part", "upper_part"):
    row(_key, "main", real(3, 4), k=0)
    row(_key, "above", real(4, 3), k=1)
    row(_key, "below-in-a-stack", real(2, 3, 3), k=-1)
    row(_key, "empty", real(0, 3), k=0)
_DIAGONALS: dict[str, tuple[tuple[int, ...], int, int, int]] = {
    "main": ((3, 4), 0, 0, 1),
    "above": ((4, 3), 1, 0, 1),
    "below-crosswise": ((4, 3), -1, 1, 0),
    "of-a-stack": ((2, 3, 3), 0, 1, 2),
    "outer-axes": ((3, 2, 3), 1, 0, 2),
    "beyond": ((2, 2), 5, 0, 1),
}
for _pattern, (_shape, _offset, _one, _other) in _DIAGONALS.items():
    row("diagonal_of", _pattern, real(*_shape), offset=_offset, axis1=_one, axis2=_other)
    _on = np.diagonal(np.zeros(_shape), _offset, _one, _other).shape
    row("onto_diagonal", _pattern, real(*_on), offset=_offset, axis1=_one, axis2=_other, shape=_shape)
_WINDOWS: dict[str, tuple[tuple[int, ...], int, int, int]] = {
    "overlapping": ((5, 2), 0, 3, 1),
    "side-by-side": ((2, 6), 1, 2, 2),
    "with-gaps": ((7,), 0, 2, 3),
    "whole": ((2, 4), 1, 4, 1),
    "of-nothing": ((2, 3), 1, 0, 2),
    "empty": ((0, 3), 1, 2, 1),
}
for _pattern, (_shape, _along, _size, _step) in _WINDOWS.items():
    row("unfold", _pattern, real(*_shape), axis=_along, size=_size, step=_step)
    _count = (_shape[_along] - _size) // _step + 1
    _laid = (*_shape[:_along], _count, *_shape[_along + 1 :], _size)
    row("fold", _pattern, real(*_laid), axis=_along, step=_step, shape=_shape)
row("pad_with", "both-ends", real(2, 3), width=((0, 0), (1, 2)), value=0.0)
row("pad_with", "all-axes", real(2, 3), width=((1, 0), (0, 2)), value=1.5)
row("pad_with", "0-d", real(), width=(), value=1.0)
row("pad_with", "empty", real(0, 3), width=((1, 1), (0, 0)), value=2.0)

# --- ordering, gathering, scattering

_ORDERS: dict[str, tuple[dict[str, Any], ...]] = {
    "argsort_along": ({"descending": False}, {"descending": True}),
    "extreme_places": ({"count": 1, "largest": True}, {"count": 2, "largest": False}),
}
for _key, _constants in _ORDERS.items():
    for _number, _constant in enumerate(_constants):
        row(_key, f"rows-{_number}", distinct(2, 9), axis=1, **_constant)
        row(_key, f"ties-{_number}", whole(9, 2), axis=0, **_constant)
row("kth_place", "rows", distinct(2, 9), axis=1, k=3)
row("kth_place", "columns", distinct(3, 2), axis=0, k=0)
row("insertion_places", "vector", exactly([-1.0, 0.0, 0.0, 2.0]), real(2, 3), right=False)
row("insertion_places", "ties", exactly([-1.0, 0.0, 0.0, 2.0]), exactly([0.0, -1.0, 2.0]), right=True)
row("insertion_places", "rows", exactly([[-1.0, 0.0], [0.0, 1.0]]), real(2, 3), right=False)
row("membership", "integers", whole(2, 3), exactly([1, 2, -3]))
row("membership", "none", real(2, 3), real(0))
_POINTED: dict[str, tuple[tuple[int, ...], list[Any], int]] = {
    "rows": ((2, 4), [[2, 0, 1], [0, 3, 1]], 1),
    "columns": ((3, 2), [[2, 1], [0, 0]], 0),
    "fewer": ((3, 4), [[3, 1]], 1),
    "vector": ((4,), [1, 3], 0),
    "stack": ((2, 3, 2), [[[0, 1], [2, 2]], [[1, 1], [0, 2]]], 1),
    "several-times": ((2, 3), [[0, 0, 1, 0], [2, 2, 2, 2]], 1),
}
for _pattern, (_shape, _labels, _along) in _POINTED.items():
    _indices, _put = exactly(_labels), np.shape(_labels)
    row("place_along", _pattern, real(*_shape), real(*_put), _indices, axis=_along)
    row("put_along", f"onto-{_pattern}", real(*_put), _indices, axis=_along, shape=_shape)
    row("stays_along", _pattern, _indices, axis=_along, shape=_shape)
    row("product_along", _pattern, real(*_shape, domain=nonzero), real(*_put, domain=nonzero), _indices, axis=_along)
    for _largest in (False, True):
        row(
            "extreme_along",
            f"{_pattern}-{_largest}",
            real(*_shape),
            real(*_put),
            _indices,
            axis=_along,
            largest=_largest,
        )
row("place_along", "a-number", real(2, 3), 0.0, exactly([[1], [0]]), axis=1)

# --- linear algebra


def regular(*shape: int) -> Draw:
    """Square matrices far from singular."""
    return lambda rng: rng.standard_normal(shape) + 3 * np.eye(shape[-1])


def definite(*shape: int) -> Draw:
    """Symmetric positive-definite matrices whose eigenvalues are some 1 apart."""

    def draw(rng: np.random.Generator) -> np.ndarray[Any, Any]:
        Q, _ = np.linalg.qr(rng.standard_normal(shape))
        A = (Q * np.arange(1.0, shape[-1] + 1)) @ Q.swapaxes(-1, -2)
        return np.asarray(0.5 * (A + A.swapaxes(-1, -2)))

    return draw


def triangular(*shape: int, upper: bool) -> Draw:
    return lambda rng: (np.triu if upper else np.tril)(regular(*shape)(rng))


for _spec, _a, _b in (
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,kj->ki", (2, 3), (4, 3)),
    ("i,j->ij", (2,), (3,)),
    ("ij,ij->", (2, 3), (2, 3)),
    ("ij,j->ij", (2, 3), (3,)),
    ("bij,bjk->ibk", (2, 3, 4), (2, 4, 2)),
    ("ij,k->kji", (2, 3), (2,)),
    (",i->i", (), (3,)),
    ("ij,jk->ik", (2, 0), (0, 3)),
):
    row("contract", f"{_spec}-{0 in _a}", real(*_a), real(*_b), spec=_spec)
row("cross_along", "rows", real(2, 3), real(2, 3), axis=-1)
row("cross_along", "broadcast", real(3, 1), real(1, 3, 4), axis=-2)
row("distances", "matrices", real(2, 3), real(4, 3))
row("distances", "stacks", real(2, 2, 3), real(4, 3))
for _pattern, _shape in {"matrix": (3, 3), "stack": (2, 4, 4), "length-1": (1, 1)}.items():
    for _key in ("inverse_of", "determinant", "cofactors", "power_of_none"):
        row(_key, _pattern, regular(*_shape))
    row("cholesky_factor", _pattern, definite(*_shape))
    row("matrix_exponential", _pattern, real(*_shape))
    row("solve_system", _pattern, regular(*_shape), real(*_shape[:-1], 2))
    for _upper in (False, True):
        _factor = triangular(*_shape, upper=_upper)
        row("cholesky_system", f"{_pattern}-{_upper}", real(*_shape[:-1], 2), _factor, upper=_upper)
        for _unit in (False, True):
            _name = f"{_pattern}-{_upper}-{_unit}"
            row("solve_triangle", _name, regular(*_shape), real(*_shape[:-1], 2), upper=_upper, unit=_unit)
    row("eigenvalues_only", _pattern, definite(*_shape), UPLO="L")
    for _output in (0, 1):
        output_row("sign_and_log", _pattern, regular(*_shape), output=_output)
        output_row("eigh_factors", _pattern, definite(*_shape), output=_output, UPLO="L")
row("solve_system", "broadcast", regular(3, 3), real(2, 3, 1))
row("solve_triangle", "in-blocks", regular(40, 40), real(40, 2), upper=True, unit=False)
for _pattern, _shape in {"square": (3, 3), "tall": (4, 2), "wide": (2, 4), "stack": (2, 3, 2)}.items():
    row("singular_values_only", _pattern, real(*_shape))
    row("qr_triangle", _pattern, real(*_shape))
    row("pseudo_inverse", _pattern, real(*_shape), atol=0.0, rtol=1e-15, hermitian=False)
    for _output in (0, 1):
        output_row("qr_factors", _pattern, real(*_shape), output=_output, mode="reduced")
        output_row("qr_complete", _pattern, real(*_shape), output=_output)
    for _output in (0, 1, 2):
        output_row("svd_factors", _pattern, real(*_shape), output=_output, full_matrices=False)

# --- losses of numbers, and their guard against division by 0

for _reduction in ("mean", "sum", "none"):
    for _pattern, _shapes in {"equal": ((5, 2), (5, 2)), "broadcast": ((3, 1), (4,)), "0-d": ((), ())}.items():
        _pair = [real(*_s) for _s in _shapes]
        row("absolute_error", f"{_pattern}-{_reduction}", *_pair, reduction=_reduction)
        for _delta, _scale in ((1.0, 1.0), (0.4, 2.5)):
            _name = f"{_pattern}-{_reduction}-{_delta}"
            row("limited_error", _name, *_pair, delta=_delta, scale=_scale, reduction=_reduction)
row("raised", "matrix", real(2, 3, domain=positive), least=0.1)
row("raised", "0-d", real(domain=positive), least=0.1)
row("raised", "empty", real(0, 3, domain=positive), least=0.1)
# --- pooling: per axis (count, size, step, before, spread); size 0: adaptive

_POOLED: dict[str, tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]] = {
    "tiles": ((2, 3, 4, 6), ((2, 2, 2, 0, 1), (3, 2, 2, 0, 1))),
    "overlapping-in-a-frame": ((2, 5, 6), ((3, 3, 2, 1, 1), (6, 3, 1, 1, 1))),
    "with-gaps": ((2, 7), ((2, 2, 4, 0, 1),)),
    "over-the-end": ((5, 3), ((3, 2, 2, 0, 1), (2, 2, 2, 0, 1))),
    "all": ((2, 3, 4), ((1, 3, 3, 0, 1), (1, 4, 4, 0, 1))),
    "adaptive": ((2, 5, 7), ((3, 0, 0, 0, 0), (4, 0, 0, 0, 0))),
    "adaptive-to-more": ((3, 2), ((2, 0, 0, 0, 0), (3, 0, 0, 0, 0))),
    "volume": ((2, 4, 3, 4), ((2, 2, 2, 0, 1), (2, 0, 0, 0, 0), (2, 2, 2, 0, 1))),
    "empty": ((0, 4), ((2, 2, 2, 0, 1),)),
}
row("max_pool", "spread", distinct(1, 2, 7), plane=((3, 3, 1, 0, 2),))
row("onto_largest", "spread", real(1, 2, 3), distinct(1, 2, 7), plane=((3, 3, 1, 0, 2),))
row("largest_places", "spread", distinct(1, 2, 7), plane=((3, 3, 1, 0, 2),))
for _pattern, (_shape, _plane) in _POOLED.items():
    _pooled = (*_shape[: len(_shape) - len(_plane)], *(w[0] for w in _plane))
    row("max_pool", _pattern, distinct(*_shape), plane=_plane)
    row("onto_largest", _pattern, real(*_pooled), distinct(*_shape), plane=_plane)
    row("largest_places", _pattern, distinct(*_shape), plane=_plane)
    for _padded, _divisor in ((True, None), (False, None), (True, 3)):
        _name, _means = f"{_pattern}-{_padded}-{_divisor}", {"plane": _plane, "padded": _padded, "divisor": _divisor}
        row("mean_pool", _name, real(*_shape), **_means)
        row("spread_means", _name, real(*_pooled), **_means, lengths=_shape[len(_shape) - len(_plane) :])
# --- convolutions: image, window, channels in and out, and the grid (stride, before, dilation, groups)

_GRIDS: dict[str, tuple[tuple[int, ...], tuple[int, ...], int, int, tuple[Any, ...], tuple[int, ...]]] = {
    "plain": ((4, 5), (3, 2), 2, 3, ((1, 1), (0, 0), (1, 1), 1), (2, 4)),
    "padded": ((3, 4), (3, 3), 3, 2, ((1, 1), (1, 1), (1, 1), 1), (3, 4)),
    "strided": ((5, 6), (3, 2), 2, 2, ((2, 3), (1, 0), (1, 1), 1), (3, 2)),
    "dilated": ((7,), (3,), 2, 2, ((1,), (1,), (2,), 1), (5,)),
    "strided-and-dilated": ((9,), (2,), 1, 2, ((2,), (2,), (3,), 1), (5,)),
    "groups": ((4, 3), (2, 2), 4, 6, ((1, 1), (1, 0), (1, 1), 2), (5, 2)),
    "depthwise": ((5,), (3,), 3, 3, ((1,), (1,), (1,), 3), (5,)),
    "points": ((3, 2), (1, 1), 3, 2, ((1, 1), (0, 0), (1, 1), 1), (3, 2)),
    "unseen-edge": ((6,), (2,), 1, 1, ((4,), (0,), (1,), 1), (1,)),
    "volumes": ((2, 3, 2), (2, 2, 1), 1, 2, ((1, 1, 1), (1, 0, 0), (1, 1, 1), 1), (3, 2, 2)),
    "no-channels": ((4,), (2,), 0, 2, ((1,), (0,), (1,), 1), (3,)),
}
for _pattern, (_image, _window, _n_in, _n_out, _grid, _count) in _GRIDS.items():
    _groups = _grid[3]
    _X, _Y, _W = (2, _n_in, *_image), (2, _n_out, *_count), (_n_out, _n_in // _groups, *_window)
    row("correlation", _pattern, real(*_X), real(*_W), grid=_grid, shape=_count)
    row("correlation", f"{_pattern}-biased", real(*_X), real(*_W), real(_n_out), grid=_grid, shape=_count)
    row("transposed_correlation", _pattern, real(*_Y), real(*_W), grid=_grid, shape=_image)
    row("transposed_correlation", f"{_pattern}-biased", real(*_Y), real(*_W), real(_n_in), grid=_grid, shape=_image)
    row("kernel_correlation", _pattern, real(*_X), real(*_Y), grid=_grid, shape=_window)
    row("gather_windows", _pattern, real(*_X), window=_window, count=_count, grid=_grid)
    row("scatter_windows", _pattern, real(2, _n_in, *_window, *_count), shape=_image, grid=_grid)
# --- normalisation

for _pattern, _shape, _axis in (
    ("rows", (3, 4), (1,)),
    ("columns", (4, 2), (0,)),
    ("channels", (2, 3, 4), (0, 2)),
    ("last-two", (2, 2, 3), (1, 2)),
    ("all", (5,), (0,)),
):
    for _output in (0, 1, 2):
        output_row("standardized", _pattern, real(*_shape), output=_output, axis=_axis, eps=1e-2)
    row("over_root_mean_square", _pattern, real(*_shape), axis=_axis, eps=1e-2)
for _pattern, _x, _w, _shape in (
    ("features", (2, 3), (3,), (3,)),
    ("last-two", (4, 2, 3), (2, 3), (2, 3)),
    ("channels", (2, 3, 4), (3,), (3, 1)),
    ("one-channel", (2, 1, 4), (1,), (1, 1)),
    ("empty", (0, 3), (3,), (3,)),
):
    row("scaled", _pattern, real(*_x), real(*_w), shape=_shape)
    row("scaled", f"{_pattern}-shifted", real(*_x), real(*_w), real(*_w), shape=_shape)
# --- attention


def never_masked(*shape: int) -> Draw:
    """Scores with some -inf among them, none of a whole row: what a mask leaves."""

    def draw(rng: np.random.Generator) -> np.ndarray[Any, Any]:
        S = np.asarray(rng.standard_normal(shape))
        S[..., 1:] = np.where(rng.random(S[..., 1:].shape) < 0.3, -np.inf, S[..., 1:])
        return S

    return draw


def spread(*shape: int) -> Draw:
    """Scores whose rows lie so far apart that no one shift serves all of them."""
    return lambda rng: np.asarray(rng.standard_normal(shape) - 100.0 * np.arange(shape[-2])[:, None])


row("row_dots", "rows", real(2, 3), real(2, 3))
row("row_dots", "broadcast", real(4, 1, 3), real(2, 3))
row("row_dots", "vectors", real(3), real(3))
row("row_dots", "no-rows", real(0, 3), real(0, 3))
row("scaled_scores", "heads", real(2, 3, 4, 5), real(2, 3, 6, 5), scale=0.5, causal=False)
row("scaled_scores", "masked", real(2, 4, 5), real(2, 6, 5), real(4, 6), scale=2.0, causal=False)
row("scaled_scores", "causal", real(2, 4, 5), real(2, 1, 5), scale=0.5, causal=True)  # more keys: -inf, no difference
row("scaled_scores", "broadcast", real(2, 1, 4, 5), real(3, 6, 5), real(3, 1, 6), scale=-0.5, causal=False)
row("scaled_scores", "no-queries", real(2, 0, 5), real(2, 6, 5), scale=1.0, causal=False)
for _output in (0, 1):
    output_row("attend", "heads", real(2, 3, 4, 6), real(2, 3, 6, 5), output=_output)
    output_row("attend", "matrix", real(4, 6), real(6, 5), output=_output)
    output_row("attend", "masked", never_masked(2, 4, 6), real(2, 6, 5), output=_output)
    output_row("attend", "far-apart", spread(2, 4, 6), real(2, 6, 5), output=_output)
    output_row(
        "attend",
        "dropped",
        real(2, 4, 6),
        real(2, 6, 5),
        exactly(2.0 * (np.arange(48) % 3 > 0).reshape(2, 4, 6)),
        output=_output,
    )

# --- how draws of gamma and beta move with their parameters

for _pattern, _shape in {"matrix": (2, 3), "0-d": (), "empty": (0, 3)}.items():
    _above = real(*_shape, domain=positive)
    for _order in (0, 1, 2):
        row("gamma_moment", f"{_pattern}-{_order}", _above, _above, order=_order)
    for _j, _k in ((0, 0), (1, 0), (0, 1), (1, 2)):
        row("beta_moment", f"{_pattern}-{_j}-{_k}", _above, _above, real(*_shape, domain=unit), j=_j, k=_k)
row("gamma_moment", "broadcast", real(3, 1, domain=positive), real(4, domain=positive), order=1)
row("beta_moment", "broadcast", real(3, 1, domain=positive), real(4, domain=positive), real(4, domain=unit), j=1, k=0)

# --- recurrent layers and embeddings

for _pattern, _length, _m, _n, _reverse in (
    ("forward", 3, 2, 2, False),
    ("reverse", 3, 2, 2, True),
    ("one-step", 1, 2, 1, False),
    ("no-samples", 2, 0, 2, False),
):
    _X, _H, _C, _A, _V, _h = (
        (_length, _m, 3), (_length, _m, _n), (_length, _n, _m), (_length, 4 * _n, _m), (4 * _n, _n), (_m, _n)
    )  # fmt: skip
    _weights = (real(4 * _n, 3), real(*_V), real(*_h), real(*_h))
    for _output in (0, 1, 2):
        for _name, _bias in ((_pattern, (real(4 * _n),)), (f"{_pattern}-without-bias", ())):
            output_row("lstm_steps", _name, real(*_X), *_weights, *_bias, output=_output, reverse=_reverse)
        _cotangents = (real(*_H), real(*_C), real(*_A))
        _state = (real(*_A, domain=unit), real(*_C), real(*_V), real(*_h))
        output_row("lstm_pull", _pattern, *_cotangents, *_state, output=_output, reverse=_reverse)
        output_row("lstm_pull", f"{_pattern}-of-H", real(*_H), 0.0, 0.0, *_state, output=_output, reverse=_reverse)
    for _output in (0, 1):
        for _name, _biases in ((_pattern, (real(3 * _n), real(3 * _n))), (f"{_pattern}-without-bias", ())):
            _given = (real(*_X), real(3 * _n, 3), real(3 * _n, _n), real(*_h), *_biases)
            output_row("gru_steps", _name, *_given, output=_output, reverse=_reverse)
        _state = (real(*_A, domain=unit), real(*_H), real(3 * _n, _n), real(*_h))
        output_row("gru_pull", _pattern, real(*_H), real(*_A), *_state, output=_output, reverse=_reverse)
        output_row("gru_pull", f"{_pattern}-of-H", real(*_H), 0.0, *_state, output=_output, reverse=_reverse)
row("embed", "repeated", real(4, 3), exactly([1, 2, 1, 3]))
row("embed", "many", real(3, 2), exactly([1, 2, 1, 0, 0, 1]))
row("embed", "none", real(3, 2), exactly([], np.int64))
row("divided_back", "by-1", real(3, 2), exactly([1.0, 1.0, 1.0]))  # by 1 it is a derivative
row("frequency", "some", exactly([1, 2, 1, 3]), n=5)
row("largest_of_bag", "three", distinct(5, 2), exactly([0, 0, 2, 2, 2]), count=4)
row("largest_of_bag", "ties", exactly([[1.0], [1.0], [0.0]]), exactly([0, 0, 1]), count=2)
row("largest_of_bag", "empty", real(0, 2), exactly([], np.int64), count=2)
row("labels_within", "labels", exactly([3, 0, 1]), first=0, n_classes=4)
row("labels_within", "and-minus-1", exactly([[3, -1], [0, 1]]), first=-1, n_classes=4)
for _pattern, _shape, _order in (
    ("square", (3, 3), [2, 0, 1]), ("tall", (4, 2), [3, 1, 0, 2]), ("wide", (2, 4), [1, 0]),
    ("stack", (2, 3, 3), [[2, 0, 1], [0, 2, 1]]),
):  # fmt: skip
    row(
        "packed_factors",
        _pattern,
        lambda rng, shape=_shape: 3 * np.eye(*shape[-2:]) + rng.random(shape),
        exactly(_order),
    )
# --- resizing

_RESIZED: dict[str, tuple[int, int, str, float | None, bool]] = {  # lengths before and after, kernel, scale, align
    "nearest-doubled": (3, 6, "nearest", None, False),
    "nearest-fewer": (5, 3, "nearest", 0.7, False),
    "nearest-exact": (3, 4, "nearest-exact", None, False),
    "linear-doubled": (3, 6, "linear", 2.0, False),
    "linear-aligned": (4, 7, "linear", None, True),
    "linear-fewer": (6, 2, "linear", None, False),
    "linear-of-one": (1, 3, "linear", None, False),
    "cubic-more": (4, 6, "cubic", 1.7, False),
    "cubic-aligned": (5, 3, "cubic", None, True),
}
for _pattern, (_n, _m, _kernel, _scale, _align) in _RESIZED.items():
    for _along, _before, _after in ((1, (2, _n), (2, _m)), (0, (_n, 2), (_m, 2))):
        _how = {"axis": _along, "kernel": _kernel, "scale": _scale, "align": _align}
        row("resample", f"{_pattern}-{_along}", real(*_before), count=_m, **_how)
        row("collect", f"{_pattern}-{_along}", real(*_after), count=_n, **_how)
row("resample", "empty", real(0, 3), axis=1, count=5, kernel="linear", scale=None, align=False)
row("collect", "empty", real(0, 5), axis=1, count=3, kernel="linear", scale=None, align=False)

# --- draws: what numbers of the generator become

row("in_exchanged_order", "three-words", exactly([7, 0, 5]), n=4)
row("in_exchanged_order", "none", exactly([], np.int64), n=0)
row("at_shares", "rows", exactly([[1.0, 2, 1], [0, 1, 3]]), exactly([[0.1, 0.9], [0.2, 0.25]]))
row("first_to_ring", "rows", exactly([[1.0, 2, 1], [0, 1, 3]]), exactly([[0.5, 3, 0.1], [1, 1, 1.5]]), count=2)
row("onto_range", "float64", real(5), low=-1.5, high=2.0)

# --- numbers in rows between two tensors

row("evenly_spaced", "floats", exactly(0.5), exactly(2.0), steps=5, whole=False, dtype=np.dtype("float32"))
row("evenly_spaced", "whole", exactly(0.5), exactly(7.9), steps=4, whole=True, dtype=np.dtype("int64"))
row("spaced_by_ratios", "twos", exactly(1.0), exactly(4.0), steps=4, base=2.0, whole=False, dtype=np.dtype("float64"))

# --- LU's order of rows

for _which in (0, 1):
    output_row("pivoting", "stack", real(2, 3, 4), output=_which, pivot=True)
    output_row("pivoting", "none", real(3, 2), output=_which, pivot=False)
row("order_of", "exchanges", exactly([[3, 3, 3], [1, 3, 3]], np.int32), n=3)

# --- what stays of numbers put at an index

row("last_written", "twice", exactly([2, 0, 2, -3]), key=(Slot(0),), shape=(3,), wanted=(4,))
row("last_written", "rows", exactly([1, 1]), key=(slice(None), Slot(0)), shape=(2, 3), wanted=(2, 2))
