"""Autograd against every equation of the article, each written out in plain NumPy by hand.

Columns are samples: X (n_x, m), W (n_in, n_out), b (n_out, 1), Z and A (n_out, m), Y (1, m). The
article's dZ and dA are per example, m times the derivative of the mean cost that `.grad` holds.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_edu as te

EXACT = {"rtol": 1e-12, "atol": 1e-12}  # float64: two ways of adding the same few hundred numbers


def sigmoid(Z):
    return 1 / (1 + np.exp(-Z))


class Activation(NamedTuple):
    """A hidden activation: as autograd runs it, and the article's g and g' in NumPy."""

    name: str
    run: Any
    g: Any
    slope: Any  # g'(Z), from Z

    def __str__(self) -> str:
        return self.name


ACTIVATIONS = [
    Activation("sigmoid", te.sigmoid, sigmoid, lambda Z: sigmoid(Z) * (1 - sigmoid(Z))),
    Activation("tanh", te.tanh, np.tanh, lambda Z: 1 - np.tanh(Z) ** 2),
    Activation("relu", te.relu, lambda Z: np.maximum(Z, 0), lambda Z: np.where(Z > 0, 1.0, 0.0)),
    Activation(
        "leaky relu",
        lambda Z: Z.leaky_relu(0.01),
        lambda Z: np.where(Z > 0, Z, 0.01 * Z),
        lambda Z: np.where(Z > 0, 1.0, 0.01),
    ),
]


class Network(NamedTuple):
    """One pass of the article's 2-layer network: autograd's tensors and the hand-derived gradients."""

    auto: dict[str, np.ndarray]
    hand: dict[str, np.ndarray]
    m: int


def run(activation: Activation, m: int = 50, seed: int = 0) -> Network:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((3, m))
    Y = (rng.random((1, m)) > 0.5).astype(float)
    W1, b1 = rng.standard_normal((3, 4)), rng.standard_normal((4, 1))
    W2, b2 = rng.standard_normal((4, 1)), rng.standard_normal((1, 1))

    t = {k: te.tensor(v, requires_grad=True) for k, v in {"W1": W1, "b1": b1, "W2": W2, "b2": b2}.items()}
    t["Z1"] = t["W1"].T @ te.tensor(X) + t["b1"]
    t["A1"] = activation.run(t["Z1"])
    t["Z2"] = t["W2"].T @ t["A1"] + t["b2"]
    A2 = te.sigmoid(t["Z2"])
    y = te.tensor(Y)
    L = -(y * A2.log() + (1 - y) * (1 - A2).log()).mean()
    for name in ("Z1", "A1", "Z2"):
        t[name].retain_grad()
    L.backward()
    auto = {f"d{name}": tensor.grad.numpy() for name, tensor in t.items()}
    for name in ("dZ2", "dA1", "dZ1"):
        auto[name] = m * auto[name]  # the article's are per example

    Z1 = W1.T @ X + b1
    A1 = activation.g(Z1)
    Z2 = W2.T @ A1 + b2
    hand = {"dZ2": sigmoid(Z2) - Y}
    hand["dW2"] = 1 / m * A1 @ hand["dZ2"].T
    hand["db2"] = 1 / m * np.sum(hand["dZ2"], axis=1, keepdims=True)
    hand["dA1"] = W2 @ hand["dZ2"]
    hand["dZ1"] = hand["dA1"] * activation.slope(Z1)
    hand["dW1"] = 1 / m * X @ hand["dZ1"].T
    hand["db1"] = 1 / m * np.sum(hand["dZ1"], axis=1, keepdims=True)
    return Network(auto, hand, m)


@pytest.mark.parametrize("quantity", ["dZ2", "dW2", "db2", "dA1", "dZ1", "dW1", "db1"])
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_two_layers(activation, quantity):
    """Each gradient of the 2-layer network equals the article's formula for it."""
    network = run(activation)
    assert_allclose(network.auto[quantity], network.hand[quantity], **EXACT)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_derivative_of_each_activation(activation, rng):
    """dA/dZ is the g'(Z) that the article lists."""
    Z = te.tensor(rng.standard_normal((4, 7)), requires_grad=True)
    activation.run(Z).sum().backward()
    assert_allclose(Z.grad.numpy(), activation.slope(Z.detach().numpy()), **EXACT)


def test_single_logistic_neuron(rng):
    """dz = a - y, dw = x dz, db = dz for one example through one neuron."""
    x, w, b, y = rng.standard_normal((3, 1)), rng.standard_normal((3, 1)), 0.3, 1.0
    W, B = te.tensor(w, requires_grad=True), te.tensor([[b]], dtype=te.float64, requires_grad=True)
    z = W.T @ te.tensor(x) + B
    a = te.sigmoid(z)
    z.retain_grad()
    (-(y * a.log() + (1 - y) * (1 - a).log())).sum().backward()
    dz = sigmoid(w.T @ x + b) - y
    assert_allclose(z.grad.numpy(), dz, **EXACT)
    assert_allclose(W.grad.numpy(), x * dz, **EXACT)
    assert_allclose(B.grad.numpy(), dz, **EXACT)


