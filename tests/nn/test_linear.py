"""Linear, Flatten and Identity."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn


@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 5, 3)], ids=str)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_linear_is_x_w_transposed_plus_b(shape, bias, rng):
    """Z = X W^T + b for one sample, rows of samples, and stacks of rows; so are its gradients."""
    layer = nn.Linear(3, 2, bias=bias).double()
    X = tg.tensor(rng.standard_normal(shape), requires_grad=True)
    dZ = rng.standard_normal((*shape[:-1], 2))
    Z = layer(X)
    W = layer.weight.detach().numpy()
    b = layer.bias.detach().numpy() if bias else 0.0
    np.testing.assert_allclose(Z.detach().numpy(), X.detach().numpy() @ W.T + b, rtol=1e-13)  # float64 rounding
    Z.backward(tg.tensor(dZ))
    np.testing.assert_allclose(X.grad.numpy(), dZ @ W, rtol=1e-13)
    rows, cotangents = X.detach().numpy().reshape(-1, 3), dZ.reshape(-1, 2)
    np.testing.assert_allclose(layer.weight.grad.numpy(), cotangents.T @ rows, rtol=1e-12)
    if bias:
        np.testing.assert_allclose(layer.bias.grad.numpy(), cotangents.sum(0), rtol=1e-12)


def test_linear_s_parameters():
    """weight is (out, in), bias (out,), both float32 leaves; bias=False leaves a None."""
    layer = nn.Linear(3, 2)
    assert tuple(layer.weight.shape) == (2, 3)
    assert tuple(layer.bias.shape) == (2,)
    assert {p.dtype for p in layer.parameters()} == {tg.float32}
    assert all(p.requires_grad and p.is_leaf for p in layer.parameters())
    plain = nn.Linear(3, 2, bias=False, dtype=tg.float64)
    assert plain.bias is None
    assert plain.weight.dtype == tg.float64
    assert [name for name, _ in plain.named_parameters()] == ["weight"]


def test_linear_starts_uniform_within_one_over_root_n_in():
    """Both parameters lie within 1/sqrt(n_in), and reach near to it."""
    tg.manual_seed(0)
    layer = nn.Linear(100, 50)
    for parameter in layer.parameters():
        largest = np.abs(parameter.detach().numpy()).max()
        assert 0.09 < largest <= 0.1


def test_reset_parameters_draws_anew():
    """From the same seed come the same numbers."""
    tg.manual_seed(0)
    layer = nn.Linear(3, 2)
    first = layer.weight.tolist()
    layer.reset_parameters()
    assert layer.weight.tolist() != first
    tg.manual_seed(0)
    layer.reset_parameters()
    assert layer.weight.tolist() == first


def test_a_mismatch_of_shapes_names_them_and_the_convention():
    """The error gives the operation, both shapes, and says that rows are samples."""
    with pytest.raises(tg.ShapeError) as error:
        nn.Linear(3, 2)(tg.zeros(5, 4))
    message = str(error.value)
    assert message.startswith("linear: ")
    assert "input (5, 4), weight (2, 3)" in message
    assert "Samples are rows here: input (m, n_in), weight (n_out, n_in)" in message


def test_a_mismatch_of_dtypes_is_refused():
    """float64 rows into a float32 layer are an error, as in PyTorch, not a silent conversion."""
    with pytest.raises(tg.DtypeError, match="the operands are float64 and float32"):
        nn.Linear(3, 2)(tg.zeros(5, 3, dtype=tg.float64))


def test_negative_sizes_are_refused():
    """A layer of negative width is an error at once."""
    with pytest.raises(RuntimeError, match="negative dimension"):
        nn.Linear(3, -2)


def test_flatten_keeps_the_samples_axis():
    """(m, 2, 3) becomes (m, 6); start_dim and end_dim choose otherwise."""
    X = tg.arange(24).reshape(4, 2, 3)
    assert nn.Flatten()(X).tolist() == np.arange(24).reshape(4, 6).tolist()
    assert tuple(nn.Flatten(0, 1)(X).shape) == (8, 3)


def test_identity_takes_any_arguments_and_gives_its_input():
    """It can stand for any layer."""
    X = tg.zeros(2)
    assert nn.Identity(54, unused=True)(X) is X
