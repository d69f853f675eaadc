"""Tensors put together, against PyTorch: values, promoted types, two orders of gradients, errors."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from .side_by_side import OURS, THEIRS, assert_equal, assert_refused_alike, compare, tensors  # noqa: E402

FULL, STACK = (4, 5), (2, 3, 4)

SAME = {
    "cat": [
        (lambda L, x, y: [L.m.cat([x, y]), L.m.concat((x, y), dim=0), L.m.cat([x, x], 1)], FULL, (2, 5)),
        (lambda L, x, y: L.m.cat([x, y], -1), (3, 0), (3, 2)),
        (lambda L, x, y: L.m.concatenate([x, y], axis=1), (3, 1), (3, 2)),
    ],
    "stack": [(lambda L, x, y: [L.m.stack([x, y]), L.m.stack((x, y), dim=-1)], FULL, FULL)],
    "hstack": [
        (lambda L, x, y: L.m.hstack([x, y]), (2, 3), (2, 1)),
        (lambda L, x, y: L.m.hstack((x, y)), (2,), (3,)),
        (lambda L, x, y: L.m.hstack((x, y)), (), (3,)),
    ],
    "vstack": [
        (lambda L, x, y: [L.m.vstack([x, y]), L.m.row_stack((y, x))], (3,), (2, 3)),
        (lambda L, x, y: L.m.vstack((x, y)), (), ()),
    ],
    "dstack": [
        (lambda L, x, y: L.m.dstack([x, y]), (2, 3), (2, 3)),
        (lambda L, x, y: L.m.dstack([x, y]), (3,), (1, 3, 2)),
        (lambda L, x: L.m.dstack([x]), ()),
    ],
    "column_stack": [
        (lambda L, x, y: L.m.column_stack([x, y]), (3,), (3, 2)),
        (lambda L, x, y: L.m.column_stack((x, y)), (), ()),
    ],
    "block_diag": [
        (lambda L, x, y, z: L.m.block_diag(x, y, z), (2, 3), (2,), ()),
        (lambda L, x: L.m.block_diag(x), (3,)),
        (lambda L, x, y: L.m.block_diag(x, y), (0, 2), (1, 1)),
    ],
    "atleast": [
        (lambda L, x: [L.m.atleast_1d(x), L.m.atleast_2d(x), L.m.atleast_3d(x)], ()),
        (lambda L, x: [L.m.atleast_1d(x), L.m.atleast_2d(x), L.m.atleast_3d(x)], (3,)),
        (lambda L, x, y: [L.m.atleast_1d(x, y), L.m.atleast_2d([x, y]), L.m.atleast_3d((x, y))], FULL, STACK),
    ],
    "meshgrid": [
        (lambda L, x, y: L.m.meshgrid(x, y, indexing="ij"), (3,), (2,)),
        (lambda L, x, y, z: L.m.meshgrid([x, y, z], indexing="xy"), (3,), (2,), (4,)),
        (lambda L, x, y: L.m.meshgrid(x, y), (3,), ()),
        (lambda L, x: L.m.meshgrid(x, indexing="xy"), (3,)),
    ],
    "cartesian_prod": [
        (lambda L, x, y, z: L.m.cartesian_prod(x, y, z), (2,), (3,), (2,)),
        (lambda L, x: L.m.cartesian_prod(x), (3,)),
    ],
}


@pytest.mark.parametrize("name", SAME)
def test_agrees_with_pytorch(name, rng):
    """Results, dtypes, requires_grad, gradients and second gradients are PyTorch's."""
    for function, *shapes in SAME[name]:
        compare(function, *shapes, rng=rng)


@pytest.mark.parametrize("name", ["cat", "stack", "hstack", "vstack", "dstack", "column_stack", "block_diag"])
def test_types_are_promoted_as_by_pytorch(name, rng):
    """Integers beside floats, two floats, booleans beside integers."""
    for one, other in (("int64", "float32"), ("float32", "float64"), ("bool", "int32"), ("int32", "int64")):
        x, y = (rng.integers(0, 5, (2, 3)).astype(d) for d in (one, other))
        found = []
        for L in (OURS, THEIRS):
            parts = L.make(x), L.make(y)
            found.append(L.m.block_diag(*parts) if name == "block_diag" else getattr(L.m, name)(parts))
        assert_equal(*found, f"{one} and {other}")


WRONG = {
    "cat": [
        (lambda L, x, y: L.m.cat([x, y]), FULL, (2, 4)),
        (lambda L, x: L.m.cat([]), FULL),
        (lambda L, x: L.m.cat([x, x]), ()),
        (lambda L, x: L.m.cat([x], 2), FULL),
    ],
    "stacks": [
        (lambda L, x, y: L.m.stack([x, y]), FULL, (2, 5)),
        (lambda L, x, y: L.m.hstack([x, y]), FULL, (2, 5)),
        (lambda L, x, y: L.m.vstack([x, y]), FULL, (2, 4)),
        (lambda L, x, y: L.m.dstack([x, y]), FULL, (2, 4)),
        (lambda L, x, y: L.m.column_stack([x, y]), FULL, (2, 4)),
        (lambda L, x: L.m.hstack([]), FULL),
        (lambda L, x: L.m.vstack([]), FULL),
        (lambda L, x: L.m.block_diag(x), STACK),
    ],
    "grids": [
        (lambda L, x: L.m.meshgrid(x, x), FULL),
        (lambda L, x: L.m.meshgrid(x, x, indexing="yx"), (3,)),
        (lambda L, x: L.m.meshgrid(x, x.float()), (3,)),
        (lambda L, x: L.m.meshgrid([]), (3,)),
        (lambda L, x: L.m.cartesian_prod(x, x), FULL),
    ],
}


@pytest.mark.parametrize("name", WRONG)
def test_is_refused_as_by_pytorch(name):
    """Bad arguments raise what a PyTorch script would catch."""
    for function, *shapes in WRONG[name]:
        assert_refused_alike(function, *shapes)


def test_nothing_joined_is_one_row_without_columns():
    """block_diag of nothing, as there."""
    assert_equal(*(tensors(L.m.block_diag())[0] for L in (OURS, THEIRS)), "nothing")


def test_grid_by_hand():
    """xy and ij, of two vectors, as written down."""
    x, y = (OURS.make(np.array(v)) for v in ([1, 2, 3], [10, 20]))
    first, second = OURS.m.meshgrid(x, y, indexing="xy")
    assert first.tolist() == [[1, 2, 3], [1, 2, 3]]
    assert second.tolist() == [[10, 10, 10], [20, 20, 20]]
    assert OURS.m.meshgrid(x, y, indexing="ij")[0].tolist() == [[1, 1], [2, 2], [3, 3]]