def test_one_example_at_a_time_is_the_vectorised_pass(rng):
    """The gradients of m single examples, accumulated and divided by m, are those of one pass over all."""
    m = 12
    X, Y = rng.standard_normal((2, m)), (rng.random((1, m)) > 0.5).astype(float)
    start = [rng.standard_normal(shape) for shape in ((2, 4), (4, 1), (4, 1), (1, 1))]

    def loss(parameters, x, y):
        W1, b1, W2, b2 = parameters
        A2 = te.sigmoid(W2.T @ te.tanh(W1.T @ x + b1) + b2)
        return -(y * A2.log() + (1 - y) * (1 - A2).log())

    together = [te.tensor(a, requires_grad=True) for a in start]
    loss(together, te.tensor(X), te.tensor(Y)).mean().backward()
    one_by_one = [te.tensor(a, requires_grad=True) for a in start]
    for i in range(m):
        loss(one_by_one, te.tensor(X[:, i : i + 1]), te.tensor(Y[:, i : i + 1])).sum().backward()
    for vectorised, summed in zip(together, one_by_one, strict=True):
        assert_allclose(vectorised.grad.numpy(), summed.grad.numpy() / m, **EXACT)


def test_gradient_descent_step(rng):
    """One step by SGD is W - learning_rate dW, b - learning_rate db with the hand-derived dW, db."""
    m, rate = 20, 0.7
    X, Y = rng.standard_normal((2, m)), (rng.random((1, m)) > 0.5).astype(float)
    W, b = rng.standard_normal((2, 1)), np.zeros((1, 1))
    w, c = te.tensor(W, requires_grad=True), te.tensor(b, requires_grad=True)
    A = te.sigmoid(w.T @ te.tensor(X) + c)
    y = te.tensor(Y)
    (-(y * A.log() + (1 - y) * (1 - A).log()).mean()).backward()
    te.optim.SGD([w, c], lr=rate).step()
    dZ = sigmoid(W.T @ X + b) - Y
    assert_allclose(w.detach().numpy(), W - rate * X @ dZ.T / m, **EXACT)
    assert_allclose(c.detach().numpy(), b - rate * dZ.sum(1, keepdims=True) / m, **EXACT)


def test_three_layers(rng):
    """The formulas apply layer by layer: dZ[l] = W[l+1] dZ[l+1] * g'(Z[l])."""
    m, sizes = 15, (3, 5, 4, 1)
    X, Y = rng.standard_normal((3, m)), (rng.random((1, m)) > 0.5).astype(float)
    W = [rng.standard_normal((sizes[i], sizes[i + 1])) for i in range(3)]
    b = [rng.standard_normal((sizes[i + 1], 1)) for i in range(3)]
    Ws, bs = ([te.tensor(a, requires_grad=True) for a in group] for group in (W, b))
    A = te.tensor(X)
    for i in range(3):
        A = (te.sigmoid if i == 2 else te.tanh)(Ws[i].T @ A + bs[i])
    y = te.tensor(Y)
    (-(y * A.log() + (1 - y) * (1 - A).log()).mean()).backward()

    As = [X]
    for i in range(3):
        Z = W[i].T @ As[-1] + b[i]
        As.append(sigmoid(Z) if i == 2 else np.tanh(Z))
    dZ = As[3] - Y
    for i in (2, 1, 0):
        assert_allclose(Ws[i].grad.numpy(), As[i] @ dZ.T / m, **EXACT)
        assert_allclose(bs[i].grad.numpy(), dZ.sum(1, keepdims=True) / m, **EXACT)
        if i:
            dZ = (W[i] @ dZ) * (1 - As[i] ** 2)


def test_layers_without_activation_are_one_affine_map(rng):
    """Two linear layers equal one with W = W1 W2 and b = W2.T b1 + b2, and so do their input gradients."""
    X = te.tensor(rng.standard_normal((3, 6)), requires_grad=True)
    W1, b1 = te.tensor(rng.standard_normal((3, 4))), te.tensor(rng.standard_normal((4, 1)))
    W2, b2 = te.tensor(rng.standard_normal((4, 2))), te.tensor(rng.standard_normal((2, 1)))
    deep = W2.T @ (W1.T @ X + b1) + b2
    flat = (W1 @ W2).T @ X + (W2.T @ b1 + b2)
    assert_allclose(deep.detach().numpy(), flat.detach().numpy(), **EXACT)
    (through_two,) = te.autograd.grad(deep.sum(), X)
    assert_allclose(through_two.numpy(), np.tile((W1 @ W2).sum(1).numpy()[:, None], (1, 6)), **EXACT)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_rows_as_samples_give_the_transposed_gradients(activation, rng):
    """nn.functional's rows and the article's columns hold the same gradients, transposed."""
    from tinygrad_edu.nn import functional as F

    X, W, b = rng.standard_normal((3, 8)), rng.standard_normal((3, 4)), rng.standard_normal((4, 1))
    columns = [te.tensor(a, requires_grad=True) for a in (W, b)]
    rows = [te.tensor(a, requires_grad=True) for a in (W.T, b[:, 0])]
    activation.run(columns[0].T @ te.tensor(X) + columns[1]).square().mean().backward()
    activation.run(F.linear(te.tensor(X.T), *rows)).square().mean().backward()
    assert_allclose(rows[0].grad.numpy(), columns[0].grad.numpy().T, **EXACT)
    assert_allclose(rows[1].grad.numpy(), columns[1].grad.numpy()[:, 0], **EXACT)
