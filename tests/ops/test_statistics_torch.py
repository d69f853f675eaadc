"""Norms and statistics against PyTorch: values, gradients, second gradients; ties, zeros, NaN, empty."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_edu as tg
from tinygrad_edu.ops.norm import vector_norm

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from .test_ops_torch import compare, numbers  # noqa: E402  # that file skips itself where PyTorch is absent

nan, inf = float("nan"), float("inf")
both = pytest.mark.parametrize("dtype", ["float32", "float64"])
ORDERS = (0, 0.5, 1, 1.5, 2, 3, -1, -2.5, inf, -inf)


def norm_of(lib, x, *args, **kwargs):
    return (vector_norm if lib.m is tg else torch.linalg.vector_norm)(x, *args, **kwargs)


# --- norms


@both
@pytest.mark.parametrize("p", ORDERS)
def test_vector_norm(p, dtype, rng):
    """Of every order: over all axes, one and two, kept and not, of a 0-d tensor."""
    x = rng.uniform(0.3, 2, (2, 3, 4)) * rng.choice([-1.0, 1.0], (2, 3, 4))
    orders = 1 if p == 0 else 2  # PyTorch stops after the first
    for dim in (None, 1, (0, -1)):
        for keep in (False, True):
            compare(lambda lib, x, d=dim, k=keep: norm_of(lib, x, p, d, k), [x], dtype, orders)
    compare(lambda lib, x: norm_of(lib, x, p), [np.asarray(-1.5)], dtype, orders=1)  # a second one is only rounding
    compare(lambda lib, x: lib.m.norm(x, p, 1), [x], dtype, orders=1)
    compare(lambda lib, x: x.norm(p), [x], dtype, orders=1)
    compare(
        lambda lib, x, y: lib.m.dist(x, y, p), [x, rng.standard_normal(4)], dtype, 2 if p else 0
    )  # there p = 0 fails
    if p >= 0 and p != inf:
        compare(lambda lib, x: norm_of(lib, x, p), [np.zeros((0, 3))], dtype, orders=1)
    compare(lambda lib, x: norm_of(lib, x, p, 1), [np.zeros((0, 3))], dtype, orders=1)


@both
@pytest.mark.parametrize("p", ORDERS)
def test_norm_at_zero(p, dtype):
    """Lines with one zero, with zeros only, and with ties of the largest: the gradient is PyTorch's."""
    x = np.array([[0.0, 1.0, -2.0], [0.0, 0.0, 0.0], [2.0, -2.0, 1.0]])
    compare(lambda lib, x: norm_of(lib, x, p, 1), [x], dtype, orders=1)


@both
def test_norm_names_and_types(dtype, rng):
    """p is 'fro' unless given, dtype= converts first, renorm scales what is too long."""
    x = rng.standard_normal((3, 4))
    compare(lambda lib, x: lib.m.norm(x), [x], dtype)
    compare(lambda lib, x: lib.m.norm(x, "fro", dim=(0, 1), keepdim=True), [x], dtype)
    compare(lambda lib, x: lib.m.norm(x, 3, dtype=lib.m.float64), [x], dtype, orders=1)
    for p in (1, 2, inf):
        for dim in (0, 1):
            compare(lambda lib, x, p=p, dim=dim: lib.m.renorm(x, p, dim, 1.5), [x], dtype)


# --- sums and means of some elements


@both
def test_nansum_and_nanmean(dtype):
    """NaN is left out; a line of NaN has sum 0 and mean NaN."""
    x = np.array([[1.0, nan, 2.0], [nan, nan, nan], [3.0, -1.0, 0.5]])
    for name in ("nansum", "nanmean"):
        for args in ((), (1,), (0, True), ((0, 1),)):
            compare(lambda lib, x, n=name, a=args: getattr(lib.m, n)(x, *a), [x], dtype)
    compare(lambda lib, x: x.nansum(), [np.array([1, 2])], dtype)


