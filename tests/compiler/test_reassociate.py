"""compile(step, reassociate=True): a factor is moved into the smaller operand of a product, and nothing else."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu import nn

from .training import OPTIMIZERS, cross_entropy, training


def perceptron():
    return nn.Sequential(nn.Linear(30, 20), nn.ReLU(), nn.Linear(20, 10))


def batch():
    te.manual_seed(1)
    return te.randn(12, 30), te.randint(0, 10, (12,))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_agrees_with_the_eager_step(name):
    """From the same state every step agrees within 1e-5 of an array's largest magnitude."""
    model, optimizer, step = training(perceptron, OPTIMIZERS[name])
    compiled = te.compile(step, grads=False, reassociate=True)
    X, Y = batch()
    for _ in range(5):
        before = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
        compiled(X, Y)
        found = [p.detach().numpy().copy() for p in model.parameters()]
        model.load_state_dict(before[0])
        optimizer.load_state_dict(before[1])
        step(X, Y)
        for p, array in zip(model.parameters(), found, strict=True):
            now = p.detach().numpy()
            assert np.abs(now - array).max() <= 1e-5 * np.abs(now).max()
        optimizer.zero_grad()


def lines(source):
    return source[source.index("def step") :].splitlines()


def test_the_learning_rate_meets_the_smaller_array():
    """lr dZ^T X is (lr dZ)^T X; a bias's gradient, summed from the same dZ, needs no factor of its own."""
    _, _, step = training(perceptron, OPTIMIZERS["SGD"])
    plain, moved = te.compile(step, grads=False), te.compile(step, grads=False, reassociate=True)
    for compiled in (plain, moved):
        compiled(*batch())
    assert sum("np.multiply(lr" in line for line in lines(plain.source)) == 4
    assert sum("np.multiply(lr" in line for line in lines(moved.source)) == 2
    assert "dZ1.T" in plain.source
    assert "dZ1.T" not in moved.source
    assert "- calls spared by moving 4 factors " in moved.explain()
    assert "moving" not in plain.explain()


def test_a_smaller_product_keeps_its_factor():
    """With more samples than inputs the gradient is the smallest array."""
    _, _, step = training(lambda: nn.Linear(3, 2), OPTIMIZERS["SGD"])
    moved = te.compile(step, grads=False, reassociate=True)
    te.manual_seed(1)
    moved(te.randn(40, 3), te.randint(0, 2, (40,)))
    assert "moving" not in moved.explain()


def test_gradients_that_are_left_are_not_multiplied():
    """Where .grad is wanted, it is what eager mode leaves there, to the last bit."""
    model, _, step = training(perceptron, OPTIMIZERS["SGD"])
    other, _, eager = training(perceptron, OPTIMIZERS["SGD"])
    te.compile(step, reassociate=True)(*batch())
    eager(*batch())
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        assert p.grad.numpy().tobytes() == q.grad.numpy().tobytes()


def test_a_factor_that_is_known_later_stays():
    """One layer's step, measured by another layer's gradient, which is computed after its own."""
    model = perceptron()
    first, last = model[0].weight, model[2].weight

    def step(X, Y):
        d_first, d_last = te.autograd.grad(cross_entropy(model, X, Y), [first, last])
        with te.no_grad():
            last.sub_(d_last * d_first.norm())

    before = last.detach().clone()
    te.compile(step, grads=False, reassociate=True)(*batch())
    found = last.detach().numpy().copy()
    with te.no_grad():
        last.copy_(before)
    step(*batch())
    assert np.abs(last.detach().numpy() - found).max() <= 1e-5 * np.abs(found).max()


def test_a_gradient_that_is_returned_is_not_multiplied():
    """What the step hands out is the gradient itself, though none is left in .grad."""
    model = perceptron()

    def step(X, Y):
        W = model[0].weight
        (dW,) = te.autograd.grad(cross_entropy(model, X, Y), [W])
        with te.no_grad():
            W.sub_(dW * te.tensor(0.1))
        return dW

    before = model[0].weight.detach().clone()
    found = te.compile(step, grads=False, reassociate=True)(*batch())
    with te.no_grad():
        model[0].weight.copy_(before)
    assert found.numpy().tobytes() == step(*batch()).numpy().tobytes()
