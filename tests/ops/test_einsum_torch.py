"""einsum, tensordot and kron against PyTorch: values, gradients, second gradients, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from .test_ops_torch import compare  # noqa: E402

EQUATIONS: dict[str, tuple[tuple[int, ...], ...]] = {
    "ij,jk->ik": ((2, 3), (3, 4)),
    "ij,jk": ((2, 3), (3, 4)),
    "ab,bc->ca": ((2, 3), (3, 4)),
    "Ab,bC": ((2, 3), (3, 2)),
    "bij, bjk -> bik": ((2, 3, 4), (2, 4, 5)),
    "i,j->ij": ((2,), (3,)),
    "i,i->": ((4,), (4,)),
    "ij,ij->ij": ((2, 3), (2, 3)),
    "ij->ji": ((2, 3),),
    "ij->": ((2, 3),),
    "ijk->j": ((2, 3, 4),),
    "ii": ((3, 3),),
    "ii->i": ((3, 3),),
    "iii->i": ((2, 2, 2),),
    "iij,jk->ik": ((3, 3, 2), (2, 4)),
    "...ii->...i": ((2, 3, 3),),
    "...": ((2, 3),),
    "i...->...": ((2, 3),),
    "i...,i...": ((3, 2), (3, 2)),
    "...ij,...jk->...ik": ((2, 1, 3, 4), (5, 4, 2)),
    "...ij,...jk": ((2, 3, 4), (4, 2)),
    "b...,b...->...b": ((2, 3), (2, 4, 1)),
    "ij,jk ": ((1, 3), (3, 4)),
    "ij,ij->ij ": ((1, 3), (2, 3)),
    "ij,kj->": ((2, 1), (2, 3)),
    "ij,jk->ki": ((2, 0), (0, 3)),
    ",i->i": ((), (3,)),
    "bij,bjk,bkl->bil": ((2, 3, 4), (2, 4, 5), (2, 5, 2)),
    "bn,anm,bm->ba": ((2, 3), (4, 3, 5), (2, 5)),
    "a,b,c,d->dcba": ((2,), (3,), (2,), (2,)),
}


@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum_is_pytorchs(equation, rng):
    """One to four operands, in both precisions, to second order."""
    inputs = [np.asarray(rng.standard_normal(s)) for s in EQUATIONS[equation]]
    for dtype in ("float64", "float32"):
        compare(lambda L, *xs: L.m.einsum(equation, *xs), inputs, dtype)
    numpy = np.einsum(equation, *(tg.tensor(x) for x in inputs))
    assert_allclose(numpy.numpy(), np.einsum(equation, *inputs), rtol=1e-12, atol=1e-12)  # sums in another order


def test_other_ways_to_say_it(rng):
    """Axes as lists of numbers, operands as one list, integers."""
    a, b = rng.standard_normal((2, 3)), rng.standard_normal((3, 4))
    compare(lambda L, x, y: L.m.einsum(x, [0, 1], y, [1, 2], [2, 0]), [a, b], "float64")
    compare(lambda L, x, y: L.m.einsum(x, [0, 1], y, [1, 2]), [a, b], "float64")
    compare(lambda L, x, y: L.m.einsum("ij,jk", [x, y]), [a, b], "float64")
    compare(
        lambda L, x, y: L.m.einsum("ij,jk", x, y), [np.arange(6).reshape(2, 3)] * 1 + [np.ones((3, 2), int)], "float64"
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda m, x, y: m.einsum("ij,jk->ik", x),
        lambda m, x, y: m.einsum("ij,jk->ik", x, y),
        lambda m, x, y: m.einsum("ij,kl->im", x, y),
        lambda m, x, y: m.einsum("ij->ii", x),
        lambda m, x, y: m.einsum("ijk", x),
        lambda m, x, y: m.einsum("i", x),
        lambda m, x, y: m.einsum("ii", x),
        lambda m, x, y: m.einsum("i1", x),
        lambda m, x, y: m.einsum("ij,kj->ik", x, y.double()),
        lambda m, x, y: m.tensordot(x, y, 1),
        lambda m, x, y: m.tensordot(x, y, 3),
        lambda m, x, y: m.tensordot(x, y, ([0], [0, 1])),
    ],
)
def test_what_pytorch_refuses(call):
    """Wrong numbers of operands, axes and lengths, unknown letters, mixed types: RuntimeError, as in PyTorch."""
    for m in (tg, torch):
        with pytest.raises(RuntimeError):
            call(m, m.ones(2, 3), m.ones(2, 3))


def test_a_refusal_says_the_letter_and_the_shapes():
    """Which letter has which lengths, and what the tensors are."""
    x, y = tg.ones(2, 3), tg.ones(4, 5)
    with pytest.raises(tg.ShapeError, match=r"subscript j has size 4 for operand 1.*size 3(.|\n)*x +\(2, 3\)"):
        tg.einsum("ij,jk->ik", x, y)


TENSORDOT = {
    "2": (2, (2, 3, 4), (3, 4, 5)),
    "1": (1, (2, 3), (3, 2)),
    "0": (0, (2,), (3,)),
    "lists": (([0, 2], [1, 0]), (2, 3, 4), (4, 2, 5)),
    "negative": (([-1], [-2]), (2, 3), (3, 4)),
    "all": (([0, 1], [0, 1]), (2, 3), (2, 3)),
    "empty": (1, (2, 0), (0, 3)),
}


@pytest.mark.parametrize("name", TENSORDOT)
def test_tensordot_is_pytorchs(name, rng):
    """Sums over a number of axes, or over lists of them."""
    dims, a, b = TENSORDOT[name]
    inputs = [rng.standard_normal(a), rng.standard_normal(b)]
    for dtype in ("float64", "float32"):
        compare(lambda L, x, y: L.m.tensordot(x, y, dims), inputs, dtype)
    assert_allclose(
        np.tensordot(tg.tensor(inputs[0]), tg.tensor(inputs[1]), dims).numpy(),
        np.tensordot(*inputs, dims),
        rtol=1e-12,  # sums in another order
        atol=1e-12,
    )


@pytest.mark.parametrize("shapes", [((2, 3), (4, 5)), ((2, 3), (4, 1, 2)), ((), (2,)), ((2,), (3,)), ((0, 2), (2, 2))])
def test_kron_is_pytorchs(shapes, rng):
    """Of any numbers of axes."""
    inputs = [np.asarray(rng.standard_normal(s)) for s in shapes]
    for dtype in ("float64", "float32"):
        compare(lambda L, x, y: L.m.kron(x, y), inputs, dtype)
    compare(lambda L, x, y: x.kron(y), inputs, "float64")
