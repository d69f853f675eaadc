"""Inverses, determinants, systems, decompositions and norms of matrices against PyTorch.

Signs of vectors are each library's own: decompositions are compared through what does not depend on them.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_edu as tg
from tinygrad_edu import linalg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from .test_ops_torch import compare  # noqa: E402

SQUARE = [(4, 4), (2, 3, 3), (1, 1)]
ANY = [(4, 3), (3, 4), (3, 3), (2, 4, 2)]
inf = float("inf")


def regular(rng, *shape):
    return rng.standard_normal(shape) + 3 * np.eye(shape[-1])


def definite(rng, *shape):
    """Symmetric, with eigenvalues 1, 2, ..."""
    Q, _ = np.linalg.qr(rng.standard_normal(shape))
    A = (Q * np.arange(1.0, shape[-1] + 1)) @ Q.swapaxes(-1, -2)
    return 0.5 * (A + A.swapaxes(-1, -2))


def both(function, *inputs):
    """Two orders in float64, one in float32, whose second is a difference of rounded terms."""
    compare(function, list(inputs), "float64")
    compare(function, list(inputs), "float32", orders=1)


OF_REGULAR = {
    "inv": lambda L, A: [L.m.linalg.inv(A), L.m.inverse(A), A.inverse()],
    "det": lambda L, A: [L.m.linalg.det(A), L.m.det(A), A.det()],
    "slogdet": lambda L, A: [*L.m.linalg.slogdet(A), *L.m.slogdet(A)],
    "matrix_exp": lambda L, A: [L.m.linalg.matrix_exp(A / 4), L.m.matrix_exp(A / 16), (A * 1.5).matrix_exp()],
    "matrix_power": lambda L, A: [
        *(L.m.linalg.matrix_power(A / 4, n) for n in (1, 2, 5, -1, -3)),
        L.m.linalg.matrix_power(A.detach(), 0),
    ],
    "pinv": lambda L, A: [L.m.linalg.pinv(A), L.m.pinverse(A)],
}
OF_DEFINITE = {
    "logdet": lambda L, A: [L.m.logdet(A), A.logdet()],
    "cholesky": lambda L, A: [L.m.linalg.cholesky(A), L.m.linalg.cholesky(A, upper=True), L.m.cholesky(A)],
    "eigh": lambda L, A: [w_v for U in "LU" for w, V in [L.m.linalg.eigh(A, U)] for w_v in (w, V * V)],
    "eigvalsh": lambda L, A: L.m.linalg.eigvalsh(A),
}


@pytest.mark.parametrize("shape", SQUARE, ids=str)
@pytest.mark.parametrize("name", OF_REGULAR)
def test_function_of_regular_matrices(name, shape, rng):
    """Values and gradients, of stacks too."""
    both(OF_REGULAR[name], regular(rng, *shape))


@pytest.mark.parametrize("shape", [(4, 4), (2, 3, 3)], ids=str)
def test_condition_number(shape, rng):
    """Its gradient through singular values; PyTorch's own through the norms 1 and "fro" fails."""
    A = regular(rng, *shape)
    both(lambda L, A: [L.m.linalg.cond(A), L.m.linalg.cond(A, -2)], A)
    compare(lambda L, A: [L.m.linalg.cond(A.detach(), p) for p in (1, "fro")], [A], "float64")


@pytest.mark.parametrize("shape", SQUARE, ids=str)
@pytest.mark.parametrize("name", OF_DEFINITE)
def test_function_of_definite_matrices(name, shape, rng):
    """Of a symmetric matrix; of another one a triangle is read, and the gradient is PyTorch's all the same."""
    both(OF_DEFINITE[name], definite(rng, *shape))
    both(OF_DEFINITE[name], definite(rng, *shape) + 0.01 * rng.standard_normal(shape))


