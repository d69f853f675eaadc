"""Convolutions: sums written out, both ways of laying windows out, errors, and other readings of the rules."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_edu as te
from tinygrad_edu.nn import functional as F
from tinygrad_edu.ops import columns as columns_module
from tinygrad_edu.ops import correlation as correlation_module
from tinygrad_edu.ops.columns import Columns, Grid, Shifted
from tinygrad_edu.ops.correlation import correlation, kernel_correlation, transposed_correlation


def written_out(X, W, grid, count):
    """The definition: every element of X that an element of a window sees, zero outside."""
    stride, before, dilation, groups = grid
    (N, _, *image), (O, c, *window) = X.shape, W.shape
    Y = np.zeros((N, O, *count))
    for o, i, k, p in itertools.product(range(O), range(c), np.ndindex(*window), np.ndindex(*count)):
        q = tuple(s * b + d * a - z for s, b, d, a, z in zip(stride, p, dilation, k, before, strict=True))
        if all(0 <= a < n for a, n in zip(q, image, strict=True)):
            Y[(slice(None), o, *p)] += X[(slice(None), i + o // (O // groups) * c, *q)] * W[(o, i, *k)]
    return Y


GRIDS = {
    "plain": ((5, 4), (2, 3), Grid((1, 1), (0, 0), (1, 1)), (4, 2)),
    "framed unevenly": ((5, 4), (2, 3), Grid((1, 1), (2, 1), (1, 1)), (7, 5)),
    "cropped": ((5, 4), (2, 3), Grid((1, 1), (-1, -1), (1, 1)), (2, 1)),
    "dilated, in groups": ((7, 8), (2, 3), Grid((1, 1), (1, 2), (2, 3), 2), (7, 6)),
    "strided, dilated, in groups": ((7, 8), (2, 3), Grid((3, 2), (1, 2), (2, 1), 2), (3, 4)),
    "nothing of the image seen": ((2, 2), (1, 1), Grid((1, 1), (9, 9), (1, 1)), (2, 2)),
    "far beyond the image": ((2, 3), (2, 2), Grid((4, 4), (5, 1), (3, 1)), (4, 3)),
}


@pytest.fixture(params=[1, 10**9], ids=["samples last", "sample by sample"])
def layout(request, monkeypatch):
    """Both ways of laying out images with short rows."""
    monkeypatch.setattr(columns_module, "SEVERAL", request.param)


@pytest.mark.usefixtures("layout")
@pytest.mark.parametrize(("image", "window", "grid", "count"), GRIDS.values(), ids=GRIDS)
def test_correlation_is_the_sum_of_its_definition(image, window, grid, count, rng):
    """Small whole numbers, so that every sum is exact; windows may begin and end anywhere."""
    X = rng.integers(-3, 4, (2, 4, *image)).astype(float)
    W = rng.integers(-3, 4, (2, 4 // grid.groups, *window)).astype(float)
    assert_array_equal(correlation(X, W, grid=grid, shape=count), written_out(X, W, grid, count))


@pytest.mark.usefixtures("layout")
@pytest.mark.parametrize("filters", [6, 8])  # twice as many as channels of X: rows of Y are spread
@pytest.mark.parametrize(("image", "window", "grid", "count"), GRIDS.values(), ids=GRIDS)
def test_the_three_products_are_one_form(image, window, grid, count, filters, rng):
    """<Y, correlation(X, W)> = <X, transposed_correlation(Y, W)> = <W, kernel_correlation(X, Y)>."""
    X = rng.integers(-3, 4, (2, 4, *image)).astype(float)
    Y = rng.integers(-3, 4, (2, filters, *count)).astype(float)
    W = rng.integers(-3, 4, (filters, 4 // grid.groups, *window)).astype(float)
    form = np.sum(Y * correlation(X, W, grid=grid, shape=count))
    assert np.sum(X * transposed_correlation(Y, W, grid=grid, shape=image)) == form
    assert np.sum(W * kernel_correlation(X, Y, grid=grid, shape=window)) == form


@pytest.mark.usefixtures("layout")
@pytest.mark.parametrize("filters", [3, 8])
def test_a_bias_is_added_once(filters, rng):
    """To each channel of the result, however it is laid out."""
    X, W, b = rng.standard_normal((2, 4, 5, 6)), rng.standard_normal((filters, 4, 3, 3)), rng.standard_normal(filters)
    grid, b_of_X = Grid((1, 1), (1, 1), (1, 1)), rng.standard_normal(4)
    Y = correlation(X, W, grid=grid, shape=(5, 6))
    assert_array_equal(correlation(X, W, b, grid=grid, shape=(5, 6)), Y + b.reshape(-1, 1, 1))
    X = transposed_correlation(Y, W, grid=grid, shape=(5, 6))
    assert_array_equal(transposed_correlation(Y, W, b_of_X, grid=grid, shape=(5, 6)), X + b_of_X.reshape(-1, 1, 1))


@functools.cache
def small_correlations():
    """Images, kernels, cotangents and grids of one to three dimensions, with the results as the definition has them."""
    rng = np.random.default_rng(0)
    made = []
    for image, window in (((6, 5), (3, 2)), ((9,), (3,)), ((4, 3, 5), (2, 3, 2))):
        X = rng.integers(-3, 4, (3, 6, *image)).astype(float)
        W = rng.integers(-3, 4, (4 if len(window) < 3 else 12, 3, *window)).astype(float)
        for stride in (1, 2):
            ones = (1,) * len(image)
            grid = Grid((stride,) * len(image), ones, ones, 2)
            count = grid.fitting(image, window, ones)
            Y = rng.integers(-3, 4, (3, len(W), *count)).astype(float)
            made.append((X, W, Y, grid, written_out(X, W, grid, count)))
    return made


@pytest.mark.usefixtures("layout")
@pytest.mark.parametrize("tile", [1, 300, 10**6])
@pytest.mark.parametrize("buffer", [1, 3000, 10**7])
@pytest.mark.parametrize("short", [0, 10**9])
def test_results_do_not_depend_on_how_they_are_computed(tile, buffer, short, monkeypatch):
    """By rows or by samples, however samples and positions are split: exact, of small whole numbers."""
    for X, W, Y, grid, expected in small_correlations():
        with monkeypatch.context() as patched:
            patched.setattr(columns_module, "TILE", tile)
            patched.setattr(columns_module, "SHORT", short)
            patched.setattr(columns_module, "BUFFER", buffer)
            patched.setattr(columns_module, "WASTE", 10)
            patched.setattr(correlation_module, "SHORT_TILES", short)
            found = correlation(X, W, grid=grid, shape=expected.shape[2:])
            assert_array_equal(found, expected)
            form = np.sum(found * Y)
            assert np.sum(X * transposed_correlation(Y, W, grid=grid, shape=X.shape[2:])) == form
            assert np.sum(W * kernel_correlation(X, Y, grid=grid, shape=W.shape[2:])) == form


def test_how_windows_are_laid_out():
    """Shifted images need stride 1 and rows longer than windows; columns by rows need work enough for each row."""

    def both(image, window, stride, work):
        grid = Grid((stride, stride), (0, 0), (1, 1))
        count = grid.fitting(image, window, (0, 0))
        return Columns.rows_pay(count, grid, work), Shifted.serves(window, count, grid)

    assert both((32, 32), (3, 3), 1, 9 * 32) == (True, True)
    assert both((32, 32), (3, 3), 2, 9 * 32) == (True, False)
    assert both((32, 32), (30, 30), 1, 900) == (False, False)
    assert both((32, 32), (3, 3), 1, 9) == (False, True)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("groups", [1, 2])
def test_conv2d_equals_the_composition_it_replaces(stride, groups, rng):
    """Windows by F.unfold, a product per group, and the bias: the same values and gradients."""
    arrays = [rng.standard_normal(s) for s in ((2, 4, 6, 5), (6, 4 // groups, 3, 2), (6,))]
    found = []
    for compose in (False, True):
        X, W, b = (te.tensor(a, requires_grad=True) for a in arrays)
        if compose:
            V = F.unfold(X, (3, 2), padding=1, stride=stride)  # (N, C * 6, positions)
            V = V.reshape(2, groups, 4 // groups * 6, -1)
            Y = W.reshape(groups, 6 // groups, -1) @ V
            Y = Y.reshape(2, 6, (6 + 2 - 3) // stride + 1, -1) + b[:, None, None]
        else:
            Y = F.conv2d(X, W, b, stride=stride, padding=1, groups=groups)
        (Y * Y * Y).sum().backward()
        found.append([Y.detach().numpy(), X.grad.numpy(), W.grad.numpy(), b.grad.numpy()])
    for one, other in zip(*found, strict=True):
        assert_allclose(one, other, rtol=1e-12, atol=1e-11)  # float64 sums of some 100 terms in another order


def test_result_is_contiguous():
    """So that .view() works on it, as in PyTorch."""
    X, W = te.ones(2, 3, 5, 6), te.ones(4, 3, 3, 3)
    assert F.conv2d(X, W, padding=1).is_contiguous()
    assert F.conv2d(X, W, stride=2).is_contiguous()
    assert F.conv_transpose2d(X, te.ones(3, 4, 2, 2), stride=2).is_contiguous()


def test_large_inputs_need_little_beside_the_result():
    """The columns of an image exist for a few tiles at a time: 150 KB of image, 1.4 MB of columns, 2.4 MB held."""
    import tracemalloc

    X, W = np.ones((1, 3, 112, 112), np.float32), np.ones((1, 3, 3, 3), np.float32)
    grid = Grid((1, 1), (1, 1), (1, 1))
    tracemalloc.start()
    correlation(np.repeat(X, 20, axis=0), W, grid=grid, shape=(112, 112))
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held < 20 * X.nbytes + 20 * X.nbytes // 3 + 4e6  # the input, the result, buffers


def test_channels_that_do_not_fit_are_named():
    """Operation, shapes, what was expected, and the layout."""
    with pytest.raises(te.ShapeError) as error:
        F.conv2d(te.zeros(2, 4, 8, 8), te.zeros(6, 3, 3, 3))
    message = str(error.value)
    assert message.startswith("conv2d: ")
    assert "weight of size [6, 3, 3, 3], expected input[2, 4, 8, 8] to have 3 channels, but got 4 channels" in message
    assert "Images are (N, C, height, width)" in message


def test_window_larger_than_the_image_is_named():
    """The padded image, the window, and two ways out."""
    with pytest.raises(te.ShapeError, match=r"padded input size per channel: \(4, 4\). Kernel size: \(5, 5\)") as error:
        F.conv2d(te.zeros(1, 1, 2, 2), te.zeros(1, 1, 5, 5), padding=1)
    assert "add padding, or take a smaller kernel" in str(error.value)


def test_third_derivatives():
    """W of degree 3 through squares of a convolution: the derivatives are those of the polynomial."""
    w = te.tensor([[[1.5]]], dtype=te.float64, requires_grad=True)
    x = te.tensor([[[2.0]]], dtype=te.float64)
    y = F.conv1d(F.conv1d(F.conv1d(x, w), w), w).sum()  # x w^3
    for expected in (3 * 2.0 * 1.5**2, 6 * 2.0 * 1.5, 6 * 2.0):
        (y,) = te.autograd.grad(y, w, create_graph=True)
        y = y.sum()
        assert y.item() == pytest.approx(expected, rel=1e-15)
