"""`out=` and the smaller agreements with PyTorch that its sample inputs asked for."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
LIBRARIES = (torch, tg)


@pytest.mark.parametrize("name", ["add", "mul", "matmul", "sub", "div", "maximum", "mm"])
def test_out_of_two_operands(name, rng):
    """The result is stored in the tensor handed over, which is returned; an empty one takes its shape."""
    a, b = rng.standard_normal((2, 3, 3))
    stored = []
    for m in LIBRARIES:
        x, y = m.tensor(a), m.tensor(b)
        out, grown = m.zeros(3, 3, dtype=m.float64), m.empty(0, dtype=m.float64)
        f = getattr(m, name)
        assert f(x, y, out=out) is out
        assert f(x, y, out=grown) is grown
        assert m.equal(out, grown)
        stored.append(out.numpy())
    assert getattr(tg, name)(x, y, out=x) is x
    assert tg.equal(x, out)
    np.testing.assert_allclose(stored[1], stored[0], rtol=1e-12)


def test_out_of_one_operand_and_of_several_results():
    """exp, cat, sum-like functions; max and sort fill two tensors."""
    for m in LIBRARIES:
        x, y = m.tensor([3.0, 1.0, 2.0]), m.empty(3)
        m.exp(x, out=y)
        assert m.allclose(y, x.exp())
        assert m.cat([x, x], out=m.empty(6)).tolist() == [3, 1, 2, 3, 1, 2]
        values, places = m.empty(0), m.empty(0, dtype=m.int64)
        found = m.sort(x, out=(values, places))
        assert values.tolist() == [1, 2, 3]
        assert places.tolist() == [1, 2, 0]
        assert found.values is values
        wider = m.zeros(3, dtype=m.float64)
        m.add(x, 1, out=wider)
        assert wider.tolist() == [4, 2, 3]


def test_out_is_refused_where_it_would_lose_something():
    """A gradient, a fraction, a tensor that isn't one; another shape is a warning."""
    for m in LIBRARIES:
        x = m.ones(2, requires_grad=True)
        with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
            m.mul(x, 2, out=m.empty(2))
        with m.no_grad():
            assert m.mul(x, 2, out=m.empty(2)).tolist() == [2, 2]
        with pytest.raises(RuntimeError, match="can't be cast"):
            m.add(m.ones(2), 1, out=m.zeros(2, dtype=m.int64))
        with pytest.warns(UserWarning, match="was resized"):
            assert m.add(m.ones(3), 1, out=m.zeros(2)).tolist() == [2, 2, 2]
    with pytest.raises(TypeError, match="must be a Tensor"):
        tg.add(tg.ones(2), 1, out=3)


def test_results_of_several_tensors_print_alike():
    """Save for PyTorch's own name before them."""
    for call in (
        lambda m, x: x.max(1), lambda m, x: m.min(x, 0), lambda m, x: x.sort(), lambda m, x: x.topk(2),
        lambda m, x: x.kthvalue(1), lambda m, x: x.median(0), lambda m, x: x.mode(1), lambda m, x: x.cummax(0),
    ):  # fmt: skip
        texts = [repr(call(m, m.tensor([[3.0, 1.0], [2.0, 5.0]]))).removeprefix("torch.") for m in LIBRARIES]
        assert texts[0] == texts[1]


def test_integers_from_fractions():
    """arange, linspace and logspace of integers cut their limits first."""
    for m in LIBRARIES:
        whole = {"dtype": m.int64}
        assert m.arange(-0.9, 2.1, 2.0, **whole).tolist() == [0]
        assert m.arange(2.1, -2.9, -1.0, **whole).tolist() == [2, 1, 0, -1]
        assert m.arange(0.1, -7.9, -4.0, **whole).tolist() == [0, -4]
        assert m.linspace(4.3, -3, 8, **whole).tolist() == [4, 3, 2, 1, 0, -1, -2, -3]
        assert m.logspace(0, 1.2, 2, **whole).tolist() == [1, 10]


