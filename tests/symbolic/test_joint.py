"""The equations of operations with several outputs."""

from __future__ import annotations

import tinygrad_edu as te
from tinygrad_edu.symbolic import explain


def test_equations_of_a_loss_through_qr(rng):
    """Q and R stand in the lines by their names, and the lines give the numbers."""
    A = te.tensor(rng.standard_normal((4, 3)), requires_grad=True, name="A")
    Q, R = te.linalg.qr(A)
    Q.name, R.name = "Q", "R"
    e = explain((Q**3).sum() + (R * R).sum())
    assert [line.source() for line in e.forward][:2] == [
        "Q = np.linalg.qr(A, mode='reduced')[0]",
        "R = np.linalg.qr(A, mode='reduced')[1]",
    ]
    dA = e["dA"].source()
    assert dA.startswith("dA = solve_triangle(R, dQ.T + (np.triu(dR @ R.T - Q.T @ dQ")
    assert "np.linalg.qr" not in dA
    e.check()


def test_equations_with_an_output_that_nobody_uses(rng):
    """The cotangent of an unused output is zeros: it is in no line."""
    A = te.tensor(rng.standard_normal((3, 3)), requires_grad=True, name="A")
    _, R = te.linalg.qr(A)
    R.name = "R"
    e = explain((R * R).sum())
    assert [line.name for line in e.backward] == ["dL", "dR", "dA"]
    e.check()
