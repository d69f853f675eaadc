"""Scans, products and integrals against PyTorch: values, gradients, second gradients; zeros, ties, odd numbers."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from .test_ops_torch import compare, numbers  # noqa: E402  # that file skips itself where PyTorch is absent

nan, inf = float("nan"), float("inf")
both = pytest.mark.parametrize("dtype", ["float32", "float64"])
SHAPES = {(5,): (0, -1), (3, 4): (0, 1, -2), (2, 3, 4): (1,), (3, 1): (1,), (0, 3): (0, 1), (): (0, -1)}
SCANS = ("cumsum", "cumprod", "logcumsumexp", "cummax", "cummin")


@both
@pytest.mark.parametrize("name", SCANS)
def test_scan_of_every_shape(name, dtype, rng):
    """Over each axis, of empty and 0-d tensors too."""
    for shape, dims in SHAPES.items():
        for dim in dims:
            x = np.asarray(rng.standard_normal(shape))
            # of one element logcumsumexp is that element: a second gradient is 0, there up to rounding
            orders = 1 if name == "logcumsumexp" and shape in ((), (3, 1)) else 2
            compare(lambda lib, x, dim=dim: getattr(lib.m, name)(x, dim), [x], dtype, orders)
            compare(lambda lib, x, dim=dim: getattr(x, name)(dim=dim), [x], dtype, orders=0)


@both
def test_scan_over_large_slices(dtype, rng):
    """An axis with 64 and more elements behind it is scanned slice by slice, with the same results."""
    x = rng.standard_normal((3, 4, 80))
    for name in SCANS:
        for dim in (0, 1):
            compare(lambda lib, x, n=name, dim=dim: getattr(lib.m, n)(x, dim), [x], dtype)
    for name in ("cumsum", "cumprod"):
        compare(lambda lib, x, n=name: getattr(lib.m, n)(x, 0), [np.arange(240, dtype=np.uint8).reshape(3, 80)], dtype)


@both
def test_cumprod_of_zeros(dtype):
    """No zero, one, two and only zeros in a line: values and first gradients are PyTorch's."""
    x = np.array([[1.5, -2.0, 0.5, 3.0], [1.5, 0.0, 0.5, 3.0], [0.0, 2.0, 0.0, 3.0], [0.0, 0.0, 0.0, 0.0]])
    for dim in (0, 1):
        compare(lambda lib, x, dim=dim: lib.m.cumprod(x, dim), [x], dtype, orders=2)


@both
def test_prod_of_every_shape(dtype, rng):
    """Of all elements and over a dim, with keepdim, of empty and 0-d tensors too."""
    for shape, dims in SHAPES.items():
        x = np.asarray(rng.standard_normal(shape))
        compare(lambda lib, x: lib.m.prod(x), [x], dtype)
        for dim in dims:
            for keep in (False, True):
                compare(lambda lib, x, dim=dim, keep=keep: lib.m.prod(x, dim, keep), [x], dtype)


@both
def test_prod_and_extremes_of_odd_scalars(dtype):
    """A 0-d tensor is its own product and extreme, infinite or not a number too, and its gradient passes."""
    for value in (inf, nan, 0.0, -2.0):
        for name in ("prod", "max", "min"):
            compare(lambda lib, x, n=name: getattr(x, n)(0), [np.asarray(value)], dtype)


@both
def test_prod_of_zeros(dtype):
    """First gradients with no, one, two and three zeros in a line; second ones with at most one."""
    x = np.array([[1.5, -2.0, 0.5], [1.5, 0.0, 0.5], [0.0, 2.0, 0.0], [0.0, 0.0, 0.0]])
    for dim in (0, 1):
        compare(lambda lib, x, dim=dim: lib.m.prod(x, dim), [x], dtype, orders=1)
    compare(lambda lib, x: lib.m.prod(x), [x], dtype, orders=1)
    compare(lambda lib, x: lib.m.prod(x, 1), [x[:2]], dtype)


