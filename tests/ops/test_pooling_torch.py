"""Pooling against PyTorch: results, indices, gradients and second gradients over windows drawn at random."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from .side_by_side import assert_refused_alike, compare  # noqa: E402  # that file skips itself as well


def draw_windows(rng, dims):
    """A shape and windows that fit it: lengths, steps, padding, ceil_mode; batched or not."""
    size = rng.integers(1, 5, dims).tolist()
    step = rng.integers(1, 4, dims).tolist()
    padding = [int(rng.integers(0, k // 2 + 1)) for k in size]
    lengths = [int(rng.integers(k, k + 5)) for k in size]
    return (*(2,) * int(rng.integers(1, 3)), *lengths), size, step, padding, bool(rng.integers(2))


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("number", range(12))
def test_max_pooling_agrees(number, dims):
    """Values and indices exactly, of integers with many ties too, with dilation; gradients to second order."""
    rng = np.random.default_rng(number)
    shape, size, step, padding, ceil = draw_windows(rng, dims)
    x = rng.standard_normal(shape) if number % 2 else rng.integers(-2, 3, shape).astype(float)
    shape_wide = tuple(2 * n if i >= len(shape) - dims else n for i, n in enumerate(shape))
    wide = rng.integers(-2, 3, shape_wide).astype(float)

    def pool(L, x, dilation=1):
        return getattr(L.F, f"max_pool{dims}d")(x, size, step, padding, dilation, ceil, True)

    compare(pool, x.tolist(), rng=rng)
    compare(pool, x.tolist(), rng=rng, dtype="float64")
    compare(lambda L, x: pool(L, x, 2), wide.tolist(), rng=rng)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("number", range(12))
def test_average_pooling_agrees(number, dims):
    """With and without the padding in the divisor, and with a divisor of the caller's."""
    rng = np.random.default_rng(number)
    shape, size, step, padding, ceil = draw_windows(rng, dims)
    more = () if dims == 1 else (None if number % 3 else -3,)

    def pool(L, x):
        return getattr(L.F, f"avg_pool{dims}d")(x, size, step, padding, ceil, bool(number % 2), *more)

    compare(pool, shape, rng=rng, exact=False)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("number", range(8))
def test_adaptive_pooling_agrees(number, dims):
    """Fewer windows than elements, more, and None."""
    rng = np.random.default_rng(number)
    shape = (2, *rng.integers(1, 8, dims).tolist())
    size = [None if rng.random() < 0.1 else int(m) for m in rng.integers(1, 8, dims)] if dims > 1 else number + 1
    compare(lambda L, x: getattr(L.F, f"adaptive_avg_pool{dims}d")(x, size), shape, rng=rng, exact=False)
    x = rng.integers(-2, 3, shape).astype(float)
    compare(lambda L, x: getattr(L.F, f"adaptive_max_pool{dims}d")(x, size, return_indices=True), x.tolist(), rng=rng)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("power", [2, 3.0, 1.5, math.inf, -math.inf])