def test_corners_of_operations():
    """0-d isclose, the vector product of two vectors, diff of order 0, axes given twice, places on a device."""
    for m in LIBRARIES:
        assert m.isclose(m.tensor(1.0), m.tensor(1.0)).item() is True
        with pytest.raises(RuntimeError, match="rtol must be greater"):
            m.isclose(m.ones(1), m.ones(1), rtol=-1.0)
        x, y = m.tensor([1.0, 2.0, 3.0], requires_grad=True), m.tensor([4.0, 5.0, 6.0])
        m.cross(x, y, dim=0)[0].backward()
        assert x.grad.tolist() == [0, 6, -5]
        assert m.diff(m.arange(3.0), 0, -1, m.ones(2), m.ones(1)).tolist() == [0, 1, 2]
        assert m.gradient(m.arange(4.0), spacing=None)[0].tolist() == [1, 1, 1, 1]
        with pytest.raises(RuntimeError, match="multiple times"):
            m.gradient(m.ones(3, 3), dim=(1, 1))
        assert m.tril_indices(2, 2, device="cpu").tolist() == [[0, 1, 1], [0, 0, 1]]
        assert m.triu_indices(2, 2, device="cpu").tolist() == [[0, 0, 1], [0, 1, 1]]
        a = m.ones(2, requires_grad=True)
        (g,) = m.autograd.grad((a**2).sum(), a, only_inputs=True)
        assert g.tolist() == [2, 2]


def test_negative_deviations_are_refused():
    """In place too; nothing is written and nothing drawn."""
    for m in LIBRARIES:
        x = m.zeros(2)
        with pytest.raises(RuntimeError, match="std >= 0"):
            x.normal_(0, -1.0)
        assert x.tolist() == [0, 0]