def test_prod_of_two_zeros_has_the_right_second_gradient():
    """d2/dx1 dx3 of x1 x2 x3 is x2 where x1 = x3 = 0, over all elements too, where PyTorch gives 0."""
    for reduce in (lambda x: x.prod(), lambda x: x.prod(0), lambda x: x.cumprod(0)[-1]):
        x = tg.tensor([0.0, 2.0, 0.0], requires_grad=True)
        (first,) = tg.autograd.grad(reduce(x), x, create_graph=True)
        assert_array_equal(first.detach().numpy(), [0, 0, 0])
        (second,) = tg.autograd.grad(first[0], x, create_graph=True)
        assert_array_equal(second.detach().numpy(), [0, 0, 2])
        (third,) = tg.autograd.grad(second[2], x)
        assert_array_equal(third.numpy(), [0, 1, 0])


def test_scans_of_integers_and_truths():
    """Sums and products are int64; extremes keep the dtype."""
    for values in (np.array([3, -1, 2], np.int32), np.array([3, 200, 100], np.uint8), np.array([True, False, True])):
        for name in ("cumsum", "cumprod", "cummax", "cummin"):
            compare(lambda lib, x, name=name: getattr(lib.m, name)(x, 0), [values], "float64")
        compare(lambda lib, x: lib.m.prod(x), [values], "float64")
    compare(lambda lib, x: x.cumsum(0, dtype=lib.m.float32), [np.array([1, 2])], "float64")
    compare(lambda lib, x: x.prod(dtype=lib.m.float64), [np.array([1, 2])], "float64")


@both
def test_running_extremes_of_ties_and_nan(dtype):
    """Of equal elements the later counts; a NaN stays, at its place."""
    x = np.array([[1.0, 3.0, 3.0, 2.0, 3.0], [2.0, nan, 5.0, nan, 1.0], [-inf, -inf, 0.0, inf, inf]])
    for name in ("cummax", "cummin"):
        compare(lambda lib, x, name=name: getattr(lib.m, name)(x, 1), [x], dtype)


def test_logcumsumexp_far_apart():
    """Elements from -1000 to 1000 neither overflow nor vanish; -inf adds nothing and has gradient 0 (there NaN)."""
    for x in ([-1000.0, 0.0, 1000.0, 999.0], [1000.0, -1000.0, 3.0], [nan, 1.0]):
        compare(lambda lib, x: lib.m.logcumsumexp(x, 0), [np.array(x)], "float64", orders=1)
    x = np.array([-inf, -inf, 1.0, 2.0, -inf])
    compare(lambda lib, x: lib.m.logcumsumexp(x, 0), [x], "float32", orders=0)
    t = tg.tensor(x, requires_grad=True)
    (slope,) = tg.autograd.grad(t.logcumsumexp(0)[2:].sum(), t)
    ratio = np.exp(-1) / (1 + np.exp(-1))  # of exp(1) in exp(1) + exp(2), which two of the results have
    assert_allclose(slope.numpy(), [0, 0, 1 + 2 * ratio, 2 - 2 * ratio, 0], rtol=1e-14)


def test_in_place_scans():
    """cumsum_ and cumprod_ store the result in the tensor."""
    x = tg.tensor([1.0, 2.0, 3.0])
    assert x.cumsum_(0) is x
    assert_array_equal(x.numpy(), [1, 3, 6])
    assert_array_equal(x.cumprod_(0).numpy(), [1, 3, 18])


@both
def test_diff(dtype, rng):
    """Of every order and axis, with prepend and append, and more differences than elements."""
    x = rng.standard_normal((3, 4))
    for n in (0, 1, 2, 5):
        for dim in (0, -1):
            compare(lambda lib, x, n=n, dim=dim: lib.m.diff(x, n, dim), [x], dtype)
    ends = [x, rng.standard_normal((3, 2)), rng.standard_normal((3, 1))]
    compare(lambda lib, x, a, b: lib.m.diff(x, prepend=a, append=b), ends, dtype)
    for values in (np.array([True, False, False]), np.array([3, 1], np.uint8)):
        compare(lambda lib, x: x.diff(), [values], dtype)


