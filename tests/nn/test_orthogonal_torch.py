"""The orthogonal parametrization beside PyTorch's: weights, gradients, assignment, errors, a training run."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_edu as te

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

LIBRARIES = (torch, te)
CLOSE = {"rtol": 1e-7, "atol": 1e-9}  # float64; matrix_exp's and QR's algorithms are not PyTorch's


def made(lib, shape, orthogonal_map, trivialized):
    lib.manual_seed(2)
    layer = lib.nn.Linear(*shape).double()
    if not trivialized and orthogonal_map in ("householder", None):
        lib.nn.init.orthogonal_(layer.weight)
    return lib.nn.utils.parametrizations.orthogonal(
        layer, orthogonal_map=orthogonal_map, use_trivialization=trivialized
    )


@pytest.mark.parametrize("trivialized", [True, False])
@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5)], ids=str)
@pytest.mark.parametrize("orthogonal_map", ["matrix_exp", "cayley", "householder", None])
def test_weights_and_gradients_agree(orthogonal_map, shape, trivialized):
    """The weight from the seed, its gradient, text and state."""
    found = []
    for lib in LIBRARIES:
        layer = made(lib, shape, orthogonal_map, trivialized)
        loss = (layer(lib.ones(2, shape[0], dtype=lib.float64)) ** 2).sum() + (layer.weight**3).sum()
        found.append([layer.weight, *lib.autograd.grad(loss, list(layer.parameters())), *layer.state_dict().values()])
    for theirs, ours in zip(*found, strict=True):
        assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), **CLOSE)
    theirs, ours = (made(lib, shape, orthogonal_map, trivialized) for lib in LIBRARIES)
    assert repr(theirs) == repr(ours)
    assert list(theirs.state_dict()) == list(ours.state_dict())


@pytest.mark.parametrize("orthogonal_map", ["matrix_exp", "cayley", "householder"])
def test_an_orthogonal_weight_stays_what_it_is(orthogonal_map):
    """Parametrizing and assigning one gives it back."""
    layer = te.nn.Linear(4, 4).double()
    te.nn.init.orthogonal_(layer.weight)
    before = layer.weight.detach().clone()
    te.nn.utils.parametrizations.orthogonal(layer, orthogonal_map=orthogonal_map)
    assert_allclose(layer.weight.detach().numpy(), before.numpy(), **CLOSE)
    layer.weight = before[[1, 0, 2, 3]]
    assert_allclose(layer.weight.detach().numpy(), before.numpy()[[1, 0, 2, 3]], **CLOSE)


def test_training_stays_orthogonal_with_pytorchs_curve():
    """Ten steps of SGD; the columns stay orthonormal."""
    curves = []
    for lib in LIBRARIES:
        layer = made(lib, (5, 3), None, True)
        lib.manual_seed(1)
        x, y = lib.randn(8, 5, dtype=lib.float64), lib.randn(8, 3, dtype=lib.float64)
        optimizer, losses = lib.optim.SGD(layer.parameters(), lr=0.1), []
        for _ in range(10):
            optimizer.zero_grad()
            loss = lib.nn.functional.mse_loss(layer(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        curves.append(losses)
        W = layer.weight.detach().numpy()
        assert_allclose(W @ W.T, np.eye(3), atol=1e-12)  # float64, k = 3
    assert_allclose(curves[1], curves[0], rtol=1e-6)  # the draws agree to 2e-7


WRONG = {
    "a vector": lambda lib, o: o(lib.nn.BatchNorm1d(3)),
    "an unknown map": lambda lib, o: o(lib.nn.Linear(2, 2), orthogonal_map="qr"),
    "no such parameter": lambda lib, o: o(lib.nn.Linear(2, 2), "wieght"),
    "another shape": lambda lib, o: setattr(o(lib.nn.Linear(2, 2)), "weight", lib.eye(3)),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_are_of_pytorchs_class(name):
    """ValueErrors, that say what is expected."""
    for lib in LIBRARIES:
        with pytest.raises(ValueError, match=r"matri|orthogonal_map|wieght"):
            WRONG[name](lib, lib.nn.utils.parametrizations.orthogonal)


@pytest.mark.parametrize("orthogonal_map", ["matrix_exp", "cayley"])
def test_without_trivialization_nothing_can_be_assigned(orthogonal_map):
    """For these maps have no inverse that is known here, or in PyTorch."""
    for lib in LIBRARIES:
        layer = lib.nn.utils.parametrizations.orthogonal(
            lib.nn.Linear(2, 2), orthogonal_map=orthogonal_map, use_trivialization=False
        )
        with pytest.raises(NotImplementedError, match="not possible to assign"):
            layer.weight = lib.eye(2)
