"""The gradient equations that are read off a recorded graph."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_edu as te
from tinygrad_edu.nn import functional as F
from tinygrad_edu.symbolic import forward_equations, gradient_equations
from tinygrad_edu.symbolic.printer import namespace


def article(rng, g=te.tanh, m=6):
    """The article's network with its own names, and the values by name."""
    arrays = {
        "X": rng.standard_normal((2, m)),
        "Y": (rng.random((1, m)) > 0.5).astype(float),
        "W1": rng.standard_normal((2, 4)),
        "b1": rng.standard_normal((4, 1)),
        "W2": rng.standard_normal((4, 1)),
        "b2": rng.standard_normal((1, 1)),
    }
    t = {k: te.tensor(v, requires_grad=k[0] in "Wb", name=k) for k, v in arrays.items()}
    t["Z1"] = t["W1"].T @ t["X"] + t["b1"]
    t["A1"] = g(t["Z1"])
    t["Z2"] = t["W2"].T @ t["A1"] + t["b2"]
    t["A2"] = te.sigmoid(t["Z2"])
    t["L"] = F.binary_cross_entropy(t["A2"], t["Y"])
    for name, tensor in t.items():
        tensor.name = name
    return t


def test_equations_of_the_article(rng):
    """The derived lines are the article's, in its order, in the exact scale."""
    lines = [str(e) for e in gradient_equations(article(rng)["L"])]
    assert lines == [
        "dA2 = dL / 6 * (A2 - Y) / np.maximum(A2 * (1 - A2), 1e-12)",
        "dZ2 = dA2 * A2 * (1 - A2)",
        "dW2 = A1 @ dZ2.T",
        "db2 = np.sum(dZ2, axis=1, keepdims=True)",
        "dA1 = W2 @ dZ2",
        "dZ1 = dA1 * (1 - A1 ** 2)",
        "dW1 = X @ dZ1.T",
        "db1 = np.sum(dZ1, axis=1, keepdims=True)",
    ]


def test_forward_equations_of_the_article(rng):
    """Named values are computed from named values, what lies between them is spelled out."""
    assert [str(e) for e in forward_equations(article(rng)["L"])][:3] == [
        "Z1 = W1.T @ X + b1",
        "A1 = np.tanh(Z1)",
        "Z2 = W2.T @ A1 + b2",
    ]


@pytest.mark.parametrize("g", [te.tanh, te.sigmoid, te.relu, lambda Z: Z.leaky_relu(0.1), lambda Z: Z * Z + Z])
def test_printed_equations_compute_the_gradients(g, rng):
    """Executed one after the other as NumPy, the printed lines give what backward gives."""
    t = article(rng, g)
    for tensor in t.values():
        if tensor.requires_grad:
            tensor.retain_grad()
    t["L"].backward(retain_graph=True)
    scope = {**namespace(), **{k: v.detach().numpy() for k, v in t.items()}, "dL": np.ones(())}
    for equation in gradient_equations(t["L"]):
        scope[equation.name] = eval(str(equation).split(" = ", 1)[1], scope)
        expected = t[equation.name[1:]].grad.numpy()
        assert_allclose(scope[equation.name], expected, rtol=1e-12, atol=1e-14)  # the same operations


def test_value_used_twice_shows_a_sum(rng):
    """Each user's contribution stands in the line."""
    x = te.tensor(rng.standard_normal(3), requires_grad=True, name="x")
    y = x * x + x.exp()
    y.name = "y"
    (line,) = [str(e) for e in gradient_equations(y.sum()) if e.name == "dx"]
    assert line in ("dx = dy * np.exp(x) + dy * x + dy * x", "dx = dy * x + dy * x + dy * np.exp(x)")


def test_a_loss_without_a_name_is_called_L(rng):
    """The cotangent that everything starts from is dL."""
    x = te.tensor(rng.standard_normal(3), requires_grad=True, name="x")
    (line,) = gradient_equations(x.tanh().sum())
    assert str(line) == "dx = np.broadcast_to(np.reshape(dL, (1,)), shape=(3,)) * (1 - np.tanh(x) ** 2)"


def test_works_after_backward(rng):
    """The structure outlives the arrays that backward frees."""
    loss = article(rng)["L"]
    before = [str(e) for e in gradient_equations(loss)]
    loss.backward()
    assert [str(e) for e in gradient_equations(loss)] == before
