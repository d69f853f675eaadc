"""The gradient equations of operations with several outputs."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose

import tinygrad_edu as te
from tinygrad_edu.symbolic import forward_equations, gradient_equations
from tinygrad_edu.symbolic.printer import namespace


def evaluate(loss, values):
    """Every derived line, executed as it is printed, one after the other."""
    scope = {**namespace(), **values, "dL": np.ones(())}
    for equation in gradient_equations(loss):
        scope[equation.name] = eval(str(equation).partition(" = ")[2], scope)
    return scope


def test_equations_of_a_loss_through_qr(rng):
    """The lines through Q and R, executed, are the gradient; Q and R stand in them by their names."""
    A = te.tensor(rng.standard_normal((4, 3)), requires_grad=True, name="A")
    Q, R = te.linalg.qr(A)
    Q.name, R.name = "Q", "R"
    loss = (Q**3).sum() + (R * R).sum()
    assert [str(e) for e in forward_equations(loss)][:2] == [
        "Q = np.linalg.qr(A, mode='reduced')[0]",
        "R = np.linalg.qr(A, mode='reduced')[1]",
    ]
    (line,) = [str(e) for e in gradient_equations(loss) if e.name == "dA"]
    assert line.startswith("dA = solve_triangle(R, (dQ + Q @ ")
    assert "np.linalg.qr" not in line
    scope = evaluate(loss, {"A": A.detach().numpy(), "Q": Q.detach().numpy(), "R": R.detach().numpy()})
    loss.backward()
    assert_allclose(scope["dA"], A.grad.numpy(), rtol=1e-12, atol=1e-12)  # the same operations, some in other order


def test_equations_with_an_output_that_nobody_uses(rng):
    """The cotangent of an unused output is zeros."""
    A = te.tensor(rng.standard_normal((3, 3)), requires_grad=True, name="A")
    _, R = te.linalg.qr(A)
    R.name = "R"
    loss = (R * R).sum()
    scope = evaluate(loss, {"A": A.detach().numpy(), "R": R.detach().numpy()})
    loss.backward()
    assert_allclose(scope["dA"], A.grad.numpy(), rtol=1e-12, atol=1e-12)  # as above
