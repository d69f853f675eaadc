"""Losses where no PyTorch is needed: closed forms, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.nn import functional as F

NO_RISE = {"rtol": 1e-6}  # one or two roundings of float32


def test_losses_of_equal_classes():
    """Scores that say nothing cost log(number of classes), and sigmoid's costs log 2."""
    labels = tg.tensor([0, 2, 1])
    np.testing.assert_allclose(nn.CrossEntropyLoss()(tg.zeros(3, 4), labels).item(), math.log(4), **NO_RISE)
    np.testing.assert_allclose(nn.NLLLoss()(nn.LogSoftmax(1)(tg.zeros(3, 4)), labels).item(), math.log(4), **NO_RISE)
    np.testing.assert_allclose(nn.BCEWithLogitsLoss()(tg.zeros(3, 1), tg.ones(3, 1)).item(), math.log(2), **NO_RISE)
    np.testing.assert_allclose(nn.BCELoss()(tg.full((3, 1), 0.5), tg.ones(3, 1)).item(), math.log(2), **NO_RISE)


def test_mse_loss_by_hand():
    """(1 + 4) / 2, and gradients 2 (A - Y) / m."""
    A = tg.tensor([1.0, 3.0], requires_grad=True)
    L = nn.MSELoss()(A, tg.tensor([0.0, 1.0]))
    L.backward()
    assert L.item() == 2.5
    assert A.grad.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("loss", [nn.MSELoss, nn.BCELoss, nn.BCEWithLogitsLoss, nn.CrossEntropyLoss, nn.NLLLoss])
def test_unknown_reduction(loss):
    """The error lists what there is, and the nearest."""
    with pytest.raises(ValueError) as error:
        loss(reduction="meen")(tg.full((2, 2), 0.5), tg.tensor([0, 1]) if loss in INDEXED else tg.ones(2, 2))
    assert "meen is not a valid value for reduction" in str(error.value)
    assert "Did you mean 'mean'?" in str(error.value)


INDEXED = (nn.CrossEntropyLoss, nn.NLLLoss)


@pytest.mark.parametrize("label", [-1, 3])
@pytest.mark.parametrize("loss", INDEXED)
def test_a_label_that_is_no_class(loss, label):
    """A label outside of 0..n-1 is an IndexError that gives it and its place."""
    with pytest.raises(IndexError) as error:
        loss()(tg.zeros(2, 3), tg.tensor([0, label]))
    assert f"found {label}" in str(error.value)
    assert "0..2" in str(error.value)


def test_a_probability_outside_of_zero_and_one():
    """BCELoss refuses scores, and names the form that takes them."""
    with pytest.raises(RuntimeError, match="between 0 and 1; apply sigmoid, or use binary_cross_entropy_with_logits"):
        nn.BCELoss()(tg.tensor([1.5]), tg.tensor([1.0]))


@pytest.mark.parametrize("loss", [nn.BCELoss, nn.BCEWithLogitsLoss])
def test_binary_losses_refuse_shapes_that_differ(loss):
    """(m, 1) against (m,) would broadcast to m * m: it is refused."""
    with pytest.raises(ValueError, match=r"a target size \(\(3,\)\) that is different to the input size \(\(3, 1\)\)"):
        loss()(tg.full((3, 1), 0.5), tg.ones(3))


def test_mse_loss_warns_of_shapes_that_differ():
    """PyTorch broadcasts here; so the value is PyTorch's, with its warning."""
    with pytest.warns(UserWarning, match="likely lead to incorrect results due to broadcasting"):
        assert F.mse_loss(tg.zeros(2, 1), tg.tensor([1.0, 3.0])).item() == 5.0
    with pytest.raises(tg.ShapeError, match=r"weight has shape \(3,\)"):
        F.mse_loss(tg.zeros(2), tg.zeros(2), weight=tg.ones(3))


@pytest.mark.parametrize("loss", INDEXED)
def test_labels_must_be_whole_numbers_of_the_right_shape(loss):
    """int labels, one per sample; what was expected is said."""
    with pytest.raises((RuntimeError, ValueError), match=r"\(2,\)"):
        loss()(tg.zeros(2, 3), tg.tensor([0, 1, 2]))
    with pytest.raises((RuntimeError, TypeError)):
        loss()(tg.zeros(2, 3), tg.tensor([0.5, 1.0]))


@pytest.mark.parametrize("function", [tg.softmax, tg.log_softmax])
def test_softmax_needs_to_know_where_the_classes_are(function):
    """Without dim PyTorch's own function refuses; that of nn.functional guesses, with a warning."""
    with pytest.raises(TypeError, match="dim=1 for rows as samples"):
        function(tg.zeros(2, 3))


def test_a_loss_module_converts_its_weights_with_it():
    """Weights are buffers: double() makes them float64, and state_dict holds them."""
    loss = nn.CrossEntropyLoss(weight=tg.ones(3)).double()
    assert loss.weight.dtype == tg.float64
    assert list(loss.state_dict()) == ["weight"]
    assert nn.CrossEntropyLoss().weight is None