def test_power_pooling_agrees(power, dims, rng):
    """Every p, in ceil_mode with PyTorch's divisor; of positive numbers, where 1.5 is defined."""
    x = rng.uniform(0.1, 1, (2, 2, *(5, 4, 3)[:dims]))

    def pool(L, x):
        return getattr(L.F, f"lp_pool{dims}d")(x, power, 2, 2 if dims == 1 else None, True)

    compare(pool, x.tolist(), rng=rng, exact=False)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_unpooling_agrees(dims, rng):
    """By the indices of windows side by side, in the usual size and in one asked for."""
    shape = (2, 3, *(5, 7, 5)[:dims])

    def there_and_back(L, x, size=None):
        y, places = getattr(L.F, f"max_pool{dims}d")(x, 2, return_indices=True)
        return getattr(L.F, f"max_unpool{dims}d")(y, places, 2, output_size=size)

    compare(there_and_back, (*shape[:2], *(4,) * dims), rng=rng)
    compare(lambda L, x: there_and_back(L, x, shape[2:]), shape, rng=rng)
    compare(lambda L, x: there_and_back(L, x, shape), shape, rng=rng)


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_other_types_agree(dtype, rng):
    """float32 stays; integers have maxima, and means that are rounded towards zero."""
    x = rng.integers(-9, 10, (1, 2, 5, 6)).astype(dtype)
    for function in (
        lambda L, x: L.F.max_pool2d(x, 3, 2, 1, return_indices=True),
        lambda L, x: L.F.avg_pool2d(x, 2, divisor_override=-3 if dtype == "int64" else 4),
    ):
        theirs, ours = (function(L, L.make(x)) for L in _libraries())
        for a, b in zip(*(y if isinstance(y, tuple) else (y,) for y in (theirs, ours)), strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
            assert a.numpy().dtype == b.numpy().dtype


def _libraries():
    from .side_by_side import OURS, THEIRS

    return THEIRS, OURS


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_nan_and_infinity_agree(share, rng):
    """Values, indices and gradients with NaN and infinities strewn in, windows overlapping and side by side."""
    x = rng.standard_normal((2, 6, 6))
    x[rng.random(x.shape) < share] = np.nan
    x[rng.random(x.shape) < share] = -np.inf
    for step in (1, 2, 3):
        for function in (
            lambda L, x, s=step: L.F.max_pool2d(x, 3, s, 1, return_indices=True),
            lambda L, x: L.F.adaptive_max_pool2d(x, (4, 5), return_indices=True),
        ):
            found = []
            for L in _libraries():
                leaf = L.leaf(x)
                y, places = function(L, leaf)
                y.backward(L.make(np.arange(1.0, 1 + math.prod(y.shape)).reshape(tuple(y.shape))))
                found.append((y.detach().numpy(), places.numpy(), leaf.grad.numpy()))
            for a, b in zip(*found, strict=True):
                np.testing.assert_array_equal(a, b)


def test_empty_batches_agree(rng):
    """No samples: no results, of the right shape."""
    for function in (
        lambda L, x: L.F.max_pool2d(x, 2, return_indices=True),
        lambda L, x: L.F.avg_pool2d(x, 2),
        lambda L, x: L.F.adaptive_avg_pool2d(x, 3),
        lambda L, x: L.F.adaptive_max_pool2d(x, 3),
    ):
        compare(function, (0, 2, 4, 4), rng=rng)


REFUSED = {
    "max_pool2d": [((4, 4), (2,)), ((1, 1, 1, 4, 4), (2,)), ((1, 4, 4), (5,)), ((1, 4, 4), (0,)), ((1, 4, 4), (2, 0)),
                   ((1, 4, 4), (2, 2, 2)), ((1, 4, 4), (2, 2, -1)), ((1, 4, 4), ((2, 2, 2),)), ((1, 4, 4), (2.0,)),
                   ((1, 0, 4, 4), (2,)), ((1, 4, 4), (2, 2, 0, 0)), ((1, 4, 4), (3, 1, 2, 2))],
    "max_pool1d": [((4,), (2,)), ((1, 4), (5,)), ((1, 4), (2, 0)), ((1, 4), (2, 2, 2)), ((1, 1, 1, 4), (2,))],
    "avg_pool2d": [((1, 4, 4), (5,)), ((1, 4, 4), (2, 2, 2)), ((1, 4, 4), (2, 2, 0, False, True, 0))],
    "avg_pool3d": [((1, 1, 4, 4), (2, 2, 1))],
    "adaptive_avg_pool2d": [((4, 4), (2,)), ((1, 4, 4), ((2, 2, 2),)), ((1, 4, 4), (-1,)), ((1, 0, 4), (2,))],
    "adaptive_max_pool2d": [((4, 4), (2,)), ((1, 4, 4), (-1,)), ((1, 0, 4), (2,))],
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_pytorch_refuses_is_refused(name):
    """By an exception that whoever catches PyTorch's also catches."""
    for shape, arguments in REFUSED[name]:
        assert_refused_alike(lambda L, x, a=arguments: getattr(L.F, name)(x, *a), shape)


def test_unpooling_refuses_alike():
    """Indices of another type, shape or range, and sizes that cannot have been."""
    x, places = (1, 2, 2), [[[0, 1], [2, 3]]]
    for bad in ([[[0.0, 1.0], [2.0, 3.0]]], [[[0], [1]]], [[[0, 1], [2, 99]]], [[[0, 1], [2, -1]]]):
        assert_refused_alike(lambda L, x, i: L.F.max_unpool2d(x, i, 2), x, bad)
    for size in ((9, 9), (5,), (4, 1)):
        assert_refused_alike(lambda L, x, i, s=size: L.F.max_unpool2d(x, i, 2, output_size=s), x, places)


def test_library_s_own_names_agree(rng):
    """torch.max_pool2d and its like stand beside those of nn.functional."""
    x = (2, 3, 6)
    compare(lambda L, x: L.m.max_pool1d(x, 2), x, rng=rng)
    compare(lambda L, x: L.m.max_pool1d_with_indices(x, 3, 1), x, rng=rng)
    compare(lambda L, x: L.m.max_pool2d(x, 2, (), 1), x, rng=rng)
    compare(lambda L, x: L.m.max_pool3d(x[None], 2, 1), x, rng=rng)
    compare(lambda L, x: L.m.avg_pool1d(x, 2), x, rng=rng, exact=False)
    compare(lambda L, x: L.m.adaptive_avg_pool1d(x, 4), x, rng=rng, exact=False)
    compare(lambda L, x: L.m.adaptive_max_pool1d(x, 4), x, rng=rng)
