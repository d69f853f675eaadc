"""Which number of a loss is the count m of its mean, when the mean is written out."""

from __future__ import annotations

import pytest

import tinygrad_edu as te
from tinygrad_edu.symbolic import explain

m, n = 4, 2


@pytest.fixture
def values(rng):
    """Rows are samples: X (4, 3), Y (4, 2), and a parameter W (3, 2)."""
    return (
        te.tensor(rng.standard_normal((m, 3)), name="X"),
        te.tensor(rng.standard_normal((m, n)), name="Y"),
        te.tensor(rng.standard_normal((3, n)), requires_grad=True, name="W"),
    )


WRITTEN = {
    "a half of two columns": (lambda Z, Y, W: -0.5 * (Z - Z.exp()).sum() / 4, 4, "1 / (2 m) (exp(Z) - 1)"),
    "a half alone": (lambda Z, Y, W: 0.5 * ((Z - Y) ** 2).sum(), None, "Z - Y"),
    "over two": (lambda Z, Y, W: ((Z - Y) ** 2).sum() / 2, None, "Z - Y"),
    "over a count that is two": (lambda Z, Y, W: ((Z - Y) ** 2).sum() / n, 2, "2/m (Z - Y)"),
    "over 2 m, which is the size": (lambda Z, Y, W: ((Z - Y) ** 2).sum() / (2 * m), 4, "1/m (Z - Y)"),
    "1 / (2 m) in front": (lambda Z, Y, W: (1 / (2 * m)) * ((Z - Y) ** 2).sum(), 4, "1/m (Z - Y)"),
    "over the size": (lambda Z, Y, W: ((Z - Y) ** 2).sum() / Z.numel(), 8, "2/m (Z - Y)"),
    "two sums over one count": (lambda Z, Y, W: ((Z**2).sum() + (Z * Y).sum()) / m, 4, "1/m (Y + 2 Z)"),
    "a count below a factor": (lambda Z, Y, W: 3 * (((Z - Y) ** 2).sum() / m), 4, "6/m (Z - Y)"),
    "a product of vectors": (lambda Z, Y, W: te.dot(Z[0], Z[0]) / (2 * n), 2, "dZ = 1/m scatter(Z[0], at=[0])"),
    "a penalty's factor": (lambda Z, Y, W: ((Z - Y) ** 2).sum() / m + (W**2).sum() / 2, 4, "2/m (Z - Y)"),
}


@pytest.mark.parametrize("case", WRITTEN)
def test_the_count_of_a_written_mean(case, values):
    """m is what divides by the number of entries, rows or columns; another number that equals one is none."""
    make, count, dZ = WRITTEN[case]
    X, Y, W = values
    Z = X @ W
    e = explain(make(Z, Y, W))
    assert e.m == count
    assert e.check() < 1e-10
    assert dZ in str(e["dZ"])


def test_without_a_source_numbers_alone_decide(values):
    """Code from a string has no lines to look at; a half is no count there either."""
    X, Y, W = values
    scope = {"X": X, "Y": Y, "W": W}
    exec("Z = X @ W\nA = ((Z - Y)**2).sum() / 4\nB = ((Z - Y)**2).sum() * 0.5", scope)
    assert explain(scope["A"]).m == 4
    assert explain(scope["B"]).m is None