@pytest.mark.parametrize("name", ["linalg.qr", "linalg.svd", "linalg.slogdet", "linalg.eigh", "linalg.lu_factor"])
def test_out_of_factors(name, rng):
    """Functions with several results fill as many tensors."""
    A = rng.standard_normal((3, 3))
    stored = []
    for m in LIBRARIES:
        f = m
        for part in name.split("."):
            f = getattr(f, part)
        x = m.tensor(A @ A.T)
        outs = [m.empty_like(y) for y in f(x)]
        f(x, out=tuple(outs))
        stored.append([np.abs(y.numpy()) for y in outs])
    for ours, theirs in zip(stored[1], stored[0], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_out_of_scatters_and_of_functional():
    """slice_scatter, scatter, tensordot, and those of nn.functional that PyTorch stores results of."""
    stored = []
    for m in LIBRARIES:
        x, F = m.arange(12.0).reshape(3, 4), m.nn.functional
        found = [
            m.slice_scatter(x, m.ones(1, 4), 0, 1, 2, out=m.empty(3, 4)),
            m.scatter(x, 1, m.zeros(3, 1, dtype=m.int64), 9.0, out=m.empty(3, 4)),
            m.tensordot(x, x, ([0], [0]), out=m.empty(4, 4)),
            m.argmax(x, 1, out=m.empty(3, dtype=m.int64)),
            m.linalg.norm(x, out=m.empty(())),
            F.linear(x, x, out=m.empty(3, 3)),
            F.avg_pool2d(x[None], 2, out=m.empty(1, 1, 2)),
            *(
                getattr(F, f)(x, out=m.empty(3, 4))
                for f in ("gelu", "softplus", "logsigmoid", "hardshrink", "softshrink")
            ),
        ]
        stored.append([y.numpy() for y in found])
    for ours, theirs in zip(stored[1], stored[0], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)  # float32 rounding


def test_as_strided():
    """Elements of the memory by strides of one's own, with PyTorch's gradient where they overlap."""
    stored = []
    for m in LIBRARIES:
        x = m.arange(12.0, requires_grad=True)
        y = x.view(3, 4)
        parts = [
            m.as_strided(x, (5, 4), (1, 1)),
            y.as_strided((3, 2), (2, 1), 1),
            y[1].as_strided((2, 2), (1, 2)),
            y[1].detach().as_strided((2,), (1,), 0),
            y.t().as_strided((2, 2), (4, 1)),
        ]
        sum((p * p).sum() for p in parts).backward()
        stored.append([*(p.tolist() for p in parts), x.grad.tolist()])
        for size, stride in (((20,), (1,)), ((2,), (1, 1)), ((2,), (-1,))):
            with pytest.raises(RuntimeError):
                x.as_strided(size, stride)
    assert stored[0] == stored[1]
    with pytest.raises(RuntimeError, match="read-only"):
        tg.ones(3).as_strided((2,), (1,)).add_(1)


def test_numbers_that_do_not_fit():
    """fill_, full and x[i] = v refuse a number that the dtype does not hold; tensor() makes it infinite."""
    for m in LIBRARIES:
        x = m.zeros(2)
        for store in (
            lambda m=m: m.full((2,), 1e300),
            lambda x=x: x.fill_(-1e300),
            lambda x=x: x.__setitem__(0, 1e300),
            lambda m=m: m.zeros(2, dtype=m.int32).fill_(float("nan")),
            lambda m=m: m.zeros(2, dtype=m.uint8).fill_(300),
        ):
            with pytest.raises(RuntimeError, match="without overflow"):
                store()
        assert x.tolist() == [0, 0]
        assert m.tensor(1e300).item() == m.full((), float("inf")).item()


def test_sign_and_silu_at_the_ends():
    """The sign of NaN is 0, silu and sigmoid of the most negative numbers are 0, as PyTorch has them."""
    for m in LIBRARIES:
        x = m.tensor([float("nan"), -3e38, -89.0, 0.0, 100.0])
        assert m.sign(x).tolist() == m.sgn(x).tolist() == [0, -1, -1, 0, 1]
        assert m.nn.functional.silu(x)[1:].tolist() == [0, 0, 0, 100]
        assert m.sigmoid(x)[1:].tolist() == [0, 0, 0.5, 1]
    assert np.isnan(np.sign(tg.tensor(float("nan"))).item())


@pytest.mark.parametrize("name", ["int8", "uint8", "int32"])
@pytest.mark.parametrize("equation", ["ij,jk,kl->il", "ij->i", "ij,kl->i", "ij,ij->"])
def test_einsum_of_small_integers(name, equation):
    """Products stay in the dtype, sums of what only one operand has are int64."""
    found = []
    for m in LIBRARIES:
        operands = [m.full((3, 3), 7, dtype=getattr(m, name)) for _ in equation.split("->")[0].split(",")]
        result = m.einsum(equation, *operands)
        found.append((str(result.dtype).removeprefix("torch."), result.tolist()))
    assert found[0] == found[1]


def test_singular_values_of_what_is_not_finite():
    """LAPACK may search for ever; here NaN comes out, or the error that PyTorch has for NaN."""
    A = tg.eye(3)
    A[0, 1] = float("inf")
    with pytest.raises(tg.linalg.LinAlgError, match="non-finite"):
        tg.linalg.svd(A)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_polygamma_of_negative_numbers(n):
    """As many steps for -100,000.3 as for 1.3."""
    x = np.array([-3.3, -0.2, -1e-9, -100.25, -3.5, -1e5 - 0.3, 0.3, 20.0])
    ours, theirs = (m.polygamma(n, m.tensor(x)).numpy() for m in (tg, torch))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


SINGLES = np.concatenate([np.geomspace(1e-20, 1e20, 2001), np.linspace(0.01, 12, 2001), -np.linspace(0.013, 30, 501)])


@pytest.mark.parametrize("name", ["lgamma", "digamma", "erfc", "erfinv"])
def test_special_functions_in_single_precision(name):
    """float32 has a way of its own, which keeps a few units of its last place, and the values at the ends."""
    x = np.concatenate([np.tanh(SINGLES) if name == "erfinv" else SINGLES, [np.inf, -np.inf, np.nan, 0.0, 1.0, 2.0]])
    ours = getattr(tg, name)(tg.tensor(x.astype(np.float32))).numpy()
    theirs = getattr(torch, name)(torch.tensor(x.astype(np.float32)).double()).numpy()
    assert ours.dtype == np.float32
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(ours, theirs.astype(np.float32), rtol=3e-6, atol=1e-30)


@pytest.mark.parametrize("name", ["fmod", "remainder"])
def test_rests_in_single_precision(name, rng):
    """Exact, whatever the quotient: small, beyond float32's whole numbers, infinite, of zero, of tenths."""
    special = np.array(
        [0.0, 1, -1, 2, -2, 0.3, 0.1, 3, 1e30, -1e30, np.inf, -np.inf, np.nan, 7, 2**24, 0.5], np.float32
    )
    pairs = [
        (rng.standard_normal(1000) * 10, rng.random(1000) + 0.01),
        (rng.integers(-99, 99, 1000) / 10, np.full(1000, -0.1)),
        (np.repeat(special, len(special)), np.tile(special, len(special))),
    ]
    for A, B in pairs:
        found = [getattr(m, name)(m.tensor(A.astype(np.float32)), m.tensor(B.astype(np.float32))) for m in LIBRARIES]
        np.testing.assert_array_equal(found[1].numpy(), found[0].numpy())


def test_triangles_of_stacks():
    """tril and triu of wide and high matrices, of stacks, of integers and booleans, at every diagonal."""
    for shape in ((3, 5), (5, 3), (2, 3, 3), (0, 3), (3, 0)):
        x = np.arange(np.prod(shape)).reshape(shape) + 1
        for k in range(-4, 5):
            for kind in (np.float32, np.int64, bool):
                t = tg.tensor(x.astype(kind))
                np.testing.assert_array_equal(t.tril(k).numpy(), np.tril(x.astype(kind), k))
                np.testing.assert_array_equal(t.triu(k).numpy(), np.triu(x.astype(kind), k))
