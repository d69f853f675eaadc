"""Joint outputs: one computation, several results, one set of rules."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_edu as te
from tinygrad_edu import autograd, linalg, tensor
from tinygrad_edu.symbolic.trace import trace

H = 6e-6  # cbrt(eps) of float64: truncation and rounding of a central difference balance


def leaf(rng, *shape):
    return tensor(rng.standard_normal(shape), requires_grad=True)


def slope(f, X, V):
    """The derivative of a scalar f at X along V, by a central difference."""
    with te.no_grad():
        return (f(tensor(X + H * V)).item() - f(tensor(X - H * V)).item()) / (2 * H)


def of_both(A):
    Q, R = linalg.qr(A)
    return (Q**3).sum() + (R**3).sum()


USES = {
    "both": of_both,
    "first": lambda A: (linalg.qr(A)[0] ** 3).sum(),
    "second": lambda A: (linalg.qr(A)[1] ** 3).sum(),
}


@pytest.mark.parametrize("use", USES)
def test_gradient_by_any_of_the_outputs(use, rng):
    """Zeros stand for the cotangent of an output that did not reach the loss."""
    A = leaf(rng, 4, 3)
    USES[use](A).backward()
    V = rng.standard_normal(A.shape)
    assert_allclose(np.sum(A.grad.numpy() * V), slope(USES[use], A.detach().numpy(), V), rtol=1e-7)  # as in test_rules


@pytest.mark.parametrize("use", USES)
def test_second_order(use, rng):
    """The gradient's own graph runs through the outputs back to the input."""
    A = leaf(rng, 4, 3)
    U, V = rng.standard_normal((2, 4, 3))

    def along(X, create_graph=True):
        X = X if X.requires_grad else X.requires_grad_()
        with te.enable_grad():
            (dX,) = autograd.grad(USES[use](X), X, create_graph=create_graph)
        return (dX * tensor(U)).sum()

    (second,) = autograd.grad(along(A), A)
    assert_allclose(np.sum(second.numpy() * V), slope(along, A.detach().numpy(), V), rtol=1e-6)  # two differences deep


def test_an_output_used_twice_adds_up(rng):
    """Cotangents of one output from several users, and of several outputs, are summed."""
    A = leaf(rng, 3, 3)
    Q, R = linalg.qr(A)
    parts = [autograd.grad(y.sum(), A, retain_graph=True)[0].numpy() for y in (Q, Q * 2, R)]
    (whole,) = autograd.grad(Q.sum() + (Q * 2).sum() + R.sum(), A)
    assert_allclose(whole.numpy(), sum(parts), rtol=1e-12, atol=1e-12)  # sums in another order


def test_outputs_in_two_backwards(rng):
    """The arrays that both outputs need are freed by the first backward, unless it retains the graph."""
    A = leaf(rng, 3, 3)
    Q, R = linalg.qr(A)
    Q.sum().backward(retain_graph=True)
    first = A.grad.numpy().copy()
    R.sum().backward()
    assert not np.array_equal(A.grad.numpy(), first)
    with pytest.raises(RuntimeError, match="linalg_qr saved were freed"):
        Q.sum().backward()


def test_nothing_is_kept_alive(rng):
    """Without the collector, deleting the outputs frees them."""
    gc.disable()
    try:
        Q, R = linalg.qr(leaf(rng, 3, 3))
        seen = [weakref.ref(Q._array), weakref.ref(R._array)]
        loss = Q.sum() + R.sum()
        loss.backward()
        del Q, R, loss
        assert [r() for r in seen] == [None, None]
    finally:
        gc.enable()


def test_a_write_to_an_output_is_noticed(rng):
    """The rules read the outputs, so overwriting one before backward is refused."""
    A = leaf(rng, 3, 3)
    Q, R = linalg.qr(A)
    loss = Q.sum()
    with te.no_grad():
        R += 1.0
    with pytest.raises(RuntimeError, match="inplace operation"):
        loss.backward()


def test_outputs_without_gradient(rng):
    """Nothing is recorded of a constant, nor under no_grad."""
    assert not linalg.qr(tensor(rng.standard_normal((3, 3)))).Q.requires_grad
    with te.no_grad():
        assert not linalg.qr(leaf(rng, 3, 3)).R.requires_grad


def test_a_traced_step_gives_what_eager_gives(rng):
    """A step through qr, eigh, svd and slogdet, recorded and run on other numbers."""
    W = leaf(rng, 3, 3)

    def step(A):
        W.grad = None
        X = W + A
        Q, R = linalg.qr(X)
        w, _ = linalg.eigh(X + X.mT)
        U, S, Vh = linalg.svd(X, full_matrices=False)
        loss = (Q**3).sum() + R.sum() + (w**2).sum() + (U @ Vh).sum() + S.sum() + linalg.slogdet(X).logabsdet
        loss.backward()
        return loss

    program = trace(step, tensor(rng.standard_normal((3, 3))))
    A = tensor(rng.standard_normal((3, 3)))
    eager = step(A).item()
    expected = W.grad.numpy().copy()
    assert_array_equal(program(A).numpy(), eager)
    assert_array_equal(W.grad.numpy(), expected)