@both
def test_aminmax_var_mean_std_mean_count_nonzero(dtype, rng):
    """Two results at once, and a count."""
    x = rng.standard_normal((3, 4))
    tied = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [0.0, -1.0, 0.0]])
    for values in (x, tied):
        compare(lambda lib, x: lib.m.aminmax(x), [values], dtype)
        compare(lambda lib, x: x.aminmax(dim=1, keepdim=True), [values], dtype)
        compare(lambda lib, x: lib.m.count_nonzero(x), [values], dtype)
        compare(lambda lib, x: x.count_nonzero(dim=1), [values], dtype)
        for name in ("var_mean", "std_mean"):
            compare(lambda lib, x, n=name: getattr(lib.m, n)(x), [x], dtype)
            compare(lambda lib, x, n=name: getattr(lib.m, n)(x, 1), [x], dtype)
            compare(lambda lib, x, n=name: getattr(lib.m, n)(x, dim=(0, 1), correction=0, keepdim=True), [x], dtype)
    result = tg.aminmax(tg.tensor([3.0, 1.0]))
    assert (result.min.item(), result.max.item()) == (1.0, 3.0)


# --- order statistics

LINES = np.array([[3.0, 1.0, 2.0, 5.0, 4.0], [0.5, -1.0, 7.0, 2.5, -3.0]])
MISSING = np.array([[3.0, nan, 2.0, 5.0], [nan, nan, nan, nan], [0.5, -1.0, 7.0, 2.5]])


@both
@pytest.mark.parametrize("name", ["median", "nanmedian"])
def test_medians(name, dtype):
    """The lower median, where it lies, and its gradient; of even and odd numbers, NaN, empty and 0-d."""
    for x in (LINES, LINES[:, :4], MISSING, np.asarray(2.0)):
        compare(lambda lib, x: getattr(lib.m, name)(x), [x], dtype)
        only_nan = x is MISSING and name == "nanmedian"  # the second line's place is then anyone's
        results, orders = (1, 0) if only_nan else (2, 2)
        compare(lambda lib, x, n=results: getattr(x, name)(-1, True)[:n], [x], dtype, orders)
        compare(lambda lib, x: getattr(lib.m, name)(x, dim=0), [x], dtype)
    compare(lambda lib, x: getattr(lib.m, name)(x), [np.zeros((0, 3))], dtype, orders=0)
    compare(lambda lib, x: getattr(lib.m, name)(x, 1), [np.zeros((0, 3))], dtype)
    compare(lambda lib, x: getattr(lib.m, name)(x, 0), [np.array([3, 1, 2, 2])], dtype, orders=0)
    compare(lambda lib, x: getattr(lib.m, name)(x), [np.array([1.0, 2.0, 2.0, 3.0, 2.0])], dtype)  # equal ones share


@both
def test_mode(dtype):
    """The most frequent element, the smallest of several, and where it lies last."""
    x = np.array([[1.0, 2.0, 2.0, 1.0, 3.0], [4.0, 4.0, 4.0, 0.0, 0.0], [5.0, 4.0, 3.0, 2.0, 1.0]])
    for values in (x, x.astype(np.int64), np.array([[nan, nan, 1.0], [nan, 1.0, 1.0]]), x > 2, np.asarray(2.0)):
        for dim, keep in ((-1, False), (0, True)):
            compare(lambda lib, x, d=dim, k=keep: lib.m.mode(x, d, k), [values], dtype)
    compare(lambda lib, x: x.mode(0).values, [np.random.default_rng(3).integers(0, 6, (40, 7))], dtype)


