"""Symbols printed as NumPy, and what the printed text computes."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_edu.core.symbol import Symbol
from tinygrad_edu.symbolic import expression
from tinygrad_edu.symbolic.printer import namespace

F64 = np.dtype("float64")


def symbols():
    return Symbol((2, 3), F64, "A"), Symbol((2, 3), F64, "B"), Symbol((2, 3), F64, "C")


CASES = [
    (lambda A, B, C: A + B * C, "A + B * C"),
    (lambda A, B, C: (A + B) * C, "(A + B) * C"),
    (lambda A, B, C: A - (B - C), "A - (B - C)"),
    (lambda A, B, C: (A - B) - C, "A - B - C"),
    (lambda A, B, C: A / (B * C), "A / (B * C)"),
    (lambda A, B, C: A / B * C, "A / B * C"),
    (lambda A, B, C: -(A**2), "-A ** 2"),
    (lambda A, B, C: (-A) ** 2, "(-A) ** 2"),
    (lambda A, B, C: (A**B) ** C, "(A ** B) ** C"),
    (lambda A, B, C: 2 ** (A + 1), "2 ** (A + 1)"),
    (lambda A, B, C: A @ B.T, "A @ B.T"),
    (lambda A, B, C: A * (B @ C.T @ A), "A * (B @ C.T @ A)"),
    (lambda A, B, C: A.T @ (B * C), "A.T @ (B * C)"),
    (lambda A, B, C: (A > B) & (B > C), "(A > B) & (B > C)"),
    (lambda A, B, C: np.where(A > 0, B, -C), "np.where(A > 0, B, -C)"),
    (lambda A, B, C: np.sum(A, axis=1, keepdims=True), "np.sum(A, axis=1, keepdims=True)"),
    (lambda A, B, C: np.sum(A), "np.sum(A)"),
    (lambda A, B, C: A[0, 1:], "A[0, 1:, ...]"),
    (lambda A, B, C: A[:, None], "A[:, None, ...]"),
    (lambda A, B, C: A * -1, "A * -1"),
    (lambda A, B, C: np.concatenate([A, B], axis=1), "np.concatenate([A, B], axis=1)"),
    (lambda A, B, C: np.reshape(A * B, (3, 2)), "np.reshape(A * B, (3, 2))"),
]


@pytest.mark.parametrize(("build", "text"), CASES, ids=[text for _, text in CASES])
def test_expression_is_as_a_person_types_it(build, text, rng):
    """The text is the shortest that means the same, and it computes the same."""
    built = build(*symbols())
    assert expression(built) == text
    arrays = dict(zip("ABC", rng.uniform(0.5, 2, (3, 2, 3)), strict=True))
    np.testing.assert_array_equal(eval(text, {**namespace(), **arrays}), build(*arrays.values()))


def test_a_deep_expression_needs_no_recursion():
    """20,000 operations print."""
    A = Symbol((), F64, "A")
    value = A
    for _ in range(20_000):
        value = -value
    assert expression(value).endswith("A")
