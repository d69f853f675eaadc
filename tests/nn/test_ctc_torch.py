"""CTCLoss beside PyTorch's: losses, gradients, layouts of targets, infinite losses, errors, a training run."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_edu as te

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

LIBRARIES = (torch, te)
CLOSE = {"rtol": 1e-9, "atol": 1e-10}  # float64, seven steps of a recursion
LABELS = [[1, 2, 3, 1], [2, 2, 4, 0], [3, 0, 0, 0], [0, 0, 0, 0]]
COUNTS, STEPS = [4, 3, 1, 0], [7, 6, 7, 2]  # the labels behind a count are padding


def found(rng_seed, function):
    """What a function of a library, scores and log-probabilities gives, and its gradients by both."""
    Z = np.random.default_rng(rng_seed).standard_normal((7, 4, 5))
    results = []
    for lib in LIBRARIES:
        z = lib.tensor(Z, requires_grad=True)
        log_probs = lib.nn.functional.log_softmax(z, 2)
        loss = function(lib, log_probs)
        results.append([loss, *lib.autograd.grad((loss**2).sum(), [z, log_probs])])
    return results


def assert_same(results):
    for theirs, ours in zip(*results, strict=True):
        assert tuple(theirs.shape) == tuple(ours.shape)
        assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), **CLOSE)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("layout", ["padded", "in a row"])
def test_losses_and_gradients_agree(layout, reduction):
    """Repeated labels, one label, none; sequences shorter than the tensor; lengths as lists and as tensors."""
    flat = [x for row, n in zip(LABELS, COUNTS, strict=True) for x in row[:n]]

    def loss(lib, log_probs):
        targets = lib.tensor(LABELS if layout == "padded" else flat)
        lengths = (STEPS, COUNTS) if layout == "padded" else (lib.tensor(STEPS), lib.tensor(COUNTS))
        return lib.nn.CTCLoss(reduction=reduction)(log_probs, targets, *lengths)

    assert_same(found(1, loss))


def test_another_blank_and_one_sequence_alone_agree():
    """blank=4; (T, n_classes) with labels (S,)."""

    def loss(lib, log_probs):
        targets, counts = lib.tensor([1, 0, 3]), lib.tensor(3)
        return lib.nn.CTCLoss(blank=4, reduction="none")(log_probs[:, 0], targets, lib.tensor(6), counts)

    assert_same(found(2, loss))


@pytest.mark.parametrize("zero_infinity", [False, True])
def test_impossible_sequences_agree(zero_infinity):
    """Three equal labels need five steps: an infinite loss, or 0."""
    losses = []
    for lib in LIBRARIES:
        log_probs = lib.nn.functional.log_softmax(lib.zeros(4, 2, 3), 2)
        targets = lib.tensor([[1, 1, 1], [1, 2, 1]])
        criterion = lib.nn.CTCLoss(reduction="none", zero_infinity=zero_infinity)
        losses.append(criterion(log_probs, targets, [4, 4], [3, 3]).numpy())
    assert_allclose(losses[1], losses[0], rtol=1e-5)  # float32
    assert losses[1][0] == (0 if zero_infinity else math.inf)


def test_the_loss_is_the_sum_over_all_ways(rng):
    """Counted one by one: all sequences of 4 steps that say the labels."""
    P = te.nn.functional.log_softmax(te.tensor(rng.standard_normal((4, 1, 3))), 2)
    total = 0.0
    for way in itertools.product(range(3), repeat=4):
        said = [k for k, _ in itertools.groupby(way) if k]
        if said == [1, 2]:
            total += math.exp(sum(P[t, 0, k].item() for t, k in enumerate(way)))
    loss = te.nn.functional.ctc_loss(P, te.tensor([[1, 2]]), [4], [2], reduction="sum")
    assert loss.item() == pytest.approx(-math.log(total), rel=1e-12)


WRONG = {
    "blank": lambda lib: lib.nn.CTCLoss(blank=5)(lib.zeros(4, 1, 3), lib.ones(1, 2).long(), [4], [2]),
    "too many steps": lambda lib: lib.nn.CTCLoss()(lib.zeros(4, 1, 3), lib.ones(1, 2).long(), [5], [2]),
    "too few lengths": lambda lib: lib.nn.CTCLoss()(lib.zeros(4, 2, 3), lib.ones(2, 2).long(), [4], [2, 2]),
    "too many labels": lambda lib: lib.nn.CTCLoss()(lib.zeros(4, 1, 3), lib.ones(1, 2).long(), [4], [3]),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_are_of_pytorchs_class(name):
    """The message names the operation."""
    for lib in LIBRARIES:
        with pytest.raises(RuntimeError) as caught:
            WRONG[name](lib)
    assert str(caught.value).startswith("ctc_loss: ")


def test_a_speech_like_model_trains_with_pytorchs_curve():
    """A GRU over frames, ten steps of Adam from one seed; and the module's text."""
    curves = []
    for lib in LIBRARIES:
        lib.manual_seed(0)
        layer, head, criterion = lib.nn.GRU(4, 6), lib.nn.Linear(6, 5), lib.nn.CTCLoss(zero_infinity=True)
        x, targets = lib.randn(9, 3, 4), lib.randint(1, 5, (3, 3))
        optimizer, losses = lib.optim.Adam([*layer.parameters(), *head.parameters()], lr=0.02), []
        for _ in range(10):
            log_probs = head(layer(x)[0]).log_softmax(2)
            loss = criterion(log_probs, targets, lib.full((3,), 9), lib.tensor([3, 2, 3]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        curves.append(losses)
        assert repr(criterion) == "CTCLoss()"
    assert_allclose(curves[1], curves[0], rtol=1e-4)  # float32, ten steps