@pytest.mark.parametrize("shape", SQUARE, ids=str)
def test_solve(shape, rng):
    """Matrices, vectors, stacks that broadcast, from the left and from the right."""
    A, n = regular(rng, *shape), shape[-1]
    both(lambda L, A, B: L.m.linalg.solve(A, B), A, rng.standard_normal((*shape[:-1], 2)))
    both(lambda L, A, B: L.m.linalg.solve(A, B), A, rng.standard_normal(shape[:-1]))
    both(lambda L, A, B: L.m.linalg.solve(A, B, left=False), A, rng.standard_normal((*shape[:-2], 2, n)))
    both(lambda L, A, B: L.m.linalg.solve(A, B), A, rng.standard_normal((5, *(1 for _ in shape[:-2]), n, 2)))
    both(lambda L, A, B: L.m.linalg.solve(A, B), A, rng.standard_normal((*shape[:-1], 0)))


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("shape", SQUARE, ids=str)
def test_triangular_systems(shape, upper, rng):
    """Of A a triangle is read; its diagonal may stand for ones; Cholesky factors solve two systems at once."""
    A, n = regular(rng, *shape), shape[-1]
    B, R = rng.standard_normal((*shape[:-1], 2)), rng.standard_normal((*shape[:-2], 2, n))
    for ones in (False, True):
        both(lambda L, A, B, u=ones: L.m.linalg.solve_triangular(A, B, upper=upper, unitriangular=u), A, B)
        both(lambda L, A, B, u=ones: L.m.linalg.solve_triangular(A, B, upper=upper, left=False, unitriangular=u), A, R)
    factor = (np.triu if upper else np.tril)(A)
    both(lambda L, B, F: [L.m.cholesky_solve(B, F, upper), B.cholesky_solve(F, upper)], B, factor)
    both(lambda L, F: L.m.cholesky_inverse(F, upper), factor)


@pytest.mark.parametrize("columns", [2, 70])
def test_a_large_triangular_system(columns, rng):
    """In blocks, by either way of solving the last of them."""
    A, B = regular(rng, 70, 70) + 30 * np.eye(70), rng.standard_normal((70, columns))
    for upper in (False, True):
        compare(lambda L, A, B, u=upper: L.m.linalg.solve_triangular(A, B, upper=u), [A, B], "float64", orders=1)


@pytest.mark.parametrize("shape", ANY, ids=str)
def test_qr(shape, rng):
    """LAPACK's signs, in both libraries."""
    A = rng.standard_normal(shape)
    both(lambda L, A: [*L.m.linalg.qr(A)], A)
    compare(lambda L, A: [*L.m.linalg.qr(A.detach(), "complete"), *L.m.qr(A.detach(), some=False)], [A], "float64")
    compare(lambda L, A: [*L.m.linalg.qr(A.detach(), mode="r")], [A], "float64")
    if shape[-2] <= shape[-1]:
        both(lambda L, A: [*L.m.linalg.qr(A, "complete")], A)


def test_qr_without_gradient(rng):
    """Where PyTorch's backward refuses, nothing is recorded."""
    A = tg.tensor(rng.standard_normal((4, 3)), requires_grad=True)
    assert not linalg.qr(A, "complete").Q.requires_grad
    assert not linalg.qr(A, "r").R.requires_grad


@pytest.mark.parametrize("shape", ANY, ids=str)
def test_svd(shape, rng):
    """Through values, squares of vectors and the polar factor."""
    A = rng.standard_normal(shape)

    def invariants(U, S, Vh):
        return [S, U * U, Vh * Vh, U @ Vh, (U * S[..., None, :]) @ U.mT]

    both(lambda L, A: invariants(*L.m.linalg.svd(A, full_matrices=False)), A)
    both(lambda L, A: [L.m.linalg.svd(A).S, L.m.linalg.svdvals(A)], A)
    both(lambda L, A: [(y * y)[..., :2] for y in L.m.svd(A)], A)
    k = min(shape[-2:])
    both(lambda L, A: [L.m.linalg.svd(A).U[..., :k] ** 2, L.m.linalg.svd(A).Vh[..., :k, :] ** 2], A)
    compare(lambda L, A: [L.m.linalg.svdvals(A.detach()), *L.m.svd(A.detach(), compute_uv=False)], [A], "float64")


@pytest.mark.parametrize("shape", [(9, 4), (4, 9), (5, 5)])
@pytest.mark.parametrize("name", ["svd_lowrank", "pca_lowrank"])
def test_the_greatest_singular_values(name, shape, rng):
    """From the same seed PyTorch's values, and vectors but for their signs; gradients of what has no sign."""
    A = rng.standard_normal(shape)
    found = []
    for m in (tg, torch):
        m.manual_seed(0)
        X = m.tensor(A, requires_grad=True)
        U, S, V = getattr(m, name)(X, 3)
        ((U * S) @ V.mT).pow(2).sum().backward()
        found.append([S.detach().numpy(), abs(U.detach().numpy()), abs(V.detach().numpy()), X.grad.numpy()])
    for ours, theirs in zip(*found, strict=True):
        assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9)
    for m in (tg, torch):
        with pytest.raises(ValueError, match=r"q ?\(=7\)"):
            m.pca_lowrank(m.ones(6, 8), 7)


