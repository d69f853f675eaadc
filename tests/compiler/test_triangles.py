"""Triangular systems and what is computed with them, in compiled steps: bit for bit eager's, and written out whole."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu import distributions, linalg

FUNCTIONS = {
    "a triangle": lambda A, B: linalg.solve_triangular(A, B, upper=True),
    "cholesky": lambda A, B: te.cholesky_solve(B, linalg.cholesky(A)) + te.cholesky_inverse(linalg.cholesky(A)) @ B,
    "normal": lambda A, B: distributions.MultivariateNormal(B[:, 0], A).log_prob(B[:, 1]),
    "low rank": lambda A, B: distributions.LowRankMultivariateNormal(B[:, 0], B, A.diagonal()).log_prob(B[:, 1]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_triangular_systems_are_eagers(name):
    """Halves of a triangle are solved by the same function, which the program has under the name that it gives it."""
    te.manual_seed(0)
    start, other = te.randn(4, 4), te.randn(4, 2)
    start = start @ start.mT + 4 * te.eye(4)
    found = []
    for compiled in (False, True):
        A, B = start.clone().requires_grad_(), other.clone().requires_grad_()

        def step(A=A, B=B):
            A.grad = B.grad = None
            loss = FUNCTIONS[name](A, B).square().sum()
            loss.backward()
            return loss

        run = te.compile(step) if compiled else step
        found.append([[run().tolist() for _ in range(3)], A.grad.tolist(), B.grad.tolist()])
    assert found[0] == found[1]
    text = str(run.source)
    assert ".forward(" not in text
    exec(compile(text, "<alone>", "exec"), {"np": np, "__name__": "alone"})
