"""Pooling without PyTorch: small windows worked out by hand, ties, NaN, padding, and what is refused."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tinygrad_edu import tensor
from tinygrad_edu.nn import functional as F
from tinygrad_edu.symbolic.trace import trace


def by_hand(x, starts, stops, reduce):
    """The reduction of every window of the last two axes, by a loop over windows."""
    rows, columns = (list(zip(a, b, strict=True)) for a, b in zip(starts, stops, strict=True))
    return np.array([[reduce(x[r0:r1, c0:c1]) for c0, c1 in columns] for r0, r1 in rows])


def test_windows_are_reduced_one_by_one(rng):
    """Maxima and means of windows of 3 x 2, steps of 2 and 1, in a frame of 1: a loop over windows says the same."""
    x = rng.standard_normal((6, 5))
    starts, stops = ([0, 1, 3], [0, 0, 1, 2, 3, 4]), ([2, 4, 6], [1, 2, 3, 4, 5, 5])
    found = F.max_pool2d(tensor(x[None]), (3, 2), (2, 1), (1, 1))
    assert_array_equal(found.numpy()[0], by_hand(x, starts, stops, np.max))
    means = F.avg_pool2d(tensor(x[None]), (3, 2), (2, 1), (1, 1), count_include_pad=False)
    assert_allclose(means.numpy()[0], by_hand(x, starts, stops, np.mean), rtol=1e-14)  # 6 terms in another order


def test_adaptive_windows_are_reduced_one_by_one(rng):
    """Window i of m on n elements goes from floor(i n / m) up to ceil((i + 1) n / m), also where m exceeds n."""
    x = rng.standard_normal((7, 3))
    for m, k in itertools.product((1, 2, 5, 7, 9), (1, 2, 3, 5)):
        starts = [[i * n // count for i in range(count)] for n, count in ((7, m), (3, k))]
        stops = [[math.ceil((i + 1) * n / count) for i in range(count)] for n, count in ((7, m), (3, k))]
        means = F.adaptive_avg_pool2d(tensor(x[None]), (m, k)).numpy()[0]
        assert_allclose(means, by_hand(x, starts, stops, np.mean), rtol=1e-13, atol=1e-15)  # up to 21 terms
        assert_array_equal(F.adaptive_max_pool2d(tensor(x[None]), (m, k)).numpy()[0], by_hand(x, starts, stops, np.max))


@pytest.mark.parametrize(("size", "stride"), [(2, 2), (2, 1), (3, 2)])
def test_of_equals_the_first_has_the_gradient(size, stride):
    """Row by row: in a plane of equal elements the corner of each window counts, and no other."""
    x = tensor(np.ones((1, 5, 5)), requires_grad=True)
    y, places = F.max_pool2d(x, size, stride, return_indices=True)
    corners = np.arange(25).reshape(5, 5)[: 6 - size : stride, : 6 - size : stride]
    assert_array_equal(places.numpy()[0], corners)
    y.sum().backward()
    assert_array_equal(np.flatnonzero(x.grad.numpy()), corners.ravel())


def test_a_tie_across_rows_goes_to_the_upper_right():
    """(0, 1) comes before (1, 0): the order is by rows, though columns are compared apart from rows."""
    for stride in (2, 1):
        x = tensor(np.array([[[0.0, 1.0], [1.0, 0.0]]]), requires_grad=True)
        F.max_pool2d(x, 2, stride).sum().backward()
        assert x.grad.tolist() == [[[0.0, 1.0], [0.0, 0.0]]]


def test_nan_is_largest_and_the_last_of_several_counts():
    """A window with NaN is NaN, and its gradient goes to the last one; other windows are as ever."""
    x = tensor(np.array([[[1.0, math.nan, 3.0, math.nan, 5.0, 4.0]]]), requires_grad=True)
    y, places = F.max_pool1d(x, 3, 3, return_indices=True)
    assert_array_equal(y.detach().numpy(), [[[math.nan, math.nan]]])
    y, places = F.max_pool1d(x, 4, 2, return_indices=True)
    assert_array_equal(places.numpy(), [[[3, 3]]])
    y.backward(tensor(np.ones((1, 1, 2))))
    assert x.grad.tolist() == [[[0.0, 0.0, 0.0, 2.0, 0.0, 0.0]]]


def test_padding_is_never_the_largest():
    """-inf all over: the first element within the input counts, not the frame."""
    x = tensor(np.full((1, 3, 3), -math.inf), requires_grad=True)
    y, places = F.max_pool2d(x, 3, 2, 1, return_indices=True)
    assert places.tolist() == [[[0, 1], [3, 4]]]
    y.backward(tensor(np.ones((1, 2, 2))))
    assert_array_equal(x.grad.numpy()[0], [[1, 1, 0], [1, 1, 0], [0, 0, 0]])


@pytest.mark.parametrize("stride", [2, 1])
def test_an_infinite_cotangent_stays_where_it_belongs(stride):
    """Elements that are not the largest get 0, not inf * 0."""
    x = tensor(np.array([[[1.0, 3.0, 2.0, 0.0]]]), requires_grad=True)
    y = F.max_pool1d(x, 2, stride)
    y.backward(tensor(np.full(y.shape, math.inf)))
    assert not np.isnan(x.grad.numpy()).any()


def test_result_may_be_overwritten_before_backward():
    """max_pool2d then relu in place: the rule reads the input alone."""
    x = tensor(np.array([[[-1.0, -2.0, 3.0, 4.0]]]), requires_grad=True)
    F.relu(F.max_pool1d(x, 2), inplace=True).sum().backward()
    assert x.grad.tolist() == [[[0.0, 0.0, 0.0, 1.0]]]


def test_windows_of_one_element_are_a_copy(rng):
    """Nothing to reduce, yet the result has memory of its own."""
    x = tensor(rng.standard_normal((1, 2, 3)))
    y = F.max_pool1d(x, 1)
    assert not np.shares_memory(x.numpy(), y.numpy())
    assert_array_equal(x.numpy(), y.numpy())


def test_unpooling_puts_maxima_back(rng):
    """Zeros but for the maxima, which lie where they were; and its gradient picks there."""
    x = rng.standard_normal((2, 4, 6))
    y, places = F.max_pool2d(tensor(x), 2, return_indices=True)
    v = tensor(y.numpy(), requires_grad=True)
    back = F.max_unpool2d(v, places, 2)
    kept = back.detach().numpy() != 0
    assert kept.sum() == 12
    assert_array_equal(back.detach().numpy()[kept], x[kept])
    (back * tensor(x)).sum().backward()
    assert_array_equal(v.grad.numpy(), y.numpy())


def test_pooling_is_traced(rng):
    """A recorded program pools other numbers: neither maxima nor divisors are frozen."""
    x, other = rng.standard_normal((2, 1, 2, 5, 7))

    def step(t):
        return F.max_pool2d(t, 3, 2, 1) + F.avg_pool2d(t, 3, 2, 1, count_include_pad=False)

    program = trace(step, tensor(x))
    assert_array_equal(program(tensor(other)).numpy(), step(tensor(other)).numpy())


X = np.zeros((1, 2, 4, 4))
REFUSED = {
    "no window fits": (lambda: F.max_pool2d(tensor(X), 5), RuntimeError, "max_pool2d.*Output size is too small"),
    "padding": (lambda: F.max_pool2d(tensor(X), 2, padding=2), RuntimeError, "at most half of kernel size"),
    "axes": (lambda: F.max_pool2d(tensor(X[0, 0]), 2), RuntimeError, r"\(batch, channels, height, width\)"),
    "stride": (lambda: F.avg_pool2d(tensor(X), 2, 0), RuntimeError, "stride should be greater than zero"),
    "sizes": (lambda: F.avg_pool2d(tensor(X), (2, 2, 2)), RuntimeError, r"one per axis \(2\)"),
    "a float": (lambda: F.max_pool2d(tensor(X), 2.5), TypeError, "kernel_size must be an integer"),
    "divisor": (lambda: F.avg_pool2d(tensor(X), 2, divisor_override=0), RuntimeError, "divisor must be not zero"),
    "outputs": (lambda: F.adaptive_avg_pool2d(tensor(X), -1), RuntimeError, "greater than or equal to 0"),
    "index": (
        lambda: F.max_unpool2d(tensor(X), tensor(np.full(X.shape, 99)), 2),
        RuntimeError,
        "max_unpool2d: index out of range.*found 99",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_why(name):
    """The operation, what was given, what is needed."""
    call, kind, text = REFUSED[name]
    with pytest.raises(kind, match=text):
        call()
