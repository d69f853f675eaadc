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