@both
@pytest.mark.parametrize("how", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_quantiles(how, dtype, rng):
    """One q and several, over all elements and over a dim; q has a gradient as well."""
    for name in ("quantile", "nanquantile"):
        for x in (LINES, MISSING, rng.standard_normal((2, 3, 4))):
            for q in (0, 0.3, 1.0, np.array(0.45), np.array([0.0, 0.21, 0.5, 1.0])):
                for dim, keep in ((None, False), (None, True), (0, False), (-1, True)):
                    compare(
                        lambda lib, x, q, n=name, d=dim, k=keep: getattr(lib.m, n)(x, q, d, k, interpolation=how),
                        [x, q],
                        dtype,
                        orders=2 if dim == -1 else 1,
                    )
        compare(lambda lib, x, n=name: getattr(x, n)(0.3), [np.asarray(2.0)], dtype)
        x = np.array([-inf, 0.0, 1.0, inf])
        compare(lambda lib, x, q, n=name: getattr(lib.m, n)(x, q), [x, np.array([0.1, 0.3, 0.5, 0.9])], dtype, orders=0)


def test_truths_of_bytes_and_extremes_of_truths():
    """any and all of uint8 are uint8; argmax of booleans is refused, as there."""
    for name in ("any", "all"):
        compare(lambda lib, x, n=name: getattr(x, n)(), [np.array([3, 0], np.uint8)], "float64")
        compare(lambda lib, x, n=name: getattr(x, n)(0), [np.array([3, 0])], "float64")
    with pytest.raises(RuntimeError, match="argmax: not of booleans"):
        tg.tensor([True, False]).argmax()


# --- covariance


@both
def test_cov_and_corrcoef(dtype, rng):
    """Of matrices, vectors and numbers; corrections and both kinds of weights."""
    x, counts, weights = rng.standard_normal((3, 5)), np.array([1, 2, 0, 3, 1]), rng.uniform(0.2, 1, 5)
    for values in (x, x[0], x[:1], x[:, :2]):
        compare(lambda lib, x: lib.m.cov(x), [values], dtype)
        compare(lambda lib, x: lib.m.cov(x, correction=0), [values], dtype)
        exact = values.ndim == 1 or 1 in values.shape or 2 in values.shape  # 1 and -1, with gradients of rounding
        compare(lambda lib, x: lib.m.corrcoef(x), [values], dtype, orders=0 if exact else 2)
    compare(lambda lib, x: lib.m.cov(x), [np.array([[1, 2, 4], [3, 1, 1]])], "float32")  # which it computes in
    compare(lambda lib, x, f: lib.m.cov(x, fweights=f), [x, counts], dtype)
    compare(lambda lib, x, a: x.cov(aweights=a), [x, weights], dtype)
    compare(lambda lib, x, f, a: x.cov(fweights=f, aweights=a, correction=2), [x, counts, weights], dtype)
    compare(lambda lib, x, f, a: x.cov(fweights=f, aweights=a, correction=0), [x, counts, weights], dtype)


# --- counts


@both
def test_histc(dtype, rng):
    """Of a given range and of the data's; borders, what lies outside, equal elements, none."""
    for values in (rng.standard_normal(200), np.arange(11.0) / 10, rng.integers(0, 9, 60) * 1.0, np.ones(3)):
        for bins, low, high in ((7, 0, 0), (10, 0, 1), (4, -0.5, 0.75), (3, 0, 8)):
            compare(lambda lib, x, a=(bins, low, high): lib.m.histc(x, *a), [values], dtype, orders=0)
    compare(lambda lib, x: x.histc(bins=3), [np.zeros(0)], dtype, orders=0)
    compare(lambda lib, x: x.histc(3, min=-1, max=2), [np.array([nan, inf, 0.5])], dtype, orders=0)


def test_bincount(rng):
    """Counts are int64; weighted, float32 if the weights are, else float64."""
    x = rng.integers(0, 9, 50)
    compare(lambda lib, x: lib.m.bincount(x), [x], "float64")
    compare(lambda lib, x: x.bincount(minlength=20), [x.astype(np.uint8)], "float64")
    compare(lambda lib, x: lib.m.bincount(x, minlength=3), [x[:0]], "float64")
    weights = rng.standard_normal(50)
    for w in (x, weights):
        compare(lambda lib, x, w: lib.m.bincount(x, w), [x, w], "float64", orders=0) if w is x else None
    for kind in ("float32", "float64"):
        ours = tg.bincount(tg.tensor(x), tg.tensor(weights.astype(kind)))
        theirs = torch.bincount(torch.from_numpy(x), torch.from_numpy(weights.astype(kind)))
        assert str(ours.dtype) == kind
        # up to ten terms of order 1 per place, which PyTorch may add up in the precision of the result
        assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5 if kind == "float32" else 1e-12, atol=1e-6)


# --- what is refused

