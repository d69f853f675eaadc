"""AdaptiveLogSoftmaxWithLoss beside PyTorch's: values, gradients, weights from the seed, errors, a trace."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_edu as te

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

LIBRARIES = (torch, te)
OPTIONS = {"default": {}, "with bias": {"head_bias": True, "div_value": 2.0}}


def made(lib, **options):
    lib.manual_seed(4)
    return lib.nn.AdaptiveLogSoftmaxWithLoss(16, 20, [5, 10], **options)


@pytest.mark.parametrize("options", OPTIONS)
def test_outputs_losses_and_gradients_agree(options, rng):
    """For labels of the head and of every cluster; log_prob and predict; one sample alone."""
    X, labels = rng.standard_normal((7, 16)), [0, 4, 5, 9, 10, 19, 12]
    found = []
    for lib in LIBRARIES:
        model = made(lib, **OPTIONS[options]).double()
        x, y = lib.tensor(X, requires_grad=True), lib.tensor(labels)
        output, loss = model(x, y)
        slopes = lib.autograd.grad(loss, [x, *model.parameters()])
        found.append([output, loss, *slopes, model.log_prob(x), model.predict(8 * x), *model(x[0], y[0])])
        assert list(model(x, y)._fields) == ["output", "loss"]
    for theirs, ours in zip(*found, strict=True):
        assert tuple(theirs.shape) == tuple(ours.shape)
        assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-9, atol=1e-11)  # float64


def test_text_and_state_agree():
    """repr, names of the parameters, and what they hold from one seed, also after reset_parameters."""
    theirs, ours = (made(lib) for lib in LIBRARIES)
    assert repr(theirs) == repr(ours)
    for again in (False, True):
        if again:
            theirs.reset_parameters(), ours.reset_parameters()
        for (a, p), (b, q) in zip(theirs.state_dict().items(), ours.state_dict().items(), strict=True):
            assert a == b
            assert_allclose(q.numpy(), p.numpy(), rtol=1e-6)


def test_log_probabilities_are_those_of_a_distribution(rng):
    """They sum to 1, and output is the label's."""
    model = made(te)
    x, y = te.tensor(rng.standard_normal((6, 16)), dtype=te.float32), te.tensor([0, 5, 9, 10, 19, 3])
    P = model.log_prob(x)
    assert_allclose(P.exp().sum(1).detach().numpy(), np.ones(6), rtol=1e-5)  # 20 numbers in float32
    assert_allclose(model(x, y).output.detach().numpy(), P[te.arange(6), y].detach().numpy(), rtol=1e-5)


@pytest.mark.parametrize("cutoffs", [[], [5, 5], [0, 3], [3, 20], [7, 3]], ids=str)
def test_cutoffs_that_make_no_clusters_are_refused(cutoffs):
    """By PyTorch's class and words."""
    raised = []
    for lib in LIBRARIES:
        with pytest.raises(ValueError, match="cutoffs should be") as caught:
            lib.nn.AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs)
        raised.append(str(caught.value))
    assert raised[1].startswith(raised[0].rstrip("."))


WRONG = {
    "fewer labels": ((3, 16), [1, 2]),
    "label too large": ((3, 16), [1, 2, 20]),
    "label below 0": ((3, 16), [-1, 2, 3]),
    "features": ((3, 7), [1, 2, 3]),
    "one sample, many labels": ((16,), [1, 2]),
    "two axes of labels": ((2, 16), [[1], [2]]),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_are_of_pytorchs_class(name):
    """The message names the layer."""
    shape, labels = WRONG[name]
    raised = []
    for lib in LIBRARIES:
        with pytest.raises(RuntimeError) as caught:
            made(lib)(lib.ones(shape), lib.tensor(labels))
        raised.append(str(caught.value))
    assert raised[1].startswith("AdaptiveLogSoftmaxWithLoss: ")


def test_training_has_pytorchs_curve():
    """Ten steps of Adam from one seed."""
    curves = []
    for lib in LIBRARIES:
        model = made(lib)
        x, y = lib.randn(12, 16), lib.randint(0, 20, (12,))
        optimizer, losses = lib.optim.Adam(model.parameters(), lr=0.05), []
        for _ in range(10):
            optimizer.zero_grad()
            loss = model(x, y).loss
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        curves.append(losses)
    assert_allclose(curves[1], curves[0], rtol=1e-4)  # float32, ten steps