@both
def test_trapezoids(dtype, rng):
    """Over equal steps, over points of the axis and points of every line; of one point and of none."""
    for name in ("trapezoid", "cumulative_trapezoid"):
        y = rng.standard_normal((3, 4))
        for dim in (0, 1, -1):
            for dx in (None, 2, 0.5):
                given = {} if dx is None else {"dx": dx}
                compare(lambda lib, y, n=name, d=dim, g=given: getattr(lib.m, n)(y, dim=d, **g), [y], dtype)
        compare(lambda lib, y, x, n=name: getattr(lib.m, n)(y, x), [y, rng.standard_normal(4)], dtype)
        compare(lambda lib, y, x, n=name: getattr(lib.m, n)(y, x, dim=0), [y, rng.standard_normal(3)], dtype)
        compare(lambda lib, y, x, n=name: getattr(lib.m, n)(y, x), [y, rng.standard_normal((3, 4))], dtype)
        stack = rng.standard_normal((2, 3, 4))
        compare(lambda lib, y, x, n=name: getattr(lib.m, n)(y, x), [stack, rng.standard_normal((3, 4))], dtype)
        compare(lambda lib, y, n=name: getattr(lib.m, n)(y), [rng.standard_normal(1)], dtype)
        compare(lambda lib, y, n=name: getattr(lib.m, n)(y), [np.array([1, 4, 2])], dtype)
    compare(lambda lib, y: lib.m.trapz(y, dim=0), [np.zeros((0, 3))], dtype)


REFUSED = [
    (lambda m, x: m.cumsum(x, 2), IndexError, "Dimension out of range"),
    (lambda m, x: m.prod(x, -3), IndexError, "Dimension out of range"),
    (lambda m, x: m.logcumsumexp(x.long(), 0), (RuntimeError, TypeError), "floating numbers are needed"),
    (lambda m, x: m.diff(x[0, 0]), RuntimeError, "at least one-dimensional"),
    (lambda m, x: m.diff(x, -1), RuntimeError, "order must be non-negative"),
    (lambda m, x: m.diff(x, prepend=x[0]), RuntimeError, "prepend or append"),
    (lambda m, x: m.trapezoid(x[0, 0]), IndexError, "has no dimensions"),
    (lambda m, x: m.trapezoid(x > 0), RuntimeError, "bool is not supported"),
    (lambda m, x: m.trapezoid(x, x, dx=2), TypeError, None),
    (lambda m, x: m.trapezoid(x, x[0, :2]), RuntimeError, "one `x` value for each sample point"),
]


@pytest.mark.parametrize(("call", "error", "text"), REFUSED)
def test_bad_arguments_are_refused_as_there(call, error, text):
    """PyTorch raises too; ours is of a class that catches it and says what is wrong."""
    with pytest.raises((RuntimeError, IndexError, TypeError, NotImplementedError)):
        call(torch, torch.ones(2, 3))
    with pytest.raises(error, match=text and re.escape(text)):
        call(tg, tg.ones(2, 3))


def test_numpy_functions_of_tensors(rng):
    """np.f of a Tensor has NumPy's meaning: axis=None flattens."""
    x = rng.standard_normal((3, 4))
    t = tg.tensor(x, requires_grad=True)
    for f in (
        np.cumsum,
        np.cumprod,
        np.prod,
        np.diff,
        np.trapezoid,
        lambda a: np.cumsum(a, axis=1),
        lambda a: np.prod(a, axis=(0, 1)),
        lambda a: np.prod(a, axis=0, keepdims=True),
        lambda a: np.multiply.reduce(a),
        lambda a: np.maximum.accumulate(a, axis=1),
        lambda a: np.minimum.accumulate(a),
        lambda a: np.logaddexp.accumulate(a, axis=1),
        lambda a: np.diff(a, n=2, axis=0),
    ):
        assert_allclose(numbers(f(t)), f(x), rtol=1e-14, atol=1e-14)  # sums may be taken in another order
        assert f(t).requires_grad