REFUSED = [
    (lambda m, x: m.norm(x.long()), RuntimeError, "floating point"),
    (lambda m, x: m.norm(x, "foo"), RuntimeError, "Order foo not supported"),
    (lambda m, x: m.norm(x[:0], inf), RuntimeError, "does not have an identity"),
    (lambda m, x: m.renorm(x, -1, 0, 1), RuntimeError, "p must be positive"),
    (lambda m, x: m.renorm(x[0], 2, 0, 1), RuntimeError, "at least 2 dimensions"),
    (lambda m, x: m.nanmean(x.long()), RuntimeError, "floating point"),
    (lambda m, x: m.aminmax(x[:0]), (RuntimeError, IndexError), "length 0"),
    (lambda m, x: m.median(x[:0], 0), IndexError, "non-zero size"),
    (lambda m, x: m.median(x > 0), (RuntimeError, TypeError), "not of booleans"),
    (lambda m, x: m.mode(x[:0], 0), IndexError, "non-zero size"),
    (lambda m, x: m.quantile(x.long(), 0.5), RuntimeError, "either float or double"),
    (lambda m, x: m.quantile(x, 1.5), RuntimeError, r"in the range [0, 1] but got 1.5"),
    (lambda m, x: m.quantile(x, m.tensor([0.5, -0.5])), RuntimeError, r"in the range [0, 1]"),
    (lambda m, x: m.quantile(x, m.ones(2, 2)), RuntimeError, "scalar or 1D tensor"),
    (lambda m, x: m.quantile(x, m.ones(2).double()), RuntimeError, "same dtype"),
    (lambda m, x: m.quantile(x, [0.5]), TypeError, "number or a tensor"),
    (lambda m, x: m.quantile(x[:0], 0.5), RuntimeError, "non-empty"),
    (lambda m, x: m.quantile(x, 0.5, interpolation="foo"), RuntimeError, "but got foo"),
    (lambda m, x: m.cov(m.ones(2, 2, 2)), RuntimeError, "two or fewer dimensions"),
    (lambda m, x: m.cov(x > 0), RuntimeError, "bool dtype is not supported"),
    (lambda m, x: m.cov(x, fweights=m.ones(3)), RuntimeError, "integral dtype"),
    (lambda m, x: m.cov(x, aweights=m.ones(2)), RuntimeError, "same numel"),
    (lambda m, x: m.cov(x, aweights=-m.ones(3)), RuntimeError, "cannot be negative"),
    (lambda m, x: m.cov(x, aweights=m.zeros(3)), RuntimeError, "sum to zero"),
    (lambda m, x: m.corrcoef(m.ones(2, 2, 2)), RuntimeError, "two or fewer dimensions"),
    (lambda m, x: m.histc(x, 0), RuntimeError, "bins must be > 0"),
    (lambda m, x: m.histc(x, 4, 3, 1), RuntimeError, "max must be larger than min"),
    (lambda m, x: m.histc(x * inf, 4), RuntimeError, "is not finite"),
    (lambda m, x: m.histc(x.long(), 4), (RuntimeError, TypeError), "floating numbers"),
    (lambda m, x: m.bincount(x.long()), RuntimeError, "1-d non-negative"),
    (lambda m, x: m.bincount(-x[0].long()), RuntimeError, "1-d non-negative"),
    (lambda m, x: m.bincount(x[0]), (RuntimeError, TypeError), "counts integers"),
    (lambda m, x: m.bincount(x[0].long(), x[0, :2]), RuntimeError, "same length as input"),
    (lambda m, x: m.bincount(x[0].long(), minlength=-1), RuntimeError, "minlength should be >= 0"),
]


@pytest.mark.parametrize(("call", "error", "text"), REFUSED)
def test_bad_arguments_are_refused_as_there(call, error, text):
    """PyTorch raises too; ours is of a class that catches it and says what is wrong."""
    with pytest.raises((RuntimeError, IndexError, TypeError, NotImplementedError)):
        call(torch, torch.ones(2, 3))
    with pytest.raises(error, match=re.escape(text)):
        call(tg, tg.ones(2, 3))


def test_numpy_functions_of_tensors(rng):
    """np.f of a Tensor has NumPy's meaning: the median of an even number is the mean of the middle two."""
    x = rng.standard_normal((4, 6))
    gaps = np.where(x > 1, nan, x)
    for f in (np.median, np.cov, np.corrcoef, np.nansum, np.nanmean, np.nanmedian, np.count_nonzero,
              lambda a: np.median(a, axis=1), lambda a: np.quantile(a, [0.2, 0.7], axis=0),
              lambda a: np.quantile(a, 0.3, method="lower"), lambda a: np.nanquantile(a, 0.3, axis=1, keepdims=True),
              lambda a: np.cov(a, rowvar=False, ddof=0), lambda a: np.nansum(a, axis=0),
              lambda a: np.count_nonzero(a, axis=1)):  # fmt: skip
        for values in (x, gaps):
            expected = np.asarray(f(values))
            assert_allclose(numbers(f(tg.tensor(values))), expected, rtol=1e-13, atol=1e-13)  # other orders of sums
    assert_array_equal(numbers(np.bincount(tg.tensor([1, 1, 3]))), [0, 2, 0, 1])