@pytest.mark.parametrize("shape", ANY, ids=str)
def test_pinv_lstsq_and_rank(shape, rng):
    """The solution's gradient; residuals, rank and singular values as the driver gives them."""
    A, B = rng.standard_normal(shape), rng.standard_normal((*shape[:-1], 2))
    both(lambda L, A: L.m.linalg.pinv(A), A)
    both(lambda L, A, B: L.m.linalg.lstsq(A, B).solution, A, B)
    for driver in ("gelsy", "gels", "gelsd", "gelss"):
        compare(lambda L, A, B, d=driver: [*L.m.linalg.lstsq(A.detach(), B.detach(), driver=d)], [A, B], "float64")
    compare(lambda L, A: [L.m.linalg.matrix_rank(A), L.m.linalg.matrix_rank(A, tol=1.5)], [A], "float64")
    low = A[..., :1] * B[..., :1].swapaxes(-1, -2)[..., :1] if shape[-1] else A
    compare(lambda L, A: [L.m.linalg.matrix_rank(A), L.m.linalg.pinv(A.detach())], [low], "float64")


@pytest.mark.parametrize("ord", ["fro", "nuc", 1, -1, 2, -2, inf, -inf])
def test_matrix_norm(ord, rng):
    """Over the last two axes and over others, kept or not; linalg.norm tells vectors from matrices."""
    A, S = rng.standard_normal((3, 4)), rng.standard_normal((2, 3, 4))
    both(lambda L, A: [L.m.linalg.matrix_norm(A, ord), L.m.linalg.norm(A, ord)], A)
    both(lambda L, A: L.m.linalg.matrix_norm(A, ord, dim=(2, 0), keepdim=True), S)
    both(lambda L, A: [L.m.linalg.matrix_norm(A, ord), L.m.linalg.norm(A, ord, dim=(0, 1))], S)
    if ord not in ("fro", "nuc"):
        both(lambda L, A: [L.m.linalg.norm(A, ord, 1), L.m.linalg.norm(A[0], ord)], A)
    both(lambda L, A: [L.m.linalg.norm(A), L.m.linalg.norm(A, dim=(0, 1)), L.m.linalg.vector_norm(A)], A)


@pytest.mark.parametrize("kind", ["rank-2", "rank-1", "zero", "one of a stack"])
def test_det_of_a_singular_matrix(kind, rng):
    """The gradient is the cofactors', which exist: the zero matrix has none but 0."""
    A = rng.standard_normal((3, 3))
    A[2] = A[0] + A[1]
    if kind == "rank-1":
        A[:] = np.outer(A[0], A[1])
    A = {"zero": 0 * A, "one of a stack": np.stack([A, regular(rng, 3, 3)])}.get(kind, A)
    x = tg.tensor(A, requires_grad=True)
    linalg.det(x).sum().backward()
    minors = np.array([[np.delete(np.delete(A, i, -2), j, -1) for j in range(3)] for i in range(3)])
    signs = np.array([[(-1) ** (i + j) for j in range(3)] for i in range(3)])
    cofactors = np.linalg.det(minors)
    cofactors = np.moveaxis(cofactors, -1, 0) if kind == "one of a stack" else cofactors
    assert_allclose(x.grad.numpy(), signs * cofactors, rtol=1e-12, atol=1e-13)  # some 100 roundings of numbers near 1


@pytest.mark.parametrize(
    "call",
    [
        lambda m, x: m.linalg.inv(x),
        lambda m, x: m.linalg.inv(m.stack([m.eye(2), x])),
        lambda m, x: m.linalg.solve(x, m.ones(2)),
        lambda m, x: m.linalg.cholesky(x),
        lambda m, x: m.linalg.cholesky(x * float("nan")),
        lambda m, x: m.linalg.svd(x * float("nan")),
        lambda m, x: m.linalg.svdvals(x * float("nan")),
        lambda m, x: m.linalg.pinv(x * float("nan")),
        lambda m, x: m.linalg.matrix_power(x, -1),
    ],
)
def test_singular_is_a_linalg_error(call):
    """PyTorch's class by name and base, and NumPy's; the place in a stack is named."""
    for m in (tg, torch):
        with pytest.raises(m.linalg.LinAlgError):
            call(m, m.zeros(2, 2))
    assert issubclass(linalg.LinAlgError, RuntimeError)
    assert issubclass(linalg.LinAlgError, np.linalg.LinAlgError)
    with pytest.raises(linalg.LinAlgError, match="singular at index 1"):
        linalg.inv(tg.stack([tg.eye(2), tg.zeros(2, 2)]))


