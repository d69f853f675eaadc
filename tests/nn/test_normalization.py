"""Normalisation without PyTorch: against its composition, by tracing, by its formula, and at hard numbers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_edu as tg
from tinygrad_edu import nn, symbolic
from tinygrad_edu.autograd import grad
from tinygrad_edu.nn import functional as F


def composed(x, axis, eps):
    """The definition in public operations."""
    return (x - x.mean(axis, keepdim=True)) / (x.var(axis, correction=0, keepdim=True) + eps).sqrt()


CASES = {
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (4,), w, b, 1e-2), (-1,), (3, 2, 4), (4,)),
    "batch_norm": (lambda x, w, b: F.batch_norm(x, None, None, w, b, True, eps=1e-2), (0, 2), (3, 4, 2), (4, 1)),
    "instance_norm": (lambda x, w, b: F.instance_norm(x, None, None, w, b, eps=1e-2), (2,), (3, 4, 3), (4, 1)),
}


@pytest.mark.parametrize("name", CASES)
def test_primitives_equal_the_composition_they_replace(name, rng):
    """Values and gradients up to the third order are those of means, variances and quotients."""
    function, axis, shape, wide = CASES[name]
    X, W, B = rng.standard_normal(shape), rng.standard_normal(4), rng.standard_normal(4)
    found = []
    for form in (function, lambda x, w, b: composed(x, axis, 1e-2) * w.reshape(wide) + b.reshape(wide)):
        x, w, b = (tg.tensor(v, requires_grad=True) for v in (X, W, B))
        y = form(x, w, b)
        values, total = [y], (y**3).sum()
        for _ in range(3):
            slopes = grad(total, (x, w), create_graph=True)
            values += slopes
            total = sum((s**2).sum() for s in slopes)
        found.append(values)
    for ours, expected in zip(*found, strict=True):
        # third derivatives grow with 1 / S**3, S about 0.3 here, and so do their roundings
        assert_allclose(ours.detach().numpy(), expected.detach().numpy(), rtol=1e-8, atol=1e-8)


def test_variance_keeps_its_digits_far_from_zero():
    """Values around 10,000 with variance 1, in float32: the mean of squares less the mean's square would be noise."""
    x = np.tile(np.array([-1.0, 1.0], np.float32), 32)[None] + np.float32(10_000)
    assert_allclose(F.layer_norm(tg.tensor(x), (64,)).numpy(), np.tile([[-1.0, 1.0]], 32), rtol=1e-4)  # eps of 1e-5


def test_constant_features_become_zero():
    """Without any variance the result is 0 and the gradient finite, eps being all there is to divide by."""
    x = tg.full((2, 4), 0.1, requires_grad=True)
    y = F.layer_norm(x, (4,))
    y.sum().backward()
    assert_allclose(y.detach().numpy(), 0, atol=1e-4)  # an ulp of 0.1 over sqrt(eps)
    assert np.isfinite(x.grad.numpy()).all()


@pytest.mark.parametrize("momentum", [0.1, None], ids=["moving", "cumulative"])
def test_a_training_step_with_batch_norm_is_traced(momentum, rng):
    """The traced step, run again and again, leaves the statistics and weights that the eager one leaves."""
    batches = [tg.tensor(rng.standard_normal((6, 3))) for _ in range(4)]
    states = []
    for traced in (False, True):
        tg.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, momentum=momentum), nn.Linear(4, 1)).double()
        optimizer = tg.optim.SGD(model.parameters(), lr=0.1)

        def step(x, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = (model(x) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        run = step
        step(batches[0])
        if traced:
            run = symbolic.trace(step, batches[0])
        for batch in batches:
            run(batch)
        states.append(model.state_dict())
    for key, value in states[0].items():
        assert_allclose(states[1][key].numpy(), value.numpy(), rtol=1e-12, err_msg=key)
    assert int(states[1]["1.num_batches_tracked"]) == 5


def test_running_statistics_are_written_in_place():
    """The buffers stay the same tensors on the same memory, and take no part in the graph."""
    module = nn.BatchNorm1d(2)
    mean, memory = module.running_mean, module.running_mean.numpy()
    module(tg.tensor([[1.0, 2.0], [3.0, 6.0]]))
    assert module.running_mean is mean
    assert_allclose(memory, [0.2, 0.4], rtol=1e-6)
    assert_allclose(module.running_var.numpy(), [0.9 + 0.2, 0.9 + 0.8], rtol=1e-6)  # unbiased: 2 and 8
    assert not mean.requires_grad


def test_evaluation_changes_nothing(rng):
    """In eval mode a sample's result does not depend on its neighbours, and the buffers stay."""
    module = nn.BatchNorm1d(3)
    module(tg.tensor(rng.standard_normal((8, 3)).astype(np.float32)))
    module.eval()
    before = module.running_var.numpy().copy()
    x = tg.tensor(rng.standard_normal((4, 3)).astype(np.float32))
    assert_array_equal(module(x).detach().numpy()[:1], module(x[:1]).detach().numpy())
    assert_array_equal(module.running_var.numpy(), before)


def test_alpha_dropout_keeps_mean_and_variance():
    """Of standard normal numbers, a third of them dropped, mean 0 and variance 1 remain."""
    tg.manual_seed(0)
    y = F.alpha_dropout(tg.randn(200, 500), 0.3, training=True).numpy()
    assert abs(y.mean()) < 0.015  # five standard errors of 100,000 numbers
    assert abs(y.var() - 1) < 0.03


def test_channels_are_dropped_whole():
    """Of each channel of each sample dropout2d keeps all or nothing, and scales what it keeps."""
    tg.manual_seed(0)
    y = F.dropout2d(tg.ones(8, 16, 3, 3), 0.25).numpy().reshape(128, 9)
    assert set(np.unique(y)) == {np.float32(0), np.float32(1) / np.float32(0.75)}
    assert (y == y[:, :1]).all()
