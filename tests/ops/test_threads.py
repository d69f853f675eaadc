"""Samples that are shared out between threads: the same results, errors and silence."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu.ops import threads


@pytest.fixture
def three(monkeypatch):
    """Three processors, and any work enough for them."""
    monkeypatch.setattr(threads, "processors", lambda: 3)
    monkeypatch.setattr(threads, "ENOUGH", 1)


def results(samples=5):
    te.manual_seed(1)
    X = te.randn(samples, 4, 7, 6, requires_grad=True)
    W, b = te.randn(6, 2, 3, 3, requires_grad=True), te.randn(6, requires_grad=True)
    Y = F.conv2d(X, W, b, stride=2, padding=1, groups=2)
    Z = F.conv_transpose2d(F.conv2d(X, W.repeat(1, 2, 1, 1)), W)
    (Y.square().sum() + Z.sum() * Z.mean()).backward()
    return Y, Z, X.grad, b.grad, W.grad


@pytest.mark.parametrize("samples", [1, 2, 5])  # fewer than threads, and more
def test_samples_do_not_depend_on_the_number_of_threads(monkeypatch, samples):
    """What belongs to one sample has the same bits; sums over all samples are added in another order."""
    monkeypatch.setattr(threads, "processors", lambda: 1)
    *expected, dW = results(samples)
    monkeypatch.setattr(threads, "processors", lambda: 3)
    monkeypatch.setattr(threads, "ENOUGH", 1)
    *found, dW_found = results(samples)
    assert_allclose(dW_found.numpy(), dW.numpy(), rtol=1e-5, atol=1e-5 * np.abs(dW.numpy()).max())  # float32
    for x, y in zip(found, expected, strict=True):
        assert_array_equal(x.detach().numpy(), y.detach().numpy())


def test_a_compiled_step_shares_out_too(three):
    """Its source holds the function that does; it has eager's bits."""
    te.manual_seed(1)
    W, X = te.randn(3, 2, 3, 3, requires_grad=True), te.randn(5, 2, 6, 6)

    def step(X):
        W.grad = None
        L = F.conv2d(X, W).square().mean()
        L.backward()
        return L, W.grad

    compiled = te.compile(step)
    for found, expected in zip(compiled(X), step(X), strict=True):
        assert_array_equal(found.detach().numpy(), expected.detach().numpy())
    assert "def shared_out" in compiled.source


def test_an_overflow_in_a_thread_warns_nobody(three):
    """As in the thread that asked: infinity is an answer."""
    assert te.isinf(F.conv2d(te.full((3, 1, 3, 3), 1e30), te.full((1, 1, 2, 2), 1e30))).all()


def test_what_a_thread_raises_is_raised_where_it_was_asked_for():
    """And only after the others have come to their end."""
    ended = []

    def run(k):
        if k == 1:
            raise MemoryError("no room")
        ended.append(k)

    with pytest.raises(MemoryError, match="no room"):
        threads.shared_out(run, 3)
    assert sorted(ended) == [0, 2]


def test_work_is_shared_where_there_is_enough_of_it(monkeypatch):
    """Every sample belongs to one thread; a little work stays where it is."""
    monkeypatch.setattr(threads, "processors", lambda: 2)
    assert threads.shares(8, threads.ENOUGH) == [slice(0, 8)]
    assert threads.shares(9, 2 * threads.ENOUGH) == [slice(0, 4), slice(4, 9)]
    assert threads.shares(1, 10 * threads.ENOUGH) == [slice(0, 1)]


def test_one_thread_where_blas_was_told_so(monkeypatch):
    """The variables that BLAS reads hold here too."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    assert threads.processors.__wrapped__() == 1
    monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    assert threads.processors.__wrapped__() == 3