@pytest.mark.parametrize(
    "call",
    [lambda L, x: L.m.linalg.inv(x), lambda L, x: L.m.linalg.det(x), lambda L, x: L.m.linalg.matrix_exp(x)],
)
def test_nan_goes_through(call):
    """A matrix of NaN gives NaN, not an error."""
    compare(call, [np.full((2, 2), np.nan)], "float64", orders=0)


NAMES = ["inv", "det", "slogdet", "cholesky", "eigh", "eigvalsh", "matrix_exp", "svd", "svdvals", "pinv", "qr"]


@pytest.mark.parametrize("name", NAMES)
def test_what_pytorch_refuses(name):
    """Vectors, integers and, where it must be square, other matrices: RuntimeError."""
    for m in (tg, torch):
        f = getattr(m.linalg, name)
        for x in (m.ones(2), m.ones(2, 2, dtype=m.int64), *([] if name in "svdvals pinv qr" else [m.ones(2, 3)])):
            with pytest.raises(RuntimeError):
                f(x)


@pytest.mark.parametrize(
    "call",
    [
        lambda m, x: m.linalg.solve(x, m.ones(3, 2)),
        lambda m, x: m.linalg.solve(x, m.ones(2).double()),
        lambda m, x: m.linalg.solve_triangular(x, m.ones(3, 2), upper=True),
        lambda m, x: m.linalg.lstsq(x, m.ones(3, 2)),
        lambda m, x: m.linalg.lstsq(x, x, driver="lu"),
        lambda m, x: m.linalg.qr(x, "full"),
        lambda m, x: m.linalg.eigh(x, "X"),
        lambda m, x: m.linalg.matrix_norm(x, 3),
        lambda m, x: m.linalg.matrix_norm(m.ones(2)),
        lambda m, x: m.linalg.matrix_norm(x, dim=(0, 0)),
        lambda m, x: m.linalg.norm(m.ones(2, 2, 2), 2),
        lambda m, x: m.linalg.matrix_power(m.ones(2, 3), 2),
        lambda m, x: m.linalg.vander(x, N=1),
    ],
)
def test_what_pytorch_refuses_of_arguments(call):
    """Shapes that don't fit, mixed types, unknown words."""
    for m in (tg, torch):
        with pytest.raises(RuntimeError):
            call(m, m.eye(2))


def test_equal_values_have_a_gradient(rng):
    """Equal eigenvalues and singular values are differentiated through values alone, vectors through none."""
    for f in (linalg.eigvalsh, linalg.svdvals):
        x = tg.eye(3, dtype=tg.float64).requires_grad_()
        f(x).sum().backward()
        assert_allclose(x.grad.numpy(), np.eye(3), atol=1e-15)  # one rounding
    x = tg.eye(3, dtype=tg.float64).requires_grad_()
    (linalg.eigh(x).eigenvectors * tg.tensor(rng.standard_normal((3, 3)))).sum().backward()
    assert not np.isfinite(x.grad.numpy()).all()


def test_numpys_functions_answer(rng):
    """np.linalg.f of Tensors is np.linalg.f of their arrays."""
    a, v = definite(rng, 3, 3), rng.standard_normal(3)
    A, V = tg.tensor(a, requires_grad=True), tg.tensor(v)
    la = np.linalg
    for f in (la.inv, la.det, la.cholesky, la.eigvalsh, la.pinv, la.matrix_rank, la.norm, la.cond, la.svdvals):
        assert_allclose(f(A).detach().numpy(), f(a), rtol=1e-12, atol=1e-12)  # of condition 3
    for f in (la.slogdet, la.qr, la.eigh, la.svd):
        for ours, theirs in zip(f(A), f(a), strict=True):
            assert_array_equal(ours.detach().numpy(), theirs)
    for ours, theirs in (
        (la.solve(A, V), la.solve(a, v)),
        (la.matrix_power(A, 3), la.matrix_power(a, 3)),
        (la.norm(A, 1), la.norm(a, 1)),
        (la.norm(V, 3), la.norm(v, 3)),
        (la.norm(A, axis=1, keepdims=True), la.norm(a, axis=1, keepdims=True)),
        (la.matrix_norm(A, ord="nuc"), la.matrix_norm(a, ord="nuc")),
        (la.vector_norm(A, axis=0), la.vector_norm(a, axis=0)),
        (la.qr(A, "r"), la.qr(a, "r")),
        (la.svd(A, compute_uv=False), la.svd(a, compute_uv=False)),
        (la.cholesky(A, upper=True), la.cholesky(a, upper=True)),
        (la.lstsq(A[:, :2], V)[0], la.lstsq(a[:, :2], v)[0]),
    ):
        assert_allclose(ours.detach().numpy(), theirs, rtol=1e-12, atol=1e-12)  # as above
